"""The library loads without what only some of its functions need."""

import subprocess
import sys

HEAVY = ("torchvision", "sklearn", "torchmetrics", "matplotlib", "scipy", "PIL")


def test_the_heavy_packages_wait_until_they_are_needed():
    code = (
        "import sys; import gantut; from gantut import data, losses, networks, training, VAE; "
        "data.TensorData, data.digits, data.glyphs, data.folder, data.vowels, data.load; "
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_function_is_never_hidden_by_a_module_of_its_name():
    """``from gantut.data.x import y`` must leave ``data.x`` what the stub promises."""
    code = (
        "import importlib, pkgutil; from gantut import data; "
        "[importlib.import_module(f'gantut.data.{m.name}') for m in pkgutil.iter_modules("
        "data.__path__)]; from types import ModuleType; "
        "print([n for n in data.__all__ if isinstance(getattr(data, n), ModuleType)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
