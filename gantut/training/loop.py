"""What all trainers share: the loop, the progress bar, checkpoints, the random state, the device. The algorithms are in their own files."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from gantut import processes
from gantut.progress import quiet
from gantut.training import checkpoint
from gantut.training.checkpoint import CheckpointError
from gantut.training.ema import EMA

# The type in which networks compute. With the two short ones it is autocast that chooses; weights and losses stay float32.
PRECISIONS = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}
Batch = Tensor | tuple[Tensor, Tensor]


class NonFiniteError(RuntimeError):
    """A loss became NaN or infinite; the message names the step, the term and the likely cause."""


def pick_device(device: str | torch.device) -> torch.device:
    """``"auto"`` is the first of CUDA, MPS and CPU that is there; anything else is taken as PyTorch takes it.

    Several processes cannot talk from MPS, so they take the CPU.
    """
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available() and processes.world() == 1:
        return torch.device("mps")
    return torch.device("cpu")


class Trainer(ABC):
    """Owns networks, optimizers, an EMA, the step counter and the random state.

    A subclass puts its networks into ``self.networks`` and its optimizers into ``self.optimizers``, and writes ``step``. ``precision`` is
    ``"float32"``, ``"float64"``, or one of the short types ``"bfloat16"`` and ``"float16"``, in which the networks run under autocast while
    weights, losses and penalties stay float32. float16 has so few small numbers that the losses are scaled up on the way back
    [micikevicius2018]. ``compile`` hands the networks to torch.compile, which pays where a run is long. Made inside
    ``processes.started()``, a trainer works together with those of the other processes.

    Raises:
        ValueError: an unknown precision; float16 on Apple's MPS; several processes and a network with dropout.
    """

    def __init__(
        self,
        networks: dict[str, nn.Module],
        *,
        seed: int,
        device: str | torch.device,
        precision: str,
        compile: bool = False,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"unknown precision {precision!r}; known: {', '.join(PRECISIONS)}")
        self.device, self.precision, self.compiled = pick_device(device), precision, compile
        if precision == "float16" and self.device.type == "mps":
            raise ValueError(
                "float16 needs a CUDA device (a CPU does it too, slowly); use bfloat16 or float32 on MPS"
            )
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        # Images with the channels last in memory suit the convolutions of CPUs and GPUs better; the values are the same.
        self.networks = {
            name: processes.joined(
                net.to(self.device, self.dtype).to(memory_format=torch.channels_last)
            )
            for name, net in networks.items()
        }
        if compile:
            for name, network in self.networks.items():
                if name != "objective":
                    _compile(network)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.ema: EMA | None = None
        self.scalers: dict[str, torch.amp.GradScaler] = {}
        self.world, self.generator = processes.world(), processes.generator(self.device, seed)
        self.steps = 0
        self.interrupted = False

    @abstractmethod
    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Do one step of the algorithm on one batch; return the terms to log, each a detached scalar."""

    def run(self, data: Any, steps: int) -> Iterator[dict[str, float]]:
        """Train for ``steps`` more steps and yield the logs of each.

        ``data`` is anything with ``batch(k)``, which is asked for the batches that follow the trainer's own step count (so that a resumed
        run sees the batches an uninterrupted one would have seen), or any iterable of batches, which is started again when it ends.
        Ctrl-C lets the step under way finish and then ends the run, with ``self.interrupted`` set; a second one stops at once.

        Several processes each take their slice of every batch, and yield the same logs; data that is cut already (``Batches`` with
        ``process``) is taken as it is.

        Raises:
            ValueError: the data is empty, or a batch does not fit the networks, or cannot be shared equally.
            NonFiniteError: a loss became NaN or infinite.
            ProcessError: another process has died or stands still.
        """
        if self.world != processes.world():
            raise ValueError(
                "the trainer was made before the processes joined: make it inside processes.started()"
            )
        self.interrupted = False
        for network in self.networks.values():
            network.train()
        batches, cut = _batches(data, self.steps), getattr(data, "world", 1) == self.world
        with _interrupts() as stop:
            for _ in range(steps):
                batch = next(batches)
                logs = self.step(batch if cut else processes.share(batch))
                self.steps += 1
                # One wait for the device per step: all terms travel in a single tensor.
                values = torch.stack([value.to(self.dtype) for value in logs.values()])
                stopped = stop.is_set()
                if (
                    self.world > 1
                ):  # the wish to stop goes with the terms, so that all stop after the same step
                    *rest, wish = processes.averaged(
                        torch.cat([values, values.new_tensor([stopped])])
                    )
                    values, stopped = torch.stack(rest), bool(wish > 0)
                yield dict(zip(logs, values.tolist(), strict=True))
                if stopped:
                    self.interrupted = True
                    return

    def fit(
        self,
        data: Any,
        steps: int,
        *,
        save: str | os.PathLike | None = None,
        save_every: int = 1000,
    ) -> dict[str, list[float]]:
        """``run`` with a progress bar that shows the live losses; return the history, term by term.

        With ``save`` a checkpoint is written there every ``save_every`` steps, at the end, and when the run is stopped by Ctrl-C.
        """
        history: dict[str, list[float]] = {}
        with tqdm(
            total=steps,
            disable=True if processes.rank() else quiet(),
            delay=1,
            mininterval=0.2,
            unit="step",
        ) as bar:
            for logs in self.run(data, steps):
                for name, value in logs.items():
                    history.setdefault(name, []).append(value)
                if bar.update():  # the bar was drawn; the next drawing shows these values
                    bar.set_postfix({k: f"{v:.3g}" for k, v in logs.items()}, refresh=False)
                if save is not None and self.steps % save_every == 0:
                    self.save(save)
        if save is not None and (self.interrupted or self.steps % save_every):
            self.save(save)
        return history

    # -- helpers for the algorithms --------------------------------------------------------------------------------------------------

    def unpack(self, batch: Batch, classes: int) -> tuple[Tensor, Tensor | None]:
        """Move a batch to the device and split it into examples and labels (None for an unconditional model).

        Raises:
            ValueError: a conditional model got no labels.
        """
        x, labels = batch if isinstance(batch, (tuple, list)) else (batch, None)
        x = x.to(self.device, self.dtype, non_blocking=True)
        if classes == 0:
            return x, None
        if labels is None:
            raise ValueError(
                f"the model is conditional on {classes} classes, but the batch has no labels; use data.batches(…, labels=True)"
            )
        return x, labels.to(self.device, non_blocking=True)

    def autocast(self) -> torch.autocast:
        """The context in which networks run: in float16 or bfloat16 where that precision was chosen, none otherwise."""
        short = self.precision in ("float16", "bfloat16")
        return torch.autocast(
            self.device.type, PRECISIONS[self.precision] if short else None, enabled=short
        )

    def descend(
        self, player: str, loss: Tensor, batch: Tensor, *, keep_graph: bool = False
    ) -> None:
        """One optimizer step on the mean of ``loss`` (N,); this is the one place where a mean is taken, over all processes too.

        ``keep_graph`` is for a loss whose graph another player's loss shares.

        The check comes before the step, so that a trainer that stops here still holds its last finite weights.
        """
        optimizer, scaler, mean = self.optimizers[player], self._scaler(player), loss.mean()
        optimizer.zero_grad(set_to_none=True)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        # Only this player's gradients are made: the other player's .grad stays untouched.
        torch.autograd.backward(scaler.scale(mean), inputs=parameters, retain_graph=keep_graph)
        mean = processes.average_gradients(parameters, mean)
        if not torch.isfinite(mean):
            raise NonFiniteError(self._diagnosis(player, mean.item(), batch))
        scaler.step(optimizer)  # without float16 this is optimizer.step()
        scaler.update()

    def _scaler(self, player: str) -> torch.amp.GradScaler:
        """What scales a player's loss; each has its own, since their gradients differ in size."""
        if player not in self.scalers:
            self.scalers[player] = torch.amp.GradScaler(
                self.device.type, enabled=self.precision == "float16"
            )
        return self.scalers[player]

    def _diagnosis(self, term: str, value: float, batch: Tensor) -> str:
        # What one process alone has seen, all of them have to say.
        if processes.averaged(torch.isfinite(batch).all().to(self.dtype)) < 1:
            cause = "the batch itself holds NaN or infinite values: clean the data"
        elif broken := [
            name
            for name, net in self.networks.items()
            if not all(torch.isfinite(p).all() for p in net.parameters())
        ]:
            cause = f"the weights of {', '.join(broken)} blew up in the step before: lower the learning rate"
        else:
            cause = (
                "the weights and the batch are finite, so the loss overflowed: lower the learning rate or, for an unbounded loss, "
                "add a penalty"
            )
        return f"step {self.steps}: the {term} loss became {value}; likely cause: {cause}"

    # -- checkpoints -----------------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike) -> Path:
        """Write everything a later run needs to go on as if it had never stopped; atomically.

        Of several processes one writes, and the file is there when ``save`` returns in any of them. Nothing in it depends on their number.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        processes.once(lambda: checkpoint.write(path, self.state_dict()))
        return Path(path)

    def load(self, path: str | os.PathLike) -> None:
        """Take up the state that ``save`` wrote. Either all of it is taken, or the trainer is left as it was.

        Raises:
            CheckpointError: the file is missing, truncated, foreign, of another trainer, or of another architecture.
        """
        state = checkpoint.read(path)
        if state["trainer"] != type(self).__name__:
            raise CheckpointError(
                f"{path} was saved by {state['trainer']}; expected {type(self).__name__}"
            )
        if set(state["networks"]) != set(self.networks):
            raise CheckpointError(
                f"{path} holds the networks {sorted(state['networks'])}; expected {sorted(self.networks)}"
            )
        if (state["ema"] is None) != (self.ema is None):
            raise CheckpointError(
                f"{path} was saved {'without' if state['ema'] is None else 'with'} an EMA, unlike here"
            )
        for name, network in self.networks.items():
            checkpoint.check_same_tensors(path, name, state["networks"][name], network.state_dict())
        self.load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimizers, EMA, step count, and both random states: the trainer's own and PyTorch's global one (dropout)."""
        return {
            "trainer": type(self).__name__,
            "steps": self.steps,
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {
                name: optimizer.state_dict() for name, optimizer in self.optimizers.items()
            },
            "scalers": {
                name: scaler.state_dict()
                for name, scaler in self.scalers.items()
                if scaler.is_enabled()
            },
            "ema": None if self.ema is None else self.ema.state_dict(),
            "generator": self.generator.get_state(),
            "global_generator": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, scaler in state.get("scalers", {}).items():
            self._scaler(name).load_state_dict(scaler)
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.steps = state["steps"]
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["global_generator"])


def _compile(network: Any) -> None:
    """Hand a network to torch.compile, in place: its weights keep their names. Of a VAE only encoder and decoder compute."""
    parts = [network.encoder, network.decoder] if hasattr(network, "encoder") else [network]
    for part in parts:
        part.compile()


def _batches(data: Any, start: int) -> Iterator[Batch]:
    """The endless sequence of batches from number ``start`` on."""
    if hasattr(data, "batch"):
        k = start
        while True:
            yield data.batch(k)
            k += 1
    if not isinstance(data, Iterable):
        raise TypeError(
            f"expected data with batch(k), or an iterable of batches, got {type(data).__name__}"
        )
    while True:
        empty = True
        for batch in data:
            empty = False
            yield batch
        if empty:
            raise ValueError("the data gave no batch: it is empty, or an iterator that has ended")


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event; the second one interrupts as usual. Outside the main thread nothing changes."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def handler(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, handler)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
