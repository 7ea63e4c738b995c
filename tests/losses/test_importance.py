"""The importance-weighted bound on the model whose likelihood is known: p(z) = N(0, 1), p(x|z) =
N(z, 1), so p(x) = N(0, 2).
"""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import RenyiELBO, Trace_ELBO

from gantut.losses import (
    distortion,
    iwae,
    log_weights,
    negative_elbo,
    negative_iwae,
    negative_iwae_dreg,
)
from gantut.models.likelihoods import GaussianLikelihood
from gantut.models.vae import VAEOutput, diagonal_normal
from gantut.numerics import log_mean_exp

TRUTH = -0.5 * math.log(4 * math.pi) - 0.25  # log N(1; 0, 2)


def output(mean, log_variance, draws, seed=0):
    """K draws for each row of (N, 1) tensors, as a VAE with the identity for a decoder would give
    them.
    """
    noise = torch.randn(
        draws, *mean.shape, generator=torch.Generator().manual_seed(seed), dtype=mean.dtype
    )
    z = mean + (0.5 * log_variance).exp() * noise
    prior = diagonal_normal(torch.zeros(1, dtype=mean.dtype), torch.zeros(1, dtype=mean.dtype))
    likelihood = GaussianLikelihood(1.0, in_unit_interval=False).double()(z, 2)
    return VAEOutput(diagonal_normal(mean, log_variance), prior, z, likelihood)


def rows(n, value=0.0):
    return torch.full((n, 1), value, dtype=torch.float64)


@pytest.mark.parametrize(
    ("draws", "value", "n"),
    [(1, -1.918939, 400_000), (5, -1.558, 80_000), (50, -1.519, 20_000), (500, -1.516, 2_000)],
)
def test_values_of_the_facts(draws, value, n):
    """With the prior as proposal, x = 1.

    The tolerance is four standard errors of the Monte Carlo mean, plus the rounding of the table.
    """
    bound = iwae(output(rows(n), rows(n), draws), rows(n, 1.0))
    error = bound.std().item() / math.sqrt(n)
    assert error < 6e-3
    assert bound.shape == (n,)
    assert bound.mean().item() == pytest.approx(value, abs=4 * error + 5e-4)


def test_the_bound_is_monotone_in_k_and_stays_below_the_truth():
    """Averages over the same draws, grouped in larger and larger sets: by Jensen's inequality each
    is at least the one before, exactly.
    """
    log_w = log_weights(output(rows(500), rows(500), 256), rows(500, 1.0))
    means = [
        log_mean_exp(log_w.unflatten(0, (k, -1))).mean().item() for k in (1, 2, 4, 16, 64, 256)
    ]
    assert all(a < b for a, b in zip(means[:-1], means[1:], strict=True))
    assert means[0] < TRUTH - 0.3 and TRUTH - 0.01 < means[-1] < TRUTH + 0.01


def test_the_true_posterior_leaves_no_gap_for_any_k():
    for draws in (1, 3):
        bound = iwae(output(rows(50, 0.5), rows(50, math.log(0.5)), draws), rows(50, 1.0))
        assert torch.allclose(bound, torch.full_like(bound, TRUTH), atol=1e-12)


def test_one_draw_is_the_elbo_with_the_rate_at_the_draw():
    mean, log_variance, x = rows(20, 0.3), rows(20, -0.5), rows(20, 1.0)
    many = output(mean, log_variance, 1)
    z = many.z[0]
    one = VAEOutput(
        many.posterior, many.prior, z, GaussianLikelihood(1.0, in_unit_interval=False).double()(z)
    )
    at_draw = many.posterior.log_prob(z) - many.prior.log_prob(z)
    assert torch.allclose(negative_iwae(many, x), distortion(one, x) + at_draw, atol=1e-12)


def test_weights_of_any_size():
    log_w = torch.tensor([[-1000.0, 1000.0], [-1001.0, 1000.0]], dtype=torch.float64)
    expected = [-1000 + math.log((1 + math.exp(-1)) / 2), 1000.0]
    assert log_mean_exp(log_w).tolist() == pytest.approx(expected, abs=1e-12)


def gradients(loss, draws, n=20_000):
    """The gradient in (μ, log σ²) of each of n independent estimates, (n, 2)."""
    mean, log_variance = rows(n, 0.8).requires_grad_(), rows(n, -0.3).requires_grad_()
    value = loss(output(mean, log_variance, draws, seed=draws), rows(n, 1.0))
    return torch.cat(torch.autograd.grad(value.sum(), (mean, log_variance)), dim=1), value.detach()


@pytest.mark.parametrize("draws", [1, 4, 64])
def test_dreg_has_the_same_mean_and_less_noise(draws):
    plain, value = gradients(negative_iwae, draws)
    doubly, value_doubly = gradients(negative_iwae_dreg, draws)
    assert torch.allclose(
        value, value_doubly, atol=1e-12
    )  # the bound itself, and not the surrogate
    error = ((plain.var(0) + doubly.var(0)) / len(plain)).sqrt()
    assert ((plain.mean(0) - doubly.mean(0)).abs() < 4.5 * error).all()
    if draws > 1:
        assert (doubly.var(0) < 0.75 * plain.var(0)).all()

        def signal_to_noise(g):
            return (g.mean(0).abs() / g.std(0)).min()

        assert signal_to_noise(doubly) > 1.2 * signal_to_noise(plain)


def test_dreg_leaves_its_output_as_it_was():
    """What else is made of the same draws keeps its gradient, before and after and twice."""
    mean = rows(6, 0.2).requires_grad_()
    out, x = output(mean, rows(6, -0.2), 8), rows(6, 1.0)

    def slopes(loss):
        return torch.autograd.grad(loss(out, x).sum(), mean, retain_graph=True)[0]

    plain, doubly = slopes(negative_iwae), slopes(negative_iwae_dreg)
    assert not torch.allclose(plain, doubly)
    assert torch.equal(slopes(negative_iwae), plain)
    assert torch.equal(slopes(negative_iwae_dreg), doubly)
    both = slopes(lambda out, x: negative_iwae(out, x) + negative_iwae_dreg(out, x))
    assert torch.allclose(both, plain + doubly)
    with torch.no_grad():
        assert torch.allclose(negative_iwae_dreg(out, x), negative_iwae(out, x))


def test_dreg_s_gradient_by_hand():
    """Σ w̃² ∂log w/∂z: for N(0, 1) and N(z, 1) the slope is x − 2z + (z − μ)/σ²."""
    mean, log_variance = rows(5, 0.2).requires_grad_(), rows(5, -0.4)
    out, x = output(mean, log_variance, 7), rows(5, 1.0)
    (found,) = torch.autograd.grad(negative_iwae_dreg(out, x).sum(), mean)
    z = out.z.detach()
    weights = log_weights(out, x).detach().softmax(0)[..., None]
    slope = x - 2 * z + (z - mean.detach()) / log_variance.exp()
    assert torch.allclose(found, -(weights.square() * slope).sum(0))


def test_dreg_leaves_the_decoder_its_importance_weighted_gradient():
    decoder = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    slopes = []
    for loss in (negative_iwae, negative_iwae_dreg):
        plain = output(rows(6, 0.2), rows(6, -0.2), 8)
        scaled = plain._replace(
            likelihood=GaussianLikelihood(1.0, in_unit_interval=False).double()(
                decoder * plain.z, 2
            )
        )
        slopes.append(torch.autograd.grad(loss(scaled, rows(6, 1.0)).sum(), decoder)[0])
    assert torch.allclose(*slopes, atol=1e-12)


def test_the_gradient_of_the_bound_matches_finite_differences():
    def bound(mean, log_variance):
        return iwae(output(mean, log_variance, 5), rows(3, 1.0))

    assert torch.autograd.gradcheck(
        bound, (rows(3, 0.4).requires_grad_(), rows(3, -0.4).requires_grad_())
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("draws", [1, 7])
def test_against_pyro(draws):
    """Pyro's Rényi bound at α = 0 is the importance-weighted one; the same draws must give the same
    number.
    """
    x = torch.tensor(1.0, dtype=torch.float64)
    loc, scale = torch.tensor(0.3, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64)

    def model():
        z = pyro.sample("z", dist.Normal(torch.zeros_like(loc), torch.ones_like(loc)))
        pyro.sample("x", dist.Normal(z, torch.ones_like(loc)), obs=x)

    drawn = []

    def guide():
        drawn.append(pyro.sample("z", dist.Normal(loc, scale)))

    with torch.random.fork_rng(devices=[]):
        pyro.set_rng_seed(3)
        pyro.clear_param_store()
        estimator = Trace_ELBO() if draws == 1 else RenyiELBO(alpha=0, num_particles=draws)
        theirs = -estimator.loss(model, guide)
    z = torch.stack(drawn)[-draws:].view(draws, 1, 1)
    out = output(loc.view(1, 1), 2 * scale.log().view(1, 1), draws)
    out = out._replace(
        z=z, likelihood=GaussianLikelihood(1.0, in_unit_interval=False).double()(z, 2)
    )
    assert iwae(out, x.view(1, 1)).item() == pytest.approx(theirs, abs=1e-10)


def test_bad_input():
    many = output(rows(4), rows(4), 3)
    with pytest.raises(ValueError, match=r"examples of shape \(4, 1\), got \(4, 2\)"):
        iwae(many, torch.zeros(4, 2))
    with pytest.raises(
        ValueError, match=r"one draw per example, z of shape \(N, latent_dim\), got \(3, 4, 1\)"
    ):
        negative_elbo(many, rows(4))
    single = many._replace(z=many.z[0])
    for loss in (iwae, negative_iwae_dreg):
        with pytest.raises(ValueError, match=r"K draws per .*\(K, N, latent_dim\), got \(4, 1\)"):
            loss(single, rows(4))
