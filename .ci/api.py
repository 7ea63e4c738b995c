"""Write book/api.md, the reference, from the stubs of the library's rooms; `--check` only looks.

What a room's `__init__.pyi` lists has an entry, under the module where it lives, with the types
that it takes or returns. A module's order is its own.
"""

from __future__ import annotations

import ast
import sys

import surface
import tables
from pages import settle

PAGE = surface.ROOT / "book" / "api.md"
HEAD = """\
% Written by .ci/api.py from the stubs of the library: run that script after a public name has changed.

# API reference

`import gantut` costs nothing: rooms and names load when they are first used, so `gantut.losses.r1` works after it, and
completion shows what there is. What a chapter needs most has a flat name: {flat}.

The library is small, and its rooms stand on floors. A room imports only from lower floors, and a test holds that.

| floor | rooms |
|---|---|
{floors}

Networks are plain `nn.Module`s; {{py:mod}}`gantut.protocols` says what each kind takes and returns. All losses in one
table: {{doc}}`losses`. The command line explains itself: `python -m gantut train --help`.
"""
# In the order in which a reader meets them. What is public in none of these has no entry.
ROOMS = (
    *("protocols", "data", "networks", "models", "losses", "training", "metrics", "plots"),
    *("seeds", "optim", "games", "speech", "applications", "export", "checking", "processes"),
)

# Methods that PyTorch calls, and tensors that a module registers.
HIDDEN = "forward, parameters, update, scale"


def defined(module: str) -> list[str]:
    """Functions, classes and constants of a module, in its order."""
    names: list[str] = []
    for node in surface.parsed(surface.modules()[module]).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [t.id for t in targets if isinstance(t, ast.Name)]
        elif isinstance(node, ast.TypeAlias if sys.version_info >= (3, 12) else ()):
            names.append(node.name.id)
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def types() -> set[str]:
    """Every name that stands in an annotation of the library."""
    found = set()
    for path in surface.modules().values():
        for node in ast.walk(surface.parsed(path)):
            for part in ("annotation", "returns"):
                if (said := getattr(node, part, None)) is not None:
                    found |= {n.id for n in ast.walk(said) if isinstance(n, ast.Name)}
    return found


def tabulated() -> set[str]:
    """What the table of losses leads to."""
    rows = tables.tomllib.loads(tables.DATA.read_text(encoding="utf-8"))
    return {tables.reference(family, n) for family, table in rows.items() for n in table["rows"]}


def entries(room: str, known: set[str]) -> str:
    """The directives of one room: one for each module that holds something public."""
    files = {m: f for m, f in surface.modules().items() if f.name != "__init__.py"}
    homes = set(surface.public().values()) | tabulated()
    if f"gantut.{room}" in files:
        homes |= set(surface.in_module(f"gantut.{room}", files[f"gantut.{room}"]))
    homes = {h for h in homes if h.startswith(f"gantut.{room}.") and h.rpartition(".")[0] in files}
    parts = []
    for module in sorted({home.rpartition(".")[0] for home in homes}):
        names = [n for n in defined(module) if f"{module}.{n}" in homes or n in known]
        names = [n for n in names if f"{module}.{n}" in homes or n[0].isupper()]
        lines = [f".. automodule:: {module}", f"   :members: {', '.join(names)}"]
        parts.append("\n".join([*lines, f"   :exclude-members: {HIDDEN}"]))
    body = "\n\n".join(parts)
    return f"## gantut.{room}\n\n```{{eval-rst}}\n{body}\n```\n" if parts else ""


def page() -> str:
    known = types()
    flat = sorted(name for name in surface.public() if name.count(".") == 1)
    rows = [
        f"| {number} | {', '.join(f'`gantut.{room}`' for room in rooms)} |"
        for number, rooms in enumerate(surface.FLOORS)
    ]
    listed = ", ".join(f"`{name}`" for name in flat)
    head = HEAD.format(flat=listed, floors="\n".join(rows))
    return "\n".join([head, *filter(None, (entries(room, known) for room in ROOMS))])


def main() -> int:
    return settle(PAGE, page(), "book/api.md is not what the library's stubs say: run .ci/api.py")


if __name__ == "__main__":
    sys.exit(main())
