"""Priors over codes: mixtures by hand, the VampPrior as an average, a rate without closed form."""

import math

import pytest
import torch

from gantut.losses import rate
from gantut.models.priors import MixturePrior, StandardNormalPrior, VampPrior, diagonal_normal, draw
from gantut.models.vae import VAE, VAEOutput
from gantut.networks import MLPDecoder, MLPEncoder
from gantut.training import VAETrainer

SHAPE = (1, 2, 2)


def vae(prior=None, classes=0):
    return VAE(
        MLPEncoder(SHAPE, 2, hidden=(6,), classes=classes),
        MLPDecoder(2, SHAPE, hidden=(6,), classes=classes, seed=1),
        prior=prior,
    )


def test_against_torch():
    prior = MixturePrior(2, 3, seed=0).double()
    with torch.no_grad():
        prior.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
        prior.log_variance.copy_(torch.randn(3, 2, generator=torch.Generator().manual_seed(1)))
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weights = prior.logits.log_softmax(0)
    each = torch.stack(
        [
            diagonal_normal(m, v).log_prob(z)
            for m, v in zip(prior.mean, prior.log_variance, strict=True)
        ]
    )
    assert torch.allclose(prior(z).log_prob(z), (weights[:, None] + each).logsumexp(0))
    # Codes of K draws.
    assert torch.allclose(prior(z).log_prob(z.view(5, 1, 2)).squeeze(1), prior(z).log_prob(z))


def test_one_standard_component_is_the_standard_normal():
    prior = MixturePrior(2, 1)
    with torch.no_grad():
        prior.mean.zero_()
    z = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(prior(z).log_prob(z), StandardNormalPrior()(z).log_prob(z), atol=1e-6)


def test_the_vamp_prior_is_the_encoder_s_average():
    inputs = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    model = vae(VampPrior(inputs))
    z = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
    posterior = model.encode(inputs)
    each = torch.stack([posterior.log_prob(code.expand(3, 2)) for code in z])
    assert torch.allclose(model.prior(z).log_prob(z), each.logsumexp(1) - math.log(3), atol=1e-5)


PRIORS = {
    "standard normal": StandardNormalPrior,
    "mixture": lambda: MixturePrior(2, 3),
    "VampPrior": lambda: VampPrior(
        torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(5))
    ),
}


@pytest.mark.parametrize("name", ["mixture", "VampPrior"])
def test_the_rate_teaches_each_parameter_and_sampling_works(name):
    model, x = (
        vae(PRIORS[name]()),
        torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(0)),
    )
    loss = rate(model(x, generator=torch.Generator().manual_seed(1))).sum()
    slopes = torch.autograd.grad(loss, list(model.latent_prior.parameters()))
    # Each component and each of its numbers: a slope of its own.
    assert all(torch.isfinite(s).all() and (s != 0).all() for s in slopes)
    samples = model.sample(6, generator=torch.Generator().manual_seed(2))
    assert samples.shape == (6, *SHAPE)
    assert torch.equal(samples, model.sample(6, generator=torch.Generator().manual_seed(2)))
    trainer = VAETrainer(model, lr=0.05, device="cpu")
    before = [p.detach().clone() for p in model.latent_prior.parameters()]
    trainer.fit([x], 2)
    after = model.latent_prior.parameters()
    assert all((p != q).all() for p, q in zip(before, after, strict=True))


@pytest.mark.parametrize("name", PRIORS)
def test_draws_follow_the_density(name):
    """Mean and deviation of the draws, and of log p at them, against sums over a grid."""
    model = vae(PRIORS[name]())
    with torch.no_grad():
        model.encoder.head.weight.mul_(20)
        prior = model.prior(torch.zeros(1, 2))
        z = draw(prior, 40_000, torch.Generator().manual_seed(0))
        ticks = torch.linspace(-9, 9, 301)
        grid = torch.cartesian_prod(ticks, ticks)
        mass = prior.log_prob(grid[:, None] if name == "VampPrior" else grid).flatten().exp()
    mass = mass / mass.sum()
    mean = mass @ grid
    covariance = (grid - mean).T @ ((grid - mean) * mass[:, None])
    error = covariance.diagonal().sqrt() / 200
    assert z.shape == (40_000, 2) and ((z.mean(0) - mean).abs() < 4.5 * error).all()
    assert torch.allclose(torch.cov(z.T), covariance, rtol=0.05, atol=0.03)
    again = draw(prior, 40_000, torch.Generator().manual_seed(0))
    assert torch.equal(z, again) and z.std(0).min() > 0.1


def test_a_mixture_learns_two_clusters():
    """Codes at ±3 with deviation 0.5: the best code length there is, which N(0, I) is far from."""
    z = 0.5 * torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    z[:1400] += 3
    z[1400:] -= 3
    prior = MixturePrior(2, 2, seed=1)
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss = -prior(z).log_prob(z).mean()
        loss.backward()
        optimizer.step()
    weights = torch.tensor([0.7, 0.3])
    least = math.log(2 * math.pi * math.e * 0.25) - (weights * weights.log()).sum().item()
    assert loss.item() == pytest.approx(least, abs=0.06)
    assert -StandardNormalPrior()(z).log_prob(z).mean() > least + 5
    assert sorted(prior.logits.softmax(0).tolist()) == pytest.approx([0.3, 0.7], abs=0.02)
    draws = draw(prior(z), 4000, torch.Generator().manual_seed(1))
    assert (draws[:, 0] > 0).float().mean().item() == pytest.approx(0.7, abs=0.03)
    assert ((draws > 0).sum(1) != 1).all()  # no draw between the clusters


def test_a_vamp_prior_s_images_stay_images_and_its_points_are_free():
    z = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
    outside = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0)) * 3 - 1
    model, other = vae(VampPrior(outside)), vae(VampPrior(outside.clamp(0, 1)))
    assert torch.equal(model.prior(z).log_prob(z), other.prior(z).log_prob(z))
    points = VAE(MLPEncoder((3,), 2), MLPDecoder(2, (3,)), "gaussian")
    far, near = (VampPrior(a * torch.ones(1, 3))(z, points.encode) for a in (5.0, 1.0))
    assert not torch.allclose(far.log_prob(z), near.log_prob(z), atol=1e-4)


def test_draws_have_the_mixture_s_moments():
    prior = MixturePrior(1, 2)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[-2.0], [4.0]]))
        prior.logits.copy_(torch.tensor([0.0, math.log(3)]))  # weights 1/4 and 3/4
    with torch.no_grad():
        z = draw(prior(torch.zeros(1)), 40_000, torch.Generator().manual_seed(0))
    assert z.mean().item() == pytest.approx(2.5, abs=0.06)
    assert z.var().item() == pytest.approx(1 + 0.25 * 4.5**2 + 0.75 * 1.5**2, abs=0.15)


def test_the_rate_at_the_draw_is_unbiased():
    """A mixture of one standard component: no closed form in torch, and N(0, I)'s rate."""
    n = 100_000
    mean, log_variance = (
        torch.full((n, 1), 1.0).double(),
        torch.full((n, 1), 2 * math.log(0.5)).double(),
    )
    posterior = diagonal_normal(mean, log_variance)
    z = mean + 0.5 * torch.randn(
        n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    prior = MixturePrior(1, 1).double()
    with torch.no_grad():
        prior.mean.zero_()
        values = rate(VAEOutput(posterior, prior(z), z, None))
    error = values.std().item() / math.sqrt(n)
    assert values.shape == (n,) and abs(values.mean().item() - 0.8181472) < 4 * error < 0.02


def test_a_learned_prior_is_saved_with_the_vae(tmp_path):
    data = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(0))
    trainer = VAETrainer(vae(MixturePrior(2, 3)), device="cpu")
    trainer.fit([data], 3, save=tmp_path / "a.pt")
    other = VAETrainer(vae(MixturePrior(2, 3, seed=5)), device="cpu")
    other.load(tmp_path / "a.pt")
    assert torch.equal(other.vae.latent_prior.mean, trainer.vae.latent_prior.mean)
    assert torch.equal(other.sample(3, seed=0), trainer.sample(3, seed=0))


def test_bad_input():
    with pytest.raises(ValueError, match="components must be at least 1, got 0"):
        MixturePrior(2, 0)
    with pytest.raises(ValueError, match="latent_dim must be at least 1, got 0"):
        MixturePrior(0)
    with pytest.raises(ValueError, match=r"at least one input, shape \(K, …\), got \(3,\)"):
        VampPrior(torch.zeros(3))
    with pytest.raises(ValueError, match="needs the encoder"):
        VampPrior(torch.zeros(3, 2))(torch.zeros(1, 2))
    for prior in (MixturePrior(2), VampPrior(torch.rand(3, *SHAPE))):
        with pytest.raises(ValueError, match="conditional VAE, got a learned prior"):
            vae(prior, classes=3)
