"""The parts of the grader, one by one: comparisons and messages, test files, reading submissions,
the guard.
"""

import json
import re
import subprocess
import sys
import types

import pytest
import torch

from gantut.grading import Checker, alone, bundle, checker as checking, feedback, hold
from gantut.grading.guard import Snapshot
from gantut.grading.inside import run_cell
from gantut.grading.run import judge


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (1.0, 1),
        (torch.ones(3), torch.ones(3)),
        (torch.tensor(2.0), 2.0),
        (torch.nn.Parameter(torch.ones(1)), torch.ones(1)),
    ]
    + [(float("inf"), float("inf")), (1e9 + 1, 1e9)],
)
def test_what_holds(found, wanted):
    hold(found, wanted, "your value")


class Yes(torch.Tensor):
    def __eq__(self, other):
        return True

    __hash__ = None


@pytest.mark.parametrize(
    ("found", "wanted", "message"),
    [
        (None, 1.0, "your value is not there yet: your code gives None"),
        (..., 1.0, "your value is not there yet"),
        ("1", 1.0, "your value is a str; a tensor or a number is expected"),
        (torch.ones(2).as_subclass(Yes), torch.ones(2), "your value is a Yes; a tensor"),
        (
            torch.ones(2),
            torch.ones(2, 1),
            r"your value has the shape \(2,\), and should have \(2, 1\)",
        ),
        (2.0, 1.0, "your value is 2, and should be 1: it is twice as large$"),
        (3.0, 1.0, "your value is 3, and should be 1$"),
        (float("nan"), 1.0, "your value is NaN, and should be 1$"),
        (
            torch.arange(9.0),
            torch.zeros(9),
            r"your value is \[0, 1, 2, 3, …\], and should be \[0, 0, 0, 0, …\]",
        ),
        (1e9 + 5000, 1e9, "and should be 1e"),
    ],
)
def test_what_does_not_hold_says_why(found, wanted, message):
    with pytest.raises(AssertionError, match=message):
        hold(found, wanted, "your value", {"it is twice as large": 2.0})


def test_a_function_stands_alone():
    space = {}
    exec("def f(x, *, y=1):\n    return g(x) + y\n\n\ndef g(x):\n    return 100 * x", space)
    assert alone(space["f"], g=lambda x: x)(2) == 3
    assert space["f"](2) == 201, "the student's own is left as it was"
    assert alone(3, g=None) == 3


FILE = f"""{checking.OTTER}

OK_FORMAT = False

name = "q1"
points = 4

@test_case(points=None, hidden=False)
def test_small(f):
    assert f(1) < 5, 'f must be small'

@test_case(points=1, hidden=True)
def test_hidden(env, f):
    assert 'f' in env
    f(None) + 1
"""


def test_a_test_file_is_read_and_run():
    question = checking.read_tests(FILE)
    assert (question.name, question.points) == ("q1", 4.0)
    assert [(c.name, c.hidden, c.points) for c in question.cases] == [
        ("test_small", False, None),
        ("test_hidden", True, 1),
    ]
    assert checking.shares(4.0, [None, 1, None]) == [1.5, 1.0, 1.5]
    small, hidden = question.cases
    assert checking.run_case(small, {"f": lambda x: x}) is None
    assert checking.run_case(small, {"f": lambda x: 9}) == "f must be small"
    assert (
        checking.run_case(small, {})
        == checking.run_case(small, {"f": ...})
        == "`f` is not there yet"
    )
    assert re.match(
        r"it raises TypeError: .*NoneType.*still a `\.\.\.`",
        checking.run_case(hidden, {"f": lambda x: None}),
    )
    with pytest.raises(ValueError, match="not a test file"):
        checking.read_tests("name = 'q1'")


def test_the_checker_of_a_notebook():
    checker = Checker({"q1": FILE.replace("hidden=True", "hidden=False")}, {"f": lambda x: x})
    assert repr(checker.check("q1")).split("\n")[0] == "q1: 1 of 2 visible tests pass"
    assert "FAILS test_hidden: it raises TypeError" in repr(checker.check("q1"))
    with pytest.raises(ValueError, match="no question 'q2'; there are q1"):
        checker.check("q2")


def test_cells_run_as_in_a_notebook():
    space = {"__name__": "__main__"}
    assert (
        run_cell(0, "%matplotlib inline\nif True:\n    !ls\nx = 3", space) is None
        and space["x"] == 3
    )
    assert run_cell(1, "%%time\ny = 4", space) is None and space["y"] == 4
    assert "left out" in run_cell(2, "%%bash\nrm -rf x", space)
    assert (
        run_cell(3, "a = 1\nb = a / 0", space)
        == "cell 3, line 2: ZeroDivisionError: division by zero"
    )
    assert run_cell(4, "a = (", space).startswith("cell 4, line 1: SyntaxError")
    assert run_cell(5, "exit()", space).startswith("cell 5") and run_cell(
        6, "raise KeyboardInterrupt", space
    )
    with pytest.raises(MemoryError):
        run_cell(7, "raise RuntimeError('can\\'t allocate memory: you tried')", space)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from gantut.losses import r1", ["gantut.losses"]),
        ("from gantut import losses as l", ["gantut.losses"]),
        ("import gantut.losses.penalties", ["gantut.losses"]),
        ("import gantut\ngantut.losses.r1(1)", ["gantut.losses"]),
        ("%pip install x\nimport gantut.losses", ["gantut.losses"]),
        ("# from gantut.losses import r1\nx = 'gantut.losses'", []),
        ("from gantut import networks, lossesque", []),
        ("not python at all", []),
    ],
)
def test_imports_that_an_answer_should_not_use(code, found):
    assert bundle.imports([(0, code)], ["gantut.losses"]) == found


LOOK = "runs = train()\nfor run in runs:\n    samples = run.sample()\n    show(samples)"


@pytest.mark.parametrize(
    ("look", "other", "runs"),
    [
        (LOOK, "x = 3", False),
        (
            LOOK + "\n\n",
            "samples = 3\ndef f(runs, run):\n    return runs + [run for run in run]",
            False,
        ),
        (LOOK + "\nshow(3)", "x = 3", True),
        (LOOK, "runs[0].sample()", True),
        (LOOK, "def answer():\n    return [f(r) for r in runs]", True),
        (LOOK, "class A:\n    x = samples", True),
        (LOOK, "%time y = 3\nruns", True),
        (LOOK, "not python at all", False),
    ],
)
def test_cells_that_only_show_are_left_out(look, other, runs):
    cells = [(3, look), (5, other)]
    assert bundle.needed(cells, [LOOK]) == (cells if runs else cells[1:])
    assert bundle.needed(cells, []) == cells


ABOUT = bundle.Bundle(
    "A0", "A0: nothing", [{"name": "q1", "title": "Question 1", "heading": "## Question 1", "points": 2.0, "manual": False, "rubric": [],
    "tests": [{"name": "a", "hidden": False, "points": None}, {"name": "b", "hidden": True, "points": None}]}],
    [], {}, {"wall": 9, "cpu": 9, "memory": 1e9, "file": 1}, [], "d",
)  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"cells": 3}',
        '{"cells": [{}]}',
        "[" * 100_000,
        '{"cells": [{"cell_type": "code", "source": null}]}',
        "\0",
    ],
)
def test_any_file_can_be_read(tmp_path, content):
    (tmp_path / "x.ipynb").write_text(content, encoding="utf-8")
    read = bundle.read("x", tmp_path / "x.ipynb", ABOUT)
    assert read.fault.startswith("the file is no notebook") or read.cells == [(0, "None")]


def test_names_of_students_are_safe_and_distinct(tmp_path):
    for name in ("a b.ipynb", "a_b.ipynb", ".hidden.ipynb", "notes.txt"):
        (tmp_path / name).write_text("{}")
    assert [student for student, _ in bundle.find(tmp_path)] == ["a_b", "a_b-2"]
    assert (
        feedback.safe("=1+1") == "'=1+1"
        and feedback.safe("ada") == "ada"
        and feedback.safe(-1) == -1
    )


def verdict(told, **ended):
    submission = bundle.Submission("ada", "d", [], {}, "")
    return judge(
        submission,
        ABOUT,
        {"incidents": [], "over": "done", **told},
        {"exit": 0, "cpu": 0.0, "wall": 1.0, **ended},
        "",
    )


def test_the_verdict_does_not_trust_what_it_hears():
    right = {"results": {"q1": [["a", None], ["b", None]]}, "findings": []}
    assert verdict({"second": right})["score"] == 2
    assert (
        verdict({"second": {**right, "results": {"q1": [["a", None], ["c", None]]}}})["score"] == 1
    )
    assert verdict({"second": {**right, "findings": ["x was replaced"]}})["score"] == 0
    assert verdict({"second": right, "incidents": [("tampering", "x")]})["status"] == "tampering"
    assert verdict({"second": right, "incidents": [("blocked", "x")]})["notes"] == ["blocked: x"]
    for nonsense in (
        {"results": []},
        {"results": 3},
        {"results": {"q9": []}},
        {"results": {}, "findings": 3},
    ):
        assert verdict({"second": nonsense})["score"] == 0
    assert verdict({"over": "gone"}, exit=137, cpu=9.0)["status"] == "timeout"
    assert verdict({"over": "gone"}, exit=139)["status"] == "crashed"
    assert json.dumps(verdict({"first": {"isolation": 3, "errors": 4}, "second": right}))


def test_a_page_shows_text_and_runs_nothing():
    record = verdict({"second": {"results": {"q1": [["a", "<script>alert(1)</script>"]]}}})
    page = feedback.page(record, "A0: <b>")
    assert "<script>" not in page and "&lt;script&gt;" in page and "A0: &lt;b&gt;" in page


def test_the_snapshot_sees_each_kind_of_change(monkeypatch):
    import gantut.bugs.checks as checks
    import gantut.losses.penalties as penalties

    snapshot = Snapshot()
    assert list(snapshot.changed()) == []
    with monkeypatch.context() as patch:
        patch.setattr(checks, "expect", lambda *_: None)
        patch.setattr(torch, "allclose", lambda *_: True)
        patch.setattr(torch.Tensor, "item", lambda self: 1.0, raising=False)
        patch.setattr(penalties.r1, "__code__", (lambda gamma: None).__code__)
        patch.setitem(sys.modules, "gantut.losses", types.ModuleType("gantut.losses"))
        found = " ".join(snapshot.changed())
    for part in (
        "checks.expect was replaced",
        "torch.allclose",
        "Tensor.item was added",
        "r1 was rewritten",
        "gantut.losses was replaced",
    ):
        assert part in found, found
    assert list(snapshot.changed()) == []


def test_students_need_no_otter_and_no_unix_and_the_grader_no_torch():
    code = (
        "import sys; sys.modules.update(otter=None, resource=None); import gantut.grading; assert 'torch' not in sys.modules; "
        "del sys.modules['resource']; import gantut.grading.__main__; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
