"""Read and run test files in otter-grader's exception-based format.

Standard library only: a student needs nothing else.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable
from typing import Any, NamedTuple

# What stands above the tests of every file that .ci/assignments.py writes; a test needs no imports
# of its own for these.
HEADER = """\
import math

import torch
import torch.nn.functional as F
from torch import nn

from gantut import data, networks
from gantut.grading import alone, hold, inside
"""
OTTER = "from otter.test_files import test_case"


class Raised(Exception):  # noqa: N818 - it tells of an error elsewhere
    """What a student's code raised in its own process: kind and text."""


class Case(NamedTuple):
    """One test: its name, whether students see it, its points (None: an equal share), and the
    function.
    """

    name: str
    hidden: bool
    points: float | None
    function: Callable[..., None]


class Question(NamedTuple):
    """The tests of a question, in order."""

    name: str
    points: float
    cases: list[Case]


def read_tests(source: str) -> Question:
    """The question that a test file describes. The file is executed: it must be one of yours.

    Raises:
        ValueError: it is no test file in this format.
    """
    cases: list[Case] = []

    def test_case(
        points: float | None = None, hidden: bool = False, **_: Any
    ) -> Callable[[Any], Any]:
        def register(function: Callable[..., None]) -> Callable[..., None]:
            cases.append(Case(function.__name__, hidden, points, function))
            return function

        return register

    space: dict[str, Any] = {"test_case": test_case, "__name__": "tests"}
    source = source.replace(OTTER, "")
    # ``inside`` finds the source of what it sends by the file's name.
    file = f"<tests {hash(source):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec"), space)
    if not isinstance(space.get("name"), str) or space.get("OK_FORMAT", True):
        raise ValueError(
            "not a test file of the exception-based format: it wants name and OK_FORMAT = False"
        )
    return Question(space["name"], float(space.get("points") or 0), cases)


def shares(points: float, each: list[float | None]) -> list[float]:
    """The points of each test: what it says, and an equal share of the rest, as in otter-grader."""
    open_ = each.count(None)
    rest = points - sum(p for p in each if p is not None)
    return [rest / open_ if p is None else float(p) for p in each]


def run_case(case: Case, space: Any) -> str | None:
    """None when the test passes, else a sentence for the student.

    ``space`` gives a student's objects by name: a notebook's globals, or a submission elsewhere.
    """
    names = list(inspect.signature(case.function).parameters)
    given = {name: space if name == "env" else space.get(name) for name in names}
    missing = [name for name in names if given[name] is None or given[name] is ...]
    if missing:
        return f"{', '.join(f'`{name}`' for name in missing)} is not there yet"
    try:
        case.function(**given)
        return None
    except AssertionError as error:
        message = str(error) or "the assertion failed"
    except Raised as error:
        message = f"it raises {error}"
    except Exception as error:  # a student's code may raise anything, and answer anything
        message = f"it raises {type(error).__name__}: {error}"
    hint = "NoneType" in message or "ellipsis" in message
    return message + " (is there still a `...` in your code, or is a `return` missing?)" * hint


class Result:
    """What ``Checker.check`` shows."""

    def __init__(self, name: str, passed: list[str], failed: list[tuple[str, str]]) -> None:
        self.name, self.passed, self.failed = name, passed, failed

    def __repr__(self) -> str:
        total = len(self.passed) + len(self.failed)
        lines = [f"{self.name}: {len(self.passed)} of {total} visible tests pass"]
        lines += [f"  FAILS {name}: {message}" for name, message in self.failed]
        if not self.failed:
            lines[0] += " (hidden tests run when it is graded)"
        return "\n".join(lines)


class Checker:
    """Run a question's visible tests on the objects of a notebook: ``Checker(tests,
    globals()).check("q1")``.
    """

    silent = False  # while a submission is graded, its own checks need no time

    def __init__(self, tests: dict[str, str], space: dict[str, Any]) -> None:
        self.tests, self.space = tests, space

    def check(self, name: str) -> Result | None:
        """The result of one question; it prints itself as a cell's last value.

        Raises:
            ValueError: there is no such question.
        """
        if self.silent:
            return None
        if name not in self.tests:
            raise ValueError(f"no question {name!r}; there are {', '.join(self.tests)}")
        passed, failed = [], []
        for case in read_tests(self.tests[name]).cases:
            message = run_case(case, self.space)
            if message is None:
                passed.append(case.name)
            else:
                failed.append((case.name, message))
        return Result(name, passed, failed)
