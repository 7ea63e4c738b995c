"""Linear conjugate gradients: exact in n steps, SciPy's iterates, and the ball's border."""

import pytest
import scipy.sparse.linalg
import torch

from gantut.optim import linear_cg


def system(n=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    root = torch.randn(n, n, generator=g, dtype=torch.float64)
    A = root @ root.T + 0.5 * torch.eye(n, dtype=torch.float64)
    return A, torch.randn(n, generator=g, dtype=torch.float64)


def test_it_solves_in_n_steps_and_agrees_with_scipy():
    A, b = system()
    found = linear_cg(lambda v: A @ v, b, tolerance=1e-12)
    assert torch.allclose(found.x, torch.linalg.solve(A, b), atol=1e-8)
    assert len(found.residuals) <= 9
    path = []
    scipy.sparse.linalg.cg(
        A.numpy(), b.numpy(), rtol=1e-12, maxiter=5, callback=lambda x: path.append(x.copy())
    )
    for k, theirs in enumerate(path, start=1):
        ours = linear_cg(lambda v: A @ v, b, iterations=k)
        assert torch.allclose(ours.x, torch.tensor(theirs), atol=1e-10)
        assert ours.stopped == "iterations"
        assert ours.residuals[-1] == pytest.approx((b - A @ ours.x).norm().item(), abs=1e-10)


def test_a_warm_start():
    A, b = system()
    exact = torch.linalg.solve(A, b)
    assert linear_cg(lambda v: A @ v, b, exact + 1e-14).residuals[0] < 1e-10
    far = linear_cg(lambda v: A @ v, b, torch.ones(8).double())
    assert torch.allclose(far.x, exact, atol=1e-8)
    assert far.residuals[0] == pytest.approx((b - A.sum(1)).norm().item())


def test_clustered_eigenvalues_take_one_step_each():
    """Three different eigenvalues: three steps, in any number of dimensions."""
    diagonal = torch.tensor([1.0, 5.0, 20.0], dtype=torch.float64).repeat(20)
    b = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = linear_cg(lambda v: diagonal * v, b)
    assert len(found.residuals) == 4
    assert torch.allclose(found.x, b / diagonal, atol=1e-9)


def test_why_it_stops():
    diagonal = torch.tensor([1.0, -2.0], dtype=torch.float64)
    b = torch.ones(2, dtype=torch.float64)
    assert linear_cg(lambda v: diagonal * v, b).stopped == "curvature"
    A, c = system()
    assert linear_cg(lambda v: A @ v, c, iterations=2).stopped == "iterations"
    assert linear_cg(lambda v: A @ v, torch.zeros(8).double()).stopped == "converged"


@pytest.mark.parametrize(
    ("operator", "b", "message"),
    [
        (lambda v: v, torch.ones(2, 2), r"a vector b of finite numbers, got shape \(2, 2\)"),
        (lambda v: v, torch.tensor([1.0, torch.nan]), "finite numbers"),
        (lambda v: v[:1], torch.ones(2), r"maps \(2,\) to \(1,\)"),
    ],
)
def test_bad_input(operator, b, message):
    with pytest.raises(ValueError, match=message):
        linear_cg(operator, b)
