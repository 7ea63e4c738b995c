"""Two-dimensional densities whose log-density is known exactly.

Each is a mixture of equal round Gaussians, p(x) = 1/K Σₖ N(x; cₖ, σ²I). For the ring and the grid
the centres are the modes. For curves (moons, spirals, pinwheel) the centres are strung densely
along the curve, and this mixture *is* the definition, so nothing is approximated.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gantut.data.batches import generator as seeded_generator
from gantut.numerics import at_least


@dataclass(frozen=True)
class Density:
    """A mixture of K equal round Gaussians in the plane, p(x) = 1/K Σₖ N(x; cₖ, σ²I).

    Args:
        name: what messages call it.
        centres: the means cₖ (K, 2).
        std: the standard deviation σ of each.
        modes: the centres where each is a mode of its own; empty, (0, 2), for curves.

    Raises:
        ValueError: ``std`` is not a finite number > 0.

    Example:
        >>> import torch
        >>> ring(std=0.1).log_prob(torch.tensor([[2.0, 0.0]])).round(decimals=3)
        tensor([0.6880])
    """

    name: str
    centres: Tensor
    std: float
    modes: Tensor = field(default_factory=lambda: torch.empty(0, 2))

    def __post_init__(self) -> None:
        if not (math.isfinite(self.std) and self.std > 0):
            raise ValueError(f"std must be a finite number > 0, got {self.std}")

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """``n`` independent draws, (n, 2) float32, from ``generator`` or the global one."""
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
        """Endless batches of fresh draws (batch_size, 2), each a function of ``seed`` and k.

        Raises:
            ValueError: a batch size below 1.
        """
        at_least(1, batch_size=batch_size)
        return FreshBatches(self, batch_size, seed)


@dataclass(frozen=True)
class FreshBatches:
    """Batches drawn anew from a density; ``batch(k)`` depends on the seed and k alone."""

    density: Density
    batch_size: int
    seed: int

    def batch(self, k: int) -> Tensor:
        """The k-th batch, (batch_size, 2)."""
        return self.density.sample(self.batch_size, seeded_generator(self.seed, k))

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.batch, itertools.count())


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1).float()


def ring(modes: int = 8, radius: float = 2.0, std: float = 0.02) -> Density:
    """Gaussians at equal distances on a circle, at the angles 2πk/modes. [srivastava2017]

    The end of the circle is its beginning, so k stops at modes − 1: ``linspace(0, 2π, 8)`` would
    give 7 distinct modes.

    Args:
        modes: how many.
        radius: of the circle.
        std: of each Gaussian, the same in both directions.

    Raises:
        ValueError: fewer than 1 mode, or ``std`` is not a finite number > 0.

    Example:
        >>> clouds = ring(8, radius=2.0)
        >>> clouds.modes.shape, clouds.modes.norm(dim=1).max()
        (torch.Size([8, 2]), tensor(2.))
    """
    at_least(1, modes=modes)
    angle = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    centres = _polar(torch.full_like(angle, radius), angle)
    return Density("ring", centres, std, centres)


def grid(side: int = 5, spacing: float = 2.0, std: float = 0.05) -> Density:
    """side × side Gaussians on a square grid around the origin. [srivastava2017]

    Args:
        side: how many in a row.
        spacing: the distance between neighbours.
        std: of each Gaussian.

    Raises:
        ValueError: a side below 1, or ``std`` is not a finite number > 0.

    Example:
        >>> len(grid(5).modes)
        25
    """
    at_least(1, side=side)
    line = spacing * (torch.arange(side, dtype=torch.float32) - (side - 1) / 2)
    centres = torch.cartesian_prod(line, line)
    return Density("grid", centres, std, centres)


def two_moons(std: float = 0.1) -> Density:
    """Two half circles of radius 1 that reach into one another, 200 Gaussians on each.

    Args:
        std: how far points lie off the curve.

    Raises:
        ValueError: ``std`` is not a finite number > 0.

    Example:
        >>> two_moons().centres.shape
        torch.Size([400, 2])
    """
    angle = torch.linspace(0, math.pi, 200, dtype=torch.float64)
    upper = _polar(torch.ones_like(angle), angle) - torch.tensor([0.5, 0.25])
    return Density("two_moons", torch.cat([upper, -upper]), std)


def spirals(std: float = 0.08) -> Density:
    """Two Archimedean spirals from radius 0.3 to radius 2, in 1¼ turns, even along their length.

    Args:
        std: how far points lie off the curve, which has 200 Gaussians on each arm.

    Raises:
        ValueError: ``std`` is not a finite number > 0.

    Example:
        >>> spirals().centres.shape
        torch.Size([400, 2])
    """
    fine = torch.linspace(0, 1, 4000, dtype=torch.float64)
    curve = _polar(0.3 + 1.7 * fine, 2.5 * math.pi * fine)
    length = (curve[1:] - curve[:-1]).norm(dim=1).cumsum(0)
    even = torch.searchsorted(length, torch.linspace(0, float(length[-1]) * 0.9999, 200))
    return Density("spirals", _turned(curve[even], 2), std)


def pinwheel(std: float = 0.07) -> Density:
    """Five blades from radius 0.3 to 2, bent: the angle grows with the radius.

    Args:
        std: how far points lie off a blade's line, which has 100 Gaussians.

    Raises:
        ValueError: ``std`` is not a finite number > 0.

    Example:
        >>> pinwheel().centres.shape
        torch.Size([500, 2])
    """
    radius = torch.linspace(0.3, 2.0, 100, dtype=torch.float64)
    return Density("pinwheel", _turned(_polar(radius, 0.9 * radius), 5), std)


def _turned(curve: Tensor, copies: int) -> Tensor:
    """Copies of a curve (n, 2), turned by equal angles, (copies·n, 2)."""
    angles = [2 * math.pi * k / copies for k in range(copies)]
    turns = [[[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]] for a in angles]
    return torch.cat([curve @ torch.tensor(turn) for turn in turns])


DENSITIES: dict[str, Callable[..., Density]] = {
    make.__name__: make for make in (ring, grid, two_moons, spirals, pinwheel)
}
