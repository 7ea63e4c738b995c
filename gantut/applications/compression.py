"""From probabilities to real bits and back: an entropy coder, and a codec made of two networks.

A symbol of probability p costs −log₂ p bits with any coder that fits it, up to a constant for the
whole message [shannon1948]. The coder here is asymmetric numeral systems [duda2013], from the
package constriction [bamler2022]. It is a stack: what went in last comes out first.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.special import log_ndtr, ndtr

from gantut.numerics import check_numbers
from gantut.protocols import agreed, evaluating

HEADER = 4  # bytes at the front of a code, for the number of images


def _tables(probabilities: Tensor) -> np.ndarray:
    """One row (K,) or rows (M, K) of probabilities, as float64."""
    table, shape = probabilities.detach().double().cpu(), tuple(probabilities.shape)
    if len(shape) not in (1, 2) or shape[-1] < 2:
        raise ValueError(f"expected probabilities (K,) or (M, K) with K ≥ 2, got {shape}")
    if not (table.isfinite().all() and (table >= 0).all() and (table.sum(-1) > 0).all()):
        raise ValueError("expected probabilities that are finite, not negative and not all zero")
    return np.ascontiguousarray(table.numpy())


def _symbols(symbols: Tensor, probabilities: Tensor) -> np.ndarray:
    """Symbols (M,) as int32, checked against their probabilities."""
    count, rows, size = len(symbols), len(probabilities), probabilities.shape[-1]
    if probabilities.ndim == 2 and rows != count:
        raise ValueError(f"expected probabilities for each of {count} symbols, got {rows} rows")
    return check_numbers(symbols.cpu(), size, "symbols").numpy().astype(np.int32)


def code_length(symbols: Tensor, probabilities: Tensor) -> Tensor:
    """−log₂ p of each symbol: what it must cost on average, whatever the coder. [shannon1948]

    Args:
        symbols: Whole numbers from 0 to K − 1, (M,).
        probabilities: (M, K), or (K,) if they are the same for all; rows are divided by their sums.

    Returns:
        Bits, (M,), in float64.

    Raises:
        ValueError: symbols or probabilities that do not fit.

    Example:
        >>> import torch
        >>> code_length(torch.tensor([0, 1, 2]), torch.tensor([0.5, 0.25, 0.25])).tolist()
        [1.0, 2.0, 2.0]
    """
    numbers = torch.from_numpy(_symbols(symbols, probabilities)).long()
    table = torch.from_numpy(_tables(probabilities))
    table = (table / table.sum(-1, keepdim=True)).expand(len(numbers), -1)
    return -table.gather(1, numbers[:, None]).log2().squeeze(1)


class Stack:
    """A pile of bits that symbols are pushed onto and popped from, each at its probability.

    Popping with probabilities p gives back what was pushed with p. Popped from *random* bits it
    gives a draw from p, and pushing that draw gives the bits back. So the stack turns bits into
    samples and samples into bits. [duda2013]

    Args:
        content: What another stack left, or any bits.

    Raises:
        ImportError: the package constriction is not installed.
        ValueError: content that is no whole number of 32-bit words or ends in a zero word; symbols
            or probabilities that do not fit.
        TypeError: symbols that are no integers.

    Example:
        >>> import torch
        >>> stack, p = Stack(), torch.tensor([0.7, 0.2, 0.1])
        >>> stack.push(torch.tensor([0, 2, 1]), p)
        >>> stack.pop(p, 3).tolist(), stack.bits
        ([0, 2, 1], 0)
    """

    def __init__(self, content: bytes = b"") -> None:
        try:
            from constriction import stream
        except ImportError as error:
            raise ImportError("compression needs a package: pip install constriction") from error
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
        """What constriction wants: one model for all, or a family of them and its parameters."""
        if table.ndim == 1:
            return (self._categorical(table, perfect=False),)
        return self._categorical(perfect=False), table

    def push(self, symbols: Tensor, probabilities: Tensor) -> None:
        """Put symbols (M,) on, the last one first, so that ``pop`` gives them in their order."""
        numbers = _symbols(symbols, probabilities)
        self._coder.encode_reverse(numbers, *self._model(_tables(probabilities)))

    def pop(self, probabilities: Tensor, count: int | None = None) -> Tensor:
        """Take symbols off: one for each row of (M, K), or ``count`` at the probabilities (K,)."""
        table = _tables(probabilities)
        if (table.ndim == 1) != (count is not None):
            found = f"{count} and {table.shape}"
            raise ValueError(f"a count belongs to one row of probabilities, got {found}")
        counts = () if count is None else (count,)
        return torch.from_numpy(self._coder.decode(*self._model(table), *counts)).long()


def encode(symbols: Tensor, probabilities: Tensor) -> bytes:
    """Symbols as bytes, Σ −log₂ p bits long up to a constant.

    Args:
        symbols: Whole numbers from 0 to K − 1, (M,).
        probabilities: (M, K), or (K,) if they are the same for all.

    Raises:
        ValueError: symbols or probabilities that do not fit.

    Example:
        >>> import torch
        >>> p = torch.tensor([0.98, 0.01, 0.01])
        >>> code = encode(torch.tensor([0] * 700 + [1]), p)
        >>> round(code_length(torch.tensor([0] * 700 + [1]), p).sum().item()), 8 * len(code)
        (27, 64)
        >>> decode(code, p, 701).sum().item()
        1
    """
    stack = Stack()
    stack.push(symbols, probabilities)
    return stack.content


def decode(code: bytes, probabilities: Tensor, count: int | None = None) -> Tensor:
    """The symbols that ``encode`` wrote, given the same probabilities.

    Args:
        code: What ``encode`` returned.
        probabilities: (M, K), or (K,) with a count.
        count: How many symbols to read at the probabilities (K,).

    Returns:
        The symbols, (M,).

    Raises:
        ValueError: the code was not used up exactly: it is damaged, or was written with others.
    """
    stack = Stack(code)
    symbols = stack.pop(probabilities, count)
    if stack.content:
        raise ValueError("the code is damaged, or was written with other probabilities")
    return symbols


def normal_bits(offset: Tensor, std: Tensor) -> Tensor:
    """−log₂ of the mass that N(0, s²) has in the unit interval around a point. [balle2017]

        −log₂ ( Φ((v + ½) / s) − Φ((v − ½) / s) )

    Args:
        offset: The points v.
        std: The deviations s > 0, of a shape that fits.

    Returns:
        Bits of v's shape, in float64 (float32 on MPS, which has no other).

    Example:
        >>> import torch
        >>> normal_bits(torch.tensor([0.0, 40.0]), torch.tensor(1.0)).round(decimals=2).tolist()
        [1.38, 1132.11]
    """
    # By symmetry both edges can lie in the lower tail, where log Φ keeps its digits however far
    # out it is. The mass is then log(Φ(upper) − Φ(lower)). Its slope far out needs float64,
    # which MPS does not have.
    wide = torch.float32 if offset.device.type == "mps" else torch.float64
    away, std = offset.abs().to(wide), std.to(wide)
    upper, lower = log_ndtr((0.5 - away) / std), log_ndtr((-0.5 - away) / std)
    return (-upper - (-(lower - upper).expm1()).log()) / np.log(2)


def normal_masses(mean: Tensor, std: Tensor, reach: int) -> Tensor:
    """The masses of N(m, s²) in the unit intervals around the whole numbers −reach … reach.

    The tails go to the two ends, so that a row adds up to 1.

    Args:
        mean: m, (K,).
        std: s, (K,).
        reach: The last whole number.

    Returns:
        (K, 2·reach + 1), in the type of the mean.

    Example:
        >>> import torch
        >>> zero = torch.zeros(1, dtype=torch.float64)
        >>> normal_masses(zero, zero + 1, 2).round(decimals=3).tolist()
        [[0.067, 0.242, 0.383, 0.242, 0.067]]
    """
    edges = torch.arange(-reach, reach).to(mean) + 0.5
    below = ndtr((edges - mean[:, None]) / std[:, None])
    none, whole = torch.zeros_like(below[:, :1]), torch.ones_like(below[:, :1])
    return torch.cat([none, below, whole], dim=1).diff(dim=1)


class CodecOutput(NamedTuple):
    """Reconstructions (N, *shape) in [0, 1], and the bits (N,) that their codes cost."""

    images: Tensor
    bits: Tensor


class Codec(nn.Module):
    """Images to bytes: an encoder's means are rounded, coded with a learned normal prior, decoded.

    Rounding has no slope. So the pass for training adds noise u from U(−½, ½) instead, and that is
    a VAE: the noise is its posterior. A uniform density of width 1 is 1, so the rate is −log₂ of
    the prior's mass in the unit interval around the noisy code y + u,

        Σ_j −log₂ ( Φ((y_j + u_j + ½ − m_j) / s_j) − Φ((y_j + u_j − ½ − m_j) / s_j) ).

    The means m and the deviations s are learned with the networks. [balle2017]

    Args:
        encoder: Images (N, *shape) to means and log-variances, (N, latent_dim) each; only the means
            are used.
        decoder: Codes (N, latent_dim) to logits (N, *shape).
        latent_dim: How many numbers a code has; needed where neither network says it.
        reach: Codes are clamped to −reach … reach. 127 is far out for a prior of deviation 1.

    Raises:
        ValueError: the networks disagree on latent_dim or shape, or do not say latent_dim.

    Example:
        >>> import torch
        >>> from gantut import networks
        >>> encoder = networks.MLPEncoder((1, 4, 4), 3, hidden=(8,))
        >>> codec = Codec(encoder, networks.MLPDecoder(3, (1, 4, 4), hidden=(8,)))
        >>> images = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> output = codec(images)
        >>> output.images.shape, output.bits.shape
        (torch.Size([20, 1, 4, 4]), torch.Size([20]))
        >>> codec.decompress(codec.compress(images)).shape
        torch.Size([20, 1, 4, 4])
    """

    def __init__(
        self, encoder: Any, decoder: Any, *, latent_dim: int | None = None, reach: int = 127
    ) -> None:
        super().__init__()
        agreed("shape", None, encoder=encoder, decoder=decoder)
        latent_dim = agreed("latent_dim", latent_dim, encoder=encoder, decoder=decoder)
        if not latent_dim:
            raise ValueError("neither network says its latent_dim: pass it, as latent_dim=…")
        self.encoder, self.decoder, self.reach = encoder, decoder, reach
        self.mean = nn.Parameter(torch.zeros(latent_dim))
        self.log_std = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> CodecOutput:
        """The pass for training: noise stands for rounding."""
        y = self.encoder(x)[0]
        y = y + torch.rand(y.shape, generator=generator, device=y.device, dtype=y.dtype) - 0.5
        bits = normal_bits(y - self.mean, self.log_std.exp())
        return CodecOutput(self.draw(y), bits.sum(1).to(y))

    def draw(self, y: Tensor) -> Tensor:
        """Codes (N, latent_dim) to images in [0, 1]."""
        return torch.sigmoid(self.decoder(y))

    def prior(self) -> Tensor:
        """The probabilities of the whole numbers −reach … reach in each dimension.

        The mass of N(m, s²) in the unit interval around each; the tails go to the two ends, so that
        a row adds up to 1.

        Returns:
            (latent_dim, 2·reach + 1), float64.
        """
        mean, log_std = self.mean.detach().cpu().double(), self.log_std.detach().cpu().double()
        return normal_masses(mean, log_std.exp(), self.reach)

    def quantise(self, x: Tensor) -> Tensor:
        """The rounded codes of images (N, *shape): whole numbers (N, latent_dim)."""
        with evaluating(self), torch.no_grad():
            return self.encoder(x)[0].round().clamp(-self.reach, self.reach).long().cpu()

    def compress(self, x: Tensor) -> bytes:
        """Images (N, *shape) in [0, 1] as one string of bytes: their number, and the code."""
        stack, symbols = Stack(), self.quantise(x) + self.reach
        for column, masses in reversed(list(zip(symbols.unbind(1), self.prior(), strict=True))):
            stack.push(column, masses)
        return len(x).to_bytes(HEADER, "little") + stack.content

    def decompress(self, code: bytes) -> Tensor:
        """What ``compress`` wrote, as images (N, *shape) in [0, 1].

        Raises:
            ValueError: the bytes are cut off or damaged, or another codec wrote them.
        """
        prior = self.prior()
        n = int.from_bytes(code[:HEADER], "little") if len(code) >= HEADER else -1
        # A damaged count must not ask for all memory: n images cost at least n times the most
        # probable one.
        if n < 0 or n * -prior.amax(1).log2().sum() > 8 * len(code) + 64:
            found = f"{len(code)} bytes hold no {n} images of this codec"
            raise ValueError(f"{found}: they are cut off or damaged")
        stack = Stack(code[HEADER:])
        columns = [stack.pop(masses, n) for masses in prior]
        if stack.content:
            raise ValueError("the code is damaged, or another codec wrote it")
        with evaluating(self), torch.no_grad():
            return self.draw((torch.stack(columns, 1) - self.reach).to(self.mean))
