"""The one long page that becomes the PDF: identifiers do not collide, links stay inside, nothing is folded."""

import pdf
import pytest
from bs4 import BeautifulSoup

PAGE = """<html><head><link rel="stylesheet" href="../_static/a.css?v=1"></head><body><article class="bd-article">
<h1 id="one">One</h1><script>x()</script><a class="headerlink" href="#one">#</a>
<p id="p">See <a href="02-b.html#two">two</a>, <a href="#p">here</a>, <a href="../book/c.html">c</a>, <a href="https://example.org/x">out</a>.</p>
<img src="../_images/a.png" alt="A" loading="lazy"><details><summary>Proof</summary>Long.</details>
<div class="admonition dropdown toggle">Solution</div></article></body></html>"""


@pytest.fixture
def html(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    for name in ("01-a", "02-b"):
        (tmp_path / "notebooks" / f"{name}.html").write_text(PAGE)
    monkeypatch.setattr(pdf, "HTML", tmp_path)
    return tmp_path


def test_the_long_page(html):
    names = ["notebooks/01-a", "notebooks/02-b"]
    soup = BeautifulSoup(pdf.assembled(names), "html.parser")
    ids = [element["id"] for element in soup.find_all(id=True)]
    assert len(ids) == len(set(ids)) and "notebooks-01-a--p" in ids
    first = soup.find(id="notebooks-01-a")
    links = [a["href"] for a in first.find_all("a")]
    assert links == [
        "#notebooks-02-b--two",
        "#notebooks-01-a--p",
        "book/c.html",
        "https://example.org/x",
    ]
    assert first.img["src"] == "_images/a.png" and "loading" not in first.img.attrs
    assert first.details.has_attr("open") and "dropdown" not in str(first)
    assert first.find("script") is None
    assert soup.link["href"] == "_static/a.css"
    assert [a.text for a in soup.select(".contents a")] == ["1 · One", "2 · One"]


def test_the_pages_of_the_contents():
    names = pdf.documents()
    assert (
        names[0] == "book/index" and "notebooks/01-background" in names and "book/glossary" in names
    )
    assert not [name for name in names if "play" in name], "widgets are for the browser"


def test_a_page_without_an_article(html):
    (html / "notebooks" / "01-a.html").write_text("<p>")
    with pytest.raises(ValueError, match=r"notebooks/01-a\.html has no article"):
        pdf.assembled(["notebooks/01-a"])


def test_the_landing_page_offers_it(html):
    (html / "book").mkdir()
    landing = html / "book" / "index.html"
    landing.write_text('<p><span class="pdf"></span></p>')
    made = html / "made.pdf"
    made.write_bytes(b"%PDF" * 2**20)
    for _ in range(2):
        assert pdf.offer(made) == 4
        assert (
            landing.read_text()
            == '<p><span class="pdf">Or <a href="../gantut-book.pdf">as a PDF</a> (4 MB).</span></p>'
        )
    assert (html / "gantut-book.pdf").is_file()


def test_without_a_browser(monkeypatch):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(
        FileNotFoundError, match="make pdf needs a browser: install one of chromium"
    ):
        pdf.browser()
