"""Every page as a reader meets it, in headless Chromium: complete, typeset, offline, accessible,
narrow enough, light enough.

Each page is opened once. What was measured lies in _build/browser, and `python
tests/browser/report.py` puts it into a table.
"""

from __future__ import annotations

import gzip
import json
import time
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
REPORT = ROOT / "_build" / "browser"
# A chapter's first load in bytes that travel; other pages are lighter by far.
HEAVIEST = 3_000_000
NAMES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if "_static" not in path.parts
)
# The sources of modules look all alike: one stands for all. Their links are followed with those of
# all pages, in test_links.py.
SOURCES = [name for name in NAMES if name.startswith("_modules/")]
PAGES = [name for name in NAMES if name not in SOURCES[1:]] or ["index.html"]

pytestmark = pytest.mark.slow

# What a page must not hold once MathJax is done: errors of its own, formulas left as text, pictures
# without size or words.
INSPECT = r"""async () => {
    const faults = [];
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
    const formulas = [...document.querySelectorAll("span.math, div.math")].filter((node) => !node.closest(".no-mathjax"));
    for (const node of formulas)
        if (!node.querySelector("mjx-container")) faults.push(`not typeset: ${node.textContent.trim().slice(0, 60)}`);
    for (const node of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
        faults.push(`formula in error: ${node.getAttribute("data-mjx-error") || node.textContent}`);
    const walker = document.createTreeWalker(document.querySelector("main") || document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (node.parentElement.closest("pre, code, script, style, mjx-container, textarea, .highlight")) continue;
        const raw = node.textContent.match(/\$\$|\\\(|\\\[|\\(?:frac|mathbb|mathcal|operatorname|begin)\b/);
        if (raw) faults.push(`raw formula: ${node.textContent.trim().slice(0, 80)}`);
    }
    for (const image of document.images) {
        image.loading = "eager";
        if (!image.complete) await new Promise((done) => { image.onload = image.onerror = done; });
        const name = image.getAttribute("src").slice(0, 80);
        if (!image.naturalWidth) faults.push(`no picture: ${name}`);
        const decorative = image.closest("[aria-hidden=true], [role=presentation], .navbar-brand");
        if (!image.getAttribute("alt") && !decorative) faults.push(`no words for the picture ${name}`);
    }
    return { faults, formulas: formulas.length, images: document.images.length };
}"""

RULES = """async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
    const rules = { "color-contrast": { enabled: false } };
    return axe.run(document, { resultTypes: ["violations"], preload: false, runOnly: { type: "tag", values: tags }, rules });
}"""
# Two of each kind of text are enough for its contrast: same tag, classes, colour and size, in the
# same kind of box.
CONTRAST = """async () => {
    const seen = {};
    const some = [...document.body.querySelectorAll("*")].filter((node) => {
        if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) || !node.checkVisibility()) return false;
        const { color, backgroundColor, fontSize } = getComputedStyle(node);
        const up = node.parentElement;
        const kind = [node.tagName, node.className, up.tagName, up.className, color, backgroundColor, fontSize].join();
        seen[kind] = (seen[kind] || 0) + 1;
        return seen[kind] <= 2;
    });
    return axe.run({ include: some }, { resultTypes: ["violations"], preload: false, runOnly: ["color-contrast"] });
}"""


def violations(found):
    """What axe-core found that is serious or critical, a line each."""
    for v in found["violations"]:
        if v["impact"] in ("serious", "critical"):
            nodes = v["nodes"]
            checks = [*nodes[0]["any"], *nodes[0]["all"], *nodes[0]["none"]]
            why = checks[0]["message"][:160] if checks else ""
            yield f"{v['id']} ({v['impact']}, {len(nodes)}): {nodes[0]['html'][:160]} – {why}"


# For axe-core alone: a page has up to twenty thousand elements, most of them the coloured words of
# code, the insides of formulas, and rows like the row above. Of each kind a few stand for all; a
# formula is one line of text.
PRUNE = """() => {
    document.querySelectorAll("mjx-container").forEach((node) => node.replaceWith("x"));
    const kinds = {};
    for (const node of document.querySelectorAll(".highlight pre")) {
        const kind = node.closest("[class*=highlight-], .cell_input, .cell_output")?.className || "";
        kinds[kind] = (kinds[kind] || 0) + 1;
        if (kinds[kind] > 3) node.replaceChildren("code");
        else [...node.childNodes].slice(80).forEach((word) => word.remove());
    }
    for (const many of document.querySelectorAll("main :is(tbody, ul, ol, dl)"))
        [...many.children].slice(12).forEach((row) => row.remove());
    [...document.querySelectorAll("main dl.py")].slice(12).forEach((entry) => entry.remove());
}"""

WIDTHS = """() => {
    const wide = [...document.querySelectorAll("main *")].filter((node) => {
        const box = node.getBoundingClientRect();
        if (!box.width || box.right <= innerWidth + 1) return false;
        for (let up = node.parentElement; up; up = up.parentElement)
            if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(up).overflowX)) return false;
        return true;
    });
    return [document.documentElement.scrollWidth, wide.slice(0, 3).map((node) => node.outerHTML.slice(0, 120))];
}"""


@pytest.fixture(scope="session")
def context(browser, site):
    found = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    found.set_default_timeout(60_000)
    yield found
    found.close()


class Watched:
    """A page whose requests and complaints are written down; a request to elsewhere does not get
    out.
    """

    def __init__(self, context, site):
        self.page, self.site = context.new_page(), site
        self.requests, self.outside, self.failed, self.complaints = set(), [], [], []
        self.page.route(lambda address: not address.startswith((site, "data:", "blob:")), self.stop)
        self.page.on("request", lambda request: self.requests.add(request.url))
        self.page.on(
            "requestfailed", lambda request: self.failed.append(f"{request.url}: {request.failure}")
        )
        self.page.on(
            "response",
            lambda answer: (
                self.failed.append(f"{answer.url}: {answer.status}")
                if answer.status >= 400
                else None
            ),
        )
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type == "error" else None
            ),
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def stop(self, route):
        self.outside.append(route.request.url)
        route.abort()

    def weights(self):
        """Bytes of the files that the page asked for: as they lie on the disk, and packed as a
        usual server sends them.
        """
        paths = {
            unquote(urlsplit(url).path).lstrip("/")
            for url in self.requests
            if url.startswith(self.site)
        }
        files = [HTML / path for path in paths if (HTML / path).is_file()]
        return sum(path.stat().st_size for path in files), sum(map(packed, files))


@cache
def packed(path):
    """Bytes that travel: text is packed, pictures and fonts are small already."""
    content = path.read_bytes()
    return (
        len(gzip.compress(content, 6))
        if path.suffix in (".html", ".js", ".css", ".svg", ".json")
        else len(content)
    )


@pytest.mark.parametrize("name", PAGES)
def test_page(name, context, site, axe):
    watched = Watched(context, site)
    page = watched.page
    try:
        begin = time.perf_counter()
        page.goto(f"{site}/{name}", wait_until="load")
        if name == "index.html":  # leads on to the landing page
            page.wait_for_url("**/book/index.html", wait_until="load")
        loaded = time.perf_counter() - begin
        seen = page.evaluate(INSPECT)
        ready = time.perf_counter() - begin
        faults = seen["faults"]
        page.set_viewport_size({"width": 360, "height": 740})
        width, wide = page.evaluate(WIDTHS)
        faults += [
            f"wider than 360 pixels ({width}): {html}" for html in wide or [""] if width > 361
        ]
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate(PRUNE)
        page.evaluate(axe)
        faults += violations(page.evaluate(RULES))
        faults += [f"light: {fault}" for fault in violations(page.evaluate(CONTRAST))]
        page.evaluate(
            "document.documentElement.dataset.theme = document.documentElement.dataset.mode = 'dark'"
        )
        faults += [f"dark: {fault}" for fault in violations(page.evaluate(CONTRAST))]
        faults += [f"console: {text}" for text in watched.complaints]
        faults += [f"request outside: {url}" for url in watched.outside]
        faults += [
            f"failed request: {text}"
            for text in watched.failed
            if not any(url in text for url in watched.outside)
        ]
        size, sent = watched.weights()
        if sent > HEAVIEST:
            faults.append(f"{sent / 1e6:.2f} MB at the first load")
        record = {
            "page": name,
            "bytes": size,
            "sent": sent,
            "loaded": loaded,
            "ready": ready,
            "checked": time.perf_counter() - begin,
        }
        record |= {"formulas": seen["formulas"], "images": seen["images"], "faults": faults}
        REPORT.mkdir(parents=True, exist_ok=True)
        (REPORT / f"{name.replace('/', '.')}.json").write_text(json.dumps(record), encoding="utf-8")
    finally:
        page.close()
    assert not faults, "\n".join(faults)


def test_the_book_has_pages():
    """An empty folder would make the test above pass with nothing."""
    if not (HTML / "index.html").is_file():
        pytest.skip("the book is not built (make book)")
    assert len(PAGES) > 20


@pytest.mark.parametrize(
    ("term", "page"),
    [
        ("r1", "api"),
        ("生成器", "glossary"),
        ("生成", "glossary"),
        ("reparameterisation", "08-train-a-vae"),
    ],
)
def test_search_finds(term, page, context, site):
    watched = Watched(context, site)
    try:
        watched.page.goto(f"{site}/search.html?q={term}", wait_until="load")
        watched.page.wait_for_function(
            "document.querySelector('#search-results .search-summary, #search-results p')?.textContent.match(/\\d|No|not/)"
        )
        watched.page.wait_for_selector("#search-results li a")
        found = watched.page.eval_on_selector_all(
            "#search-results li a", "all => all.map((a) => a.getAttribute('href'))"
        )
        assert any(page in address for address in found), found[:10]
        assert watched.complaints == [] and watched.outside == []
    finally:
        watched.page.close()
