"""The wheel and the sdist install and import cleanly, and a notebook in an empty folder needs nothing else than the wheel."""

import ast
import email
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# What a kernel brings along, and what pip installs beside torch on every platform.
KERNEL = {"IPython", "ipykernel"}


def python(*arguments, folder, path=""):
    """Run Python in that folder, with that path before the environment's own copy of the library."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(path),
        "PYTHONSAFEPATH": "1",
        "TQDM_DISABLE": "1",
    }
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A clean copy of what the package is made of, and the wheel and the sdist built from it."""
    folder = tmp_path_factory.mktemp("package")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-PROSE.md"):
        shutil.copy(ROOT / name, tree / name)
    junk = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "gantut", tree / "gantut", ignore=junk)
    shutil.copytree(ROOT / "tests" / "bugs", tree / "tests" / "bugs", ignore=junk)
    out = folder / "dist"
    build = f"from setuptools import build_meta as b; print(b.build_sdist({str(out)!r})); print(b.build_wheel({str(out)!r}))"
    out.mkdir()
    python("-W", "ignore", "-c", build, folder=tree)
    return folder


@pytest.fixture(scope="module")
def installed(built):
    """A folder into which the wheel alone was installed."""
    (wheel,) = (built / "dist").glob("*.whl")
    target = built / "target"
    pip = (
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--target",
        target,
        wheel,
    )
    python(*pip, folder=built)
    return target


@pytest.mark.slow
def test_the_wheel_holds_the_library_its_types_and_its_licences(built):
    (wheel,) = (built / "dist").glob("*.whl")
    assert wheel.name == f"gantut-{PROJECT['project']['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        said = email.message_from_string(archive.read(info).decode("utf-8"))
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "gantut").rglob("*.py")}
    assert modules <= names
    assert {"gantut/py.typed", "gantut/bugs/zoo.py"} <= names
    licences = {name.rpartition("/")[2] for name in names if ".dist-info/licenses/" in name}
    assert licences == set(PROJECT["project"]["license-files"]) == {"LICENSE", "LICENSE-PROSE.md"}
    assert said["License-Expression"] == PROJECT["project"]["license"]
    assert said["Description-Content-Type"] == "text/markdown" and "# gantut" in said.get_payload()
    strange = {name.split("/")[0] for name in names} - {"gantut", info.split("/")[0]}
    assert strange == set(), "the wheel holds more than the library"


@pytest.mark.slow
def test_the_sdist_makes_the_same_wheel(built):
    (sdist,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(built / "unpacked", filter="data")
    (tree,) = (built / "unpacked").iterdir()
    again = built / "again"
    again.mkdir()
    python(
        "-W",
        "ignore",
        "-c",
        f"from setuptools import build_meta as b; b.build_wheel({str(again)!r})",
        folder=tree,
    )
    (first,), (second,) = (built / "dist").glob("*.whl"), again.glob("*.whl")
    contents = []
    for wheel in (first, second):
        with zipfile.ZipFile(wheel) as archive:
            contents.append(
                {
                    name: archive.read(name)
                    for name in archive.namelist()
                    if not name.endswith("RECORD")
                }
            )
    assert contents[0] == contents[1]


SETUPS = """
import importlib, json, sys
import gantut
assert gantut.__file__.startswith(sys.argv[1]), gantut.__file__
for name, cells in json.loads(sys.stdin.read() if len(sys.argv) < 3 else open(sys.argv[2]).read()).items():
    space = {"__name__": name}
    for source in cells:
        exec(compile(source, name, "exec"), space)
print(gantut.__file__)
"""


@pytest.mark.slow
def test_setup_cells_and_imports_run_with_the_wheel_alone(installed, tmp_path):
    """Every notebook's setup cell, and every import anywhere in it, in one fresh process in an empty folder."""
    import json

    cells = {}
    for path in NOTEBOOKS:
        sources = [
            c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"
        ]
        lines = [
            ast.unparse(node)
            for source in sources[1:]
            for node in ast.walk(parsed(source))
            if is_import(node)
        ]
        cells[path.stem] = [sources[0], "\n".join(lines)]
        assert 'find_spec("gantut")' in sources[0] and lines
    (tmp_path / "cells.json").write_text(json.dumps(cells))
    empty = tmp_path / "empty"
    empty.mkdir()
    where = python("-c", SETUPS, installed, tmp_path / "cells.json", folder=empty, path=installed)
    assert where.strip().startswith(str(installed))
    assert list(empty.iterdir()) == []


@pytest.mark.slow
def test_the_first_chapter_runs_in_an_empty_folder_with_the_wheel_alone(
    installed, tmp_path, monkeypatch
):
    """Top to bottom, as in Colab, and it prints what is stored. The other chapters' full runs are nbval's."""
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(installed))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    stored = nbformat.read(ROOT / "notebooks" / "01-background.ipynb", as_version=4)
    notebook = nbformat.read(ROOT / "notebooks" / "01-background.ipynb", as_version=4)
    last = nbformat.v4.new_code_cell("import gantut; print(gantut.__file__)")
    notebook.cells.append(last)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    assert printed(last).startswith(str(installed))
    for old, new in zip(stored.cells, notebook.cells, strict=False):
        if old.cell_type == "code" and "nbval-ignore-output" not in old.metadata.get("tags", []):
            assert printed(new) == printed(old), old.id


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def parsed(source):
    return ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.M))


def is_import(node):
    return (
        isinstance(node, (ast.Import, ast.ImportFrom))
        and getattr(node, "module", "") != "__future__"
    )


@cache
def brought_along():
    """Top-level modules that come with the wheel: the core dependencies, and what these need on their part."""
    names, todo = (
        set(),
        [canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]],
    )
    while todo:
        name = todo.pop()
        if name in names:
            continue
        names.add(name)
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for line in needs:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                todo.append(canonicalize_name(needed.name))
    modules = importlib.metadata.packages_distributions()
    return {
        module
        for module, owners in modules.items()
        if {canonicalize_name(o) for o in owners} & names
    }


def notebook_faults(name, sources, modules):
    """Imports that the wheel does not bring, and names of files of the checkout."""
    for source in sources:
        tree = parsed(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found = [node.module or "."]
            else:
                found = []
            for module in (
                {m.split(".")[0] for m in found}
                - modules
                - set(sys.stdlib_module_names)
                - KERNEL
                - {"gantut"}
            ):
                yield f"{name} imports {module}, which does not come with the wheel"
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"[\w./-]+", node.value)
            ):
                text = node.value
                relative = not text.startswith("/") and ("/" in text or "." in text)
                if relative and any((base / text).is_file() for base in (ROOT, ROOT / "notebooks")):
                    yield f"{name} names {text}, a file of the checkout"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_needs_nothing_from_the_checkout(path):
    sources = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert list(notebook_faults(path.stem, sources, brought_along())) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import pytest", "imports pytest"),
        ("from hypothesis import given", "imports hypothesis"),
        ("open('README.md')", "names README.md"),
        ("open('../book/losses.toml')", "names ../book/losses.toml"),
    ],
)
def test_a_notebook_that_needs_more_is_found(source, fault):
    assert any(fault in said for said in notebook_faults("x", [source], brought_along()))
    assert (
        list(
            notebook_faults(
                "x",
                ["import torch, json\nfrom gantut import data\nopen('run.pt')"],
                brought_along(),
            )
        )
        == []
    )
