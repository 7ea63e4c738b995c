"""The plainest loops: what the public scripts do, step by step, on our networks. Each yields its losses after every step.

``as_published`` adds what the scripts do to each image on its way: made from an array, and for the GANs resized and normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torchvision import transforms

from gantut import data

BATCH, LATENT, SHAPE, IMAGES = 64, 100, (1, 28, 28), 20_000
PUBLISHED = {"lr": 2e-4, "betas": (0.5, 0.999)}


class PILImages(torch.utils.data.Dataset):
    """One PIL image at a time, with its label; as published, it is made from an array each time, as torchvision's sets do."""

    def __init__(self, transform: Callable[[Image.Image], Tensor], as_published: bool) -> None:
        source = data.glyphs(IMAGES)
        self.arrays, self.labels = [image[0].numpy() for image in source.images], source.labels.tolist()
        self.as_published = as_published
        self.images, self.transform = [Image.fromarray(array) for array in self.arrays], transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.arrays[index]) if self.as_published else self.images[index]
        return self.transform(image), self.labels[index]


def loader(as_published: bool, *, normalised: bool = True) -> Iterator[Tensor]:
    transform = transforms.ToTensor()
    if as_published and normalised:
        # Normalize does its work and changes nothing, since the networks centre their images themselves.
        transform = transforms.Compose([transforms.Resize(28), transform, transforms.Normalize([0.0], [1.0])])
    batches = torch.utils.data.DataLoader(
        PILImages(transform, as_published), batch_size=BATCH, shuffle=True, drop_last=True
    )
    while True:
        yield from (x for x, _ in batches)


def noise(source: np.random.Generator) -> Tensor:
    return torch.tensor(source.normal(0, 1, (BATCH, LATENT)), dtype=torch.float32)


def gan(G: nn.Module, D: nn.Module, as_published: bool) -> Iterator[tuple[float, ...]]:
    """G moves first with gradients that also run into D's weights; D then sees the same fakes, detached."""
    to_G, to_D = Adam(G.parameters(), **PUBLISHED), Adam(D.parameters(), **PUBLISHED)
    loss, source = nn.BCEWithLogitsLoss(), np.random.default_rng(0)
    valid, fake = torch.ones(BATCH), torch.zeros(BATCH)
    for real in loader(as_published):
        to_G.zero_grad()
        images = G(noise(source))
        g_loss = loss(D(images), valid)
        g_loss.backward()
        to_G.step()
        to_D.zero_grad()
        d_loss = (loss(D(real), valid) + loss(D(images.detach()), fake)) / 2
        d_loss.backward()
        to_D.step()
        yield d_loss.item(), g_loss.item()


def wgan_gp(G: nn.Module, D: nn.Module, as_published: bool) -> Iterator[tuple[float, ...]]:
    """The critic's loss runs back into G, whose step in every fifth round draws new fakes."""
    to_G, to_D = Adam(G.parameters(), **PUBLISHED), Adam(D.parameters(), **PUBLISHED)
    source, g_loss = np.random.default_rng(0), torch.zeros(())
    for number, real in enumerate(loader(as_published)):
        to_D.zero_grad()
        images = G(noise(source))
        d_loss = -D(real).mean() + D(images).mean() + 10 * slope(D, real, images.detach(), source)
        d_loss.backward()
        to_D.step()
        to_G.zero_grad()
        if number % 5 == 0:
            g_loss = -D(G(noise(source))).mean()
            g_loss.backward()
            to_G.step()
        yield d_loss.item(), g_loss.item()


def slope(D: nn.Module, real: Tensor, fake: Tensor, source: np.random.Generator) -> Tensor:
    share = torch.tensor(source.random((BATCH, 1, 1, 1)), dtype=torch.float32)
    between = (share * real + (1 - share) * fake).requires_grad_(True)
    score = D(between)
    ones = torch.ones_like(score)
    (gradient,) = torch.autograd.grad(score, between, ones, create_graph=True, retain_graph=True, only_inputs=True)
    return ((gradient.view(BATCH, -1).norm(2, dim=1) - 1) ** 2).mean()


def vae(encoder: nn.Module, decoder: nn.Module, as_published: bool) -> Iterator[tuple[float, ...]]:
    """Sigmoid, cross-entropy of probabilities, closed-form KL, all summed."""
    optimizer = Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    for x in loader(as_published, normalised=False):
        optimizer.zero_grad()
        mean, log_variance = encoder(x)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        cross_entropy = F.binary_cross_entropy(torch.sigmoid(decoder(z)), x, reduction="sum")
        divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        loss = cross_entropy + divergence
        loss.backward()
        optimizer.step()
        yield (loss.item(),)
