"""Our maps beside umap-learn's: the same vectors, the same graph's k, time and quality.

maps.py VECTORS.npy CLASSES.txt ROWS PROGRAM [--peer] [--seeds 3] [--methods umap]

PROGRAM is what `cargo bench -p portolan-kernels --bench lay_out --no-run` has built. Prints a JSON line per
map. Without --peer only ours. The graph is exact and made here; its time is not in ours.
"""
import argparse, json, os, subprocess, tempfile, time
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("vectors"), parser.add_argument("classes"), parser.add_argument("rows", type=int), parser.add_argument("program")
parser.add_argument("--peer", action="store_true"), parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--methods", default="umap"), parser.add_argument("--keep"), parser.add_argument("--cache", default=tempfile.gettempdir())
given = parser.parse_args()

K = 14  # umap-learn counts the row itself: its 15
X = np.load(given.vectors, mmap_mode="r")
classes = np.loadtxt(given.classes, dtype=str)
pick = np.random.RandomState(1).permutation(len(X))[: given.rows]
X = np.ascontiguousarray(X[pick], dtype=np.float32)
classes = classes[pick]
X /= np.linalg.norm(X, axis=1, keepdims=True)
n = len(X)

folder = os.path.join(given.cache, f"graph-{os.path.basename(given.vectors)}-{n}")
if not os.path.exists(os.path.join(folder, "start")):
    os.makedirs(folder, exist_ok=True)
    ids, distances = np.empty((n, K), np.uint32), np.empty((n, K), np.float32)
    for first in range(0, n, 1024):
        similar = X[first : first + 1024] @ X.T
        similar[np.arange(len(similar)), np.arange(first, first + len(similar))] = -np.inf
        top = np.argpartition(-similar, K, axis=1)[:, :K]
        values = np.take_along_axis(similar, top, 1)
        order = np.argsort(-values, axis=1)
        ids[first : first + 1024] = np.take_along_axis(top, order, 1)
        distances[first : first + 1024] = np.maximum(0, 1 - np.take_along_axis(values, order, 1))
    ids.tofile(os.path.join(folder, "neighbours")), distances.tofile(os.path.join(folder, "distances"))
    centred = X - X.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    (centred @ axes[:, ::-1][:, :2]).astype(np.float32).tofile(os.path.join(folder, "start"))
if "nomad" in given.methods:
    X.tofile(os.path.join(folder, "rows"))
near = np.fromfile(os.path.join(folder, "neighbours"), np.uint32).reshape(n, K)

from sklearn.neighbors import NearestNeighbors

anchors = np.random.RandomState(0).choice(n, min(5000, n), replace=False)
few = anchors[:2000]
triplets = np.random.RandomState(2).randint(0, n, (len(anchors) * 5, 2))


def ranks(points, metric):
    """For the few anchors, the rank of every row among all rows (cosine by a product)."""
    if metric == "cosine":
        d = 1 - points[few] @ points.T
    else:
        d = ((points[few] ** 2).sum(1)[:, None] + (points**2).sum(1)[None] - 2 * points[few].astype(np.float64) @ points.T)
    d[np.arange(len(few)), few] = -np.inf
    return d


def judge(Y):
    Y = Y.astype(np.float64)
    low = NearestNeighbors(n_neighbors=16).fit(Y).kneighbors(Y[anchors], return_distance=False)
    low = np.array([[j for j in row if j != i][:15] for i, row in zip(anchors, low)])
    np10 = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near[anchors][:, :10], low[:, :10])])
    votes = [max(set(v := list(classes[row])), key=v.count) for row in low]
    # Trustworthiness at 15 of the few anchors, in chunks.
    penalty, k = 0.0, 15
    for first in range(0, len(few), 200):
        part = few[first : first + 200]
        similar = X[part] @ X.T
        similar[np.arange(len(part)), part] = np.inf
        for row, neighbours in zip(similar, low[first : first + len(part)]):
            rank = (row[None] > row[neighbours][:, None]).sum(1)
            penalty += np.maximum(0, rank - k).sum()
    trust = 1 - penalty * 2 / (len(few) * k * (2 * n - 3 * k - 1))
    a = np.repeat(anchors, 5)
    b, c = triplets.T
    high = (X[a] * X[b]).sum(1) > (X[a] * X[c]).sum(1)
    flat = ((Y[a] - Y[b]) ** 2).sum(1) < ((Y[a] - Y[c]) ** 2).sum(1)
    return {"np10": round(float(np10), 4), "trust15": round(float(trust), 4),
            "knn": round(float(np.mean(np.array(votes) == classes[anchors])), 4), "triplets": round(float(np.mean(high == flat)), 4)}


def tell(who, seed, seconds, Y):
    print(json.dumps({"who": who, "n": n, "seed": seed, "seconds": round(seconds, 3), **judge(Y)}), flush=True)
    if given.keep:
        np.save(os.path.join(given.keep, f"{who}-{n}-{seed}.npy"), Y)


for seed in range(given.seeds):
    for method in given.methods.split(","):
        out = os.path.join(folder, "out")
        said = subprocess.run([given.program, method, folder, str(n), str(K), str(seed), out], capture_output=True, text=True, check=True)
        tell(method, seed, float(said.stdout.split()[0]), np.fromfile(out, np.float32).reshape(n, 2))
if given.peer:
    import warnings
    warnings.filterwarnings("ignore")
    import umap

    umap.UMAP(n_neighbors=15, metric="cosine").fit(X[:4500])  # compiled before the clock starts
    if n > 4500:
        umap.UMAP(n_neighbors=15, metric="cosine", n_epochs=11).fit(X[:4500])
    for seed in [None] * given.seeds:
        start = time.time()
        Y = umap.UMAP(n_neighbors=15, min_dist=0.1, metric="cosine", random_state=seed).fit_transform(X)
        tell("umap-learn", seed, time.time() - start, Y)
