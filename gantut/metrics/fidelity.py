"""FID as papers report it: features of published networks, by the package torch-fidelity.

Optional: ``pip install "gantut[fidelity]"``. The networks' weights are large and are fetched only
when asked for.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gantut.metrics._checks import in_unit_interval
from gantut.metrics.frechet import fid
from gantut.numerics import chosen, expect
from gantut.progress import bar

# The network's name in torch-fidelity, the layer, and what it needs in torch.hub's folder.
INCEPTION = ("checkpoints/weights-inception-2015-12-05-6726825d.pth",)
DINOV2 = ("checkpoints/dinov2_vitl14_pretrain.pth", "facebookresearch_dinov2_main")
NETWORKS = {
    "inception": ("inception-v3-compat", "2048", INCEPTION),
    "dinov2": ("dinov2-vit-l-14", "dinov2", DINOV2),
}


def published_fid(
    real: Tensor,
    fake: Tensor,
    network: str = "inception",
    *,
    weights: str | Path | None = None,
    download: bool = False,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
) -> float:
    """FID under the network that papers use: Inception-v3, or DINOv2 (then called FD-DINOv2).

    Papers compare 50,000 samples with the training set; with fewer the number is larger, whatever
    the model. [heusel2017, stein2023, obukhov2020]

    Args:
        real: images (N, 1 or 3, H, W): floats in [0, 1], which are rounded to 256 levels as in a
            saved file, or uint8. Grey images are repeated to three channels. Give them at their own
            size: the network's code resizes them itself, bilinearly and without smoothing first, to
            299×299 for Inception (as the original FID does) and 224×224 for DINOv2 (where the
            original is bicubic, so expect small differences).
        fake: generated images, of any size too.
        network: ``"inception"`` (2,048 features) or ``"dinov2"`` (ViT-L/14, 1,024 features).
        weights: a file with Inception's weights as torch-fidelity saves them (it is unpickled, so
            only from a source you trust). DINOv2 always comes from torch.hub's folder.
        download: let torch-fidelity fetch what is missing (91 MB for Inception, 1.2 GB for DINOv2)
            into torch.hub's folder, ``TORCH_HOME``.
        batch_size: images at once.
        device: where the network runs.

    Returns:
        The Fréchet distance of the features, in float64.

    Raises:
        ImportError: torch-fidelity is not installed.
        FileNotFoundError: the weights are not there and ``download`` is False.
        ValueError: an unknown network, weights for DINOv2, or images that do not fit.

    Example:
        >>> published_fid(real, fake, download=True)  # fetches weights  # doctest: +SKIP
    """
    extractor = _extractor(network, weights, download).to(device)
    clouds = []
    for name, images in (("real", real), ("fake", fake)):
        parts = bar(_bytes(name, images).split(batch_size), desc=f"{network}, {name}", delay=1)
        with torch.no_grad():
            clouds.append(torch.cat([extractor(part.to(device))[0].cpu() for part in parts]))
    return fid(*clouds)


def _extractor(network: str, weights: str | Path | None, download: bool) -> Any:
    try:
        from torch_fidelity.utils import create_feature_extractor
    except ImportError as error:
        wanted = 'torch-fidelity: pip install "gantut[fidelity]"'
        raise ImportError(f"published_fid needs {wanted}") from error
    name, layer, files = chosen("network", network, NETWORKS)
    hub = Path(torch.hub.get_dir())
    expect(weights is None or network == "inception", "weights= for Inception only", network)
    needed = [hub / file for file in files] if weights is None else [Path(weights)]
    missing = ", ".join(str(path) for path in needed if not path.exists())
    if missing and not download:
        fetch = "put it there, or let torch-fidelity fetch it with download=True"
        raise FileNotFoundError(f"{network} needs {missing}; {fetch}")
    file = None if weights is None else str(weights)
    options: Any = {"feature_extractor_weights_path": file, "verbose": False}
    return create_feature_extractor(name, [layer], cuda=False, **options)


def _bytes(name: str, images: Tensor) -> Tensor:
    fits = images.ndim == 4 and images.shape[1] in (1, 3)
    expect(fits, f"{name} images (N, 1 or 3, H, W)", images)
    if images.dtype != torch.uint8:
        in_unit_interval(f"{name} images (or uint8 ones)", images)
        images = (255 * images).round().to(torch.uint8)
    return images.expand(-1, 3, -1, -1)
