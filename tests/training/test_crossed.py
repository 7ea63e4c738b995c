"""Trainers × likelihoods × priors × labels × frozen parts: every pair trains, moves what it should
move, reads its labels, and goes on from a checkpoint to the last bit."""

import math

import pytest
import torch
from torch import nn

from gantut.losses import r1
from gantut.models import (
    LIKELIHOODS,
    VAE,
    VQVAE,
    AutoregressiveCodes,
    MixturePrior,
    StandardNormalPrior,
    VampPrior,
    decoder_shape,
)
from gantut.models.likelihoods import likelihood as likelihood_named
from gantut.networks import (
    GridDecoder,
    GridEncoder,
    MLPDecoder,
    MLPDiscriminator,
    MLPEncoder,
    MLPGenerator,
    PairDiscriminator,
)
from gantut.training import (
    AAETrainer,
    ACGANTrainer,
    BiGANTrainer,
    CodePriorTrainer,
    GANTrainer,
    VAEGANTrainer,
    VAETrainer,
    VQVAETrainer,
)

SHAPE, CLASSES = (1, 4, 4), 3


def batch(k=0, classes=0, levels=None):
    x = torch.rand(12, *SHAPE, generator=torch.Generator().manual_seed(k))
    x = x.bernoulli(generator=torch.Generator().manual_seed(k)) if levels else x
    return (x, torch.arange(12) % classes) if classes else x


class Batches:
    def __init__(self, classes=0):
        self.classes = classes

    def batch(self, k):
        return batch(k, self.classes, levels=True)


def vae(likelihood="bernoulli", prior=None, classes=0, dropout=False):
    module = likelihood_named(likelihood)
    decoder = MLPDecoder(2, decoder_shape(module, SHAPE), hidden=(8,), classes=classes, seed=1)
    if dropout:
        decoder = nn.Sequential(nn.Dropout(0.3), nn.Linear(2, 16), nn.Unflatten(1, SHAPE))
    return VAE(MLPEncoder(SHAPE, 2, hidden=(8,), classes=classes), decoder, module, prior=prior)


def judge(shape=SHAPE, classes=0, **options):
    return MLPDiscriminator(shape, hidden=(8,), classes=classes, seed=2, **options)


def gan(classes=0, **options):
    return GANTrainer(
        MLPGenerator(2, SHAPE, hidden=(8,), classes=classes), judge(classes=classes), **options
    )


MAKE = {
    "gan": gan,
    "acgan": lambda classes=0, **o: ACGANTrainer(
        MLPGenerator(2, SHAPE, hidden=(8,), classes=classes),
        judge(classes=classes, conditioning="auxiliary"),
        **o,
    ),
    "vae": lambda classes=0, **o: VAETrainer(vae(classes=classes), **o),
    "vaegan": lambda classes=0, **o: VAEGANTrainer(
        vae(classes=classes), judge(classes=classes), **o
    ),
    "aae": lambda classes=0, **o: AAETrainer(vae(classes=classes), judge((2,), classes), **o),
    "bigan": lambda classes=0, **o: BiGANTrainer(
        MLPGenerator(2, SHAPE, hidden=(8,), classes=classes),
        MLPEncoder(SHAPE, 2, hidden=(8,), classes=classes),
        PairDiscriminator(judge(classes=classes), 2, hidden=(8,)),
        **o,
    ),
    "vqvae": lambda classes=0, **o: VQVAETrainer(
        VQVAE(
            GridEncoder(SHAPE, 4, width=4, classes=classes),
            8,
            GridDecoder(4, SHAPE, width=4, classes=classes, seed=1),
        ),
        **o,
    ),
}
UNCONDITIONAL = [name for name in MAKE if name != "acgan"]


def values(trainer):
    return {
        f"{name}.{key}": value.clone()
        for name, network in trainer.networks.items()
        for key, value in network.named_parameters()
    }


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("kind", ["vae", "vaegan", "aae"])
def test_every_likelihood_trains_in_every_trainer_of_a_vae(kind, likelihood):
    model = vae(likelihood)
    trainer = {
        "vae": lambda: VAETrainer(model, device="cpu"),
        "vaegan": lambda: VAEGANTrainer(model, judge(), penalty=r1(1.0), device="cpu"),
        "aae": lambda: AAETrainer(model, judge((2,)), penalty=r1(1.0), device="cpu"),
    }[kind]()
    before = values(trainer)
    history = trainer.fit(Batches(), 3)
    assert all(math.isfinite(v) for terms in history.values() for v in terms)
    after = values(trainer)
    still = {name for name, value in after.items() if torch.equal(value, before[name])}
    # A VAE-GAN measures by features, so the spread of its likelihood is not used.
    expected = {
        n for n, p in model.likelihood.named_parameters() if kind == "vaegan" or not p.requires_grad
    }
    assert still == {f"vae.likelihood.{name}" for name in expected}
    assert trainer.sample(3, seed=0).shape == (3, *SHAPE)


@pytest.mark.parametrize("kind", ["vae", "vaegan"])
@pytest.mark.parametrize("prior", [MixturePrior(2, 3), VampPrior(torch.rand(3, *SHAPE))], ids=type)
def test_a_learned_prior_learns_wherever_its_rate_is_minimised(kind, prior):
    model = vae(prior=prior)
    make = {
        "vae": lambda: VAETrainer(model, device="cpu"),
        "vaegan": lambda: VAEGANTrainer(model, judge(), device="cpu"),
    }
    before = {name: value.clone() for name, value in prior.named_parameters()}
    make[kind]().fit(Batches(), 3)
    assert all(not torch.equal(value, before[name]) for name, value in prior.named_parameters())


def test_a_prior_that_cannot_learn_is_refused_and_a_frozen_one_is_not():
    with pytest.raises(ValueError, match="an AAE's prior is what its codes are compared with"):
        AAETrainer(vae(prior=MixturePrior(2, 3)), judge((2,)))
    frozen = MixturePrior(2, 3).requires_grad_(False)
    AAETrainer(vae(prior=frozen), judge((2,)), device="cpu").fit(Batches(), 1)
    with pytest.raises(ValueError, match="conditional VAE, got a learned prior"):
        vae(prior=MixturePrior(2, 3), classes=CLASSES)
    assert isinstance(vae(classes=CLASSES).latent_prior, StandardNormalPrior)


@pytest.mark.parametrize("kind", MAKE)
def test_what_is_frozen_stays_and_the_rest_moves(kind, monkeypatch):
    """The first weight of each network, as in FreezeD and in fine-tuning."""
    frozen = []

    def freeze(parameters):
        first, *rest = parameters
        first.requires_grad_(False)
        frozen.append(first)
        return [first, *rest]

    for make in (MLPGenerator, MLPEncoder, MLPDecoder, MLPDiscriminator, GridEncoder):
        start = make.__init__

        def frozen_start(self, *arguments, start=start, **options):
            start(self, *arguments, **options)
            freeze(self.parameters())

        monkeypatch.setattr(make, "__init__", frozen_start)
    trainer = MAKE[kind](CLASSES, device="cpu")
    still = [p.clone() for p in frozen]
    before = values(trainer)
    trainer.fit(Batches(CLASSES), 3)
    assert frozen and all(map(torch.equal, frozen, still))
    moved = [n for n, v in values(trainer).items() if not torch.equal(v, before[n])]
    assert len(moved) > len(before) / 3


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("classes", [0, CLASSES])
def test_everything_goes_on_from_a_checkpoint_to_the_last_bit(kind, classes, tmp_path):
    if kind == "acgan" and not classes:
        pytest.skip("AC-GAN has classes")
    make = MAKE[kind]
    options = {
        "device": "cpu",
        "ema": 0.9,
        "lr": 0.01,
        "schedules": {
            name: lambda o: torch.optim.lr_scheduler.StepLR(o, 2, gamma=0.5)
            for name in make(classes).players
        },
    }
    whole, first, second = (make(classes, **options) for _ in range(3))
    data = Batches(classes)
    whole.fit(data, 5)
    first.fit(data, 2, save=tmp_path / "a.pt")
    second.load(tmp_path / "a.pt")
    second.fit(data, 3)
    a, b = whole.state_dict(), second.state_dict()
    for state in (a, b):
        del state["global_generator"]
    assert _same(a, b)
    assert torch.equal(whole.sample(4, seed=1), second.sample(4, seed=1))


def _same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b


@pytest.mark.parametrize("kind", MAKE)
def test_the_labels_of_a_batch_belong_to_its_examples(kind):
    """A step with examples and labels permuted together is the same step, but for rounding and
    the noise, which is held still; with the labels alone permuted it is another one."""

    def after(x, labels):
        trainer = MAKE[kind](CLASSES, device="cpu", precision="float64", ema=None)
        trainer.generator.manual_seed(0)

        def zeros(size, generator=None, **options):
            return torch.zeros(size, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "randn", zeros)
            trainer.step((x, labels))
        return torch.cat([p.detach().flatten() for p in values(trainer).values()])

    x, labels = batch(classes=CLASSES)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    usual, together = after(x, labels), after(x[order], labels[order])
    apart = after(x, labels[order])
    assert (usual - together).abs().max() < 1e-9
    assert (usual - apart).abs().max() > 1e-5


@pytest.mark.parametrize("kind", MAKE)
def test_the_sampled_label_matters_and_permutes_with_its_example(kind):
    trainer = MAKE[kind](CLASSES, device="cpu")
    trainer.fit(Batches(CLASSES), 2)
    turns = [trainer.sample(6, seed=3), trainer.sample(6, torch.arange(6) % CLASSES, seed=3)]
    assert torch.equal(*turns)
    shifted = trainer.sample(6, (torch.arange(6) + 1) % CLASSES, seed=3)
    assert all(not torch.equal(a, b) for a, b in zip(turns[0], shifted, strict=True))
    one = trainer.sample(6, 1, seed=3)
    assert torch.equal(one[1], turns[0][1]) and torch.equal(one[4], turns[0][4])


def test_a_prior_over_codes_is_trained_with_the_labels_of_its_codes():
    prior = AutoregressiveCodes(4, (2, 2), width=32, classes=2)
    codes = torch.stack([torch.zeros(2, 2), torch.full((2, 2), 3.0)]).repeat(8, 1, 1)
    labels = torch.arange(16) % 2
    trainer = CodePriorTrainer(prior, lr=0.03, device="cpu")
    trainer.fit([(codes, labels)], 60)
    drawn = prior.sample(8, torch.arange(8) % 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn.float().mean((1, 2)).round(), 3.0 * (torch.arange(8) % 2))
