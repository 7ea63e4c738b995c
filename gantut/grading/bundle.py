"""What a teacher has: the autograder bundle of an assignment, and a folder of submissions."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import symtable
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

LARGEST = 20_000_000
INDEX = "gantut.json"


class Bundle(NamedTuple):
    """The questions with their points, the test files' text, the wrong answers that must fail, the
    limits, and the cells that only show.
    """

    name: str
    title: str
    questions: list[dict[str, Any]]
    tests: list[str]
    canaries: dict[str, str]
    limits: dict[str, Any]
    forbidden: list[str]
    digest: str
    looks: list[str] = []

    @property
    def out_of(self) -> float:
        """The points that tests give."""
        return sum(q["points"] for q in self.questions if not q["manual"])


def load(path: str | Path) -> Bundle:
    """Read a bundle that ``make assignments`` wrote.

    Raises:
        ValueError: it is no such file.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            index = json.loads(archive.read(INDEX))
            tests = [
                archive.read(name).decode()
                for name in sorted(archive.namelist())
                if name.startswith("tests/")
            ]
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no bundle of `make assignments`: {error}") from None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Bundle(tests=tests, digest=digest, **index)


class Submission(NamedTuple):
    """One student's notebook: code cells, answers in words, or what is wrong with the file."""

    student: str
    digest: str
    cells: list[tuple[int, str]]
    answers: dict[str, str]
    fault: str


def find(folder: str | Path) -> list[tuple[str, Path | None]]:
    """(student, notebook) of every ``name.ipynb`` and of every folder ``name/`` with one notebook
    in it; None where there is none.

    Raises:
        ValueError: the folder is not there, or holds no submission.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder of submissions")
    found: list[tuple[str, Path | None]] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            inner = [
                p for p in sorted(path.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts
            ]
            found.append((path.name, inner[0] if len(inner) == 1 else None))
        elif path.suffix == ".ipynb":
            found.append((path.stem, path))
    if not found:
        raise ValueError(f"{folder} holds no notebook and no folder with one")
    names: dict[str, int] = {}
    unique = []
    for name, notebook in found:
        key = re.sub(r"[^\w.@+-]+", "_", name)
        names[key] = names.get(key, 0) + 1
        unique.append((key if names[key] == 1 else f"{key}-{names[key]}", notebook))
    return unique


def read(student: str, path: Path | None, bundle: Bundle) -> Submission:
    """Read a submission.

    Nothing of it is executed, and whatever is wrong with the file becomes its ``fault``.
    """
    if path is None:
        return Submission(student, "", [], {}, "the folder does not hold exactly one notebook")
    try:
        if path.stat().st_size > LARGEST:
            return Submission(
                student, "", [], {}, f"the file is larger than {LARGEST // 1_000_000} MB"
            )
        raw = path.read_bytes()
        digest = hashlib.sha256(raw).hexdigest()[:16]
        notebook = json.loads(raw)
        cells = [(cell["cell_type"], source(cell)) for cell in notebook["cells"]]
    except OSError as error:
        return Submission(student, "", [], {}, f"the file cannot be read: {error}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return Submission(
            student, digest, [], {}, f"the file is no notebook: {type(error).__name__}"
        )
    code = [
        (number, text)
        for number, (kind, text) in enumerate(cells)
        if kind == "code" and text.strip()
    ]
    return Submission(student, digest, needed(code, bundle.looks), written(cells, bundle), "")


def source(cell: dict[str, Any]) -> str:
    text = cell["source"]
    return "".join(text) if isinstance(text, list) else str(text)


def written(cells: list[tuple[str, str]], bundle: Bundle) -> dict[str, str]:
    """The Markdown between a written question's prompt and the next question."""
    answers = {}
    for question in (q for q in bundle.questions if q["manual"]):
        heading, taken = question["heading"], False
        parts = []
        for kind, text in cells:
            if heading in text:
                taken = True
            elif taken and (re.search(r"^## ", text, re.M) or "END QUESTION" in text):
                break
            elif taken and kind == "markdown":
                parts.append(
                    text.replace("_Type your answer here, replacing this text._", "").strip()
                )
        answers[question["name"]] = "\n\n".join(part for part in parts if part)
    return answers


def needed(cells: list[tuple[int, str]], looks: list[str]) -> list[tuple[int, str]]:
    """The cells without those that only show something (``looks``), where they are unchanged and
    nothing else uses a name of theirs.
    """
    shown = [text.strip() for text in looks]
    others = set().union(*(names(text)[1] for _, text in cells if text.strip() not in shown))
    return [
        (number, text)
        for number, text in cells
        if text.strip() not in shown or names(text)[0] & others
    ]


def names(text: str) -> tuple[set[str], set[str]]:
    """The global names that a cell binds, and those that it uses; none where it is no Python."""
    try:
        tables = [symtable.symtable(plain(text), "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(), set()
    bound = {
        symbol.get_name()
        for symbol in tables[0].get_symbols()
        if symbol.is_assigned() or symbol.is_imported()
    }
    used = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        used |= {
            s.get_name()
            for s in table.get_symbols()
            if s.is_referenced() and (top or s.is_global())
        }
    return bound, used


def plain(text: str) -> str:
    """A cell without its magics."""
    return re.sub(r"^(\s*)[%!].*", r"\1pass", text[:200_000], flags=re.M)


def imports(cells: list[tuple[int, str]], forbidden: list[str]) -> list[str]:
    """Which of the modules that an answer shall not use are imported in the code, or reached as
    attributes.
    """
    used: set[str] = set()
    for _, text in cells:
        try:
            tree = ast.parse(plain(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                used |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Attribute):
                used.add(ast.unparse(node)[:100])
    return [
        module for module in forbidden if any(f"{name}.".startswith(f"{module}.") for name in used)
    ]
