"""Differentiable changes of images, for what the discriminator sees: real and fake alike.

With few images D learns them by heart. Changing all that it sees, in its own step and in the
generator's, makes that harder, and because the changes are differentiable the generator still
receives its gradient. G does not learn to draw the changes as long as they can be undone on the
average: chance decides for each image anew whether and how it is changed. [zhao2020]
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gantut.numerics import chosen, expect
from gantut.processes import gathered

Change = Callable[[Tensor, torch.Generator | None], Tensor]


class Augment(Protocol):
    """What an augmentation has to be: ``augment(images, generator=None)`` to as many images.

    Args:
        x: images, (N, C, H, W).
        generator: the source of randomness; PyTorch's own without it.

    Returns:
        (N, C, H, W), each image changed by chance, differentiable in x.

    Example:
        >>> import torch
        >>> def mirrored(x, *, generator=None):
        ...     coins = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device) < 0.5
        ...     return torch.where(coins, x.flip(3), x)
        >>> mirrored(torch.zeros(2, 1, 4, 4)).shape
        torch.Size([2, 1, 4, 4])
    """

    def __call__(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor: ...


def _uniform(x: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """One draw per image, (N, 1, 1, 1)."""
    draws = torch.rand((len(x), 1, 1, 1), generator=generator, device=x.device, dtype=x.dtype)
    return low + (high - low) * draws


def brightness(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Add one number from [−½, ½] to all values of an image."""
    return x + _uniform(x, -0.5, 0.5, generator)


def contrast(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Stretch an image's distance from its mean by a factor from [½, 3/2]."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, x, _uniform(x, 0.5, 1.5, generator))


def saturation(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Stretch each pixel's distance from its grey value by a factor from [0, 2].

    A grey image stays as it is.
    """
    grey = x.mean(dim=1, keepdim=True)
    return torch.lerp(grey.expand_as(x), x, _uniform(x, 0.0, 2.0, generator))


def translate(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Move an image by up to an eighth of its side, whole pixels, and fill with zeros.

    The eighth is rounded down, but is at least one pixel.
    """
    height, width = x.shape[2:]
    reach = [max(1, side // 8) for side in (height, width)]
    padded = F.pad(x, (reach[1], reach[1], reach[0], reach[0]))
    index = []
    for side, most in zip((height, width), reach, strict=True):
        shift = torch.randint(2 * most + 1, (len(x), 1), generator=generator, device=x.device)
        index.append(shift + torch.arange(side, device=x.device))
    # Indices at dimensions 0, 2 and 3 with a slice between them put the channels last.
    batch = torch.arange(len(x), device=x.device)[:, None, None]
    return padded[batch, :, index[0][:, :, None], index[1][:, None, :]].permute(0, 3, 1, 2)


def cutout(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Blank a square of half the side anywhere, also where a part of it lies outside the image.

    An odd side is halved upwards. The square's middle lies on any of the image's pixels, or, where
    its own side is even, on any of the lines between and around them.
    """
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for dimension in (2, 3):
        side = x.shape[dimension]
        half = (side + 1) // 2
        size, middles = (len(x), 1, 1, 1), side + 1 - half % 2
        middle = torch.randint(middles, size, generator=generator, device=x.device)
        place = torch.arange(side, device=x.device) - (middle - half // 2)
        hidden = (place >= 0) & (place < half)  # (N, 1, 1, side)
        inside = inside & (hidden.transpose(2, 3) if dimension == 2 else hidden)
    return x * ~inside


CHANGES = {
    change.__name__: change for change in (brightness, contrast, saturation, translate, cutout)
}


def _named(names: Sequence[str]) -> list[Change]:
    return [chosen("augmentation", name, CHANGES) for name in names or CHANGES]


def _changed(
    x: Tensor,
    changes: Sequence[Change],
    probability: float | Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    expect(x.ndim == 4, "images (N, C, H, W)", x)
    for change in changes:
        changed = change(x, generator)
        x = torch.where(_uniform(x, 0.0, 1.0, generator) < probability, changed, x)
    return x


def augmentation(*names: str, probability: float = 1.0) -> Augment:
    """Change images by the named changes, one after the other, each with the given probability.

    Args:
        names: of "brightness" (add a number from [−½, ½]), "contrast" (stretch by [½, 3/2] about
            the image's mean), "saturation" (stretch by [0, 2] about grey), "translate" (move by up
            to an eighth of the side) and "cutout" (blank a square of half the side); all five if
            none is named. Values may leave [0, 1].
        probability: of each change for each image. Below 1 some images stay as they are, which
            keeps a change from being learned as part of the data. [karras2020ada]

    Returns:
        The augmentation.

    Raises:
        ValueError: an unknown change, or a probability outside [0, 1]; when called: not images
            (N, C, H, W).

    Example:
        >>> import torch
        >>> augment = augmentation("translate", "cutout")
        >>> augment(torch.rand(8, 1, 28, 28)).shape
        torch.Size([8, 1, 28, 28])

    Source: [zhao2020].
    """
    expect(0 <= probability <= 1, "a probability in [0, 1]", probability)
    return partial(_changed, changes=_named(names), probability=probability)


class AdaptiveAugment(nn.Module):
    """An augmentation whose probability p follows how much D overfits (ADA).

    D is sure of the images that it learns by heart, so the mean sign of its logits for real images,
    which is near 0 for an undecided D and 1 for one that is sure of all, says how far it has gone.
    The relativistic loss looks at differences alone and leaves that sign to chance: give it a plain
    ``augmentation``. p begins at 0. ``observe`` raises it while that mean is above the target, and
    lowers it below. p is a buffer, so it is saved with the weights.

    Args:
        names: the changes, as in ``augmentation``; all five if none is named.
        target: the mean sign to be kept; 0.6 is the paper's.
        images: how many real images it takes to move p from 0 to 1: 500,000 in the paper; less for
            a short training.
        most: where p stops. Below 0.8 the authors saw no change leak into the samples.

    Raises:
        ValueError: an unknown change, a target outside (−1, 1), a number of images below 1, a
            ``most`` outside [0, 1].

    Example:
        >>> import torch
        >>> augment = AdaptiveAugment("translate", images=1000)
        >>> for _ in range(5):  # five steps with 100 images, all judged real
        ...     augment.observe(torch.full((100,), 3.0))
        >>> round(augment.probability.item(), 3)
        0.5
        >>> augment(torch.rand(8, 1, 28, 28)).shape
        torch.Size([8, 1, 28, 28])

    Source: [karras2020ada].
    """

    probability: Tensor

    def __init__(
        self, *names: str, target: float = 0.6, images: int = 500_000, most: float = 0.8
    ) -> None:
        super().__init__()
        fits = -1 < target < 1 and images >= 1 and 0 <= most <= 1
        expect(fits, "target in (-1, 1), images ≥ 1, most in [0, 1]", target, images, most)
        self.changes = _named(names)
        self.target, self.images, self.most = target, images, most
        self.register_buffer("probability", torch.zeros(()))

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Change images, each by each change with probability p.

        Args:
            x: images, (N, C, H, W).
            generator: the source of randomness; PyTorch's own without it.

        Returns:
            (N, C, H, W).

        Raises:
            ValueError: x is no batch of images.

        Example:
            >>> import torch
            >>> x = torch.rand(8, 1, 28, 28)
            >>> torch.equal(AdaptiveAugment()(x), x)  # p is still 0
            True
        """
        return _changed(x, self.changes, self.probability, generator)

    @torch.no_grad()
    def observe(self, real_logits: Tensor) -> None:
        """Move p by the share of its way that this batch is worth; call it after D's step.

        Args:
            real_logits: D's logits for real images as it saw them, augmented, (N,). With several
                processes the signs of all are averaged.

        Example:
            >>> import torch
            >>> augment = AdaptiveAugment(images=10)
            >>> augment.observe(torch.tensor([1.0, 1.0]))
            >>> augment.observe(torch.tensor([1.0, -1.0]))
            >>> augment.probability.item()
            0.0
        """
        logits = gathered(real_logits.detach())
        direction = (logits.sign().mean() - self.target).sign()
        moved = self.probability + direction * (len(logits) / self.images)
        self.probability.copy_(moved.clamp(0, self.most))
