"""The rate's three parts: they add up, and they are what they are called where that can be computed
otherwise.
"""

import itertools
import math

import pytest
import torch

from gantut.losses import beta_tcvae, distortion, rate, split_rate
from gantut.models.likelihoods import GaussianLikelihood
from gantut.models.vae import VAEOutput, diagonal_normal


def output(mean, log_variance, seed=0):
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=mean.dtype)
    z = mean + (0.5 * log_variance).exp() * noise
    zero = mean.new_zeros(mean.shape[1])
    likelihood = GaussianLikelihood(1.0, in_unit_interval=False).double()(z)
    return VAEOutput(
        diagonal_normal(mean, log_variance), diagonal_normal(zero, zero), z, likelihood
    )


def cloud(n=32, d=3, seed=1):
    return (
        torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        * 0.7
    )


@pytest.mark.parametrize("dataset_size", [32, 1000])
def test_the_terms_sum_to_the_rate(dataset_size):
    """At each draw to the sum log q(z|x) − log p(z), exactly; on the average over draws to the
    closed form, within four standard errors.
    """
    mean, log_variance = cloud()
    out = output(mean, log_variance)
    parts = split_rate(out, dataset_size)
    at_draw = out.posterior.log_prob(out.z) - out.prior.log_prob(out.z)
    assert all(part.shape == (32,) for part in parts)
    assert (sum(parts) - at_draw).abs().max() < 1e-10
    draws = torch.stack(
        [sum(split_rate(output(mean, log_variance, seed), dataset_size)) for seed in range(400)]
    )
    error = draws.mean(1).std() / 20
    assert abs(draws.mean() - rate(out).mean()) < 4 * error


def test_a_code_that_ignores_the_example_has_no_mutual_information():
    mean, log_variance = torch.full((2, 10, 2), 0.4, dtype=torch.float64)
    parts = split_rate(output(mean, log_variance), 10)
    assert parts.mutual_information.abs().max() < 1e-12
    assert parts.total_correlation.abs().max() < 1e-12


def test_a_code_that_knows_the_example_knows_log_n():
    """Ten posteriors far apart: I(x; z) = log 10, and a data set of 1,000 of which the batch shows
    ten others like it: log 1,000.
    """
    mean = 100 * torch.arange(10, dtype=torch.float64)[:, None]
    out = output(mean, torch.zeros_like(mean))
    assert split_rate(out, 10).mutual_information.tolist() == pytest.approx([math.log(10)] * 10)
    assert split_rate(out, 1000).mutual_information.tolist() == pytest.approx([math.log(1000)] * 10)


def test_independent_dimensions_have_no_total_correlation():
    """All 16 pairs of 4 × 4 means: the average posterior factorises exactly."""
    mean = torch.tensor(
        list(itertools.product((-2.0, -0.5, 0.3, 1.7), repeat=2)), dtype=torch.float64
    )
    parts = split_rate(output(mean, torch.full_like(mean, -1.0)), 16)
    assert parts.total_correlation.abs().max() < 1e-12


def test_parts_against_integration():
    """Two copied dimensions.

    With the batch for the data, the averages over many draws are integrals that a grid gives too.
    """
    mean = torch.tensor([-1.5, 0.0, 1.0], dtype=torch.float64)[:, None].expand(3, 2).clone()
    log_variance = torch.full_like(mean, math.log(0.25))
    normal = torch.distributions.Normal(mean[:, 0], 0.5)
    grid = torch.linspace(-6, 6, 601, dtype=torch.float64)
    each = normal.log_prob(grid[:, None]).exp()  # (grid, 3)
    marginal = each.mean(1)
    joint = torch.einsum("an,bn->ab", each, each) / 3
    cell = (grid[1] - grid[0]) ** 2
    tc = (joint * (joint.log() - marginal.log()[:, None] - marginal.log()[None])).sum() * cell
    entropy_given_x = 2 * 0.5 * math.log(2 * math.pi * math.e * 0.25)
    mi = -(torch.xlogy(joint, joint).sum() * cell) - entropy_given_x
    draws = [split_rate(output(mean, log_variance, seed), 3) for seed in range(4000)]
    for name, exact in (("mutual_information", mi), ("total_correlation", tc)):
        values = torch.stack([getattr(parts, name).mean() for parts in draws])
        assert abs(values.mean() - exact) < 4 * values.std() / math.sqrt(len(draws)), name
        assert values.std() / math.sqrt(len(draws)) < 0.01


def test_the_estimate_of_the_average_posterior_is_unbiased():
    """exp(log q(z)) over all batches of 3 that contain example 0 of 6, at one z of its own,
    averages to 1/6 Σ q(z|x_j).
    """
    mean, log_variance = cloud(6, 1)
    z = output(mean, log_variance).z[0]
    truth = diagonal_normal(mean, log_variance).log_prob(z).exp().mean()
    found = []
    for others in itertools.combinations(range(1, 6), 2):
        rows = torch.tensor([0, *others])
        out = output(mean[rows], log_variance[rows])
        out = out._replace(z=torch.cat([z[None], out.z[1:]]))
        parts = split_rate(out, 6)
        found.append((out.posterior.log_prob(out.z) - parts.mutual_information)[0].exp())
    assert torch.stack(found).mean().item() == pytest.approx(truth.item(), rel=1e-12)


def test_permutation_and_weights():
    mean, log_variance = cloud()
    out = output(mean, log_variance)
    x = torch.zeros(32, 3, dtype=torch.float64)
    parts = split_rate(out, 100)
    expected = distortion(out, x) + 2 * parts[0] + 5 * parts[1] + 0.5 * parts[2]
    assert torch.allclose(beta_tcvae(out, x, 100, alpha=2, beta=5, gamma=0.5), expected)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    shuffled = output(mean[order], log_variance[order])._replace(z=out.z[order])
    for part, again in zip(parts, split_rate(shuffled, 100), strict=True):
        assert torch.allclose(part[order], again, atol=1e-10)


def test_gradients_match_finite_differences():
    def loss(mean, log_variance):
        return beta_tcvae(output(mean, log_variance), torch.zeros_like(mean), 50)

    mean, log_variance = cloud(4, 2)
    assert torch.autograd.gradcheck(
        loss, (mean.clone().requires_grad_(), log_variance.clone().requires_grad_())
    )


def test_bad_input():
    out = output(*cloud(4, 2))
    with pytest.raises(ValueError, match=r"a batch of 2 … dataset_size examples, got 4 of 3"):
        split_rate(out, 3)
    with pytest.raises(ValueError, match=r"got 1 of 10"):
        split_rate(output(*cloud(1, 2)), 10)
    with pytest.raises(ValueError, match="beta must be a finite number ≥ 0, got -1"):
        beta_tcvae(out, torch.zeros(4, 2).double(), 10, beta=-1)
