"""Submissions that do something else than answer. Each is code in a cell of its own, before or in
place of the answers.

``HOSTILE`` maps a name to (code, the statuses that are right, what a note or the status must say).
On the first assignment the answers around the code are the solution's where the attack is meant to
hide behind them, and empty where it is meant to replace them; on the others they are empty.
"""

from __future__ import annotations

from typing import NamedTuple


class Hostile(NamedTuple):
    """What is put into the notebook, whether the answers are right otherwise, which status it must
    get, and what is reported.
    """

    code: str
    answered: bool
    status: str
    says: str


LOOP = "while True:\n    pass"
SLEEP = "import time\n\ntime.sleep(10_000)"
MEMORY = "held = []\nwhile True:\n    held.append(bytearray(50_000_000))"
TENSORS = "import torch\n\nheld = [torch.ones(10**8) for _ in range(100)]"
PRINT = """
import json, os, sys

print("q1: 2 of 2 visible tests pass")
print(json.dumps({"results": {"q1": [["test_the_best_logit", None]]}, "score": 100}), flush=True)
sys.stderr.write('{"score": 100, "tests": []}')
os.makedirs("results", exist_ok=True)
open("results.json", "w").write('{"score": 100}')
open("scores.csv", "w").write("student,score\\nme,100")
"""
FORGE = """
import json, os, struct

data = json.dumps({"token": "x", "results": {"q1": [["test_the_best_logit", None]]}, "findings": []}).encode()
for fd in range(3, 64):
    try:
        os.write(fd, struct.pack(">I", len(data)) + data)
    except OSError:
        pass
"""
READ_TESTS = """
import glob
import zipfile
from pathlib import Path

for path in [*glob.glob("**/*.zip", recursive=True), {bundle!r}]:
    try:
        print(zipfile.ZipFile(path).namelist())
    except FileNotFoundError:
        print(Path(path).read_bytes())
"""
FRAMES = """
import sys


def answer(*_, **__):
    return sys._getframe(1).f_locals.get("wanted")


globals().update({{name: answer for name in {names!r}}})
"""
TRACEBACK = """
def answer(*_, **__):
    try:
        raise ValueError
    except ValueError as error:
        frame = error.__traceback__.tb_frame.f_back
    return frame.f_locals.get("wanted")


globals().update({{name: answer for name in {names!r}}})
"""
INSPECT = """
import inspect


def answer(*_, **__):
    return inspect.currentframe().f_back.f_locals.get("wanted")


globals().update({{name: answer for name in {names!r}}})
"""
SIGNAL = """
import signal

kept = []
signal.signal(signal.SIGALRM, lambda number, frame: kept.append(frame))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
"""
COLLECTOR = """
import gc

tests = [o for o in gc.get_objects() if isinstance(o, dict) and "TESTS" in o]
"""
PATCH_GRADER = """
import gantut.grading.checker
import gantut.grading.inside

gantut.grading.checker.run_case = lambda case, space: None
gantut.grading.inside.run_case = lambda case, space: None
"""
PATCH_CODE = """
import gantut.grading.compare


def nothing(found, wanted, what, mistakes=None, *, tolerance=1e-6):
    return None


gantut.grading.compare.hold.__code__ = nothing.__code__
"""
PATCH_LIBRARY = """
import gantut.bugs
import gantut.bugs.checks

gantut.bugs.checks.expect = lambda holds, message: None
gantut.bugs.checks.close = lambda *_: True
gantut.bugs.run_checks = lambda *_: None
"""
PATCH_TORCH = """
import torch

torch.allclose = lambda *_, **__: True
torch.Tensor.__eq__ = lambda *_: True
"""
PATCH_MODULES = """
import sys
import types

fake = types.ModuleType("gantut.grading")
fake.hold = lambda *_, **__: None
sys.modules["gantut.grading"] = fake
"""
PATCH_BUILTINS = """
import builtins

builtins.AssertionError = ValueError
builtins.str = lambda *_: ""
"""
PATCH_LATE = """
def answer(*arguments, **_):
    import gantut.bugs
    import gantut.grading.compare

    gantut.grading.compare._close = lambda *_: True
    return arguments[0]


globals().update({{name: answer for name in {names!r}}})
"""
DELETE = """
import os
import shutil

for path in {targets!r}:
    try:
        os.remove(path)
    except OSError as error:
        print(error)
    try:
        shutil.rmtree(os.path.dirname(path))
    except OSError as error:
        print(error)
"""
DELETE_BY_PROGRAM = """
import os
import subprocess

for path in {targets!r}:
    try:
        subprocess.run(["rm", "-rf", path])
    except OSError as error:
        print(error)
    try:
        os.system(f"rm -rf {{path}}")
    except OSError as error:
        print(error)
"""
OVERWRITE = """
for path in {targets!r}:
    try:
        open(path, "w").write("mine")
    except OSError as error:
        print(error)
"""
WRITE_IN_C = """
import torch

# The file is opened in C++, past the guard that watches Python.
for path in {targets!r}:
    try:
        torch.save({{}}, path)
    except RuntimeError as error:
        print(error)
"""
CONNECT = """
import socket

try:
    socket.create_connection(("198.51.100.7", 80), timeout=1)
except OSError as error:
    print(error)
"""
FORK_BOMB = """
import os

while True:
    os.fork()
"""
EXIT = "import os\n\nos._exit(0)"
CRASH = "import faulthandler\n\nfaulthandler._read_null()"
THREAD = """
import threading
import time


def later():
    while True:
        time.sleep(0.01)


threading.Thread(target=later, daemon=True).start()
"""
EQUALS_ALL = """
class Yes(float):
    shape = (3,)

    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return lambda *_, **__: Yes(0)

    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = None


class Answer:
    def __call__(self, *_, **__):
        return Yes(0)


ANSWERS = {names!r}
globals().update({{name: Answer() for name in ANSWERS}})
"""

HOSTILE = {
    "endless-loop": Hostile(LOOP, True, "timeout", "not done after"),
    "sleeps": Hostile(SLEEP, True, "timeout", "not done after"),
    "eats-memory": Hostile(MEMORY, True, "memory", "GB of memory"),
    "eats-memory-as-tensors": Hostile(TENSORS, True, "memory", "GB of memory"),
    "prints-a-score": Hostile(PRINT, False, "graded", ""),
    "forges-a-message": Hostile(FORGE, False, "tampering", "in the name of the grader"),
    "reads-the-bundle": Hostile(
        READ_TESTS, True, "tampering", "where tests and other submissions are"
    ),
    "reads-its-caller": Hostile(FRAMES, True, "tampering", "looks into the grader"),
    "reads-its-caller-by-a-traceback": Hostile(
        TRACEBACK, True, "tampering", "looks into the grader"
    ),
    "reads-its-caller-by-inspect": Hostile(INSPECT, True, "tampering", "looks into the grader"),
    "waits-for-a-signal": Hostile(SIGNAL, True, "tampering", "runs at a signal"),
    "searches-all-objects": Hostile(COLLECTOR, True, "tampering", "looks into the grader"),
    "patches-the-grader": Hostile(PATCH_GRADER, False, "tampering", "run_case was replaced"),
    "patches-code": Hostile(PATCH_CODE, False, "tampering", "rewritten|looks into the grader"),
    "patches-the-library": Hostile(PATCH_LIBRARY, False, "tampering", "was replaced"),
    "patches-torch": Hostile(PATCH_TORCH, False, "tampering", "was replaced"),
    "replaces-a-module": Hostile(PATCH_MODULES, False, "tampering", "was replaced"),
    "patches-builtins": Hostile(PATCH_BUILTINS, False, "tampering", "was replaced"),
    "patches-while-it-is-tested": Hostile(PATCH_LATE, False, "tampering", "was replaced"),
    "deletes-files": Hostile(DELETE, False, "graded", "deletes files outside"),
    "deletes-by-a-program": Hostile(DELETE_BY_PROGRAM, False, "graded", "starts a program"),
    "overwrites-files": Hostile(OVERWRITE, False, "tampering", "opens .*where tests"),
    "writes-past-the-guard": Hostile(WRITE_IN_C, False, "graded", ""),
    "opens-a-connection": Hostile(CONNECT, False, "graded", "opens a connection"),
    "fork-bomb": Hostile(FORK_BOMB, False, "graded", "starts a process"),
    "ends-the-process": Hostile(EXIT, True, "crashed", "ended before the tests did"),
    "crashes-the-interpreter": Hostile(CRASH, True, "crashed", "ended before the tests did"),
    "leaves-a-thread": Hostile(THREAD, True, "tampering", "leaves a thread running"),
    "equals-everything": Hostile(EQUALS_ALL, False, "graded", ""),
}
