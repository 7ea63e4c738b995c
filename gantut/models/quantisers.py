"""A codebook: the discrete middle of a VQ-VAE. [oord2017]"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gantut.networks.initialisation import seeded
from gantut.processes import gathered, summed


class Quantised(NamedTuple):
    """``codes`` (N, …) are the numbers of the nearest code vectors, ``vectors`` the vectors themselves, shaped like the encoder's output h.

    ``straight_through`` has the values of ``vectors`` and passes its gradient to h unchanged; it is what the decoder gets.
    """

    codes: Tensor
    vectors: Tensor
    straight_through: Tensor


class VectorQuantiser(nn.Module):
    """Replaces each vector of h, (N, d) or (N, d, …) with the vectors along dimension 1, by the nearest of ``size`` code vectors.

    Without ``decay`` the code vectors are parameters, to be moved by ``losses.codebook``. With it they are moving averages of the vectors
    that chose them, updated at each pass in training mode: c_k = m_k / n_k, where m_k and n_k average sums and counts, and counts are
    smoothed so that an unused code keeps its place. [oord2017]

    Raises:
        ValueError: fewer than 1 code or dimension, or a decay outside (0, 1); in the pass: vectors of another dimension.
    """

    counts: Tensor
    sums: Tensor

    def __init__(
        self, size: int, dimension: int, *, decay: float | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        if size < 1 or dimension < 1:
            raise ValueError(
                f"a codebook needs at least one vector of one dimension, got {size} of {dimension}"
            )
        if decay is not None and not 0 < decay < 1:
            raise ValueError(f"decay must lie in (0, 1), got {decay}")
        self.size, self.dimension, self.decay = size, dimension, decay
        with seeded(seed):
            vectors = torch.randn(size, dimension) / dimension**0.5
        self.codebook = nn.Parameter(vectors, requires_grad=decay is None)
        if decay is not None:
            self.register_buffer("counts", torch.ones(size))
            self.register_buffer("sums", vectors.clone())

    def forward(self, h: Tensor) -> Quantised:
        codes = self.nearest(h)
        vectors = self.look_up(codes)
        if self.training and self.decay is not None:
            self._average(self._rows(h), codes.flatten())
        return Quantised(codes, vectors, h + (vectors - h).detach())

    def _rows(self, h: Tensor) -> Tensor:
        """All vectors of h in one table, in the codebook's precision (autocast may hand over bfloat16)."""
        return h.detach().movedim(1, -1).reshape(-1, self.dimension).to(self.codebook.dtype)

    def nearest(self, h: Tensor) -> Tensor:
        """The numbers (N, …) of the code vectors nearest to the vectors of h; nothing moves.

        Raises:
            ValueError: vectors of another dimension.
        """
        if h.ndim < 2 or h.shape[1] != self.dimension:
            raise ValueError(
                f"expected vectors of dimension {self.dimension}, (N, {self.dimension}, …), got {tuple(h.shape)}"
            )
        return (
            torch.cdist(self._rows(h), self.codebook.detach())
            .argmin(1)
            .view(h.movedim(1, -1).shape[:-1])
        )

    def look_up(self, codes: Tensor) -> Tensor:
        """The code vectors (N, d, …) with the numbers ``codes`` (N, …)."""
        return self.codebook[codes].movedim(-1, 1)

    @torch.no_grad()
    def restart(self, h: Tensor, codes: Tensor, generator: torch.Generator | None = None) -> int:
        """Move each code vector that none of ``codes`` names onto a vector of h, drawn at random; return how many were moved.

        A code that no vector chooses gets no gradient and no average, so it never moves: it is dead. [dhariwal2020]
        """
        flat, codes = gathered(self._rows(h)), gathered(codes)
        dead = codes.flatten().bincount(minlength=self.size) == 0
        count = int(dead.sum())
        if count:
            chosen = torch.randint(len(flat), (count,), generator=generator, device=flat.device)
            self.codebook[dead] = flat[chosen]
            if self.decay is not None:
                self.sums[dead], self.counts[dead] = flat[chosen], 1.0
        return count

    @torch.no_grad()
    def _average(self, flat: Tensor, codes: Tensor) -> None:
        assert self.decay is not None
        counts = codes.bincount(minlength=self.size).to(flat.dtype)
        self.counts.lerp_(summed(counts), 1 - self.decay)
        # A matrix product would fall to bfloat16 under autocast.
        sums = torch.zeros_like(self.sums).index_add_(0, codes, flat)
        self.sums.lerp_(summed(sums), 1 - self.decay)
        # An unused code's count and sum shrink together; the small number keeps their ratio finite and the vector in its place.
        tiny = torch.finfo(flat.dtype).tiny
        self.codebook.copy_((self.sums + tiny * self.codebook) / (self.counts + tiny)[:, None])
