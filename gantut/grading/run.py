"""Grade one submission: the trusted side.

It reads files and messages, and never executes a submission.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets as tokens
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gantut.grading import link
from gantut.grading.bundle import Bundle, Submission, imports
from gantut.grading.checker import shares

START, GRACE, TAIL = 120, 5, 2000


class Worker:
    """One server process and what it needs; ``with Worker(0, hide) as worker:
    worker.grade(submission, bundle)``.
    """

    def __init__(self, number: int, hide: list[Path]) -> None:
        self.number, self.hide = number, [str(p.resolve()) for p in hide if p.exists()]
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def start(self) -> None:
        self.sock, other = socket.socketpair()
        command = [sys.executable, "-m", "gantut.grading.server", str(other.fileno())]
        self.process = subprocess.Popen(
            command, pass_fds=[other.fileno()], stdin=subprocess.DEVNULL
        )
        other.close()
        self.lines = self.sock.makefile("rb")
        self.sock.settimeout(START)
        if self.lines.readline() != b"ready\n":
            raise RuntimeError("the grading server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.sock.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
            self.process.kill()
            self.process.wait()
            self.process = None

    def grade(self, submission: Submission, bundle: Bundle) -> dict[str, Any]:
        """All that is known about the submission afterwards: status, score, results, notes."""
        if submission.fault:
            return report(submission, bundle, status="no notebook", notes=[submission.fault])
        if self.process is None or self.process.poll() is not None:
            self.start()
        with (
            tempfile.TemporaryDirectory(prefix="gantut-") as folder,
            tempfile.TemporaryFile() as out,
        ):
            ours, theirs = socket.socketpair()
            order = {
                "folder": folder, "hide": self.hide, "secrets": self.hide, "limits": bundle.limits, "number": self.number,
            }  # fmt: skip
            socket.send_fds(
                self.sock, [json.dumps(order).encode()], [theirs.fileno(), out.fileno()]
            )
            theirs.close()
            with ours:
                told = converse(ours, submission, bundle)
            ended = self._ended(hurry=told.get("over") != "done")
            printed = tail(out)
        return judge(submission, bundle, told, ended, printed)

    def _ended(self, hurry: bool) -> dict[str, Any]:
        """Wait for the child's end, and have it killed if need be."""
        self.sock.settimeout(0.01 if hurry else GRACE)
        for _ in range(2):
            try:
                return json.loads(self.lines.readline())
            except (TimeoutError, OSError):
                with contextlib.suppress(OSError):
                    self.sock.send(b"\0")
                # A timed-out reader cannot be used again.
                self.lines = self.sock.makefile("rb")
                self.sock.settimeout(GRACE)
        self.stop()
        return {"exit": None, "cpu": 0.0, "wall": 0.0}


def converse(sock: socket.socket, submission: Submission, bundle: Bundle) -> dict[str, Any]:
    """Give the child the cells, then the tests; what it said, with ``over``: done, timeout, gone or
    nonsense.
    """
    deadline = time.monotonic() + bundle.limits["wall"]
    told: dict[str, Any] = {"incidents": [], "over": "done"}
    token = tokens.token_hex(16)

    def expect() -> Any:
        while True:
            message = link.receive(sock, deadline)
            if not isinstance(message, dict):
                raise ValueError("a message that is no object")
            if "incident" in message:
                if len(told["incidents"]) < 20:
                    told["incidents"].append((str(message["incident"]), str(message.get("what"))))
            elif message.get("token") == token:
                return message
            else:
                told["incidents"].append(("tampering", "sent a message in the name of the grader"))
                raise ValueError("a forged message")

    try:
        link.send(sock, {"token": token, "cells": submission.cells})
        told |= {"first": expect()}
        if told["first"].get("findings"):
            told["over"] = "caught"  # it gets no tests to see
            return told
        if "stopped" not in told["first"]:
            token = tokens.token_hex(16)
            link.send(sock, {"token": token, "tests": bundle.tests, "canaries": bundle.canaries})
            told |= {"second": expect()}
    except TimeoutError:
        told["over"] = "timeout"
    except (link.Closed, OSError):
        told["over"] = "gone"
    except (ValueError, RecursionError):
        told["over"] = "nonsense"
    return told


def names(value: Any) -> list[str] | None:
    """A list of texts, as it should be, from a message that a submission could have written."""
    return [str(item) for item in value] if isinstance(value, list) else None


def tail(out: Any) -> str:
    size = out.seek(0, os.SEEK_END)
    out.seek(max(0, size - TAIL))
    return out.read().decode("utf-8", errors="replace")


def judge(
    submission: Submission,
    bundle: Bundle,
    told: dict[str, Any],
    ended: dict[str, Any],
    printed: str,
) -> dict[str, Any]:
    """From what was said and how it ended to a status and a score."""
    first, second = told.get("first", {}), told.get("second", {})
    findings = [f for part in (first, second) for f in names(part.get("findings")) or []]
    tampering = [what for kind, what in told["incidents"] if kind == "tampering"] + findings
    blocked = sorted({what for kind, what in told["incidents"] if kind != "tampering"})
    notes = [f"blocked: {what}" for what in blocked]
    notes += [f"imports {module}" for module in imports(submission.cells, bundle.forbidden)]
    limits = bundle.limits
    killed = ended["exit"] in (-9, 137, -24, 152) and ended["cpu"] >= limits["cpu"] - 1
    if tampering:
        status, notes = "tampering", list(dict.fromkeys(tampering))[:5] + notes
    elif told["over"] == "timeout" or killed:
        status = "timeout"
        notes.insert(
            0,
            f"stopped: not done after {limits['wall']} s of time or {limits['cpu']} s of computing",
        )
    elif "stopped" in first or "stopped" in second or "MemoryError" in printed:
        status = "memory"
        notes.insert(0, f"stopped: more than {limits['memory'] / 1e9:.1f} GB of memory")
    elif told["over"] != "done":
        status = "crashed"
        notes.insert(0, f"the process ended before the tests did (exit {ended['exit']})")
    else:
        status = "graded"
    results = second.get("results", {}) if status == "graded" else {}
    return report(
        submission, bundle, status=status, notes=notes, results=results if isinstance(results, dict) else {},
        errors=names(first.get("errors")) or [], isolation=names(first.get("isolation")),
        seconds=round(ended["wall"], 1), printed=printed,
    )  # fmt: skip


def report(
    submission: Submission, bundle: Bundle, *, status: str, notes: list[str], results: dict[str, Any] | None = None, errors: list[str] = (),  # type: ignore[assignment]
    isolation: list[str] | None = None, seconds: float = 0.0, printed: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The record of one submission, as it is stored."""
    questions, score = [], 0.0
    for question in bundle.questions:
        entry = {key: question[key] for key in ("name", "title", "points", "manual")}
        if question["manual"]:
            entry |= {
                "answer": submission.answers.get(question["name"], ""),
                "rubric": question["rubric"],
            }
        else:
            heard = dict(results.get(question["name"], [])) if results else {}
            each = shares(question["points"], [t["points"] for t in question["tests"]])
            tests = []
            for test, worth in zip(question["tests"], each, strict=True):
                message = heard.get(test["name"], "not run")
                message = None if message is None else str(message)
                tests.append({**test, "points": worth, "message": message})
            # An integer where all tests pass, whatever the shares' rounding.
            passed = [t["points"] for t in tests if t["message"] is None]
            entry["earned"] = (
                question["points"] if len(passed) == len(tests) else round(sum(passed), 2)
            )
            entry["tests"] = tests
            score += entry["earned"]
        questions.append(entry)
    return {
        "student": submission.student, "submission": submission.digest, "bundle": bundle.digest, "status": status,
        "score": round(score, 2), "out_of": bundle.out_of, "questions": questions, "notes": notes, "errors": list(errors),
        "isolation": isolation, "seconds": seconds, "printed": re.sub(r"[^\S\n]+", " ", printed)[-TAIL:],
    }  # fmt: skip
