"""Write the one repository address (pyproject.toml, [project.urls]) everywhere else; `--check` only
looks.

It stands in _config.yml, README.md, CITATION.cff, and in the setup cell of each chapter and
assignment.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/gantut\b")
COLAB = re.compile(r"(colab\.research\.google\.com/github/)[\w.-]+/gantut\b")
SETUP = """\
# Where the library is missing, as in Colab, this installs it and what it needs.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("gantut") is None:
    from importlib.metadata import version

    library = "gantut @ git+{address}"
    # PyTorch stays the one that is there: it was built for this machine.
    kept = [f"{{name}}=={{version(name)}}" for name in ("torch", "torchvision")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", library]
    subprocess.run(command + kept, check=True)"""


def address() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def files() -> dict[Path, str]:
    """Every file that names the address, with the text it should have."""
    here = address()
    slug = here.removeprefix("https://github.com/")
    wanted = {}
    guides = ("book/index.md", "book/teachers-guide.md", "book/students-guide.md")
    for name in ("_config.yml", "README.md", "CITATION.cff", "CONTRIBUTING.md", *guides):
        text = (ROOT / name).read_text(encoding="utf-8")
        wanted[ROOT / name] = COLAB.sub(rf"\g<1>{slug}", ADDRESS.sub(here, text))
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        notebook = nbformat.read(path, as_version=4)
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        first.source = SETUP.format(address=here)
        first.metadata["tags"] = ["remove-cell", "nbval-ignore-output"]
        wanted[path] = nbformat.writes(notebook) + "\n"
    return wanted


def main() -> int:
    stale = [path for path, text in files().items() if path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            print(
                f"{path.relative_to(ROOT)} does not hold the address of pyproject.toml: run .ci/address.py",
                file=sys.stderr,
            )
        return bool(stale)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
