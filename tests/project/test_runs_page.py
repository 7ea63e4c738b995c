"""The page of recorded runs: its contact sheet is made from whatever has been recorded."""

import importlib.util
import sys

import numpy as np
import pytest
import surface
from PIL import Image

from gantut import runs
from gantut.runs import cards
from gantut.runs.recipe import HOMES, recipe

LARGEST = 60_000


@pytest.fixture
def page(monkeypatch):
    """.ci/runs.py as a module."""
    monkeypatch.syspath_prepend(str(surface.ROOT / ".ci"))
    spec = importlib.util.spec_from_file_location("runs_page", surface.ROOT / ".ci" / "runs.py")
    found = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "runs_page", found)
    spec.loader.exec_module(found)
    return found


def test_each_run_has_one_subject(page):
    found = page.subjects(HOMES)
    assert sorted(name for some in found.values() for name in some) == sorted(HOMES)
    assert "More" not in found, "a run without a subject: add it to SUBJECTS"
    assert list(page.subjects(["ring", "digits-vae", "later"])) == [
        *("Handwritten digits", "Points in the plane", "More")
    ]


@pytest.mark.parametrize("name", runs.names())
def test_a_picture_of_the_contact_sheet(page, name):
    path = page.PICTURES / f"{name}-small.webp"
    assert path.stat().st_size <= LARGEST
    with Image.open(path) as image:
        assert image.size == page.SMALL
        assert np.asarray(image.convert("RGBA"))[..., 3].mean() > 5, "there is next to nothing"
    weights = cards.read_card(cards.HERE / name)["hashes"][cards.WEIGHTS]
    assert page.drawn_from(path) == weights


def test_every_run_is_on_the_contact_sheet_and_below(page):
    text = page.PAGE.read_text(encoding="utf-8")
    sheet, rest = text.split("## Use a run")
    for name in runs.names():
        title = recipe(name).title
        assert f":link: run-{name}\n" in sheet and title in sheet
        assert f"(run-{name})=" in rest and f"### {title.removesuffix('.')}\n" in rest


def sheet(width, height, boxes):
    """A picture with opaque boxes on no ground."""
    pixels = np.zeros((height, width, 4), np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("size", "boxes", "wanted"),
    [
        # The last sheet that is not too flat, and whole rows of it: six of cells of 78.
        ((800, 1000), [(10, 50, 790, 206), (10, 230, 790, 854)], (10, 230, 790, 698)),
        ((800, 900), [(10, 50, 790, 440), (10, 500, 790, 734)], (10, 50, 790, 440)),
        # No sheet of images: the lower part of what is tall, the left of what is wide.
        ((300, 600), [], (0, 400, 300, 600)),
        ((1000, 200), [], (0, 0, 440, 200)),
    ],
)
def test_the_part_that_is_shown(page, size, boxes, wanted):
    assert page.window(sheet(*size, boxes)) == pytest.approx(wanted)


def test_figures_with_a_bar_come_first_and_say_what_became_of_it(page):
    card = {
        "figures": {
            "fid": {"value": 0.25, "protocol": "how"},
            "copying_z": {"value": -1.5, "bar": "≤ 3", "reached": True, "protocol": "p(x|z)"},
            "class_accuracy": {"value": 0.9, "bar": "≥ 0.95", "reached": False, "protocol": "who"},
        }
    }
    lines = page.figures(card, recipe("digits-gan"))
    assert lines[2:] == [
        "| copying, standard errors | −1.5 | ≤ 3, reached | p(x\\|z) |",
        "| class accuracy | 0.9 | ≥ 0.95, **missed** | who |",
        "| FID | 0.25 |  | how |",
    ]
    assert page.bars(card) == "1 of 2 bars reached"
    without = page.figures({"figures": {"fid": card["figures"]["fid"]}}, recipe("digits-gan"))
    assert "bar" not in without[0]


def test_words_of_time(page):
    assert [page.hours(s) for s in (10, 60, 3000, 9000)] == [
        *("under a minute", "1 minute", "50 minutes", "2.5 hours")
    ]
