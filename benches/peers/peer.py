#!/usr/bin/env python3
"""Embeds the lines of a file with what one would use in Python, and prints a line of JSON.

usage: peer.py {onnxruntime,sentence-transformers,torch} MODEL LINES [--threads N] [--vectors FILE]

MODEL is a folder with config.json, tokenizer.json and model.safetensors of a BERT (all-MiniLM-L6-v2)
or a NomicBert. onnxruntime runs it from model.onnx, which is made and compared with torch on first
use. Loading is not timed, tokenising is. --vectors keeps them as .npy.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np

# A batch holds texts of about one length: no more than this many, and tokens.
BATCH, BATCH_TOKENS = 64, 2048


class Recipe:
    """What a model's folder does not say about itself."""

    def __init__(self, folder):
        nomic = json.loads(Path(folder, "config.json").read_text())["model_type"] == "nomic_bert"
        self.max_tokens = 2048 if nomic else 256
        self.layer_norm = nomic

    def finish(self, hidden, mask):
        """Hidden states to vectors."""
        mask = mask.astype(np.float32)
        vectors = (mask[:, None] @ hidden)[:, 0] / mask.sum(1, keepdims=True)
        if self.layer_norm:
            vectors -= vectors.mean(1, keepdims=True)
            vectors /= np.sqrt(vectors.var(1, keepdims=True) + 1e-5)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def sentence_transformers(folder, threads):
    """Its own pipeline, as its documentation has it."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu")
    return lambda texts: model.encode(texts, batch_size=BATCH)


def torch_alone(folder, threads):
    """transformers' model in sorted batches: what the other engines' vectors must equal."""
    import torch

    torch.set_num_threads(threads)
    model = load_torch(folder, "sdpa")

    def hidden(ids, mask):
        with torch.inference_mode():
            out = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
        return out.last_hidden_state.numpy()

    return in_sorted_batches(folder, hidden)


def onnxruntime(folder, threads):
    """A session over sorted batches."""
    import onnxruntime

    path = Path(folder, "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    fresh = not path.exists()
    if fresh:
        export(folder, path)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def hidden(ids, mask):
        return session.run(None, {"input_ids": ids, "attention_mask": mask})[0]

    if fresh:
        try:
            compare(folder, hidden)
        except AssertionError:
            path.unlink()
            raise
    return in_sorted_batches(folder, hidden)


PEERS = {
    "onnxruntime": onnxruntime,
    "sentence-transformers": sentence_transformers,
    "torch": torch_alone,
}


def load_torch(folder, attention):
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder, attn_implementation=attention).eval()


def export(folder, path):
    """Writes a model as ONNX, for batches of any number and length."""
    import torch

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = load_torch(folder, "eager")

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    names = ["input_ids", "attention_mask"]
    sample = torch.ones(2, 8, dtype=torch.long)
    part = path.with_suffix(".part")
    torch.onnx.export(
        Hidden(),
        (sample, sample),
        part,
        input_names=names,
        output_names=["hidden"],
        dynamic_axes={name: {0: "texts", 1: "tokens"} for name in [*names, "hidden"]},
        opset_version=17,
        dynamo=False,
    )
    part.rename(path)


def compare(folder, hidden):
    """Holds an exported model to torch, at shapes that the export did not see."""
    import torch

    model = load_torch(folder, "eager")
    random = np.random.default_rng(1)
    for texts, tokens in ((1, 5), (3, 40), (2, 300)):
        ids = random.integers(1000, 20000, (texts, tokens))
        mask = np.ones_like(ids)
        mask[-1, tokens // 2 :] = 0
        with torch.inference_mode():
            expected = model(
                input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
            ).last_hidden_state.numpy()
        difference = np.abs((hidden(ids, mask) - expected) * mask[..., None]).max()
        assert difference < 1e-4, f"{texts} x {tokens}: the exported model is off by {difference}"


def in_sorted_batches(folder, hidden):
    """Texts to vectors by way of a function from token ids and mask to hidden states."""
    from tokenizers import Tokenizer

    recipe = Recipe(folder)
    tokenizer = Tokenizer.from_file(str(Path(folder, "tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.enable_truncation(recipe.max_tokens)

    def embed(texts):
        rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        vectors = [None] * len(rows)
        for batch in batches(order, rows):
            width = len(rows[batch[-1]])
            ids = np.zeros((len(batch), width), np.int64)
            mask = np.zeros((len(batch), width), np.int64)
            for place, row in enumerate(batch):
                ids[place, : len(rows[row])] = rows[row]
                mask[place, : len(rows[row])] = 1
            for row, vector in zip(batch, recipe.finish(hidden(ids, mask), mask)):
                vectors[row] = vector
        return np.stack(vectors)

    return embed


def batches(order, rows):
    """Runs of texts, sorted by length."""
    batch = []
    for row in order:
        if batch and (len(batch) == BATCH or (len(batch) + 1) * len(rows[row]) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("lines", metavar="LINES")
    parser.add_argument("--threads", metavar="N", type=int, default=os.cpu_count())
    parser.add_argument("--vectors", metavar="FILE")
    arguments = parser.parse_args()

    with open(arguments.lines, encoding="utf-8", newline="\n") as file:
        texts = file.read().removesuffix("\n").split("\n")
    embed = PEERS[arguments.peer](arguments.model, arguments.threads)
    embed(texts[:BATCH])
    started = time.perf_counter()
    vectors = embed(texts)
    seconds = time.perf_counter() - started
    if arguments.vectors:
        np.save(arguments.vectors, vectors.astype(np.float32))
    report = {
        "peer": arguments.peer,
        "task": "embed_text",
        "n": len(texts),
        "seconds": round(seconds, 3),
        "docs_per_s": round(len(texts) / seconds, 1),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
