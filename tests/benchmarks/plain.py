"""The plainest loops: what anyone writes first. Each yields its losses after every step.

A ``DataLoader`` over PIL images with ``ToTensor``, default Adam, noise from NumPy, one G pass whose
fakes D reuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from peers import PILImages, Settings, endless
from torch import Tensor, nn
from torch.optim import Adam
from torchvision import transforms

Loop = Callable[[nn.Module, nn.Module, Settings], Iterator[tuple[float, ...]]]


def batches(s: Settings) -> Iterator[Tensor]:
    """Images in [0, 1], made once as PIL images of the right size."""
    return endless(PILImages(s.size, transforms.ToTensor()), s.batch, s.device)


def noise(source: np.random.Generator, s: Settings) -> Tensor:
    return torch.tensor(
        source.normal(0, 1, (s.batch, s.latent)), dtype=torch.float32, device=s.device
    )


def gan(G: nn.Module, D: nn.Module, s: Settings) -> Iterator[tuple[float, ...]]:
    """G moves first with gradients that also run into D's weights; D then sees the same fakes,
    detached.
    """
    to_G, to_D = Adam(G.parameters(), **s.adam), Adam(D.parameters(), **s.adam)
    loss, source = nn.BCEWithLogitsLoss(), np.random.default_rng(0)
    valid, fake = torch.ones(s.batch, device=s.device), torch.zeros(s.batch, device=s.device)
    for real in batches(s):
        to_G.zero_grad()
        images = G(noise(source, s))
        g_loss = loss(D(images), valid)
        g_loss.backward()
        to_G.step()
        to_D.zero_grad()
        d_loss = (loss(D(real), valid) + loss(D(images.detach()), fake)) / 2
        d_loss.backward()
        to_D.step()
        yield d_loss.item(), g_loss.item()


def wgan_gp(G: nn.Module, D: nn.Module, s: Settings) -> Iterator[tuple[float, ...]]:
    """The critic's loss runs back into G, whose step in every fifth round draws new fakes."""
    to_G, to_D = Adam(G.parameters(), **s.adam), Adam(D.parameters(), **s.adam)
    source, g_loss = np.random.default_rng(0), torch.zeros(())
    for number, real in enumerate(batches(s)):
        to_D.zero_grad()
        images = G(noise(source, s))
        d_loss = -D(real).mean() + D(images).mean() + 10 * slope(D, real, images.detach())
        d_loss.backward()
        to_D.step()
        if number % 5 == 0:
            to_G.zero_grad()
            g_loss = -D(G(noise(source, s))).mean()
            g_loss.backward()
            to_G.step()
        yield d_loss.item(), g_loss.item()


def slope(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (share * real + (1 - share) * fake).requires_grad_(True)
    (gradient,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


def vae(encoder: nn.Module, decoder: nn.Module, s: Settings) -> Iterator[tuple[float, ...]]:
    """Cross-entropy of logits, closed-form KL, both summed over pixels or codes and averaged over
    the batch.
    """
    optimizer = Adam([*encoder.parameters(), *decoder.parameters()], **s.adam)
    for x in batches(s):
        optimizer.zero_grad()
        mean, log_variance = encoder(x)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        cross_entropy = nn.functional.binary_cross_entropy_with_logits(
            decoder(z), x, reduction="sum"
        )
        divergence = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())
        loss = (cross_entropy + divergence) / len(x)
        loss.backward()
        optimizer.step()
        yield (loss.item(),)
