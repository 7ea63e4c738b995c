"""pyproject.toml, requirements.lock and environment.yml agree, and name no address."""

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = [
    Requirement(line)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in group
]
LOCK = [
    Requirement(line)
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
]


def test_the_lock_is_a_plain_list_that_satisfies_the_project():
    for pin in LOCK:
        assert pin.url is None and [s.operator for s in pin.specifier] == ["=="], str(pin)
    for needed in DECLARED:
        pins = [
            pin for pin in LOCK if canonicalize_name(pin.name) == canonicalize_name(needed.name)
        ]
        assert pins, f"{needed.name} is not in the lock"
        for pin in pins:
            (version,) = pin.specifier
            assert needed.specifier.contains(version.version), f"{pin} does not satisfy {needed}"


def test_environment_yml_says_the_same():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))[
        "dependencies"
    ]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert pip[-1] == "-e ."
    assert {str(Requirement(line)) for line in pip[:-1]} == {str(needed) for needed in DECLARED}
    assert f"python{PROJECT['requires-python']}" in dependencies
