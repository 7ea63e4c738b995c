"""The rate in three parts, averaged over the data. [hoffman2016, chen2018]

E_x KL(q(z|x) ‖ p(z)) = I(x; z) + KL(q(z) ‖ Π_j q(z_j)) + Σ_j KL(q(z_j) ‖ p(z_j)), with
q(z) = E_x q(z|x): what the code knows about the example, how far its dimensions depend on one
another, and how far each dimension is from the prior.
"""

import math
from typing import NamedTuple, cast

from torch import Tensor
from torch.distributions import Independent, Normal

from gantut.losses.elbo import check_one_draw, distortion
from gantut.models.vae import VAEOutput
from gantut.numerics import check_weight, expect
from gantut.processes import gathered, rank


class RateSplit(NamedTuple):
    """The three parts of the rate at the draw z, (N,) each, in nats.

    Args:
        mutual_information: log q(z|x) − log q(z).
        total_correlation: log q(z) − log Π_j q(z_j).
        dimension_wise: log Π_j q(z_j) − log p(z).

    Example:
        >>> import torch
        >>> sum(RateSplit(torch.ones(1), torch.ones(1), torch.zeros(1))).item()
        2.0
    """

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_wise: Tensor


def log_average_posterior(pairs: Tensor, dataset_size: int) -> Tensor:
    """log q(z_i), the average posterior at a draw, from a batch of M out of D examples.

    The batch shows the example that z_i came from and M − 1 others, which stand for the rest:
    q(z_i) ≈ 1/D q(z_i|x_i) + (1 − 1/D) · mean_{j≠i} q(z_i|x_j). That is unbiased for q(z_i), and
    exact where the batch is the data. The logarithm bends the average, so log q(z) comes out too
    small for a small batch.

    Args:
        pairs: [i, j] = log q(z_i|x_j), (M, M), or (M, M, d) for each dimension by itself.
        dataset_size: D.

    Returns:
        (M,) or (M, d), in nats.

    Raises:
        ValueError: fewer than 2 examples in the batch, or more than in the data.

    Example:
        >>> import torch
        >>> log_average_posterior(torch.zeros(3, 3), 100).round(decimals=5).abs().tolist()
        [0.0, 0.0, 0.0]

    Source: [chen2018].
    """
    n = len(pairs)
    fits = 2 <= n <= dataset_size
    expect(fits, "a batch of 2 … dataset_size examples", f"{n} of {dataset_size}")
    log_share = pairs.new_full((n, n), math.log1p(-1 / dataset_size) - math.log(n - 1))
    log_share.fill_diagonal_(-math.log(dataset_size))
    return (log_share.view(n, n, *[1] * (pairs.ndim - 2)) + pairs).logsumexp(1)


def split_rate(output: VAEOutput, dataset_size: int) -> RateSplit:
    """Estimate the three parts of the rate at the draws of a batch.

    The average posterior is estimated by ``log_average_posterior``.

    Args:
        output: what a VAE gives for a batch; posterior and prior are diagonal normals.
        dataset_size: how many examples the data set has in all.

    Returns:
        Three terms (N,), in nats. Their sum is log q(z|x) − log p(z), whose average over draws is
        the rate. Each value depends on the whole batch.

    Raises:
        ValueError: fewer than 2 examples in the batch, or more than in the data; K draws per
            example; a mixture for a prior.

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> parts = split_rate(vae(torch.rand(8, 1, 4, 4)), dataset_size=1000)
        >>> parts.total_correlation.shape
        torch.Size([8])

    Source: [hoffman2016, chen2018].
    """
    check_one_draw(output)
    if not (isinstance(output.posterior, Independent) and isinstance(output.prior, Independent)):
        raise ValueError("the split needs a diagonal normal posterior and prior")
    normal, prior = cast(Normal, output.posterior.base_dist), output.prior.base_dist
    # [i, j, l]: log q(z_i in dimension l | x_j), for all pairs of the joint batch.
    loc, scale, z = gathered(normal.loc), gathered(normal.scale), gathered(output.z)
    pairs = Normal(loc[None], scale[None], validate_args=False).log_prob(z[:, None])
    own = slice(rank() * len(output.z), (rank() + 1) * len(output.z))
    log_q_given_x = normal.log_prob(output.z).sum(1)
    log_q = log_average_posterior(pairs.sum(2), dataset_size)[own]
    log_q_marginals = log_average_posterior(pairs, dataset_size).sum(1)[own]
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
    """distortion + α · mutual information + β · total correlation + γ · dimension-wise KL.

    With α = β = γ = 1 it is the negative ELBO with the rate taken at the draw.

    Args:
        output: what a VAE gives for x; posterior and prior are diagonal normals.
        x: the examples, (N, *shape).
        dataset_size: how many examples the data set has in all.
        alpha: α, the price of what the code knows about the example.
        beta: β, the price of dependence between dimensions: above 1 it is what asks for factors.
        gamma: γ, the price of each dimension's distance from the prior.

    Returns:
        (N,), in nats. Each value depends on the whole batch.

    Raises:
        ValueError: a weight is negative or not finite, or see ``split_rate`` and ``distortion``.

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(8, 1, 4, 4)
        >>> beta_tcvae(vae(x), x, dataset_size=1000).shape
        torch.Size([8])

    Source: [chen2018].
    """
    parts = split_rate(output, dataset_size)
    prices = {"alpha": alpha, "beta": beta, "gamma": gamma}.items()
    charged = [check_weight(*price) * part for price, part in zip(prices, parts, strict=True)]
    return distortion(output, x) + sum(charged)
