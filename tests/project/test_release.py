"""The files that name versions and packages agree, and the workflow asks for no secret."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gantut

ROOT = Path(__file__).resolve().parents[2]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
ALL = CORE + [
    Requirement(line) for extra in PROJECT["optional-dependencies"].values() for line in extra
]
WORKFLOW = yaml.safe_load(read(".github/workflows/book.yml"))


def pip_lines(environment):
    """The pip part of a conda environment, and the rest of it."""
    lines = yaml.safe_load(read(environment))["dependencies"]
    (pip,) = [entry["pip"] for entry in lines if isinstance(entry, dict)]
    return pip, [line for line in lines if isinstance(line, str)]


def test_the_version_is_the_same_everywhere():
    version = PROJECT["version"]
    assert str(yaml.safe_load(read("CITATION.cff"))["version"]) == version
    assert gantut.__version__ == version
    assert re.search(r"^## \[?(Unreleased|[\d.]+)", read("CHANGELOG.md"), re.M)[1] in (
        "Unreleased",
        version,
    ), "the newest changes stand first in CHANGELOG.md"


def test_the_lock_is_a_plain_list_that_satisfies_the_project():
    lock = [Requirement(line) for line in read("requirements.lock").splitlines()]
    for pin in lock:
        assert pin.url is None and [s.operator for s in pin.specifier] == ["=="], str(pin)
    for needed in ALL:
        pins = [p for p in lock if canonicalize_name(p.name) == canonicalize_name(needed.name)]
        assert pins, f"{needed.name} is not in requirements.lock: run make lock"
        for pin in pins:
            (version,) = pin.specifier
            assert needed.specifier.contains(version.version), f"{pin} does not satisfy {needed}"


def test_conda_installs_what_the_project_declares():
    pip, rest = pip_lines("environment.yml")
    assert pip[-1] == "-e ."
    assert {str(Requirement(line)) for line in pip[:-1]} == {str(needed) for needed in ALL}
    assert f"python{PROJECT['requires-python']}" in rest


def test_binder_installs_the_core_without_cuda():
    """PyTorch comes from conda-forge, built for the CPU; pip finds it and fetches no other."""
    pip, rest = pip_lines(".binder/environment.yml")
    named = {r.name: str(r.specifier) for r in map(Requirement, [*pip, *rest])}
    for needed in CORE:
        name = "pytorch-cpu" if needed.name == "torch" else needed.name
        assert named.get(name) == str(needed.specifier), f"{name} in .binder/environment.yml"
    assert {"pytorch-cpu", "torchvision"} <= {Requirement(line).name for line in rest}


def test_the_workflow_installs_colab_s_versions_and_the_library_s_own_needs():
    """Lower bounds stand at or under what Colab has, so that nothing of Colab is replaced."""
    (pins,) = [job["env"]["COLAB"] for job in WORKFLOW["jobs"].values() if "COLAB" in str(job)]
    versions = dict(pin.split("==") for pin in pins.split())
    assert {"torch", "torchvision", "numpy"} <= set(versions)
    for needed in CORE:
        if needed.name in versions:
            assert needed.specifier.contains(versions[needed.name]), f"Colab's is older: {needed}"


def test_the_workflow_needs_no_secret_and_few_rights():
    assert "secrets" not in read(".github/workflows/book.yml")
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert [name for name, job in WORKFLOW["jobs"].items() if "permissions" in job] == ["publish"]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "README.md", "book/how-to.md", ".ci/run"])
def test_every_command_of_make_is_there(name):
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    for line in re.findall(r"(?:`|^)make ([a-z]+)", read(name), re.M):
        assert line in targets, f"{name} says make {line}"


def test_every_file_that_contributors_are_sent_to_is_there():
    for name in re.findall(
        r"`((?:tests|book|notebooks|\.ci|\.github)/[\w./-]+)`", read("CONTRIBUTING.md")
    ):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("number", [0, 1])
def test_the_code_in_the_readme_runs(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", read("README.md"), re.S)
    exec(re.sub(r"steps=\d+", "steps=2", blocks[number]), {})
