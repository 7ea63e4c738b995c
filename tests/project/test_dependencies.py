"""What is imported is declared; what comes along with something else does not count."""

import ast
import importlib.metadata
import sys
import tomllib
from functools import cache

import pytest
import surface
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((surface.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Rooms that may import what stands in an extra, inside the function that needs it.
EXTRAS = {
    "applications": {"compression"},
    "cli": {"onnx"},
    "data": {"speech"},
    "export": {"onnx"},
    "metrics": {"fidelity"},
    "notebooks": {"compression"},
}
# A notebook runs in IPython's kernel, whoever starts it.
KERNEL = {"ipython", "ipykernel"}


def declared(extras=()):
    """Distributions that pyproject.toml names: the core ones and those of some extras."""
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"].get(extra, [])
    return {canonicalize_name(Requirement(line).name) for line in lines}


@cache
def owners():
    return importlib.metadata.packages_distributions()


def named(node):
    return getattr(node, "id", None)


def imported(tree):
    """Top-level modules outside Python's own that some code imports, also inside functions.

    ``shipped("package", …)``, also in a partial, reads a file of a package without importing it.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and "shipped" in map(named, [node.func, *node.args]):
            names = [word.value for word in node.args if isinstance(word, ast.Constant)][:1]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [str(node.module)]
        else:
            continue
        yield from {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)


def undeclared(tree, allowed):
    for module in sorted(set(imported(tree)) - {"gantut"}):
        # A package that is not installed here most often has its module's name.
        if allowed.isdisjoint(canonicalize_name(d) for d in owners().get(module, [module])):
            yield module


def sources():
    """(name, tree, distributions that it may use) of each module and each notebook."""
    for module, path in surface.modules().items():
        room = (module.split(".") + [""])[1]
        # The library shows pictures and sounds where IPython is, and works without it.
        allowed = declared(EXTRAS.get(room, ())) | KERNEL
        yield module, surface.parsed(path), allowed
    for path in surface.notebooks():
        allowed = declared(EXTRAS["notebooks"]) | KERNEL
        yield path.name, surface.notebook_code(path), allowed


def test_what_is_imported_is_declared():
    faults = [
        f"{name} imports {module}"
        for name, tree, allowed in sources()
        for module in undeclared(tree, allowed)
    ]
    assert faults == [], "declare it in pyproject.toml, or name the room's extra in EXTRAS here"


def test_what_is_declared_is_imported():
    """The library or a chapter needs each core dependency."""
    found = {
        canonicalize_name(distribution)
        for _, tree, _ in sources()
        for module in imported(tree)
        for distribution in owners().get(module, [module])
    }
    assert sorted(declared() - found) == [], "nobody imports these: out of pyproject.toml"


@pytest.mark.parametrize(
    "code",
    ["import pytest", "def f():\n    from packaging import version", "shipped('pytest', 'a.txt')"],
)
def test_what_only_comes_along_does_not_count(code):
    assert list(undeclared(ast.parse(code), declared() | KERNEL))
