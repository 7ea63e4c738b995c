"""The repository address stands once, in pyproject.toml; .ci/address.py writes it everywhere else."""

import contextlib
import importlib.util
import io
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ("book/index.md", "book/teachers-guide.md", "book/students-guide.md")
NAMED = ("_config.yml", "README.md", "CITATION.cff", "CONTRIBUTING.md", *GUIDES)
OLD, NEW = "github.com/gantut/gantut", "github.com/some-body/gantut"


def address(root, *options):
    """Run the script that stands in ``root`` and is meant for it: (exit status, what it says on stderr)."""
    spec = importlib.util.spec_from_file_location("ci_address_copy", root / ".ci" / "address.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", ["address.py", *options])
        return int(script.main()), said.getvalue()


@pytest.fixture
def copy(tmp_path):
    """A small project of the same layout, whose files all hold the old address."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / ".ci" / "address.py", tmp_path / ".ci")
    (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nRepository = "https://{OLD}"\n')
    for name in NAMED:
        colab = "https://colab.research.google.com/github/gantut/gantut/blob/main/notebooks/01-one.ipynb"
        (tmp_path / name).write_text(
            f"See https://{OLD} and https://{OLD}/issues, or {colab}.\nNot https://github.com/a/b.\n"
        )
    (tmp_path / "notebooks").mkdir()
    cells = [
        nbformat.v4.new_markdown_cell("# One", id="01-000"),
        nbformat.v4.new_code_cell("stale", id="01-001"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "01-one.ipynb")
    assert address(tmp_path) == (0, "")
    return tmp_path


def texts(root):
    return {
        path: path.read_text()
        for path in (*(root / name for name in NAMED), root / "notebooks" / "01-one.ipynb")
    }


def test_this_project_agrees_with_itself():
    command = [sys.executable, ROOT / ".ci" / "address.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_changed_address_is_found_and_written_everywhere(copy):
    assert address(copy, "--check") == (0, "")
    before = texts(copy)
    assert all(OLD in text for text in before.values())
    (copy / "pyproject.toml").write_text(f'[project.urls]\nRepository = "https://{NEW}"\n')

    status, said = address(copy, "--check")
    assert status == 1
    assert all(str(path.relative_to(copy)) in said for path in before)
    assert texts(copy) == before, "--check only looks"

    assert address(copy) == (0, "")
    assert address(copy, "--check") == (0, "")
    for text in texts(copy).values():
        assert NEW in text
        assert OLD not in text
    readme = (copy / "README.md").read_text()
    assert readme.count(NEW) == 2
    assert "colab.research.google.com/github/some-body/gantut/blob" in readme
    assert "https://github.com/a/b." in readme


@pytest.mark.parametrize("name", [*NAMED, "notebooks/01-one.ipynb"])
def test_one_stale_file_is_named(copy, name):
    path = copy / name
    path.write_text(path.read_text().replace(OLD, NEW))
    status, said = address(copy, "--check")
    assert status == 1
    assert said.startswith(name)
    assert len(said.splitlines()) == 1


def test_the_setup_cell_is_written_with_its_tags(copy):
    setup = nbformat.read(copy / "notebooks" / "01-one.ipynb", as_version=4).cells[1]
    assert f"gantut @ git+https://{OLD}" in setup.source
    assert setup.metadata["tags"] == ["remove-cell", "nbval-ignore-output"]
