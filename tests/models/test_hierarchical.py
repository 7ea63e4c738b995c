"""The ladder VAE: one level is a VAE, two linear levels are exact, and each level's KL by hand."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal

from gantut import losses
from gantut.models import VAE, GaussianLikelihood, HierarchicalVAE
from gantut.models.hierarchical import _product
from gantut.networks import MLPDecoder, MLPEncoder
from gantut.training import VAETrainer

SHAPE = (1, 2, 3)


def seed(k):
    return torch.Generator().manual_seed(k)


def ladder(sizes=(4, 3, 2), classes=0, shape=SHAPE):
    """Networks with larger weights than at their start, so that levels matter to one another."""
    below = [shape, *((size,) for size in sizes[:-1])]
    encoders = [
        MLPEncoder(into, size, hidden=(8,), classes=classes if l == 0 else 0, seed=l)
        for l, (into, size) in enumerate(zip(below, sizes, strict=True))
    ]
    priors = [
        MLPEncoder((sum(sizes[l + 1 :]),), size, hidden=(8,), classes=classes, seed=10 + l)
        for l, size in enumerate(sizes[:-1])
    ]
    decoder = MLPDecoder(sum(sizes), shape, hidden=(8,), classes=classes, seed=20)
    vae = HierarchicalVAE(encoders, priors, decoder)
    with torch.no_grad():
        for network in (*encoders, *priors, decoder):
            network.head.weight.mul_(10)
    return vae


def test_one_level_is_a_vae():
    encoder, decoder = MLPEncoder(SHAPE, 3, hidden=(8,)), MLPDecoder(3, SHAPE, hidden=(8,), seed=1)
    one, vae = HierarchicalVAE([encoder], [], decoder), VAE(encoder, decoder)
    x = torch.rand(6, *SHAPE, generator=seed(0))
    for K in (None, 4):
        ours, theirs = (model(x, samples=K, generator=seed(1)) for model in (one, vae))
        assert torch.equal(ours.z, theirs.z)
        bound = losses.elbo if K is None else losses.iwae
        assert torch.allclose(bound(ours, x), bound(theirs, x), atol=1e-6)
    assert torch.equal(one.sample(5, generator=seed(2)), vae.sample(5, generator=seed(2)))
    assert torch.equal(one.reconstruct(x), vae.reconstruct(x))


class Affine(nn.Module):
    """x ↦ (x A + b, c): the exact message of a linear-Gaussian level, or its exact prior."""

    def __init__(self, matrix, offset, variance):
        super().__init__()
        self.matrix, self.offset = nn.Parameter(matrix), nn.Parameter(offset)
        self.log_variance = nn.Parameter(variance.log())

    def forward(self, x):
        mean = x @ self.matrix + self.offset
        return mean, self.log_variance.expand_as(mean)


class Linear(nn.Module):
    """The decoder of ``exact``, which reads z₁ of z = (z₁, z₂)."""

    def __init__(self, matrix, offset):
        super().__init__()
        self.matrix, self.offset = matrix, offset

    def forward(self, z):
        return z[:, :2] @ self.matrix + self.offset


def exact():
    """z₂ ~ N(0, I), z₁ = A z₂ + a + N(0, S), x = W z₁ + b + N(0, σ²): all diagonal in z.

    The columns of W are orthogonal, so each message and the top's posterior are diagonal too.
    """
    A = torch.diag(torch.tensor([0.9, -1.4], dtype=torch.float64))
    a, S = torch.tensor([0.3, -0.2]).double(), torch.tensor([0.5, 0.2]).double()
    Q = torch.linalg.qr(torch.randn(5, 2, generator=seed(3), dtype=torch.float64))[0]
    W = Q * torch.tensor([1.5, 0.7])
    b, noise = torch.randn(5, generator=seed(4), dtype=torch.float64), 0.3
    squares = W.square().sum(0)
    # What x says about z₁: N(W⁺(x − b), σ² / ‖W_j‖²). What that mean, v away, says about z₂.
    v = noise**2 / squares
    up = W / squares
    first = Affine(up, -b @ up, v)
    spread = A.diagonal().square() + S + v
    gain = A.diagonal() / spread
    top = Affine(torch.diag(gain), -a * gain, 1 - gain * A.diagonal())
    likelihood = GaussianLikelihood(noise)
    vae = HierarchicalVAE(
        [first, top], [Affine(A, a, S)], Linear(W.T, b), likelihood, latent_dims=(2, 2)
    )
    covariance = W @ (A @ A.T + torch.diag(S)) @ W.T + noise**2 * torch.eye(5)
    return vae.double(), MultivariateNormal(W @ a + b, covariance)


def test_two_linear_levels_reach_the_exact_likelihood_and_no_draw_passes_it():
    vae, truth = exact()
    x = truth.sample((4,))
    # At the exact posterior p(x, z) / q(z|x) is p(x), whatever z was drawn.
    weights = losses.log_weights(vae(x, samples=50, generator=seed(0)), x)
    assert torch.allclose(weights, truth.log_prob(x).expand(50, 4), atol=1e-4)
    # The ELBO has the closed form of each level's KL, so only its mean is exact.
    x = x[:1].expand(20_000, -1)
    bound = losses.elbo(vae(x, generator=seed(1)), x)
    error = bound.std().item() / math.sqrt(len(bound))
    assert bound.mean().item() == pytest.approx(truth.log_prob(x)[0].item(), abs=5 * error)
    assert error < 0.02


@pytest.mark.parametrize("part", ["encoders.0.offset", "encoders.1.log_variance"])
def test_any_other_posterior_gives_a_lower_bound(part):
    vae, truth = exact()
    with torch.no_grad():
        vae.get_parameter(part).add_(0.4)
    x = truth.sample((1,)).expand(20_000, -1)
    bound = losses.elbo(vae(x, generator=seed(1)), x)
    assert bound.mean() + 4 * bound.std() / math.sqrt(len(bound)) < truth.log_prob(x)[0]


def test_importance_weights_beat_the_elbo_and_draws_are_independent():
    vae, x = ladder(), torch.rand(8, *SHAPE, generator=seed(0)).round()
    with torch.no_grad():
        output = vae(x, samples=2000, generator=seed(1))
        weights = losses.log_weights(output, x)
    elbo, many = weights.mean(0), losses.iwae(output, x)
    assert (many > elbo + 0.02).all()
    assert output.z.shape == (2000, 8, 9) and output.z.std(0).min() > 0.01


def test_several_draws_are_several_single_ones():
    vae, x = ladder(classes=3), torch.rand(5, *SHAPE, generator=seed(0))
    labels = torch.tensor([0, 2, 1, 1, 0])
    output = vae(x, labels, samples=3, generator=seed(1))
    assert output.likelihood.batch_shape == (3, 5)
    for k in range(3):
        alone = vae.decode(output.z[k], labels).log_prob(x)
        assert torch.allclose(output.likelihood.log_prob(x)[k], alone, atol=1e-5)
        own = vae.prior(output.z[k], labels).log_prob(output.z[k])
        assert torch.allclose(output.prior.log_prob(output.z)[k], own, atol=1e-5)


def test_the_rate_of_each_level_by_hand():
    """From the networks one by one: messages upwards, priors downwards, KL of two normals."""
    vae, x = ladder(), torch.rand(6, *SHAPE, generator=seed(0))
    output = vae(x, generator=seed(1))
    z = dict(zip((1, 2, 3), output.z.split((4, 3, 2), 1), strict=True))
    messages, h = {}, x
    for l, encoder in enumerate(vae.encoders, 1):
        messages[l] = encoder(h)
        h = messages[l][0]
    expected, log_p = [], 0.0
    for l in (1, 2, 3):
        mean, log_variance = messages[l]
        prior = (torch.zeros(6, 2), torch.zeros(6, 2))
        if l < 3:
            prior = vae.priors[l - 1](torch.cat([z[k] for k in range(l + 1, 4)], 1))
            precisions = (-log_variance).exp(), (-prior[1]).exp()
            variance = 1 / (precisions[0] + precisions[1])
            mean = variance * (precisions[0] * mean + precisions[1] * prior[0])
            log_variance = variance.log()
        ratio = (log_variance - prior[1]).exp()
        gap = (mean - prior[0]).square() / prior[1].exp()
        expected.append(0.5 * (ratio + gap - 1 - ratio.log()).sum(1))
        log_p = log_p + Normal(prior[0], (prior[1] / 2).exp()).log_prob(z[l]).sum(1)
    expected = torch.stack(expected, 1)
    rates = vae.rates(output)
    assert torch.allclose(rates, expected, rtol=1e-4, atol=1e-5) and (rates > 0).all()
    assert torch.allclose(losses.rate(output), expected.sum(1), rtol=1e-4)
    assert torch.allclose(losses.rate_per_dimension(output).sum(1), expected.sum(1), rtol=1e-4)
    assert torch.allclose(vae.prior(output.z).log_prob(output.z), log_p, rtol=1e-4)


def test_the_product_of_two_gaussians_is_their_densities_product():
    one, other = torch.tensor([[[0.5]], [[-1.0]]]), torch.tensor([[[-1.0]], [[0.7]]])
    mean, log_variance = _product(one, other)
    grid = torch.linspace(-12, 12, 24_001)
    log_p = sum(Normal(m, (v / 2).exp()).log_prob(grid) for m, v in (one[:, 0], other[:, 0]))
    density = log_p.exp() / torch.trapezoid(log_p.exp(), grid)
    expected = torch.trapezoid(grid * density, grid)
    assert mean.item() == pytest.approx(expected.item(), abs=1e-5)
    spread = torch.trapezoid((grid - expected).square() * density, grid)
    assert log_variance.exp().item() == pytest.approx(spread.item(), rel=1e-4)


def test_samples_come_from_the_top_down():
    vae, _ = exact()
    vae.likelihood.log_sigma.data.fill_(-20.0)
    x = vae.sample(60_000, generator=seed(0))
    _, truth = exact()
    covariance = truth.covariance_matrix - 0.3**2 * torch.eye(5)  # the means: without pixel noise
    assert torch.allclose(x.mean(0), truth.mean, atol=0.05)
    assert torch.allclose(torch.cov(x.T), covariance, atol=0.12)
    assert torch.equal(x, vae.sample(60_000, generator=seed(0)))


@pytest.mark.parametrize("classes", [0, 3])
def test_it_trains_and_labels_matter(classes):
    vae = ladder((4, 2), classes)
    labels = torch.arange(48) % 3
    x = (labels == 1).float().view(-1, 1, 1, 1).expand(-1, *SHAPE)
    trainer = VAETrainer(vae, lr=1e-2, device="cpu")
    history = trainer.fit([(x, labels) if classes else x], 60)
    assert sum(history["negative_elbo"][-5:]) < 0.8 * sum(history["negative_elbo"][:5])
    assert trainer.sample(6, seed=0).shape == (6, *SHAPE)
    assert all(p.grad.any() for p in vae.parameters())
    if classes:
        black, white = (trainer.sample(4, torch.full((4,), k), seed=0) for k in (0, 1))
        assert black.mean() < 0.3 < 0.7 < white.mean()
        order = torch.tensor([2, 0, 1])
        with torch.no_grad():
            z, y = torch.randn(3, 6, generator=seed(1)), torch.tensor([0, 1, 2])
            assert torch.allclose(
                vae.decode(z[order], y[order]).mean, vae.decode(z, y).mean[order], atol=1e-6
            )


def test_free_bits_take_its_levels():
    vae, x = ladder((4, 2)), torch.rand(6, *SHAPE, generator=seed(0))
    output = vae(x, generator=seed(1))
    free = losses.free_bits(output, x, 0.0)
    assert torch.allclose(free, losses.negative_elbo(output, x), rtol=1e-5)


def test_bad_input():
    encoder, decoder = MLPEncoder(SHAPE, 3), MLPDecoder(3, SHAPE)
    with pytest.raises(
        ValueError, match=r"L − 1 priors and L dimensions ≥ 1, got 1 and 1 and \[3\]"
    ):
        HierarchicalVAE([encoder], [encoder], decoder)
    with pytest.raises(ValueError, match=r"got 1 and 0 and \[0\]"):
        HierarchicalVAE([nn.Linear(6, 4)], [], decoder)
    with pytest.raises(ValueError, match=r"got 0 and 0 and \[\]"):
        HierarchicalVAE([], [], decoder)
    with pytest.raises(ValueError, match="unknown likelihood 'poisson'"):
        HierarchicalVAE([encoder], [], decoder, "poisson")
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        HierarchicalVAE([encoder], [], decoder)(torch.rand(2, *SHAPE), samples=0)
    with pytest.raises(ValueError, match="no labels were given"):
        ladder(classes=3)(torch.rand(2, *SHAPE))
    with pytest.raises(ValueError, match="unconditional"):
        ladder().sample(2, torch.tensor([0, 1]))
    sigmoid = nn.Sequential(nn.Linear(3, 6), nn.Sigmoid())
    with pytest.raises(ValueError, match="decoder ends in a sigmoid"):
        HierarchicalVAE([MLPEncoder((6,), 3)], [], sigmoid)
