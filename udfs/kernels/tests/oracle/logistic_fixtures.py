"""Makes the fixtures of tests/logistic.rs: what scikit-learn's logistic regression says of the digits.

pip install numpy==2.4.6 scikit-learn==1.9.1
python logistic_fixtures.py
"""

import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
TO = FIXTURES / "logistic"


def main():
    TO.mkdir(parents=True, exist_ok=True)
    raw = np.frombuffer((FIXTURES / "digits.bin").read_bytes(), np.uint8)
    count = len(raw) // 65
    rows = raw[: count * 64].reshape(count, 64) / 16.0
    labels = raw[count * 64 :]
    kept = labels != 3  # a class without rows
    for name, c, weights in [("plain", 1.0, None), ("balanced", 0.1, "balanced"), ("loose", 100.0, None)]:
        some = kept & ((np.arange(count) % 5 != 0) | (labels != 7)) if name == "balanced" else kept
        model = LogisticRegression(C=c, class_weight=weights, tol=1e-9, max_iter=100000)
        model.fit(rows[some], labels[some])
        chances = np.zeros((200, 10))
        chances[:, model.classes_] = model.predict_proba(rows[:200])
        np.save(TO / f"{name}.npy", chances.astype(np.float32))


if __name__ == "__main__":
    main()
