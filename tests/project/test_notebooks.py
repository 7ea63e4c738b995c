"""The chapters keep the pattern of a chapter.

Every statement is checked, every figure described, every notebook runs alone.
"""

import ast
import itertools
import json
import re
from pathlib import Path

import address
import nbformat
import pytest
import surface
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

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
COLUMNS, LINES = 80, 40
# How a duration is called in the chapters. Ratios of durations have no name in common.
CLOCK = re.compile(r"(?i)seconds|elapsed|took|\w*_ms|.*, ms|perf_counter|process_time|monotonic")
PLACEHOLDER = re.compile(r"\b(?:TODO|FIXME|XXX)\b|\b[A-Z]{2,}(?:_[A-Z0-9]+)+\b")


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
    """Whether it holds a statement that can fail.

    That is an assertion of something that is no constant, or a call of ``report`` or assert_….
    """
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
        printed = "".join(o.text for o in cell.outputs if o.get("name") == "stdout")
        if not printed.strip():
            yield f"the cell tagged {tag} prints nothing"
        elif not re.search("^✓ .* they would be off by", printed, re.M):
            yield f"the cell tagged {tag} does not show what a false statement would have given"


def images(html):
    """The alt text of each <img> ('' without one)."""
    for tag in re.findall(r"<img\b[^>]*>", html, re.I | re.S):
        found = re.search(r"""\balt\s*=\s*(["'])(.*?)\1""", tag, re.I | re.S)
        yield found[2].strip() if found else ""


def figures(notebook, name):
    """Every figure has alt text and a caption; after an animation, prose may stand for it."""
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
        yield f"the notebook's metadata is {sorted(notebook.metadata)}, not just a kernelspec"
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
    public = {known.rpartition(".")[2] for known in surface.public()}
    cells = code(notebook)
    for number, cell in enumerate(cells):
        body = parsed(cell).body
        defined = {n.name for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        for twice in sorted(defined & public):
            if not any(asserts(near) for near in cells[number : number + 3]):
                yield f"cell {cell.id} defines {twice} again, and does not compare the two"


def files(notebook, name):
    """A chapter runs alone: it opens no file of the checkout."""
    for cell in code(notebook):
        for node in ast.walk(parsed(cell)):
            text = node.value if isinstance(node, ast.Constant) else None
            if not isinstance(text, str) or not re.fullmatch(
                r"[\w-][\w./-]*[./][\w./-]*|\.\..*", text
            ):
                continue
            if any((base / text).is_file() for base in (ROOT, ROOT / "notebooks")):
                yield f"cell {cell.id} names {text}, a file of the checkout"


def clock(notebook, name):
    """A busy machine fails no assertion."""
    for cell in code(notebook):
        for node in ast.walk(parsed(cell)):
            if isinstance(node, ast.Assert):
                used = [getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node.test)]
                used += [n.value for n in ast.walk(node.test) if isinstance(n, ast.Constant)]
                if any(isinstance(word, str) and CLOCK.fullmatch(word) for word in used):
                    yield f"cell {cell.id} asserts on a duration: {ast.unparse(node.test)}"


def pages(notebook, name):
    """What a page shows fits on it, and nothing in it is left to be filled in."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"`[^`]*`|\$[^$]*\$", "", cell.source)
            for left in PLACEHOLDER.findall(text):
                yield f"cell {cell.id} still holds {left}"
        else:
            lines = cell.source.split("\n")
            if max(map(len, lines)) > COLUMNS:
                yield f"cell {cell.id} has lines of more than {COLUMNS} columns"
            folded = any(t.startswith(("hide-", "remove-", "check-")) for t in tags(cell))
            if len(lines) > LINES and not folded:
                yield f"cell {cell.id} shows {len(lines)} lines of code; at most {LINES}"


RULES = (
    *(frame, statements, figures, exercises, formulas),
    *(outputs, redefinitions, files, clock, pages),
)


def faults(notebook, name, keys):
    """What is wrong with a chapter, one sentence a fault."""
    found = [fault for rule in RULES for fault in rule(notebook, name)]
    return found + list(citations(notebook, keys))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_chapter_keeps_the_pattern(path):
    assert faults(nbformat.read(path, as_version=4), path.stem, bib_keys()) == []


# -- each rule rejects its fault -------------------------------------------------------------------

OPENING = """# A title

**You will be able to** read. **You need** eyes. **It runs** in a second. {cite}`here2020`
"""
STATEMENT = "```{prf:proposition} A sum\n:label: prop-sum\n\n$1 + 1 = 2$\n```"
EXERCISE = """```{exercise}
:label: ex-one

Add.
```

````{solution-start} ex-one
:class: dropdown
````
"""
END = "````{solution-end}\n````\n\n## Take-aways\n\nIt adds.\n\n## References\n\nNone."
TEETH = "✓ sums: below 1e-09 (allowed 1e-09); with a minus they would be off by 2e+00\n"
STDOUT = {"output_type": "stream", "name": "stdout", "text": TEETH}
DRAWN = {"image/png": "AAAA", "text/plain": "<Figure>"}
FIGURE = {"mystnb": {"figure": {"caption": "A line."}, "image": {"alt": "A rising line."}}}


def sound():
    """A small chapter without a fault. A cell's number is its place here."""
    animation = {"text/html": '<img src="data:image/gif;base64,AAAA" alt="A dot moves.">'}
    show = "display_data"
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell(SETUP, metadata={"tags": ["remove-cell", "nbval-ignore-output"]}),
        new_markdown_cell(STATEMENT + "\n\n![A plane](plane.png)"),
        new_code_cell("assert 1 + 1 == 2", metadata={"tags": ["check-prop-sum"]}),
        new_code_cell("plot()", metadata=FIGURE, outputs=[new_output(show, data=DRAWN)]),
        new_code_cell("animate()", outputs=[new_output(show, data=animation)]),
        new_markdown_cell("The dot moves."),
        new_code_cell("class GANTrainer:\n    pass"),
        new_code_cell("assert GANTrainer() == other"),
        new_markdown_cell(EXERCISE),
        new_code_cell("1 + 1"),
        new_markdown_cell(END),
    ]
    cells[3].outputs = [new_output(**STDOUT)]
    for number, cell in enumerate(cells):
        cell.id = f"17-{number:03d}"
    notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    for count, cell in enumerate(code(notebook), 1):
        cell.execution_count = count
    return notebook


# (what the fault says, the cell, what stands there, what stands there instead)
WORDS = [
    ("open with a title", 0, "# A", "A"),
    ("say 'You need'", 0, "You need", "Bring"),
    ("no section 'References'", 11, "## References", "## Sources"),
    ("not the setup cell", 1, "gantut", "gantud"),
    ("no cell tagged check-prop-gap", 2, "prop-sum", "prop-gap"),
    ("check-prop-sum has no statement", 2, "{prf:proposition}", "{prf:remark}"),
    ("asserts nothing", 3, "assert 1 + 1 == 2", "assert True"),
    ("prose of cell 17-002 has no alt", 2, "![A plane]", "![]"),
    ("prose of cell 17-006 has no alt", 6, "The dot", "```{figure} dot.png\nThe dot\n```\n"),
    ("17-005 has no caption", 6, "The dot", "## The dot"),
    ("citation 'nowhere2022'", 6, "The dot", "The dot of {cite:t}`nowhere2022`"),
    ("'Sums' has a title", 9, "{exercise}", "{exercise} Sums"),
    ("exercise ex-one has no solution", 9, "{solution-start} ex-one", "{solution-start} ex-two"),
    ("does not end", 11, "{solution-end}", "{note}"),
    ("not a paragraph of its own", 6, "The dot", "$$\na = b\n$$\nThe dot"),
    ("defines GANTrainer again", 8, "assert", "_ ="),
    ("a file of the checkout", 10, "1 + 1", 'open("../book/losses.toml")'),
    ("asserts on a duration", 10, "1 + 1", "assert max(took.values()) < 3"),
    ("asserts on a duration", 10, "1 + 1", "assert time.perf_counter() - start < 3"),
    ("asserts on a duration", 10, "1 + 1", 'assert row["1,000 samples, ms"] < 3'),
    ("still holds VERDICT_OF_DOTS", 6, "The dot", "VERDICT_OF_DOTS. The dot"),
    ("more than 80 columns", 10, "1 + 1", " + ".join(["1"] * 30)),
    ("shows 41 lines", 10, "1 + 1", "\n".join(["1 + 1"] * 41)),
]
# (what the fault says, the cell, its changed attributes)
PARTS = [
    ("setup cell has the tags", 1, {"metadata": {"tags": ["remove-cell"]}}),
    ("does not begin with 17-", 4, {"id": "a1b2c3d4"}),
    ("at most", 10, {"outputs": [{**STDOUT, "text": "2" * LARGEST}]}),
    ("prints nothing", 3, {"outputs": []}),
    ("does not show what a false", 3, {"outputs": [{**STDOUT, "text": "sums: 0 (allowed 1)\n"}]}),
    ("17-004 has no alt text", 4, {"metadata": {"mystnb": {"figure": {"caption": "A line."}}}}),
    ("17-004 has no caption", 4, {"metadata": {"mystnb": {"image": {"alt": "A line."}}}}),
    ("has no code that ran", 10, {"execution_count": None}),
    ("stores stderr", 10, {"outputs": [{**STDOUT, "name": "stderr"}]}),
    ("stores execution times", 10, {"metadata": {"execution": {"iopub.status.busy": "now"}}}),
    ("is skipped", 10, {"metadata": {"tags": ["nbval-skip"]}}),
    ("execution counts", 10, {"execution_count": 99}),
]


def test_a_sound_chapter_has_no_fault():
    assert faults(sound(), "17-sums", {"here2020"}) == []


@pytest.mark.parametrize(("expected", "number", "old", "new"), WORDS)
def test_a_changed_text_is_rejected(expected, number, old, new):
    notebook = sound()
    assert old in notebook.cells[number].source
    notebook.cells[number].source = notebook.cells[number].source.replace(old, new)
    found = faults(notebook, "17-sums", {"here2020"})
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize(("expected", "number", "changes"), PARTS)
def test_a_changed_cell_is_rejected(expected, number, changes):
    notebook = sound()
    for key, value in changes.items():
        notebook.cells[number][key] = nbformat.from_dict(value)
    found = faults(notebook, "17-sums", {"here2020"})
    assert any(expected in fault for fault in found), found
