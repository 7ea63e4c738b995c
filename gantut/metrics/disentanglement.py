"""Does each dimension of a code stand for one factor of the data? It shows where those are known.

[chen2018]
"""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from gantut.metrics._checks import table
from gantut.numerics import at_least, expect


class Gap(NamedTuple):
    """How far one dimension is ahead of the others, factor by factor.

    ``mig`` is the mean of ``gaps`` (factors,); ``information`` (dimensions, factors) is
    I(z_j; v_k) / H(v_k).
    """

    mig: float
    gaps: Tensor
    information: Tensor


def _binned(values: Tensor, bins: int) -> Tensor:
    """Each column's values as bins of about equal count; equal values share a bin.

    A column with few distinct values keeps them as they are.
    """
    columns = []
    for column in values.T:
        distinct, index = column.unique(return_inverse=True)
        if len(distinct) > bins:
            rank = torch.searchsorted(column.sort().values, column.contiguous())  # smaller values
            index = rank * bins // len(column)
        columns.append(index)
    return torch.stack(columns, 1)


def _entropy(counts: Tensor) -> Tensor:
    return torch.special.entr(counts.double() / counts.sum()).sum()


def mutual_information_gap(codes: Tensor, factors: Tensor, *, bins: int = 20) -> Gap:
    """MIG: does one dimension of the code tell about a factor, and no other? [chen2018]

    For each factor v_k, the information I(z_j; v_k) of the best dimension minus that of the second
    best, over the factor's entropy H(v_k). 1 means that one dimension tells all and no other
    anything; 0 that two tell equally much.

    Args:
        codes: (N, dimensions), say the means of q(z|x).
        factors: (N, factors), the known causes of the same N examples.
        bins: of equal count, into which both are cut. Equal values share a bin; labels and other
            values with at most so many levels stay as they are.

    Returns:
        The gap, its parts, and the table of information. Counting biases the information upwards by
        about bins² / 2N nats, alike for all dimensions; a warning says where N is too small.

    Raises:
        ValueError: not two tables of one length, NaN or infinite values, one dimension only, a
            factor that never changes, fewer than 2 bins.

    Example:
        >>> import torch
        >>> v = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0))
        >>> round(mutual_information_gap(v, v).mig, 1)
        1.0
    """
    table("codes", codes)
    table("factors", factors)
    expect(len(codes) == len(factors), "codes and factors of the same examples", codes, factors)
    at_least(2, dimensions=codes.shape[1], bins=bins)
    z, v = _binned(codes.cpu(), bins), _binned(factors.cpu(), bins)
    information = torch.zeros(z.shape[1], v.shape[1], dtype=torch.float64)
    for k, factor in enumerate(v.T):
        entropy = _entropy(factor.bincount())
        expect(entropy > 0, "factors that change", f"one value only of factor {k}")
        for j, dimension in enumerate(z.T):
            joint = _entropy((dimension * (factor.max() + 1) + factor).bincount())
            information[j, k] = (_entropy(dimension.bincount()) + entropy - joint) / entropy
    if len(codes) < 5 * bins**2:
        few = f"{len(codes)} examples for {bins}×{bins} bins"
        warnings.warn(f"{few}: the mutual information is biased upwards", stacklevel=2)
    best = information.topk(2, dim=0).values
    gaps = best[0] - best[1]
    return Gap(gaps.mean().item(), gaps, information)
