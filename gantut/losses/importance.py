"""The importance-weighted bound: K draws per example, weighted by how well they explain it. [burda2016]

log p(x) ≥ E log 1/K Σ_k w_k with w_k = p(x, z_k) / q(z_k|x). K = 1 is the ELBO; more draws tighten the bound. All functions take an output
with K draws, ``vae(x, samples=K)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from gantut.models.priors import diagonal_normal
from gantut.numerics import log_mean_exp

if TYPE_CHECKING:
    from gantut.models.vae import VAEOutput


def log_weights(output: VAEOutput, x: Tensor) -> Tensor:
    """log w_k = log p(x|z_k) + log p(z_k) − log q(z_k|x), (K, N).

    Raises:
        ValueError: the output holds no dimension of draws, or x is of another shape.
    """
    return _log_joint(output, x) - output.posterior.log_prob(output.z)


def _log_joint(output: VAEOutput, x: Tensor) -> Tensor:
    if output.z.ndim != 3:
        raise ValueError(
            f"expected K draws per example, z of shape (K, N, latent_dim), got {tuple(output.z.shape)}; "
            "ask for them by vae(x, samples=K)"
        )
    expected = output.likelihood.batch_shape[1:] + output.likelihood.event_shape
    if x.shape != expected:
        raise ValueError(f"expected examples of shape {tuple(expected)}, got {tuple(x.shape)}")
    return output.likelihood.log_prob(x) + output.prior.log_prob(output.z)


def iwae(output: VAEOutput, x: Tensor) -> Tensor:
    """log 1/K Σ_k w_k, (N,), in nats: a lower bound on log p(x) on the average, to be maximised. [burda2016]"""
    return log_mean_exp(log_weights(output, x))


def negative_iwae(output: VAEOutput, x: Tensor) -> Tensor:
    """−log 1/K Σ_k w_k, (N,), in nats, to be minimised.

    Its gradient in the encoder is noise for large K: the signal falls like 1/√K faster than the noise. [rainforth2018]
    """
    return -iwae(output, x)


def negative_iwae_dreg(output: VAEOutput, x: Tensor) -> Tensor:
    """The same value, (N,), with the doubly reparameterised gradient in the encoder, whose noise does not win. [tucker2019]

    With normalised weights w̃_k = w_k / Σ w, the decoder receives Σ w̃_k ∇log w_k as before; the encoder receives
    Σ w̃_k² (∂log w_k / ∂z_k) (∂z_k / ∂φ), where log q(z|x) is differentiated through z alone. Both have the same expectation as the
    gradient of ``negative_iwae``. The value is the bound itself and not the surrogate that makes the gradient.

    It places a hook on ``output.z``, which scales every gradient that flows through the draws: use an output for one such loss only. The
    posterior must be a diagonal normal.
    """
    mean, sigma = output.posterior.mean.detach(), output.posterior.stddev.detach()
    frozen = diagonal_normal(mean, 2 * sigma.log())
    log_w = _log_joint(output, x) - frozen.log_prob(output.z)
    weights = log_w.detach().softmax(0)
    if output.z.requires_grad:
        output.z.register_hook(lambda gradient: gradient * weights[..., None])
    surrogate = (weights * log_w).sum(0)
    return -(log_mean_exp(log_w).detach() + surrogate - surrogate.detach())
