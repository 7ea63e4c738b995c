"""Grade a folder of submissions: `python -m gantut.grading BUNDLE.zip SUBMISSIONS -o grades`.

Writes scores.csv, and for each student feedback/NAME.html and feedback/NAME.json. What was graded
before and has not changed is left alone, so it can be interrupted and called again.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from tqdm import tqdm

import gantut
from gantut.files import put
from gantut.grading import bundle as bundles, feedback
from gantut.grading.run import Worker, report

FULL = {"network", "processes", "files"}


def hidden_folders(arguments: argparse.Namespace) -> list[Path]:
    """What a submission must not see: the bundle, the other submissions, the grades, and a
    checkout's masters and tests.
    """
    root = Path(gantut.__file__).resolve().parent.parent
    checkout = (
        ["notebooks", "_build", "tests/assignments", ".git"]
        if (root / "notebooks" / "assignments").is_dir()
        else []
    )
    return [
        arguments.bundle,
        arguments.submissions,
        arguments.out,
        *(root / name for name in checkout),
    ]


def stored(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def store(path: Path, text: str) -> None:
    """Write a file of texts that students wrote, where half of a surrogate pair may stand; no such
    text stops the others' grading.
    """
    put(path, text.encode(errors="replace"))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m gantut.grading", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("bundle", type=Path, help="A1-autograder.zip from `make assignments`")
    parser.add_argument(
        "submissions",
        type=Path,
        help="a folder of NAME.ipynb files, or of folders NAME with one notebook each",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("grades"),
        help="where scores.csv and feedback/ go (default: grades)",
    )
    parser.add_argument(
        "-j",
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="how many at the same time (default: all cores)",
    )
    parser.add_argument(
        "--hide-hidden",
        action="store_true",
        help="feedback pages do not tell what a hidden test found",
    )
    parser.add_argument(
        "--again", action="store_true", help="grade all anew, also what has not changed"
    )
    parser.add_argument(
        "--isolated",
        action="store_true",
        help="refuse to grade where the system grants no namespaces",
    )
    arguments = parser.parse_args(argv)
    try:
        bundle = bundles.load(arguments.bundle)
        students = bundles.find(arguments.submissions)
    except ValueError as error:
        parser.error(str(error))
    pages = arguments.out / "feedback"
    pages.mkdir(parents=True, exist_ok=True)
    records: dict[str, dict[str, Any]] = {}
    open_: queue.SimpleQueue[bundles.Submission] = queue.SimpleQueue()
    for student, path in students:
        submission = bundles.read(student, path, bundle)
        before = None if arguments.again else stored(pages / f"{student}.json")
        if (
            before
            and before["status"] != "failed"
            and [before["submission"], before["bundle"]] == [submission.digest, bundle.digest]
        ):
            records[student] = before
        else:
            open_.put(submission)
    hide, lock, stop = hidden_folders(arguments), threading.Lock(), threading.Event()
    bar = tqdm(total=len(students), initial=len(records), desc=bundle.name, unit="student")

    def finish(record: dict[str, Any]) -> None:
        page = feedback.page(record, bundle.title, not arguments.hide_hidden)
        store(pages / f"{record['student']}.html", page)
        store(
            pages / f"{record['student']}.json",
            json.dumps(record, ensure_ascii=False, indent=1) + "\n",
        )
        with lock:
            records[record["student"]] = record
            bar.update()

    def work(number: int) -> None:
        with Worker(number, hide) as worker:
            while not stop.is_set():
                try:
                    submission = open_.get_nowait()
                except queue.Empty:
                    return
                try:
                    record = worker.grade(submission, bundle)
                    if (
                        arguments.isolated
                        and record["isolation"] is not None
                        and not set(record["isolation"]) >= FULL
                    ):
                        stop.set()
                        return
                except Exception as error:  # one submission must not cost the others
                    worker.stop()
                    record = report(
                        submission,
                        bundle,
                        status="failed",
                        notes=[f"the grader failed: {type(error).__name__}: {error}"],
                    )
                finish(record)

    threads = [
        threading.Thread(target=work, args=(n,))
        for n in range(max(1, min(arguments.jobs, open_.qsize())))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join()
    bar.close()
    ordered = [records[student] for student, _ in students if student in records]
    store(arguments.out / "scores.csv", feedback.table(ordered, bundle.questions))
    return summary(ordered, len(students), arguments)


def summary(records: list[dict[str, Any]], total: int, arguments: argparse.Namespace) -> int:
    kinds: dict[str, int] = {}
    for record in records:
        kinds[record["status"]] = kinds.get(record["status"], 0) + 1
    print(
        f"{len(records)} of {total}: "
        + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    )
    graded = [r["isolation"] for r in records if r["isolation"] is not None]
    missing = sorted(FULL - set.intersection(*map(set, graded))) if graded else []
    if missing:
        print(
            f"Not isolated here: {', '.join(missing)}. Grade code of strangers inside a container or a virtual machine."
        )
    print(f"{arguments.out / 'scores.csv'} and {arguments.out / 'feedback'}")
    if len(records) < total:
        print(
            f"not done{': the system grants no namespaces, as --isolated asks' * arguments.isolated}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
