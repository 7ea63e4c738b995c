"""A process that has PyTorch and the library loaded, holds no tests, and forks once for each
submission.

`run` starts it as `python -m gantut.grading.server FD`, where FD is a socket.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import time
from typing import Any

APART = ("__main__", "cli", "grading")  # rooms that no submission uses
LOADED = ("matplotlib.pyplot", "sklearn.datasets", "encodings.idna", "gantut.grading.inside")
POLL, KILL = 0.02, b"\0"


def load_the_library() -> None:
    """Import every module that a submission may use, and put into each room what it would load
    lazily.

    So a fork spends no time on imports, and the guard's snapshot knows each name of each room.
    """
    rooms = [importlib.import_module("gantut")]
    for entry in pkgutil.walk_packages(rooms[0].__path__, "gantut."):
        if entry.name.split(".")[1] not in APART:
            rooms.append(importlib.import_module(entry.name))
    for room in rooms:
        for name in getattr(room, "__all__", ()):
            vars(room)[name] = getattr(room, name)


def preload() -> None:
    """Load what submissions use, and let PyTorch patch itself once: a later change is theirs."""
    os.environ.update(
        CUDA_VISIBLE_DEVICES="", MPLBACKEND="agg", TQDM_DISABLE="1", OMP_NUM_THREADS="1"
    )
    for name in LOADED:
        importlib.import_module(name)
    load_the_library()
    import torch

    torch.set_num_threads(1)
    kinds = [torch.optim.Optimizer]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind is not torch.optim.Optimizer:
            kind.__new__(kind)._patch_step_function()
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    gc.collect()
    gc.freeze()


def main(fd: int) -> None:
    server = socket.socket(fileno=fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload()
    server.sendall(b"ready\n")
    while True:
        data, fds, _, _ = socket.recv_fds(server, 1 << 16, 2)
        if not data:
            return
        data = data.replace(KILL, b"")  # asked too late: the child had ended
        if not data:
            continue
        order = json.loads(data)
        child = os.fork()
        if child == 0:
            serve(server, order, *fds)
        for received in fds:
            os.close(received)
        server.sendall(json.dumps(wait(server, child)).encode() + b"\n")


def wait(server: socket.socket, child: int) -> dict[str, Any]:
    """How the child ended; any message from the grader in the meantime means: kill it."""
    begin, asked = time.monotonic(), False
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            kill(child)
            code = os.waitstatus_to_exitcode(status)
            return {
                "exit": code,
                "cpu": usage.ru_utime + usage.ru_stime,
                "wall": time.monotonic() - begin,
                "asked": asked,
            }
        if select.select([server], [], [], POLL)[0]:
            asked = True
            kill(child)
            if not server.recv(64):
                os._exit(0)


def kill(child: int) -> None:
    """The child and its group. (With namespaces, whatever else it started dies with it.)"""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def serve(server: socket.socket, order: dict[str, Any], sock_fd: int, out_fd: int) -> None:
    """In the child: give up what can be given up, and run the submission. Never returns."""
    code = 1
    try:
        from gantut.grading import inside, sandbox

        os.setsid()
        server.close()
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out_fd, 1), (out_fd, 2)):
            os.dup2(source, target)
        inside.close_others(sock_fd)
        isolation = sandbox.isolate(order["folder"], order["hide"], order["number"])
        sandbox.limit(order["limits"])
        os.chdir(order["folder"])
        os.environ.update(TMPDIR=order["folder"], HOME=order["folder"])
        inside.work(socket.socket(fileno=sock_fd), order["folder"], order["secrets"], isolation)
        code = 0
    except BaseException as error:
        with contextlib.suppress(Exception):
            sys.stderr.write(f"the grader's child stopped: {type(error).__name__}: {error}\n")
            sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))
