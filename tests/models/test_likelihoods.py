"""Likelihoods against hand-computed values, SciPy, and the sum over all that can happen."""

import math
import typing

import mpmath
import pytest
import scipy.stats
import torch

from gantut.metrics import bits_per_dimension
from gantut.models.likelihoods import (
    LIKELIHOODS,
    CategoricalLikelihood,
    DiscretisedLogistic,
    DiscretisedLogisticLikelihood,
    GaussianLikelihood,
    GaussianPerPixelLikelihood,
    Name,
    _log_sinhc,
    decoder_shape,
    likelihood,
)
from gantut.models.vae import VAE
from gantut.networks import MLPDecoder, MLPEncoder


def test_a_type_checker_knows_the_names():
    assert typing.get_args(Name) == tuple(LIKELIHOODS)


def log_prob(chosen, parameters, x):
    return likelihood(chosen)(torch.tensor(parameters, dtype=torch.float64)).log_prob(
        torch.tensor(x, dtype=torch.float64)
    )


def on_all_levels(each):
    """The probability of each level, (levels, *shape)."""
    levels = torch.arange(each.levels, dtype=torch.float64) / (each.levels - 1)
    return torch.stack([each.log_prob(level.expand(each.batch_shape)).exp() for level in levels])


def test_distortions_by_hand():
    half, three_quarters = 0.0, math.log(3)  # logits
    logits, x = [[[[half, three_quarters]]]], [[[[1.0, 0.0]]]]
    assert log_prob("bernoulli", logits, x).item() == pytest.approx(-math.log(2) - math.log(4))
    gaussian = GaussianLikelihood(0.5, in_unit_interval=False)
    squares = 1.0 + math.log(3) ** 2
    expected = -squares / (2 * 0.25) - 2 * math.log(0.5 * math.sqrt(2 * math.pi))
    assert log_prob(gaussian, logits, x).item() == pytest.approx(expected, rel=1e-6)
    # At λ = 1/2 the density is 1; at λ the constant is 2 artanh(1 − 2λ) / (1 − 2λ).
    constant = 2 * math.atanh(-0.5) / -0.5
    assert log_prob("continuous_bernoulli", logits, x).item() == pytest.approx(
        math.log(constant / 4), rel=1e-5
    )
    # Per pixel: means sigmoid(0), sigmoid(log 3), deviations 0.01 + e^r.
    per_pixel = GaussianPerPixelLikelihood()
    found = log_prob(per_pixel, [[[[half, three_quarters]], [[-1.0, 0.5]]]], x).item()
    expected = sum(
        scipy.stats.norm.logpdf(value, mean, 0.01 + math.exp(r))
        for value, mean, r in ((1.0, 0.5, -1.0), (0.0, 0.75, 0.5))
    )
    assert found == pytest.approx(expected, rel=1e-12)
    # Two levels of a categorical are a Bernoulli with the difference of logits.
    two = CategoricalLikelihood(2)
    assert log_prob(two, [[[[0.0, 0.0]], [[half, three_quarters]]]], x).item() == pytest.approx(
        -math.log(2) - math.log(4)
    )


@pytest.mark.parametrize("levels", [2, 5, 256])
@pytest.mark.parametrize("scale", [1e-3, 0.05, 1.0, 10.0])
@pytest.mark.parametrize("location", [-0.3, 0.0, 0.4, 1.0])
def test_probabilities_sum_to_one(levels, scale, location):
    each = DiscretisedLogistic(*torch.tensor([[location], [scale]], dtype=torch.float64), levels)
    probabilities = on_all_levels(each).squeeze(1)
    assert probabilities.sum().item() == pytest.approx(1.0, abs=1e-9)
    values = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    assert each.mean.item() == pytest.approx((probabilities * values).sum().item(), abs=1e-9)
    if scale == 0.05:
        half = 0.5 / (levels - 1)
        top = scipy.stats.logistic.cdf(values.numpy() + half, location, scale)
        bottom = scipy.stats.logistic.cdf(values.numpy() - half, location, scale)
        top[-1], bottom[0] = 1.0, 0.0
        assert probabilities.tolist() == pytest.approx(list(top - bottom), abs=1e-12)


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_categorical_probabilities(levels):
    logits = torch.randn(
        3, levels * 2, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    each = CategoricalLikelihood(levels)(logits).base_dist
    probabilities = on_all_levels(each)
    assert probabilities.shape == (levels, 3, 2, 1, 2)
    assert torch.allclose(probabilities.sum(0), torch.ones(3, 2, 1, 2).double())
    values = torch.arange(levels, dtype=torch.float64).view(-1, 1, 1, 1, 1) / (levels - 1)
    assert torch.allclose(each.mean, (probabilities * values).sum(0))
    # Level k of channel c is plane k·C + c, as where other likelihoods take several numbers.
    expected = logits.view(3, levels, 2, 1, 2).log_softmax(1)[:, 1]
    assert torch.allclose(
        each.log_prob(torch.full((3, 2, 1, 2), 1 / (levels - 1)).double()), expected
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.float64, 1e-10)])
def test_the_continuous_bernoulli_is_exact_for_all_logits_and_so_is_its_slope(dtype, tolerance):
    size = torch.cat(
        [torch.logspace(-8, 1.8, 400), torch.tensor([0.1, 0.2])]
    )  # 0.2 is where the series ends: u = r/2
    logits = torch.cat([size, -size, torch.zeros(1)]).to(dtype).requires_grad_()
    x = torch.rand(len(logits), generator=torch.Generator().manual_seed(0)).to(dtype)
    found = likelihood("continuous_bernoulli")(logits.view(-1, 1)).log_prob(x.view(-1, 1))
    (slopes,) = torch.autograd.grad(found.sum(), logits)
    with mpmath.workdps(40):
        for value, slope, at, r in zip(
            found.tolist(), slopes.tolist(), x.tolist(), logits.tolist(), strict=True
        ):
            r, at = mpmath.mpf(r), mpmath.mpf(at)
            constant = mpmath.log(mpmath.sinh(r / 2) / (r / 2)) if r else 0
            pull = mpmath.coth(r / 2) / 2 - 1 / r if r else 0
            assert abs(value - ((at - 0.5) * r - constant)) < tolerance
            assert abs(slope - (at - 0.5 - pull)) < tolerance
    u = torch.linspace(-3, 3, 31, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(_log_sinhc, u)


@pytest.mark.parametrize("name", ["continuous_bernoulli", "gaussian_learned", "gaussian_per_pixel"])
@pytest.mark.parametrize("value", [-3.0, 0.02, 0.7])
def test_densities_integrate_to_one(name, value):
    grid = (
        torch.linspace(0, 1, 20_001)
        if name == "continuous_bernoulli"
        else torch.linspace(-80, 80, 160_001)
    )
    chosen = likelihood(name)
    parameters = torch.full((len(grid), chosen.outputs), value, dtype=torch.float64)
    density = chosen(parameters).log_prob(grid[:, None].double()).exp()
    assert torch.trapezoid(density.detach(), grid.double()).item() == pytest.approx(1.0, abs=1e-4)


def test_the_shape_of_a_decoder():
    assert decoder_shape("gaussian", (2,)) == (2,)
    assert decoder_shape("discretised_logistic", (3, 8, 8)) == (6, 8, 8)
    assert decoder_shape(CategoricalLikelihood(5), (1, 8, 8)) == (5, 8, 8)
    with pytest.raises(ValueError, match="unknown likelihood 'poisson'"):
        decoder_shape("poisson", (1, 8, 8))


def shaped(chosen, n=4, size=(1, 2, 3), seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    parameters = torch.randn(n, *decoder_shape(chosen, size), generator=g, dtype=torch.float64).to(
        dtype
    )
    levels = getattr(chosen, "levels", 256)
    x = torch.randint(levels, (n, *size), generator=g).to(dtype) / (levels - 1)
    return parameters, x


SMALL = {**LIKELIHOODS, "categorical": lambda: CategoricalLikelihood(4)}


@pytest.mark.parametrize("name", SMALL)
def test_gradients_and_permutations(name):
    chosen = SMALL[name]().double()
    parameters, x = shaped(chosen, n=3, size=(1, 1, 2))
    assert torch.autograd.gradcheck(lambda p: chosen(p).log_prob(x), (parameters.requires_grad_(),))
    value = chosen(parameters).log_prob(x)
    assert value.shape == (3,)
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(chosen(parameters[order]).log_prob(x[order]), value[order])


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("extreme", [-60.0, 60.0])
def test_extreme_parameters_stay_finite_in_float32(name, extreme):
    chosen = SMALL[name]()
    parameters, x = shaped(chosen, dtype=torch.float32)
    parameters = torch.full_like(parameters, extreme).requires_grad_()
    value = chosen(parameters).log_prob(x)
    (slope,) = torch.autograd.grad(value.sum(), parameters)
    assert torch.isfinite(value).all()
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize(
    "name", ["bernoulli", "gaussian", "gaussian_learned", "gaussian_per_pixel", "categorical"]
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(name, dtype):
    chosen = SMALL[name]()
    parameters, x = shaped(chosen, dtype=torch.float32)
    exact = chosen(parameters.to(dtype).float()).log_prob(x.to(dtype).float()).detach()
    if name == "categorical":
        x = (3 * x).round() / 3
    rounded = chosen.to(dtype)(parameters.to(dtype)).log_prob(x.to(dtype)).float().detach()
    assert torch.allclose(
        rounded, exact, rtol=12 * torch.finfo(dtype).eps, atol=48 * torch.finfo(dtype).eps
    )


@pytest.mark.parametrize("name", SMALL)
def test_several_draws_are_several_single_ones(name):
    chosen = SMALL[name]()
    size = (1, 2, 2)
    vae = VAE(
        MLPEncoder(size, 3, hidden=(6,)),
        MLPDecoder(3, decoder_shape(chosen, size), hidden=(6,), seed=1),
        chosen,
    )
    _, x = shaped(chosen, n=5, size=size, dtype=torch.float32)
    output = vae(x, samples=3, generator=torch.Generator().manual_seed(0))
    assert output.z.shape == (3, 5, 3) and output.likelihood.batch_shape == (3, 5)
    together = output.likelihood.log_prob(x)
    for k in range(3):
        assert torch.allclose(together[k], vae.decode(output.z[k]).log_prob(x), atol=1e-5)
    assert vae.sample(2, generator=torch.Generator().manual_seed(1)).shape == (2, *size)
    assert vae.reconstruct(x).shape == x.shape


@pytest.mark.parametrize("name", ["gaussian", "gaussian_learned", "gaussian_per_pixel"])
def test_a_gaussian_s_mean_is_squashed_for_images_and_for_nothing_else(name):
    """Points, waves and images, in one draw and in three; and as asked for, whatever the shape."""
    for size in ((5,), (2, 7), (1, 2, 3)):
        for batch in ((4,), (3, 4)):
            chosen = likelihood(name)
            decoded = 3 * torch.randn(*batch, *decoder_shape(name, size))
            first = decoded.narrow(len(batch), 0, size[0])
            found = chosen(decoded, len(batch)).mean
            assert torch.allclose(found, first.sigmoid() if len(size) == 3 else first)
            for asked in (True, False) if hasattr(chosen, "in_unit_interval") else ():
                chosen.in_unit_interval = asked
                found = chosen(decoded, len(batch)).mean
                assert torch.allclose(found, first.sigmoid() if asked else first)


def test_a_vae_of_points_reaches_points_outside_the_unit_interval():
    vae = VAE(MLPEncoder((2,), 1, hidden=(8,)), MLPDecoder(1, (2,), hidden=(8,)), "gaussian")
    x = torch.tensor([[5.0, -3.0]]).repeat(64, 1)
    optimizer = torch.optim.Adam(vae.parameters(), lr=0.05)
    for k in range(80):
        optimizer.zero_grad()
        loss = -vae(x, generator=torch.Generator().manual_seed(k)).likelihood.log_prob(x).mean()
        loss.backward()
        optimizer.step()
    assert torch.allclose(vae.reconstruct(x), x, atol=0.5)


class Elsewhere(torch.Tensor):
    """A tensor that says it lives on a GPU, and fails when its values are waited for."""

    device = property(lambda self: torch.device("cuda"))

    def item(self):
        raise AssertionError("waited for the device")

    __bool__ = __float__ = item


@pytest.mark.parametrize("name", SMALL)
def test_a_gpu_is_not_waited_for_and_a_bad_value_becomes_nan(name):
    chosen = SMALL[name]()
    parameters, x = shaped(chosen, n=3, dtype=torch.float32)
    good = chosen(parameters).log_prob(x)
    x[1, 0, 0, 0] = 1.7
    found = chosen(parameters).log_prob(x.as_subclass(Elsewhere)).as_subclass(torch.Tensor)
    assert torch.equal(found[[0, 2]], good[[0, 2]])
    assert found[1].isnan() != name.startswith("gaussian")


def test_bits_per_dimension():
    uniform = CategoricalLikelihood(256)(torch.zeros(1, 256, 2, 3))
    nats = -uniform.log_prob(torch.zeros(1, 1, 2, 3)).item()
    assert bits_per_dimension(nats, (1, 2, 3)) == pytest.approx(8.0)
    assert bits_per_dimension(0.0, (1, 2, 3), levels=256) == 8.0  # the uniform density on [0, 1]
    assert bits_per_dimension(torch.tensor([math.log(2)]), (1,)).tolist() == [pytest.approx(1.0)]
    with pytest.raises(ValueError, match=r"positive sides, got \(0, 3\)"):
        bits_per_dimension(1.0, (0, 3))


def test_a_density_with_noise_bounds_the_discrete_model():
    """E over u of −log₂ p(x + u/256) is at least −log₂ of the mass on the cell: Jensen."""
    density = likelihood("continuous_bernoulli")
    inside = torch.linspace(0, 1 / 256, 2001, dtype=torch.float64)
    for cell in (0, 100, 255):
        x = cell / 256 + inside
        log_p = density(torch.full((2001, 1), 3.0).double()).log_prob(x[:, None])
        mass = torch.trapezoid(log_p.exp(), x)
        average = bits_per_dimension(-(torch.trapezoid(log_p, x) * 256).item(), (1,), levels=256)
        assert average >= bits_per_dimension(-mass.log().item(), (1,)) - 1e-9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianLikelihood(0.0), "a finite sigma > 0, got 0"),
        (lambda: GaussianLikelihood(math.nan), "a finite sigma > 0, got nan"),
        (lambda: DiscretisedLogisticLikelihood(1), "levels must be at least 2, got 1"),
        (lambda: CategoricalLikelihood(0), "levels must be at least 2, got 0"),
        (lambda: likelihood("poisson"), "unknown likelihood 'poisson'; known: bernoulli"),
        (
            lambda: log_prob("bernoulli", [[0.0]], [[1.2]]),
            r"values in \[0, 1\], got values from 1.2 to 1.2",
        ),
        (
            lambda: log_prob("continuous_bernoulli", [[0.0]], [[math.nan]]),
            r"values in \[0, 1\], got values from nan",
        ),
        (lambda: log_prob(CategoricalLikelihood(3), [[0.0, 0.0, 0.0]], [[0.3]]), "on the 3 levels"),
        (
            lambda: log_prob(DiscretisedLogisticLikelihood(3), [[0.0, 0.0]], [[1.5]]),
            "on the 3 levels",
        ),
        (
            lambda: log_prob(DiscretisedLogisticLikelihood(3), [[0.0, 0.0]], [[math.nan]]),
            "on the 3 levels",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
