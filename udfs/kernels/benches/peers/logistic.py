"""Our logistic regression beside scikit-learn's: accuracy on rows held back, time, and planted flips found.

logistic.py VECTORS.npy CLASSES.txt PROGRAM [--turns 3] [--only 3,4,5] [--flips]
logistic.py digits PROGRAM …

PROGRAM is what `cargo bench -p portolan-kernels --bench logistic --no-run` has built. --only keeps rows of some
classes. Four fifths of the rows train; of scikit-learn's times
with one thread and with all the shorter counts. Prints JSON lines; with --flips one in twenty labels is another one, and
how well out-of-fold probabilities tell which (area under the curve, by the label's margin).
"""
import argparse, json, os, subprocess, tempfile, time
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

parser = argparse.ArgumentParser()
parser.add_argument("data", nargs="+")
parser.add_argument("program")
parser.add_argument("--turns", type=int, default=3)
parser.add_argument("--only", default="")
parser.add_argument("--flips", action="store_true")
given = parser.parse_args()

if given.data == ["digits"]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    X, y = (digits.data / 16).astype(np.float32), digits.target
else:
    X, y = np.load(given.data[0]).astype(np.float32), np.loadtxt(given.data[1], dtype=str)
    if given.only:
        kept = np.isin(y, given.only.split(","))
        X, y = X[kept], y[kept]
    y = np.unique(y, return_inverse=True)[1]
random = np.random.RandomState(1)
order = random.permutation(len(X))
test, train = np.split(order, [len(X) // 5])
classes = y.max() + 1
folder = tempfile.mkdtemp()
at = lambda name: os.path.join(folder, name)


def ours(X, y, test):
    np.save(at("x.npy"), X), np.save(at("y.npy"), y.astype(np.float32)[:, None])
    if test is not None:
        np.save(at("t.npy"), test)
    said = subprocess.run([given.program, at("x.npy"), at("y.npy"), "folds" if test is None else at("t.npy"), at("out")], capture_output=True, text=True, check=True)
    return float(said.stdout.split()[1]), np.fromfile(at("out"), np.float32).reshape(-1, classes)


ratios = []
for turn in range(given.turns):
    seconds, chances = ours(X[train], y[train], X[test])
    theirs = np.inf
    for threads in (1, None):  # where other programs run, BLAS is often faster alone
        with threadpool_limits(threads):
            start = time.time()
            model = LogisticRegression().fit(X[train], y[train])
            theirs = min(theirs, time.time() - start)
    ratios.append(seconds / theirs)
print(json.dumps({"n": len(train), "width": X.shape[1], "classes": int(classes), "ours": round(float(np.mean(chances.argmax(1) == y[test])), 4), "scikit-learn": round(model.score(X[test], y[test]), 4),
                  "seconds": round(seconds, 2), "theirs": round(theirs, 2), "steps": int(model.n_iter_[0]), "median ratio": round(float(np.median(ratios)), 3)}), flush=True)
if given.flips:
    flip = random.rand(len(y)) < 0.05
    noisy = np.where(flip, (y + random.randint(1, classes, len(y))) % classes, y)
    seconds, chances = ours(X, noisy, None)
    own = chances[np.arange(len(y)), noisy].copy()
    chances[np.arange(len(y)), noisy] = -1
    print(json.dumps({"n": len(y), "flips": int(flip.sum()), "auroc": round(roc_auc_score(flip, chances.max(1) - own), 4), "seconds": round(seconds, 2)}))
