"""The loop: plain modules, any batches, frozen parts, schedules, one wait a step, bad gradients."""

import math
import signal
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset, TensorDataset

import gantut
from gantut.losses import r1
from gantut.models import VAE
from gantut.networks import (
    ConvDiscriminator,
    ConvGenerator,
    MLPDecoder,
    MLPDiscriminator,
    MLPEncoder,
    MLPGenerator,
)
from gantut.training import EMA, GANTrainer, NonFiniteError, VAETrainer


def plain_gan(**options):
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 6), nn.Sigmoid())
    D = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
    return GANTrainer(G, D, latent_dim=4, device="cpu", **options)


class Halves(nn.Module):
    def __init__(self, d=6, latent=2):
        super().__init__()
        self.layer = nn.Linear(d, 2 * latent)

    def forward(self, x):
        return self.layer(x).chunk(2, dim=1)


def plain_vae(**options):
    torch.manual_seed(0)
    return VAETrainer(VAE(Halves(), nn.Linear(2, 6)), device="cpu", **options)


# -- plain modules and any data -----------------------------------------------------------------


def test_the_lines_of_the_readme_run_as_they_stand():
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 6), nn.Sigmoid())
    D = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
    optimizers = {"generator": torch.optim.AdamW(G.parameters(), 1e-3)}
    trainer = gantut.GANTrainer(G, D, latent_dim=4, optimizers=optimizers)
    history = trainer.fit(DataLoader(TensorDataset(torch.rand(130, 6)), 32), steps=6)
    assert {name: len(values) for name, values in history.items()} == {
        "discriminator": 6,
        "generator": 6,
    }
    assert trainer.sample(3).shape == (3, 6)
    assert type(trainer.optimizers["generator"]) is torch.optim.AdamW


class Pictures(Dataset):
    """Bytes with the label of each, as a folder of pictures gives them."""

    def __init__(self, kind):
        self.kind = kind

    def __len__(self):
        return 10

    def __getitem__(self, i):
        image = torch.full((1, 8, 8), 25 * i, dtype=torch.uint8)
        return {"dict": {"image": image, "label": i % 3}, "tuple": (image, i % 3)}[self.kind]


@pytest.mark.parametrize("kind", ["dict", "tuple"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_of_bytes_with_a_short_last_batch_trains_a_conditional_gan(kind, workers):
    G = MLPGenerator(3, (1, 8, 8), hidden=(8,), classes=3)
    D = MLPDiscriminator((1, 8, 8), hidden=(8,), classes=3)
    trainer, seen = GANTrainer(G, D, device="cpu"), []
    trainer.D.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    trainer.fit(DataLoader(Pictures(kind), 4, num_workers=workers), 3)
    assert [len(x) for x in seen[::2]] == [8, 8, 4]  # real and fake in one pass
    assert seen[4][:2].amax() == 225 / 255


@pytest.mark.parametrize(
    "batch",
    [
        torch.full((4, 6), 0.5),
        (torch.full((4, 6), 0.5),),
        [torch.full((4, 6), 0.5), torch.zeros(4)],
        {"x": torch.full((4, 6), 0.5)},
        torch.full((4, 6), 0.5).numpy(),
        torch.full((4, 6), 0.5).double(),
    ],
    ids=["tensor", "tuple", "pair", "dict", "array", "double"],
)
def test_every_kind_of_batch_is_the_same_batch(batch):
    first, second = plain_gan(), plain_gan()
    first.fit([torch.full((4, 6), 0.5)], 2)
    second.fit([batch], 2)
    assert all(map(torch.equal, first.G.parameters(), second.G.parameters()))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1, 2, 1], dtype=torch.int32), None),
        (torch.tensor([0, 1, 2, 1], dtype=torch.uint8), None),
        (torch.tensor([1, 2, 3, 3]), r"labels must lie in 0 … 2, got 1 … 3"),
        (torch.tensor([0.0, 1.0, 2.0, 1.0]), "integers, in a tensor, got torch.float32"),
        (torch.tensor([0, 1]), r"expected 4 labels, shape \(4,\), got \(2,\)"),
    ],
)
def test_labels_of_any_integer_type_and_no_others(labels, message):
    G = MLPGenerator(3, (2,), hidden=(8,), classes=3)
    trainer = GANTrainer(G, MLPDiscriminator((2,), hidden=(8,), classes=3), device="cpu")
    if message is None:
        trainer.fit([(torch.rand(4, 2), labels)], 1)
    else:
        with pytest.raises((ValueError, TypeError), match=message):
            trainer.fit([(torch.rand(4, 2), labels)], 1)


def test_a_plain_vae_finds_its_sizes_on_the_first_pass():
    trainer = plain_vae()
    assert trainer.vae.latent_dim is None
    with pytest.raises(ValueError, match="size of the code is not known yet"):
        trainer.sample(2)
    trainer.fit(DataLoader(TensorDataset(torch.rand(10, 6)), 4), 3)
    assert trainer.vae.latent_dim == 2 and trainer.sample(5, seed=0).shape == (5, 6)


def test_what_trained_silently_is_said_at_once():
    G, D = nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    with pytest.raises(ValueError, match=r"generator \(Linear\) has no attribute latent_dim"):
        GANTrainer(G, D, device="cpu")
    ending = nn.Sequential(nn.Linear(6, 1), nn.Sigmoid(), nn.Flatten(0))
    with pytest.raises(ValueError, match="discriminator ends in a sigmoid.*take logits"):
        GANTrainer(G, ending, latent_dim=4, device="cpu")
    with pytest.raises(ValueError, match="decoder ends in a sigmoid"):
        VAE(Halves(), nn.Sequential(nn.Linear(2, 6), nn.Sigmoid()))
    column = GANTrainer(G, nn.Linear(6, 1), latent_dim=4, device="cpu")
    with pytest.raises(ValueError, match=r"one logit per example.*\(8, 1\).*nn.Flatten\(0\)"):
        column.fit([torch.randn(4, 6)], 1)
    for data in (2 * torch.rand(4, 6) - 1, 255 * torch.rand(4, 6)):
        with pytest.raises(
            ValueError, match=r"data has values from .* generator's values lie in \[0, 1\]"
        ):
            plain_gan().fit([data], 1)
    with pytest.raises(ValueError, match=r"values have shape \(6,\), and the data has \(5,\)"):
        plain_gan().fit([torch.rand(4, 5)], 1)
    shape = (3, 8, 8)
    G, D = MLPGenerator(2, shape, hidden=(4,)), MLPDiscriminator(shape, hidden=(4,))
    with pytest.raises(ValueError, match=r"channels are last: use x.movedim\(-1, 1\)"):
        GANTrainer(G, D, device="cpu").fit([torch.rand(4, 8, 8, 3)], 1)
    with pytest.raises(TypeError, match=r"got TensorDataset; wrap it: DataLoader"):
        plain_gan().fit(TensorDataset(torch.rand(4, 6)), 1)
    with pytest.raises(TypeError, match="keys 'a', 'b' has no examples; expected one of 'x'"):
        plain_gan().fit([{"a": 1, "b": 2}], 1)


def test_a_first_batch_that_is_refused_decides_nothing():
    for trainer, wrong in ((plain_gan(), (4, 5)), (plain_vae(), (4, 5)), (plain_vae(), (0, 6))):
        with pytest.raises(ValueError, match=r"\(5,\)|\(4, 5\)|got shape \(0, 6\)"):
            trainer.fit([torch.rand(wrong)], 1)
        assert len(trainer.fit([torch.rand(4, 6)], 2)) and trainer.shape == (6,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(lr="a"), "lr must be a finite number of at least 0, got 'a'"),
        (dict(lr=-1), "lr must be a finite number of at least 0, got -1"),
        (dict(betas=0.5), "betas must be two decay rates, each in .*, got 0.5"),
        (
            dict(optimizers=torch.optim.SGD),
            r"dict by player \(generator, discriminator\), got type",
        ),
        (
            dict(optimizers={"generator": torch.optim.SGD}),
            "an optimizer for the generator, such as",
        ),
        (dict(schedules=[]), "schedules must be a dict by player"),
        (dict(schedules={"generator": 5}), "expected a schedule for the generator, .* got 5"),
        (
            dict(schedules={"generator": torch.optim.lr_scheduler.ReduceLROnPlateau}),
            "schedule for the generator waits for a measure",
        ),
        (dict(penalty=3), r"expected a penalty such as losses.r1\(1.0\), got 3"),
    ],
)
def test_an_option_of_the_wrong_kind_is_named(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        plain_gan(**options)


def test_networks_that_do_not_fit_each_other_are_named_with_what_they_got():
    G, D = nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    with pytest.raises(ValueError, match=r"network Linear does not take .* shape \(8, 5\).*4x6"):
        GANTrainer(G, D, latent_dim=5, device="cpu").fit([torch.rand(8, 6)], 1)
    with pytest.raises(ValueError, match=r"network Linear does not take .* shape \(8, 2\).*3x6"):
        VAE(Halves(), nn.Linear(3, 6))(torch.rand(8, 6))

    class Narrow(Halves):
        def forward(self, x):
            mean, log_variance = super().forward(x)
            return mean, log_variance[:, :1]

    with pytest.raises(ValueError, match=r"differ in shape: \(8, 2\) and \(8, 1\)"):
        VAE(Narrow(), nn.Linear(2, 6))(torch.rand(8, 6))

    class Own(nn.Module):
        def forward(self, x):
            raise RuntimeError("my own words")

    with pytest.raises(RuntimeError, match="^my own words"):
        VAE(Own(), nn.Linear(2, 6))(torch.rand(8, 6))


def test_numpy_arrays_that_must_not_be_written_are_read_without_a_word(recwarn):
    array = np.random.default_rng(0).random((4, 6))
    array.flags.writeable = False
    plain_gan().fit([array], 1)
    assert not recwarn.list


class Ending(nn.Module):
    """A layer that a function follows, and a sigmoid that is registered last but used before."""

    def __init__(self, inputs, outputs, end):
        super().__init__()
        self.layer, self.gate, self.end = nn.Linear(inputs, outputs), nn.Sigmoid(), end

    def forward(self, x):
        return self.end(self.layer(x * self.gate(x)))


def test_a_sigmoid_is_found_at_the_end_of_any_module_and_only_there():
    x, G = torch.rand(8, 6), nn.Linear(4, 6)
    gated = Ending(6, 1, lambda h: h.squeeze(1))
    GANTrainer(G, gated, latent_dim=4, device="cpu").fit([x], 1)
    VAETrainer(VAE(Halves(), Ending(2, 6, lambda h: h)), device="cpu").fit([x], 1)
    D = Ending(6, 1, lambda h: torch.sigmoid(h)[:, 0])
    with pytest.raises(ValueError, match="discriminator ends in a sigmoid"):
        GANTrainer(G, D, latent_dim=4, device="cpu").fit([x], 1)
    with pytest.raises(ValueError, match="decoder ends in a sigmoid"):
        VAE(Halves(), Ending(2, 6, torch.sigmoid))(x)


@pytest.mark.parametrize("end", [torch.sigmoid, torch.tanh, lambda h: h.clamp(0, 1), None])
@pytest.mark.parametrize("scale", [1, 255])
def test_data_that_the_generator_cannot_reach_is_refused(end, scale):
    G = nn.Linear(4, 6) if end is None else Ending(4, 6, end)
    D = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    trainer = GANTrainer(G, D, latent_dim=4, device="cpu")
    data = [scale * torch.linspace(-1, 1, 48).view(8, 6)]
    if end is None or (end is torch.tanh and scale == 1):
        trainer.fit(data, 1)
    else:
        with pytest.raises(ValueError, match=f"data has values from -{scale} to {scale}, but"):
            trainer.fit(data, 1)


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_learned", "gaussian_per_pixel"])
@pytest.mark.parametrize("kind", ["vae", "vaegan", "aae"])
def test_images_outside_of_0_to_1_are_refused_where_the_mean_is_a_sigmoid(likelihood, kind):
    shape = (1, 4, 4)
    decoder = MLPDecoder(2, gantut.models.decoder_shape(likelihood, shape), hidden=(4,))
    vae = VAE(MLPEncoder(shape, 2, hidden=(4,)), decoder, likelihood)
    trainer = {
        "vae": lambda: VAETrainer(vae, device="cpu"),
        "vaegan": lambda: gantut.VAEGANTrainer(vae, MLPDiscriminator(shape, hidden=(4,))),
        "aae": lambda: gantut.AAETrainer(vae, MLPDiscriminator((2,), hidden=(4,))),
    }[kind]()
    with pytest.raises(
        ValueError, match=r"from -1 to 1, but the means of p\(x\|z\) lie in \[0, 1\]"
    ):
        trainer.fit([torch.linspace(-1, 1, 64).view(4, *shape)], 1)


def test_an_encoder_that_returns_sigma_is_suspected():
    class Sigma(Halves):
        def forward(self, x):
            mean, raw = super().forward(x)
            return mean, nn.functional.softplus(raw)

    with pytest.warns(UserWarning, match="does the encoder return σ or σ²"):
        VAE(Sigma(), nn.Linear(2, 6))(torch.rand(32, 6))
    with pytest.raises(TypeError, match=r"must return \(mean, log_variance\), got Tensor"):
        VAE(nn.Linear(6, 4), nn.Linear(2, 6))(torch.rand(4, 6))


def test_losses_as_a_plain_pair():
    pair = (lambda real, fake: fake - real, lambda real, fake: -fake)
    first, second = plain_gan(loss=pair), plain_gan(loss="wasserstein")
    third = plain_gan(loss=list(pair))
    assert third.loss == first.loss
    with pytest.raises(TypeError, match=r"generator's loss takes \(real_logits, fake_logits\)"):
        plain_gan(loss=(pair[0], lambda fake: -fake))
    for trainer in (first, second):
        trainer.fit([torch.rand(4, 6, generator=torch.Generator().manual_seed(0))], 3)
    assert all(map(torch.equal, first.G.parameters(), second.G.parameters()))


# -- optimizers, schedules, clipping, frozen parts ----------------------------------------------


def test_a_schedule_moves_after_each_step_of_its_player():
    trainer = plain_gan(
        lr=0.1,
        n_critic=2,
        schedules={
            "generator": lambda o: torch.optim.lr_scheduler.StepLR(o, 1, gamma=0.5),
            "discriminator": lambda o: torch.optim.lr_scheduler.StepLR(o, 1, gamma=0.1),
        },
    )
    trainer.fit([torch.rand(4, 6)], 4)
    rates = {name: o.param_groups[0]["lr"] for name, o in trainer.optimizers.items()}
    assert rates == pytest.approx({"generator": 0.1 / 4, "discriminator": 0.1 * 1e-4})


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16", "float64"])
def test_a_clipped_gradient_has_the_asked_norm_and_a_short_one_is_left_alone(precision):
    for clip, expected in ((1e-3, 1e-3), (1e6, None)):
        trainer, free = plain_gan(clip=clip, precision=precision), plain_gan(precision=precision)
        for one in (trainer, free):
            one.fit([torch.rand(4, 6, generator=torch.Generator().manual_seed(0))], 1)
        norms = [
            torch.stack([p.grad.norm() for p in one.D.parameters()]).norm().item()
            for one in (trainer, free)
        ]
        assert norms[0] == pytest.approx(expected or norms[1], rel=1e-3)


def test_what_is_frozen_stays_in_value_and_in_mode():
    """FreezeD: the first layers of D, with their BatchNorm, do not move; the rest does."""
    trainer = plain_gan()
    frozen = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6)).requires_grad_(False).eval()
    D = nn.Sequential(frozen, nn.Linear(6, 1), nn.Flatten(0))
    trainer = GANTrainer(trainer.G, D, latent_dim=4, device="cpu")
    before = {name: value.clone() for name, value in D.state_dict().items()}
    for _ in trainer.run([torch.rand(8, 6)], 3):
        assert not frozen[1].training and D[1].training
    moved = {n for n, v in D.state_dict().items() if not torch.equal(v, before[n])}
    assert moved == {"1.weight", "1.bias"}
    frozen = GANTrainer(trainer.G, D.requires_grad_(False), latent_dim=4, device="cpu")
    start = {name: value.clone() for name, value in D.named_parameters()}
    assert frozen.fit([torch.rand(8, 6)], 2)["generator"]
    assert all(torch.equal(value, start[name]) for name, value in D.named_parameters())


@pytest.mark.parametrize("affine", [True, False])
def test_a_frozen_part_rests_with_all_that_has_no_weights(affine):
    layers = nn.Linear(4, 6), nn.BatchNorm1d(6, affine=affine), nn.Dropout(0.5)
    frozen = nn.Sequential(*layers).requires_grad_(False)
    G = nn.Sequential(frozen, nn.BatchNorm1d(6, affine=False), nn.Dropout(0.1), nn.Linear(6, 6))
    D = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    for _ in GANTrainer(G, D, latent_dim=4, device="cpu").run([torch.rand(8, 6)], 2):
        assert [frozen[1].training, frozen[2].training] == [False, False]
        assert G[1].training and G[2].training
    assert torch.equal(frozen[1].running_var, torch.ones(6))


def test_a_player_that_is_frozen_between_two_runs_stands_still():
    trainer = plain_gan()
    trainer.fit([torch.rand(8, 6)], 1)
    trainer.G.requires_grad_(False)
    before = [p.clone() for p in trainer.G.parameters()]
    trainer.fit([torch.rand(8, 6)], 2)
    assert all(map(torch.equal, before, trainer.G.parameters()))


def test_optimizers_for_the_wrong_player_are_refused():
    G, D = nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    wrong = torch.optim.SGD(D.parameters(), 0.1)
    with pytest.raises(ValueError, match="holds 2 parameters that are not the generator's"):
        GANTrainer(G, D, latent_dim=4, optimizers={"generator": wrong}, device="cpu")
    with pytest.raises(ValueError, match="no player critic; known: generator, discriminator"):
        GANTrainer(G, D, latent_dim=4, optimizers={"critic": wrong}, device="cpu")
    other = torch.optim.lr_scheduler.StepLR(wrong, 1)
    with pytest.raises(ValueError, match="belongs to another optimizer"):
        GANTrainer(G, D, latent_dim=4, schedules={"discriminator": other}, device="cpu")
    with pytest.raises(ValueError, match="clip must be a finite number > 0 or None, got 0"):
        plain_gan(clip=0)


def test_lazy_and_eager_penalties_have_the_same_strength():
    """Over two steps with weights that stand still, each second step with twice the penalty."""
    sums = {}
    for every in (1, 2):
        trainer = plain_gan(penalty=r1(1.0), penalty_every=every, lr=0.0)
        seen = []
        descend = trainer.descend
        trainer.descend = lambda player, loss, d=descend, s=seen, **o: (
            s.append(loss.mean().item()) if player == "discriminator" else None,
            d(player, loss, **o),
        )
        logs = trainer.fit([torch.rand(4, 6, generator=torch.Generator().manual_seed(0))], 2)
        sums[every] = sum(seen) - sum(logs["discriminator"])
    assert sums[1] > 0 and sums[2] == pytest.approx(sums[1], rel=1e-3)


# -- modes, averages, sampling ------------------------------------------------------------------


def with_batch_norm(**options):
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 6))
    D = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    return GANTrainer(G, D, latent_dim=2, device="cpu", **options)


def vae_with_batch_norm(**options):
    torch.manual_seed(0)
    decoder = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 6))
    return VAETrainer(VAE(Halves(), decoder, latent_dim=2), device="cpu", **options)


@pytest.mark.parametrize("make", [with_batch_norm, vae_with_batch_norm])
@pytest.mark.parametrize("ema", [None, 0.9])
def test_sampling_changes_nothing_and_depends_on_the_seed_alone(make, ema):
    trainer = make(ema=ema)
    for _ in trainer.run([torch.rand(8, 6)], 3):
        before = {n: v.clone() for n, v in trainer.model.state_dict().items()}
        many, one = trainer.sample(4, seed=1), trainer.sample(1, seed=1)
        assert torch.allclose(many, trainer.sample(4, seed=1)) and one.shape == (1, 6)
        assert all(torch.equal(v, before[n]) for n, v in trainer.model.state_dict().items())
        assert all(network.training for network in trainer.networks.values())
    assert not any(network.training for network in trainer.networks.values())


@pytest.mark.parametrize("make", [with_batch_norm, vae_with_batch_norm])
def test_it_is_the_average_that_is_sampled_and_it_follows_the_step(make):
    trainer = make(ema=0.9, lr=0.1)
    start = {n: v.clone() for n, v in trainer.model.state_dict().items()}
    trainer.fit([torch.rand(8, 6)], 1)
    trained = trainer.networks[trainer.averaged].state_dict()
    for name, value in trainer.model.state_dict().items():
        if value.is_floating_point():  # after one step: decay 2/11, from the *new* weights
            expected = 2 / 11 * start[name] + 9 / 11 * trained[name]
            assert torch.allclose(value, expected, atol=1e-6), name
    assert not torch.allclose(trainer.sample(4, seed=0), trainer.sample(4, seed=0, average=False))


def test_the_average_of_spectrally_normalised_weights_stays_normalised():
    network = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6))
    average = EMA(network, 0.99)
    optimizer = torch.optim.SGD(network.parameters(), 0.5)
    for k in range(100):
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(k))
        optimizer.zero_grad()
        (network(x) - x.roll(1, 1)).square().mean().backward()
        optimizer.step()
        average.update(network)
    assert torch.linalg.matrix_norm(average.network.weight, 2).item() == pytest.approx(1, abs=0.1)


def test_a_parameter_is_averaged_whatever_its_name():
    network = nn.Linear(2, 2, bias=False)
    network.register_parameter("weight_u", nn.Parameter(torch.zeros(2)))
    average = EMA(network, 0.5)
    with torch.no_grad():
        network.weight_u.fill_(1.0)
    average.update(network)
    assert 0 < average.network.weight_u[0] < 1


def test_labels_of_samples_are_checked_and_reach_the_network():
    G = MLPGenerator(3, (2,), hidden=(8,), classes=3)
    D = MLPDiscriminator((2,), hidden=(8,), classes=3)
    trainer = GANTrainer(G, D, device="cpu", ema=None)
    turns = trainer.sample(6, seed=0)
    asked = trainer.sample(6, torch.tensor([0, 1, 2, 0, 1, 2]), seed=0)
    same = trainer.sample(6, 1, seed=0)
    assert torch.equal(turns, asked) and torch.equal(same[1], asked[1])
    assert not torch.equal(same[0], asked[0])
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    G.eval()
    with torch.no_grad():
        assert torch.allclose(asked, G(z, torch.arange(6) % 3))
    for one in (np.int64(1), torch.tensor(1), [1] * 6):
        assert torch.equal(trainer.sample(6, one, seed=0), same)
    assert trainer.sample(labels=2).shape == (1, 2)
    assert trainer.sample(labels=[2, 0, 1]).shape == (3, 2)
    with pytest.raises(ValueError, match="number of samples must be at least 0, got -1"):
        trainer.sample(-1)
    with pytest.raises(ValueError, match="labels must lie in 0 … 2, got 3 … 3"):
        trainer.sample(2, 3)
    with pytest.raises(ValueError, match=r"expected 2 labels, shape \(2,\), got \(3,\)"):
        trainer.sample(2, torch.arange(3))


# -- one wait for the device, bad gradients, interrupts -----------------------------------------


class Waits(TorchDispatchMode):
    """Counts reads of tensors by Python; on a GPU each would wait for the device."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += any(word in str(function) for word in ("_local_scalar_dense", "nonzero"))
        return function(*args, **(kwargs or {}))


def conditional_gan():
    G = ConvGenerator(3, (1, 8, 8), width=4, classes=3)
    D = ConvDiscriminator((1, 8, 8), width=4, classes=3, spectral_norm=True)
    return GANTrainer(G, D, penalty=r1(1.0), clip=1.0, device="cpu")


@pytest.mark.parametrize(
    ("make", "batch"),
    [
        (plain_gan, torch.rand(4, 6)),
        (plain_vae, torch.rand(4, 6)),
        (conditional_gan, (torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 0]))),
    ],
)
def test_a_step_waits_for_the_device_once(make, batch, monkeypatch):
    trainer = make()
    trainer.fit([batch], 2)  # the first step looks at shapes and ranges
    # Checks of values that are on the CPU anyway are no waits: nothing travels.
    monkeypatch.setattr("gantut.numerics.on_cpu", lambda x: False)
    lists, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda x: (lists.append(1), tolist(x))[1])
    with Waits() as waits:
        counts = [waits.count + len(lists) for _ in trainer.run([batch], 3)]
    assert counts == [1, 2, 3]


@pytest.mark.parametrize("k", [0, 2])
def test_a_gradient_of_nan_never_reaches_the_weights_or_the_checkpoint(k, tmp_path):
    """A finite loss with a gradient that is not: the square root of 0."""

    def objective(output, x):
        loss = -output.likelihood.log_prob(x)
        return loss + (output.z * 0).pow(2).sum(1).sqrt() if trainer.steps == k else loss

    trainer = plain_vae(objective=objective)
    with pytest.raises(
        NonFiniteError,
        match=rf"step {k}: the vae loss is finite, but its gradient is not.*a root or a norm at 0",
    ):
        trainer.fit([torch.rand(4, 6)], 5, save=tmp_path / "a.pt", save_every=1)
    assert all(torch.isfinite(p).all() for p in trainer.vae.parameters())
    assert trainer.steps == k and (tmp_path / "a.pt").exists() == (k > 0)
    adam = trainer.optimizers["vae"].state.values()
    assert all(torch.isfinite(v).all() for state in adam for v in state.values())
    trainer.objective = None
    assert math.isfinite(trainer.fit([torch.rand(4, 6)], 1)["negative_elbo"][0])


@pytest.mark.parametrize("ema", [None, 0.5])
def test_a_batch_of_nan_does_not_reach_the_statistics_of_batchnorm(ema, tmp_path):
    G = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 6))
    D = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 1), nn.Flatten(0))
    trainer = GANTrainer(G, D, latent_dim=4, ema=ema, device="cpu")
    E = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
    encoder = Ending(6, 4, lambda h: E[1](h).chunk(2, dim=1))
    encoder.norm = E[1]
    vae = VAETrainer(VAE(encoder, nn.Linear(2, 6)), ema=ema, device="cpu")
    good, bad = torch.rand(8, 6), torch.full((8, 6), math.nan)
    for one in (trainer, vae):
        with pytest.raises((NonFiniteError, ValueError), match=r"NaN|nan"):
            one.fit([good, bad], 2)
        networks = [*one.networks.values(), *([one.ema.network] if one.ema else [])]
        for network in networks:
            assert all(torch.isfinite(value).all() for value in network.state_dict().values())
        one.fit([good], 1)


def test_data_of_another_scale_is_named_as_the_cause():
    D = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    trainer = GANTrainer(nn.Linear(2, 2), D, latent_dim=2, loss="least_squares", device="cpu")
    with pytest.raises(NonFiniteError, match="the data has values up to 3e.38: scale it"):
        trainer.fit([torch.full((4, 2), 3e38)], 1)


def test_after_a_break_ctrl_c_is_python_s_again():
    before = signal.getsignal(signal.SIGINT)
    steps = plain_gan().run([torch.rand(4, 6)], 5)
    next(steps)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_wish_to_stop_ends_the_run_after_the_step():
    trainer, stop = plain_gan(), threading.Event()
    for _ in trainer.run([torch.rand(4, 6)], 50, stop=stop):
        if trainer.steps == 3:
            stop.set()
    assert trainer.steps == 4 and trainer.interrupted


@pytest.mark.parametrize("save", [True, False])
def test_sigterm_saves_first_and_then_does_what_it_would_have_done(save, tmp_path):
    class Data:
        def batch(self, k):
            if k == 2:
                signal.raise_signal(signal.SIGTERM)
            return torch.rand(4, 6)

    trainer, met = plain_gan(), []
    before = signal.signal(signal.SIGTERM, lambda *_: met.append((tmp_path / "a.pt").exists()))
    try:
        trainer.fit(Data(), 5, save=tmp_path / "a.pt" if save else None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert met == [save] and trainer.steps == (3 if save else 5)
