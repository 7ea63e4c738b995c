"""What all trainers share: the loop, the optimizers, the random state, the device.

Each algorithm is in a file of its own, and its ``step`` reads like the algorithm.
"""

import contextlib
import math
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from gantut import processes
from gantut.numerics import at_least, chosen
from gantut.progress import quiet
from gantut.protocols import evaluating
from gantut.training import checkpoint
from gantut.training.batches import Data, endless, unpacked
from gantut.training.ema import EMA, VECTORS
from gantut.training.players import Options, Players, optimizers_of, schedules_of, step_if
from gantut.training.signals import interrupts

# The type in which networks compute. With the two short ones autocast chooses; weights and losses
# stay float32.
PRECISIONS = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}
# Layers that do something else in training than in evaluation, beside learning.
RESTING = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)
COMPUTING = ("encoder", "decoder", "generator")
Batch = Any


class NonFiniteError(RuntimeError):
    """A loss or a gradient became NaN or infinite.

    The message names the step, the player and the likely cause. The step was not taken: the
    trainer still holds its last finite weights.
    """


def pick_device(device: str | torch.device) -> torch.device:
    """``"auto"`` is the first of CUDA, MPS and CPU that is there.

    Several processes cannot talk from MPS, so they take the CPU.

    Raises:
        ValueError: an unknown device, or one that this machine does not have.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        mps = torch.backends.mps.is_available() and processes.world() == 1
        return torch.device("mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["auto", "cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        raise ValueError(
            f"device {str(device)!r} is not there; known: {', '.join(there)}"
        ) from error
    return chosen


class Trainer(ABC):
    """Owns networks, one optimizer for each player, an EMA, the step counter, the random state.

    A subclass names its networks and its players, and writes ``step``. The networks are trained
    where they stand: they are moved to the device, and to double precision where that is asked
    for, and those with convolutions keep their images with the channels last in memory, which
    suits the processors better and changes no value.

    Args:
        networks: name → network; all of them are saved.
        players: name → what its optimizer moves; the networks unless given. Parts that are frozen
            (``requires_grad_(False)``) are left out; a player that is frozen whole stands still.
        lr: learning rate of every player's Adam, per step.
        betas: Adam's two decay rates.
        optimizers: player → an optimizer of your own in Adam's place, made with that player's
            parameters.
        schedules: player → a learning-rate schedule, or a function that makes one from the
            optimizer (``lambda o: CosineAnnealingLR(o, 1000)``). It moves on after each step of
            its player.
        clip: largest norm of a player's gradient; a longer one is shortened to it. None: no limit.
        averaged: the name of the network of which a moving average is kept, and which ``sample``
            uses.
        ema: decay of that average, per step; None switches it off.
        seed: where the trainer's randomness comes from.
        device: ``"auto"``, or what ``torch.device`` takes.
        precision: ``"float32"``, ``"float64"``, or one of the short types ``"bfloat16"`` and
            ``"float16"``, in which the networks run under autocast while weights, losses and
            penalties stay float32. float16 has so few small numbers that losses are scaled up on
            the way back [micikevicius2018].
        compile: hand the networks to torch.compile, which pays where a run is long.

    Raises:
        ValueError: an unknown precision or device; float16 on Apple's MPS; an optimizer or a
            schedule for a player that does not exist, or with parameters that are not the
            player's.

    Example:
        A training loop is yours to write; ``fit`` is this with a progress bar.

        >>> import torch, gantut
        >>> D = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
        >>> trainer = gantut.GANTrainer(torch.nn.Linear(2, 3), D, latent_dim=2, device="cpu")
        >>> for logs in trainer.run([torch.rand(8, 3)], steps=2):
        ...     print(trainer.steps, sorted(logs))
        1 ['discriminator', 'generator']
        2 ['discriminator', 'generator']
    """

    defaults: ClassVar[Options] = {"lr": 1e-3, "betas": (0.9, 0.999), "ema": None}

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        players: Players | None = None,
        *,
        averaged: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        if unknown := set(options) - set(Options.__annotations__):
            known = ", ".join(Options.__annotations__)
            raise TypeError(
                f"unknown option {', '.join(sorted(unknown))}; every trainer takes {known}"
            )
        told: Options = self.defaults | options
        precision, clip, ema = told.get("precision", "float32"), told.get("clip"), told.get("ema")
        chosen("precision", precision, PRECISIONS)
        if clip is not None and not 0 < clip < float("inf"):
            raise ValueError(f"clip must be a finite number > 0 or None, got {clip}")
        self.device, self.precision = pick_device(told.get("device", "auto")), precision
        if precision == "float16" and self.device.type == "mps":
            raise ValueError("float16 needs a CUDA device or a CPU; use bfloat16 or float32 on MPS")
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        self.compiled, self.clip = told.get("compile", False), clip
        self.networks = {name: self._placed(network) for name, network in networks.items()}
        self.players = dict(self.networks if players is None else players)
        self.optimizers = optimizers_of(self.players, told)
        self.schedules = schedules_of(self.optimizers, told.get("schedules", {}))
        # What was said on purpose wins over a checkpoint; see ``load``.
        adam: dict[str, Any] = {n: v for n, v in options.items() if n in ("lr", "betas")}
        own = told.get("optimizers", {})
        self.chosen = {name: {"everything": True} if name in own else adam for name in self.players}
        self.averaged = averaged
        self.ema = None if ema is None or averaged is None else EMA(self.networks[averaged], ema)
        self.scalers = {
            name: torch.amp.GradScaler(self.device.type, enabled=precision == "float16")
            for name in self.players
        }
        self.world, self.seed = processes.world(), told.get("seed", 0)
        self.generator = torch.Generator(self.device)
        self.generator.manual_seed(self.seed + 1_000_003 * processes.rank())
        self.steps, self.interrupted = 0, False
        self.shape: tuple[int, ...] | None = None
        self.classes = 0
        self._healthy: dict[str, Tensor] = {}

    def _placed(self, network: nn.Module) -> nn.Module:
        network.to(self.device, self.dtype)
        if any(p.ndim == 4 for p in network.parameters()):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compiled:
            # A VAE's encoder and decoder compute; the rest of it makes distributions.
            parts = [part for name, part in network.named_children() if name in COMPUTING]
            for part in parts or [network]:
                part.compile()
        return processes.same_start(network)

    # -- the loop ------------------------------------------------------------------------------

    @abstractmethod
    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Do one step of the algorithm on one batch.

        Returns:
            The terms to log, each a detached scalar, still on the device.
        """

    def run(
        self, data: Data, steps: int, *, stop: threading.Event | None = None
    ) -> Iterator[dict[str, float]]:
        """Train for ``steps`` more steps and yield the logs of each.

        Between two yields the networks are in training mode, except for frozen parts; at the end
        they are put into evaluation mode. The device is waited for once a step.

        Args:
            data: anything with ``batch(k)``, which is asked for the batches that follow the
                trainer's own step count, so that a resumed run sees the batches that an
                uninterrupted one would have seen. Or any iterable of batches, such as a
                ``DataLoader``: it is started again when it ends, and in each new ``run``, so a
                resumed run sees other batches. A batch is a tensor, a tuple (x, labels), or a dict
                with one of the keys x, image, images, and one of y, label, labels. Bytes become
                [0, 1]; whole numbers are taken as they are.
            steps: how many more; 0 or more.
            stop: an event that ends the run after the step under way. Without it Ctrl-C does so,
                with ``self.interrupted`` set; a second one stops at once.

        Raises:
            ValueError: the data is empty, or a batch does not fit the networks, or several
                processes cannot share it equally.
            TypeError: the data is no iterable of batches.
            NonFiniteError: a loss or a gradient became NaN or infinite.
            ProcessError: another process has died or stands still.
        """
        if self.world != processes.world():
            raise ValueError(
                "the trainer was made before the processes joined: "
                "make it inside processes.started()"
            )
        at_least(0, steps=steps)
        self.interrupted = False
        batches, cut = endless(data, self.steps), getattr(data, "world", 1) == self.world
        _train(self.networks.values())
        moving = self._statistics()
        kept = [value.clone() for value in moving]
        try:
            for _ in range(steps):
                with contextlib.nullcontext(stop) if stop else interrupts() as wish:
                    batch = next(batches)
                    if kept:
                        torch._foreach_copy_(kept, moving)
                    logs = self._one(batch if cut else processes.share(batch), wish)
                yield logs
                if self.interrupted:
                    return
        except Exception:  # a pass forwards moves the statistics before its loss is known
            if kept:
                torch._foreach_copy_(moving, kept)
            raise
        finally:
            for network in self.networks.values():
                network.eval()

    def _statistics(self) -> list[Tensor]:
        """What a pass forwards moves, such as BatchNorm's averages, here and in the EMA."""
        networks = [*self.networks.values(), *([self.ema.network] if self.ema else [])]
        return [
            value
            for network in networks
            for name, value in network.named_buffers()
            if value.is_floating_point() and not name.endswith(VECTORS)
        ]

    def _one(self, batch: Batch, wish: threading.Event) -> dict[str, float]:
        """One step, and its logs as numbers: they, and all else to know, come in one wait."""
        self._healthy.clear()
        before = self.shape
        try:
            logs = self.step(batch)
        except Exception:
            self.shape = before  # a batch that did not fit says nothing of those to come
            raise
        terms = [value.to(self.dtype) for value in (*logs.values(), *self._healthy.values())]
        terms.append(terms[0].new_tensor(float(wish.is_set())))  # all processes stop together
        *values, stopped = processes.averaged(torch.stack(terms)).tolist()
        found = dict(zip(logs, values, strict=False))
        for player, healthy in zip(self._healthy, values[len(logs) :], strict=True):
            if healthy < 1:
                raise NonFiniteError(self._diagnosis(player, batch, found))
        self.steps += 1
        self.interrupted = stopped > 0
        return found

    def fit(
        self,
        data: Data,
        steps: int,
        *,
        save: str | os.PathLike | None = None,
        save_every: int = 1000,
    ) -> dict[str, list[float]]:
        """``run`` with a progress bar that shows the live losses.

        Args:
            data: as in ``run``.
            steps: how many more steps.
            save: where to write a checkpoint, every ``save_every`` steps, at the end, and when
                Ctrl-C stops the run, or the SIGTERM that a cluster sends before it kills. After
                SIGTERM the process then ends, as it would have without.
            save_every: steps between two checkpoints; at least 1.

        Returns:
            The history, term by term.
        """
        at_least(1, save_every=save_every)
        history: dict[str, list[float]] = {}
        hidden = True if processes.rank() else quiet()
        signals = (signal.SIGINT,) if save is None else (signal.SIGINT, signal.SIGTERM)
        with (
            interrupts(*signals) as stop,
            tqdm(total=steps, disable=hidden, delay=1, mininterval=0.2, unit="step") as bar,
        ):
            for logs in self.run(data, steps, stop=stop):
                for name, value in logs.items():
                    history.setdefault(name, []).append(value)
                if bar.update():  # the bar was drawn; the next drawing shows these values
                    bar.set_postfix({k: f"{v:.3g}" for k, v in logs.items()}, refresh=False)
                if save is not None and self.steps % save_every == 0:
                    self.save(save)
        if save is not None and (self.interrupted or self.steps % save_every):
            self.save(save)
        if stop.number == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)
        return history

    # -- helpers for the algorithms --------------------------------------------------------------

    def unpack(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Examples on the device, and labels, None for an unconditional model. See ``run``.

        Raises:
            ValueError: a conditional model got no labels; labels outside 0 … classes − 1; examples
                of another shape than before.
        """
        x, labels = unpacked(batch, self.classes, self.shape)
        self.shape = tuple(x.shape[1:])
        x = x.to(self.device, self.dtype, non_blocking=True)
        return x, None if labels is None else labels.to(self.device, non_blocking=True)

    def autocast(self) -> torch.autocast:
        """The context in which networks run: a short type where one was chosen, none otherwise."""
        short = self.precision in ("float16", "bfloat16")
        return torch.autocast(
            self.device.type, PRECISIONS[self.precision] if short else None, enabled=short
        )

    def noise(self, n: int, dimension: int) -> Tensor:
        """z ~ N(0, I), (n, dimension), from the trainer's own random state."""
        size = (n, dimension)
        return torch.randn(size, generator=self.generator, device=self.device, dtype=self.dtype)

    def descend(self, player: str, loss: Tensor, *, keep_graph: bool = False) -> None:
        """One optimizer step of one player on the mean of ``loss`` (N,).

        This is the one place where a mean is taken. Only this player's gradients are made: the
        other players' ``.grad`` stays untouched. Where the loss or a gradient is not finite, the
        step is left out, without waiting for the device; ``run`` then says so.

        Args:
            player: whose optimizer moves.
            loss: one number per example.
            keep_graph: for a loss whose graph another player's loss shares.
        """
        if player not in self.optimizers:
            return  # all of it is frozen
        optimizer, scaler, mean = self.optimizers[player], self.scalers[player], loss.mean()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        parameters = [p for p in parameters if p.requires_grad]
        if not parameters:
            return  # frozen in the meantime
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(scaler.scale(mean), inputs=parameters, retain_graph=keep_graph)
        processes.average_gradients(parameters)
        self._healthy[player] = torch.isfinite(mean.detach())
        if scaler.is_enabled():  # float16: a gradient that overflows is part of the method
            scaler.unscale_(optimizer)
            if self.clip is not None:
                nn.utils.clip_grad_norm_(parameters, self.clip, foreach=True)
            scaler.step(optimizer)
            scaler.update()
        else:
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            if self.clip is not None:
                nn.utils.clip_grads_with_norm_(parameters, self.clip, norm)
            self._healthy[player] = healthy = self._healthy[player] & torch.isfinite(norm)
            step_if(healthy, optimizer)
        if player in self.schedules:
            self.schedules[player].step()

    def average(self) -> None:
        """Move the average, where there is one, after a step."""
        if self.ema is not None and self.averaged is not None:
            self.ema.update(self.networks[self.averaged])

    def _diagnosis(self, player: str, batch: Batch, logs: Mapping[str, float]) -> str:
        x = unpacked(batch, 0, None)[0]
        bad = [value for value in logs.values() if not math.isfinite(value)]
        became = f"became {bad[0]:g}" if bad else "is finite, but its gradient is not"
        # What one process alone has seen, all of them have to say.
        if processes.averaged(torch.isfinite(x).all().float()) < 1:
            cause = "the batch itself holds NaN or infinite values: clean the data"
        elif broken := [n for n, net in self.networks.items() if not _finite(net)]:
            cause = f"the weights of {', '.join(broken)} are not finite: load an earlier checkpoint"
        elif (largest := x.abs().max().item()) > 100:
            cause = f"the data has values up to {largest:g}: scale it to about 1"
        elif bad:
            cause = (
                "the loss overflowed: lower the learning rate, clip the gradient (clip=1.0), or "
            )
            cause += "add a penalty where the loss is unbounded"
        else:
            cause = "a root or a norm at 0, or an overflow on the way back: look at the loss"
        said = f"step {self.steps}: the {player} loss {became}"
        return f"{said}; likely cause: {cause}. The step was not taken."

    # -- sampling --------------------------------------------------------------------------------

    @property
    def model(self) -> nn.Module:
        """The network to sample from, which is the moving average where there is one."""
        return self.trained if self.ema is None else self.ema.network

    @property
    def trained(self) -> nn.Module:
        """The same network as the last step left it."""
        return self.networks[self.averaged or next(iter(self.networks))]

    @torch.no_grad()
    def sample(
        self,
        n: int | None = None,
        labels: Tensor | int | None = None,
        *,
        seed: int | None = None,
        average: bool = True,
    ) -> Tensor:
        """``n`` samples, in evaluation mode.

        Args:
            n: how many; as many as there are labels unless given, and one without.
            labels: (n,), or one class for all. A conditional model without labels goes round the
                classes: 0, 1, 2, …
            seed: with it the noise depends on the seed alone, and training is not disturbed;
                without, it comes from the trainer's random state.
            average: whether to take the moving average, where there is one.

        Returns:
            (n, *shape) on the CPU.

        Raises:
            ValueError: labels of another length or outside 0 … classes − 1, or for an
                unconditional model.
        """
        model = self.model if average else self.trained
        with evaluating(model):
            n, asked = self.asked(n, labels, self.classes)
            return self.draw(model, n, asked, self.source(seed)).cpu()

    def source(self, seed: int | None) -> torch.Generator:
        """A random state from ``seed``, or the trainer's own."""
        if seed is None:
            return self.generator
        return torch.Generator(self.device).manual_seed(seed)

    def asked(self, n: int | None, labels: Any, classes: int) -> tuple[int, Tensor | None]:
        """How many samples, and their labels, on the device; see ``sample``."""
        labels = None if labels is None else torch.as_tensor(labels)
        if n is None:
            n = 1 if labels is None or labels.ndim == 0 else len(labels)
        if n < 0:
            raise ValueError(f"the number of samples must be at least 0, got {n}")
        if labels is None and classes:
            labels = torch.arange(n) % classes
        if labels is None:
            return n, None
        if labels.ndim == 0:
            labels = labels.expand(n)
        if classes == 0:
            raise ValueError("the model is unconditional, but labels were asked for")
        checked = unpacked((torch.empty(n, 0), labels), classes, None)[1]
        return n, None if checked is None else checked.to(self.device)

    def draw(self, model: Any, n: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """``n`` samples of ``model`` from ``generator``; what ``sample`` calls."""
        return model.sample(n, labels, generator=generator)

    # -- checkpoints -----------------------------------------------------------------------------

    def save(self, path: str | os.PathLike) -> Path:
        """Write everything that a later run needs to go on; whole or not at all.

        Of several processes one writes, and the file is there when ``save`` returns in any.

        Raises:
            CheckpointError: the folder cannot be written, or the disk is full.
        """
        processes.once(lambda: checkpoint.write(path, self.state_dict()))
        return Path(path)

    def load(self, path: str | os.PathLike, *, optimizers: bool = True) -> None:
        """Take up the state that ``save`` wrote: all of it, or the trainer stays as it was.

        The file may come from another device; a random state that does not fit this one is drawn
        anew from the seed, with a warning. Optimizers go on with their moments. Their learning
        rate and other settings come from the file, except for those that this trainer was given
        by name (``lr=``, ``betas=``, ``optimizers=``): what was said on purpose wins.

        Args:
            path: the file.
            optimizers: False leaves this trainer's optimizers and schedules as they are, which is
                how one goes on with an optimizer of another kind.

        Raises:
            CheckpointError: the file is missing, truncated, foreign, of another trainer or another
                architecture, or its optimizers are of another kind.
        """
        checkpoint.take(self, path, optimizers)

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimizers, schedules, EMA, step count, and all random states."""
        return checkpoint.state_of(self)


# -- small things --------------------------------------------------------------------------------


def _train(networks: Iterable[nn.Module]) -> None:
    """Training mode, except where all weights of a part are frozen: its statistics rest as well.

    A codebook of moving averages has no gradient either, but learns in training mode: so only
    layers that normalise or drop out are told to rest.
    """
    for network in networks:
        network.train()
        for module in network.modules():
            weights = list(module.parameters())
            if weights and not any(p.requires_grad for p in weights):
                for part in module.modules():
                    if isinstance(part, RESTING):
                        part.eval()


def _finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(p).all()) for p in network.parameters())
