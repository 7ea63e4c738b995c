"""What takes too long for a chapter: when compiling pays, and what threads cost that fight for cores. Chapter 12 quotes its tables.

python tests/benchmarks/recorded.py compile [--only gan vae torchgan]
python tests/benchmarks/recorded.py threads
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

import run
import torch
from peers import PEERS, as_ours

from gantut import data


def spent() -> float:
    """CPU seconds of this process and of the compilers that it started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def compiled(name: str, rounds: int = 5) -> str:
    """Our trainer with its networks as they are and compiled, in turns: seconds of compiling, milliseconds a step, steps until it pays."""
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
steps = run.contestant("gan", "lean")
steps(20)
print("ready", flush=True)
input()
begin, done = time.time(), 0
while time.time() - begin < {seconds}:
    steps(5)
    done += 5
print(done * 64 / (time.time() - begin))
"""


def throughput(processes: int, threads: int, seconds: float, wait: str = "") -> float:
    """Images a second of some processes together, each of which trains the MLP GAN with some threads, all at the same time."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)} | ({"OMP_WAIT_POLICY": wait} if wait else {})
    script = CHILD.format(folder=os.path.dirname(__file__), threads=threads, seconds=seconds)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for child in children:
        assert child.stdout is not None and child.stdout.readline().strip() == "ready"
    for child in children:  # all start together
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    return sum(float(child.communicate()[0]) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compile", "threads"))
    parser.add_argument("--only", nargs="+", choices=PEERS, default=["gan", "vae", "torchgan"])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a measurement of threads")
    options = parser.parse_args(namespace=run.CHOSEN)
    print(f"torch {torch.__version__}, {run.processor()}")
    if options.what == "compile":
        torch.set_num_threads(1)
        print(
            "| trainer | compiling, CPU s | eager, ms a step | compiled, ms a step | ratio | pays after steps |\n|"
            + "---|" * 6
        )
        for name in options.only:
            print(compiled(name), flush=True)
        return
    print("| processes × threads | waiting threads | images a second, together |\n|---|---|---|")
    for processes, threads, wait in ((1, 1, ""), (1, 2, ""), (2, 1, ""), (2, 2, ""), (2, 2, "PASSIVE"), (4, 2, "")):
        rate = throughput(processes, threads, options.seconds, wait)
        print(f"| {processes} × {threads} | {'sleep' if wait else 'spin'} | {rate:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
