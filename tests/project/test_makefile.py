"""What the Makefile would do, read from `make -n`."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (
    "book",
    "test",
    "check",
    "notebooks",
    "assignments",
    "grade",
    "bench",
    "serve",
    "clean",
    "help",
)
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(folder, *arguments):
    # Settings of a make that runs these tests (`make test`) must not reach the one under test.
    inherited = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "TORCH_INDEX"}
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    command = ["make", *arguments]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.replace("\\\n", " ")


@pytest.fixture
def project(tmp_path):
    """The Makefile and what it depends on, with an environment that was set up after the last change."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
        os.utime(tmp_path / name, (1000, 1000))
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    stamp = tmp_path / ".venv" / ".set-up"
    stamp.touch()
    os.utime(stamp, (2000, 2000))
    return tmp_path


def test_help_lists_the_targets(project):
    listed = re.findall(r"^\s*make (\w+)\s+(\S.*)$", make(project, "help"), re.M)
    assert {name for name, _ in listed} >= set(TARGETS)


def test_make_test_runs_every_kind_of_check(project):
    lines = make(project, "-n", "test").splitlines()
    wanted = [
        r"ruff check \.",
        r"ruff format --check \.",
        r"\bmypy\b",
        r"jupyter-book build -W -n",
        r"-m pytest .* tests$",
        r"-m pytest .*--dist loadfile .*--nbval .*--nbval-sanitize-with tests/nbval\.cfg.* notebooks$",
    ]
    for pattern in wanted:
        assert any(re.search(pattern, line) for line in lines), f"{pattern} in\n" + "\n".join(lines)
    for line in lines:
        if "-m pytest" in line:
            assert all(
                f"{name}=1" in line
                for name in ("OMP_NUM_THREADS", "GANTUT_WORKERS", "TQDM_DISABLE")
            )


def test_make_check_leaves_the_slow_part_out(project):
    said = make(project, "-n", "check")
    assert 'pytest -q -n 2 -m "not slow" tests' in said
    assert "nbval" not in said and "jupyter-book" not in said


def test_nothing_is_installed_when_nothing_changed(project):
    for target in ("test", "check", "bench"):
        assert "pip" not in make(project, "-n", target)


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_is_installed_once(project, name):
    os.utime(project / name, (3000, 3000))
    said = make(project, "-n", "test")
    assert said.count("pip install -q --no-deps -r requirements.lock") == 1
    assert said.count("pip install -q --no-deps --no-build-isolation -e .") == 1
    assert said.index("pip install") < said.index("ruff check")
    assert "index-url" not in said


def test_the_environment_is_made_first_on_a_bare_machine(project):
    shutil.rmtree(project / ".venv")
    for target in ("book", "test"):
        said = make(project, "-n", target)
        assert said.index("-m venv .venv") < said.index("-r requirements.lock")


def test_a_built_book_is_built_again_only_after_a_change(project):
    page = project / "_build" / "html" / "index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    os.utime(page, (2500, 2500))
    assert "jupyter-book" not in make(project, "-n", "book")
    os.utime(project / "_toc.yml", (3000, 3000))
    assert "jupyter-book build -W -n" in make(project, "-n", "book")


def test_a_torch_index_is_used_for_torch_alone(project):
    os.utime(project / "requirements.lock", (3000, 3000))
    index = "https://wheels.example/cpu"
    said = make(project, "-n", "test", f"TORCH_INDEX={index}")
    first, second = re.findall(r"pip install -q --no-deps (?!--no-build)(.*)", said)
    assert first == f'--index-url "{index}" -r .venv/torch.txt'
    assert second == "-r .venv/rest.txt"

    def lines_of(file):
        """What the recipe's own grep puts into that file."""
        (command,) = re.findall(rf"^(grep .*) > \.venv/{file}$", said, re.M)
        return subprocess.run(
            command, shell=True, cwd=project, capture_output=True, text=True, check=True
        ).stdout

    torch, rest = lines_of("torch.txt").splitlines(), lines_of("rest.txt").splitlines()
    assert [line.split("==")[0] for line in torch] == ["torch", "torchvision"]
    assert not [
        line
        for line in rest
        if line.startswith(("torch==", "torchvision==", "nvidia", "cuda", "triton"))
    ]
    assert any(line.startswith("torchmetrics==") for line in rest)


def test_notebooks_takes_one_or_all(project):
    said = make(project, "-n", "notebooks", "NB=notebooks/07-train-a-gan.ipynb")
    assert ".ci/notebooks.py notebooks/07-train-a-gan.ipynb" in said


def test_grade_takes_an_assignment_and_a_folder(project):
    said = make(project, "-n", "grade", "ASSIGNMENT=A1", "SUBMISSIONS=class of 2026")
    assert said.index(".ci/assignments.py") < said.index("-m gantut.grading")
    assert '_build/assignments/A1/A1-autograder.zip "class of 2026" -o "grades"' in said


def test_archive_and_pdf_need_the_book(project):
    for target, command in (
        ("archive", "cp _build/html/gantut-book.zip"),
        ("pdf", ".venv/bin/python .ci/pdf.py"),
    ):
        said = make(project, "-n", target)
        assert said.index("jupyter-book build") < said.index(command)


def test_ci_runs_make_test():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text(encoding="utf-8").splitlines()


def test_the_benchmark_is_there():
    assert "tests/benchmarks/run.py" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert (ROOT / "tests" / "benchmarks" / "run.py").is_file()
