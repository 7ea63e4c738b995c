"""The wheel and the sdist build, install and hold the same, and a notebook needs nothing else."""

import ast
import email
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import nbformat
import pytest
import surface

ROOT = surface.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILD = "from setuptools import build_meta as b; b.build_sdist({0!r}); b.build_wheel({0!r})"


def python(*arguments, folder, path=""):
    """Run Python in that folder, with that path in the place of the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A clean copy of what the package is made of, with wheel and sdist built from it."""
    folder = tmp_path_factory.mktemp("package")
    tree, out = folder / "tree", folder / "dist"
    shutil.copytree(ROOT / "gantut", tree / "gantut", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", *PROJECT["license-files"]):
        shutil.copy(ROOT / name, tree / name)
    out.mkdir()
    python("-W", "ignore", "-c", BUILD.format(str(out)), folder=tree)
    return folder


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("RECORD")]
        return {name: archive.read(name) for name in names}


@pytest.mark.slow
def test_the_wheel_holds_the_library_its_types_and_its_licences(built):
    (wheel,) = (built / "dist").glob("*.whl")
    held = contents(wheel)
    source = [*(ROOT / "gantut").rglob("*.py"), *(ROOT / "gantut").rglob("*.pyi")]
    wanted = {path.relative_to(ROOT).as_posix() for path in source} | {"gantut/py.typed"}
    assert wanted <= set(held)
    info = f"gantut-{PROJECT['version']}.dist-info"
    assert {name.split("/")[0] for name in held} == {"gantut", info}, "more than the library"
    licences = {name.rpartition("/")[2] for name in held if name.startswith(f"{info}/licenses/")}
    assert licences == set(PROJECT["license-files"])
    said = email.message_from_bytes(held[f"{info}/METADATA"])
    assert said["License-Expression"] == PROJECT["license"]


@pytest.mark.slow
def test_the_sdist_makes_the_same_wheel(built):
    (sdist,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(built / "unpacked", filter="data")
    (tree,) = (built / "unpacked").iterdir()
    again = built / "again"
    again.mkdir()
    python("-W", "ignore", "-c", BUILD.format(str(again)), folder=tree)
    (first,), (second,) = (built / "dist").glob("*.whl"), again.glob("*.whl")
    assert contents(first) == contents(second)


SCRIPT = """
import json, sys
import gantut
assert gantut.__file__.startswith(sys.argv[1]), gantut.__file__
for name, sources in json.load(open(sys.argv[2])).items():
    space = {"__name__": name}
    for source in sources:
        exec(compile(source, name, "exec"), space)
assert len(gantut.data.glyphs(10)) == 10
assert len(gantut.data.digits()) > 1000
"""


@pytest.mark.slow
def test_notebooks_find_all_they_import_in_the_wheel_alone(built, tmp_path):
    """Set-up cells, and each import anywhere in a notebook, in an empty folder."""
    (wheel,) = (built / "dist").glob("*.whl")
    target, empty = built / "target", tmp_path / "empty"
    alone = ("--no-deps", "--no-index", "--no-compile", "--target", target)
    python("-m", "pip", "install", "-q", *alone, wheel, folder=built)
    cells = {}
    for path in surface.notebooks():
        code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        imports = [
            ast.unparse(node)
            for node in ast.walk(surface.notebook_code(path))
            if isinstance(node, (ast.Import, ast.ImportFrom)) and "__future__" not in ast.dump(node)
        ]
        cells[path.stem] = [code[0].source, "\n".join(imports)]
    (tmp_path / "cells.json").write_text(json.dumps(cells))
    empty.mkdir()
    python("-c", SCRIPT, target, tmp_path / "cells.json", folder=empty, path=target)
    assert list(empty.iterdir()) == []
