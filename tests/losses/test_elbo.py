"""The ELBO's terms against closed forms and Monte Carlo."""

import math

import pytest
import torch

from gantut.losses import (
    distortion,
    elbo,
    free_bits,
    negative_elbo,
    rate,
    rate_per_dimension,
)
from gantut.models.likelihoods import LIKELIHOODS, GaussianLikelihood, decoder_shape, likelihood
from gantut.models.priors import MixturePrior
from gantut.models.vae import VAE, VAEOutput, diagonal_normal
from gantut.networks import MLPDecoder, MLPEncoder


def output(mean, sigma, likelihood=None):
    mean = torch.tensor([[mean]], dtype=torch.float64)
    posterior = diagonal_normal(mean, torch.tensor([[2 * math.log(sigma)]], dtype=torch.float64))
    return VAEOutput(posterior, diagonal_normal(0 * mean, 0 * mean), mean, likelihood)


def test_rate_of_a_known_gaussian():
    assert float(rate(output(1.0, 0.5))) == pytest.approx(0.8181472, abs=1e-7)
    assert float(rate(output(0.0, 1.0))) == 0.0


def test_elbo_is_a_tight_bound_on_the_linear_gaussian_model():
    """p(z) = N(0,1), p(x|z) = N(z,1): with the true posterior N(x/2, 1/2) the ELBO is log N(x; 0,
    2); with the prior it is below.
    """
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


def vae(chosen="bernoulli"):
    chosen = likelihood(chosen)
    shape = decoder_shape(chosen, (1, 4, 4))
    return VAE(
        MLPEncoder((1, 4, 4), 3, hidden=(8,)), MLPDecoder(3, shape, hidden=(8,), seed=1), chosen
    )


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_parts_add_up_and_the_rate_has_no_gradient_in_the_decoder(name):
    levels = torch.randint(256, (6, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    model, x = vae(name), levels / 255
    out = model(x, generator=torch.Generator().manual_seed(1))
    for beta in (0.0, 1.0, 4.0):
        assert torch.allclose(negative_elbo(out, x, beta), distortion(out, x) + beta * rate(out))
        assert torch.equal(elbo(out, x, beta), -negative_elbo(out, x, beta))
    assert elbo(out, x).shape == (6,)
    gradients = torch.autograd.grad(
        rate(out).sum(), list(model.decoder.parameters()), allow_unused=True
    )
    assert all(g is None for g in gradients)


def test_reparameterised_draws_have_the_posterior_s_moments():
    model, x = (
        vae(),
        torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0)).expand(
            100_000, -1, -1, -1
        ),
    )
    out = model(x, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(out.z.mean(0), out.posterior.mean[0], atol=0.02)
    assert torch.allclose(out.z.std(0), out.posterior.stddev[0], rtol=0.02)
    assert torch.equal(out.z, model(x, generator=torch.Generator().manual_seed(1)).z)


def given(means, sigmas, targets):
    """An output with a unit Gaussian likelihood at z = μ, and the examples."""
    mean, sigma = (
        torch.tensor(means, dtype=torch.float64),
        torch.tensor(sigmas, dtype=torch.float64),
    )
    zero = mean.new_zeros(mean.shape[1])
    posterior = diagonal_normal(mean, 2 * sigma.log())
    observed = GaussianLikelihood(1.0, in_unit_interval=False).double()(mean)
    return VAEOutput(posterior, diagonal_normal(zero, zero), mean, observed), torch.tensor(
        targets, dtype=torch.float64
    )


def test_the_rate_splits_over_dimensions():
    out, _ = given([[1.0, 0.0], [0.0, 2.0]], [[0.5, 1.0], [1.0, 1.0]], [[0.0, 0.0]] * 2)
    expected = torch.tensor([[0.8181472, 0.0], [0.0, 2.0]], dtype=torch.float64)
    assert torch.allclose(rate_per_dimension(out), expected, atol=1e-7)
    assert torch.allclose(rate_per_dimension(out).sum(1), rate(out))


def test_the_rate_against_quadrature_and_monte_carlo():
    mean, sigma = 1.0, 0.5
    z = torch.linspace(-8, 8, 200_001, dtype=torch.float64)
    q, p = (
        torch.distributions.Normal(*torch.tensor(ms).double()) for ms in ((mean, sigma), (0.0, 1.0))
    )
    integral = torch.trapezoid(q.log_prob(z).exp() * (q.log_prob(z) - p.log_prob(z)), z).item()
    assert integral == pytest.approx(rate(output(mean, sigma)).item(), abs=1e-9)
    draws = mean + sigma * torch.randn(
        100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    terms = q.log_prob(draws) - p.log_prob(draws)
    assert abs(terms.mean().item() - integral) < 4 * terms.std().item() / math.sqrt(100_000)


def test_free_bits_by_hand():
    """Two examples, two dimensions: the first dimension's mean KL is ½ (0.25), the second's 2
    (above the threshold 1).
    """
    out, x = given([[0.0, 2.0], [1.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 2.0], [1.0, 2.0]])
    assert rate_per_dimension(out).mean(0).tolist() == [0.25, 2.0]
    constant = math.log(2 * math.pi)  # the distortion of two exact values
    assert free_bits(out, x, 1.0).tolist() == pytest.approx([constant + 1 + 2, constant + 1 + 2])
    assert free_bits(out, x, 0.0).tolist() == pytest.approx(negative_elbo(out, x).tolist())
    # The batch decides, and not the example: the first dimension's KL is 0 and ½, its mean ¼.
    below, above = free_bits(out, x, 0.3), free_bits(out, x, 0.2)
    assert below.tolist() == pytest.approx([constant + 0.3 + 2, constant + 0.3 + 2])
    assert above.tolist() == pytest.approx([constant + 0 + 2, constant + 0.5 + 2])
    # Below the threshold a dimension costs a constant: no gradient reaches it.
    mean = torch.tensor([[0.1, 2.0]], dtype=torch.float64, requires_grad=True)
    zero = mean.new_zeros(2)
    fixed = GaussianLikelihood(1.0, in_unit_interval=False).double()(
        torch.zeros(1, 2, dtype=torch.float64)
    )
    out = VAEOutput(diagonal_normal(mean, 0 * mean), diagonal_normal(zero, zero), mean, fixed)
    (slope,) = torch.autograd.grad(free_bits(out, torch.zeros(1, 2).double(), 0.5).sum(), mean)
    assert slope.tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize("loss", [negative_elbo, free_bits])
def test_permutation_and_gradients(loss):
    g = torch.Generator().manual_seed(0)
    mean, log_variance, x = torch.randn(3, 5, 2, generator=g, dtype=torch.float64)
    zero = mean.new_zeros(2)

    def value(mean, log_variance, x=x):
        observed = GaussianLikelihood(1.0, in_unit_interval=False).double()(mean)
        return loss(
            VAEOutput(
                diagonal_normal(mean, log_variance), diagonal_normal(zero, zero), mean, observed
            ),
            x,
        )

    order = torch.tensor([4, 2, 0, 1, 3])
    assert torch.allclose(
        value(mean[order], log_variance[order], x[order]), value(mean, log_variance)[order]
    )
    assert torch.autograd.gradcheck(value, (mean.requires_grad_(), log_variance.requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("logit", [-100.0, 100.0])
def test_extremes_stay_finite(dtype, logit):
    """A Bernoulli pixel that is certain and wrong costs 100 nats, and a posterior of deviation e⁻⁵⁰
    costs a finite rate.
    """
    logits = torch.full((2, 4), logit, dtype=dtype, requires_grad=True)
    x = torch.full((2, 4), float(logit < 0), dtype=dtype)
    mean = torch.full((2, 3), 10.0, dtype=dtype)
    narrow = diagonal_normal(mean, torch.full_like(mean, -10.0))
    zero = mean.new_zeros(3)
    out = VAEOutput(narrow, diagonal_normal(zero, zero), mean, likelihood("bernoulli")(logits))
    D = distortion(out, x)
    assert D.tolist() == pytest.approx([400.0, 400.0], rel=0.01)
    (slope,) = torch.autograd.grad(D.sum(), logits)
    assert slope.abs().min() == 1
    # ½ (100 + e⁻¹⁰ − 1 + 10) for each of three dimensions.
    assert rate(out).tolist() == pytest.approx([163.5, 163.5], rel=0.02)


def test_the_loss_keeps_its_precision():
    model, x = vae(), torch.rand(3, 1, 4, 4)
    for dtype in (torch.float64, torch.float32):
        out = model.to(dtype)(x.to(dtype))
        assert negative_elbo(out, x.to(dtype)).dtype == dtype


def test_bad_input():
    model, x = vae(), torch.rand(2, 1, 4, 4)
    out = model(x)
    with pytest.raises(ValueError, match=r"shape \(2, 1, 4, 4\), got \(2, 1, 5, 4\)"):
        distortion(out, torch.rand(2, 1, 5, 4))
    with pytest.raises(ValueError, match="beta must be a finite number ≥ 0, got -1"):
        elbo(out, x, -1)
    for bad in (x + 1, x.masked_fill(x > 0.9, math.nan).clamp(min=-1) * math.nan):
        with pytest.raises(ValueError, match=r"values in \[0, 1\], got values from"):
            distortion(out, bad)
    with pytest.raises(ValueError, match="nats must be a finite number ≥ 0, got -1"):
        free_bits(out, x, -1)
    mixed = VAE(model.encoder, model.decoder, prior=MixturePrior(3, 2))(x)
    with pytest.raises(ValueError, match="diagonal normals only, got MixtureSameFamily"):
        free_bits(mixed, x)
    with pytest.raises(ValueError, match="unknown likelihood 'poisson'; known: bernoulli"):
        vae("poisson")
    with pytest.raises(ValueError, match="a finite sigma > 0, got 0"):
        GaussianLikelihood(0.0)
    with pytest.raises(ValueError, match="disagree on latent_dim: 3 and 4"):
        VAE(MLPEncoder((2,), 3), MLPDecoder(4, (2,)))
