"""The book's pictures: one style, one colour for one thing, legible on light and dark pages."""

import ast
import base64
import html
import inspect
import io
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from PIL import Image
from torch import Tensor

# One colour for one thing. All are equally bright, and letters in any of them, the grey of axes
# included, stand out by 4.5 to 1 from white and from black, on which the pages show figures.
COLORS = {
    "data": "#1379c4",
    "generator": "#c25403",
    "discriminator": "#058666",
    "encoder": "#b25492",
    "decoder": "#937001",
    # For what has no role, such as methods that are compared.
    "teal": "#008198",
    "red": "#d43a5e",
    "violet": "#7667ca",
    "olive": "#647f02",
    "theory": "#757575",
}
INK = COLORS["theory"]
CLASS_COLORS = tuple(COLORS.values())
# In points and inches: smaller letters and wider figures cannot be read on a page.
SMALLEST, WIDEST = 9, 7.8
# A heat map of what is not negative, from nothing (dark) to most (light).
HEAT = LinearSegmentedColormap.from_list(
    "heat", ["#0e0d1c", "#102c5d", "#00597b", "#068791", "#0aba97", "#a7daa0", "#f6f7e1"]
)


def _signed(name: str, opacity: float) -> LinearSegmentedColormap:
    """From the generator's colour over none to the data's."""
    ends = [(0.0, "generator", opacity), (0.5, "generator", 0.0), (0.5, "data", 0.0)]
    steps = [(at, to_rgba(COLORS[role], alpha)) for at, role, alpha in ends]
    return LinearSegmentedColormap.from_list(
        name, [*steps, (1.0, to_rgba(COLORS["data"], opacity))]
    )


# A heat map of what has a sign: orange below 0, blue above, clear at 0.
SIGNED = _signed("signed", 1.0)
# What a discriminator believes of a place: fake, undecided (clear), real.
_BELIEF = _signed("belief", 0.6)
# What is logged, in the colour of the network that it is about.
TERMS = COLORS | {
    "rate": COLORS["encoder"],
    "distortion": COLORS["decoder"],
    "negative_elbo": COLORS["teal"],
}


def use_style() -> None:
    """Set matplotlib to the book's style; every chapter begins with it.

    Transparent ground, grey ink, no box, letters that a phone can show.
    """
    mpl.rc("figure", facecolor="none", dpi=110, figsize=(7.0, 3.2))
    mpl.rc("figure.constrained_layout", use=True)
    mpl.rc("axes", facecolor="none", titlesize=12, prop_cycle=cycler(color=CLASS_COLORS))
    mpl.rc("axes", edgecolor=INK, labelcolor=INK, titlecolor=INK)
    mpl.rc("axes.spines", top=False, right=False)
    for kind in ("text", "xtick", "ytick"):
        mpl.rc(kind, color=INK)
    mpl.rc("savefig", facecolor="none")
    mpl.rc("font", size=12)
    mpl.rc("lines", linewidth=2.0)
    mpl.rc("legend", frameon=False)


def _tile(images: Tensor, columns: int | None = None) -> np.ndarray:
    """Images as one array (height, width, 3) in [0, 1], row by row, with a grey pixel between.

    They are shown as the data has them: handwriting is white on black, in all of the book.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"expected images (N, 1 or 3, H, W) with N ≥ 1, got {tuple(images.shape)}")
    images = images.detach().cpu().float()
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(f"expected finite images in [0, 1], got values from {low:g} to {high:g}")
    n, _, height, width = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    cells = torch.full((rows * columns, 3, height + 1, width + 1), 0.5)
    cells[:n, :, :-1, :-1] = images
    lines = cells.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2)
    return lines.flatten(2, 3).flatten(0, 1)[:-1, :-1].numpy()


def picture(images: Tensor, columns: int | None = None, *, zoom: int = 2) -> Image.Image:
    """Images as one picture, row by row, with a grey line between them, to be saved.

    Args:
        images: (N, 1 or 3, H, W) in [0, 1].
        columns: how many in a row; about √N unless given.
        zoom: the side of an image's pixel, in pixels of the picture.

    Returns:
        Pillow's picture, in 8 bits a colour.

    Raises:
        ValueError: images of another shape, none, not finite, or outside [0, 1].

    Example:
        >>> import torch
        >>> picture(torch.zeros(6, 1, 8, 8), columns=3).size
        (52, 34)
    """
    small = Image.fromarray((255 * _tile(images, columns)).round().astype(np.uint8))
    return small.resize((small.width * zoom, small.height * zoom), Image.Resampling.NEAREST)


def image_grid(images: Tensor, *, columns: int | None = None, ax: Axes | None = None) -> Axes:
    """Show images (N, C, H, W) in [0, 1] as a grid, ``columns`` in a row. Raises as ``picture``."""
    tiles = _tile(images, columns)
    ax = _axes(ax, 6.0, min(8.0, 6.0 * tiles.shape[0] / tiles.shape[1]))
    ax.imshow(tiles, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def comparison(rows: dict[str, Tensor]) -> Figure:
    """Show rows of images under one another, each with its name above it.

    Args:
        rows: images (N, C, H, W) in [0, 1] by name, the same N in each.

    Raises:
        ValueError: no rows, rows of different lengths, or what ``picture`` refuses.
    """
    counts = {name: len(images) for name, images in rows.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"expected rows of one length, got {counts}")
    n = next(iter(counts.values()))
    size = (7, 0.4 + len(rows) * (7 / n + 0.25))
    figure, axes = plt.subplots(len(rows), 1, figsize=size, squeeze=False)
    for ax, (name, images) in zip(axes[:, 0], rows.items(), strict=True):
        image_grid(images, columns=n, ax=ax)
        ax.set_title(name, loc="left", pad=3)
    return figure


def smooth(values: Sequence[float], window: int) -> np.ndarray:
    """The running mean over the last ``window`` values, or over all there are at the beginning.

    Example:
        >>> smooth([1, 2, 3, 4], 2).tolist()
        [1.0, 1.5, 2.5, 3.5]
    """
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=float))])
    end = np.arange(1, len(sums))
    start = np.maximum(0, end - window)
    return (sums[end] - sums[start]) / (end - start)


def curves(
    history: dict[str, list[float]],
    keys: Sequence[str] | None = None,
    *,
    window: int = 50,
    ylabel: str = "nats",
    ax: Axes | None = None,
) -> Axes:
    """Training curves: the trace faint, its running mean on top, the name at the line's end.

    Args:
        history: what ``trainer.fit`` returns: the values of each term, step by step.
        keys: the terms to show; all unless given.
        window: steps in the running mean.
        ylabel: what the values are.
        ax: where to draw; a new figure unless given.
    """
    keys, ax = list(history) if keys is None else keys, _axes(ax)
    steps = max(len(history[key]) for key in keys)
    for i, key in enumerate(keys):
        color = TERMS.get(key, CLASS_COLORS[i % len(CLASS_COLORS)])
        values, mean = history[key], smooth(history[key], window)
        # A term that is logged every few steps spreads over the same axis.
        x = np.linspace(steps / len(values), steps, len(values))
        ax.plot(x, values, color=color, alpha=0.2, linewidth=0.8)
        ax.plot(x, mean, color=color)
        place: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
        ax.annotate(key.replace("_", " "), (x[-1], mean[-1]), color=color, **place)
    ax.set(xlabel="step", ylabel=ylabel)
    return ax


def scatter2d(real: Tensor, fake: Tensor, *, ax: Axes | None = None) -> Axes:
    """Points (N, 2) of the data and of a generator, in their colours, on equal axes."""
    ax = _axes(ax, 4, 4)
    for points, kind in ((real, "data"), (fake, "generator")):
        x, y = points.detach().cpu().numpy().T
        ax.plot(x, y, ".", color=COLORS[kind], label=kind, markersize=2.5, alpha=0.6)
    ax.set_aspect("equal")
    return ax


def field(
    function: Callable[[Tensor], Tensor],
    limits: tuple[float, float] = (-3, 3),
    *,
    resolution: int = 120,
    ax: Axes | None = None,
) -> Axes:
    """A function of the plane, such as a discriminator's logit, as a coloured ground.

    It has data's colour where the function is positive, so where a discriminator believes that
    something is real, the generator's where it is negative, and none around 0.

    Args:
        function: takes points (N, 2) and gives numbers (N,).
        limits: least and most of both coordinates.
        resolution: points a side at which it is evaluated.
        ax: where to draw; a new figure unless given.
    """
    ax = _axes(ax, 4, 4)
    line = torch.linspace(*limits, resolution)
    with torch.no_grad():
        values = function(torch.cartesian_prod(line, line)).view(resolution, resolution)
    reach = float(values.abs().max()) or 1.0
    shade: dict[str, Any] = {"cmap": _BELIEF, "vmin": -reach, "vmax": reach}
    place: dict[str, Any] = {"extent": (*limits, *limits), "origin": "lower", "zorder": 0}
    ax.imshow(values.T.cpu(), interpolation="bilinear", **shade, **place)
    return ax


def phase_portrait(field: Callable[[Tensor], Tensor], *, ax: Axes | None = None) -> Axes:
    """The directions of a field of two numbers as arrows of one length; the stronger, the darker.

    Args:
        field: takes a place (2,) in [−2, 2]² and gives a direction (2,), such as ``Game.field``.
        ax: where to draw; a new figure unless given.
    """
    line = torch.linspace(-2, 2, 15, dtype=torch.float64)
    places = torch.cartesian_prod(line, line).flip(1)
    arrows = torch.stack([field(place).detach() for place in places])
    strength = arrows.norm(dim=1)
    unit = arrows / strength.clamp(min=1e-12)[:, None]
    opacity = (0.25 + 0.6 * strength / strength.max().clamp(min=1e-12)).numpy()
    look: dict[str, Any] = {"pivot": "mid", "scale": 21, "width": 0.006}
    ax = _axes(ax, 4, 4)
    ax.quiver(*places.T, *unit.T, color=COLORS["theory"], alpha=opacity, **look)
    ax.set(aspect="equal", xlim=(-2, 2), ylim=(-2, 2))
    return ax


def latent_map(codes: Tensor, labels: Tensor, *, ax: Axes | None = None) -> Axes:
    """Codes in the plane, each drawn as its label's digit, so that colour is never the only sign.

    Args:
        codes: (N, 2).
        labels: whole numbers (N,).
        ax: where to draw; a new figure unless given.

    Raises:
        ValueError: codes that are not (N, 2), with N the number of labels.
    """
    if codes.shape != (len(labels), 2):
        raise ValueError(f"expected codes {(len(labels), 2)}, got {tuple(codes.shape)}")
    ax = _axes(ax, 5, 5)
    look: dict[str, Any] = {"s": 28, "linewidths": 0.3, "alpha": 0.8}
    points = codes.detach().cpu().numpy()
    for kind in labels.unique().tolist():
        x, y = points[(labels == kind).cpu().numpy()].T
        ax.scatter(x, y, marker=f"${kind}$", color=CLASS_COLORS[kind % len(CLASS_COLORS)], **look)
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax


class Animation:
    """A looping WebP that a notebook shows; ``data`` is the file's content."""

    def __init__(self, data: bytes, alt: str) -> None:
        self.data, self.alt = data, alt

    def _repr_html_(self) -> str:
        code, alt = base64.b64encode(self.data).decode(), html.escape(self.alt, quote=True)
        return f'<img src="data:image/webp;base64,{code}" alt="{alt}" style="max-width:100%">'


def animate(
    frames: Sequence[Tensor | Figure],
    *,
    alt: str,
    fps: float = 8,
    columns: int | None = None,
    zoom: int = 2,
) -> Animation:
    """A looping WebP whose last frame stays for a second and a half.

    Args:
        frames: batches of images, each drawn as a grid, or figures.
        alt: what is to be seen, for those who cannot see it.
        fps: frames a second.
        columns: images in a row of a grid.
        zoom: the side of an image's pixel, in pixels of the screen.

    Raises:
        ValueError: no frames, no alt text, or images that ``picture`` refuses.
    """
    if not frames or not alt:
        raise ValueError(f"expected frames and an alt text, got {len(frames)} and {alt!r}")
    pictures = []
    for frame in frames:
        if isinstance(frame, Tensor):
            shown = picture(frame, columns, zoom=zoom)
        else:
            buffer = io.BytesIO()
            # The frames of a film hide one another, so figures get a ground.
            frame.savefig(buffer, format="png", facecolor="white", dpi=80)
            plt.close(frame)
            shown = Image.open(buffer).convert("RGB")
        pictures.append(shown)
    out, first = io.BytesIO(), pictures.pop(0)
    durations = [round(1000 / fps)] * len(pictures) + [1500]
    looping: dict[str, Any] = {"save_all": True, "loop": 0, "quality": 85}
    first.save(out, format="WEBP", append_images=pictures, duration=durations, **looping)
    return Animation(out.getvalue(), alt)


def show_source(*things: Any) -> Any:
    """The source of functions or classes, as a Markdown block that a notebook colours.

    Of each docstring the first paragraph is shown; the rest is in the reference.
    """
    from IPython.display import Markdown

    sources = [textwrap.dedent(inspect.getsource(thing)).rstrip() for thing in things]
    shown = "\n\n".join(map(_brief, sources))
    return Markdown(f"```python\n{shown}\n```")


def _brief(source: str) -> str:
    """Source whose docstrings end after their first paragraph."""
    lines = source.split("\n")
    for node in reversed(list(ast.walk(ast.parse(source)))):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or not ast.get_docstring(node):
            continue
        text = node.body[0]
        said = range(text.lineno - 1, text.end_lineno or text.lineno)
        blank = next((k for k in said if not lines[k].strip()), None)
        if blank is not None:
            lines[blank : said.stop] = []
            lines[blank - 1] += '"""'
    return "\n".join(lines)


def _axes(ax: Axes | None, *size: float) -> Axes:
    """The axes given, or those of a new figure of that size in inches."""
    return plt.subplots(figsize=size or None)[1] if ax is None else ax
