"""Does each dimension of a code stand for one factor of the data? It can be measured where the factors are known. [chen2018]"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor


class Gap(NamedTuple):
    """``mig`` is the mean of ``gaps`` (factors,); ``information`` (dimensions, factors) is I(z_j; v_k) / H(v_k)."""

    mig: float
    gaps: Tensor
    information: Tensor


def _binned(values: Tensor, bins: int) -> Tensor:
    """Each column's values as bins of equal count; a column with few distinct values keeps them as they are."""
    columns = []
    for column in values.T:
        distinct, index = column.unique(return_inverse=True)
        if len(distinct) > bins:
            rank = torch.empty_like(index)
            rank[column.argsort(stable=True)] = torch.arange(len(column))
            index = rank * bins // len(column)
        columns.append(index)
    return torch.stack(columns, 1)


def _entropy(counts: Tensor) -> Tensor:
    return torch.special.entr(counts.double() / counts.sum()).sum()


def mutual_information_gap(codes: Tensor, factors: Tensor, *, bins: int = 20) -> Gap:
    """MIG: for each factor the mutual information of the best dimension of the code minus that of the second best, over its entropy.

    ``codes`` (N, dimensions) and ``factors`` (N, factors) are cut into ``bins`` of equal count; labels and other values with few levels
    stay as they are. 1 means that one dimension tells all about the factor and no other anything. Counting biases the information
    upwards by about bins² / 2N nats, alike for all dimensions; a warning says where N is too small for the bins. [chen2018]

    Raises:
        ValueError: not two tables of one length, NaN or infinite values, one dimension only, a factor that never changes, fewer than 2
            bins.
    """
    for name, table in (("codes", codes), ("factors", factors)):
        if table.ndim != 2 or len(table) != len(codes):
            raise ValueError(
                f"expected {name} as a table with {len(codes)} rows, got {tuple(table.shape)}"
            )
        if not torch.isfinite(table.double()).all():
            raise ValueError(
                f"the {name} hold {int((~torch.isfinite(table.double())).sum())} NaN or infinite values"
            )
    if codes.shape[1] < 2 or bins < 2:
        raise ValueError(
            f"MIG compares at least 2 dimensions in at least 2 bins, got {codes.shape[1]} and {bins}"
        )
    z, v = _binned(codes, bins), _binned(factors, bins)
    constant = [k for k in range(v.shape[1]) if int(v[:, k].max()) == 0]
    if constant:
        raise ValueError(f"factor {constant[0]} never changes, so nothing can tell it")
    if len(codes) < 5 * bins**2:
        warnings.warn(
            f"{len(codes)} examples for {bins}×{bins} bins: the mutual information is biased upwards",
            stacklevel=2,
        )
    information = torch.zeros(z.shape[1], v.shape[1], dtype=torch.float64)
    for k, factor in enumerate(v.T):
        levels = int(factor.max()) + 1
        entropy = _entropy(factor.bincount())
        for j, dimension in enumerate(z.T):
            joint = _entropy((dimension * levels + factor).bincount())
            information[j, k] = (_entropy(dimension.bincount()) + entropy - joint) / entropy
    best = information.topk(2, dim=0).values
    gaps = best[0] - best[1]
    return Gap(gaps.mean().item(), gaps, information)
