"""Shuffled batches as a function of the step number.

``batches.batch(k)`` depends on the seed, the process and k alone. So a resumed run needs no other memory than its step count, several
processes never see the same example twice in an epoch, and nothing has to be saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


def generator(*entropy: int) -> torch.Generator:
    """A generator that depends on all the integers given, however close they lie to one another."""
    word = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(word >> 1)


class InMemory(Protocol):
    """What can be batched: a length, floats at given indices, labels, a name."""

    @property
    def labels(self) -> Tensor | None: ...
    @property
    def name(self) -> str: ...
    def __len__(self) -> int: ...
    def floats(self, index: Any = None) -> Tensor: ...


class Batches:
    """The endless shuffled sequence of batches of a data set.

    A batch is a float tensor (batch_size, …), or a pair with the labels where ``labels`` is set. Every epoch holds each example at most
    once, in a new order; the examples that do not fill a batch are left out of that epoch unless ``drop_last`` is False. ``process`` is
    (rank, number of processes): the joint batch of all processes is cut into equal parts.

    Raises:
        ValueError: empty data, a batch size below 1 or above the data's size, labels asked for that are not there.
    """

    def __init__(
        self,
        data: InMemory,
        batch_size: int,
        *,
        seed: int = 0,
        epochs: int | None = None,
        labels: bool = False,
        device: str | torch.device | None = None,
        process: tuple[int, int] = (0, 1),
        drop_last: bool = True,
    ) -> None:
        rank, world = process
        if len(data) == 0:
            raise ValueError(f"the data set {data.name!r} is empty")
        if not 1 <= batch_size * world <= len(data):
            each = f" in each of {world} processes" if world > 1 else ""
            raise ValueError(
                f"batch_size must lie in 1 … {len(data) // world} for {len(data)} examples{each}, got {batch_size}"
            )
        if not 0 <= rank < world:
            raise ValueError(f"the rank must lie in 0 … {world - 1}, got {rank}")
        if labels and data.labels is None:
            raise ValueError(f"the data set {data.name!r} has no labels")
        self.data, self.batch_size, self.seed, self.epochs = data, batch_size, seed, epochs
        self.with_labels, self.device, self.rank, self.world = labels, device, rank, world
        joint = batch_size * world
        self.per_epoch = len(data) // joint if drop_last else -(-len(data) // joint)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def batch(self, k: int) -> Any:
        """The k-th batch, k = 0, 1, 2, …"""
        epoch, place = divmod(k, self.per_epoch)
        if epoch != self._epoch:
            self._order = torch.randperm(len(self.data), generator=generator(self.seed, epoch))
            self._epoch = epoch
        joint = self.batch_size * self.world
        index = self._order[place * joint : (place + 1) * joint].tensor_split(self.world)[self.rank]
        x = self.data.floats(index)
        if self.device is not None:
            x = x.to(self.device, non_blocking=True)
        if not self.with_labels or self.data.labels is None:
            return x
        labels = self.data.labels[index]
        return x, labels if self.device is None else labels.to(self.device, non_blocking=True)

    def __iter__(self) -> Iterator[Any]:
        k = 0
        while self.epochs is None or k < self.epochs * self.per_epoch:
            yield self.batch(k)
            k += 1

    def __len__(self) -> int:
        if self.epochs is None:
            raise TypeError(
                "these batches are endless; give epochs=… for a length, or use per_epoch"
            )
        return self.epochs * self.per_epoch
