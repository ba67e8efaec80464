#!/usr/bin/env python3
"""Runs the same work with foveate and with its peers, in turn, and prints the ratios.

Builds and installs what lacks. A peer that cannot run is reported with the reason; only
foveate's own failure makes the exit code 1. README.md says what is measured and how.
"""

import argparse
import json
import os
import pathlib
import platform
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
VENV = HERE / ".venv"

FOVEATE = "foveate"
# burn without its autotuning, for works that it tunes for longer than anybody waits.
UNTUNED = "burn-untuned"
RUST = (FOVEATE, "burn", UNTUNED, "meganeura")
TORCH = ("pytorch-cpu", "pytorch-cuda", "pytorch-cuda-tf32")

# Work: title, repetitions of one measurement, peers that have it.
WORKS = {
    "gemm_768": ("GEMM 768³", 20, RUST + TORCH),
    "gemm_4096": ("GEMM 4096³", 5, RUST + TORCH),
    "attention": ("attention, 129 tokens, batch 64, forward + backward", 5, RUST + TORCH),
    "encoder": ("encoder, forward + backward", 5, RUST + TORCH),
    "visarl_step": ("MultiMAE training step, batch 64", 2, (FOVEATE, "burn", UNTUNED) + TORCH),
    "update_even": ("SGQN update, even step", 1, (FOVEATE,) + TORCH),
    "update_odd": ("SGQN update, odd step", 1, (FOVEATE,) + TORCH),
}
# Derived: the mean of two works.
UPDATES = ("update_even", "update_odd")
UPDATE_TITLE = "SGQN update, mean of both"

# Largest error of a result, as a part of its Euclidean length. Sums in float32 are
# within a few millionths; TF32 has ten bits of mantissa. Of the encoder's 4.8 million
# sums before a ReLU some lie within 2e-6 of zero, where float32 may take the other side:
# each that does moves the gradients below it by a thousandth or two of their length.
TOLERANCE, TOLERANCE_GRADIENT, TOLERANCE_TF32 = 1e-4, 1e-2, 2e-2


class Missing(Exception):
    """Why there is no number."""


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"


# ---------------------------------------------------------------- building


def build_rust(name, install, features=()):
    """The command of a Rust program, built where it is not."""
    untuned = name == UNTUNED
    name = "burn" if untuned else name
    cargo = os.environ.get("CARGO", "cargo")
    if not shutil.which(cargo):
        raise Missing("there is no cargo")
    folder, lock = HERE / name, HERE / name / "Cargo.lock"
    if name == FOVEATE:
        # The versions that foveate itself is built and tested with.
        shutil.copyfile(HERE.parents[1] / "Cargo.lock", lock)
    environment = dict(os.environ)
    target = environment.setdefault("CARGO_TARGET_DIR", str(HERE / "target"))
    if untuned:  # Beside the other burn, not in its place.
        environment["CARGO_TARGET_DIR"] = os.path.join(target, UNTUNED)
    command = [cargo, "build", "--release", "--message-format=json-render-diagnostics"]
    if not install:
        command.append("--offline")
    if untuned:
        command.append("--no-default-features")
    if features:
        command += ["--features", ",".join(features)]
    say(f"building {name}")
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        raise Missing("it does not build (see above)")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == f"peers-{name}":
            return [message["executable"]]
    raise Missing("cargo built no program")


def build_torch(install):
    """The Python that has PyTorch, installed where it is not."""
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = HERE / "pytorch" / "requirements.txt"
    marker = VENV / "installed.txt"
    if marker.exists() and marker.read_text() == requirements.read_text():
        return python
    if not install:
        raise Missing("PyTorch is not installed, and --no-install was given")
    say("installing PyTorch (gigabytes, where it comes with CUDA)")
    for command in (
        [sys.executable, "-m", "venv", str(VENV)],
        [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)],
    ):
        done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Missing(f"PyTorch cannot be installed: {last_line(done.stderr)}")
    marker.write_text(requirements.read_text())
    return python


def commands(wanted, install):
    """The command of every peer, and why the others are missing."""
    found, missing = {}, {}
    software = False
    for name in RUST:
        if name in wanted:
            try:
                # burn's SPIR-V crashes software Vulkan: see its manifest.
                spirv = name.startswith("burn") and not software
                found[name] = build_rust(name, install, ["spirv"] if spirv else [])
                if name == FOVEATE:
                    software = describe(found[name])["kind"] == "cpu"
            except Missing as reason:
                missing[name] = str(reason)
    torch = [name for name in TORCH if name in wanted]
    if torch:
        try:
            python = build_torch(install)
        except Missing as reason:
            missing.update((name, str(reason)) for name in torch)
            torch = []
        for name in torch:
            device = name.split("-", 1)[1]
            program = str(HERE / "pytorch" / "peer.py")
            command = [str(python), program, "--device", device]
            try:
                describe(command)
                found[name] = command
            except Missing as reason:
                missing[name] = str(reason)
    return found, missing


def describe(command):
    done = subprocess.run(
        command + ["--describe"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        raise Missing(last_line(done.stderr))
    return json.loads(last_line(done.stdout))


# --------------------------------------------------------------- measuring


class Program:
    """A peer that is warmed up for one work and measures on request."""

    def __init__(self, command, work, reps, limit):
        self.errors = tempfile.TemporaryFile(mode="w+", errors="replace")
        arguments = ["--work", work, "--reps", str(reps), "--on-request"]
        self.process = subprocess.Popen(
            command + arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.ready = self._line(limit, "warm-up")
        except Missing:
            self.close()
            raise

    def _read(self):
        for line in self.process.stdout:
            # Frameworks print there too.
            if line.startswith("{"):
                self.lines.put(line)
        self.lines.put(None)

    def _line(self, limit, what):
        try:
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            raise Missing(f"{what} takes longer than {limit:g} s") from None
        if line is None:
            self.process.wait()
            self.errors.seek(0)
            raise Missing(f"{what} failed: {last_line(self.errors.read())}")
        return json.loads(line)

    def measure(self, limit):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except OSError:
            pass  # It has ended; the line below says why.
        return self._line(limit, "measurement")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.errors.close()


def verify(line, reference):
    """Raises where a result is not what the inputs of this folder lead to."""
    for name, (product, length) in reference.items():
        tolerance = TOLERANCE_GRADIENT if name.endswith(".grad") else TOLERANCE
        if line["peer"].endswith("tf32"):
            tolerance = TOLERANCE_TF32
        if name not in line["check"]:
            raise Missing(f"wrong result: there is no {name}")
        found = line["check"][name]
        error = max(abs(found[0] - product), abs(found[1] - length)) / length
        if not error <= tolerance:
            raise Missing(f"wrong result: the error of {name} is {error:.1e} of its length")


def measure(work, found, reference, options):
    """Rounds of (foveate's line, peer's line) for every peer, and who is missing."""
    _, reps, peers = WORKS[work]
    programs, rounds, missing = {}, {}, {}

    def drop(name, reason):
        say(f"{work}: {name} is missing: {reason}")
        missing[name] = str(reason)
        if name in programs:
            programs.pop(name).close()

    try:
        for name in (n for n in peers if n in found):
            say(f"{work}: {name} warms up")
            try:
                limit = options.warmup_limit
                programs[name] = Program(found[name], work, options.reps or reps, limit)
                say(f"{work}: {name} is ready after {programs[name].ready['warmup_s']:.1f} s")
            except Missing as reason:
                drop(name, reason)
                if name == FOVEATE:
                    raise
        for number in range(options.rounds):
            for name in [n for n in programs if n != FOVEATE]:
                pair = []
                for who in (FOVEATE, name):
                    try:
                        line = programs[who].measure(options.warmup_limit)
                        verify(line, reference.get(work, {}))
                    except Missing as reason:
                        drop(who, reason)
                        if who == FOVEATE:
                            raise
                        break
                    pair.append(line)
                else:
                    rounds.setdefault(name, []).append(pair)
                    times = " and ".join(f"{x['median_ms']:.4g} ms" for x in pair)
                    say(f"{work}, round {number + 1}: foveate and {name} need {times}")
        # A peer that fell out half-way has no ratio.
        return {n: r for n, r in rounds.items() if n not in missing}, missing
    finally:
        for program in programs.values():
            program.close()


# --------------------------------------------------------------- reporting


def row(title, peer, own, other):
    """A row of the table, from the times of each round in milliseconds."""
    ratios = [a / b for a, b in zip(own, other)]
    return {
        "work": title,
        "peer": peer,
        "foveate_ms": statistics.median(own),
        "peer_ms": statistics.median(other),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "rounds": len(ratios),
    }


def medians(rounds):
    return [[line["median_ms"] for line in lines] for lines in zip(*rounds)]


def table(measured):
    rows = []
    for work, peers in measured.items():
        rows += [row(WORKS[work][0], name, *medians(r)) for name, r in peers.items()]
    even, odd = (measured.get(work, {}) for work in UPDATES)
    for name in (n for n in even if n in odd):
        steps = zip(medians(even[name]), medians(odd[name]))
        means = [[(a + b) / 2 for a, b in zip(*pair)] for pair in steps]
        rows.append(row(UPDATE_TITLE, name, *means))
    return rows


def number(x):
    return f"{x:.4g}" if x >= 0.01 else f"{x:.2g}"


def markdown(rows, missing, devices):
    lines = [
        "| work | peer | foveate, ms | peer, ms | foveate ÷ peer (min–max) | in words |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        ratio = f"{r['ratio']:.3g} ({r['ratio_min']:.3g}–{r['ratio_max']:.3g})"
        if r["ratio"] < 1:
            words = f"{1 / r['ratio']:.3g} × faster"
        else:
            words = f"{r['ratio']:.3g} × slower"
        times = f"{number(r['foveate_ms'])} | {number(r['peer_ms'])}"
        lines.append(f"| {r['work']} | {r['peer']} | {times} | {ratio} | {words} |")
    for work, name, reason in missing:
        title = WORKS[work][0] if work else "all"
        lines.append(f"| {title} | {name} | | | missing | {reason} |")
    lines += ["", "Times are medians over rounds; a ratio is taken within each round.", ""]
    for name, d in devices.items():
        warmups = ", ".join(f"{work} {s:.1f} s" for work, s in d["warmup_s"].items())
        lines.append(f"- {name} {d['version']} on {d['device']}; warm-up: {warmups}")
    return "\n".join(lines)


def commit():
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
        return done.stdout.strip()
    except OSError:
        return ""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    peers, works = RUST[1:] + TORCH, tuple(WORKS)
    usual = tuple(peer for peer in peers if peer != UNTUNED)
    parser.add_argument("--peers", nargs="+", choices=peers, default=usual)
    parser.add_argument("--works", nargs="+", choices=works, default=works)
    parser.add_argument("--rounds", type=int, default=5, help="turns (default 5)")
    parser.add_argument(
        "--reps", type=int, help="repetitions in a turn (default: depends on the work)"
    )
    parser.add_argument(
        "--warmup-limit",
        type=float,
        default=600,
        help="seconds for compiling and tuning, and for each turn (default 600)",
    )
    parser.add_argument(
        "--no-install", action="store_true", help="take only what is there already"
    )
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "results.json")
    options = parser.parse_args()
    if options.rounds < 1 or (options.reps is not None and options.reps < 1):
        parser.error("--rounds and --reps must be at least 1")
    return options


def main():
    options = arguments()
    found, absent = commands((FOVEATE, *options.peers), not options.no_install)
    try:
        if FOVEATE in absent:
            raise Missing(absent[FOVEATE])
        kind = describe(found[FOVEATE])["kind"]
    except Missing as reason:
        sys.exit(f"peers: foveate itself cannot run: {reason}")

    reference = json.loads((HERE / "reference.json").read_text())
    missing = [(None, name, reason) for name, reason in absent.items()]
    measured, devices, failed = {}, {}, False
    for work in options.works:
        if work == "gemm_4096" and kind != "discrete":
            missing.append((work, "all", "only measured on a discrete GPU"))
            continue
        try:
            measured[work], fallen = measure(work, found, reference, options)
        except Missing as reason:
            failed = True
            missing.append((work, FOVEATE, str(reason)))
            continue
        missing += [(work, name, reason) for name, reason in fallen.items()]
        for rounds in measured[work].values():
            for line in rounds[0]:
                d = devices.setdefault(
                    line["peer"],
                    dict(version=line["version"], device=line["device"], warmup_s={}),
                )
                d["warmup_s"][work] = line["warmup_s"]

    rows = table(measured)
    results = dict(
        commit=commit(),
        machine=platform.platform(),
        processors=os.cpu_count(),
        devices=devices,
        table=rows,
        missing=[dict(work=w, peer=p, reason=r) for w, p, r in missing],
        rounds=measured,
    )
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print(markdown(rows, missing, devices))
    say(f"every measurement is in {options.output}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
