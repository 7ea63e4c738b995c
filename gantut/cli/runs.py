"""What the commands do: a run and its folder, trained by the book's own trainers.

The folder holds config.toml, checkpoint.pt, log.csv (or TensorBoard's events) and pictures.
"""

import contextlib
import dataclasses
import inspect
import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

import gantut
from gantut import data as datasets, models, networks, plots, processes, training
from gantut.cli import settings
from gantut.cli.settings import CONFIG, LEVELLED, Settings, SettingsError, read
from gantut.files import locked, put
from gantut.numerics import chosen
from gantut.progress import quiet
from gantut.training import checkpoint
from gantut.training.loop import pick_device

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"
DATA_OPTIONS = ("path", "download", "examples", "size", "channels", "unreadable")
OTHER_NAMES = {"path": "root", "examples": "n"}  # what some makers of data sets call these
# What the data's messages advise, as it is said on the command line.
SPOKEN = {
    "download=True": "--download",
    "root=": "--path",
    "unreadable='skip'": "--unreadable skip",
}
Log = Callable[[int, dict[str, float]], None]


def load_data(s: Settings) -> Any:
    """The training data that the settings name.

    Args:
        s: the settings; ``data`` and those that belong to it are read.

    Returns:
        What ``gantut.data`` made or read.

    Raises:
        ValueError: the name is unknown.
        SettingsError: the set does not know an option that is set, or needs one that is not.
        FileNotFoundError: there is nothing at ``path``.
    """
    known = sorted(set(datasets.DATASETS) - set(datasets.DENSITIES))
    make = datasets.DATASETS[chosen("data", s.data, known)]
    accepted, options = inspect.signature(make).parameters, {}
    for setting in DATA_OPTIONS:
        name = setting if setting in accepted else OTHER_NAMES.get(setting, setting)
        if setting in s.changed():
            if name not in accepted:
                raise SettingsError(f"the data {s.data!r} has no option {setting}")
            options[name] = getattr(s, setting)
        elif name in accepted and accepted[name].default is inspect.Parameter.empty:
            raise SettingsError(f"the data {s.data!r} needs --{setting}")
    try:
        return make(**options)
    except (OSError, ValueError) as error:
        message = str(error)
        for said, option in SPOKEN.items():
            message = message.replace(said, option)
        if message == str(error):
            raise
        raise type(error)(message) from error


def build(s: Settings, shape: tuple[int, ...], classes: int) -> Any:
    """The trainer that the settings describe, as one would make it by hand.

    Args:
        s: the settings.
        shape: of one example, (C, H, W) for images or (1, T) for waves.
        classes: how many the data have; 0 for data without labels.

    Returns:
        A trainer of ``gantut.training``.

    Raises:
        SettingsError: a conditional model of data without classes, or a model that does not fit
            the kind of data.
        ValueError: what networks, losses and trainers refuse.
    """
    if s.conditional and classes == 0:
        raise SettingsError(f"the data {s.data!r} has no classes, so no model can be conditional")
    waves = len(shape) == 2
    if waves and s.model not in ("gan", "bigan"):
        found = f"the data {s.data!r} holds waves in [-1, 1]"
        raise SettingsError(f"{found}, and a {s.model} is for images; expected gan or bigan")
    kind = s.network
    if kind == "auto":
        kind = "conv" if waves or max(shape) >= 16 or s.model == "vqvae" else "mlp"
    family = {"mlp": "MLP", "conv": "Conv1d" if waves else "Conv", "residual": "Residual"}[kind]
    sized: dict[str, Any] = {"classes": classes if s.conditional else 0}
    if s.width is not None:
        sized |= {"hidden": (s.width, s.width)} if kind == "mlp" else {"width": s.width}

    def network(part: str, *sizes: Any, shift: int, **options: Any) -> Any:
        return getattr(networks, family + part)(*sizes, seed=s.seed + shift, **sized, **options)

    def given(*names: str) -> dict[str, Any]:
        return {name: getattr(s, name) for name in names if getattr(s, name) is not None}

    shared = given("lr", "ema", "seed", "device", "precision", "compile")
    judged: dict[str, Any] = {"loss": s.loss or "hinge"}
    if s.r1:
        judged |= {"penalty": gantut.losses.r1(s.r1), "penalty_every": s.penalty_every}
    if s.model in ("gan", "vaegan", "bigan"):
        D = network("Discriminator", shape, shift=2, spectral_norm=s.spectral_norm)
    if s.model in ("gan", "bigan"):
        G = network("Generator", s.latent_dim, shape, shift=1)
        if s.model == "gan":
            return training.GANTrainer(G, D, **judged, **shared)
        D = networks.PairDiscriminator(
            D, s.latent_dim, spectral_norm=s.spectral_norm, seed=s.seed + 3
        )
        E = network("Encoder", shape, s.latent_dim, shift=0)
        return training.BiGANTrainer(G, E, D, **judged, **shared)

    make = chosen("likelihood", s.likelihood, models.LIKELIHOODS)
    likelihood = make(*given("levels").values())
    family = "Grid" if s.model == "vqvae" else family
    encoder = network("Encoder", shape, s.latent_dim, shift=0)
    decoder = network("Decoder", s.latent_dim, models.decoder_shape(likelihood, shape), shift=1)
    if s.model == "vqvae":
        codes = models.VectorQuantiser(s.codes, s.latent_dim, decay=0.99, seed=s.seed + 3)
        vqvae = models.VQVAE(encoder, codes, decoder, likelihood)
        return training.VQVAETrainer(vqvae, **given("beta"), **shared)
    vae = models.VAE(encoder, decoder, likelihood)
    if s.model == "vae":
        return training.VAETrainer(vae, **given("beta"), **shared)
    if s.model == "vaegan":
        return training.VAEGANTrainer(vae, D, **given("gamma"), **judged, **shared)
    D = networks.MLPDiscriminator((s.latent_dim,), classes=sized["classes"], seed=s.seed + 2)
    return training.AAETrainer(vae, D, **judged, **shared)


def train(command: settings.Train) -> int:
    """Train until ``steps`` steps are done.

    Args:
        command: the settings, and the folder.

    Returns:
        The exit code: 0, or 130 where Ctrl-C or SIGTERM ended the run, after it was saved.

    Raises:
        SettingsError: the settings do not fit together or to the data, another process writes this
            folder, or it holds a run that was not to be resumed.
        CheckpointError: the run to resume has no usable checkpoint, or one cannot be written.
        NonFiniteError: a loss became NaN or infinite; the last checkpoint is still there.
        ProcessError: the processes cannot meet, or one of them has died or stands still.
        OSError: the data are not there, or the disk is full; the message names the file.
    """
    s, folder, world = command.settings(), command.out, processes.expected()
    if s.batch % world:
        many = f"{world} processes cannot share a batch of {s.batch} equally"
        raise SettingsError(f"{many}; use a multiple of {world}")
    if command.resume:
        s.goes_on_from(read(folder / CONFIG))
    elif (folder / CHECKPOINT).exists():
        raise SettingsError(f"{folder} holds a run; go on with --resume, or choose another --out")
    with contextlib.ExitStack() as stack:
        stack.enter_context(processes.started(s.device, s.timeout))
        if s.download:  # one fetches, and the others find the files
            processes.once(lambda: load_data(s))
        data = load_data(s)
        known: dict[str, Any] = {"path": os.path.abspath(s.path)} if s.path else {}
        if s.likelihood in LEVELLED and s.levels is None:
            known["levels"] = getattr(data, "maximum", 255) + 1
        s = dataclasses.replace(s, **known)
        trainer = build(s, tuple(data.shape), data.classes)
        processes.once(lambda: stack.enter_context(locked(folder, SettingsError, "is training in")))
        if command.resume:
            trainer.load(folder / CHECKPOINT)
        processes.once(lambda: s.write(folder / CONFIG))
        log = stack.enter_context(_logger(s, folder, trainer.steps))
        _loop(s, folder, trainer, data, log)
        if processes.rank() == 0:
            how = "interrupted" if trainer.interrupted else "done"
            print(f"{how} at step {trainer.steps}; the run is in {folder}")
    return 130 if trainer.interrupted else 0


def _loop(s: Settings, folder: Path, trainer: Any, data: Any, log: Log) -> None:
    share = (processes.rank(), processes.world())
    batches = data.batches(s.batch // share[1], seed=s.seed, labels=s.conditional, process=share)
    pictures, left = len(data.shape) == 3, max(0, s.steps - trainer.steps)
    bar = tqdm(total=s.steps, initial=trainer.steps, disable=share[0] > 0 or quiet(), delay=1)
    # SIGTERM is what Slurm and Kubernetes send before they kill.
    with bar, training.interrupts(signal.SIGINT, signal.SIGTERM) as stop:
        for terms in trainer.run(batches, left, stop=stop):
            log(trainer.steps, terms)
            if bar.update():
                bar.set_postfix({k: f"{v:.3g}" for k, v in terms.items()}, refresh=False)
            if trainer.steps % s.save_every == 0:
                trainer.save(folder / CHECKPOINT)
            if pictures and s.picture_every and trainer.steps % s.picture_every == 0:
                _draw(trainer, folder / f"samples-{trainer.steps:06d}.png")
        trainer.save(folder / CHECKPOINT)
        if pictures:
            _draw(trainer, folder / "samples.png")


@contextlib.contextmanager
def _logger(s: Settings, folder: Path, start: int) -> Iterator[Log]:
    """A function that writes a step's terms, in process 0; steps that are done again are forgotten.

    Raises:
        SettingsError: TensorBoard is asked for and not installed.
    """
    if processes.rank() > 0:
        yield lambda step, terms: None
    elif s.log == "tensorboard":
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise SettingsError("log tensorboard needs it: pip install tensorboard") from error
        with SummaryWriter(str(folder), purge_step=start) as writer:

            def record(step: int, terms: dict[str, float]) -> None:
                for name, value in terms.items():
                    writer.add_scalar(name, value, step)

            yield record
    else:
        path, kept = folder / LOG, ["step,term,value\n"]
        if start and path.is_file():
            rows = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
            kept += [row for row in rows if int(row.split(",")[0]) <= start]
        put(path, "".join(kept).encode())
        with path.open("ab", buffering=0) as file:

            def log(step: int, terms: dict[str, float]) -> None:
                rows = "".join(f"{step},{name},{value:.7g}\n" for name, value in terms.items())
                try:
                    file.write(rows.encode())
                except OSError as error:
                    raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error

            yield log


def _draw(trainer: Any, path: Path, n: int = 100, seed: int = 0) -> None:
    """Samples of one noise, so that pictures of a run compare; process 0 writes them."""

    def draw() -> None:
        out, x = io.BytesIO(), trainer.sample(n, seed=seed)
        if path.suffix == ".pt":
            torch.save(x, out)
        else:
            plots.picture(x.clamp(0, 1)).save(out, format="PNG")
        put(path, out.getvalue())

    processes.once(draw)


def opened(folder: Path) -> tuple[Settings, Any]:
    """The settings and the trainer of a run, from its folder alone: no data, and from anywhere.

    Args:
        folder: where ``train`` wrote a config and a checkpoint.

    Returns:
        The settings and the trainer; on the CPU where the device of the run is not there.

    Raises:
        CheckpointError: the folder holds no run, or one that cannot be read.
    """
    if not (folder / CONFIG).is_file():
        raise training.CheckpointError(f"no run in {folder}: it has no {CONFIG} of `gantut train`")
    s = dataclasses.replace(read(folder / CONFIG), compile=False)
    try:
        pick_device(s.device)
    except ValueError:
        s = dataclasses.replace(s, device="cpu")
    state = checkpoint.read(folder / CHECKPOINT)
    trainer = build(s, tuple(state["shape"]), state["classes"])
    trainer.load(folder / CHECKPOINT)
    return s, trainer


def sample(command: settings.Sample) -> None:
    """Draw samples of a run, and write them as a picture or as a tensor.

    Args:
        command: the run's folder, how many samples, of which seed, and where to.

    Raises:
        SettingsError: another kind of file, or a picture of waves.
        CheckpointError: the folder holds no run.
    """
    _, trainer = opened(command.folder)
    kinds = (".png", ".pt") if len(trainer.model.shape) == 3 else (".pt",)
    path = command.to or command.folder / f"samples{kinds[0]}"
    if path.suffix not in kinds:
        raise SettingsError(f"expected a file that ends in {' or '.join(kinds)}, got {path}")
    _draw(trainer, path, command.n, command.seed)
    print(path)


def evaluate(command: settings.Evaluate) -> None:
    """Distances of samples from the training data, printed, and written to evaluation.json.

    Args:
        command: the run's folder, how many samples, and of which seed.

    Raises:
        SettingsError: the data are waves or have no classes, from which to learn features.
        OSError: the data are not there.
        CheckpointError: the folder holds no run.
    """
    n, metrics = command.n, gantut.metrics
    s, trainer = opened(command.folder)
    data = load_data(s)
    if data.labels is None or data.classes < 2 or len(data.shape) != 3:
        raise SettingsError(f"evaluate needs images with classes, and the data {s.data!r} has none")
    eye, g = metrics.feature_network(data), torch.Generator().manual_seed(command.seed)
    real = eye.extract(data.floats(torch.randperm(len(data), generator=g)[:n]))
    fake = eye.extract(trainer.sample(n, seed=command.seed).clamp(0, 1))
    result = {
        "steps": trainer.steps,
        "samples": n,
        "fid": metrics.fid(real.features, fake.features),
        "kid": metrics.kid(real.features, fake.features),
        **metrics.neighbourhood(real.features, fake.features)._asdict(),
        "classes_covered": metrics.label_coverage(fake.logits).covered,
    }
    if s.conditional:
        asked = torch.arange(n) % data.classes
        result["class_accuracy"] = metrics.class_accuracy(fake.logits, asked)
    put(command.folder / "evaluation.json", (json.dumps(result, indent=2) + "\n").encode())
    for name, value in result.items():
        print(f"{name:16s} {value:.4g}")


def export(command: settings.Export) -> None:
    """Write the network that a run samples from as one file that needs no gantut.

    Args:
        command: the run's folder, where to, and how the file is made.

    Raises:
        SettingsError: the file's name, its format and its weights do not fit together.
        ImportError: a package that ONNX needs is not installed.
        CheckpointError: the folder holds no run.
    """
    suffix = command.to.suffix if command.to else ""
    form = command.format or ("onnx" if suffix == ".onnx" else "torch")
    if suffix == {"torch": ".onnx", "onnx": ".pt2"}[form]:
        raise SettingsError(f"{command.to} is no name for a file of format {form}")
    if command.weights != "float32" and form != "onnx":
        raise SettingsError(f"weights {command.weights} are for --format onnx")
    path = command.to or command.folder / ("model.onnx" if form == "onnx" else "model.pt2")
    s, trainer = opened(command.folder)
    g = torch.Generator().manual_seed(0)
    inputs: list[Tensor] = [torch.randn(4, s.latent_dim, generator=g)]
    if s.model == "vqvae":
        inputs = [torch.randint(s.codes, (4, *trainer.model.grid), generator=g)]
    if s.conditional:
        inputs.append(torch.arange(4) % trainer.model.classes)
    model = gantut.export.Decoding(trainer.model)
    if form == "onnx":
        off = gantut.export.write_onnx(model, inputs, path, weights=command.weights)
    else:
        off = gantut.export.write_program(model, inputs, path)
    print(f"{path}: largest deviation {off:.0e}")


def record(command: settings.Record) -> int:
    """Make a recorded run of the book again, with a line a minute.

    Args:
        command: the run's name, the folder of runs, and the part where one is to be trained alone.

    Returns:
        The exit code: 0, or 130 where Ctrl-C or SIGTERM has stopped it, after it was saved.

    Raises:
        RunError: another process records it, or a file cannot be written.
        ValueError: no run, or no part, has this name.
    """
    place = gantut.runs.record(command.name, command.out, part=command.part)
    if place is None:
        return 130
    print(f"{'trained; it waits' if command.part else 'recorded'} in {place}")
    return 0
