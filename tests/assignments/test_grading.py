"""Grading is proven: right answers get all points, wrong ones lose those of their question, and
mischief gets none.
"""

import csv
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import assignments
import kit
from hostile import HOSTILE


def store(notebook, path):
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)


def hurried(bundle, path, **limits):
    """The bundle with other limits."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "gantut.json":
                index = json.loads(data)
                index["limits"].update(limits)
                data = json.dumps(index).encode()
            new.writestr(name, data)
    return path


def shared_out(wrong):
    """Which wrong answers stand together in a submission: at most one to a question.

    The first to each question stands alone, which shows that a mistake costs no other question
    anything. The others share submissions, so that long trainings run less often.
    """
    by_question = {}
    for one in wrong:
        by_question.setdefault(one.question, []).append(one)
    alone = [[first] for first, *_ in by_question.values()]
    rows = itertools.zip_longest(*(rest for _, *rest in by_question.values()))
    return alone + [[one for one in row if one is not None] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("name", kit.MASTERS)
def test_right_empty_and_wrong_submissions(name, tmp_path):
    built, folder = kit.built(name), tmp_path / "class"
    store(built.solution, folder / "right.ipynb")
    store(built.student, folder / "empty.ipynb")
    rights = ["right"]
    if kit.among(name):
        store(kit.with_answers(built, kit.among(name)), folder / "among.ipynb")
        rights.append("among")
    together = shared_out(assignments.wrong(name))
    assert sum(map(len, together)) == len(assignments.wrong(name))
    wrong = {f"wrong-{n:02d}": ones for n, ones in enumerate(together)}
    for student, ones in wrong.items():
        store(kit.with_wrong(built, *ones), folder / f"{student}.ipynb")
    records = kit.grade(built.bundle, folder, tmp_path / "grades")
    assert {r["status"] for r in records.values()} == {"graded"}
    for right in rights:
        assert records[right]["score"] == records[right]["out_of"] and not records[right]["errors"]
        assert records[right]["notes"] == []
    assert records["empty"]["notes"] == []
    assert records["empty"]["score"] == 0
    assert all(
        test["message"]
        for q in records["empty"]["questions"]
        if not q["manual"]
        for test in q["tests"]
    )
    faults = []
    for student, ones in wrong.items():
        missed = kit.lost(records[student])
        if set(missed) != {one.question for one in ones}:
            names = [(one.question, one.name) for one in ones]
            faults.append(f"{names} lose points in {sorted(missed)}")
        for one in ones:
            messages = missed.get(one.question, [])
            if not any(re.search(one.says, message) for message in messages):
                faults.append(f"{one.name}: no message says {one.says!r}: {messages}")
    assert faults == []


@pytest.mark.slow
@pytest.mark.parametrize("name", kit.MASTERS)
def test_hostile_submissions(name, tmp_path):
    """All attacks on the first assignment; on the others, those that a test could fall for."""
    built, folder, out = kit.built(name), tmp_path / "class", tmp_path / "grades"
    first = name == min(kit.MASTERS)
    attacks = {k: one for k, one in HOSTILE.items() if first or "{names!r}" in one.code}
    # On the first the attacks hide behind right answers. On the others they come alone, which
    # costs no run of the solution.
    limits = {"wall": 20, "cpu": 8} if first else {"wall": 8, "cpu": 4}
    bundle = hurried(built.bundle, tmp_path / "quick.zip", memory=600_000_000, **limits)
    kept = [tmp_path / "precious.txt", out / "precious.csv", bundle, folder / "victim.ipynb"]
    store(built.solution if first else built.student, folder / "victim.ipynb")
    out.mkdir()
    for path in kept[:2]:
        path.write_text("precious")
        path.chmod(0o666)
    before = {path: path.read_bytes() for path in kept}
    functions = re.findall(
        r"^def (\w+)", "\n".join(kit.solution_cells(built.master).values()), re.M
    )
    values = {"bundle": str(bundle), "targets": [str(path) for path in kept], "names": functions}
    for key, one in attacks.items():
        filled = any(f"{{{field}!r}}" in one.code for field in values)
        code = one.code.format(**values) if filled else one.code
        store(
            kit.with_cell(built.solution if first and one.answered else built.student, code),
            folder / f"{key}.ipynb",
        )
    records = kit.grade(bundle, folder, out)
    faults = []
    for key, one in attacks.items():
        record = records[key]
        if record["score"] != 0:
            faults.append(f"{key} has {record['score']} points")
        if record["status"] != one.status:
            faults.append(
                f"{key} is {record['status']}, and should be {one.status}: {record['notes']}"
            )
        if not re.search(one.says, "; ".join(record["notes"])):
            faults.append(f"{key}: the notes do not say {one.says!r}: {record['notes']}")
    assert faults == []
    assert records["victim"]["status"] == "graded", "the others are graded all the same"
    assert records["victim"]["score"] == (records["victim"]["out_of"] if first else 0)
    assert {path: path.read_bytes() for path in kept} == before
    if first:
        rows = {row["student"]: row for row in table(out)}
        assert rows["endless-loop"]["status"] == "timeout" and rows["patches-the-library"]["notes"]


@pytest.mark.slow
def test_a_plain_otter_run_gives_the_same_scores(tmp_path):
    built, folder = kit.built("A1"), tmp_path / "class"
    store(built.solution, folder / "right.ipynb")
    one = next(w for w in assignments.wrong("A1") if w.name == "norm over the batch")
    store(kit.with_wrong(built, one), folder / "wrong.ipynb")
    records = kit.grade(built.bundle, folder, tmp_path / "grades")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for student, record in records.items():
        out = tmp_path / student
        out.mkdir()
        command = [
            sys.executable,
            "-m",
            "otter",
            "run",
            "-a",
            str(built.bundle),
            str(folder / f"{student}.ipynb"),
            "-o",
            str(out),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        tests = json.loads((out / "results.json").read_text(encoding="utf-8"))["tests"]
        scores = {
            t["name"]: t["score"] for t in tests if "score" in t and t["name"].startswith("q")
        }
        ours = {q["name"]: q["earned"] for q in record["questions"] if not q["manual"]}
        assert scores == pytest.approx(ours, abs=0.01)
    assert records["right"]["score"] == 32 and records["wrong"]["score"] < 32


def table(out):
    return csv.DictReader((out / "scores.csv").read_text(encoding="utf-8").splitlines())


# -- a class ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_class_in_one_command(tmp_path):
    """Files and folders, what is no notebook, an interruption, a second call, a changed submission,
    hidden tests kept hidden.
    """
    built, folder, out = kit.built("A1"), tmp_path / "class", tmp_path / "grades"
    store(built.solution, folder / "ada.ipynb")
    store(built.student, folder / "grace" / "my answer.ipynb")
    (folder / "no-notebook").mkdir()
    (folder / "broken.ipynb").write_text("{this is no notebook", encoding="utf-8")
    store(kit.with_cell(built.solution, "import os\n\nos._exit(3)"), folder / "crash.ipynb")
    store(kit.with_cell(built.solution, "1 / 0"), folder / "=cmd('x').ipynb")
    # Half of a surrogate pair is a text in JSON, and none that a file can hold.
    cells = [{"cell_type": "code", "source": "print('\ud800')"}]
    cells += [
        {"cell_type": "markdown", "source": text}
        for text in ("## Question 8: in your own words (2 points, 10 minutes)", "\ud800")
    ]
    (folder / "half.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    records = kit.grade(built.bundle, folder, out, "--hide-hidden")
    status = {student: record["status"] for student, record in records.items()}
    assert status == {
        "ada": "graded", "grace": "graded", "no-notebook": "no notebook", "broken": "no notebook", "crash": "crashed", "_cmd_x_": "graded",
        "half": "graded",
    }  # fmt: skip
    assert re.fullmatch(
        r"cell \d+, line 1: ZeroDivisionError: division by zero", records["_cmd_x_"]["errors"][0]
    )
    rows = list(table(out))
    assert {row["student"] for row in rows} == set(records) and len(rows) == len(records)
    ada = next(row for row in rows if row["student"] == "ada")
    assert (ada["score"], ada["out of"], ada["percent"], ada["q8 (of 2, by hand)"]) == (
        "32",
        "32",
        "100",
        "",
    )
    page = (out / "feedback" / "grace.html").read_text(encoding="utf-8")
    assert "is not there yet" in page and "a hidden test" in page and "random densities" not in page
    assert "logits are about −7" in (out / "feedback" / "ada.html").read_text(encoding="utf-8"), (
        "the written answer is there"
    )
    assert {path.suffix for path in out.rglob("*") if path.is_file()} == {".csv", ".html", ".json"}

    # A second call grades what changed, and only that.
    times = {path.name: path.stat().st_mtime_ns for path in (out / "feedback").glob("*.json")}
    store(kit.with_cell(built.solution, "2 + 2"), folder / "grace" / "my answer.ipynb")
    (out / "feedback" / "ada.json").write_text("{cut off", encoding="utf-8")
    records = kit.grade(built.bundle, folder, out)
    changed = {
        p.name for p in (out / "feedback").glob("*.json") if p.stat().st_mtime_ns != times[p.name]
    }
    assert changed == {"grace.json", "ada.json"}
    assert records["grace"]["score"] == records["ada"]["score"] == 32


def test_what_is_asked_wrongly_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.zip").write_text("no zip")
    built = kit.built("A1")
    for bundle, folder, message in (
        (tmp_path / "no.zip", tmp_path / "empty", "is no bundle of `make assignments`"),
        (built.bundle, tmp_path / "empty", "holds no notebook and no folder with one"),
        (built.bundle, tmp_path / "nowhere", "is no folder of submissions"),
    ):
        command = [
            sys.executable,
            "-m",
            "gantut.grading",
            str(bundle),
            str(folder),
            "-o",
            str(tmp_path / "grades"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and message in done.stderr
        assert not (tmp_path / "grades").exists()


# -- isolation -------------------------------------------------------------------------------------

PROBE = """
import os, sys, tempfile
from gantut.grading import sandbox
{patch}
folder, hidden = tempfile.mkdtemp(), tempfile.mkdtemp()
open(hidden + "/secret", "w").close()
os.chmod(hidden, 0o777)
read, write = os.pipe()
if os.fork() == 0:
    got = sandbox.isolate(folder, [hidden], 0)
    sandbox.limit({{"memory": 10**9, "cpu": 5, "file": 10**6}})
    found = [",".join(got), str(os.geteuid()), str(len(os.listdir(hidden)))]
    for path in (folder + "/mine", {outside!r}, hidden + "/mine"):
        try:
            open(path, "w").close()
            found.append("written")
        except OSError:
            found.append("refused")
    os.write(write, " ".join(found).encode())
    os._exit(0)
os.wait()
print(os.read(read, 1000).decode())
"""


def probe(outside, patch="", *before):
    command = [*before, sys.executable, "-c", PROBE.format(patch=patch, outside=str(outside))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")


@linux
def test_isolation_with_namespaces(tmp_path):
    outside = tmp_path / "outside"
    outside.touch(0o666)
    got, user, secrets, own, other, hidden = probe(outside)
    if "files" not in got:
        pytest.skip("this system grants no namespaces")
    assert (secrets, own, other, hidden) == ("0", "written", "refused", "refused")
    assert int(user) != 0


@linux
def test_isolation_of_a_user_who_is_not_root(tmp_path):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("the test above is this one, or unshare is missing")
    outside = tmp_path / "outside"
    outside.touch(0o666)
    before = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system grants no namespaces")
    got, user, secrets, own, other, hidden = probe(outside, "", *before)
    assert set(got.split(",")) == {"network", "processes", "files"} and user == "1000"
    assert (secrets, own, other, hidden) == ("0", "written", "refused", "refused")


@linux
def test_without_namespaces_limits_and_the_other_user_remain(tmp_path):
    outside = tmp_path / "outside"
    outside.touch(0o600)
    result = probe(outside, "sandbox._namespaces = lambda root: False")
    if os.geteuid() == 0:
        got, user, secrets, own, other, hidden = result
        assert (got, own, other) == ("user", "written", "refused") and int(user) != 0
        # It is said plainly: what everybody may read or write is open to a submission then.
        assert (secrets, hidden) == ("1", "written")
    else:
        assert result[-3:] == ["written", "written", "written"]
