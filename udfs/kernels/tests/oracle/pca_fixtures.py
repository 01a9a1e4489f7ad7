"""Makes the fixtures of tests/pca.rs: rows, and what NumPy's singular value decomposition says of them.

pip install numpy==2.4.6
python pca_fixtures.py
"""

import pathlib

import numpy as np

TO = pathlib.Path(__file__).parent / "fixtures" / "pca"


def main():
    TO.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    # Variances that fall slowly, and a mean far from zero.
    spread = 1 / (1 + np.arange(30)) ** 0.7
    turn = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    rows = ((rng.normal(size=(250, 30)) * spread) @ turn + 20).astype(np.float32)
    np.save(TO / "rows.npy", rows)
    centred = rows.astype(np.float64) - rows.astype(np.float64).mean(axis=0)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    variances = lengths**2 / (len(rows) - 1)
    top = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(top)), top])[:, None]
    with open(TO / "said.txt", "w") as file:
        for variance, share, direction in list(zip(variances, variances / variances.sum(), directions))[:5]:
            numbers = " ".join(f"{x:.9g}" for x in direction)
            file.write(f"{variance:.12g} {share:.12g} {numbers}\n")


main()
