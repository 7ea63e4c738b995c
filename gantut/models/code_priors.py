"""Priors over grids of codes, by which a VQ-VAE draws images and counts its codes. [oord2017]

A grid of numbers 0 … K − 1, (h, w) or (L, h, w), is read in the order of its memory, c₁ … c_T with
T the number of places. Both priors here give log p(c₁ … c_T), in nats, and draws.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks.initialisation import LEAK, seeded
from gantut.networks.shapes import append_label, check_labels
from gantut.numerics import check_numbers, check_shape, expect


def check_codes(codes: Tensor, size: int, grid: tuple[int, ...]) -> Tensor:
    """Return ``codes`` where they are whole numbers 0 … size − 1 of shape (N, *grid).

    Values are looked at on the CPU only: a GPU would have to be waited for, and refuses by itself.

    Raises:
        ValueError: another shape, or a number outside.
        TypeError: not integers.
    """
    check_shape(codes, grid, "codes")
    return check_numbers(codes, size, "codes")


class UniformCodes(nn.Module):
    """Every grid is equally likely: log p = −T · log K. It knows nothing.

    Training a VQ-VAE assumes this prior: its codes then cost the same for every image.

    Args:
        size: K, the number of codes.
        grid: the sides of the grid, such as (7, 7).

    Raises:
        ValueError: a size or a side below 1.

    Example:
        >>> import torch
        >>> from gantut.models.code_priors import UniformCodes
        >>> codes = torch.zeros(2, 3, 3, dtype=torch.int64)
        >>> UniformCodes(2, (3, 3)).log_prob(codes)  # −9 log 2
        tensor([-6.2383, -6.2383])
    """

    classes = 0

    def __init__(self, size: int, grid: tuple[int, ...]) -> None:
        super().__init__()
        expect(size > 0 and min(grid, default=0) > 0, "a size and sides ≥ 1", size, grid)
        self.grid, self.size = tuple(grid), size

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N,), in nats."""
        check_codes(codes, self.size, self.grid)
        nats = math.prod(self.grid) * math.log(self.size)
        return torch.full((len(codes),), -nats, device=codes.device)

    def sample(
        self, n: int, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Codes (n, *grid), on the generator's device."""
        device = None if generator is None else generator.device
        return torch.randint(self.size, (n, *self.grid), generator=generator, device=device)


class AutoregressiveCodes(nn.Module):
    """log p(c) = Σ_t log p(c_t | c₁ … c_{t−1}): a network predicts each code from all before it.

    At place t it is shown the codes beside it that have been read: the two before, three of the row
    above, and where the grid has layers three of the layer before, about the same place; and the
    place, and with ``classes`` the label. A GRU remembers the rest. What is shown goes to the last
    layers as well, past the GRU. Each conditional is a softmax over K codes, so the probabilities
    of all Kᵀ grids add up to 1. [oord2016, cho2014]

    Args:
        size: K, the number of codes.
        grid: the sides of the grid, such as (7, 7), or (L, 7, 7) for L layers.
        width: numbers that the GRU remembers. More of them learn more, and more slowly.
        embedding: numbers that stand for a code or a place.
        classes: 0, or the number of classes that log p is conditional on.
        dropout: the share of inputs and of hidden numbers that training leaves out at random, so
            that a small set of grids is not learned by heart.
        seed: of the first weights.

    Raises:
        ValueError: a size or a side below 1; in the pass: codes of another shape or range, missing
            or wrong labels.
        TypeError: codes or labels that are no integers.

    Example:
        >>> from gantut.models import AutoregressiveCodes
        >>> prior = AutoregressiveCodes(16, (3, 3), width=8)
        >>> codes = prior.sample(5)
        >>> codes.shape, prior.log_prob(codes).shape
        (torch.Size([5, 3, 3]), torch.Size([5]))
    """

    def __init__(
        self,
        size: int,
        grid: tuple[int, ...],
        *,
        width: int = 128,
        embedding: int = 16,
        classes: int = 0,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        expect(size > 0 and min(grid, default=0) > 0, "a size and sides ≥ 1", size, grid)
        self.grid, self.size, self.classes = tuple(grid), size, classes
        # How many steps back in memory the neighbours lie: along the last axis 1 and 2, along each
        # other one as far as from a place to the one above it, and one less and more. At an edge
        # some lie at the far end of another row; the place tells.
        strides = [math.prod(grid[axis:]) for axis in range(1, len(grid))]
        beside = {stride + j for stride in strides for j in (-1, 0, 1)}
        self.back = sorted({1, 2} | beside - {0})
        shown = (len(self.back) + 1) * embedding + classes
        with seeded(seed):
            # Number K stands for "no code there yet".
            self.near = nn.ModuleList(nn.Embedding(size + 1, embedding) for _ in self.back)
            self.place = nn.Embedding(math.prod(grid), embedding)
            self.memory = nn.GRU(shown, width, batch_first=True)
            self.mix, self.head = nn.Linear(width + shown, width), nn.Linear(width, size)
        self.dropout = nn.Dropout(dropout)

    def _shown(self, padded: Tensor, places: Tensor, labels: Tensor | None) -> Tensor:
        """What the network is shown at ``places`` (P,), (N, P, ·).

        ``padded`` (N, most steps back + T) holds K in the beginning, and then the codes.
        """
        ahead = places + self.back[-1]
        near = [book(padded[:, ahead - k]) for k, book in zip(self.back, self.near, strict=True)]
        shown = torch.cat([*near, self.place(places).expand_as(near[0])], dim=2)
        labels = None if labels is None else labels.repeat_interleave(len(places))
        labelled = append_label(self.dropout(shown).flatten(0, 1), labels, self.classes)
        return labelled.unflatten(0, (len(padded), -1))

    def _logits(self, memory: Tensor, shown: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.mix(torch.cat([memory, shown], dim=2)), LEAK)
        return self.head(self.dropout(hidden))

    def logits(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, T, K): at place t the logits of c_t given the codes before it."""
        codes = check_codes(codes, self.size, self.grid)
        check_labels(labels, self.classes, len(codes))
        padded = F.pad(codes.flatten(1), (self.back[-1], 0), value=self.size)
        places = torch.arange(math.prod(self.grid), device=codes.device)
        shown = self._shown(padded, places, labels)
        return self._logits(self.memory(shown)[0], shown)

    def log_prob(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Σ_t log p(c_t | c₁ … c_{t−1}), (N,), in nats."""
        each = self.logits(codes, labels).log_softmax(2)
        return each.gather(2, codes.flatten(1)[:, :, None]).squeeze(2).sum(1)

    @torch.no_grad()
    def sample(
        self, n: int, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Codes (n, *grid), one after the other from the conditionals."""
        device, T, pad = self.head.weight.device, math.prod(self.grid), self.back[-1]
        labels, places = check_labels(labels, self.classes, n), torch.arange(T, device=device)
        padded, state = torch.full((n, pad + T), self.size, device=device), None
        for t in range(T):
            shown = self._shown(padded, places[t : t + 1], labels)
            memory, state = self.memory(shown, state)
            chances = self._logits(memory, shown)[:, 0].softmax(1)
            padded[:, pad + t] = torch.multinomial(chances, 1, generator=generator)[:, 0]
        return padded[:, pad:].view(n, *self.grid)


# One of your own needs ``size``, ``grid``, ``classes``, ``log_prob`` and ``sample``, as these have.
CodePrior = UniformCodes | AutoregressiveCodes
