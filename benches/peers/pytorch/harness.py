"""What ../harness is to the Rust programs: arguments, inputs, fingerprints of results,
and the lines that are printed. The protocol is described there."""

import argparse
import json
import math
import statistics
import sys
import time

import numpy as np

BATCH, FILTERS = 16, 32
# Images, tokens, heads, and elements of a head.
ATTENTION = (64, 129, 4, 64)


def bits(seed, length):
    """24 random bits for each index (lowbias32 of index and seed)."""
    # Python's integers are cut to 32 bits, numpy's wrap by themselves.
    h = np.arange(length, dtype=np.uint32) * np.uint32(0x9E3779B1)
    h += np.uint32(seed * 0x85EBCA6B & 0xFFFFFFFF)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x7FEB352D)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    return h >> np.uint32(8)


def signed(seed, length, scale):
    """Numbers in -scale..scale, float32."""
    unit = bits(seed, length).astype(np.float32) / np.float32(2**23) - np.float32(1)
    return np.float32(scale) * unit


def unsigned(seed, length):
    """Numbers in 0..1, float32."""
    return bits(seed, length).astype(np.float32) / np.float32(2**24)


def gemm(side):
    """A and B of C = A B."""
    return [signed(seed, side * side, 1).reshape(side, side) for seed in (1, 2)]


def encoder():
    """Pictures, layers (stride, weight, bias), and the factors of the results whose sum
    is the scalar that is differentiated."""
    side, layers = 84, []
    for i in range(11):
        stride, channels = (2, 9) if i == 0 else (1, FILTERS)
        side = (side - 3) // stride + 1
        # Keeps the variance from layer to layer (He et al. 2015).
        scale = math.sqrt(6 / (9 * channels))
        weight = signed(100 + i, FILTERS * channels * 9, scale)
        bias = signed(200 + i, FILTERS, 0.1)
        layers.append((stride, weight.reshape(FILTERS, channels, 3, 3), bias))
    x = unsigned(10, BATCH * 9 * 84 * 84).reshape(BATCH, 9, 84, 84)
    seed = signed(11, BATCH * FILTERS * side * side, 1)
    return x, layers, seed.reshape(BATCH, FILTERS, side, side)


def attention():
    """Queries, keys, values, and the factors of the results whose sum is the scalar that is
    differentiated."""
    length = math.prod(ATTENTION)
    return [signed(300 + i, length, 1).reshape(ATTENTION) for i in range(4)]


def fingerprint(values):
    """Product with a fixed random vector, and Euclidean length."""
    values = np.asarray(values, dtype=np.float64).ravel()
    weights = signed(999, values.size, 1).astype(np.float64)
    return [float(values @ weights), float(np.linalg.norm(values))]


def measure(work, line, reps):
    times = []
    for _ in range(reps):
        started = time.perf_counter()
        work.run()
        times.append(1e3 * (time.perf_counter() - started))
    results = work.results()
    for name, values in results.items():
        if not np.isfinite(values).all():
            sys.exit(f"{name} is not finite")
    line = dict(line, reps=reps, median_ms=statistics.median(times))
    line.update(min_ms=min(times), max_ms=max(times))
    if work.comparable:
        line["check"] = {name: fingerprint(v) for name, v in results.items()}
    print(json.dumps(line), flush=True)


def main(open_device, prepare):
    """`open_device(options)` gives what describes the peer and a device; `prepare(device,
    name)` gives a work with `run`, `results` and `comparable`."""
    parser = argparse.ArgumentParser()
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--work")
    what.add_argument("--describe", action="store_true")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--on-request", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda", "cuda-tf32"), default="cpu")
    options = parser.parse_args()

    started = time.perf_counter()
    line, device = open_device(options)
    if options.describe:
        print(json.dumps(line))
        return
    work = prepare(device, options.work)
    for _ in range(2):
        work.run()
    line.update(work=options.work, warmup_s=time.perf_counter() - started)
    if not options.on_request:
        measure(work, line, options.reps)
        return
    print(json.dumps(line), flush=True)
    for _ in sys.stdin:
        measure(work, line, options.reps)
