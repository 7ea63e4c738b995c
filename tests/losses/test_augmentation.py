"""Augmentation: differentiable, seeded, and each change as random as it says."""

import pytest
import torch

from gantut.losses import AdaptiveAugment, augmentation
from gantut.losses.augmentation import CHANGES, cutout, translate


def images(n=6, c=3, side=16):
    return torch.rand(
        n, c, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", CHANGES)
def test_the_adjoint(name):
    """Each change is affine in the image, T(x) = Ax + b, so ⟨w, T(x) − T(0)⟩ = ⟨Aᵀw, x⟩."""
    x, w = images(), torch.randn(6, 3, 16, 16, generator=seeded(2), dtype=torch.float64)
    change = augmentation(name)
    out = change(x.requires_grad_(), generator=seeded())
    assert out.shape == x.shape and out.dtype == x.dtype
    (pulled,) = torch.autograd.grad((w * out).sum(), x)
    moved = out - change(torch.zeros_like(x), generator=seeded())
    assert torch.allclose((w * moved).sum((1, 2, 3)), (pulled * x).sum((1, 2, 3)), atol=1e-10)
    assert not torch.allclose(out, x)


@pytest.mark.parametrize("name", CHANGES)
def test_chance_comes_from_the_generator(name):
    change = augmentation(name)
    assert torch.equal(change(images(), generator=seeded()), change(images(), generator=seeded()))
    assert not torch.equal(
        change(images(), generator=seeded()), change(images(), generator=seeded(5))
    )


# -- what chance decides differs between the images of one batch, and has the stated distribution


def shift(x, out):
    return (out - x).flatten(1)


def stretch(x, out):
    mean = x.mean((1, 2, 3), keepdim=True)
    return ((out - mean) / (x - mean)).flatten(1)


def stretch_from_grey(x, out):
    grey = x.mean(1, keepdim=True)
    return ((out - grey) / (x - grey)).flatten(1)


@pytest.mark.parametrize(
    ("name", "read", "low", "high"),
    [
        ("brightness", shift, -0.5, 0.5),
        ("contrast", stretch, 0.5, 1.5),
        ("saturation", stretch_from_grey, 0.0, 2.0),
    ],
)
def test_a_colour_is_drawn_uniformly_and_once_for_each_image(name, read, low, high):
    x = images(2000, 3, 2)
    numbers = read(x, augmentation(name)(x, generator=seeded()))
    one = numbers.median(1).values
    assert torch.allclose(numbers, one[:, None].expand_as(numbers), atol=1e-6)
    assert low <= one.min() and one.max() <= high
    exact = torch.linspace(low, high, 2000, dtype=torch.float64)
    assert (one.sort().values - exact).abs().max() < 0.04 * (high - low)  # Kolmogorov–Smirnov


def test_a_grey_image_has_no_saturation():
    grey = images()[:, :1]
    assert torch.allclose(augmentation("saturation")(grey, generator=seeded()), grey)


@pytest.mark.parametrize(("side", "reach"), [(4, 1), (16, 2), (28, 3), (32, 4)])
def test_translate_moves_whole_pixels_every_way_alike(side, reach):
    x = torch.zeros(8000, 1, side, side)
    x[:, :, side // 2, side // 2] = 1
    out = translate(x, seeded())
    assert torch.equal(out.sum((1, 2, 3)), torch.ones(8000))
    place = out.flatten(1).argmax(1)
    down, right = place // side - side // 2, place % side - side // 2
    for moved in (down, right):
        share = torch.bincount(moved + reach, minlength=2 * reach + 1) / 8000
        assert len(share) == 2 * reach + 1
        assert (share - 1 / len(share)).abs().max() < 4 * (0.25 / 8000) ** 0.5
    assert torch.corrcoef(torch.stack([down, right]).double())[0, 1].abs() < 0.05
    whole = translate(torch.ones(50, 2, side, 12), seeded())
    assert set(whole.unique().tolist()) == {0.0, 1.0}  # what comes in from outside is 0


@pytest.mark.parametrize(("side", "half"), [(8, 4), (16, 8), (32, 16), (28, 14), (6, 3), (7, 4)])
def test_cutout_blanks_a_square_of_half_the_side(side, half):
    """By area: inside half² pixels; the middle lies on side + 1 lines, or on side pixels."""
    out = cutout(torch.ones(4000, 2, side, side), seeded())
    assert set(out.unique().tolist()) == {0.0, 1.0}
    blank = out == 0
    assert torch.equal(blank[:, 0], blank[:, 1])
    middles = torch.arange(side + 1 - half % 2)
    starts, ends = middles - half // 2, middles - half // 2 + half
    exact = (ends.clamp(max=side) - starts.clamp(min=0)).double()  # of the rows, for each middle
    heights, widths = blank[:, 0].any(2).sum(1), blank[:, 0].any(1).sum(1)
    for found in (heights, widths):
        assert found.max() == half and found.min() == exact.min()
        error = 4 * exact.std().item() / 4000**0.5
        assert found.double().mean().item() == pytest.approx(exact.mean().item(), abs=error)
    assert torch.equal(blank[:, 0].sum((1, 2)), heights * widths)
    assert blank[:, 0].sum((1, 2)).max() == half**2
    # Every pixel of the border is as likely to be hidden as that of the opposite border.
    share = blank[:, 0].double().mean(0)
    assert (share - share.flip(0)).abs().max() < 0.05 and (share - share.T).abs().max() < 0.05


@pytest.mark.parametrize("adaptive", [False, True])
def test_each_image_is_changed_with_the_given_probability(adaptive):
    def made(p, *names):
        if not adaptive:
            return augmentation(*names, probability=p)
        augment = AdaptiveAugment(*names)
        augment.probability.fill_(p)
        return augment

    x = images(4000, 1, 4)
    assert torch.equal(made(0.0)(x, generator=seeded()), x)
    for p in (0.3, 1.0):
        out = made(p, "brightness")(x, generator=seeded())
        share = (out != x).flatten(1).any(1).double().mean().item()
        assert share == pytest.approx(p, abs=4 * (0.25 / 4000) ** 0.5)
    # Two changes are chosen apart: with p = ½ a quarter of the images stays as it is.
    out = made(0.5, "brightness", "contrast")(x, generator=seeded())
    assert (out == x).flatten(1).all(1).double().mean().item() == pytest.approx(0.25, abs=0.03)
    assert made(1.0)(x, generator=seeded()).shape == x.shape


# -- adaptive augmentation


def test_the_probability_follows_the_sign_of_the_logits():
    """n images move p by n / 500,000: up while over 80 % are judged real, else down."""
    augment = AdaptiveAugment("brightness")
    sure, torn = torch.tensor([9.0, 0.1, 3.0, 2.0] * 25), torch.tensor([50.0, 50.0, -0.1, 0.2] * 25)
    for _ in range(30):
        augment.observe(sure)
    assert augment.probability.item() == pytest.approx(30 * 100 / 500_000)
    augment.observe(torn)  # the mean sign is ½, however large the logits are
    assert augment.probability.item() == pytest.approx(29 * 100 / 500_000)
    for _ in range(40):
        augment.observe(-sure)
    assert augment.probability.item() == 0.0


@pytest.mark.parametrize(("target", "steps"), [(0.6, 1), (0.4, -1)])
def test_the_target_decides(target, steps):
    augment = AdaptiveAugment(target=target, images=100, most=1.0)
    augment.probability.fill_(0.5)
    augment.observe(torch.tensor([1.0] * 3 + [-1.0]))  # the mean sign is ½
    assert augment.probability.item() == pytest.approx(0.5 - 0.04 * steps)


def test_the_probability_is_capped_and_saved():
    augment = AdaptiveAugment(images=10)
    for _ in range(3):
        augment.observe(torch.ones(5))
    assert augment.probability.item() == pytest.approx(0.8)
    again = AdaptiveAugment()
    again.load_state_dict(augment.state_dict())
    assert again.probability == augment.probability


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: augmentation("flip"), "unknown augmentation 'flip'; known: brightness"),
        (lambda: AdaptiveAugment("flip"), "unknown augmentation 'flip'; known: brightness"),
        (lambda: augmentation(probability=2), r"a probability in \[0, 1\], got 2"),
        (lambda: AdaptiveAugment(target=1.0), "target in .*, got 1.0 and 500000 and 0.8"),
        (lambda: AdaptiveAugment(images=0), "images ≥ 1, .*, got 0.6 and 0 and"),
        (lambda: AdaptiveAugment(most=1.5), r"most in \[0, 1\], got .* 1.5"),
        (lambda: augmentation()(torch.zeros(3, 2)), r"images \(N, C, H, W\), got \(3, 2\)"),
        (lambda: AdaptiveAugment()(torch.zeros(3, 2)), r"images \(N, C, H, W\), got \(3, 2\)"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
