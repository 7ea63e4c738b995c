"""The trusted side of one submission: it runs the tests, and only asks the submission's process.

A test's arguments are the student's objects. Plain data arrive as such. A function stays where it
is, and stands here as an ``Answer``: a call sends numbers there and brings numbers back.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from gantut.grading.checker import Question, Raised, read_tests, run_case, shares
from gantut.grading.compare import Answer, Other
from room import WHY, Room, Stopped
from submissions import Bundle, Submission

LONGEST, MOST, OFTEN = 600, 30, 3
Record = dict[str, Any]
Opens = Callable[[], Room]


class Remote:
    """A student's objects by name, as a test wants them.

    ``ask`` sends a request to the submission's process, and gives its answer.
    """

    def __init__(self, ask: Callable[[Record], Record]) -> None:
        self.ask, self.known = ask, dict[str, Any]()

    def request(self, name: str, given: Any = None, named: Any = None, source: str = "") -> Any:
        """A student's object; with arguments what a call of it gives, or of the function with this
        source.

        Raises:
            Raised: the student's code raised something.
        """
        told = self.ask({"name": name, "source": source, "arguments": given, "keywords": named})
        if told.get("error"):
            raise Raised(str(told["error"])[:LONGEST])
        return told["value"]

    def get(self, name: str) -> Any:
        if name not in self.known:
            try:
                found = self.request(name)
            except Raised as error:
                found = Other(f"value that cannot be read ({error})")
            opaque = type(found) is Other
            self.known[name] = Answer(name, found.kind, self._call) if opaque else found
        return self.known[name]

    def _call(self, function: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if isinstance(function, Answer):
            return self.request(function.name, given, named)
        source = textwrap.dedent(inspect.getsource(function))
        return self.request(function.__name__, given, named, source)


def tests(question: Question, space: Any) -> Iterator[tuple[str, str | None]]:
    """(name, message or None) of each test, with a message short enough for a page."""
    for case in question.cases:
        message = run_case(case, space)
        yield case.name, message if message is None else message[:LONGEST]


class Grading:
    """One submission under way: a room that is opened again when something in it had to be stopped,
    without the cell that did it.
    """

    def __init__(self, submission: Submission, bundle: Bundle, open_room: Opens) -> None:
        self.cells, self.open_room = bundle.needed(submission.cells), open_room
        self.room: Room | None = None
        self.left_out: dict[int, str] = {}
        self.errors: list[str] = []
        self.gone: Stopped | None = None

    def ready(self) -> Room:
        """A room in which all cells have run that can.

        Raises:
            Stopped: the cells stop it again and again.
        """
        if self.gone:
            raise self.gone
        while self.room is None:
            self.room, self.errors = self.open_room(), []
            for number, text in self.cells:
                if number in self.left_out:
                    continue
                try:
                    self.room.again()
                    fault = str(self.room.ask({"cell": text}, "fault")["fault"])[:LONGEST]
                except Stopped as stop:
                    self.left_out[number] = f"cell {number} was left out: {stop}"
                    if len(self.left_out) > OFTEN or self.room.clock() > self.room.last_time:
                        self.gone = stop
                        raise
                    self.close()
                    break
                self.errors += [f"cell {number}, {fault}"] * (fault != "")
        return self.room

    def close(self) -> None:
        if self.room is not None:
            self.room.close()
            self.room = None

    def question(self, source: str) -> tuple[list[tuple[str, str | None]], str]:
        """What each test of a question says, and why it was stopped, if it was."""
        question, found = read_tests(source), list[tuple[str, str | None]]()
        try:
            room = self.ready()
            room.question()
            remote = Remote(lambda request: room.ask(request, "value"))
            for one in tests(question, remote):
                found.append(one)
            room.ask("end", "over")
        except Stopped as stop:
            if not stop.alive:
                self.close()
            if len(found) < len(question.cases):
                rest = question.cases[len(found) :]
                return [*found, *((case.name, WHY[stop.why]) for case in rest)], stop.why
        return found, ""


def grade(submission: Submission, bundle: Bundle, open_room: Opens, only: Any = None) -> Record:
    """The record of one submission: what was found for each question, or for those in ``only``."""
    if submission.fault:
        return blank("no notebook", submission.fault)
    grading, results = Grading(submission, bundle, open_room), dict[str, Any]()
    late: list[str] = []
    try:
        for name, source in bundle.tests.items():
            if only is None or name in only:
                results[name], why = grading.question(source)
                late += [name] * (why == "wall")
    finally:
        grading.close()
    errors = [*grading.left_out.values(), *grading.errors][:MOST]
    return {
        "status": "graded", "results": results, "errors": errors, "late": late,
        "notes": submission.notes(bundle),
    }  # fmt: skip


def blank(status: str, note: str) -> Record:
    return {"status": status, "results": {}, "errors": [], "late": [], "notes": [note[:500]]}


def earned(question: dict[str, Any], heard: list[Any]) -> tuple[float, list[dict[str, Any]]]:
    """Points of a question, and its tests with their messages."""
    messages = dict(heard)
    each = shares(question["points"], [t["points"] for t in question["tests"]])
    found = [
        {**test, "points": worth, "message": messages.get(test["name"], "not run")}
        for test, worth in zip(question["tests"], each, strict=True)
    ]
    passed = [t["points"] for t in found if t["message"] is None]
    return (question["points"] if len(passed) == len(found) else round(sum(passed), 2)), found
