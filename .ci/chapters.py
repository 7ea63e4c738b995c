"""Write the map of the chapters into book/index.md and README.md, from the notebooks and
book/chapters.toml; `--check` only looks.

Titles, run times, what a chapter needs and what it holds are read from the notebooks of _toc.yml,
so the map says what they say.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import address
import nbformat
import yaml
from checks import STATEMENT
from pages import settle

ROOT = Path(__file__).resolve().parent.parent
LINES = ROOT / "book" / "chapters.toml"
INDEX, README = ROOT / "book" / "index.md", ROOT / "README.md"
# What each of the two pages holds between these marks is written here.
MARKS = {
    INDEX: ("% chapters: begin", "% chapters: end"),
    README: ("<!-- chapters: begin -->", "<!-- chapters: end -->"),
}
NEEDS = re.compile(r"\*\*You need\*\*(.*?)\*\*It runs\*\* in (.*?) on ", re.S)
CHAPTER = re.compile(r"\{doc\}`(\d\d)-[\w-]+`(?: to \{doc\}`(\d\d)-[\w-]+`)?")
COLAB = "https://colab.research.google.com/github/{slug}/blob/main/notebooks/{stem}.ipynb"


class Chapter(NamedTuple):
    """One chapter: what its notebook and its line in book/chapters.toml say."""

    stem: str
    title: str
    line: str
    time: str
    needs: list[int]
    statements: int
    exercises: int

    @property
    def number(self) -> int:
        return int(self.stem[:2])


def stems() -> list[str]:
    """The notebooks of _toc.yml, in order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    return [file.removeprefix("notebooks/") for file in files if file.startswith("notebooks/")]


def opening(stem: str, text: str) -> tuple[str, str, list[int]]:
    """Title, run time and the chapters needed, from a notebook's first cell.

    Raises:
        ValueError: the cell does not say one of them.
    """
    title = re.match(r"# (.+)", text)
    says = NEEDS.search(text)
    if title is None or says is None:
        raise ValueError(
            f"the first cell of {stem} must begin with '# ' and say '**You need** … **It runs** in … on …'"
        )
    needs: set[int] = set()
    for first, last in CHAPTER.findall(says[1]):
        needs |= set(range(int(first), int(last or first) + 1))
    return title[1].strip(), " ".join(says[2].split()), sorted(needs)


def chapters() -> list[Chapter]:
    """All chapters of _toc.yml, in order.

    Raises:
        ValueError: a chapter has no line in book/chapters.toml, or its opening lacks something.
    """
    lines = tomllib.loads(LINES.read_text(encoding="utf-8"))["lines"]
    read = {}
    for stem in stems():
        cells = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4).cells
        prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        if stem[:2] not in lines:
            raise ValueError(
                f'{stem} has no line in {LINES.name}: expected {stem[:2]} = "what it does"'
            )
        counts = len(STATEMENT.findall(prose)), len(re.findall(r"\{exercise(?:-start)?\}", prose))
        read[int(stem[:2])] = (stem, *opening(stem, cells[0].source), *counts)

    ordered(read)
    return [
        Chapter(stem, title, lines[stem[:2]], time, needs, statements, exercises)
        for stem, title, time, needs, statements, exercises in read.values()
    ]


def ordered(read: dict[int, Any]) -> None:
    """No chapter needs a later one.

    Raises:
        ValueError: one does.
    """
    for number, (stem, _, _, needs, *_) in read.items():
        if any(need >= number for need in needs):
            raise ValueError(f"{stem} needs a later chapter: {needs}")


def colab(stem: str) -> str:
    """Where a chapter opens in Colab."""
    return COLAB.format(slug=address.address().removeprefix("https://github.com/"), stem=stem)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def listed(numbers: list[int]) -> str:
    """1, 2 and 4, 5, 6 as "1, 2, 4–6": three or more in a row are a range, so that the line of a
    card stays one line.
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{p[0]}–{p[-1]}" if len(p) > 2 else ", ".join(map(str, p)) for p in parts)


def card(chapter: Chapter, words: str) -> str:
    """A card of the landing page; ``words`` say what its picture shows."""
    after = f"after {listed(chapter.needs)}" if chapter.needs else "start here"
    holds = [
        count(number, noun)
        for number, noun in (
            (chapter.statements, "checked statement"),
            (chapter.exercises, "exercise"),
        )
        if number
    ]
    return f"""\
:::{{grid-item-card}} {chapter.number} · {chapter.title}
:link: ../notebooks/{chapter.stem}
:link-type: doc
:img-top: _static/cards/{chapter.stem[:2]}.webp
:img-alt: {words}

{chapter.line}

{after} · {chapter.time}<br>{", ".join(holds)}
:::
"""


def index_map(found: list[Chapter]) -> str:
    words = tomllib.loads(LINES.read_text(encoding="utf-8"))["pictures"]
    cards = "\n".join(card(chapter, words[chapter.stem[:2]]) for chapter in found)
    return f"::::{{grid}} 1 2 2 3\n:gutter: 3\n:class-container: chapters\n\n{cards}::::"


def readme_map(found: list[Chapter]) -> str:
    rows = ["| chapter | what it does | in Colab |", "|---|---|---|"]
    for chapter in found:
        rows.append(
            f"| {chapter.number} [{chapter.title}](notebooks/{chapter.stem}.ipynb) | {chapter.line} | [open]({colab(chapter.stem)}) |"
        )
    return "\n".join(rows)


def between(page: Path, text: str) -> str:
    """The page with ``text`` between its marks.

    Raises:
        ValueError: the page has not each mark once, in order.
    """
    begin, end = MARKS[page]
    old = page.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise ValueError(f"{page.name} must hold {begin!r} and then {end!r}, each once")
    return old[: old.index(begin)] + f"{begin}\n\n{text}\n\n" + old[old.index(end) :]


def pages() -> dict[Path, str]:
    """Both pages as they should be."""
    found = chapters()
    return {INDEX: between(INDEX, index_map(found)), README: between(README, readme_map(found))}


def main() -> int:
    complaint = "{} is not what the chapters say: run .ci/chapters.py"
    return max(settle(page, text, complaint.format(page.name)) for page, text in pages().items())


if __name__ == "__main__":
    sys.exit(main())
