"""Hessian products, and Newton's method in a trust region."""

import math

import pytest
import torch

from gantut.networks import MLPDecoder
from gantut.optim import NewtonCG
from gantut.optim.newton import hessian_product


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def test_hessian_products():
    g = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, generator=g).double().requires_grad_() for n in (5, 2))

    def loss(z):
        return (z[:5].exp() * z[2]).sum() + (z[5] * z[0]) ** 2 + z[6] ** 4

    exact = torch.autograd.functional.hessian(loss, torch.cat([x, y]).detach())
    product = hessian_product(loss(torch.cat([x, y])), [x, y])
    columns = [product(column) for column in torch.eye(7).double()]
    assert torch.allclose(torch.stack(columns, 1), exact, atol=1e-12)
    linear = hessian_product((x * 2).sum() + y.sum(), [x, y])
    assert not linear(torch.ones(7).double()).any()


@pytest.mark.parametrize(
    "start", [[-1.2, 1.0], [2.0, 2.0, -1.0, 0.5], [0.0] * 6, [-3.0, -4.0, 5.0]]
)
def test_it_converges_from_bad_starts_and_never_rises(start):
    """To a minimum, not always the global one: there are others in more than three dimensions."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer, lengths, value = NewtonCG([x]), [], rosenbrock(x).item()
    while len(lengths) < 120 and (not lengths or lengths[-1] > 1e-10):
        reported = optimizer.step(lambda: rosenbrock(x)).item()
        assert reported == rosenbrock(x).item() <= value + 1e-15
        value = reported
        lengths.append(torch.autograd.grad(rosenbrock(x), x)[0].norm().item())
    assert lengths[-1] < 1e-10
    assert value < 5
    # Superlinear: the last step shortens the gradient far more than tenfold.
    assert lengths[-1] < 1e-2 * lengths[-2]


def test_the_inner_solve_grows_ever_more_exact():
    """In 40 dimensions, where a rough solve would only halve the gradient at each step."""
    scales = torch.linspace(1, 100, 40, dtype=torch.float64)
    x = torch.ones(40, dtype=torch.float64, requires_grad=True)
    optimizer, lengths = NewtonCG([x]), []

    def loss():
        return (0.5 * scales * (x - 0.5) ** 2 + 0.25 * x**4).sum()

    for _ in range(16):
        optimizer.step(loss)
        lengths.append(torch.autograd.grad(loss(), x)[0].norm().item())
    assert min(lengths) < 1e-9


def test_a_saddle_is_left():
    """f = x⁴/4 − x²/2 + y²/2 from near its saddle at 0 to a minimum at x = ±1."""
    z = torch.tensor([1e-3, 0.5], dtype=torch.float64, requires_grad=True)
    optimizer = NewtonCG([z])
    for _ in range(30):
        optimizer.step(lambda: z[0] ** 4 / 4 - z[0] ** 2 / 2 + z[1] ** 2 / 2)
    assert abs(abs(z[0].item()) - 1) < 1e-8
    assert abs(z[1].item()) < 1e-8


def test_a_network():
    network = MLPDecoder(2, (3,), hidden=(8,), activation="tanh", seed=0).double()
    g = torch.Generator().manual_seed(0)
    z, x = torch.randn(2, 32, 3, generator=g, dtype=torch.float64).unbind()
    optimizer = NewtonCG(network.parameters())

    def loss():
        return (network(z[:, :2]) - x).square().sum(1).mean()

    first = loss().item()
    for _ in range(40):
        optimizer.step(loss)
    assert loss().item() < 0.6 * first
    assert optimizer.report["evaluations"] == 80


@pytest.mark.parametrize(
    ("closure", "error", "message"),
    [
        (lambda x: 3.0, TypeError, "a tensor with one number; got float"),
        (lambda x: x, TypeError, r"a tensor with one number; got \(2,\)"),
        (lambda x: torch.ones(()), ValueError, "does not depend on any parameter"),
        (lambda x: (x * math.nan).sum(), ValueError, "not finite"),
    ],
)
def test_bad_closures(closure, error, message):
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(error, match=message):
        NewtonCG([x]).step(lambda: closure(x))
