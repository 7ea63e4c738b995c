"""What the tests of the assignments share: masters, builds, notebooks with changes, and one call of
the grader.
"""

from __future__ import annotations

import atexit
import copy
import functools
import importlib
import inspect
import itertools
import json
import linecache
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
import warnings
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import assignments
import nbformat
import pytest
import torch

from gantut.grading import checker
from gantut.grading.checker import Checker, read_tests

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GRADER = ROOT / "notebooks" / "assignments" / "grader"
sys.path.insert(0, str(GRADER))

import inside
import judge
import room
import submissions
import wire

MASTERS = {path.stem.split("-")[0]: path for path in sorted(assignments.MASTERS.glob("A*.ipynb"))}


class Built(NamedTuple):
    """One assignment's build."""

    name: str
    master: nbformat.NotebookNode
    student: nbformat.NotebookNode
    solution: nbformat.NotebookNode
    bundle: Path


def build(name: str, folder: Path) -> Built:
    made = assignments.build(MASTERS[name], folder)
    student, solution = (
        nbformat.read(next((made / kind).glob("*.ipynb")), as_version=4)
        for kind in ("student", "solution")
    )
    return Built(
        name,
        nbformat.read(MASTERS[name], as_version=4),
        student,
        solution,
        made / f"{name}-autograder.zip",
    )


@functools.cache
def built(name: str) -> Built:
    """The build that the tests of one process share."""
    folder = tempfile.mkdtemp(prefix="gantut-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(name, Path(folder))


def questions(built: Built) -> list[dict[str, Any]]:
    return assignments.questions(built.master)


def solution_cells(master: nbformat.NotebookNode) -> dict[str, str]:
    """The source of each question's solution cell."""
    return {
        tag.removeprefix("solution-"): cell.source
        for cell in master.cells
        for tag in cell.metadata.get("tags", [])
        if tag.startswith("solution-")
    }


def scaffolds(built: Built) -> dict[str, str]:
    """What stands in the student's notebook where each tested question is answered."""
    found, cells = dict[str, str](), [c for c in built.student.cells if c.cell_type == "code"]
    for before, cell in itertools.pairwise(cells):
        if (check := re.fullmatch(r'grader\.check\("(\w+)"\)', cell.source.strip())) is not None:
            found[check[1]] = before.source
    return found


def with_answers(built: Built, answers: dict[str, str]) -> nbformat.NotebookNode:
    """The solution, with code appended to the answers to these questions."""
    notebook = copy.deepcopy(built.solution)
    for question, code in answers.items():
        first = solution_cells(built.master)[question].split("\n")[0].partition("  # SOLUTION")[0]
        cells = [
            cell
            for cell in notebook.cells
            if cell.cell_type == "code" and cell.source.startswith(first)
        ]
        cells[-1].source += f"\n\n{code}"
    return notebook


def declared(name: str) -> Any:
    """The module wrong_A1 and so on."""
    sys.path.insert(0, str(HERE))
    try:
        return importlib.import_module(f"wrong_{name}")
    finally:
        sys.path.remove(str(HERE))


def among(name: str) -> dict[str, str]:
    """The quick right answers among which the others stand."""
    return getattr(declared(name), "AMONG", {})


@functools.cache
def answered(name: str) -> tuple[submissions.Bundle, dict[str, Any]]:
    """The bundle, and the globals of a solution that has run here."""
    made = built(name)
    bundle, space = submissions.load(made.bundle), {"__name__": "__main__"}
    notebook = with_answers(made, among(name))
    shown = set(bundle.looks)
    Checker.silent = True
    try:
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code" and cell.source.strip() not in shown:
                run(f"<cell {number} of {name}>", cell.source, space)
    finally:
        Checker.silent = False
    return bundle, space


def run(name: str, source: str, space: dict[str, Any]) -> None:
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec"), space)


# What changes more than the names that it binds: after such an answer all is asked.
CHANGES_MORE = re.compile(r"^\w+\.[\w.]+ *=|setattr|set_default|exec\(", re.M)


def reaches(name: str, space: dict[str, Any], bound: set[str]) -> bool:
    """Whether one of these names, bound anew, may have a part in what this name stands for."""
    seen, todo = set[str](), [name]
    while todo:
        name = todo.pop()
        if name in bound:
            return True
        codes = [getattr(space.get(name), "__code__", None)] if name not in seen else []
        seen.add(name)
        while codes:
            code = codes.pop()
            if isinstance(code, types.CodeType):
                codes += code.co_consts
                todo += [n for n in code.co_names if n in space]
    return False


def asked(name: str, code: str) -> dict[str, list[str]]:
    """The questions that lose points with this code after the solution, and what their tests say.

    It runs in a fork, and asks as the grader asks: through messages, as if it were elsewhere. A
    test all of whose arguments are the solution's own, with all that they reach, is left out: the
    solution passes it, as its notebook shows.
    """
    bundle, space = answered(name)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            warnings.simplefilter("ignore")  # they fail a test of ours, and in a room they do not
            before = dict(space)
            run("<answer>", code, space)
            bound = {n for n in space if n not in before or before[n] is not space[n]}
            every, found = CHANGES_MORE.search(code), dict[str, list[str]]()

            def ask(request: dict[str, Any]) -> Any:
                request = wire.unpack(wire.pack(request), space.get)
                return wire.unpack(inside.answer(request, space))

            for question, source in bundle.tests.items():
                torch.manual_seed(0)
                tests = read_tests(source)
                cases = [
                    case
                    for case in tests.cases
                    for given in [inspect.signature(case.function).parameters]
                    if every or any(reaches(n, space, bound) for n in given)
                ]
                tests = tests._replace(cases=cases)
                results = list(judge.tests(tests, judge.Remote(ask)))
                if any(message for _, message in results):
                    found[question] = [message for _, message in results if message]
            data = json.dumps(found).encode()
        except BaseException as error:
            data = json.dumps({"": [f"{type(error).__name__}: {error}"]}).encode()
        with os.fdopen(write, "wb") as pipe:
            pipe.write(data)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return json.loads(data)


def with_cell(notebook: nbformat.NotebookNode, code: str) -> nbformat.NotebookNode:
    notebook = copy.deepcopy(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    return notebook


def grade(
    bundle: Path, folder: Path, out: Path, *options: str, check: bool = True
) -> dict[str, dict[str, Any]]:
    """The stored record of every student, after one call of the command."""
    done = command(bundle, folder, out, *options)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((out / "records").glob("*.json"))
    }


def store(made: nbformat.NotebookNode, path: Path) -> None:
    path.write_text(nbformat.writes(made), encoding="utf-8")


def command(bundle: Path, folder: Path, out: Path, *options: str) -> Any:
    line = [sys.executable, str(GRADER), str(bundle), str(folder), "-o", str(out), "-j", "2"]
    return subprocess.run([*line, *options], capture_output=True, text=True, check=False)


def lost(record: dict[str, Any]) -> dict[str, list[str]]:
    """The questions that lost points, with the messages of their failing tests."""
    return {
        name: [message for _, message in results if message is not None]
        for name, results in record["results"].items()
        if any(message is not None for _, message in results)
    }


# -- a small assignment, and a room

TESTS = """{otter}

import torch

from gantut.grading import alone, hold, inside

OK_FORMAT = False

name = "q{n}"
points = 2

@test_case(points=None, hidden=False)
def test_numbers_{n}(f{n}):
    hold(f{n}(torch.tensor([1.0, 2.0, 3.0])), torch.tensor([2.0, 4.0, 6.0]), "your numbers")

@test_case(points=None, hidden=True)
def test_slopes_{n}(f{n}):
    def there(f, x):
        x = x.requires_grad_()
        return torch.autograd.grad(f(x).sum(), x)[0]

    x = torch.randn(5, generator=torch.Generator().manual_seed({n}))
    wanted = 2 * x
    hold(f{n}(x), wanted, "your random numbers")
    hold(inside(there, f{n}, x), torch.full((5,), 2.0), "your slope")
"""


def small(path: Path, questions: int, **limits: Any) -> Path:
    """The bundle of an assignment that wants functions f1, f2, … which double numbers."""
    asked, files = [], {}
    for n in range(1, questions + 1):
        tests = [(f"test_numbers_{n}", False), (f"test_slopes_{n}", True)]
        about = {"name": f"q{n}", "title": f"Question {n}: double", "points": 2.0, "manual": False}
        about["tests"] = [{"name": t, "hidden": h, "points": None} for t, h in tests]
        asked.append({**about, "rubric": [], "prompt": f"## Question {n}: double"})
        files[f"tests/q{n}.py"] = TESTS.format(otter=checker.OTTER, n=n)
    words = {"name": "q99", "title": "Question 99: words", "points": 3.0, "manual": True}
    rubric = [[1.5, "says $\\frac{1}{2}$"], [1.5, "says why"]]
    asked.append(
        {**words, "tests": [], "rubric": rubric, "prompt": "## Question 99: words\n\nWhy?"}
    )
    index = {
        "name": "A0", "title": "A0: small", "questions": asked, "forbidden": ["gantut.losses"], "looks": {}, "given": [],
        "limits": {"cpu": 6, "wall": 150, "idle": 6, "memory": 1_500_000_000, **limits},
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("gantut.json", json.dumps(index))
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def notebook(path: Path, *cells: str, words: str = "") -> Path:
    """A notebook with these code cells, and an answer in words."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    for text in ("## Question 99: words, renamed\n\nWhy?", words) if words else ():
        made.cells.append(nbformat.v4.new_markdown_cell(text))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(made), encoding="utf-8")
    return path


def isolated() -> None:
    """Skip where no isolation works, unless it is required."""
    if room.best() is None:
        assert os.environ.get("GANTUT_ISOLATION") != "required", "bubblewrap does not work here"
        pytest.skip("neither bubblewrap nor a container works here")
