"""What is done to the pages when all are written: icons become drawings, code sheds what says
nothing, and the whole book becomes one file to download.
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
# ["path","path"]], and its place in a page.
ICON = re.compile(
    r"(?:\"([\w-]+)\"|([a-zA-Z][\w$]*)):\[(\d+),(\d+),(\[[^\]]*\]),\"\w+\",(\"[^\"]*\"|\[[^\]]*\])\]"
)
PLACE = re.compile(r"<i\s([^>]*\bfa-[^>]*)>\s*</i>")
# The theme's script that would put the drawings there, and look through every page for them.
DRAWS = re.compile(r'\s*<script[^>]*\bsrc="[^"]*scripts/fontawesome\.js[^"]*"[^>]*></script>')
# The same icons in the theme's style, as letters of a font. The font of brands is not needed.
RULE = re.compile(r"((?:\.fa-[\w-]+:before,?)+)\{content:\"[^\"]*\"\}")
BRANDS = re.compile(r"@font-face\{[^}]*Font Awesome\\ 6 Brands[^}]*\}")
# How the style colours a word of code, "" for all of them; and where the code of a page stands.
WORD = re.compile(r"html\[data-theme=\"(\w+)\"\] \.highlight (?:\.(\w+) )?\{ ([^}]*?) \}")
CODE = re.compile(r'<div class="highlight"><pre>.*?</pre>', re.S)
# Where the theme begins to look at every piece of code, folded ones too, for whether it scrolls, at
# each change of the page: gantut.js does that for what is seen.
STOPS = re.compile(
    r",?\"complete\"===document\.readyState\?(\w+)\(\):window\.addEventListener\(\"load\",\1\)"
)
# Marked parts of the landing page make no sense in the archive itself.
ONLINE = re.compile(r"<!-- online -->.*?<!-- /online -->", re.S)
SIZE = re.compile(r'(<span class="archive-size">)[^<]*')
PRESSED = (".png", ".webp", ".gif", ".jpg", ".woff", ".woff2", ".zip", ".mp3", ".ogg")
# Files that no page loads: source maps, and what the builder writes for itself.
UNUSED = (".map", ".buildinfo", "objects.inv")


def icons(script: str) -> dict[str, tuple[str, str]]:
    """The theme's drawings by name: how large their sheet is, and the outline."""
    found: dict[str, tuple[str, str]] = {}
    for one, other, wide, high, names, lines in ICON.findall(script):
        for name in (one or other, *re.findall(r"\"([\w-]+)\"", names)):
            found.setdefault(name, (f"{wide} {high}", re.findall(r"\"([^\"]*)\"", lines)[-1]))
    return found


def drawn(page: str, known: dict[str, tuple[str, str]]) -> str:
    """The page with its icons as drawings, and without the script that would draw them."""

    def draw(match: re.Match[str]) -> str:
        said = dict(re.findall(r"([\w-]+)=\"([^\"]*)\"", match[1]))
        classes = said.pop("class").split()
        name = next((word[3:] for word in classes if word[3:] in known), None)
        if name is None:
            raise ValueError(f"the theme has no drawing for {match[0]}")
        sheet, outline = known[name]
        kept = " ".join(word for word in classes if word not in ("fa-solid", "fas", "fab"))
        title = f"<title>{said['title']}</title>" if "title" in said else ""
        data = "".join(f' {key}="{word}"' for key, word in said.items() if key.startswith("data-"))
        return (
            f'<svg class="icon {kept}"{data} aria-hidden="true" viewBox="0 0 {sheet}">{title}'
            f'<path fill="currentColor" d="{outline}"/></svg>'
        )

    return DRAWS.sub("", PLACE.sub(draw, page))


def silent(style: str) -> frozenset[str]:
    """The classes of words in code that have the colour of code itself, on the light page and on
    the dark one.
    """
    colours: dict[str, dict[str, str]] = {"light": {}, "dark": {}}
    for theme, name, rule in WORD.findall(style):
        colours[theme][name] = rule
    plain = []
    for rules in colours.values():
        *_, ground = rules.pop("", "").partition("; ")
        plain.append(frozenset(name for name, rule in rules.items() if rule == ground))
    return frozenset.intersection(*plain)


def bare(page: str, classes: frozenset[str]) -> str:
    """The page whose code marks only the words that have a colour of their own: half as many
    elements for the browser.
    """
    if not classes:
        return page
    word = re.compile(
        rf'<span class="(?:{"|".join(sorted(classes))})">([^<]*)</span>|<span></span>'
    )
    return CODE.sub(lambda code: word.sub(lambda match: match[1] or "", code[0]), page)


def lighter(out: Path) -> None:
    """Take out of the pages, the scripts and the styles what no reader needs."""
    static = out / "_static"
    drawings = static / "scripts" / "fontawesome.js"
    known = icons(drawings.read_text(encoding="utf-8")) if drawings.is_file() else {}
    classes = silent((static / "pygments.css").read_text(encoding="utf-8"))
    used: set[str] = set()
    for path in out.rglob("*.html"):
        if "_static" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        less = bare(drawn(text, known) if known else text, classes)
        if path.name != "search.html":
            less = lean.SEARCH.sub("", less)
        if less != text:
            path.write_text(less, encoding="utf-8")
        used |= set(re.findall(r"\bfa-([a-z][a-z0-9-]*)", less))
    drawings.unlink(missing_ok=True)
    style = static / "styles" / "pydata-sphinx-theme.css"
    style.write_text(only_rules(style.read_text(encoding="utf-8"), used), encoding="utf-8")
    script = static / "scripts" / "pydata-sphinx-theme.js"
    script.write_text(STOPS.sub("", script.read_text(encoding="utf-8")), encoding="utf-8")


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
    """Make the pages lighter, pack the archive, and write its size into the landing page."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    lighter(out)
    add_terms(app, out / "_static" / "language_data.js")
    landing = out / "book" / "index.html"
    if landing.is_file():
        size = pack(out, out / ARCHIVE)
        text = landing.read_text(encoding="utf-8")
        landing.write_text(SIZE.sub(rf"\g<1>{size / 2**20:.0f} MB", text), encoding="utf-8")
