"""Conjugate gradients: linear CG on quadratics, SciPy's iterates, and all that can go wrong."""

import itertools
import math

import numpy as np
import pytest
import scipy.optimize
import torch

from gantut.networks import MLPDecoder
from gantut.optim import ConjugateGradient, linear_cg
from gantut.optim.nonlinear import BETA_RULES

EXACT = {"c1": 1e-10, "c2": 1e-9, "max_evaluations": 60}
CONJUGATE = [rule for rule in BETA_RULES if rule != "steepest_descent"]


def quadratic(n=6, seed=0):
    g = torch.Generator().manual_seed(seed)
    root = torch.linalg.qr(torch.randn(n, n, generator=g, dtype=torch.float64)).Q
    A = root @ torch.diag(torch.linspace(1, 8, n, dtype=torch.float64)) @ root.T
    return A, torch.randn(n, generator=g, dtype=torch.float64)


def closure_of(function, parameters, optimizer):
    def closure():
        optimizer.zero_grad()
        loss = function(*parameters)
        loss.backward()
        return loss

    return closure


def iterates(function, start, steps, **options):
    x = torch.as_tensor(start, dtype=torch.float64).clone().requires_grad_()
    optimizer = ConjugateGradient([x], **options)
    path = [x.detach().clone()]
    for _ in range(steps):
        optimizer.step(closure_of(function, [x], optimizer))
        path.append(x.detach().clone())
    return path, optimizer


@pytest.mark.parametrize("search", ["strong_wolfe", "approximate_wolfe"])
@pytest.mark.parametrize("rule", CONJUGATE)
def test_on_quadratics_it_is_linear_cg(rule, search):
    """n steps solve n dimensions, directions are A-conjugate, and the iterates linear CG's."""
    A, b = quadratic()
    path, _ = iterates(
        lambda x: 0.5 * x @ A @ x - b @ x, torch.zeros(6), 6, rule=rule, line_search=search, **EXACT
    )
    assert (A @ path[-1] - b).norm() < 1e-8
    steps = [q - p for p, q in itertools.pairwise(path)]
    for s, t in itertools.combinations(steps, 2):
        assert abs(s @ A @ t) < 1e-8 * ((s @ A @ s) * (t @ A @ t)).sqrt() + 1e-15
    for k, x in enumerate(path):
        assert (linear_cg(lambda v: A @ v, b, iterations=k).x - x).norm() < 1e-8


def test_steepest_descent_is_not():
    A, b = quadratic()
    path, _ = iterates(
        lambda x: 0.5 * x @ A @ x - b @ x, torch.zeros(6), 6, rule="steepest_descent", **EXACT
    )
    assert (A @ path[-1] - b).norm() > 1e-2


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def beale(x):
    return sum((c - x[0] + x[0] * x[1] ** k) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


PROBLEMS = {
    "rosenbrock": (rosenbrock, [-1.2, 1.0], 1e-6),
    "beale": (beale, [1.0, 1.0], 1e-6),
    "himmelblau": (himmelblau, [1.0, 1.0], 1e-6),
    "rosenbrock of 4": (rosenbrock, [-1.2, 1.0, -1.2, 1.0], 1e-3),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_iterates_agree_with_scipy(name):
    """SciPy's rule is Polak–Ribière+. With searches nearly exact both take the same steps."""
    function, start, tolerance = PROBLEMS[name]

    def gradient(v):
        x = torch.tensor(v, requires_grad=True)
        return torch.autograd.grad(function(x), x)[0].numpy()

    theirs = [np.array(start)]
    scipy.optimize.minimize(
        lambda v: function(torch.tensor(v)).item(),
        start,
        jac=gradient,
        method="CG",
        options={"c1": 1e-9, "c2": 1e-8, "gtol": 1e-9, "maxiter": 12},
        callback=lambda v: theirs.append(v.copy()),
    )
    ours, _ = iterates(
        function,
        start,
        len(theirs) - 1,
        rule="polak_ribiere_plus",
        c1=1e-9,
        c2=1e-8,
        max_evaluations=60,
    )
    assert len(theirs) > 6
    assert max(np.abs(a.numpy() - b).max() for a, b in zip(ours, theirs, strict=True)) < tolerance


@pytest.mark.parametrize("rule", CONJUGATE)
@pytest.mark.parametrize("search", ["strong_wolfe", "approximate_wolfe"])
def test_every_rule_minimises_and_stays_there(rule, search):
    for name in ("beale", "himmelblau", "rosenbrock of 4"):
        function, start, _ = PROBLEMS[name]
        x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        optimizer = ConjugateGradient([x], rule=rule, line_search=search, powell=0.5)
        closure = closure_of(function, [x], optimizer)
        steps = 0
        while function(x) >= 1e-8 and steps < 300:
            optimizer.step(closure)
            steps += 1
        for _ in range(3):
            optimizer.step(closure)
        assert function(x) < 1e-8, name
        assert optimizer.report["evaluations"] < 26 * (steps + 3)


@pytest.mark.parametrize("rule", BETA_RULES)
def test_beta_by_hand(rule):
    """Two fixed steps from given gradients: d₁ = −g₀, d₂ = −g₁ + β d₁ with the textbook's β."""
    g0, g1 = torch.tensor([1.0, 2.0]).double(), torch.tensor([0.5, -1.0]).double()
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = ConjugateGradient([x], rule=rule, line_search=None, lr=0.1)
    for g in (g0, g1):
        x.grad = g.clone()
        optimizer.step()
    d, y = -0.1 * g0, g1 - g0
    gg, gy, last, dy = 0.1 * g1 @ g1, 0.1 * g1 @ y, 0.1 * g0 @ g0, d @ y
    fr, pr, hs, dai_yuan = gg / last, gy / last, gy / dy, gg / dy
    hz = (gy - 2 * 0.1 * (y @ y) * (d @ g1) / dy) / dy
    expected = {
        "steepest_descent": 0.0,
        "fletcher_reeves": fr,
        "polak_ribiere": pr,
        "polak_ribiere_plus": max(0.0, pr),
        "hestenes_stiefel": hs,
        "hestenes_stiefel_plus": max(0.0, hs),
        "dai_yuan": dai_yuan,
        "hager_zhang": hz,
    }[rule]
    assert optimizer.report["beta"] == pytest.approx(float(expected), rel=1e-12)
    assert torch.allclose(x.detach(), d + (-0.1 * g1 + expected * d), atol=1e-15)


def test_groups_are_a_preconditioner():
    """With the inverse diagonal as learning rates one step solves a diagonal quadratic."""
    scales = torch.tensor([1.0, 100.0]).double()
    for rates, gone in (((1.0, 0.01), True), ((1.0, 1.0), False)):
        x, y = (torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in range(2))
        optimizer = ConjugateGradient(
            [{"params": [x], "lr": rates[0]}, {"params": [y], "lr": rates[1]}], **EXACT
        )
        optimizer.step(
            closure_of(
                lambda x, y: 0.5 * (scales[0] * x * x + scales[1] * y * y).sum(), [x, y], optimizer
            )
        )
        assert (abs(x.item()) + abs(y.item()) < 1e-7) == gone


def test_several_tensors_are_one_vector():
    A, b = quadratic()
    path, _ = iterates(lambda x: 0.5 * x @ A @ x - b @ x, torch.zeros(6), 4, **EXACT)
    x, y = (
        torch.zeros(2, 2, dtype=torch.float64, requires_grad=True),
        torch.zeros(2, dtype=torch.float64, requires_grad=True),
    )
    optimizer = ConjugateGradient([x, y], **EXACT)

    def function(x, y):
        z = torch.cat([x.flatten(), y])
        return 0.5 * z @ A @ z - b @ z

    for _ in range(4):
        optimizer.step(closure_of(function, [x, y], optimizer))
    assert torch.allclose(torch.cat([x.flatten(), y]).detach(), path[-1], atol=1e-10)


def test_iterations_in_one_call_are_steps_with_fewer_evaluations():
    one, single = iterates(rosenbrock, [-1.2, 1.0], 8)
    many, several = iterates(rosenbrock, [-1.2, 1.0], 1, iterations=8)
    assert torch.allclose(one[-1], many[-1], atol=1e-9)
    assert several.report["evaluations"] == single.report["evaluations"] - 7


def test_state_is_saved_and_resumed_to_the_last_bit():
    def run(interrupt):
        x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
        optimizer = ConjugateGradient([x], rule="polak_ribiere_plus")
        for k in range(10):
            if k == interrupt:
                state, value = optimizer.state_dict(), x.detach().clone()
                x = value.requires_grad_()
                optimizer = ConjugateGradient([x], rule="polak_ribiere_plus")
                optimizer.load_state_dict(state)
            optimizer.step(closure_of(rosenbrock, [x], optimizer))
        return x.detach(), optimizer.report["evaluations"]

    (a, calls), (b, again) = run(None), run(4)
    assert torch.equal(a, b) and calls == again


def test_powells_restart_and_the_bound_on_beta():
    """Each step is compared with |g·g₋| ≥ ν g·g, computed here from the gradients."""
    x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = ConjugateGradient([x], rule="polak_ribiere_plus", powell=0.2, clip=(0.0, 0.4))
    last, seen = None, []
    for _ in range(30):
        gradient = torch.autograd.grad(rosenbrock(x), x)[0]
        optimizer.step(closure_of(rosenbrock, [x], optimizer))
        if last is not None:
            lost = (gradient @ last).abs() >= 0.2 * gradient @ gradient
            beta = max(0.0, (gradient @ (gradient - last) / (last @ last)).item())
            seen.append((bool(lost), beta > 0.4))
            expected = 0.0 if lost else min(0.4, beta)
            assert optimizer.report["beta"] == pytest.approx(expected, rel=1e-9)
        last = gradient
    assert (True, False) in seen or (True, True) in seen
    assert (False, False) in seen
    assert (False, True) in seen
    assert optimizer.report["restarts"] == sum(lost for lost, _ in seen)


def test_the_default_search_asks_for_a_ten_thousandth_of_the_promise():
    """The first trial, a = 1, keeps 0.002 of the promised decrease and is flat: it is taken."""

    def shallow(x):  # value 0 and slope −1 at 0, value −0.002 and slope 0 at 1
        return (-x + 1.994 * x**2 - 0.996 * x**3).sum()

    for search in ("strong_wolfe", "approximate_wolfe"):
        path, optimizer = iterates(shallow, [0.0], 1, line_search=search)
        assert path[-1].item() == 1
        assert optimizer.report["evaluations"] == 2


def test_a_failed_search_falls_back_and_then_says_that_it_stalled():
    """Where only −g can be searched, it falls back to −g; where nothing can, nothing moves."""
    scales = torch.tensor([1.0, 4.0])

    def function(y):
        return (y * y * scales).sum()

    for everywhere in (False, True):
        y = torch.tensor([2.0, 1.0], dtype=torch.float64, requires_grad=True)
        optimizer = ConjugateGradient([y], rule="fletcher_reeves", max_evaluations=8)
        optimizer.step(closure_of(function, [y], optimizer))
        place = y.detach().clone()
        downhill = -2 * scales * place

        def walled(y, place=place, downhill=downhill, everywhere=everywhere):
            moved = y.detach() - place
            along = torch.cosine_similarity(moved, downhill, dim=0) > 1 - 1e-9
            fine = not moved.any() or (along and not everywhere)
            return function(y) if fine else function(y) * math.nan

        optimizer.step(closure_of(walled, [y], optimizer))
        assert optimizer.report["fallbacks"] == 1
        assert optimizer.report["stalled"] == everywhere
        assert torch.equal(y.detach(), place) == everywhere
        optimizer.step(closure_of(function, [y], optimizer))
        assert not optimizer.report["stalled"]
        assert function(y) < function(place)


def test_at_the_minimum_nothing_moves():
    path, optimizer = iterates(lambda x: (x * x).sum(), torch.zeros(3), 2)
    assert torch.equal(path[-1], torch.zeros(3).double()) and optimizer.report["evaluations"] == 2


def test_a_network_and_float32():
    network = MLPDecoder(2, (3,), hidden=(8,), seed=0)
    z, x = torch.randn(2, 32, 3, generator=torch.Generator().manual_seed(0)).unbind()
    optimizer = ConjugateGradient(network.parameters(), iterations=20)
    losses = [
        optimizer.step(
            closure_of(lambda *_: (network(z[:, :2]) - x).square().sum(1).mean(), [], optimizer)
        ).item()
        for _ in range(3)
    ]
    assert losses[2] < losses[0] < 3.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "pr"}, "unknown rule 'pr'; known: steepest_descent, "),
        ({"line_search": "armijo"}, "unknown line_search 'armijo'; known: strong_wolfe, approx"),
        ({"lr": 0.0}, "lr must be a finite number > 0, got 0"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"max_evaluations": 0}, "max_evaluations must be at least 1, got 0"),
        ({"c1": 0.2}, r"0 < c1 < c2 < 1, got \(0.2, 0.1\)"),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(ValueError, match=message):
        ConjugateGradient([torch.ones(2, requires_grad=True)], **options)


@pytest.mark.parametrize(
    ("closure", "error", "message"),
    [
        (None, ValueError, "needs a closure"),
        (lambda x: 1.0, TypeError, "a tensor with one number; got float"),
        (lambda x: torch.zeros(2), TypeError, r"one number; got \(2,\)"),
        (lambda x: x.sum(), ValueError, "no parameter has a gradient"),
    ],
)
def test_bad_closures(closure, error, message):
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(error, match=message):
        ConjugateGradient([x]).step(closure and (lambda: closure(x)))


def test_not_finite():
    x = torch.ones(2, requires_grad=True)
    optimizer = ConjugateGradient([x])
    with pytest.raises(ValueError, match="the loss nan; expected a finite number"):
        optimizer.step(closure_of(lambda x: (x * math.nan).sum(), [x], optimizer))
    x.grad = torch.tensor([1.0, math.inf])
    with pytest.raises(ValueError, match="1 of 2 gradient values are NaN or infinite"):
        ConjugateGradient([x], line_search=None).step()
