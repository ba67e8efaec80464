"""The same work with PyTorch, eager: on the CPU, and on CUDA with and without TF32."""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

import harness
import sgqn
import visarl


def open_device(options):
    cuda, tf32 = options.device.startswith("cuda"), options.device.endswith("tf32")
    if cuda and not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    # Its search for the fastest convolutions.
    torch.backends.cudnn.benchmark = cuda
    if cuda:
        name = f"{torch.cuda.get_device_name()}, {'TF32' if tf32 else 'f32'}"
    else:
        name = f"CPU, {torch.get_num_threads()} threads of {os.cpu_count()} processors"
    line = dict(peer="pytorch-" + options.device, version=torch.__version__)
    line.update(device=name, kind="discrete" if cuda else "cpu")
    return line, torch.device("cuda" if cuda else "cpu")


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


class Gemm:
    comparable = True

    def __init__(self, device, side):
        self.device = device
        self.a, self.b = (torch.from_numpy(m).to(device) for m in harness.gemm(side))

    def run(self):
        self.c = self.a @ self.b
        wait(self.device)

    def results(self):
        return {"c": self.c.cpu().numpy()}


class Encoder:
    comparable = True

    def __init__(self, device, dtype=torch.float32):
        def leaf(array):
            return torch.from_numpy(array).to(device, dtype).requires_grad_()

        x, layers, seed = harness.encoder()
        self.device = device
        self.leaves = {"x": leaf(x)}
        for i, (_, weight, bias) in enumerate(layers):
            self.leaves[f"w{i}"], self.leaves[f"b{i}"] = leaf(weight), leaf(bias)
        self.strides = [stride for stride, _, _ in layers]
        self.seed = torch.from_numpy(seed).to(device, dtype)

    def run(self):
        leaves = self.leaves
        for leaf in leaves.values():
            leaf.grad = None
        x = leaves["x"]
        for i, stride in enumerate(self.strides):
            x = F.relu(x) if i > 0 else x
            x = F.conv2d(x, leaves[f"w{i}"], leaves[f"b{i}"], stride=stride)
        self.loss = (x * self.seed).sum()
        self.loss.backward()
        wait(self.device)

    def results(self):
        found = {f"{name}.grad": leaf.grad for name, leaf in self.leaves.items()}
        found["loss"] = self.loss.detach()
        return {name: value.cpu().numpy() for name, value in found.items()}


class Attention:
    comparable = True

    def __init__(self, device, dtype=torch.float32):
        self.device = device
        *qkv, seed = (torch.from_numpy(x).to(device, dtype) for x in harness.attention())
        self.leaves = dict(zip("qkv", (x.requires_grad_() for x in qkv)))
        self.seed = seed

    def run(self):
        for leaf in self.leaves.values():
            leaf.grad = None
        # Heads before tokens.
        q, k, v = (leaf.transpose(1, 2) for leaf in self.leaves.values())
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        self.loss = (out * self.seed).sum()
        self.loss.backward()
        wait(self.device)

    def results(self):
        found = {f"{name}.grad": leaf.grad for name, leaf in self.leaves.items()}
        found["loss"] = self.loss.detach()
        return {name: value.cpu().numpy() for name, value in found.items()}


class Update:
    comparable = False

    def __init__(self, device, step):
        self.device, self.step = device, step
        self.agent = sgqn.Agent(device)
        self.batch = sgqn.random_batch(device)

    def run(self):
        self.losses = self.agent.update(self.batch, self.step)
        wait(self.device)

    def results(self):
        return {name: loss.cpu().numpy() for name, loss in self.losses.items()}


class Pretraining:
    comparable = True

    def __init__(self, device, dtype=torch.float32):
        self.device, self.steps = device, 0
        self.training = visarl.Training(device, dtype)
        count = sum(leaf.numel() for leaf in self.training.parameters.values())
        self.found = {"parameters": np.array([count], dtype=np.float32)}

    def run(self):
        loss = self.training.step()
        wait(self.device)
        # What came of the first two steps is kept: later ones differ by rounding.
        self.steps += 1
        if self.steps <= 2:
            self.found[f"loss_{self.steps}"] = loss.cpu().numpy()
        if self.steps == 1:
            self.found["first_moment.grad"] = self.training.first_moment().cpu().numpy()

    def results(self):
        return self.found


def prepare(device, name):
    if name.startswith("gemm_"):
        return Gemm(device, int(name.removeprefix("gemm_")))
    if name == "attention":
        return Attention(device)
    if name == "encoder":
        return Encoder(device)
    if name in ("update_even", "update_odd"):
        return Update(device, ("update_even", "update_odd").index(name))
    if name == "visarl_step":
        return Pretraining(device)
    sys.exit(f"work {name} does not exist here")


if __name__ == "__main__":
    harness.main(open_device, prepare)
