"""Imports go to a lower floor, measured by what they execute and by what they name."""

import ast
import json
import subprocess
import sys
from functools import cache

import pytest
import surface

ORDER = {room: number for number, rooms in enumerate(surface.FLOORS) for room in rooms}
ORDER |= dict.fromkeys(surface.APART, len(surface.FLOORS))
# One process loads what the library stands on. Then each module is imported in a fork of it that
# has no module of the library yet, and the fork says which ones it has afterwards.
SCRIPT = """
import json, os, sys
import lazy_loader, matplotlib.pyplot, PIL.Image, torch, torchvision, tqdm
assert not [name for name in sys.modules if name.split(".")[0] == "gantut"]
found = {}
for module in json.loads(sys.argv[1]):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            __import__(module)
            said = sorted(name for name in sys.modules if name.split(".")[0] == "gantut")
        except BaseException as error:
            said = repr(error)
        with open(write, "w") as out:
            out.write(json.dumps(said))
        os._exit(0)
    os.close(write)
    with open(read) as pipe:
        found[module] = json.load(pipe)
    os.waitpid(child, 0)
print(json.dumps(found))
"""


def room(module):
    """losses, of gantut.losses.gan; nothing for gantut itself, which only loads what is asked."""
    return (module.split(".") + [""])[1]


def may(module, other):
    """Whether one module may import the other."""
    mine, its = room(module), room(other)
    return mine == its or not its or ORDER[its] < ORDER[mine]


@cache
def executed():
    """Module → the library's modules that are loaded once it has been imported."""
    modules = [m for m in surface.modules() if not m.endswith("__main__")]
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=surface.ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def named(tree):
    """The modules that some code imports, inside functions too; imports for types do not run."""
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= set(map(id, ast.walk(node)))
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "gantut":
            for alias in node.names:
                name = surface.public().get(f"gantut.{alias.name}", f"gantut.{alias.name}")
                yield name if room(name) in ORDER else "gantut"
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_every_room_has_a_floor():
    rooms = {room(module) for module in surface.modules()} - {""}
    assert rooms - set(ORDER) == set(), "give these rooms a floor in FLOORS, in .ci/surface.py"
    assert set(ORDER) - rooms == set(), "gone: take these rooms off FLOORS, in .ci/surface.py"


def test_imports_execute_only_what_is_below():
    faults = []
    for module, loaded in executed().items():
        if isinstance(loaded, str):
            faults.append(f"import {module} raises {loaded}")
        elif above := [other for other in loaded if not may(module, other)]:
            faults.append(f"import {module} executes {above}")
    assert faults == []


def test_imports_name_only_what_is_below():
    faults = []
    for module, path in surface.modules().items():
        for other in named(surface.parsed(path)):
            if other.split(".")[0] == "gantut" and not may(module, other):
                faults.append(f"{module} imports {other}")
    assert faults == [], "the order of the floors is in .ci/surface.py, lowest first"


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("gantut.data.digits", "from gantut.training import GANTrainer"),
        ("gantut.networks.mlp", "import gantut.data"),
        ("gantut.metrics", "def f():\n    from gantut import training"),
        ("gantut.models.vae", "def f():\n    from gantut import VAETrainer"),
        ("gantut.training.gan", "from gantut.grading import hold"),
    ],
)
def test_a_climb_is_seen(module, code):
    assert not all(may(module, other) for other in named(ast.parse(code)))


def test_the_flat_import_executes_nothing_else():
    assert executed()["gantut"] == ["gantut"]
