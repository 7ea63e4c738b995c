"""What a child process gives up before it runs a stranger's code: limits first, then as much
isolation as the system grants.

Linux grants namespaces to root and, on most distributions, to users: then the child sees a
read-only file system with one folder of its own in memory, no network, and no other process, and
the folders with solutions and other submissions are empty to it. As root it also becomes an
unprivileged user. Where nothing is granted the limits remain, and a file that the user may delete
can be deleted.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MOUNTS, IPC, USER, PIDS, NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
PRIVATE, BIND, NO_SUID_NO_DEV, READ_ONLY, RECURSIVE = 0x4000 | 0x40000, 0x1000, 6, 1, 0x8000
MOUNT_SETATTR = 442  # the same number on every architecture
NOBODY = 61_000  # the first of a range of users that nobody has


def limit(settings: dict[str, Any]) -> None:
    """CPU seconds, bytes of memory on top of what the libraries hold, bytes of a file; no core
    file.
    """
    with contextlib.suppress(FileNotFoundError):
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        cap(resource.RLIMIT_AS, held + settings["memory"])
    cap(resource.RLIMIT_CPU, settings["cpu"])
    cap(resource.RLIMIT_FSIZE, settings["file"])
    cap(resource.RLIMIT_CORE, 0)
    cap(resource.RLIMIT_NOFILE, 256)


def cap(kind: int, value: int) -> None:
    """Set soft and hard limit, never above what is already set."""
    hard = resource.getrlimit(kind)[1]
    value = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
    resource.setrlimit(kind, (value, value))


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user")]


def isolate(folder: str, hide: list[str], number: int) -> list[str]:
    """Leave the system's shared parts, as far as it is granted; the names of what was left. The
    caller is in a process of its own.

    From here on the process runs in a second fork, whose parent only waits: a process enters a new
    list of processes by being born in it.
    """
    root, got = os.geteuid() == 0, []
    user, group = (NOBODY + number, NOBODY + number) if root else (os.geteuid(), os.getegid())
    if _namespaces(root):
        got = ["network", "processes"]
        if _files(folder, hide, user):
            got.append("files")
    if root:
        os.chown(folder, user, group)
    _born_again(bool(got))
    if got:
        with contextlib.suppress(OSError):
            _call("mount", b"proc", b"/proc", b"proc", NO_SUID_NO_DEV | 8, None)
    if root:
        cap(resource.RLIMIT_NPROC, 128)
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
        got.append("user")
    _no_privileges()
    return got


def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    if getattr(_library(), name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)


def _namespaces(root: bool) -> bool:
    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", MOUNTS | IPC | PIDS | NETWORK | (0 if root else USER))
        if not root:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except (OSError, AttributeError):
        return False
    return True


def _files(folder: str, hide: list[str], user: int) -> bool:
    """Everything read-only, the hidden folders empty, and the work folder in memory."""
    try:
        _call("mount", None, b"/", None, PRIVATE, None)
        if user != os.geteuid():
            for prefix in dict.fromkeys(
                (
                    sys.base_prefix,
                    sys.prefix,
                    os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
                )
            ):
                _within_reach(prefix)
        for path in _outermost(folder, hide):
            if os.path.isdir(path):
                _call(
                    "mount",
                    b"none",
                    os.fsencode(path),
                    b"tmpfs",
                    NO_SUID_NO_DEV,
                    b"size=4k,mode=755",
                )
            else:
                _call("mount", os.devnull.encode(), os.fsencode(path), None, BIND, None)
        wanted = _Attributes(READ_ONLY, 0, 0, 0)
        _call(
            "syscall",
            MOUNT_SETATTR,
            -100,
            b"/",
            RECURSIVE,
            ctypes.byref(wanted),
            ctypes.sizeof(wanted),
        )
        options = (
            f"size=64m,mode=700,uid={user},gid={user}" if os.geteuid() == 0 else "size=64m,mode=700"
        )
        _call("mount", b"none", os.fsencode(folder), b"tmpfs", NO_SUID_NO_DEV, options.encode())
    except (OSError, AttributeError):
        return False
    return True


def _within_reach(prefix: str) -> None:
    """Python may lie in a folder that only its owner enters, such as root's home: put that prefix
    alone into an empty such folder.
    """
    parts = os.path.abspath(prefix).split("/")
    above = ["/".join(parts[:n]) for n in range(2, len(parts))]
    closed = [path for path in above if not os.stat(path).st_mode & 0o001]
    if not closed:
        return
    fd = os.open(prefix, os.O_RDONLY)
    try:
        _call(
            "mount", b"none", os.fsencode(closed[0]), b"tmpfs", NO_SUID_NO_DEV, b"size=64k,mode=755"
        )
        os.makedirs(prefix)
        _call(
            "mount", f"/proc/self/fd/{fd}".encode(), os.fsencode(prefix), None, BIND | 0x4000, None
        )
    finally:
        os.close(fd)


def _outermost(folder: str, hide: list[str]) -> list[str]:
    """Those that exist, lie in no other, and do not hold the work folder itself."""
    there = [p for p in hide if os.path.exists(p) and not folder.startswith(f"{p.rstrip('/')}/")]
    return [
        p
        for p in dict.fromkeys(there)
        if not any(p != q and p.startswith(f"{q.rstrip('/')}/") for q in there)
    ]


def _born_again(needed: bool) -> None:
    if not needed:
        return
    child = os.fork()
    if child == 0:
        return
    os.closerange(0, 256)
    _, status = os.waitpid(child, 0)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _no_privileges() -> None:
    """No new privileges from any program, none left from the namespaces; and die with the process
    that waits.
    """
    with contextlib.suppress(OSError, AttributeError):
        _call("prctl", 38, 1, 0, 0, 0)
        _call("prctl", 1, signal.SIGKILL, 0, 0, 0)
        header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        _call("capset", ctypes.byref(header), ctypes.byref(sets))
