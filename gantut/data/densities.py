"""Two-dimensional densities whose log-density is known exactly.

Each is a mixture of equal round Gaussians, p(x) = 1/K Σₖ N(x; cₖ, σ²I). For the ring and the grid the centres are the modes. For curves
(moons, spirals, pinwheel) the centres are strung densely along the curve, and this mixture *is* the definition, so nothing is approximated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gantut.data.batches import generator as seeded_generator


@dataclass(frozen=True)
class Density:
    """A mixture of K equal Gaussians with the given centres (K, 2) and standard deviation ``std``.

    ``modes`` holds the centres where each is a mode, and is empty, (0, 2), for curves.
    """

    name: str
    centres: Tensor
    std: float
    modes: Tensor = field(default_factory=lambda: torch.empty(0, 2))

    def __post_init__(self) -> None:
        if not (math.isfinite(self.std) and self.std > 0):
            raise ValueError(f"std must be a finite number > 0, got {self.std}")

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """``n`` independent draws, (n, 2) float32."""
        which = torch.randint(len(self.centres), (n,), generator=generator)
        return self.centres[which] + self.std * torch.randn(n, 2, generator=generator)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (N,), in the precision of ``x``.

        Raises:
            ValueError: x is not (N, 2).
        """
        if x.ndim != 2 or x.shape[1] != 2:
            raise ValueError(f"expected points of shape (N, 2), got {tuple(x.shape)}")
        squares = (x[:, None, :] - self.centres.to(x)).square().sum(2)
        constant = math.log(len(self.centres)) + math.log(2 * math.pi * self.std**2)
        return torch.logsumexp(-squares / (2 * self.std**2), dim=1) - constant

    def batches(self, batch_size: int, *, seed: int = 0) -> FreshBatches:
        """An endless sequence of fresh draws, each a function of (seed, k)."""
        return FreshBatches(self, batch_size, seed)


class FreshBatches:
    """Batches drawn anew from a density; ``batch(k)`` depends on (seed, k) alone.

    Raises:
        ValueError: a batch size below 1.
    """

    def __init__(self, density: Density, batch_size: int, seed: int = 0) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.density, self.batch_size, self.seed = density, batch_size, seed

    def batch(self, k: int) -> Tensor:
        return self.density.sample(self.batch_size, seeded_generator(self.seed, k))

    def __iter__(self) -> Iterator[Tensor]:
        k = 0
        while True:
            yield self.batch(k)
            k += 1


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1).float()


def _at_least(what: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{what} must be at least {least}, got {value}")


def ring(modes: int = 8, radius: float = 2.0, std: float = 0.02) -> Density:
    """``modes`` Gaussians at equal distances on a circle, at the angles 2πk/modes, k = 0 … modes − 1. [srivastava2017]

    The end of the circle is its beginning, so the angles stop one short of 2π: ``linspace(0, 2π, 8)`` would give 7 distinct modes.
    """
    _at_least("modes", modes, 1)
    angle = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    centres = _polar(torch.full_like(angle, radius), angle)
    return Density("ring", centres, std, centres)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> Density:
    """side × side Gaussians on a square grid around the origin. [srivastava2017]"""
    _at_least("side", side, 1)
    line = spacing * (torch.arange(side, dtype=torch.float32) - (side - 1) / 2)
    centres = torch.cartesian_prod(line, line)
    return Density("grid", centres, std, centres)


def two_moons(std: float = 0.1, points: int = 200) -> Density:
    """Two half circles of radius 1 that reach into one another."""
    _at_least("points", points, 2)
    angle = torch.linspace(0, math.pi, points, dtype=torch.float64)
    upper = _polar(torch.ones_like(angle), angle) - torch.tensor([0.5, 0.25])
    return Density("two_moons", torch.cat([upper, -upper]), std)


def spirals(arms: int = 2, turns: float = 1.25, std: float = 0.08, points: int = 200) -> Density:
    """Archimedean spirals that start at radius 0.3 and end at radius 2, evenly along their length."""
    _at_least("arms", arms, 1)
    fine = torch.linspace(0, 1, 20 * points, dtype=torch.float64)
    curve = _polar(0.3 + 1.7 * fine, 2 * math.pi * turns * fine)
    length = (curve[1:] - curve[:-1]).norm(dim=1).cumsum(0)
    even = torch.searchsorted(length, torch.linspace(0, float(length[-1]) * 0.9999, points))
    arm = curve[even]
    return Density(
        "spirals", torch.cat([arm @ _rotation(2 * math.pi * k / arms) for k in range(arms)]), std
    )


def pinwheel(blades: int = 5, std: float = 0.07, points: int = 100) -> Density:
    """Straight blades from radius 0.3 to 2 whose angle is bent by the radius."""
    _at_least("blades", blades, 1)
    radius = torch.linspace(0.3, 2.0, points, dtype=torch.float64)
    blade = _polar(radius, 0.9 * radius)
    return Density(
        "pinwheel",
        torch.cat([blade @ _rotation(2 * math.pi * k / blades) for k in range(blades)]),
        std,
    )


def _rotation(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, s], [-s, c]])


DENSITIES: dict[str, Callable[..., Density]] = {
    "ring": ring,
    "grid": grid,
    "two_moons": two_moons,
    "spirals": spirals,
    "pinwheel": pinwheel,
}
