"""Rendered digits: a function of the seed; factors that do what they say; a cache that changes nothing."""

import math

import pytest
import torch

from gantut import data
from gantut.data.glyphs import FACTORS, FONTS, _masks

N = 1500


@pytest.fixture(scope="module")
def glyphs():
    return data.glyphs(N, cache=False)


def moments(images):
    """Ink, centre (x, y) and covariance terms (xx, xy, yy) of each image, in units of its side."""
    side = images.shape[-1]
    place = (torch.arange(side) + 0.5) / side - 0.5
    ink = images[:, 0]
    total = ink.sum((1, 2))
    x, y = (ink.sum(1) * place).sum(1) / total, (ink.sum(2) * place).sum(1) / total
    return total / side**2, x, y


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


def test_all_digits_fonts_and_factor_ranges_occur(glyphs):
    assert torch.bincount(glyphs.labels, minlength=10).min() > 100
    assert sorted(glyphs.factors["font"].unique().int().tolist()) == list(range(len(FONTS)))
    for name, (easy, hard) in FACTORS.items():
        for (low, high), drawn in (
            (easy, glyphs),
            (hard, data.glyphs(300, hard=True, cache=False)),
        ):
            values = drawn.factors[name]
            assert low <= values.min() and values.max() <= high
            assert values.max() - values.min() > 0.9 * (high - low)


def test_every_mask_holds_ink_and_stays_inside():
    masks = _masks()
    assert masks.shape[:2] == (len(FONTS), 10)
    assert masks.flatten(2).sum(2).min() > 100
    border = torch.cat(
        [masks[..., 0, :], masks[..., -1, :], masks[..., :, 0], masks[..., :, -1]], -1
    )
    assert border.max() == 0


def test_images_are_white_strokes_on_black_and_nothing_is_cut_off(glyphs):
    x = glyphs.floats()
    assert x.flatten(1).max(1).values.min() > 0.3
    assert 0.03 < x.mean() < 0.3
    edge = torch.cat([x[..., 0, :], x[..., -1, :], x[..., :, 0], x[..., :, -1]], -1)
    assert (edge.flatten(1).max(1).values > 0.5).float().mean() < 0.01


def test_factors_do_what_they_say(glyphs):
    ink, x, y = moments(glyphs.floats())
    f = glyphs.factors
    assert correlation(f["shift_x"], x) > 0.45
    assert correlation(f["shift_y"], y) > 0.45
    height = (glyphs.floats()[:, 0].sum(2) > 0.5).sum(1).float()
    # Fonts and digits differ in weight and height by themselves, so each is compared with its own kind.
    kind = (10 * f["font"] + glyphs.labels).long()
    for factor, seen in (("stroke", ink), ("scale", height)):
        member = torch.nn.functional.one_hot(kind, 10 * len(FONTS)).float()
        own_kind = member @ (
            member.T @ torch.stack([f[factor], seen], 1) / member.sum(0).clamp(min=1)[:, None]
        )
        assert correlation(f[factor] - own_kind[:, 0], seen - own_kind[:, 1]) > 0.5


def test_rotation_turns_the_ink():
    from gantut.data.glyphs import _inverse_maps

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


def test_the_cache_gives_back_what_was_made(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path))
    made, found, fresh = data.glyphs(30), data.glyphs(30), data.glyphs(30, cache=False)
    assert len(list(tmp_path.iterdir())) == 1
    for other in (found, fresh):
        assert torch.equal(made.images, other.images) and torch.equal(made.labels, other.labels)
        assert made.factors.keys() == other.factors.keys()
        assert all(torch.equal(made.factors[k], other.factors[k]) for k in made.factors)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1 and size at least 8, got n=0, size=28"),
        ({"n": 5, "size": 7}, "got n=5, size=7"),
        ({"n": 5, "split": "all"}, "unknown split 'all'; known: train, test"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        data.glyphs(**options)
