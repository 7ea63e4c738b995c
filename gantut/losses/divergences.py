"""f-divergences as data: each is one row, and the variational game of a GAN follows from the row.

A convex f with f(1) = 0 measures how far p is from q: D_f(p‖q) = E_q f(p/q). Every number T obeys
f(u) ≥ T·u − f*(T), where f* is the conjugate of f, so E_p T(x) − E_q f*(T(x)) never exceeds D_f,
whatever the critic T. [nowozin2016]

Here T is made from an unbounded logit v, so that it cannot leave the domain of f*: T =
``reward(v)`` and f*(T) = ``conjugate(v)``, both elementwise, for the logits that can be best. The
best logit depends on the log-ratio log p/q alone and is given too.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gantut.numerics import chosen, expect, exponential, softplus

Elementwise = Callable[[Tensor], Tensor]


class Divergence(NamedTuple):
    """f, and its game on a logit v.

    Args:
        f: the convex function of the ratio u = p/q, elementwise.
        reward: t(v), what D earns for a real example of logit v.
        conjugate: c(v), what D pays for a fake one. It is f*(t(v)) for every logit that is best
            for some ratio, and nowhere less. (Only Pearson's differs, below its least best logit
            −2: there it goes on along the parabola, while f* stays at −1.)
        best_logit: the v that makes p·t(v) − q·c(v) largest, as a function of log p/q. The
            largest value is q·f(p/q).

    Example:
        >>> import torch
        >>> DIVERGENCES["kl"].best_logit(torch.tensor(0.0)).item()
        1.0

    Source: [nowozin2016].
    """

    f: Elementwise
    reward: Elementwise
    conjugate: Elementwise
    best_logit: Elementwise


DIVERGENCES: dict[str, Divergence] = {
    "kl": Divergence(
        lambda u: torch.xlogy(u, u),
        lambda v: v,
        lambda v: exponential(v - 1),
        lambda r: 1 + r,
    ),
    "reverse_kl": Divergence(
        lambda u: -u.log(),
        lambda v: -exponential(-v),
        lambda v: v - 1,
        lambda r: r,
    ),
    "pearson": Divergence(
        lambda u: (u - 1).square(),
        lambda v: v,
        lambda v: 0.25 * v.square() + v,
        lambda r: 2 * r.expm1(),
    ),
    "neyman": Divergence(
        lambda u: (1 - u).square() / u,
        lambda v: 1 - exponential(-v),
        lambda v: 2 - 2 * exponential(-0.5 * v),
        lambda r: 2 * r,
    ),
    "hellinger": Divergence(
        lambda u: (u.sqrt() - 1).square(),
        lambda v: 1 - exponential(-v),
        lambda v: exponential(v) - 1,
        lambda r: 0.5 * r,
    ),
    # KL(p‖m) + KL(q‖m) with m = (p + q)/2: twice the Jensen–Shannon divergence.
    "jensen_shannon": Divergence(
        lambda u: torch.xlogy(u, u) - (1 + u) * torch.log(0.5 * (1 + u)),
        lambda v: math.log(2) - softplus(-v),
        lambda v: softplus(v) - math.log(2),
        lambda r: r,
    ),
    # The original game: the row above without its constants, so f(1) = −log 4 and not 0.
    "gan": Divergence(
        lambda u: torch.xlogy(u, u) - (1 + u) * torch.log1p(u),
        lambda v: -softplus(-v),
        softplus,
        lambda r: r,
    ),
    # f* is finite on [−½, ½] only, and the best T is at its ends: the supremum is approached as
    # v → ±∞ and attained nowhere.
    "total_variation": Divergence(
        lambda u: 0.5 * (u - 1).abs(),
        lambda v: 0.5 * v.tanh(),
        lambda v: 0.5 * v.tanh(),
        lambda r: (r * math.inf).nan_to_num(0.0, math.inf, -math.inf),
    ),
}


def f_divergence(name: str, p: Tensor, q: Tensor) -> float:
    """Σ q f(p/q) of two distributions on K points.

    Args:
        name: a name of ``DIVERGENCES``.
        p: positive probabilities (K,), which sum to 1.
        q: positive probabilities (K,), which sum to 1.

    Returns:
        The divergence of p from q, in nats where f is made of logarithms.

    Raises:
        ValueError: the name is unknown, the shapes differ, or p or q is not a vector of positive
            numbers with sum 1.

    Example:
        >>> import torch
        >>> fair, loaded = torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1])
        >>> round(f_divergence("kl", fair, loaded), 3)
        0.511

    Source: [nowozin2016].
    """
    for which, values in (("p", p), ("q", q)):
        positive = values.shape == p.shape and values.ndim == 1 and (values > 0).all()
        fits = positive and abs(values.sum().item() - 1) <= 1e-6
        expect(fits, f"{which} as positive probabilities (K,) with sum 1", values.tolist())
    return (q * chosen("divergence", name, DIVERGENCES).f(p / q)).sum().item()
