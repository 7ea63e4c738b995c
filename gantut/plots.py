"""The book's pictures: one style, one colour for one thing, legible on a light and on a dark page."""

from __future__ import annotations

import base64
import contextlib
import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

# Okabe–Ito hues, the light ones darkened and the dark ones lightened until each stands out from white and from #121212 alike.
COLORS = {
    "data": "#3b87c8",
    "generator": "#d9641a",
    "discriminator": "#179c78",
    "encoder": "#b8659a",
    "decoder": "#a8831a",
    "theory": "#808080",
}
INK = "#7f7f7f"
CLASS_COLORS = (
    "#3b87c8",
    "#d9641a",
    "#179c78",
    "#b8659a",
    "#a8831a",
    "#2a9fb8",
    "#c0504d",
    "#7a6fc4",
    "#7d9a2b",
    "#808080",
)


def use_style() -> None:
    """Set matplotlib to the book's style: transparent ground, grey ink, no box, letters that a phone can show."""
    mpl.rcParams.update(
        {
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "figure.dpi": 110,
            "figure.figsize": (7.0, 3.2),
            "figure.constrained_layout.use": True,
            "font.size": 12,
            "axes.titlesize": 12,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=CLASS_COLORS),
            "lines.linewidth": 2.0,
            "legend.frameon": False,
            **{
                key: INK
                for key in (
                    "text.color",
                    "axes.edgecolor",
                    "axes.labelcolor",
                    "axes.titlecolor",
                    "xtick.color",
                    "ytick.color",
                )
            },
        }
    )


def _checked(images: Tensor) -> Tensor:
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"expected images (N, 1 or 3, H, W) with N ≥ 1, got {tuple(images.shape)}")
    images = images.detach().cpu().float()
    if not (torch.isfinite(images).all() and float(images.min()) >= 0 and float(images.max()) <= 1):
        raise ValueError(
            f"expected finite images in [0, 1], got values from {float(images.min()):g} to {float(images.max()):g}"
        )
    return images


def tile(images: Tensor, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """Images (N, C, H, W) as one picture (rows, columns, 3) in [0, 1], row by row, with grey gaps between them."""
    images = _checked(images)
    n, channels, height, width = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    canvas = torch.full((3, rows * (height + gap) - gap, columns * (width + gap) - gap), 0.5)
    for i, image in enumerate(images):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        canvas[:, y : y + height, x : x + width] = image
    return canvas.permute(1, 2, 0).numpy()


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def image_grid(
    images: Tensor, *, columns: int | None = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Show images (N, C, H, W) in [0, 1] as a grid."""
    picture = tile(images, columns)
    if ax is None:
        height, width = picture.shape[:2]
        _, ax = plt.subplots(figsize=(6.0, min(8.0, 6.0 * height / width) + (0.3 if title else 0)))
    ax.imshow(picture, interpolation="nearest")
    ax.set_title(title or "")
    _bare(ax)
    return ax


def comparison(rows: dict[str, Tensor]) -> Figure:
    """Show rows of images under one another, each with its name; all rows have the same number of images."""
    counts = {name: len(images) for name, images in rows.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"expected rows of one length, got {counts}")
    n = next(iter(counts.values()))
    figure, axes = plt.subplots(
        len(rows), 1, figsize=(7, 0.4 + len(rows) * (7 / n + 0.25)), squeeze=False
    )
    for ax, (name, images) in zip(axes[:, 0], rows.items(), strict=True):
        image_grid(images, columns=n, ax=ax)
        ax.set_title(name, loc="left", pad=3)
    return figure


def smooth(values: Sequence[float], window: int) -> np.ndarray:
    """The running mean over ``window`` values, as long as the input (the window is shorter at the beginning)."""
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
    """Training curves against the step: the trace faint, its running mean on top, the name at the line's end.

    Raises:
        ValueError: a key that the history does not have.
    """
    keys = list(history) if keys is None else keys
    if missing := [key for key in keys if key not in history]:
        raise ValueError(f"no {', '.join(missing)} in the history; it has {', '.join(history)}")
    if ax is None:
        _, ax = plt.subplots()
    steps = max(len(history[key]) for key in keys)
    for i, key in enumerate(keys):
        color = COLORS.get(key, CLASS_COLORS[i % len(CLASS_COLORS)])
        values = history[key]
        # A term that is logged every few steps spreads over the same axis.
        x = np.linspace(steps / len(values), steps, len(values))
        ax.plot(x, values, color=color, alpha=0.2, linewidth=0.8)
        ax.plot(x, smooth(values, window), color=color)
        ax.annotate(
            key.replace("_", " "),
            (x[-1], smooth(values, window)[-1]),
            xytext=(5, 0),
            textcoords="offset points",
            color=color,
            va="center",
        )
    ax.set_xlabel("step")
    ax.set_ylabel(ylabel)
    return ax


def scatter2d(real: Tensor | None, fake: Tensor | None = None, *, ax: Axes | None = None) -> Axes:
    """Points (N, 2): data and samples in their colours, on equal axes."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4, 4))
    for points, kind in ((real, "data"), (fake, "generator")):
        if points is not None:
            ax.plot(
                *points.detach().cpu().numpy().T,
                ".",
                color=COLORS[kind],
                markersize=2.5,
                alpha=0.6,
                label=kind,
            )
    ax.set_aspect("equal")
    return ax


def field(
    function: Callable[[Tensor], Tensor],
    limits: tuple[float, float] = (-3, 3),
    *,
    resolution: int = 120,
    ax: Axes | None = None,
) -> Axes:
    """A scalar function of the plane, such as a discriminator's logit, as filled contours around 0."""
    if ax is None:
        _, ax = plt.subplots(figsize=(4, 4))
    line = torch.linspace(*limits, resolution)
    points = torch.cartesian_prod(line, line)
    with torch.no_grad():
        values = function(points).view(resolution, resolution).T.cpu().numpy()
    reach = float(np.abs(values).max()) or 1.0
    ax.contourf(line, line, values, levels=np.linspace(-reach, reach, 22), cmap="PuOr_r", alpha=0.7)
    ax.set_aspect("equal")
    return ax


def phase_portrait(
    field: Callable[[Tensor], Tensor],
    *,
    limits: tuple[float, float] = (-2, 2),
    points: int = 15,
    ax: Axes | None = None,
) -> Axes:
    """The directions of a field of two numbers, such as ``Game.field``, as arrows of one length; the stronger, the darker."""
    from gantut.games.dynamics import portrait

    places, arrows = portrait(field, limits, points)
    strength = arrows.norm(dim=-1)
    unit = arrows / strength.clamp(min=1e-12)[..., None]
    if ax is None:
        _, ax = plt.subplots(figsize=(4, 4))
    opacity = (0.25 + 0.6 * strength / strength.max().clamp(min=1e-12)).numpy()
    ax.quiver(
        *places.unbind(-1),
        *unit.unbind(-1),
        color=COLORS["theory"],
        alpha=opacity,
        pivot="mid",
        scale=1.4 * points,
        width=0.006,
    )
    ax.set_aspect("equal")
    ax.set_xlim(limits)
    ax.set_ylim(limits)
    return ax


def latent_map(codes: Tensor, labels: Tensor, *, ax: Axes | None = None) -> Axes:
    """Two-dimensional codes (N, 2), each point drawn as its label's digit, so that colour is never the only sign."""
    if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels):
        raise ValueError(
            f"expected codes (N, 2) and N labels, got {tuple(codes.shape)} and {tuple(labels.shape)}"
        )
    if ax is None:
        _, ax = plt.subplots(figsize=(5, 5))
    points = codes.detach().cpu().numpy()
    for kind in labels.unique().tolist():
        x, y = points[(labels == kind).cpu().numpy()].T
        ax.scatter(
            x,
            y,
            marker=f"${kind}$",
            s=28,
            linewidths=0.3,
            color=CLASS_COLORS[kind % len(CLASS_COLORS)],
            alpha=0.8,
        )
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    return ax


class Animation:
    """A looping picture that a notebook shows; ``save`` writes it to a file."""

    def __init__(self, data: bytes, alt: str, frames: int) -> None:
        self.data, self.alt, self.frames = data, alt, frames

    def _repr_html_(self) -> str:
        code = base64.b64encode(self.data).decode()
        return f'<img src="data:image/gif;base64,{code}" alt="{html.escape(self.alt, quote=True)}" style="max-width:100%">'

    def save(self, path: str | Path) -> None:
        Path(path).write_bytes(self.data)


def animate(
    frames: Sequence[Tensor | Figure],
    *,
    alt: str,
    fps: float = 8,
    columns: int | None = None,
    zoom: int = 2,
) -> Animation:
    """Make a looping GIF from image batches (each drawn as a grid) or from figures; the last frame stays for a second and a half.

    Raises:
        ValueError: no frames, or no alt text.
    """
    from PIL import Image

    if not frames or not alt:
        raise ValueError(
            f"expected at least one frame and an alt text, got {len(frames)} frames and alt={alt!r}"
        )
    pictures = []
    for frame in frames:
        if isinstance(frame, Tensor):
            picture = Image.fromarray((255 * tile(frame, columns)).round().astype(np.uint8))
            picture = picture.resize(
                (picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST
            )
        else:
            buffer = io.BytesIO()
            # A GIF has no soft transparency, so figures get a light ground.
            frame.savefig(buffer, format="png", facecolor="#f7f7f4", dpi=80)
            plt.close(frame)
            picture = Image.open(buffer).convert("RGB")
        pictures.append(picture.quantize(64))
    durations = [round(1000 / fps)] * (len(pictures) - 1) + [1500]
    out = io.BytesIO()
    pictures[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        optimize=True,
    )
    return Animation(out.getvalue(), alt, len(pictures))


def show_source(*things: Any) -> Any:
    """The source of functions or classes of the library, as a Markdown block that a notebook and the book colour in their own way."""
    import inspect
    import textwrap

    from IPython.display import Markdown

    sources = [textwrap.dedent(inspect.getsource(thing)).rstrip() for thing in things]
    return Markdown("```python\n" + "\n\n".join(sources) + "\n```")


with contextlib.suppress(ImportError):
    # In a notebook figures are cut to what they hold.
    from IPython.core.getipython import get_ipython

    if (shell := get_ipython()) is not None and shell.has_trait("kernel"):
        shell.run_line_magic(
            "config",
            "InlineBackend.print_figure_kwargs = {'bbox_inches': 'tight', 'facecolor': 'none'}",
        )
