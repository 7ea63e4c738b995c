"""Several processes that train as one, by torch.distributed. With one process, every function here hands back what it was given.

The promise: W processes with n examples each take the step that one process takes with all W·n of them. Four tools keep it:

- ``share`` cuts the joint batch into equal slices, one for each process;
- ``drawn`` draws noise for the joint batch from a random state that is the same everywhere, and keeps the slice. So a checkpoint holds one
  random state, and a run can go on with another number of processes;
- ``gathered`` brings the slices together for a loss that reads the whole batch, and lets gradients back to where they belong;
- ``average_gradients`` makes all processes take one and the same step, so their weights stay equal without being sent.

Why not PyTorch's DistributedDataParallel [li2020]? It sends gradients during the backward pass, from hooks that fire for every weight. Here
one backward pass fills the gradients of one player only, a penalty differentiates twice, and two players' losses share a graph. The mean
taken after the pass is right for all of these, and costs one message for each player and step.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Result = TypeVar("Result")


class ProcessError(RuntimeError):
    """The processes cannot find one another, or one of them has stopped; the message says which waited, and for what."""


def expected() -> int:
    """How many processes torchrun has started, whether they have met yet or not."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def world() -> int:
    """How many processes work together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is: 0 … world() − 1. Process 0 alone writes files."""
    return dist.get_rank() if world() > 1 else 0


@contextmanager
def started(device: str = "auto", timeout: float = 600.0) -> Iterator[None]:
    """Join the processes that ``torchrun`` has started, for the length of a block: gloo on CPUs, NCCL on GPUs, one GPU each.

    Whoever waits longer than ``timeout`` seconds for the others gives up. Without ``torchrun`` nothing happens.

    Raises:
        ProcessError: the address is in use, not everyone came, there are too few GPUs; in the block, a process died or stands still.
    """
    count = expected()
    if count == 1:
        yield
        return
    on_gpus = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpus:
        place, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if place >= there:
            raise ProcessError(
                f"process {place} of this machine has no GPU, for there are {there}; start fewer, or use device cpu"
            )
        torch.cuda.set_device(place)
    address = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
    try:
        dist.init_process_group("nccl" if on_gpus else "gloo", timeout=timedelta(seconds=timeout))
    except (RuntimeError, ValueError) as error:
        taken = "EADDRINUSE" in str(error) or "address already in use" in str(error).lower()
        hint = (
            "the port is in use: choose another MASTER_PORT, or torchrun --standalone"
            if taken
            else _first_line(error)
        )
        raise ProcessError(f"{count} processes cannot meet at {address}: {hint}") from error
    broken = False
    try:
        yield
    except ProcessError:
        broken = True  # to close a group in good order, all of it would have to be there
        raise
    finally:
        if not broken:
            dist.destroy_process_group()


def _first_line(error: BaseException) -> str:
    """The first sentence of a message from below, without the place in the source where it arose."""
    return re.sub(r"\[[^\]]*\.\w+:\d+\] *", "", str(error).strip().split("\n")[0]).split(". ")[0]


def _call(collective: Callable[..., Any], *arguments: Any) -> None:
    try:
        collective(*arguments)
    except RuntimeError as error:
        raise ProcessError(
            f"process {rank()} of {world()} waited in vain: another one has died or stands still ({_first_line(error)})"
        ) from error


# -- the batch and the noise ---------------------------------------------------------------------------------------------------------


def own(x: Tensor, rows: int = 0) -> Tensor:
    """This process's slice of what belongs to the joint batch."""
    return x if world() == 1 else x.chunk(world(), dim=rows)[rank()]


def share(batch: Any) -> Any:
    """This process's slice of a joint batch, a tensor or a pair with labels.

    Raises:
        ValueError: the batch cannot be cut into equal slices.
    """
    if world() == 1:
        return batch
    if isinstance(batch, (tuple, list)):
        return tuple(map(share, batch))
    if len(batch) % world():
        raise ValueError(
            f"{world()} processes cannot share a batch of {len(batch)} equally; use a multiple of {world()}"
        )
    return own(batch)


class JointGenerator(torch.Generator):
    """A random state that is the same in all processes, because each of them draws for all. See ``drawn``."""


def generator(device: torch.device, seed: int) -> torch.Generator:
    """The random state of a trainer."""
    return (JointGenerator if world() > 1 else torch.Generator)(device).manual_seed(seed)


def drawn(
    draw: Callable[..., Tensor],
    size: Sequence[int],
    *,
    generator: torch.Generator | None,
    rows: int = 0,
    **options: Any,
) -> Tensor:
    """``draw(size, generator=…)``: from a joint generator, this process's rows of the draw for the joint batch.

    ``draw`` is torch.randn or the like; ``rows`` is the dimension that counts the examples.
    """
    if not isinstance(generator, JointGenerator):
        return draw(size, generator=generator, **options)
    joint = [n * world() if dimension == rows else n for dimension, n in enumerate(size)]
    return own(draw(joint, generator=generator, **options), rows)


# -- what goes from process to process -----------------------------------------------------------------------------------------------


def averaged(x: Tensor) -> Tensor:
    """The mean over all processes, without a graph."""
    return x if world() == 1 else summed(x) / world()


def summed(x: Tensor) -> Tensor:
    """The sum over all processes, without a graph."""
    if world() == 1:
        return x
    total = x.detach().clone(memory_format=torch.contiguous_format)
    _call(dist.all_reduce, total)
    return total


def average_gradients(parameters: Iterable[Tensor], loss: Tensor) -> Tensor:
    """Replace each gradient by its mean over all processes; return the mean of ``loss``, which travels in the same message."""
    if world() == 1:
        return loss
    slopes = [p.grad for p in parameters if p.grad is not None]
    mean = averaged(
        torch.cat(
            [*(slope.reshape(-1) for slope in slopes), loss.detach().reshape(1).to(slopes[0].dtype)]
        )
    )
    pieces = mean.split([*(slope.numel() for slope in slopes), 1])
    torch._foreach_copy_(
        slopes, [piece.view(slope.shape) for piece, slope in zip(pieces, slopes, strict=False)]
    )
    return mean[-1]


class _Gather(torch.autograd.Function):
    """All slices, one after the other. What a process did to the others' slices comes back to them: the way back is ``_Scatter``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        slices = [
            torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world())
        ]
        _call(dist.all_gather, slices, x.contiguous())
        return torch.cat(slices)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:  # type: ignore[override]
        return _Scatter.apply(slope)


class _Scatter(torch.autograd.Function):
    """The own slice of the sum over all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return own(summed(x))

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:  # type: ignore[override]
        return _Gather.apply(slope)


def gathered(x: Tensor) -> Tensor:
    """The joint batch (W·N, …) from every process's slice (N, …), differentiable as often as one likes."""
    return x if world() == 1 else _Gather.apply(x)


def once(action: Callable[[], Result]) -> Result | None:
    """Let process 0 act while the others wait; they get None. Where it fails, all stop.

    Raises:
        ProcessError: in the others, where process 0 has failed.
    """
    if world() == 1:
        return action()
    result, failure = None, None
    if rank() == 0:
        try:
            result = action()
        except Exception as error:
            failure = error
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    failed = averaged(torch.tensor([float(failure is not None)], device=device)).item() > 0
    if failure is not None:
        raise failure
    if failed:
        raise ProcessError(
            f"process {rank()} of {world()} stops, for process 0 failed; its own message says why"
        )
    return result


# -- networks ------------------------------------------------------------------------------------------------------------------------


def joined(network: nn.Module) -> nn.Module:
    """A network ready for several processes: with the weights of process 0, and with batch statistics over all processes.

    Raises:
        ValueError: it has dropout, whose masks come from a random state that is not shared.
    """
    if world() == 1:
        return network
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            raise ValueError(
                "several processes cannot draw one mask for dropout; leave dropout out, or use one process"
            )
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(
            module, _JointBatchNorm
        ):
            # The layer stays what it is, with its names in a state dict; only its forward pass is another.
            module.__class__ = type(
                f"Joint{type(module).__name__}", (_JointBatchNorm, type(module)), {}
            )
    for tensor in network.state_dict().values():
        first = tensor.contiguous()
        _call(dist.broadcast, first, 0)
        tensor.copy_(first)
    return network


class _JointBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm whose mean and variance run over the joint batch. PyTorch's SyncBatchNorm has no CPU form and no second derivative."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        dims, shape = [0, *range(2, x.ndim)], [1, -1] + [1] * (x.ndim - 2)
        values = x.to(self.weight.dtype if self.affine else x.dtype)
        mean = gathered(values.mean(dims)[None]).mean(0)
        centred = values - mean.view(shape)
        variance = gathered(centred.square().mean(dims)[None]).mean(0)
        if self.track_running_stats:
            assert (
                self.running_mean is not None
                and self.running_var is not None
                and self.num_batches_tracked is not None
            )
            self.num_batches_tracked.add_(1)
            speed = (
                self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.item()
            )
            count = world() * x.numel() / x.shape[1]
            self.running_mean.lerp_(mean.detach(), speed)
            self.running_var.lerp_(variance.detach() * count / (count - 1), speed)
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(x.dtype)
