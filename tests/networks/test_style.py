"""The generator with a style: the way by w, its norms by hand, folded pixels, bad input."""

import pytest
import torch
import torch.nn.functional as F

from gantut.networks import ResidualDiscriminator, StyleGenerator
from gantut.networks.style import StyledNorm


def noise(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def perturbed(network, seed=0):
    """The network after a random step: no weight is exactly zero any more."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=g))
    return network


def small(**options):
    return StyleGenerator(6, (3, 16, 24), planes=(8, 4), style=5, hidden=7, **options)


def test_an_image_is_a_function_of_its_style():
    G = perturbed(small()).eval()
    z = noise(4, 6)
    images = G(z)
    assert images.shape == (4, 3, 16, 24)
    assert images.min().item() > 0 and images.max().item() < 1 and images.std().item() > 1e-3
    assert torch.equal(images, G.draw(G.mapping(z)))
    # Each image depends on its own noise alone.
    torch.testing.assert_close(images[2:3], G(z[2:3]))


def test_a_styled_norm_by_hand():
    """In training every plane has mean b(w) and deviation a(w) before the activation."""
    layer, x, w = perturbed(StyledNorm(4, 5)), 3 * noise(6, 4, 6, 8) + 1, noise(6, 5, seed=1)
    scale, shift = (w @ layer.affine.weight.T + layer.affine.bias).split(4, 1)
    mean, std = x.mean((0, 2, 3)), x.std((0, 2, 3), correction=0)
    h = (x.movedim(1, 3) - mean) / std * (1 + scale)[:, None, None] + shift[:, None, None]
    torch.testing.assert_close(
        layer(x, w), F.leaky_relu(h, 0.2).movedim(3, 1), rtol=1e-3, atol=1e-4
    )


def test_the_style_reaches_every_size():
    """With the lowest planes held, another style still changes the image."""
    G = perturbed(small()).eval()
    w, other = noise(2, 5), noise(2, 5, seed=1)
    h = G.norms[0](G.start(w).reshape(-1, *G.lowest), w)
    same, changed = (G.norms[1](G.climbs[0](h), style) for style in (w, other))
    assert (same - changed).abs().mean() > 0.01 * same.abs().mean()


def test_the_first_weights_are_the_seeds():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a, b, c = small(seed=3), small(seed=3), small(seed=4)
    assert torch.equal(before, torch.get_rng_state())
    z = noise(2, 6)
    assert torch.equal(a(z), b(z)) and not torch.equal(a(z), c(z))


def test_a_folded_discriminator_reads_the_same_pixels():
    """Folding 2×2 pixels by hand and reading 12 channels is the same."""
    D = perturbed(ResidualDiscriminator((3, 16, 16), width=4, fold=2))
    plain = ResidualDiscriminator((12, 8, 8), width=4)
    plain.load_state_dict(dict(zip(plain.state_dict(), D.state_dict().values(), strict=True)))
    x = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    corners = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
    by_hand = torch.stack(corners, 2).flatten(1, 2)  # red's four corners first
    torch.testing.assert_close(D(x), plain(by_hand))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (3, 17, 16)}, "17×16"),
        ({"planes": (8, 0)}, "planes"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"style": 0}, "style"),
    ],
)
def test_bad_input(change, message):
    options = {"latent_dim": 6, "shape": (3, 16, 16), "planes": (8, 4)} | change
    with pytest.raises(ValueError, match=message):
        StyleGenerator(options.pop("latent_dim"), options.pop("shape"), **options)


def test_noise_of_another_shape():
    with pytest.raises(ValueError, match="noise z"):
        small()(noise(2, 5))


def test_a_fold_that_does_not_fit():
    with pytest.raises(ValueError, match="fold"):
        ResidualDiscriminator((3, 16, 16), fold=0)
    with pytest.raises(ValueError, match="fold"):
        ResidualDiscriminator((3, 18, 15), fold=2)
