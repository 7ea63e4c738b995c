"""No file holds a path of somebody's machine, the host of a package registry, or a secret."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A path begins where no word, dot or variable ends; addresses of web pages have such an end before
# each slash.
START = r"(?<![\w.~)}\]*-])"
PATTERNS = {
    "a path of a machine": rf"{START}/(?:work|root|farm|opt/pypi)\b|{START}/(?:home|Users)/\w+",
    "a registry host": r"\bpypi(?:\.[\w-]+)+|\b\w+\.pythonhosted\.org|\bdownload\.pytorch\.org",
    "a package index": r"https?://[^\s\"'<>]+/simple\b|index-url[ =]+[\"']?https?:|https?://127\.",
    "a token": r"\bAKIA[0-9A-Z]{16}\b|\b(?:gh[pousr]|github_pat|hf)_\w{20,}|\bxox[abprs]-\w{10,}",
    "a key": r"(?<![\w-])sk-(?:[a-z0-9]+-)*\w{20,}|BEGIN [A-Z ]*PRIVATE KEY|://[^\s/:@]+:[^\s/:@]+@",
}
IN_OUTPUTS = {"a temporary path": rf"{START}/(?:tmp|var/folders)/\w"}
# The README tells where a smaller build of PyTorch comes from.
ALLOWED = {"README.md": r"pypi\.org|download\.pytorch\.org|index-url[ =]+https:"}
PICTURE = re.compile(r"[A-Za-z0-9+/=\\\n]{200,}")


@cache
def files():
    """Path and text of each text file that is in the repository or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    found = {}
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            found[name] = content.decode("utf-8")
    return found


def stored_outputs(text):
    """What the cells of a notebook show, without the pictures."""
    for cell in json.loads(text)["cells"]:
        for output in cell.get("outputs", []):
            shown = {
                kind: value
                for kind, value in output.get("data", {}).items()
                if not kind.startswith("image/")
            }
            for value in (output.get("text", ""), output.get("traceback", ""), *shown.values()):
                yield "".join(value) if isinstance(value, list) else str(value)


def faults(name, text):
    found = []
    places = [(PATTERNS, PICTURE.sub("", text))]
    if name.endswith(".ipynb"):
        places += [
            ({**PATTERNS, **IN_OUTPUTS}, PICTURE.sub("", shown)) for shown in stored_outputs(text)
        ]
    for patterns, part in places:
        for kind, pattern in patterns.items():
            for match in re.finditer(pattern, part):
                if name not in ALLOWED or not re.match(ALLOWED[name], match[0]):
                    found.append(f"{name} holds {kind}: {match[0]}")
    return found


def test_no_file_names_a_machine_a_registry_or_a_secret():
    assert [fault for name, text in files().items() for fault in faults(name, text)] == []
    assert {"Makefile", "requirements.lock", "gantut/__init__.py"} <= set(files())


def test_files_end_with_a_newline():
    house = [name for name in files() if name.startswith((".ci/", "gantut/"))]
    assert [name for name in house if files()[name] and not files()[name].endswith("\n")] == []


# Each sample is written with a § in it, so that this file does not hold what it forbids.
@pytest.mark.parametrize(
    ("kind", "sample"),
    [
        ("a path of a machine", "file:///ho§me/somebody/book"),
        ("a path of a machine", "see §/wo§rk/main/x.py"),
        ("a registry host", "https://py§pi.mirror.example/x"),
        ("a package index", "--extra-index-u§rl https://packages.example"),
        ("a package index", "http:§//127.0.0.1:3141/index"),
        ("a token", "gh§p_" + "a1B2" * 9),
        ("a token", "xo§xb-1234567890"),
        ("a key", "s§k-proj-" + "a1B2" * 9),
        ("a key", "https:§//user:secret@example.org"),
    ],
)
def test_the_pattern_catches(kind, sample):
    found = faults("some.md", f"text {sample.replace('§', '')} text")
    assert any(f"holds {kind}:" in fault for fault in found), found


def test_innocent_text_passes():
    text = (
        "http.server --bind 127.0.0.1, notebooks/wo§rk, $(VENV)/wo§rk, ${HOME}/ro§ot, a task-force"
    )
    assert faults("some.md", text.replace("§", "")) == []


def test_a_path_that_a_cell_printed_is_found():
    """Also one that the file format cut in two, and none inside a picture."""

    def notebook(**output):
        return json.dumps({"cells": [{"cell_type": "code", "source": ["x"], "outputs": [output]}]})

    assert faults("a.ipynb", notebook(text=["/wo", "rk/main"]))
    assert faults("a.ipynb", notebook(data={"text/plain": ["/t", "mp/ipykernel_17/1.py"]}))
    assert faults("a.ipynb", notebook(data={"image/png": "+/t§mp/".replace("§", "") * 99})) == []
