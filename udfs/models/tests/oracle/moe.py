"""nomic-embed-text-v2-moe, written out plainly: the transformers library's NomicBert knows no experts.

Every second layer has a mixture of them. A router gives each token a share of each expert; the token
goes through those with the largest shares, which are not made to sum to 1, and one bias is added.
"""

from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.functional import gelu


class NomicMoe(nn.Module):
    """The encoder of a config.json, by the names that its weights have."""

    def __init__(self, config):
        super().__init__()
        width, epsilon = config["n_embd"], config["layer_norm_epsilon"]
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config["vocab_size"], width),
                "token_type_embeddings": nn.Embedding(config["type_vocab_size"], width),
            }
        )
        self.emb_ln = nn.LayerNorm(width, eps=epsilon)
        layers = [Layer(config, index) for index in range(config["n_layer"])]
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(layers)})

    def forward(self, ids):
        words = self.embeddings["word_embeddings"](ids)
        first_type = self.embeddings["token_type_embeddings"].weight[0]
        hidden = self.emb_ln(words + first_type)
        for layer in self.encoder["layers"]:
            hidden = layer(hidden)
        return SimpleNamespace(last_hidden_state=hidden)


class Layer(nn.Module):
    def __init__(self, config, index):
        super().__init__()
        width, epsilon = config["n_embd"], config["layer_norm_epsilon"]
        self.attn = Attention(width, config["n_head"], config["rotary_emb_base"])
        mixed = index % config["moe_every_n_layers"] == 1
        self.mlp = Mixture(config) if mixed else Mlp(width, config["n_inner"])
        self.norm1 = nn.LayerNorm(width, eps=epsilon)
        self.norm2 = nn.LayerNorm(width, eps=epsilon)

    def forward(self, hidden):
        hidden = self.norm1(hidden + self.attn(hidden))
        return self.norm2(hidden + self.mlp(hidden))


class Attention(nn.Module):
    def __init__(self, width, heads, base):
        super().__init__()
        self.heads, self.base = heads, base
        self.Wqkv = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden):
        batch, length, width = hidden.shape
        head = width // self.heads
        qkv = self.Wqkv(hidden).view(batch, length, 3, self.heads, head)
        q, k, v = (qkv[:, :, part].transpose(1, 2) for part in range(3))
        q, k = self.turned(q), self.turned(k)
        shares = torch.softmax(q @ k.transpose(-1, -2) / head**0.5, dim=-1)
        return self.out_proj((shares @ v).transpose(1, 2).reshape(batch, length, width))

    def turned(self, x):
        """Rotary positions: the first half of each head is turned with the second."""
        length, head = x.shape[-2:]
        frequencies = self.base ** -(torch.arange(0, head, 2).float() / head)
        angles = torch.outer(torch.arange(length).float(), frequencies)
        cos, sin = angles.cos(), angles.sin()
        low, high = x.chunk(2, dim=-1)
        return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)


class Mlp(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, hidden):
        return self.fc2(gelu(self.fc1(hidden)))


class Mixture(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner, count = config["n_embd"], config["n_inner"], config["num_experts"]
        self.count, self.chosen = count, config["moe_top_k"]
        self.router = nn.ModuleDict({"layer": nn.Linear(width, count, bias=False)})
        self.experts = Experts(width, inner, count)

    def forward(self, hidden):
        shares = torch.softmax(self.router["layer"](hidden), dim=-1)
        largest = shares.topk(self.chosen, dim=-1)
        # Nothing for those that were not chosen.
        weights = torch.zeros_like(shares).scatter(-1, largest.indices, largest.values)
        made = (self.experts(hidden, index) for index in range(self.count))
        sum_of_all = sum(weights[..., index, None] * x for index, x in enumerate(made))
        return sum_of_all + self.experts.bias


class Experts(nn.Module):
    def __init__(self, width, inner, count):
        super().__init__()
        self.mlp = nn.ParameterDict(
            {
                "w1": nn.Parameter(torch.empty(count * inner, width)),
                "w2": nn.Parameter(torch.empty(count * inner, width)),
            }
        )
        self.bias = nn.Parameter(torch.empty(width))
        self.inner = inner

    def forward(self, hidden, index):
        rows = slice(index * self.inner, (index + 1) * self.inner)
        # The first has a row for each output, the second one for each input.
        return gelu(hidden @ self.mlp["w1"][rows].T) @ self.mlp["w2"][rows]
