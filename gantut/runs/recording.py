"""Recording a run: train its parts, go on after a kill, measure, and put the folder in place."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import math
import os
import platform
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

import gantut
from gantut.data.cache import cache_folder
from gantut.files import locked, put as put_file
from gantut.numerics import chosen
from gantut.progress import bar
from gantut.runs import cards
from gantut.runs.cards import COLUMNS, LOG, WEIGHTS, RunError
from gantut.runs.recipe import Networks, Part, Recipe, recipe
from gantut.training import interrupts

CHECKPOINT, CONFIG, DONE = "checkpoint.pt", "config.json", "done.json"
ROWS = 100  # of each part's log, besides its first steps
FIRST = 5  # steps that are all logged: what a test repeats
EVERY = 60.0  # seconds between two checkpoints, and between two lines


def record(
    name: str,
    out: str | os.PathLike,
    *,
    part: str | None = None,
    work: str | os.PathLike | None = None,
) -> Path | None:
    """Train, measure and write a run; what a killed recording has done is gone on with.

    Each part trains in one thread, with a checkpoint and a line a minute. The folder takes its
    place when all of it is there; until then an older one stays.

    Args:
        name: of the run.
        out: the folder of runs in which it shall lie.
        part: trains this part and stops, so that two cores can take one each; all parts, and what
            comes after them, unless given.
        work: where the recording's checkpoints lie; in the cache's folder unless given.

    Returns:
        The run's folder, or the part's in ``work``; None where Ctrl-C or SIGTERM has stopped it.

    Raises:
        ValueError: no run, or no part, has this name.
        RunError: another process records this part, a recording begun with another configuration
            lies in ``work``, or a folder cannot be written.
    """
    made = recipe(name)
    if part is not None:
        chosen(f"part of {name}", part, made.parts)
    wanted = made.parts if part is None else [part]
    place = Path(cache_folder() if work is None else work) / "recordings" / name
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that sums are rounded as they were
    try:
        done: dict[str, nn.Module] = {}
        for key, one in made.parts.items():
            if key in wanted:
                if waits := [other for other in one.after if other not in done]:
                    raise RunError(
                        f"{key} of {name} comes after {', '.join(waits)}: train it first"
                    )
                trained = _part(f"{name} {key}", one, place / key, done)
            else:
                trained = _finished(one, place / key)
            if trained is not None:
                done[key] = trained
            elif key in wanted:
                return None
        return place / part if part else _finish(name, made, done, place, Path(out))
    except OSError as error:
        raise RunError(f"cannot record {name}: {error}; what lay in {out} is untouched") from error
    finally:
        torch.set_num_threads(threads)


def _part(title: str, part: Part, place: Path, done: Networks) -> nn.Module | None:
    """The trained network of one part; None where the training was interrupted."""
    if (network := _finished(part, place)) is not None:
        return network
    with locked(place, RunError, "records in"):
        put_file(place / CONFIG, json.dumps(dict(part.config)).encode())
        network, steps = part.make(), int(part.config["steps"])
        trainer, batches = part.begin(network, done)
        if (place / CHECKPOINT).exists():
            trainer.load(place / CHECKPOINT)
        rows = [row for row in _rows(place) if int(row[1]) <= trainer.steps]
        before = float(rows[-1][2]) if rows else 0.0
        spent, told, every = time.process_time(), time.monotonic(), max(1, steps // ROWS)

        def keep() -> None:
            text = "".join(",".join(map(str, row)) + "\n" for row in rows)
            put_file(place / LOG, text.encode())
            trainer.save(place / CHECKPOINT)

        with interrupts(signal.SIGINT, signal.SIGTERM) as stop:
            left = bar(trainer.run(batches, steps - trainer.steps, stop=stop), total=steps,
                       initial=trainer.steps, desc=title, delay=1)  # fmt: skip
            for terms in left:
                seconds = before + time.process_time() - spent
                if trainer.steps <= FIRST or trainer.steps % every == 0:
                    rows += [
                        [place.name, trainer.steps, f"{seconds:.1f}", term, f"{value:.6g}"]
                        for term, value in terms.items()
                    ]
                if time.monotonic() - told >= EVERY:
                    told = time.monotonic()
                    keep()
                    print(_line(title, trainer.steps, steps, seconds, terms), flush=True)
        keep()
        if trainer.interrupted:
            print(f"{title}: stopped at step {trainer.steps}; say the same to go on", flush=True)
            return None
        kept = part.make()
        kept.load_state_dict(trainer.model.state_dict())
        cards.write_weights(place / WEIGHTS, {place.name: kept}, half=False)
        facts = {"seconds": round(before + time.process_time() - spent), "machine": _machine()}
        put_file(place / DONE, json.dumps(facts).encode())
        (place / CHECKPOINT).unlink()
        return kept.eval().requires_grad_(False)


def _finished(part: Part, place: Path) -> nn.Module | None:
    """The network of a part whose training is done, else None.

    Raises:
        RunError: the part was trained with another configuration.
    """
    config, note = json.loads(json.dumps(dict(part.config))), place / CONFIG
    was = json.loads(note.read_text()) if note.exists() else config
    if other := sorted(k for k in {**was, **config} if was.get(k) != config.get(k)):
        raise RunError(
            f"{place} holds a recording with another {', '.join(other)}; delete it to begin anew"
        )
    if not (place / DONE).exists():
        return None
    network = part.make()
    found = load_file(place / WEIGHTS)
    network.load_state_dict({name.partition("/")[2]: value for name, value in found.items()})
    return network.eval().requires_grad_(False)


def _rows(place: Path) -> list[list[str]]:
    if not (place / LOG).exists():
        return []
    with (place / LOG).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _line(title: str, step: int, steps: int, seconds: float, terms: dict[str, float]) -> str:
    values = ", ".join(f"{name} {value:.3g}" for name, value in terms.items())
    left = seconds / step * (steps - step) / 60
    return f"{title}: step {step:,} of {steps:,}, {seconds / 60:.0f} min, {left:.0f} left; {values}"


def _finish(name: str, made: Recipe, done: Networks, work: Path, out: Path) -> Path:
    """Measure a trained run and put its folder in place."""
    place = cards.settled(out / name)
    staged = cards.stage(place)
    try:
        shipped = {key: network for key, network in done.items() if made.parts[key].shipped}
        cards.write_weights(staged / WEIGHTS, shipped, half=made.half)
        rows = [",".join(COLUMNS) + "\n"]
        rows += [",".join(row) + "\n" for key in shipped for row in _rows(work / key)]
        put_file(staged / LOG, "".join(rows).encode())
        # What is measured is what lies in the file, rounded as it is there.
        rounded = cards.networks_in(made, staged)
        figures = made.measure({**done, **rounded}, False)
        quick = made.measure(rounded, True)
        card = _card(name, made, done, work, figures, quick)
        card["hashes"] = {
            file: hashlib.sha256((staged / file).read_bytes()).hexdigest()
            for file in (WEIGHTS, LOG)
        }
        put_file(staged / cards.CARD, cards.toml(card).encode())
        cards.put(staged, place)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return place


def _card(
    name: str,
    made: Recipe,
    done: Networks,
    work: Path,
    figures: dict[str, float],
    quick: dict[str, float],
) -> dict[str, Any]:
    facts = {key: json.loads((work / key / DONE).read_text()) for key in made.parts}
    return {
        "format": cards.FORMAT,
        "name": name,
        "title": made.title,
        "command": f"python -m gantut record {name}",
        "data": made.data,
        "machine": next(iter(facts.values()))["machine"],
        "seconds": sum(fact["seconds"] for fact in facts.values()),
        "versions": {
            "gantut": gantut.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "figures": {
            key: {
                "value": _rounded(value),
                "bar": made.figures[key].bar or None,
                "reached": made.figures[key].reached(value) if made.figures[key].bar else None,
                "protocol": made.figures[key].protocol,
            }
            for key, value in figures.items()
        },
        "quick": {key: _rounded(value) for key, value in quick.items()},
        "parts": {
            key: {
                "seconds": facts[key]["seconds"],
                "parameters": sum(p.numel() for p in done[key].parameters()),
                "shipped": part.shipped,
                "config": dict(part.config),
            }
            for key, part in made.parts.items()
        },
    }


def _rounded(value: float) -> float:
    if not math.isfinite(value):
        raise RunError(f"a figure is {value}; expected a finite number")
    return float(f"{value:.5g}")


def _machine() -> str:
    """The processor in words, and which of its short instructions count."""
    words = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        words = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return f"{words}, {torch.backends.cpu.get_cpu_capability()}, one thread"
