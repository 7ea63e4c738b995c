"""Priors over grids of code numbers: what a VQ-VAE needs to draw an image, and what its codes cost in nats. [oord2017]

A grid (h, w) of numbers 0 … K − 1 is read line by line, c₁ … c_T with T = h·w. Both priors here give log p(c₁ … c_T) and draws.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks.initialisation import seeded
from gantut.networks.shapes import append_label, check_labels


class CodePrior(Protocol):
    """What a prior over codes can do."""

    size: int
    grid: tuple[int, int]
    classes: int

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor: ...
    def sample(
        self, n: int, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor: ...


def _check_sizes(size: int, grid: tuple[int, int]) -> tuple[int, int]:
    if size < 1 or len(grid) != 2 or min(grid) < 1:
        raise ValueError(
            f"a prior over codes needs a size ≥ 1 and a grid (h, w) of positive sides, got {size} and {grid}"
        )
    return grid[0], grid[1]


def check_codes(codes: Tensor, size: int, grid: tuple[int, int]) -> Tensor:
    """Return ``codes`` where they are whole numbers 0 … size − 1 of shape (N, *grid).

    Raises:
        ValueError: another shape, or a number outside.
        TypeError: not integers.
    """
    if codes.shape[1:] != grid or codes.ndim != 3:
        raise ValueError(
            f"expected codes of shape (N, {grid[0]}, {grid[1]}), got {tuple(codes.shape)}"
        )
    if codes.is_floating_point() or codes.dtype == torch.bool:
        raise TypeError(f"codes must be integers, got {codes.dtype}")
    if codes.numel() and not (int(codes.min()) >= 0 and int(codes.max()) < size):
        raise ValueError(
            f"codes must lie in 0 … {size - 1}, got {int(codes.min())} … {int(codes.max())}"
        )
    return codes


class UniformCodes(nn.Module):
    """Every grid is equally likely: log p = −h·w·log K. It knows nothing, and it is what the training of a VQ-VAE assumes.

    Raises:
        ValueError: a size or a side below 1.
    """

    classes = 0

    def __init__(self, size: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid, self.size = _check_sizes(size, grid), size

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N,), in nats."""
        check_codes(codes, self.size, self.grid)
        nats = math.prod(self.grid) * math.log(self.size)
        return torch.full((len(codes),), -nats, device=codes.device)

    def sample(
        self, n: int, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Codes (n, h, w)."""
        device = None if generator is None else generator.device
        return torch.randint(self.size, (n, *self.grid), generator=generator, device=device)


class AutoregressiveCodes(nn.Module):
    """log p(c) = Σ_t log p(c_t | c₁ … c_{t−1}): a recurrent network reads the grid line by line and predicts each code from all before it.

    At place t it is shown the code before, the code above, the place, and with ``classes`` the label; a GRU of ``width`` remembers the
    rest. Each conditional is a softmax over K codes, so the probabilities of all Kᵀ grids add up to 1. [oord2016, cho2014]

    Raises:
        ValueError: a size or a side below 1; in the pass: codes of another shape or range, missing or wrong labels.
        TypeError: codes or labels that are no integers.
    """

    def __init__(
        self,
        size: int,
        grid: tuple[int, int],
        *,
        width: int = 128,
        embedding: int = 16,
        classes: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.grid, self.size, self.classes = _check_sizes(size, grid), size, classes
        with seeded(seed):
            # Number K stands for "no code there yet".
            self.before, self.above = (nn.Embedding(size + 1, embedding) for _ in range(2))
            self.place = nn.Embedding(math.prod(self.grid), embedding)
            self.memory = nn.GRU(3 * embedding + classes, width, batch_first=True)
            self.head = nn.Linear(width, size)

    def _inputs(self, padded: Tensor, places: Tensor, labels: Tensor | None) -> Tensor:
        """What the network is shown at ``places`` (P,), (N, P, ·): ``padded`` (N, w + T) holds w times K, and then the codes."""
        width = self.grid[1]
        before, above = self.before(padded[:, places + width - 1]), self.above(padded[:, places])
        shown = torch.cat([before, above, self.place(places).expand_as(before)], dim=2)
        labels = None if labels is None else labels.repeat_interleave(len(places))
        return append_label(shown.flatten(0, 1), labels, self.classes).unflatten(
            0, (len(padded), -1)
        )

    def logits(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, T, K): at place t the logits of c_t given the codes before it."""
        check_codes(codes, self.size, self.grid)
        check_labels(labels, self.classes, len(codes))
        padded = F.pad(codes.flatten(1), (self.grid[1], 0), value=self.size)
        places = torch.arange(math.prod(self.grid), device=codes.device)
        return self.head(self.memory(self._inputs(padded, places, labels))[0])

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Σ_t log p(c_t | c₁ … c_{t−1}), (N,), in nats."""
        each = self.logits(codes, labels).log_softmax(2)
        return each.gather(2, codes.flatten(1)[:, :, None]).squeeze(2).sum(1)

    @torch.no_grad()
    def sample(
        self, n: int, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Codes (n, h, w), one after the other from the conditionals."""
        device, (height, width) = self.head.weight.device, self.grid
        labels = check_labels(labels, self.classes, n)
        padded, state = torch.full((n, width + height * width), self.size, device=device), None
        for t in range(height * width):
            h, state = self.memory(
                self._inputs(padded, torch.tensor([t], device=device), labels), state
            )
            chances = self.head(h[:, 0]).softmax(1)
            padded[:, width + t] = torch.multinomial(chances, 1, generator=generator)[:, 0]
        return padded[:, width:].view(n, height, width)
