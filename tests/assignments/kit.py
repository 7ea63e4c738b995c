"""What the tests of the assignments share: masters, builds, notebooks with changes, and one call of
the grader.
"""

from __future__ import annotations

import atexit
import copy
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import assignments
import nbformat

ROOT = Path(__file__).resolve().parents[2]
MASTERS = {path.stem.split("-")[0]: path for path in sorted(assignments.MASTERS.glob("A*.ipynb"))}


class Built(NamedTuple):
    """One assignment's build."""

    name: str
    master: nbformat.NotebookNode
    student: nbformat.NotebookNode
    solution: nbformat.NotebookNode
    bundle: Path


def build(name: str, folder: Path) -> Built:
    made = assignments.build(MASTERS[name], folder)
    student, solution = (
        nbformat.read(next((made / kind).glob("*.ipynb")), as_version=4)
        for kind in ("student", "solution")
    )
    return Built(
        name,
        nbformat.read(MASTERS[name], as_version=4),
        student,
        solution,
        made / f"{name}-autograder.zip",
    )


@functools.cache
def built(name: str) -> Built:
    """The build that the tests of one process share."""
    folder = tempfile.mkdtemp(prefix="gantut-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(name, Path(folder))


def questions(built: Built) -> list[dict[str, Any]]:
    return assignments.questions(built.master)


def solution_cells(master: nbformat.NotebookNode) -> dict[str, str]:
    """The source of each question's solution cell."""
    return {
        tag.removeprefix("solution-"): cell.source
        for cell in master.cells
        for tag in cell.metadata.get("tags", [])
        if tag.startswith("solution-")
    }


def with_answers(built: Built, answers: dict[str, str]) -> nbformat.NotebookNode:
    """The solution, with code appended to the answers to these questions."""
    notebook = copy.deepcopy(built.solution)
    for question, code in answers.items():
        first = solution_cells(built.master)[question].split("\n")[0].partition("  # SOLUTION")[0]
        cells = [
            cell
            for cell in notebook.cells
            if cell.cell_type == "code" and cell.source.startswith(first)
        ]
        cells[-1].source += f"\n\n{code}"
    return notebook


def with_wrong(built: Built, *wrong: Any) -> nbformat.NotebookNode:
    """Wrong answers among right ones: the solution's, or quicker ones where there are any."""
    answers = dict(among(built.name))
    for one in wrong:
        answers[one.question] = f"{answers.get(one.question, '')}\n\n{one.code}"
    return with_answers(built, answers)


def among(name: str) -> dict[str, str]:
    """The quick right answers among which the wrong ones stand."""
    return getattr(assignments.declared(name), "AMONG", {})


def with_cell(notebook: nbformat.NotebookNode, code: str) -> nbformat.NotebookNode:
    notebook = copy.deepcopy(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    return notebook


def grade(
    bundle: Path, submissions: Path, out: Path, *options: str, check: bool = True
) -> dict[str, dict[str, Any]]:
    """The stored record of every student, after one call of the command."""
    command = [
        sys.executable,
        "-m",
        "gantut.grading",
        str(bundle),
        str(submissions),
        "-o",
        str(out),
        "-j",
        "1",
        *options,
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "TQDM_DISABLE": "1"},
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((out / "feedback").glob("*.json"))
    }


def lost(record: dict[str, Any]) -> dict[str, list[str]]:
    """The questions that lost points, with the messages of their failing tests."""
    return {
        q["name"]: [t["message"] for t in q["tests"] if t["message"] is not None]
        for q in record["questions"]
        if not q["manual"] and q["earned"] < q["points"]
    }
