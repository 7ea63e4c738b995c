"""Write the data that the widgets draw with: densities of the library, and a trained decoder and
generator of two-dimensional codes.

    python .ci/play.py [densities] [decoders]      (both, unless one is named)

The decoder is the one of chapter 8's map of all digits, with smaller layers and more steps; the
generator has the same layers, and learns against a convolutional discriminator. Weights are stored
in half precision: what the browser gets is what is measured here.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from gantut import data, losses, metrics, networks, training
from gantut.files import put
from gantut.models.vae import VAE

PLAY = Path(__file__).resolve().parent.parent / "book" / "_static" / "play"
HIDDEN, CODES = (64, 128), 600
# What the playground offers; everything lies within −2.6 … 2.6.
DENSITIES = {
    "ring": data.ring(std=0.1),
    "grid": data.grid(spacing=1.0, std=0.08),
    "two_moons": data.two_moons(std=0.08),
    "spirals": data.spirals(),
    "pinwheel": data.pinwheel(),
}


def script(name: str, content: dict) -> None:
    """A file that a page opened from a disk can load: a script that sets ``gantut.NAME``."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    head = "// Written by .ci/play.py.\nwindow.gantut = window.gantut || {};\n"
    put(PLAY / f"{name}.js", f"{head}window.gantut.{name} = {text};\n".encode())


def densities() -> None:
    def points(tensor: Tensor) -> list:
        return [[round(v, 4) for v in row] for row in tensor.tolist()]

    script(
        "densities",
        {
            name: {"centres": points(d.centres), "std": d.std, "modes": points(d.modes)}
            for name, d in DENSITIES.items()
        },
    )


def halved(network: nn.Module) -> nn.Module:
    """The network with every weight rounded to half precision."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    return network


def packed(*tensors: Tensor) -> str:
    """Numbers in half precision as text."""
    numbers = torch.cat([tensor.detach().flatten() for tensor in tensors]).half()
    return base64.b64encode(numbers.numpy().astype("<f2").tobytes()).decode()


def train_vae(glyphs) -> VAE:
    vae = VAE(
        networks.MLPEncoder(glyphs.shape, 2, hidden=HIDDEN[::-1], seed=0),
        networks.MLPDecoder(2, glyphs.shape, hidden=HIDDEN, seed=1),
    )
    trainer = training.VAETrainer(vae, lr=2e-3, ema=0.995, device="cpu")
    trainer.fit(glyphs.batches(128, seed=0), 4000)
    return trainer.model


def train_generator(glyphs):
    trainer = training.GANTrainer(
        networks.MLPGenerator(2, glyphs.shape, hidden=HIDDEN, seed=0),
        networks.ConvDiscriminator(glyphs.shape, width=16, spectral_norm=True, seed=1),
        loss="hinge",
        device="cpu",
    )
    trainer.fit(glyphs.batches(64, seed=0), 2500)
    return trainer.ema.network


@torch.no_grad()
def decoders() -> None:
    torch.manual_seed(0)
    glyphs, held_out = data.glyphs(20_000), data.glyphs(10_000, split="test")
    with torch.enable_grad():
        vae, generator, eye = (
            train_vae(glyphs),
            train_generator(glyphs),
            metrics.feature_network(glyphs),
        )
    decoder, generator = halved(vae.decoder), halved(generator)
    x, labels = held_out.floats(torch.arange(CODES)), held_out.labels[:CODES]
    codes = vae.encode(x).mean.half().float()
    distortion = losses.softplus(decoder(codes)).sub(x * decoder(codes)).flatten(1).sum(1).mean()
    z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    real = eye.extract(held_out.floats(torch.arange(2000, 4000))).features
    fid = {
        name: metrics.fid(real, eye.extract(images).features)
        for name, images in (("vae", decoder(z).sigmoid()), ("gan", generator(z)))
    }
    print(f"distortion at the mean code {distortion:.1f} nats, FID of 2,000 samples {fid}")
    script(
        "decoders",
        {
            "shape": glyphs.shape,
            "widths": [2, *HIDDEN, glyphs.shape[1] * glyphs.shape[2]],
            "vae": packed(*decoder.parameters()),
            "gan": packed(*generator.parameters()),
            "codes": packed(codes),
            "labels": "".join(map(str, labels.tolist())),
            "distortion": round(distortion.item(), 1),
            "fid": {name: round(float(value), 1) for name, value in fid.items()},
        },
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or ("densities", "decoders"):
        {"densities": densities, "decoders": decoders}[name]()
