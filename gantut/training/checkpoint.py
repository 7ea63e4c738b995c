"""Checkpoint files: never half written, never half taken, and they never run code.

Reading uses PyTorch's ``weights_only`` mode, which accepts tensors and plain containers and refuses
everything else.
"""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gantut import processes
from gantut.files import whole

if TYPE_CHECKING:
    from gantut.training.loop import Trainer

FORMAT, VERSIONS = "gantut checkpoint", (1, 2)
# What torch.compile and DataParallel put before the names of a network that they wrap.
PREFIXES = ("_orig_mod.", "module.")
UNREADABLE = (RuntimeError, EOFError, pickle.UnpicklingError, OSError, ValueError, KeyError)


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, read, or used here.

    The message names the file, what was found and what was expected.
    """


def write(path: str | os.PathLike, content: dict[str, Any]) -> Path:
    """Write ``content`` (tensors and plain containers) to ``path``, whole or not at all.

    Raises:
        CheckpointError: the folder cannot be made or written, or the disk is full; a file that is
            already there is untouched.
    """
    try:
        with whole(path) as beside:
            torch.save({"format": FORMAT, "version": VERSIONS[-1], **content}, beside)
    except (OSError, RuntimeError) as error:
        full = "the disk is full" if "unexpected pos" in str(error) else str(error)
        raise CheckpointError(f"cannot write the checkpoint {path}: {full}") from error
    return Path(path)


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Read what ``write`` wrote, onto the CPU.

    Raises:
        CheckpointError: there is no such file, it is truncated, was not written here, or holds
            something else than tensors and plain containers.
    """
    content = _loaded(path)
    if content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a PyTorch file, but none written by a trainer's save()")
    if content.get("version") not in VERSIONS:
        expected = " or ".join(map(str, VERSIONS))
        raise CheckpointError(f"{path} has version {content.get('version')}; expected {expected}")
    return content


def _loaded(path: str | os.PathLike) -> dict[str, Any]:
    path, wanted = Path(path), "expected a file written by a trainer's save()"
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; {wanted}")
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (*UNREADABLE, TypeError) as error:
        size = path.stat().st_size
        raise CheckpointError(
            f"{path} ({size} bytes) is truncated or no checkpoint of ours; {wanted}"
        ) from error


def weights(
    path: str | os.PathLike, network: str | None = None, *, average: bool = True
) -> dict[str, Tensor]:
    """The weights of one network in a checkpoint, as plain PyTorch loads them.

    Args:
        path: a file written by a trainer's ``save``, or any state dict saved by ``torch.save``.
        network: its name in the trainer (``"generator"``, ``"vae"``); not needed where the moving
            average is asked for, or where there is only one.
        average: take the moving average where the file holds one of this network.

    Returns:
        A state dict without the prefixes ``module.`` and ``_orig_mod.``.

    Raises:
        CheckpointError: as ``read``; the file holds several networks and none was named, or it
            does not hold the one that was.

    Example:
        >>> import torch, gantut, tempfile, pathlib
        >>> D = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Flatten(0))
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.pt"
        >>> trainer = gantut.GANTrainer(torch.nn.Linear(2, 1), D, latent_dim=2, device="cpu")
        >>> _ = trainer.save(path)
        >>> torch.nn.Linear(2, 1).load_state_dict(gantut.weights(path, "generator"))
        <All keys matched successfully>
    """
    content = _loaded(path)
    if all(isinstance(value, Tensor) for value in content.values()):
        return clean(content)
    content = read(path)
    networks, average_of = content["networks"], content.get("averaged")
    name = network or average_of or next(iter(networks))
    if name not in networks:
        raise CheckpointError(f"{path}: no network {name!r}; it holds {', '.join(networks)}")
    if average and content["ema"] is not None and name == average_of:
        return clean(content["ema"]["network"])
    return clean(networks[name])


def clean(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the names that the network had before it was wrapped."""
    return {_bare(name): value for name, value in state.items()}


def _bare(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix).replace(f".{prefix}", ".")
    return name


def put(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Load a cleaned state dict into a network, whatever wraps it."""
    names = {_bare(name): name for name in network.state_dict()}
    network.load_state_dict({names[name]: value for name, value in clean(state).items()})


def state_of(trainer: Trainer) -> dict[str, Any]:
    """Everything that a trainer needs to go on."""
    cuda = trainer.device.type == "cuda"
    return {
        "trainer": type(trainer).__name__,
        "steps": trainer.steps,
        "shape": None if trainer.shape is None else list(trainer.shape),
        "classes": trainer.classes,
        "averaged": trainer.averaged,
        "networks": {name: clean(net.state_dict()) for name, net in trainer.networks.items()},
        "kinds": {name: type(o).__name__ for name, o in trainer.optimizers.items()},
        "optimizers": {name: o.state_dict() for name, o in trainer.optimizers.items()},
        "schedules": {name: s.state_dict() for name, s in trainer.schedules.items()},
        "scalers": {n: s.state_dict() for n, s in trainer.scalers.items() if s.is_enabled()},
        "ema": None if trainer.ema is None else trainer.ema.state_dict(),
        "generator": trainer.generator.get_state(),
        "global_generator": torch.get_rng_state(),
        "cuda_generator": torch.cuda.get_rng_state(trainer.device) if cuda else None,
    }


def take(trainer: Trainer, path: str | os.PathLike, optimizers: bool) -> None:
    """Give a trainer the state in a file, or leave it as it was; see ``Trainer.load``."""
    state = read(path)
    _check(trainer, path, state, optimizers)
    before = copy.deepcopy(state_of(trainer))
    try:
        _put(trainer, state, optimizers)
    except Exception as error:
        _put(trainer, before, True, told=False)
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path} does not fit this trainer: {reason}") from error


def _check(trainer: Trainer, path: str | os.PathLike, state: dict, optimizers: bool) -> None:
    """Raise ``CheckpointError`` where a file is of another trainer, architecture or optimizer."""
    if state["trainer"] != type(trainer).__name__:
        raise CheckpointError(
            f"{path} was saved by {state['trainer']}; expected {type(trainer).__name__}"
        )
    if set(state["networks"]) != set(trainer.networks):
        found, expected = sorted(state["networks"]), sorted(trainer.networks)
        raise CheckpointError(f"{path} holds the networks {found}; expected {expected}")
    if (state["ema"] is None) != (trainer.ema is None):
        said = "without" if state["ema"] is None else "with"
        raise CheckpointError(f"{path} was saved {said} an EMA, unlike here")
    for name, optimizer in trainer.optimizers.items() if optimizers else ():
        kind = state.get("kinds", {}).get(name, "Adam")
        if kind != type(optimizer).__name__:
            raise CheckpointError(
                f"{path}: the {name} was trained by {kind}, and here by "
                f"{type(optimizer).__name__}; make the same, or leave the optimizers out with "
                "load(path, optimizers=False)"
            )


def _put(trainer: Trainer, state: dict, optimizers: bool, told: bool = True) -> None:
    for name, network in trainer.networks.items():
        put(network, state["networks"][name])
    for name in trainer.optimizers if optimizers else ():
        _put_optimizer(trainer, name, state, told)
    for name, scaler in state["scalers"].items() if "scalers" in state else ():
        if trainer.scalers[name].is_enabled():
            trainer.scalers[name].load_state_dict(scaler)
    if trainer.ema is not None:
        trainer.ema.load_state_dict(state["ema"])
    trainer.steps = state["steps"]
    if state.get("shape") is not None:
        trainer.shape = tuple(state["shape"])
    torch.set_rng_state(state["global_generator"])
    if state.get("cuda_generator") is not None and trainer.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda_generator"], trainer.device)
    _put_generator(trainer, state["generator"])


def _put_optimizer(trainer: Trainer, name: str, state: dict, told: bool) -> None:
    """Moments and settings from the file; settings that were said on purpose from here."""
    optimizer, saved = trainer.optimizers[name], copy.deepcopy(state["optimizers"][name])
    for ours, theirs in zip(optimizer.param_groups, saved["param_groups"], strict=True):
        base = theirs.get("initial_lr", theirs["lr"])
        chosen: dict[str, Any] = dict(trainer.chosen[name]) if told else {}
        if chosen.pop("everything", False):  # an optimizer of the reader's own
            chosen = {k: v for k, v in ours.items() if k not in ("params", "initial_lr")}
            chosen["lr"] = ours.get("initial_lr", ours["lr"])
        if "lr" in chosen:
            # Where a schedule has moved the rate, the new one goes on from the same place.
            if "initial_lr" in theirs:
                theirs["initial_lr"] = chosen["lr"]
            chosen["lr"] = chosen["lr"] * theirs["lr"] / base if base else chosen["lr"]
        theirs |= chosen
        theirs["fused"] = ours.get("fused")
    optimizer.load_state_dict(saved)
    schedule = trainer.schedules.get(name)
    if schedule is not None and name in state.get("schedules", {}):
        schedule.load_state_dict(state["schedules"][name])
        groups = optimizer.param_groups
        schedule.base_lrs = [group["initial_lr"] for group in groups]
        schedule._last_lr = [group["lr"] for group in groups]


def _put_generator(trainer: Trainer, state: Tensor) -> None:
    if processes.rank():  # every process draws its own noise
        trainer.generator.manual_seed(trainer.seed + 1_000_003 * processes.rank() + trainer.steps)
        return
    try:
        trainer.generator.set_state(state)
    except (RuntimeError, TypeError):
        trainer.generator.manual_seed(trainer.seed + trainer.steps)
        warnings.warn(
            f"the checkpoint's random state is another device's than {trainer.device}: "
            "the noise from here on is drawn anew from the seed",
            stacklevel=5,
        )
