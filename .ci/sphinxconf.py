"""Write the conf.py with which plain Sphinx builds the same book, without jupyter-book: its settings
come from _config.yml.

python .ci/sphinxconf.py [FOLDER]
sphinx-build -W -n --keep-going FOLDER FOLDER/_build/plain
"""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_book.config import get_final_config

ROOT = Path(__file__).resolve().parent.parent
# Jupyter Book's own parts: what they do is in _config.yml's place or not used by this book.
APART = ("jupyter_book", "sphinx_jupyterbook_latex", "sphinx_comments", "sphinx_thebe")
HEAD = '''\
"""Settings of the book for plain Sphinx, written by .ci/sphinxconf.py from _config.yml."""

import sys

sys.path.insert(0, {extensions!r})

'''


def settings(folder: Path) -> dict[str, object]:
    """What Jupyter Book hands to Sphinx, less what only Jupyter Book understands."""
    found, _ = get_final_config(
        user_yaml=folder / "_config.yml",
        sourcedir=folder,
        cli_config={"latex_individualpages": False},
    )
    found["extensions"] = [name for name in found["extensions"] if name not in APART]
    for name in [*found]:
        if name.startswith(("latex_", "use_jupyterbook", "comments_")):
            del found[name]
    return found


def write(folder: Path) -> Path:
    """conf.py in the folder of _config.yml."""
    path = folder / "conf.py"
    extensions = str((folder / "book" / "_ext").resolve())
    lines = [f"{name} = {value!r}" for name, value in sorted(settings(folder).items())]
    path.write_text(HEAD.format(extensions=extensions) + "\n".join(lines) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    print(write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
