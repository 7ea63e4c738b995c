"""Faces in colour, drawn from named factors: nobody's likeness, no download, all factors known.

Each shape is a signed distance: how far a place lies outside (above 0) or inside (below 0) of it.
A union is then a minimum, an intersection a maximum, a wider shape a subtraction, and an edge that
is soft over one pixel a line from 1 to 0. A face is some forty shapes, painted from back to front.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gantut.data.batches import generator
from gantut.data.cache import cached
from gantut.data.datasets import ImageData
from gantut.data.images import SPLITS
from gantut.numerics import at_least, check_numbers, chosen, expect


def _named(colours: str) -> dict[str, str]:
    words = colours.split()
    return dict(zip(words[::2], words[1::2], strict=True))


BACKGROUNDS = _named(
    "cream f4e3c5 butter f3d58d apricot f3b793 rose eeb4b3 "
    "lilac c9bbe0 sky a9cfe0 mint aed8c3 sage c0cba3"
)
SKINS = _named(
    "porcelain fbe0cd peach f5cba9 sand e8b68c honey d69d6d "
    "almond bd8156 chestnut 9f6947 cocoa 80523b ebony 6a4431"
)
HAIR_COLOURS = _named(
    "black 2e2733 brown 513326 auburn 8f4229 ginger d5732f "
    "blond ecc06c silver c8c5cf pink ea86a0 teal 3a9a9a"
)
EYE_COLOURS = _named("brown 6b4226 green 4f8a52 blue 3f7fb5 grey 76838f")
CLOTHES = _named(
    "mustard dfa23a brick c4553f plum 7b4b70 navy 37496e "
    "denim 6a92ba pine 34776f olive 7f8751 linen f5ead6"
)
_INKS = _named("night 2c2230 wine 5e1f2b red e8604f white fffaf0")
# How far the left and the right eye are open, and where they look to.
EYES = {
    "open": (1, 1, 0),
    "left": (1, 1, -1),
    "right": (1, 1, 1),
    "closed": (0, 0, 0),
    "wink": (1, 0, 0),
}
# Half the width and half the height of a lens, the radius of its corners, how much its tint hides.
GLASSES = {
    "none": (0.17, 0.17, 0.17, 0.0),
    "round": (0.17, 0.17, 0.17, 0.16),
    "square": (0.17, 0.14, 0.06, 0.16),
    "dark": (0.165, 0.125, 0.06, 0.94),
}
# Half the width, how far the upper and the lower edge bend down, and whether teeth, a tongue show.
MOUTHS = {
    "smile": (0.17, 0.075, 0.075, 0, 0),
    "laugh": (0.19, 0.015, 0.19, 1, 1),
    "calm": (0.12, 0.006, 0.006, 0, 0),
    "sad": (0.13, -0.06, -0.06, 0, 0),
    "surprised": (0.075, -0.075, 0.085, 0, 1),
}
HAIRS = (
    *("bald", "short", "parted", "spikes", "curls"),
    *("afro", "bun", "pigtails", "fringe", "long"),
)


def _even(names: Iterable[str]) -> dict[str, float]:
    return dict.fromkeys(names, 1.0)


# Every value with its share, in proportion to the others; or the (least, most) of a number that is
# drawn uniformly. Brows run from worried to cross; turn and tilt are in radians, to the right.
FACE_FACTORS: dict[str, dict[str, float] | tuple[float, float]] = {
    "background": _even(BACKGROUNDS),
    "skin": _even(SKINS),
    "hair": _even(HAIRS),
    "hair_colour": _even(HAIR_COLOURS),
    "eyes": _even(EYES),
    "eye_colour": _even(EYE_COLOURS),
    "glasses": {"none": 3, "round": 1, "square": 1, "dark": 1},
    "mouth": {"smile": 2, "laugh": 2, "calm": 1, "sad": 1, "surprised": 1},
    "beard": {"none": 3, "moustache": 1, "full": 1},
    "freckles": {"none": 3, "some": 1},
    "clothes": _even(CLOTHES),
    "pattern": _even(("plain", "stripes", "dots")),
    "brows": (-1.0, 1.0),
    "nose": (0.0, 1.0),
    "width": (-1.0, 1.0),
    "turn": (-0.36, 0.36),
    "tilt": (-0.16, 0.16),
}
_CHUNK = 64  # faces drawn at a time: few enough for the processor's cache
_VERSION = 2  # counts the ways of drawing, so that a cache does not serve an older one


def faces(
    n: int = 20_000,
    *,
    size: int = 64,
    seed: int = 0,
    split: str = "train",
    cache: bool = True,
) -> ImageData:
    """Picture-book faces in colour, with the factors that made them, labelled by hairstyle.

    Seventeen factors are drawn independently of one another, as ``FACE_FACTORS`` says: twelve have
    named values (three hundred million combinations), five are numbers. So the true share of
    glasses or smiles is known, and what a model makes can be counted against it. The hairstyle is
    the label because it has ten values that change the whole outline; any other factor can take
    its place, ``ImageData(images.images, images.factors["mouth"])``.

    Args:
        n: the number of images.
        size: their side in pixels, at least 16; the shapes are made to be read at 32 and at 64.
        seed: decides all draws.
        split: ``"train"`` or ``"test"``, independent draws from the same distribution.
        cache: keeps the images on the disk, since 20,000 of 64 pixels take ten seconds to draw.

    Returns:
        Images (n, 3, size, size) of ten classes; ``factors`` holds each name of ``FACE_FACTORS``,
        (n,): int64 places in the list of values, or floats.

    Raises:
        ValueError: n < 1, a size below 16, an unknown split.

    Example:
        >>> images = faces(20, size=32, cache=False)
        >>> images.shape, images.class_names[:3]
        ((3, 32, 32), ('bald', 'short', 'parted'))
        >>> images.factors["mouth"].dtype, list(FACE_FACTORS["mouth"])[:2]
        (torch.int64, ['smile', 'laugh'])
    """
    chosen("split", split, SPLITS)
    at_least(1, n=n)
    at_least(16, size=size)
    options: dict[str, Any] = {"n": n, "size": size, "seed": seed, "split": split}
    content = cached(f"faces-{_VERSION}", _make, **options) if cache else _make(**options)
    images = content.pop("images")
    return ImageData(images, content["hair"], name="faces", class_names=HAIRS, factors=content)


def _make(n: int, size: int, seed: int, split: str) -> dict[str, Tensor]:
    g = generator(seed, SPLITS.index(split))
    factors = {}
    for name, values in FACE_FACTORS.items():
        if isinstance(values, dict):
            shares = torch.tensor(list(values.values()), dtype=torch.float)
            factors[name] = torch.multinomial(shares, n, replacement=True, generator=g)
        else:
            low, high = values
            factors[name] = low + (high - low) * torch.rand(n, generator=g)
    return {"images": draw_faces(factors, size), **factors}


def draw_faces(factors: Mapping[str, Tensor], size: int = 64) -> Tensor:
    """Draw faces with the factors given, so that one can be changed while the others stay.

    Args:
        factors: for each name in ``FACE_FACTORS`` a tensor (n,) of places in its list of values, or
            of numbers in its range.
        size: the side in pixels, at least 16.

    Returns:
        Images (n, 3, size, size), uint8.

    Raises:
        ValueError: a name too many or too few, tensors of several lengths, a value out of range, or
            a size below 16.
        TypeError: places that are no integers.

    Example:
        >>> import torch
        >>> some = dict(faces(4, size=32, cache=False).factors)
        >>> some["glasses"] = torch.full((4,), list(FACE_FACTORS["glasses"]).index("round"))
        >>> draw_faces(some, 32).shape
        torch.Size([4, 3, 32, 32])
    """
    at_least(16, size=size)
    known = _checked(factors)
    images = torch.empty(len(known["hair"]), 3, size, size, dtype=torch.uint8)
    for place, style in enumerate(HAIRS):  # one hairstyle at a time, so that each is drawn alone
        for rows in (known["hair"] == place).nonzero()[:, 0].split(_CHUNK):
            part = {name: values[rows] for name, values in known.items()}
            drawn = _drawn(part, style, size).mul_(255).round_().to(torch.uint8)
            images[rows] = drawn.flatten(0, 2).T.contiguous().view(len(rows), 3, size, size)
    return images


def _checked(factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    differ = sorted(factors.keys() ^ FACE_FACTORS.keys())
    expect(not differ, "exactly the names in FACE_FACTORS", f"{differ} missing or unknown")
    n, known = len(factors["hair"]), {}
    for name, values in FACE_FACTORS.items():
        given = torch.as_tensor(factors[name])
        expect(given.shape == (n,), f"{name} of shape ({n},), like hair", given)
        if isinstance(values, dict):
            known[name] = check_numbers(given, len(values), name)
        else:
            low, high = values
            outside = given[~((low <= given) & (given <= high))]
            expect(not len(outside), f"{name} from {low} to {high}", *outside[:1].tolist())
            known[name] = given.float()
    return known


@dataclass
class _Sheet:
    """Pictures in the making. The faces stand last, so that factors (n,) broadcast by themselves.

    Places run over [−1, 1], with y down. On the tilted head, (p, q) are places around its centre;
    (u, q) say which place of the face is seen there once the head has turned.
    """

    pixels: Tensor  # (3, H, W, n), in [0, 1]
    x: Tensor  # (W, 1)
    y: Tensor  # (H, 1, 1)
    p: Tensor  # (H, W, n), like those that follow
    q: Tensor
    u: Tensor
    head: Tensor  # the distance to the outline of the head
    pixel: float  # the side of a pixel
    known: dict[str, Tensor]  # factors (n,) and colours (3, n)

    def __getitem__(self, name: str) -> Tensor:
        return self.known[name]

    def crop(self, left: float, top: float, right: float, bottom: float) -> _Sheet:
        """A window on this sheet: what is painted there is painted here, in less time."""
        x, y = self.x.flatten(), self.y.flatten()
        columns = slice(int((x < left).sum()), int((x < right).sum()))
        rows = slice(int((y < top).sum()), int((y < bottom).sum()))
        planes = {name: getattr(self, name)[rows, columns] for name in ("p", "q", "u", "head")}
        pixels = self.pixels[:, rows, columns]
        return replace(self, pixels=pixels, x=self.x[columns], y=self.y[rows], **planes)

    def paint(self, colour: Tensor, distance: Tensor, alpha: Tensor | None = None) -> None:
        """Lay a colour (3, n) where the distance is below 0, as opaque as ``alpha`` says."""
        cover = _inside(distance, self.pixel)
        if alpha is not None:
            cover = cover * alpha
        self.pixels.lerp_(colour[:, None, None], cover)


def _inside(distance: Tensor, edge: float) -> Tensor:
    """1 where the distance is below 0 and 0 where it is above, over an edge of that width."""
    return torch.rsub(distance, 0.5, alpha=1 / edge).clamp_(0, 1)


def _overlap(*distances: Tensor) -> Tensor:
    return functools.reduce(torch.maximum, distances)


def _union(*distances: Tensor) -> Tensor:
    return functools.reduce(torch.minimum, distances)


def _ellipse(x: Tensor, y: Tensor, a: Any, b: Any) -> Tensor:
    """Near the outline of half axes a and b: exact for a circle, and close for a round ellipse."""
    return ((x / a).square_() + (y / b).square_()).sqrt_().sub_(1).mul_(b)


def _box(x: Tensor, y: Tensor, a: Any, b: Any, corner: Any) -> Tensor:
    """A rectangle of half sides a and b, whose corners are round."""
    x, y = x.abs() - (a - corner), y.abs() - (b - corner)
    outside = (x.clamp(min=0).square_() + y.clamp(min=0).square_()).sqrt_()
    return outside + torch.maximum(x, y).clamp(max=0) - corner


def _wave(x: Tensor, length: float) -> Tensor:
    """A zigzag between 0 and 1."""
    return ((x / length) % 1 - 0.5).abs_().mul_(2)


def _colours(codes: Iterable[str], index: Tensor) -> Tensor:
    """Colours (3, n), by their places in a list of them."""
    rgb = [[int(code[k : k + 2], 16) / 255 for k in (0, 2, 4)] for code in codes]
    return torch.tensor(rgb).T[:, index]


def _drawn(factors: dict[str, Tensor], style: str, size: int) -> Tensor:
    s, hair = _blank(factors, size), _STYLES[style]
    _background(s)
    if hair.back:
        s.paint(s[hair.tone], hair.back(s))
    _neck(s.crop(-0.3, 0.3, 0.3, 1))
    _clothes(s.crop(-1, 0.4, 1, 1))
    _ears(s.crop(-0.85, -0.4, 0.85, 0.45))
    _head(s.crop(-0.8, -0.8, 0.8, 0.7))
    _cheeks(s.crop(-0.7, -0.1, 0.7, 0.6))
    _beard(s.crop(-0.7, -0.1, 0.7, 0.7))
    _nose(s.crop(-0.5, -0.1, 0.5, 0.4))
    _mouth(s.crop(-0.6, 0.1, 0.6, 0.7))
    _eyes(s.crop(-0.7, -0.3, 0.7, 0.35))
    _brows(s.crop(-0.7, -0.45, 0.7, 0.15))
    if hair.front:
        _hair(s.crop(-0.85, -0.95, 0.85, 0.5), hair.front, hair.combed)
    _glasses(s.crop(-0.7, -0.35, 0.7, 0.4))
    return s.pixels


def _blank(factors: dict[str, Tensor], size: int) -> _Sheet:
    x = ((torch.arange(size) + 0.5) / size * 2 - 1)[:, None]
    y = x[:, None]
    f = {**factors, "sin": factors["turn"].sin(), "half": 0.485 + 0.045 * factors["width"]}
    # The head leans about the neck, at y = 0.5, and is drawn 1.1 times as large as it is given.
    cos, sin = f["tilt"].cos() / 1.1, f["tilt"].sin() / 1.1
    p = x * cos + (y - 0.5) * sin
    q = (y - 0.5) * cos + 0.47 - x * sin
    # The face lies on an upright cylinder of radius 0.62, which turns. What is seen at p was before
    # the turn at p cos θ − depth sin θ: so the far side narrows as it does in life.
    depth = (0.62**2 - p.square()).clamp_(min=0.04).sqrt_()
    u = p * f["turn"].cos() - depth * f["sin"]
    head = _ellipse(p - 0.06 * f["sin"] * q, q, f["half"] - 0.03 * q, 0.535)
    pixels = torch.empty(3, size, size, len(f["hair"]))
    return _Sheet(pixels, x, y, p, q, u, head, 2 / size, {**f, **_palette(f)})


def _palette(f: dict[str, Tensor]) -> dict[str, Tensor]:
    """All colours that a face needs, (3, n) each; shades are mixed from the few in the tables."""
    ink = {name: _colours([code], torch.zeros_like(f["hair"])) for name, code in _INKS.items()}
    skin = _colours(SKINS.values(), f["skin"])
    hair = _colours(HAIR_COLOURS.values(), f["hair_colour"])
    cloth = _colours(CLOTHES.values(), f["clothes"])
    ground = _colours(BACKGROUNDS.values(), f["background"])
    mixed = {
        "glow": ground.lerp(ink["white"], 0.4),
        "skin_dark": skin.lerp(ink["wine"], 0.16),
        "skin_light": skin.lerp(ink["white"], 0.5),
        "blush": skin.lerp(ink["red"], 0.42),
        "nose_tip": skin.lerp(ink["wine"], 0.14).lerp(ink["red"], 0.26),
        "line": skin.lerp(ink["wine"].lerp(ink["night"], 0.3), 0.85),
        "hair_dark": hair.lerp(ink["wine"], 0.24),
        "hair_light": hair.lerp(ink["white"], 0.28),
        "rim": cloth.lerp(ink["night"], 0.2),
        # White on linen would not be seen.
        "print": cloth.lerp(ink["white"], 0.55).where(f["clothes"] < len(CLOTHES) - 1, ink["red"]),
        "iris": _colours(EYE_COLOURS.values(), f["eye_colour"]),
    }
    return {**ink, **mixed, "skin": skin, "locks": hair, "cloth": cloth, "ground": ground}


def _background(s: _Sheet) -> None:
    s.pixels.copy_(s["ground"][:, None, None].expand_as(s.pixels))
    s.paint(s["glow"], _ellipse(s.x, s.y + 0.05, 0.84, 0.84))


def _neck(s: _Sheet) -> None:
    neck = _overlap(s.x.abs() - 0.16, (s.y - 0.6).abs() - 0.25)
    s.paint(s["skin"], neck)
    s.paint(s["skin_dark"], _overlap(neck, _ellipse(s.p, s.q - 0.1, s["half"], 0.54)))


def _clothes(s: _Sheet) -> None:
    shoulders = _ellipse(s.x, s.y - 1.2, 0.8, 0.55)
    collar = _ellipse(s.x, s.y - 0.62, 0.21, 0.15)
    cloth = _overlap(shoulders, -collar)
    s.paint(s["cloth"], cloth)
    stripes = (((s.y * 6.5) % 1 - 0.5).abs() - 0.22) / 6.5
    s.paint(s["print"], _overlap(cloth, stripes), s["pattern"] == 1)
    dots = _ellipse((s.x * 5) % 1 - 0.5, (s.y * 5) % 1 - 0.5, 0.22, 0.22) / 5
    s.paint(s["print"], _overlap(cloth, dots), s["pattern"] == 2)
    s.paint(s["rim"], _overlap(collar.abs() - 0.025, shoulders))


def _ears(s: _Sheet) -> None:
    # The near ear comes forward, and the far one hides.
    across = s.p.abs() - (s["half"] + 0.01) + s.p.sign() * 0.1 * s["sin"]
    s.paint(s["skin"], _ellipse(across, s.q - 0.08, 0.09, 0.12))
    s.paint(s["skin_dark"], _ellipse(across - 0.015, s.q - 0.08, 0.045, 0.07))


def _head(s: _Sheet) -> None:
    s.paint(s["skin"], s.head)
    lit = _ellipse(s.p, s.q + 0.05, s["half"] - 0.02, 0.515)
    s.paint(s["skin_dark"], s.head, 1 - _inside(lit, 0.1))
    s = s.crop(-0.7, -0.75, 0.7, 0)
    shine = _ellipse(s.u + 0.1, s.q + 0.35, 0.14, 0.08)
    s.paint(s["skin_light"], s.head, 0.6 * _inside(shine, 0.1))


def _cheeks(s: _Sheet) -> None:
    across = s.u.abs() - 0.28
    blush = _inside(_ellipse(across, s.q - 0.22, 0.1, 0.08), 0.1)
    s.paint(s["blush"], s.head, 0.75 * blush)
    spots = ((-0.07, 0.18), (0.0, 0.21), (0.06, 0.17), (-0.03, 0.245))
    freckles = _union(*(_ellipse(across - a, s.q - b, 0.014, 0.014) for a, b in spots))
    s.paint(s["line"], _overlap(freckles, s.head), 0.5 * s["freckles"])


def _beard(s: _Sheet) -> None:
    across = s.u.abs() - 0.09
    moustache = _ellipse(across, s.q - 0.265 - 0.3 * across, 0.12, 0.045)
    s.paint(s["hair_dark"], moustache, s["beard"] == 1)
    cheeks = _ellipse(s.u, s.q - 0.06, 0.58, 0.25)
    lips = _ellipse(s.u, s.q - 0.345, 0.13, 0.06)
    bare = _union(cheeks, lips, s.q - 0.06)
    s.paint(s["hair_dark"], _overlap(s.head - 0.02, -bare), s["beard"] == 2)


def _nose(s: _Sheet) -> None:
    half = 0.045 + 0.04 * s["nose"]
    # It stands out from the face, so a turn moves it further than the rest.
    s.paint(s["nose_tip"], _ellipse(s.u - 0.1 * s["sin"], s.q - 0.17, half, 0.8 * half))


def _mouth(s: _Sheet) -> None:
    half, upper, lower, teeth, tongue = torch.tensor(list(MOUTHS.values()))[s["mouth"]].T
    bow = 1 - (s.u / half).square_()
    top, bottom = 0.33 + upper * bow, 0.33 + lower * bow
    mouth = _overlap(top - s.q - 0.018, s.q - bottom - 0.018, s.u.abs() - half)
    s.paint(s["line"].where(upper == lower, s["wine"]), mouth)
    inner = mouth + 0.02
    s.paint(s["white"], _overlap(inner, s.q - top - 0.05), teeth)
    s.paint(s["red"], _overlap(inner, _ellipse(s.u, s.q - 0.5, 0.12, 0.09)), tongue)


def _eyes(s: _Sheet) -> None:
    left, right, look = torch.tensor(list(EYES.values()), dtype=torch.float)[s["eyes"]].T
    side = s.u.sign()
    across, down = s.u.abs() - 0.2, s.q - 0.05
    open_ = torch.where(side < 0, left, right)
    white = _ellipse(across, down, 0.105, 0.12)
    s.paint(s["white"], white, open_)
    aside = across - side * look * 0.04
    for ink, a, b in (("iris", 0.075, 0.085), ("night", 0.045, 0.05)):
        s.paint(s[ink], _overlap(white, _ellipse(aside, down - 0.01, a, b)), open_)
    s.paint(s["white"], _ellipse(aside - side * 0.02, down + 0.03, 0.025, 0.025), open_)
    s.paint(s["night"], _overlap(white.abs() - 0.016, down + 0.02), open_)
    lid = (down + 0.02 - 6 * across.square()).abs() - 0.02
    s.paint(s["night"], _overlap(lid, across.abs() - 0.1), 1 - open_)


def _brows(s: _Sheet) -> None:
    across = s.u.abs() - 0.2
    brow = _box(across, s.q + 0.15 + 0.4 * s["brows"] * across, 0.115, 0.022, 0.022)
    s.paint(s["hair_dark"], brow)


def _glasses(s: _Sheet) -> None:
    kind = s["glasses"]
    half, high, corner, tint = torch.tensor(list(GLASSES.values()))[kind].T
    u, v = s.u - 0.04 * s["sin"], s.q - 0.06
    lens = _box(u.abs() - 0.205, v, half, high, corner)
    s.paint(s["white"].where(kind < 3, s["night"]), lens, tint)
    glint = (u.abs() - 0.2 + 0.6 * v).abs() - 0.035
    s.paint(s["white"], _overlap(glint, lens), 0.35 * (kind == 3))
    bar = (v + 0.03).abs() - 0.018
    bridge, temples = _overlap(bar, u.abs() - 0.05), _overlap(bar, 0.37 - u.abs(), s.head)
    frame = _union(lens.abs() - 0.018, bridge, temples)
    s.paint(s["red"].where(kind == 2, s["night"]), frame, kind > 0)


def _hair(s: _Sheet, front: Callable[[_Sheet], Tensor], combed: bool) -> None:
    hair = front(s)
    s.paint(s["skin_dark"], s.head, _inside(hair - 0.02, 0.1))  # its shadow on the forehead
    s.paint(s["locks"], hair)
    top = s.crop(-1, -1, 1, 0)
    hair, down = hair[: len(top.p)], top.q + 0.02
    if combed:
        strands = _union(
            *(_ellipse(top.u, down, a, b).abs() for a, b in ((0.27, 0.37), (0.52, 0.52)))
        )
        top.paint(top["hair_dark"], _overlap(hair + 0.03, top.q + 0.2, strands - 0.008))
    shine = _overlap(_ellipse(top.u, down, 0.4, 0.46).abs() - 0.025, top.q + 0.34)
    top.paint(top["hair_light"], hair, 0.8 * _inside(shine, 0.06))


def _cap(s: _Sheet, line: Tensor, more: float = 0.05) -> Tensor:
    """Hair on the head, thicker by ``more``, above a line on the face."""
    return _overlap(s.head - more, s.q - line)


def _short(s: _Sheet) -> Tensor:
    quiff = _ellipse(s.p - 0.1 - 0.1 * s["sin"], s.q + 0.5, 0.36, 0.16)
    line = -0.3 + 1.3 * s.u.square() + 0.05 * _wave(s.u - 0.4 * s.q, 0.16)
    return _union(_cap(s, line, 0.04), quiff)


def _spikes(s: _Sheet) -> Tensor:
    teeth = _wave(s.p + 0.11, 0.22)
    return _cap(s, -0.3 + 0.12 * teeth) - 0.3 * (1 - teeth) * (-s.q - 0.2).clamp_(0, 0.4)


def _bumps(s: _Sheet, up: float) -> Tensor:
    """cos 12φ, for the angle φ around a point of the head: twelve bumps."""
    c = s.p / (s.p.square() + (s.q + up).square() + 1e-6).sqrt_()
    c = c * (4 * c.square() - 3)  # cos 3φ, and twice the angle with each step
    for _ in range(2):
        c = 2 * c.square() - 1
    return c


def _curls(s: _Sheet) -> Tensor:
    return _cap(s, -0.26 + 0.9 * s.u.square() + 0.07 * _wave(s.u, 0.2), 0.06)


def _mop(s: _Sheet) -> Tensor:
    return _overlap(_ellipse(s.p, s.q + 0.1, 0.58, 0.56) - 0.05 * _bumps(s, 0.1), s.q - 0.16)


def _round(s: _Sheet) -> Tensor:
    return _cap(s, -0.3 + 1.1 * s.u.square())


def _cloud(s: _Sheet) -> Tensor:
    return _ellipse(s.p, s.q + 0.17, 0.72, 0.65) - 0.018 * _bumps(s, 0.17)


def _fringe(s: _Sheet) -> Tensor:
    curtains = _overlap(0.38 - s.u.abs(), s.q - 0.3)
    fringe = s.q + 0.16 - 0.04 * _wave(s.u, 0.19)
    return _overlap(s.head - 0.06, _union(fringe, curtains))


class _Style(NamedTuple):
    front: Callable[[_Sheet], Tensor] | None  # what lies on the head
    back: Callable[[_Sheet], Tensor] | None = None  # what hangs behind it, and its colour
    tone: str = "locks"
    combed: bool = True


_STYLES = {
    "bald": _Style(None),
    "short": _Style(_short),
    "parted": _Style(lambda s: _cap(s, -0.4 + 0.55 * (s.u + 0.15).abs(), 0.06)),
    "spikes": _Style(_spikes, combed=False),
    "curls": _Style(_curls, _mop, combed=False),
    "afro": _Style(_round, _cloud, combed=False),
    "bun": _Style(_round, lambda s: _ellipse(s.p + 0.1 * s["sin"], s.q + 0.66, 0.19, 0.17)),
    "pigtails": _Style(
        lambda s: _cap(s, -0.42 + 0.75 * s.u.abs()),
        lambda s: _ellipse(s.p.abs() - 0.66 - 0.1 * s.q, s.q - 0.08, 0.15, 0.32),
    ),
    "fringe": _Style(_fringe, lambda s: _box(s.p, s.q + 0.08, 0.59, 0.54, 0.45), "hair_dark"),
    "long": _Style(
        lambda s: _cap(s, -0.42 + 1.1 * s.u.abs(), 0.06),
        lambda s: _box(s.p / (1 + 0.12 * s.q), s.q - 0.2, 0.57, 0.8, 0.45),
        "hair_dark",
    ),
}
