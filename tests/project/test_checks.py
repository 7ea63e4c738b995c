"""The page of checked statements is what the chapters' cells measured."""

import re
from pathlib import Path

import checks
import nbformat

KINDS = ("theorem", "proposition", "lemma", "corollary")
ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_the_chapters_say():
    assert checks.PAGE.read_text(encoding="utf-8") == checks.page()


def test_no_check_cell_is_left_out():
    """As many rows as there are cells tagged check-…, and every deviation is within what is allowed."""
    tags = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            tags |= {tag for tag in cell.metadata.get("tags", []) if tag.startswith("check-")}
    rows = checks.statements()
    assert {f"check-{one.label}" for one in rows} == tags and len(rows) == len(tags) >= 30
    for one in rows:
        for _, value, allowed in one.reports:
            assert float(value.removeprefix("below ")) <= float(
                allowed
            ) * 1.0001 or value.startswith("below"), one.label


def test_the_derivations_are_checked_throughout():
    """Chapters 2 to 5 and the errata: at least 45 statements with a check, none of them without one, and hardly any without a number."""
    derivations = ("02", "03", "04", "05", "16")
    checked = [one for one in checks.statements() if one.chapter[:2] in derivations]
    stated = 0
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        if path.stem[:2] in derivations:
            cells = nbformat.read(path, as_version=4).cells
            stated += sum(cell.source.count(f"{{prf:{kind}}}") for cell in cells for kind in KINDS)
    assert stated == len(checked) >= 45
    assert {one.chapter[:2] for one in checked} == set(derivations)
    assert all(one.reports for one in checked)


def test_a_row():
    one = checks.Checked(
        "lemma", "A title", "lem-x", "06-conjugate-directions", [("gap", "2e-05", "0.001")]
    )
    assert re.fullmatch(
        r"\| \{prf:ref\}`A title <lem-x>` \(lemma\) \| \{doc\}`6 <[^>]*06-conjugate-directions>` \| 2e-05 \| 0.001 \|",
        checks.row(one),
    )
