"""What a decoder's numbers mean: modules that make them a distribution p(x|z), log p in nats.

Each takes ``parameters`` of shape (*batch, outputs·C, …) and the number of batch dimensions, and
gives a distribution over whole examples. ``outputs`` says how many numbers it wants for each value;
``decoder_shape`` tells the shape that a decoder is then made for. Images lie in [0, 1].
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, ContinuousBernoulli, Distribution, Independent, Normal

from gantut import numerics
from gantut.numerics import expect
from gantut.protocols import PARAMETERS, refuse_sigmoid


def decoder_shape(chosen: str | nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a decoder needs under a likelihood, (outputs·C, …).

    Args:
        chosen: a name of ``LIKELIHOODS`` or a module.
        shape: of one example: (C, H, W) for images, (d,) for points.

    Raises:
        ValueError: the likelihood's name is unknown.

    Example:
        >>> from gantut.models import decoder_shape
        >>> decoder_shape("gaussian_per_pixel", (3, 28, 28))
        (6, 28, 28)
    """
    return (getattr(likelihood(chosen), "outputs", 1) * shape[0], *shape[1:])


def check_decoder(decoder: Any, likelihood: nn.Module, shape: tuple[int, ...] | None) -> None:
    """Make sure that a decoder gives what the likelihood reads, as far as it tells.

    Args:
        decoder: any module, with a ``shape`` or without.
        likelihood: a module.
        shape: of one example, or None where it is not known yet.

    Raises:
        ValueError: another shape, or a decoder that ends in a sigmoid.
    """
    theirs = getattr(decoder, "shape", None)
    if shape is not None and theirs is not None:
        wanted, per = decoder_shape(likelihood, shape), getattr(likelihood, "outputs", 1)
        needs = f" (this likelihood reads {per} numbers per value)" if per > 1 else ""
        if theirs != wanted:
            raise ValueError(f"encoder and decoder disagree on shape: {wanted}{needs} and {theirs}")
    if isinstance(decoder, nn.Module):
        refuse_sigmoid(decoder, *PARAMETERS)


def _checked(value: Tensor, fits: Tensor, wanted: str) -> Tensor:
    """Return ``value`` where all of it ``fits``, and refuse it otherwise.

    A GPU would have to be waited for. There a value that does not fit becomes NaN, and so does
    log p, which a trainer finds when it looks at its logs.
    """
    if not numerics.on_cpu(value):
        return torch.where(fits, value, math.nan)
    if not fits.all():
        low, high = (end.item() for end in value.aminmax())
        raise ValueError(f"expected values {wanted}, got values from {low:g} to {high:g}")
    return value


def _mean(decoded: Tensor, batch_dims: int, in_unit_interval: bool | None = None) -> Tensor:
    """A Gaussian's mean: the decoded value, or its sigmoid for images."""
    if in_unit_interval is None:
        in_unit_interval = decoded.ndim - batch_dims == 3
    return torch.sigmoid(decoded) if in_unit_interval else decoded


class _OnUnitInterval(Independent):
    """A distribution over examples whose values must lie in [0, 1]."""

    def log_prob(self, value: Tensor) -> Tensor:
        data = value.detach()
        # NaN does not equal itself, so it is refused as well.
        return super().log_prob(_checked(value, data == data.clamp(0, 1), "in [0, 1]"))


class BernoulliLikelihood(nn.Module):
    """Each pixel is a coin with logit h: log p = x log λ + (1 − x) log(1 − λ), λ = sigmoid(h).

    Pixels strictly between 0 and 1 are accepted, as is common; the value is then a cross-entropy
    and no normalised log-density. The continuous Bernoulli repairs that. [loaiza2019]

    Example:
        >>> import torch
        >>> from gantut.models import BernoulliLikelihood
        >>> BernoulliLikelihood()(torch.zeros(1, 4)).log_prob(torch.ones(1, 4))  # −4 log 2
        tensor([-2.7726])
    """

    outputs = 1

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        each = Bernoulli(logits=parameters, validate_args=False)
        return _OnUnitInterval(each, parameters.ndim - batch_dims)


def _log_sinhc(u: Tensor) -> Tensor:
    """log(sinh(u) / u), near 0 from its series, since the formula is 0/0 there."""
    near, square = u.abs() < 0.1, u * u
    size = torch.where(near, 1.0, u.abs())  # a slope of ∞ · 0 would be NaN
    far = size + torch.log1p(-torch.exp(-2 * size)) - torch.log(2 * size)
    series = square / 6 * (1 - square / 30 * (1 - square * (4 / 63)))
    return torch.where(near, series, far)


class _ContinuousBernoulli(ContinuousBernoulli):
    """PyTorch's, with log p(x) = (x − ½) r − log(sinh(r/2) / (r/2)) straight from the logit r.

    PyTorch goes over the probability, clamps it and tells cases apart: up to a nat off for a pixel
    with a logit of ±60, at twice the time.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        return (value - 0.5) * self.logits - _log_sinhc(0.5 * self.logits)


class ContinuousBernoulliLikelihood(nn.Module):
    """The density on [0, 1] proportional to λˣ(1 − λ)¹⁻ˣ, with its constant. [loaiza2019]

    λ = sigmoid(h) is not the mean; ask the distribution for its ``mean``.

    Example:
        >>> import torch
        >>> from gantut.models import ContinuousBernoulliLikelihood
        >>> likelihood = ContinuousBernoulliLikelihood()
        >>> likelihood(torch.zeros(1, 4)).log_prob(torch.rand(1, 4))  # λ = ½ is uniform
        tensor([0.])
    """

    outputs = 1

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        each = _ContinuousBernoulli(logits=parameters, validate_args=False)
        return _OnUnitInterval(each, parameters.ndim - batch_dims)


class GaussianLikelihood(nn.Module):
    """Each value is normal around its decoded mean, with one deviation σ for all.

    log p = −Σ ((x − μ)² / (2σ²) + log σ + ½ log 2π). A fixed σ of 1 is what "mean squared error"
    silently assumes, up to a factor ½; at the best σ, σ² is the mean squared error.

    Args:
        sigma: σ > 0, where it starts if it is learned. In the data's own unit.
        learned: whether σ is trained with the networks.
        in_unit_interval: whether μ is the decoded value's sigmoid. Unless given, the shape decides:
            yes for images (C, H, W), no for points (d,) and everything else.

    Raises:
        ValueError: σ is not positive.

    Example:
        >>> import torch
        >>> from gantut.models import GaussianLikelihood
        >>> decoded = torch.tensor([[2.0, -1.0]])
        >>> GaussianLikelihood()(decoded).mean  # points: as they are
        tensor([[ 2., -1.]])
        >>> GaussianLikelihood(in_unit_interval=True)(decoded).mean
        tensor([[0.8808, 0.2689]])
    """

    outputs = 1

    def __init__(
        self, sigma: float = 1.0, *, learned: bool = False, in_unit_interval: bool | None = None
    ) -> None:
        super().__init__()
        expect(0 < sigma < math.inf, "a finite sigma > 0", sigma)
        start = torch.tensor(math.log(sigma))
        self.in_unit_interval = in_unit_interval
        self.log_sigma = nn.Parameter(start, requires_grad=learned)

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        mean = _mean(parameters, batch_dims, self.in_unit_interval)
        sigma = self.log_sigma.exp().expand_as(mean)
        return Independent(Normal(mean, sigma, validate_args=False), mean.ndim - batch_dims)


class GaussianPerPixelLikelihood(nn.Module):
    """Each value is normal with a decoded mean and a decoded deviation of its own.

    The decoder gives two numbers per value, h and r: σ = 0.01 + eʳ, and the mean is the sigmoid of
    h for images (C, H, W), and h itself for everything else. Without the 0.01 the density would
    have no upper bound: where the data repeat exactly, σ would shrink and it would grow.

    Example:
        >>> import torch
        >>> from gantut.models import GaussianPerPixelLikelihood
        >>> GaussianPerPixelLikelihood()(torch.zeros(1, 4)).stddev  # 2 values: 0.01 + e⁰
        tensor([[1.0100, 1.0100]])
    """

    outputs = 2

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        decoded, raw = parameters.chunk(2, dim=batch_dims)
        mean = _mean(decoded, batch_dims)
        each = Normal(mean, 0.01 + raw.exp(), validate_args=False)
        return Independent(each, mean.ndim - batch_dims)


class _OnLevels(Distribution):
    """A distribution over values 0, δ, 2δ, …, 1 with δ = 1 / (levels − 1), each on its own."""

    def __init__(self, shape: torch.Size, levels: int) -> None:
        self.levels = levels
        super().__init__(batch_shape=shape, validate_args=False)

    def steps(self, value: Tensor) -> Tensor:
        """Values as whole numbers 0 … levels − 1; others are refused."""
        top = self.levels - 1
        steps = (value * top).round().clamp(0, top)
        fits = (value * top - steps).abs() < 1e-2
        return _checked(steps, fits, f"on the {self.levels} levels 0, 1/{top}, …, 1")


class DiscretisedLogistic(_OnLevels):
    """The mass that a logistic puts between the midpoints of neighbouring levels, tails included.

    With a and b the upper and the lower midpoint, seen from the mean in units of the scale,
    sigmoid(a) − sigmoid(b) has the logarithm −softplus(−a) − softplus(b) + log(1 − e^(b − a)),
    which no pair of saturated sigmoids can spoil. At 0 and 1 the whole tail counts. [salimans2017]
    """

    def __init__(self, location: Tensor, scale: Tensor, levels: int) -> None:
        self.location, self.scale = location, scale
        super().__init__(location.shape, levels)

    def log_prob(self, value: Tensor) -> Tensor:
        steps, half = self.steps(value), 0.5 / (self.levels - 1)
        centre = steps / (self.levels - 1)
        a = (centre + half - self.location) / self.scale
        b = (centre - half - self.location) / self.scale
        below_top, above_bottom = -numerics.softplus(-a), -numerics.softplus(b)
        between = below_top + above_bottom + torch.log(-torch.expm1(-2 * half / self.scale))
        inside = torch.where(steps == self.levels - 1, above_bottom, between)
        return torch.where(steps == 0, below_top, inside)

    @property
    def mean(self) -> Tensor:
        # E[x] = δ · Σ_k P(x ≥ kδ), one threshold after the other.
        delta, total = 1 / (self.levels - 1), torch.zeros_like(self.location)
        for k in range(1, self.levels):
            total = total + torch.sigmoid((self.location - (k - 0.5) * delta) / self.scale)
        return delta * total


class CategoricalOnLevels(_OnLevels):
    """Any probabilities on the levels, from ``logits`` (*shape, levels)."""

    def __init__(self, logits: Tensor) -> None:
        self.log_probabilities = logits.log_softmax(-1)
        super().__init__(logits.shape[:-1], logits.shape[-1])

    def log_prob(self, value: Tensor) -> Tensor:
        steps = self.steps(value)
        shape = torch.broadcast_shapes(steps.shape, self.batch_shape)
        index = steps.nan_to_num().long().expand(shape)[..., None]
        each = self.log_probabilities.expand(*shape, self.levels).gather(-1, index)
        return each.squeeze(-1) + 0 * steps  # NaN, where a GPU was given no level

    @property
    def mean(self) -> Tensor:
        levels = torch.arange(self.levels).to(self.log_probabilities)
        return self.log_probabilities.exp() @ levels / (self.levels - 1)


class DiscretisedLogisticLikelihood(nn.Module):
    """Images of ``levels`` brightnesses as what they are: counts, with a probability each.

    The decoder gives two numbers per value, h and r: a logistic of mean sigmoid(h) and scale
    0.001 + eʳ is cut at the midpoints between levels. The value is a true probability, so
    bits per dimension follow directly. [salimans2017]

    Args:
        levels: 256 for images of 8 bits.

    Raises:
        ValueError: fewer than 2 levels.

    Example:
        >>> import torch
        >>> from gantut.models import DiscretisedLogisticLikelihood
        >>> coin = DiscretisedLogisticLikelihood(levels=2)  # black or white
        >>> coin(torch.zeros(1, 2)).log_prob(torch.ones(1, 1)).exp()
        tensor([0.5000])
    """

    outputs = 2

    def __init__(self, levels: int = 256) -> None:
        super().__init__()
        numerics.at_least(2, levels=levels)
        self.levels = levels

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        location, raw = parameters.chunk(2, dim=batch_dims)
        each = DiscretisedLogistic(torch.sigmoid(location), 0.001 + raw.exp(), self.levels)
        return Independent(each, location.ndim - batch_dims, validate_args=False)


class CategoricalLikelihood(nn.Module):
    """One probability for each of ``levels`` brightnesses, without any order between them.

    The decoder gives ``levels`` logits per value; level k of channel c is plane k·C + c. [oord2016]

    Args:
        levels: 256 for images of 8 bits.

    Raises:
        ValueError: fewer than 2 levels.

    Example:
        >>> import torch
        >>> from gantut.models import CategoricalLikelihood
        >>> CategoricalLikelihood(4)(torch.zeros(1, 4)).log_prob(torch.ones(1, 1)).exp()
        tensor([0.2500])
    """

    def __init__(self, levels: int = 256) -> None:
        super().__init__()
        numerics.at_least(2, levels=levels)
        self.levels = self.outputs = levels

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        # (*batch, levels·C, …) → (*batch, C, …, levels)
        logits = parameters.unflatten(batch_dims, (self.levels, -1)).movedim(batch_dims, -1)
        each = CategoricalOnLevels(logits)
        return Independent(each, parameters.ndim - batch_dims, validate_args=False)


# The keys of the table below, so that a type checker knows them.
Name = Literal[
    "bernoulli",
    "continuous_bernoulli",
    "gaussian",
    "gaussian_learned",
    "gaussian_per_pixel",
    "discretised_logistic",
    "categorical",
]
LIKELIHOODS: dict[str, Callable[[], nn.Module]] = {
    "bernoulli": BernoulliLikelihood,
    "continuous_bernoulli": ContinuousBernoulliLikelihood,
    "gaussian": GaussianLikelihood,
    "gaussian_learned": lambda: GaussianLikelihood(0.3, learned=True),
    "gaussian_per_pixel": GaussianPerPixelLikelihood,
    "discretised_logistic": DiscretisedLogisticLikelihood,
    "categorical": CategoricalLikelihood,
}


def likelihood(chosen: str | nn.Module) -> nn.Module:
    """Return the likelihood called ``chosen``, or ``chosen`` itself when it is a module already.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if not isinstance(chosen, str):
        return chosen
    return numerics.chosen("likelihood", chosen, LIKELIHOODS)()
