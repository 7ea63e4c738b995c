"""A learned codec for colour photographs, beside JPEG: one network for all rates."""

import bisect
import io
import math
from functools import cache
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure as Picture
from torch import Tensor, nn

from gantut import data, metrics, plots
from gantut.applications.hyperprior import HyperpriorCodec, HyperpriorTrainer
from gantut.data.batches import generator
from gantut.numerics import expect
from gantut.runs.recipe import Figure, Networks, Part, Recipe, usual

CONFIG = {
    "steps": 5000,
    "batch": 8,
    "side": 128,
    "weights": [0.001, 0.016],
    "lr": 1e-3,
    "clip": 1.0,
    "ema": 0.998,
    "precision": "float32",
    "seed": 0,
}
DIALS = np.linspace(0, 1, 9)  # where the codec is measured
RATES = (0.2, 0.3, 0.5)  # bits a pixel that the card tells of
RANGE = np.linspace(0.2, 0.5, 31)  # and where the two curves are compared
QUALITIES = (*range(2, 20), *range(20, 38, 3), *range(38, 70, 6))  # JPEG's
FACE = (slice(20, 180), slice(145, 305))  # what is enlarged of the astronaut
LABELS = {"psnr": "PSNR (dB)", "ms_ssim": "MS-SSIM"}
MEASURES = {"psnr": metrics.psnr, "ms_ssim": metrics.ms_ssim}


class Patches:
    """Batches of patches from everywhere in a few photographs; the k-th is a function of k.

    So few photographs are soon known by heart. So a patch comes at a random scale, which also does
    away with the blocks of those that were JPEGs; it is mirrored, turned and darkened at random,
    and half of them have their colours in another order.
    """

    def __init__(self, side: int, size: int, *, seed: int = 0) -> None:
        self.photographs = list(data.photographs("train").values())
        self.side, self.size, self.seed = side, size, seed

    def batch(self, k: int) -> Tensor:
        source = generator(self.seed, k)
        return torch.stack([self._patch(source) for _ in range(self.size)])

    def _patch(self, source: torch.Generator) -> Tensor:
        which, scale, down, across, mirror, turn, order, light = torch.rand(
            8, generator=source, dtype=torch.float64
        ).tolist()
        whole = self.photographs[int(which * len(self.photographs))]
        height, width = whole.shape[1:]
        cut = min(round(self.side * 0.75 * (2.5 / 0.75) ** scale), height, width)
        top, left = int(down * (height - cut + 1)), int(across * (width - cut + 1))
        x = whole[None, :, top : top + cut, left : left + cut]
        x = F.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True)[0]
        x = x.flip(2) if mirror < 0.5 else x
        x = x.transpose(1, 2) if turn < 0.5 else x
        x = x[torch.randperm(3, generator=source)] if order < 0.5 else x
        return x * (0.7 + 0.3 * light)


def codec(c: SimpleNamespace) -> nn.Module:
    """The codec before its training."""
    return HyperpriorCodec(seed=c.seed)


def training_of(network: Any, c: SimpleNamespace, done: Networks) -> tuple[Any, Any]:
    """Rate and error at all rates at once, with a learning rate that falls to 0."""
    trainer = HyperpriorTrainer(
        network,
        weights=tuple(c.weights),
        clip=c.clip,
        **usual(c, "codec"),
    )
    return trainer, Patches(c.side, c.batch, seed=c.seed)


def jpegs(x: Tensor) -> list[tuple[bytes, Tensor]]:
    """A photograph (3, H, W) as JPEGs of all qualities, and what is seen.

    The colours are at full and at half resolution.
    """
    return [jpeg(x, quality, colours) for colours in (0, 2) for quality in QUALITIES]


def jpeg(x: Tensor, quality: int, colours: int) -> tuple[bytes, Tensor]:
    """One JPEG: the shorter one of sequential and progressive, with the best Huffman tables."""
    from PIL import Image

    picture = Image.fromarray((255 * x).round().byte().permute(1, 2, 0).numpy())
    files = [io.BytesIO(), io.BytesIO()]  # both show the same
    for file, progressive in zip(files, (False, True), strict=True):
        picture.save(file, "JPEG", quality=quality, optimize=True, progressive=progressive,
                     subsampling=colours)  # fmt: skip
    code = min((file.getvalue() for file in files), key=len)
    with Image.open(io.BytesIO(code)) as seen:
        return code, torch.from_numpy(np.array(seen)).permute(2, 0, 1) / 255


def curve(x: Tensor, coded: list[tuple[bytes, Tensor]]) -> dict[str, np.ndarray]:
    """Bits a pixel of codes, and the measures of what they give back, in the order of the bits."""
    bits = np.array([8 * len(code) / x[0].numel() for code, _ in coded])
    found = {"bits": bits}
    for name, measure in MEASURES.items():
        found[name] = np.array([measure(image[None], x[None]).item() for _, image in coded])
    order = np.argsort(bits, kind="stable")
    return {name: values[order] for name, values in found.items()}


def best(points: dict[str, np.ndarray], name: str, rates: Any) -> np.ndarray:
    """The best value at each rate: of all codes with no more bits, and between neighbours.

    First only the codes stay that are better than every smaller one; between two of them the value
    is interpolated in the logarithm of the bits.
    """
    lowest = points["bits"].min()
    expect(lowest <= np.min(rates), f"rates of at least {lowest:.3f} bits a pixel", rates)
    values = np.maximum.accumulate(points[name])
    first = np.concatenate([[True], np.diff(values) > 0])
    return np.interp(np.log(rates), np.log(points["bits"][first]), values[first])


@cache
def photographs() -> dict[str, Tensor]:
    """The two that nothing was trained on."""
    return data.photographs("test")


@cache
def rivals() -> dict[str, dict[str, np.ndarray]]:
    """JPEG's curve of each photograph."""
    return {name: curve(x, jpegs(x)) for name, x in photographs().items()}


def learned(network: Any, x: Tensor, dials: Any) -> dict[str, np.ndarray]:
    """The codec's curve, from its bytes alone."""
    codes = [network.compress(x, float(dial)) for dial in dials]
    return curve(x, [(code, network.decompress(code)) for code in codes])


def at_most(network: Any, x: Tensor, bits: float) -> tuple[bytes, float]:
    """The longest code that takes at most so many bits a pixel, and its dial."""
    steps, size = range(256), x[0].numel() * bits / 8
    longer = bisect.bisect_right(steps, size, key=lambda k: len(network.compress(x, k / 255)))
    dial = max(longer - 1, 0) / 255
    return network.compress(x, dial), dial


WHO = {
    "codec": "of the codec",
    "jpeg": "of JPEG (Pillow with optimised Huffman tables; the shorter of sequential and "
    "progressive, the better of colours at full and at half resolution)",
}
FIGURES = {
    **{
        f"{what}_{who}_at_{rate}": Figure(
            f"{label} {whose} at {rate} bits a pixel, all bytes of the file counted, interpolated "
            "between two files; mean of the two test photographs",
            tolerance=0.02,
        )
        for rate in RATES
        for what, label in LABELS.items()
        for who, whose in WHO.items()
    },
    "psnr_gain_worst": Figure(
        "by how many dB the codec is ahead of JPEG where it is least so: both photographs, 0.2 "
        "to 0.5 bits a pixel",
        least=0.0,
        tolerance=0.3,
    ),
    "ms_ssim_gain_worst": Figure("the same in MS-SSIM", least=0.0, tolerance=0.5),
    "bits_saved": Figure(
        "the share of JPEG's bits that the codec saves at equal PSNR, mean over the PSNRs that "
        "both reach at up to 0.5 bits a pixel and over the two photographs [bjontegaard2001]",
        tolerance=0.2,
    ),
    "jpeg_header_bytes": Figure(
        "bytes of a JPEG of one flat block of 8×8 pixels at quality 10, half colours: its header",
    ),
}


def saved(rival: dict[str, np.ndarray], own: dict[str, np.ndarray]) -> float:
    """1 − the geometric mean, over the PSNRs of both curves, of the ratio of their bits."""
    rates = np.geomspace(RANGE[0], RANGE[-1], 200)
    a, b = (best(points, "psnr", rates) for points in (rival, own))
    levels = np.linspace(max(a[0], b[0]), min(a[-1], b[-1]), 100)
    ratio = np.interp(levels, b, np.log(rates)) - np.interp(levels, a, np.log(rates))
    return 1 - math.exp(ratio.mean())


def measure(made: Networks, quick: bool) -> dict[str, float]:
    """Both curves of both photographs, from files; quick at fewer settings of the dial."""
    network, dials = made["codec"], DIALS[::2] if quick else DIALS
    own = {name: learned(network, x, dials) for name, x in photographs().items()}
    found, gains = {}, {}
    for what in MEASURES:
        pairs = [(best(own[name], what, RANGE), best(rivals()[name], what, RANGE)) for name in own]
        gains[what] = min((mine - its).min() for mine, its in pairs)
        for rate in RATES:
            for who, curves in (("codec", own), ("jpeg", rivals())):
                values = [best(points, what, rate) for points in curves.values()]
                found[f"{what}_{who}_at_{rate}"] = float(np.mean(values))
    found |= {f"{what}_gain_worst": float(gain) for what, gain in gains.items()}
    found["bits_saved"] = float(np.mean([saved(rivals()[name], own[name]) for name in own]))
    found["jpeg_header_bytes"] = float(len(jpeg(torch.full((3, 8, 8), 0.5), 10, 2)[0]))
    return found


def picture(made: Networks) -> Picture:
    """The astronaut's face at 0.3 bits a pixel, JPEG and codec; below, both curves."""
    x = photographs()["astronaut"]
    codec: Any = made["codec"]
    own, _ = at_most(codec, x, 0.3)
    seen = codec.decompress(own)
    # JPEG may take more bits than the codec: the best of its files that is just no shorter.
    enough = [pair for pair in jpegs(x) if len(pair[0]) >= len(own)]
    least = min(len(code) for code, _ in enough)
    near = [pair for pair in enough if len(pair[0]) <= 1.03 * least]
    code, blocks = max(near, key=lambda pair: metrics.psnr(pair[1][None], x[None]).item())
    figure = plt.figure(figsize=(7.8, 8.4), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=[2.15, 1])
    above, below = halves
    axes = above.subplots(2, 3)
    shown = {"original": (None, x), "JPEG": (code, blocks), "learned": (own, seen)}
    for column, (name, (file, image)) in zip(axes.T, shown.items(), strict=True):
        for ax, part in zip(column, (image, image[:, FACE[0], FACE[1]]), strict=True):
            ax.imshow(part.permute(1, 2, 0).numpy(), interpolation="nearest")
            ax.set_axis_off()
        bits = 24 if file is None else 8 * len(file) / x[0].numel()
        said = f"{name}: {bits:.3g} bits a pixel"
        if file is not None:
            said += f", {metrics.psnr(image[None], x[None]).item():.1f} dB"
        column[0].set_title(said, fontsize=9)
    for ax, (what, label) in zip(below.subplots(1, 2), LABELS.items(), strict=True):
        for name, style in (("astronaut", "-"), ("cat", "--")):
            for who, colour, points in (
                ("JPEG", plots.INK, rivals()[name]),
                (
                    "learned",
                    plots.COLORS["decoder"],
                    learned(made["codec"], photographs()[name], DIALS),
                ),
            ):
                rates = np.linspace(points["bits"].min(), 0.6, 60)
                ax.plot(rates, best(points, what, rates), style, color=colour,
                        label=f"{who}, {name}")  # fmt: skip
        ax.set(xlabel="bits a pixel", ylabel=label, xlim=(0.05, 0.6))
        ax.axvline(0.3, color=plots.INK, linewidth=0.8, linestyle=":")
    ax.legend(fontsize=9)
    return figure


photo_codec = Recipe(
    title="A photograph at 0.3 bits a pixel: a learned codec beside JPEG.",
    data=(
        'Patches of the five training photographs of data.photographs("train"), which come with '
        "scikit-learn, scikit-image and matplotlib (public domain and free licences); tested on "
        "two others, the astronaut (NASA, public domain) and the cat (CC0)"
    ),
    parts={"codec": Part(CONFIG, codec, training_of)},
    figures=FIGURES,
    measure=measure,
    picture=picture,
    caption=(
        "A photograph that the codec never saw, as it is, as JPEG and as the learned codec gives "
        "it back, and a part of each enlarged; JPEG takes no fewer bits. Below: quality over "
        "rate, of both test photographs, with all bytes of the files counted."
    ),
    alt=(
        "Three portraits of an astronaut with her face enlarged under each: the original; JPEG, "
        "with blocks and false colours; the learned codec, smoother and without blocks. Two "
        "panels of curves under them: the learned codec lies above JPEG, but for PSNR near half "
        "a bit."
    ),
)
