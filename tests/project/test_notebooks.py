"""The chapters keep the pattern of a chapter: every statement is checked, every figure is described, every notebook runs alone."""

import ast
import importlib
import itertools
import json
import pkgutil
import re
from functools import cache
from pathlib import Path

import address
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import gantut

ROOT = Path(__file__).resolve().parents[2]
# Assignments have rules of their own, in tests/assignments.
NOTEBOOKS = sorted(
    p
    for p in (ROOT / "notebooks").rglob("*.ipynb")
    if "assignments" not in p.relative_to(ROOT).parts
)
LARGEST = 1_500_000
# A directive with its argument and its options; the kind must not hold a capturing group.
FENCE = r"^[ ]*(?:`{3,}|:{3,})\{%s\}[ ]*(.*)\n((?:[ ]*:[\w-]+:.*\n)*)"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SKIPPING = {"nbval-skip", "skip-execution", "raises-exception"}
SETUP = address.SETUP.format(address=address.address())


@cache
def public_names():
    """Every name that a room of the library makes public: its __all__, or what it defines without an underscore."""
    found = set()
    for entry in pkgutil.iter_modules(gantut.__path__, "gantut."):
        if not entry.name.endswith("__main__"):
            room = importlib.import_module(entry.name)
            own = (
                name
                for name, value in vars(room).items()
                if getattr(value, "__module__", "") == entry.name
            )
            found.update(getattr(room, "__all__", own))
    return frozenset(name for name in found if not name.startswith("_"))


def bib_keys():
    return set(
        re.findall(
            r"^@\w+\{([^,\s]+)",
            (ROOT / "book" / "references.bib").read_text(encoding="utf-8"),
            re.M,
        )
    )


def directives(kind, text):
    """(argument, options) of each directive of that kind."""
    for match in re.finditer(FENCE % kind, text + "\n", re.M):
        yield match[1].strip(), dict(re.findall(r":([\w-]+):[ ]*(.*)", match[2]))


def tags(cell):
    return cell.metadata.get("tags", [])


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def parsed(cell):
    return ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", cell.source, flags=re.M))


def asserts(cell):
    """A statement that can fail: assert something that is not a constant, or call ``report`` or an assert_… function."""
    for node in ast.walk(parsed(cell)):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called == "report" or called.startswith("assert_"):
                return True
    return False


def frame(notebook, name):
    """Title, opening, end, setup cell, ids, size."""
    cells = notebook.cells
    text = prose(notebook)
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        yield "does not open with a title"
    opening = text.split("\n## ")[0]
    for phrase in ("You will be able to", "You need", "runs"):
        if phrase not in opening:
            yield f"the opening does not say {phrase!r}"
    for heading in ("Take-aways", "References"):
        if not re.search(rf"^## .*{heading}", text, re.M):
            yield f"has no section {heading!r}"
    first = code(notebook)[0] if code(notebook) else None
    if first is None or first.source != SETUP:
        yield "the first code cell is not the setup cell: run .ci/address.py"
    elif set(tags(first)) != {"remove-cell", "nbval-ignore-output"}:
        yield f"the setup cell has the tags {tags(first)}"
    ids = [cell.get("id", "") for cell in cells]
    for one in ids:
        if not re.fullmatch(rf"{re.escape(name[:2])}-[\w-]+", one):
            yield f"the cell id {one!r} does not begin with {name[:2]}-"
        if ids.count(one) > 1:
            yield f"the cell id {one!r} occurs twice"
    size = len(json.dumps(notebook, ensure_ascii=False).encode())
    if size >= LARGEST:
        yield f"has {size} bytes; at most {LARGEST}"


def statements(notebook, name):
    """Every statement has its check, every check its statement; a check asserts and prints."""
    checks = {
        tag: cell for cell in code(notebook) for tag in tags(cell) if tag.startswith("check-")
    }
    wanted = set()
    for title, options in directives(
        "prf:(?:theorem|proposition|lemma|corollary)", prose(notebook)
    ):
        label = options.get("label", "").strip()
        if not label:
            yield f"the statement {title!r} has no label"
        elif f"check-{label}" not in checks:
            yield f"the statement {label} has no cell tagged check-{label}"
        wanted.add(f"check-{label}")
    for tag, cell in checks.items():
        if tag not in wanted:
            yield f"the cell tagged {tag} has no statement"
        if not asserts(cell):
            yield f"the cell tagged {tag} asserts nothing"
        if not any(o.get("name") == "stdout" and o.text.strip() for o in cell.outputs):
            yield f"the cell tagged {tag} prints nothing"


def images(html):
    """The alt text of each <img> ('' without one)."""
    for tag in re.findall(r"<img\b[^>]*>", html, re.I | re.S):
        found = re.search(r"""\balt\s*=\s*(["'])(.*?)\1""", tag, re.I | re.S)
        yield found[2].strip() if found else ""


def figures(notebook, name):
    """Every figure has alt text and a caption; an animation may have prose right after it instead of the caption."""
    for cell, after in itertools.zip_longest(notebook.cells, notebook.cells[1:]):
        if cell.cell_type == "markdown":
            yield from figures_in_prose(cell)
            continue
        data = [output.data for output in cell.outputs if "data" in output]
        pictures = any(key.startswith("image/") for entry in data for key in entry)
        alts = [alt for entry in data for alt in images(entry.get("text/html", ""))]
        settings = cell.metadata.get("mystnb", {})
        caption = settings.get("figure", {}).get("caption", "").strip()
        if pictures and not settings.get("image", {}).get("alt", "").strip():
            yield f"the figure of cell {cell.id} has no alt text"
        if not all(alts):
            yield f"the animation of cell {cell.id} has no alt text"
        told = (
            after is not None
            and after.cell_type == "markdown"
            and re.match(r"\s*[^\s#`:<!|{-]", after.source)
        )
        if (pictures or (alts and not told)) and not caption:
            yield f"the figure of cell {cell.id} has no caption"


def figures_in_prose(cell):
    for alt in re.findall(r"!\[([^\]]*)\]\(", cell.source):
        if not alt.strip():
            yield f"an image in the prose of cell {cell.id} has no alt text"
    for target, options in directives("(?:figure|image)", cell.source):
        if not options.get("alt", "").strip():
            yield f"the image {target} in the prose of cell {cell.id} has no alt text"
    if not all(images(cell.source)):
        yield f"an <img> in the prose of cell {cell.id} has no alt text"


def citations(notebook, keys):
    for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", prose(notebook)):
        for key in group.split(","):
            if key.strip() not in keys:
                yield f"the citation {key.strip()!r} is not in references.bib"


def exercises(notebook, name):
    """Exercises are untitled, and each has a solution with code that was run."""
    text = prose(notebook)
    labels = []
    for title, options in directives("exercise(?:-start)?", text):
        labels.append(options.get("label", "").strip())
        if title:
            yield f"the exercise {title!r} has a title"
        if not labels[-1]:
            yield "an exercise has no label"
    solved, current = {}, None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if current is not None and cell.source.strip() and cell.execution_count is not None:
                solved[current] = True
            continue
        if current is not None and re.search(r"^#+ ", cell.source.split("{solution-end}")[0], re.M):
            yield f"a section begins inside the solution of {current}"
        for start, end in re.findall(
            r"\{solution-start\}[ ]*(\S+)|(\{solution-end\})", cell.source
        ):
            if start:
                current = start
                solved[start] = False
            elif end:
                current = None
    if current is not None:
        yield f"the solution of {current} does not end"
    for label in labels:
        if label and label not in solved:
            yield f"the exercise {label} has no solution"
    for label, ran in solved.items():
        if label not in labels:
            yield f"the solution {label} has no exercise"
        if not ran:
            yield f"the solution of {label} has no code that ran"


def formulas(notebook, name):
    """A display formula is a paragraph of its own: within one, Markdown shows its dollar signs."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        lines, inside = [line.strip() for line in cell.source.split("\n")], False
        for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
            opens, closes = (
                line.startswith("$$") and not inside,
                line.count("$$") == (1 if inside else 2),
            )
            inside = (inside or opens) and not closes
            if (opens and before) or ("$$" in line and closes and after):
                yield f"the formula {line[:40]!r} of cell {cell.id} is not a paragraph of its own"


def outputs(notebook, name):
    """Nothing is stored that differs from run to run or that a reader should not see."""
    if dict(notebook.metadata) != {"kernelspec": KERNEL}:
        yield f"the notebook's metadata is {sorted(notebook.metadata)}, not the kernelspec of python3 alone"
    cells = code(notebook)
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        yield f"the execution counts are {counts}: run it from top to bottom"
    for cell in cells:
        if "execution" in cell.metadata:
            yield f"cell {cell.id} stores execution times"
        if SKIPPING & set(tags(cell)):
            yield f"cell {cell.id} is skipped: {tags(cell)}"
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {cell.id} stores an error"
            if output.get("name") == "stderr":
                yield f"cell {cell.id} stores stderr"
            if any("widget" in key for key in output.get("data", {})):
                yield f"cell {cell.id} stores a widget (a progress bar?)"
            if output.get("metadata"):
                yield f"cell {cell.id} stores metadata of an output"


def redefinitions(notebook, name):
    """What the library has may be written by hand, if it is then held against the library's."""
    cells = code(notebook)
    for number, cell in enumerate(cells):
        defined = {
            n.name for n in parsed(cell).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))
        }
        for twice in sorted(defined & public_names()):
            if not any(asserts(near) for near in cells[number : number + 3]):
                yield f"cell {cell.id} defines {twice} again, and nothing asserts that it equals the library's"


def faults(notebook, name, keys):
    """What is wrong with a chapter, one sentence a fault."""
    rules = (frame, statements, figures, exercises, formulas, outputs, redefinitions)
    return [
        *(fault for rule in rules for fault in rule(notebook, name)),
        *citations(notebook, keys),
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_chapter_keeps_the_pattern(path):
    assert faults(nbformat.read(path, as_version=4), path.stem, bib_keys()) == []


def test_there_are_chapters_sources_and_public_names():
    assert NOTEBOOKS
    assert "goodfellow2014" in bib_keys()
    assert {"GANTrainer", "VAE", "r1", "fid", "ring"} <= public_names()


# -- each rule rejects its fault -----------------------------------------------------------------------------------------------------------

OPENING = "# A title\n\n**You will be able to** read. **You need** eyes. **It runs** in a second. {cite}`here2020,there2021`\n"
STATEMENT = "```{prf:proposition} A sum\n:label: prop-sum\n\n$1 + 1 = 2$\n```"
EXERCISE = "```{exercise}\n:label: ex-one\n\nAdd.\n```\n\n````{solution-start} ex-one\n:class: dropdown\n````\n\nSo:"
STDOUT = {"output_type": "stream", "name": "stdout", "text": "2\n"}
HAND = "class GANTrainer:\n    pass"


def picture():
    return new_output("display_data", data={"image/png": "AAAA", "text/plain": "<Figure>"})


def animation(alt=' alt="A dot moves."'):
    return new_output(
        "display_data", data={"text/html": f'<img src="data:image/gif;base64,AAAA"{alt}>'}
    )


def sound():
    """A small chapter without a fault; cells are named by their position below."""
    figure = {"mystnb": {"figure": {"caption": "A line."}, "image": {"alt": "A rising line."}}}
    setup = {"tags": ["remove-cell", "nbval-ignore-output"]}
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell(SETUP, metadata=setup),
        new_markdown_cell(STATEMENT + "\n\n![A plane](plane.png)"),
        new_code_cell(
            "assert 1 + 1 == 2\nprint(1 + 1)",
            metadata={"tags": ["check-prop-sum"]},
            outputs=[new_output(**STDOUT)],
        ),
        new_code_cell("plot()", metadata=figure, outputs=[picture()]),
        new_code_cell("animate()", outputs=[animation()]),
        new_markdown_cell("The dot moves."),
        new_code_cell(HAND),
        new_code_cell("assert GANTrainer() == other"),
        new_markdown_cell(EXERCISE),
        new_code_cell("1 + 1"),
        new_markdown_cell(
            "````{solution-end}\n````\n\n## Take-aways\n\nIt adds.\n\n## References\n\nNone."
        ),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"03-{number:03d}"
    return number_code(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}))


def number_code(notebook):
    for count, cell in enumerate(code(notebook), 1):
        cell.execution_count = count
    return notebook


def replace(number, old, new):
    def change(notebook):
        assert old in notebook.cells[number].source
        notebook.cells[number].source = notebook.cells[number].source.replace(old, new)

    return change


def put(number, **changes):
    """Change attributes of a cell, its metadata or its outputs."""

    def change(notebook):
        for key, value in changes.items():
            notebook.cells[number][key] = nbformat.from_dict(value)

    return change


def drop(number):
    def change(notebook):
        del notebook.cells[number]
        number_code(notebook)

    return change


CASES = [
    ("open with a title", replace(0, "# A", "A")),
    ("say 'You will be able to'", replace(0, "You will be able to", "You")),
    ("say 'You need'", replace(0, "You need", "Bring")),
    ("say 'runs'", replace(0, "runs", "works")),
    ("no section 'Take-aways'", replace(11, "## Take-aways", "Take-aways")),
    ("no section 'References'", replace(11, "## References", "## Sources")),
    ("not the setup cell", replace(1, "gantut", "gantud")),
    ("not the setup cell", drop(1)),
    ("setup cell has the tags", put(1, metadata={"tags": ["remove-cell"]})),
    ("does not begin with 03-", put(4, id="a1b2c3d4")),
    ("does not begin with 03-", put(4, id="04-004")),
    ("occurs twice", put(4, id="03-003")),
    ("at most", put(10, outputs=[{**STDOUT, "text": "2" * LARGEST}])),
    ("has no label", replace(2, ":label: prop-sum\n", "")),
    ("no cell tagged check-prop-sum", put(3, metadata={})),
    (
        "no cell tagged check-prop-gap",
        replace(0, "# A title", "# A title\n\n:::{prf:theorem}\n:label: prop-gap\n:::"),
    ),
    (
        "no cell tagged check-prop-gap",
        replace(2, STATEMENT, STATEMENT + "\n```{prf:lemma} B\n:label: prop-gap\n```"),
    ),
    (
        "no cell tagged check-cor-sum",
        replace(2, "proposition} A sum\n:label: prop-", "corollary}\n:label: cor-"),
    ),
    ("check-prop-sum has no statement", replace(2, "{prf:proposition}", "{prf:remark}")),
    ("asserts nothing", replace(3, "assert 1 + 1 == 2\n", "")),
    ("asserts nothing", replace(3, "assert 1 + 1 == 2\n", "assert True\n# assert\n")),
    ("prints nothing", put(3, outputs=[])),
    ("03-004 has no alt text", put(4, metadata={"mystnb": {"figure": {"caption": "A line."}}})),
    ("03-004 has no caption", put(4, metadata={"mystnb": {"image": {"alt": "A rising line."}}})),
    (
        "03-004 has no caption",
        put(4, metadata={"mystnb": {"figure": {"caption": " "}, "image": {"alt": "A line."}}}),
    ),
    ("03-005 has no alt text", put(5, outputs=[animation("")])),
    ("03-005 has no alt text", put(5, outputs=[animation(' alt=""')])),
    ("03-005 has no caption", drop(6)),
    ("03-005 has no caption", replace(6, "The dot", "## The dot")),
    ("prose of cell 03-002 has no alt", replace(2, "![A plane]", "![]")),
    (
        "prose of cell 03-006 has no alt",
        replace(6, "The dot", "```{figure} dot.png\nThe dot\n```\n"),
    ),
    ("prose of cell 03-006 has no alt", replace(6, "The dot", 'The <img src="dot.png"> dot')),
    ("citation 'there2021'", replace(0, "there2021", "there2021, here2020")),
    ("citation 'nowhere2022'", replace(6, "The dot", "The dot of {cite:t}`nowhere2022`")),
    ("'Sums' has a title", replace(9, "{exercise}", "{exercise} Sums")),
    ("exercise has no label", replace(9, ":label: ex-one\n", "")),
    (
        "exercise ex-one has no solution",
        replace(9, "{solution-start} ex-one", "{solution-start} ex-two"),
    ),
    (
        "solution ex-two has no exercise",
        replace(9, "{solution-start} ex-one", "{solution-start} ex-two"),
    ),
    ("has no code that ran", drop(10)),
    ("has no code that ran", put(10, execution_count=None)),
    ("does not end", replace(11, "{solution-end}", "{note}")),
    (
        "begins inside the solution of ex-one",
        replace(11, "````{solution-end}", "## More\n\n````{solution-end}"),
    ),
    ("not a paragraph of its own", replace(6, "The dot", "So\n$$a = b$$\n\nThe dot")),
    ("not a paragraph of its own", replace(6, "The dot", "$$\na = b\n$$\nThe dot")),
    (
        "stores an error",
        put(10, outputs=[{"output_type": "error", "ename": "E", "evalue": "", "traceback": []}]),
    ),
    ("stores stderr", put(10, outputs=[{**STDOUT, "name": "stderr"}])),
    (
        "stores a widget",
        put(
            10,
            outputs=[
                new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {}})
            ],
        ),
    ),
    (
        "metadata of an output",
        put(10, outputs=[new_output("display_data", metadata={"isolated": True})]),
    ),
    ("stores execution times", put(10, metadata={"execution": {"iopub.status.busy": "now"}})),
    ("is skipped", put(10, metadata={"tags": ["nbval-skip"]})),
    ("execution counts", put(10, execution_count=99)),
    ("metadata is", lambda n: n.metadata.update(language_info={"name": "python"})),
    ("defines GANTrainer again", replace(8, "assert", "_ =")),
    ("defines r1 again", replace(10, "1 + 1", "def r1(gamma):\n    pass")),
]


def test_a_sound_chapter_has_no_fault():
    assert faults(sound(), "03-sums", {"here2020", "there2021"}) == []


@pytest.mark.parametrize(
    ("expected", "change"), CASES, ids=[f"{n:02d} {text}" for n, (text, _) in enumerate(CASES)]
)
def test_the_rule_rejects(expected, change):
    notebook = sound()
    change(notebook)
    keys = {"here2020"} if "there2021" in expected else {"here2020", "there2021"}
    found = faults(notebook, "03-sums", keys)
    assert any(expected in fault for fault in found), found
