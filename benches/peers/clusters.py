"""Writes vectors around a thousand centres as a NumPy file.

    clusters.py 1000000 x.npy
"""

import sys

import numpy

WIDTH = 384
rows = int(sys.argv[1])
random = numpy.random.default_rng(7)
centres = random.normal(size=(1000, WIDTH)).astype(numpy.float32)
out = numpy.lib.format.open_memmap(sys.argv[2], "w+", numpy.float32, (rows, WIDTH))
for start in range(0, rows, 50_000):
    piece = out[start : start + 50_000]
    piece[:] = centres[random.integers(0, 1000, len(piece))]
    piece += 0.6 * random.normal(size=piece.shape).astype(numpy.float32)
    piece /= numpy.linalg.norm(piece, axis=1, keepdims=True)
