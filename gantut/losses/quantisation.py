"""The two terms that tie an encoder's vectors to a codebook's. [oord2017]

A nearest neighbour has no derivative. So the decoder's gradient is copied from the chosen vector e
to the encoder's h, as if the choice were the identity (straight-through), and these two terms see
to it that both stay close.
"""

from torch import Tensor

from gantut.numerics import check_weight, expect


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    expect(a.shape == b.shape and a.ndim > 1, "two tensors of one shape (N, …)", a, b)
    return (a - b).square().flatten(1).sum(1)


def codebook(h: Tensor, e: Tensor) -> Tensor:
    """‖sg(h) − e‖²: moves the chosen code vectors e to the encoder's output h, which stands still.

    Args:
        h: the encoder's output, (N, …).
        e: the code vectors chosen for it, of the same shape.

    Returns:
        (N,), a squared distance summed over an example's values.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import torch
        >>> codebook(torch.ones(1, 2), torch.zeros(1, 2)).item()
        2.0

    Source: [oord2017].
    """
    return _squared_distance(h.detach(), e)


def commitment(h: Tensor, e: Tensor) -> Tensor:
    """‖h − sg(e)‖²: moves the encoder's output h to its code vectors e, which stand still.

    Args:
        h: the encoder's output, (N, …).
        e: the code vectors chosen for it, of the same shape.

    Returns:
        (N,), a squared distance summed over an example's values.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import torch
        >>> commitment(torch.ones(1, 2), torch.zeros(1, 2)).item()
        2.0

    Source: [oord2017].
    """
    return _squared_distance(h, e.detach())


def vector_quantisation(h: Tensor, e: Tensor, beta: float = 0.25) -> Tensor:
    """codebook + β · commitment: the VQ-VAE's loss beside the distortion.

    With a codebook kept by moving averages only β · commitment is left to learn by gradient.

    Args:
        h: the encoder's output, (N, …).
        e: the code vectors chosen for it, of the same shape.
        beta: β, how strongly the encoder keeps to its choice; ¼ is the paper's.

    Returns:
        (N,), a squared distance summed over an example's values.

    Raises:
        ValueError: β is negative or not finite, or the shapes differ.

    Example:
        >>> import torch
        >>> vector_quantisation(torch.ones(1, 2), torch.zeros(1, 2)).item()
        2.5

    Source: [oord2017].
    """
    return codebook(h, e) + check_weight("beta", beta) * commitment(h, e)
