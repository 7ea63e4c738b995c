"""Flow matching: noise becomes data along the paths of a learned velocity field. [lipman2023]"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gantut.models.priors import noise
from gantut.networks.mlp import MLPDecoder
from gantut.numerics import check_shape


class VelocityMLP(nn.Module):
    """A velocity field v(x, t) on vectors: a fully connected network that knows the time.

    It reads x, cos and sin of π 2ᵏ t for the first few k, and with ``classes`` the label.

    Args:
        dimension: d, the length of x.
        frequencies: how many k.
        hidden: the widths of the hidden layers.
        options: ``classes``, ``seed`` and the like, as in ``MLPDecoder``.

    Example:
        >>> import torch
        >>> from gantut.models import VelocityMLP
        >>> VelocityMLP(2)(torch.zeros(5, 2), torch.rand(5)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, dimension: int, *, frequencies: int = 6, hidden: Sequence[int] = (128,) * 3, **options
    ) -> None:
        super().__init__()
        self.angles: Tensor
        self.register_buffer("angles", math.pi * 2.0 ** torch.arange(frequencies))
        size, options = dimension + 2 * frequencies, {"activation": "silu"} | options
        self.network = MLPDecoder(size, (dimension,), hidden=hidden, **options)
        self.dimension, self.classes = dimension, self.network.classes

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The velocity (N, d) at places x (N, d) and times t (N,)."""
        angles = t[:, None] * self.angles
        return self.network(torch.cat([x, angles.cos(), angles.sin()], 1), labels)


class Flow(nn.Module):
    """A velocity field that carries N(0, I) at time 0 to the data at time 1. [lipman2023]

    Noise ε and an example x are joined by the straight line x_t = (1 − t) ε + t x, whose velocity
    is x − ε. The field is fitted to it by least squares, E ‖v(x_t, t) − (x − ε)‖² over ε, x and
    t ~ U(0, 1), and so becomes the average velocity of all lines through a point. Following it from
    noise gives draws with the data's distribution at every time.

    Args:
        velocity: any module (x, t) → (N, d), or (x, t, labels) where there are classes.
        dimension: d, where the module does not carry it.
        classes: the number of classes, where the module does not carry it.

    Example:
        >>> import torch
        >>> from gantut.models import Flow, VelocityMLP
        >>> flow = Flow(VelocityMLP(2))
        >>> flow(torch.randn(8, 2)).shape, flow.sample(3).shape
        (torch.Size([8]), torch.Size([3, 2]))
    """

    def __init__(self, velocity: nn.Module, dimension: int = 0, classes: int = 0) -> None:
        super().__init__()
        self.velocity = velocity
        self.dimension: int = getattr(velocity, "dimension", dimension)
        self.classes: int = getattr(velocity, "classes", classes)
        if self.dimension < 1:
            raise ValueError(f"give the vectors' dimension, at least 1; got {self.dimension}")

    def _velocity(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        return self.velocity(x, t) if labels is None else self.velocity(x, t, labels)

    def forward(
        self, x: Tensor, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """The loss ‖v(x_t, t) − (x − ε)‖², (N,), at one random time and noise for each example.

        Raises:
            ValueError: examples that are no vectors (N, d).
        """
        check_shape(x, (self.dimension,), "vectors")
        t = torch.rand(len(x), generator=generator, device=x.device, dtype=x.dtype)
        start = noise(x.shape, x, generator)
        there = torch.lerp(start, x, t[:, None])
        return (self._velocity(there, t, labels) - (x - start)).square().sum(1)

    @torch.no_grad()
    def transport(
        self, x: Tensor, labels: Tensor | None = None, *, steps: int = 50, method: str = "midpoint"
    ) -> Tensor:
        """Follow the field from time 0 to time 1, from the places x, (N, d).

        Args:
            x: where to begin: noise.
            labels: (N,), where there are classes.
            steps: of equal length h = 1 / steps. Euler's error is O(h), the midpoint's O(h²), at
                two velocities a step.
            method: ``"midpoint"`` or ``"euler"``.

        Raises:
            ValueError: no step, or an unknown method.
        """
        if steps < 1 or method not in ("euler", "midpoint"):
            raise ValueError(
                f"expected at least 1 step of euler or midpoint, got {steps} of {method!r}"
            )
        h = 1 / steps
        for k in range(steps):
            t = torch.full((len(x),), k * h, device=x.device, dtype=x.dtype)
            v = self._velocity(x, t, labels)
            if method == "midpoint":
                v = self._velocity(x + h / 2 * v, t + h / 2, labels)
            x = x + h * v
        return x

    def sample(
        self,
        n: int,
        labels: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        **options,
    ) -> Tensor:
        """``n`` draws (n, d) from noise; ``steps`` and ``method`` as in ``transport``."""
        start = noise((n, self.dimension), next(self.parameters()), generator)
        return self.transport(start, labels, **options)
