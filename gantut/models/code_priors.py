"""Priors over grids of codes, by which a VQ-VAE draws images and counts its codes. [oord2017]

A grid of numbers 0 … K − 1, (h, w) or (L, h, w), is read in the order of its memory, c₁ … c_T with
T the number of places. Both priors here give log p(c₁ … c_T), in nats, and draws.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantut.networks.initialisation import seeded
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

    At place t it is shown the code before, the code above (of the layer before, where the grid has
    layers), the place, and with ``classes`` the label; a GRU remembers the rest. Each conditional
    is a softmax over K codes, so the probabilities of all Kᵀ grids add up to 1. [oord2016, cho2014]

    Args:
        size: K, the number of codes.
        grid: the sides of the grid, such as (7, 7), or (L, 7, 7) for L layers.
        width: numbers that the GRU remembers. More of them learn more, and more slowly.
        embedding: numbers that stand for a code or a place.
        classes: 0, or the number of classes that log p is conditional on.
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
        seed: int = 0,
    ) -> None:
        super().__init__()
        expect(size > 0 and min(grid, default=0) > 0, "a size and sides ≥ 1", size, grid)
        self.grid, self.size, self.classes = tuple(grid), size, classes
        self.stride = math.prod(grid[1:])  # from a place to the one above it
        with seeded(seed):
            # Number K stands for "no code there yet".
            self.before, self.above = (nn.Embedding(size + 1, embedding) for _ in range(2))
            self.place = nn.Embedding(math.prod(grid), embedding)
            self.memory = nn.GRU(3 * embedding + classes, width, batch_first=True)
            self.head = nn.Linear(width, size)

    def _inputs(self, padded: Tensor, places: Tensor, labels: Tensor | None) -> Tensor:
        """What the network is shown at ``places`` (P,), (N, P, ·).

        ``padded`` (N, stride + T) holds ``stride`` times K, and then the codes.
        """
        before = self.before(padded[:, places + self.stride - 1])
        above = self.above(padded[:, places])
        shown = torch.cat([before, above, self.place(places).expand_as(before)], dim=2)
        labels = None if labels is None else labels.repeat_interleave(len(places))
        labelled = append_label(shown.flatten(0, 1), labels, self.classes)
        return labelled.unflatten(0, (len(padded), -1))

    def logits(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, T, K): at place t the logits of c_t given the codes before it."""
        codes = check_codes(codes, self.size, self.grid)
        check_labels(labels, self.classes, len(codes))
        padded = F.pad(codes.flatten(1), (self.stride, 0), value=self.size)
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
        """Codes (n, *grid), one after the other from the conditionals."""
        device, T = self.head.weight.device, math.prod(self.grid)
        labels, places = check_labels(labels, self.classes, n), torch.arange(T, device=device)
        padded, state = torch.full((n, self.stride + T), self.size, device=device), None
        for t in range(T):
            h, state = self.memory(self._inputs(padded, places[t : t + 1], labels), state)
            chances = self.head(h[:, 0]).softmax(1)
            padded[:, self.stride + t] = torch.multinomial(chances, 1, generator=generator)[:, 0]
        return padded[:, self.stride :].view(n, *self.grid)


# One of your own needs ``size``, ``grid``, ``classes``, ``log_prob`` and ``sample``, as these have.
CodePrior = UniformCodes | AutoregressiveCodes
