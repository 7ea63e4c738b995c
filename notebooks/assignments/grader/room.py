"""Where a submission runs: a room that holds the library, Python and nothing else.

``bwrap`` is bubblewrap: own file system, no network, no other processes. ``container`` is Docker or
Podman with the same contents. ``unsafe`` is a plain process. All have limits on the whole group.
"""

from __future__ import annotations

import contextlib
import glob
import importlib.util
import math
import multiprocessing as mp
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

import wire

HERE = Path(__file__).resolve().parent
OURS = [str(HERE / "inside.py"), str(HERE / "wire.py")]
START, IDLE, CELLS = 600, 20, 5
PROCESSES, CROWD, DISK, FILE = 96, 48, 64_000_000, 32_000_000
INSTALL = (
    "Install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap), "
    "or Docker or Podman; or say --unsafe, and every submission may do what you may do."
)
LIMITED = [
    "Memory is watched, ten times a second: control groups are not granted here.",
    "Memory and processes are limited by control groups.",
]
WHY = {
    "cpu": "it computed longer than allowed and was stopped: is there an endless loop?",
    "wall": "it did not answer in time and was stopped: does it wait for something?",
    "memory": "it used more memory than allowed and was stopped",
    "processes": "it started more processes than allowed and was stopped",
    "crash": "its process ended before it had answered",
    "nonsense": "it sent something that is no answer",
}
ENVIRONMENT = """
HOME=/tmp USER=student LOGNAME=student LANG=C.UTF-8 MPLBACKEND=agg MPLCONFIGDIR=/tmp/mpl
PYTHONDONTWRITEBYTECODE=1 TQDM_DISABLE=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
CUDA_VISIBLE_DEVICES= GANTUT_CACHE=/tmp/gantut PYTHONBREAKPOINT=0 TORCH_COMPILE_DISABLE=1
"""


class Walls(NamedTuple):
    """An isolation as a command: how it begins and ends, shows a path, empties a folder and sets a
    variable.
    """

    said: str
    begin: str
    show: str
    empty: str
    variable: str
    end: str


KINDS = {
    "bwrap": Walls(
        said="Isolation: bubblewrap.",
        # Its own first process stays in the room, and would show the environment it began with.
        begin="env -i {bwrap} --unshare-all --unshare-user --uid 1000 --gid 1000 --cap-drop ALL "
        "--clearenv --die-with-parent --new-session --hostname room --proc /proc --dev /dev "
        "--size {disk} --tmpfs /tmp --size {disk} --tmpfs /dev/shm",
        show="--ro-bind {0} {1}",
        empty="--tmpfs {0} --remount-ro {0}",
        variable="--setenv {0} {1}",
        end="--remount-ro /dev --remount-ro / --chdir /tmp",
    ),
    "container": Walls(
        said="Isolation: a container. (bubblewrap is quicker.)",
        begin="{tool} run --rm -i --name {name} --network none --memory {memory} --memory-swap "
        "{memory} --pids-limit {processes} --read-only --cap-drop ALL --security-opt "
        "no-new-privileges --user 1000:1000 --tmpfs /tmp:size={disk},mode=1777 --workdir /tmp",
        show="-v {0}:{1}:ro",
        empty="--tmpfs {0}",
        variable="--env {0}={1}",
        end="{image}",
    ),
    "unsafe": Walls(
        said="Isolation: NONE, as --unsafe says: a submission may do whatever you may do.",
        begin="env -i",
        show="",
        empty="",
        variable="{0}={1}",
        end="",
    ),
}


class Stopped(BaseException):
    """A question's process is gone, and the room too unless ``alive``; ``why`` is a key of ``WHY``.
    No test catches it.
    """

    def __init__(self, why: str, *, alive: bool = False) -> None:
        super().__init__(WHY[why])
        self.why, self.alive = why, alive


def library() -> Path:
    spec = importlib.util.find_spec("gantut")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).resolve().parent


def bound() -> list[str]:
    """What a room shows: the system, Python, the library, and two files of ours.

    Raises:
        ValueError: one of them is so high up that somebody's home folder lies in it.
    """
    python = Path(sys.executable).resolve().parent.parent
    found = [sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix), str(python)]
    found = [path for path in [*found, str(library())] if not f"{path}/".startswith("/usr/")]
    homes = [Path("/home"), Path.home(), *(Path(user.pw_dir) for user in pwd.getpwall())]
    if any(home.is_relative_to(path) for home in homes for path in found):
        raise ValueError(f"Python stands in {found}, which would show a submission too much")
    system = "/usr /bin /sbin /lib /lib32 /lib64".split()
    system += "/etc/ld.so.cache /etc/localtime /etc/alternatives /etc/fonts".split()
    return [*filter(os.path.exists, system), *dict.fromkeys(found), *OURS]


def fonts() -> list[str]:
    """Matplotlib's list of fonts, which takes seconds to make."""
    home = os.environ.get("MPLCONFIGDIR", os.path.expanduser("~/.cache/matplotlib"))
    return glob.glob(f"{glob.escape(home)}/fontlist-v*.json")


def masks(absent: list[str]) -> list[str]:
    """The folders and files of the library that are empty in the room."""
    rooms = [library().joinpath(*name.split(".")[1:]) for name in absent]
    return [str(p) for path in rooms for p in (path, path.with_suffix(".py")) if p.exists()]


def command(kind: str, absent: list[str], memory: float) -> list[str]:
    """A Python in a room of this kind. The image of a container holds nothing, or the teacher's own
    Python and library.
    """
    walls, own = KINDS[kind], os.environ.get("GRADING_IMAGE") if kind == "container" else None
    variables = dict(pair.split("=", 1) for pair in ENVIRONMENT.split())
    shown, hidden = {path: path for path in OURS}, list[str]()
    if not own:
        variables["PATH"] = f"{sys.prefix}/bin:/usr/bin:/bin"
        variables["PYTHONPATH"] = str(library().parent)
    if walls.show and not own:
        shown = {path: path for path in bound()}
        shown |= {f"/tmp/mpl/{Path(path).name}": path for path in fonts()}
        hidden = masks(absent)
        shown |= {path: os.devnull for path in hidden if not os.path.isdir(path)}
    parts = [(walls.show, source, target) for target, source in shown.items()]
    parts += [(walls.empty, path, "") for path in hidden if os.path.isdir(path)]
    parts += [(walls.variable, *pair) for pair in variables.items()]
    body = [word.format(*values) for words, *values in parts for word in words.split()]
    fill = {
        "tool": tool(), "bwrap": shutil.which("bwrap"), "image": own or "gantut-nothing",
        "name": f"gantut-{os.getpid()}-{time.time_ns()}", "memory": int(memory), "disk": DISK,
        "processes": PROCESSES,
    }  # fmt: skip
    begin, end = (text.format(**fill).split() for text in (walls.begin, walls.end))
    return [*begin, *body, *end, "python" if own else sys.executable]


def tool() -> str | None:
    return shutil.which("podman") or shutil.which("docker")


def works(line: list[str]) -> bool:
    try:
        return not subprocess.run(line, capture_output=True, timeout=60, check=False).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def usable(kind: str) -> bool:
    """Does this isolation work here? It is tried, and not guessed."""
    if kind == "container" and not os.environ.get("GRADING_IMAGE"):
        works(["sh", "-c", f"tar c --files-from /dev/null | {tool()} import - gantut-nothing"])
    return works([*command(kind, [], 1e9), "-c", "pass"])


def best() -> str | None:
    return next((kind for kind in ("bwrap", "container") if usable(kind)), None)


def groups() -> dict[str, str]:
    """How control groups can be made here: by systemd with this option, or in these folders; {}
    where there are none.
    """
    for option in ("--system", "--user"):
        if works(["systemd-run", option, "--scope", "-q", "true"]):
            return {"systemd": option}
    root = Path("/sys/fs/cgroup")
    listed = root / "cgroup.subtree_control"  # the second version has one tree for all
    one = listed.read_text().split() if listed.exists() else []
    found = {name: root if name in one else root / name for name in ("memory", "pids")}
    return {k: str(v) for k, v in found.items() if os.access(v / "cgroup.procs", os.W_OK)}


def removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def sweep(granted: dict[str, str]) -> None:
    """Remove the groups of processes that are gone: killed, or on a machine that was too busy."""
    for parent in granted.values():
        for folder in Path(parent).glob("gantut-*-*"):
            maker = folder.name.split("-")[1]
            if maker.isdigit() and not psutil.pid_exists(int(maker)):
                removed(folder)


class Group:
    """A limit on all processes of a room together, by the kernel where it grants one."""

    def __init__(self, granted: dict[str, str], memory: float) -> None:
        self.made: list[Path] = []
        self.before: list[str] = []
        if "systemd" in granted:
            self.before = (
                f"systemd-run {granted['systemd']} --scope -q -p MemoryMax={int(memory)} "
                f"-p MemorySwapMax=0 -p TasksMax={PROCESSES} --"
            ).split()
            return
        most = {"pids.max": PROCESSES, "memory.max": int(memory), "memory.swap.max": 0}
        most["memory.limit_in_bytes"] = int(memory)
        for parent in set(granted.values()):
            self.made.append(Path(tempfile.mkdtemp(prefix=f"gantut-{os.getpid()}-", dir=parent)))
            for file in most:
                if (self.made[-1] / file).exists():
                    (self.made[-1] / file).write_text(str(most[file]))
        if self.made:
            enter = "".join(f"echo $$ > {folder}/cgroup.procs; " for folder in self.made)
            self.before = ["sh", "-c", f'{enter}exec "$@"', "sh"]

    def full(self) -> bool:
        """Did the kernel end a process for its memory?"""
        files = [f / name for f in self.made for name in ("memory.events", "memory.oom_control")]
        said = [file.read_text() for file in files if file.exists()]
        return any(re.search(r"^oom_kill [1-9]", text, re.M) for text in said)

    def close(self) -> None:
        until = time.monotonic() + 5  # on a busy machine it takes a while
        for folder in self.made:
            while not removed(folder) and time.monotonic() < until:
                time.sleep(0.02)  # it is busy until its last process is gone


class Room:
    """One submission's process, and a thread that holds it to its limits.

    Raises:
        RuntimeError: the library cannot be loaded; the message says why.
    """

    def __init__(
        self, kind: str, granted: dict[str, str], limits: dict[str, Any], absent: list[str]
    ) -> None:
        self.limits, self.kind, self.why = limits, kind, ""
        self.group = Group(granted, limits["memory"])
        self.command = command(kind, absent, limits["memory"])
        self.pipe, theirs = mp.Pipe()
        self.process = subprocess.Popen(
            [*self.group.before, *self.command, OURS[0]],
            stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE,
            start_new_session=True, cwd=tempfile.gettempdir(),
        )  # fmt: skip
        theirs.close()
        self.last_cpu = self.last_time = math.inf
        self.looked, self.ran = time.monotonic(), 0.0
        self.closed, self.waits = threading.Event(), False
        self.again(START, START)
        threading.Thread(target=self._watch, daemon=True).start()
        # A limit on the address space would stop PyTorch itself; data is what a program fills.
        most = {"DATA": int(limits["memory"]), "FSIZE": FILE, "NOFILE": 256, "CORE": 0}
        most |= {} if kind == "unsafe" else {"NPROC": PROCESSES}
        try:
            self.ask({"absent": absent, "limits": most}, "ready")
        except BaseException as stop:
            self._kill()
            said = self.process.communicate()[1][-500:].decode(errors="replace")
            self.close()
            if isinstance(stop, Stopped):
                raise RuntimeError(f"the room does not open: {said or stop}") from None
            raise
        self.again()
        # All cells together: five times what one of them may use.
        self.last_cpu, self.last_time = self.base + CELLS * self.cpu, self.clock() + START

    def close(self) -> None:
        """End all of it. With bubblewrap everything that it started ends with it."""
        self.closed.set()
        with self.process:  # which waits for it
            self._kill()
        self.pipe.close()
        self.group.close()

    def clock(self) -> float:
        """The time, which stands still while it computes or would compute if it had its turn."""
        return time.monotonic() - self.ran

    def again(self, cpu: float = 0, wall: float = 0) -> None:
        """The next cell or question may use as much as the one before."""
        self.cpu = cpu or self.limits["cpu"]
        self.until = self.clock() + (wall or self.limits["wall"])
        self.peak = 0.0
        self.base = self.last = self._used()[0]

    def question(self) -> None:
        """A process of its own for the next question."""
        self.last_cpu = self.last_time = math.inf
        self.again()
        self.ask({"cpu": self.cpu}, "ready")

    def ask(self, message: Any, key: str) -> dict[str, Any]:
        """One message, and the answer to it, which has this key.

        Raises:
            Stopped: there is none.
        """
        data = wire.pack(message)
        self.moved, self.waits = time.monotonic(), True
        try:
            self.pipe.send_bytes(data)
            told = wire.receive(self.pipe)
        except (EOFError, ConnectionError):
            raise Stopped(self.why or self._ended()) from None
        except Exception:  # whatever somebody can send
            raise Stopped(self.why or "nonsense") from None
        finally:
            self.waits = False
        told = told if isinstance(told, dict) else {}
        if key not in told and "over" in told:
            spent = told["over"] == -24 or self._used()[0] - self.base >= self.cpu
            raise Stopped("cpu" if spent else self._ended(), alive=True)
        if key not in told:
            raise Stopped("nonsense")
        return told

    # -- what it uses

    def _ended(self) -> str:
        return "memory" if self.group.full() or self.peak > 0.8 * self.limits["memory"] else "crash"

    def _watch(self) -> None:
        while not self.why and not self.closed.wait(0.1):
            self.why = self._over()
            if self.why:
                self._kill()

    def _over(self) -> str:
        """The limit that it is over."""
        now = time.monotonic()
        used, processes, states = self._used()
        if used > self.last or states & {"running", "disk-sleep"}:
            self.last, self.moved = used, now
        if "running" in states:  # it works, or a busy machine lets it wait for its turn
            self.ran += now - self.looked
        self.looked = now
        if self.peak > self.limits["memory"]:
            return "memory"
        if processes > CROWD:
            return "processes"
        # A process alone is stopped a little earlier, inside.
        if used - self.base > 1.2 * self.cpu + 3 or used > self.last_cpu:
            return "cpu"
        idle = self.waits and processes and now - self.moved > self.limits.get("idle", IDLE)
        return "wall" if idle or self.clock() > min(self.until, self.last_time) else ""

    def _kill(self) -> None:
        if self.kind == "container":  # it outlives its client
            name = self.command[self.command.index("--name") + 1]
            subprocess.run([self.command[0], "kill", name], capture_output=True, check=False)
        for one in self._tree():
            with contextlib.suppress(psutil.Error):
                one.kill()

    def _tree(self) -> list[psutil.Process]:
        """All processes of the room, as this machine counts them."""
        try:
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []

    def _used(self) -> tuple[float, int, set[str]]:
        """Seconds of computing, processes, and what they do."""
        if self.kind == "container":  # its processes are no children of ours; it has own limits
            return 0.0, 0, {"disk-sleep"}
        seconds, memory, states, tree = 0.0, 0.0, set[str](), self._tree()
        for one in tree:
            with contextlib.suppress(psutil.Error), one.oneshot():
                seconds += sum(one.cpu_times()[:4])
                memory += one.memory_info().rss
                states.add(one.status())
        if memory > self.limits["memory"] and sys.platform == "linux":
            memory = 0.0  # what forks share counts once
            for one in tree:
                with contextlib.suppress(psutil.Error):
                    memory += one.memory_full_info().pss
        self.peak = max(self.peak, memory)
        return seconds, len(tree), states
