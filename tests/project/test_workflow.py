"""The workflow builds, tests and publishes, asks for no secret, and runs the chapters with Colab's versions."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load(TEXT)
JOBS = WORKFLOW["jobs"]


def commands(job):
    return "\n".join(step.get("run", "") for step in JOBS[job]["steps"])


def test_it_tests_and_publishes():
    assert ".ci/run" in commands("test").splitlines()
    assert "make pdf" in commands("test")
    assert JOBS["publish"]["needs"] == "test"
    assert "refs/heads/main" in JOBS["publish"]["if"]
    assert {"dist/*", "_build/gantut-book.zip", "_build/gantut-book.pdf"} <= set(
        JOBS["release"]["steps"][-1]["with"]["path"].split()
    )


def test_every_make_target_is_there():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for job in JOBS:
        for line in re.findall(r"make ([a-z ]+)", commands(job)):
            assert set(line.split()) <= targets, line


def test_it_needs_no_secret_and_few_rights():
    assert "secrets" not in TEXT
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert [job for job in JOBS if "permissions" in JOBS[job]] == ["publish"]
    for job in JOBS.values():
        for step in job["steps"]:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/none@v1")), step


def test_colab_has_versions_that_the_library_takes():
    """A run inside Colab's set must fit the lower bounds of pyproject.toml."""
    assert {
        step["with"]["python-version"] for step in JOBS["colab"]["steps"] if "with" in step
    } == {"3.13"}
    assert WORKFLOW[True]["schedule"], "yaml reads the key `on` as true"
    pins = dict(re.findall(r"([\w-]+)==([\d.]+)", commands("colab")))
    assert {"torch", "torchvision", "numpy", "matplotlib", "scikit-learn"} <= set(pins)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in project["dependencies"]:
        needed = Requirement(line)
        if needed.name in pins:
            assert needed.specifier.contains(pins[needed.name]), (
                f"Colab has {needed.name} {pins[needed.name]}"
            )
        else:
            assert needed.name in commands("colab"), f"{needed.name} is not installed"
