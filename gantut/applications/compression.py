"""From probabilities to real bits and back: an entropy coder that is a stack, and a codec of an encoder, rounding, and a decoder.

A symbol of probability p costs −log₂ p bits with any coder that fits it, up to a constant for the whole message [shannon1948]. The coder
here is asymmetric numeral systems [duda2013], from the package constriction [bamler2022]. It is a stack: what went in last comes out first.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

HEADER = struct.Struct("<I")  # how many images a code holds


def _constriction() -> Any:
    try:
        import constriction
    except ImportError as error:
        raise ImportError(
            "gantut.applications.compression codes with the package constriction, which is not installed: pip install constriction"
        ) from error
    return constriction.stream


def _tables(probabilities: Tensor) -> np.ndarray:
    """One row (K,) or rows (M, K) of probabilities, as float64."""
    table = probabilities.detach().double().cpu()
    if table.ndim not in (1, 2) or table.shape[-1] < 2:
        raise ValueError(
            f"expected probabilities (K,) or (M, K) with K ≥ 2, got {tuple(probabilities.shape)}"
        )
    if not (
        bool(torch.isfinite(table).all())
        and bool((table >= 0).all())
        and bool((table.sum(-1) > 0).all())
    ):
        raise ValueError("expected probabilities that are finite, not negative and not all zero")
    return np.ascontiguousarray(table.numpy())


def _symbols(symbols: Tensor, probabilities: Tensor) -> np.ndarray:
    if symbols.ndim != 1 or symbols.is_floating_point() or symbols.dtype == torch.bool:
        raise ValueError(f"expected whole symbols (M,), got {symbols.dtype} {tuple(symbols.shape)}")
    size = probabilities.shape[-1]
    if probabilities.ndim == 2 and len(probabilities) != len(symbols):
        raise ValueError(
            f"expected a row of probabilities for each of {len(symbols)} symbols, got {len(probabilities)}"
        )
    if len(symbols) and not (int(symbols.min()) >= 0 and int(symbols.max()) < size):
        raise ValueError(
            f"symbols must lie in 0 … {size - 1}, got {int(symbols.min())} … {int(symbols.max())}"
        )
    return symbols.cpu().numpy().astype(np.int32)


def code_length(symbols: Tensor, probabilities: Tensor) -> Tensor:
    """−log₂ p of each symbol (M,), in bits: what it must cost, on the average, whatever the coder. [shannon1948]

    ``probabilities`` is (M, K), or (K,) for all symbols alike; rows are divided by their sums.
    """
    numbers = torch.from_numpy(_symbols(symbols, probabilities)).long()
    table = torch.from_numpy(_tables(probabilities))
    table = (table / table.sum(-1, keepdim=True)).expand(len(numbers), -1)
    return -table.gather(1, numbers[:, None]).log2().squeeze(1)


class Stack:
    """A pile of bits that symbols are pushed onto and popped from, each at its probability. [duda2013]

    Popping with probabilities p gives back what was pushed with p. Popped from *random* bits it gives a draw from p, and pushing that draw
    again gives the bits back: so the stack turns bits into samples and samples into bits. ``content`` is what another stack left.

    Raises:
        ImportError: the package constriction is not installed.
        ValueError: content that is no whole number of 32-bit words or ends in a zero word; symbols or probabilities that do not fit.
    """

    def __init__(self, content: bytes = b"") -> None:
        stream = _constriction()
        if len(content) % 4:
            raise ValueError(f"expected a code of whole 32-bit words, got {len(content)} bytes")
        words = np.frombuffer(content, "<u4").astype(np.uint32)
        self._coder = stream.stack.AnsCoder(words) if len(words) else stream.stack.AnsCoder()
        self._categorical = stream.model.Categorical

    @property
    def bits(self) -> int:
        """How many bits lie on the stack now."""
        return int(self._coder.num_valid_bits())

    @property
    def content(self) -> bytes:
        """The bits as bytes, in whole words of 32 bits."""
        return self._coder.get_compressed().astype("<u4").tobytes()

    def _model(self, table: np.ndarray) -> tuple:
        """What constriction wants: one model for all symbols, or a family of models and a row of its parameters for each symbol."""
        if table.ndim == 1:
            return (self._categorical(table, perfect=False),)
        return self._categorical(perfect=False), table

    def push(self, symbols: Tensor, probabilities: Tensor) -> None:
        """Put symbols (M,) on the stack, the last one first, so that ``pop`` gives them in their order."""
        self._coder.encode_reverse(
            _symbols(symbols, probabilities), *self._model(_tables(probabilities))
        )

    def pop(self, probabilities: Tensor, count: int | None = None) -> Tensor:
        """Take M symbols off: one for each row of ``probabilities`` (M, K), or ``count`` at the probabilities (K,)."""
        table = _tables(probabilities)
        if (table.ndim == 1) != (count is not None):
            raise ValueError(
                f"a count belongs to one row of probabilities, got {count} and {tuple(table.shape)}"
            )
        model = self._model(table)
        taken = self._coder.decode(*model) if count is None else self._coder.decode(*model, count)
        return torch.from_numpy(taken).long()


def encode(symbols: Tensor, probabilities: Tensor) -> bytes:
    """Symbols (M,) as bytes, Σ −log₂ p bits long up to a constant; ``probabilities`` is (M, K), or (K,) for all alike."""
    stack = Stack()
    stack.push(symbols, probabilities)
    return stack.content


def decode(code: bytes, probabilities: Tensor, count: int | None = None) -> Tensor:
    """The symbols (M,) that ``encode`` wrote, given the same probabilities (M, K), or (K,) and their count.

    Raises:
        ValueError: the code was not used up exactly: it is damaged, or was written with other probabilities.
    """
    stack = Stack(code)
    symbols = stack.pop(probabilities, count)
    if stack.content:
        raise ValueError(
            "the code does not fit these probabilities: it is damaged, or was written with others"
        )
    return symbols


def normal_masses(mean: Tensor, std: Tensor, reach: int) -> Tensor:
    """The mass of N(mean, std²) in the unit interval around each whole number −reach … reach, (*, 2·reach + 1).

    Φ((k + ½ − mean)/std) − Φ((k − ½ − mean)/std); the tails go to the two ends, so that a row adds up to 1. Float64.
    """
    edges = torch.arange(-reach, reach, dtype=torch.float64) + 0.5
    below = torch.special.ndtr((edges - mean.double()[..., None]) / std.double()[..., None])
    none, whole = torch.zeros_like(below[..., :1]), torch.ones_like(below[..., :1])
    return torch.cat([none, below, whole], dim=-1).diff(dim=-1)


class CodecOutput(NamedTuple):
    """Reconstructions (N, *shape) in [0, 1], and the bits (N,) that their codes cost."""

    images: Tensor
    bits: Tensor


class Codec(nn.Module):
    """Images to bytes: an encoder's means are rounded to whole numbers, coded with a learned normal prior, and decoded. [balle2017]

    Rounding has no slope. So the pass for training adds noise from U(−½, ½) instead, and that is a VAE: the noise is its posterior, and
    because a uniform density of width 1 is 1, its rate is −log₂ p̃(y + u), with p̃ the prior convolved with that density.

    Raises:
        ValueError: encoder and decoder disagree on latent_dim or shape, are conditional, or reach is below 1.
    """

    def __init__(self, encoder: Any, decoder: Any, *, reach: int = 127) -> None:
        super().__init__()
        for attribute in ("latent_dim", "shape"):
            ours, theirs = getattr(encoder, attribute), getattr(decoder, attribute)
            if ours != theirs:
                raise ValueError(
                    f"encoder and decoder disagree on {attribute}: {ours} and {theirs}"
                )
        if encoder.classes or decoder.classes or reach < 1:
            raise ValueError(
                f"a codec needs networks without classes and a reach of at least 1, got {reach}"
            )
        self.encoder, self.decoder, self.reach = encoder, decoder, reach
        self.latent_dim: int = encoder.latent_dim
        self.shape: tuple[int, ...] = encoder.shape
        self.mean = nn.Parameter(torch.zeros(self.latent_dim))
        self.log_std = nn.Parameter(torch.zeros(self.latent_dim))

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> CodecOutput:
        """The pass for training: noise stands for rounding."""
        y = self.encoder(x)[0]
        y = y + torch.rand(y.shape, generator=generator, device=y.device, dtype=y.dtype) - 0.5
        # By symmetry both edges can lie in the lower tail, where the difference of two Φ keeps its digits.
        away, std = (y - self.mean).abs(), self.log_std.exp()
        mass = torch.special.ndtr((0.5 - away) / std) - torch.special.ndtr((-0.5 - away) / std)
        # Beyond float32's smallest mass the slope would be 0/0; from there on a normal's quadratic tail goes on.
        bits = -mass.clamp(min=1e-12).log2() + (away / std - 6).clamp(min=0).square()
        return CodecOutput(self.draw(y), bits.sum(1))

    def draw(self, y: Tensor) -> Tensor:
        """Codes (N, latent_dim) to images in [0, 1]."""
        return torch.sigmoid(self.decoder(y))

    def prior(self) -> Tensor:
        """The probabilities of the whole numbers −reach … reach in each dimension, (latent_dim, 2·reach + 1), float64."""
        return normal_masses(
            self.mean.detach().cpu(), self.log_std.detach().double().exp().cpu(), self.reach
        )

    @torch.no_grad()
    def quantise(self, x: Tensor) -> Tensor:
        """The rounded codes of images (N, *shape): whole numbers (N, latent_dim)."""
        return self.encoder(x)[0].round().clamp(-self.reach, self.reach).long().cpu()

    def compress(self, x: Tensor) -> bytes:
        """Images (N, *shape) in [0, 1] as one string of bytes: their number, and the code."""
        stack, symbols = Stack(), self.quantise(x) + self.reach
        for column, masses in reversed(list(zip(symbols.unbind(1), self.prior(), strict=True))):
            stack.push(column, masses)
        return HEADER.pack(len(x)) + stack.content

    @torch.no_grad()
    def decompress(self, code: bytes) -> Tensor:
        """What ``compress`` wrote, as images (N, *shape) in [0, 1].

        Raises:
            ValueError: the bytes are cut off or damaged, or another codec wrote them.
        """
        prior = self.prior()
        n = HEADER.unpack_from(code)[0] if len(code) >= HEADER.size else -1
        # A damaged count must not ask for all memory: n images cost at least n times the most probable one.
        if n < 0 or n * -prior.amax(1).log2().sum() > 8 * len(code) + 64:
            raise ValueError(
                f"{len(code)} bytes hold no {n} images of this codec: they are cut off or damaged"
            )
        stack = Stack(code[HEADER.size :])
        columns = [stack.pop(masses, n) for masses in prior]
        if stack.content:
            raise ValueError(
                "the code does not fit this codec: it is damaged, or another codec wrote it"
            )
        like = next(self.decoder.parameters())
        return self.draw((torch.stack(columns, 1) - self.reach).to(like.device, like.dtype))
