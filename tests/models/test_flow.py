"""Flow matching: the field, the loss and the transport against a Gaussian's closed forms."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from gantut.models import Flow, VelocityMLP
from gantut.training import FlowTrainer

MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.6, 0.5], [0.5, 1.3]], dtype=torch.float64)
DATA = MultivariateNormal(MEAN, COVARIANCE)


def seed(k):
    return torch.Generator().manual_seed(k)


def examples(n, k=0):
    factor = torch.linalg.cholesky(COVARIANCE)
    return MEAN + torch.randn(n, 2, generator=seed(k), dtype=torch.float64) @ factor.T


class Exact(nn.Module):
    """E[x − ε | x_t] = μ + (tΣ − (1 − t)I)(t²Σ + (1 − t)²I)⁻¹(x_t − tμ), plus Σ_k θ_k f_k."""

    dimension = 2

    def __init__(self, sign=-1.0):
        super().__init__()
        self.theta, self.sign = nn.Parameter(torch.zeros(5, 2, dtype=torch.float64)), sign

    def forward(self, x, t):
        t = t[:, None, None]
        eye = torch.eye(2, dtype=torch.float64)
        joint = t * COVARIANCE + self.sign * (1 - t) * eye
        spread = t**2 * COVARIANCE + (1 - t) ** 2 * eye
        centred = (x - t[:, 0] * MEAN)[..., None]
        t = t[:, 0]
        features = torch.cat([torch.ones_like(t), t, x, t * x[:, :1]], 1)
        return MEAN + (joint @ torch.linalg.solve(spread, centred))[..., 0] + features @ self.theta


def slope(field, n=40_000):
    """The mean slope of the flow's loss in θ, and its standard error."""
    flow = Flow(field)
    x, source, parts = examples(n), seed(1), []
    for chunk in x.split(n // 40):
        loss = flow(chunk, generator=source)
        assert loss.shape == (n // 40,)
        parts.append(torch.autograd.grad(loss.mean(), field.theta)[0])
    parts = torch.stack(parts)
    return parts.mean(0), parts.std(0) / math.sqrt(len(parts))


def test_the_loss_is_least_at_the_closed_form_of_the_field():
    """No feature of place and time lowers it: its slope is 0 there, and not 0 at a wrong field."""
    found, error = slope(Exact())
    assert (found.abs() < 4.5 * error).all() and error.max() < 0.1
    wrong, error = slope(Exact(sign=1.0))
    assert (wrong.abs() > 20 * error).any()


def test_the_loss_by_hand():
    velocity = VelocityMLP(3, hidden=(8,), seed=1)
    x, source = torch.randn(6, 3, generator=seed(0)), seed(2)
    t, noise = torch.rand(6, generator=source), torch.randn(6, 3, generator=source)
    expected = []
    for k in range(6):
        there = (1 - t[k]) * noise[k] + t[k] * x[k]
        v = velocity(there[None], t[k : k + 1])[0]
        expected.append(sum((v - x[k] + noise[k]) ** 2))
    found = Flow(velocity)(x, generator=seed(2))
    assert torch.allclose(found, torch.stack(expected), atol=1e-5)


@pytest.mark.parametrize("method", ["euler", "midpoint"])
def test_transport_carries_noise_to_the_data(method):
    """On each axis of Σ the field carries ε to μ + √λ ε."""
    start = torch.randn(50, 2, generator=seed(0), dtype=torch.float64)
    values, axes = torch.linalg.eigh(COVARIANCE)
    exact = MEAN + start @ (axes * values.sqrt()) @ axes.T
    found = Flow(Exact()).transport(start, steps=200, method=method)
    assert torch.allclose(found, exact, atol={"euler": 0.02, "midpoint": 1e-5}[method])


class Growth(nn.Module):
    """dx/dt = x cos(2t) carries x to x exp(sin(2) / 2). For a Gaussian's field h² has no share."""

    dimension = 1

    def forward(self, x, t):
        return x * (2 * t)[:, None].cos()


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2)])
def test_halving_the_steps_length_divides_the_error_by_2_to_the_order(method, order):
    start = torch.ones(1, 1, dtype=torch.float64)
    errors = [
        abs(Flow(Growth()).transport(start, steps=n, method=method).item() - exact)
        for exact in [math.exp(math.sin(2) / 2)]
        for n in (40, 80, 160)
    ]
    orders = [math.log2(a / b) for a, b in zip(errors, errors[1:], strict=False)]
    assert orders == pytest.approx([order, order], abs=0.1)


def test_a_trained_flow_draws_from_the_data():
    trainer = FlowTrainer(Flow(VelocityMLP(2, hidden=(64, 64), seed=1)), lr=5e-3, device="cpu")
    history = trainer.fit([examples(256, k).float() for k in range(40)], 400)["velocity"]
    # What is left is the spread of the lines through a point: the loss of the exact field.
    with torch.no_grad():
        floor = Flow(Exact())(examples(20_000, 99), generator=seed(1)).mean().item()
    assert sum(history[-100:]) / 100 == pytest.approx(floor, rel=0.08)
    draws = trainer.sample(4000, seed=3).double()
    assert torch.allclose(draws.mean(0), MEAN, atol=0.15)
    assert torch.allclose(torch.cov(draws.T), COVARIANCE, atol=0.25)
    assert torch.equal(trainer.sample(5, seed=3), trainer.sample(5, seed=3))
    assert not torch.equal(trainer.sample(5, seed=3), trainer.sample(5, seed=4))


def test_labels_matter_and_follow_their_examples():
    trainer = FlowTrainer(Flow(VelocityMLP(1, hidden=(32,), classes=2)), lr=1e-2, device="cpu")
    labels = torch.arange(128) % 2
    x = (6.0 * labels - 3)[:, None] + 0.1 * torch.randn(128, 1, generator=seed(0))
    trainer.fit([(x, labels)], 200)
    draws = trainer.sample(40, seed=0)[:, 0]  # the labels run through the classes in turn
    assert (draws[::2] < -1.5).all() and (draws[1::2] > 1.5).all()
    start, order = torch.randn(128, 1, generator=seed(1)), torch.randperm(128, generator=seed(2))
    flow = trainer.flow
    whole = flow.transport(start, labels, steps=3)
    assert torch.allclose(whole[order], flow.transport(start[order], labels[order], steps=3))


def test_resuming_to_the_last_bit(tmp_path):
    data = [examples(32, k).float() for k in range(6)]

    def fresh():
        return FlowTrainer(Flow(VelocityMLP(2, hidden=(8,))), device="cpu")

    whole, first, second = fresh(), fresh(), fresh()
    list(whole.run(data, 5))
    list(first.run(data[:3], 3))
    first.save(tmp_path / "a.pt")
    second.load(tmp_path / "a.pt")
    list(second.run(data[3:], 2))
    for p, q in zip(whole.flow.parameters(), second.flow.parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_precisions(precision):
    trainer = FlowTrainer(
        Flow(VelocityMLP(2, hidden=(8,))), lr=1e-2, precision=precision, device="cpu"
    )
    history = trainer.fit([examples(64).float()], 30)["velocity"]
    assert sum(history[-5:]) < sum(history[:5])


def test_any_module_will_do():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x, t):
            return self.layer(torch.cat([x, t[:, None]], 1))

    flow = Flow(Plain(), dimension=2)
    FlowTrainer(flow, device="cpu").fit([torch.randn(8, 2)], 2)
    assert flow.sample(3, steps=2).shape == (3, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: Flow(nn.Identity()), "dimension must be at least 1, got 0"),
        (lambda f: f(torch.zeros(3, 1, 2)), r"vectors of shape \(N, 2\), got \(3, 1, 2\)"),
        (lambda f: f.sample(3, steps=0), "steps must be at least 1, got 0"),
        (lambda f: f.sample(3, method="heun"), "unknown method 'heun'; known: euler, midpoint"),
        (lambda f: f(torch.zeros(3, 2), torch.zeros(3).long()), "unconditional"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(Flow(VelocityMLP(2, hidden=(4,))))
