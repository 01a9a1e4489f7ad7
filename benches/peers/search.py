"""Top-10 searches with what one would use instead: lancedb, faiss and usearch.

    search.py x.npy 100000
    search.py x.npy 1000000 50 lancedb

The third argument is how many queries, those after it are which of them. Prints what `cargo bench --bench
search` prints: the same rows, the same kind of queries (rows moved a little), one at a time, with and
without a condition that one row of a hundred meets.
"""

import os
import shutil
import sys
import tempfile
import time

os.environ.setdefault("LANCE_LOG", "error")  # It warns at every search.

import faiss
import lancedb
import numpy
import pyarrow
from usearch.index import Index

K = 10
QUERIES = int(sys.argv[3]) if len(sys.argv) > 3 else 200
PEERS = sys.argv[4:] or ["faiss", "usearch", "lancedb"]
vectors = numpy.load(sys.argv[1])[: int(sys.argv[2])].astype(numpy.float32)
vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
ids = numpy.arange(len(vectors))
passing = ids[ids % 100 == 7]
random = numpy.random.RandomState(1)
queries = vectors[random.choice(len(vectors), QUERIES, replace=False)]
queries = queries + 0.01 * random.uniform(-1, 1, queries.shape).astype(numpy.float32)
queries /= numpy.linalg.norm(queries, axis=1, keepdims=True)
everything = numpy.argsort(-(queries @ vectors.T), axis=1)[:, :K]
some = passing[numpy.argsort(-(queries @ vectors[passing].T), axis=1)[:, :K]]


def report(what, ask, truth):
    for query in queries[:20]:
        ask(query)
    times, hits = [], 0
    for query, right in zip(queries, truth):
        start = time.perf_counter()
        found = ask(query)
        times.append(time.perf_counter() - start)
        hits += len(set(map(int, found)) & set(map(int, right)))
    p50, p99 = 1000 * numpy.quantile(times, [0.5, 0.99])
    print(f"{what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, recall@{K} {hits / truth.size:.4f}", flush=True)


if "faiss" in PEERS:
    start = time.time()
    graph = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = 100
    graph.add(vectors)
    graph.hnsw.efSearch = 64
    print(f"faiss hnsw: built in {time.time() - start:.1f} s")
    report("faiss hnsw", lambda query: graph.search(query[None], K)[1][0], everything)

if "usearch" in PEERS:
    start = time.time()
    index = Index(ndim=vectors.shape[1], metric="ip")
    index.add(ids, vectors)
    print(f"usearch: built in {time.time() - start:.1f} s")
    report("usearch", lambda query: index.search(query, K).keys, everything)

if "lancedb" not in PEERS:
    sys.exit()

folder = tempfile.mkdtemp()
column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.reshape(-1)), vectors.shape[1])
rows = pyarrow.table({"id": ids, "pass": ids % 100, "v": column})
table = lancedb.connect(folder).create_table("t", rows)


def search(query, condition=None, **effort):
    asked = table.search(query).distance_type("cosine").limit(K).select(["id"])
    if condition:
        asked = asked.where(condition, prefilter=True)
    for name, value in effort.items():
        asked = getattr(asked, name)(value)
    return asked.to_arrow()["id"].to_pylist()


report("lancedb exact", search, everything)
report("lancedb exact, 1 % pass", lambda query: search(query, "pass = 7"), some)
for kind, effort in [
    ("IVF_HNSW_SQ", {"nprobes": 20}),
    ("IVF_PQ", {"nprobes": 20, "refine_factor": 10}),
]:
    start = time.time()
    table.create_index(metric="cosine", index_type=kind, vector_column_name="v", replace=True)
    print(f"lancedb {kind}: built in {time.time() - start:.1f} s")
    report(f"lancedb {kind}", lambda query: search(query, **effort), everything)
    report(f"lancedb {kind}, 1 % pass", lambda query: search(query, "pass = 7", **effort), some)
shutil.rmtree(folder)
