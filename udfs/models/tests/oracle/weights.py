"""Weights that need not be stored: each number follows from its tensor's name and its place in it.

weights.rs makes the same ones.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def values(name, shape):
    """The numbers of one tensor, as float32."""
    center, width = spread(name, shape)
    seed = np.uint64(fnv1a64(name.encode()))
    with np.errstate(over="ignore"):
        bits = splitmix64(seed + np.arange(np.prod(shape, dtype=np.int64), dtype=np.uint64))
    return (center + width * uniform(bits)).reshape(shape)


def spread(name, shape):
    """Where a tensor's numbers lie: center - width to center + width, so that a signal passes
    through many layers without fading or growing."""
    norm = any(word in name for word in ("norm", "ln", "LayerNorm"))
    table = name.endswith(("embedding.weight", "embeddings.weight"))
    if len(shape) == 1:
        center = 1 if norm and name.endswith("weight") else 0
        width = np.float32(0.1)
    elif len(shape) == 2 and table:
        center, width = 0, np.float32(0.5)
    else:
        fan_in = np.float32(np.prod(shape[1:], dtype=np.int64))
        center, width = 0, np.sqrt(np.float32(3) / fan_in)
    return np.float32(center), width


def uniform(bits):
    """-1 to 1, from the 24 highest bits: as many as a float32 holds."""
    return (bits >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def splitmix64(x):
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def fnv1a64(data):
    hash = 0xCBF29CE484222325
    for byte in data:
        hash = ((hash ^ byte) * 0x100000001B3) % (1 << 64)
    return hash


def write(folder, shapes):
    """Writes model.safetensors into a folder."""
    tensors = {name: values(name, shape) for name, shape in shapes.items()}
    save_file(tensors, Path(folder, "model.safetensors"), metadata={"format": "pt"})
