"""Makes the fixtures of tests/quality.rs: rows, a poor map of them, and what scikit-learn says of it.

pip install numpy==2.4.6 scikit-learn==1.9.1
python quality_fixtures.py
"""

import pathlib

import numpy as np
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

TO = pathlib.Path(__file__).parent / "fixtures" / "quality"


def rows(seed, count, width, classes, spread):
    """Rows around the middles of their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    middles = rng.normal(size=(classes, width))
    return (middles[labels] + spread * rng.normal(size=(count, width))).astype(np.float32), labels


def nearest(x, k, metric):
    """Each row's nearest others."""
    finder = NearestNeighbors(n_neighbors=k, metric=metric).fit(x)
    return finder.kneighbors(return_distance=False)


def main():
    TO.mkdir(parents=True, exist_ok=True)
    high, labels = rows(1, 401, 12, 7, 0.6)
    rng = np.random.default_rng(2)
    low = (high[:, :2] + 0.2 * rng.normal(size=(401, 2)) + 30).astype(np.float32)
    np.save(TO / "high.npy", high)
    np.save(TO / "low.npy", low)
    np.save(TO / "labels.npy", labels.astype(np.float32)[:, None])
    wide, wide_low = high.astype(np.float64), low.astype(np.float64)
    said = []
    for metric, name in [("euclidean", "l2"), ("cosine", "cosine")]:
        for k in [1, 5, 15, 100]:
            value = trustworthiness(wide, wide_low, n_neighbors=k, metric=metric)
            said.append((f"trustworthiness {name} {k}", value))
            true, mapped = nearest(wide, k, metric), nearest(wide_low, k, "euclidean")
            kept = np.mean([len(set(a) & set(b)) / k for a, b in zip(true, mapped)])
            said.append((f"preservation {name} {k}", kept))
        said.append((f"silhouette {name}", silhouette_score(wide, labels, metric=metric)))
    said.append(("silhouette_low l2", silhouette_score(wide_low, labels)))
    for k in [1, 4, 15]:
        # Each row left out of those that vote on it.
        votes = labels[nearest(wide_low, k, "euclidean")]
        model = [np.bincount(v).argmax() for v in votes]
        said.append((f"labels {k}", np.mean(model == labels)))
    with open(TO / "said.txt", "w") as file:
        for name, value in said:
            file.write(f"{name} {value:.12g}\n")


main()
