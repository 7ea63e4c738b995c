"""The two terms that tie an encoder's vectors to a codebook's. Squared distances, summed over an example's dimensions, (N,). [oord2017]

A nearest neighbour has no derivative. So the decoder's gradient is copied from the chosen vector e to the encoder's h, as if the choice
were the identity (straight-through), and these two terms see to it that both stay close.
"""

from __future__ import annotations

from torch import Tensor

from gantut.numerics import check_weight


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape or a.ndim < 2:
        raise ValueError(
            f"expected two tensors of one shape (N, …), got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    return (a - b).square().flatten(1).sum(1)


def codebook(h: Tensor, e: Tensor) -> Tensor:
    """‖sg(h) − e‖², (N,): moves the chosen code vectors e to the encoder's output h, which stands still here. [oord2017]

    Raises:
        ValueError: the shapes differ.
    """
    return _squared_distance(h.detach(), e)


def commitment(h: Tensor, e: Tensor) -> Tensor:
    """‖h − sg(e)‖², (N,): moves the encoder's output h to the code vectors e, which stand still here. [oord2017]

    Raises:
        ValueError: the shapes differ.
    """
    return _squared_distance(h, e.detach())


def vector_quantisation(h: Tensor, e: Tensor, beta: float = 0.25) -> Tensor:
    """codebook + β · commitment, (N,). With a codebook kept by moving averages only β · commitment is left to learn by gradient.

    Raises:
        ValueError: β is negative or not finite, or the shapes differ.
    """
    return codebook(h, e) + check_weight("beta", beta) * commitment(h, e)
