"""Grade a class: `python notebooks/assignments/grader A1-autograder.zip SUBMISSIONS -o grades`.

Writes scores.csv, feedback/NAME.html and records/NAME.json. Points and comments that a person gives
stand in hand.csv, which only a person and `--override` change. What was graded and has not changed
is left alone, so the command can be interrupted and called again.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import math
import multiprocessing as mp
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tqdm import tqdm

import judge
import room
import sheets
import submissions
from gantut.files import locked, put
from judge import Record
from submissions import Bundle, Submission

Job = tuple[Submission, list[str] | None]
ENDS = {signal.SIGINT, signal.SIGTERM}
STAYS = {"due": "", "late": 10.0, "hide_hidden": False}


def work(pipe: Connection, grade: Callable[..., Record], job: Job) -> None:
    """A trusted process grades one submission."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exit closes the room
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
    begin, (submission, only) = time.monotonic(), job
    try:
        record = grade(submission, only=only)
    except Exception as error:  # one submission must not cost the others
        record = failed(f"{type(error).__name__}: {error}")
    pipe.send({**record, "seconds": round(time.monotonic() - begin, 1)})


def failed(why: str) -> Record:
    return {**judge.blank("failed", f"the grader failed, grade it again: {why}"), "seconds": 0.0}


def run(jobs: list[Job], most: int, grade: Any, finish: Callable[[Job, Record], None]) -> None:
    """Grade some submissions at a time, each in a process of its own, and hand on each record."""
    context: Any = mp.get_context("fork" if sys.platform == "linux" else "spawn")
    busy: dict[Any, Any] = {}
    try:
        while jobs or busy:
            while jobs and len(busy) < most:
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=work, args=(theirs, grade, jobs[0]))
                # An interruption in between would leave a process that nobody knows.
                signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
                process.start()
                busy[ours] = process, jobs.pop(0)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
                theirs.close()
            for pipe in list[Any](wait(list(busy))):
                process, job = busy.pop(pipe)
                try:
                    record = pipe.recv()
                except (EOFError, OSError):
                    record = failed("its process ended")
                process.join()
                finish(job, record)
    finally:
        until = time.monotonic() + 1.5
        for process, _ in busy.values():
            process.terminate()
        for process, _ in busy.values():
            process.join(max(0.0, until - time.monotonic()))
            process.kill()


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="grader", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("bundle", type=Path, help="A1-autograder.zip from `make assignments`")
    add("submissions", type=Path, help="a folder of NAME.ipynb, or of folders with one in each")
    add("-o", "--out", type=Path, default=Path("grades"), help="where all goes (default: grades)")
    add("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="how many at the same time")
    add("--only", nargs="+", metavar="NAME", help="grade these students")
    add("--regrade", nargs="*", metavar="QUESTION", help="grade anew, all questions or these")
    more: dict[str, Any] = {"nargs": 2, "action": "append", "default": []}
    add("--override", **more, metavar=("NAME", "Q=POINTS"), help="give points, as in hand.csv")
    add("--due", type=day, help="2026-12-01T23:59, by the files' times, or: none")
    add("--late", type=float, help="percent that a day late costs (default: 10)")
    both = argparse.BooleanOptionalAction
    add("--hide-hidden", action=both, help="pages do not tell what a hidden test found")
    kinds = "|".join(sheets.PLATFORMS)
    add("--export", **more, metavar=(kinds, "FILE"), help="fill a platform's own table")
    add("--unsafe", action="store_true", help="grade without isolation: only code that you trust")
    said = parser.parse_args(argv)
    if wrong := [kind for kind, _ in said.export if kind not in sheets.PLATFORMS]:
        parser.error(f"there is no export for {wrong[0]}; there are {kinds}")
    return said


def day(text: str) -> str:
    return "" if text == "none" else datetime.datetime.fromisoformat(text).isoformat()


def settle(said: argparse.Namespace) -> None:
    """What stays as it was said: a call without --due must not change the points of the one before.

    Raises:
        ValueError: the file of settings was changed, and cannot be read any more.
    """
    path = said.out / "settings.json"
    try:
        before = STAYS | (json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})
    except (ValueError, TypeError):
        raise ValueError(f"{path} cannot be read: delete it, and say --due again") from None
    now = {k: v if getattr(said, k) is None else getattr(said, k) for k, v in before.items()}
    vars(said).update(now)
    store(path, json.dumps(now, indent=1) + "\n")


def stored(path: Path) -> Record:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if {"status", "results", "answers", "seconds"} <= record.keys() else {}
    except (OSError, ValueError, AttributeError):
        return {}


def store(path: Path, text: str) -> None:
    put(path, text.encode(errors="replace"))


def by_hand(said: argparse.Namespace, bundle: Bundle, names: list[str]) -> dict[str, Any]:
    """What stands in hand.csv, by student; lines for new students are added at its end.

    Raises:
        ValueError: an override names nobody, or no question.
    """
    path, asked = said.out / "hand.csv", [q["name"] for q in bundle.questions]
    there = sheets.rows(path) if path.exists() else []
    lines: dict[str, Any] = {row.get("student", "").lstrip("'"): row for row in there}
    new = {name: {"student": name} for name in names if name not in lines}
    lines |= new
    for name, change in said.override:
        question, _, value = change.partition("=")
        if name not in lines or question not in asked or sheets.points(value) is None:
            raise ValueError(f"--override {name} {change} wants a student, a question and points")
        lines[name][question] = value
    if new or said.override:
        if there:
            put(path.with_suffix(".csv.bak"), path.read_bytes())
        columns = ["student", *asked, sheets.LATE, sheets.COMMENT]
        columns += [f"{name} {sheets.COMMENT}" for name in asked]
        columns = list(dict.fromkeys([*columns, *(c for row in there for c in row)]))
        body = [[row.get(c, "") for c in columns] for row in [*there, *new.values()]]
        store(path, sheets.table(columns, body))
    return lines


def publish(path: Path, text: str, mark: Path) -> Path:
    """Write a table, unless a person has changed what stands there: then beside it."""
    there = submissions.digest(path.read_bytes()) if path.exists() else ""
    if there and (not mark.exists() or mark.read_text() != there):
        print(f"{path} was changed by hand and is left alone.")
        path = path.with_name("scores.new.csv")
    else:
        store(mark, submissions.digest(text.encode(errors="replace")))
    store(path, text)
    return path


class Class:
    """The submissions of a class, their records, and what is written from them."""

    def __init__(self, said: argparse.Namespace) -> None:
        self.said, self.bundle = said, submissions.load(said.bundle)
        found = submissions.find(said.submissions)
        self.read = {one[0]: submissions.read(*one, self.bundle) for one in found}
        self.records: dict[str, Record] = {}
        self.open: list[Job] = []
        self.again: list[Job] = []
        if unknown := set(said.only or ()) - set(self.read):
            raise ValueError(f"no submission of {', '.join(sorted(unknown))}")
        for name, submission in self.read.items():
            before = stored(said.out / "records" / f"{name}.json")
            same = before.get("submission") == submission.digest and before["status"] != "failed"
            if same and (said.regrade or before.get("bundle") == self.bundle.digest):
                self.records[name] = before
            if name not in self.records or said.regrade is not None:
                part = said.regrade or None if name in self.records else None
                self.open += [(submission, part)] * (said.only is None or name in said.only)

    def grade(self, kind: str) -> None:
        """Grade what is open; what was slow runs once more, alone."""
        self.kind = kind
        granted = {} if kind == "container" else room.groups()
        print(room.KINDS[kind].said, *[room.LIMITED[bool(granted)]] * (kind != "container"))
        bundle = self.bundle
        open_room = functools.partial(room.Room, kind, granted, bundle.limits, bundle.absent)
        grade = functools.partial(judge.grade, bundle=bundle, open_room=open_room)
        done = len(self.read) - len(self.open)
        with tqdm(total=len(self.read), initial=done, desc=bundle.name, unit="student") as bar:

            def first(job: Job, record: Record) -> None:
                self.finish(job, record)
                bar.update()

            room.sweep(granted)
            run(self.open, max(1, self.said.jobs), grade, first)
            again, self.again = self.again, []
            run(again, 1, grade, self.finish)
            room.sweep(granted)

    def finish(self, job: Job, record: Record) -> None:
        (submission, only), name = job, job[0].student
        if only is not None and record["status"] == "graded":
            record["results"] = {**self.records[name]["results"], **record["results"]}
        record |= {"student": name, "submission": submission.digest, "bundle": self.bundle.digest}
        record["isolation"] = self.kind
        record |= {"answers": submission.answers, "handed_in": submission.handed_in}
        self.records[name] = record
        text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
        store(self.said.out / "records" / f"{name}.json", text)
        if record["late"]:
            self.again.append((submission, record["late"]))

    def write(self) -> None:
        """All tables and pages, from records and hand."""
        said, bundle, results = self.said, self.bundle, []
        hand = by_hand(said, bundle, list(self.read))
        due = datetime.datetime.fromisoformat(said.due or "1970-01-02")
        graded = [name for name in self.read if name in self.records]
        for name in graded:
            record = self.records[name]
            late = record["handed_in"] - due.timestamp() if said.due else 0.0
            days = max(0, math.ceil(late / 86400))
            results.append(sheets.Result(record, bundle, hand.get(name, {}), said.late, days))
            page = sheets.page(results[-1], bundle, not said.hide_hidden)
            store(said.out / "feedback" / f"{name}.html", page)
        own = {n: (s.digest, s.own(bundle)) for n, s in self.read.items() if not s.fault}
        text = sheets.scores(results, bundle, sheets.alike(own))
        path = publish(said.out / "scores.csv", text, said.out / "records" / "scores.sha256")
        for kind, template in said.export:
            text, unknown = sheets.export(kind, Path(template), results, bundle)
            store(said.out / f"{kind}.csv", text)
            print(f"{said.out / kind}.csv; not in {template}: {', '.join(unknown) or 'nobody'}")
        states = Counter(self.records[name]["status"] for name in graded)
        each = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        print(f"{len(graded)} of {len(self.read)} students: {each}")
        print(f"Due {said.due}, {said.late:g} % a day" if said.due else "No date due.")
        print(f"{path}\n{said.out / 'feedback'}\nPoints by hand: {said.out / 'hand.csv'}")


def main(argv: list[str] | None = None) -> int:
    said = arguments(argv)
    for number in ENDS:  # also where a shell starts it in the background
        signal.signal(number, signal.default_int_handler)
    try:
        whole = Class(said)
        kind = "unsafe" if said.unsafe else room.best()
        if kind is None:
            print(f"Not graded: no isolation works here. {room.INSTALL}", file=sys.stderr)
            return 3
        with locked(said.out, ValueError, "grades into"):
            settle(said)
            whole.grade(kind)
            whole.write()
        return 0 if said.only or len(whole.records) == len(whole.read) else 1
    except KeyboardInterrupt:
        print("\nInterrupted: what is done is kept.", file=sys.stderr, flush=True)
        os._exit(130)  # what Python would do on its way out takes longer than all of this
    except (ValueError, OSError) as error:
        print(f"grader: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
