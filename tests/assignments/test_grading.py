"""A class is graded as a whole: attacks earn nothing and cost nobody else, innocent notebooks lose
nothing, whatever lies in the folder is said, and what a person wrote stays.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import hostile
import judge
import kit
import psutil
import room
import sheets
import submissions

LAST = len(hostile.FUNCTIONS) + 2  # the first and the last question are answered rightly
DEFINE = "import torch\n" + "\n".join(f"f{n} = lambda x: 2 * x" for n in range(1, LAST + 1))


def earned(record):
    """The questions of which a test passes."""
    return {
        int(question[1:])
        for question, results in record["results"].items()
        if any(message is None for _, message in results)
    }


def fill(folder):
    """A class of 40 and more, and what each must get: all, nothing, or a status."""
    wanted = {}
    for n in range(6):
        kit.notebook(folder / f"student{n}.ipynb", DEFINE, f"# {n}", words="Because it is so.")
        wanted[f"student{n}"] = "all"
    kit.notebook(folder / "empty.ipynb", "import torch\n" + "f1 = ...")
    wanted["empty"] = "nothing"
    kit.notebook(folder / "innocent.ipynb", DEFINE, *hostile.INNOCENT)
    wanted["innocent"] = "all"
    cells = [DEFINE]
    for n, code in enumerate(hostile.INSIDE.values(), start=2):
        cells.append(
            code.replace("answer", f"f{n}")
            if "'/usr/lib" in code
            else code.replace("def answer(", f"def f{n}(")
        )
    kit.notebook(folder / "inside.ipynb", *cells)
    for name, attack in hostile.CELLS.items():
        answers = [DEFINE] if attack.answered else ["import torch"]
        kit.notebook(folder / f"{name}.ipynb", *answers, attack.code)
        wanted[name] = attack.earns
    # What lies in folders.
    kit.notebook(folder / "lee kim.ipynb", DEFINE)
    shutil.copy(folder / "lee kim.ipynb", folder / "lee_kim.ipynb")
    kit.notebook(folder / "lee_kim" / "a.ipynb", DEFINE)
    kit.notebook(folder / ("x" * 200) / "deep" / "UPPER.IPYNB", DEFINE)
    kit.notebook(folder / "=cmd('x').ipynb", DEFINE)
    kit.notebook(folder / f"{'𝒜' * 60}.ipynb", DEFINE)
    kit.notebook(folder / "a\nb\u202e.ipynb", DEFINE)
    kit.notebook(folder / "_under.ipynb", DEFINE)
    tail = submissions.digest(b"lee kim.ipynb")
    kit.notebook(folder / f"lee_kim-{tail}.ipynb", DEFINE)  # it would be the other's name
    os.truncate(kit.notebook(folder / "large.ipynb", DEFINE), 10**10)
    (folder / "zero.ipynb").symlink_to("/dev/zero")
    (folder / "classmate.ipynb").symlink_to(folder / "student0.ipynb")
    (folder / "friend").symlink_to(folder / "lee_kim")
    os.mkfifo(folder / "fifo.ipynb")
    (folder / "broken.ipynb").write_text("{this is no notebook")
    (folder / "deep.ipynb").write_text("[" * 200_000)
    (folder / "null.ipynb").write_text('{"cells": [{"cell_type": "code", "source": null}]}')
    (folder / "half.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": "print('\ud800')"}]})
    )
    (folder / "script.py").write_text("print(1)")
    (folder / "work.zip").write_bytes(b"PK")
    (folder / "nothing").mkdir()
    kit.notebook(folder / "two" / "a.ipynb", DEFINE)
    kit.notebook(folder / "two" / "b.ipynb", DEFINE)
    return wanted


@pytest.mark.slow
@pytest.mark.matrix  # several minutes of loops and floods, each until it is stopped
def test_a_class_of_attacks_and_accidents(tmp_path, capsys, monkeypatch):
    kit.isolated()
    home, folder, out = tmp_path / "home", tmp_path / "class", tmp_path / "grades"
    for file in (home / ".ssh" / "id_ed25519", home / ".token"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(hostile.SECRET)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GRADING_TOKEN", hostile.SECRET)
    folder.mkdir()
    wanted = fill(folder)
    before = {path: path.read_bytes() for path in folder.glob("student*.ipynb")}
    bundle = kit.small(tmp_path / "A0-autograder.zip", LAST)
    begin = time.monotonic()
    done = kit.command(bundle, folder, out)
    took = time.monotonic() - begin
    records = {path.stem: json.loads(path.read_text()) for path in (out / "records").glob("*.json")}
    with capsys.disabled():
        print(f"\n{done.stdout}{len(records)} submissions in {took:.0f} s")
        each = earned(records["inside"])
        for n, name in enumerate(hostile.FUNCTIONS, start=2):
            said = records["inside"]["results"][f"q{n}"][0][1]
            print(f"  {name}: {'points' if n in each else 'nothing'} ({(said or '')[:80]!r})")
        for name in hostile.CELLS:
            print(
                f"  {name}: {len(earned(records[name]))} of {LAST} questions; {records[name]['errors'][:2]}"
            )
    assert done.returncode == 0, done.stderr
    faults = []
    for name, earns in wanted.items():
        got = len(earned(records[name]))
        if records[name]["status"] != "graded" or got != (LAST if earns == "all" else 0):
            faults.append((name, records[name]["status"], got, records[name]["errors"]))
    assert faults == []
    # The key from the home folder, other people's files, other processes' variables.
    for n, name in enumerate(hostile.FUNCTIONS, start=2):
        if "nothing there" in hostile.INSIDE[name]:
            assert "nothing there" in records["inside"]["results"][f"q{n}"][0][1], name
    harmless = {n for n, name in enumerate(hostile.FUNCTIONS, start=2) if name in hostile.HARMLESS}
    assert earned(records["inside"]) - harmless == {1, LAST}
    assert records["innocent"]["errors"] == [] and records["innocent"]["notes"] == []
    # Files: each is read, or the record says why not.
    notes = {
        name: record["notes"]
        for name, record in records.items()
        if record["status"] == "no notebook"
    }
    for name, text in (
        ("zero", "cannot be read"), ("classmate", "cannot be read"), ("fifo", "no regular file"), ("broken", "no notebook"),
        ("deep", "no notebook"), ("script.py", "no .ipynb file"), ("work.zip", "no .ipynb file"), ("nothing", "0 notebooks"),
        ("two", "2 notebooks"), ("large", "larger than"),
    ):  # fmt: skip
        assert any(text in note for note in notes[name]), (name, notes[name])
    assert "lee kim" in records and len([n for n in records if n.startswith("lee_kim")]) == 3
    assert len(records) == len(list(folder.iterdir()))
    # Nobody's file was touched, no secret left the machine, nothing still runs, all is small.
    assert {path: path.read_bytes() for path in before} == before
    for path in out.rglob("*"):
        if path.is_file():
            assert hostile.SECRET not in path.read_text(encoding="utf-8"), path
            assert path.stat().st_size < 200_000, path
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if "gantut-stays" in str(p.info["cmdline"])
    ]
    for parent in room.groups().values():
        makers = [path.name.split("-")[1] for path in Path(parent).glob("gantut-*-*")]
        assert all(psutil.pid_exists(int(maker)) for maker in makers), makers
    text = (out / "feedback" / "inside.html").read_text(encoding="utf-8")
    assert "<script>" not in text and "\x1b" not in text and "\u202e" not in text
    rows = sheets.rows(out / "scores.csv")
    assert {row["student"].lstrip("'") for row in rows} == set(records)
    assert all(not value.startswith(("=", "+", "@")) for row in rows for value in row.values())
    flagged = {row["student"]: row["notes"] for row in rows}
    twins = [flagged[name] for name in records if name.startswith("lee_kim-")]
    assert sum("the same file as lee kim" in notes for notes in twins) == 1, twins


def runs(process):
    """Nobody may be there to collect an orphan that has ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.mark.slow
@pytest.mark.matrix
def test_an_interruption_ends_all_at_once_and_keeps_what_is_done(tmp_path):
    kit.isolated()
    folder, out = tmp_path / "class", tmp_path / "grades"
    kit.notebook(folder / "a.ipynb", "f1 = lambda x: 2 * x")
    kit.notebook(folder / "b.ipynb", "import time\ntime.sleep(1000)")
    bundle = kit.small(tmp_path / "A0-autograder.zip", 1)
    line = [sys.executable, str(kit.GRADER), str(bundle), str(folder), "-o", str(out), "-j", "1"]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (out / "records" / "a.json").exists():
        time.sleep(0.1)
    while not psutil.Process(process.pid).children(recursive=True):
        time.sleep(0.1)
    inner = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    assert process.wait(120) == 130
    print(f"ended {time.monotonic() - begin:.1f} s after Ctrl-C")
    while time.monotonic() - begin < 60 and any(runs(one) for one in inner):
        time.sleep(0.1)
    assert [one for one in inner if runs(one)] == []
    assert not (out / "records" / "b.json").exists()


@pytest.mark.slow
@pytest.mark.matrix
def test_right_empty_and_wrong_notebooks_of_each_assignment(tmp_path):
    """The solution has all points, an empty notebook none, and wrong answers lose theirs, through
    the sandbox as a class is graded.
    """
    kit.isolated()
    for name in kit.MASTERS:
        made, folder = kit.built(name), tmp_path / name / "class"
        folder.mkdir(parents=True)
        for kind, notebook in (("right", made.solution), ("empty", made.student)):
            kit.store(notebook, folder / f"{kind}.ipynb")
        first = {}
        for one in kit.declared(name).WRONG:
            first.setdefault(one.question, one)
        kit.store(
            kit.with_cell(made.solution, "\n".join(o.code for o in first.values())),
            folder / "wrong.ipynb",
        )
        records = kit.grade(made.bundle, folder, tmp_path / name / "grades")
        assert kit.lost(records["right"]) == {} and records["right"]["errors"] == []
        assert [record["notes"] for record in records.values()] == [[], [], []]
        assert set(kit.lost(records["empty"])) == set(records["empty"]["results"])
        assert not any(None in dict(r).values() for r in records["empty"]["results"].values())
        assert set(kit.lost(records["wrong"])) == set(first)


@pytest.mark.slow
@pytest.mark.matrix
def test_a_plain_otter_run_gives_the_same_points(tmp_path):
    """Gradescope's route: the zip grades a notebook by otter-grader alone."""
    made = kit.built("A1")
    one = next(w for w in kit.declared("A1").WRONG if w.name == "norm over the batch")
    kit.store(kit.with_cell(made.solution, one.code), tmp_path / "wrong.ipynb")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    line = [
        sys.executable,
        "-m",
        "otter",
        "run",
        "-a",
        str(made.bundle),
        str(tmp_path / "wrong.ipynb"),
        "-o",
        str(tmp_path),
    ]
    done = subprocess.run(
        line, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tests = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["tests"]
    scores = {t["name"]: t["score"] for t in tests if "score" in t and t["name"].startswith("q")}
    points = {q["name"]: q["points"] for q in kit.questions(made) if not q["manual"]}
    assert {name for name, score in scores.items() if score < points[name]} == {"q5"}


def test_a_room_holds_the_library_and_nothing_else(tmp_path):
    """The quick look into a room, without PyTorch: what a submission sees."""
    kit.isolated()
    code = (
        "import os, sys, socket, pathlib, gantut\n"
        "print(sorted(os.environ)); print(os.listdir('/')); print(os.path.exists(sys.argv[1]), os.path.exists(sys.argv[2]))\n"
        "print(os.listdir(pathlib.Path(gantut.__file__).parent / 'bugs')); print(os.listdir('/sys/class/net') if os.path.exists('/sys') else [])\n"
        "print([p for p in os.listdir('/proc') if p.isdigit()])\n"
        "print(sum('GRADING_TOKEN' in p.read_text() for p in pathlib.Path('/proc').glob('[0-9]*/environ')))\n"
        "try:\n    open(pathlib.Path(gantut.__file__).parent / 'x', 'w')\nexcept OSError as e:\n    print(e.errno)\n"
        "try:\n    socket.create_connection(('198.51.100.7', 80), timeout=1)\nexcept OSError as e:\n    print('no network')\n"
    )
    command = room.command(room.best(), ["gantut.bugs"], 1e9)
    masters = str(kit.ROOT / "notebooks" / "assignments" / "A1-adversarial-losses.ipynb")
    (tmp_path / "secret").write_text("x")
    done = subprocess.run(
        [*command, "-c", code, masters, str(tmp_path / "secret")], capture_output=True, text=True, check=False,
        env={**os.environ, "GRADING_TOKEN": "x"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names, root, seen, bugs, _, processes, secrets, errno, network = done.stdout.splitlines()
    assert secrets == "0", "the variables of bubblewrap's own process can be read"
    assert "GRADING_TOKEN" not in names and "home" not in root
    assert (seen, bugs, errno, network) == ("False False", "[]", "30", "no network")
    assert len(re.findall(r"\d+", processes)) <= 3


def test_a_container_has_the_same_walls(monkeypatch):
    monkeypatch.setattr(room.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.delenv("GRADING_IMAGE", raising=False)
    command = room.command("container", ["gantut.bugs", "gantut.models.vae"], 1e9)
    text = " ".join(command)
    for part in (
        "--network none", "--memory 1000000000 --memory-swap 1000000000", f"--pids-limit {room.PROCESSES}", "--read-only",
        "--cap-drop ALL", "no-new-privileges", f"--tmpfs {room.library()}/bugs", f"/dev/null:{room.library()}/models/vae.py:ro",
    ):  # fmt: skip
        assert part in text, part
    shown = [
        value.split(":")[0]
        for flag, value in zip(command, command[1:], strict=False)
        if flag == "-v"
    ]
    assert str(room.library()) in shown and str(kit.ROOT) not in shown and "/" not in shown
    monkeypatch.setenv("GRADING_IMAGE", "course:1")
    command = room.command("container", ["gantut.bugs"], 1e9)
    assert command[-2:] == ["course:1", "python"]
    # The image has its own Python, in its own place: of this machine it sees two files.
    assert not [word for word in command if word.startswith(("PATH=", "PYTHONPATH="))]
    assert command.count("-v") == len(room.OURS)


CLIENT = """#!/bin/sh
echo "$@" >> {log}
[ "$1" = run ] || exit 0
while [ "$1" != gantut-nothing ]; do
    [ "$1" = --env ] && export "$2"
    shift
done
shift
exec "$@"
"""


def test_a_container_is_asked_through_its_client_and_ended_by_its_name(tmp_path, monkeypatch):
    """No Docker or Podman stands here: a client that starts what it is told to start does."""
    client, log = tmp_path / "podman", tmp_path / "log"
    client.write_text(CLIENT.format(log=log))
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("GRADING_IMAGE", raising=False)
    assert room.usable("container")
    bundle = submissions.load(kit.small(tmp_path / "A0.zip", 1))
    one = room.Room("container", {}, bundle.limits, bundle.absent)
    assert one.ask({"cell": "f1 = 3"}, "fault") == {"fault": ""}
    assert "bugs is not there" in one.ask({"cell": "import gantut.bugs"}, "fault")["fault"]
    one.question()
    assert judge.Remote(lambda request: one.ask(request, "value")).get("f1") == 3
    one.close()
    lines = log.read_text().splitlines()
    name = lines[-2].split("--name ")[1].split()[0]
    assert [line.split()[0] for line in lines] == ["import", "run", "run", "kill"]
    assert lines[-1] == f"kill {name}"


@pytest.mark.slow
def test_without_control_groups_memory_is_watched(tmp_path):
    kit.isolated()
    bundle = submissions.load(kit.small(tmp_path / "A0.zip", 1, memory=1_000_000_000))
    code = (
        "import os, time\ndef f1(x):\n    for _ in range(9):\n        if os.fork() == 0:\n"
        "            kept = bytearray(b'1') * 150_000_000\n            time.sleep(100)\n    time.sleep(100)"
    )
    submission = submissions.Submission("a", cells=[(0, code)])
    record = judge.grade(
        submission, bundle, lambda: room.Room(room.best(), {}, bundle.limits, bundle.absent)
    )
    assert "more memory" in record["results"]["q1"][0][1]
