"""PSNR and MS-SSIM against torchmetrics, SSIM against scikit-image's recipe, values by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
)

from gantut import data
from gantut.metrics import ms_ssim, psnr, ssim


def pairs(n=5, channels=3, height=20, width=27, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(n, channels, height, width, generator=g, dtype=torch.float64)
    noise = torch.randn(x.shape, generator=g, dtype=torch.float64)
    size = torch.linspace(0.02, 0.5, n).view(-1, 1, 1, 1)
    return x, (x + size * noise).clamp(0, 1)


def photographs():
    x = data.glyphs(6).floats()
    blurred = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
    return x, blurred


def by_scipy(x, y):
    """Filter all of the image, then leave out the border that the window does not fit into."""

    def blur(a):
        filtered = gaussian_filter(a.numpy(), (0, 0, 1.5, 1.5), truncate=3.5)
        return filtered[..., 5:-5, 5:-5]

    x, y = x.double(), y.double()
    ux, uy = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - ux * ux, blur(y * y) - uy * uy, blur(x * y) - ux * uy
    c, d = 0.01**2, 0.03**2
    s = (2 * ux * uy + c) * (2 * vxy + d) / ((ux**2 + uy**2 + c) * (vx + vy + d))
    return np.mean(s, axis=(1, 2, 3))


@pytest.mark.parametrize("images", [pairs, photographs])
def test_psnr_is_torchmetrics(images):
    x, y = images()
    for one in range(len(x)):
        a, b = x[one : one + 1], y[one : one + 1]
        wanted = peak_signal_noise_ratio(a, b, data_range=1.0).item()
        assert psnr(x, y)[one].item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("images", [pairs, photographs])
def test_ssim_is_scikit_images_recipe(images):
    x, y = images()
    assert ssim(x, y).numpy() == pytest.approx(by_scipy(x, y), abs=1e-9)


def test_psnr_by_hand():
    x = torch.zeros(2, 1, 2, 2)
    y = torch.tensor([0.1, 0.01]).view(2, 1, 1, 1).expand_as(x)
    assert psnr(x, y).tolist() == pytest.approx([20, 40], abs=1e-4)
    assert psnr(x, x).tolist() == [math.inf] * 2


def test_ssim_of_constants_is_the_luminance_alone():
    x, y = torch.full((1, 1, 11, 11), 0.2), torch.full((1, 1, 11, 11), 0.6)
    wanted = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(x, y).item() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_each_pair_has_its_own_value_and_the_order_does_not_matter(measure):
    x, y = pairs()
    found = measure(x, y)
    assert found.shape == (5,) and (found[:-1] > found[1:]).all()  # more noise, less quality
    assert torch.allclose(measure(y, x), found)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.allclose(measure(x[order], y[order]), found[order])
    assert torch.allclose(measure(x[2:3], y[2:3]), found[2:3])


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(2, 1, 16, 16), torch.zeros(1, 1, 16, 16), r"got \(2, 1, 16, 16\) and \(1,"),
        (torch.zeros(16, 16), torch.zeros(16, 16), r"batches of images \(N, C, H, W\)"),
        (torch.zeros(0, 1, 16, 16), torch.zeros(0, 1, 16, 16), r"got \(0, 1, 16, 16\)"),
        (torch.full((1, 1, 16, 16), 2.0), torch.zeros(1, 1, 16, 16), "got 2 … 2"),
        (torch.zeros(1, 1, 16, 16), torch.full((1, 1, 16, 16), math.nan), "finite originals"),
    ],
)
def test_bad_images(measure, x, y, message):
    with pytest.raises(ValueError, match=message):
        measure(x, y)


def test_ssim_needs_room_for_its_window():
    x = torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"sides ≥ 11, got \(1, 1, 8, 8\)"):
        ssim(x, x)


@pytest.mark.parametrize(("height", "width"), [(176, 176), (183, 209)])
def test_ms_ssim_of_one_channel_is_about_torchmetrics(height, width):
    # At the coarsest scale torchmetrics mirrors the images at their border, so digits differ.
    x, y = pairs(2, 1, height, width)
    for one in range(2):
        a, b = x[one : one + 1], y[one : one + 1]
        wanted = multiscale_structural_similarity_index_measure(a, b, data_range=1.0).item()
        assert ms_ssim(a, b).item() == pytest.approx(wanted, abs=2e-3)
        assert ms_ssim(b, a).item() == pytest.approx(ms_ssim(a, b).item(), abs=1e-12)


def test_ms_ssim_by_scipy_each_channel_on_its_own():
    x, y = pairs(2, 3, 176, 180)
    product, a, b = np.ones((2, 3)), x.numpy(), y.numpy()
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):

        def blur(v):
            return gaussian_filter(v, (0, 0, 1.5, 1.5), truncate=3.5)[..., 5:-5, 5:-5]

        ux, uy = blur(a), blur(b)
        cs = (2 * (blur(a * b) - ux * uy) + 9e-4) / (
            blur(a * a) - ux**2 + blur(b * b) - uy**2 + 9e-4
        )
        if weight == 0.1333:  # luminance counts at the coarsest scale alone
            cs *= (2 * ux * uy + 1e-4) / (ux**2 + uy**2 + 1e-4)
        product *= np.maximum(cs.mean((2, 3)), 0) ** weight
        even = (v[..., : v.shape[2] // 2 * 2, : v.shape[3] // 2 * 2] for v in (a, b))
        a, b = (
            (v[..., ::2, ::2] + v[..., 1::2, ::2] + v[..., ::2, 1::2] + v[..., 1::2, 1::2]) / 4
            for v in even
        )
    assert ms_ssim(x, y).numpy() == pytest.approx(product.mean(1), abs=1e-9)


def test_ms_ssim_forgives_what_only_the_finest_scale_sees():
    x, _ = pairs(1, 1, 176, 176)
    smooth = torch.nn.functional.avg_pool2d(x, 16).repeat_interleave(16, 2).repeat_interleave(16, 3)
    fine = 0.1 * (torch.arange(176) % 2 - 0.5).double()
    y = (0.1 + 0.8 * smooth + fine).clamp(0, 1)
    assert ms_ssim(y, 0.1 + 0.8 * smooth).item() > ssim(y, 0.1 + 0.8 * smooth).item() + 0.1
    assert ms_ssim(x, x).item() == 1.0


def test_ms_ssim_needs_eleven_pixels_at_the_coarsest_scale():
    with pytest.raises(ValueError, match=r"sides ≥ 176, got \(1, 1, 175, 180\)"):
        ms_ssim(torch.zeros(1, 1, 175, 180), torch.zeros(1, 1, 175, 180))
