"""Faces in colour, drawn from named factors: no photograph, no person, no download.

Each shape is a signed distance, below 0 inside, and a distance becomes a soft edge one pixel wide.
A face is some thirty such shapes, painted from the back to the front.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gantut.data.batches import generator
from gantut.data.cache import cached
from gantut.data.datasets import ImageData
from gantut.data.images import SPLITS
from gantut.numerics import at_least, check_numbers, chosen, expect

BACKGROUNDS = {
    "cream": "f4e3c5",
    "butter": "f3d58d",
    "apricot": "f3b793",
    "rose": "eeb4b3",
    "lilac": "c9bbe0",
    "sky": "a9cfe0",
    "mint": "aed8c3",
    "sage": "c0cba3",
}
SKINS = {
    "porcelain": "fbe0cd",
    "peach": "f5cba9",
    "sand": "e8b68c",
    "honey": "d69d6d",
    "almond": "bd8156",
    "chestnut": "9f6947",
    "cocoa": "80523b",
    "ebony": "6a4431",
}
HAIR_COLOURS = {
    "black": "2e2733",
    "brown": "5b3a2c",
    "chestnut": "8c4a2f",
    "ginger": "d5732f",
    "blond": "ecc06c",
    "silver": "c8c5cf",
    "pink": "ea86a0",
    "teal": "3a9a9a",
}
EYE_COLOURS = {"brown": "6b4226", "green": "4f8a52", "blue": "3f7fb5", "grey": "76838f"}
CLOTHES = {
    "mustard": "dfa23a",
    "brick": "c4553f",
    "plum": "7b4b70",
    "navy": "37496e",
    "denim": "6a92ba",
    "pine": "34776f",
    "olive": "7f8751",
    "linen": "f5ead6",
}
# left eye open, right eye open, direction of the look
EYES = {
    "open": (1, 1, 0),
    "left": (1, 1, -1),
    "right": (1, 1, 1),
    "closed": (0, 0, 0),
    "wink": (1, 0, 0),
}
# half width, bend of the upper edge, bend of the lower edge, teeth, tongue
MOUTHS = {
    "smile": (0.17, 0.075, 0.075, 0, 0),
    "laugh": (0.19, 0.015, 0.19, 1, 1),
    "calm": (0.12, 0.006, 0.006, 0, 0),
    "sad": (0.13, -0.06, -0.06, 0, 0),
    "surprised": (0.075, -0.075, 0.085, 0, 1),
}


# half width and height of a lens, radius of its corners, how much its tint hides
GLASSES = {
    "none": (0.17, 0.17, 0.17, 0.0),
    "round": (0.17, 0.17, 0.17, 0.16),
    "square": (0.17, 0.14, 0.06, 0.16),
    "dark": (0.165, 0.125, 0.06, 0.94),
}


def _even(names: Any) -> dict[str, float]:
    return {name: 1 / len(names) for name in names}


HAIRS = (
    *("bald", "short", "parted", "spikes", "curls"),
    *("afro", "bun", "pigtails", "fringe", "long"),
)
# Value → its share; or (least, most) of a number that is drawn uniformly. Angles are in radians.
FACE_FACTORS: dict[str, dict[str, float] | tuple[float, float]] = {
    "background": _even(BACKGROUNDS),
    "skin": _even(SKINS),
    "hair": _even(HAIRS),
    "hair_colour": _even(HAIR_COLOURS),
    "eyes": _even(EYES),
    "eye_colour": _even(EYE_COLOURS),
    "glasses": {"none": 0.4, "round": 0.2, "square": 0.2, "dark": 0.2},
    "mouth": _even(MOUTHS),
    "beard": {"none": 0.6, "moustache": 0.2, "full": 0.2},
    "freckles": {"none": 0.75, "some": 0.25},
    "clothes": _even(CLOTHES),
    "pattern": _even(("plain", "stripes", "dots")),
    "brows": (-1.0, 1.0),
    "nose": (0.0, 1.0),
    "width": (-1.0, 1.0),
    "turn": (-0.36, 0.36),
    "tilt": (-0.16, 0.16),
}
_CHUNK = 64  # faces drawn at a time: few enough for the processor's cache
_VERSION = 1  # counts the ways of drawing, so that a cache does not serve an older one
_NIGHT, _WINE, _RED, _WHITE = "2c2230", "5e1f2b", "e8604f", "fffaf0"


def faces(
    n: int = 20_000,
    *,
    size: int = 64,
    seed: int = 0,
    split: str = "train",
    cache: bool = True,
) -> ImageData:
    """Faces from a picture book, in colour, whose factors are all known; the label is the hair.

    Args:
        n: the number of images.
        size: their side in pixels, at least 16; 32 and 64 are meant.
        seed: decides all draws.
        split: ``"train"`` or ``"test"``, independent draws from the same distribution.
        cache: keeps the images on the disk.

    Returns:
        Images (n, 3, size, size).

    Raises:
        ValueError: n < 1, a size below 16, an unknown split.

    Example:
        >>> images = faces(20, size=32, cache=False)
        >>> images.shape, images.class_names[:3]
        ((3, 32, 32), ('bald', 'short', 'parted'))
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
            shares = torch.tensor(list(values.values()))
            factors[name] = torch.multinomial(shares, n, replacement=True, generator=g)
        else:
            low, high = values
            factors[name] = low + (high - low) * torch.rand(n, generator=g)
    return {"images": draw_faces(factors, size), **factors}


def draw_faces(factors: Mapping[str, Tensor], size: int = 64) -> Tensor:
    """Draw the faces that have these factors.

    Args:
        factors: a tensor (n,) for each name in ``FACE_FACTORS``.
        size: the side in pixels, at least 16.

    Returns:
        Images (n, 3, size, size), uint8.
    """
    at_least(16, size=size)
    expect(set(factors) == set(FACE_FACTORS), f"the factors {list(FACE_FACTORS)}", list(factors))
    n = len(factors["hair"])
    known = {}
    for name, values in FACE_FACTORS.items():
        given = factors[name]
        expect(given.shape == (n,), f"{n} values of {name}, shape ({n},)", given)
        if isinstance(values, dict):
            known[name] = check_numbers(given, len(values), name)
        else:
            known[name] = given.float()
    images = torch.empty(n, 3, size, size, dtype=torch.uint8)
    for style in range(len(HAIRS)):
        for rows in (known["hair"] == style).nonzero()[:, 0].split(_CHUNK):
            part = {name: values[rows] for name, values in known.items()}
            drawn = _drawn(part, HAIRS[style], size).mul_(255).round_().to(torch.uint8)
            images[rows] = drawn.flatten(0, 2).T.contiguous().view(len(rows), 3, size, size)
    return images


@dataclass
class _Sheet:
    """Pictures in the making. The faces stand last, so that factors (n,) broadcast by themselves.

    Places run over [−1, 1]; y points down. (p, q) are places on the tilted head, with its centre
    at 0, and (u, q) the places on the face that are seen there once it has been turned.
    """

    pixels: Tensor  # (3, H, W, n)
    x: Tensor  # (W, 1)
    y: Tensor  # (H, 1, 1)
    p: Tensor  # (H, W, n)
    q: Tensor
    u: Tensor
    head: Tensor  # distance to the outline of the head
    pixel: float  # the side of a pixel
    known: dict[str, Tensor]  # factors (n,) and colours (3, n)

    def __getitem__(self, name: str) -> Tensor:
        return self.known[name]

    def crop(self, left: float, top: float, right: float, bottom: float) -> _Sheet:
        """A window; painting in it paints the whole."""
        x, y = self.x.flatten(), self.y.flatten()
        part = (
            slice(int((y < top).sum()), int((y < bottom).sum())),
            slice(int((x < left).sum()), int((x < right).sum())),
        )
        return replace(
            self,
            pixels=self.pixels[:, *part],
            x=self.x[part[1]],
            y=self.y[part[0]],
            p=self.p[part],
            q=self.q[part],
            u=self.u[part],
            head=self.head[part],
        )

    def paint(self, colour: Tensor, distance: Tensor, alpha: Tensor | None = None) -> None:
        """Lay a colour (3, n) where the distance is below 0, as opaque as ``alpha`` says."""
        cover = _inside(distance, self.pixel)
        if alpha is not None:
            cover = cover * alpha
        self.pixels.lerp_(colour[:, None, None], cover)


def _inside(distance: Tensor, edge: float) -> Tensor:
    """1 where the distance is below 0 and 0 where it is above, over an edge of that width."""
    return torch.rsub(distance, 0.5, alpha=1 / edge).clamp_(0, 1)


def _colours(table: Any, index: Tensor) -> Tensor:
    rgb = [[int(code[k : k + 2], 16) / 255 for k in (0, 2, 4)] for code in table]
    return torch.tensor(rgb).T[:, index]


def _ellipse(x: Tensor, y: Tensor, a: Any, b: Any) -> Tensor:
    least = min(a, b) if isinstance(a, float) and isinstance(b, float) else a
    return ((x / a).square_() + (y / b).square_()).sqrt_().sub_(1).mul_(least)


def _box(x: Tensor, y: Tensor, a: Any, b: Any, corner: Any) -> Tensor:
    x, y = x.abs() - (a - corner), y.abs() - (b - corner)
    outside = (x.clamp(min=0).square_() + y.clamp(min=0).square_()).sqrt_()
    return outside + torch.maximum(x, y).clamp(max=0) - corner


def _segment(x: Tensor, y: Tensor, dx: Any, dy: Any, thick: float) -> Tensor:
    """A line from 0 to (dx, dy) with round ends."""
    t = ((x * dx + y * dy) / (dx * dx + dy * dy)).clamp_(0, 1)
    return ((x - t * dx).square_() + (y - t * dy).square_()).sqrt_() - thick


def _drawn(factors: dict[str, Tensor], style: str, size: int) -> Tensor:
    s = _blank(factors, size)
    _background(s)
    back, tone, front = STYLES[style]
    if back:
        s.paint(s[tone], back(s))
    _neck(s)
    _body(s)
    _ears(s.crop(-0.75, -0.3, 0.75, 0.45))
    _head(s.crop(-0.75, -0.75, 0.75, 0.65))
    _cheeks(s.crop(-0.6, -0.2, 0.6, 0.5))
    _beard(s.crop(-0.7, 0.0, 0.7, 0.65))
    _nose(s.crop(-0.5, -0.1, 0.5, 0.4))
    _mouth(s.crop(-0.6, 0.05, 0.6, 0.65))
    _eyes(s.crop(-0.6, -0.3, 0.6, 0.4))
    _brows(s.crop(-0.6, -0.4, 0.6, 0.2))
    if front:
        _hair(s.crop(-0.8, -0.95, 0.8, 0.5), front)
    _glasses(s.crop(-0.7, -0.35, 0.7, 0.45))
    return s.pixels


def _blank(factors: dict[str, Tensor], size: int) -> _Sheet:
    n = len(factors["hair"])
    place = ((torch.arange(size) + 0.5) / size * 2 - 1)[:, None]
    x, y = place, place[:, None]
    cos, sin = factors["tilt"].cos(), factors["tilt"].sin()
    factors["sin"] = factors["turn"].sin()
    factors["half"] = 0.485 + 0.035 * factors["width"]
    # The head leans about the neck, at y = 0.5.
    p = (x * cos + (y - 0.5) * sin) / 1.1
    q = ((y - 0.5) * cos - x * sin) / 1.1 + 0.47
    # The face lies on a cylinder, of radius 0.62, that turns: where a place comes from in front.
    depth = (0.62**2 - p.square()).clamp_(min=0.04).sqrt_()
    u = p * factors["turn"].cos() - depth * factors["sin"]
    skin = _colours(SKINS.values(), factors["skin"])
    hair = _colours(HAIR_COLOURS.values(), factors["hair_colour"])
    every = torch.zeros(n, dtype=torch.long)
    red, wine, night, white = (_colours([c], every) for c in (_RED, _WINE, _NIGHT, _WHITE))
    colours = {
        "ground": _colours(BACKGROUNDS.values(), factors["background"]),
        "flesh": skin,
        "shade": skin.lerp(wine, 0.16),
        "nose_tip": skin.lerp(wine, 0.14).lerp(red, 0.26),
        "blush": skin.lerp(red, 0.42),
        "line": skin.lerp(_colours(["45101f"], every), 0.8),
        "locks": hair,
        "hair_dark": hair.lerp(night, 0.22),
        "hair_light": hair.lerp(white, 0.28),
        "iris": _colours(EYE_COLOURS.values(), factors["eye_colour"]),
        "cloth": _colours(CLOTHES.values(), factors["clothes"]),
        **{"wine": wine, "night": night, "white": white, "red": red},
    }
    head = _ellipse(p - 0.06 * factors["sin"] * q, q, factors["half"] - 0.03 * q, 0.535)
    pixels = torch.empty(3, size, size, n)
    return _Sheet(pixels, x, y, p, q, u, head, 2 / size, {**factors, **colours})


def _background(s: _Sheet) -> None:
    s.pixels.copy_(s["ground"][:, None, None].expand_as(s.pixels))
    glow = _ellipse(s.x, s.y + 0.05, 0.84, 0.84)
    s.paint(s["ground"].lerp(s["white"], 0.4), glow)


def _neck(s: _Sheet) -> None:
    s = s.crop(-0.3, 0.3, 0.3, 1.0)
    neck = torch.maximum(s.x.abs() - 0.16, s.y - 0.85)
    s.paint(s["flesh"], neck)
    chin = _ellipse(s.p, s.q - 0.1, s["half"], 0.54)
    s.paint(s["shade"], torch.maximum(neck, chin))


def _body(s: _Sheet) -> None:
    s = s.crop(-1, 0.5, 1, 1)
    shoulders = _ellipse(s.x, s.y - 1.2, 0.8, 0.55)
    collar = _ellipse(s.x, s.y - 0.62, 0.21, 0.15)
    cloth = torch.maximum(shoulders, -collar)
    s.paint(s["cloth"], cloth)
    mark = s["cloth"].lerp(s["white"], 0.55)
    mark = torch.where(s["clothes"] == 7, s["red"], mark)
    stripes = (((s.y * 6.5) % 1 - 0.5).abs() - 0.22) / 6.5
    s.paint(mark, torch.maximum(cloth, stripes), s["pattern"] == 1)
    dots = _ellipse((s.x * 5) % 1 - 0.5, (s.y * 5) % 1 - 0.5, 0.22, 0.22) / 5
    s.paint(mark, torch.maximum(cloth, dots), s["pattern"] == 2)
    rim = torch.maximum(collar.abs() - 0.025, shoulders)
    s.paint(s["cloth"].lerp(s["night"], 0.2), rim)


def _ears(s: _Sheet) -> None:
    across = s.p.abs() - (s["half"] + 0.01) + s.p.sign() * 0.1 * s["sin"]
    s.paint(s["flesh"], _ellipse(across, s.q - 0.08, 0.09, 0.12))
    s.paint(s["shade"], _ellipse(across - 0.015, s.q - 0.08, 0.045, 0.07))


def _head(s: _Sheet) -> None:
    s.paint(s["flesh"], s.head)
    lit = _ellipse(s.p, s.q + 0.05, s["half"] - 0.02, 0.515)
    s.paint(s["shade"], s.head, 1 - _inside(lit, 0.1))
    s = s.crop(-0.5, -0.75, 0.5, 0)
    shine = _ellipse(s.u + 0.1, s.q + 0.35, 0.14, 0.08)
    s.paint(s["flesh"].lerp(s["white"], 0.5), s.head, 0.6 * _inside(shine, 0.1))


def _cheeks(s: _Sheet) -> None:
    across = s.u.abs() - 0.28
    blush = _inside(_ellipse(across, s.q - 0.22, 0.1, 0.08), 0.1)
    s.paint(s["blush"], s.head, 0.75 * blush)
    dots = torch.stack(
        [
            _ellipse(across - a, s.q - b, 0.014, 0.014)
            for a, b in ((-0.06, 0.18), (0.0, 0.21), (0.05, 0.17))
        ]
    ).amin(0)
    s.paint(s["line"], dots, 0.5 * s["freckles"])


def _nose(s: _Sheet) -> None:
    long = 0.05 + 0.03 * s["nose"]
    across = s.u - 0.1 * s["sin"]
    s.paint(s["nose_tip"], _ellipse(across, s.q - 0.17, long, 0.8 * long))


def _beard(s: _Sheet) -> None:
    across = s.u.abs() - 0.09
    moustache = _ellipse(across, s.q - 0.265 - 0.3 * across, 0.12, 0.045)
    s.paint(s["locks"], moustache, s["beard"] == 1)
    cheeks = _ellipse(s.u, s.q - 0.06, 0.58, 0.235)
    lips = _ellipse(s.u, s.q - 0.345, 0.13, 0.06)
    bare = torch.minimum(torch.minimum(cheeks, lips), s.q - 0.06)
    s.paint(s["locks"], torch.maximum(s.head - 0.02, -bare), s["beard"] == 2)


def _mouth(s: _Sheet) -> None:
    half, upper, lower, teeth, tongue = torch.tensor(list(MOUTHS.values()))[s["mouth"]].T
    bow = 1 - (s.u / half).square_()
    top, bottom = 0.33 + upper * bow, 0.33 + lower * bow
    middle = torch.maximum(top - s.q, s.q - bottom)
    mouth = torch.maximum(middle - 0.018, s.u.abs() - half)
    open_ = (lower > upper).float()
    s.paint(s["line"].lerp(s["wine"], open_), mouth)
    inner = mouth + 0.02
    s.paint(s["white"], torch.maximum(inner, s.q - top - 0.05), teeth)
    s.paint(s["red"], torch.maximum(inner, _ellipse(s.u, s.q - 0.5, 0.12, 0.09)), tongue)


def _eyes(s: _Sheet) -> None:
    left, right, look = torch.tensor(list(EYES.values()), dtype=torch.float)[s["eyes"]].T
    side = s.u.sign()
    across, down = s.u.abs() - 0.2, s.q - 0.05
    opened = torch.where(side < 0, left, right)
    white = _ellipse(across, down, 0.105, 0.12)
    s.paint(s["white"], white, opened)
    aside = across - side * look * 0.04
    s.paint(s["iris"], torch.maximum(white, _ellipse(aside, down - 0.01, 0.075, 0.085)), opened)
    s.paint(s["night"], torch.maximum(white, _ellipse(aside, down - 0.01, 0.045, 0.05)), opened)
    s.paint(s["white"], _ellipse(aside - side * 0.02, down + 0.03, 0.025, 0.025), opened)
    lid = torch.maximum(white.abs() - 0.016, down + 0.02)
    s.paint(s["night"], lid, opened)
    arc = (down + 0.02 - 6 * across.square()).abs() - 0.02
    s.paint(s["night"], torch.maximum(arc, across.abs() - 0.1), 1 - opened)


def _brows(s: _Sheet) -> None:
    lift = 0.045 * s["brows"]
    brow = _segment(s.u.abs() - 0.11, s.q + 0.15 - lift, 0.18, -2 * lift, 0.022)
    s.paint(s["hair_dark"], brow)


def _glasses(s: _Sheet) -> None:
    kind = s["glasses"]
    half_x, half_y, corner, tint = torch.tensor(list(GLASSES.values()))[kind].T
    u, v = s.u - 0.04 * s["sin"], s.q - 0.06
    lens = _box(u.abs() - 0.205, v, half_x, half_y, corner)
    s.paint(s["white"].where(kind < 3, s["night"]), lens, tint)
    glint = (u.abs() - 0.2 + 0.6 * v).abs() - 0.035
    s.paint(s["white"], torch.maximum(glint, lens), 0.35 * (kind == 3))
    bar = (v + 0.03).abs() - 0.018
    bridge = torch.maximum(bar, u.abs() - 0.05)
    temple = torch.maximum(torch.maximum(bar, 0.37 - u.abs()), s.head)
    rim = torch.minimum(torch.minimum(lens.abs() - 0.018, bridge), temple)
    s.paint(s["red"].where(kind == 2, s["night"]), rim, kind > 0)


def _hair(s: _Sheet, front: Callable[[_Sheet], Tensor]) -> None:
    hair = front(s)
    s.paint(s["shade"], s.head, _inside(hair - 0.02, 0.1))
    s.paint(s["locks"], hair)
    top = s.crop(-0.8, -0.95, 0.8, 0.0)
    hair = hair[: len(top.p)]  # the same columns and the upper rows
    strand = _ellipse(top.u, top.q + 0.02, 0.27, 0.37).abs() - 0.008
    strand = torch.minimum(strand, (_ellipse(top.u, top.q + 0.02, 0.52, 0.52).abs() - 0.008))
    top.paint(top["hair_dark"], torch.maximum(torch.maximum(hair + 0.03, top.q + 0.2), strand))
    shine = _ellipse(top.u, top.q + 0.02, 0.4, 0.46).abs() - 0.025
    shine = torch.maximum(shine, top.q + 0.34)
    top.paint(top["hair_light"], hair, 0.8 * _inside(shine, 0.06))


def _cap(s: _Sheet, line: Tensor, more: float = 0.05) -> Tensor:
    """Hair on the skull above a line on the face."""
    return torch.maximum(s.head - more, s.q - line)


def _wave(x: Tensor, length: float) -> Tensor:
    """A zigzag between 0 and 1."""
    return ((x / length) % 1 - 0.5).abs_().mul_(2)


def _scallops(s: _Sheet, up: float) -> Tensor:
    """cos 12φ for the angle φ about a point of the head: twelve curls around it."""
    c = s.p / (s.p.square() + (s.q + up).square() + 1e-6).sqrt_()
    c = c * (4 * c.square() - 3)
    for _ in range(2):
        c = 2 * c.square() - 1
    return c


def _short(s: _Sheet) -> Tensor:
    quiff = _ellipse(s.p - 0.1 - 0.1 * s["sin"], s.q + 0.5, 0.36, 0.16)
    line = -0.3 + 1.3 * s.u.square() + 0.05 * _wave(s.u - 0.4 * s.q, 0.16)
    return torch.minimum(_cap(s, line, 0.04), quiff)


def _parted(s: _Sheet) -> Tensor:
    return _cap(s, -0.4 + 0.55 * (s.u + 0.15).abs(), 0.06)


def _spikes(s: _Sheet) -> Tensor:
    teeth = _wave(s.p + 0.11, 0.22)
    high = (-s.q - 0.2).clamp_(0, 0.4)
    return _cap(s, -0.3 + 0.12 * teeth) - 0.3 * (1 - teeth) * high


def _curls(s: _Sheet) -> Tensor:
    return _cap(s, -0.26 + 0.9 * s.u.square() + 0.07 * _wave(s.u, 0.2), 0.06)


def _curls_back(s: _Sheet) -> Tensor:
    return torch.maximum(
        _ellipse(s.p, s.q + 0.1, 0.58, 0.56) - 0.05 * _scallops(s, 0.1), s.q - 0.16
    )


def _afro(s: _Sheet) -> Tensor:
    return _ellipse(s.p, s.q + 0.17, 0.73, 0.66) - 0.012 * _scallops(s, 0.17)


def _round(s: _Sheet) -> Tensor:
    return _cap(s, -0.3 + 1.1 * s.u.square())


def _bun(s: _Sheet) -> Tensor:
    return _ellipse(s.p + 0.1 * s["sin"], s.q + 0.66, 0.19, 0.17)


def _pigtails(s: _Sheet) -> Tensor:
    across = s.p.abs() - 0.66
    return _ellipse(across - 0.1 * s.q, s.q - 0.08, 0.15, 0.32)


def _middle(s: _Sheet) -> Tensor:
    return _cap(s, -0.42 + 0.75 * s.u.abs(), 0.05)


def _fringe(s: _Sheet) -> Tensor:
    line = torch.where(s.u.abs() < 0.38, -0.16 + 0.04 * _wave(s.u, 0.19), 0.3)
    return _cap(s, line, 0.06)


def _bob(s: _Sheet) -> Tensor:
    return _box(s.p, s.q + 0.08, 0.59, 0.54, 0.45)


def _long(s: _Sheet) -> Tensor:
    return _cap(s, -0.42 + 1.1 * s.u.abs(), 0.06)


def _mane(s: _Sheet) -> Tensor:
    return _box(s.p / (1 + 0.12 * s.q), s.q - 0.2, 0.57, 0.8, 0.45)


Shape = Callable[[_Sheet], Tensor]
# What hangs behind the head, its colour, and what lies on it.
STYLES: dict[str, tuple[Shape | None, str, Shape | None]] = {
    "bald": (None, "locks", None),
    "short": (None, "locks", _short),
    "parted": (None, "locks", _parted),
    "spikes": (None, "locks", _spikes),
    "curls": (_curls_back, "locks", _curls),
    "afro": (_afro, "locks", _round),
    "bun": (_bun, "locks", _round),
    "pigtails": (_pigtails, "locks", _middle),
    "fringe": (_bob, "hair_dark", _fringe),
    "long": (_mane, "hair_dark", _long),
}
