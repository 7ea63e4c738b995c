"""What takes too long for a chapter: when compiling pays, what threads cost that fight for cores,
and how long a GAN of larger images takes. Chapter 12 quotes the first table, chapter 13 the last.

python tests/benchmarks/recorded.py compile [--only gan vae torchgan]
python tests/benchmarks/recorded.py threads
python tests/benchmarks/recorded.py images
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

# What an earlier run compiled must not make this one look cheap.
os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"

import run
import torch
from peers import PEERS, as_ours

from gantut import data, losses, networks, training


def spent() -> float:
    """CPU seconds of this process and of the compilers that it started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def compiled(name: str, rounds: int = 5) -> str:
    """Our trainer with its networks as they are and compiled, in turns: seconds of compiling,
    milliseconds a step, steps until it pays.
    """
    peer, runs, cost = PEERS[name], {}, 0.0
    for kind in ("eager", "compiled"):
        torch.manual_seed(0)
        trainer = run.trainer(name, *as_ours(*peer.networks(peer.settings), peer.settings), None)
        batches = data.glyphs(run.IMAGES, size=peer.settings.size).batches(peer.settings.batch)
        if kind == "compiled":
            for network in trainer.networks.values():
                network.compile()
        runs[kind] = run.lean(trainer, batches)
        start = spent()
        runs[kind](12)  # WGAN's generator moves in every fifth step
        cost = spent() - start
    found: dict[str, list[float]] = {kind: [] for kind in runs}
    for _ in range(rounds):
        for kind, steps in runs.items():
            start = time.process_time()
            steps(20)
            found[kind].append((time.process_time() - start) / 20)
    step = {kind: statistics.median(values) for kind, values in found.items()}
    saved = step["eager"] - step["compiled"]
    pays = f"{cost / saved:,.0f}" if saved > 0 else "never"
    return (
        f"| {name} | {cost:.0f} | {1e3 * step['eager']:.2f} | {1e3 * step['compiled']:.2f} | "
        f"{step['eager'] / step['compiled']:.2f} | {pays} |"
    )


CHILD = """
import sys, time
sys.path.insert(0, {folder!r})
import run, torch
torch.set_num_threads({threads})
run.IMAGES = 2000
steps = run.contestant("gan", "lean")
steps(2)
wall, own, done = time.perf_counter(), time.process_time(), 0
while time.perf_counter() - wall < {seconds}:
    steps(1)
    done += 1
print(64 * done / (time.perf_counter() - wall), 1e3 * (time.process_time() - own) / done)
"""


def crowded(threads: int, seconds: float, wait: str) -> tuple[float, float]:
    """Images a second of the MLP GAN in a fresh process with so many threads, and the processor's
    milliseconds for a step.
    """
    environment = (
        os.environ | {"OMP_NUM_THREADS": str(threads)} | ({"OMP_WAIT_POLICY": wait} if wait else {})
    )
    script = CHILD.format(
        folder=os.path.dirname(os.path.abspath(__file__)), threads=threads, seconds=seconds
    )
    said = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    rate, own = said.stdout.split()
    return float(rate), float(own)


def threads(seconds: float, companions: int, rounds: int = 2) -> None:
    """Print what threads are worth beside other programs that keep the cores busy."""
    cores = os.cpu_count() or 1
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(companions)
    ]
    kinds = ((1, ""), (cores, ""), (cores, "PASSIVE"))
    try:
        found = [[crowded(count, seconds, wait) for count, wait in kinds] for _ in range(rounds)]
    finally:
        for other in others:
            other.kill()
            other.wait()
    print(f"{companions} companions, load {os.getloadavg()[0]:.1f} on {cores} cores")
    print("| threads | while they wait they | images a second | CPU ms a step |\n|---|---|---|---|")
    for k, (count, wait) in enumerate(kinds):
        rate, own = (
            statistics.median(column) for column in zip(*(each[k] for each in found), strict=True)
        )
        print(f"| {count} | {'sleep' if wait else 'spin'} | {rate:,.0f} | {own:.0f} |", flush=True)


def large(side: int, batch: int, periods: int = 1) -> str:
    """Milliseconds of one thread for an image that is shown once to a GAN of that side: whole steps
    with R1 in every 16th and ADA. Both networks get one level more for twice the side.
    """
    levels = side.bit_length() - 7  # 0 at 64 px
    planes = (128, 128, 80, 48, 16, 12, 8)[: 5 + levels]
    shape = (3, side, side)
    G = networks.StyleGenerator(64, shape, planes=planes, seed=0)
    D = networks.ConvDiscriminator(shape, width=32 >> levels, seed=0)
    faces = data.faces(2 * batch, size=side, cache=False)
    trainer = training.GANTrainer(
        G,
        D,
        penalty=losses.r1(0.0002 * side**2 / batch / 4),
        penalty_every=16,
        augment=losses.AdaptiveAugment("translate", "brightness"),
        device="cpu",
    )
    steps = trainer.run(faces.batches(batch), 1 + 16 * periods)
    next(steps)
    found = []
    for _ in range(periods):
        start = time.process_time()
        for _ in range(16):
            next(steps)
        found.append((time.process_time() - start) / 16 / batch)
    weights = sum(p.numel() for p in G.parameters()), sum(p.numel() for p in D.parameters())
    image = statistics.median(found)
    return (
        f"| {side} | {batch} | {weights[0]:,} | {weights[1]:,} | {1e3 * image:.1f} | "
        f"{1e6 * image / 3600:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("compile", "threads", "images"))
    parser.add_argument("--only", nargs="+", choices=PEERS, default=["gan", "vae", "torchgan"])
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="length of a measurement of threads"
    )
    parser.add_argument(
        "--companions",
        type=int,
        default=os.cpu_count(),
        help="programs that keep the cores busy meanwhile",
    )
    options = parser.parse_args(namespace=run.CHOSEN)
    print(f"torch {torch.__version__}, {run.processor()}")
    if options.what == "compile":
        torch.set_num_threads(1)
        print(
            "| trainer | compiling, CPU s | eager, ms a step | compiled, ms a step | ratio "
            "| pays after steps |\n|" + "---|" * 6
        )
        for name in options.only:
            print(compiled(name), flush=True)
        return
    if options.what == "images":
        torch.set_num_threads(1)
        print("| side | batch | weights of G | of D | CPU ms an image | CPU h a million |")
        print("|" + "---|" * 6)
        for side, batch in ((64, 64), (128, 32), (256, 16)):
            print(large(side, batch), flush=True)
        return
    threads(options.seconds, options.companions)


if __name__ == "__main__":
    main()
