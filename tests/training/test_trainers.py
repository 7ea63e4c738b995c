"""The trainers: each step against the same step by hand, resume to the last bit, and every way in
which a run can go wrong.
"""

import math
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from gantut.data import TensorData
from gantut.losses import (
    LOSSES,
    beta_tcvae,
    distortion,
    free_bits,
    gradient_penalty,
    negative_iwae,
    negative_iwae_dreg,
    r1,
    rate,
)
from gantut.models.vae import VAE
from gantut.networks import MLPDecoder, MLPDiscriminator, MLPEncoder, MLPGenerator, Packed
from gantut.training import (
    EMA,
    CheckpointError,
    GANTrainer,
    NonFiniteError,
    VAETrainer,
)


class Points:
    """Batches as a function of the step number, like those of gantut.data."""

    def __init__(self, shape=(2,), labels=0, size=16):
        self.shape, self.labels, self.size = shape, labels, size

    def batch(self, k):
        x = torch.rand(self.size, *self.shape, generator=torch.Generator().manual_seed(k))
        return (x, torch.arange(self.size) % self.labels) if self.labels else x


def gan(shape=(2,), classes=0, batch_norm=False, **options):
    G = MLPGenerator(3, shape, hidden=(16,), classes=classes, batch_norm=batch_norm)
    return GANTrainer(G, MLPDiscriminator(shape, hidden=(16,), classes=classes, seed=1), **options)


def vae(likelihood="bernoulli", **options):
    shape = (1, 4, 4)
    return VAETrainer(
        VAE(
            MLPEncoder(shape, 3, hidden=(16,)),
            MLPDecoder(3, shape, hidden=(16,), seed=1),
            likelihood,
        ),
        **options,
    )


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_one_gan_step_by_hand():
    """Alternating Adam steps on the non-saturating losses, written out."""
    trainer = gan(lr=0.01, ema=None, seed=5)
    G = MLPGenerator(3, (2,), hidden=(16,))
    D = MLPDiscriminator((2,), hidden=(16,), seed=1)
    optimizers = [torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.0, 0.99)) for net in (D, G)]
    noise, real = torch.Generator().manual_seed(5), Points().batch(0)
    made = G(torch.randn(16, 3, generator=noise))
    fake = made.detach()
    d_loss = -(torch.sigmoid(D(real)).log() + (1 - torch.sigmoid(D(fake))).log()).mean()
    d_loss.backward()
    optimizers[0].step()
    g_loss = -torch.sigmoid(D(made)).log().mean()
    G.zero_grad()
    g_loss.backward()
    optimizers[1].step()
    (logs,) = trainer.run(Points(), 1)
    assert logs["discriminator"] == pytest.approx(d_loss.item(), rel=1e-5)
    assert logs["generator"] == pytest.approx(g_loss.item(), rel=1e-5)
    for ours, theirs in ((trainer.G, G), (trainer.D, D)):
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-5)


def test_each_step_makes_gradients_for_its_own_player_only():
    trainer = gan()
    real, _ = trainer.unpack(Points().batch(0))
    fake = trainer.G(trainer.noise(16))
    trainer.discriminator_step(real, fake.detach(), None)
    assert all(p.grad is None for p in trainer.G.parameters())
    before = [p.grad.clone() for p in trainer.D.parameters()]
    trainer.generator_step(real, fake, None)
    assert all(torch.equal(p.grad, g) for p, g in zip(trainer.D.parameters(), before, strict=True))


def test_between_generator_steps_no_graph_is_built_through_it():
    trainer, seen = gan(n_critic=2), []
    trainer.G.register_forward_hook(
        lambda module, inputs, output: seen.append(output.requires_grad)
    )
    list(trainer.run(Points(), 4))
    assert seen == [False, True, False, True]


def test_one_pass_and_two_passes_give_the_same_logits_unless_batchnorm_mixes_them():
    trainer, batch_norm = gan(), torch.nn.BatchNorm1d(16)
    real, fake = Points().batch(0), Points().batch(1) + 3
    assert trainer.one_pass
    joint = trainer.judge_both(real, fake, None)
    for ours, alone in zip(joint, (trainer.D(real), trainer.D(fake)), strict=True):
        assert torch.allclose(ours, alone, atol=1e-6)
    D = MLPDiscriminator((2,), hidden=(16,), seed=1)
    D.body.append(batch_norm)
    mixing = GANTrainer(MLPGenerator(3, (2,), hidden=(16,)), D, device="cpu")
    assert not mixing.one_pass
    apart, both = mixing.judge_both(real, fake, None)[0], D(torch.cat([real, fake])).chunk(2)[0]
    assert torch.allclose(apart, D(real), atol=1e-6) and not torch.allclose(apart, both, atol=1e-3)


def by_hand(networks, losses):
    """One Adam step of the trainer's kind for each loss in turn."""
    optimizers = [
        torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.0, 0.99)) for net in networks
    ]
    for optimizer, loss in zip(optimizers, losses, strict=True):
        optimizer.zero_grad()
        loss().mean().backward()
        optimizer.step()


def same_weights(trainer, G, D):
    for ours, reference in ((trainer.G, G), (trainer.D, D)):
        for a, b in zip(ours.parameters(), reference.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)


def test_augmented_and_packed_steps_by_hand():
    """D sees every example augmented, and then packed, in both players' steps; G's gradient passes
    through.
    """
    sp, shown = torch.nn.functional.softplus, []

    def augment(x, *, generator=None):
        shown.append(x.detach())
        return 2 * x + 1

    def pair():
        return MLPGenerator(3, (2,), hidden=(16,)), MLPDiscriminator((4,), hidden=(16,), seed=1)

    G, D = pair()
    trainer = GANTrainer(G, Packed(D, 2), augment=augment, lr=0.01, ema=None, seed=5, device="cpu")
    G, D = pair()
    real = Points().batch(0)
    fake = G(torch.randn(16, 3, generator=torch.Generator().manual_seed(5)))

    def seen(x):
        return (2 * x + 1).reshape(8, 4)

    list(trainer.run([real], 1))
    by_hand(
        (D, G),
        (lambda: sp(-D(seen(real))) + sp(D(seen(fake.detach()))), lambda: sp(-D(seen(fake)))),
    )
    for ours, reference in ((trainer.G, G), (trainer.D, D)):
        for a, b in zip(ours.parameters(), reference.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)
    assert torch.equal(shown[0], real) and all(torch.allclose(x, fake) for x in shown[1:])


def test_a_short_batch_gives_whole_packs_of_one_kind_or_is_refused():
    """Packs that would hold real and fake together are none; the joint pass must not make them."""
    packs = []
    D = MLPDiscriminator((4,), hidden=(8,))
    D.register_forward_pre_hook(lambda module, inputs: packs.append(inputs[0]))
    G = MLPGenerator(3, (2,), hidden=(8,))
    trainer = GANTrainer(G, Packed(D, 2), ema=None, penalty=r1(1.0), device="cpu")
    trainer.fit([torch.full((5, 2), 9.0)], 2)
    for pack in packs:
        assert len(pack) in (2, 4)
        assert torch.equal((pack[:, :2] == 9).all(1), (pack[:, 2:] == 9).all(1))
    with pytest.raises(ValueError, match="a batch of 1 makes no pack of 2; use drop_last=True"):
        trainer.fit([torch.zeros(1, 2)], 1)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_with_penalty_packing_and_spread(name):
    D = Packed(MLPDiscriminator((4,), hidden=(16,), minibatch_stddev=True, seed=1), 2)
    G = MLPGenerator(3, (2,), hidden=(16,))
    trainer = GANTrainer(G, D, loss=name, penalty=r1(1.0), device="cpu")
    history = trainer.fit(Points(), 5)
    assert all(math.isfinite(value) for values in history.values() for value in values)


OBJECTIVES = {
    "free_bits": ({"objective": lambda o, x: free_bits(o, x, 0.2)}, "objective"),
    "beta_tcvae": ({"objective": lambda o, x: beta_tcvae(o, x, 1000)}, "objective"),
    "negative_iwae": ({"objective": negative_iwae, "samples": 3}, "objective"),
    "negative_iwae_dreg": ({"objective": negative_iwae_dreg, "samples": 3}, "objective"),
    "a schedule": ({"beta": lambda step: min(1.0, step / 10)}, "negative_elbo"),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_lowered(name):
    options, term = OBJECTIVES[name]
    history = vae(lr=0.02, **options).fit(Points((1, 4, 4), size=32), 60)
    assert sum(history[term][-10:]) < sum(history[term][:10]) - 0.1


def test_a_schedule_weighs_the_rate_step_by_step(tmp_path):
    """With β = step / 4 the second step is that of a β of 1/4."""
    scheduled, fixed = vae(beta=lambda step: step / 4, seed=1), vae(beta=0.25, seed=1)
    data = Points((1, 4, 4))
    scheduled.fit(data, 1, save=tmp_path / "a.pt")
    fixed.load(tmp_path / "a.pt")
    scheduled.fit(data, 1)
    fixed.fit(data, 1)
    assert same(scheduled.vae.state_dict(), fixed.vae.state_dict())


class Counting(torch.nn.Module):
    """An objective with a state: the rate weighs more with every call."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, output, x):
        self.calls += 1
        return distortion(output, x) + self.calls * rate(output)


def test_an_objective_with_a_state_is_saved_and_resumed_to_the_last_bit(tmp_path):
    def trainer():
        return vae(objective=Counting(), seed=2)

    data, whole, first, second = Points((1, 4, 4)), trainer(), trainer(), trainer()
    whole.fit(data, 8)
    first.fit(data, 3, save=tmp_path / "a.pt")
    second.load(tmp_path / "a.pt")
    second.fit(data, 5)
    assert same(whole.state_dict(), second.state_dict())
    assert whole.networks["objective"].calls == 8


def test_one_vae_step_by_hand():
    trainer = vae(lr=0.01, beta=2.0, seed=5)
    reference = vae().vae
    x = Points((1, 4, 4)).batch(0)
    mean, log_variance = reference.encoder(x)
    noise = torch.randn(16, 3, generator=torch.Generator().manual_seed(5))
    logits = reference.decoder(mean + (0.5 * log_variance).exp() * noise)
    bce = (
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
        .flatten(1)
        .sum(1)
    )
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.01)
    (bce + 2 * kl).mean().backward()
    optimizer.step()
    (logs,) = trainer.run(Points((1, 4, 4)), 1)
    assert logs["distortion"] == pytest.approx(bce.mean().item(), rel=1e-5)
    assert logs["rate"] == pytest.approx(kl.mean().item(), rel=1e-5)
    assert logs["negative_elbo"] == pytest.approx((bce + kl).mean().item(), rel=1e-5)
    for p, q in zip(trainer.vae.parameters(), reference.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_conditionally_with_a_penalty(loss):
    trainer = gan(classes=3, loss=loss, penalty=gradient_penalty(1.0), penalty_every=2)
    logs = list(trainer.run(Points(labels=3), 4))
    assert ["penalty" in entry for entry in logs] == [True, False, True, False]
    assert trainer.sample(5, seed=0).shape == (5, 2)


def test_n_critic_and_lazy_penalty():
    trainer = gan(n_critic=3, loss="wasserstein", penalty=r1(1.0))
    assert ["generator" in entry for entry in trainer.run(Points(), 6)] == [False, False, True] * 2


def test_training_reduces_the_vae_loss_and_moves_a_gan_to_the_data():
    # Half of the images are black and half white, so no model can need fewer than log 2 nats for
    # one.
    images = TensorData(
        (torch.arange(64) % 2).float().view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    )
    history = vae(lr=0.01).fit(images.batches(16), 300)
    assert history["negative_elbo"][0] > 10
    assert math.log(2) - 0.05 < sum(history["negative_elbo"][-100:]) / 100 < 2
    trainer = gan(loss="non_saturating", penalty=r1(0.1))
    trainer.fit(Points(size=64), 600)
    assert torch.allclose(trainer.sample(2000, seed=0).mean(0), torch.tensor([0.5, 0.5]), atol=0.15)


def test_ema_averages_parameters_and_buffers_and_copies_counters():
    trainer = gan(batch_norm=True, ema=0.5)
    list(trainer.run(Points(), 1))
    average, fresh = EMA(gan(batch_norm=True).G, 0.5), trainer.G
    expected = {k: v.clone() for k, v in average.network.state_dict().items()}
    average.update(fresh)
    decay = min(0.5, 2 / 11)
    for key, value in average.network.state_dict().items():
        new = fresh.state_dict()[key]
        want = new if not value.is_floating_point() else decay * expected[key] + (1 - decay) * new
        assert torch.allclose(value, want, atol=1e-6), key
    assert any("running_mean" in key for key in expected)
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\), got 1"):
        EMA(fresh, 1.0)


@pytest.mark.parametrize(
    "make", [lambda: gan(penalty=gradient_penalty(1.0), batch_norm=True), lambda: vae(ema=0.9)]
)
def test_resume_is_exact_to_the_last_bit(make, tmp_path):
    data = Points((1, 4, 4)) if isinstance(make(), VAETrainer) else Points()
    whole, first, second = make(), make(), make()
    list(whole.run(data, 9))
    list(first.run(data, 4))
    first.save(tmp_path / "a.pt")
    torch.rand(3)  # other code may use the global generator in between
    second.load(tmp_path / "a.pt")
    list(second.run(data, 5))
    a, b = whole.state_dict(), second.state_dict()
    del a["global_generator"], b["global_generator"]
    assert same(a, b)
    assert torch.equal(whole.sample(3), second.sample(3))


def test_sampling_with_a_seed_does_not_disturb_training():
    a, b = gan(), gan()
    list(a.run(Points(), 2))
    for _ in b.run(Points(), 2):
        assert torch.equal(b.sample(2, seed=1), b.sample(2, seed=1))
    assert torch.equal(a.sample(4), b.sample(4))
    assert all(torch.equal(p, q) for p, q in zip(a.G.parameters(), b.G.parameters(), strict=True))


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float64"])
def test_precisions(precision):
    trainer, seen = gan(precision=precision, penalty=r1(1.0)), set()
    trainer.D.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    list(trainer.run(Points(), 3))
    # The logits come in the short type, but for those of which a penalty is made.
    short = {"bfloat16": {torch.bfloat16, torch.float32}, "float16": {torch.float16, torch.float32}}
    assert seen == short.get(precision, {torch.float64})
    expected = torch.float64 if precision == "float64" else torch.float32
    assert all(p.dtype == expected and torch.isfinite(p).all() for p in trainer.D.parameters())
    with pytest.raises(ValueError, match="unknown precision 'float8'; known: float32"):
        gan(precision="float8")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_densities_after_a_short_type_are_exact(precision):
    """The networks' numbers are rounded to a short type; what is computed from them is not."""
    trainer, x = vae(precision=precision), Points((1, 4, 4)).batch(0)
    with trainer.autocast():
        output = trainer.vae(x, generator=trainer.generator)
    mean, sigma = output.posterior.mean.double(), output.posterior.stddev.double()
    exact = 0.5 * (mean**2 + sigma**2 - 1 - 2 * sigma.log()).sum(1)
    assert torch.allclose(rate(output).double(), exact, rtol=1e-4, atol=1e-6)
    assert distortion(output, x).dtype == rate(output).dtype == torch.float32


def test_float16_leaves_a_step_out_that_overflows_and_its_scale_is_saved(tmp_path):
    trainer, fresh = gan(precision="float16"), gan(precision="float16")
    list(trainer.run(Points(), 2))
    assert {name: s.get_scale() for name, s in trainer.scalers.items()} == dict.fromkeys(
        trainer.networks, 65536.0
    )
    scaler = trainer.scalers["discriminator"]
    scaler.load_state_dict(scaler.state_dict() | {"scale": 1e38})
    before = {name: [p.clone() for p in net.parameters()] for name, net in trainer.networks.items()}
    list(trainer.run(Points(), 1))
    assert all(
        torch.equal(p, q)
        for p, q in zip(before["discriminator"], trainer.D.parameters(), strict=True)
    )
    assert any(
        not torch.equal(p, q)
        for p, q in zip(before["generator"], trainer.G.parameters(), strict=True)
    )
    assert trainer.scalers["discriminator"].get_scale() == pytest.approx(0.5e38)
    fresh.load(trainer.save(tmp_path / "a.pt"))
    assert same(fresh.state_dict()["scalers"], trainer.state_dict()["scalers"])
    plain = gan()
    list(plain.run(Points(), 1))
    assert plain.state_dict()["scalers"] == {}
    plain.load(tmp_path / "a.pt")  # another precision may go on


def test_float16_is_refused_where_it_cannot_be(monkeypatch):
    monkeypatch.setattr("gantut.training.loop.pick_device", lambda device: torch.device("mps"))
    with pytest.raises(ValueError, match="float16 needs a CUDA device"):
        gan(precision="float16")


COMPILED = """
import tempfile
import torch
from gantut.losses import r1
from gantut.networks import *
from gantut.training import GANTrainer, VAETrainer
from gantut.models.vae import VAE
SHAPE = (1, 4, 4)
x = [torch.rand(16, *SHAPE, generator=torch.Generator().manual_seed(1))]
def gan(compile):
    D = MLPDiscriminator(SHAPE, hidden=(8,), spectral_norm=True, seed=1)
    G = MLPGenerator(3, SHAPE, hidden=(8,), batch_norm=True)
    return GANTrainer(G, D, penalty=r1(1.0), device="cpu", compile=compile)
def vae(compile):
    model = VAE(MLPEncoder(SHAPE, 3, hidden=(8,)), MLPDecoder(3, SHAPE, hidden=(8,), seed=1))
    return VAETrainer(model, ema=0.9, device="cpu", compile=compile)
for make in (gan, vae):
    plain, compiled = make(False), make(True)
    for trainer in (plain, compiled):
        list(trainer.run(x, 4))
    a, b = plain.state_dict(), compiled.state_dict()
    for name, state in a["networks"].items():
        assert state.keys() == b["networks"][name].keys()
        for key, value in state.items():
            assert (value.double() - b["networks"][name][key].double()).abs().max() < 1e-4, key
    assert (plain.sample(4, seed=1) - compiled.sample(4, seed=1)).abs().max() < 1e-4
    path = tempfile.mkdtemp() + "/a.pt"
    compiled.save(path)
    plain.load(path)
import torch._dynamo.utils
print(torch._dynamo.utils.counters["stats"]["unique_graphs"])
"""


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("c++") is None, reason="torch.compile needs a C++ compiler on the CPU"
)
def test_compiled_networks_take_the_same_steps():
    """In a process of its own: torch.compile warns about its own doings."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILED], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4  # G, D, encoder, decoder were compiled indeed


def test_non_finite_losses_stop_with_the_step_the_term_and_the_cause():
    class Poisoned(Points):
        def batch(self, k):
            return super().batch(k) * (float("nan") if k == 2 else 1.0)

    trainer = gan()
    with pytest.raises(
        NonFiniteError, match=r"step 2: the discriminator loss became nan.*batch itself holds NaN"
    ):
        trainer.fit(Poisoned(), 5)
    assert trainer.steps == 2
    assert all(torch.isfinite(p).all() for p in trainer.D.parameters())
    broken = vae()
    next(broken.vae.decoder.parameters()).data.fill_(float("inf"))
    with pytest.raises(NonFiniteError, match="step 0: the vae loss.*weights of vae are not finite"):
        broken.fit(Points((1, 4, 4)), 1)
    # A penalty on the largest number that float32 has: finite data, infinite loss.
    huge = gan(penalty=lambda D, real, fake, generator=None: D(real) * 0 + 3e38 * 10)
    with pytest.raises(NonFiniteError, match="loss overflowed.*clip"):
        huge.fit(Points(), 1)


def test_checkpoint_errors_change_nothing(tmp_path):
    trainer = gan()
    list(trainer.run(Points(), 2))
    good = trainer.save(tmp_path / "good.pt")
    before = good.read_bytes()
    state = trainer.state_dict()
    (tmp_path / "short.pt").write_bytes(before[: len(before) // 2])
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "foreign.pt")
    cases = {
        "none.pt": "no checkpoint at",
        "short.pt": "truncated or no checkpoint",
        "empty.pt": "truncated or no checkpoint",
        "text.pt": "truncated or no checkpoint",
        "foreign.pt": "none written by a trainer",
    }
    for name, message in cases.items():
        with pytest.raises(CheckpointError, match=message):
            trainer.load(tmp_path / name)
    other = GANTrainer(MLPGenerator(3, (2,), hidden=(8,)), MLPDiscriminator((2,), hidden=(16,)))
    with pytest.raises(
        CheckpointError,
        match=r"does not fit this trainer: .*size mismatch for body.*\[16, 3\].*\[8, 3\]",
    ):
        other.load(good)
    with pytest.raises(CheckpointError, match="saved by GANTrainer; expected VAETrainer"):
        vae().load(good)
    with pytest.raises(CheckpointError, match="with an EMA, unlike here"):
        gan(ema=None).load(good)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write the checkpoint"):
        trainer.save(tmp_path / "file" / "a.pt")
    assert same(state, trainer.state_dict())
    assert good.read_bytes() == before


def test_no_code_runs_from_a_checkpoint(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("executed",)

    torch.save({"format": "gantut checkpoint", "version": 1, "x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError):
        gan().load(tmp_path / "evil.pt")


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    trainer = gan()
    path = trainer.save(tmp_path / "a.pt")
    before = path.read_bytes()

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        trainer.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


SCRIPT = """
import sys, torch
from gantut.networks import MLPDiscriminator, MLPGenerator
from gantut.training import GANTrainer
class Points:
    def batch(self, k):
        return torch.rand(16, 2, generator=torch.Generator().manual_seed(k))
D = MLPDiscriminator((2,), hidden=(16,), seed=1)
trainer = GANTrainer(MLPGenerator(3, (2,), hidden=(256, 256)), D)
print("ready", flush=True)
trainer.fit(Points(), 10**9, save=sys.argv[1], save_every=1)
print("stopped", trainer.interrupted, trainer.steps, flush=True)
"""


def _started(path):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "ready"
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


@pytest.mark.slow
def test_kill_9_never_corrupts_a_file(tmp_path):
    path, steps = tmp_path / "a.pt", []
    for pause in (0.0, 0.013, 0.037):
        process = _started(path)
        time.sleep(pause)
        process.kill()
        process.communicate()
        trainer = GANTrainer(
            MLPGenerator(3, (2,), hidden=(256, 256)), MLPDiscriminator((2,), hidden=(16,), seed=1)
        )
        trainer.load(path)
        steps.append(trainer.steps)
    assert min(steps) >= 1


@pytest.mark.slow
def test_ctrl_c_finishes_the_step_saves_and_stops(tmp_path):
    process = _started(tmp_path / "a.pt")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    word, interrupted, steps = out.split()
    assert (word, interrupted) == ("stopped", "True")
    trainer = GANTrainer(
        MLPGenerator(3, (2,), hidden=(256, 256)), MLPDiscriminator((2,), hidden=(16,), seed=1)
    )
    trainer.load(tmp_path / "a.pt")
    assert trainer.steps == int(steps)


def test_bad_input():
    with pytest.raises(ValueError, match="gave no batch"):
        gan().fit([], 1)
    with pytest.raises(TypeError, match=r"expected data with batch\(k\).*DataLoader"):
        gan().fit(3, 1)
    with pytest.raises(ValueError, match=r"expected examples of shape \(N, 2\), got \(4, 3\)"):
        gan().fit([torch.rand(4, 3)], 1)
    with pytest.raises(ValueError, match="conditional on 3 classes, but the batch has no labels"):
        gan(classes=3).fit(Points(), 1)
    with pytest.raises(ValueError, match="unknown loss 'wgan'"):
        gan(loss="wgan")
    with pytest.raises(ValueError, match="n_critic must be at least 1, got 0"):
        gan(n_critic=0)
    with pytest.raises(ValueError, match="penalty_every must be at least 1, got 0"):
        gan(penalty_every=0)
    with pytest.raises(ValueError, match=r"disagree on shape: \(2,\) and \(3,\)"):
        GANTrainer(MLPGenerator(3, (2,)), MLPDiscriminator((3,)))
    with pytest.raises(ValueError, match="give beta or an objective, not both"):
        vae(beta=2.0, objective=free_bits)
    with pytest.raises(ValueError, match="samples=3 needs an objective"):
        vae(samples=3)
    with pytest.raises(ValueError, match="beta must be a finite number ≥ 0, got -1"):
        vae(beta=-1)
    with pytest.raises(TypeError, match="unknown option clases; every trainer takes lr, betas"):
        gan(clases=3)
    with pytest.raises(ValueError, match="steps must be at least 0, got -1"):
        gan().fit(Points(), -1)
    with pytest.raises(ValueError, match="device 'gpu' is not there; known: auto, cpu"):
        gan(device="gpu")
