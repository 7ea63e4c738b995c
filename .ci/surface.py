"""The library's public names, and what code uses of them, read from its sources without running
them.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "gantut"
# Imports go to a lower floor; these are the rooms, lowest floor first.
FLOORS = (
    ("protocols", "numerics", "files", "progress", "processes", "checking"),
    ("data", "networks"),
    ("models",),
    ("losses",),
    ("optim",),
    ("games", "metrics", "speech", "training"),
    ("plots", "applications", "export"),
    ("runs",),
    ("cli",),
    ("__main__",),
)
# No part of the learner's library: they may use everything, and nothing may use them.
APART = ("grading", "bugs")


def dotted(path: Path) -> str:
    """The module that a file of the library is: gantut/losses/gan.py is gantut.losses.gan."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def modules() -> dict[str, Path]:
    """Every module of the library and its file."""
    return {dotted(path): path for path in sorted(LIBRARY.rglob("*.py"))}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def in_stub(stub: Path) -> dict[str, str]:
    """Public name → where it lives, of one stub; rooms and modules that it names are left out."""
    package, found = dotted(stub), {}
    for node in parsed(stub).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = alias.asname or alias.name
                found[f"{package}.{name}"] = f"{package}.{node.module}.{alias.name}"
    return found


def in_module(module: str, path: Path) -> dict[str, str]:
    """Public name → itself, of a module that is a room: its __all__, or what it defines."""
    defined = []
    for node in parsed(path).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.append(node.name)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            defined = ast.literal_eval(node.value)
            break
    names = (f"{module}.{name}" for name in defined if not name.startswith("_"))
    return {name: name for name in names}


@cache
def public() -> dict[str, str]:
    """Public name → where it lives: {"gantut.losses.r1": "gantut.losses.penalties.r1", …}.

    A room's names stand in its stub. A room without one, such as gantut.plots, is its own list.
    """
    found: dict[str, str] = {}
    for stub in sorted(LIBRARY.rglob("*.pyi")):
        if not dotted(stub).startswith(tuple(f"gantut.{room}" for room in APART)):
            found |= in_stub(stub)
    for node in parsed(LIBRARY / "__init__.pyi").body:
        if isinstance(node, ast.ImportFrom) and not node.module:
            for alias in node.names:
                for module, path in modules().items():
                    within = f"{module}.".startswith(f"gantut.{alias.name}.")
                    if within and not (LIBRARY / alias.name / "__init__.pyi").is_file():
                        found |= in_module(module, path)
    # A flat name leads to a room's name, and that one to where it lives.
    return {name: found.get(home, home) for name, home in found.items()}


def chain(node: ast.AST) -> str:
    """``losses.r1`` as text; nothing for another expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := chain(node.value)):
        return f"{before}.{node.attr}"
    return ""


def used(tree: ast.AST) -> set[str]:
    """Where the things of the library live that this code names, however it imports them."""
    known = {"gantut": "gantut"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gantut":
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    found = set(known.values())
    for node in ast.walk(tree):
        first, _, rest = chain(node).partition(".")
        if first in known and rest:
            found.add(f"{known[first]}.{rest}")
    names = public()
    return {names.get(name, name) for name in found}


def notebook_code(path: Path) -> ast.Module:
    """All code cells of a notebook, without magics."""
    cells = nbformat.read(path, as_version=4).cells
    sources = (cell.source for cell in cells if cell.cell_type == "code")
    return ast.parse("\n".join(re.sub(r"^(\s*)[%!].*", r"\1pass", s, flags=re.M) for s in sources))


def notebooks() -> list[Path]:
    """Chapters and assignments."""
    found = (ROOT / "notebooks").rglob("*.ipynb")
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)
