"""The map of the chapters says what the notebooks say, and a chapter that lacks something is named."""

import re

import chapters
import picture
import pytest

OPENING = "# A title\n\n**You will be able to** add. **You need** {needs}, and patience. **It runs** in under\na minute on two cores."


def test_both_pages_hold_what_the_notebooks_say():
    for page, text in chapters.pages().items():
        assert page.read_text(encoding="utf-8") == text, f"run .ci/chapters.py: {page.name}"


def test_every_chapter_of_the_contents_is_there():
    found = chapters.chapters()
    assert [c.stem for c in found] == chapters.stems() and len(found) >= 13
    first, *rest = found
    assert (first.number, first.level, first.needs) == (1, 1, [])
    levels = {c.number: c.level for c in found}
    for chapter in rest:
        assert chapter.level == 1 + max(levels[n] for n in chapter.needs if n in levels)
    assert sum(c.statements for c in found) >= 90


@pytest.mark.parametrize(
    ("needs", "wanted"),
    [
        ("nothing", []),
        ("{doc}`01-background`", [1]),
        ("{doc}`05-vae-losses` and {doc}`04-gan-losses`", [4, 5]),
        ("{doc}`02-gan-concepts` to {doc}`05-vae-losses`", [2, 3, 4, 5]),
    ],
)
def test_an_opening(needs, wanted):
    said = chapters.opening("01-x", OPENING.replace("{needs}", needs))
    assert said == ("A title", "under a minute", wanted)


@pytest.mark.parametrize("part", ["# ", "**You need**", "**It runs**"])
def test_an_opening_that_lacks_something(part):
    with pytest.raises(ValueError, match="first cell of 07-x must begin"):
        chapters.opening("07-x", OPENING.replace(part, ""))


def test_a_chapter_without_a_line(tmp_path, monkeypatch):
    lines = tmp_path / "chapters.toml"
    lines.write_text(
        re.sub(r"(?m)^07 = .*$", "", chapters.LINES.read_text(encoding="utf-8")), encoding="utf-8"
    )
    monkeypatch.setattr(chapters, "LINES", lines)
    with pytest.raises(ValueError, match="07-train-a-gan has no line in chapters.toml"):
        chapters.chapters()


def test_marks(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setitem(chapters.MARKS, page, ("% a", "% b"))
    page.write_text("head\n% a\nold\n% b\nfoot\n")
    assert chapters.between(page, "new") == "head\n% a\n\nnew\n\n% b\nfoot\n"
    page.write_text("head\n% b\nold\n% a\n")
    with pytest.raises(ValueError, match="must hold '% a' and then '% b'"):
        chapters.between(page, "new")


def test_what_the_card_says():
    one = chapters.Chapter("04-x", "Title", "Line.", "under a minute", [1, 2], 3, 1, 4)
    text = chapters.card(one, 4)
    assert (
        "●●●○</span> after 1, 2 · runs in under a minute<br>1 checked statement, 4 exercises"
        in text
    )
    assert chapters.listed([1, 2, 4, 5, 6]) == "1, 2, 4–6" and chapters.listed([3]) == "3"


def test_the_moving_picture():
    """It is small, its last frame is a picture of its own, and the page says how many rounds it shows."""
    from PIL import Image

    moving, still = (picture.STATIC / name for name in ("learning.webp", "learning-still.webp"))
    assert moving.stat().st_size < 300_000 and still.stat().st_size < 30_000
    with Image.open(moving) as film, Image.open(still) as last:
        assert film.n_frames == len(picture.ROUNDS) and film.size == last.size == (
            picture.PIXELS,
            picture.PIXELS,
        )
    page = chapters.INDEX.read_text(encoding="utf-8")
    assert f"in {picture.ROUNDS[-1]:,} rounds" in page
    assert page.count(f'width="{picture.PIXELS}" height="{picture.PIXELS}"') == 2
    assert "prefers-reduced-motion" in page
