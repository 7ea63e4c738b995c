"""What runs in the sandbox, beside a student's code: IPython runs the cells, and requests get
answers.

Nothing that it says is believed. It sends plain data, and the trusted process judges them. Each
question is answered by a fork of its own, so what happens in one costs no other.
"""

from __future__ import annotations

import importlib.abc
import os
import resource
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

import wire
from gantut.grading import checker

LONGEST = 600


class Absent(importlib.abc.MetaPathFinder):
    """Says why a room of the library is not there."""

    def __init__(self, rooms: list[str]) -> None:
        self.rooms = rooms

    def find_spec(self, name: str, *_: Any) -> None:
        if any(f"{name}.".startswith(f"{room}.") for room in self.rooms):
            raise ModuleNotFoundError(f"{name} is not there when this assignment is graded")


def shell() -> Any:
    """IPython as a notebook has it, without history and colours."""
    from IPython.core import interactiveshell
    from traitlets.config import Config

    kind: Any = interactiveshell.InteractiveShell
    kind.enable_gui = lambda *_, **__: None  # `%matplotlib inline` asks for one
    settings = {"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "NoColor"}}
    return kind.instance(config=Config(settings))


def run_cell(ipython: Any, text: str) -> str:
    """Run one cell; what went wrong, or nothing. An exception ends this cell alone, an exit too."""
    try:
        result = ipython.run_cell(text, store_history=False)
        error = result.error_before_exec or result.error_in_exec
    except BaseException as outside:
        error = outside
    if error is None:
        return ""
    steps = traceback.walk_tb(error.__traceback__)
    own = [line for frame, line in steps if frame.f_globals is ipython.user_ns]
    line = own[-1] if own else getattr(error, "lineno", None)
    return f"line {line}: {said(error)}" if line else said(error)


def said(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:LONGEST]
    except BaseException:
        return type(error).__name__[:LONGEST]


def answer(request: dict[str, Any], space: dict[str, Any]) -> bytes:
    """One request about the student's objects: what one is, or what a call of it gives."""
    try:
        found: Any = space.get(request["name"])
        if request["source"]:  # a function of a test, which finds what each test file imports
            stage: dict[str, Any] = {}
            exec(compile(checker.HEADER + request["source"], "<test>", "exec"), stage)
            found = stage[request["name"]]
        if request["arguments"] is not None:
            found = found(*request["arguments"], **request["keywords"])
        return wire.pack({"value": found, "error": ""})
    except BaseException as error:
        return wire.pack({"value": None, "error": said(error)})


def serve(pipe: Connection, space: dict[str, Any], cpu: float) -> None:
    """Answer the requests of one question, in a fork; never returns."""
    try:
        import torch

        torch.set_num_threads(1)  # threads of the process before do not live on in a fork
        torch.manual_seed(0)
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu) + 1, int(cpu) + 1))
        while (request := wire.receive(pipe, space.get)) != "end":
            pipe.send_bytes(answer(request, space))
    finally:
        os._exit(0)


def main() -> None:
    pipe, null = Connection(os.dup(0)), os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    order = wire.receive(pipe)
    sys.meta_path.insert(0, Absent(order["absent"]))
    import torch

    torch.set_num_threads(1)
    checker.Checker.silent = True
    for kind, limit in order["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), (limit, limit))
    ipython = shell()
    wire.send(pipe, {"ready": True})
    os.dup2(null, 2)
    while True:
        order = wire.receive(pipe)
        if "cell" in order:
            wire.send(pipe, {"fault": run_cell(ipython, order["cell"])})
            continue
        wire.send(pipe, {"ready": True})
        child = os.fork()
        if child == 0:
            serve(pipe, ipython.user_ns, order["cpu"])
        _, status = os.waitpid(child, 0)
        wire.send(pipe, {"over": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
