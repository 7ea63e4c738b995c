"""Quantisers: the discrete middle of a VQ-VAE, which replaces vectors by numbers of a code.

Three kinds, all usable in ``VQVAE(encoder, quantiser, decoder)``: a codebook whose nearest vector
is taken [oord2017], a stack of codebooks each of which quantises what the ones before it left over
[zeghidour2021], and plain rounding without any codebook [mentzer2024].
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gantut.networks.initialisation import seeded
from gantut.numerics import at_least, expect
from gantut.processes import gathered, summed


class Quantised(NamedTuple):
    """What a quantiser makes of an encoder's output h, (N, d, …).

    ``codes`` are the numbers 0 … size − 1 of the chosen vectors, (N, …), or (N, L, …) from L
    layers; ``vectors`` are the chosen vectors, shaped like h; ``straight_through``, which the
    decoder gets, has their values and hands its gradient on to h as if nothing had been rounded.
    """

    codes: Tensor
    vectors: Tensor
    straight_through: Tensor


def _rows(h: Tensor, dimension: int) -> Tensor:
    """The vectors of h, (N, d, …), with their numbers last."""
    fits = h.ndim > 1 and h.shape[1] == dimension
    expect(fits, f"vectors of dimension {dimension}, (N, {dimension}, …)", h)
    return h.movedim(1, -1)


class VectorQuantiser(nn.Module):
    """A codebook: each vector of h is replaced by the nearest of ``size`` code vectors. [oord2017]

    Without ``decay`` the code vectors are parameters, moved by ``losses.codebook``. With it they
    are moving averages of the vectors that chose them, updated at each pass in training mode:
    c_k = m_k / n_k, where m_k and n_k average the sums and the counts.

    Args:
        size: K, the number of code vectors. One code costs at most log K nats.
        dimension: d, the length of each.
        decay: of the moving averages, in (0, 1); 0.99 is usual. ``None`` learns by gradient.
        seed: of the first code vectors, which are draws from N(0, 1/d).

    Raises:
        ValueError: fewer than 1 code or dimension, or a decay outside (0, 1).

    Example:
        >>> import torch
        >>> from gantut.models import VectorQuantiser
        >>> quantiser = VectorQuantiser(2, 1)
        >>> _ = quantiser.codebook.data.copy_(torch.tensor([[-1.0], [1.0]]))
        >>> out = quantiser(torch.tensor([[0.3], [-2.0]]))
        >>> out.codes.tolist(), out.vectors.flatten().tolist()
        ([1, 0], [1.0, -1.0])
    """

    layers: tuple[int, ...] = ()
    has_codebook = True
    counts: Tensor
    sums: Tensor

    def __init__(
        self, size: int, dimension: int, *, decay: float | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        at_least(1, size=size, dimension=dimension)
        expect(decay is None or 0 < decay < 1, "a decay in (0, 1)", decay)
        self.size, self.dimension, self.decay = size, dimension, decay
        with seeded(seed):
            vectors = torch.randn(size, dimension) / dimension**0.5
        self.codebook = nn.Parameter(vectors, requires_grad=decay is None)
        if decay is not None:
            self.register_buffer("counts", torch.ones(size))
            self.register_buffer("sums", vectors.clone())

    def forward(self, h: Tensor) -> Quantised:
        """Quantise h, (N, d) or (N, d, …) with the vectors along dimension 1."""
        codes = self.nearest(h)
        vectors = self.look_up(codes)
        if self.training and self.decay is not None:
            self._average(self._table(h), codes.flatten())
        return Quantised(codes, vectors, h + (vectors - h).detach())

    def _table(self, h: Tensor) -> Tensor:
        """All vectors of h, (M, d), in the codebook's precision (autocast may hand over less)."""
        table = _rows(h, self.dimension).detach().reshape(-1, self.dimension)
        return table.to(self.codebook.dtype)

    def nearest(self, h: Tensor) -> Tensor:
        """The codes of the vectors of h, (N, …); nothing moves.

        Raises:
            ValueError: vectors of another dimension.
        """
        distances = torch.cdist(self._table(h), self.codebook.detach())
        return distances.argmin(1).view(h.movedim(1, -1).shape[:-1])

    def look_up(self, codes: Tensor) -> Tensor:
        """The vectors (N, d, …) that ``codes`` (N, …) stand for."""
        return self.codebook[codes].movedim(-1, 1)

    def _count(self, codes: Tensor) -> Tensor:
        # bincount would make a GPU wait.
        ones = self.codebook.new_ones(codes.numel())
        return self.codebook.new_zeros(self.size).index_add_(0, codes.flatten(), ones)

    @torch.no_grad()
    def _average(self, table: Tensor, codes: Tensor) -> None:
        assert self.decay is not None
        self.counts.lerp_(summed(self._count(codes)), 1 - self.decay)
        # A matrix product would fall to bfloat16 under autocast.
        sums = torch.zeros_like(self.sums).index_add_(0, codes, table)
        self.sums.lerp_(summed(sums), 1 - self.decay)
        # An unused code's count and sum shrink together; the small number keeps their ratio finite
        # and the vector in its place.
        tiny = torch.finfo(table.dtype).tiny
        self.codebook.copy_((self.sums + tiny * self.codebook) / (self.counts + tiny)[:, None])

    @torch.no_grad()
    def restart(self, h: Tensor, codes: Tensor, generator: torch.Generator | None = None) -> int:
        """Move each code vector that none of ``codes`` names onto a random vector of h.

        A code that no vector chooses gets no gradient and no average, so it never moves: it is
        dead. Returns how many were moved. [dhariwal2020]
        """
        table, dead = gathered(self._table(h)), self._count(gathered(codes)) == 0
        count = int(dead.sum())
        if count:
            chosen = torch.randint(len(table), (count,), generator=generator, device=table.device)
            chosen = gathered(chosen)[:count]  # of several processes, the first one's choice
            self.codebook[dead] = table[chosen]
            if self.decay is not None:
                self.sums[dead], self.counts[dead] = table[chosen], 1.0
        return count


class ResidualQuantiser(nn.Module):
    """L codebooks in a row: each quantises what the ones before it left over. [zeghidour2021]

    r₁ = h, e_l = the nearest code vector to r_l, r_{l+1} = r_l − e_l; the vector is Σ_l e_l. L
    codes below K cost L · log K nats, as much as one codebook of K to the power of L vectors, which
    nobody could store. The first layers alone already give a coarser vector. Codes are (N, L, …).

    Args:
        depth: L, the number of codebooks.
        size, dimension, decay: of each ``VectorQuantiser``. Without ``decay`` one codebook loss,
            ‖sg(h) − Σ e_l‖², moves all layers together.
        seed: of the first layer; layer l begins from ``seed`` + l.

    Raises:
        ValueError: no layer, or a bad size, dimension or decay.

    Example:
        >>> import torch
        >>> from gantut.models import ResidualQuantiser
        >>> quantiser = ResidualQuantiser(3, 8, 2)
        >>> quantiser(torch.zeros(5, 2, 4, 4)).codes.shape
        torch.Size([5, 3, 4, 4])
    """

    has_codebook = True
    books: Sequence[VectorQuantiser]

    def __init__(
        self, depth: int, size: int, dimension: int, *, decay: float | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        at_least(1, depth=depth)
        self.size, self.dimension, self.layers = size, dimension, (depth,)
        self.books = nn.ModuleList(  # type: ignore[assignment]
            VectorQuantiser(size, dimension, decay=decay, seed=seed + l) for l in range(depth)
        )

    def forward(self, h: Tensor) -> Quantised:
        """Quantise h, (N, d, …), layer after layer."""
        rest, parts = h, []
        for book in self.books:
            parts.append(book(rest))
            rest = rest - parts[-1].vectors
        vectors = torch.stack([part.vectors for part in parts]).sum(0)
        codes = torch.stack([part.codes for part in parts], 1)
        return Quantised(codes, vectors, h + (vectors - h).detach())

    @torch.no_grad()
    def nearest(self, h: Tensor) -> Tensor:
        """The codes (N, L, …) of the vectors of h; nothing moves."""
        codes = []
        for book in self.books:
            codes.append(book.nearest(h))
            h = h - book.look_up(codes[-1])
        return torch.stack(codes, 1)

    def look_up(self, codes: Tensor) -> Tensor:
        """The sum of the layers' vectors. The first few layers of ``codes`` give a coarser one."""
        pairs = zip(self.books, codes.unbind(1), strict=False)
        return torch.stack([book.look_up(chosen) for book, chosen in pairs]).sum(0)

    @torch.no_grad()
    def restart(self, h: Tensor, codes: Tensor, generator: torch.Generator | None = None) -> int:
        """Restart each layer's dead codes on what was left for it; return how many were moved."""
        moved = 0
        for book, chosen in zip(self.books, codes.unbind(1), strict=True):
            moved += book.restart(h, chosen, generator)
            h = h - book.look_up(chosen)  # codes in use have not moved
        return moved


class FiniteScalarQuantiser(nn.Module):
    """Rounding, without a codebook: each number of a vector has a few levels. [mentzer2024]

    Number j is squashed to [−1, 1] by tanh and rounded to the nearest of L_j evenly spaced levels,
    both ends among them: e_j = 2 k_j / (L_j − 1) − 1 with k_j = round((L_j − 1)(1 + tanh h_j) / 2).
    The ∏ L_j combinations are the codes, numbered Σ_j k_j ∏_{i<j} L_i. Nothing is learned, so there
    is no codebook loss, and no code is dead for want of a vector. For an even L_j the paper shifts
    the levels so that 0 is one of them; here they stay symmetric, as in [parker2024].

    Args:
        levels: L_j, one for each of the d dimensions, at least 2. Levels (8, 5, 5, 5) give 1000
            codes.

    Raises:
        ValueError: no dimension, or fewer than 2 levels.

    Example:
        >>> import torch
        >>> from gantut.models import FiniteScalarQuantiser
        >>> quantiser = FiniteScalarQuantiser((3, 5))
        >>> quantiser.size
        15
        >>> out = quantiser(torch.tensor([[0.1, -9.0]]))
        >>> out.codes.tolist(), out.vectors.tolist()
        ([1], [[0.0, -1.0]])
    """

    layers: tuple[int, ...] = ()
    has_codebook = False
    levels: Tensor
    places: Tensor
    spacing: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        fits = min(levels, default=0) > 1
        expect(fits, "at least 2 levels for each dimension", tuple(levels))
        self.size, self.dimension = math.prod(levels), len(levels)
        counts = torch.tensor(levels)
        self.register_buffer("levels", counts)
        self.register_buffer("places", counts.cumprod(0) // counts)
        self.register_buffer("spacing", 2.0 / (counts - 1))

    def forward(self, h: Tensor) -> Quantised:
        """Round h, (N, d, …); the gradient passes the rounding, and the tanh before it."""
        codes, bounded = self.nearest(h), h.tanh()
        vectors = self.look_up(codes)
        return Quantised(codes, vectors, bounded + (vectors - bounded).detach())

    def nearest(self, h: Tensor) -> Tensor:
        """The codes of the vectors of h, (N, …)."""
        steps = ((_rows(h, self.dimension).tanh() + 1) / self.spacing).round().long()
        return (steps * self.places).sum(-1)

    def look_up(self, codes: Tensor) -> Tensor:
        """The vectors (N, d, …) that ``codes`` (N, …) stand for."""
        steps = codes[..., None] // self.places % self.levels
        return (steps * self.spacing - 1).movedim(-1, 1)


# One of your own needs ``size``, ``dimension``, ``layers``, ``has_codebook`` and the three methods.
Quantiser = VectorQuantiser | ResidualQuantiser | FiniteScalarQuantiser
