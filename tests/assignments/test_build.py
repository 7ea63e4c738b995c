"""What is built: students get no solution and no hidden test, graders get everything, and the same
master gives the same bytes.
"""

import json
import re
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import assignments
import kit

from gantut.grading import checker

SHORTEST = 12  # a line such as `return z` is no secret


@pytest.fixture(scope="module", params=list(kit.MASTERS))
def built(request):
    return kit.built(request.param)


def flat(text):
    """Without the spaces and quotes in which a formatter may change a line."""
    return re.sub(r"\s+|['\"]", "", text)


def lines(text):
    return {flat(line) for line in text.split("\n") if len(flat(line)) >= SHORTEST}


def secrets(master):
    """The lines of solutions, of hidden tests and of model answers, which the master shows nowhere
    else.
    """
    kept, shown, state = set(), set(), ""
    for cell in master.cells:
        first = cell.source.split("\n")[0].strip()
        if cell.cell_type == "raw":
            state = {"# BEGIN SOLUTION": "solution", "# BEGIN TESTS": "tests"}.get(first, "")
            continue
        if state == "solution" and cell.cell_type == "markdown":
            kept |= lines(cell.source)
        elif state == "solution":
            inside = False
            for line in cell.source.split("\n"):
                inside = (inside or "# BEGIN SOLUTION" in line) and "# END SOLUTION" not in line
                code = line.partition("# SOLUTION")
                (kept if inside or code[1] else shown).update(lines(code[0]))
        elif state == "tests" and first.startswith("# HIDDEN"):
            # The file of tests is written anew from the parsed test, so compare that too.
            kept |= lines(cell.source) | lines(
                assignments.ast.unparse(assignments.ast.parse(cell.source))
            )
        else:
            shown |= lines(cell.source)
            if cell.cell_type == "code":
                shown |= lines(
                    assignments.ast.unparse(
                        assignments.ast.parse(re.sub(r"^\s*[%!].*", "", cell.source))
                    )
                )
    return {line for line in kept - shown if "BEGINSOLUTION" not in line and line != "HIDDEN"}


def leaks(master, text):
    there = lines(text)
    return sorted(secret for secret in secrets(master) if secret in there)


def everything(notebook):
    """All text of a notebook: sources, outputs, metadata, and strings inside them as lines."""
    return (
        "\n".join(cell.source for cell in notebook.cells)
        + "\n"
        + json.dumps(notebook).replace("\\n", "\n")
    )


def test_students_get_no_solution_and_no_hidden_test(built):
    assert len(secrets(built.master)) > 40
    assert leaks(built.master, everything(built.student)) == []
    folder = built.bundle.parent / "student"
    assert [path.name for path in folder.rglob("*")] == [kit.MASTERS[built.name].name], (
        "one file is all they get"
    )


def test_the_test_sees_a_leak(built):
    hidden = next(c for c in built.master.cells if c.source.startswith("# HIDDEN"))
    answer = next(iter(kit.solution_cells(built.master).values()))
    for cell in (
        hidden.source,
        answer,
        assignments.ast.unparse(assignments.ast.parse(hidden.source)),
    ):
        notebook = kit.with_cell(built.student, cell)
        assert leaks(built.master, everything(notebook)), cell
    model = [c for c in built.master.cells if c.cell_type == "markdown"][-2]
    assert leaks(
        built.master, everything(built.student) + json.dumps(built.solution).replace("\\n", "\n")
    ), model


def test_students_get_scaffolds_and_visible_tests(built):
    sources = [cell.source for cell in built.student.cells]
    asked = kit.questions(built)
    for question in asked:
        assert any(question["heading"] in source for source in sources)
        if not question["manual"]:
            assert f'grader.check("{question["name"]}")' in sources
    tests = next(source for source in sources if "grader = Checker(TESTS, globals())" in source)
    space = {}
    exec(tests, space)
    for question in asked:
        if not question["manual"]:
            cases = checker.read_tests(space["TESTS"][question["name"]]).cases
            assert [c.name for c in cases] == [
                t["name"] for t in question["tests"] if not t["hidden"]
            ]
    assert not any(cell.get("outputs") for cell in built.student.cells)
    assert any(
        "..." in cell.source.split("\n")[-1]
        for cell in built.student.cells
        if cell.cell_type == "code"
    )
    assert not re.search(r"\{doc\}|\{cite", "\n".join(sources)), (
        "roles of the book mean nothing in a plain notebook"
    )
    nbformat.validate(built.student)


def test_the_bundle_is_whole(built):
    with zipfile.ZipFile(built.bundle) as archive:
        names = set(archive.namelist())
        assert {
            "run_autograder",
            "setup.sh",
            "otter_config.json",
            "environment.yml",
            "gantut.json",
        } <= names
        index = json.loads(archive.read("gantut.json"))
        for question in index["questions"]:
            if not question["manual"]:
                found = checker.read_tests(archive.read(f"tests/{question['name']}.py").decode())
                assert found.points == question["points"]
                assert [(c.name, c.hidden) for c in found.cases] == [
                    (t["name"], t["hidden"]) for t in question["tests"]
                ]
        assert all("## Question" in question["prompt"] for question in index["questions"])
        # What only shows something is left out when it is graded: the student's notebook has it
        # letter by letter.
        sources = {cell.source.strip() for cell in built.student.cells}
        assert index["looks"] and set(index["looks"]) <= sources and set(index["given"]) <= sources
        # The zip for Gradescope pins the library to a commit.
        pinned = archive.read("environment.yml").decode()
        assert re.search(r"gantut @ git\+https://\S+@(?:[0-9a-f]{40}|v[\d.]+)$", pinned, re.M)


def test_the_same_master_gives_the_same_bytes(built, tmp_path):
    again = kit.build(built.name, tmp_path)
    assert again.bundle.read_bytes() == built.bundle.read_bytes()
    assert again.student == built.student


def test_links_work_outside_of_the_book():
    text = assignments.links(
        "{doc}`../04-gan-losses` and {doc}`that <../07-train-a-gan>`, {cite}`goodfellow2014`"
    )
    assert (
        "[chapter 4](https://" in text
        and "notebooks/04-gan-losses.ipynb)" in text
        and "[that](https://" in text
    )
    assert "{" not in text
