"""The chapters as a course: their numbers in links, what each opens with, and where it leads.

A chapter's first paragraph says what the reader **will be able to** do, what one **needs** and how
long **it runs**; here it becomes the chapter's opening, with its picture. The lines of
``book/chapters.toml`` say the rest.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import chapters
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).resolve().parents[2]
CARDS = ROOT / "book" / "_static" / "cards"
CHAPTER = re.compile(r"notebooks/(\d\d)-")
PARTS = ("You will be able to", "You need", "It runs")
MENTION = re.compile(r"\b([Cc]hapter) (\d{1,2})\b")
# The picture of a card is drawn 480 units wide and 270 high, by .ci/cards.py.
SIZE = 'width="480" height="270"'


@cache
def course() -> dict[int, chapters.Chapter]:
    """The chapters by their numbers."""
    return {chapter.number: chapter for chapter in chapters.chapters()}


@cache
def settings() -> dict[str, Any]:
    """What book/chapters.toml says beside the chapters' lines."""
    return tomllib.loads(chapters.LINES.read_text(encoding="utf-8"))


def number_of(docname: str) -> int | None:
    """The number of a chapter's page; nothing for another page."""
    found = CHAPTER.match(docname)
    return int(found[1]) if found else None


def picture(number: int, where: str, classes: str) -> str:
    """The chapter's picture as a tag, if one is drawn; ``where`` leads to _static."""
    name = f"{number:02d}"
    if not (CARDS / f"{name}.webp").is_file():
        return ""
    words = escape(settings()["pictures"].get(name, ""))
    return f'<img class="{classes}" src="{where}/cards/{name}.webp" alt="{words}" {SIZE}>'


class Drawings(SphinxTransform):
    """A schematic and the emphasised line below it are a figure, with a number as others have."""

    default_priority = 260  # after the parser, before figures are collected

    def apply(self, **kwargs: Any) -> None:
        for image in list(self.document.findall(nodes.image)):
            place = image.parent
            if not is_schematic(image) or not isinstance(place, nodes.paragraph) or len(place) > 1:
                continue
            after = place.parent[place.parent.index(place) + 1 :]
            line = after[0] if after else None
            if not isinstance(line, nodes.paragraph) or len(line) != 1:
                continue
            if isinstance(line[0], nodes.emphasis):
                name = f"fig-{Path(image['uri']).stem}"
                figure = nodes.figure("", image, nodes.caption("", "", *line[0].children))
                figure["classes"].append("drawing")
                figure["ids"].append(name)
                line.parent.remove(line)
                place.replace_self(figure)


def is_schematic(image: nodes.image) -> bool:
    path = Path(image["uri"])
    return path.suffix == ".svg" and path.parent.name == "schematics"


class Numbers(SphinxPostTransform):
    """A link to a chapter says its number: Chapter 7. Its title is what a pointer over it shows."""

    default_priority = 4  # before references are resolved

    def run(self, **kwargs: Any) -> None:
        for link in list(self.document.findall(addnodes.pending_xref)):
            number = number_of(self.target(link))
            if link.get("reftype") == "doc" and not link.get("refexplicit") and number:
                link["refexplicit"] = True
                link.replace_self(self.named(link, number))
        for text in list(self.document.findall(nodes.Text)):
            if MENTION.search(text.astext()) and self.prose(text):
                text.parent.replace(text, list(self.linked(text.astext())))

    def target(self, link: nodes.Element) -> str:
        """The page that a link of the kind ``doc`` leads to, from the book's root."""
        name = str(link.get("reftarget", ""))
        here = Path("/", link.get("refdoc", self.env.docname)).parent
        return (here / name).resolve().as_posix().lstrip("/")

    def named(self, link: addnodes.pending_xref, number: int) -> nodes.Element:
        link.children = [nodes.inline("", f"Chapter {number}", classes=["doc"])]
        link.children[0].parent = link
        return link

    def prose(self, text: nodes.Text) -> bool:
        """Whether the text stands in a sentence, and in no link, code or heading."""
        other = (nodes.reference, addnodes.pending_xref, nodes.literal, nodes.literal_block)
        up: Any = text.parent
        while up is not None and not isinstance(up, nodes.document):
            if isinstance(up, (*other, nodes.title, nodes.raw, nodes.math, nodes.math_block)):
                return False
            up = up.parent
        return True

    def linked(self, text: str) -> Any:
        """The text with each mention of a chapter as a link."""
        here, at = number_of(self.env.docname), 0
        for match in MENTION.finditer(text):
            chapter = course().get(int(match[2]))
            if chapter is None or chapter.number == here:
                continue
            yield nodes.Text(text[at : match.start()])
            link = addnodes.pending_xref(
                "",
                nodes.inline("", f"Chapter {match[2]}", classes=["doc"]),
                refdomain="std",
                reftype="doc",
                reftarget=f"/notebooks/{chapter.stem}",
                refdoc=self.env.docname,
                refexplicit=True,
                refwarn=True,
            )
            yield link
            at = match.end()
        yield nodes.Text(text[at:])


class Opening(SphinxPostTransform):
    """What a chapter opens with: its picture, what one learns, needs and has to wait for."""

    default_priority = 6  # before references are resolved, so that they can move
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        number = number_of(self.env.docname)
        if number is None or number not in course():
            return
        for paragraph in list(self.document.findall(nodes.paragraph)):
            parts = parted(paragraph)
            if parts is not None:
                paragraph.replace_self(self.opening(number, *parts))
                return

    def opening(self, number: int, goals: list[Any], needs: list[Any]) -> nodes.Element:
        words = nodes.container(classes=["opening-words"])
        words += nodes.paragraph("", "", *goals)
        words += nodes.paragraph("", "", *needs, classes=["opening-needs"])
        words += nodes.raw("", facts(course()[number]), format="html")
        box = nodes.container(classes=["opening"])
        shown = picture(number, "../_static", "opening-picture")
        box += [words, nodes.raw("", shown, format="html")] if shown else [words]
        return box


def parted(paragraph: nodes.paragraph) -> tuple[list[Any], list[Any]] | None:
    """What stands under the first two of PARTS, with their bold words; nothing where one lacks."""
    starts = [
        at
        for at, child in enumerate(paragraph.children)
        if isinstance(child, nodes.strong) and child.astext() in PARTS
    ]
    if [paragraph[at].astext() for at in starts] != list(PARTS):
        return None
    first, second, third = starts
    return paragraph.children[first:second], paragraph.children[second:third]


def facts(chapter: chapters.Chapter) -> str:
    """A chapter in numbers: run time, checks, exercises."""
    said = [f"runs in {chapter.time} on two cores"]
    if chapter.statements:
        said.append(f"✓ {chapters.count(chapter.statements, 'checked statement')}")
    if chapter.exercises:
        said.append(chapters.count(chapter.exercises, "exercise"))
    link = chapters.colab(chapter.stem)
    items = "".join(f"<li>{escape(words)}</li>" for words in said)
    return f'<ul class="facts">{items}<li><a href="{link}">open in Colab</a></li></ul>'


def next_steps(number: int, link: Any, static: str) -> str:
    """Cards below a chapter: the next one, something to play with, an assignment. ``link`` makes
    an address of a page's name.
    """
    cards = []
    if chapter := course().get(number + 1):
        cards.append(
            (
                f"Next: {chapter.number} · {chapter.title}",
                chapter.line,
                link(f"notebooks/{chapter.stem}"),
                picture(chapter.number, static, "step-picture"),
            )
        )
    for kind in ("play", "practise"):
        for step in settings()[kind]:
            if number in step["chapters"]:
                title = f"{kind.capitalize()}: {step['title']}"
                cards.append((title, step["line"], link(step["page"]), ""))
    items = "".join(
        f'<li>{shown}<div><a href="{address}">{escape(title)}</a><p>{escape(line)}</p></div></li>'
        for title, line, address, shown in cards
    )
    return f'<nav class="next-steps" aria-label="Next steps"><ul>{items}</ul></nav>'


def with_next_steps(
    app: Any, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Put the cards below a chapter, and numbers before the chapters' names at the page's foot."""
    for way in ("prev", "next"):
        near = context.get(way)
        for chapter in course().values() if near else ():
            if near["link"].endswith(f"{chapter.stem}.html"):
                near["title"] = f"{chapter.number} · {escape(chapter.title)}"
    number = number_of(page)
    if number in course():
        static = context["pathto"]("_static", resource=True)
        context["body"] += next_steps(number, context["pathto"], static)


def setup(app: Any) -> None:
    app.add_transform(Drawings)
    app.add_post_transform(Numbers)
    app.add_post_transform(Opening)
    app.connect("html-page-context", with_next_steps, priority=800)
