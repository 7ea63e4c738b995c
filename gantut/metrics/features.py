"""The eye behind FID and KID here: a small classifier, trained on the same kind of data.

Its numbers can be compared with one another where the network is the same; they are not the
Inception-based numbers of papers (for those see ``published_fid``).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantut.data.cache import cached
from gantut.data.datasets import ImageData
from gantut.metrics._checks import in_unit_interval
from gantut.progress import bar

FEATURES = 64
_VERSION = 3  # counts changes of the training below that the cache's key does not see


class Extracted(NamedTuple):
    """What the network sees: ``features`` (N, 64) in float64, and class ``logits`` (N, classes)."""

    features: Tensor
    logits: Tensor


class FeatureNetwork(nn.Module):
    """A small convolutional classifier; its 64 penultimate activations are the features.

    They are divided by one number, ``scale``, that gives them a mean variance of 1 on the training
    data: so distances have a unit that does not depend on how long the classifier was trained.

    Args:
        shape: of one image, (C, H, W).
        classes: how many kinds of images it tells apart.

    Example:
        >>> import torch
        >>> FeatureNetwork((1, 8, 8), 10).extract(torch.zeros(5, 1, 8, 8)).features.shape
        torch.Size([5, 64])
    """

    scale: Tensor

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.shape, self.classes = shape, classes
        channels, height, width = shape
        sides = [-(-side // 4) for side in (height, width)]
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(32 * sides[0] * sides[1], FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, classes)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        """Class logits (N, classes) of images in [0, 1], without checks: for training."""
        return self.head(self.body(2 * images - 1))

    @torch.no_grad()
    def extract(self, images: Tensor | ImageData, chunk: int = 2000) -> Extracted:
        """Features and logits of images in [0, 1].

        Args:
            images: (N, C, H, W) as floats in [0, 1], or a data set of images.
            chunk: how many go through the network at once; only memory depends on it.

        Raises:
            ValueError: another shape than the network's, NaN, or values outside [0, 1].
        """
        x = images if isinstance(images, Tensor) else images.floats()
        if tuple(x.shape[1:]) != self.shape or x.ndim != 4:
            wanted = ", ".join(map(str, self.shape))
            raise ValueError(f"expected images of shape (N, {wanted}), got {tuple(x.shape)}")
        in_unit_interval("images", x)
        parts = [self.body(2 * part - 1) for part in x.float().split(chunk)]
        features, logits = torch.cat(parts), torch.cat([self.head(part) for part in parts])
        return Extracted(features.double() / self.scale, logits)


def feature_network(
    data: ImageData, *, steps: int = 400, batch_size: int = 128, seed: int = 0, cache: bool = True
) -> FeatureNetwork:
    """Train the feature network of a labelled set of images, once; later calls read it from a file.

    The first call takes time in proportion to the number of pixels: on two cores a few seconds for
    8×8 and about a minute and a half for 64×64, with a progress bar. The file's name depends on all
    that the result depends on (pixels, their maximum, labels, classes, the options, this version of
    the network), so that changed data never meets an old network.

    Args:
        data: labelled images of two classes or more. With no more images than features (64) the
            network learns them by heart and says little about others: a warning says so.
        steps: of Adam, with a learning rate of 2·10⁻³ that falls to 0 along a cosine.
        batch_size: images a step.
        seed: of the weights and of the order of the images.
        cache: False trains anew and keeps no file. Files lie in ``GANTUT_CACHE``.

    Returns:
        The network in evaluation mode; its weights need no gradient.

    Raises:
        ValueError: no labels, fewer than two classes, or examples of one class only.

    Example:
        >>> from gantut import data
        >>> digits = data.digits()
        >>> eye = feature_network(digits, steps=5, cache=False)
        >>> eye.extract(digits).logits.shape
        torch.Size([1437, 10])
    """
    labels = torch.empty(0) if data.labels is None else data.labels
    if (found := len(labels.unique())) < 2:
        wanted = "labelled images of two classes or more"
        raise ValueError(f"a feature network needs {wanted}; {data.name!r} has {found}")
    if len(data) <= FEATURES:
        few = f"{len(data)} images for {FEATURES} features"
        warnings.warn(f"{few}: the network learns them by heart", stacklevel=2)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = FeatureNetwork(data.shape, data.classes)

    def train() -> dict[str, Tensor]:
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        batches = data.batches(min(batch_size, len(data)), seed=seed, labels=True)
        for k in bar(range(steps), desc="feature network", delay=1):
            x, labels = batches.batch(k)
            optimizer.zero_grad()
            F.cross_entropy(network(x), labels).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            sample = data.floats(torch.arange(min(len(data), 5000)))
            network.scale.copy_(network.body(2 * sample - 1).var(0).mean().sqrt())
        return network.state_dict()

    settings = (_VERSION, network, data.maximum, steps, batch_size, seed)
    key = _key((data.images, labels), settings)
    network.load_state_dict(cached(key, train) if cache else train())
    return network.eval().requires_grad_(False)


def _key(tensors: Iterable[Tensor], settings: Any) -> str:
    """A file's name, which changes with any value of the tensors and with any setting."""
    digest = hashlib.sha256(repr(settings).encode())
    for tensor in tensors:
        digest.update(repr((tensor.dtype, tensor.shape)).encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return f"features-{digest.hexdigest()[:32]}"
