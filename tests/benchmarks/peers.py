"""Public training scripts, rewritten by us from what they publish: networks, batch, optimizers,
data path, order of the steps.

Each network is a plain stack that ends in tanh or in logits. A peer's loop trains it as its script
does; ``as_ours`` dresses the same stack for images in [0, 1], for the plainest loop and for our
trainers. What a script writes or prints once an epoch is left out, and so is a last batch that is
not full.
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.autograd import grad
from torch.nn import functional as F
from torch.optim import Adam
from torchvision import transforms

from gantut import data

IMAGES = 20_000
PYTORCH_GAN = "eriklindernoren/PyTorch-GAN"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is published beside the networks."""

    batch: int
    latent: int
    size: int
    adam: dict[str, Any]
    adam_d: dict[str, Any] | None = None
    device: str = "cpu"

    @property
    def shape(self) -> tuple[int, int, int]:
        return 1, self.size, self.size


# -- the data path ---------------------------------------------------------------------------------


class PILImages(torch.utils.data.Dataset):
    """One PIL image at a time, with its label.

    ``afresh`` makes it from an array each time, as torchvision's MNIST does.
    """

    def __init__(
        self, size: int, transform: Callable[[Image.Image], Tensor], *, afresh: bool = False
    ) -> None:
        source = data.glyphs(IMAGES)
        self.arrays, self.labels = (
            [image[0].numpy() for image in source.images],
            source.labels.tolist(),
        )
        resize = transforms.Resize(size)
        self.images = None if afresh else [resize(Image.fromarray(array)) for array in self.arrays]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.arrays[index]) if self.images is None else self.images[index]
        return self.transform(image), self.labels[index]


def endless(dataset: PILImages, batch: int, device: str) -> Iterator[Tensor]:
    batches = torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=True, drop_last=True)
    while True:
        yield from (x.to(device) for x, _ in batches)


def published(s: Settings) -> Iterator[Tensor]:
    """Per image: made from an array, resized, turned into a tensor, moved to [−1, 1]."""
    steps = [transforms.Resize(s.size), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    return endless(PILImages(s.size, transforms.Compose(steps), afresh=True), s.batch, s.device)


def numpy_noise(s: Settings) -> Tensor:
    """Drawn by NumPy in double precision and then converted."""
    return torch.FloatTensor(np.random.normal(0, 1, (s.batch, s.latent))).to(s.device)  # noqa: NPY002 (as published)


# -- the networks ----------------------------------------------------------------------------------


def mlp_pair(s: Settings) -> tuple[nn.Module, nn.Module]:
    """gan.py and wgan_gp.py: BatchNorm with ε = 0.8 on all hidden layers of G but the first, none
    in D.
    """
    G: list[nn.Module] = [nn.Linear(s.latent, 128), nn.LeakyReLU(0.2, inplace=True)]
    for width in (128, 256, 512):
        G += [
            nn.Linear(width, 2 * width),
            nn.BatchNorm1d(2 * width, eps=0.8),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    pixels = math.prod(s.shape)
    D: list[nn.Module] = [nn.Flatten()]
    for before, after in ((pixels, 512), (512, 256)):
        D += [nn.Linear(before, after), nn.LeakyReLU(0.2, inplace=True)]
    G += [nn.Linear(1024, pixels), nn.Tanh(), nn.Unflatten(1, s.shape)]
    return nn.Sequential(*G), nn.Sequential(*D, nn.Linear(256, 1))


def upsampling_pair(s: Settings) -> tuple[nn.Module, nn.Module]:
    """dcgan.py: nearest-neighbour upsampling and 3×3 convolutions in G; strided convolutions with
    dropout in D.
    """
    side = s.size // 4
    G: list[nn.Module] = [
        nn.Linear(s.latent, 128 * side**2),
        nn.Unflatten(1, (128, side, side)),
        nn.BatchNorm2d(128),
    ]
    for before, after in ((128, 128), (128, 64)):
        G += [
            nn.Upsample(scale_factor=2),
            nn.Conv2d(before, after, 3, 1, 1),
            nn.BatchNorm2d(after, eps=0.8),
        ]
        G += [nn.LeakyReLU(0.2, inplace=True)]
    G += [nn.Conv2d(64, 1, 3, 1, 1), nn.Tanh()]
    D: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 64), (64, 128)):
        D += [
            nn.Conv2d(before, after, 3, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout2d(0.25),
        ]
        D += [nn.BatchNorm2d(after, eps=0.8)] if before > 1 else []
    pair = (
        nn.Sequential(*G),
        nn.Sequential(*D, nn.Flatten(), nn.Linear(128 * (s.size // 16) ** 2, 1)),
    )
    for module in (m for network in pair for m in network.modules()):
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)
    return pair


def transposed_pair(s: Settings, planes: int = 32) -> tuple[nn.Module, nn.Module]:
    """torchgan's DCGAN at 32×32 with 32 planes, as its first tutorial builds it; its D ends in a
    LeakyReLU.
    """
    G: list[nn.Module] = [
        nn.Unflatten(1, (s.latent, 1, 1)),
        nn.ConvTranspose2d(s.latent, 4 * planes, 4, bias=False),
    ]
    G += [nn.BatchNorm2d(4 * planes), nn.LeakyReLU(0.2)]
    D: list[nn.Module] = [nn.Conv2d(1, planes, 4, 2, 1), nn.LeakyReLU(0.2)]
    for factor in (1, 2):
        up, down = 4 * planes // factor, planes * factor
        G += [
            nn.ConvTranspose2d(up, up // 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(up // 2),
            nn.LeakyReLU(0.2),
        ]
        D += [
            nn.Conv2d(down, 2 * down, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * down),
            nn.LeakyReLU(0.2),
        ]
    G += [nn.ConvTranspose2d(planes, 1, 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*G), nn.Sequential(
        *D, nn.Conv2d(4 * planes, 1, 4, bias=False), nn.LeakyReLU(0.2)
    )


class VAEEncoder(nn.Module):
    """784 – 400 – 20 and 20, ReLU."""

    latent_dim, shape, classes = 20, (1, 28, 28), 0

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.mean, self.log_variance = (
            nn.Linear(784, 400),
            nn.Linear(400, 20),
            nn.Linear(400, 20),
        )

    def forward(self, x: Tensor, labels: None = None) -> tuple[Tensor, Tensor]:
        h = F.relu(self.hidden(x.flatten(1)))
        return self.mean(h), self.log_variance(h)


class VAEDecoder(nn.Module):
    """20 – 400 – 784 logits, ReLU."""

    latent_dim, shape, classes = 20, (1, 28, 28), 0

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.pixels = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, z: Tensor, labels: None = None) -> Tensor:
        return self.pixels(F.relu(self.hidden(z))).unflatten(1, self.shape)


class Generating(nn.Module):
    """A stack that ends in tanh, as a generator of images in [0, 1]."""

    classes = 0

    def __init__(self, stack: nn.Module, s: Settings) -> None:
        super().__init__()
        self.stack, self.latent_dim, self.shape = stack, s.latent, s.shape

    def forward(self, z: Tensor, labels: None = None) -> Tensor:
        return (self.stack(z) + 1) / 2


class Judging(nn.Module):
    """A stack that wants images in [−1, 1], as a discriminator of images in [0, 1] with logits
    (N,).
    """

    classes = 0

    def __init__(self, stack: nn.Module, s: Settings) -> None:
        super().__init__()
        self.stack, self.shape = stack, s.shape

    def forward(self, x: Tensor, labels: None = None) -> Tensor:
        return self.stack(2 * x - 1).flatten()


def as_ours(first: nn.Module, second: nn.Module, s: Settings) -> tuple[nn.Module, nn.Module]:
    return (
        (first, second)
        if isinstance(first, VAEEncoder)
        else (Generating(first, s), Judging(second, s))
    )


# -- the loops -------------------------------------------------------------------------------------


def pytorch_gan(G: nn.Module, D: nn.Module, s: Settings) -> Iterator[tuple[float, ...]]:
    """gan.py, dcgan.py: probabilities and BCELoss; G moves first, with gradients into D; a line
    printed in every step.
    """
    loss, told = nn.BCELoss(), io.StringIO()
    to_G, to_D = Adam(G.parameters(), **s.adam), Adam(D.parameters(), **s.adam)
    for real in published(s):
        valid = torch.ones(len(real), 1, device=s.device)
        fake = torch.zeros(len(real), 1, device=s.device)
        to_G.zero_grad()
        made = G(numpy_noise(s))
        g_loss = loss(torch.sigmoid(D(made).flatten(1)), valid)
        g_loss.backward()
        to_G.step()
        to_D.zero_grad()
        on_real = loss(torch.sigmoid(D(real).flatten(1)), valid)
        on_fake = loss(torch.sigmoid(D(made.detach()).flatten(1)), fake)
        d_loss = (on_real + on_fake) / 2
        d_loss.backward()
        to_D.step()
        told.write(f"D {d_loss.item():f} G {g_loss.item():f}\n")
        yield d_loss.item(), g_loss.item()


def pytorch_gan_wgan_gp(G: nn.Module, D: nn.Module, s: Settings) -> Iterator[tuple[float, ...]]:
    """wgan_gp.py: the critic's loss runs back into G; G moves in every fifth step, on the noise of
    the critic's.
    """
    to_G, to_D = Adam(G.parameters(), **s.adam), Adam(D.parameters(), **s.adam)
    told, g_loss = io.StringIO(), torch.zeros(())
    for number, real in enumerate(published(s)):
        to_D.zero_grad()
        z = numpy_noise(s)
        made = G(z)
        on_real, on_fake = D(real), D(made)
        share = torch.FloatTensor(np.random.random((len(real), 1, 1, 1))).to(s.device)  # noqa: NPY002 (as published)
        between = (share * real.data + (1 - share) * made.data).requires_grad_(True)
        score = D(between)
        (slope,) = grad(
            score, between, torch.ones_like(score), create_graph=True, retain_graph=True
        )
        d_loss = (
            -on_real.mean()
            + on_fake.mean()
            + 10 * ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
        )
        d_loss.backward()
        to_D.step()
        to_G.zero_grad()
        if number % 5 == 0:
            g_loss = -D(G(z)).mean()
            g_loss.backward()
            to_G.step()
            told.write(f"D {d_loss.item():f} G {g_loss.item():f}\n")
        yield d_loss.item(), g_loss.item()


def torchgan(G: nn.Module, D: nn.Module, s: Settings) -> Iterator[tuple[float, ...]]:
    """torchgan's trainer with its minimax losses: each player makes its own fakes, and gradients
    are measured, then cleared.
    """
    to_G, to_D = Adam(G.parameters(), **s.adam), Adam(D.parameters(), **(s.adam_d or s.adam))
    for real in published(s):
        to_G.zero_grad()
        score = D(G(torch.randn(s.batch, s.latent, device=s.device)))
        g_loss = F.binary_cross_entropy_with_logits(score, torch.ones_like(score))
        g_loss.backward()
        to_G.step()
        values = [g_loss.item()]
        measure_and_clear(G)
        to_D.zero_grad()
        on_real = D(real)
        made = G(torch.randn(s.batch, s.latent, device=s.device))
        on_fake = D(made.detach())
        d_loss = F.binary_cross_entropy_with_logits(on_real, torch.ones_like(on_real))
        d_loss += F.binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake))
        d_loss.backward()
        to_D.step()
        values.append(d_loss.item())
        measure_and_clear(D)
        yield values[1], values[0]


def measure_and_clear(network: nn.Module) -> float:
    total = sum((p.grad**2).sum().item() for p in network.parameters() if p.grad is not None)
    if total > 1e-5:
        network.zero_grad()
    return total


def pytorch_vae(encoder: nn.Module, decoder: nn.Module, s: Settings) -> Iterator[tuple[float, ...]]:
    """The VAE of pytorch/examples: sigmoid, cross-entropy of probabilities, all terms summed over
    the batch.
    """
    optimizer = Adam([*encoder.parameters(), *decoder.parameters()], **s.adam)
    images = PILImages(s.size, transforms.ToTensor(), afresh=True)
    for x in endless(images, s.batch, s.device):
        optimizer.zero_grad()
        mean, log_variance = encoder(x)
        deviation = torch.exp(0.5 * log_variance)
        rebuilt = torch.sigmoid(decoder(mean + torch.randn_like(deviation) * deviation)).flatten(1)
        distortion = F.binary_cross_entropy(rebuilt, x.flatten(1), reduction="sum")
        rate = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        loss = distortion + rate
        loss.backward()
        optimizer.step()
        yield (loss.item() / len(x),)


class Peer(NamedTuple):
    source: str
    settings: Settings
    networks: Callable[[Settings], tuple[nn.Module, nn.Module]]
    loop: Callable[[nn.Module, nn.Module, Settings], Iterator[tuple[float, ...]]]


_ADAM = {"lr": 2e-4, "betas": (0.5, 0.999)}
_TORCHGAN = {"lr": 1e-4, "betas": (0.5, 0.999)}
PEERS = {
    "gan": Peer(f"{PYTORCH_GAN} gan.py", Settings(64, 100, 28, _ADAM), mlp_pair, pytorch_gan),
    "vae": Peer(
        "pytorch/examples vae",
        Settings(128, 20, 28, {"lr": 1e-3}),
        lambda s: (VAEEncoder(), VAEDecoder()),
        pytorch_vae,
    ),
    "wgan_gp": Peer(
        f"{PYTORCH_GAN} wgan_gp.py",
        Settings(64, 100, 28, _ADAM),
        mlp_pair,
        pytorch_gan_wgan_gp,
    ),
    "dcgan": Peer(
        f"{PYTORCH_GAN} dcgan.py", Settings(64, 100, 32, _ADAM), upsampling_pair, pytorch_gan
    ),
    "torchgan": Peer(
        "torchgan, DCGAN 32×32",
        Settings(64, 100, 32, _TORCHGAN, {"lr": 3e-4, "betas": (0.5, 0.999)}),
        transposed_pair,
        torchgan,
    ),
}
