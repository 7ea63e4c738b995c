"""The version stands in three files, and CONTRIBUTING.md says how to make a release of it."""

import re
import tomllib
from datetime import date
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_the_citation_has_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == VERSION
    assert isinstance(citation["date-released"], date)


def test_the_changelog_has_the_version_or_what_comes_next():
    """A version that was released has its heading; the newest changes stand first."""
    headings = re.findall(
        r"^## \[?(Unreleased|\d+\.\d+\.\d+)",
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        re.M,
    )
    assert headings[0] in ("Unreleased", VERSION)
    released = [
        tuple(map(int, heading.split("."))) for heading in headings if heading != "Unreleased"
    ]
    assert released == sorted(released, reverse=True)
    assert all(number <= tuple(map(int, VERSION.split("."))) for number in released)


def test_the_steps_name_what_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    steps = text[text.index("## A release") :]
    for name in re.findall(r"`((?:tests|\.github)/[\w./-]+)`", steps):
        assert (ROOT / name).is_file(), name
    assert {"make test", "make pdf archive"} <= set(re.findall(r"`(make [a-z ]+)`", steps))
