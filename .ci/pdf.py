"""Print the built book as one PDF: _build/gantut-book.pdf, with bookmarks, page numbers and working
links inside.

python .ci/pdf.py [-o _build/gantut-book.pdf]     (make pdf builds the book first; it needs
Chromium)

All pages of the contents become one long page whose identifiers begin with the name of their own
page. Chromium prints that.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# What has no sense on paper. Widgets and sounds stay in the pages for the browser.
DROPPED = "script, .headerlink, .sd-btn, .hero, .copybtn, .viewcode-link, audio, .gantut-widget, .prev-next-footer"
# Where the landing page may offer the PDF.
PLACE = re.compile(r'(<span class="pdf">).*?(?=</span>)')
SEEN_BY = {"a": "href", "img": "src", "source": "srcset"}
TITLE = "GANs and VAEs, where every formula runs"
MATHJAX = (
    '<script>window.MathJax = {options: {processHtmlClass: "tex2jax_process|mathjax_process|math|output_area"}}</script>'
    '<script defer src="_static/mathjax/mathjax.js"></script>'
)
STYLE = """
.part-of-book { break-before: page; } .part-of-book:first-of-type { break-before: auto; }
.cover { height: 245mm; display: flex; flex-direction: column; justify-content: center; text-align: center; }
.cover img { width: 60mm; margin: 0 auto 10mm; } .cover h1 { font-size: 26pt; border: 0; }
.contents { break-before: page; } .contents li { margin: 0.25em 0; } .contents ol { list-style: none; }
.bd-article img { max-height: 225mm; object-fit: contain; }
"""
FOOTER = '<div style="font: 8pt sans-serif; color: #777; width: 100%; text-align: center"><span class="pageNumber"></span></div>'


def documents() -> list[str]:
    """The pages of _toc.yml in their order, without the ones for the browser alone."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])]
    return [name for name in listed if not name.startswith("book/play")]


def anchor(document: str, fragment: str = "") -> str:
    return document.replace("/", "-") + (f"--{fragment}" if fragment else "")


def target(document: str, link: str, known: set[str]) -> str:
    """Where a link of a page leads in the one long page: inside, to the built files' names, or out
    as it is.
    """
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or link.startswith("data:"):
        return link
    path = (
        posixpath.normpath(posixpath.join(posixpath.dirname(document), unquote(parts.path)))
        if parts.path
        else f"{document}.html"
    )
    name = path.removesuffix(".html")
    if path.endswith(".html") and name in known:
        return "#" + anchor(name, parts.fragment)
    return path + (f"#{parts.fragment}" if parts.fragment else "")


def article(document: str, known: set[str]) -> Tag:
    """The text of one page, with its identifiers and links as the long page needs them."""
    soup = BeautifulSoup((HTML / f"{document}.html").read_text(encoding="utf-8"), "html.parser")
    found = soup.select_one("article.bd-article")
    if found is None:
        raise ValueError(f"{document}.html has no article")
    for gone in found.select(DROPPED):
        gone.decompose()
    for element in found.find_all(True):
        if element.get("id"):
            element["id"] = anchor(document, element["id"])
        attribute = SEEN_BY.get(element.name)
        if attribute and element.get(attribute):
            element[attribute] = target(document, element[attribute], known)
        for name in ("aria-labelledby", "for", "loading"):
            del element[name]
    for folded in found.find_all("details"):
        folded["open"] = ""
    for folded in found.select(".toggle, .dropdown"):
        folded["class"] = [
            c for c in folded["class"] if c not in ("toggle", "dropdown", "toggle-hidden")
        ]
    found.name, found["class"], found["id"] = "section", "bd-article part-of-book", anchor(document)
    return found


def assembled(names: list[str]) -> str:
    """The whole book as one page, which lies beside index.html."""
    first = BeautifulSoup((HTML / f"{names[0]}.html").read_text(encoding="utf-8"), "html.parser")
    known, parts, lines = set(names), [], []
    for name in names:
        part = article(name, known)
        title = part.find("h1")
        text = title.get_text(" ", strip=True) if title else name
        number = f"{int(name[10:12])} · " if name.startswith("notebooks/") else ""
        lines.append(f'<li><a href="#{anchor(name)}">{number}{text}</a></li>')
        parts.append(str(part))
    styles = "".join(
        f'<link rel="stylesheet" href="{target(names[0], str(link["href"]), known).split("?")[0]}">'
        for link in first.select('link[rel="stylesheet"]')
    )
    cover = (
        f'<div class="cover"><img src="_static/logo.svg" alt=""><h1>{TITLE}</h1>'
        "<p>gantut. The gantut authors. Prose under CC BY 4.0, code under MIT.</p></div>"
    )
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>gantut: {TITLE}</title>'
        f"{styles}<style>{STYLE}</style>{MATHJAX}</head><body>"
        f'<div class="bd-article">{cover}<div class="contents"><h2>Contents</h2><ol>{"".join(lines)}</ol></div></div>'
        f"{''.join(parts)}</body></html>"
    )


def browser() -> str:
    """The browser's program: GANTUT_CHROMIUM, or the first one found.

    Raises:
        FileNotFoundError: there is none.
    """
    for name in (os.environ.get("GANTUT_CHROMIUM", ""), *CHROMIUM):
        if name and (path := shutil.which(name)):
            return path
    raise FileNotFoundError(f"make pdf needs a browser: install one of {', '.join(CHROMIUM)}")


def printed(page: Path, out: Path) -> None:
    """Print a page to a PDF, whole or not at all."""
    from playwright.sync_api import sync_playwright

    temporary = out.with_suffix(".part")
    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=browser(), args=["--no-sandbox", "--allow-file-access-from-files"]
        )
        tab = chromium.new_page()
        tab.set_default_timeout(240_000)
        tab.goto(page.as_uri(), wait_until="load", timeout=240_000)
        tab.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
        tab.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)")
        tab.pdf(
            path=temporary, prefer_css_page_size=True, print_background=True, outline=True, tagged=True,
            display_header_footer=True, header_template="<span></span>", footer_template=FOOTER,
        )  # fmt: skip
        chromium.close()
    temporary.replace(out)


def offer(pdf: Path) -> float:
    """Put the PDF beside the pages and a link to it on the landing page; its size in MB."""
    size = pdf.stat().st_size / 2**20
    shutil.copy(pdf, HTML / "gantut-book.pdf")
    landing = HTML / "book" / "index.html"
    link = rf'\g<1>Or <a href="../gantut-book.pdf">as a PDF</a> ({size:.0f} MB).'
    landing.write_text(PLACE.sub(link, landing.read_text(encoding="utf-8")), encoding="utf-8")
    return size


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "_build" / "gantut-book.pdf")
    parser.add_argument("documents", nargs="*", help="pages of the contents (all unless named)")
    arguments = parser.parse_args(argv)
    page = HTML / "whole-book.html"
    try:
        page.write_text(assembled(arguments.documents or documents()), encoding="utf-8")
        printed(page, arguments.out)
    finally:
        page.unlink(missing_ok=True)
    print(f"{arguments.out}: {offer(arguments.out):.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
