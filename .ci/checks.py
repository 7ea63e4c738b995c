"""Write book/checks.md: every checked statement of the chapters with the deviations its cell
measured; `--check` only looks.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
from pages import settle

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "checks.md"
STATEMENT = re.compile(
    r"^:::\{prf:(theorem|proposition|lemma|corollary)\} *(.*)\n:label: (\S+)", re.M
)
REPORTED = re.compile(r"^(.+): (below \S+|\S+) \(allowed (\S+)\)$", re.M)
HEAD = """\
% Written by .ci/checks.py from the chapters' stored outputs: run that script after a chapter has changed.

# Every checked statement

{count} statements of this book are executed. Each has a cell that computes both sides by different ways, on several instances, and
asserts that they agree. The table says how large the largest deviation was when the chapters were last run, rounded up to one digit, and
what the cell allows. Where there is no number the cell asserts something else, such as an inequality in every instance.

| statement | chapter | largest deviation | allowed |
|---|---|---|---|
"""


class Checked(NamedTuple):
    """One statement, and (what, deviation, allowed) for each line its cell reports."""

    kind: str
    title: str
    label: str
    chapter: str
    reports: list[tuple[str, str, str]]


def statements() -> list[Checked]:
    """All statements with a check cell, in the order of the chapters."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        printed = {}
        for cell in notebook.cells:
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("check-"):
                    printed[tag.removeprefix("check-")] = "".join(
                        o.get("text", "") for o in cell.outputs
                    )
        for cell in notebook.cells:
            if cell.cell_type != "markdown":
                continue
            for kind, title, label in STATEMENT.findall(cell.source):
                if label in printed:
                    found.append(
                        Checked(kind, title, label, path.stem, REPORTED.findall(printed[label]))
                    )
    return found


def row(one: Checked) -> str:
    """A line of the table."""
    several = len(one.reports) > 1
    deviations = "<br>".join(
        f"{what}: {value}" if several else value for what, value, _ in one.reports
    )
    allowed = "<br>".join(limit for *_, limit in one.reports)
    chapter = f"{{doc}}`{int(one.chapter[:2])} <../notebooks/{one.chapter}>`"
    title = one.title.replace("$", "")  # a link holds no formula
    return f"| {{prf:ref}}`{title} <{one.label}>` ({one.kind}) | {chapter} | {deviations or 'asserted'} | {allowed or '–'} |"


def page() -> str:
    """The whole page."""
    rows = statements()
    return HEAD.replace("{count}", str(len(rows))) + "\n".join(map(row, rows)) + "\n"


def main() -> int:
    return settle(PAGE, page(), "book/checks.md is not what the chapters say: run .ci/checks.py")


if __name__ == "__main__":
    sys.exit(main())
