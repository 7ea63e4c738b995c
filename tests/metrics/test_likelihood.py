"""Bounds on the likelihood, on the linear-Gaussian model where the truth is known."""

import math

import pytest
import torch

from gantut.losses import log_weights
from gantut.metrics import annealed_importance, bidirectional_bounds, importance_weighted
from gantut.models.likelihoods import GaussianLikelihood
from gantut.models.ppca import LinearGaussian
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


def linear_vae(model):
    """The same model as a VAE: a linear decoder, and an encoder that has learned nothing (q = prior, nearly)."""
    encoder, decoder = MLPEncoder((D,), K, hidden=()), MLPDecoder(K, (D,), hidden=())
    with torch.no_grad():
        for p in encoder.parameters():
            p.zero_()
        decoder.head.weight.copy_(model.weights)
        decoder.head.bias.copy_(model.offset)
    sigma = math.sqrt(model.variance)
    return VAE(encoder, decoder, GaussianLikelihood(sigma, in_unit_interval=False)).double()


def test_the_sandwich_on_the_linear_model(model, drawn):
    """Lower and upper bound enclose the truth on the average, closer than 0.1 nats apart."""
    z, x = drawn
    truth = model.log_likelihood(x)
    bounds = bidirectional_bounds(
        lambda z: model.log_conditional(x, z), z, chains=64, temperatures=500
    )
    assert bounds.lower.shape == bounds.upper.shape == (N,)
    assert (bounds.lower - truth).mean() < 0.05 and (bounds.upper - truth).mean() > -0.05
    assert (bounds.upper - bounds.lower).mean() < 0.1
    assert (bounds.lower - truth).abs().max() < 0.3 and (bounds.upper - truth).abs().max() < 0.3


def test_single_chains_are_bounds_on_the_average(model, drawn):
    """With one chain and few temperatures the two sides are far apart, and the truth lies between by more than four standard errors."""
    z, x = (t.repeat(20, 1) for t in drawn)
    truth = model.log_likelihood(x)
    bounds = bidirectional_bounds(
        lambda z: model.log_conditional(x, z), z, chains=1, temperatures=20
    )
    for gap in (truth - bounds.lower, bounds.upper - truth):
        assert gap.mean() > 4 * gap.std() / math.sqrt(len(gap)) > 0


def test_more_temperatures_close_the_gap(model, drawn):
    z, x = (t.repeat(10, 1) for t in drawn)
    gaps = []
    for temperatures in (5, 80):
        bounds = bidirectional_bounds(
            lambda z: model.log_conditional(x, z), z, chains=8, temperatures=temperatures
        )
        gaps.append((bounds.upper - bounds.lower).mean().item())
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


def test_bad_input(model, drawn):
    z, x = drawn
    with pytest.raises(ValueError, match="got 0, 50 and 12"):
        importance_weighted(linear_vae(model), x, samples=0)
    with pytest.raises(
        ValueError, match="chains, temperatures and leapfrogs must be at least 1, got 16, 0 and 5"
    ):
        annealed_importance(linear_vae(model), x, temperatures=0)
    with pytest.raises(ValueError, match=r"codes \(N, d\), got \(3,\)"):
        bidirectional_bounds(lambda z: z.sum(-1), z[0])


@pytest.mark.parametrize("measure", [importance_weighted, annealed_importance])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :-1], r"expected examples \(N, 6\) with N ≥ 1, got \(12, 5\)"),
        (lambda x: x[0], r"expected examples \(N, 6\) with N ≥ 1, got \(6,\)"),
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
    """With K = 1 and q = p(z) the mean of log p(x|z) is known: that of a Gaussian likelihood under the prior."""
    x = torch.zeros(1, D, dtype=torch.float64)
    mean_square = (x - model.offset).square().sum() + model.weights.square().sum()
    expected = -0.5 * mean_square / model.variance - 0.5 * D * math.log(
        2 * math.pi * model.variance
    )
    found = importance_weighted(linear_vae(model), x.expand(4000, -1), samples=1)
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(4000)
