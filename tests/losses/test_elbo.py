"""The ELBO's terms against closed forms and Monte Carlo."""

import math

import pytest
import torch

from gantut.losses import distortion, elbo, negative_elbo, rate
from gantut.networks import MLPDecoder, MLPEncoder
from gantut.vae import LIKELIHOODS, VAE, GaussianLikelihood, VAEOutput, diagonal_normal


def output(mean, sigma, likelihood=None):
    mean = torch.tensor([[mean]], dtype=torch.float64)
    posterior = diagonal_normal(mean, torch.tensor([[2 * math.log(sigma)]], dtype=torch.float64))
    return VAEOutput(posterior, diagonal_normal(0 * mean, 0 * mean), mean, likelihood)


def test_rate_of_a_known_gaussian():
    assert float(rate(output(1.0, 0.5))) == pytest.approx(0.8181472, abs=1e-7)
    assert float(rate(output(0.0, 1.0))) == 0.0


def test_distortions_by_hand():
    logits = torch.tensor([[[[0.0, math.log(3)]]]])  # probabilities 1/2 and 3/4
    x = torch.tensor([[[[1.0, 0.0]]]])
    bernoulli = LIKELIHOODS["bernoulli"]()(logits)
    assert float(distortion(output(0.0, 1.0, bernoulli), x)) == pytest.approx(math.log(2) + math.log(4))
    gaussian = GaussianLikelihood(0.5, in_unit_interval=False)(logits)
    residual = 1.0 + math.log(3) ** 2
    expected = residual / (2 * 0.25) + 2 * math.log(0.5 * math.sqrt(2 * math.pi))
    assert float(distortion(output(0.0, 1.0, gaussian), x)) == pytest.approx(expected, rel=1e-6)
    # Continuous Bernoulli at λ = 1/2 is uniform: density 1. At λ the constant is 2 artanh(1 - 2λ) / (1 - 2λ).
    continuous = LIKELIHOODS["continuous_bernoulli"]()(logits)
    constant = 2 * math.atanh(-0.5) / -0.5
    assert float(distortion(output(0.0, 1.0, continuous), x)) == pytest.approx(-math.log(constant / 4), rel=1e-5)


@pytest.mark.parametrize("name", ["continuous_bernoulli", "gaussian_learned"])
def test_densities_integrate_to_one(name):
    grid = torch.linspace(-4, 5, 9001) if name.startswith("gauss") else torch.linspace(0, 1, 4001)
    likelihood = LIKELIHOODS[name]()(torch.full((len(grid), 1), 0.7))
    density = likelihood.log_prob(grid[:, None]).exp()
    assert float(torch.trapezoid(density.detach(), grid)) == pytest.approx(1.0, abs=1e-4)


def test_elbo_is_a_tight_bound_on_the_linear_gaussian_model():
    """p(z) = N(0,1), p(x|z) = N(z,1): with the true posterior N(x/2, 1/2) the ELBO is log N(x; 0, 2); with the prior it is below."""
    x, n = 1.0, 200_000
    g = torch.Generator().manual_seed(0)
    truth = -0.5 * math.log(4 * math.pi) - x**2 / 4
    assert truth == pytest.approx(-1.5155, abs=1e-4)
    means = {}
    for name, (mean, variance) in {"posterior": (x / 2, 0.5), "prior": (0.0, 1.0)}.items():
        mu = torch.full((n, 1), mean, dtype=torch.float64)
        posterior = diagonal_normal(mu, torch.full_like(mu, math.log(variance)))
        z = mu + math.sqrt(variance) * torch.randn(n, 1, generator=g, dtype=torch.float64)
        likelihood = GaussianLikelihood(1.0, in_unit_interval=False)(z)
        out = VAEOutput(posterior, diagonal_normal(0 * mu, 0 * mu), z, likelihood)
        means[name] = float(elbo(out, torch.full_like(z, x)).mean())
    assert means["posterior"] == pytest.approx(truth, abs=5e-3)
    assert means["prior"] == pytest.approx(-1.918939, abs=1e-2)


def vae(likelihood="bernoulli"):
    return VAE(MLPEncoder((1, 4, 4), 3, hidden=(8,)), MLPDecoder(3, (1, 4, 4), hidden=(8,), seed=1), likelihood)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_parts_add_up_and_the_rate_has_no_gradient_in_the_decoder(likelihood):
    model, x = vae(likelihood), torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    out = model(x, generator=torch.Generator().manual_seed(1))
    for beta in (0.0, 1.0, 4.0):
        assert torch.allclose(negative_elbo(out, x, beta), distortion(out, x) + beta * rate(out))
        assert torch.equal(elbo(out, x, beta), -negative_elbo(out, x, beta))
    assert elbo(out, x).shape == (6,)
    gradients = torch.autograd.grad(rate(out).sum(), list(model.decoder.parameters()), allow_unused=True)
    assert all(g is None for g in gradients)


def test_reparameterised_draws_have_the_posterior_s_moments():
    model, x = vae(), torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0)).expand(100_000, -1, -1, -1)
    out = model(x, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(out.z.mean(0), out.posterior.mean[0], atol=0.02)
    assert torch.allclose(out.z.std(0), out.posterior.stddev[0], rtol=0.02)
    assert torch.equal(out.z, model(x, generator=torch.Generator().manual_seed(1)).z)


def test_bad_input():
    model, x = vae(), torch.rand(2, 1, 4, 4)
    out = model(x)
    with pytest.raises(ValueError, match=r"shape \(2, 1, 4, 4\), got \(2, 1, 5, 4\)"):
        distortion(out, torch.rand(2, 1, 5, 4))
    with pytest.raises(ValueError, match="beta must be a finite number ≥ 0, got -1"):
        elbo(out, x, -1)
    with pytest.raises(ValueError, match="unknown likelihood 'poisson'; known: bernoulli"):
        vae("poisson")
    with pytest.raises(ValueError, match="sigma must be a finite number > 0, got 0"):
        GaussianLikelihood(0.0)
    with pytest.raises(ValueError, match="disagree on latent_dim: 3 and 4"):
        VAE(MLPEncoder((2,), 3), MLPDecoder(4, (2,)))
