"""Several processes that train as one, by torch.distributed under ``torchrun``.

With one process, every function here hands back what it was given. With W of them each takes its
slice of every batch, and after the backward pass the gradients are averaged, so that all take one
and the same step, and their weights stay equal without being sent. A loss that is a mean over
examples then has the gradient of the joint batch. What reads the whole batch does not, unless it
is gathered first: the relativistic average losses, free bits, MMD and the total correlation do
that themselves; BatchNorm and minibatch statistics see the slice alone, as they do in PyTorch's
own DistributedDataParallel. Each process draws its own noise.

Why not DistributedDataParallel [li2020]? It sends gradients from hooks that fire for every weight
during the backward pass. Here one backward pass fills the gradients of one player only, a penalty
differentiates twice, and two players' losses share a graph. The mean taken after the pass is right
for all of these.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Result = TypeVar("Result")


class ProcessError(RuntimeError):
    """The processes cannot meet, or one of them has stopped; the message says which one waited."""


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
    """Join the processes that ``torchrun`` has started, for the length of a block.

    They talk by gloo on CPUs and by NCCL on GPUs, one GPU each. Without ``torchrun`` nothing
    happens.

    Args:
        device: where the networks will be, as the trainers take it.
        timeout: how many seconds one process waits for the others before it gives up.

    Raises:
        ProcessError: the address is in use, a process did not come, there are too few GPUs; in the
            block: a process died or stands still.
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
                f"process {place} of this machine has no GPU, for there are {there}; "
                "start fewer, or use device cpu"
            )
        torch.cuda.set_device(place)
    address = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
    try:
        dist.init_process_group("nccl" if on_gpus else "gloo", timeout=timedelta(seconds=timeout))
    except (RuntimeError, ValueError) as error:
        taken = "EADDRINUSE" in str(error) or "address already in use" in str(error).lower()
        hint = "the port is in use: choose another MASTER_PORT, or torchrun --standalone"
        why = hint if taken else _first_line(error)
        raise ProcessError(f"{count} processes cannot meet at {address}: {why}") from error
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
    """The first sentence of a message from below, without the place in the source it names."""
    return re.sub(r"\[[^\]]*\.\w+:\d+\] *", "", str(error).strip().split("\n")[0]).split(". ")[0]


def _call(collective: Callable[..., Result], *arguments: Any) -> Result:
    try:
        return collective(*arguments)
    except RuntimeError as error:
        raise ProcessError(
            f"process {rank()} of {world()} waited in vain: "
            f"another one has died or stands still ({_first_line(error)})"
        ) from error


def own(x: Tensor) -> Tensor:
    """This process's slice of what belongs to the joint batch."""
    return x if world() == 1 else x.chunk(world())[rank()]


def share(batch: Any) -> Any:
    """This process's slice of a joint batch: a tensor, or a tuple, list or dict of tensors.

    Raises:
        ValueError: the batch cannot be cut into equal slices.
    """
    if world() == 1:
        return batch
    if isinstance(batch, (tuple, list)):
        return tuple(map(share, batch))
    if isinstance(batch, dict):
        return {name: share(part) for name, part in batch.items()}
    if len(batch) % world():
        raise ValueError(
            f"{world()} processes cannot share a batch of {len(batch)} equally; "
            f"use a multiple of {world()}"
        )
    return own(batch)


def summed(x: Tensor) -> Tensor:
    """The sum over all processes, without a graph."""
    if world() == 1:
        return x
    total = x.detach().clone(memory_format=torch.contiguous_format)
    _call(dist.all_reduce, total)
    return total


def averaged(x: Tensor) -> Tensor:
    """The mean over all processes, without a graph."""
    return x if world() == 1 else summed(x) / world()


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each gradient by its mean over all processes; all of them travel in one message."""
    slopes = [p.grad for p in parameters if p.grad is not None]
    if world() == 1 or not slopes:
        return
    mean = averaged(torch.cat([slope.reshape(-1) for slope in slopes]))
    pieces = mean.split([slope.numel() for slope in slopes])
    torch._foreach_copy_(slopes, [p.view(s.shape) for p, s in zip(pieces, slopes, strict=True)])


class _Gather(torch.autograd.Function):
    """All slices; what a process did to the others' slices comes back to them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        slices = [torch.empty_like(x) for _ in range(world())]
        _call(dist.all_gather, slices, x)
        return torch.cat(slices)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:  # type: ignore[override]
        return own(summed(slope))


def gathered(x: Tensor) -> Tensor:
    """The joint batch (W·N, …) from every process's slice (N, …), with its graph."""
    return x if world() == 1 else _Gather.apply(x.contiguous())


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


def same_start(network: nn.Module) -> nn.Module:
    """Give a network the weights and buffers that it has in process 0."""
    if world() > 1:
        for tensor in network.state_dict().values():
            first = tensor.contiguous()
            _call(dist.broadcast, first, 0)
            tensor.copy_(first)
    return network
