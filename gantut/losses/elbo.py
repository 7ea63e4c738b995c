"""The evidence lower bound, its two parts, and what is made of them: functions of a VAE's output.

log p(x) ≥ ELBO = E_{z∼q(z|x)} log p(x|z) − KL(q(z|x) ‖ p(z)). The first term is estimated with the
one draw z of the output. Everything is (N,), in nats, and summed over dimensions: a mean over
pixels would weigh the two terms against each other by the size of the image. [kingma2014]
"""

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from gantut.models.vae import VAEOutput
from gantut.numerics import check_weight, expect
from gantut.processes import gathered


def check_one_draw(output: VAEOutput) -> None:
    """Raise ``ValueError`` for K draws per example; these belong to the importance-weighted bound.

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAEOutput
        >>> check_one_draw(VAEOutput(None, None, torch.zeros(3, 2), None))
    """
    expect(output.z.ndim == 2, "one draw per example, z of shape (N, latent_dim)", output.z)


def distortion(output: VAEOutput, x: Tensor) -> Tensor:
    """−log p(x|z): how badly the draw z explains x.

    Args:
        output: what a VAE gives for x.
        x: the examples, (N, *shape).

    Returns:
        (N,), in nats, summed over the values of an example. For a density it can be negative.

    Raises:
        ValueError: x does not have the shape that the decoder gives or holds values that the
            likelihood knows no probability for, or the output holds K draws per example.

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(3, 1, 4, 4)
        >>> distortion(vae(x), x).shape
        torch.Size([3])

    Source: [kingma2014].
    """
    check_one_draw(output)
    wanted = output.likelihood.batch_shape + output.likelihood.event_shape
    expect(x.shape == wanted, f"examples of shape {tuple(wanted)}", x)
    return -output.likelihood.log_prob(x)


def rate(output: VAEOutput) -> Tensor:
    """KL(q(z|x) ‖ p(z)): the nats that the code spends on x.

    For a diagonal Gaussian and a standard normal prior it is ½ Σ (μ² + σ² − 1 − log σ²). For a
    mixture prior there is no closed form, and the draw z stands for the average:
    log q(z|x) − log p(z), unbiased and sometimes negative.

    Args:
        output: what a VAE gives for x.

    Returns:
        (N,), in nats, summed over the dimensions of the code.

    Raises:
        ValueError: the prior is a mixture, and the output holds K draws per example.

    Example:
        >>> import torch
        >>> from gantut.models.priors import diagonal_normal
        >>> from gantut.models.vae import VAEOutput
        >>> mean, zero = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
        >>> q, p = diagonal_normal(mean, zero), diagonal_normal(zero, zero)
        >>> rate(VAEOutput(q, p, mean, None)).tolist()
        [12.5]

    Source: [kingma2014].
    """
    try:
        return kl_divergence(output.posterior, output.prior)
    except NotImplementedError:
        check_one_draw(output)
        return output.posterior.log_prob(output.z) - output.prior.log_prob(output.z)


def rate_per_dimension(output: VAEOutput) -> Tensor:
    """The rate of each dimension of the code by itself, for a diagonal posterior and prior.

    A dimension whose mean over the data is near 0 is not in use.

    Args:
        output: what a VAE gives for x.

    Returns:
        (N, latent_dim), in nats; the sum over the dimensions is the rate.

    Raises:
        ValueError: the prior is a mixture, whose rate does not split.

    Example:
        >>> import torch
        >>> from gantut.models.priors import diagonal_normal
        >>> from gantut.models.vae import VAEOutput
        >>> mean, zero = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
        >>> q, p = diagonal_normal(mean, zero), diagonal_normal(zero, zero)
        >>> rate_per_dimension(VAEOutput(q, p, mean, None)).tolist()
        [[4.5, 8.0]]

    Source: [kingma2014].
    """
    posterior, prior = output.posterior, output.prior
    if not (hasattr(posterior, "base_dist") and hasattr(prior, "base_dist")):
        raise ValueError(
            f"the rate splits over dimensions for diagonal normals only, got {type(prior).__name__}"
        )
    return kl_divergence(posterior.base_dist, prior.base_dist)


def elbo(output: VAEOutput, x: Tensor, beta: float = 1.0) -> Tensor:
    """−distortion − β · rate: for β = 1 a lower bound on log p(x), on the average over draws.

    Args:
        output: what a VAE gives for x.
        x: the examples, (N, *shape).
        beta: β, the price of a nat of code; 1 is the bound.

    Returns:
        (N,), in nats, to be *maximised*; ``negative_elbo`` is the loss.

    Raises:
        ValueError: β is negative or not finite, or x does not fit (see ``distortion``).

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(3, 1, 4, 4)
        >>> elbo(vae(x), x).shape
        torch.Size([3])

    Source: [kingma2014, higgins2017].
    """
    return -negative_elbo(output, x, beta)


def negative_elbo(output: VAEOutput, x: Tensor, beta: float = 1.0) -> Tensor:
    """distortion + β · rate: the VAE's loss; with another β than 1 the β-VAE's.

    Args:
        output: what a VAE gives for x.
        x: the examples, (N, *shape).
        beta: β, the price of a nat of code: above 1 for simpler codes, below 1 for sharper images.

    Returns:
        (N,), in nats.

    Raises:
        ValueError: β is negative or not finite, or x does not fit (see ``distortion``).

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(3, 1, 4, 4)
        >>> output = vae(x)
        >>> bool((negative_elbo(output, x, 4.0) >= negative_elbo(output, x)).all())
        True

    Source: [kingma2014, higgins2017].
    """
    return torch.add(distortion(output, x), rate(output), alpha=check_weight("beta", beta))


def free_bits(output: VAEOutput, x: Tensor, nats: float = 0.1) -> Tensor:
    """distortion + Σ_j max(λ, KL_j): the first λ nats of each dimension are free.

    So a dimension has no reason to switch off. KL_j is averaged over the *batch* before the
    comparison (with several processes over all of it), as in the paper: a dimension below λ costs
    every example the constant λ, one above costs each its own KL. The mean over the batch is
    exactly the formula.

    Args:
        output: what a VAE gives for x.
        x: the examples, (N, *shape).
        nats: λ, for each dimension of the code.

    Returns:
        (N,), in nats. Each value depends on the whole batch.

    Raises:
        ValueError: λ is negative or not finite, the rate does not split over dimensions, or x does
            not fit (see ``distortion``).

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(3, 1, 4, 4)
        >>> output = vae(x)
        >>> torch.equal(free_bits(output, x, 1000.0), distortion(output, x) + 2 * 1000.0)
        True

    Source: [kingma2016].
    """
    threshold = check_weight("nats", nats)
    each = rate_per_dimension(output)
    charged = torch.where(gathered(each.detach()).mean(0) > threshold, each, threshold)
    return distortion(output, x) + charged.sum(1)
