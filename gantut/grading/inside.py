"""What happens in the child: the submission's cells run, then the tests arrive and run, then it
ends.

The tests are sent only after the last cell has run, so no cell can read them. Every message carries
a token that the cells are not told.
"""

from __future__ import annotations

import os
import random
import re
import socket
import sys
import time
from typing import Any

from gantut.grading import link
from gantut.grading.checker import Checker, Question, read_tests, run_case
from gantut.grading.guard import STUDENT, Guard

LONGEST = 600


def work(sock: socket.socket, folder: str, secrets: list[str], isolation: list[str]) -> None:
    """Serve one submission."""
    order = link.receive(sock)
    token = order["token"]

    def tell(kind: str, what: str) -> None:
        link.send(sock, {"incident": kind, "what": what[:LONGEST]})

    guard = Guard(folder, secrets, tell)
    Checker.silent = True
    space: dict[str, Any] = {
        "__name__": "__main__",
        "grader": Checker({}, {}),
        "display": lambda *_, **__: None,
    }
    errors, begin = [], time.perf_counter()
    guard.watching = True
    try:
        for number, source in order["cells"]:
            error = run_cell(number, source, space)
            if error:
                errors.append(error)
        guard.watching = False
        findings = guard.findings()
        link.send(
            sock,
            {"token": token, "errors": errors[:30], "isolation": isolation, "findings": findings},
        )
        order = link.receive(sock)
        token = order["token"]
        guard.watching = True
        results, survivors = run_tests(order["tests"], order["canaries"], space)
        guard.watching = False
    except MemoryError:
        guard.watching = False
        space.clear()
        link.send(sock, {"token": token, "stopped": "memory"})
        os._exit(0)
    findings = guard.findings() + [
        f"a wrong answer to {name} passes all tests" for name in survivors
    ]
    seconds = time.perf_counter() - begin
    link.send(sock, {"token": token, "results": results, "findings": findings, "seconds": seconds})


def run_cell(number: int, source: str, space: dict[str, Any]) -> str | None:
    """Run a cell as a notebook would, without its magics; a sentence if it raises.

    Raises:
        MemoryError: the limit is reached.
    """
    if re.match(r"\s*%%(?!time|capture)", source):
        return f"cell {number} begins with a magic and was left out"
    source = re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.M)
    try:
        exec(compile(source, f"{STUDENT}{number}>", "exec"), space)
    except MemoryError:
        raise
    except BaseException as error:  # exit() too: the next cell runs, as in a notebook
        if out_of_memory(error):
            raise MemoryError from None
        line = last_line(error)
        return f"cell {number}{f', line {line}' if line else ''}: {type(error).__name__}: {error}"[
            :LONGEST
        ]
    return None


def out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


def last_line(error: BaseException) -> int | None:
    """The submission's line in which the error arose."""
    line, step = getattr(error, "lineno", None), error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith(STUDENT):
            line = step.tb_lineno
        step = step.tb_next
    return line


def run_tests(
    tests: list[str], canaries: dict[str, str], space: dict[str, Any]
) -> tuple[dict[str, list[tuple[str, str | None]]], list[str]]:
    """(name, message or None) of every test, and the questions whose known wrong answer passes.

    Wrong answers run among the real ones in a random order: a test that has been made to pass
    everything passes them too.
    """
    questions = [read_tests(source) for source in tests]
    jobs: list[tuple[Question, str | None]] = [(q, None) for q in questions]
    jobs += [(q, canaries[q.name]) for q in questions if q.name in canaries]
    random.SystemRandom().shuffle(jobs)
    results: dict[str, list[tuple[str, str | None]]] = {}
    survivors = []
    for question, canary in jobs:
        values = dict(space)
        if canary is not None:
            run_cell(0, canary, values)
        found = []
        for case in question.cases:
            message = run_case(case, values)
            if message and ("MemoryError" in message or "allocate memory" in message):
                raise MemoryError
            found.append((case.name, message[:LONGEST] if message else None))
            if canary is not None and message:
                break
        if canary is None:
            results[question.name] = found
        elif all(message is None for _, message in found):
            survivors.append(question.name)
    return results, survivors


def close_others(*keep: int) -> None:
    """Close every file but the standard ones and those named."""
    low = 3
    for fd in sorted(keep):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 4096)
    sys.stdout.flush()
