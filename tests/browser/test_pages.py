"""Every page as a reader meets it, in headless Chromium: complete, typeset, offline, accessible,
narrow enough, light enough.

Each page is opened once. What was measured lies in _build/browser, and `python
tests/browser/report.py` puts it into a table.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from contrast import contrast

from gantut import plots

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
REPORT = ROOT / "_build" / "browser"
# Bytes that travel: of what a reader loads who only opens the page, and of the page seen to its end.
FIRST, WHOLE = 1_500_000, 3_000_000
# How far what is seen may jump while a page loads: the share of the window that moves, times how far.
JUMPS = 0.1
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
    if (window.typesetAll) await window.typesetAll();
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
THEME = """(theme) => { document.documentElement.dataset.theme = document.documentElement.dataset.mode = theme; }"""
# Two of each kind of text are enough for its contrast: same tag, classes, colour and size, in the
# same kind of box, on the light page and on the dark one. They are chosen on the whole page. Later
# the rest leaves it, which axe-core would read as a whole for each of its runs.
CHOOSE = f"""() => {{
    const theme = {THEME};
    for (const name of ["dark", "light"]) {{
        theme(name);
        const seen = {{}};
        for (const node of document.body.querySelectorAll("*")) {{
            if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
            if (node.closest("mjx-container") || !node.checkVisibility()) continue;
            const {{ color, backgroundColor, fontSize }} = getComputedStyle(node);
            const up = node.parentElement;
            const kind = [node.tagName, node.className, up.tagName, up.className, color, backgroundColor, fontSize].join();
            seen[kind] = (seen[kind] || 0) + 1;
            if (seen[kind] <= 2) node.setAttribute("data-sample", "");
        }}
    }}
}}"""
SAMPLE = """() => {
    window.sample = [...document.querySelectorAll("[data-sample]")];
    const needed = new Set();
    for (const node of window.sample) for (let up = node; up && !needed.has(up); up = up.parentElement) needed.add(up);
    for (const node of document.body.querySelectorAll("main *"))
        if (!needed.has(node) && !node.parentElement.matches("[data-sample]") && needed.has(node.parentElement)) node.remove();
}"""
CONTRAST = """async () => axe.run({ include: window.sample }, { resultTypes: ["violations"], preload: false, runOnly: ["color-contrast"] })"""


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
    const apart = (node) => node.nodeType === 1 && (node.matches("[data-sample]") || node.querySelector("[data-sample]"));
    const drop = (nodes) => nodes.filter((node) => !apart(node)).forEach((node) => node.remove());
    document.querySelectorAll("mjx-container").forEach((node) => node.replaceWith("x"));
    const kinds = {};
    for (const node of document.querySelectorAll(".highlight pre")) {
        const kind = node.closest("[class*=highlight-], .cell_input, .cell_output")?.className || "";
        kinds[kind] = (kinds[kind] || 0) + 1;
        drop([...node.childNodes].slice(kinds[kind] > 3 ? 1 : 80));
    }
    for (const many of document.querySelectorAll("main :is(tbody, ul, ol, dl)"))
        drop([...many.children].slice(12));
    drop([...document.querySelectorAll("main dl.py")].slice(12));
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

# A reader scrolls, and a cell is drawn when it comes near; what a page is tested for is asked of all
# cells, and after the frames in which the page's own watchers have seen them.
ALL = "div.cell { content-visibility: visible !important; }"
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# How wide the figures are drawn that hold letters, beside how wide their files are.
FIGURES = """() => [...document.querySelectorAll("main .sheet > img")].filter((image) => image.checkVisibility())
    .map((image) => [image.getAttribute("src"), image.clientWidth, image.naturalWidth, image.parentElement.tabIndex,
        image.parentElement.scrollWidth > image.parentElement.clientWidth])"""
LETTERS = 11  # pixels, at the least


def too_small(figures):
    """What FIGURES found whose smallest letters cannot be read, or that the Tab key does not reach."""
    for source, shown, whole, stop, scrolls in figures:
        # What .ci/runs.py and .ci/data_pictures.py draw has 130 pixels an inch, a chapter's 110.
        inch = 110 if len(Path(source).stem) == 64 else 130
        letters = plots.SMALLEST * inch / 72 * shown / whole
        if letters < LETTERS - 0.1:
            yield f"letters of {letters:.1f} pixels in {source}"
        if scrolls and stop != 0:
            yield f"scrolls, and the keyboard does not reach it: {source}"


# What jumps while a page loads, added up as browsers do; what a reader's own click moves is left out.
WATCH = """
    window.jumps = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((jump) => { if (!jump.hadRecentInput) window.jumps += jump.value; }))
        .observe({ type: "layout-shift", buffered: true });
"""
# The cells of code that are cut off, and the pages' formulas that are; with everything unfolded.
CUT = """() => {
    document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
    const cut = (node) => node.clientWidth > 0 && node.scrollWidth > node.clientWidth + 1;
    const longest = (node) => node.innerText.split("\\n").reduce((a, b) => (a.length > b.length ? a : b), "");
    return [
        ...[...document.querySelectorAll("main div.cell_input pre")].filter(cut).map((node) => `code: ${longest(node)}`),
        ...[...document.querySelectorAll("main mjx-container[display=true], main div.math")].filter(cut).map((node) => `formula: ${node.textContent.slice(0, 60)}`),
    ];
}"""


@pytest.fixture(scope="session")
def context(browser, site):
    found = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    found.set_default_timeout(60_000)
    found.add_init_script(WATCH)
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
        page.wait_for_load_state("networkidle")
        jumps, (_, first) = page.evaluate("window.jumps"), watched.weights()
        page.add_style_tag(content=ALL)
        seen = page.evaluate(INSPECT)
        ready = time.perf_counter() - begin
        faults = seen["faults"]
        if jumps > JUMPS:
            faults.append(f"what is seen jumps by {jumps:.2f} while the page loads")
        if name.startswith("notebooks/"):
            faults += [f"cut off at 1280 pixels: {what}" for what in page.evaluate(CUT)]
        page.evaluate(CHOOSE)
        page.set_viewport_size({"width": 360, "height": 740})
        page.evaluate(FRAMES)
        width, wide = page.evaluate(WIDTHS)
        faults += [
            f"wider than 360 pixels ({width}): {html}" for html in wide or [""] if width > 361
        ]
        figures = page.evaluate(FIGURES)
        faults += too_small(figures)
        # Pruned before it is wide again, or all of it would be laid out once more.
        page.evaluate(PRUNE)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate(FRAMES)
        page.evaluate(axe)
        faults += violations(page.evaluate(RULES))
        page.evaluate(SAMPLE)
        faults += [f"light: {fault}" for fault in violations(page.evaluate(CONTRAST))]
        page.evaluate(f"({THEME})('dark')")
        faults += [f"dark: {fault}" for fault in violations(page.evaluate(CONTRAST))]
        faults += [f"console: {text}" for text in watched.complaints]
        faults += [f"request outside: {url}" for url in watched.outside]
        faults += [
            f"failed request: {text}"
            for text in watched.failed
            if not any(url in text for url in watched.outside)
        ]
        size, sent = watched.weights()
        # The gallery is nothing but pictures, which come as one goes down.
        if first > FIRST or (sent > WHOLE and name != "book/gallery.html"):
            faults.append(f"{first / 1e6:.2f} MB at the first load, {sent / 1e6:.2f} MB in all")
        record = {
            "page": name,
            "bytes": size,
            "first": first,
            "sent": sent,
            "jumps": jumps,
            "loaded": loaded,
            "ready": ready,
            "checked": time.perf_counter() - begin,
        }
        record |= {
            "formulas": seen["formulas"],
            "images": seen["images"],
            "figures": len(figures),
            "faults": faults,
        }
        REPORT.mkdir(parents=True, exist_ok=True)
        (REPORT / f"{name.replace('/', '.')}.json").write_text(json.dumps(record), encoding="utf-8")
    finally:
        page.close()
    assert not faults, "\n".join(faults)


PLANTED = """() => {
    const style = document.createElement("style");
    style.textContent = `
        html[data-theme="light"] :is(#planted-words, #planted-row) { color: #aaa !important; }
        html[data-theme="dark"] #planted-dark { color: #444 !important; }`;
    document.head.append(style);
    document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
    const last = (what) => [...document.querySelectorAll(what)].filter((node) => node.checkVisibility() && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim().length > 1)).pop();
    for (const [name, what] of [["words", "main section > p"], ["row", "main :is(li, li p)"], ["dark", "main figcaption *"]])
        last(what).id = `planted-${name}`;
}"""


def test_a_planted_colour_is_found(context, site, axe):
    """A paragraph, an entry of a list and, on the dark page alone, a caption: of each kind the last.

    axe-core does not find a colour of code: the test below computes those.
    """
    page = context.new_page()
    try:
        page.goto(f"{site}/notebooks/01-background.html", wait_until="load")
        for script in (PLANTED, CHOOSE, PRUNE, axe, SAMPLE):
            page.evaluate(script)
        found = {}
        for theme in ("light", "dark"):
            page.evaluate(f"({THEME})('{theme}')")
            found[theme] = {
                part.split('"')[0]
                for v in page.evaluate(CONTRAST)["violations"]
                for node in v["nodes"]
                for part in node["html"].split('id="planted-')[1:]
            }
    finally:
        page.close()
    assert found == {"light": {"words", "row"}, "dark": {"dark"}}, found


# The colours of code, each with the ground on which it stands.
IN_CODE = """() => {
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if (!/^rgba\\(.*, 0\\)$/.test(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const pairs = {};
    for (const node of document.querySelectorAll("main .highlight pre, main .highlight pre span"))
        if (node.textContent.trim()) pairs[`${getComputedStyle(node).color} on ${ground(node)}`] = 1;
    return Object.keys(pairs);
}"""


def told_apart(pair):
    """The contrast of "rgb(…) on rgb(…)"."""
    return contrast(
        *([int(c) / 255 for c in re.findall(r"\d+", one)[:3]] for one in pair.split(" on "))
    )


def test_code_is_readable_in_light_and_dark(context, site):
    page = context.new_page()
    try:
        page.goto(f"{site}/notebooks/01-background.html", wait_until="load")
        found = {}
        for theme in ("light", "dark"):
            page.evaluate(f"({THEME})('{theme}')")
            found[theme] = page.evaluate(IN_CODE)
        page.add_style_tag(content="main .highlight .k { color: rgb(90, 95, 100) !important; }")
        planted = page.evaluate(IN_CODE)
    finally:
        page.close()
    assert all(len(pairs) >= 3 for pairs in found.values()), found
    weak = [pair for pairs in found.values() for pair in pairs if told_apart(pair) < 4.5]
    assert not weak, weak
    assert min(map(told_apart, planted)) < 4.5


CHAPTERS = [name for name in NAMES if name.startswith("notebooks/")] or ["notebooks/"]
# What the first formula waits for: the elements of the page, those of its scripts that hold it up,
# and the bytes of all its scripts. In the autumn of 2026 it was up to 15 500, 9 and 1 400 000.
ELEMENTS, BLOCKING, SCRIPTS = 8_000, 2, 1_000_000
TYPESET = """
    window.first = null;
    window.waitsForNone = () => window.MathJax?.typesetPromise && ![...document.querySelectorAll(".math")].filter((node) => node.checkVisibility())
        .map((node) => (node.closest("table") ?? node).getBoundingClientRect())
        .some((box) => box.top < innerHeight + 1900 && box.left < innerWidth && box.right > 0);
    addEventListener("DOMContentLoaded", () => {
        const far = (node) => { const box = (node.closest("table") ?? node).getBoundingClientRect(); return box.bottom < -1 || box.top > innerHeight + 1; };
        const seen = new MutationObserver(() => {
            const done = [...document.querySelectorAll(".math:has(mjx-container)")];
            if (window.first || !done.length) return;
            seen.disconnect();
            const waits = [...document.querySelectorAll(".math:not(:has(mjx-container))")].filter((node) => node.checkVisibility() && !far(node));
            window.first = { typeset: done.length, far: done.filter(far).length, waits: waits.length,
                cells: document.querySelectorAll("main div.cell").length,
                drawn: [...document.querySelectorAll("main div.cell")].filter((cell) => cell.firstElementChild.checkVisibility({ contentVisibilityAuto: true })).length };
        });
        seen.observe(document.body, { childList: true, subtree: true });
    });
"""


@pytest.mark.parametrize("name", CHAPTERS)
def test_little_comes_before_the_first_formula(name):
    if not (HTML / "index.html").is_file():
        pytest.skip("the book is not built (make book)")
    text = (HTML / name).read_text(encoding="utf-8")
    scripts = re.findall(r"<script\b[^>]*\bsrc=\"\.\./([^\"?]*)[^>]*>", text)
    holding = re.findall(r"<script\b(?![^>]*\b(?:defer|async)\b)[^>]*\bsrc=", text)
    size = sum((HTML / script).stat().st_size for script in scripts)
    assert len(re.findall(r"<[a-z]", text)) <= ELEMENTS
    assert len(holding) <= BLOCKING and len(scripts) > 8
    assert 500_000 < size <= SCRIPTS
    # No icon waits for a script that draws it.
    assert "fontawesome" not in text and "<i class" not in text and '<svg class="icon' in text


@pytest.mark.parametrize("name", CHAPTERS)
def test_formulas_in_view_come_first(name, browser, site):
    """On a phone: the first that are typeset are those one sees, and no cell far away is drawn."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, reduced_motion="reduce", is_mobile=True
    )
    try:
        context.add_init_script(TYPESET)
        page = context.new_page()
        page.goto(f"{site}/{name}", wait_until="load", timeout=60_000)
        page.wait_for_function("window.first || window.waitsForNone()", timeout=60_000)
        if not page.evaluate("window.first"):  # none is near
            return
        first = page.evaluate("window.first")
        assert first["typeset"] > 0 and first["waits"] == 0
        assert first["drawn"] <= first["cells"] / 3
        near = page.evaluate("[...document.querySelectorAll('main pre[tabindex=\"-1\"]')].length")
        assert near == 0  # the theme's search for what scrolls, which would draw every cell
        if first["far"]:  # only where there is none in view
            assert first["far"] == first["typeset"]
    finally:
        context.close()


def test_the_book_has_pages():
    """An empty folder would make the test above pass with nothing."""
    if not (HTML / "index.html").is_file():
        pytest.skip("the book is not built (make book)")
    assert len(PAGES) > 20
    sheets = sum((HTML / name).read_text(encoding="utf-8").count('class="sheet"') for name in PAGES)
    assert sheets > 100


# What a reader types, and what is to come first: pages, or places in them, one of which heads the list.
QUERIES = {
    "ELBO": ["glossary.html#term-Evidence"],
    "mode collapse": ["glossary.html#term-Mode-collapse"],
    "R1": ["glossary.html#term-R1"],
    "判别器": ["glossary.html#term-Discriminator"],
    "鉴别器": ["glossary.html#term-Discriminator"],
    "reparameterization": ["glossary.html#term-Reparameterisation"],
    "reparameterisation": ["glossary.html#term-Reparameterisation"],
    "gradient penalty": ["glossary.html#term-Gradient-penalty"],
    "FID": ["glossary.html#term-Fr"],
    "how do I save": ["how-to.html#save-and-go-on"],
    "Adam": ["glossary.html#term-Adam"],
    "KL": ["glossary.html#term-Kullback"],
    "wgan-gp": ["glossary.html#term-Gradient-penalty"],
    "checkerboard": ["notebooks/"],
    "colab": ["how-to.html#run"],
    "discrimnator": ["glossary.html#term-Discriminator"],
    "生成": ["glossary.html"],
}


@pytest.fixture(scope="module")
def searched(context, site):
    """A search as its address asks for it; the others are made on the same page."""
    watched = Watched(context, site)
    watched.page.goto(f"{site}/search.html?q={quote(next(iter(QUERIES)))}", wait_until="load")
    watched.page.wait_for_selector("#search-results li a")
    yield watched
    watched.page.close()


ASK = """async (query) => {
    const found = document.querySelector("#search-results");
    found.replaceChildren();
    Search.performSearch(query);
    for (let k = 0; k < 600 && !found.querySelector("li a"); k += 1) await new Promise((done) => setTimeout(done, 50));
    return [...found.querySelectorAll("li a")].map((link) => link.getAttribute("href"));
}"""
LINKS = "all => all.map((a) => a.getAttribute('href'))"


@pytest.mark.parametrize("query", QUERIES)
def test_search_finds_first_what_a_reader_wants(query, searched):
    page = searched.page
    asked = query == next(iter(QUERIES)) and "asked" not in vars(searched)
    searched.asked = True
    found = (
        page.eval_on_selector_all("#search-results li a", LINKS)
        if asked
        else page.evaluate(ASK, query)
    )
    assert any(wanted in unquote(found[0]) for wanted in QUERIES[query]), found[:5]
    assert searched.complaints == [] and searched.outside == []


def test_an_excerpt_is_prose(context, site):
    """Without raw formulas, code or the list of contents."""
    watched = Watched(context, site)
    try:
        watched.page.goto(f"{site}/search.html?q=ELBO", wait_until="load")
        watched.page.wait_for_selector("#search-results p.context")
        watched.page.wait_for_load_state("networkidle")
        said = watched.page.locator("#search-results p.context").all_inner_texts()
        assert said and not any("\\" in text or "import " in text for text in said)
    finally:
        watched.page.close()


LANDING, CHAPTER = "book/index.html", "notebooks/02-gan-concepts.html"


def test_the_landing_page_says_what_one_learns_before_one_scrolls(context, site):
    page = context.new_page()
    try:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"{site}/{LANDING}", wait_until="load")
        for what in (
            ".hero .moving img.playing, .hero .playing img",
            ".hero li:last-child",
            ".hero a.sd-btn",
        ):
            box = page.locator(what).first.bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= 800, (what, box)
        # Those who want no motion get the last frame.
        shown = page.evaluate("document.querySelector('.hero .playing img').currentSrc")
        assert shown.endswith("learning-still.webp")
        assert page.locator(".hero .still").is_hidden()
        cards = page.locator(".chapters .sd-card")
        assert cards.count() == page.locator(".chapters .sd-card img").count() >= 16
    finally:
        page.close()


def test_the_pictures_motion_can_be_stopped(browser, site):
    context = browser.new_context(reduced_motion="no-preference")
    page = context.new_page()
    try:
        page.goto(f"{site}/{LANDING}", wait_until="load")
        page.get_by_label("Stop the picture").check()
        assert page.locator(".hero .playing").is_hidden()
        assert page.locator(".hero .stopped").is_visible()
    finally:
        context.close()


@pytest.mark.parametrize("name", [LANDING, CHAPTER])
def test_a_page_at_twice_its_size_fits(name, context, site):
    """At 200 % a window of 1280 pixels holds as much as one of 640; there and at 400 % nothing is
    cut off.
    """
    page = context.new_page()
    try:
        page.goto(f"{site}/{name}", wait_until="load")
        for wide in (640, 320):
            page.set_viewport_size({"width": wide, "height": 450})
            assert page.evaluate("document.documentElement.scrollWidth") <= wide + 1
    finally:
        page.close()


def test_a_chapter_by_the_keyboard_alone(context, site):
    """The first Tab offers to skip the menu, what folds opens by Enter, and formulas are no stops."""
    page = context.new_page()
    try:
        page.goto(f"{site}/{CHAPTER}", wait_until="load")
        page.keyboard.press("Tab")
        assert "Skip" in page.evaluate("document.activeElement.textContent")
        fold = page.locator("main details > summary").first
        fold.focus()
        page.keyboard.press("Enter")
        assert fold.evaluate("(summary) => summary.parentElement.open")
        page.evaluate("window.typesetAll()")
        page.wait_for_selector("mjx-container")
        assert page.locator("mjx-container[tabindex='0']").count() == 0
    finally:
        page.close()


def test_on_paper_all_formulas_are_typeset_and_nothing_is_folded(context, site):
    page = context.new_page()
    try:
        page.goto(f"{site}/{CHAPTER}", wait_until="load")
        page.evaluate("MathJax.startup.promise.then(() => dispatchEvent(new Event('beforeprint')))")
        page.emulate_media(media="print")
        assert (
            page.evaluate("document.querySelectorAll('.math:not(:has(mjx-container))').length") == 0
        )
        assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
        assert page.locator(".bd-sidebar-primary").is_hidden()
    finally:
        page.emulate_media(media="screen")
        page.close()


def test_a_chapter_says_its_number_and_where_it_leads(context, site):
    page = context.new_page()
    try:
        page.goto(f"{site}/{CHAPTER}", wait_until="load")
        assert page.locator("main section h1").first.inner_text().startswith("2")
        assert page.locator(".opening img").is_visible()
        assert page.locator(".opening .facts li").count() >= 3
        assert page.get_by_text("Figure 2.1", exact=False).count() >= 1
        steps = page.locator(".next-steps a")
        assert "3 ·" in steps.first.inner_text() and steps.count() >= 2
        assert page.locator(".opening-needs a").first.inner_text().startswith("Chapter")
    finally:
        page.close()
