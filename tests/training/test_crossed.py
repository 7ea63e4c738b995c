"""Trainers × likelihoods × priors × labels × frozen parts: every pair trains, moves what it should
move, reads its labels, and goes on from a checkpoint to the last bit."""

import copy
import math

import pytest
import torch
from torch import nn

from gantut.losses import augmentation, gradient_penalty, r1
from gantut.models import (
    LIKELIHOODS,
    VAE,
    VQVAE,
    AutoregressiveCodes,
    Flow,
    MixturePrior,
    StandardNormalPrior,
    VampPrior,
    VelocityMLP,
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
    BiGANTrainer,
    CodePriorTrainer,
    FlowTrainer,
    GANTrainer,
    VAEGANTrainer,
    VAETrainer,
    VQVAETrainer,
)
from gantut.training.gan import generate

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


# With those whose data are no images: vectors, and the numbers of codes.
EVERY = MAKE | {
    "flow": lambda classes=0, **o: FlowTrainer(
        Flow(VelocityMLP(16, hidden=(8,), classes=classes)), **o
    ),
    "codes": lambda classes=0, **o: CodePriorTrainer(
        AutoregressiveCodes(2, SHAPE, width=8, classes=classes), **o
    ),
}


def data_for(kind):
    x, labels = batch(classes=CLASSES, levels=True)
    return [(x.flatten(1) if kind == "flow" else x, labels)]


@pytest.mark.parametrize("kind", EVERY)
def test_the_average_follows_the_step_and_is_what_is_sampled(kind):
    """After one step: decay 2/11, from the new weights, in every trainer."""
    trainer = EVERY[kind](CLASSES, ema=0.9, lr=0.02, device="cpu")
    start = {name: value.clone() for name, value in trainer.ema.network.state_dict().items()}
    trainer.fit(data_for(kind), 1)
    network, average = trainer.networks[trainer.averaged], trainer.ema.network.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            expected = 2 / 11 * start[name] + 9 / 11 * value
            assert torch.allclose(average[name], expected, atol=1e-6), name
    sampled = trainer.sample(64, seed=0)
    assert not torch.equal(sampled, trainer.sample(64, seed=0, average=False))
    network.load_state_dict(average)
    assert torch.equal(sampled, trainer.sample(64, seed=0, average=False))


@pytest.mark.parametrize("kind", EVERY)
def test_all_chance_is_the_trainer_s_own(kind):
    """The global random state is neither read nor moved; another seed is another run."""
    options = {"vqvae": {"restart_every": 1}}.get(kind, {})
    if kind in ("gan", "vaegan", "aae"):
        options["penalty"] = gradient_penalty(1.0)
    if kind == "gan":
        options["augment"] = augmentation("brightness", "translate", "cutout", probability=0.8)

    def after(seed, world):
        trainer = EVERY[kind](CLASSES, seed=seed, device="cpu", **options)
        torch.manual_seed(world)
        before = torch.get_rng_state()
        trainer.fit(data_for(kind), 2)
        samples = trainer.sample(16, seed=1), trainer.sample(16)
        assert torch.equal(torch.get_rng_state(), before)
        parameters = [p.detach().flatten() for p in values(trainer).values()]
        return torch.cat(parameters), torch.cat(samples)

    usual, elsewhere, another = after(0, 0), after(0, 1), after(1, 0)
    assert all(map(torch.equal, usual, elsewhere))
    assert not torch.equal(usual[1][16:], another[1][16:])
    assert torch.equal(usual[0], another[0]) == (kind == "codes")


@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_all_that_a_discriminator_sees_is_augmented_and_its_real_logits_are_told(loss):
    """In both players' steps, real and fake; what adapts itself hears of real examples only."""

    class Moved:
        heard = []

        def __call__(self, x, *, generator=None):
            return x + 100

        def observe(self, logits):
            self.heard.append(logits)

    trainer, augment = gan(CLASSES, augment=Moved(), loss=loss, device="cpu"), Moved()
    D, seen = copy.deepcopy(trainer.D), []
    trainer.D.body.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x, labels = batch(classes=CLASSES)
    trainer.step((x, labels))
    assert len(seen) >= 2 and all(values.min() > 150 for values in seen)  # 2x − 1 inside
    (heard,) = augment.heard
    Moved.heard.clear()
    assert torch.allclose(heard, D(x + 100, labels), rtol=1e-4) and not heard.requires_grad


@pytest.mark.parametrize("kind", ["gan", "vaegan", "aae"])
def test_a_penalty_gets_the_players_examples_and_their_labels(kind):
    """Real, fake and D as they are in the step; D's labels also fit several examples stacked."""
    seen = {}

    def penalty(D, real, fake, *, generator=None):
        seen.update(real=real, fake=fake, alone=D(real), both=D(torch.cat([real, fake])))
        return 0 * D(real)

    trainer = MAKE[kind](CLASSES, penalty=penalty, device="cpu")
    nets, source = copy.deepcopy(trainer.networks), torch.Generator().manual_seed(0)
    x, labels = batch(classes=CLASSES)
    trainer.step((x, labels))
    z = torch.randn(12, 2, generator=source)
    if kind == "gan":
        real, fake = x, nets["generator"](z, labels)
    else:
        prior, model = torch.randn(12, 2, generator=source), nets["vae"]
        posterior = model.encode(x, labels)
        codes = posterior.mean + posterior.stddev * z
        real, fake = (prior, codes) if kind == "aae" else (x, model.decode(prior, labels).mean)
    assert torch.allclose(seen["real"], real) and torch.allclose(seen["fake"], fake, atol=1e-6)
    logits = [nets["discriminator"](examples, labels) for examples in (real, fake)]
    assert torch.allclose(seen["alone"], logits[0], atol=1e-5)
    assert torch.allclose(seen["both"], torch.cat(logits), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("classes", [0, CLASSES])
def test_making_samples_in_chunks_changes_nothing(classes):
    network = MLPGenerator(2, SHAPE, hidden=(8,), classes=classes, batch_norm=True).train()
    z = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 2, 1, 1, 0, 2, 2, 0, 1, 0]) if classes else None
    parts = generate(network, z, labels, chunk=3)
    assert network.training
    whole = network.eval()(z) if labels is None else network.eval()(z, labels)
    assert torch.allclose(parts, whole, atol=1e-6)


@pytest.mark.parametrize("kind", EVERY)
def test_every_run_trains_in_training_mode_and_ends_in_evaluation_mode(kind):
    """Also the second one, which finds the networks in the mode where the first has left them."""
    trainer = EVERY[kind](CLASSES, ema=0.9, device="cpu")
    for _ in range(2):
        for _ in trainer.run(data_for(kind), 2):
            assert all(
                m.training for network in trainer.networks.values() for m in network.modules()
            )
            assert not any(module.training for module in trainer.model.modules())
            trainer.sample(2), trainer.sample(2, average=False)
        assert not any(network.training for network in trainer.networks.values())


@pytest.mark.parametrize("beta", [0.0, 3.0, lambda step: 2.0 + step])
def test_beta_weighs_what_is_minimised_and_not_what_is_logged(beta):
    trainer, minimised = VAETrainer(vae(), beta=beta, lr=0.0, device="cpu"), []
    descend = trainer.descend

    def noting(player, loss):
        minimised.append(loss.mean().item())
        descend(player, loss)

    trainer.descend = noting
    for step, logs in enumerate(trainer.run(Batches(), 3)):
        D, R = logs["distortion"], logs["rate"]
        weight = beta(step) if callable(beta) else beta
        assert logs["negative_elbo"] == pytest.approx(D + R, rel=1e-5)
        assert minimised[-1] == pytest.approx(D + weight * R, rel=1e-5)
        assert R > 1e-5


def test_a_bigan_encodes_and_reconstructs_by_its_average_and_by_the_label():
    x, labels = batch(classes=CLASSES)
    trainer = MAKE["bigan"](CLASSES, ema=0.9, lr=0.1, device="cpu")
    trainer.fit([(x, labels)], 1)
    average, trained = trainer.ema.network, trainer.networks["generators"]
    with torch.no_grad():
        for asked in (labels, (labels + 1) % CLASSES):
            code = average["encoder"](x, asked)[0]
            assert torch.allclose(trainer.encode(x, asked), code, atol=1e-6)
            images = average["generator"](code, asked)
            assert torch.allclose(trainer.reconstruct(x, asked), images, atol=1e-6)
            assert not torch.allclose(images, average["generator"](code, 0 * asked), atol=1e-5)
        assert not torch.allclose(code, trained["encoder"](x, asked)[0], atol=1e-4)
