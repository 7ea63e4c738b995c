"""Bounds on the likelihood, on the linear-Gaussian model where the truth is known."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

from gantut.losses import log_weights
from gantut.metrics import (
    annealed_importance,
    bidirectional_bounds,
    bits_per_dimension,
    importance_weighted,
)
from gantut.models.likelihoods import GaussianLikelihood
from gantut.models.ppca import LinearGaussian
from gantut.models.priors import MixturePrior, VampPrior, draw
from gantut.models.vae import VAE
from gantut.networks import MLPDecoder, MLPEncoder

N, D, K = 12, 6, 3


@pytest.fixture(scope="module")
def model():
    g = torch.Generator().manual_seed(0)
    return LinearGaussian(
        torch.randn(D, K, generator=g, dtype=torch.float64),
        torch.randn(D, generator=g, dtype=torch.float64),
        0.3,
    )


@pytest.fixture(scope="module")
def drawn(model):
    """Codes and examples that the model drew itself."""
    g = torch.Generator().manual_seed(1)
    z = torch.randn(N, K, generator=g, dtype=torch.float64)
    noise = torch.randn(N, D, generator=g, dtype=torch.float64)
    return z, z @ model.weights.T + model.offset + math.sqrt(model.variance) * noise


def linear_vae(model, classes=0, prior=None):
    """The same model as a VAE: a linear decoder, and an encoder that has learned nothing.

    With classes, class c moves the mean of x by ``shifts(classes)[c]``.
    """
    encoder = MLPEncoder((D,), K, hidden=(), classes=classes)
    decoder = MLPDecoder(K, (D,), hidden=(), classes=classes)
    with torch.no_grad():
        for p in encoder.parameters():
            p.zero_()
        decoder.head.weight[:, :K] = model.weights
        decoder.head.weight[:, K:] = shifts(classes).T
        decoder.head.bias.copy_(model.offset)
    likelihood = GaussianLikelihood(math.sqrt(model.variance), in_unit_interval=False)
    return VAE(encoder, decoder, likelihood, prior=prior).double()


def shifts(classes):
    g = torch.Generator().manual_seed(7)
    return 2 * torch.randn(classes, D, generator=g, dtype=torch.float64)


def test_the_sandwich_on_the_linear_model(model, drawn):
    """Lower and upper bound enclose the truth on the average, closer than 0.1 nats apart."""
    z, x = drawn
    truth = model.log_likelihood(x)
    lower, upper = bidirectional_bounds(
        lambda z: model.log_conditional(x, z), z, chains=64, temperatures=250
    )
    assert lower.shape == upper.shape == (N,)
    assert (lower - truth).mean() < 0.05 and (upper - truth).mean() > -0.05
    assert (upper - lower).mean() < 0.1
    assert (lower - truth).abs().max() < 0.3 and (upper - truth).abs().max() < 0.3


def test_single_chains_are_bounds_on_the_average(model, drawn):
    """One chain and few temperatures: two sides far apart, the truth clearly between them."""
    z, x = (t.repeat(20, 1) for t in drawn)
    truth = model.log_likelihood(x)
    lower, upper = bidirectional_bounds(
        lambda z: model.log_conditional(x, z), z, chains=1, temperatures=20
    )
    for gap in (truth - lower, upper - truth):
        assert gap.mean() > 4 * gap.std() / math.sqrt(len(gap)) > 0


def test_more_temperatures_close_the_gap(model, drawn):
    z, x = (t.repeat(10, 1) for t in drawn)
    gaps = []
    for temperatures in (5, 80):
        lower, upper = bidirectional_bounds(
            lambda z: model.log_conditional(x, z), z, chains=8, temperatures=temperatures
        )
        gaps.append((upper - lower).mean().item())
    assert gaps[0] > 0.5 and -0.05 < gaps[1] < 0.3 * gaps[0]


def test_annealing_does_not_need_the_encoder(model, drawn):
    _, x = drawn
    vae, truth = linear_vae(model), model.log_likelihood(x)
    annealed = annealed_importance(vae, x, chains=32, temperatures=300)
    assert (annealed - truth).abs().max() < 0.5
    assert abs(annealed.mean() - truth.mean()) < 0.1
    alone = importance_weighted(vae, x, samples=32)
    assert truth.mean() - alone.mean() > 1.0
    assert torch.equal(annealed, annealed_importance(vae, x, chains=32, temperatures=300))


def test_importance_sampling_approaches_the_truth_from_below(model, drawn):
    _, x = drawn
    vae, truth = linear_vae(model), model.log_likelihood(x).mean()
    means = [importance_weighted(vae, x, samples=k, chunk=64).mean() for k in (1, 10, 1000)]
    assert means[0] < means[1] < means[2] < truth + 0.05
    assert truth - means[2] < 1.0


def test_chunks_share_one_stream_of_draws_and_every_draw_counts(model, drawn):
    """7 draws in chunks of 3 are 3 + 3 + 1, and the mean runs over all 7."""
    _, x = drawn
    vae, g = linear_vae(model), torch.Generator().manual_seed(4)
    with torch.no_grad():
        log_w = torch.cat([log_weights(vae(x, samples=k, generator=g), x) for k in (3, 3, 1)])
    assert torch.allclose(
        importance_weighted(vae, x, samples=7, chunk=3, seed=4), log_w.logsumexp(0) - math.log(7)
    )


MEASURES = {
    "importance": lambda vae, x, y=None: importance_weighted(vae, x, y, samples=3000, chunk=500),
    "annealed": lambda vae, x, y=None: annealed_importance(vae, x, y, chains=8, temperatures=100),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_the_label_is_the_examples_own(model, drawn, measure):
    """log p(x|y) of each pair is known; with other labels it is far away."""
    (_, x), y = drawn, torch.arange(N) % 3
    x = x + shifts(3)[y]
    truth = model.log_likelihood(x - shifts(3)[y])
    other = model.log_likelihood(x - shifts(3)[(y + 1) % 3])
    found = measure(linear_vae(model, classes=3), x, y)
    assert (found - truth).mean().abs() < 1
    assert (found - other).abs().mean() > 20
    wrong = measure(linear_vae(model, classes=3), x, (y + 1) % 3)
    assert (wrong - truth).abs().mean() > 20


def mixture():
    prior = MixturePrior(K, 2)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[1.5, 2.0, -1.0], [0.0, 1.5, 1.0]]))
        prior.log_variance.copy_(torch.tensor([[-1.0, -2.0, 1.0], [0.5, -3.0, -1.0]]))
        prior.logits.copy_(torch.tensor([0.0, 1.0]))
    return prior


def vamp():
    g = torch.Generator().manual_seed(3)
    return VampPrior(torch.randn(4, D, generator=g))


PRIORS = {"mixture": mixture, "vamp": vamp}


def with_prior(model, kind):
    """A VAE with that prior, and its exact log-likelihood: a mixture of Gaussians in x."""
    vae = linear_vae(model, prior=PRIORS[kind]())
    g = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in vae.encoder.parameters():  # the Vamp prior is made of the encoder's posteriors
            p.copy_(0.7 * torch.randn(p.shape, generator=g, dtype=p.dtype))
        mixed = vae.prior(torch.zeros(K, dtype=torch.float64))
    weights = mixed.mixture_distribution.probs
    parts = mixed.component_distribution
    noise = model.variance * torch.eye(D, dtype=torch.float64)

    def truth(x):
        each = [
            w.log()
            + MultivariateNormal(
                model.offset + model.weights @ m, model.weights @ v.diag() @ model.weights.T + noise
            ).log_prob(x)
            for w, m, v in zip(weights, parts.mean, parts.variance, strict=True)
        ]
        return torch.stack(each).logsumexp(0)

    return vae, mixed, truth


@pytest.mark.parametrize("kind", PRIORS)
def test_the_walk_starts_at_the_models_own_prior(model, kind):
    """Lower bound, upper bound and truth agree, and N(0, I) would be far off."""
    vae, prior, truth = with_prior(model, kind)
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        z = draw(prior, N, g)
    noise = torch.randn(N, D, generator=g, dtype=torch.float64)
    x = z @ model.weights.T + model.offset + math.sqrt(model.variance) * noise
    walk = {"chains": 200, "temperatures": 50, "leapfrogs": 3}
    found = annealed_importance(vae, x, **walk)
    lower, upper = bidirectional_bounds(
        lambda z: model.log_conditional(x, z), z, prior=prior, **walk
    )
    for below in (found, lower):
        assert (below - truth(x)).mean().abs() < 0.2
    assert -0.1 < (upper - truth(x)).mean() < 0.8  # modes apart: the way back is wide
    assert (model.log_likelihood(x) - truth(x)).mean() < -1  # as if the prior were N(0, I)
    assert not any(p.grad is not None for p in vae.parameters())


def test_a_model_without_a_prior_has_the_standard_normal(model, drawn):
    """All that annealing needs is ``decode`` and ``latent_dim``."""

    class Bare:
        latent_dim = K

        def decode(self, z, labels=None):
            mean = z @ model.weights.T + model.offset
            return Independent(Normal(mean, math.sqrt(model.variance)), 1)

    _, x = drawn
    options = {"chains": 4, "temperatures": 20}
    found = annealed_importance(Bare(), x, **options)
    assert torch.allclose(found, annealed_importance(linear_vae(model), x, **options))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(D, 2 * K)

    def forward(self, x):
        return self.layer(x).chunk(2, dim=1)


@pytest.mark.parametrize("measure", [importance_weighted, annealed_importance])
def test_a_model_of_plain_modules(model, drawn, measure):
    """It does not know its sizes before the first pass."""
    likelihood = GaussianLikelihood(0.5, in_unit_interval=False)
    vae = VAE(Encoder(), nn.Linear(K, D), likelihood).double()
    options = {"samples": 9} if measure is importance_weighted else {"temperatures": 3}
    found = measure(vae, drawn[1], **options)
    assert found.shape == (N,) and torch.isfinite(found).all()
    assert torch.equal(found, measure(vae, drawn[1], **options))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("measure", [importance_weighted, annealed_importance])
def test_it_measures_in_evaluation_mode_and_leaves_the_mode_alone(model, drawn, measure, training):
    """Dropout would make the bound depend on the global random state."""
    vae = linear_vae(model)
    vae.decoder.body.append(nn.Dropout(0.5))
    vae.train(training)
    vae.encoder.eval()
    modes = {module: module.training for module in vae.modules()}
    options = {"samples": 50} if measure is importance_weighted else {"temperatures": 5}
    found = measure(vae, drawn[1], **options)
    assert torch.equal(found, measure(linear_vae(model), drawn[1], **options))
    assert modes == {module: module.training for module in vae.modules()}


def test_bits_per_dimension():
    assert bits_per_dimension(64 * math.log(2), (1, 8, 8)) == pytest.approx(1)
    two = torch.tensor([64.0, 128.0]) * math.log(2)
    assert bits_per_dimension(two, (1, 8, 8)).tolist() == pytest.approx([1, 2])
    assert bits_per_dimension(-64 * math.log(4), (64,), levels=16) == pytest.approx(2)
    with pytest.raises(ValueError, match="levels must be at least 2, got 1"):
        bits_per_dimension(1.0, (8,), levels=1)
    with pytest.raises(ValueError, match=r"positive sides, got \(0, 3\)"):
        bits_per_dimension(1.0, (0, 3))


def test_bad_input(model, drawn):
    z, x = drawn
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        importance_weighted(linear_vae(model), x, samples=0)
    with pytest.raises(ValueError, match="temperatures must be at least 1, got 0"):
        annealed_importance(linear_vae(model), x, temperatures=0)
    with pytest.raises(ValueError, match=r"codes \(N, d\) with N ≥ 1, got \(3,\)"):
        bidirectional_bounds(lambda z: z.sum(-1), z[0])


@pytest.mark.parametrize("measure", [importance_weighted, annealed_importance])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :-1], r"expected examples of shape \(N, 6\), got \(12, 5\)"),
        (lambda x: x[0], r"expected examples of shape \(N, 6\), got \(6,\)"),
        (lambda x: x * math.nan, "the examples hold 72 NaN or infinite values"),
        (lambda x: x[:0], "(and 0|got \\(0, 6\\))"),
    ],
)
def test_examples_that_do_not_fit(model, drawn, measure, change, message):
    with pytest.raises(ValueError, match=message):
        measure(linear_vae(model), change(drawn[1]))


def test_codes_that_are_not_finite(model, drawn):
    with pytest.raises(ValueError, match="the codes hold 36 NaN or infinite values"):
        bidirectional_bounds(lambda z: z.sum(-1), drawn[0] * math.inf)


def test_the_uninformed_encoder_has_the_closed_form_of_its_average(model):
    """With K = 1 and q = p(z) the mean of log p(x|z) under the prior is known."""
    x = torch.zeros(1, D, dtype=torch.float64)
    mean_square = (x - model.offset).square().sum() + model.weights.square().sum()
    expected = -0.5 * mean_square / model.variance - 0.5 * D * math.log(
        2 * math.pi * model.variance
    )
    found = importance_weighted(linear_vae(model), x.expand(4000, -1), samples=1)
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(4000)
