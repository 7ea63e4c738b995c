"""The drawings of the book: readable as files, in the book's colours, and part of its pages."""

import json
import re
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import surface
from docutils import nodes
from docutils.utils import new_document

from gantut import plots

sys.path.insert(0, str(surface.ROOT / "book" / "_ext"))

import inline

STATIC = surface.ROOT / "book" / "_static"
SCHEMATICS = sorted((STATIC / "schematics").glob("*.svg"))
POSTERS = sorted((STATIC / "play").glob("*.svg"))
DRAWINGS = SCHEMATICS + POSTERS
# The names that chapters ask for.
AGREED = {
    *("two-ways", "gan", "gan-loop", "vae", "reparameterise", "elbo-bars", "divergences"),
    *("hierarchy", "conjugate", "game-field", "connections", "where-bugs"),
}
ROLES = ("data", "generator", "discriminator", "encoder", "decoder", "theory")
PALETTE = {f"--gantut-{role}": plots.COLORS[role] for role in ROLES}
INKS = {"--gantut-ink": "#222", "--gantut-quiet": "#5b6470", "--gantut-ground": "#fff"}
MENTION = re.compile(r"!\[([^\]]*)\]\(\.\./book/_static/schematics/([\w.-]+)\)")
SVG = "{http://www.w3.org/2000/svg}"


def test_all_drawings_are_there():
    assert {path.stem for path in SCHEMATICS} >= AGREED
    assert {path.stem for path in POSTERS} == set(inline.WIDGETS)


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_a_drawing(path):
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.get("class") == "schematic" and root.get("role") == "img"
    title = root.find(f"{SVG}title")
    assert len(title.text) > 40 and root.get("aria-labelledby") == title.get("id")
    # Names in a page have to be unique: a drawing has none beside its title's.
    assert re.findall(r'\bid="([^"]*)"', text) == [title.get("id")]
    assert not re.search(r"<script|<image|href|url\(|@import", text)
    width, height = map(float, root.get("viewBox").split()[2:])
    assert width <= 720 and height <= 560
    for node in root.iter(f"{SVG}text"):
        assert 0 < float(node.get("x")) < width and 0 < float(node.get("y")) <= height
        assert "".join(node.itertext()).strip()


def style(path):
    return re.search(r"<style>(.*?)</style>", path.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.stem)
def test_colours_are_the_palettes(path):
    """All drawings share their style; outside it there are no colours and no sizes of letters."""
    found, text = style(path), path.read_text(encoding="utf-8")
    assert found[1] == style(DRAWINGS[0])[1]
    used = dict(re.findall(r"var\((--gantut-[\w-]+), (#\w+)\)", found[1]))
    assert used == PALETTE | INKS
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b", found[1])) == set(used.values())
    drawn = text.replace(found[0], "")
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb\(|\b(?:fill|stroke|font-size)=", drawn)
    assert all(int(size) >= 17 for size in re.findall(r"(\d+)px", found[1]))
    known = set(re.findall(r"\.([a-z]+)\b", found[1]))
    assert {word for names in re.findall(r'class="([^"]*)"', drawn) for word in names.split()} <= (
        known
    )


def test_the_pages_know_the_colours():
    css = (STATIC / "gantut.css").read_text(encoding="utf-8")
    light = re.search(r"\nhtml \{(.*?)\}", css, re.S)[1]
    defined = dict(re.findall(r"(--gantut-\w+): ([^;]+);", light))
    assert defined.keys() == PALETTE.keys() | INKS.keys()
    assert all(defined[name] == color for name, color in PALETTE.items())


def mentions():
    for path in surface.notebooks():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        yield from ((path.name, *found) for found in MENTION.findall(text))


def test_chapters_ask_for_drawings_that_exist():
    names = {path.name for path in SCHEMATICS}
    for chapter, words, name in mentions():
        assert name in names, f"{chapter} shows {name}"
        assert len(words) > 20, f"{chapter} does not say what {name} shows"


def transformed(*children):
    document = new_document("notebooks/x")
    document.settings.env = SimpleNamespace(srcdir=surface.ROOT)
    document += children
    inline.Inline(document).run()
    return document.children


def test_a_schematic_becomes_part_of_the_page():
    image = nodes.image(uri="book/_static/schematics/gan.svg", alt='noise "z" → G')
    other = nodes.image(uri="book/_static/logo.svg", alt="the logo")
    [paragraph] = transformed(nodes.paragraph("", "", image, other))
    drawn, kept = paragraph.children
    assert kept is other
    svg = ElementTree.fromstring(drawn.astext())
    assert svg.get("aria-label") == 'noise "z" → G' and svg.get("role") == "img"
    assert svg.find("title") is None and "id=" not in drawn.astext()
    assert not re.search(r"\n\s*\n", drawn.astext())


def test_the_place_of_a_widget_gets_its_drawing():
    for name, sentence in inline.WIDGETS.items():
        empty = nodes.raw("", f'<div class="play" data-play="{name}"></div>', format="html")
        said = nodes.raw(
            "", f'<div class="play" data-play="{name}"><p>Mine.</p></div>', format="html"
        )
        for place, words in zip(
            transformed(empty, said), ("needs JavaScript", "Mine"), strict=True
        ):
            assert sentence in place.astext() and words in place.astext()
            assert place.astext().count("<svg") == 1
    with pytest.raises(ValueError, match="no widget"):
        transformed(nodes.raw("", '<div class="play" data-play="no"></div>', format="html"))


def test_what_a_check_prints_is_marked():
    check, other = (
        nodes.literal_block(text, text, classes=["output", "stream"]) for text in ("✓ yes", "2")
    )
    transformed(check, other)
    assert "checked" in check["classes"] and "checked" not in other["classes"]
