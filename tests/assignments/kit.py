"""What the tests of the assignments share: masters, builds, notebooks with changes, and one call of the grader."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
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
        nbformat.read(next((made / kind).glob("*.ipynb")), as_version=4) for kind in ("student", "solution")
    )
    return Built(name, nbformat.read(MASTERS[name], as_version=4), student, solution, made / f"{name}-autograder.zip")


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


def with_wrong(built: Built, question: str, code: str) -> nbformat.NotebookNode:
    """The solution, with code appended to the answer to one question."""
    notebook = copy.deepcopy(built.solution)
    first = solution_cells(built.master)[question].split("\n")[0].partition("  # SOLUTION")[0]
    answers = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith(first)]
    answers[-1].source += f"\n\n{code}"
    return notebook


def with_cell(notebook: nbformat.NotebookNode, code: str) -> nbformat.NotebookNode:
    notebook = copy.deepcopy(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell(code))
    return notebook


def grade(bundle: Path, submissions: Path, out: Path, *options: str, check: bool = True) -> dict[str, dict[str, Any]]:
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
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TQDM_DISABLE": "1"}, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / "feedback").glob("*.json"))
    }


def lost(record: dict[str, Any]) -> dict[str, list[str]]:
    """The questions that lost points, with the messages of their failing tests."""
    return {
        q["name"]: [t["message"] for t in q["tests"] if t["message"] is not None]
        for q in record["questions"]
        if not q["manual"] and q["earned"] < q["points"]
    }
