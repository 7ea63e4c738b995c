"""What must hold of each subject.

A check takes an implementation, and raises ``Rejected`` with a sentence that names the mistake.

The checks of a subject run in order, from the general (shape) to the particular, so that the first
failure says most.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Check = Callable[[Any], None]
CHECKS: dict[str, list[Check]] = {}


class Rejected(AssertionError):  # noqa: N818 - it is a verdict on the subject, and no error here
    """An implementation is wrong; the message says what it does and what was expected."""


def expect(holds: bool | Tensor, message: str) -> None:
    if not bool(holds):
        raise Rejected(message)


def check(*subjects: str) -> Callable[[Check], Check]:
    """Register a check for one or more subjects."""

    def register(function: Check) -> Check:
        for subject in subjects:
            CHECKS.setdefault(subject, []).append(function)
        return function

    return register


def run_checks(subject: str, implementation: Any) -> None:
    """Run all checks of a subject on an implementation; any error it raises counts as a rejection.

    Raises:
        ValueError: the subject is unknown.
        Rejected: the first check that fails; its message begins with the check's name.
    """
    failure = first_failure(subject, implementation)
    if failure is not None:
        name, message = failure
        raise Rejected(f"{name}: {message}")


def first_failure(subject: str, implementation: Any) -> tuple[str, str] | None:
    """Name and message of the first check that rejects the implementation, or None."""
    if subject not in CHECKS:
        raise ValueError(f"unknown subject {subject!r}; known: {', '.join(CHECKS)}")
    with torch.random.fork_rng(devices=[]):  # the checks may draw, and leave no trace of it
        torch.default_generator.manual_seed(0)
        for function in CHECKS[subject]:
            try:
                function(implementation)
            except Rejected as rejection:
                return function.__name__, str(rejection)
            except (
                Exception
            ) as error:  # whatever a submission raises, it is a rejection and not a crash
                return function.__name__, f"it raises {type(error).__name__}: {error}"
    return None


def tensor(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def close(a: Any, b: Any, tolerance: float = 1e-6) -> bool:
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    return (
        a.shape == b.shape
        and bool(torch.isfinite(a).all())
        and bool((a - b).abs().max() <= tolerance)
    )


def slope(f: Callable[[Tensor], Tensor], at: float) -> float:
    v = tensor(at).requires_grad_()
    (gradient,) = torch.autograd.grad(f(v).sum(), v)
    return gradient.item()


def sp(v: float) -> float:
    """softplus(v), by the standard library."""
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


# -- adversarial losses: (real_logits, fake_logits) -> (N,), minimised

REAL, FAKE = (2.0, 0.5, -1.0), (-1.5, 0.25, 0.7)
FORMULAS: dict[str, Callable[[float, float], float]] = {
    "minimax_discriminator": lambda r, f: sp(-r) + sp(f),
    "minimax_generator": lambda r, f: -sp(f),
    "non_saturating_generator": lambda r, f: sp(-f),
    "hinge_discriminator": lambda r, f: max(0.0, 1 - r) + max(0.0, 1 + f),
    "hinge_generator": lambda r, f: -f,
    "wasserstein_discriminator": lambda r, f: f - r,
    "wasserstein_generator": lambda r, f: -f,
    "least_squares_discriminator": lambda r, f: 0.5 * (r - 1) ** 2 + 0.5 * f**2,
    "least_squares_generator": lambda r, f: 0.5 * (f - 1) ** 2,
    "label_smoothing_discriminator": lambda r, f: 0.9 * sp(-r) + 0.1 * sp(r) + sp(f),
    "relativistic_discriminator": lambda r, f: sp(f - r),
    "relativistic_generator": lambda r, f: sp(r - f),
    "f_kl_discriminator": lambda r, f: math.exp(f - 1) - r,
}


def _adversarial(subject: str, formula: Callable[[float, float], float]) -> None:
    """The four checks that every adversarial loss passes, as functions with names of their own."""

    def one_number_per_example(loss: Any) -> None:
        value = loss(tensor(*REAL), tensor(*FAKE))
        expect(
            value.shape == (3,),
            f"for 3 real and 3 fake logits it returns shape {tuple(value.shape)}; a loss is one "
            "number per example, (3,): no mean inside, "
            "and no broadcasting of (N, 1) against (N,)",
        )

    def the_fake_slope_has_the_right_sign(loss: Any) -> None:
        at, step = (-0.3, 1e-4)
        wanted = formula(0.4, at + step) - formula(0.4, at - step)
        found = slope(lambda v: loss(tensor(0.4), v), at)
        direction = "up" if wanted < 0 else "down"
        expect(
            found * wanted > 0,
            f"its slope in a fake logit is {found:.3g}: it does not push fake logits {direction}, "
            "as this player must",
        )

    def the_value_is_the_formula(loss: Any) -> None:
        expected = [formula(r, f) for r, f in zip(REAL, FAKE, strict=True)]
        found = loss(tensor(*REAL), tensor(*FAKE))
        text = (
            ", ".join(f"{v:.4f}" for v in found.tolist()),
            ", ".join(f"{v:.4f}" for v in expected),
        )
        expect(
            close(found, expected),
            f"at real logits {REAL} and fake {FAKE} it gives {text[0]}; by hand it is {text[1]}",
        )

    def sure_logits_keep_value_and_slope(loss: Any) -> None:
        step = 1e-4
        for at in (-25.0, 25.0):
            wanted = (formula(25.0, at + step) - formula(25.0, at - step)) / (2 * step)
            found = slope(lambda v: loss(tensor(25.0), v), at)
            expect(
                math.isfinite(found) and abs(found - wanted) < 1e-3 * max(1, abs(wanted)),
                f"at a fake logit of {at:g} its slope is {found:.3g} where the formula has "
                f"{wanted:.3g}: work with logits and softplus",
            )

    for function in (
        one_number_per_example,
        the_fake_slope_has_the_right_sign,
        the_value_is_the_formula,
        sure_logits_keep_value_and_slope,
    ):
        check(subject)(function)


for _subject, _formula in FORMULAS.items():
    _adversarial(_subject, _formula)


@check("minimax_discriminator")
def the_optimum_is_the_density_ratio(loss: Any) -> None:
    """On discrete p and q the loss is smallest at logit log p/q, where minus its average is −log 4
    + 2·JSD.
    """
    p, q = tensor(0.5, 0.3, 0.2), tensor(0.1, 0.3, 0.6)
    v = (p / q).log().requires_grad_()
    zero = torch.zeros(3, dtype=torch.float64)
    value = (p * loss(v, zero) + q * loss(zero, v)).sum()
    (gradient,) = torch.autograd.grad(value, v)
    expect(gradient.abs().max() < 1e-9, "its optimum is not D* = p / (p + q)")


# -- penalties: factory(coefficient) -> penalty(D, real, fake, generator=…) -> (N,)

N_PENALTY, D_PENALTY = 64, 5


def _clouds() -> tuple[Tensor, Tensor]:
    real, fake = torch.randn(
        2, N_PENALTY, D_PENALTY, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return real, fake


def _linear(length: float) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    w = torch.full((D_PENALTY,), length * D_PENALTY**-0.5, dtype=torch.float64).requires_grad_()
    return w, lambda x: x.flatten(1) @ w


def _half_square(x: Tensor) -> Tensor:
    return 0.5 * x.flatten(1).square().sum(1)


@check("gradient_penalty", "r1")
def one_penalty_per_example(factory: Any) -> None:
    value = factory(1.0)(_linear(1.0)[1], *_clouds())
    expect(
        value.shape == (N_PENALTY,),
        f"it returns shape {tuple(value.shape)}; a penalty is one number per example, "
        f"({N_PENALTY},)",
    )


@check("gradient_penalty", "r1")
def the_penalty_reaches_the_weights(factory: Any) -> None:
    w, critic = _linear(3.0)
    value = factory(1.0)(critic, *_clouds())
    expect(
        value.requires_grad,
        "it has no gradient in the critic's weights: the inner gradient needs create_graph=True",
    )
    (gradient,) = torch.autograd.grad(value.mean(), w)
    expect(gradient.abs().max() > 0, "its gradient in the critic's weights is zero")


@check("gradient_penalty", "r1")
def nothing_reaches_the_generator(factory: Any) -> None:
    real, fake = _clouds()
    fake.requires_grad_()
    w, critic = _linear(2.0)
    value = factory(1.0)(lambda x: critic(x) + 0.05 * _half_square(x), real, fake)
    (gradient,) = torch.autograd.grad(value.sum(), fake, allow_unused=True)
    expect(
        gradient is None or gradient.abs().max() == 0,
        "it sends a gradient into the fake examples, and so into the generator",
    )


@check("gradient_penalty")
def a_critic_of_slope_one_pays_nothing(factory: Any) -> None:
    value = factory(10.0)(_linear(1.0)[1], *_clouds()).mean().item()
    expect(
        abs(value) < 1e-9,
        f"a linear critic with ‖w‖ = 1 pays {value:.4g} instead of 0: your penalty's norm runs "
        "over the whole batch"
        if abs(value - 490) < 1e-6
        else f"a linear critic with ‖w‖ = 1 pays {value:.4g} instead of 0",
    )


@check("gradient_penalty")
def a_critic_of_slope_three_pays_lambda_times_four(factory: Any) -> None:
    value = factory(10.0)(_linear(3.0)[1], *_clouds()).mean().item()
    expect(
        abs(value - 40) < 1e-9, f"with ‖w‖ = 3 and λ = 10 it is {value:.4g}; λ · (‖w‖ − 1)² = 40"
    )


@check("gradient_penalty")
def every_pair_has_its_own_epsilon(factory: Any) -> None:
    """On D(x) = ½‖x‖² between x = (1, 1) and (0, 0) the penalty tells where on the line each point
    lay.
    """
    real, fake = (
        torch.ones(N_PENALTY, 2, dtype=torch.float64),
        torch.zeros(N_PENALTY, 2, dtype=torch.float64),
    )
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return _half_square(x)

    factory(1.0)(critic, real, fake)
    x = seen[0]
    expect((x >= 0).all() and (x <= 1).all(), "the points do not lie between real and fake")
    expect(
        len(x[:, 0].unique()) > N_PENALTY // 2, "all pairs share one ε: draw one for each example"
    )
    expect(
        torch.equal(x[:, 0], x[:, 1]),
        "ε differs from value to value of one example: the points leave the line between the pair",
    )


@check("gradient_penalty")
def a_flat_critic_gives_no_nan(factory: Any) -> None:
    w = torch.zeros(D_PENALTY, dtype=torch.float64, requires_grad=True)
    value = factory(1.0)(lambda x: x @ w, *_clouds()).sum()
    (gradient,) = torch.autograd.grad(value, w)
    expect(
        torch.isfinite(gradient).all(),
        "at a slope of exactly 0 its gradient is NaN: take the norm with a safe derivative at 0",
    )


@check("r1")
def r1_looks_at_real_examples(factory: Any) -> None:
    real, fake = _clouds()
    first, second = (factory(1.0)(_half_square, real, other) for other in (fake, 2 * fake))
    expect(
        torch.allclose(first, second),
        "it changes with the fake examples; R1 is taken at the real ones",
    )


@check("r1")
def r1_of_a_quadratic_critic(factory: Any) -> None:
    real, fake = _clouds()
    found, expected = factory(0.3)(_half_square, real, fake), 0.15 * real.square().sum(1)
    ratio = (found / expected).median().item()
    expect(
        torch.allclose(found, expected),
        f"on D(x) = ½‖x‖² it is {ratio:.4g} times γ/2 · ‖x‖², example by example"
        + (": the ½ is missing" if abs(ratio - 2) < 1e-9 else "")
        + (
            ": it is averaged over the values of an example"
            if abs(ratio - 1 / D_PENALTY) < 1e-9
            else ""
        )
        + (
            ": the slope of the batch's mean is 1/N too small"
            if abs(ratio - N_PENALTY**-2) < 1e-9
            else ""
        ),
    )


@check("gradient_penalty_of_images")
def an_image_is_one_vector(factory: Any) -> None:
    """On images (N, C, H, W) the norm runs over channels, rows and columns together."""
    w = torch.full((3, 4, 4), 48**-0.5, dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 8, 3, 4, 4, generator=g, dtype=torch.float64)
    value = factory(10.0)(lambda x: (x * w).flatten(1).sum(1), real, fake)
    expect(value.shape == (8,), f"it returns shape {tuple(value.shape)} instead of (8,)")
    expect(
        value.abs().max() < 1e-9,
        f"on images a linear critic with ‖w‖ = 1 pays {value.mean().item():.4g} instead of 0: the "
        "norm runs over all of an image's values, and not over its channels",
    )


# -- the VAE


@check("rate")
def one_rate_per_example(rate: Any) -> None:
    value = rate(tensor([1.0, 0.0], [0.5, 0.5], [0.0, 2.0]), torch.zeros(3, 2, dtype=torch.float64))
    expect(
        value.shape == (3,),
        f"it returns shape {tuple(value.shape)}; the rate is one number per example, summed over "
        "the code: (3,)",
    )


@check("rate")
def the_rate_is_never_negative(rate: Any) -> None:
    value = rate(tensor([1.0], [-2.0]), tensor([0.5], [-1.0])).min().item()
    expect(
        value > 0,
        f"it is {value:.4g} for a posterior that differs from the prior; a KL divergence is "
        "positive: a sign is wrong",
    )


@check("rate")
def the_rate_of_the_prior_is_zero(rate: Any) -> None:
    value = rate(
        torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    ).item()
    expect(abs(value) < 1e-12, f"for q = p = N(0, I) it is {value:.4g} instead of 0")


@check("rate")
def the_rate_of_a_known_gaussian(rate: Any) -> None:
    value = rate(tensor([1.0]), tensor([2 * math.log(0.5)])).item()
    expect(
        abs(value - 0.8181471805599453) < 1e-9,
        f"KL(N(1, 0.5²) ‖ N(0, 1)) is 0.818147 nats, and it gives {value:.6f}"
        + (": the arguments are swapped, KL(p‖q)" if abs(value - 2.806852819) < 1e-6 else ""),
    )


@check("rate")
def the_rate_adds_up_over_dimensions(rate: Any) -> None:
    one = rate(tensor([1.0]), tensor([0.3])).item()
    four = rate(tensor([1.0] * 4), tensor([0.3] * 4)).item()
    expect(
        abs(four - 4 * one) < 1e-9,
        f"four equal dimensions cost {four / one:.4g} times one; the sum over dimensions is 4 "
        "times",
    )


@check("posterior")
def the_deviation_is_the_root_of_the_variance(posterior: Any) -> None:
    sigma = posterior(tensor([0.0, 0.0]), tensor([0.0, 2 * math.log(3)])).stddev
    expect(
        close(sigma, [[1.0, 3.0]]),
        f"from log-variances 0 and log 9 it makes σ = {sigma.flatten().tolist()}; σ = exp(½ log "
        "σ²) gives 1 and 3",
    )


@check("draw")
def draws_have_the_posterior_s_moments(draw: Any) -> None:
    n = 20_000
    mean, log_variance = tensor([2.0, -1.0]).expand(n, 2), tensor([0.0, math.log(9)]).expand(n, 2)
    z = draw(mean, log_variance, torch.Generator().manual_seed(0))
    expect(z.shape == (n, 2), f"codes have shape {tuple(z.shape)} instead of {(n, 2)}")
    expect(
        close(z.mean(0), [2.0, -1.0], 0.1),
        f"draws from N(2, 1) and N(−1, 9) have the means "
        f"{[round(v, 3) for v in z.mean(0).tolist()]}",
    )
    expect(
        close(z.std(0), [1.0, 3.0], 0.1),
        f"draws from N(2, 1) and N(−1, 9) have the deviations "
        f"{[round(v, 3) for v in z.std(0).tolist()]} instead of 1 and 3",
    )
    kurtosis = ((z - z.mean(0)) / z.std(0)).pow(4).mean().item()
    expect(
        abs(kurtosis - 3) < 0.3,
        f"the draws' fourth moment is {kurtosis:.3g}, a normal's is 3: the noise is not normal",
    )
    independent = torch.corrcoef(torch.stack([z[: n // 2, 0], z[n // 2 :, 0]]))[0, 1].abs().item()
    expect(
        independent < 0.1 and len(z[:, 0].unique()) > n // 2,
        "examples share their noise: draw ε for each one",
    )


@check("draw")
def the_draw_passes_gradients(draw: Any) -> None:
    mean, log_variance = tensor([0.5]).requires_grad_(), tensor([0.0]).requires_grad_()
    z = draw(mean, log_variance, torch.Generator().manual_seed(0))
    expect(
        z.requires_grad,
        "the draw has no gradient in μ and σ: the encoder cannot learn from the distortion",
    )
    d_mean, d_log = torch.autograd.grad(z.sum(), (mean, log_variance), allow_unused=True)
    expect(
        d_mean is not None
        and d_log is not None
        and close(d_mean, [[1.0]])
        and close(d_log, 0.5 * (z - mean).detach()),
        "∂z/∂μ must be 1 and ∂z/∂log σ² must be ½σε: z = μ + σ ⊙ ε",
    )


@check("bernoulli_distortion")
def one_distortion_per_image(distortion: Any) -> None:
    value = distortion(
        torch.zeros(2, 1, 3, 4, dtype=torch.float64), torch.ones(2, 1, 3, 4, dtype=torch.float64)
    )
    expect(
        value.shape == (2,),
        f"it returns shape {tuple(value.shape)}; a distortion is one number per example, (2,)",
    )


@check("bernoulli_distortion")
def pixels_are_summed(distortion: Any) -> None:
    value = distortion(
        torch.zeros(1, 1, 28, 28, dtype=torch.float64),
        torch.ones(1, 1, 28, 28, dtype=torch.float64),
    ).item()
    expected = 784 * math.log(2)
    mean = (
        ": the pixels are averaged, which weighs the rate 784 times too much"
        if abs(value - math.log(2)) < 1e-9
        else ""
    )
    expect(
        abs(value - expected) < 1e-3,
        f"784 fair coins cost 784 · log 2 = {expected:.2f} nats, and it gives {value:.4g}{mean}",
    )


@check("bernoulli_distortion")
def sure_and_wrong_pixels_cost_their_logit(distortion: Any) -> None:
    logits = torch.full((1, 1, 1, 1), -60.0, dtype=torch.float64, requires_grad=True)
    value = distortion(logits, torch.ones(1, 1, 1, 1, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    expect(
        abs(value.item() - 60) < 1e-6 and abs(gradient.item() + 1) < 1e-6,
        f"a white pixel at logit −60 costs 60 nats with slope −1; it gives {value.item():.4g} and "
        f"{gradient.item():.3g}",
    )


@check("gaussian_distortion")
def the_gaussian_distortion_has_its_constant_once(distortion: Any) -> None:
    """(mean, x, sigma) -> (N,)"""
    zeros = torch.zeros(2, 5, dtype=torch.float64)
    value = distortion(zeros, zeros, 0.5)
    expect(
        value.shape == (2,),
        f"it returns shape {tuple(value.shape)}; a distortion is one number per example, (2,)",
    )
    expected = 5 * (math.log(0.5) + 0.5 * math.log(2 * math.pi))
    expect(
        close(value, [expected] * 2),
        f"at x = μ in 5 dimensions with σ = ½ it is {value[0].item():.4f}; d · (log σ + ½ log 2π) "
        f"= {expected:.4f}",
    )


@check("gaussian_distortion")
def the_squared_error_is_divided_by_twice_the_variance(distortion: Any) -> None:
    zeros = torch.zeros(1, 5, dtype=torch.float64)
    value = (distortion(zeros, zeros + 1, 0.5) - distortion(zeros, zeros, 0.5)).item()
    expect(
        abs(value - 10) < 1e-5,
        f"five errors of 1 at σ = ½ cost ‖x − μ‖² / 2σ² = 10 nats, and it gives {value:.4g}"
        + (": the squares are averaged over the dimensions" if abs(value - 2) < 1e-9 else ""),
    )


@check("negative_elbo")
def the_loss_is_distortion_plus_rate(loss: Any) -> None:
    """(distortion (N,), rate (N,), beta) -> (N,), minimised."""
    value = loss(tensor(90.0, 80.0), tensor(20.0, 30.0), 2.0)
    expect(
        value.shape == (2,),
        f"it returns shape {tuple(value.shape)}; the loss is one number per example, (2,)",
    )
    expect(
        close(value, [130.0, 140.0]),
        f"for distortions 90, 80, rates 20, 30 and β = 2 it is {value.tolist()}; distortion + β · "
        "rate, to be minimised, is [130, 140]",
    )


@check("iwae")
def equal_weights_give_their_common_value(bound: Any) -> None:
    """log weights (K, N) -> (N,)"""
    value = bound(torch.full((10, 2), -3.0, dtype=torch.float64))
    expect(
        value.shape == (2,),
        f"it returns shape {tuple(value.shape)}; the bound is one number per example, (2,)",
    )
    expect(
        close(value, [-3.0, -3.0]),
        f"ten log-weights of −3 have the bound −3, and it gives {value[0].item():.4f}"
        + (": −log K is missing" if close(value, [-3 + math.log(10)] * 2) else ""),
    )


@check("iwae")
def the_mean_is_inside_the_logarithm(bound: Any) -> None:
    value = bound(tensor([0.0], [-2.0])).item()
    expected = math.log((1 + math.exp(-2)) / 2)
    expect(
        abs(value - expected) < 1e-9,
        f"for log-weights 0 and −2 it is {value:.4f}; log ½(1 + e⁻²) = {expected:.4f}"
        + (": this is the mean of the logarithms, the ELBO" if abs(value + 1) < 1e-9 else "")
        + (
            ": this is the surrogate that makes the gradient, not the bound"
            if abs(value + 0.2384) < 1e-3
            else ""
        ),
    )


@check("iwae")
def large_weights_do_not_overflow(bound: Any) -> None:
    value = bound(tensor([-1000.0], [-1000.0])).item()
    expect(abs(value + 1000) < 1e-6, f"for log-weights of −1000 it is {value}; use logsumexp")


@check("log_average_posterior")
def one_far_posterior_leaves_its_share(estimate: Any) -> None:
    """(log q(z_i|x_j) as (M, M), dataset size) -> log q(z_i) as (M,)"""
    far = torch.full((4, 4), -1000.0, dtype=torch.float64).fill_diagonal_(0.0)
    value = estimate(far, 100)
    expect(value.shape == (4,), f"it returns shape {tuple(value.shape)} instead of (4,)")
    expect(
        close(value, [-math.log(100)] * 4),
        f"where only an example's own posterior reaches z, q(z) = q(z|x) / 100, log −4.6052; it "
        f"gives {[round(v, 4) for v in value.tolist()]}",
    )


@check("log_average_posterior")
def equal_posteriors_are_their_average(estimate: Any) -> None:
    value = estimate(torch.full((4, 4), -1.5, dtype=torch.float64), 100)
    expect(
        close(value, [-1.5] * 4),
        f"where all posteriors agree, the average is the same: −1.5; it gives "
        f"{value[0].item():.4f}",
    )


@check("log_joint_posterior")
def the_weight_counts_once(estimate: Any) -> None:
    """(log q(z_il|x_j) as (M, M, d), dataset size) -> log q(z_i) as (M,)"""
    value = estimate(torch.full((4, 4, 3), -0.5, dtype=torch.float64), 100)
    expect(value.shape == (4,), f"it returns shape {tuple(value.shape)} instead of (4,)")
    expect(
        close(value, [-1.5] * 4),
        f"where all posteriors agree, −0.5 in each of 3 dimensions, log q(z) is −1.5; it gives "
        f"{value[0].item():.4f}: does a weight count once for each dimension?",
    )


@check("log_density")
def the_density_of_a_known_normal(log_density: Any) -> None:
    """(z, mean, log σ²) -> (N,)"""
    value = log_density(tensor([0.5, 1.0]), tensor([1.0, -1.0]), tensor([-2.0, 1.0]))
    each = ((0.5, -2.0), (2.0, 1.0))  # distance from the mean, log σ²
    expected = -0.5 * sum(v + d * d / math.exp(v) + math.log(2 * math.pi) for d, v in each)
    expect(value.shape == (1,), f"it returns shape {tuple(value.shape)} instead of (1,)")
    expect(
        close(value, [expected]),
        f"at (0.5, 1) for means (1, −1) and log-variances (−2, 1) it is {value.item():.4f}; by hand "
        f"{expected:.4f}",
    )


@check("level_probabilities")
def all_levels_share_one(probabilities: Any) -> None:
    """(mean, scale, levels) -> (levels,): the mass of a logistic between midpoints of levels."""
    value = probabilities(0.95, 0.14, 256)
    expect(value.shape == (256,), f"it returns shape {tuple(value.shape)} instead of (256,)")
    expect(
        abs(value.sum().item() - 1) < 1e-6,
        f"at a mean of 0.95 the 256 levels sum to {value.sum().item():.4g}: the first and the last "
        "own the tails",
    )


@check("mmd")
def far_clouds_are_at_distance_two(mmd: Any) -> None:
    """(x, y) -> a number: a kernel that is 1 at distance 0 and 0 far away."""
    points = torch.zeros(64, 2, dtype=torch.float64)
    value = float(mmd(points, points + 100))
    expect(
        abs(value - 2) < 1e-6,
        f"two points, 64 times each and far apart, have MMD² = 1 + 1 − 0 = 2, and it gives {value:.4g}",
    )


# -- vector quantisation


@check("vector_quantisation")
def the_codebook_term_moves_the_codes_with_weight_one(loss: Any) -> None:
    """(h, e, beta) -> (N,): h is the encoder's, e the chosen code vector."""
    h, e = tensor([1.0, 2.0]).requires_grad_(), tensor([0.0, 0.0]).requires_grad_()
    value = loss(h, e, 0.25)
    expect(
        value.shape == (1,), f"it returns shape {tuple(value.shape)}; one number per example, (1,)"
    )
    expect(
        close(value, [6.25]),
        f"‖h − e‖² = 5 and β = 0.25 make 1.25 · 5 = 6.25, and it gives {value.item():.4g}",
    )
    d_h, d_e = torch.autograd.grad(value.sum(), (h, e), allow_unused=True)
    d_h, d_e = (torch.zeros(1, 2).double() if g is None else g for g in (d_h, d_e))
    expect(
        close(d_e, [[-2.0, -4.0]]),
        f"the codes' gradient is {d_e.tolist()[0]}; the codebook term alone moves them: 2(e − h) "
        "= [−2, −4], without β",
    )
    expect(
        close(d_h, [[0.5, 1.0]]),
        f"the encoder's gradient is {d_h.tolist()[0]}; the commitment term alone moves it: 2β(h − "
        "e) = [0.5, 1]",
    )


@check("straight_through")
def the_value_is_the_code_and_the_slope_is_one(copy: Any) -> None:
    """(h, e) -> what the decoder gets"""
    h, e = tensor([1.0, 2.0]).requires_grad_(), tensor([0.0, 3.0])
    out = copy(h, e)
    expect(
        close(out.detach(), e),
        f"the decoder must get the code vector {e.tolist()[0]}, and gets {out.tolist()[0]}",
    )
    expect(
        out.requires_grad,
        "no gradient reaches the encoder: the nearest neighbour has none, so copy the decoder's",
    )
    (gradient,) = torch.autograd.grad(out.sum(), h)
    expect(
        close(gradient, [[1.0, 1.0]]),
        f"the gradient in h must be copied unchanged, factor 1; it is {gradient.tolist()[0]}",
    )


@check("codebook_average")
def unused_codes_stay(average: Any) -> None:
    """(codebook, h, codes, decay) -> the codebook after the first step of the moving averages."""
    g = torch.Generator().manual_seed(0)
    codebook, h = torch.randn(2, 8, 3, generator=g)
    codes = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    moved = average(codebook, h, codes, 0.99)
    expect(moved.shape == (8, 3), f"it returns shape {tuple(moved.shape)} instead of (8, 3)")
    furthest = (moved - codebook)[3:].norm(dim=1).max().item()
    expect(
        furthest < 1e-3,
        f"an unused code moves by {furthest:.3g} in the first step: its count has to start at 1, as "
        "its sum does",
    )
    expected = (0.99 * codebook[0] + 0.01 * h[:3].sum(0)) / (0.99 + 0.03)
    expect(
        close(moved[0], expected.double(), 1e-4),
        "a code that three vectors use is their sum with the old one, over their count with it",
    )


# -- training


def _players() -> tuple[nn.Module, nn.Module]:
    from gantut.networks import MLPDiscriminator, MLPGenerator

    return MLPGenerator(2, (2,), hidden=(4,), seed=3), MLPDiscriminator((2,), hidden=(4,), seed=4)


def _batch(k: int) -> tuple[Tensor, Tensor]:
    real, z = torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(k))
    return real, z


def _expected_step(G: nn.Module, D: nn.Module, real: Tensor, z: Tensor, lr: float) -> None:
    """One alternating step of plain gradient descent on the non-saturating losses, without any
    ``.grad``.
    """

    def descend(net: nn.Module, loss: Tensor) -> None:
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for p, g in zip(net.parameters(), gradients, strict=True):
                p -= lr * g

    fake = G(z)
    descend(D, (F.softplus(-D(real)) + F.softplus(D(fake.detach()))).mean())
    descend(G, F.softplus(-D(G(z))).mean())


@check("gan_step")
def two_steps_are_those_by_hand(step: Any) -> None:
    """(G, D, real, z, lr) -> None: D's step, then G's, plain gradient descent on the non-saturating
    losses.
    """
    G, D = _players()
    G_hand, D_hand = _players()
    for k in range(3):
        D_before = [p.detach().clone() for p in D.parameters()]
        step(G, D, *_batch(k), 0.1)
        _expected_step(G_hand, D_hand, *_batch(k), 0.1)
        expect(
            any(not torch.equal(a, b) for a, b in zip(D_before, D.parameters(), strict=True)),
            "the discriminator did not move",
        )
        for name, net, hand in (("discriminator", D, D_hand), ("generator", G, G_hand)):
            gap = max(
                (a - b).abs().max().item()
                for a, b in zip(net.parameters(), hand.parameters(), strict=True)
            )
            expect(
                gap < 1e-5,
                f"after step {k + 1} the {name}'s weights are {gap:.2g} away from the step by "
                "hand: "
                + (
                    "gradients of an earlier backward pass are still there"
                    if k
                    else "a loss moved the wrong network, or twice"
                ),
            )


@check("logit_pass")
def real_and_fake_do_not_share_batch_statistics(logits: Any) -> None:
    """(D, real, fake) -> (real_logits, fake_logits), where D has BatchNorm: each half normalised by
    itself.
    """
    D = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0))
    real, fake = _batch(0)[0], _batch(1)[0] + 5
    found, expected = logits(D, real, fake), (D(real), D(fake))
    expect(
        all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True)),
        "the logits of real examples depend on which fakes came with them: BatchNorm mixed the "
        "statistics of both",
    )


@check("ema")
def parameters_follow_the_average(update: Any) -> None:
    """(average, network, decay) -> None: in place, average ← decay · average + (1 − decay) ·
    network
    """
    average, network = nn.Linear(1, 1), nn.Linear(1, 1)
    with torch.no_grad():
        average.weight.fill_(1.0)
        network.weight.fill_(3.0)
    update(average, network, 0.9)
    value = average.weight.item()
    expect(
        abs(value - 1.2) < 1e-6,
        f"0.9 · 1 + 0.1 · 3 = 1.2, and it gives {value:.4g}"
        + (": decay and 1 − decay are swapped" if abs(value - 2.8) < 1e-6 else ""),
    )
    expect(network.weight.item() == 3.0, "the network that is averaged was changed")


@check("ema")
def buffers_come_along(update: Any) -> None:
    average, network = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    network.running_mean.fill_(4.0)
    update(average, network, 0.9)
    expect(
        average.running_mean.abs().min() > 0,
        "BatchNorm's running statistics stayed where they began: buffers must follow too, or the "
        "average normalises with the wrong moments",
    )


@check("ring_modes")
def the_modes_are_as_many_as_asked_for(modes: Any) -> None:
    """(count, radius) -> centres (count, 2)"""
    centres = modes(8, 2.0)
    expect(centres.shape == (8, 2), f"it returns shape {tuple(centres.shape)} instead of (8, 2)")
    distances = torch.cdist(centres.double(), centres.double()) + 10 * torch.eye(
        8, dtype=torch.float64
    )
    distinct = len({tuple(round(v, 4) + 0.0 for v in row) for row in centres.tolist()})
    expect(
        distinct == 8,
        f"of 8 modes only {distinct} are distinct: an angle of 0 and of 2π is the same place",
    )
    expect(close(centres.norm(dim=1), [2.0] * 8, 1e-5), "the modes do not lie on the circle")
    expect(
        close(distances.min(1).values, [4 * math.sin(math.pi / 8)] * 8, 1e-5),
        "the modes are not evenly spaced on the circle",
    )


# -- conjugate directions and games


def _quadratic(n: int = 6) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    root = torch.randn(n, n, generator=g, dtype=torch.float64)
    return root @ root.T + 0.5 * torch.eye(n, dtype=torch.float64), torch.randn(
        n, generator=g, dtype=torch.float64
    )


@check("conjugate_gradient")
def it_descends_from_the_first_step(minimise: Any) -> None:
    """(A, b, steps) -> the iterates x_0 = 0, x_1, … of conjugate gradients on ½xᵀAx − bᵀx,
    gradients from autograd
    """
    A, b = _quadratic()
    values = [(0.5 * x @ A @ x - b @ x).item() for x in minimise(A, b, 6)]
    expect(len(values) == 7, f"6 steps give 7 iterates, and it returns {len(values)}")
    expect(
        values[1] < values[0], f"its first step goes up: from {values[0]:.4g} to {values[1]:.4g}"
    )


@check("conjugate_gradient")
def directions_are_conjugate(minimise: Any) -> None:
    A, b = _quadratic()
    iterates = minimise(A, b, 6)
    steps = [q - p for p, q in zip(iterates[:4], iterates[1:5], strict=True)]
    worst = max(
        abs((s @ A @ t).item()) / ((s @ A @ s).sqrt() * (t @ A @ t).sqrt()).item()
        for i, s in enumerate(steps)
        for t in steps[:i]
    )
    expect(
        math.isfinite(worst) and worst < 1e-6,
        f"its directions are not A-conjugate: the cosine in the A-norm reaches {worst:.2g}. Does "
        "the previous gradient share memory with "
        "the new one, or has a stored direction the wrong sign?",
    )


@check("conjugate_gradient")
def n_steps_solve_n_dimensions(minimise: Any) -> None:
    A, b = _quadratic()
    residual = (A @ minimise(A, b, 6)[-1] - b).norm().item()
    expect(
        residual < 1e-6,
        f"after 6 steps in 6 dimensions the gradient is still {residual:.2g}; conjugate gradients "
        "end there",
    )


@check("optimistic_descent")
def it_comes_home(descend: Any) -> None:
    """(steps, lr) -> (x, y) after so many optimistic steps from (1, 1) on f = xy, x minimising."""
    place = descend(1000, 0.2)
    expect(place.shape == (2,), f"it returns shape {tuple(place.shape)} instead of (2,)")
    left = place.norm().item()
    expect(
        left < 1e-3,
        f"after 1,000 steps it is {left:.3g} away from the solution, and started at 1.41: does the "
        "last gradient share memory with the new one?",
    )


@check("consensus_field")
def the_field_has_the_theory_s_eigenvalues(field: Any) -> None:
    """(theta, psi, gamma) -> the descent directions (−v_θ, −v_ψ) of consensus optimisation on the
    bilinear game f = θψ, where θ minimises.
    """
    gamma, zero = 0.5, tensor(0.0)[0]
    derivative = torch.autograd.functional.jacobian
    rows = [derivative(lambda t, p, i=i: field(t, p, gamma)[i], (zero, zero)) for i in (0, 1)]
    jacobian = torch.stack([torch.stack(row) for row in rows])
    eigenvalues = torch.linalg.eigvals(jacobian)
    real, imaginary = eigenvalues.real.max().item(), eigenvalues.imag.abs().max().item()
    # v = (−ψ, θ) and ½‖v‖² = ½(θ² + ψ²): the field is v − γ∇½‖v‖², with eigenvalues −γ ± i.
    expect(
        abs(real + gamma) < 1e-9 and abs(imaginary - 1) < 1e-9,
        f"its Jacobian at the equilibrium has the eigenvalues {real:.3g} ± {imaginary:.3g}i; −γ ± "
        f"i = −{gamma} ± 1i expected"
        + (
            ": the regulariser's gradient is twice too large, ‖v‖² for ½‖v‖²"
            if abs(real + 2 * gamma) < 1e-9
            else ""
        ),
    )


# -- metrics


@check("frechet_distance")
def the_distance_of_known_gaussians(distance: Any) -> None:
    """(real features, fake features) -> float"""
    x = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (x - x.mean()) / x.std()
    value = float(distance(x, 3 * x + 2))
    expect(
        abs(value - 8) < 1e-3,
        f"between N(0, 1) and N(2, 9) it is {value:.4g}; ‖μ − μ′‖² + (σ − σ′)² = 8"
        + (": this is its root" if abs(value - math.sqrt(8)) < 1e-3 else "")
        + (": the cross term −2(ΣΣ′)^½ has lost its 2" if abs(value - 11) < 1e-3 else ""),
    )


@check("mode_counter")
def far_samples_cover_nothing(count: Any) -> None:
    """(samples, centres, deviation) -> the number of covered modes"""
    centres = tensor([0.0, 0.0], [10.0, 0.0])
    near = tensor(
        [0.0, 0.1], [0.0, -0.1]
    )  # as many samples as modes, since the library warns of fewer
    expect(count(near, centres, 0.1) == 1, "two samples at the first of two modes cover one mode")
    expect(
        count(tensor([4.0, 0.0], [6.0, 0.0]), centres, 0.1) == 0,
        "samples 40 deviations from every mode cover none, and were counted",
    )
