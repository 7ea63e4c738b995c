"""The parts of the grader, one by one: comparisons and messages, messages between processes, test
files, reading a folder, points by hand, tables, exports, flags.
"""

import base64
import datetime
import errno
import importlib.util
import json
import math
import multiprocessing
import os
import re
import struct
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "project")]

import inside
import judge
import kit
import room
import sheets
import submissions
import wire

from gantut import files
from gantut.grading import Checker, alone, checker as checking, hold, inside as run_inside
from gantut.grading.compare import Answer, Other

program = importlib.util.spec_from_file_location("program", kit.GRADER / "__main__.py")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (1.0, 1),
        (torch.ones(3), torch.ones(3)),
        (torch.tensor(2.0), 2.0),
        (torch.nn.Parameter(torch.ones(1)), torch.ones(1)),
    ]
    + [
        (float("inf"), float("inf")),
        (1e9 + 1, 1e9),
        (np.float64(1), 1.0),
        (np.ones(3), torch.ones(3)),
    ]
    + [
        ([1.0, 2.0], torch.tensor([1.0, 2.0])),
        (torch.tensor([0.3]), torch.tensor([0.3 + 1e-6]).double()),
        (torch.tensor([1 / 3]).half(), torch.tensor([1 / 3])),
    ],
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
        (torch.ones(2).as_subclass(Yes), 2 * torch.ones(2), r"your value is \[1, 1\], and should"),
        (lambda: 1, 1.0, "your value is a function; a tensor or a number is expected"),
        (torch.tensor(1.0), torch.ones(2), r"should have \(2,\) \(is there a mean or a sum inside"),
        (
            torch.tensor([0.5, 0.5]),
            torch.tensor([0.5, 0.500004]),
            r"is \[0.5, 0.5\], and should be \[0.5, 0.500004\]",
        ),
        (
            torch.tensor([1.0, 1, 1, 1, 1, 2]),
            torch.ones(6),
            r"is at position 5 of 6 \[…, 2\], and should be \[…, 1\]",
        ),
        (float("inf"), 1.0, "your value is inf"),
        (1.0, float("inf"), "should be inf"),
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
        (torch.zeros(1).bfloat16(), torch.tensor([0.2]), r"is \[0\], and should be \[0.2\]"),
        (torch.zeros(1).to(torch.float8_e5m2), 2 * torch.ones(1), r"is \[0\], and should be \[2\]"),
        (10**100, 1.0, "is a very long int"),
        (torch.Generator(), 1.0, "is a Generator; a tensor or a number is expected"),
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
def test_hidden(f):
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


# -- messages


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 1.5, "text", ..., [1, [2.0, None]], {"a": [1], "b": "c"}, torch.ones(2, 3), torch.zeros(0, 2),
        torch.tensor(True), torch.arange(3), torch.ones(2, dtype=torch.bfloat16), torch.tensor(1 + 2j), torch.ones(3)[::2],
        torch.ones(2, 2).T, torch.tensor([True, False]),
    ],
    ids=str,
)  # fmt: skip
def test_plain_data_arrive_as_they_were(value):
    found = wire.unpack(wire.pack(value))
    if isinstance(value, torch.Tensor):
        assert found.dtype == value.dtype and torch.equal(found, value)
    else:
        assert found == value


def test_what_is_no_data_is_only_named():
    class Strange:
        pass

    for value, kind in (
        (Strange(), "Strange"),
        (len, "builtin_function_or_method"),
        (object, "type"),
        (10**5000, "very long int"),
    ):
        found = wire.unpack(wire.pack([value]))[0]
        assert type(found) is Other and found.kind == kind
    assert wire.unpack(wire.pack(float("nan"))) != wire.unpack(wire.pack(float("nan")))
    assert wire.unpack(wire.pack(float("-inf"))) == float("-inf")


def test_a_generator_travels_as_its_state_in_a_list_too():
    generator = torch.Generator().manual_seed(3)
    for copy in (wire.unpack(wire.pack(generator)), wire.unpack(wire.pack([1, [generator]]))[1][0]):
        ours = torch.Generator()
        ours.set_state(generator.get_state())
        assert torch.equal(torch.rand(3, generator=copy), torch.rand(3, generator=ours))


def tensor(**header):
    """A tensor's bytes as somebody else may make them: by hand."""
    data = json.dumps({"": header}).encode()
    return {"<tensor>": base64.b64encode(struct.pack("<Q", len(data)) + data + b"\0" * 8).decode()}


FORGED = [
    tensor(dtype="F64", shape=[10**15], data_offsets=[0, 8]), tensor(dtype="object", shape=[1], data_offsets=[0, 8]),
    tensor(dtype="F32", shape=[-1], data_offsets=[0, 8]), tensor(dtype="F32", shape=[2], data_offsets=[0, 10**9]),
    tensor(dtype="F32", shape=[1.5], data_offsets=[0, 8]), tensor(dtype="F64", shape=[1], data_offsets=[8, 0]),
    tensor(dtype="F64", shape=[2**32, 2**32], data_offsets=[0, 8]), tensor(dtype="F64", shape=[1] * 70, data_offsets=[0, 8]),
    {"<tensor>": 3}, {"<tensor>": "!!!"}, {"<tensor>": ""}, {"<tensor>": base64.b64encode(b"\xff" * 99).decode()},
    {"<answer>": "f"}, {"<complex>": [1]}, {"<complex>": {"<tensor>": "AAAA"}}, {"<generator>": [1]},
    {"<generator>": {"<generator>": 3}},
]  # fmt: skip


@pytest.mark.parametrize("value", FORGED, ids=str)
def test_a_forged_message_stops_the_question_and_nothing_else(value):
    answered = forged(json.dumps({"value": value, "error": ""}).encode())
    if answered != "nonsense":  # it is a value: then a test judges it, and says what it is
        with pytest.raises(AssertionError, match="your value"):
            hold(answered["value"], torch.tensor(7.0), "your value")


@pytest.mark.parametrize(
    "data",
    [b"", b"[" * 200_000, b"{}", b"[1]", b"3", b'"value"', b"nul", b"\xff\xfe", b'{"value"', b"9" * 5000, b'{"<other>": 3}'],
    ids=lambda data: repr(data[:9]),
)  # fmt: skip
def test_nonsense_stops_the_question_and_nothing_else(data):
    assert forged(data) == "nonsense"


def forged(data):
    """What a room makes of these bytes as an answer."""
    one = object.__new__(room.Room)
    one.pipe, theirs = multiprocessing.Pipe()
    one.why, one.limits, one.base, one.cpu = "", {"memory": 1e9, "cpu": 1}, 0.0, 1.0
    theirs.send_bytes(data)
    try:
        return one.ask({"name": "f"}, "value")
    except room.Stopped as stop:
        return stop.why


@pytest.mark.parametrize(
    ("state", "step", "ends", "why"),
    [
        # On a busy machine it waits for its turn, however long that takes.
        ("running", 0.0, 10_000, ""),
        ("running", 0.01, 1_030, "cpu"),  # seven seconds and three more
        ("sleeping", 0.0, 21, "wall"),  # it waits for something that does not come
        ("sleeping", 0.001, 151, "wall"),  # and here it looks busy meanwhile
        ("disk-sleep", 0.0, 151, "wall"),  # so does who waits in the kernel
    ],
)
def test_a_limit_counts_what_a_submission_takes(monkeypatch, state, step, ends, why):
    one, clock = object.__new__(room.Room), [0.0]
    monkeypatch.setattr(room, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    one._used = lambda: (step * clock[0], 1, {state, "sleeping"})
    one.limits = {"cpu": 6, "wall": 150, "memory": 1e9}
    one.last_cpu = one.last_time = math.inf
    one.looked = one.ran = 0.0
    one.again()
    one.moved, one.waits = 0.0, True
    while not (found := one._over()) and clock[0] < 10_000:
        clock[0] += 1
    assert (found, clock[0]) == (why, pytest.approx(ends, abs=10))


def test_a_request_runs_where_the_students_objects_are():
    space = {"f": lambda x: 2 * x, "g": "no function", "bad": lambda: 1 / 0}

    def ask(request):
        return wire.unpack(inside.answer(wire.unpack(wire.pack(request), space.get), space))

    remote = judge.Remote(ask)
    f = remote.get("f")
    assert (
        type(f) is Answer
        and f(3) == 6
        and remote.get("g") == "no function"
        and remote.get("h") is None
    )

    def there(f, x):
        return [f(x), math.pi]

    assert run_inside(there, f, 4) == [8, pytest.approx(3.14159)]
    with pytest.raises(checking.Raised, match="ZeroDivisionError: division by zero"):
        remote.get("bad")()
    around = 3

    def closure(f):
        return f(around)

    for wrong in (closure, lambda f: f(1)):
        with pytest.raises(TypeError, match="a named function that gets all it needs"):
            run_inside(wrong, f)


# -- a folder

BUNDLE_QUESTIONS = 2


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return submissions.load(
        kit.small(tmp_path_factory.mktemp("bundle") / "A0-autograder.zip", BUNDLE_QUESTIONS)
    )


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"cells": 3}', '{"cells": [{}]}', "[" * 100_000, "\0", '{"cells": [3]}'],
)
def test_any_file_can_be_read(tmp_path, bundle, content):
    (tmp_path / "x.ipynb").write_text(content, encoding="utf-8")
    read = submissions.read("x", tmp_path / "x.ipynb", "", bundle)
    assert read.fault.startswith("the file is no notebook")


CANVAS = "lovelaceada_LATE_4711_99_A4-games-and-conjugate-directions-1"


def test_names_of_students_are_safe_and_distinct(tmp_path):
    for name in (
        "lee kim.ipynb",
        "lee_kim.ipynb",
        "lee_kim-2.ipynb",
        "Lee_Kim.ipynb",
        ".hidden.ipynb",
        "notes.txt",
        f"{'𝒜' * 60}.ipynb",
        "a\nb\u202e.ipynb",
        "_under.ipynb",
        f"lee_kim-{submissions.digest(b'lee kim.ipynb')}.ipynb",
        "plain.ipynb",
        f"{CANVAS}.ipynb",
    ):
        (tmp_path / name).write_text("{}")
    (tmp_path / ("x" * 250)).mkdir()
    found = submissions.find(tmp_path)
    names = [name for name, *_ in found]
    assert len({name.casefold() for name in names}) == len(names) == 12
    assert all(re.fullmatch(r"[\w.@+ -]+", name) for name in names)
    assert all(len(f".{name}.html.12345678.html".encode()) < 255 for name in names)
    # As they are, where no file, table or page could be harmed.
    for name in ("plain", "_under", "notes.txt", "lee kim", "lee_kim-2", CANVAS):
        assert name in names, names
    assert dict((n, f) for n, _, f in found)["notes.txt"] == "this is no .ipynb file"
    with pytest.raises(ValueError, match="holds no submission"):
        submissions.find(tmp_path / ("x" * 250))
    with pytest.raises(ValueError, match="no folder"):
        submissions.find(tmp_path / "nowhere")


def test_words_are_found_though_the_heading_was_changed(tmp_path, bundle):
    path = kit.notebook(tmp_path / "a.ipynb", "1", words="Because.")
    assert submissions.read("a", path, "", bundle).answers["q99"] == "Because."
    cells = [
        ("markdown", "### Question 99: my answers\n\nWhy?\n\nIn the cell itself."),
        ("code", "1"),
    ]
    cells += [
        ("markdown", "And below."),
        ("markdown", "## Question 1: double"),
        ("markdown", "Not this."),
    ]
    assert submissions.written(cells, bundle)["q99"] == "In the cell itself.\n\nAnd below."


def test_a_cell_that_only_shows_is_left_out_where_nobody_uses_it(bundle):
    shown = bundle._replace(looks={"show(run)": ["run"]}, given=["show(run)", "x = 1"])
    assert shown.needed([(0, "x = 1"), (1, "show(run)\n")]) == [(0, "x = 1")]
    for own in ([(1, "show(run) ")], [(2, "y = run.z")], [(1, "show(run, 2)")]):
        cells = [(0, "show(run)"), *own]
        assert len(shown.needed(cells)) == len(cells) - (own[0][1] == "show(run) ") * 2


def test_rooms_that_are_not_there_are_noted(bundle):
    for code, noted in (
        ("from gantut.losses import r1", 1),
        ("from gantut import data, losses", 1),
        ("# nothing", 0),
        ("gantut.lossesque", 0),
    ):
        assert len(submissions.Submission("a", cells=[(0, code)]).notes(bundle)) == noted
    assert bundle.absent == ["gantut.bugs", "gantut.losses"]


# -- points, tables, pages


def record(student, messages, **more):
    results = {
        f"q{n}": [[f"test_numbers_{n}", m], [f"test_slopes_{n}", None]]
        for n, m in enumerate(messages, 1)
    }
    return {
        "student": student, "submission": student, "status": "graded", "results": results, "errors": [], "notes": [], "seconds": 1.0,
        "answers": {"q99": "<b>Because</b>"}, "handed_in": 0.0, **more,
    }  # fmt: skip


def test_points_from_tests_and_from_a_hand(bundle):
    hand = {
        "q2": "1,5",
        "q99": "2.5",
        "late days": "2",
        "comment": "Well done",
        "q99 comment": "short",
    }
    result = sheets.Result(record("ada", [None, "wrong"]), bundle, hand, 10, 0)
    assert (
        result.points == {"q1": 2.0, "q2": 1.5, "q99": 2.5}
        and result.score == 4.8
        and result.open == []
    )
    page = sheets.page(result, bundle)
    assert (
        "Well done" in page
        and "short" in page
        and "given by a person" in page
        and "2 days late" in page
    )
    assert "&lt;b&gt;Because" in page and "<b>" not in page and "says (1)/(2)" in page
    plain = sheets.Result(record("ada", [None, "wrong"]), bundle, {}, 10, 0)
    assert plain.points == {"q1": 2.0, "q2": 1.0, "q99": None} and plain.open == ["q99"]
    odd = record("ada", [None, "1 < 2 & 3"], errors=["cell 1, <b>", "\x1b[31m'x'\u202e"])
    odd |= {"status": "failed", "notes": ["a <i> & b"]}
    page = sheets.page(sheets.Result(odd, bundle, {}, 10, 0), bundle)
    for text in ("1 &lt; 2 &amp; 3", "cell 1, &lt;b&gt;\n&#39;x&#39;<", "a &lt;i&gt; &amp; b"):
        assert text in page, text
    hidden = sheets.page(plain, bundle, show_hidden=False)
    assert "slopes" not in hidden and "a hidden test" in hidden


@pytest.mark.parametrize(
    "value", ["=1+1", "+x", "-x", "@x", "＝1+1", "\t=x", "\u202e=x", "\x1b[31m=x"]
)
def test_no_cell_is_a_formula(value):
    assert sheets.safe(value).startswith("'") and sheets.safe(-1) == -1
    assert len(sheets.safe("x" * 10_000)) == sheets.LONGEST


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, encoding, separator):
    text = f"name{separator}q1\r\nzoë{separator}1\r\n"
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    assert sheets.rows(tmp_path / "t.csv") == [{"name": "zoë", "q1": "1"}]


def run_main(tmp_path, monkeypatch, *options):
    """The command, where everything has been graded and only tables are written."""
    main = importlib.util.module_from_spec(program)
    program.loader.exec_module(main)
    line = [
        str(tmp_path / "A0.zip"),
        str(tmp_path / "class"),
        "-o",
        str(tmp_path / "out"),
        *options,
    ]
    return main.main(line)


def test_a_commit_alone_grades_nobody_anew(tmp_path):
    one = kit.small(tmp_path / "A0.zip", 1)
    before = submissions.load(one).digest
    with zipfile.ZipFile(one, "a") as archive:
        archive.writestr("environment.yml", "gantut @ git+https://somewhere@0123abc")
    assert submissions.load(one).digest == before
    assert submissions.load(kit.small(tmp_path / "A0.zip", 1, cpu=7)).digest != before
    assert submissions.load(kit.small(tmp_path / "A0.zip", 2)).digest != before


def test_folders_of_groups_are_removed_when_their_maker_is_gone(tmp_path):
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    kept = [f"gantut-{os.getpid()}-abc", "gantut-else-abc", "other-1-abc"]
    for name in (f"gantut-{gone.stdout.strip()}-abc", *kept):
        (tmp_path / name).mkdir()
    room.sweep({"memory": str(tmp_path), "pids": str(tmp_path)})
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_without_isolation_it_refuses_and_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    kit.notebook(tmp_path / "class" / "a.ipynb", "f1 = 1")
    kit.small(tmp_path / "A0.zip", 1)
    monkeypatch.setenv("PATH", "/nowhere")
    assert run_main(tmp_path, monkeypatch) == 3
    said = capsys.readouterr().err
    assert "apt install bubblewrap" in said and "--unsafe" in said
    assert not (tmp_path / "out").exists()


@pytest.fixture
def graded(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "best", lambda: "bwrap")
    monkeypatch.setattr(room, "groups", dict)
    made = submissions.load(kit.small(tmp_path / "A0.zip", 2))
    (tmp_path / "out" / "records").mkdir(parents=True)
    for name, message in (("ada", None), ("bob", "wrong")):
        path = kit.notebook(tmp_path / "class" / f"{name}.ipynb", f"# {name}")
        digest = submissions.read(name, path, "", made).digest
        stored = record(name, [None, message], submission=digest, bundle=made.digest)
        (tmp_path / "out" / "records" / f"{name}.json").write_text(json.dumps(stored))
    return tmp_path


def scores(folder, name="scores.csv"):
    return {row["student"]: row for row in sheets.rows(folder / "out" / name)}


def test_what_a_person_wrote_stays(graded, monkeypatch, capsys):
    assert run_main(graded, monkeypatch) == 0
    assert (
        scores(graded)["bob"]["score"] == "3" and scores(graded)["bob"]["q99 (of 3, by hand)"] == ""
    )
    hand = graded / "out" / "hand.csv"
    rows = sheets.rows(hand)
    rows[1] |= {"q99": "2.5", "comment": "Büro", "mine": "kept"}
    rows += [{"student": "", "q99": "a line of mine"}, {"student": "", "q99": "and another"}]
    hand.write_text(
        sheets.table(list(rows[1]), [[row.get(k, "") for k in rows[1]] for row in rows]),
        encoding="utf-8-sig",
    )
    written = hand.read_bytes()
    assert run_main(graded, monkeypatch) == 0
    assert scores(graded)["bob"]["score"] == "5.5" and hand.read_bytes() == written
    assert "Büro" in (graded / "out" / "feedback" / "bob.html").read_text(encoding="utf-8")
    assert run_main(graded, monkeypatch, "--override", "bob", "q2=2") == 0
    assert scores(graded)["bob"]["score"] == "6.5" and sheets.rows(hand)[1]["mine"] == "kept"
    assert [row["q99"] for row in sheets.rows(hand)[2:]] == ["a line of mine", "and another"]
    assert run_main(graded, monkeypatch, "--override", "eve", "q2=2") == 2
    # A table that was changed by hand is left alone.
    table = graded / "out" / "scores.csv"
    table.write_text(table.read_text() + "mine\n")
    changed = table.read_bytes()
    assert run_main(graded, monkeypatch) == 0 and table.read_bytes() == changed
    assert (
        "left alone" in capsys.readouterr().out
        and scores(graded, "scores.new.csv")["bob"]["score"] == "6.5"
    )


def test_late_days_are_counted_from_the_due_date(graded, monkeypatch):
    due = datetime.datetime(2026, 12, 1, 23, 59)
    for name in ("ada", "bob"):
        path = graded / "out" / "records" / f"{name}.json"
        stored = json.loads(path.read_text()) | {
            "handed_in": due.timestamp() + (name == "bob") * 90_000
        }
        path.write_text(json.dumps(stored))
    assert run_main(graded, monkeypatch, "--due", "2026-12-01T23:59", "--late", "25") == 0
    assert (scores(graded)["ada"]["score"], scores(graded)["bob"]["score"]) == ("4", "1.5")
    assert os.path.exists(graded / "out" / "hand.csv")
    # A call that does not say it again changes nothing; another one does.
    for said, bob in ((), "1.5"), (("--late", "50"), "0"), (("--due", "none"), "3"), ((), "3"):
        assert run_main(graded, monkeypatch, *said) == 0
        assert scores(graded)["bob"]["score"] == bob
    (graded / "out" / "settings.json").write_text("{")
    assert run_main(graded, monkeypatch) == 2


def test_what_a_hidden_test_found_stays_hidden(graded, monkeypatch):
    for said, there in (
        ((), True), (("--hide-hidden",), False), ((), False), (("--no-hide-hidden",), True),
    ):  # fmt: skip
        assert run_main(graded, monkeypatch, *said) == 0
        page = (graded / "out" / "feedback" / "bob.html").read_text(encoding="utf-8")
        assert ("slopes" in page) is there, said


def test_two_calls_do_not_grade_into_one_folder(graded, monkeypatch, capsys):
    with files.locked(graded / "out", ValueError, "grades into"):
        assert run_main(graded, monkeypatch) == 2
    assert f"process {os.getpid()} grades into" in capsys.readouterr().err
    assert run_main(graded, monkeypatch) == 0


@pytest.mark.parametrize("part", [[], ["q1"]], ids=["all", "one"])
def test_what_the_clock_ended_is_tried_once_more(graded, monkeypatch, part):
    calls = graded / "calls"

    def slow(submission, bundle, open_room, only=None):
        with calls.open("a") as file:
            file.write(f"{submission.student} {only}\n")
        late = ["q1"] if submission.student == "bob" else []
        found = record(submission.student, [None, None], late=late)
        return {**found, "results": {q: found["results"][q] for q in only or ["q1", "q2"]}}

    monkeypatch.setattr(judge, "grade", slow)
    assert run_main(graded, monkeypatch, "-j", "1", "--regrade", *part) == 0
    first = part or None
    assert calls.read_text() == f"ada {first}\nbob {first}\nbob ['q1']\n"
    assert scores(graded)["bob"]["score"] == ("3" if part else "4")


EXPORTS = {
    "canvas": ("Student,ID,SIS User ID,SIS Login ID,Section,A0 (123)\n Points Possible,,,,,7\n\"Lovelace, Ada\",4711,s1,ada,1,\n\"Byron, Bob\",4712,s2,bob,1,\n", "A0 (123)"),
    "moodle": ("Identifier,Full name,Email address,Grade,Feedback comments\nParticipant 4711,Ada Lovelace,a@x,,\nParticipant 4712,Bob Byron,b@x,,\n", "Grade"),
    "gradescope": ("First Name,Last Name,SID,Email\nAda,Lovelace,4711,a@x\nBob,Byron,4712,b@x\n", "Total Score"),
}  # fmt: skip


@pytest.mark.parametrize("kind", EXPORTS)
def test_grades_go_into_the_platforms_own_table(tmp_path, bundle, kind):
    text, column = EXPORTS[kind]
    (tmp_path / "in.csv").write_text(text, encoding="utf-8-sig")
    names = {
        "canvas": "lovelaceada_LATE_4711_99_A1",
        "moodle": "Ada_Lovelace_4711_assignsubmission_file_",
        "gradescope": "4711",
    }
    results = [
        sheets.Result(record(n, [None, None]), bundle, {"q99": "3"}, 10, 0)
        for n in (names[kind], "eve_1")
    ]
    out, unknown = sheets.export(kind, tmp_path / "in.csv", results, bundle)
    (tmp_path / "out.csv").write_text(out)
    rows = sheets.rows(tmp_path / "out.csv")
    assert [row[column] for row in rows[-2:]] == ["7", ""] and unknown == ["eve_1"]
    assert list(rows[0])[: len(text.split("\n")[0].split(","))] == text.split("\n")[0].split(",")


def test_who_shares_a_line_gets_no_grade_by_it(tmp_path, bundle):
    (tmp_path / "in.csv").write_text(EXPORTS["gradescope"][0])
    results = [
        sheets.Result(record(name, [None, None]), bundle, {}, 10, 0)
        for name in ("4711", "4711_Ada", "4712_ada")
    ]
    out, unknown = sheets.export("gradescope", tmp_path / "in.csv", results, bundle)
    assert sorted(unknown) == ["4711", "4711_Ada"] and ",Ada," not in out
    (tmp_path / "out.csv").write_text(out)
    assert [r["Total Score"] for r in sheets.rows(tmp_path / "out.csv")] == ["", "4"]


def test_a_full_disk_is_said_and_keeps_what_is_there(graded, monkeypatch, capsys):
    assert run_main(graded, monkeypatch) == 0
    before = {p: p.read_bytes() for p in (graded / "out").rglob("*") if p.is_file()}

    def full(*_):
        raise OSError(errno.ENOSPC, "cannot write: No space left on device")

    monkeypatch.setattr("gantut.files.os.fsync", full)
    assert run_main(graded, monkeypatch, "--override", "bob", "q2=2") == 2
    assert "No space left" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in (graded / "out").rglob("*") if p.is_file()} == before


def test_what_is_alike_is_for_the_teacher_to_see():
    code = "\n".join(f"def f{n}(x, y):\n    return x * {n} + y ** {n} - {n * 7}" for n in range(9))
    other = "\n".join(
        f"def g{n}(a):\n    for i in range({n}):\n        a = a / {n + 3}\n    return a"
        for n in range(9)
    )
    seen = {
        name: (digest, text)
        for name, digest, text in (
            ("a", "1", code),
            ("b", "1", code),
            ("c", "3", "# mine\n" + code.replace("* 3", "* 4")),
            ("d", "4", other),
            ("e", "5", ""),
            ("f", "6", ""),
        )
    }
    flags = sheets.alike(seen)
    assert (
        flags["a"] == ["the same file as b", "code nearly the same as c"]
        and flags["d"] == flags["e"] == []
    )


def test_students_need_no_otter_and_no_unix():
    code = "import sys; sys.modules.update(otter=None, resource=None, psutil=None, IPython=None); import gantut.grading; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_room_of_grading_is_small_and_apart():
    """The library's part is what a notebook imports; the rest stands outside of it."""
    import test_size

    count = {
        p.name: test_size.code_lines(p.read_text(encoding="utf-8")) for p in kit.GRADER.glob("*.py")
    }
    assert sum(count.values()) <= MOST, count
    assert {p.name for p in (kit.ROOT / "gantut" / "grading").glob("*.py")} == {
        "__init__.py",
        "checker.py",
        "compare.py",
    }


# The aim of issue 22 was 700. The judge, the room, what runs in it and their messages are 560; files
# of any kind, 150; processes, options, interruption and going on, 230; tables, pages, points by hand,
# exports and likeness, 150. The page's HTML stands in a template, page.html.
MOST = 1_095
