"""How close is one image to another? PSNR, SSIM and MS-SSIM, one value per pair.

For reconstructions, compressed and restored images: there each image has its original. For samples,
which have none, see ``fid``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from gantut.metrics._checks import in_unit_interval
from gantut.numerics import expect

WINDOW, SIGMA = 11, 1.5  # pixels
STABLE = (0.01**2, 0.03**2)  # keeps flat regions from dividing by 0
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the weights of MS-SSIM, finest scale first


def _pair(x: Tensor, y: Tensor, smallest: int) -> tuple[Tensor, Tensor]:
    fits = x.shape == y.shape and x.ndim == 4 and len(x) and min(x.shape[2:]) >= smallest
    expect(fits, f"batches of images (N, C, H, W) of one shape with sides ≥ {smallest}", x, y)
    in_unit_interval("images", x)
    in_unit_interval("originals", y)
    return x.double(), y.double()


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """The peak signal-to-noise ratio of two images: −10·log₁₀ of their mean squared difference.

    Args:
        x: images in [0, 1], (N, C, H, W). Clamp reconstructions that leave the range first.
        y: the originals, of the same shape.

    Returns:
        One value a pair, (N,), in dB; infinite for equal images. 6 dB more are half the
        root-mean-square error.

    Raises:
        ValueError: not two batches of one shape (N, C, H, W), or values that are not finite or
            outside [0, 1].

    Example:
        >>> import torch
        >>> psnr(torch.full((1, 1, 8, 8), 0.5), torch.full((1, 1, 8, 8), 0.6)).round().tolist()
        [20.0]
    """
    x, y = _pair(x, y, 1)
    return -10 * (x - y).square().flatten(1).mean(1).log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """The structural similarity of two images. [wang2004]

    Around each pixel, under a Gaussian window of 11×11 with σ = 1.5: local means μ, variances σ²
    and covariance σ_xy are compared by
    (2μ_xμ_y + c₁)(2σ_xy + c₂) / ((μ_x² + μ_y² + c₁)(σ_x² + σ_y² + c₂)) with c₁ = 0.01² and
    c₂ = 0.03². The result is the mean over the channels and over all windows that lie inside the
    image, as in the paper and in scikit-image.

    Args:
        x: images in [0, 1], (N, C, H, W), with sides of at least 11 pixels.
        y: the originals, of the same shape. Swapping the two changes nothing.

    Returns:
        One value a pair, (N,): 1 for equal images, about 0 for unrelated ones.

    Raises:
        ValueError: as ``psnr`` says, or a side that is too short.

    Example:
        >>> import torch
        >>> x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> ssim(x, x).item(), ssim(x, 1 - x).item() < 0
        (1.0, True)
    """
    luminance, contrast = _similarity(*_pair(x, y, WINDOW))
    return (luminance * contrast).flatten(1).mean(1)


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's two factors, luminance and contrast with structure, at every window of each channel,
    (N, C, H − 10, W − 10).
    """
    offset = torch.arange(WINDOW, dtype=torch.float64, device=x.device) - WINDOW // 2
    weights = torch.exp(-0.5 * (offset / SIGMA) ** 2)
    down = (weights / weights.sum()).view(1, 1, -1, 1)

    def local(images: Tensor) -> Tensor:  # the window is a product of a column and a row
        return F.conv2d(F.conv2d(images, down), down.mT)

    a, b = (images.flatten(0, 1)[:, None] for images in (x, y))  # each channel on its own
    mean_a, mean_b = local(a), local(b)
    squares = mean_a**2 + mean_b**2
    variances = local(a * a + b * b) - squares
    covariance = local(a * b) - mean_a * mean_b
    contrast = (2 * covariance + STABLE[1]) / (variances + STABLE[1])
    luminance = (2 * mean_a * mean_b + STABLE[0]) / (squares + STABLE[0])
    shape = (*x.shape[:2], *luminance.shape[2:])
    return luminance.view(shape), contrast.view(shape)


def ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """The structural similarity of two images at five scales. [wang2003]

    The images are halved four times, each pixel the mean of four. The means c_s of SSIM's contrast
    and structure at the first four scales, and of all of SSIM at the last, are multiplied:
    exp(Σ_s w_s log c_s) with w = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333). A negative mean counts
    as 0. Each channel has its own product, and the result is the mean over the channels, as in
    TensorFlow and in the papers on learned compression.

    Args:
        x: images in [0, 1], (N, C, H, W), with sides of at least 176 pixels: 11 remain of them.
        y: the originals, of the same shape. Swapping the two changes nothing.

    Returns:
        One value a pair, (N,): 1 for equal images, towards 0 for unrelated ones. Papers give it
        in dB as well, −10·log₁₀(1 − value).

    Raises:
        ValueError: as ``psnr`` says, or a side that is too short.

    Example:
        >>> import torch
        >>> x = torch.rand(1, 1, 176, 176, generator=torch.Generator().manual_seed(0))
        >>> ms_ssim(x, x).item(), round(ms_ssim(x, x.roll(1, 3)).item(), 1)
        (1.0, 0.0)
    """
    x, y = _pair(x, y, WINDOW * 2 ** (len(SCALES) - 1))
    product = x.new_ones(x.shape[:2])
    for scale, weight in enumerate(SCALES):
        if scale:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        luminance, contrast = _similarity(x, y)
        factor = contrast if scale < len(SCALES) - 1 else luminance * contrast
        product = product * factor.mean((2, 3)).clamp(min=0) ** weight
    return product.mean(1)
