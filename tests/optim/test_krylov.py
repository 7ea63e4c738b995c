"""Linear conjugate gradients, Hessian products, and Newton's method in a trust region."""

import math

import pytest
import scipy.sparse.linalg
import torch

from gantut.networks import MLPDecoder
from gantut.optim import NewtonCG, hessian_product, linear_cg
from gantut.optim.linear import dense


def system(n=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    root = torch.randn(n, n, generator=g, dtype=torch.float64)
    return root @ root.T + 0.5 * torch.eye(n, dtype=torch.float64), torch.randn(
        n, generator=g, dtype=torch.float64
    )


def test_it_solves_in_n_steps_and_agrees_with_scipy():
    A, b = system()
    found = linear_cg(lambda v: A @ v, b, tolerance=1e-12)
    assert (
        torch.allclose(found.x, torch.linalg.solve(A, b), atol=1e-8) and len(found.residuals) <= 9
    )
    path = []
    scipy.sparse.linalg.cg(
        A.numpy(), b.numpy(), rtol=1e-12, maxiter=5, callback=lambda x: path.append(x.copy())
    )
    for k, theirs in enumerate(path, start=1):
        ours = linear_cg(lambda v: A @ v, b, iterations=k)
        assert torch.allclose(ours.x, torch.tensor(theirs), atol=1e-10)
        assert ours.stopped == "iterations"


def test_damping_and_a_warm_start():
    A, b = system()
    shifted = A + 3 * torch.eye(8, dtype=torch.float64)
    assert torch.allclose(
        linear_cg(lambda v: A @ v, b, damping=3.0).x, torch.linalg.solve(shifted, b), atol=1e-8
    )
    exact = torch.linalg.solve(A, b)
    assert linear_cg(lambda v: A @ v, b, exact + 1e-14).residuals[0] < 1e-10


def test_clustered_eigenvalues_take_one_step_each():
    """Three different eigenvalues: three steps, in any number of dimensions."""
    diagonal = torch.tensor([1.0, 5.0, 20.0], dtype=torch.float64).repeat(20)
    b = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = linear_cg(lambda v: diagonal * v, b)
    assert len(found.residuals) == 4 and torch.allclose(found.x, b / diagonal, atol=1e-9)


def test_negative_curvature_and_the_border():
    diagonal = torch.tensor([1.0, -2.0], dtype=torch.float64)
    b = torch.ones(2, dtype=torch.float64)
    assert linear_cg(lambda v: diagonal * v, b).stopped == "curvature"
    found = linear_cg(lambda v: diagonal * v, b, radius=3.0)
    assert found.stopped == "curvature" and found.x.norm().item() == pytest.approx(3.0)
    A, c = system()
    short = linear_cg(lambda v: A @ v, c, radius=1e-3)
    assert short.stopped == "radius" and short.x.norm().item() == pytest.approx(1e-3)
    assert linear_cg(lambda v: A @ v, torch.zeros(8).double()).stopped == "converged"


def test_hessian_products():
    x = torch.randn(
        5, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True
    )
    y = torch.randn(
        2, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True
    )

    def loss(z):
        return (z[:5].exp() * z[2]).sum() + (z[5] * z[0]) ** 2 + z[6] ** 4

    z = torch.cat([x, y]).detach().requires_grad_()
    exact = torch.autograd.functional.hessian(loss, z)
    product = hessian_product(loss(torch.cat([x, y])), [x, y])
    assert torch.allclose(dense(product, 7), exact, atol=1e-12)
    linear = hessian_product((x * 2).sum() + y.sum(), [x, y])
    assert not linear(torch.ones(7).double()).any()


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@pytest.mark.parametrize(
    "start", [[-1.2, 1.0], [2.0, 2.0, -1.0, 0.5], [0.0] * 6, [-3.0, -4.0, 5.0]]
)
def test_newton_cg_is_reliable_and_fast(start):
    """A global convergence from bad starts (there are local minima in more than three dimensions), and a quadratic end."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = NewtonCG([x])
    lengths = []
    for _ in range(120):
        before = optimizer.step(lambda: rosenbrock(x)).item()
        lengths.append(torch.autograd.grad(rosenbrock(x), x)[0].norm().item())
        if lengths[-1] < 1e-10:
            break
        assert rosenbrock(x).item() <= before + 1e-15
    assert lengths[-1] < 1e-10 and rosenbrock(x).item() < 5


def test_a_saddle_is_left():
    """f = x⁴/4 − x²/2 + y²/2 near its saddle at 0: negative curvature leads to a minimum at x = ±1."""
    z = torch.tensor([1e-3, 0.5], dtype=torch.float64, requires_grad=True)
    optimizer = NewtonCG([z])
    for _ in range(30):
        optimizer.step(lambda: z[0] ** 4 / 4 - z[0] ** 2 / 2 + z[1] ** 2 / 2)
    assert abs(abs(z[0].item()) - 1) < 1e-8 and abs(z[1].item()) < 1e-8


def test_a_network():
    network = MLPDecoder(2, (3,), hidden=(8,), activation="tanh", seed=0).double()
    z, x = torch.randn(
        2, 32, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).unbind()
    optimizer = NewtonCG(network.parameters())

    def loss():
        return (network(z[:, :2]) - x).square().sum(1).mean()

    first = loss().item()
    for _ in range(40):
        optimizer.step(loss)
    assert loss().item() < 0.6 * first
    assert optimizer.report["products"] > 40


def test_bad_input():
    x = torch.ones(2, requires_grad=True)
    for make, error, message in (
        (lambda: NewtonCG([x], radius=0.0), ValueError, "0 < radius ≤ max_radius"),
        (lambda: NewtonCG([x]).step(), ValueError, "needs a closure"),
        (lambda: NewtonCG([x]).step(lambda: 3.0), TypeError, "one number; got float"),
        (
            lambda: NewtonCG([x]).step(lambda: torch.ones(())),
            ValueError,
            "does not depend on any parameter",
        ),
        (lambda: NewtonCG([x]).step(lambda: (x * math.nan).sum()), ValueError, "not finite"),
        (
            lambda: linear_cg(lambda v: v, torch.ones(2, 2)),
            ValueError,
            r"a vector b of finite numbers, got shape \(2, 2\)",
        ),
        (lambda: linear_cg(lambda v: v[:1], torch.ones(2)), ValueError, r"maps \(2,\) to \(1,\)"),
    ):
        with pytest.raises(error, match=message):
            make()
