"""What is done to the pages when all are written: only the icons that occur are shipped, and the
whole book as one file to download.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import lean

ARCHIVE, PDF = "gantut-book.zip", "gantut-book.pdf"
# An icon in the theme's script: name:[width,height,[other names],"code point","path" or
# ["path","path"]].
ICON = re.compile(
    r"(?:\"([\w-]+)\"|([a-zA-Z][\w$]*)):\[\d+,\d+,(\[[^\]]*\]),\"\w+\",(?:\"[^\"]*\"|\[[^\]]*\])\],?"
)
# The same icon in the theme's style, where a page without scripts takes it from a font. The font of
# brands is loaded for one icon alone.
RULE = re.compile(r"((?:\.fa-[\w-]+:before,?)+)\{content:\"[^\"]*\"\}")
BRANDS = re.compile(r"@font-face\{[^}]*Font Awesome\\ 6 Brands[^}]*\}")
# Marked parts of the landing page make no sense in the archive itself.
ONLINE = re.compile(r"<!-- online -->.*?<!-- /online -->", re.S)
SIZE = re.compile(r'(<span class="archive-size">)[^<]*')
PRESSED = (".png", ".webp", ".gif", ".jpg", ".woff", ".woff2", ".zip", ".mp3", ".ogg")
# Files that no page loads: source maps, and what the builder writes for itself.
UNUSED = (".map", ".buildinfo", "objects.inv")


def icons_of(folder: Path) -> set[str]:
    """The names of all icons that pages and scripts mention; the theme's style mentions every icon
    there is.
    """
    found: set[str] = set()
    for path in folder.rglob("*"):
        if path.suffix in (".html", ".js") and path.name != "fontawesome.js":
            found |= set(
                re.findall(
                    r"\bfa-([a-z][a-z0-9-]*)", path.read_text(encoding="utf-8", errors="ignore")
                )
            )
    return found


def only_icons(script: str, wanted: set[str]) -> str:
    """The theme's script of icons with the wanted ones alone."""

    def keep(match: re.Match[str]) -> str:
        names = {match[1] or match[2], *re.findall(r"\"([\w-]+)\"", match[3])}
        return match[0] if names & wanted else ""

    return ICON.sub(keep, script)


def only_rules(style: str, wanted: set[str]) -> str:
    """The theme's style with the rules of the wanted icons alone, without the font of brands."""

    def keep(match: re.Match[str]) -> str:
        return match[0] if set(re.findall(r"fa-([\w-]+)", match[1])) & wanted else ""

    return BRANDS.sub("", RULE.sub(keep, style))


def pack(folder: Path, target: Path) -> int:
    """Put the pages into one zip file, the same bytes for the same pages; return its size."""
    temporary = target.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if (
                not path.is_file()
                or path in (target, temporary)
                or name.endswith(UNUSED)
                or name == PDF
            ):
                continue
            content = path.read_bytes()
            if name == "book/index.html":
                content = ONLINE.sub("", content.decode("utf-8")).encode("utf-8")
            entry = zipfile.ZipInfo(f"gantut-book/{name}")
            entry.external_attr = 0o644 << 16
            pressed = path.suffix in PRESSED
            archive.writestr(
                entry, content, zipfile.ZIP_STORED if pressed else zipfile.ZIP_DEFLATED
            )
    temporary.replace(target)
    return target.stat().st_size


def add_terms(app: Any, path: Path) -> None:
    """Tell the search the terms of the glossary: their names, and where they stand."""
    terms = [
        (name, anchor)
        for (kind, name), (_, anchor) in sorted(app.env.domains["std"].objects.items())
        if kind == "term"
    ]
    mark = "\nvar TERMS = "
    text = path.read_text(encoding="utf-8").split(mark)[0]
    path.write_text(f"{text}{mark}{json.dumps(terms, ensure_ascii=False)};\n", encoding="utf-8")


def finish(app: Any, exception: Exception | None) -> None:
    """Trim icons and scripts, pack the archive, and write its size into the landing page."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for name, only in (
        ("scripts/fontawesome.js", only_icons),
        ("styles/pydata-sphinx-theme.css", only_rules),
    ):
        path = out / "_static" / name
        if path.is_file():
            path.write_text(only(path.read_text(encoding="utf-8"), icons_of(out)), encoding="utf-8")
    lean.without_search(out)
    add_terms(app, out / "_static" / "language_data.js")
    landing = out / "book" / "index.html"
    if landing.is_file():
        size = pack(out, out / ARCHIVE)
        text = landing.read_text(encoding="utf-8")
        landing.write_text(SIZE.sub(rf"\g<1>{size / 2**20:.0f} MB", text), encoding="utf-8")
