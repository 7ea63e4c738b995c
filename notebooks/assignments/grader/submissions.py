"""What a teacher has: the autograder bundle of an assignment, and a folder of submissions.

Nothing of a submission is executed here. Only regular files are read, and none through a link.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

LARGEST, CELLS, TEXT, NAME = 20_000_000, 2_000, 200_000, 100
HINT = "_Type your answer here, replacing this text._"


class Bundle(NamedTuple):
    """The questions with their points, the test files' text by question, the limits, the rooms of
    the library that are not there, the cells that only show with the names that they bind, and all
    cells that were handed out.
    """

    name: str
    title: str
    questions: list[dict[str, Any]]
    tests: dict[str, str]
    limits: dict[str, Any]
    forbidden: list[str]
    digest: str
    looks: dict[str, list[str]] = {}
    given: list[str] = []

    @property
    def absent(self) -> list[str]:
        rooms = {"gantut.bugs", *self.forbidden}
        return sorted(room for room in rooms if room.startswith("gantut."))

    def needed(self, cells: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """The cells without those that only show something, where they are as they were handed out
        and no word of the student's own cells is a name that they bind.
        """
        own = {w for _, t in cells if t.strip() not in self.given for w in re.findall(r"\w+", t)}
        return [
            (number, text)
            for number, text in cells
            if text.strip() not in self.looks or own.intersection(self.looks[text.strip()])
        ]


def load(path: str | Path) -> Bundle:
    """Read a bundle that ``make assignments`` wrote.

    Raises:
        ValueError: it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            about = archive.read("gantut.json")
            index = json.loads(about)
            asked = [q["name"] for q in index["questions"] if not q["manual"]]
            tests = {name: archive.read(f"tests/{name}.py").decode() for name in asked}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no bundle of `make assignments`: {error}") from None
    # Without what only names the commit, or each commit of yours would grade the class anew.
    mark = digest(about + "".join(tests.values()).encode())
    return Bundle(tests=tests, digest=mark, **index)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


class Submission(NamedTuple):
    """One student's notebook: code cells, answers in words, or what is wrong with the file."""

    student: str
    digest: str = ""
    cells: list[tuple[int, str]] = []
    answers: dict[str, str] = {}
    fault: str = ""
    handed_in: float = 0.0

    def own(self, bundle: Bundle) -> str:
        """The code that was not handed out."""
        code = "\n".join(text for _, text in self.cells if text.strip() not in bundle.given)
        return code[:TEXT]

    def notes(self, bundle: Bundle) -> list[str]:
        """What a teacher may want to look at."""
        code = self.own(bundle)
        names = {room: room.rpartition(".")[2] for room in bundle.forbidden}
        return [
            f"uses {room}, which is not there when this is graded"
            for room, last in names.items()
            if re.search(rf"\b{re.escape(room)}\b|from gantut import[^\n]{{0,300}}\b{last}\b", code)
        ]


def find(folder: Path) -> list[tuple[str, Path, str]]:
    """(student, file, fault) of every submission in a folder: files and folders NAME.

    Names are made safe for files and tables, and no two are the same.

    Raises:
        ValueError: the folder is not there, or holds nothing.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of submissions")
    found = []
    for path in sorted(folder.iterdir(), key=os.fsencode):
        inner, name, fault = [path], path.stem, ""
        if path.name.startswith((".", "__MACOSX")):
            continue
        if path.is_dir() and not path.is_symlink():
            inner, name = notebooks(path), path.name
            fault = f"the folder holds {len(inner)} notebooks" * (len(inner) != 1)
        elif path.suffix.lower() != ".ipynb":
            name, fault = path.name, "this is no .ipynb file"
        found.append((name, path if fault else inner[0], fault, os.fsencode(path.name)))
    if not found:
        raise ValueError(f"{folder} holds no submission")
    short = {name: plain(name) for name, *_ in found}
    count = Counter(short[name].casefold() for name, *_ in found)
    # A tail from the real name, so that it stays the same; nobody can take another's by choice.
    unique = {
        name: count[key.casefold()] == 1 and key == name and not re.search("-[0-9a-f]{16}$", key)
        for name, key in short.items()
    }
    return [
        (short[name] if unique[name] else f"{short[name]}-{digest(real)}", path, fault)
        for name, path, fault, real in found
    ]


def plain(name: str) -> str:
    name = unicodedata.normalize("NFC", name.encode(errors="replace").decode()).strip()
    return re.sub(r"[^\w.@+ -]+", "_", name).encode()[:NAME].decode(errors="ignore")


def notebooks(folder: Path) -> list[Path]:
    """The notebooks in a folder and those below it, through no link."""
    apart = (".ipynb_checkpoints", "__MACOSX")
    return sorted(
        Path(where) / name
        for where, _, files in os.walk(folder)
        for name in files
        if name.lower().endswith(".ipynb") and not name.startswith("._")
        if not set(Path(where).parts).intersection(apart)
    )


def content(path: Path) -> bytes:
    """The bytes of a regular file, opened without following a link.

    Raises:
        OSError: it is something else, or larger than any notebook.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise OSError("it is no regular file")
        if about.st_size > LARGEST:
            raise OSError(f"it is larger than {LARGEST // 1_000_000} MB")
        return file.read(LARGEST + 1)


def read(student: str, path: Path, fault: str, bundle: Bundle) -> Submission:
    """Read a submission. Whatever is wrong with the file becomes its ``fault``."""
    mark, when, cells = "", 0.0, list[tuple[str, str]]()
    try:
        raw = b"" if fault else content(path)
        mark, when = digest(raw), path.lstat().st_mtime
        read = [] if fault else json.loads(raw)["cells"]
        cells = [(str(cell["cell_type"]), source(cell)) for cell in read]
    except OSError as error:
        fault = f"the file cannot be read: {error.strerror or error}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        fault = f"the file is no notebook: {type(error).__name__}"
    if len(cells) > CELLS or any(len(text) > TEXT for _, text in cells):
        fault = "the notebook has too many cells, or too long ones"
    if fault:
        return Submission(student, mark, fault=fault)
    code = [(n, text) for n, (kind, text) in enumerate(cells) if kind == "code" and text.strip()]
    return Submission(student, mark, code, written(cells, bundle), "", when)


def source(cell: dict[str, Any]) -> str:
    text = cell["source"]
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def written(cells: list[tuple[str, str]], bundle: Bundle) -> dict[str, str]:
    """The Markdown below each question's heading, up to the next question.

    A heading is known by its number, so its words may be changed. Text in the heading's cell below
    the prompt counts as well.
    """
    answers: dict[str, list[str]] = {q["name"]: [] for q in bundle.questions}
    numbers = {q["title"].partition(":")[0].lower(): q for q in bundle.questions}
    now: dict[str, Any] | None = None
    for kind, text in cells:
        if kind != "markdown":
            continue
        title = re.search(r"^#{1,6}\s*(question\s+\d+)\b", text, re.M | re.I)
        if title:
            now = numbers.get(" ".join(title[1].lower().split()))
            text = added(text, now["prompt"]) if now else ""
        elif re.search(r"^# |^## ", text, re.M) and "before you hand in" in text.lower():
            now = None
        if now:
            answers[now["name"]].append(text.replace(HINT, "").strip())
    return {name: "\n\n".join(p for p in parts if p)[:TEXT] for name, parts in answers.items()}


def added(text: str, prompt: str) -> str:
    """The lines of a prompt's cell that the prompt does not have."""
    known = {line.strip() for line in prompt.splitlines()}
    lines = [line for line in text.splitlines() if line.strip() not in known]
    return "\n".join(lines if not lines or not lines[0].startswith("#") else lines[1:])
