"""The importance-weighted bound: K draws per example, weighted by how well they explain it.

log p(x) ≥ E log 1/K Σ_k w_k with w_k = p(x, z_k) / q(z_k|x). K = 1 is the ELBO; more draws tighten
the bound. All functions take an output with K draws, ``vae(x, samples=K)``. [burda2016]
"""

import torch
from torch import Tensor

from gantut.models.priors import diagonal_normal
from gantut.models.vae import VAEOutput
from gantut.numerics import expect, log_mean_exp


def log_weights(output: VAEOutput, x: Tensor) -> Tensor:
    """log w_k = log p(x|z_k) + log p(z_k) − log q(z_k|x), one for each draw.

    Args:
        output: what a VAE gives for x with K draws per example.
        x: the examples, (N, *shape).

    Returns:
        (K, N), in nats.

    Raises:
        ValueError: the output holds no dimension of draws, or x is of another shape.

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(3, 1, 4, 4)
        >>> log_weights(vae(x, samples=5), x).shape
        torch.Size([5, 3])

    Source: [burda2016].
    """
    return _log_joint(output, x) - output.posterior.log_prob(output.z)


def _log_joint(output: VAEOutput, x: Tensor) -> Tensor:
    draws = "K draws per example by vae(x, samples=K), z of shape (K, N, latent_dim)"
    expect(output.z.ndim == 3, draws, output.z)
    wanted = output.likelihood.batch_shape[1:] + output.likelihood.event_shape
    expect(x.shape == wanted, f"examples of shape {tuple(wanted)}", x)
    return output.likelihood.log_prob(x) + output.prior.log_prob(output.z)


def iwae(output: VAEOutput, x: Tensor) -> Tensor:
    """log 1/K Σ_k w_k: on the average a lower bound on log p(x), the tighter the larger K.

    Args:
        output: what a VAE gives for x with K draws per example.
        x: the examples, (N, *shape).

    Returns:
        (N,), in nats, to be *maximised*.

    Raises:
        ValueError: the output holds no dimension of draws, or x is of another shape.

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(3, 1, 4, 4)
        >>> iwae(vae(x, samples=5), x).shape
        torch.Size([3])

    Source: [burda2016].
    """
    return log_mean_exp(log_weights(output, x))


def negative_iwae(output: VAEOutput, x: Tensor) -> Tensor:
    """−log 1/K Σ_k w_k: the bound as a loss.

    Its gradient in the encoder is noise for large K: the signal falls faster than the noise, by a
    factor of √K [rainforth2018]. ``negative_iwae_dreg`` has the same value without that fault.

    Args:
        output: what a VAE gives for x with K draws per example.
        x: the examples, (N, *shape).

    Returns:
        (N,), in nats.

    Raises:
        ValueError: the output holds no dimension of draws, or x is of another shape.

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(3, 1, 4, 4)
        >>> output = vae(x, samples=5)
        >>> torch.equal(negative_iwae(output, x), -iwae(output, x))
        True

    Source: [burda2016].
    """
    return -iwae(output, x)


def negative_iwae_dreg(output: VAEOutput, x: Tensor) -> Tensor:
    """The same value, with the doubly reparameterised gradient in the encoder.

    With normalised weights w̃_k = w_k / Σ w, the decoder receives Σ w̃_k ∇log w_k as before. The
    encoder receives Σ w̃_k² (∂log w_k / ∂z_k) (∂z_k / ∂φ), where log q(z|x) is differentiated
    through z alone. Both have the expectation that the gradient of ``negative_iwae`` has, and the
    encoder's noise no longer wins as K grows. It costs one more pass backwards through the decoder.

    Args:
        output: what a VAE gives for x with K draws per example; the posterior is a diagonal normal.
        x: the examples, (N, *shape).

    Returns:
        (N,), in nats: the bound itself, and not the surrogate that makes the gradient.

    Raises:
        ValueError: the output holds no dimension of draws, or x is of another shape.

    Example:
        >>> import torch
        >>> from gantut.models.vae import VAE
        >>> from gantut.networks import MLPDecoder, MLPEncoder
        >>> vae = VAE(MLPEncoder((1, 4, 4), 2), MLPDecoder(2, (1, 4, 4)))
        >>> x = torch.rand(3, 1, 4, 4)
        >>> output = vae(x, samples=5)
        >>> torch.allclose(negative_iwae_dreg(output, x), negative_iwae(output, x), atol=1e-4)
        True

    Source: [tucker2019].
    """
    mean, sigma = output.posterior.mean.detach(), output.posterior.stddev.detach()
    log_w = _log_joint(output, x) - diagonal_normal(mean, 2 * sigma.log()).log_prob(output.z)
    weights = log_w.detach().softmax(0)
    surrogate = (weights * log_w).sum(0)
    if surrogate.requires_grad and output.z.requires_grad:
        # This much reaches the encoder through the surrogate; it should be w̃ times as large.
        (slope,) = torch.autograd.grad(surrogate.sum(), output.z, retain_graph=True)
        surrogate = surrogate + ((weights[..., None] - 1) * slope * output.z).sum((0, 2))
    return -(log_mean_exp(log_w).detach() + surrogate - surrogate.detach())
