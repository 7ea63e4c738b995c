"""PacGAN's packing: the discriminator judges several examples at once, so that a generator without variety is caught. [lin2018]"""

from __future__ import annotations

from torch import Tensor


def pack(x: Tensor, size: int) -> Tensor:
    """Join each ``size`` neighbours into one: (N, C, …) to (N / size, size·C, …), images along their channels.

    D's loss is then one number per pack.

    Raises:
        ValueError: the size is below 1, or does not divide the batch.
    """
    if size < 1:
        raise ValueError(f"a pack needs at least one example, got {size}")
    if len(x) % size:
        raise ValueError(f"packs of {size} need a batch that {size} divides, got {len(x)} examples")
    return x.reshape(len(x) // size, size * x.shape[1], *x.shape[2:])


def packed_shape(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """The shape of one pack of examples of ``shape``, which the discriminator has to be made for."""
    return (size * shape[0], *shape[1:])
