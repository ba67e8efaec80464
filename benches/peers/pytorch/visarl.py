"""A step of training a MultiMAE of ViSaRL's size (Liang et al. 2024; Bachmann et al. 2022),
in plain eager PyTorch. Sizes and numbers are those of ../harness/src/visarl.rs.

Parameters have the names and shapes of the released code.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from harness import signed, unsigned

BATCH, SIDE, PATCH = 64, 64, 8
GRID = SIDE // PATCH
PATCHES = GRID * GRID
TOKENS, VISIBLE = 2 * PATCHES, 32
DIM, HEADS, DEPTH, DECODER_DEPTH = 256, 4, 4, 3
MODALITIES = (("rgb", 3), ("saliency", 1))
TASKS = (("rgb", 0, 1.0), ("saliency", 1, 10.0), ("norm_rgb", 0, 1.0))
LAYER_NORM_EPS = VARIANCE_EPS = 1e-6
ADAMW = dict(lr=1e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.05)


def shapes():
    """Names and shapes of all parameters, in order."""

    def linear(name, out, inputs):
        yield f"{name}.weight", (out, inputs)
        yield f"{name}.bias", (out,)

    def norm(name):
        yield f"{name}.weight", (DIM,)
        yield f"{name}.bias", (DIM,)

    def block(name):
        yield from norm(f"{name}.norm1")
        yield from linear(f"{name}.attn.qkv", 3 * DIM, DIM)
        yield from linear(f"{name}.attn.proj", DIM, DIM)
        yield from norm(f"{name}.norm2")
        yield from linear(f"{name}.mlp.fc1", 4 * DIM, DIM)
        yield from linear(f"{name}.mlp.fc2", DIM, 4 * DIM)

    for name, channels in MODALITIES:
        yield f"input_adapters.{name}.proj.weight", (DIM, channels, PATCH, PATCH)
        yield f"input_adapters.{name}.proj.bias", (DIM,)
    for i in range(DEPTH):
        yield from block(f"encoder.{i}")
    yield "global_tokens", (1, 1, DIM)
    for task, modality, _ in TASKS:
        at = f"output_adapters.{task}"
        yield from linear(f"{at}.proj_context", DIM, DIM)
        for name, _ in MODALITIES:
            yield f"{at}.task_embeddings.{name}", (1, 1, DIM)
        yield f"{at}.mask_token", (1, 1, DIM)
        yield from linear(f"{at}.decoder.q", DIM, DIM)
        yield from linear(f"{at}.decoder.kv", 2 * DIM, DIM)
        yield from linear(f"{at}.decoder.proj", DIM, DIM)
        for name in ("context_norm", "query_norm", "out_norm"):
            yield from norm(f"{at}.{name}")
        yield from linear(f"{at}.mlp.fc1", 4 * DIM, DIM)
        yield from linear(f"{at}.mlp.fc2", DIM, 4 * DIM)
        for i in range(DECODER_DEPTH):
            yield from block(f"{at}.decoder_transformer.{i}")
        yield from linear(f"{at}.out_proj", MODALITIES[modality][1] * PATCH**2, DIM)


def parameters():
    """Their values, by name."""
    found = {}
    for seed, (name, shape) in enumerate(shapes(), 1000):
        length = math.prod(shape)
        layer = name.endswith(".weight") and len(shape) > 1
        scale = math.sqrt(6 / (shape[0] + length // shape[0])) if layer else 0.1
        values = signed(seed, length, scale)
        if name.endswith(".weight") and not layer:
            values = values + np.float32(1)
        found[name] = values.reshape(shape)
    return found


def images():
    shape = lambda channels: (BATCH, channels, SIDE, SIDE)
    rgb, saliency = (math.prod(shape(channels)) for _, channels in MODALITIES)
    return signed(20, rgb, 2).reshape(shape(3)), unsigned(21, saliency).reshape(shape(1))


def visible():
    """For each sample the tokens whose random numbers are least, [BATCH, VISIBLE]."""
    numbers = np.stack([unsigned(2000 + sample, TOKENS) for sample in range(BATCH)])
    return np.argsort(numbers, axis=1, kind="stable")[:, :VISIBLE]


def positions(mode):
    """Position embeddings [1, PATCHES, DIM], resized from those of a grid of 28 × 28."""
    frequency = 10000.0 ** -(np.arange(DIM // 4) / (DIM // 4))
    angle = np.arange(28.0)[:, None] * frequency
    waves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    rows = np.broadcast_to(waves[:, None], (28, 28, DIM // 2))
    columns = np.broadcast_to(waves[None], (28, 28, DIM // 2))
    grid = torch.from_numpy(np.concatenate([rows, columns], axis=2))
    grid = F.interpolate(grid.permute(2, 0, 1)[None], size=(GRID, GRID), mode=mode)
    return grid.flatten(2).transpose(1, 2)


def patchify(image):
    """[B, C, SIDE, SIDE] → [B, PATCHES, C · PATCH²]."""
    x = image.reshape(BATCH, -1, GRID, PATCH, GRID, PATCH)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(BATCH, PATCHES, -1)


def attention(q, k, v):
    """Of [B, N, DIM] to [B, M, DIM]."""
    q, k, v = (x.unflatten(2, (HEADS, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Training:
    def __init__(self, device, dtype=torch.float32):
        def floats(array):
            return torch.as_tensor(array).to(device, dtype)

        leaves = {name: floats(values) for name, values in parameters().items()}
        self.parameters = {n: leaf.requires_grad_() for n, leaf in leaves.items()}
        self.optimizer = torch.optim.AdamW(self.parameters.values(), fused=True, **ADAMW)
        self.images = [floats(image) for image in images()]
        self.token_positions, self.query_positions = (
            floats(positions(mode)) for mode in ("bicubic", "bilinear")
        )
        kept = visible() + TOKENS * np.arange(BATCH)[:, None]
        restored = np.full(BATCH * TOKENS, BATCH * VISIBLE)
        restored[kept.ravel()] = np.arange(BATCH * VISIBLE)
        masked = (restored == BATCH * VISIBLE).reshape(BATCH, TOKENS)
        self.kept = torch.as_tensor(kept.ravel()).to(device)
        self.restored = torch.as_tensor(restored).to(device)
        self.masked = floats(masked)

    def linear(self, name, x):
        weight = self.parameters[f"{name}.weight"].flatten(1)
        return F.linear(x, weight, self.parameters[f"{name}.bias"])

    def norm(self, name, x):
        weight, bias = (self.parameters[f"{name}.{part}"] for part in ("weight", "bias"))
        return F.layer_norm(x, (DIM,), weight, bias, LAYER_NORM_EPS)

    def mlp(self, name, x):
        return self.linear(f"{name}.fc2", F.gelu(self.linear(f"{name}.fc1", x)))

    def block(self, name, x):
        qkv = self.linear(f"{name}.attn.qkv", self.norm(f"{name}.norm1", x))
        x = x + self.linear(f"{name}.attn.proj", attention(*qkv.chunk(3, dim=2)))
        return x + self.mlp(f"{name}.mlp", self.norm(f"{name}.norm2", x))

    def seen(self, tokens):
        """The visible ones of [B, TOKENS, DIM]."""
        rows = tokens.flatten(0, 1).index_select(0, self.kept)
        return rows.view(BATCH, VISIBLE, DIM)

    def encode(self, patches):
        tokens = [
            self.linear(f"input_adapters.{name}.proj", x) + self.token_positions
            for (name, _), x in zip(MODALITIES, patches)
        ]
        visible = self.seen(torch.cat(tokens, dim=1))
        anchor = self.parameters["global_tokens"].expand(BATCH, -1, -1)
        x = torch.cat([visible, anchor], dim=1)
        for i in range(DEPTH):
            x = self.block(f"encoder.{i}", x)
        return x

    def decode(self, at, modality, encoded):
        context = self.linear(f"{at}.proj_context", encoded)
        visible, anchor = context.split((VISIBLE, 1), dim=1)
        mask_token = self.parameters[f"{at}.mask_token"].view(1, DIM)
        rows = torch.cat([visible.reshape(-1, DIM), mask_token])
        tokens = rows.index_select(0, self.restored).view(BATCH, TOKENS, DIM)
        embeddings = [
            self.parameters[f"{at}.task_embeddings.{name}"] + self.query_positions
            for name, _ in MODALITIES
        ]
        tokens = tokens + torch.cat(embeddings, dim=1)
        queries = tokens.split(PATCHES, dim=1)[modality]
        context = torch.cat([self.seen(tokens), anchor], dim=1)
        q = self.linear(f"{at}.decoder.q", self.norm(f"{at}.query_norm", queries))
        kv = self.linear(f"{at}.decoder.kv", self.norm(f"{at}.context_norm", context))
        x = self.linear(f"{at}.decoder.proj", attention(q, *kv.chunk(2, dim=2)))
        x = x + self.mlp(f"{at}.mlp", self.norm(f"{at}.out_norm", x))
        for i in range(DECODER_DEPTH):
            x = self.block(f"{at}.decoder_transformer.{i}", x)
        return self.linear(f"{at}.out_proj", x)

    def loss(self):
        patches = [patchify(image) for image in self.images]
        encoded = self.encode(patches)
        total = 0
        for task, modality, weight in TASKS:
            target = patches[modality]
            if task == "norm_rgb":
                variance, mean = torch.var_mean(target, dim=2, keepdim=True)
                target = (target - mean) / (variance + VARIANCE_EPS).sqrt()
            error = self.decode(f"output_adapters.{task}", modality, encoded) - target
            error = error.abs() if task == "saliency" else error.square()
            masked = self.masked.split(PATCHES, dim=1)[modality]
            # Every sample has hidden patches of both images: 32 of 128 are visible.
            of_sample = (error.mean(2) * masked).sum(1) / masked.sum(1)
            total = total + weight * of_sample.mean()
        return total

    def step(self):
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def first_moment(self):
        """Of all parameters, one behind the other."""
        state = (self.optimizer.state[leaf]["exp_avg"] for leaf in self.parameters.values())
        return torch.cat([moment.flatten() for moment in state])
