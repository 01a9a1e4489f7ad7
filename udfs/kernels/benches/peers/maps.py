"""Our maps beside umap-learn's: the same vectors, time from vectors to map, and quality.

maps.py VECTORS.npy CLASSES.txt ROWS PROGRAM [--peer] [--seeded] [--seeds 3] [--first 0] [--methods umap,nomad] [--keep FOLDER]

PROGRAM is what `cargo bench -p portolan-kernels --bench lay_out --no-run` has built. Prints a JSON line per map,
and at the end one of means per kind of map. With --peer umap-learn's come in turn with ours, unseeded, with --seeded
with a seed, either with its compiler warmed up. Cosine, 15 neighbours, min_dist 0.1. A method may carry options:
umap:negatives=5:spectral_steps=100. Labels are judged by all rows, the rest by 2,000. With --keep every map is
stored and drawn, coloured by class.
"""
import argparse, json, os, subprocess, tempfile, time, warnings
import numpy as np
from sklearn.neighbors import NearestNeighbors

parser = argparse.ArgumentParser()
for name, kind in [("vectors", str), ("classes", str), ("rows", int), ("program", str)]:
    parser.add_argument(name, type=kind)
parser.add_argument("--peer", action="store_true")
parser.add_argument("--seeded", action="store_true")
parser.add_argument("--seeds", type=int, default=3)
parser.add_argument("--first", type=int, default=0)
parser.add_argument("--methods", default="umap")
parser.add_argument("--keep")
given = parser.parse_args()
if given.keep:
    os.makedirs(given.keep, exist_ok=True)

X = np.load(given.vectors, mmap_mode="r")
pick = np.sort(np.random.RandomState(1).permutation(len(X))[: given.rows])
X = np.ascontiguousarray(X[pick], dtype=np.float32)
X /= np.linalg.norm(X, axis=1, keepdims=True)
n = len(X)
classes = np.unique(np.loadtxt(given.classes, dtype=str), return_inverse=True)[1][pick]
anchors = np.random.RandomState(0).choice(n, min(2000, n), replace=False)
triplets = np.random.RandomState(2).randint(0, n, (len(anchors) * 5, 2))
near = np.empty((len(anchors), 10), int)
for first in range(0, len(anchors), 250):
    part = anchors[first : first + 250]
    similar = X[part] @ X.T
    similar[np.arange(len(part)), part] = -np.inf
    near[first : first + 250] = np.argpartition(-similar, 10, axis=1)[:, :10]


def judge(Y):
    Y = Y.astype(np.float64)
    flat = NearestNeighbors(n_neighbors=16).fit(Y).kneighbors(Y, return_distance=False)
    flat = np.array([[j for j in row if j != i][:15] for i, row in enumerate(flat)])
    right = np.mean([np.bincount(classes[row]).argmax() == classes[i] for i, row in enumerate(flat)])
    low = flat[anchors]
    kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near, low[:, :10])])
    penalty, k = 0.0, 15
    for first in range(0, len(anchors), 250):
        part = anchors[first : first + 250]
        similar = X[part] @ X.T
        similar[np.arange(len(part)), part] = -np.inf
        values = np.take_along_axis(similar, low[first : first + len(part)], 1)
        for at in range(k):
            rank = (similar > values[:, at, None]).sum(1) + 1
            penalty += np.maximum(0, rank - k).sum()
    a, (b, c) = np.repeat(anchors, 5), triplets.T
    high = (X[a] * X[b]).sum(1) > (X[a] * X[c]).sum(1)
    less = ((Y[a] - Y[b]) ** 2).sum(1) < ((Y[a] - Y[c]) ** 2).sum(1)
    return {"np10": kept, "trust15": 1 - penalty * 2 / (len(anchors) * k * (2 * n - 3 * k - 1)), "knn": right, "triplets": np.mean(high == less)}


every = {}


def tell(who, seed, seconds, parts, Y):
    judged = {name: float(x) for name, x in judge(Y).items()}
    every.setdefault(who, []).append({"seconds": seconds, **judged})
    print(json.dumps({"who": who, "n": n, "seed": seed, "seconds": round(seconds, 2), **parts,
                      **{name: round(x, 4) for name, x in judged.items()}}), flush=True)
    if given.keep:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        at = os.path.join(given.keep, f"{who}-{n}-{seed}")
        np.save(at + ".npy", Y)
        plt.figure(figsize=(10, 10))
        plt.scatter(*Y.T, c=classes, cmap="nipy_spectral", s=1.5 if n > 9000 else 4, linewidths=0)
        plt.axis("equal"), plt.axis("off"), plt.tight_layout(), plt.savefig(at + ".png", dpi=90), plt.close()


folder = tempfile.mkdtemp()
np.save(os.path.join(folder, "vectors.npy"), X)
if given.peer or given.seeded:
    warnings.filterwarnings("ignore")
    import umap

# Compiled before the clock starts; with a seed it is other code.
for wanted, seed in [(given.peer, None), (given.seeded, 1)]:
    if wanted:
        umap.UMAP(n_neighbors=15, metric="cosine", random_state=seed).fit(X[:4500])
for seed in range(given.first, given.first + given.seeds):
    for method in filter(None, given.methods.split(",")):
        name, *options = method.split(":")
        out = os.path.join(folder, "out")
        said = subprocess.run([given.program, name, os.path.join(folder, "vectors.npy"), str(n), str(seed), out, *options], capture_output=True, text=True, check=True)
        parts = dict((name, float(x)) for name, x in map(str.split, said.stdout.splitlines()))
        seconds = sum(parts[x] for x in ("graph", "start", "layout"))
        tell(method, seed, seconds, parts, np.fromfile(out, np.float32).reshape(n, 2))
    for wanted, who, state in [(given.peer, "umap-learn", None), (given.seeded, "umap-learn seeded", seed)]:
        if wanted:
            start = time.time()
            Y = umap.UMAP(n_neighbors=15, min_dist=0.1, metric="cosine", random_state=state).fit_transform(X)
            tell(who, state, time.time() - start, {}, Y)
for who, maps in every.items():
    print(json.dumps({"mean": who, "n": n, "maps": len(maps), **{name: round(float(np.mean([x[name] for x in maps])), 4) for name in maps[0]},
                      "knn_spread": round(float(np.std([x["knn"] for x in maps])), 4)}), flush=True)
