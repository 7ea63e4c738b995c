"""The evidence lower bound, its two parts, and its variants, as functions of a VAE's output. All (N,), in nats, summed over dimensions.

log p(x) ≥ ELBO = E_{z∼q(z|x)} log p(x|z) − KL(q(z|x) ‖ p(z)). The first term is estimated with the one draw z of the output. [kingma2014]
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from gantut.numerics import check_weight
from gantut.processes import averaged, gathered

if TYPE_CHECKING:
    from gantut.models.vae import VAEOutput


def _check_one_draw(output: VAEOutput) -> None:
    if output.z.ndim != 2:
        raise ValueError(
            f"expected an output with one draw per example, z of shape (N, latent_dim), got {tuple(output.z.shape)}; "
            "for K draws use the importance-weighted bound"
        )


def distortion(output: VAEOutput, x: Tensor) -> Tensor:
    """−log p(x|z): how badly the draw z explains x, (N,), in nats.

    Raises:
        ValueError: x does not have the shape the decoder gives, holds values the likelihood knows no probability for, or the output holds K
            draws per example.
    """
    _check_one_draw(output)
    expected = output.likelihood.batch_shape + output.likelihood.event_shape
    if x.shape != expected:
        raise ValueError(f"expected examples of shape {tuple(expected)}, got {tuple(x.shape)}")
    return -output.likelihood.log_prob(x)


def rate(output: VAEOutput) -> Tensor:
    """KL(q(z|x) ‖ p(z)): the nats that the code spends on x, (N,).

    For a diagonal Gaussian and a standard normal prior in closed form: ½ Σ (μ² + σ² − 1 − log σ²). For a mixture prior there is none, and
    the draw z stands for the average: log q(z|x) − log p(z), unbiased and sometimes negative.
    """
    try:
        return kl_divergence(output.posterior, output.prior)
    except NotImplementedError:
        _check_one_draw(output)
        return output.posterior.log_prob(output.z) - output.prior.log_prob(output.z)


def rate_per_dimension(output: VAEOutput) -> Tensor:
    """The rate split over the dimensions of the code, (N, latent_dim), for a diagonal posterior and prior.

    Raises:
        ValueError: the prior is a mixture, whose rate does not split.
    """
    posterior, prior = output.posterior, output.prior
    if not (hasattr(posterior, "base_dist") and hasattr(prior, "base_dist")):
        raise ValueError(
            f"the rate splits over dimensions for diagonal normals only, got {type(prior).__name__}"
        )
    return kl_divergence(posterior.base_dist, prior.base_dist)


def elbo(output: VAEOutput, x: Tensor, beta: float = 1.0) -> Tensor:
    """−distortion − β · rate, (N,), in nats: to be maximised. β = 1 is the bound on log p(x); another β is the β-VAE. [higgins2017]

    Raises:
        ValueError: β is negative or not finite.
    """
    return -negative_elbo(output, x, beta)


def negative_elbo(output: VAEOutput, x: Tensor, beta: float = 1.0) -> Tensor:
    """distortion + β · rate, (N,), in nats: the VAE's loss, to be minimised.

    Raises:
        ValueError: β is negative or not finite.
    """
    return torch.add(distortion(output, x), rate(output), alpha=check_weight("beta", beta))


def free_bits(output: VAEOutput, x: Tensor, nats: float = 0.1) -> Tensor:
    """distortion + Σ_j max(λ, KL_j): each dimension's first λ = ``nats`` cost nothing, so it has no reason to switch off. [kingma2016]

    KL_j is averaged over the *batch* before the comparison, as in the paper, and so each value depends on all of it: a dimension below λ
    enters as the constant λ, one above as its own KL. The mean over the batch is exactly the formula.

    Raises:
        ValueError: λ is negative or not finite, or the rate does not split over dimensions.
    """
    threshold = check_weight("nats", nats)
    each = rate_per_dimension(output)
    charged = torch.where(gathered(each.detach()).mean(0) > threshold, each, threshold)
    return distortion(output, x) + charged.sum(1)


def target_rate(output: VAEOutput, x: Tensor, nats: float, weight: float = 1.0) -> Tensor:
    """distortion + w · |rate − C|: spend C = ``nats`` on each example, neither more nor less. [burgess2018]

    Raises:
        ValueError: C or w is negative or not finite.
    """
    excess = (rate(output) - check_weight("nats", nats)).abs()
    return distortion(output, x) + check_weight("weight", weight) * excess


class GECO(torch.nn.Module):
    """The rate under a constraint: minimise it subject to distortion ≤ ``target``, with a multiplier λ that adapts itself. [rezende2018]

    The value is rate + λ · (distortion − target), (N,). In training mode each call then multiplies λ by exp(``speed`` · c), where c is the
    moving average of distortion − target per value of x (so that the speed fits images of any size): λ grows while the constraint is
    violated. λ and c are buffers, so a trainer saves them. λ stays within [1e-4, 1e4].

    Raises:
        ValueError: the target or the speed is not finite, the speed not positive, or the decay outside [0, 1).
    """

    multiplier: Tensor
    average: Tensor

    def __init__(self, target: float, *, speed: float = 0.1, decay: float = 0.99) -> None:
        super().__init__()
        if (
            not math.isfinite(target)
            or not (math.isfinite(speed) and speed > 0)
            or not 0 <= decay < 1
        ):
            raise ValueError(
                f"GECO needs a finite target, a speed > 0 and a decay in [0, 1), got {target}, {speed}, {decay}"
            )
        self.target, self.speed, self.decay = target, speed, decay
        self.register_buffer("multiplier", torch.ones(()))
        self.register_buffer("average", torch.full((), math.nan))

    def forward(self, output: VAEOutput, x: Tensor) -> Tensor:
        violation = distortion(output, x) - self.target
        loss = rate(output) + self.multiplier * violation
        if self.training:
            now = averaged(violation.detach().mean()) / x[0].numel()
            # Out of place: the loss above still holds the old multiplier in its graph.
            self.average = torch.where(
                self.average.isnan(), now, self.decay * self.average + (1 - self.decay) * now
            )
            self.multiplier = (self.multiplier * (self.speed * self.average).exp()).clamp(1e-4, 1e4)
        return loss
