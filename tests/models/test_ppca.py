"""Probabilistic PCA: exact values, scikit-learn's likelihood, a linear VAE at its optimum."""

import math

import pytest
import torch
from sklearn.decomposition import PCA

from gantut.models.ppca import LinearGaussian, fit, mean_log_likelihood
from gantut.networks import MLPDecoder, MLPEncoder

EIGENVALUES = torch.tensor([5.0, 3.0, 1.0, 0.5, 0.25], dtype=torch.float64)
OPTIMUM = -7.640223


def data():
    """Ten points ±√(5λ_j) e_j: mean 0, covariance exactly diag(λ)."""
    half = torch.diag((5 * EIGENVALUES).sqrt())
    return torch.cat([half, -half])


def test_values_of_the_facts():
    x = data()
    model = fit(torch.diag(EIGENVALUES), 2)
    assert model.variance == pytest.approx(0.583333, abs=1e-6)
    assert model.log_likelihood(x).mean().item() == pytest.approx(OPTIMUM, abs=1e-6)
    assert mean_log_likelihood(EIGENVALUES, 2) == pytest.approx(OPTIMUM, abs=1e-6)
    posterior = model.posterior(x)
    log_variance = posterior.covariance_matrix.diagonal(dim1=-2, dim2=-1).log()
    # W has orthogonal columns: the posterior is diagonal, and the ELBO is each likelihood.
    assert torch.allclose(
        model.elbo(x, posterior.mean, log_variance), model.log_likelihood(x), atol=1e-10
    )
    kl = 0.5 * (posterior.mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
    assert kl.item() == pytest.approx(1.893022, abs=1e-6)


def test_against_scikit_learn():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(200, 6, generator=g, dtype=torch.float64) @ torch.randn(
        6, 6, generator=g, dtype=torch.float64
    )
    pca = PCA(3).fit(x.numpy())
    covariance = torch.cov(x.T)  # divided by N − 1, as scikit-learn does
    model = fit(covariance, 3, offset=x.mean(0))
    assert model.variance == pytest.approx(pca.noise_variance_, rel=1e-10)
    assert model.log_likelihood(x).mean().item() == pytest.approx(pca.score(x.numpy()), abs=1e-9)
    assert mean_log_likelihood(
        torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0), 3
    ) == pytest.approx(
        fit(torch.cov(x.T, correction=0), 3, offset=x.mean(0)).log_likelihood(x).mean().item(),
        abs=1e-9,
    )


def test_a_linear_vae_trained_to_the_optimum():
    """Learned by L-BFGS on the ELBO: the likelihood of pPCA to 1e-6 nats, and not above."""
    x = data()
    encoder, decoder = (
        MLPEncoder((5,), 2, hidden=()).double(),
        MLPDecoder(2, (5,), hidden=()).double(),
    )
    log_variance = torch.zeros((), dtype=torch.float64, requires_grad=True)
    parameters = [*encoder.parameters(), *decoder.parameters(), log_variance]
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=3000,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def elbo():
        model = LinearGaussian(decoder.head.weight, decoder.head.bias, log_variance.exp())
        return model.elbo(x, *encoder(x)).mean()

    def closure():
        optimizer.zero_grad()
        loss = -elbo()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert elbo().item() == pytest.approx(OPTIMUM, abs=1e-6)
    assert elbo().item() <= mean_log_likelihood(EIGENVALUES, 2) + 1e-9
    assert log_variance.exp().item() == pytest.approx(0.583333, abs=1e-4)


@pytest.mark.parametrize(("beta", "square"), [(1.0, 4.0), (2.0, 3.0), (4.0, 1.0), (6.0, 0.0)])
def test_a_latent_is_active_where_its_eigenvalue_exceeds_beta_times_the_noise(beta, square):
    """One dimension, λ = 5, σ² = 1: minimising distortion + β · rate gives w² = max(0, λ − βσ²)."""
    x = torch.tensor([[1.0], [-1.0]], dtype=torch.float64) * math.sqrt(5)
    w, v, log_s = (
        torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (1.0, 0.3, -0.5)
    )
    optimizer = torch.optim.LBFGS(
        [w, v, log_s],
        max_iter=2000,
        tolerance_grad=1e-11,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        mean, log_variance = v * x, (2 * log_s).expand(2, 1)
        model = LinearGaussian(w.view(1, 1), torch.zeros(1, dtype=torch.float64), 1.0)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        loss = -(model.elbo(x, mean, log_variance) + kl).mean() + beta * kl.mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert w.square().item() == pytest.approx(square, abs=2e-3)


def test_the_elbo_in_closed_form_is_what_draws_average_to():
    g = torch.Generator().manual_seed(0)
    model = fit(torch.diag(EIGENVALUES), 2)
    x, mean, log_variance = (
        data()[:1],
        torch.tensor([[0.3, -0.2]]).double(),
        torch.tensor([[-1.0, -0.4]]).double(),
    )
    n = 200_000
    z = mean + (0.5 * log_variance).exp() * torch.randn(n, 2, generator=g, dtype=torch.float64)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    draws = model.log_conditional(x, z) - kl
    assert abs(draws.mean() - model.elbo(x, mean, log_variance)) < 4 * draws.std() / math.sqrt(n)


def test_bad_input():
    with pytest.raises(ValueError, match=r"1 ≤ latent_dim < d, got \(5, 5\) and 5"):
        fit(torch.diag(EIGENVALUES), 5)
    with pytest.raises(ValueError, match=r"covariance \(d, d\)"):
        fit(torch.zeros(3, 2), 1)
    with pytest.raises(ValueError, match="positive on the average, got 0"):
        fit(torch.diag(torch.tensor([1.0, 0.0, 0.0])), 1)
