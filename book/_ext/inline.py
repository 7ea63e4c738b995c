"""Figures that live in the page: schematics become part of it, and widgets find their script.

A schematic is an image of ``_static/schematics``. As part of the page it follows the page's light
and dark colours; other outputs keep the plain image.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.transforms.post_transforms import SphinxPostTransform

STATIC = Path(__file__).resolve().parents[1] / "_static"
HEAD = re.compile(r'<svg\b[^>]*?viewBox="([^"]*)"[^>]*>\s*<title[^>]*>(.*?)</title>', re.S)
# A line of a printed table: words or figures set apart by more than one blank.
COLUMNS = re.compile(r"^.*\S {2,}\S.*$", re.M)
PLACE = re.compile(r'<div class="play" data-play="(\w+)"( data-alive)?>(.*?)</div>', re.S)
# What stands where a widget will be, until it runs: a sentence, and a drawing of play/NAME.svg.
WIDGETS = {
    "gan": "Watch a GAN learn the ring of eight clouds, or data that you draw. Change its loss,"
    " its penalty or its optimizer, and see what it does then.",
    "latent": "Move over a square between four handwritten digits. A VAE and a GAN draw what lies"
    " between them.",
    "games": "The smallest GAN: one number for each player. Drag the start, choose a method, and"
    " see where the game goes.",
}
SCRIPTLESS = '<p class="play-message">This figure needs JavaScript.</p>'


def inlined(path: Path, words: str = "") -> str:
    """The drawing as an element of a page, said in ``words`` to who does not see it."""
    text = path.read_text(encoding="utf-8")
    found = HEAD.search(text)
    if found is None:
        raise ValueError(f"{path.name}: expected an svg with a viewBox and a title")
    words = words.strip() or found[2]
    head = f'<svg class="schematic" viewBox="{found[1]}" role="img" aria-label="{escape(words)}">'
    # An empty line would end a block of HTML in Markdown.
    return re.sub(r"\n\s*\n", "\n", head + text[found.end() :]).strip()


def widget(match: re.Match[str]) -> str:
    """The place of a widget with its sentence and its drawing; what the author wrote stays."""
    name, alive, inside = match[1], match[2] or "", match[3].strip()
    if name not in WIDGETS:
        raise ValueError(f"there is no widget {name!r}; there are {', '.join(WIDGETS)}")
    drawing = STATIC / "play" / f"{name}.svg"
    return (
        f'<div class="play" data-play="{name}"{alive}><div class="play-poster">{inlined(drawing)}'
        f'<p class="play-about">{WIDGETS[name]}</p></div>{inside or SCRIPTLESS}</div>'
    )


class Inline(SphinxPostTransform):
    """Put schematics and widgets into the HTML pages, and mark what checks and tables print."""

    default_priority = 5  # before images are collected for copying
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.env.srcdir, image["uri"])
            if path.suffix == ".svg" and path.parent.name == "schematics" and path.is_file():
                markup = inlined(path, image.get("alt", ""))
                image.parent.replace(image, nodes.raw("", markup, format="html"))
        for printed in self.document.findall(nodes.literal_block):
            if "output" in printed["classes"]:
                said = printed.astext()
                if said.startswith("✓"):
                    printed["classes"].append("checked")
                elif len(COLUMNS.findall(said)) > 1:
                    printed["classes"].append("columns")
        for raw in list(self.document.findall(nodes.raw)):
            if PLACE.search(raw.astext()):
                raw.replace_self(nodes.raw("", PLACE.sub(widget, raw.astext()), format="html"))


class Folds(SphinxPostTransform):
    """What folds a cell says what is in it: the set-up, a check, the code of a figure, a result."""

    default_priority = 210  # after cells are folded
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        first = self.env.docname.startswith("notebooks/")
        for cell in self.document.findall(nodes.container):
            for fold in cell.children if cell.get("nb_element") == "cell_code" else ():
                if not isinstance(fold, HideCodeCellNode):
                    continue
                name = "what comes out"
                if "above-input" in fold["classes"]:
                    drawn = any(True for _ in cell.findall(nodes.image))
                    checks = any("tag_check-" in name for name in cell["classes"])
                    code = "the code of the figure" if drawn else "the code"
                    name = "the set-up" if first else "the check" if checks else code
                    first = False
                fold["prompt_show"], fold["prompt_hide"] = f"Show {name}", f"Hide {name}"


def with_script(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """A page with a widget loads the script that starts it, and no other page does."""
    if 'class="play" data-play=' in context.get("body", ""):
        app.add_js_file("play/play.js", loading_method="defer")


def setup(app: Any) -> None:
    app.add_post_transform(Inline)
    app.add_post_transform(Folds)
    app.connect("html-page-context", with_script)
