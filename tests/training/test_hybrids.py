"""VAE-GAN, adversarial autoencoder and BiGAN: each step against the same step by hand, and what
each must refuse.
"""

import copy

import pytest
import torch
import torch.nn.functional as F

from gantut.losses import LOSSES, feature_distance, r1, rate
from gantut.models.vae import VAE
from gantut.networks import (
    ConvDiscriminator,
    DCGANDiscriminator,
    MLPDecoder,
    MLPDiscriminator,
    MLPEncoder,
    MLPGenerator,
    PairDiscriminator,
)
from gantut.training import AAETrainer, BiGANTrainer, CheckpointError, VAEGANTrainer

SHAPE = (1, 4, 4)


class Images:
    def __init__(self, classes=0, size=16):
        self.classes, self.size = classes, size

    def batch(self, k):
        x = torch.rand(self.size, *SHAPE, generator=torch.Generator().manual_seed(k))
        return (x, torch.arange(self.size) % self.classes) if self.classes else x


def small_vae(classes=0):
    return VAE(
        MLPEncoder(SHAPE, 3, hidden=(16,), classes=classes),
        MLPDecoder(3, SHAPE, hidden=(16,), classes=classes, seed=1),
    )


def vaegan(classes=0, **options):
    return VAEGANTrainer(
        small_vae(classes),
        MLPDiscriminator(SHAPE, hidden=(16,), classes=classes, seed=2),
        **options,
    )


def aae(classes=0, **options):
    return AAETrainer(
        small_vae(classes), MLPDiscriminator((3,), hidden=(16,), classes=classes, seed=2), **options
    )


def bigan(classes=0, **options):
    D = PairDiscriminator(
        MLPDiscriminator(SHAPE, hidden=(16,), classes=classes, seed=2), 3, hidden=(16,)
    )
    G = MLPGenerator(3, SHAPE, hidden=(16,), classes=classes)
    return BiGANTrainer(G, MLPEncoder(SHAPE, 3, hidden=(16,), classes=classes), D, **options)


MAKERS = {"vaegan": vaegan, "aae": aae, "bigan": bigan}


def adam_step(parameters, loss, lr, betas):
    """One Adam step of fresh optimizers, from gradients by autograd.grad; the new values, without
    touching the old ones.
    """
    parameters = list(parameters)
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
    optimizer = torch.optim.Adam(parameters, lr=lr, betas=betas)
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g
    optimizer.step()


def equal(network, other):
    for (name, p), q in zip(network.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6), name


def normal(generator, *size):
    return torch.randn(*size, generator=generator, dtype=torch.float64)


def test_one_vaegan_step_by_hand():
    """Three players, each differentiated alone: what belongs to the others must not leak in."""
    trainer = vaegan(
        gamma=0.3, penalty=r1(0.7), lr=0.01, ema=None, seed=5, precision="float64", device="cpu"
    )
    vae = copy.deepcopy(trainer.vae)
    D = copy.deepcopy(trainer.D)
    x, source = Images().batch(0).double(), torch.Generator().manual_seed(5)
    mean, log_variance = vae.encoder(x)
    z = mean + (log_variance / 2).exp() * normal(source, 16, 3)
    prior_codes = normal(source, 16, 3)
    rebuilt, sampled = torch.sigmoid(vae.decoder(z)), torch.sigmoid(vae.decoder(prior_codes))

    def cross_entropy(images, label):
        return F.binary_cross_entropy_with_logits(
            D(images), torch.full((16,), label, dtype=torch.float64)
        )

    seen = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(D(seen).sum(), seen, create_graph=True)
    loss = cross_entropy(x, 1.0) + 0.5 * (
        cross_entropy(rebuilt.detach(), 0.0) + cross_entropy(sampled.detach(), 0.0)
    )
    loss = loss + 0.35 * slope.flatten(1).square().sum(1).mean()
    options = {"lr": 0.01, "betas": (0.0, 0.99)}
    adam_step(D.parameters(), loss, **options)
    distance = 0.5 * (D.features(x).detach() - D.features(rebuilt)).square().sum(1)
    R = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
    fool = 0.5 * (cross_entropy(rebuilt, 1.0) + cross_entropy(sampled, 1.0))
    parameters, decoder = list(vae.encoder.parameters()), list(vae.decoder.parameters())
    gradients = torch.autograd.grad((R + distance).mean(), parameters, retain_graph=True)
    for_decoder = torch.autograd.grad(0.3 * distance.mean() + fool, decoder)
    for players, found in ((parameters, gradients), (decoder, for_decoder)):
        optimizer = torch.optim.Adam(players, **options)
        for p, g in zip(players, found, strict=True):
            p.grad = g
        optimizer.step()
    (logs,) = trainer.run(Images(), 1)
    equal(trainer.D, D)
    equal(trainer.vae, vae)
    expected = {"rate": R.mean(), "distance": distance.mean(), "generator": fool}
    assert {k: logs[k] for k in expected} == pytest.approx(
        {k: v.item() for k, v in expected.items()}, abs=1e-9
    )


def test_one_aae_step_by_hand():
    trainer = aae(weight=2.5, lr=0.01, seed=5, precision="float64", device="cpu")
    vae, D = copy.deepcopy(trainer.vae), copy.deepcopy(trainer.D)
    x, source = Images().batch(0).double(), torch.Generator().manual_seed(5)
    mean, log_variance = vae.encoder(x)
    z = mean + (log_variance / 2).exp() * normal(source, 16, 3)
    prior_codes = normal(source, 16, 3)
    loss = F.softplus(-D(prior_codes)).mean() + F.softplus(D(z.detach())).mean()
    adam_step(D.parameters(), loss, 0.01, (0.5, 0.99))
    distortion = (
        F.binary_cross_entropy_with_logits(vae.decoder(z), x, reduction="none")
        .flatten(1)
        .sum(1)
        .mean()
    )
    total = distortion + 2.5 * F.softplus(-D(z)).mean()
    adam_step([*vae.encoder.parameters(), *vae.decoder.parameters()], total, 0.01, (0.5, 0.99))
    (logs,) = trainer.run(Images(), 1)
    assert logs["distortion"] == pytest.approx(distortion.item(), abs=1e-9)
    equal(trainer.D, D)
    equal(trainer.vae, vae)


def test_one_bigan_step_by_hand():
    trainer = bigan(lr=0.01, ema=None, seed=5, precision="float64", device="cpu")
    G, E, D = (copy.deepcopy(network) for network in (trainer.G, trainer.E, trainer.D))
    x, source = Images().batch(0).double(), torch.Generator().manual_seed(5)
    z, noise = normal(source, 16, 3), normal(source, 16, 3)
    mean, log_variance = E(x)
    code, fake = mean + (log_variance / 2).exp() * noise, G(z)
    loss = F.softplus(-D(x, code.detach())).mean() + F.softplus(D(fake.detach(), z)).mean()
    adam_step(D.parameters(), loss, 0.01, (0.5, 0.99))
    # The generators want D's two labels exchanged.
    exchanged = F.softplus(D(x, code)).mean() + F.softplus(-D(fake, z)).mean()
    adam_step([*G.parameters(), *E.parameters()], exchanged, 0.01, (0.5, 0.99))
    (logs,) = trainer.run(Images(), 1)
    assert logs["generators"] == pytest.approx(exchanged.item(), abs=1e-9)
    for ours, network in ((trainer.G, G), (trainer.E, E), (trainer.D, D)):
        equal(ours, network)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("classes", [0, 3])
def test_conditional_training_sampling_and_resuming_to_the_last_bit(make, classes, tmp_path):
    data = Images(classes)
    whole, first, second = (make(classes, ema=0.9, device="cpu") for _ in range(3))
    list(whole.run(data, 5))
    list(first.run(data, 2))
    first.save(tmp_path / "a.pt")
    second.load(tmp_path / "a.pt")
    list(second.run(data, 3))
    for name, network in whole.networks.items():
        for p, q in zip(network.parameters(), second.networks[name].parameters(), strict=True):
            assert torch.equal(p, q)
    images = whole.sample(6, seed=1)
    assert images.shape == (6, *SHAPE) and torch.equal(images, second.sample(6, seed=1))
    assert images.min() >= 0 and images.max() <= 1
    with pytest.raises(CheckpointError, match="was saved by"):
        next(other for name, other in MAKERS.items() if other is not make)().load(tmp_path / "a.pt")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("precision", ["bfloat16", "float64"])
def test_precisions_and_every_loss(make, precision):
    for loss in ("hinge", "wasserstein", "relativistic"):
        (logs,) = make(loss=loss, precision=precision, device="cpu").run(Images(), 1)
        assert all(abs(value) < 1e4 for value in logs.values())


def test_lazy_penalty_is_made_up_for():
    every = [vaegan(penalty=r1(1.0), penalty_every=n, device="cpu") for n in (1, 2)]
    logs = [list(trainer.run(Images(), 3)) for trainer in every]
    assert ["penalty" in entry for entry in logs[1]] == [True, False, True]
    assert logs[0][0]["penalty"] == pytest.approx(logs[1][0]["penalty"])


def test_bigan_learns_to_invert_a_linear_world():
    """Data on a line in the plane, x = z·(2, 1): at the end E(G(z)) is near ±z, and reconstructions
    lie near the data.
    """

    class Line:
        def batch(self, k):
            z = torch.randn(256, 1, generator=torch.Generator().manual_seed(k))
            return z @ torch.tensor([[2.0, 1.0]])

    D = PairDiscriminator(MLPDiscriminator((2,), hidden=(64,), seed=2), 1, hidden=(64,))
    trainer = BiGANTrainer(
        MLPGenerator(1, (2,), hidden=(32,)),
        MLPEncoder((2,), 1, hidden=(32,), seed=1),
        D,
        lr=3e-3,
        ema=0.98,
        device="cpu",
    )
    for _ in trainer.run(Line(), 800):
        pass
    x = Line().batch(9999)
    code = trainer.encode(x)[:, 0]
    truth = x[:, 0] / 2
    assert abs(torch.corrcoef(torch.stack([code, truth]))[0, 1]) > 0.9
    error = (trainer.reconstruct(x) - x).square().sum(1).mean() / x.square().sum(1).mean()
    assert error < 0.2


def test_feature_distance_is_half_the_square_and_moves_one_side_only():
    def features(x):
        return 2 * x.flatten(1)

    x, other = torch.rand(3, *SHAPE), torch.rand(3, *SHAPE).requires_grad_(True)
    value = feature_distance(features, x, other)
    assert torch.allclose(value, 2 * (x - other).square().flatten(1).sum(1))
    seen = x.clone().requires_grad_(True)
    feature_distance(features, seen, other).sum().backward()
    assert seen.grad is None and torch.allclose(other.grad, -4 * (x - other.detach()))
    with pytest.raises(ValueError, match="one shape"):
        feature_distance(features, x, other[:2])


def test_the_rate_of_an_aae_is_logged_but_not_minimised():
    trainer = aae(weight=0.0, device="cpu")
    trainer.descend = lambda player, loss, **_: seen.append((player, loss))
    seen = []
    (logs,) = trainer.run(Images(), 1)
    output = small_vae()(Images().batch(0))
    assert dict(seen)["vae"].mean().item() == pytest.approx(logs["distortion"])
    assert logs["rate"] == pytest.approx(rate(output).mean().item(), rel=1e-5)


def test_bad_input():
    D = MLPDiscriminator(SHAPE, hidden=(8,))
    with pytest.raises(ValueError, match=r"disagree on shape: \(1, 4, 4\) and \(3,\)"):
        VAEGANTrainer(small_vae(), MLPDiscriminator((3,), hidden=(8,)))
    with pytest.raises(ValueError, match="disagree on classes: 3 and 0"):
        VAEGANTrainer(small_vae(3), D)
    with pytest.raises(ValueError, match="no features"):
        VAEGANTrainer(
            VAE(MLPEncoder((1, 8, 8), 3), MLPDecoder(3, (1, 8, 8))), DCGANDiscriminator((1, 8, 8))
        )
    with pytest.raises(ValueError, match="gamma"):
        vaegan(gamma=-1.0)
    with pytest.raises(ValueError, match="weight"):
        aae(weight=float("nan"))
    with pytest.raises(ValueError, match=r"disagree on shape: \(3,\) and \(1, 4, 4\)"):
        AAETrainer(small_vae(), D)
    for loss in ("least_squares", "label_smoothing"):
        assert loss in LOSSES
        with pytest.raises(ValueError, match="treats them differently"):
            bigan(loss=loss)
    pair = PairDiscriminator(MLPDiscriminator(SHAPE, hidden=(8,)), 2)
    with pytest.raises(ValueError, match="disagree on latent_dim: 3 and 2"):
        BiGANTrainer(MLPGenerator(3, SHAPE), MLPEncoder(SHAPE, 3), pair)
    with pytest.raises(ValueError, match=r"codes z of shape \(N, 2\)"):
        pair(torch.rand(4, *SHAPE), torch.rand(4, 3))
    with pytest.raises(ValueError, match="as many codes"):
        pair(torch.rand(4, *SHAPE), torch.rand(3, 2))
    with pytest.raises(ValueError, match="no features"):
        PairDiscriminator(DCGANDiscriminator((1, 8, 8)), 2)
    for make in MAKERS.values():
        with pytest.raises(ValueError, match=r"examples of shape"):
            list(make(device="cpu").run([torch.rand(4, 1, 5, 5)], 1))


def test_every_weight_of_a_pair_discriminator_is_used():
    for inner in (
        MLPDiscriminator(SHAPE, hidden=(8,), spectral_norm=True),
        ConvDiscriminator((1, 8, 8), width=4),
    ):
        pair = PairDiscriminator(inner, 2, hidden=(8,), spectral_norm=True)
        pair(torch.rand(4, *inner.shape), torch.rand(4, 2)).sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in pair.parameters())
