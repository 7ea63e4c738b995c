"""What the commands can be told, in one typed place: the command line, config.toml, the defaults.

Nothing here needs torch, so that ``--help`` is quick.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tomllib
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg, subcommand

from gantut.files import put

FORMAT, CONFIG = 1, "config.toml"
Model = Literal["gan", "vae", "vaegan", "aae", "bigan", "vqvae"]
Network = Literal["auto", "mlp", "conv", "residual"]
Precision = Literal["float32", "bfloat16", "float16", "float64"]

JUDGED = ("gan", "vaegan", "aae", "bigan")
DECODED = ("vae", "vaegan", "aae", "vqvae")
# The models that a setting belongs to. What is not in this table belongs to all of them.
BELONGS: dict[str, tuple[str, ...]] = {
    "loss": JUDGED,
    "r1": ("gan", "vaegan", "aae"),
    "penalty_every": ("gan", "vaegan", "aae"),
    "spectral_norm": ("gan", "vaegan", "bigan"),
    "likelihood": DECODED,
    "levels": DECODED,
    "beta": ("vae", "vqvae"),
    "gamma": ("vaegan",),
    "codes": ("vqvae",),
}
LEVELLED = ("discretised_logistic", "categorical")  # the likelihoods of images on levels
NETWORKS: dict[str, tuple[str, ...]] = {"gan": typing.get_args(Network), "vqvae": ("auto", "conv")}
# What may be another when a run goes on; everything else made the run what it is.
CHANGEABLE = (
    *("path", "download", "steps", "batch", "loss", "r1", "penalty_every", "beta", "gamma", "lr"),
    *("compile", "device", "save_every", "picture_every", "log", "timeout"),
)
LEAST = {
    **dict.fromkeys(("latent_dim", "width", "codes", "steps", "batch", "penalty_every"), 1),
    **dict.fromkeys(("examples", "size", "channels", "save_every", "timeout"), 1),
    **dict.fromkeys(("picture_every", "seed", "r1", "beta", "gamma", "lr", "ema"), 0),
    "levels": 2,
}


class SettingsError(ValueError):
    """A setting is unknown, of the wrong type or range, or does not fit the others; says which."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that ``gantut train`` can be told. None leaves the choice to the trainer.

    Args:
        model: what to train
        data: handwritten, faces, digits, glyphs, photographs, mnist, fashion_mnist, cifar10,
            folder, spoken, vowels, recordings or another name of gantut.data.DATASETS
        path: where the data lies, for sets that are read from a folder
        download: fetch the data if it is not there (mnist, fashion_mnist, cifar10)
        examples: how many examples to make (glyphs, faces, photographs, spoken, vowels)
        size: side of the images in pixels (glyphs, faces, photographs, folder)
        channels: 1 for grey, 3 for colour (folder)
        unreadable: what to do with a file that cannot be read (folder, recordings)
        network: auto is conv from 16 pixels a side, mlp below; residual is for a gan
        latent_dim: length of a code z, or of each code vector of a vqvae
        width: planes of the convolutions, or units of the hidden layers
        codes: how many code vectors a vqvae chooses from
        conditional: tell the networks the class
        spectral_norm: keep the slope of each layer of the discriminator below 1
        loss: a name of gantut.losses.LOSSES; hinge unless given
        r1: γ of the R1 penalty; 0 leaves it out
        penalty_every: compute the penalty only in every so many steps, and weigh it up
        likelihood: a name of gantut.models.LIKELIHOODS
        levels: how many brightnesses there are, for discretised_logistic and categorical;
            those of the data unless given
        beta: β, the weight of the rate in a vae and of the commitment in a vqvae
        gamma: γ of a vaegan, likeness against realism
        steps: how many steps in all, including those done before --resume
        batch: examples in a step, of all processes together
        lr: learning rate of every optimizer
        ema: decay of the moving average of the weights
        precision: the type in which the networks compute; the 16-bit ones are faster on a GPU
        compile: hand the networks to torch.compile, which takes a minute at the start
        device: auto, cpu, cuda, cuda:1 or mps
        seed: where all randomness comes from
        save_every: steps between checkpoints
        picture_every: steps between grids of samples; 0 draws only the last one
        log: where the losses go
        timeout: seconds that one of several processes waits for another

    Raises:
        SettingsError: a value of the wrong type or range, or one that does not belong to the model.

    Example:
        >>> Settings(model="vae", beta=2).beta
        2.0
        >>> Settings(model="bigan", r1=10)
        Traceback (most recent call last):
        gantut.cli.settings.SettingsError: r1 does not belong to bigan; it is for gan, vaegan, aae
    """

    model: Positional[Model] = "gan"
    data: str = "glyphs"
    path: str = ""
    download: bool = False
    examples: int | None = None
    size: int | None = None
    channels: int | None = None
    unreadable: Literal["refuse", "skip"] = "refuse"
    network: Network = "auto"
    latent_dim: int = 64
    width: int | None = None
    codes: int = 256
    conditional: bool = False
    spectral_norm: bool = True
    loss: str | None = None
    r1: float = 0.0
    penalty_every: int = 1
    likelihood: str = "bernoulli"
    levels: int | None = None
    beta: float | None = None
    gamma: float | None = None
    steps: int = 1500
    batch: int = 64
    lr: float | None = None
    ema: float | None = None
    precision: Precision = "float32"
    compile: bool = False
    device: str = "auto"
    seed: int = 0
    save_every: int = 500
    picture_every: int = 500
    log: Literal["csv", "tensorboard"] = "csv"
    timeout: int = 600

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(Settings).items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), hint))
        for name in sorted(set(BELONGS) & self.changed()):
            if self.model not in BELONGS[name]:
                models = ", ".join(BELONGS[name])
                raise SettingsError(f"{name} does not belong to {self.model}; it is for {models}")
        if self.penalty_every > 1 and not self.r1:
            raise SettingsError(f"penalty_every {self.penalty_every} needs a penalty; give r1 too")
        if self.levels is not None and self.likelihood not in LEVELLED:
            raise SettingsError(f"levels are for the likelihoods {' and '.join(LEVELLED)}")
        if self.network not in (known := NETWORKS.get(self.model, ("auto", "mlp", "conv"))):
            expected = ", ".join(known)
            raise SettingsError(f"network {self.network} is not for {self.model}; use {expected}")

    def changed(self, before: Any = None) -> set[str]:
        """The names of the settings that are not as they were ``before``, or as by default."""
        names = {field.name: field.default for field in dataclasses.fields(Settings)}
        return {n for n in names if getattr(self, n) != getattr(before, n, names[n])}

    def goes_on_from(self, before: Settings) -> None:
        """Raise ``SettingsError`` where what made the run with the settings ``before`` changed."""
        for name in sorted(self.changed(before) - set(CHANGEABLE)):
            was, now = getattr(before, name), getattr(self, name)
            raise SettingsError(
                f"{name} cannot change when a run goes on: it was {was!r}, got {now!r}"
            )

    def write(self, path: str | os.PathLike) -> None:
        """Write a config.toml that ``read`` takes; settings that are None are left out."""
        # JSON's strings, numbers and truth values are TOML's as well.
        values = {"format": FORMAT, **dataclasses.asdict(self)}
        lines = [f"{name} = {json.dumps(v)}\n" for name, v in values.items() if v is not None]
        put(path, "".join(lines).encode())


def _checked(name: str, value: Any, hint: Any) -> Any:
    """The value of a setting, a whole number as a float where one is expected."""
    kinds = typing.get_args(hint) or (hint,)
    if typing.get_origin(hint) is Literal:
        if value not in kinds:
            raise SettingsError(f"unknown {name} {value!r}; known: {', '.join(kinds)}")
        return value
    if type(value) is int and float in kinds:
        value = float(value)
    if type(value) not in kinds:
        raise SettingsError(f"{name} must be of type {kinds[0].__name__}, got {value!r}")
    if name in LEAST and value is not None and not LEAST[name] <= value < math.inf:
        expected = f"at least {LEAST[name]}" if value < LEAST[name] else "finite"
        raise SettingsError(f"{name} must be {expected}, got {value}")
    return value


def read(path: str | os.PathLike) -> Settings:
    """The settings in a config file, and the defaults for those that are not there.

    Raises:
        SettingsError: there is no such file, it is no TOML, it was written for another format, or
            it sets something unknown.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read the config file {path}: {error}") from error
    if (version := content.pop("format", FORMAT)) != FORMAT:
        raise SettingsError(f"{path} has format {version!r}; this release reads format {FORMAT}")
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in set(content) - set(known):
        raise SettingsError(f"unknown setting {name!r} in {path}; known: {', '.join(known)}")
    return Settings(**content)


Count = Annotated[int, arg(aliases=["-n"])]


@dataclasses.dataclass(frozen=True)
class Train(Settings):
    """Train a model in a folder, which keeps its settings, checkpoint, log and pictures.

    Ctrl-C, or the SIGTERM of a cluster, saves and stops. Under ``torchrun`` all its processes share
    every batch, and process 0 writes the files; a run may go on with another number of them.

    Args:
        out: the run's folder
        config: a config.toml; options given beside it win
        resume: go on with the run in the folder; options given beside it win where they may
    """

    out: Path = Path("run")
    config: Path | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        """Checked by ``settings``, once it is known what the config file says."""

    def settings(self) -> Settings:
        """The settings alone, checked."""
        return Settings(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Settings)})


@dataclasses.dataclass(frozen=True)
class Sample:
    """Draw samples of a run. This needs neither the data nor the place where it was trained.

    Args:
        folder: the run's folder
        n: how many
        seed: where the noise comes from
        to: a .png for a grid of images, or a .pt for the tensor itself (the only choice for waves);
            samples.png or samples.pt in the folder unless given
    """

    folder: Positional[Path]
    n: Count = 100
    seed: int = 0
    to: Path | None = None


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Measure how far the samples of a run are from its training data, which has to be there.

    FID, KID, precision, recall, density, coverage, the classes covered, and for a conditional model
    the share of samples of the class asked for: all seen by a network that learned the classes.

    Args:
        folder: the run's folder; evaluation.json is written there
        n: how many samples, and at most how many examples
        seed: where the noise and the choice of examples come from
    """

    folder: Positional[Path]
    n: Count = 2000
    seed: int = 1


@dataclasses.dataclass(frozen=True)
class Export:
    """Write the decoder or generator of a run as one file that opens without gantut.

    Args:
        folder: the run's folder
        to: the file; model.pt2 or model.onnx in the folder unless given
        format: what reads it; onnx for a file that ends in .onnx, torch for others, unless given
        weights: how an ONNX file keeps the weights
    """

    folder: Positional[Path]
    to: Path | None = None
    format: Literal["torch", "onnx"] | None = None
    weights: Literal["float32", "float16", "int8"] = "float32"


@dataclasses.dataclass(frozen=True)
class Record:
    """Make a recorded run of the book again: train it, measure it, write its card.

    It takes as long as the card says. Ctrl-C saves and stops, and the same words go on with it.

    Args:
        name: the run, such as digits-gan; the page of recorded runs lists them all
        out: the folder in which the run's own folder shall lie
        part: train this part alone, so that several cores can take one each
    """

    name: Positional[str]
    out: Path = Path("recorded")
    part: str | None = None


Command = Train | Sample | Evaluate | Export | Record


def parse(words: list[str]) -> Command:
    """The command that the words ask for; what a config file says is their default.

    Args:
        words: those after the program's name.

    Returns:
        A ``Train``, ``Sample``, ``Evaluate``, ``Export`` or ``Record``.

    Raises:
        SettingsError: the config file cannot be used, or n is below 1.
        SystemExit: the words are wrong (2), or ask for help (0).
    """
    command = _parsed(words, Train())
    if isinstance(command, Train) and (command.config or command.resume):
        base = read(command.config or command.out / CONFIG)
        return _parsed(words, Train(**dataclasses.asdict(base)))
    if isinstance(command, (Sample, Evaluate)) and command.n < 1:
        raise SettingsError(f"n must be at least 1, got {command.n}")
    return command


def _parsed(words: list[str], default: Train) -> Command:
    commands = (
        Annotated[Train, subcommand("train", default=default)]
        | Annotated[Sample, subcommand("sample")]
        | Annotated[Evaluate, subcommand("evaluate")]
        | Annotated[Export, subcommand("export")]
        | Annotated[Record, subcommand("record")]
    )
    about = "Train and use generative models without a notebook. --version says which release."
    return tyro.cli(commands, prog="gantut", description=about, args=words)  # type: ignore
