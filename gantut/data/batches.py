"""Shuffled batches as a function of the step number.

``batches.batch(k)`` depends on the seed, the process and k alone. So a resumed run needs no other
memory than its step count, several processes never see the same example twice in an epoch, and
nothing has to be saved.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from gantut.data.datasets import TensorData


def generator(*entropy: int) -> torch.Generator:
    """A source of random numbers for the integers given, however close they lie to one another.

    Seeds such as 0, 1, 2 are mixed first, so that their streams have nothing in common.

    Example:
        >>> import torch
        >>> a, b = (torch.randn(3, generator=generator(0, k)) for k in (1, 2))
        >>> torch.equal(a, b)
        False
    """
    word = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(word >> 1)


class Batches:
    """The endless shuffled sequence of batches of a data set; ``data.batches(…)`` makes one.

    Every epoch holds each example at most once, in a new order; the last examples, which do not
    fill a batch, are left out of it. ``for batch in batches`` never ends; ``batch(k)`` is the k-th.

    Args:
        data: the examples.
        batch_size: the number of examples in a batch (of each process).
        seed: decides the order; another seed is another order.
        labels: whether a batch is a pair (x, labels) instead of x alone.
        process: (rank, number of processes); the joint batch of all is cut into equal parts.

    Raises:
        ValueError: a batch size below 1 or above the data's size, a rank outside its
            range, or labels asked for that are not there.

    Example:
        >>> from gantut import data
        >>> batches = data.digits().batches(64, labels=True)
        >>> x, labels = batches.batch(1000)
        >>> tuple(x.shape), tuple(labels.shape)
        ((64, 1, 8, 8), (64,))
    """

    def __init__(
        self,
        data: TensorData,
        batch_size: int,
        *,
        seed: int = 0,
        labels: bool = False,
        process: tuple[int, int] = (0, 1),
    ) -> None:
        rank, world = process
        if not 1 <= batch_size * world <= len(data):
            each = f" in each of {world} processes" if world > 1 else ""
            raise ValueError(
                f"batch_size must lie in 1 … {len(data) // world} for {len(data)} examples{each}, "
                f"got {batch_size}"
            )
        if not 0 <= rank < world:
            raise ValueError(f"the rank must lie in 0 … {world - 1}, got {rank}")
        if labels and data.labels is None:
            raise ValueError(f"the data set {data.name!r} has no labels")
        self.data, self.batch_size, self.seed, self.labels = data, batch_size, seed, labels
        self.rank, self.world = rank, world
        self.per_epoch = len(data) // (batch_size * world)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def batch(self, k: int) -> Any:
        """The k-th batch, k = 0, 1, …: x (batch_size, …), or (x, labels) with ``labels=True``."""
        epoch, place = divmod(k, self.per_epoch)
        if epoch != self._epoch:
            self._order = torch.randperm(len(self.data), generator=generator(self.seed, epoch))
            self._epoch = epoch
        joint = self.batch_size * self.world
        index = self._order[place * joint : (place + 1) * joint].tensor_split(self.world)[self.rank]
        x = self.data.floats(index)
        return (x, self.data.labels[index]) if self.labels and self.data.labels is not None else x

    def __iter__(self) -> Iterator[Any]:
        return map(self.batch, itertools.count())
