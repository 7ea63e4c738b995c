"""Rendered digits: a function of the seed; labels and factors tell the truth; a sound cache."""

import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from gantut import data
from gantut.data.printed import FACTORS, FONTS, _inverse_maps, _masks

N = 1500


@pytest.fixture(scope="module")
def glyphs():
    return data.glyphs(N, cache=False)


def moments(images):
    """Ink, centre (x, y) in units of the side, and slant Σxy/Σyy of each image."""
    side = images.shape[-1]
    place = (torch.arange(side) + 0.5) / side - 0.5
    ink = images[:, 0]
    total = ink.sum((1, 2))
    x, y = (ink.sum(1) * place).sum(1) / total, (ink.sum(2) * place).sum(1) / total
    off_x, off_y = (place - c[:, None] for c in (x, y))
    xy = torch.einsum("nij,nj,ni->n", ink, off_x, off_y)
    return total / side**2, x, y, xy / torch.einsum("nij,ni->n", ink, off_y**2)


def correlation(a, b):
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def test_it_is_a_function_of_the_seed(glyphs):
    again, other = data.glyphs(N, cache=False), data.glyphs(N, seed=1, cache=False)
    assert torch.equal(glyphs.images, again.images) and torch.equal(glyphs.labels, again.labels)
    assert not torch.equal(glyphs.images, other.images)


def test_the_global_random_state_plays_no_part():
    before = torch.get_rng_state()
    data.glyphs(10, cache=False)
    assert torch.equal(torch.get_rng_state(), before)


def test_train_and_test_share_no_image(glyphs):
    held_out = data.glyphs(N, split="test", cache=False)
    seen = {image.numpy().tobytes() for image in glyphs.images}
    assert not any(image.numpy().tobytes() in seen for image in held_out.images)


def rendered(digit, scale, size=28):
    """A digit drawn by Pillow and matplotlib's font manager alone, centred on its ink."""
    from matplotlib.font_manager import findfont

    font = ImageFont.truetype(findfont("DejaVu Sans"), 200)
    picture = Image.new("L", (400, 400))
    ImageDraw.Draw(picture).text((200, 200), str(digit), fill=255, font=font, anchor="mm")
    left, top, right, bottom = picture.getbbox()
    reach = round(0.77 * (bottom - top) / scale)
    x, y = (left + right) // 2, (top + bottom) // 2
    picture = picture.crop((x - reach, y - reach, x + reach, y + reach)).resize((size, size))
    return torch.from_numpy(np.array(picture)).float().flatten() / 255


@pytest.mark.parametrize("options", [{}, {"split": "test"}, {"hard": True}])
def test_the_label_is_the_digit_that_is_to_be_seen(options):
    some = data.glyphs(N, cache=False, **options)
    means = [some.floats(some.labels == digit).mean(0).flatten() for digit in range(10)]
    scale = some.factors["scale"].mean().item()
    fresh = [rendered(digit, scale) for digit in range(10)]
    likeness = torch.corrcoef(torch.stack(means + fresh))[:10, 10:]
    assert likeness.argmax(1).tolist() == likeness.argmax(0).tolist() == list(range(10))
    assert likeness.diagonal().min() > 0.6


def test_all_digits_fonts_and_factor_ranges_occur(glyphs):
    assert torch.bincount(glyphs.labels, minlength=10).min() > 100
    assert sorted(glyphs.factors["font"].unique().int().tolist()) == list(range(len(FONTS)))
    hard_ones = data.glyphs(300, hard=True, cache=False)
    for name, (easy, hard) in FACTORS.items():
        for (low, high), drawn in ((easy, glyphs), (hard, hard_ones)):
            values = drawn.factors[name]
            assert low <= values.min() and values.max() <= high
            assert values.max() - values.min() > 0.9 * (high - low)


def test_every_mask_holds_ink_and_stays_inside():
    masks = _masks()
    assert masks.shape[:2] == (len(FONTS), 10)
    assert masks.flatten(2).sum(2).min() > 100
    border = [masks[..., 0, :], masks[..., -1, :], masks[..., :, 0], masks[..., :, -1]]
    assert torch.cat(border, -1).max() == 0


def test_images_are_white_strokes_on_black_and_nothing_is_cut_off(glyphs):
    x = glyphs.floats()
    assert x.flatten(1).max(1).values.min() > 0.3
    assert 0.03 < x.mean() < 0.3
    edge = torch.cat([x[..., 0, :], x[..., -1, :], x[..., :, 0], x[..., :, -1]], -1)
    assert (edge.flatten(1).max(1).values > 0.5).float().mean() < 0.01


def test_factors_do_what_they_say(glyphs):
    ink, x, y, slant = moments(glyphs.floats())
    f = glyphs.factors
    assert correlation(f["shift_x"], x) > 0.45
    assert correlation(f["shift_y"], y) > 0.45
    height = (glyphs.floats()[:, 0].sum(2) > 0.5).sum(1).float()
    # Fonts and digits differ in weight and height, so each is compared with its own kind.
    kind = (10 * f["font"] + glyphs.labels).long()
    member = torch.nn.functional.one_hot(kind, 10 * len(FONTS)).float()
    share = member / member.sum(0).clamp(min=1)
    pairs = [("stroke", ink), ("scale", height), ("shear", slant), ("rotation", -slant)]
    for factor, seen in pairs:
        both = torch.stack([f[factor], seen], 1)
        own_kind = both - member @ (share.T @ both)
        assert correlation(*own_kind.T) > 0.5


def test_rotation_turns_the_ink():
    angle = 0.3
    one = {name: torch.tensor([0.0]) for name in FACTORS} | {"rotation": torch.tensor([angle])}
    one["scale"] = torch.tensor([1.0])
    (matrix,) = _inverse_maps(one)
    c, s = math.cos(angle), math.sin(angle)
    torch.testing.assert_close(matrix, torch.tensor([[c, s, 0.0], [-s, c, 0.0]]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [8, 16, 32, 45])
def test_any_size(size):
    drawn = data.glyphs(20, size=size, cache=False)
    assert drawn.shape == (1, size, size)
    small, large = moments(drawn.floats()), moments(data.glyphs(20, size=64, cache=False).floats())
    assert (small[0] - large[0]).abs().max() < 0.05  # the same pictures, at another resolution


OTHERS = [{}, {"n": 31}, {"size": 12}, {"hard": True}, {"seed": 1}, {"split": "test"}]


def same(a, b):
    return (
        torch.equal(a.images, b.images)
        and torch.equal(a.labels, b.labels)
        and a.factors.keys() == b.factors.keys()
        and all(torch.equal(a.factors[name], b.factors[name]) for name in a.factors)
    )


def test_the_cache_never_gives_one_thing_for_another(tmp_path, monkeypatch):
    """Whatever was cached before, each choice of options gives what is rendered without a cache."""
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path))
    asked = [{"n": 30, "size": 10, **options} for options in OTHERS]
    for options in asked:
        data.glyphs(**options)
    assert len(list(tmp_path.iterdir())) == len(asked)
    fresh = [data.glyphs(**options, cache=False) for options in asked]
    monkeypatch.setattr("gantut.data.printed._render", None)  # nothing is rendered again
    found = [data.glyphs(**options) for options in asked]
    assert all(same(a, b) for a, b in zip(found, fresh, strict=True))
    assert not any(same(a, b) for a, b in itertools.combinations(fresh, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"n": 5, "size": 7}, "size must be at least 8, got 7"),
        ({"n": 5, "split": "all"}, "unknown split 'all'; known: train, test"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        data.glyphs(**options)
