"""Every figure of the book on one page, in its order, so that one sees at a glance what falls out.

The page ``book/gallery`` says where: a div of the class ``all-figures``.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

import course
import inline
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

PAGE = "book/gallery"


class Gallery(SphinxPostTransform):
    """Fill the gallery from the chapters, which are all read by now."""

    default_priority = 7  # before images are collected for copying
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        if self.env.docname != PAGE:
            return
        place = next(
            n for n in self.document.findall(nodes.container) if "all-figures" in n["classes"]
        )
        for chapter in course.course().values():
            name = f"notebooks/{chapter.stem}"
            shown = list(self.shown(name))
            if shown:
                title = escape(f"{chapter.number} · {chapter.title}")
                place += nodes.raw("", f"<h2>{title}</h2>", format="html")
                place += nodes.container("", *shown, classes=["gallery"])

    def shown(self, name: str) -> Any:
        """The figures of a chapter, each a picture and a line that lead to their place in it."""
        numbers = self.env.toc_fignumbers.get(name, {}).get("figure", {})
        for figure in self.env.get_doctree(name).findall(nodes.figure):
            image = next(iter(figure.findall(nodes.image)), None)
            caption = next(iter(figure.findall(nodes.caption)), None)
            if image is None or caption is None or not figure["ids"]:
                continue
            label = figure["ids"][0]
            number = ".".join(map(str, numbers.get(label, ())))
            where = f"{self.app.builder.get_relative_uri(PAGE, name)}#{label}"
            link = nodes.reference("", "", self.picture(image), refuri=where, internal=True)
            words = nodes.paragraph("", f"Figure {number}. {first(said(caption))}")
            yield nodes.container("", nodes.paragraph("", "", link), words)

    def picture(self, image: nodes.image) -> nodes.Element:
        """A copy of the image; a schematic as a part of the page."""
        if course.is_schematic(image):
            path = inline.STATIC / "schematics" / Path(image["uri"]).name
            return nodes.raw("", inline.inlined(path, image.get("alt", "")), format="html")
        copy = image.deepcopy()
        for size in ("width", "height", "scale", "align"):
            copy.attributes.pop(size, None)
        return copy


def said(caption: nodes.caption) -> str:
    """A caption's words without its citations."""
    caption = caption.deepcopy()
    for key in list(caption.findall(addnodes.pending_xref)):
        if key.get("refdomain") == "cite":
            key.parent.remove(key)
    for formula in caption.findall(nodes.math):
        formula[0] = nodes.Text(re.sub(r"\\times\b", "×", formula.astext()).replace("\\", ""))
    return re.sub(r"\s+([.,;:])", r"\1", caption.astext())


def first(text: str) -> str:
    """The first sentence of a caption."""
    text = " ".join(text.split())
    return re.split(r"(?<=[a-z)\]’”0-9][.?!]) ", text, maxsplit=1)[0]


def setup(app: Any) -> None:
    app.add_post_transform(Gallery)
