"""The rate in three parts, averaged over the data: what the code knows about the example, how far its dimensions depend on one another, and
how far each dimension is from the prior. [hoffman2016, chen2018]

E_x KL(q(z|x) ‖ p(z)) = I(x; z) + KL(q(z) ‖ Π_j q(z_j)) + Σ_j KL(q(z_j) ‖ p(z_j)), with q(z) = E_x q(z|x).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, cast

from torch import Tensor
from torch.distributions import Independent, Normal

from gantut.losses.elbo import distortion
from gantut.numerics import check_weight
from gantut.processes import gathered, own

if TYPE_CHECKING:
    from gantut.models.vae import VAEOutput


class RateSplit(NamedTuple):
    """Three terms (N,), in nats; their sum is log q(z|x) − log p(z) at the draw, whose average over z is the rate."""

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_wise: Tensor


def log_average_posterior(pairs: Tensor, dataset_size: int) -> Tensor:
    """log q(z_i) from ``pairs`` [i, j] = log q(z_i|x_j) of a batch of M, (M, M) or (M, M, d); the result is (M,) or (M, d).

    q(z) is an average over all D examples of the data. The batch shows the one that z came from and M − 1 others, which stand for the
    rest: q(z_i) ≈ 1/D q(z_i|x_i) + (1 − 1/D) · mean_{j≠i} q(z_i|x_j). That is unbiased for q(z_i), and exact where the batch is the data.
    The logarithm bends the average, so log q(z) comes out too small for a small batch.

    Raises:
        ValueError: fewer than 2 examples in the batch, or more than in the data.
    """
    n = len(pairs)
    if not 2 <= n <= dataset_size:
        raise ValueError(
            f"expected a batch of 2 … dataset_size examples, got {n} of {dataset_size}"
        )
    log_share = pairs.new_full((n, n), math.log1p(-1 / dataset_size) - math.log(n - 1))
    log_share.fill_diagonal_(-math.log(dataset_size))
    return (log_share.view(n, n, *[1] * (pairs.ndim - 2)) + pairs).logsumexp(1)


def split_rate(output: VAEOutput, dataset_size: int) -> RateSplit:
    """Estimate the three parts at the draws z of a batch of M of ``dataset_size`` examples, by ``log_average_posterior``.

    The terms need the batch, and a diagonal posterior and prior.

    Raises:
        ValueError: fewer than 2 examples in the batch, or more than in the data; K draws per example; a mixture for a prior.
    """
    if output.z.ndim != 2:
        raise ValueError(
            f"expected one draw per example, z of shape (N, latent_dim), got {tuple(output.z.shape)}"
        )
    if not (isinstance(output.posterior, Independent) and isinstance(output.prior, Independent)):
        raise ValueError("the split needs a diagonal normal posterior and prior")
    normal, prior = cast(Normal, output.posterior.base_dist), output.prior.base_dist
    # [i, j, l]: log q(z_i in dimension l | x_j), for all pairs of the joint batch
    loc, scale, z = gathered(normal.loc), gathered(normal.scale), gathered(output.z)
    pairs = Normal(loc[None], scale[None], validate_args=False).log_prob(z[:, None])
    log_q_given_x = normal.log_prob(output.z).sum(1)
    log_q = own(log_average_posterior(pairs.sum(2), dataset_size))
    log_q_marginals = own(log_average_posterior(pairs, dataset_size).sum(1))
    log_p = prior.log_prob(output.z).sum(1)
    return RateSplit(log_q_given_x - log_q, log_q - log_q_marginals, log_q_marginals - log_p)


def beta_tcvae(
    output: VAEOutput,
    x: Tensor,
    dataset_size: int,
    *,
    alpha: float = 1.0,
    beta: float = 6.0,
    gamma: float = 1.0,
) -> Tensor:
    """distortion + α · mutual information + β · total correlation + γ · dimension-wise KL, (N,), in nats. [chen2018]

    With α = β = γ = 1 it is the negative ELBO with the rate taken at the draw. Raises as ``split_rate``.
    """
    parts = split_rate(output, dataset_size)
    weights = (
        check_weight("alpha", alpha),
        check_weight("beta", beta),
        check_weight("gamma", gamma),
    )
    return distortion(output, x) + sum(
        weight * part for weight, part in zip(weights, parts, strict=True)
    )
