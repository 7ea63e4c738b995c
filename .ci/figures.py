"""Take the figures out of the chapters for slides: PNGs with captions, alt texts and the licence
line, in _build/figures.

python .ci/figures.py [-o _build/figures] [notebooks/02-gan-concepts.ipynb …]

A figure is named after its cell, so a link to a file stays right when a chapter grows. `figures.md`
lists all of them.
"""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path
from typing import NamedTuple

import address
import nbformat

ROOT = Path(__file__).resolve().parent.parent
LICENCE = "© 2026 the gantut authors, CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), from {address}"


class Figure(NamedTuple):
    """One picture of a chapter; ``name`` is the chapter's number and the cell's id."""

    name: str
    chapter: str
    caption: str
    alt: str
    png: bytes


def figures(path: Path) -> list[Figure]:
    """All PNGs that the notebook stores, in order."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        pictures = [
            o.data["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})
        ]
        settings = cell.metadata.get("mystnb", {})
        for number, picture in enumerate(pictures):
            name = cell.id if number == 0 else f"{cell.id}-{number + 1}"
            caption = " ".join(settings.get("figure", {}).get("caption", "").split())
            alt = " ".join(settings.get("image", {}).get("alt", "").split())
            found.append(Figure(name, path.stem, caption, alt, base64.b64decode(picture)))
    return found


def write(paths: list[Path], out: Path) -> int:
    """Write the PNGs and figures.md; return how many there are."""
    out.mkdir(parents=True, exist_ok=True)
    licence = LICENCE.format(address=address.address())
    page, count = [f"# Figures\n\n{licence}\n"], 0
    for path in paths:
        drawn = figures(path)
        page += [f"## {path.stem}\n"] if drawn else []
        for figure in drawn:
            (out / f"{figure.name}.png").write_bytes(figure.png)
            page.append(
                f"![{figure.alt}]({figure.name}.png)\n\n{figure.caption}\n\n*{figure.name}.png: {licence}*\n"
            )
        count += len(drawn)
    (out / "figures.md").write_text("\n".join(page), encoding="utf-8")
    return count


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "notebooks", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("*.ipynb"))
    )
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "_build" / "figures")
    arguments = parser.parse_args(argv)
    count = write(arguments.notebooks, arguments.out)
    print(f"{count} figures, with captions and licence in {arguments.out / 'figures.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
