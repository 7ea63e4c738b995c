"""The reference has an entry for everything that the library makes public."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import gantut

ROOT = Path(__file__).resolve().parents[2]
# Rooms that a reader of the book does not call, and tables and kinds of types that carry no docstring of their own.
INNER = ("gantut.__main__", "gantut.grading", "gantut.bugs")
ENTRY = re.compile(
    r"^\.\. auto(module|class|exception|function):: (\S+)\n((?:[ ]+:[\w-]+:.*\n)*)", re.M
)


def entries(text):
    """The full names that the page documents, read from its directives."""
    found = set()
    for kind, name, options in ENTRY.findall(text):
        if kind != "module":
            room, _, thing = name.rpartition(".")
            found.add(qualified(getattr(importlib.import_module(room), thing)))
            continue
        module = importlib.import_module(name)
        chosen = dict(re.findall(r":([\w-]+):[ ]*(.*)", options))
        listed = [n.strip() for n in chosen["members"].split(",") if n.strip()]
        own = [
            n
            for n, v in vars(module).items()
            if not n.startswith("_") and getattr(v, "__module__", "") == name
        ]
        # Without a list: what __all__ says, or else what the module defines.
        names = listed or getattr(module, "__all__", own)
        found |= {qualified(getattr(module, n)) for n in names if hasattr(module, n)}
    return found


def qualified(thing):
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"


def public():
    """Every function and class in the __all__ of a room."""
    found = set()
    for entry in pkgutil.walk_packages(gantut.__path__, "gantut."):
        if entry.name.startswith(INNER):
            continue
        room = importlib.import_module(entry.name)
        for name in getattr(room, "__all__", ()):
            thing = getattr(room, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found.add(qualified(thing))
    return found


def test_everything_public_has_an_entry():
    missing = sorted(public() - entries((ROOT / "book" / "api.md").read_text(encoding="utf-8")))
    assert missing == [], "add them to book/api.md"
    assert len(public()) > 150


@pytest.mark.parametrize("gone", ["copying, ", "mutual_information_gap, ", "fashion_mnist, "])
def test_a_missing_entry_is_found(gone):
    text = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    assert gone in text
    assert any(
        name.endswith("." + gone.strip(", "))
        for name in public() - entries(text.replace(gone, "", 1))
    )
