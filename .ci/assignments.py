"""Build the assignments: from each master, what students get, what graders need, and the solution.

python .ci/assignments.py [-o _build/assignments] [notebooks/assignments/A1-….ipynb …]

otter-grader cuts the master; then the student's notebook gets its visible tests inside (one file is
all that a student needs), and the autograder's zip gets an index for `notebooks/assignments/grader`.
The zip remains a plain otter bundle: `otter run -a` takes it too.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.metadata
import io
import json
import re
import shutil
import subprocess
import symtable
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import address
import nbformat

from gantut.grading.checker import HEADER, OTTER

ROOT = Path(__file__).resolve().parent.parent
MASTERS = ROOT / "notebooks" / "assignments"
# Of each question, and of each cell: seconds of computing and on the clock, bytes of all processes.
LIMITS: dict[str, Any] = {"cpu": 40, "wall": 200, "memory": 2_000_000_000}
HEADING = re.compile(r"^## (Question \d+: .+?) \((\d+) points?, (\d+) minutes\)", re.M)
RUBRIC = re.compile(r"^- (\d+) points?: (.+)$", re.M)
DOC = re.compile(r"\{doc\}`(?:([^`<]+?) *<)?(?:\.\./)*(?:notebooks/)?((\d\d)-[\w-]+)>?`")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
TESTS = """\
# @title The visible tests: run this cell, and leave it as it is
from gantut.grading import Checker

TESTS = {{
{tests}
}}
grader = Checker(TESTS, globals())"""
ENVIRONMENT = """\
name: otter-env
channels:
  - conda-forge
dependencies:
  - python=3.13
  - pip
  - pip:
      - otter-grader[grading,plugins]=={otter}
      - gantut @ git+{address}@{commit}
"""


def cut(master: Path, folder: Path) -> None:
    """otter-grader's part, in its own words silent."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # they are about what otter-grader is built on
        from otter.assign import main

        main(str(master), str(folder), no_run_tests=True, no_pdfs=True)


def questions(master: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The index of the questions, read from the master.

    Raises:
        ValueError: a question without the heading that students and graders read.
    """
    found: list[dict[str, Any]] = []
    state = ""
    for cell in master.cells:
        first = cell.source.split("\n")[0].strip()
        if cell.cell_type == "raw":
            if first == "# BEGIN QUESTION":
                settings = dict(re.findall(r"^(\w+): *(\S+)$", cell.source, re.M))
                manual = settings.get("manual") == "true"
                found.append(
                    {
                        "name": settings["name"],
                        "points": float(settings["points"]),
                        "manual": manual,
                        "tests": [],
                    }
                )
                state = "prompt"
            elif first in ("# BEGIN SOLUTION", "# BEGIN TESTS"):
                state = first
            elif first.startswith("# END"):
                state = "" if first == "# END QUESTION" else "question"
        elif state == "prompt" and cell.cell_type == "markdown":
            title = HEADING.search(cell.source)
            if title is None or float(title[2]) != found[-1]["points"]:
                raise ValueError(
                    f"{found[-1]['name']} wants '## Question N: title ({found[-1]['points']:g} points, M minutes)'"
                )
            rubric = [
                (float(p), text)
                for p, text in RUBRIC.findall(cell.source.partition("**Rubric**")[2])
            ]
            found[-1] |= {
                "title": title[1],
                "heading": title[0],
                "minutes": int(title[3]),
                "rubric": rubric,
                "prompt": links(cell.source),
            }
            state = "question"
        elif state == "# BEGIN TESTS":
            (function,) = [n for n in ast.parse(cell.source).body if isinstance(n, ast.FunctionDef)]
            found[-1]["tests"].append(
                {"name": function.name, "hidden": first.startswith("# HIDDEN"), "points": None}
            )
    return found


def bound(source: str) -> list[str]:
    """The global names that a cell binds."""
    table = symtable.symtable(source, "cell", "exec").get_symbols()
    return sorted(s.get_name() for s in table if s.is_assigned() or s.is_imported())


def commit() -> str:
    """The commit that the zip pins, so that it grades next year as it does today."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or f"v{importlib.metadata.version('gantut')}"


def comment(master: nbformat.NotebookNode, name: str) -> str:
    """What `<!-- name: … -->` in the opening says."""
    opening = next(cell.source for cell in master.cells if cell.cell_type == "markdown")
    said = re.search(rf"<!-- {name}: (.*?) -->", opening)
    return said[1] if said else ""


def index(
    master: nbformat.NotebookNode, name: str, student: nbformat.NotebookNode
) -> dict[str, Any]:
    """gantut.json: all that the grader needs beside the tests."""
    opening = next(cell.source for cell in master.cells if cell.cell_type == "markdown")
    given = {
        key: float(value)
        for key, value in re.findall(r"(\w+)=([\d.e]+)", comment(master, "limits"))
    }
    limits = {**LIMITS, **{key: int(value) for key, value in given.items()}}
    asked, code = questions(master), [c for c in student.cells if c.cell_type == "code"]
    return {
        "name": name, "title": opening.split("\n")[0].removeprefix("# "), "questions": asked,
        "limits": limits, "forbidden": comment(master, "forbidden").split(),
        # What only shows something need not run when it is graded.
        "looks": {c.source.strip(): bound(c.source) for c in code if "look" in c.metadata.get("tags", [])},
        "given": [cell.source.strip() for cell in code],
    }  # fmt: skip


def links(text: str) -> str:
    """The book's roles as plain links, for a notebook that stands alone."""
    here = address.address()
    text = DOC.sub(
        lambda m: f"[{m[1] or f'chapter {int(m[3])}'}]({here}/blob/main/notebooks/{m[2]}.ipynb)",
        text,
    )
    return re.sub(
        r"\{cite(?::\w+)?\}`([^`]+)`",
        lambda m: f"[{m[1]}]({here}/blob/main/book/references.bib)",
        text,
    )


def finish(
    path: Path, tests: dict[str, str], name: str, *, keep_outputs: bool
) -> nbformat.NotebookNode:
    """The notebook as it is handed out: the visible tests inside, plain links, steady ids."""
    notebook = nbformat.read(path, as_version=4)
    lines = "\n".join(f"    {json.dumps(key)}: {quoted(value)}," for key, value in tests.items())
    cell = nbformat.v4.new_code_cell(TESTS.format(tests=lines))
    cell.metadata = nbformat.from_dict(
        {"tags": ["visible-tests"], "jupyter": {"source_hidden": True}, "cellView": "form"}
    )
    setup = next(n for n, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(setup + 1, cell)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name}-{number:03d}"
        tags = [t for t in cell.metadata.get("tags", []) if not t.startswith(("otter", "solution"))]
        cell.metadata.pop("deletable", None), cell.metadata.pop("editable", None)
        cell.metadata.pop("tags", None)
        if tags:
            cell.metadata["tags"] = tags
        if cell.cell_type == "markdown":
            cell.source = links(re.sub(r"<!-- (?:forbidden|limits): .*? -->\n*", "", cell.source))
        elif not keep_outputs:
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    nbformat.validate(notebook)
    return notebook


def quoted(text: str) -> str:
    return f"r'''{text}'''" if "'''" not in text and not text.endswith(("'", "\\")) else repr(text)


def texts(folder: Path) -> list[tuple[str, str]]:
    return [(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))]


def with_header(source: str) -> str:
    assert OTTER in source, "otter-grader writes its test files in another way now"
    return source.replace(OTTER, f"{OTTER}\n\n{HEADER.strip()}", 1)


def pack(folder: Path, target: Path, extra: dict[str, str]) -> None:
    """The bundle: otter's files and ours, the same bytes for the same content."""
    files = {}
    (theirs,) = folder.glob("*.zip")
    with zipfile.ZipFile(theirs) as archive:
        for name in archive.namelist():
            files[name] = archive.read(name).decode()
    # A notebook that went through another program may have lost its metadata: grade it all the
    # same.
    settings = json.loads(files["otter_config.json"])
    settings.pop("assignment_name", None)
    files["otter_config.json"] = json.dumps(settings, indent=1) + "\n"
    files |= extra
    temporary = target.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.external_attr = (
                0o755 << 16 if name in ("run_autograder", "setup.sh") else 0o644 << 16
            )
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    temporary.replace(target)


def build(master: Path, out: Path) -> Path:
    """All of one assignment, into a folder that is replaced as a whole; the folder."""
    name = master.stem.split("-")[0]
    with tempfile.TemporaryDirectory() as scratch:
        cut_folder, new = Path(scratch) / "cut", Path(scratch) / name
        cut(master, cut_folder)
        hidden_too = {
            key: with_header(text) for key, text in texts(cut_folder / "autograder" / "tests")
        }
        visible = {
            key: text.replace(OTTER, HEADER.strip())
            for key, text in texts(cut_folder / "student" / "tests")
        }
        (new / "student").mkdir(parents=True)
        (new / "solution").mkdir()
        for kind, source in (("student", "student"), ("solution", "autograder")):
            notebook = finish(
                cut_folder / source / master.name, visible, name, keep_outputs=kind == "solution"
            )
            (new / kind / master.name).write_text(
                nbformat.writes(notebook) + "\n", encoding="utf-8"
            )
        handed_out = nbformat.read(new / "student" / master.name, as_version=4)
        about = index(nbformat.read(master, as_version=4), name, handed_out)
        extra = {f"tests/{key}.py": text for key, text in hidden_too.items()}
        extra["gantut.json"] = json.dumps(about, ensure_ascii=False, indent=1) + "\n"
        extra["environment.yml"] = ENVIRONMENT.format(
            otter=importlib.metadata.version("otter-grader"),
            address=address.address(),
            commit=commit(),
        )
        pack(cut_folder / "autograder", new / f"{name}-autograder.zip", extra)
        out.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(out / name, ignore_errors=True)
        shutil.copytree(new, out / name)
    return out / name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "_build" / "assignments")
    parser.add_argument("masters", nargs="*", type=Path)
    arguments = parser.parse_args()
    for master in arguments.masters or sorted(MASTERS.glob("A*.ipynb")):
        folder = build(master.resolve(), arguments.out.resolve())
        about = json.loads(
            zipfile.ZipFile(folder / f"{folder.name}-autograder.zip").read("gantut.json")
        )
        points, minutes = (sum(q[key] for q in about["questions"]) for key in ("points", "minutes"))
        print(
            f"{folder.name}: {len(about['questions'])} questions, {points:g} points, {minutes} minutes"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
