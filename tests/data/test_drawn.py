"""Drawn faces: a function of their factors, which do what they say where they say it."""

import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from gantut import data
from gantut.data import drawn
from gantut.data.drawn import FACE_FACTORS, HAIRS

N = 250
NAMED = {name: values for name, values in FACE_FACTORS.items() if isinstance(values, dict)}
NUMBERS = {name: values for name, values in FACE_FACTORS.items() if name not in NAMED}


@pytest.fixture(scope="module")
def faces():
    return data.faces(N, cache=False)


@pytest.fixture(scope="module")
def many():
    """Factors of many faces, at the size that is drawn fastest."""
    return data.faces(6000, size=16, cache=False)


def place(name, value):
    return list(FACE_FACTORS[name]).index(value)


def front(n=1, **chosen):
    """Factors of faces that look straight at the reader; named values are given by name."""
    known = {"turn": 0.0, "tilt": 0.0, "brows": 0.3, "nose": 0.5, "width": 0.0}
    known |= {name: place(name, next(iter(values))) for name, values in NAMED.items()}
    known |= {k: place(k, v) if isinstance(v, str) else v for k, v in chosen.items()}
    return {name: torch.full((n,), known[name]) for name in FACE_FACTORS}


def floats(factors, size=64):
    return data.draw_faces(factors, size) / 255


def test_it_is_a_function_of_the_seed(faces):
    again = data.faces(N, cache=False)
    other = data.faces(N, seed=1, cache=False)
    assert torch.equal(faces.images, again.images)
    assert all(torch.equal(faces.factors[name], again.factors[name]) for name in FACE_FACTORS)
    assert not torch.equal(faces.images, other.images)


def test_the_global_random_state_plays_no_part():
    before = torch.get_rng_state()
    data.faces(5, size=16, cache=False)
    assert torch.equal(torch.get_rng_state(), before)


def test_train_and_test_share_no_face(faces):
    held_out = data.faces(N, split="test", cache=False)
    seen = {image.numpy().tobytes() for image in faces.images}
    assert not any(image.numpy().tobytes() in seen for image in held_out.images)


def test_what_comes_back(faces):
    assert faces.shape == (3, 64, 64) and faces.images.dtype == torch.uint8
    assert faces.class_names == HAIRS == tuple(drawn._STYLES) and faces.classes == 10
    assert faces.labels.dtype == torch.int64
    assert torch.equal(faces.labels, faces.factors["hair"])
    assert set(faces.factors) == set(FACE_FACTORS)
    assert all(faces.factors[name].dtype == torch.int64 for name in NAMED)
    assert all(faces.factors[name].dtype == torch.float32 for name in NUMBERS)


def test_there_are_more_than_a_million_combinations():
    assert torch.tensor([len(values) for values in NAMED.values()]).prod() > 1e8


@pytest.mark.parametrize("name", NAMED)
def test_each_value_has_its_share(many, name):
    weights = torch.tensor(list(NAMED[name].values()))
    shares = weights / weights.sum()
    found = torch.bincount(many.factors[name], minlength=len(shares)) / len(many)
    assert ((found - shares).abs() < 4 * (shares * (1 - shares) / len(many)).sqrt()).all()


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_fill_their_range_evenly(many, name):
    low, high = NUMBERS[name]
    tenths = torch.histc((many.factors[name] - low) / (high - low), 10, 0, 1)
    assert tenths.sum() == len(many) and ((tenths / len(many) - 0.1).abs() < 0.016).all()


def test_factors_are_independent(many):
    table = torch.stack([many.factors[name].float() for name in FACE_FACTORS])
    rest = torch.corrcoef(table) - torch.eye(len(table))
    assert rest.abs().max() < 4.5 / len(many) ** 0.5


def test_the_images_are_what_their_factors_draw(faces):
    assert torch.equal(data.draw_faces(faces.factors), faces.images)
    some = torch.tensor([5, 3, 200])  # in other company and order
    alone = data.draw_faces({name: values[some] for name, values in faces.factors.items()})
    assert (alone.int() - faces.images[some].int()).abs().max() <= 1


# Factor → where it may change a face that looks ahead: left, top, right, bottom in [−1, 1].
REGIONS = {
    "hair": (-0.9, -1, 0.9, 1),
    "hair_colour": (-0.7, -1, 0.7, 0.65),
    "eyes": (-0.4, -0.15, 0.4, 0.25),
    "eye_colour": (-0.4, -0.1, 0.4, 0.2),
    "glasses": (-0.65, -0.2, 0.65, 0.3),
    "mouth": (-0.3, 0.2, 0.3, 0.6),
    "beard": (-0.6, 0.05, 0.6, 0.65),
    "freckles": (-0.5, 0.1, 0.5, 0.35),
    "clothes": (-1, 0.5, 1, 1),
    "pattern": (-1, 0.5, 1, 1),
    "brows": (-0.4, -0.35, 0.4, 0.0),
    "nose": (-0.15, 0.05, 0.15, 0.3),
    "width": (-0.75, -0.75, 0.75, 0.8),
}


@pytest.mark.parametrize("name", REGIONS)
def test_a_factor_changes_its_own_region_and_nothing_else(name):
    """Each value differs from each other one, inside the region, and none does outside."""
    values = FACE_FACTORS[name]
    every = torch.arange(len(values)) if name in NAMED else torch.tensor(values)
    pictures = floats({**front(len(every), hair="bun", skin="peach"), name: every})
    side = (torch.arange(64) + 0.5) / 32 - 1
    left, top, right, bottom = REGIONS[name]
    inside = ((left < side) & (side < right)) & ((top < side) & (side < bottom))[:, None]
    for a, b in itertools.combinations(pictures, 2):
        changed = (a - b).abs().amax(0)
        assert changed[inside].max() > 0.1
        assert changed[~inside].max() == 0


def test_background_and_skin_are_the_colours_of_the_table():
    for name, table, (row, column) in (
        ("background", drawn.BACKGROUNDS, (0, 0)),
        ("skin", drawn.SKINS, (32, 32)),  # between the eyes, where glasses would have a bridge
        ("clothes", drawn.CLOTHES, (63, 32)),
    ):
        pictures = data.draw_faces({**front(8), name: torch.arange(8)})
        found = [bytes(picture[:, row, column].tolist()).hex() for picture in pictures]
        assert found == list(table.values())


def test_a_turn_moves_the_face_and_narrows_its_far_side():
    turns = torch.tensor([-0.3, 0.0, 0.3])
    opened, closed = (floats({**front(3, eyes=how), "turn": turns}) for how in ("open", "closed"))
    columns = ((opened - closed).abs().amax(1) > 0.05).any(1)  # those that an eye is seen in
    centres = (columns * torch.arange(64)).sum(1) / columns.sum(1)
    assert centres[0] < centres[1] - 4 and centres[2] > centres[1] + 4
    runs = itertools.groupby(columns[2].tolist())
    near, far = (len(list(run)) for seen, run in runs if seen)
    assert near > far + 1


@pytest.mark.parametrize("hair", ["bald", "spikes", "curls", "afro", "bun", "pigtails", "long"])
def test_the_other_turn_is_the_mirror_image(hair):
    right = front(20, hair=hair, glasses="round", beard="full")
    right |= {"turn": torch.linspace(0.02, 0.36, 20), "tilt": torch.linspace(-0.16, 0.16, 20)}
    left = {**right, "turn": -right["turn"], "tilt": -right["tilt"]}
    a, b = floats(right), floats(left)
    # The light that the skull reflects comes from the left on both.
    assert (a - b.flip(3)).abs().mean() < 0.004 < 0.02 < (a - b).abs().mean()


def test_hair_leaves_the_eyes_free():
    """Pupils are seen below every hairstyle."""
    pictures = data.draw_faces({**front(10, skin="peach"), "hair": torch.arange(10)})
    bald = pictures[0, :, 30:42, 22:42]
    assert all((picture[:, 30:42, 22:42] == bald).all() for picture in pictures)


def test_edges_are_soft_over_a_pixel_and_no_more():
    """Against a picture five times as fine: its mean in each pixel, not its middle."""
    factors = data.faces(20, size=16, seed=4, cache=False).factors
    fine, coarse = floats(factors, 320), floats(factors, 64)
    soft, hard = F.avg_pool2d(fine, 5), fine[:, :, 2::5, 2::5]
    assert (coarse - soft).abs().mean() < 0.5 * (hard - soft).abs().mean()
    disc = floats(front(1, background="rose"))[0, :, 32]
    steps = (disc[:, 1:] - disc[:, :-1]).abs().amax(0)[:8] > 0.004
    assert 1 <= steps.sum() <= 2  # from the ground to the glow


def test_small_faces_are_large_ones_seen_from_afar(faces):
    small = floats(faces.factors, 32)
    away = F.avg_pool2d(faces.floats(), 2)
    apart = (small - away).abs().mean((1, 2, 3))
    strangers = (small - away.roll(1, 0)).abs().mean((1, 2, 3))
    assert apart.max() < 0.03 < strangers.min()


def test_the_windows_cut_nothing_off(monkeypatch):
    """Features are painted in windows, for speed: painting on the whole sheet changes nothing."""
    some = data.faces(160, size=16, seed=2, cache=False).factors
    sides = torch.randint(2, (len(NUMBERS), 160), generator=torch.Generator().manual_seed(0))
    for (name, ends), side in zip(NUMBERS.items(), sides, strict=True):
        some[name] = torch.tensor(ends)[side]  # the widest that there are
    windows = data.draw_faces(some)
    monkeypatch.setattr(drawn._Sheet, "crop", lambda sheet, *edges: replace(sheet))
    assert (windows.int() - data.draw_faces(some).int()).abs().max() <= 1


def test_any_number_of_faces_can_be_drawn():
    assert data.draw_faces(front(0), 16).shape == (0, 3, 16, 16)
    assert torch.equal(data.draw_faces(front(130), 16)[129], data.draw_faces(front(), 16)[0])


def test_the_cache_never_gives_one_thing_for_another(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path))
    asked = [{"n": 3, "size": 16, **more} for more in ({}, {"n": 2}, {"size": 17}, {"seed": 1})]
    asked.append({"n": 3, "size": 16, "split": "test"})
    for options in asked:
        data.faces(**options)
    fresh = [data.faces(**options, cache=False) for options in asked]
    monkeypatch.setattr(drawn, "_make", None)  # nothing is drawn again
    for options, expected in zip(asked, fresh, strict=True):
        found = data.faces(**options)
        assert torch.equal(found.images, expected.images)
        assert all(torch.equal(found.factors[k], expected.factors[k]) for k in FACE_FACTORS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"n": 5, "size": 15}, "size must be at least 16, got 15"),
        ({"n": 5, "split": "all"}, "unknown split 'all'; known: train, test"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        data.faces(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hat": torch.zeros(2)}, r"exactly the names in FACE_FACTORS, got \['hat'\] missing or"),
        ({"mouth": torch.tensor([0, 5])}, "mouth must lie in 0 … 4, got 0 … 5"),
        (
            {"eyes": torch.zeros(3, dtype=torch.long)},
            r"eyes of shape \(2,\), like hair, got \(3,\)",
        ),
        ({"turn": torch.tensor([0.0, 1.5])}, "turn from -0.36 to 0.36, got 1.5"),
        ({"nose": torch.tensor([0.0, torch.nan])}, "nose from 0.0 to 1.0, got nan"),
    ],
)
def test_bad_factors(change, message):
    with pytest.raises(ValueError, match=message):
        data.draw_faces({**front(2), **change})


def test_places_have_to_be_integers():
    with pytest.raises(TypeError, match="glasses must be integers, in a tensor, got torch.float32"):
        data.draw_faces({**front(2), "glasses": torch.zeros(2)})
