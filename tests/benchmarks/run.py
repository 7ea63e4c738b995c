"""Images per second of each trainer, as a share of its ceiling, and of two other loops.

All on the same networks: a public script's loop and the plainest one. README.md explains the table.

make bench ARGS="--seconds 2 --rounds 7 --threads 1 --only gan vae --precision bfloat16"
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plain
import torch
from peers import IMAGES, PEERS, Peer, as_ours

from gantut import data
from gantut.losses import gradient_penalty
from gantut.models.vae import VAE
from gantut.training import GANTrainer, Trainer, VAETrainer

Run = Callable[[int], Any]  # do so many steps
CHOSEN = argparse.Namespace(precision="float32", device="cpu", cpu_time=False)
PLAIN = {"vae": plain.vae, "wgan_gp": plain.wgan_gp}
WASSERSTEIN = {"loss": "wasserstein", "penalty": gradient_penalty(10), "n_critic": 5}
SIDES = ("plain", "peer", "ours", "lean")
# What the formulas show, and what a step consists of besides.
# "mm" and "conv" name products of matrices and convolutions, transposed ones too.
FAMILIES = {
    "products": ("mm", "conv"),
    "optimizer": ("adam", "Adam", "optimizer"),
    "element by element": (
        *("relu", "norm_", "_norm", "batch_norm", "aten::mul", "aten::add", "sigmoid", "softplus"),
        *("aten::exp", "aten::sum", "aten::mean", "aten::sub", "aten::div", "aten::neg"),
        *("entropy", "aten::pow"),
    ),
    "moving data": ("copy", "cat", "index", "random", "normal", "randperm"),
}
REST = "bookkeeping"


def trainer(name: str, first: Any, second: Any, ema: float | None) -> Trainer:
    """Our trainer of the peer's networks, with the peer's Adam."""
    options = {
        "ema": ema,
        "device": CHOSEN.device,
        "precision": CHOSEN.precision,
        **PEERS[name].settings.adam,
    }
    if name == "vae":
        return VAETrainer(VAE(first, second), **options)
    return GANTrainer(first, second, **options, **(WASSERSTEIN if name == "wgan_gp" else {}))


def whole(ours: Trainer, batches: Any) -> Run:
    """The trainer as a reader uses it: batches, history, a bar that believes in a terminal."""

    def run(steps: int) -> None:
        with contextlib.redirect_stderr(Terminal()):
            ours.fit(batches, steps)

    return run


def lean(ours: Trainer, batches: Any) -> Run:
    """The same steps alone: no bar, no history, and the trainer is built without EMA."""

    def run(steps: int) -> None:
        for _ in range(steps):
            logs = ours.step(batches.batch(ours.steps))
            ours.steps += 1
        next(iter(logs.values())).item()  # waits for a GPU

    return run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def contestant(name: str, side: str) -> Run:
    """One side of a benchmark, with weights of its own that are the same for all sides."""
    peer: Peer = PEERS[name]
    s = dataclasses.replace(peer.settings, device=CHOSEN.device)
    torch.manual_seed(0)
    first, second = (network.to(s.device) for network in peer.networks(s))
    if side == "peer":
        steps = peer.loop(first, second, s)
        return lambda count: [next(steps) for _ in range(count)]
    first, second = as_ours(first, second, s)
    if side == "plain":
        steps = PLAIN.get(name, plain.gan)(first, second, s)
        return lambda count: [next(steps) for _ in range(count)]
    batches = data.glyphs(IMAGES, size=s.size).batches(s.batch)
    if side == "lean":
        return lean(trainer(name, first, second, None), batches)
    return whole(trainer(name, first, second, 0.995), batches)


def seconds(run: Run, steps: int) -> float:
    clock = time.process_time if CHOSEN.cpu_time else time.perf_counter
    start = clock()
    run(steps)
    return clock() - start


def speeds(name: str, length: float, rounds: int) -> dict[str, list[float]]:
    """Images per second of each side in each round. They take turns: a busy machine slows all."""
    runs = {side: contestant(name, side) for side in SIDES}
    steps = {}
    for side, run in runs.items():
        run(3)
        steps[side] = max(2, round(3 * length / seconds(run, 3)))
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(rounds):
        order = SIDES if number % 2 == 0 else SIDES[::-1]
        for side in order:
            found[side].append(
                PEERS[name].settings.batch * steps[side] / seconds(runs[side], steps[side])
            )
    return found


def ratios(numerator: list[float], denominator: list[float]) -> dict[str, float]:
    each = [a / b for a, b in zip(numerator, denominator, strict=True)]
    return {"median": statistics.median(each), "low": min(each), "high": max(each)}


def family(operation: str) -> str:
    """The first family whose words stand in the operation's name."""
    found = (k for k, words in FAMILIES.items() if any(word in operation for word in words))
    return next(found, REST)


def profile(name: str, steps: int = 30) -> dict[str, float]:
    """Operation → seconds of its own in a step of ours, by PyTorch's profiler. Only on the CPU."""
    run = contestant(name, "lean")
    run(10)
    with (
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as log,
        torch.profiler.record_function("python"),
    ):
        run(steps)
    return {e.key: e.self_cpu_time_total / steps / 1e6 for e in log.key_averages()}


def by_family(spent: dict[str, float]) -> dict[str, float]:
    """Seconds of each family; together they are the step."""
    found = dict.fromkeys((*FAMILIES, REST), 0.0)
    for operation, value in spent.items():
        found[family(operation)] += value
    return found


def peak_memory(name: str, side: str) -> float:
    """MB at the highest point of a fresh process that trains for 60 steps."""
    script = [sys.executable, __file__, "--peak", name, side, "--precision", CHOSEN.precision]
    script += ["--device", CHOSEN.device, "--threads", str(torch.get_num_threads())]
    return float(subprocess.run(script, capture_output=True, text=True, check=True).stdout)


def own_peak() -> float:
    """MB.

    On Linux a child's ru_maxrss starts from its parent's, so the kernel's account is read.
    """
    if CHOSEN.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


def start_up() -> dict[str, float]:
    """Seconds in a fresh process: an import, then the first optimizer."""
    found = {}
    for module in ("torch", "torchvision", "gantut.training"):
        script = (
            f"import time; clock = time.perf_counter; a = clock(); import {module}, torch; "
            "b = clock(); torch.optim.Adam([torch.zeros(1, requires_grad=True)]); "
            "print(b - a, clock() - b)"
        )
        said = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout
        found[f"import {module}"], found["first optimizer"] = (float(word) for word in said.split())
    return found


def processor() -> str:
    """What computes, in words."""
    if CHOSEN.device.startswith("cuda"):
        return torch.cuda.get_device_name()
    cores = f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return f"{named[1] if named else platform.processor() or platform.machine()} ({cores})"


def measure(name: str, length: float, rounds: int, memory: bool) -> dict[str, Any]:
    found = speeds(name, length, rounds)
    rate = {side: statistics.median(values) for side, values in found.items()}
    spent = {} if CHOSEN.device.startswith("cuda") else profile(name)
    ceiling = PEERS[name].settings.batch / by_family(spent)["products"] if spent else None
    return {
        "name": name,
        "source": PEERS[name].source,
        "images_per_second": rate,
        "ceiling": ceiling,
        "share": rate["ours"] / ceiling if ceiling else None,
        "over_plain": ratios(found["ours"], found["plain"]),
        "over_peer": ratios(found["ours"], found["peer"]),
        "overhead": {k: v - 1 for k, v in ratios(found["lean"], found["ours"]).items()},
        "profile": spent,
        "peak_megabytes": {side: peak_memory(name, side) for side in ("plain", "ours")}
        if memory
        else {},
    }


HEAD = (
    "| trainer | peer | plain | peer's | ours | ceiling | share of ceiling | over plain "
    "| over peer | EMA+bar+history | peak MB: plain, ours |"
)


def row(result: dict[str, Any]) -> str:
    """One line of the table, in Markdown."""
    speed, peak = result["images_per_second"], result["peak_megabytes"]
    ratio = [
        f"{r['median']:.2f} ({r['low']:.2f}–{r['high']:.2f})"
        for r in (result["over_plain"], result["over_peer"])
    ]
    highest = ["–", "–"]
    if result["ceiling"]:
        highest = [f"{result['ceiling']:,.0f}", f"{result['share']:.0%}"]
    cells = [
        *(result["name"], result["source"]),
        *(f"{speed[side]:,.0f}" for side in ("plain", "peer", "ours")),
        *highest,
        *ratio,
        f"{result['overhead']['median']:+.1%}",
        ", ".join(f"{value:,.0f}" for value in peak.values()) or "–",
    ]
    return f"| {' | '.join(cells)} |"


def rest(result: dict[str, Any], longest: int = 6) -> str:
    """Where a step goes: each family's share, and the longest operations besides products."""
    spent = result["profile"]
    total = sum(spent.values())
    shares = ", ".join(f"{k} {v / total:.0%}" for k, v in by_family(spent).items())
    others = [(v, k) for k, v in spent.items() if family(k) != "products"]
    named = ", ".join(f"{k} {v / total:.1%}" for v, k in sorted(others, reverse=True)[:longest])
    return f"{result['name']}: {shares}\n    of the rest: {named}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=2.0,
        help="length of a round (the bar shows itself after one)",
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "1")))
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument(
        "--precision", default="float32", help="of the trainers; the other loops stay in float32"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the process's own time: for a busy machine, one thread",
    )
    parser.add_argument(
        "--speed-alone", action="store_true", help="leave out peak memory and start-up"
    )
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(namespace=CHOSEN)
    if options.cpu_time and (options.threads > 1 or options.device != "cpu"):
        parser.error(
            "--cpu-time counts all threads together and no GPU: expected --threads 1 --device cpu"
        )
    torch.set_num_threads(options.threads)
    if options.peak:
        contestant(*options.peak)(60)
        print(own_peak())
        return

    setting = f"torch {torch.__version__}, {processor()}, {options.threads} thread(s), "
    setting += f"trainers in {options.precision}"
    setting += ", seconds of CPU time" * options.cpu_time
    print(
        f"{setting}; {options.rounds} rounds of {options.seconds:g} s; images per second, medians\n"
    )
    print(HEAD + "\n|" + "---|" * (HEAD.count("|") - 1))
    results = []
    for name in options.only:
        results.append(measure(name, options.seconds, options.rounds, not options.speed_alone))
        print(row(results[-1]), flush=True)
    print("\nwhere a lean step goes, by PyTorch's profiler (which makes bookkeeping look larger)")
    for result in results:
        if result["profile"]:
            print(rest(result))
    started = {} if options.speed_alone else start_up()
    if started:
        print(
            "\nstart-up: " + ", ".join(f"{what} {value:.1f} s" for what, value in started.items())
        )
    if options.json:
        options.json.write_text(
            json.dumps({"setting": setting, "results": results, "start_up": started}, indent=1)
        )


if __name__ == "__main__":
    main()
