"""Images per second of each trainer against the same networks in the plainest possible loop. See README.md beside this file.

python tests/benchmarks/run.py [--seconds 2] [--rounds 7] [--threads 1] [--only gan vae] [--precision bfloat16] [--as-published]
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import plain
import torch
from plain import BATCH, IMAGES, LATENT, PUBLISHED, SHAPE
from torch import nn

from gantut import data, networks
from gantut.losses import gradient_penalty
from gantut.training import GANTrainer, Trainer, VAETrainer
from gantut.vae import VAE

Run = Callable[[int], Any]  # do so many steps
CHOSEN = argparse.Namespace(precision="float32", as_published=False)


def mlp_pair() -> tuple[nn.Module, nn.Module]:
    G = networks.MLPGenerator(LATENT, SHAPE, hidden=(128, 256, 512, 1024), batch_norm=True)
    return G, networks.MLPDiscriminator(SHAPE, hidden=(512, 256))


def dcgan_pair() -> tuple[nn.Module, nn.Module]:
    return networks.DCGANGenerator(LATENT, SHAPE, width=64), networks.DCGANDiscriminator(SHAPE, width=64)


def vae_pair() -> tuple[nn.Module, nn.Module]:
    hidden = {"hidden": (400,), "activation": "relu"}
    return networks.MLPEncoder(SHAPE, 20, **hidden), networks.MLPDecoder(20, SHAPE, **hidden)


def gan_trainer(G: Any, D: Any, ema: float | None, **options: Any) -> Trainer:
    return GANTrainer(G, D, **options, **PUBLISHED, ema=ema, device="cpu", precision=CHOSEN.precision)


def wgan_gp_trainer(G: Any, D: Any, ema: float | None) -> Trainer:
    return gan_trainer(G, D, ema, loss="wasserstein", penalty=gradient_penalty(10), n_critic=5)


def vae_trainer(encoder: Any, decoder: Any, ema: float | None) -> Trainer:
    return VAETrainer(VAE(encoder, decoder), ema=ema, device="cpu", precision=CHOSEN.precision)


def whole(trainer: Trainer) -> Run:
    """The trainer as a reader uses it: batches, history, and a progress bar that thinks it is on a terminal."""
    batches = data.glyphs(IMAGES).batches(BATCH)

    def run(steps: int) -> None:
        with contextlib.redirect_stderr(Terminal()):
            trainer.fit(batches, steps)

    return run


def lean(trainer: Trainer) -> Run:
    """The same steps alone: no bar, no history, and the trainer is built without EMA."""
    batches = data.glyphs(IMAGES).batches(BATCH)

    def run(steps: int) -> None:
        for _ in range(steps):
            trainer.step(batches.batch(trainer.steps))
            trainer.steps += 1

    return run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Pair(NamedTuple):
    script: str
    bar: float
    networks: Callable[[], tuple[nn.Module, nn.Module]]
    trainer: Callable[[Any, Any, float | None], Trainer]
    plain: Callable[[Any, Any, bool], Iterator[tuple[float, ...]]]

    def contestant(self, side: str) -> Run:
        first, second = copy.deepcopy(self.networks())
        if side == "plain":
            steps = self.plain(first, second, CHOSEN.as_published)
            return lambda count: [next(steps) for _ in range(count)]
        return lean(self.trainer(first, second, None)) if side == "lean" else whole(self.trainer(first, second, 0.995))


PAIRS = {
    "gan": Pair("gan.py", 1.85, mlp_pair, gan_trainer, plain.gan),
    "vae": Pair("vae example", 2.15, vae_pair, vae_trainer, plain.vae),
    "wgan_gp": Pair("wgan_gp.py", 2.67, mlp_pair, wgan_gp_trainer, plain.wgan_gp),
    "dcgan": Pair("dcgan.py", 1.54, dcgan_pair, gan_trainer, plain.gan),
}
SIDES = ("plain", "ours", "lean")


def seconds(run: Run, steps: int) -> float:
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def speeds(pair: Pair, length: float, rounds: int) -> dict[str, list[float]]:
    """Images per second of each side in each round. The sides take turns, so that a busy machine slows all of them."""
    runs = {side: pair.contestant(side) for side in SIDES}
    steps = {}
    for side, run in runs.items():
        run(20)
        steps[side] = max(5, round(20 * length / seconds(run, 20)))
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(rounds):
        order = SIDES if number % 2 == 0 else SIDES[::-1]
        for side in order:
            found[side].append(BATCH * steps[side] / seconds(runs[side], steps[side]))
    return found


def ratios(numerator: list[float], denominator: list[float]) -> dict[str, float]:
    each = [a / b for a, b in zip(numerator, denominator, strict=True)]
    return {"median": statistics.median(each), "low": min(each), "high": max(each)}


def peak_memory(name: str, side: str) -> float:
    """MB at the highest point of a fresh process that trains for 100 steps."""
    script = [sys.executable, __file__, "--peak", name, side, "--precision", CHOSEN.precision]
    script += ["--threads", str(torch.get_num_threads())] + ["--as-published"] * CHOSEN.as_published
    return float(subprocess.run(script, capture_output=True, text=True, check=True).stdout)


def own_peak() -> float:
    """MB. On Linux a child's ru_maxrss starts from its parent's, so the kernel's own account of this process is read there."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def start_up() -> dict[str, float]:
    """Seconds in a fresh process: an import, then the first optimizer."""
    found = {}
    for module in ("torch", "torchvision", "gantut.training"):
        script = (
            f"import time; a = time.perf_counter(); import {module}, torch; b = time.perf_counter(); "
            "torch.optim.Adam([torch.zeros(1, requires_grad=True)]); print(b - a, time.perf_counter() - b)"
        )
        said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        found[f"import {module}"], found["first optimizer"] = (float(word) for word in said.split())
    return found


def measure(name: str, length: float, rounds: int) -> dict[str, Any]:
    pair, found = PAIRS[name], speeds(PAIRS[name], length, rounds)
    return {
        "name": name,
        "script": pair.script,
        "images_per_second": {side: statistics.median(values) for side, values in found.items()},
        "ratio": ratios(found["ours"], found["plain"]),
        "bar": pair.bar,
        "overhead": {k: v - 1 for k, v in ratios(found["lean"], found["ours"]).items()},
        "peak_megabytes": {side: peak_memory(name, side) for side in ("plain", "ours")},
    }


def row(result: dict[str, Any]) -> str:
    speed, ratio, over, peak = (result[k] for k in ("images_per_second", "ratio", "overhead", "peak_megabytes"))
    return (
        f"{result['name']:8s} {result['script']:12s} {speed['plain']:8,.0f} {speed['ours']:8,.0f}   "
        f"{ratio['median']:5.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})  {result['bar']:.2f} "
        f"{'pass' if ratio['median'] >= result['bar'] else 'MISS'}   "
        f"{over['median']:+6.1%} ({over['low']:+.0%} to {over['high']:+.0%})   {peak['plain']:5,.0f} {peak['ours']:6,.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round (the bar shows itself after one)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "1")))
    parser.add_argument("--only", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--precision", default="float32", help="of the trainers; the plain loops stay in float32")
    parser.add_argument("--as-published", action="store_true", help="all the transforms of the public GAN scripts")
    parser.add_argument("--json", type=argparse.FileType("w"), help="write the figures there as well")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(namespace=CHOSEN)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.peak:
        name, side = options.peak
        PAIRS[name].contestant(side)(100)
        print(own_peak())
        return

    setting = f"torch {torch.__version__}, {platform.machine()}, {options.threads} thread(s), batch {BATCH}"
    setting += f", trainers in {options.precision}" + ", plain data path as published" * options.as_published
    print(f"{setting}, {options.rounds} rounds of {options.seconds:g} s; images per second, medians")
    print(
        "trainer  public loop     plain     ours   ratio (spread)     bar        EMA+bar+history       peak MB: plain, ours"
    )
    data.glyphs(IMAGES)  # so that rendering counts for nobody
    results = []
    for name in options.only:
        results.append(measure(name, options.seconds, options.rounds))
        print(row(results[-1]), flush=True)
    started = start_up()
    print("start-up: " + ", ".join(f"{what} {value:.1f} s" for what, value in started.items()))
    if options.json:
        json.dump({"setting": setting, "results": results, "start_up": started}, options.json, indent=1)


if __name__ == "__main__":
    main()
