"""A learned codec for colour photographs: convolutions, a hyperprior, and one dial for the rate.

Encoder and decoder are convolutional; what is coded is a grid of whole numbers. A second, much
smaller code goes ahead and says, for each of these numbers, the normal distribution that it comes
from: the hyperprior [balle2018], with means as well as deviations [minnen2018].
"""

from collections.abc import Iterator
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantut.applications.compression import CodecOutput, Stack, normal_bits, normal_masses
from gantut.networks.initialisation import initialise, output, seeded
from gantut.numerics import expect
from gantut.protocols import evaluating
from gantut.training.loop import Batch, Trainer
from gantut.training.players import Options

STRIDE, CODED = 64, 16  # pixels that one number of the small code stands for, and of the large one
KNOTS = 4  # of the dial; between them its gains are interpolated
LEAST, MOST, REACH = 0.11, 64.0, 255  # of the deviations; the last whole number that is coded
LARGEST = 2**24  # pixels of an image: what a damaged header can ask for


class DivisiveNorm(nn.Module):
    """Divisive normalisation: each channel by a weighted sum of all channels' sizes, or times it.

        x_i / (β_i + Σ_j γ_ij |x_j|)

    It makes the channels of a photograph nearly independent [balle2016]; without the original's
    squares and root it costs less and does as well [johnston2019].

    Args:
        channels: How many there are.
        inverse: Multiply instead, as a decoder does.

    Example:
        >>> import torch
        >>> DivisiveNorm(2)(torch.ones(1, 2, 3, 3)).shape
        torch.Size([1, 2, 3, 3])
    """

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.inverse, self.bias = inverse, nn.Parameter(torch.ones(channels))
        self.weight = nn.Parameter((torch.eye(channels) + 1 / channels) / 10)

    def forward(self, x: Tensor) -> Tensor:
        size = F.conv2d(x.abs(), self.weight.abs()[..., None, None], self.bias.abs() + 1e-3)
        return x * size if self.inverse else x / size


def _down(*sides: int) -> Iterator[nn.Module]:
    """Convolutions that halve, with divisive normalisation between them."""
    for left, right in zip(sides, sides[1:], strict=False):
        yield output(nn.Conv2d(left, right, 4, 2, 1))
        yield DivisiveNorm(right)


def _up(*sides: int) -> Iterator[nn.Module]:
    for left, right in zip(sides, sides[1:], strict=False):
        yield output(nn.ConvTranspose2d(left, right, 4, 2, 1))
        yield DivisiveNorm(right, inverse=True)


class HyperpriorCodec(nn.Module):
    """Colour photographs to bytes and back, at the rate that a dial asks for.

    The encoder makes y, the dial's gain scales it, and a hyper-encoder makes z of it. Both are
    rounded. z is coded with a normal distribution for each channel, and a hyper-decoder reads from
    it the mean μ and the deviation σ of every number of y; what is coded is round(y − μ), with the
    masses of N(0, σ²). The coarser the steps of y, the fewer bits: so a gain for each channel is
    all that the dial has to turn [cui2021]. It is learned at a few knots, geometrically
    interpolated between them.

    For training, noise from U(−½, ½) stands for rounding in the count of the bits, and what the
    decoders read is rounded with the slope of the identity [minnen2020].

    **Another machine.** μ is only added to what was decoded, so another rounding of it moves the
    image by as little, a 255th in a few pixels. σ decides how bits are read: a number that is read
    with another table destroys all that follows. So the hyper-decoder computes in float64, and σ
    is taken from 64 values, each 11 % above the one before. Two processors disagree where a σ lies
    within rounding of the border of two, for less than one of 10¹² numbers. That is no guarantee,
    as whole-number arithmetic would be [balle2019].

    Args:
        widths: Channels at a half, a quarter and an eighth of the resolution.
        latents: Channels of y, at a sixteenth.
        hyper: Channels of z.
        seed: Decides the first weights.

    Raises:
        ValueError: images that are not (N, 3, H, W), a dial outside [0, 1], or bytes that another
            codec wrote or that are damaged.

    Example:
        >>> import torch
        >>> codec = HyperpriorCodec(widths=(8, 8, 8), latents=4, hyper=4)
        >>> x = torch.rand(1, 3, 70, 90, generator=torch.Generator().manual_seed(0))
        >>> code = codec.compress(x[0], 0.5)
        >>> codec.decompress(code).shape
        torch.Size([3, 70, 90])
        >>> codec(x[:, :, :64, :64], torch.tensor([0.5])).bits.shape
        torch.Size([1])
    """

    def __init__(
        self,
        *,
        widths: tuple[int, int, int] = (32, 64, 96),
        latents: int = 64,
        hyper: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.2)
        with seeded(seed):
            self.encoder = nn.Sequential(*[*_down(3, *widths, latents)][:-1])
            self.decoder = nn.Sequential(*[*_up(latents, *widths[::-1], 3)][:-1])
            self.hyper_encoder = nn.Sequential(
                nn.Conv2d(latents, hyper, 3, 1, 1), act,
                nn.Conv2d(hyper, hyper, 4, 2, 1), act,
                output(nn.Conv2d(hyper, hyper, 4, 2, 1)),
            )  # fmt: skip
            self.hyper_decoder = nn.Sequential(
                nn.ConvTranspose2d(hyper, hyper, 4, 2, 1), act,
                nn.ConvTranspose2d(hyper, 2 * hyper, 4, 2, 1), act,
                output(nn.Conv2d(2 * hyper, 2 * latents, 3, 1, 1)),
            )  # fmt: skip
            initialise(self)
        # The gain that suits a weight λ of the error grows as √λ: about fourfold over the dial.
        gains = torch.linspace(0.5, 2.0, KNOTS)[:, None].expand(-1, latents)
        self.gain, self.regain = nn.Parameter(gains.clone()), nn.Parameter(-gains)
        self.mean = nn.Parameter(torch.zeros(KNOTS, hyper))
        self.log_std = nn.Parameter(torch.zeros(KNOTS, hyper))

    def forward(
        self, x: Tensor, dial: Tensor, *, generator: torch.Generator | None = None
    ) -> CodecOutput:
        """The pass for training: x (N, 3, H, W) in [0, 1], sides multiples of 64; dial (N,)."""
        fits = x.ndim == 4 and x.shape[2] % STRIDE == x.shape[3] % STRIDE == 0
        expect(fits, f"photographs (N, 3, H, W) whose sides are multiples of {STRIDE}", x)

        def noisy(v: Tensor) -> Tensor:
            return v + torch.rand(v.shape, generator=generator, device=v.device) - 0.5

        def rounded(v: Tensor) -> Tensor:
            return v + (v.round() - v).detach()

        y = self.encoder(x - 0.5).float() * _at(self.gain, dial).exp()
        z = self.hyper_encoder(y).float()
        mean, std = self._normal(self.hyper_decoder(rounded(z)).float())
        bits = normal_bits(noisy(y - mean), std).flatten(1).sum(1)
        small = normal_bits(noisy(z) - _at(self.mean, dial), _at(self.log_std, dial).exp())
        images = self._draw(rounded(y - mean) + mean, dial)
        return CodecOutput(images, (bits + small.flatten(1).sum(1)).to(x))

    def compress(self, x: Tensor, dial: float) -> bytes:
        """One photograph (3, H, W) in [0, 1] as bytes.

        Args:
            x: The photograph, of any size from 1×1 to 16 million pixels.
            dial: From 0, the fewest bits, to 1, the best image; rounded to 255ths.
        """
        fits = x.ndim == 3 and x.shape[0] == 3 and 0 < x[0].numel() <= LARGEST
        expect(fits, f"a photograph (3, H, W) of at most {LARGEST:,} pixels", x)
        expect(0 <= dial <= 1, "a dial from 0 to 1", dial)
        height, width, step = x.shape[1], x.shape[2], round(255 * dial)
        at = torch.tensor([step / 255])
        with evaluating(self), torch.no_grad():
            room = (0, -width % STRIDE, 0, -height % STRIDE)
            y = self.encoder(F.pad(x[None].to(self.gain), room, "replicate") - 0.5)
            y = y * _at(self.gain, at).exp()
            z = self.hyper_encoder(y).round().clamp(-REACH, REACH).long()
            mean, table = self._read(z)
            symbols = ((y - mean).round().clamp(-REACH, REACH).long() + REACH).flatten()
        stack, masses = Stack(), self._masses()
        for k in reversed(table.unique().tolist()):
            stack.push(symbols[table == k], masses[k])
        for channel, prior in reversed(list(zip(z[0], self._prior(at), strict=True))):
            stack.push(channel.flatten() + REACH, prior)
        sides = height.to_bytes(2, "little") + width.to_bytes(2, "little")
        return sides + bytes([step]) + stack.content

    def decompress(self, code: bytes) -> Tensor:
        """The photograph (3, H, W) that ``compress`` wrote, in whole 255ths."""
        height, width = (int.from_bytes(code[k : k + 2], "little") for k in (0, 2))
        fits = len(code) > 5 and 0 < height * width <= LARGEST
        expect(fits, "the code of a photograph", f"{len(code)} bytes for {height}×{width} pixels")
        at, stack = torch.tensor([code[4] / 255]), Stack(code[5:])
        grid = -(-height // STRIDE), -(-width // STRIDE)
        with evaluating(self), torch.no_grad():
            z = [stack.pop(prior, grid[0] * grid[1]) - REACH for prior in self._prior(at)]
            mean, table = self._read(torch.stack(z).view(1, -1, *grid))
            symbols, masses = torch.zeros_like(table), self._masses()
            for k in table.unique().tolist():
                symbols[table == k] = stack.pop(masses[k], int((table == k).sum())) - REACH
            expect(not stack.content, "a code that this codec wrote", "one that is damaged")
            image = self._draw(symbols.view_as(mean) + mean, at)[0, :, :height, :width]
        return (255 * image.clamp(0, 1)).round() / 255

    def _draw(self, y: Tensor, dial: Tensor) -> Tensor:
        return self.decoder(y * _at(self.regain, dial).exp()) + 0.5

    def _normal(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """μ and σ from what the hyper-decoder says."""
        mean, size = raw.chunk(2, 1)
        return mean, LEAST + F.softplus(size)

    def _read(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """μ as the decoder computes, and the flat numbers of the tables of σ, from float64."""
        exact = {n: v.double() for n, v in self.hyper_decoder.named_parameters()}
        said = torch.func.functional_call(self.hyper_decoder, exact, (z.double(),))
        mean, std = self._normal(said)
        return mean.to(self.gain), torch.bucketize(std.flatten(), _scales(0.5)[:-1])

    def _masses(self) -> Tensor:
        """The tables, one a σ, (64, 2·reach + 1)."""
        return normal_masses(torch.zeros(64, dtype=torch.float64), _scales(0.0), REACH)

    def _prior(self, dial: Tensor) -> Tensor:
        """The tables of z, one a channel."""
        mean, log_std = (
            _at(t.detach().double(), dial).flatten() for t in (self.mean, self.log_std)
        )
        return normal_masses(mean, log_std.exp(), REACH)


def _scales(shift: float) -> Tensor:
    """The 64 deviations, each at the same ratio to the one before; or the borders between them."""
    place = (torch.arange(64, dtype=torch.float64) + shift) / 63
    return LEAST * (MOST / LEAST) ** place


def _at(knots: Tensor, dial: Tensor) -> Tensor:
    """Rows (K, C) of a table, interpolated at dials (N,) from 0 to 1: (N, C, 1, 1)."""
    place = dial.to(knots) * (len(knots) - 1)
    low = place.long().clamp(max=len(knots) - 2)
    return torch.lerp(knots[low], knots[low + 1], (place - low)[:, None])[..., None, None]


class HyperpriorTrainer(Trainer):
    """Minimises bits a pixel + λ · 255² · mean squared error, at all rates at once. [cui2021]

    Every image of a batch gets a dial t of its own, from U(0, 1), and log λ lies at the share t of
    the way from log λ₀ to log λ₁.

    Logs ``bits`` a pixel and ``psnr``, in dB, of the batch's mean error.

    Args:
        codec: A ``HyperpriorCodec``.
        weights: λ₀ and λ₁: what the error weighs with the dial at 0, and at 1.
        options: As in ``Trainer``.

    Example:
        >>> import torch
        >>> codec = HyperpriorCodec(widths=(8, 8, 8), latents=4, hyper=4)
        >>> trainer = HyperpriorTrainer(codec, device="cpu")
        >>> sorted(trainer.fit([torch.rand(2, 3, 64, 64)], steps=2))
        ['bits', 'psnr']
    """

    def __init__(
        self,
        codec: HyperpriorCodec,
        *,
        weights: tuple[float, float] = (0.001, 0.016),
        **options: Unpack[Options],
    ) -> None:
        super().__init__({"codec": codec}, averaged="codec", **options)
        self.codec: Any = self.networks["codec"]
        self.weights = weights

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, _ = self.unpack(batch)
        dial = torch.rand(len(x), generator=self.generator, device=self.device)
        with self.autocast():
            made = self.codec(x, dial, generator=self.generator)
        bits = made.bits / x[0, 0].numel()
        error = (made.images.float() - x).square().flatten(1).mean(1)
        low, high = self.weights
        self.descend("codec", bits + 255**2 * low ** (1 - dial) * high**dial * error)
        self.average()
        return {"bits": bits.detach().mean(), "psnr": -10 * error.detach().mean().log10()}
