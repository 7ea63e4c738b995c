"""The VAE itself: several draws, labels, and networks that do not fit together."""

import pytest
import torch

from gantut.models.vae import VAE
from gantut.networks import MLPDecoder, MLPEncoder

SHAPE = (1, 2, 2)


def test_labels_and_several_draws():
    vae = VAE(
        MLPEncoder(SHAPE, 2, hidden=(6,), classes=3),
        MLPDecoder(2, SHAPE, hidden=(6,), classes=3, seed=1),
    )
    x, labels = (
        torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 2, 1, 2]),
    )
    output = vae(x, labels, samples=5, generator=torch.Generator().manual_seed(1))
    for k in range(5):
        alone = vae.decode(output.z[k], labels).log_prob(x)
        assert torch.allclose(output.likelihood.log_prob(x)[k], alone, atol=1e-6)
    # Draws of one example differ, and follow its posterior's mean.
    many = vae(x, labels, samples=20_000, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(many.z.mean(0), many.posterior.mean, atol=0.05)


@torch.no_grad()
def test_each_part_of_a_reconstruction_gets_its_label():
    """Encoder and decoder by themselves, against networks called by hand."""
    encoder = MLPEncoder(SHAPE, 2, hidden=(6,), classes=3)
    decoder = MLPDecoder(2, SHAPE, hidden=(6,), classes=3, seed=1)
    vae, x = (
        VAE(encoder, decoder),
        torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0)),
    )
    for labels in (torch.tensor([0, 2, 1, 2]), torch.tensor([1, 1, 0, 2])):
        expected = decoder(encoder(x, labels)[0], labels).sigmoid()
        assert torch.allclose(vae.reconstruct(x, labels), expected, atol=1e-6)
        z = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
        drawn = vae.sample(4, labels, generator=torch.Generator().manual_seed(1))
        assert torch.allclose(drawn, decoder(z, labels).sigmoid(), atol=1e-6)
        assert not torch.allclose(expected, decoder(encoder(x, labels)[0], 0 * labels).sigmoid())


def test_one_draw_is_what_it_was():
    """Without ``samples`` there is no dimension for draws; with samples=1 there is, and the draw is
    the same.
    """
    vae = VAE(MLPEncoder(SHAPE, 2, hidden=(6,)), MLPDecoder(2, SHAPE, hidden=(6,), seed=1))
    x = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(0))
    one = vae(x, generator=torch.Generator().manual_seed(1))
    same = vae(x, samples=1, generator=torch.Generator().manual_seed(1))
    assert one.z.shape == (8, 2) and same.z.shape == (1, 8, 2)
    assert torch.equal(one.z, same.z[0])


def test_bad_input():
    encoder, decoder = MLPEncoder(SHAPE, 2, hidden=(6,)), MLPDecoder(2, SHAPE, hidden=(6,))
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        VAE(encoder, decoder)(torch.rand(2, *SHAPE), samples=0)
    message = r"shape: \(2, 2, 2\) \(this likelihood reads 2 numbers per value\) and \(1, 2, 2\)"
    with pytest.raises(ValueError, match=message):
        VAE(encoder, decoder, "gaussian_per_pixel")
    with pytest.raises(ValueError, match=r"disagree on shape: \(1, 2, 2\) and \(1, 3, 2\)"):
        VAE(encoder, MLPDecoder(2, (1, 3, 2)))
    with pytest.raises(ValueError, match="disagree on classes: 0 and 3"):
        VAE(encoder, MLPDecoder(2, SHAPE, classes=3))
