"""The masters keep the pattern of an assignment: a teacher can rely on points, times, tests,
rubrics and wrong answers being there.
"""

import ast
import re
import sys
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "project")]

import assignments
import kit
import test_notebooks as chapters


def faults(notebook, name):
    cells, text = notebook.cells, chapters.prose(notebook)
    opening = next(cell.source for cell in cells if cell.cell_type == "markdown")
    asked = assignments.questions(notebook)
    if not opening.startswith(f"# {name}: "):
        yield f"does not open with '# {name}: title'"
    for phrase in ("You will be able to", "You need", "runs", "{doc}`"):
        if phrase not in opening:
            yield f"the opening does not say {phrase!r}"
    points, minutes = sum(q["points"] for q in asked), sum(q["minutes"] for q in asked)
    if f"**{points:g} points" not in opening:
        yield f"the opening does not say that there are {points:g} points"
    if not 120 <= minutes <= 420:
        yield f"takes {minutes} minutes; two to seven hours"
    if sum(q["points"] for q in asked if q["manual"]) < 0.15 * points:
        yield "a person gives less than 15 % of the points"
    if chapters.code(notebook)[0].source != chapters.SETUP:
        yield "the first code cell is not the setup cell: run .ci/address.py"
    for cell in cells:
        if not re.fullmatch(rf"{name}-[\w-]+", cell.get("id", "")):
            yield f"the cell id {cell.get('id')!r} does not begin with {name}-"
    if not any(q["manual"] for q in asked):
        yield "has no written question"
    names = [test["name"] for q in asked for test in q["tests"]]
    for twice in {n for n in names if names.count(n) > 1}:
        yield f"two tests are called {twice}"
    answers = kit.solution_cells(notebook)
    for q in asked:
        if q["manual"]:
            if sum(p for p, _ in q["rubric"]) != q["points"]:
                yield f"the rubric of {q['name']} does not add up to {q['points']:g} points"
            continue
        if q["name"] not in answers:
            yield f"{q['name']} has no solution cell"
        kinds = {test["hidden"] for test in q["tests"]}
        if kinds != {True, False}:
            yield f"{q['name']} needs visible and hidden tests"
    yield from shown_answers(notebook)
    for cell in chapters.code(notebook):
        tree = ast.parse(cell.source)
        tests = [
            n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")
        ]
        if tests and not (
            len(tree.body) == 2 and ast.unparse(tree.body[1]).startswith(f"{tests[0].name}(")
        ):
            yield f"cell {cell.id} does not call its test, so nbval does not run it"
        for node in ast.walk(tests[0]) if tests else ():
            if isinstance(node, ast.Assert) and node.msg is None:
                yield f"an assertion in {tests[0].name} says nothing when it fails"
    plain = nbformat.v4.new_notebook(
        cells=[c for c in cells if c.cell_type != "raw"], metadata=notebook.metadata
    )
    for rule in (chapters.figures, chapters.formulas, chapters.outputs):
        yield from rule(plain, name)
    yield from chapters.citations(notebook, chapters.bib_keys())
    if "TODO" in text:
        yield "holds a TODO"


def shown_answers(notebook):
    """Visible tests ship numbers: none holds a line of a solution, or what reads the bug zoo."""
    answers, state = set(), ""
    for source in kit.solution_cells(notebook).values():
        inside = False
        for line in source.split("\n"):
            inside = (inside or "# BEGIN SOLUTION" in line) and "# END SOLUTION" not in line
            line = re.sub(r"^return |^\w+ [-+*/]?= |\s", "", line.partition("#")[0].strip())
            if inside and len(line) > 12 and not re.fullmatch(r"\w+\([\w,.]*\)|with.*", line):
                answers.add(line)
    for cell in notebook.cells:
        first = cell.source.split("\n")[0].strip()
        state = first if cell.cell_type == "raw" else state
        if state == "# BEGIN TESTS" and cell.cell_type == "code":
            if "gantut.bugs" in cell.source or "run_checks" in cell.source:
                yield f"{cell.id} uses the bug zoo, which is not there when it is graded"
            text = re.sub(r"\s", "", cell.source)
            for line in answers if not first.startswith("# HIDDEN") else ():
                if line in text:
                    yield f"{cell.id} shows {line}, which is a solution's"


@pytest.mark.parametrize("name", kit.MASTERS)
def test_the_master_keeps_the_pattern(name):
    assert list(faults(nbformat.read(kit.MASTERS[name], as_version=4), name)) == []


def test_the_masters_are_there():
    assert {"A1", "A2"} <= set(kit.MASTERS)


CASES = [
    ("does not open with", lambda cells: edit(cells, "# A1:", "# A9:")),
    ("does not say 'You need'", lambda cells: edit(cells, "You need", "Bring")),
    ("that there are 45 points", lambda cells: edit(cells, "**45 points", "**46 points")),
    ("takes 565 minutes", lambda cells: edit(cells, "5 points, 30 minutes", "5 points, 350 minutes")),
    ("less than 15 %", lambda cells: [c.update(source=c.source.replace("manual: true", "manual: false")) for c in cells]),
    ("which is a solution's", lambda cells: edit(cells, "torch.tensor([1.609438, 0.0, -1.098612]),", "p.log() - q.log(),")),
    ("uses the bug zoo", lambda cells: edit(cells, "def test_the_divergence(jsd):", "def test_the_divergence(jsd):\n    import gantut.bugs")),
    ("not the setup cell", lambda cells: edit(cells, "as in Colab", "as at home")),
    ("does not begin with A1-", lambda cells: cells[5].update(id="x")),
    ("does not add up to 3", lambda cells: edit(cells, "- 1 point: D is", "- 2 points: D is")),
    ("q6 has no solution cell", lambda cells: retag(cells, "solution-q6", "solution-q60")),
    ("q6 needs visible and hidden", lambda cells: edit(cells, "# HIDDEN\ndef test_r1_on", "def test_r1_on")),
    ("two tests are called test_r1", lambda cells: edit(cells, "test_r1_on_images", "test_r1_of_a_quadratic_critic", 9)),
    ("does not call its test", lambda cells: edit(cells, "\n\n\ntest_r1_of_a_quadratic_critic(r1)", "")),
    ("has no alt text", lambda cells: [c.metadata.pop("mystnb", None) for c in cells]),
]  # fmt: skip


def edit(cells, old, new, times=1):
    found = [cell for cell in cells if old in cell.source]
    assert found, old
    for cell in found[: max(1, times)]:
        cell.source = cell.source.replace(old, new)


def retag(cells, old, new):
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if old in tags:
            cell.metadata["tags"] = [new if tag == old else tag for tag in tags]


@pytest.mark.parametrize(("expected", "change"), CASES, ids=[text for text, _ in CASES])
def test_the_rule_rejects(expected, change):
    notebook = nbformat.read(kit.MASTERS["A1"], as_version=4)
    change(notebook.cells)
    assert any(expected in fault for fault in faults(notebook, "A1")), list(faults(notebook, "A1"))


def test_a_question_without_its_heading_is_named():
    notebook = nbformat.read(kit.MASTERS["A1"], as_version=4)
    edit(notebook.cells, "(5 points, 30 minutes)", "(some points)")
    with pytest.raises(
        ValueError, match="q4 wants '## Question N: title \\(5 points, M minutes\\)'"
    ):
        assignments.questions(notebook)
