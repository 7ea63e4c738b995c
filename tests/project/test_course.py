"""The chapters as a course: numbers, pictures, openings, and where each leads."""

import sys

import chapters
import matplotlib.pyplot as plt
import pytest
import surface
import torch
from docutils import nodes

sys.path.insert(0, str(surface.ROOT / "book" / "_ext"))

import course
import gallery
import lean
import ship

from gantut import plots


def test_a_chapters_number_is_its_place():
    """The pages number chapters by their place in _toc.yml, links by the name of their file."""
    assert [int(stem[:2]) for stem in chapters.stems()] == list(range(1, len(chapters.stems()) + 1))


def test_every_chapter_has_a_picture_and_words_for_it():
    for number in course.course():
        path = course.CARDS / f"{number:02d}.webp"
        assert path.stat().st_size < 25_000, path.name
        assert len(course.settings()["pictures"][f"{number:02d}"]) > 20
        assert 'alt="' in course.picture(number, "x", "y")


def test_next_steps_lead_to_pages_that_are_there():
    for kind in ("play", "practise"):
        for step in course.settings()[kind]:
            assert (surface.ROOT / f"{step['page']}.md").is_file()
            assert set(step["chapters"]) <= set(course.course())
    cards = course.next_steps(2, lambda page: f"{page}.html", "_static")
    assert "Next: 3" in cards and "play-gan.html" in cards


def test_an_opening_is_told_from_other_paragraphs():
    goals, needs = nodes.strong("", course.PARTS[0]), nodes.strong("", course.PARTS[1])
    runs = nodes.strong("", course.PARTS[2])
    whole = nodes.paragraph("", "", goals, nodes.Text(" read."), needs, nodes.Text(" time."), runs)
    first, second = course.parted(whole)
    assert [node.astext() for node in first] == ["You will be able to", " read."]
    assert [node.astext() for node in second] == ["You need", " time."]
    assert course.parted(nodes.paragraph("", "", nodes.strong("", "You need"))) is None


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [
        ("Six games. Each is one seed.", "Six games."),
        ("Left: the data. Right: samples.", "Left: the data."),
        ("No stop at all", "No stop at all"),
    ],
)
def test_the_gallery_takes_a_captions_first_sentence(caption, wanted):
    assert gallery.first(caption) == wanted


def test_a_formula_has_about_its_room_before_it_is_typeset():
    assert lean.width("x") < lean.width(r"p_\theta(x\mid z)") < lean.width(r"p(x) = \int p(x)\,dz")
    page = lean.spaced(
        r'<span class="math notranslate">\(x^2\)</span><div class="math">a \\ b</div>'
    )
    assert 'style="--wide:' in page and 'style="--high:' in page and r"\(x^2\)" in page


@pytest.fixture
def style():
    plots.use_style()
    yield
    plt.close("all")
    plt.rcdefaults()


def test_a_figure_says_how_wide_its_letters_need_it_to_be(tmp_path, style):
    """Nine points at 110 pixels an inch are 13.75 pixels; 11 of them are left at four fifths."""
    (tmp_path / "jupyter_execute").mkdir()
    path = tmp_path / "jupyter_execute" / "x.png"
    figure, _ = plt.subplots(figsize=(5, 2))
    figure.savefig(path)
    assert lean.size(path) == (550, 220) and lean.readable(path) == 440
    tiles = path.with_name("tiles.png")
    plots.image_grid(torch.rand(6, 1, 8, 8)).figure.savefig(tiles)
    assert lean.readable(tiles) is None  # nothing to read
    assert lean.readable(tmp_path / "other.png") is None


def test_what_moves_has_a_still():
    frames = [torch.full((1, 1, 8, 8), value) for value in (0.0, 1.0)]
    tag = lean.moving(plots.animate(frames, alt="grey")._repr_html_())
    assert tag.startswith(
        '<picture class="moving"><source media="(prefers-reduced-motion: reduce)"'
    )
    assert tag.endswith(' width="16" height="16" /></picture>') and tag.count("data:image") == 2
    still = plots.animate(frames[:1], alt="grey")._repr_html_()
    assert lean.moving(still) == still


def test_a_page_draws_its_icons_and_marks_only_words_with_a_colour():
    known = ship.icons(
        'a={sun:[512,256,["day"],"f185","M1z"],"x-mark":[8,9,[],"f00",["M2","M3z"]]}'
    )
    assert known["day"] == known["sun"] == ("512 256", "M1z") and known["x-mark"] == ("8 9", "M3z")
    page = '<i class="fas fa-sun" data-mode="light" title="Light"></i>'
    assert ship.drawn(page, known) == (
        '<svg class="icon fa-sun" data-mode="light" aria-hidden="true" viewBox="0 0 512 256">'
        '<title>Light</title><path fill="currentColor" d="M1z"/></svg>'
    )
    with pytest.raises(ValueError, match="no drawing"):
        ship.drawn('<i class="fas fa-moon"></i>', known)
    style = "\n".join(
        f'html[data-theme="{theme}"] .highlight {rule}'
        for theme, other in (("light", "#111"), ("dark", "#222"))
        for rule in (
            "{ background: #fff; color: #111 }",
            ".n { color: #111 } /* Name */",
            f".p {{ color: {other} }}",
            ".k { color: #f00 }",
            ".gs { color: #111; font-weight: bold }",
        )
    )
    assert ship.silent(style) == {"n"}
    code = '<div class="highlight"><pre>{}<span class="k">if</span> {}</pre>'.format
    page = code("<span></span>", '<span class="n">a</span>')
    assert ship.bare(page, ship.silent(style)) == code("", "a")
    assert ship.bare('<span class="n">a</span>', frozenset("n")) == '<span class="n">a</span>'
