"""Our topics beside EVoC's and k-means': the same vectors, in turn, held to given classes.

topics.py VECTORS.npy CLASSES.txt ROWS PROGRAM [--turns 3] [--kmeans 8,45,64]

PROGRAM is what `cargo bench -p portolan-kernels --bench topics --no-run` has built. Prints a JSON line for every
depth, layer and number of centres: adjusted mutual information with the classes over all rows (ours: noise by its
nearest topic) and over those that are not noise. Ours is timed with the graph given, EVoC whole, its compiler warm;
last come the medians of ours over EVoC's.
"""
import argparse, json, os, subprocess, tempfile, time
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score as ami

parser = argparse.ArgumentParser()
for name, kind in [("vectors", str), ("classes", str), ("rows", int), ("program", str)]:
    parser.add_argument(name, type=kind)
parser.add_argument("--turns", type=int, default=3)
parser.add_argument("--kmeans", default="8,45,64")
given = parser.parse_args()

X = np.load(given.vectors, mmap_mode="r")
pick = np.sort(np.random.RandomState(1).permutation(len(X))[: given.rows])
X = np.ascontiguousarray(X[pick], dtype=np.float32)
n = len(X)
classes = np.unique(np.loadtxt(given.classes, dtype=str), return_inverse=True)[1][pick]
path, out = (os.path.join(tempfile.mkdtemp(), name) for name in ("vectors.npy", "out"))
np.save(path, X)


def tell(who, seconds, topics, nearest):
    sure = topics >= 0
    print(json.dumps({"who": who, "n": n, "seconds": round(seconds, 2), "topics": int(nearest.max() + 1), "noise": round(float(1 - sure.mean()), 3),
                      "ami": round(float(ami(classes, nearest)), 4), "ami_sure": round(float(ami(classes[sure], topics[sure])), 4)}), flush=True)


import evoc

evoc.EVoC().fit_predict(X[:1000])
ratios, whole = [], []
for turn in range(given.turns):
    said = subprocess.run([given.program, path, out], capture_output=True, text=True, check=True).stdout
    seconds = {line.split()[0]: float(line.split()[1]) for line in said.splitlines()}
    start = time.time()
    model = evoc.EVoC(random_state=1)
    model.fit_predict(X)
    theirs = time.time() - start
    ratios.append(seconds["topics"] / theirs)
    whole.append((seconds["graph"] + seconds["topics"]) / theirs)
    print(json.dumps({"turn": turn, "ours": seconds["topics"], "our graph": seconds["graph"], "evoc": round(theirs, 2)}), flush=True)
for depth, (topics, nearest) in enumerate(np.fromfile(out, np.uint32).reshape(-1, 2, n)):
    tell(f"depth {depth + 1}", seconds["topics"], np.where(topics == 2**32 - 1, -1, topics.astype(int)), nearest.astype(int))
for layer, labels in enumerate(model.cluster_layers_):
    labels = np.asarray(labels)
    tell(f"evoc layer {layer}", theirs, labels, labels)
for count in filter(None, given.kmeans.split(",")):
    start = time.time()
    labels = KMeans(int(count), n_init=1, random_state=1, max_iter=50).fit_predict(X)
    tell(f"k-means {count}", time.time() - start, labels, labels)
print(json.dumps({"n": n, "ours/evoc": round(float(np.median(ratios)), 3), "with graph": round(float(np.median(whole)), 3)}))
