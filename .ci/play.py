"""Write what the widgets draw with: densities of the library, and two networks of recorded runs with
what their cards say; `--check` only looks whether the cards still say it.

    python .ci/play.py [densities] [decoders]      (both, unless one is named)

The explorer's networks are those of `digits-vae` and `digits-gan`, their weights rounded to eight
bits. The VAE's decoder is whole. The GAN's first layer reads 64 numbers of noise, too many for a
page: the file holds what it makes of eight draws of that noise, and so of every mixture of them.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pages import settle
from torch import Tensor, nn

from gantut import data, plots, runs
from gantut.export import quantise
from gantut.files import put
from gantut.runs.recipes import digits_vae, judging

PLAY = Path(__file__).resolve().parent.parent / "book" / "_static" / "play"
PAGE = PLAY.parents[1] / "play-latent.md"
BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"
NOISES, EACH = 8, 12  # draws of the GAN's noise; test digits of each class
POSTER = ((3, 7), (5, 2))  # the digits at the corners of the drawing that stands there before
# What the playground offers; everything lies within −2.6 … 2.6.
DENSITIES = {
    "ring": data.ring(std=0.1),
    "grid": data.grid(spacing=1.0, std=0.08),
    "two_moons": data.two_moons(std=0.08),
    "spirals": data.spirals(),
    "pinwheel": data.pinwheel(),
}


def script(name: str, content: dict) -> None:
    """A file that a page opened from a disk can load: a script that sets ``gantut.NAME``."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    head = "// Written by .ci/play.py.\nwindow.gantut = window.gantut || {};\n"
    put(PLAY / f"{name}.js", f"{head}window.gantut.{name} = {text};\n".encode())


def densities() -> None:
    def points(tensor: Tensor) -> list:
        return [[round(v, 4) for v in row] for row in tensor.tolist()]

    script(
        "densities",
        {
            name: {"centres": points(d.centres), "std": d.std, "modes": points(d.modes)}
            for name, d in DENSITIES.items()
        },
    )


# -- the explorer's networks -----------------------------------------------------------------------


def text(values: np.ndarray) -> str:
    """Bytes as text."""
    return base64.b64encode(values.tobytes()).decode()


def halves(values: Tensor) -> str:
    """Numbers in half precision, as text."""
    return text(values.detach().half().numpy().astype("<f2"))


def layer(weight: Tensor, bias: Tensor | None) -> dict[str, Any]:
    """A layer's weights as integers of eight bits with a scale for each output, and its bias."""
    q, scale = quantise(weight.detach())
    found = {"shape": list(weight.shape), "weight": text(q.numpy()), "scale": halves(scale)}
    return found if bias is None else {**found, "bias": halves(bias)}


def folded(weight: Tensor, bias: Tensor, norm: Any) -> tuple[Tensor, Tensor]:
    """A layer and the batch normalisation after it, which at rest is one more factor and shift.

    Outputs are the planes of ``norm``, one after another where there are several of each.
    """
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * factor
    factor, shift = (v.repeat_interleave(len(bias) // len(v)) for v in (factor, shift))
    return weight * factor.view(-1, *[1] * (weight.ndim - 1)), bias * factor + shift


def of_vae(decoder: Any) -> list[dict[str, Any]]:
    """Its layers in the order in which they are used; the third block's skip has one as well."""
    first, *blocks, _ = decoder.draw.body
    found = [layer(m.weight, m.bias) for m in (decoder.first, first)]
    for block in blocks:
        found += [layer(m.weight, m.bias) for m in (block.first, block.last)]
        if isinstance(block.match, nn.Conv2d):
            found.append(layer(block.match.weight, None))
    return [*found, layer(decoder.draw.head.weight, decoder.draw.head.bias)]


def of_gan(generator: Any, z: Tensor) -> list[dict[str, Any]]:
    """Its layers. The first takes shares of the draws ``z``, and then shares of the ten labels."""
    linear, _, norm, _, conv, norm2, _ = generator.body
    weight, bias = folded(linear.weight, linear.bias, norm)
    shares = torch.cat([weight[:, : z.shape[1]] @ z.T, weight[:, z.shape[1] :]], 1)
    return [
        layer(shares, bias),
        layer(*folded(conv.weight, conv.bias, norm2)),
        layer(generator.head.weight, generator.head.bias),
    ]


def noises(dimensions: int) -> Tensor:
    """The draws of noise that the page can mix."""
    return torch.randn(NOISES, dimensions, generator=torch.Generator().manual_seed(0))


@cache
def hands() -> Tensor:
    """The numbers of the first test digits of each class, (10, EACH)."""
    labels = judging.digits("test").labels
    return torch.stack([(labels == k).nonzero()[:EACH, 0] for k in range(10)])


@cache
def models() -> tuple[Any, Any]:
    """The recorded VAE and GAN."""
    return runs.load("digits-vae").network, runs.load("digits-gan").network


@cache
def codes() -> Tensor:
    """What the VAE's encoder makes of the test digits: (10, EACH, d), means of q(z|x)."""
    vae, _ = models()
    return vae.encode(digits_vae.binarised("test")[hands().flatten()]).mean.unflatten(0, (10, EACH))


def grey(pictures: Tensor) -> float:
    """The share of pixels that are neither paper nor ink: brighter than 0.1, darker than 0.9."""
    return ((pictures > 0.1) & (pictures < 0.9)).double().mean().item()


def said() -> dict[str, Any]:
    """What the page says of its models: the cards' figures, and how grey their samples are."""
    vae, gan = models()
    found: dict[str, Any] = {}
    for name, run, keys in (
        ("vae", "digits-vae", ("fid",)),
        ("gan", "digits-gan", ("fid", "fid_floor", "class_accuracy")),
    ):
        card = runs.load(run).card
        part = next(iter(card["parts"].values()))
        found[name] = {"run": run, "minutes": round(part["seconds"] / 60)}
        found[name] |= {key: card["figures"][key]["value"] for key in keys}
    z = torch.randn(judging.HALF, vae.latent_dim, generator=torch.Generator().manual_seed(0))
    samples = {"vae": vae.decoder(z).sigmoid(), "gan": judging.drawn(gan)}
    for name, pictures in samples.items():
        found[name]["grey"] = round(grey(pictures), 3)
    found["real"] = {"grey": round(grey(judging.digits().floats()[: judging.HALF]), 3)}
    return found


def models_table(found: dict[str, Any]) -> str:
    """The two models side by side, for the page."""
    vae, gan = found["vae"], found["gan"]
    rows = {
        "": ["VAE", "GAN"],
        "---": ["---", "---"],
        "recorded run": [f"{{ref}}`{m['run']} <run-{m['run']}>`" for m in (vae, gan)],
        "trained for, on one core": [f"{m['minutes']} minutes" for m in (vae, gan)],
        "told which digit to draw": ["no", "yes"],
        "numbers in a code": [str(m.latent_dim) for m in models()],
        "FID of 2,000 samples": [
            f"{vae['fid']:.2g}",
            f"{gan['fid']:.2g}; two halves of the real digits: {gan['fid_floor']:.2g}",
        ],
        "grey pixels in its samples": [
            f"{vae['grey']:.1%}",
            f"{gan['grey']:.1%}; in real digits: {found['real']['grey']:.1%}",
        ],
        "draws the digit asked for": ["", f"{gan['class_accuracy']:.1%} of samples"],
        "stored for this page": [
            "its decoder",
            f"its layers, the first for {NOISES} draws of noise",
        ],
    }
    lines = [f"| {head} | {' | '.join(cells)} |" for head, cells in rows.items()]
    return "\n".join(lines).replace("%", " %")


def with_table(page: str, table: str) -> str:
    """The page with the table between its marks."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}"


@torch.no_grad()
def poster() -> None:
    """The drawing that stands in the explorer's place: what the VAE makes of a square of codes.

    Digits are outlines, so that they take the colours of the page.
    """
    vae, _ = models()
    side, cell = 7, 44
    shares = torch.linspace(0, 1, side)
    corners = torch.stack([torch.stack([codes()[k, 0] for k in row]) for row in POSTER])
    z = torch.einsum("ia,jb,abd->ijd", *[torch.stack([1 - shares, shares], 1)] * 2, corners)
    paths = []
    for k, picture in enumerate(vae.decoder(z.flatten(0, 1)).sigmoid()[:, 0]):
        around = np.pad(picture.numpy(), 1)
        lines = plots.plt.figure().gca().contour(around, [0.5]).allsegs[0]
        plots.plt.close("all")
        x, y = 6 + cell * (k % side), 6 + cell * (k // side)
        places = [(line[::2] - 0.5) * (cell / 28) + (x, y) for line in lines]
        drawn = "".join(
            "M" + " ".join(f"{u:.1f} {v:.1f}" for u, v in line) + "Z" for line in places
        )
        paths.append(f'  <path d="{drawn}"/>')
    path = PLAY / "latent.svg"
    old = path.read_text(encoding="utf-8")
    head = old[: old.index("</style>")] + "</style>\n"
    title = f"A square of {side} by {side} handwritten digits that turn into one another"
    head = re.sub(
        r"(<title[^>]*>).*?(</title>)", rf"\1{title}: a 3, a 7, a 5 and a 2 at its corners\2", head
    )
    put(path, "\n".join([head.rstrip(), *frame(paths, cell, side), "</svg>", ""]).encode())


def frame(paths: list[str], cell: int, side: int) -> list[str]:
    """The digits on their ground, one of them in a lens."""
    lens = 6 + cell * (side // 2) - 5
    return [
        '  <rect class="ground" width="320" height="320" rx="14"/>',
        '  <g class="ink"><g class="solid" fill-rule="evenodd">',
        *paths,
        "  </g></g>",
        f'  <rect x="{lens}" y="{lens}" width="{cell + 10}" height="{cell + 10}" rx="10" class="decoder line bolder"/>',
    ]


@torch.no_grad()
def decoders() -> None:
    vae, gan = models()
    found = said()
    script(
        "decoders",
        {
            "vae": of_vae(vae.decoder),
            "gan": of_gan(gan, noises(gan.latent_dim)),
            "codes": halves(codes()),
            "said": found,
        },
    )
    put(PAGE, with_table(PAGE.read_text(encoding="utf-8"), models_table(found)).encode())
    poster()


@torch.no_grad()
def check() -> int:
    """Whether the page and the explorer's file say what the cards say."""
    found = said()
    page = with_table(PAGE.read_text(encoding="utf-8"), models_table(found))
    complaint = "the cards of digits-vae and digits-gan have changed: run .ci/play.py decoders"
    told = json.loads(
        (PLAY / "decoders.js").read_text().split("gantut.decoders = ")[1].rstrip(";\n")
    )
    if told["said"] != found:
        print(complaint, file=sys.stderr)
        return 1
    return settle(PAGE, page, complaint)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(check())
    for name in sys.argv[1:] or ("densities", "decoders"):
        {"densities": densities, "decoders": decoders}[name]()
