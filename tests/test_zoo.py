"""Every bug of the zoo is rejected by the check that is named for it, for the right reason; the
library passes every check.
"""

import ast
import inspect
import json
import re
import textwrap
from pathlib import Path

import pytest
import torch

from gantut.bugs import BUGS, CHECKS, LIBRARY, Rejected, first_failure, run_checks

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("subject", CHECKS)
def test_the_library_passes(subject):
    assert first_failure(subject, LIBRARY[subject]) is None


@pytest.mark.parametrize("name", BUGS)
def test_the_named_check_rejects_the_bug(name):
    bug = BUGS[name]
    failure = first_failure(bug.subject, bug.faulty)
    assert failure is not None, "no check noticed"
    check, message = failure
    assert check == bug.check
    assert len(message) > 20
    with pytest.raises(Rejected, match=f"^{bug.check}: "):
        run_checks(bug.subject, bug.faulty)


def test_every_bug_is_told():
    keys = set(
        re.findall(
            r"^@\w+\{(\w+),",
            (ROOT / "book" / "references.bib").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    for name, bug in BUGS.items():
        assert len(bug.story) > 20 and bug.story.endswith((".", "]")) and bug.source, name
        assert set(re.findall(r"\[([a-z]+\d{4}\w*)\]", bug.story + bug.source)) <= keys, name


def test_every_subject_has_a_library_version_and_a_bug():
    assert set(CHECKS) == set(LIBRARY) == {bug.subject for bug in BUGS.values()}


def rejects(check, bug):
    try:
        check(bug.faulty)
    except Exception:
        return True
    return False


def test_every_check_rejects_something():
    """A check that no bug fails might be one that cannot fail.

    (A check may serve several subjects.)
    """
    named = {bug.check for bug in BUGS.values()}
    for subject, checks in CHECKS.items():
        for check in checks:
            same_subject = [bug for bug in BUGS.values() if bug.subject == subject]
            assert check.__name__ in named or any(rejects(check, bug) for bug in same_subject), (
                check.__name__
            )


def test_errors_and_nonsense_are_rejections_and_no_crashes():
    for nonsense in (
        lambda *_: None,
        lambda *_: 1 / 0,
        lambda *_: torch.tensor(float("nan")),
        None,
    ):
        for subject in CHECKS:
            assert first_failure(subject, nonsense) is not None, subject
    with pytest.raises(ValueError, match="unknown subject 'loss'; known: minimax_discriminator"):
        first_failure("loss", None)


def test_the_random_state_is_left_alone():
    before = torch.get_rng_state()
    for subject in CHECKS:
        first_failure(subject, LIBRARY[subject])
    assert torch.equal(before, torch.get_rng_state())


def riddles():
    """(the riddle's cell, what it shows as code, the code cell below it) of the errata chapter."""
    cells = json.loads((ROOT / "notebooks" / "16-errata.ipynb").read_text(encoding="utf-8"))[
        "cells"
    ]
    for cell, below in zip(cells, cells[1:], strict=False):
        shown = re.search(r"```python\n(.*?)\n```", "".join(cell["source"]), re.DOTALL)
        if cell["cell_type"] == "markdown" and shown:
            yield cell["id"], shown[1], below


def statements(code):
    return {ast.dump(node) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt)}


@pytest.mark.parametrize(("name", "shown", "below"), [pytest.param(*r, id=r[0]) for r in riddles()])
def test_a_riddle_runs_what_it_shows(name, shown, below):
    """The cell below a riddle contains the code that the reader sees, and asserts and prints."""
    run = "".join(below["source"])
    assert len(shown.splitlines()) <= 15
    assert {ast.dump(node) for node in ast.parse(shown).body} <= statements(run)
    assert "hide-input" in below["metadata"]["tags"]
    assert re.search(r"^\s*(assert|report\()", run, re.MULTILINE) and "print(" in run


def test_a_changed_riddle_would_be_noticed():
    code = textwrap.dedent(inspect.getsource(riddles))
    assert statements(code) == statements(code + "\n# a remark\n")
    assert not {ast.dump(n) for n in ast.parse(code).body} <= statements(code.replace("1:", "2:"))
