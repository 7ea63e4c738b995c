"""The reference has an entry for every public name of the library."""

import re
from pathlib import Path

import surface

PAGE = Path(__file__).resolve().parents[2] / "book" / "api.md"
ENTRY = re.compile(
    r"^\.\. auto(module|class|exception|function|data):: (\S+)\n((?:[ ]+:[\w-]+:.*\n)*)", re.M
)


def entries(text):
    """The names that the page documents, read from its directives."""
    found = set()
    for kind, name, options in ENTRY.findall(text):
        chosen = dict(re.findall(r":([\w-]+):[ ]*(.*)", options))
        if kind != "module":
            found.add(name)
        elif listed := [n.strip() for n in chosen.get("members", "").split(",") if n.strip()]:
            found |= {f"{name}.{n}" for n in listed}
        elif "members" in chosen:  # all that the room lists
            found |= {n for n in surface.public() if n.rpartition(".")[0] == name}
    return found


def homes(found):
    return {surface.public().get(name, name) for name in found}


def test_every_public_name_has_an_entry():
    text = PAGE.read_text(encoding="utf-8")
    missing = sorted(set(surface.public().values()) - homes(entries(text)))
    assert missing == [], f"write entries for these into book/api.md: {missing}"


def test_no_entry_is_left_behind():
    """A directive for a name that is gone makes the book's build fail; this says it in a second."""
    text = PAGE.read_text(encoding="utf-8")
    modules = set(surface.modules()) | {m.rpartition(".")[0] for m in surface.modules()}
    for kind, name, _ in ENTRY.findall(text):
        room = name if kind == "module" else name.rpartition(".")[0]
        assert room in modules, f"book/api.md names {room}, which is gone"
