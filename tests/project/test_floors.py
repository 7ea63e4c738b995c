"""Imports inside the library go only to a lower floor."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The first prefix that fits a module gives its floor and its room.
FLOORS = {
    "gantut.processes": -1,
    "gantut.checking": 0,
    "gantut.applications.compression": 0,
    "gantut.applications.restoration": 0,
    "gantut.data": 0,
    "gantut.networks": 0,
    "gantut.seeds": 1,
    "gantut.losses.divergences": 0,
    "gantut.losses.augmentation": 0,
    "gantut.losses.gan": 1,
    "gantut.losses.penalties": 1,
    "gantut.models.likelihoods": 1,
    "gantut.models.priors": 1,
    "gantut.models.code_priors": 1,
    "gantut.optim": 1,
    "gantut.games.dynamics": 2,
    "gantut.models.vae": 2,
    "gantut.models.vqvae": 2,
    "gantut.models.ppca": 2,
    "gantut.losses": 2,
    "gantut.metrics": 3,
    "gantut.training": 3,
    "gantut.plots": 3,
    "gantut": 4,
}


def place(module):
    return next(
        (prefix, floor) for prefix, floor in FLOORS.items() if f"{module}.".startswith(f"{prefix}.")
    )


def imports(source):
    """The gantut modules that a source imports when it is loaded (type-only imports do not run)."""
    tree = ast.parse(source)
    type_only = [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)
    ]
    skipped = {id(child) for block in type_only for child in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("gantut"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gantut"):
            if node.module == "gantut":
                yield from (f"gantut.{alias.name}" for alias in node.names)
            else:
                yield node.module


def faults(module, source):
    room, floor = place(module)
    for other in imports(source):
        other_room, other_floor = place(other)
        inside = other_room == room or (
            module == "gantut.losses" and other.startswith("gantut.losses.")
        )
        if not inside and other_floor >= floor:
            yield f"{module} (floor {floor}) imports {other} (floor {other_floor})"


def modules():
    for path in sorted((ROOT / "gantut").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__"), path.read_text(encoding="utf-8")


def test_imports_go_down():
    found = [fault for module, source in modules() for fault in faults(module, source)]
    assert found == []
    assert len(list(modules())) > 10


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gantut.data.digits", "from gantut.training import GANTrainer"),
        ("gantut.networks.mlp", "import gantut.data"),
        ("gantut.metrics", "def f():\n    from gantut import training"),
        ("gantut.models.likelihoods", "from gantut.models.vae import VAE"),
        ("gantut.training.gan", "from gantut import plots"),
    ],
)
def test_the_rule_rejects_a_climb(module, source):
    assert list(faults(module, source))
