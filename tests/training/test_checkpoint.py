"""Checkpoints: all or nothing, from one device to another, with settings changed on purpose."""

import stat

import pytest
import torch
from torch import nn

import gantut
from gantut.networks import MLPDiscriminator, MLPGenerator
from gantut.training import CheckpointError, GANTrainer, checkpoint


def trainer(**options):
    G = MLPGenerator(3, (2,), hidden=(8,))
    return GANTrainer(G, MLPDiscriminator((2,), hidden=(8,), seed=1), device="cpu", **options)


DATA = [torch.rand(8, 2, generator=torch.Generator().manual_seed(0))]


def halving(optimizer):
    return torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)


def halving_from_the_start(optimizer):
    """The same rates, by a formula that begins at the first one."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)


def rates(one):
    return {name: o.param_groups[0]["lr"] for name, o in one.optimizers.items()}


def flat(state):
    """Every tensor and number of a nested state, in order."""
    if isinstance(state, dict):
        return [leaf for key in sorted(state, key=str) for leaf in flat(state[key])]
    if isinstance(state, (list, tuple)):
        return [leaf for part in state for leaf in flat(part)]
    return [state.tolist() if isinstance(state, torch.Tensor) else state]


@pytest.fixture
def saved(tmp_path):
    one = trainer(lr=0.002)
    one.fit(DATA, 3, save=tmp_path / "a.pt")
    return tmp_path / "a.pt"


def test_settings_come_from_the_file_unless_they_were_said_on_purpose(saved):
    silent, said = trainer(), trainer(lr=1e-5, betas=(0.5, 0.9))
    for one in (silent, said):
        one.load(saved)
    assert rates(silent) == dict.fromkeys(("generator", "discriminator"), 0.002)
    assert rates(said) == dict.fromkeys(("generator", "discriminator"), 1e-5)
    assert said.optimizers["generator"].param_groups[0]["betas"] == (0.5, 0.9)
    moments = [flat(one.optimizers["generator"].state_dict()["state"]) for one in (silent, said)]
    assert moments[0] == moments[1] and any(value for value in moments[0])


@pytest.mark.parametrize("schedule", [halving, halving_from_the_start])
def test_a_new_rate_goes_on_from_where_the_schedule_was(schedule, tmp_path):
    schedules = {"generator": schedule}
    one = trainer(lr=0.8, schedules=schedules)
    one.fit(DATA, 2, save=tmp_path / "a.pt")
    same, other = trainer(schedules=schedules), trainer(lr=0.4, schedules=schedules)
    for again, expected in ((same, 0.2), (other, 0.1)):
        again.load(tmp_path / "a.pt")
        assert rates(again)["generator"] == pytest.approx(expected)
        again.fit(DATA, 1)
        assert rates(again)["generator"] == pytest.approx(expected / 2)


SCHEDULES = {
    "one_cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10),
    "sequence": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o, [torch.optim.lr_scheduler.ConstantLR(o, 0.1, 2), halving(o)], [3]
    ),
    "halving": halving,
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("own", [True, False])
def test_every_schedule_goes_on_to_the_last_bit(schedule, own, tmp_path):
    def make():
        G = MLPGenerator(3, (2,), hidden=(8,))
        D = MLPDiscriminator((2,), hidden=(8,), seed=1)
        optimizers = {"generator": torch.optim.AdamW(G.parameters(), 0.007)} if own else {}
        schedules = {"generator": SCHEDULES[schedule]}
        return GANTrainer(G, D, optimizers=optimizers, schedules=schedules, device="cpu")

    whole, first, second = make(), make(), make()
    whole.fit(DATA, 8)
    first.fit(DATA, 4, save=tmp_path / "a.pt")
    second.load(tmp_path / "a.pt")
    second.fit(DATA, 4)
    assert all(map(torch.equal, whole.G.parameters(), second.G.parameters()))


def test_a_schedule_that_ended_or_begins_with_the_checkpoint(tmp_path):
    schedules = {"generator": halving}
    trainer(lr=0.8, schedules=schedules).fit(DATA, 2, save=tmp_path / "a.pt")
    ended = trainer(lr=0.4)
    ended.load(tmp_path / "a.pt")
    assert rates(ended)["generator"] == 0.4  # what was said, and no schedule to lower it
    trainer(lr=0.8).fit(DATA, 2, save=tmp_path / "b.pt")
    begins = trainer(schedules={"generator": lambda o: torch.optim.lr_scheduler.LambdaLR(o, WARM)})
    begins.load(tmp_path / "b.pt")
    assert rates(begins)["generator"] == 0
    begins.fit(DATA, 1)
    assert rates(begins)["generator"] > 0


def WARM(step):
    return min(1.0, step / 10)


@pytest.mark.parametrize(
    ("before", "now", "option"),
    [
        (lambda p: torch.optim.Adam(p, 1e-3), dict(amsgrad=True), "amsgrad"),
        (lambda p: torch.optim.RMSprop(p, 1e-3), dict(momentum=0.9), "momentum"),
        (lambda p: torch.optim.RMSprop(p, 1e-3), dict(centered=True), "centered"),
    ],
)
def test_moments_that_the_file_lacks_are_missed_before_anything_changes(
    before, now, option, tmp_path
):
    def make(**more):
        G = MLPGenerator(3, (2,), hidden=(8,))
        optimizer = before(G.parameters())
        own = {"generator": type(optimizer)(G.parameters(), 1e-3, **more)}
        D = MLPDiscriminator((2,), hidden=(8,), seed=1)
        return GANTrainer(G, D, optimizers=own, device="cpu")

    make().fit(DATA, 2, save=tmp_path / "a.pt")
    other = make(**now)
    weights = flat(other.G.state_dict())
    with pytest.raises(CheckpointError, match=f"optimizer has {option} here, and had none there"):
        other.load(tmp_path / "a.pt")
    assert flat(other.G.state_dict()) == weights and other.steps == 0
    other.fit(DATA, 1)


def test_what_plain_networks_found_out_is_known_after_loading(tmp_path):
    """The shape of examples, which no network said: another one is refused at once."""

    def plain():
        D = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
        return GANTrainer(nn.Linear(2, 6), D, latent_dim=2, device="cpu")

    one, again = plain(), plain()
    one.fit([torch.rand(4, 6)], 2, save=tmp_path / "a.pt")
    again.load(tmp_path / "a.pt")
    assert again.shape == one.shape == (6,) and again.steps == one.steps == 2
    with pytest.raises(ValueError, match=r"expected examples of shape \(N, 6\), got \(4, 5\)"):
        again.fit([torch.rand(4, 5)], 1)


def test_an_optimizer_of_one_s_own_keeps_its_settings_and_takes_the_moments(tmp_path):
    def own(lr):
        G = MLPGenerator(3, (2,), hidden=(8,))
        optimizer = torch.optim.SGD(G.parameters(), lr, momentum=0.9)
        D = MLPDiscriminator((2,), hidden=(8,), seed=1)
        return GANTrainer(G, D, optimizers={"generator": optimizer}, device="cpu")

    first, second = own(0.1), own(0.01)
    first.fit(DATA, 2, save=tmp_path / "a.pt")
    second.load(tmp_path / "a.pt")
    assert rates(second)["generator"] == 0.01
    buffers = [flat(one.optimizers["generator"].state_dict()["state"]) for one in (first, second)]
    assert buffers[0] == buffers[1]
    with pytest.raises(CheckpointError, match="generator was trained by SGD, and here by Adam"):
        trainer().load(tmp_path / "a.pt")
    fresh = trainer()
    fresh.load(tmp_path / "a.pt", optimizers=False)
    assert all(map(torch.equal, fresh.G.parameters(), first.G.parameters()))
    assert not fresh.optimizers["generator"].state and fresh.steps == 2
    fresh.fit(DATA, 1)


@pytest.mark.parametrize("breaking", ["optimizer", "ema", "generator", "weights", "schedule"])
def test_load_is_all_or_nothing(saved, breaking, tmp_path):
    """Whatever is wrong inside of a file that looks right, the trainer stays as it was."""
    content = torch.load(saved, weights_only=True)
    match breaking:
        case "optimizer":
            content["optimizers"]["discriminator"]["state"][0]["exp_avg"] = torch.zeros(3, 3, 3)
        case "ema":
            del content["ema"]["network"]
        case "generator":
            content["global_generator"] = torch.zeros(3)
        case "weights":
            content["networks"]["generator"] = dict.fromkeys(
                content["networks"]["generator"], torch.zeros(())
            )
        case "schedule":
            content["steps"] = "three"
            del content["generator"]
    torch.save(content, tmp_path / "b.pt")
    one = trainer()
    one.fit(DATA, 1)
    before, noise = flat(one.state_dict()), one.generator.get_state()
    if breaking == "optimizer":
        content["optimizers"]["discriminator"]["param_groups"][0]["params"] = [0]
        torch.save(content, tmp_path / "b.pt")
    with pytest.raises(CheckpointError):
        one.load(tmp_path / "b.pt")
    assert flat(one.state_dict()) == before and torch.equal(one.generator.get_state(), noise)
    one.fit(DATA, 1)


def test_a_random_state_of_another_device_is_drawn_anew_and_said(saved, tmp_path):
    """A CUDA generator has 16 bytes; a CPU's has thousands."""
    content = torch.load(saved, weights_only=True)
    content["generator"] = torch.zeros(16, dtype=torch.uint8)
    content["cuda_generator"] = torch.zeros(16, dtype=torch.uint8)
    torch.save(content, tmp_path / "cuda.pt")
    first, second = trainer(), trainer()
    for one in (first, second):
        with pytest.warns(UserWarning, match="another device's than cpu"):
            one.load(tmp_path / "cuda.pt")
    assert first.steps == 3
    assert torch.equal(first.sample(3), second.sample(3))
    first.fit(DATA, 1)


def test_the_global_random_state_is_part_of_a_checkpoint(tmp_path):
    """Dropout draws from it."""
    one = trainer()
    torch.manual_seed(5)
    one.save(tmp_path / "a.pt")
    expected = torch.rand(3)
    torch.rand(7)
    one.load(tmp_path / "a.pt")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("average", [True, False])
def test_the_weights_alone_load_in_plain_pytorch(saved, average):
    one = trainer()
    one.load(saved)
    G = MLPGenerator(3, (2,), hidden=(8,), seed=9)
    G.load_state_dict(gantut.weights(saved, "generator", average=average))
    source = one.model if average else one.G
    assert all(map(torch.equal, G.parameters(), source.parameters()))
    D = MLPDiscriminator((2,), hidden=(8,), seed=9)
    D.load_state_dict(gantut.weights(saved, "discriminator"))
    assert all(map(torch.equal, D.parameters(), one.D.parameters()))
    assert flat(gantut.weights(saved)) == flat(gantut.weights(saved, "generator"))
    with pytest.raises(
        CheckpointError, match="no network 'vae'; it holds generator, discriminator"
    ):
        gantut.weights(saved, "vae")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrapped_networks_are_understood(prefix, tmp_path):
    plain = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    torch.save({prefix + k: v for k, v in plain.state_dict().items()}, tmp_path / "w.pt")
    assert flat(gantut.weights(tmp_path / "w.pt")) == flat(plain.state_dict())


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_wrapped_network_takes_up_a_plain_checkpoint_and_gives_one(ema, tmp_path):
    def make(wrap):
        G, D = MLPGenerator(3, (2,), hidden=(8,)), MLPDiscriminator((2,), hidden=(8,), seed=1)
        return GANTrainer(wrap(G), D, latent_dim=3, ema=ema, device="cpu")

    plain, wrapped = make(lambda G: G), make(nn.DataParallel)
    plain.fit(DATA, 2, save=tmp_path / "a.pt")
    wrapped.load(tmp_path / "a.pt")
    wrapped.save(tmp_path / "b.pt")
    plain.load(tmp_path / "b.pt")
    assert flat(gantut.weights(tmp_path / "a.pt", "generator")) == flat(
        gantut.weights(tmp_path / "b.pt", "generator")
    )


class Named(nn.Module):
    """Its own parts have the names that wrappers use, and a bare name is taken as well."""

    def __init__(self):
        super().__init__()
        self.module = nn.ModuleDict({"0": nn.Linear(3, 2), "module": nn.Linear(2, 2)})
        self.add_module("0", nn.Linear(2, 2))

    def forward(self, z):
        return self.get_submodule("0")(self.module["module"](self.module["0"](z)))


@pytest.mark.parametrize("wrap", [lambda G: G, nn.DataParallel])
def test_a_part_that_is_called_module_is_no_wrapper(wrap, tmp_path):
    def make():
        D = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
        return GANTrainer(wrap(Named()), D, latent_dim=3, ema=0.9, device="cpu")

    one, other, plain = make(), make(), Named()
    one.fit(DATA, 2, save=tmp_path / "a.pt")
    other.load(tmp_path / "a.pt")
    assert all(map(torch.equal, one.G.parameters(), other.G.parameters()))
    assert all(map(torch.equal, one.model.parameters(), other.model.parameters()))
    plain.load_state_dict(gantut.weights(tmp_path / "a.pt", "generator", average=False))
    assert all(map(torch.equal, one.G.parameters(), plain.parameters()))


def test_a_file_has_the_rights_of_any_other_file(saved, tmp_path):
    (tmp_path / "plain").write_text("")
    mode = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert stat.S_IMODE(saved.stat().st_mode) == mode


def test_a_full_disk_is_called_so(tmp_path, monkeypatch):
    def full(content, path):
        raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        CheckpointError, match=r"cannot write the checkpoint .*a.pt: the disk is full"
    ):
        trainer().save(tmp_path / "a.pt")
    assert list(tmp_path.iterdir()) == []


def test_a_version_of_another_release_is_named(saved, tmp_path):
    content = torch.load(saved, weights_only=True)
    torch.save(content | {"version": 99}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="has version 99; expected 1 or 2"):
        trainer().load(tmp_path / "b.pt")
    assert checkpoint.VERSIONS == (1, 2)
