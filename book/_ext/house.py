"""What the book needs beside its extensions.

No doubled scripts, docstrings with formulas and citations, an index, a search for Chinese words.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import ship
from docutils import nodes
from formulas import typeset
from sphinx import addnodes, search
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".ci"))

import course  # noqa: E402
import gallery  # noqa: E402
import inline  # noqa: E402
import lean  # noqa: E402
import surface  # noqa: E402
import tables  # noqa: E402

# A citation key in a docstring, such as [goodfellow2014] or [arjovsky2017, lim2017].
KEYS = re.compile(r"\[([a-z]+\d{4}[a-z]*(?:, [a-z]+\d{4}[a-z]*)*)\]")
# A bar that would open a substitution, as in |rate − C|; what stands in backticks is left alone.
BAR = re.compile(r"(``.*?``|:[\w:]+:`[^`]*`)|(?<!\\)\|(?=\S)")
STAR = re.compile(r"(``.*?``|:[\w:]+:`[^`]*`)|(?<![*\\])\*(?=\w)(?![\w -]+\*)")
CHINESE = "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"


def mend_page(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Keep the first of equal script entries, and call no list what is none.

    sphinx-thebe adds its script once per page that was built before this one.
    """
    seen, kept = set(), []
    for script in context.get("script_files", []):
        # A script in the page has no file, said as None by some and as "" by others.
        key = (getattr(script, "filename", script) or "", str(getattr(script, "attributes", "")))
        if key not in seen:
            seen.add(key)
            kept.append(script)
    context["script_files"] = kept
    # docutils calls the references a list whose children are no items, which misleads a screen
    # reader.
    context["body"] = (
        context.get("body", "")
        .replace('<div role="list" class="citation-list">', '<div class="citation-list">')
        # What opens says by its own words what it opens.
        .replace('<summary aria-label="Toggle hidden content">', "<summary>")
    )


def cite(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Typeset a docstring's formulas, turn keys into citations, and say which chapters use it.

    Stars as in (N, *shape) and bars as in |x| are kept from being markup. Examples stay as they
    are.
    """
    done: list[str] = []
    for example, part in parted(lines):
        done += part if example else prose("\n".join(part)).split("\n")
    lines[:] = done
    if what in ("function", "class", "exception", "data"):
        lines += [*([""] if lines and lines[-1] else []), *used_in(thing)]


def parted(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """The lines in parts: examples, each from >>> to the next empty line, and what is between."""
    inside, part = False, list[str]()
    for line in lines:
        starts, ends = not inside and line.lstrip().startswith(">>>"), inside and not line.strip()
        if (starts or ends) and part:
            yield inside, part
            part = []
        inside = starts or (inside and not ends)
        part.append(line)
    if part:
        yield inside, part


def prose(text: str) -> str:
    """A docstring's text with its formulas, stars, bars and citations as Sphinx wants them."""
    text = STAR.sub(lambda match: match[1] or r"\*", typeset(text))
    text = BAR.sub(lambda match: match[1] or r"\|", text)
    return KEYS.sub(lambda match: f":cite:`{match[1].replace(' ', '')}`", text)


def used_in(thing: Any) -> list[str]:
    """A line that leads to the chapters whose code uses this function or class, and to the table of
    losses.
    """
    key = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
    stems = chapters_that_use().get(key, [])
    links = ", ".join(f":doc:`{int(stem[:2])} </notebooks/{stem}>`" for stem in stems)
    places = [f"chapter{'s' * (len(stems) > 1)} {links}"] if stems else []
    if key in tabulated():
        places.append("the :doc:`table of losses </book/losses>`")
    return [".. container:: used", "", f"   Used in {' and '.join(places)}.", ""] if places else []


@cache
def chapters_that_use() -> dict[str, list[str]]:
    """Where each function and class of the library lives → the chapters whose code uses it."""
    found: dict[str, list[str]] = {}
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    for path in surface.notebooks():
        if f"notebooks/{path.stem}\n" in contents:
            for thing in sorted(surface.used(surface.notebook_code(path))):
                found.setdefault(thing, []).append(path.stem)
    return found


@cache
def tabulated() -> frozenset[str]:
    """What has a row in the table of losses."""
    rows = tables.tomllib.loads(tables.DATA.read_text(encoding="utf-8"))
    return frozenset(
        tables.reference(family, name) for family, table in rows.items() for name in table["rows"]
    )


def with_the_chapters(
    app: Any, env: Any, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """The reference, the gallery and the contents are read anew when a chapter changed: they say
    which chapters use what, show their figures, and say their titles.
    """
    return (
        ["book/api", gallery.PAGE, app.config.root_doc]
        if any(name.startswith("notebooks/") for name in added | changed | removed)
        else []
    )


class IndexEntries(SphinxTransform):
    """Put the Chinese terms of the glossary and the titles of all statements into the index."""

    default_priority = 840  # before the domains collect the index

    def apply(self, **kwargs: Any) -> None:
        for term in self.document.findall(nodes.term):
            self.chinese(term)
        for node in list(
            self.document.findall(lambda n: isinstance(n, nodes.Element) and "realtype" in n)
        ):
            if node.get("title") and not node["label"].startswith(node["realtype"] + "-"):
                title = (
                    re.sub(r"[$`]", "", node["title"]).strip().removeprefix("(").removesuffix(")")
                )
                entry = ("single", f"{title} ({node['realtype']})", node["label"], "", None)
                node.parent.insert(node.parent.index(node), addnodes.index(entries=[entry]))

    def chinese(self, term: nodes.term) -> None:
        """In ``Generator (生成器)`` the second word gets an index entry and its language."""
        for entries in term.findall(addnodes.index):
            for word in re.findall(CHINESE, term.astext()):
                entries["entries"].append(("single", word, term["ids"][0], "", "中文"))
        for text in list(term.findall(nodes.Text)):
            pieces = re.split(f"({CHINESE})", text.astext())
            if len(pieces) > 1 and isinstance(text.parent, nodes.term):
                new = [
                    nodes.inline("", p, classes=["language-zh"]) if i % 2 else nodes.Text(p)
                    for i, p in enumerate(pieces)
                    if p
                ]
                text.parent.replace(text, new)


def contents(app: Any, doctree: nodes.document) -> None:
    """The index is the last line of the contents at the left."""
    if app.env.docname != app.config.root_doc:
        return
    trees = list(doctree.findall(addnodes.toctree))
    if trees:
        trees[-1]["entries"].append(("Index", "genindex"))


class Search(search.SearchEnglish):
    """English words, and each two neighbours in a Chinese word, so that 对抗 finds 对抗损失."""

    def split(self, input: str) -> list[str]:
        words = super().split(input)
        runs = [run for word in words for run in re.findall(CHINESE, word)]
        return words + [run[i : i + 2] for run in runs for i in range(len(run) - 1)] + runs


def with_our_search(app: Any, config: Any) -> None:
    """What is found first is said in search.js."""
    config.html_search_scorer = str(Path(__file__).with_name("search.js"))


def setup(app: Any) -> dict[str, Any]:
    app.connect("config-inited", with_our_search)
    search.languages["en"] = Search
    app.add_transform(IndexEntries)
    app.connect("html-page-context", mend_page, priority=900)
    app.connect("autodoc-process-docstring", cite)
    app.connect("env-get-outdated", with_the_chapters)
    app.connect("doctree-read", contents, priority=900)
    # After the theme, whose last word are the colours of code.
    app.connect("build-finished", ship.finish, priority=900)
    inline.setup(app)
    course.setup(app)
    gallery.setup(app)
    lean.setup(app)
    return {"version": "2", "parallel_read_safe": True, "parallel_write_safe": True}
