"""Train, sample, evaluate and export without a notebook: the same trainers, driven by ``Settings``, in a folder a run.

The folder holds config.toml, checkpoint.pt, log.csv (or TensorBoard's events) and pictures of samples.
"""

from __future__ import annotations

import csv
import dataclasses
import inspect
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from tqdm.auto import tqdm

from gantut import data as datasets, losses, metrics, networks, processes, training
from gantut.cli import settings
from gantut.cli.settings import Settings, SettingsError
from gantut.export import write_onnx
from gantut.models.vae import VAE
from gantut.plots import tile
from gantut.progress import quiet
from gantut.training.checkpoint import CheckpointError

CONFIG, CHECKPOINT, LOG = "config.toml", "checkpoint.pt", "log.csv"


def load_data(s: Settings, split: str = "train") -> Any:
    """The data set that the settings name.

    Raises:
        SettingsError: its name is unknown, or an option is set that this set does not know.
    """
    if s.data not in datasets.DATASETS or s.data in datasets.DENSITIES:
        known = sorted(set(datasets.DATASETS) - set(datasets.DENSITIES))
        raise SettingsError(f"unknown data {s.data!r}; known: {', '.join(known)}")
    make = datasets.DATASETS[s.data]
    accepted = inspect.signature(make).parameters
    given = {
        "path": s.path or None,
        "root": s.path or None,
        "n": s.examples,
        "size": s.size,
        "channels": s.channels,
    }
    options = {
        name: value for name, value in given.items() if value is not None and name in accepted
    }
    if s.download and "download" in accepted:
        options["download"] = True
    names = {
        "path": ("path", "root"),
        "download": ("download",),
        "examples": ("n",),
        "size": ("size",),
        "channels": ("channels",),
    }
    for setting, parameters in names.items():
        if getattr(s, setting) and not any(p in accepted for p in parameters):
            raise SettingsError(f"the data {s.data!r} has no option {setting}")
    missing = [
        p
        for p, v in accepted.items()
        if v.default is v.empty and v.kind is not v.VAR_KEYWORD and p not in options
    ]
    if missing:
        raise SettingsError(f"the data {s.data!r} needs --{missing[0].replace('root', 'path')}")
    if "split" in accepted:
        options["split"] = split
    return make(**options)


def build(s: Settings, shape: tuple[int, ...], classes: int) -> training.Trainer:
    """The trainer that the settings describe, for examples of ``shape`` in ``classes`` classes.

    Raises:
        SettingsError: a conditional model of data without classes, or a model that the chosen networks do not have.
        ValueError: what the networks, losses and trainers refuse.
    """
    if s.conditional and classes == 0:
        raise SettingsError(
            f"the data {s.data!r} has no classes, so the model cannot be conditional"
        )
    kind = s.network if s.network != "auto" else ("conv" if max(shape[1:]) >= 16 else "mlp")
    if kind == "residual" and s.model != "gan":
        raise SettingsError(
            f"the residual networks are a GAN's; expected network mlp or conv for {s.model}"
        )
    classes = classes if s.conditional else 0
    sized: dict[str, Any] = {"classes": classes}
    if s.width is not None:
        sized |= {"hidden": (s.width, s.width)} if kind == "mlp" else {"width": s.width}
    shared: dict[str, Any] = {
        "seed": s.seed,
        "device": s.device,
        "precision": s.precision,
        "compile": s.compile,
    }
    shared |= {name: getattr(s, name) for name in ("lr", "ema") if getattr(s, name) is not None}
    judged: dict[str, Any] = {"loss": s.loss or "hinge"}
    if s.r1 and s.model != "bigan":
        judged |= {"penalty": losses.r1(s.r1), "penalty_every": s.penalty_every}

    def network(part: str, *arguments: Any, shift: int, **options: Any) -> Any:
        kinds = {"mlp": "MLP", "conv": "Conv", "residual": "Residual"}
        made = getattr(networks, kinds[kind] + part.title())
        return made(*arguments, seed=s.seed + shift, **sized, **options)

    def judge() -> Any:
        return network("discriminator", shape, shift=2, spectral_norm=s.spectral_norm)

    def autoencoder() -> VAE:
        encoder, decoder = (
            network("encoder", shape, s.latent_dim, shift=0),
            network("decoder", s.latent_dim, shape, shift=1),
        )
        return VAE(encoder, decoder, s.likelihood)

    if s.model == "gan":
        return training.GANTrainer(
            network("generator", s.latent_dim, shape, shift=1), judge(), **judged, **shared
        )
    if s.model == "vae":
        return training.VAETrainer(autoencoder(), beta=s.beta, **shared)
    if s.model == "vaegan":
        weight: dict[str, Any] = {} if s.gamma is None else {"gamma": s.gamma}
        return training.VAEGANTrainer(autoencoder(), judge(), **weight, **judged, **shared)
    if s.model == "aae":
        codes = networks.MLPDiscriminator((s.latent_dim,), classes=classes, seed=s.seed + 2)
        return training.AAETrainer(autoencoder(), codes, **judged, **shared)
    pairs = networks.PairDiscriminator(
        judge(), s.latent_dim, spectral_norm=s.spectral_norm, seed=s.seed + 3
    )
    generator = network("generator", s.latent_dim, shape, shift=1)
    encoder = network("encoder", shape, s.latent_dim, shift=0)
    return training.BiGANTrainer(generator, encoder, pairs, **judged, **shared)


def save_grid(images: Tensor, path: str | Path) -> None:
    """Write images as one PNG, whole or not at all."""
    out = io.BytesIO()
    picture = Image.fromarray((255 * tile(images)).round().astype("uint8"))
    picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST).save(
        out, format="PNG"
    )
    settings.put(path, out.getvalue())


@contextmanager
def logger(s: Settings, folder: Path, start: int) -> Iterator[Any]:
    """A function ``log(step, terms)``, which writes in process 0. A resumed file forgets the steps that are done again.

    Raises:
        SettingsError: TensorBoard is asked for and not installed.
    """
    if processes.rank() > 0:
        yield lambda step, terms: None
        return
    if s.log == "tensorboard":
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise SettingsError(
                "log tensorboard needs the package tensorboard: pip install tensorboard"
            ) from error
        with SummaryWriter(str(folder), purge_step=start) as writer:
            yield lambda step, terms: [
                writer.add_scalar(name, value, step) for name, value in terms.items()
            ]
        return
    path = folder / LOG
    kept = []
    if start and path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            kept = [
                row
                for row in csv.DictReader(file)
                if row["step"].isdigit() and int(row["step"]) <= start
            ]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("step", "term", "value"))
        rows.writerows((row["step"], row["term"], row["value"]) for row in kept)

        def log(step: int, terms: dict[str, float]) -> None:
            with settings.naming(path):
                rows.writerows((step, name, f"{value:.7g}") for name, value in terms.items())
                file.flush()

        yield log


def train(s: Settings, folder: str | Path, *, resume: bool = False) -> training.Trainer:
    """Train in ``folder`` until ``s.steps`` steps are done; Ctrl-C saves and stops, and ``resume`` goes on.

    Under ``torchrun`` all its processes share every batch, and process 0 writes the files. A run may go on with another number of them.

    Raises:
        SettingsError: the settings do not fit together, or the folder holds a run that was not to be resumed.
        CheckpointError: the run to resume has no usable checkpoint, or one cannot be written.
        NonFiniteError: a loss became NaN or infinite; the last checkpoint is still there.
        ProcessError: the processes cannot meet, or one of them has died or stands still; the last checkpoint is still there.
    """
    world = processes.expected()
    if s.batch % world:
        raise SettingsError(
            f"{world} processes cannot share a batch of {s.batch} equally; use a multiple of {world}"
        )
    with processes.started(s.device, s.timeout):
        return _train(s, Path(folder), resume)


def _train(s: Settings, folder: Path, resume: bool) -> training.Trainer:
    if not resume and (folder / CHECKPOINT).exists():
        raise SettingsError(
            f"{folder} holds a run already; go on with --resume, or choose another --out"
        )
    world, rank = processes.world(), processes.rank()
    if s.download:  # one fetches, and the others find the files
        processes.once(lambda: load_data(s))
    data = load_data(s)
    trainer = build(s, data.shape, data.classes)
    if resume:
        trainer.load(folder / CHECKPOINT)

    def open_folder() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        s.write(folder / CONFIG)

    processes.once(open_folder)
    batches = data.batches(
        s.batch // world, seed=s.seed, labels=s.conditional, process=(rank, world)
    )
    left = max(0, s.steps - trainer.steps)
    with (
        logger(s, folder, trainer.steps) as log,
        tqdm(
            total=s.steps,
            initial=trainer.steps,
            disable=True if rank else quiet(),
            delay=1,
            unit="step",
        ) as bar,
    ):
        for terms in trainer.run(batches, left):
            log(trainer.steps, terms)
            if bar.update():
                bar.set_postfix({k: f"{v:.3g}" for k, v in terms.items()}, refresh=False)
            if trainer.steps % s.save_every == 0:
                trainer.save(folder / CHECKPOINT)
            if s.picture_every and trainer.steps % s.picture_every == 0:
                picture(trainer, folder / f"samples-{trainer.steps:06d}.png")
    trainer.save(folder / CHECKPOINT)
    picture(trainer, folder / "samples.png")
    return trainer


def picture(trainer: Any, path: Path, n: int = 100, seed: int = 0) -> None:
    """A grid of samples of one noise, so that pictures of a run can be compared; drawn by process 0."""
    processes.once(lambda: save_grid(trainer.sample(n, seed=seed).clamp(0, 1), path))


def opened(folder: str | Path) -> tuple[Settings, Any, Any]:
    """The settings, the trainer and the data of a run.

    Raises:
        CheckpointError: the folder holds no run.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise CheckpointError(
            f"no run in {folder}; expected a folder with {CONFIG}, written by `python -m gantut train`"
        )
    s = Settings(**settings.read(folder / CONFIG))
    data = load_data(s)
    trainer = build(dataclasses.replace(s, compile=False), data.shape, data.classes)
    trainer.load(folder / CHECKPOINT)
    return s, trainer, data


def evaluate(folder: str | Path, *, n: int = 2000, seed: int = 1) -> dict[str, float]:
    """Distances of ``n`` samples to the training data, written to evaluation.json as well. The feature network is the data's own.

    Raises:
        SettingsError: the data has no labels, from which a feature network could learn.
    """
    s, trainer, data = opened(folder)
    if data.labels is None or data.classes < 2:
        raise SettingsError(
            f"the data {s.data!r} has no classes, so there is no feature network to look through"
        )
    eye = metrics.feature_network(data)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:n]
    real, fake = (
        eye.extract(data.floats(order)),
        eye.extract(trainer.sample(n, seed=seed).clamp(0, 1)),
    )
    near = metrics.neighbourhood(real.features, fake.features)
    result = {
        "steps": trainer.steps,
        "samples": n,
        "fid": metrics.fid(real.features, fake.features),
        "kid": metrics.kid(real.features, fake.features),
        **near._asdict(),
        "classes_covered": metrics.label_coverage(fake.logits).covered,
    }
    if s.conditional:
        result["class_accuracy"] = metrics.class_accuracy(
            fake.logits, torch.arange(n) % data.classes
        )
    settings.put(Path(folder) / "evaluation.json", (json.dumps(result, indent=2) + "\n").encode())
    return result


class Decoding(nn.Module):
    """From codes z (N, latent_dim), and labels where there are classes, to images in [0, 1], (N, *shape): a model without its trainer."""

    def __init__(self, trainer: Any) -> None:
        super().__init__()
        self.mean: nn.Module
        if isinstance(trainer, training.GANTrainer):
            self.network, self.mean = (
                trainer.G if trainer.ema is None else trainer.ema.network,
                nn.Identity(),
            )
        elif isinstance(trainer, training.BiGANTrainer):
            self.network, self.mean = trainer.model[0], nn.Identity()
        else:
            self.network, likelihood = trainer.model.decoder, trainer.model.likelihood
            self.mean = _Mean(likelihood)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.mean(self.network(z) if labels is None else self.network(z, labels))


class _Mean(nn.Module):
    def __init__(self, likelihood: nn.Module) -> None:
        super().__init__()
        self.likelihood = likelihood

    def forward(self, parameters: Tensor) -> Tensor:
        return self.likelihood(parameters, 1).mean


def export(
    folder: str | Path, path: str | Path, form: str = "torch", weights: str = "float32"
) -> float:
    """Write the decoder or generator as a file that needs PyTorch and no gantut; return its largest deviation from the original.

    The file is a ``torch.export`` program of a function of z, or of z and labels, to be opened by ``torch.export.load(path).module()``;
    its batch size is free. Of form ``"onnx"`` it is an ONNX file instead, see ``export.write_onnx``.
    """
    s, trainer, data = opened(folder)
    model = Decoding(trainer).eval().cpu().float()
    inputs = [torch.randn(4, s.latent_dim, generator=torch.Generator().manual_seed(0))]
    if s.conditional:
        inputs.append(torch.arange(4) % data.classes)
    if form == "onnx":
        return write_onnx(model, inputs, path, weights=weights)
    rows = torch.export.Dim("rows")
    with torch.no_grad():
        program = torch.export.export(
            model, tuple(inputs), dynamic_shapes=tuple({0: rows} for _ in inputs)
        )
        path = Path(path)
        temporary = path.with_name(f".new-{path.name}")
        torch.export.save(program, temporary)
        fewer = [values[:3] for values in inputs]
        deviation = (
            (torch.export.load(temporary).module()(*fewer) - model(*fewer)).abs().max().item()
        )
    temporary.replace(path)
    return deviation
