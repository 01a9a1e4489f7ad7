"""Our duplicates held to brute force: real vectors with planted near-copies.

duplicates.py VECTORS.npy ROWS PROGRAM [--cutoff 0.1] [--clean]

PROGRAM is what `cargo bench -p portolan-kernels --bench duplicates --no-run` has built. A fifth of the rows are
copies of others, off by noise that leaves them at cosine distances up to about .05. Prints a JSON line: the
shares of the pairs within the cutoff that are in one cluster (recall) and of the pairs in one cluster that are
within the cutoff, or copies of one row (precision), the widest cluster, and whether rows in another order get
the same classes. With --clean rows that are near others before the planting are left out: real near-copies form
chains, whose ends are further apart than the cutoff though each step is within it.
"""
import argparse, json, os, subprocess, tempfile
import numpy as np

parser = argparse.ArgumentParser()
for name, kind in [("vectors", str), ("rows", int), ("program", str)]:
    parser.add_argument(name, type=kind)
parser.add_argument("--cutoff", type=float, default=0.1)
parser.add_argument("--clean", action="store_true")
given = parser.parse_args()

X = np.load(given.vectors, mmap_mode="r")
random = np.random.RandomState(1)
base = given.rows * 4 // 5
pick = np.sort(random.permutation(len(X))[: base * 3 // 2 if given.clean else base])
X = np.array(X[pick], dtype=np.float32)
X /= np.linalg.norm(X, axis=1, keepdims=True)
if given.clean:
    lone = [(X[i : i + 1000] @ X.T > 1 - 2 * given.cutoff).sum(1) == 1 for i in range(0, len(X), 1000)]
    X = X[np.concatenate(lone)][:base]
    assert len(X) == base, f"only {len(X)} rows are far from all others"
source = random.randint(0, len(X), given.rows - len(X))
noise = random.normal(size=(len(source), X.shape[1])) * random.uniform(0.05, 0.32, (len(source), 1)) / X.shape[1] ** 0.5
X = np.concatenate([X, X[source] + noise]).astype(np.float32)
group = np.concatenate([np.arange(given.rows - len(source)), source])
X /= np.linalg.norm(X, axis=1, keepdims=True)
n = len(X)
folder = tempfile.mkdtemp()


def ours(X):
    path, out = os.path.join(folder, "vectors.npy"), os.path.join(folder, "out")
    np.save(path, X)
    said = subprocess.run([given.program, path, str(given.cutoff), out], capture_output=True, text=True, check=True)
    clusters, kept = np.fromfile(out, np.uint32).reshape(2, -1)
    return float(said.stdout.split()[1]), clusters, kept


seconds, clusters, kept = ours(X)
alone = clusters == 2**32 - 1
found = near = 0
for first in range(0, n, 1000):
    similar = X[first : first + 1000] @ X.T
    a, b = np.nonzero(1 - similar <= given.cutoff)
    a += first
    a, b = a[a < b], b[a < b]
    near += len(a)
    found += int(((clusters[a] == clusters[b]) & ~alone[a]).sum())
within = right = planted = 0
widest = 0.0
order = np.argsort(clusters, kind="stable")
order = order[: n - alone.sum()]
for members in np.split(order, np.flatnonzero(np.diff(clusters[order].astype(np.int64))) + 1):
    far = 1 - X[members] @ X[members].T
    upper = np.triu_indices(len(members), 1)
    widest = max(widest, float(far[upper].max()))
    within += len(upper[0])
    same = group[members]
    right += int(((far[upper] <= given.cutoff) | (same[upper[0]] == same[upper[1]])).sum())
turn = random.permutation(n)
_, other, other_kept = ours(X[turn])
back = np.empty(n, int)
back[turn] = np.arange(n)
# Ids are places here, so equal medoids may be other rows; what belongs together must not change.
first_of = lambda c: np.unique(c, return_inverse=True)[1]
pairs = np.unique(np.stack([first_of(clusters), first_of(other[back])]), axis=1)
same = len(pairs[0]) == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))
print(json.dumps({"n": n, "cutoff": given.cutoff, "seconds": seconds, "pairs": near, "recall": round(found / near, 5), "precision": round(right / within, 5),
                  "clusters": int(len(np.unique(clusters[~alone]))), "widest": round(widest, 4), "same_in_any_order": bool(same)}))
