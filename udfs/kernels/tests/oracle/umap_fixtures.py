"""What umap-learn 0.5.12 makes of a small graph, and the digits of scikit-learn.

python3 umap_fixtures.py   (needs umap-learn==0.5.12; writes fixtures/umap.txt, fixtures/digits.bin)

A line of umap.txt is a name and numbers. digits.bin is a byte a pixel, 64 a digit, and a byte a label after all
of them.
"""
import os
import numpy as np
import scipy.sparse
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from umap.umap_ import (compute_membership_strengths, discrete_metric_simplicial_set_intersection, find_ab_params,
                        fuzzy_simplicial_set, reset_local_connectivity, smooth_knn_dist)

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
lines = []


def keep(name, values):
    lines.append(name + " " + " ".join(f"{x:.9g}" for x in np.asarray(values, np.float64).ravel()))


random = np.random.RandomState(4)
X = np.concatenate([random.randn(40, 5), 3 + 0.2 * random.randn(20, 5)]).astype(np.float32)
X[7] = X[3]  # two rows in one place
X[50:54] = X[49]  # and five
k = 8
distances, ids = NearestNeighbors(n_neighbors=k).fit(X).kneighbors(X)
for row in range(len(X)):  # the row itself first, also among equal ones
    at = np.flatnonzero(ids[row] == row)
    if len(at) == 0:
        ids[row, -1] = row
        at = [k - 1]
    ids[row] = np.concatenate([[row], np.delete(ids[row], at[0])])
    distances[row] = np.concatenate([[0], np.delete(distances[row], at[0])])
distances = distances.astype(np.float32)
keep("neighbours", ids[:, 1:]), keep("distances", distances[:, 1:])
for name, connectivity in [("", 1.0), ("_2.5", 2.5)]:
    sigmas, rhos = smooth_knn_dist(distances, float(k), local_connectivity=connectivity)
    keep("sigmas" + name, sigmas), keep("rhos" + name, rhos)
sigmas, rhos = smooth_knn_dist(distances, float(k), local_connectivity=1.0)
rows, columns, values, _ = compute_membership_strengths(ids.astype(np.int32), distances, sigmas, rhos)
keep("memberships", values.reshape(len(X), k)[:, 1:])
for name, ratio in [("", 1.0), ("_0.3", 0.3)]:
    graph, _, _, lengths = fuzzy_simplicial_set(X, k, np.random.RandomState(0), "euclidean", knn_indices=ids, knn_dists=distances,
                                                set_op_mix_ratio=ratio, return_dists=True)
    graph = graph.tocoo()
    keep("set" + name, np.stack([graph.row, graph.col, graph.data], 1))
    if ratio == 1.0:
        labels = np.arange(len(X)) % 3
        labels[::5] = -1
        keep("labels", labels)
        weighed = discrete_metric_simplicial_set_intersection(graph.copy(), labels, far_dist=2.5 * (1.0 / (1.0 - 0.5)))
        weighed = scipy.sparse.coo_matrix(weighed)
        keep("supervised", np.stack([weighed.row, weighed.col, weighed.data], 1))
        lengths = scipy.sparse.coo_matrix(lengths)
        keep("lengths", np.stack([lengths.row, lengths.col, lengths.data], 1))
keep("curves", [[m, s, *find_ab_params(s, m)] for m, s in [(0.0, 1.0), (0.1, 1.0), (0.25, 1.0), (0.5, 1.0), (0.99, 1.0), (0.1, 2.0), (0.5, 4.0)]])
with open(os.path.join(folder, "umap.txt"), "w") as file:
    file.write("\n".join(lines) + "\n")
digits = load_digits()
with open(os.path.join(folder, "digits.bin"), "wb") as file:
    file.write(digits.data.astype(np.uint8).tobytes() + digits.target.astype(np.uint8).tobytes())
