"""The search for a code, against the closed form of a linear model, and what is refused."""

import pytest
import torch

from gantut import networks
from gantut.applications.restoration import energy, search

G = torch.Generator().manual_seed(0)
W, M = (
    torch.randn(6, 2, generator=G, dtype=torch.float64),
    torch.randn(6, generator=G, dtype=torch.float64),
)
Y = torch.randn(5, 6, generator=G, dtype=torch.float64)


def linear(z):
    return z @ W.T + M


def closed(y, mask, sigma):
    """(WᵀAW/σ² + I)⁻¹ WᵀA(y − m)/σ² with A the observed pixels."""
    A = torch.diag(mask)
    return torch.linalg.solve(
        W.T @ A @ W / sigma**2 + torch.eye(2), W.T @ A @ (y - M).T / sigma**2
    ).T


def test_the_energy():
    z = torch.tensor([[1.0, 2.0]])
    decoded, observed = torch.tensor([[3.0, 0.0, 1.0]]), torch.tensor([[1.0, 1.0, 1.0]])
    assert energy(decoded, observed, z, sigma=0.5).item() == 5 / 0.5 + 2.5
    assert (
        energy(decoded, observed, z, sigma=0.5, mask=torch.tensor([0.0, 1, 1])).item()
        == 1 / 0.5 + 2.5
    )


@pytest.mark.parametrize(
    "mask", [torch.ones(6).double(), torch.tensor([1.0, 0, 1, 1, 0, 1]).double()]
)
def test_a_linear_decoder_gives_the_closed_form(mask):
    found = search(linear, Y, latent_dim=2, sigma=0.7, mask=mask, steps=400, restarts=2)
    assert (found.z - closed(Y, mask, 0.7)).abs().max() < 1e-3
    assert torch.allclose(found.images, linear(found.z))
    assert torch.allclose(found.energy, energy(found.images, Y, found.z, sigma=0.7, mask=mask))


def test_the_best_place_is_kept():
    # Two valleys for each image, one deeper by the prior.
    def folded(z):
        return (z - 0.5).square()

    y = torch.tensor([[1.0], [1.0]])
    alone = [
        search(folded, y, latent_dim=1, sigma=0.1, restarts=1, seed=seed).energy
        for seed in range(6)
    ]
    together = search(folded, y, latent_dim=1, sigma=0.1, restarts=24)
    assert max(one.max() for one in alone) > together.energy.max() + 0.5
    assert together.energy.max() <= min(one.min() for one in alone) + 1e-3


def test_a_start_is_used_and_the_model_gets_no_gradient():
    generator = networks.MLPGenerator(2, (1, 4, 4), hidden=(8,))
    z = torch.tensor([[3.0, -3.0]])
    with torch.no_grad():
        y = generator(z)
    found = search(generator, y, latent_dim=2, sigma=1e-3, start=z, restarts=1, steps=1, lr=1e-6)
    assert (found.z - z).abs().max() < 1e-5
    assert all(p.grad is None for p in generator.parameters())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sigma": 0.0}, "sigma must be a finite number > 0, got 0"),
        ({"sigma": float("nan")}, "sigma must be a finite number > 0, got nan"),
        ({"restarts": 0}, "restarts must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
    ],
)
def test_bad_numbers(wrong, message):
    with pytest.raises(ValueError, match=message):
        search(linear, Y, **{"latent_dim": 2, "sigma": 1.0, **wrong})


def test_a_decoder_of_another_shape():
    with pytest.raises(ValueError, match=r"decode gives \(20, 6\) for observed images \(20, 4\)"):
        search(linear, Y[:, :4], latent_dim=2, sigma=1.0)


def test_the_energy_is_the_posteriors_of_a_standard_normal_prior():
    """Up to a constant: −log N(y; Wz + m, σ²) − log N(z; 0, I), by torch's normals."""
    normal = torch.distributions.Normal
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    exact = -normal(linear(z), 0.7).log_prob(Y).sum(1) - normal(0.0, 1.0).log_prob(z).sum(1)
    exact0 = -normal(linear(0 * z), 0.7).log_prob(Y).sum(1) - 2 * normal(0.0, 1.0).log_prob(
        torch.zeros(()).double()
    )
    ours = energy(linear(z), Y, z, sigma=0.7) - energy(linear(0 * z), Y, 0 * z, sigma=0.7)
    assert torch.allclose(ours, exact - exact0)
