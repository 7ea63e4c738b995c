"""Notice what a submission does beside answering: replaced functions, looks into the grader,
actions outside its folder.

Python has no walls inside a process. This guard sees the known ways; somebody who knows the
interpreter well can pass it. What contains a stranger's code is the process around it
(``sandbox``), and a container or a virtual machine around that.
"""

from __future__ import annotations

import builtins
import gc
import inspect
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

WATCHED = (
    "gantut",
    "torch.nn",
    "torch.autograd",
    "torch.distributions",
    "torch.linalg",
    "torch.optim",
    "torch.testing",
    "torch.func",
)
SINGLE = (
    "builtins",
    "math",
    "os",
    "json",
    "inspect",
    "torch",
    "torch._tensor",
    "torch.functional",
    "torch.random",
    "socket",
    "struct",
)
# Audit events of actions that are stopped, by the place of the path in their arguments; without a
# path they are always stopped.
CHANGES = {
    "os.remove": 0, "os.rmdir": 0, "os.rename": 0, "os.truncate": 0, "os.chmod": 0, "shutil.rmtree": 0, "os.link": 1, "os.symlink": 1,
}  # fmt: skip
ACTIONS = {
    "os.system": "starts a program", "subprocess.Popen": "starts a program", "os.exec": "starts a program",
    "os.posix_spawn": "starts a program", "pty.spawn": "starts a program", "os.fork": "starts a process",
    "os.forkpty": "starts a process", "os.kill": "sends a signal", "os.killpg": "sends a signal",
    "socket.connect": "opens a connection", "socket.bind": "opens a connection", "socket.sendto": "opens a connection",
}  # fmt: skip
# Events by which code looks into its callers or at other objects, which no answer needs.
PRYING = {
    "gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._current_frames", "sys.settrace", "sys.setprofile",
    "sys.addaudithook", "ctypes.dlopen", "ctypes.dlsym", "ctypes.addressof", "ctypes.cdata", "code.__new__",
}  # fmt: skip
STUDENT = "<cell "


def parts(value: Any) -> tuple[Any, ...]:
    """What makes a function behave as it does; a changed part is a changed function."""
    if isinstance(value, types.FunctionType):
        return value.__code__, value.__defaults__, value.__kwdefaults__
    if isinstance(value, (staticmethod, classmethod)):
        return (value.__func__, *parts(value.__func__))
    if isinstance(value, property):
        return value.fget, value.fset
    return ()


def counts(value: Any) -> bool:
    return callable(value) or isinstance(
        value, (staticmethod, classmethod, property, types.ModuleType)
    )


class Snapshot:
    """The functions and classes of the library, of PyTorch and of Python, as they were before a
    submission ran.
    """

    def __init__(self) -> None:
        self.modules = {
            n: m for n, m in sys.modules.items() if n in SINGLE or n.startswith(WATCHED)
        }
        self.builtins = dict(vars(builtins))
        self.handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self.collections = [*gc.callbacks]
        self.finders = [*sys.meta_path, *sys.path_hooks]
        self.entries: list[tuple[str, Any, str, Any, tuple[Any, ...]]] = []
        self.keys: list[tuple[str, type, frozenset[str]]] = []
        seen: set[int] = set()
        for name, module in self.modules.items():
            for key, value in list(vars(module).items()):
                if not counts(value):
                    continue
                self.entries.append((f"{name}.{key}", module, key, value, parts(value)))
                if (
                    isinstance(value, type)
                    and id(value) not in seen
                    and value.__module__.startswith(("gantut", "torch"))
                ):
                    seen.add(id(value))
                    self._class(f"{name}.{key}", value)

    def _class(self, name: str, owner: type) -> None:
        self.keys.append((name, owner, frozenset(vars(owner))))
        for key, value in list(vars(owner).items()):
            if counts(value):
                self.entries.append((f"{name}.{key}", owner, key, value, parts(value)))

    def changed(self) -> Iterator[str]:
        """The names of what is no longer the same.

        Builtins are put back first, since all else needs them.
        """
        now, replaced = builtins.__dict__, []
        for name, value in self.builtins.items():
            if name != "_" and now.get(name) is not value:
                now[name] = value
                replaced.append(name)
        for name in replaced:
            yield f"builtins.{name} was replaced"
        for name, module in self.modules.items():
            if sys.modules.get(name) is not module:
                yield f"{name} was replaced"
        if [*sys.meta_path, *sys.path_hooks] != self.finders:
            yield "the import system was changed"
        if (
            any(
                signal.getsignal(number) is not handler for number, handler in self.handlers.items()
            )
            or gc.callbacks != self.collections
        ):
            yield "code was left that runs at a signal or at a collection"
        gone = object()
        for name, owner, key, value, inner in self.entries:
            if vars(owner).get(key, gone) is not value:
                yield f"{name} was replaced"
            elif inner and any(a is not b for a, b in zip(parts(value), inner, strict=True)):
                yield f"{name} was rewritten"
        for name, owner, keys in self.keys:
            for key in frozenset(vars(owner)) - keys:
                if counts(vars(owner)[key]):
                    yield f"{name}.{key} was added"


class Guard:
    """An audit hook, which Python code cannot take out again; it tells at once what it sees."""

    def __init__(self, folder: str, secrets: list[str], tell: Callable[[str, str], None]) -> None:
        self.snapshot = Snapshot()
        self.watching = False
        self._install(os.path.realpath(folder), [os.path.realpath(s) for s in secrets], tell)

    def _install(self, folder: str, secrets: list[str], tell: Callable[[str, str], None]) -> None:
        frame_of, real = sys._getframe, os.path.realpath
        main, get_ident, fspath = threading.get_ident(), threading.get_ident, os.fspath
        state = self

        def student(depth: int) -> bool:
            """Is there code of the submission among the nearest callers?"""
            frame = frame_of(2)
            if frame is not None and frame.f_code.co_filename == inspect.__file__:
                depth += 1  # inspect.currentframe() and its like
            while frame is not None and depth:
                if frame.f_code.co_filename.startswith(STUDENT):
                    return True
                frame, depth = frame.f_back, depth - 1  # type: ignore[assignment]
            return False

        def inside(path: Any, *folders: str) -> bool:
            path = real(
                fspath(path) if not isinstance(path, bytes) else path.decode(errors="replace")
            )
            return any(path == f or path.startswith(f.rstrip("/") + "/") for f in folders)

        busy = [False]

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if not state.watching or busy[0]:
                return
            if event in PRYING or event in (
                "sys._getframe",
                "object.__getattr__",
                "object.__setattr__",
                "object.__delattr__",
            ):
                busy[0] = True
                try:
                    if _pries(event, arguments) and student(1 if event == "sys._getframe" else 3):
                        tell("tampering", f"looks into the grader ({event})")
                        raise PermissionError(f"{event} is not allowed here")
                finally:
                    busy[0] = False
            elif event == "open" or event in CHANGES or event in ACTIONS:
                busy[0] = True
                try:
                    _action(event, arguments)
                finally:
                    busy[0] = False

        def _pries(event: str, arguments: tuple[Any, ...]) -> bool:
            if event in ("object.__getattr__", "object.__setattr__", "object.__delattr__"):
                if event == "object.__getattr__":
                    return arguments[1] in ("tb_frame", "gi_frame", "cr_frame", "ag_frame")
                return arguments[1] in (
                    "__code__",
                    "__defaults__",
                    "__kwdefaults__",
                ) and not getattr(
                    getattr(arguments[0], "__code__", None), "co_filename", ""
                ).startswith(STUDENT)
            return True

        def _action(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open":
                path, mode, flags = arguments
                if path is None or isinstance(path, int):
                    return
                if inside(path, "/proc/self", "/proc/1", f"/proc/{os.getpid()}") and student(5):
                    tell("tampering", f"reads the grader's memory ({path})")
                elif inside(path, *secrets):
                    tell("tampering", f"opens {path}, where tests and other submissions are")
                else:
                    writes = flags & 3 or (isinstance(mode, str) and set(mode) & set("wax+"))
                    if not writes or inside(path, folder, "/dev/null") or not student(5):
                        return
                    tell("blocked", f"writes outside its folder ({path})")
                raise PermissionError(f"{path}: not allowed here")
            if event in CHANGES:
                path = arguments[CHANGES[event]]
                if isinstance(path, int) or inside(path, folder) or not student(6):
                    return
                tell("blocked", f"changes or deletes files outside its folder ({event} {path})")
                raise PermissionError(f"{path}: not allowed here")
            if student(6) or get_ident() != main:
                tell("blocked", f"{ACTIONS[event]} ({event})")
                raise PermissionError(f"{event} is not allowed here")

        sys.addaudithook(hook)

    def findings(self) -> list[str]:
        """What is not as it was, and what still runs."""
        found = list(self.snapshot.changed())[:5]
        for ident, frame in sys._current_frames().items():
            step: Any = frame
            while ident != threading.get_ident() and step is not None:
                if step.f_code.co_filename.startswith(STUDENT):
                    found.append("leaves a thread running")
                    break
                step = step.f_back
        return found
