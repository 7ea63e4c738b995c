"""The folder of a recorded run: its card, weights and log, and how they are read and put down."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as from_bytes, save_file
from torch import nn

from gantut.files import whole
from gantut.runs.recipe import HOMES, Networks, Recipe, recipe

FORMAT = 1
CARD, WEIGHTS, LOG = "card.toml", "weights.safetensors", "log.csv"
HERE = Path(__file__).parent
COLUMNS = ("part", "step", "seconds", "term", "value")


class RunError(RuntimeError):
    """A recorded run cannot be read, recorded or written; the message says which and why."""


@dataclass(frozen=True)
class Run:
    """A recorded run.

    Args:
        name: what it is called.
        card: what ``card.toml`` says: how it was made, and ``card["figures"]``.
        networks: the trained networks by part, in evaluation mode.
        log: for each part and term, the steps, the seconds and the values: ``(part, term)`` to
            three lists.
    """

    name: str
    card: dict[str, Any]
    networks: Networks
    log: dict[tuple[str, str], tuple[list[int], list[float], list[float]]]

    @property
    def network(self) -> nn.Module:
        """The network of the first part, which for most runs is the one to look at."""
        return next(iter(self.networks.values()))


def names(folder: str | os.PathLike | None = None) -> list[str]:
    """The runs that have been recorded, those of the package unless a folder is given.

    Example:
        >>> "digits-gan" in names()
        True
    """
    root = HERE if folder is None else Path(folder)
    return [name for name in HOMES if (settled(root / name) / CARD).is_file()]


def load(name: str, folder: str | os.PathLike | None = None) -> Run:
    """A recorded run: its networks in evaluation mode, its card and its log.

    Args:
        name: of the run, such as ``"digits-gan"``; ``names()`` lists them.
        folder: where ``record`` has put it; the package's own runs unless given.

    Raises:
        ValueError: no run has this name.
        RunError: it has not been recorded, a file is missing or damaged (the card holds a hash of
            each), or it was written in another format.

    Example:
        >>> run = load("digits-gan")
        >>> run.card["figures"]["class_accuracy"]["value"] > 0.9
        True
    """
    made, place = recipe(name), settled((HERE if folder is None else Path(folder)) / name)
    card = read_card(place)
    contents = {file: _content(place / file) for file in (WEIGHTS, LOG)}
    for file, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if found != (expected := card["hashes"].get(file)):
            raise RunError(
                f"{place / file} is damaged, or not the file that was recorded: its SHA-256 is "
                f"{found[:12]}…, expected {str(expected)[:12]}…; record {name} again"
            )
    networks = _networks(made, place, contents[WEIGHTS])
    log: dict[tuple[str, str], tuple[list[int], list[float], list[float]]] = {}
    for row in csv.DictReader(contents[LOG].decode().splitlines()):
        steps, seconds, values = log.setdefault((row["part"], row["term"]), ([], [], []))
        steps.append(int(row["step"]))
        seconds.append(float(row["seconds"]))
        values.append(float(row["value"]))
    return Run(name, card, networks, log)


def read_card(place: Path) -> dict[str, Any]:
    """What a folder's card says.

    Raises:
        RunError: there is no card, it is no TOML, or it is in another format.
    """
    if not (place / CARD).is_file():
        recorded = ", ".join(names(place.parent)) or "none"
        raise RunError(
            f"{place.name} has not been recorded in {place.parent} (recorded there: {recorded}); "
            f"python -m gantut record {place.name}"
        )
    try:
        card = tomllib.loads(_content(place / CARD).decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"{place / CARD} is damaged: {error}") from error
    if card.get("format") != FORMAT:
        raise RunError(
            f"{place / CARD} has format {card.get('format')!r}; this release reads {FORMAT}"
        )
    return card


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error


def networks_in(made: Recipe, place: Path) -> dict[str, nn.Module]:
    """The shipped networks of a folder, in evaluation mode.

    Raises:
        RunError: the file is no file of weights, or they do not fit the recipe.
    """
    return _networks(made, place, _content(place / WEIGHTS))


def _networks(made: Recipe, place: Path, content: bytes) -> dict[str, nn.Module]:
    try:
        tensors = from_bytes(content)
    except SafetensorError as error:
        raise RunError(f"cannot read {place / WEIGHTS}: {error}; record it again") from error
    networks = {}
    for part, how in made.parts.items():
        if not how.shipped:
            continue
        network = how.make()
        weights = {
            name: tensors[f"{part}/{name}"].to(value.dtype)
            for name, value in network.state_dict().items()
            if f"{part}/{name}" in tensors
        }
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise RunError(
                f"the weights in {place} do not fit this release's recipe of {part}: "
                f"{' '.join(str(error).split())}; record it again"
            ) from error
        networks[part] = network.eval().requires_grad_(False)
    return networks


def write_weights(path: Path, networks: Networks, *, half: bool) -> None:
    """Write the weights of networks by part, floats in half precision where that is asked for."""
    tensors = {
        f"{part}/{name}": (value.half() if half and value.is_floating_point() else value)
        .detach()
        .cpu()
        .contiguous()
        for part, network in networks.items()
        for name, value in network.state_dict().items()
    }
    with whole(path) as beside:
        save_file(tensors, beside)


def toml(values: Mapping[str, Any], path: str = "") -> str:
    """Nested dictionaries of strings, numbers, truth values and lists as TOML."""
    # JSON's strings, numbers, truth values and lists are TOML's as well.
    plain = {k: v for k, v in values.items() if not isinstance(v, Mapping) and v is not None}
    lines = [f"{_key(k)} = {json.dumps(v, ensure_ascii=False)}\n" for k, v in plain.items()]
    for name, table in values.items():
        if isinstance(table, Mapping):
            inner = f"{path}.{_key(name)}" if path else _key(name)
            head = (
                f"\n[{inner}]\n" if any(not isinstance(v, Mapping) for v in table.values()) else ""
            )
            lines.append(head + toml(table, inner))
    return "".join(lines)


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else json.dumps(name)


def put(staged: Path, place: Path) -> None:
    """Let a finished folder take the place of an older one, which stays until then."""
    old = _old(place)
    if place.exists():
        place.rename(old)
    staged.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def settled(place: Path) -> Path:
    """The folder; where a process was killed between ``put``'s two renames, the old one is back."""
    if not place.exists() and _old(place).exists():
        _old(place).rename(place)
    return place


def _old(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def stage(place: Path) -> Path:
    """A new empty folder beside the place where a run will lie."""
    place.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{place.name}.new-", dir=place.parent))
    staged.chmod(place.parent.stat().st_mode)  # as open to others as the folder that holds it
    return staged
