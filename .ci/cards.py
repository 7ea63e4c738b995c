"""Draw the chapters' pictures, and the strips of the landing page, from the recorded runs and the
library: book/_static/cards.

python .ci/cards.py                # all
python .ci/cards.py 02 13 faces    # these

What each shows stands in words in book/chapters.toml. They lie on no ground, in the book's colours,
so that they fit a light page and a dark one: data blue, a generator orange, a decoder ochre.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from PIL import Image
from torch import Tensor

from gantut import data, plots, runs
from gantut.runs.recipes import faces, faces_gan, faces_vae, judging, photo_codec, plane, spoken
from gantut.runs.recipes.digits_vae import binarised

CARDS = Path(__file__).resolve().parent.parent / "book" / "_static" / "cards"
WIDTH, HEIGHT = 480, 270
HEAVIEST = 20_000  # bytes of a chapter's picture
COLORS, INK = plots.COLORS, plots.INK
SEED = 3


def seeded(seed: int = SEED) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def canvas(width: int = WIDTH, height: int = HEIGHT) -> Axes:
    """Axes over a whole picture, in pixels, with y upwards."""
    figure = plt.figure(figsize=(width / 100, height / 100), dpi=100, layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    return ax


def inked(image: Tensor, colour: str) -> Tensor:
    """A grey image (1, H, W) as ink of a colour, (H, W, 4): clear where it is black."""
    rgb = torch.tensor(mpl.colors.to_rgb(COLORS[colour]))
    return torch.cat([rgb.expand(*image.shape[1:], 3), image[0, ..., None].clamp(0, 1)], 2)


def digits(ax: Axes, images: Tensor, colours: list[str], columns: int) -> None:
    """Rows of digits over the whole picture; each row has its colour."""
    rows = len(images) // columns
    side = min((WIDTH - 20) / columns, (HEIGHT - 16) / rows)
    left, top = (WIDTH - side * columns) / 2, HEIGHT - (HEIGHT - side * rows) / 2
    for k, image in enumerate(images):
        x, y = left + side * (k % columns), top - side * (k // columns + 1)
        where = (x, x + side, y, y + side)
        ink = inked(image, colours[k // columns]).numpy()
        ax.imshow(ink, extent=where, interpolation="bicubic", aspect="auto")
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))


def two_ways(ax: Axes) -> None:
    real = judging.digits("test")
    people = real.floats(torch.stack([(real.labels == k).nonzero()[2, 0] for k in range(7)]))
    gan = judging.drawn(runs.load("digits-gan").network, 7)
    vae = sigmoid_samples(runs.load("digits-vae").network, 7)
    digits(ax, torch.cat([people, gan, vae]), ["data", "generator", "decoder"], 7)


@torch.no_grad()
def sigmoid_samples(vae: torch.nn.Module, n: int) -> Tensor:
    """Means of p(x|z) for codes of the prior, as the book shows a VAE's samples."""
    return vae.decoder(torch.randn(n, vae.latent_dim, generator=seeded())).sigmoid()  # type: ignore


def game(ax: Axes) -> None:
    """Samples on their way to the clouds, over what the best discriminator says of each place."""
    ring = data.ring(std=0.12)
    real = ring.sample(160, seeded()) * 1.1
    fake = 0.62 * ring.sample(160, seeded(5)) + 0.28 * torch.randn(160, 2, generator=seeded(6))
    x, y = torch.meshgrid(torch.linspace(-5.3, 5.3, 160), torch.linspace(-3, 3, 90), indexing="xy")
    places = torch.stack([x, y], 2).view(-1, 2)
    log_p, log_q = [
        (-torch.cdist(places, points).square() / (2 * width**2)).exp().mean(1).add(1e-6).log()
        for points, width in ((real, 0.4), (fake, 0.5))
    ]
    logit = ((log_p - log_q) / 3).clamp(-1, 1).view(90, 160)
    blue, orange = (torch.tensor(mpl.colors.to_rgb(COLORS[c])) for c in ("data", "generator"))
    ground = torch.where(logit[..., None] > 0, blue, orange)
    ground = torch.cat([ground, 0.42 * logit.abs()[..., None]], 2)
    ax.imshow(ground.numpy(), origin="lower", extent=(-5.3, 5.3, -3, 3), aspect="auto")
    for points, name in ((real, "data"), (fake, "generator")):
        ax.plot(*points.T, ".", color=COLORS[name], markersize=7, markeredgewidth=0)
    ax.set(xlim=(-5.3, 5.3), ylim=(-3, 3))


@torch.no_grad()
def map_of_codes(ax: Axes) -> None:
    """Digits between four codes, which lie at the corners."""
    vae, real = runs.load("digits-vae").network, judging.digits("test")
    rows = torch.stack([(real.labels == k).nonzero()[0, 0] for k in (3, 7, 5, 2)])
    corners = vae.encode(binarised("test")[rows]).mean.view(2, 2, -1)  # type: ignore[operator]
    down, across = (torch.stack([1 - s, s]) for s in (torch.linspace(0, 1, n) for n in (5, 9)))
    z = torch.einsum("ai,bj,abd->ijd", down, across, corners).flatten(0, 1)
    digits(ax, vae.decoder(z).sigmoid(), ["decoder"] * 5, 9)  # type: ignore[operator]


def losses_of_g(ax: Axes) -> None:
    """Four losses of the generator over the logit."""
    v = torch.linspace(-4, 4, 200)
    curves = {
        "generator": torch.nn.functional.softplus(-v),
        "data": -torch.nn.functional.softplus(v),
        "discriminator": -v,
        "encoder": (1 - v).relu() - 1,
    }
    ax.axhline(0, color=INK, lw=1)
    ax.axvline(0, color=INK, lw=1)
    for colour, loss in curves.items():
        ax.plot(v, loss, color=COLORS[colour], lw=3.5, solid_capstyle="round")
    ax.set(xlim=(-4.3, 4.3), ylim=(-4, 4.4))


def rate_distortion(ax: Axes) -> None:
    """A curve and where weights β lie on it: distortion falls by half for each bit of a variable."""
    rate = np.linspace(0, 3.2, 100)
    ax.plot(rate, np.exp(-rate), color=COLORS["theory"], lw=3)
    for beta in (0.7, 0.4, 0.2, 0.1, 0.05):
        at = -np.log(beta)
        slope = np.array([at - 0.42, at + 0.42])
        ax.plot(slope, beta - beta * (slope - at), color=COLORS["decoder"], lw=2)
        ax.plot(at, beta, "o", color=COLORS["encoder"], markersize=12)
    ax.plot([0, 0, 3.3], [1.1, 0, 0], color=INK, lw=1.2)
    ax.set(xlim=(-0.2, 3.45), ylim=(-0.1, 1.18))


def turning(ax: Axes) -> None:
    """x·y: simultaneous steps turn outwards, optimistic ones come to rest."""
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    outward, inward = [np.array([0.5, 0.0])], [np.array([2.3, 0.0])] * 2
    for _ in range(120):
        outward.append(outward[-1] + 0.16 * turn @ outward[-1])
        inward.append(inward[-1] + 0.16 * turn @ (2 * inward[-1] - inward[-2]))
    for path, name in ((outward, "generator"), (inward, "discriminator")):
        x, y = np.array(path).T
        ax.plot(x, y, "-", color=COLORS[name], lw=1.5, alpha=0.6)
        ax.plot(x, y, ".", color=COLORS[name], markersize=7, markeredgewidth=0)
    ax.plot(0, 0, "+", color=INK, markersize=16, markeredgewidth=2)
    ax.set(xlim=(-4.6, 4.6), ylim=(-2.59, 2.59))


def asked_for(ax: Axes) -> None:
    images = judging.drawn(runs.load("digits-gan").network, 40, seed=2)
    digits(ax, images[torch.arange(40).view(4, 10)[:, :9].flatten()], ["generator"] * 4, 9)


@torch.no_grad()
def from_codes(ax: Axes) -> None:
    vae = runs.load("digits-hvae").network
    torch.manual_seed(SEED)
    digits(ax, vae.sample(28), ["decoder"] * 4, 7)  # type: ignore[operator]


def tiles(ax: Axes, images: Tensor, columns: int, gap: float = 4) -> None:
    """Colour images (N, 3, H, W) in rows over the whole picture."""
    rows = len(images) // columns
    side = min((WIDTH - gap) / columns, (HEIGHT - gap) / rows)
    left, top = (WIDTH - side * columns) / 2, HEIGHT - (HEIGHT - side * rows) / 2
    for k, image in enumerate(images):
        x, y = left + side * (k % columns), top - side * (k // columns + 1)
        where = (x + gap / 2, x + side - gap / 2, y + gap / 2, y + side - gap / 2)
        ax.imshow(
            image.permute(1, 2, 0), extent=where, interpolation="bilinear", aspect="auto", alpha=1.0
        )
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))


@torch.no_grad()
def family(ax: Axes) -> None:
    """Test faces as a VAE-GAN rebuilds them, as a GAN draws them when asked, as a VAE rebuilds."""
    real = faces.real(faces_gan.TEST, "test")
    places = torch.arange(20, 25)
    x, gan = real.floats(places), runs.load("faces-gan").network
    plain = faces_vae.rebuilt(runs.load("faces-vae").networks["pixels"], x)
    judged = faces_vae.rebuilt(runs.load("faces-vaegan").networks["adversary"], x)
    asked = faces.named(real, slice(20, 25))
    drawn = faces_gan.drawn(gan, faces_gan.noise(gan, 5, 1), asked)
    tiles(ax, torch.cat([judged.clamp(0, 1), drawn.clamp(0, 1), plain.clamp(0, 1)]), 5)


def two_clouds(ax: Axes) -> None:
    """Features of two sets, their Gaussians, and what lies between the means."""
    for colour, middle, spread, angle, seed in (
        ("data", (170, 140), (52, 30), 25, 1),
        ("generator", (310, 128), (38, 36), -20, 2),
    ):
        turn = np.deg2rad(angle)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        points = torch.randn(90, 2, generator=seeded(seed)).numpy() * spread @ rotation.T + middle
        ax.plot(*points.T, ".", color=COLORS[colour], markersize=7, markeredgewidth=0)
        for times in (2, 4):
            size = [times * s for s in spread]
            ax.add_patch(Ellipse(middle, *size, angle=angle, fill=False, ec=COLORS[colour], lw=2))
    arrow = {"arrowstyle": "<->", "mutation_scale": 18, "lw": 2.5, "color": INK}
    ax.add_patch(FancyArrowPatch((170, 140), (310, 128), shrinkA=0, shrinkB=0, **arrow))


@torch.no_grad()
def lost_modes(ax: Axes) -> None:
    """The recorded plain GAN of the ring, in the seed that lost most."""
    G, count = runs.load("ring").networks["plain"], 400
    ring = plane.DENSITIES["ring"]()
    z = torch.randn(count * G.seeds, 2, generator=seeded())
    samples = G(z).unflatten(0, (count, G.seeds)).transpose(0, 1)
    near = [torch.cdist(s, ring.centres).min(1).indices.bincount(minlength=8) for s in samples]  # type: ignore
    worst = min(range(G.seeds), key=lambda s: near[s].float().min().item())
    real = ring.sample(500, seeded(1))
    ax.plot(*real.T, ".", color=COLORS["data"], markersize=9, markeredgewidth=0)
    ax.plot(*samples[worst].T, ".", color=COLORS["generator"], markersize=4.5, markeredgewidth=0)
    reach = 1.25 * real.abs().max().item()
    ax.set(xlim=(-reach * 16 / 9, reach * 16 / 9), ylim=(-reach, reach))


def shorter(ax: Axes) -> None:
    """What a step computes, and what of it changes no number."""
    style = {"boxstyle": "round,pad=0,rounding_size=8", "lw": 3}
    boxes = [("generator", 40), ("discriminator", 180), ("discriminator", 320)]
    for row, y in enumerate((160, 50)):
        for k, (colour, x) in enumerate(boxes):
            spared = row == 1 and k == 0
            look = {"ec": INK, "ls": "--"} if spared else {"ec": COLORS[colour]}
            ax.add_patch(FancyBboxPatch((x, y), 105, 60, fc="none", **look, **style))
            if not spared:
                ax.add_patch(
                    FancyBboxPatch(
                        (x, y), 105, 60, fc=COLORS[colour], ec="none", alpha=0.25, **style
                    )
                )
        for x in (145, 285):
            ends = ((x + 4, y + 30), (x + 33, y + 30))[:: 1 if row == 0 else -1]
            if not (row == 1 and x == 145):
                ax.add_patch(
                    FancyArrowPatch(*ends, arrowstyle="->", mutation_scale=20, lw=2.5, color=INK)
                )


@torch.no_grad()
def photograph(ax: Axes) -> None:
    """The left half as it is, the right half rebuilt at 0.3 bits a pixel."""
    x = photo_codec.photographs()["astronaut"]
    codec = runs.load("photo-codec").network
    file, _ = photo_codec.at_most(codec, x, 0.3)
    seen = codec.decompress(file)  # type: ignore[operator]
    wide, top = x.shape[2], 10
    high = round(wide * HEIGHT / WIDTH)
    both = x[:, top : top + high].clone()
    both[:, :, wide * 45 // 100 :] = seen[:, top : top + high, wide * 45 // 100 :]
    ax.imshow(both.permute(1, 2, 0), extent=(0, WIDTH, 0, HEIGHT), aspect="auto")
    ax.axvline(WIDTH * 0.45, color="white", lw=2.5)
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))


def word(ax: Axes) -> None:
    """The spectrogram of two spoken digits, as ink."""
    two = spoken.images("test").floats(spoken.one_of_each()[[7, 5]])
    for k, (image, colour) in enumerate(zip(two, ("data", "generator"), strict=True)):
        where = (16 + 230 * k, 234 + 230 * k, 12, HEIGHT - 12)
        ax.imshow(inked(image, colour), extent=where, origin="lower", aspect="auto")
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))


def question(ax: Axes) -> None:
    """A question mark made of points."""
    mark = TextPath((0, 0), "?", size=290, prop=mpl.font_manager.FontProperties(weight="bold"))
    outline = Outline(mark.vertices, mark.codes)
    points = torch.rand(9000, 2, generator=seeded()).numpy() * [220, 290] - [10, 20]
    inside = points[outline.contains_points(points)]
    inside += torch.randn(len(inside), 2, generator=seeded(1)).numpy() * 3 + [160, 28]
    half = torch.rand(len(inside), generator=seeded(2)).numpy() < 0.5
    for colour, some in (("data", half), ("generator", ~half)):
        ax.plot(*inside[some].T, ".", color=COLORS[colour], markersize=4.5, markeredgewidth=0)


def wrong_sign(ax: Axes) -> None:
    """A line of code, and a lens on the sign that is wrong."""
    said = {"family": "monospace", "fontsize": 25, "va": "center", "color": INK}
    ax.text(28, 190, "kl = 0.5 * (", **said)
    ax.text(28, 135, "  1 + s - m**2", **said)
    ax.text(28, 80, "  - exp(s))", **said)
    ax.add_patch(Ellipse((119, 190), 96, 66, fill=False, ec=COLORS["generator"], lw=4))
    ax.plot([160, 200], [164, 140], color=COLORS["generator"], lw=6, solid_capstyle="round")


def carried(ax: Axes) -> None:
    """Noise at the left, codes at the right, and the ways between them."""
    from scipy.optimize import linear_sum_assignment

    noise = torch.randn(70, 2, generator=seeded()) * torch.tensor([26.0, 48]) + torch.tensor(
        [95.0, 135]
    )
    codes = data.ring(std=0.08).sample(70, seeded(1)) * 44 + torch.tensor([360.0, 135])
    rows, columns = linear_sum_assignment(torch.cdist(noise, codes).square())
    t = np.linspace(0, 1, 30)
    for a, b in zip(noise[rows], codes[columns], strict=True):
        s = t**2 * (3 - 2 * t)
        y = (1 - s) * a[1].item() + s * b[1].item()
        ax.plot((1 - t) * a[0].item() + t * b[0].item(), y, color=INK, lw=0.9, alpha=0.45)
    ax.plot(*noise.T, ".", color=INK, markersize=8, markeredgewidth=0)
    ax.plot(*codes.T, ".", color=COLORS["encoder"], markersize=10, markeredgewidth=0)


CHAPTERS: dict[str, Callable[[Axes], None]] = {
    "01": two_ways,
    "02": game,
    "03": map_of_codes,
    "04": losses_of_g,
    "05": rate_distortion,
    "06": turning,
    "07": asked_for,
    "08": from_codes,
    "09": family,
    "10": two_clouds,
    "11": lost_modes,
    "12": shorter,
    "13": photograph,
    "14": word,
    "15": question,
    "16": wrong_sign,
    "17": carried,
}


@torch.no_grad()
def strip_of_faces() -> Image.Image:
    """Faces as a GAN draws them one after the other: none is chosen."""
    gan = runs.load("faces-gan").network
    wanted = faces_gan.requests(20)
    images = faces_gan.drawn(gan, faces_gan.noise(gan, 20, 1), wanted).clamp(0, 1)
    rows = images.view(2, 10, 3, 64, 64).permute(0, 3, 1, 4, 2).reshape(128, 640, 3)
    return Image.fromarray((255 * rows).byte().numpy()).resize(
        (1280, 256), Image.Resampling.LANCZOS
    )


def strip_of_digits() -> Image.Image:
    """Digits in order, as they come, in the generator's colour on no ground."""
    images = judging.drawn(runs.load("digits-gan").network, 40)
    ink = torch.stack([inked(image, "generator") for image in images]).view(2, 20, 28, 28, 4)
    rows = ink.permute(0, 2, 1, 3, 4).reshape(56, 560, 4)
    whole = Image.fromarray((255 * rows).byte().numpy())
    return whole.resize((1120, 112), Image.Resampling.LANCZOS)


STRIPS = {"faces": strip_of_faces, "digits": strip_of_digits}


def drawn(name: str) -> Image.Image:
    """One picture by its name."""
    if name in STRIPS:
        return STRIPS[name]()
    plots.use_style()
    mpl.rcParams["figure.constrained_layout.use"] = False
    ax = canvas()
    CHAPTERS[name](ax)
    out = io.BytesIO()
    ax.figure.savefig(out, format="png", dpi=100, transparent=True)
    plt.close("all")
    return Image.open(out).convert("RGBA")


def main() -> int:
    CARDS.mkdir(exist_ok=True)
    for name in sys.argv[1:] or (*CHAPTERS, *STRIPS):
        path = CARDS / f"{name}.webp"
        picture, most = drawn(name), HEAVIEST if name in CHAPTERS else 2 * HEAVIEST
        for alpha in (75, 50, 30, 10):
            picture.save(path, quality=60 - (75 - alpha) // 3, alpha_quality=alpha, method=6)
            if path.stat().st_size <= most:
                break
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
