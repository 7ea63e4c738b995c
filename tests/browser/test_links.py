"""Links inside the book lead somewhere: each file and each anchor that a page names is there.

Read from the files, without a browser.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
pytestmark = pytest.mark.slow

ANCHOR = re.compile(r"""\s(?:id|name)=["']([^"']+)["']""")
# Code on the pages is escaped, so a tag here is a tag; pictures written into the page are no links.
LINK = re.compile(
    r"""<(?:a|link|script|img|source|iframe)\b[^>]*?\s(?:href|src)=["'](?!data:)([^"']*)["']"""
)


@cache
def text(path):
    return path.read_text(encoding="utf-8")


@cache
def anchors(path):
    return {unquote(found) for found in ANCHOR.findall(text(path))}


def broken(page):
    """What a page names and the book does not have."""
    faults = []
    for link in set(LINK.findall(text(page))):
        parts = urlsplit(link.replace("&amp;", "&"))
        if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
            continue
        target = Path(os.path.normpath(page.parent / unquote(parts.path))) if parts.path else page
        if not target.is_file():
            faults.append(f"{page.relative_to(HTML)}: no file for {link}")
        elif (
            parts.fragment
            and target.suffix == ".html"
            and unquote(parts.fragment) not in anchors(target)
        ):
            faults.append(f"{page.relative_to(HTML)}: no anchor for {link}")
    return faults


def test_links_and_anchors_resolve():
    if not (HTML / "index.html").is_file():
        if os.environ.get("GANTUT_BROWSER") == "required":
            pytest.fail("the book is not built")
        pytest.skip("the book is not built (make book)")
    pages = [path for path in HTML.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > 20
    assert sum(len(LINK.findall(text(page))) for page in pages) > 1000
    assert [fault for page in pages for fault in broken(page)] == []


def test_a_broken_link_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "HTML", tmp_path)
    page, other = tmp_path / "a.html", tmp_path / "b.html"
    other.write_text('<h1 id="here">b</h1>', encoding="utf-8")
    good = '<a class="x" href="b.html#here">1</a> <a href="https://example.org/none">2</a> <a href="#top" id="top">3</a>'
    page.write_text(
        f'{good} <a href="c.html">4</a> <a href="b.html#gone">5</a> <img src="d.png">',
        encoding="utf-8",
    )
    assert len(broken(page)) == 3
