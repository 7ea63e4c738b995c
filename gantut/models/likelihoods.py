"""What a decoder's numbers mean: modules that turn them into a distribution p(x|z) over whole examples, with log p in nats.

Each takes ``parameters`` of shape (*batch, outputs·C, …) and the number of batch dimensions. ``outputs`` says how many numbers per value
it wants: with 2 or more, the decoder is made for (outputs·C, H, W), and ``decoder_shape`` tells which. Images lie in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, ContinuousBernoulli, Distribution, Independent, Normal

from gantut.numerics import softplus


def decoder_shape(likelihood: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a decoder needs for examples of ``shape`` under this likelihood."""
    return (getattr(likelihood, "outputs", 1) * shape[0], *shape[1:])


class OnUnitInterval(Independent):
    """A distribution over examples whose values must lie in [0, 1]; ``log_prob`` refuses others."""

    def log_prob(self, value: Tensor) -> Tensor:
        low, high = value.detach().aminmax()
        if not (low >= 0 and high <= 1):  # false for NaN as well
            raise ValueError(
                f"this likelihood needs values in [0, 1], got values from {low.item():g} to {high.item():g}"
            )
        return super().log_prob(value)


class BernoulliLikelihood(nn.Module):
    """Each pixel is a coin with logit ``parameters``: log p = x log p̂ + (1 − x) log(1 − p̂).

    Pixels strictly between 0 and 1 are accepted, as is common; the value is then a cross-entropy and no normalised log-density. The
    continuous Bernoulli repairs that. [loaiza2019]
    """

    outputs = 1

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        return OnUnitInterval(
            Bernoulli(logits=parameters, validate_args=False), parameters.ndim - batch_dims
        )


class _LogSinhc(torch.autograd.Function):
    """log(sinh(u) / u), with the slope coth(u) − 1/u; near 0 both from their series, since the formulas are 0/0 and ∞ − ∞ there."""

    @staticmethod
    def forward(ctx, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        size, square = u.abs(), u * u
        far = size + torch.log1p(-torch.exp(-2 * size)) - torch.log(2 * size)
        return torch.where(
            size < 0.1, square / 6 * (1 - square / 30 * (1 - square * (4 / 63))), far
        )

    @staticmethod
    def backward(ctx, slope: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        near, square = u.abs() < 0.1, u * u
        far = torch.where(near, 1.0, u)
        series = u / 3 * (1 - square / 15 * (1 - square * (2 / 21)))
        return slope * torch.where(near, series, 1 / torch.tanh(far) - 1 / far)


class _ContinuousBernoulli(ContinuousBernoulli):
    """PyTorch's distribution, with log p(x) = (x − ½) r − log(sinh(r/2) / (r/2)) straight from the logit r.

    PyTorch goes over the probability, clamps it and tells cases apart: up to a nat off for a pixel with a logit of ±60, at twice the time.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        return (value - 0.5) * self.logits - _LogSinhc.apply(0.5 * self.logits)


class ContinuousBernoulliLikelihood(nn.Module):
    """The density on [0, 1] proportional to p̂ˣ(1 − p̂)¹⁻ˣ, with its normalising constant. [loaiza2019]"""

    outputs = 1

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        return OnUnitInterval(
            _ContinuousBernoulli(logits=parameters, validate_args=False),
            parameters.ndim - batch_dims,
        )


class GaussianLikelihood(nn.Module):
    """Each pixel is normal around its decoded value with one standard deviation σ for all: fixed, or learned with the networks.

    With ``in_unit_interval`` (for images) the mean is the sigmoid of the decoded value; without it (for points) the value itself.
    A fixed σ of 1 is what "mean squared error" silently assumes, up to a factor ½.

    Raises:
        ValueError: σ is not positive.
    """

    outputs = 1

    def __init__(
        self, sigma: float = 1.0, *, learned: bool = False, in_unit_interval: bool = True
    ) -> None:
        super().__init__()
        if not (math.isfinite(sigma) and sigma > 0):
            raise ValueError(f"sigma must be a finite number > 0, got {sigma}")
        self.in_unit_interval = in_unit_interval
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)), requires_grad=learned)

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        mean = torch.sigmoid(parameters) if self.in_unit_interval else parameters
        sigma = self.log_sigma.exp().expand_as(mean)
        return Independent(Normal(mean, sigma, validate_args=False), mean.ndim - batch_dims)


class GaussianPerPixelLikelihood(nn.Module):
    """Each pixel is normal with its own decoded mean and its own decoded deviation σ = ``minimum`` + eʳ. The decoder gives 2·C planes.

    The likelihood has no upper bound: where the data repeat exactly, σ shrinks and the density grows. ``minimum`` is that bound.

    Raises:
        ValueError: the minimum is not positive.
    """

    outputs = 2

    def __init__(self, minimum: float = 0.01, *, in_unit_interval: bool = True) -> None:
        super().__init__()
        if not (math.isfinite(minimum) and minimum > 0):
            raise ValueError(f"minimum must be a finite number > 0, got {minimum}")
        self.minimum, self.in_unit_interval = minimum, in_unit_interval

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        mean, raw = parameters.chunk(2, dim=batch_dims)
        mean = torch.sigmoid(mean) if self.in_unit_interval else mean
        return Independent(
            Normal(mean, self.minimum + raw.exp(), validate_args=False), mean.ndim - batch_dims
        )


class OnLevels(Distribution):
    """A distribution over values 0, δ, 2δ, …, 1 with δ = 1 / (levels − 1), each value on its own. Subclasses say how likely each is."""

    has_rsample = False

    def __init__(self, shape: torch.Size, levels: int) -> None:
        self.levels = levels
        super().__init__(batch_shape=shape, validate_args=False)

    def steps(self, value: Tensor) -> Tensor:
        """Values as whole numbers 0 … levels − 1.

        Raises:
            ValueError: a value is not on one of the levels.
        """
        scaled = value * (self.levels - 1)
        steps = scaled.round()
        if not (
            (scaled - steps).abs().max() < 1e-2 and steps.min() >= 0 and steps.max() < self.levels
        ):
            raise ValueError(
                f"this likelihood needs values on the {self.levels} levels 0, 1/{self.levels - 1}, …, 1; got values from "
                f"{value.min().item():g} to {value.max().item():g}, some between levels or outside"
            )
        return steps

    def probabilities(self) -> Tensor:
        """The probability of each level, (levels, *shape)."""
        at = torch.arange(self.levels, dtype=torch.float64).view(
            -1, *[1] * len(self.batch_shape)
        ) / (self.levels - 1)
        return torch.cat(
            [self.log_prob(level.expand(self.batch_shape)).exp()[None] for level in at]
        )


class DiscretisedLogistic(OnLevels):
    """The mass that a logistic with mean μ and scale s puts between the midpoints of neighbouring levels, its tails at 0 and 1.

    With a and b the upper and the lower midpoint in units of s, sigmoid(a) − sigmoid(b) has the logarithm
    −softplus(−a) − softplus(b) + log(1 − e^(b − a)), which no pair of saturated sigmoids can spoil. [salimans2017]
    """

    def __init__(self, location: Tensor, scale: Tensor, levels: int) -> None:
        self.location, self.scale = location, scale
        super().__init__(location.shape, levels)

    def log_prob(self, value: Tensor) -> Tensor:
        steps, half = self.steps(value), 0.5 / (self.levels - 1)
        centre = steps / (self.levels - 1)
        a, b = (
            (centre + half - self.location) / self.scale,
            (centre - half - self.location) / self.scale,
        )
        below_top, above_bottom = -softplus(-a), -softplus(b)
        between = below_top + above_bottom + torch.log(-torch.expm1(-2 * half / self.scale))
        return torch.where(
            steps == 0, below_top, torch.where(steps == self.levels - 1, above_bottom, between)
        )

    @property
    def mean(self) -> Tensor:
        # E[x] = δ · Σ_k P(x ≥ kδ), one threshold after the other.
        delta, total = 1 / (self.levels - 1), torch.zeros_like(self.location)
        for k in range(1, self.levels):
            total = total + torch.sigmoid((self.location - (k - 0.5) * delta) / self.scale)
        return delta * total


class CategoricalOnLevels(OnLevels):
    """Any probabilities on the levels, from ``logits`` (*shape, levels)."""

    def __init__(self, logits: Tensor) -> None:
        self.log_probabilities = logits.log_softmax(-1)
        super().__init__(logits.shape[:-1], logits.shape[-1])

    def log_prob(self, value: Tensor) -> Tensor:
        steps = self.steps(value).long()
        table = self.log_probabilities.expand(
            *torch.broadcast_shapes(steps.shape, self.batch_shape), self.levels
        )
        return table.gather(-1, steps.expand(table.shape[:-1])[..., None]).squeeze(-1)

    @property
    def mean(self) -> Tensor:
        values = torch.arange(
            self.levels, dtype=self.log_probabilities.dtype, device=self.log_probabilities.device
        )
        return self.log_probabilities.exp() @ values / (self.levels - 1)


def _check_levels(levels: int) -> int:
    if levels < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")
    return levels


class DiscretisedLogisticLikelihood(nn.Module):
    """Images of ``levels`` brightnesses as what they are: counts on levels, with a probability each. The decoder gives 2·C planes.

    Mean sigmoid(h) and scale ``minimum`` + eʳ, per pixel. The value is a true probability, so bits per dimension follow directly.
    [salimans2017]

    Raises:
        ValueError: fewer than 2 levels.
    """

    outputs = 2

    def __init__(self, levels: int = 256, *, minimum: float = 1e-3) -> None:
        super().__init__()
        self.levels, self.minimum = _check_levels(levels), minimum

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        location, raw = parameters.chunk(2, dim=batch_dims)
        each = DiscretisedLogistic(torch.sigmoid(location), self.minimum + raw.exp(), self.levels)
        return Independent(each, location.ndim - batch_dims, validate_args=False)


class CategoricalLikelihood(nn.Module):
    """One probability for each of ``levels`` brightnesses, without any order between them. The decoder gives levels·C planes.

    Raises:
        ValueError: fewer than 2 levels.
    """

    def __init__(self, levels: int = 256) -> None:
        super().__init__()
        self.levels = self.outputs = _check_levels(levels)

    def forward(self, parameters: Tensor, batch_dims: int = 1) -> Distribution:
        # (*batch, levels·C, …) → (*batch, C, …, levels)
        logits = parameters.unflatten(batch_dims, (self.levels, -1)).movedim(batch_dims, -1)
        return Independent(
            CategoricalOnLevels(logits), parameters.ndim - batch_dims, validate_args=False
        )


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
    if chosen not in LIKELIHOODS:
        raise ValueError(f"unknown likelihood {chosen!r}; known: {', '.join(LIKELIHOODS)}")
    return LIKELIHOODS[chosen]()
