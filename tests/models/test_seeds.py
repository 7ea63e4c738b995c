"""Whatever takes a seed begins from it alone, and draws from the generator it is given alone."""

import pytest
import torch

from gantut import models, networks
from gantut.models.code_priors import UniformCodes

SHAPE = (1, 4, 4)

SEEDED = {
    "codebook": lambda **o: models.VectorQuantiser(4, 2, **o),
    "residual": lambda **o: models.ResidualQuantiser(3, 4, 2, **o),
    "mixture": lambda **o: models.MixturePrior(2, 3, **o),
    "codes": lambda **o: models.AutoregressiveCodes(4, (2, 2), width=4, **o),
    "velocity": lambda **o: models.VelocityMLP(2, hidden=(4,), **o),
}


def first(make, **options):
    return torch.cat([value.flatten().double() for value in make(**options).state_dict().values()])


@pytest.mark.parametrize("make", SEEDED.values(), ids=SEEDED)
def test_first_values_are_the_seed_s(make):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    usual, another = first(make, seed=3), first(make, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    assert torch.equal(usual, first(make, seed=3)) and not torch.equal(usual, another)


def test_the_layers_of_a_residual_quantiser_begin_differently_and_at_the_scale_of_the_data():
    books = [book.codebook for book in models.ResidualQuantiser(3, 400, 16, seed=1).books]
    assert all(not torch.equal(one, other) for one, other in zip(books, books[1:], strict=False))
    for book in books:  # N(0, 1/d)
        assert book.std().item() == pytest.approx(0.25, rel=0.05)


def vqvae():
    encoder, decoder = networks.GridEncoder(SHAPE, 2, width=4), networks.GridDecoder(2, SHAPE)
    return models.VQVAE(encoder, 4, decoder)


def ladder():
    encoders = [networks.MLPEncoder(SHAPE, 3), networks.MLPEncoder((3,), 2)]
    prior, decoder = networks.MLPEncoder((2,), 3), networks.MLPDecoder(5, SHAPE)
    return models.HierarchicalVAE(encoders, [prior], decoder)


DRAWING = {
    "vae": lambda: models.VAE(networks.MLPEncoder(SHAPE, 2), networks.MLPDecoder(2, SHAPE)),
    "mixture": lambda: models.VAE(
        networks.MLPEncoder(SHAPE, 2),
        networks.MLPDecoder(2, SHAPE),
        prior=models.MixturePrior(2, 3),
    ),
    "ladder": ladder,
    "vqvae": vqvae,
    "uniform codes": lambda: UniformCodes(4, (2, 3)),
    "codes": lambda: models.AutoregressiveCodes(4, (2, 3), width=4),
    "flow": lambda: models.Flow(models.VelocityMLP(2, hidden=(4,))),
}


@torch.no_grad()
@pytest.mark.parametrize("make", DRAWING.values(), ids=DRAWING)
def test_draws_come_from_the_generator_alone(make):
    model = make()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    usual, again, another = (
        model.sample(8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(usual, again) and not torch.equal(usual, another)
    if hasattr(model, "latent_dim"):
        x = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0))
        z = [model(x, generator=torch.Generator().manual_seed(seed)).z for seed in (0, 0, 1)]
        assert torch.equal(z[0], z[1]) and not torch.equal(z[0], z[2])
        assert torch.equal(model.reconstruct(x), model.reconstruct(x))
    assert torch.equal(torch.get_rng_state(), before)
