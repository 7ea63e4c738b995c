"""All options of a headless run, in one typed place: the command line, the file config.toml and the defaults are made from it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import json
import os
import tomllib
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMAT = 1


class SettingsError(ValueError):
    """A setting is unknown, of the wrong type, or out of its range; the message names it and what was expected."""


def option(default: Any, text: str, choices: tuple[str, ...] = ()) -> Any:
    """A field with its help text."""
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices})


def put(path: str | os.PathLike, content: bytes) -> None:
    """Write a file whole or not at all: beside its place, and then over what is there."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.new")
    try:
        with naming(path):
            temporary.write_bytes(content)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the disk, such as a full one, names the file that it happened to."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error


@dataclasses.dataclass(frozen=True)
class Settings:
    """What ``python -m gantut train`` can be told. A value of None means the default of the class that it goes to.

    Raises:
        SettingsError: a value of another type, one that is not among the choices, or a count below 1.
    """

    model: str = option("gan", "what to train", ("gan", "vae", "vaegan", "aae", "bigan"))
    data: str = option(
        "glyphs", "a name of gantut.data.DATASETS, such as digits, glyphs, mnist, cifar10, folder"
    )
    path: str = option("", "where the data lies, for sets that are read from a folder")
    download: bool = option(
        False, "fetch the data where it is not there, for mnist, fashion_mnist and cifar10"
    )
    examples: int | None = option(None, "how many examples to render, for glyphs")
    size: int | None = option(None, "side of the images in pixels, for glyphs and folder")
    channels: int | None = option(None, "1 for grey or 3 for colour, for folder")
    network: str = option(
        "auto",
        "auto is conv from 16 pixels a side on, mlp below",
        ("auto", "mlp", "conv", "residual"),
    )
    latent_dim: int = option(64, "size of the code or the noise")
    width: int | None = option(None, "planes of the convolutions, or units of the hidden layers")
    conditional: bool = option(False, "give the networks the class")
    spectral_norm: bool = option(
        True, "divide the discriminator's weights by their largest singular value"
    )
    loss: str | None = option(
        None, "a name of gantut.losses.LOSSES, for models with a discriminator (hinge)"
    )
    r1: float = option(0.0, "γ of the R1 penalty; 0 leaves it out")
    penalty_every: int = option(1, "compute the penalty every so many steps, and weigh it up")
    likelihood: str = option(
        "bernoulli", "a name of gantut.models.likelihoods.LIKELIHOODS, for models with a decoder"
    )
    beta: float | None = option(None, "β of a VAE")
    gamma: float | None = option(None, "γ of a VAE-GAN: likeness against realism")
    steps: int = option(1500, "steps in all, those of an interrupted run included")
    batch: int = option(64, "examples a step, of all processes together")
    lr: float | None = option(None, "learning rate of every Adam")
    ema: float | None = option(None, "decay of the moving average")
    precision: str = option(
        "float32",
        "float32, float64, or for speed bfloat16, float16",
        ("float32", "bfloat16", "float16", "float64"),
    )
    compile: bool = option(
        False, "hand the networks to torch.compile: a minute's wait at the start, and faster steps"
    )
    device: str = option("auto", "auto, cpu, cuda, mps")
    seed: int = option(0, "where all randomness comes from")
    save_every: int = option(500, "steps between checkpoints")
    picture_every: int = option(500, "steps between grids of samples; 0 draws one at the end only")
    log: str = option("csv", "where the losses go", ("csv", "tensorboard"))
    timeout: int = option(600, "seconds that one of several processes waits for another")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind, optional = kind_of(field)
            if value is None and optional:
                continue
            if kind is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not kind:
                raise SettingsError(f"{field.name} must be of type {kind.__name__}, got {value!r}")
            choices = field.metadata["choices"]
            if choices and value not in choices:
                raise SettingsError(f"unknown {field.name} {value!r}; known: {', '.join(choices)}")
        counts = (
            "latent_dim",
            "steps",
            "batch",
            "penalty_every",
            "save_every",
            "width",
            "examples",
            "size",
            "timeout",
        )
        for name in counts:
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1, got {getattr(self, name)}")

    def write(self, path: str | os.PathLike) -> None:
        """Write a config.toml that ``read`` takes; settings that are None are left out."""
        # JSON's strings, numbers and truth values are TOML's as well.
        lines = [f"format = {FORMAT}"]
        lines += [
            f"{name} = {json.dumps(v)}"
            for name, v in dataclasses.asdict(self).items()
            if v is not None
        ]
        put(path, ("\n".join(lines) + "\n").encode())


def kind_of(field: dataclasses.Field) -> tuple[type, bool]:
    """A field's type, and whether None is allowed."""
    hint = typing.get_type_hints(Settings)[field.name]
    if isinstance(hint, types.UnionType):
        return next(part for part in typing.get_args(hint) if part is not type(None)), True
    return hint, False


def read(path: str | os.PathLike) -> dict[str, Any]:
    """What a config file sets.

    Raises:
        SettingsError: there is no such file, it is no TOML, was written for another format, or sets something unknown.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read the config file {path}: {error}") from error
    version = content.pop("format", FORMAT)
    if version != FORMAT:
        age = "a newer" if isinstance(version, int) and version > FORMAT else "another"
        raise SettingsError(
            f"{path} has format {version!r}, of {age} gantut; this release reads format {FORMAT}"
        )
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in content:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; {near[0]}?" if near else "; known: " + ", ".join(known)
            raise SettingsError(f"{path} sets {name!r}, which is no setting of this release" + hint)
    return content


def add_options(parser: argparse.ArgumentParser) -> None:
    """One option a setting. What is not given stays out of the result, so that a config file can speak."""
    for field in dataclasses.fields(Settings):
        if field.name == "model":
            continue
        kind, _ = kind_of(field)
        shown = "" if field.default in (None, "") else f" (default: {field.default})"
        common: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": field.metadata["help"] + shown,
        }
        flag = "--" + field.name.replace("_", "-")
        if kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **common)
        elif choices := field.metadata["choices"]:
            parser.add_argument(flag, choices=choices, **common)
        else:
            parser.add_argument(flag, type=kind, metavar=kind.__name__.upper(), **common)
