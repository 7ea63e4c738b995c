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
# A fence has three colons or backticks, and more where a box stands inside.
STATEMENT = re.compile(
    r"^(?::{3,}|`{3,})\{prf:(theorem|proposition|lemma|corollary)\} *(.*)\n:label: (\S+)", re.M
)
REPORTED = re.compile(
    r"^(?:✓ )?(.+): (below \S+|\S+) \(allowed (\S+)\)(?:; (.+) they would be off by (.+))?$", re.M
)
HEAD = """\
% Written by .ci/checks.py from the chapters' stored outputs: run that script after a chapter has changed.

# Every checked statement

{count} statements of this book are executed. Each has a cell that computes both sides by different ways, on several instances, and
asserts that they agree. The table says how large the largest deviation was when the chapters were last run, rounded up to one digit, and
what the cell allows. The last column holds the check's teeth: the nearest false statement that the cell tried in the place of the true one,
and by how much that is off. It has to be ten times of what is allowed at least, or the cell fails. Where there is no number the cell asserts
something else, such as an inequality in every instance.

| statement | chapter | largest deviation | allowed | the nearest false statement |
|---|---|---|---|---|
"""


class Checked(NamedTuple):
    """One statement, and (what, deviation, allowed, change, off) for each line of its cell."""

    kind: str
    title: str
    label: str
    chapter: str
    reports: list[tuple[str, str, str, str, str]]


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
        f"{what}: {value}" if several else value for what, value, *_ in one.reports
    )
    allowed = "<br>".join(limit for _, _, limit, *_ in one.reports)
    teeth = "<br>".join(f"{change}: {off}" if change else "–" for *_, change, off in one.reports)
    chapter = f"{{doc}}`{int(one.chapter[:2])} <../notebooks/{one.chapter}>`"
    title = one.title.replace("$", "")  # a link holds no formula
    return f"| {{prf:ref}}`{title} <{one.label}>` ({one.kind}) | {chapter} | {deviations or 'asserted'} | {allowed or '–'} | {teeth or '–'} |"


def page() -> str:
    """The whole page."""
    rows = statements()
    return HEAD.replace("{count}", str(len(rows))) + "\n".join(map(row, rows)) + "\n"


def main() -> int:
    return settle(PAGE, page(), "book/checks.md is not what the chapters say: run .ci/checks.py")


if __name__ == "__main__":
    sys.exit(main())
