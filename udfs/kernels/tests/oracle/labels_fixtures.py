"""Makes the fixtures of tests/labels.rs: rows with labels and probabilities, and what scikit-learn, SciPy and
FiftyOne's formulas say of them.

pip install numpy==2.4.6 scikit-learn==1.9.1 scipy==1.17.1
python labels_fixtures.py
"""

import pathlib

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor, NearestNeighbors
from scipy.linalg import orthogonal_procrustes
from scipy.special import softmax

TO = pathlib.Path(__file__).parent / "fixtures" / "labels"
CLASSES, K = 5, 7


def main():
    TO.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    labels = rng.integers(0, CLASSES, 300)
    middles = rng.normal(size=(CLASSES, 6))
    rows = (middles[labels] + 0.9 * rng.normal(size=(300, 6))).astype(np.float32)
    logits = (2.0 * np.eye(CLASSES)[labels] + 1.5 * rng.normal(size=(300, CLASSES))).astype(np.float32)
    scores = (logits[:, 0] * 4).round().astype(np.float32)  # some are the same
    other = (rows @ rng.normal(size=(6, 4)) + 0.5 * rng.normal(size=(300, 4))).astype(np.float32)
    for name, values in [("rows", rows), ("logits", logits), ("scores", scores[:, None]), ("other", other)]:
        np.save(TO / f"{name}.npy", values)
    np.save(TO / "labels.npy", labels.astype(np.float32)[:, None])

    wide = rows.astype(np.float64)
    finder = NearestNeighbors(n_neighbors=K).fit(wide)
    far, near = finder.kneighbors()
    np.save(TO / "near.npy", near.astype(np.float32))
    np.save(TO / "far.npy", far.astype(np.float32))

    def keep(name, values):
        np.save(TO / f"{name}.npy", np.asarray(values, dtype=np.float32).reshape(300, -1))

    # FiftyOne's compute_uniqueness: the three nearest, weighted, as a share of the largest.
    weighted = np.mean(far[:, :3] * [0.6, 0.3, 0.1], axis=1)
    keep("uniqueness", weighted / weighted.max())
    keep("outliers", -LocalOutlierFactor(n_neighbors=K).fit(wide).negative_outlier_factor_)
    votes = np.array([np.bincount(labels[row], minlength=CLASSES) for row in near])
    shares = votes / K
    ordered = np.sort(shares, axis=1)
    keep("purity", shares[np.arange(300), labels])
    keep("entropy", entropy(shares, axis=1))
    keep("margin", ordered[:, -1] - ordered[:, -2])
    model = KNeighborsClassifier(n_neighbors=K).fit(wide, labels)
    keep("predicted", model.predict(None))
    overlap = np.array([votes[labels == a].sum(axis=0) for a in range(CLASSES)], dtype=np.float64)
    np.save(TO / "overlap.npy", (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32))

    # FiftyOne's compute_hardness and compute_mistakenness.
    chances = softmax(logits.astype(np.float64), axis=1)
    hard = entropy(chances, axis=1)
    sure = np.where(chances.argmax(axis=1) == labels, -1.0, 1.0)
    keep("hardness", hard)
    keep("mistakenness", (sure * np.exp(-hard) + 1.0) / 2.0)

    truth = labels == 0
    said = []
    model = logits.argmax(axis=1)
    for c in range(CLASSES):
        said.append((f"precision {c}", precision_score(labels, model, labels=[c], average=None)[0]))
        said.append((f"recall {c}", recall_score(labels, model, labels=[c], average=None)[0]))
        said.append((f"f1 {c}", f1_score(labels, model, labels=[c], average=None)[0]))
    said.append(("precision macro", precision_score(labels, model, average="macro")))
    said.append(("recall macro", recall_score(labels, model, average="macro")))
    said.append(("f1 macro", f1_score(labels, model, average="macro")))
    said.append(("accuracy", accuracy_score(labels, model)))
    for i, row in enumerate(confusion_matrix(labels, model)):
        for j, count in enumerate(row):
            said.append((f"confusion {i} {j}", count))
    said.append(("roc_auc", roc_auc_score(truth, scores)))
    said.append(("average_precision", average_precision_score(truth, scores)))
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = np.flatnonzero(f1[:-1] == f1[:-1].max())[-1]
    said += [("best_f1", f1[best]), ("best_f1 threshold", thresholds[best])]
    enough = precision[:-1] >= 0.8
    at = np.flatnonzero(enough & (recall[:-1] == recall[:-1][enough].max()))[-1]
    said += [("at_precision recall", recall[at]), ("at_precision threshold", thresholds[at])]

    # Drift between the two sets of columns.
    a, b = rows.astype(np.float64), other.astype(np.float64)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    gram_a, gram_b = a @ a.T, b @ b.T
    said.append(("cka", np.sum(gram_a * gram_b) / (np.linalg.norm(gram_a) * np.linalg.norm(gram_b))))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    wide_b = np.zeros_like(a)
    wide_b[:, : b.shape[1]] = b
    _, scale = orthogonal_procrustes(wide_b, a)
    said.append(("procrustes", 1 - scale**2))
    with open(TO / "said.txt", "w") as out:
        out.writelines(f"{name} {value:.10g}\n" for name, value in said)


if __name__ == "__main__":
    main()
