"""Augmentation: differentiable, seeded, and each change what it says."""

import pytest
import torch

from gantut.losses import CHANGES, augmentation
from gantut.losses.augmentation import cutout, translate


def images(n=6, c=3, side=16):
    return torch.rand(
        n, c, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", CHANGES)
def test_the_adjoint(name):
    """Each change is affine in the image, T(x) = Ax + b: its gradient is Aᵀw, so ⟨w, T(x) − T(0)⟩ = ⟨Aᵀw, x⟩."""
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


def test_translate_moves_whole_pixels_both_ways_alike():
    x = torch.zeros(4000, 1, 16, 16)
    x[:, :, 8, 8] = 1
    out = translate(x, seeded())
    assert torch.equal(out.sum((1, 2, 3)), torch.ones(4000))
    place = out.flatten(1).argmax(1)
    for shift in (place // 16 - 8, place % 16 - 8):
        counts = torch.bincount(shift + 2, minlength=5)
        assert (
            counts.sum() == 4000 and counts.min() > 700 and counts.max() < 900
        )  # −2 … 2, a fifth each
    whole = translate(torch.ones(50, 2, 16, 12), seeded())
    assert set(whole.unique().tolist()) == {0.0, 1.0}  # what comes in from outside is 0


def test_cutout_blanks_a_square_of_half_the_side():
    x = torch.ones(500, 2, 16, 16)
    out = cutout(x, seeded())
    blanked = (out == 0).float().sum((2, 3))
    assert torch.equal(blanked[:, 0], blanked[:, 1])
    assert blanked.max() == 81 and blanked.min() >= 25  # 9 × 9 inside, 5 × 5 in a corner
    assert set(out.unique().tolist()) == {0.0, 1.0}


def test_colours():
    x = images()
    shift = augmentation("brightness")(x, generator=seeded()) - x
    assert shift.flatten(1).std(1).max() < 1e-12 and shift.abs().max() <= 0.5
    contrast = augmentation("contrast")(x, generator=seeded())
    assert torch.allclose(contrast.mean((1, 2, 3)), x.mean((1, 2, 3)))
    factor = contrast.flatten(1).std(1) / x.flatten(1).std(1)
    assert factor.min() >= 0.5 and factor.max() <= 1.5
    assert torch.allclose(augmentation("saturation")(x, generator=seeded()).mean(1), x.mean(1))
    grey = x[:, :1]
    assert torch.allclose(augmentation("saturation")(grey, generator=seeded()), grey)


def test_probability():
    x = images(400, 1, 4)
    assert torch.equal(augmentation(probability=0.0)(x, generator=seeded()), x)
    changed = (
        (augmentation("brightness", probability=0.5)(x, generator=seeded()) != x)
        .flatten(1)
        .any(1)
        .sum()
    )
    assert 150 < changed < 250
    assert augmentation()(x, generator=seeded()).shape == x.shape


def test_bad_input():
    with pytest.raises(ValueError, match="unknown augmentation 'flip'; known: brightness"):
        augmentation("flip")
    with pytest.raises(ValueError, match=r"probability must lie in \[0, 1\], got 2"):
        augmentation(probability=2)
    with pytest.raises(ValueError, match=r"needs images \(N, C, H, W\), got \(3, 2\)"):
        augmentation()(torch.zeros(3, 2))
