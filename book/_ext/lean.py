"""What a page need not load: scripts that it does not use, and pictures that are far away.

A picture says its size, so that nothing moves when it comes, and a figure how wide it has to be
for its letters to be read. What moves has a still beside it.
"""

from __future__ import annotations

import base64
import io
import re
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from PIL import Image, ImageSequence

from gantut import plots

IMAGE = re.compile(r"<img\b[^>]*>")
SOURCE = re.compile(r'\bsrc="([^"]*)"')
MOVING = re.compile(r"data:image/(?:webp|gif);base64,([\w+/=]+)")
# The smallest letters of a figure, in pixels of the page, and its pixels an inch where its file
# says nothing (.ci/runs.py).
LETTERS, DPI = 11, 130
GALLERY = "book/gallery"  # shows figures small
# Scripts that stand in every page's head for a search as one types, which is off, and are needed
# by the page of the search alone.
SEARCH = re.compile(
    r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'
)
INLINE = re.compile(r'(<span class="math[^"]*")>\\\((.*?)\\\)', re.S)
ALONE = re.compile(r'(<div class="math[^"]*"(?: id="[^"]*")?)>(.*?)</div>', re.S)
# Scripts that do something before the page is seen. All others can wait until it has been read.
NOW = re.compile(r"documentation_options\.js|gantut\.js$")
# Cells are run in Colab or on one's machine, and not in the page.
UNUSED = ("thebe",)


def scripts(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out what the page does not use, and MathJax where there is no formula."""
    body = context.get("body", "")
    unused = (*UNUSED, *(() if 'class="math' in body else ("mathjax", "window.MathJax")))
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context.get(kind, [])
            if not any(name in said(file).casefold() for name in map(str.casefold, unused))
        ]
    if page != "search":
        context["script_files"] = [later(file) for file in context["script_files"]]
    context["body"] = spaced(pictured(app, page, body))


def later(file: Any) -> Any:
    """A script that waits until the page is read, unless something in the page needs it at once."""
    name, how = str(getattr(file, "filename", None) or ""), getattr(file, "attributes", {})
    if not name or NOW.search(name) or how.keys() & {"async", "defer"}:
        return file
    return type(file)(file.filename, priority=file.priority, defer="defer", **how)


def said(file: Any) -> str:
    """A script's address and what it says."""
    return f"{getattr(file, 'filename', file)} {getattr(file, 'attributes', {}).get('body', '')}"


def pictured(app: Any, page: str, body: str) -> str:
    """The page with sizes in its pictures. All but the first load when they come near."""
    sources = {name: path for path, name in app.builder.images.items()}
    count = 0

    def sized(match: re.Match[str]) -> str:
        nonlocal count
        tag, found = match[0], SOURCE.search(match[0])
        if found is None or found[1].startswith("data:"):
            return moving(tag)
        count += 1
        name = unquote(unescape(found[1]))
        place, _, name = name.rpartition("/")
        path = sources.get(name) if place.endswith("_images") else None
        added = "" if count == 1 or "loading=" in tag else ' loading="lazy"'
        if path and " width=" not in tag and " height=" not in tag:
            wide, high = size(Path(app.srcdir, path)) or (0, 0)
            added += f' width="{wide}" height="{high}"' if wide else ""
        tag = tag.removesuffix("/>").removesuffix(">").rstrip() + added + " />"
        least = readable(Path(app.srcdir, path)) if path and page != GALLERY else None
        return f'<span class="sheet" style="--least:{least}px">{tag}</span>' if least else tag

    return IMAGE.sub(sized, body)


def moving(tag: str) -> str:
    """A moving picture with its size, and its last frame for those who want no motion."""
    found = MOVING.search(tag)
    if found is None:
        return tag
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        (wide, high), out = image.size, io.BytesIO()
        if getattr(image, "n_frames", 1) == 1:
            return tag
        *_, last = ImageSequence.Iterator(image)
        last.convert("RGB").save(out, "WEBP", quality=80)
    still = f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
    tag = tag.removesuffix("/>").removesuffix(">").rstrip()
    source = f'<source media="(prefers-reduced-motion: reduce)" srcset="{still}">'
    return f'<picture class="moving">{source}{tag} width="{wide}" height="{high}" /></picture>'


@cache
def readable(path: Path) -> int | None:
    """How wide a figure has to be, in pixels of the page, for its smallest letters to be read.

    None for a picture that is no figure, or has no letters.
    """
    drawn = path.parent.name == "jupyter_execute" and path.suffix == ".png"
    stored = path.parent.name in ("runs", "data") and not path.stem.endswith("-small")
    if not (drawn or stored) or size(path) is None:
        return None
    with Image.open(path) as image:
        dpi = float(image.info.get("dpi", (DPI,))[0])
        opacity = np.asarray(image.convert("RGBA").getchannel("A"))
    # Letters are smooth: at their edges they are half transparent.
    if ((opacity > 0) & (opacity < 255)).mean() < 5e-4:
        return None
    return round(image.width * LETTERS / (plots.SMALLEST * dpi / 72))


def spaced(body: str) -> str:
    """The page with a rough width in each formula of a line, and a height in each that stands
    alone: the room that it takes until it is typeset.
    """

    def inline(match: re.Match[str]) -> str:
        return f'{match[1]} style="--wide:{width(unescape(match[2])):.1f}em">\\({match[2]}\\)'

    def alone(match: re.Match[str]) -> str:
        high = 2.2 + 1.7 * (1 + match[2].count(r"\\\\"))
        return f'{match[1]} style="--high:{high:.1f}em">{match[2]}</div>'

    return ALONE.sub(alone, INLINE.sub(inline, body))


def width(formula: str) -> float:
    """About how wide a formula is, in units of its type's size."""
    names = re.sub(r"\\(?:operatorname|text|mathrm)\*?\{([^}]*)\}", r"\1", formula)
    signs = re.sub(
        r"\\(?:mathbb|mathcal|left|right|hat|bar|tilde|[td]?frac|lim|big\w?)\b", "", names
    )
    signs = re.sub(r"\\(log|exp|max|min|sin|cos|det)\b", r"\1", signs)
    signs = re.sub(
        r"\\(?:le|ge|ne|in|to|mid|approx|sim|propto|ll|gg|Vert|cdot|times|odot)\b", "=", signs
    )
    signs = re.sub(r"\\[a-zA-Z]+", "x", signs)
    small = sum(len(part.strip("{}")) for part in re.findall(r"[_^](\w|\{[^}]*\})", signs))
    wide = len(re.findall(r"[=+<>≤≥-]", signs))
    # Least squares over the 507 formulas of lines in chapters 4 and 5, as MathJax sets them.
    return 0.57 * len(re.sub(r"[\s{}^_\\]", "", signs)) - 0.07 * small + 0.53 * wide


@cache
def size(path: Path) -> tuple[int, int] | None:
    """A picture's width and height in pixels."""
    if path.suffix == ".svg" or not path.is_file():
        return None
    with Image.open(path) as image:
        return image.size


def setup(app: Any) -> None:
    app.connect("html-page-context", scripts, priority=950)
