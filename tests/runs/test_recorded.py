"""Every recorded run is what its card says: the figures come from the weights, the log from the
recipe.
"""

import functools
import zlib

import matplotlib.pyplot as plt
import pytest
import torch

from gantut import data, runs
from gantut.data import drawn
from gantut.runs import cards, recipe as recipes
from gantut.runs.recipe import HOMES, recipe
from gantut.runs.recipes import faces

LARGEST = 12_000_000  # bytes of all runs together as a wheel packs them
LOUDEST = 300_000  # bytes of a run's sounds in the page
REPEATED = 3  # steps of each part that are trained again
RECORDED = runs.names()
DRAW, FACES = drawn.draw_faces, faces.real
FACTORS = {}  # of the faces that lie at an address


class Asked(data.ImageData):
    """Faces that are drawn when one looks at them: 40,000 take a minute, a step needs 64."""

    def draw(self, index):
        factors = FACTORS.get(self.values.data_ptr())
        if factors:
            rows = torch.arange(len(self))[index]
            rows = rows[~self.values[rows].bool().flatten(1).any(1)]
            if len(rows):
                some = {name: values[rows] for name, values in factors.items()}
                self.values[rows] = DRAW(some, self.shape[-1])

    def floats(self, index=...):
        self.draw(index)
        return super().floats(index)

    def subset(self, index):
        self.draw(index)
        return super().subset(index)


@functools.cache
def asked(n, split="train"):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            drawn, "draw_faces", lambda factors, size: torch.zeros(n, 3, size, size).byte()
        )
        blank = data.faces(n, split=split, cache=False)
    FACTORS[blank.values.data_ptr()] = blank.factors
    return Asked(blank.images, blank.labels, class_names=blank.class_names, factors=blank.factors)


@pytest.fixture(autouse=True)
def drawn_when_asked(monkeypatch):
    monkeypatch.setattr(faces, "real", asked)
    monkeypatch.setattr(data, "ImageData", Asked)


def test_faces_that_are_drawn_when_asked_are_the_faces():
    few, all_of_them = asked(40), FACES(40)
    assert torch.equal(few.floats(slice(30, 33)), all_of_them.floats(slice(30, 33)))
    assert torch.equal(few.floats(torch.tensor([2, 31])), all_of_them.floats(torch.tensor([2, 31])))
    assert not few.values[3].any() and all_of_them.values[3].any()


def test_each_recipe_is_recorded():
    assert set(RECORDED) == set(HOMES)


def test_all_runs_together_are_small():
    sizes = {
        name: sum(len(zlib.compress(path.read_bytes())) for path in (cards.HERE / name).iterdir())
        for name in runs.names()
    }
    assert sum(sizes.values()) <= LARGEST, sizes


@pytest.mark.parametrize("name", RECORDED)
def test_the_card_and_the_recipe_agree(name):
    card, made = runs.load(name).card, recipe(name)
    assert set(card["parts"]) == set(made.parts)
    for part, how in made.parts.items():
        assert card["parts"][part]["config"] == dict(how.config), part
        assert card["parts"][part]["shipped"] == how.shipped
    assert card["title"] == made.title and card["data"] == made.data
    assert set(card["figures"]) == set(made.figures)
    assert card["quick"], "nothing that a test could measure again"
    for figure, found in card["figures"].items():
        assert found["protocol"] == made.figures[figure].protocol
        assert found.get("bar", "") == made.figures[figure].bar
        if "bar" in found:
            assert found["reached"] == made.figures[figure].reached(found["value"])


@pytest.mark.parametrize("name", HOMES)
def test_the_card_is_told_in_words(name):
    made = recipe(name)
    for text in (made.title, made.data, made.caption, made.alt):
        assert len(text) > 20 and text[0].isupper() or text[0].isdigit()
    for figure in made.figures.values():
        assert len(figure.protocol) > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_the_figures_come_from_the_weights(name):
    run, made = runs.load(name), recipe(name)
    found = made.measure(run.networks, True)
    assert set(found) == set(run.card["quick"])
    for figure, value in found.items():
        near = pytest.approx(
            run.card["quick"][figure], rel=made.figures[figure].tolerance, abs=1e-6
        )
        assert value == near, figure


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_the_first_steps_are_repeated(name):
    run, made = runs.load(name), recipe(name)
    done = dict(run.networks)
    for part, how in made.parts.items():
        if part not in {where for where, _ in run.log} or not set(how.after) <= set(done):
            continue  # no log was kept, or not the weights of what it was trained on
        trainer, batches = how.begin(how.make(), done)
        # Short floats are slow where a processor has none, and the first steps are near without.
        trainer.precision = "float32"
        history = trainer.fit(batches, REPEATED)
        for (where, term), (steps, _, values) in run.log.items():
            if where != part or steps[0] > REPEATED:
                continue
            logged = [v for step, v in zip(steps, values, strict=True) if step <= REPEATED]
            # Another processor rounds differently, and a game amplifies it.
            assert history[term][: len(logged)] == pytest.approx(logged, rel=0.1, abs=0.02), term


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_the_picture_can_be_drawn(name):
    figure = recipe(name).picture(runs.load(name).networks)
    assert figure.axes
    plt.close(figure)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RECORDED if recipe(name).sounds])
def test_the_sounds_can_be_heard_and_are_small(name):
    players = recipe(name).sounds(runs.load(name).networks)
    assert players.files and sum(map(len, players.files.values())) <= LOUDEST


def test_a_bar_is_told_in_words_and_held():
    figure = recipes.Figure("how it is measured", least=0.5, most=2)
    assert figure.bar == "≥ 0.5 and ≤ 2"
    assert [figure.reached(value) for value in (0.4, 0.5, 2, 2.1)] == [False, True, True, False]
    assert recipes.Figure("no bar").bar == "" and recipes.Figure("no bar").reached(9)
