"""Every setting changes what it names and nothing else, and the trainer is the one made by hand."""

import contextlib
import dataclasses
import functools
from typing import Any, NamedTuple

import pytest
import torch

from gantut import data as datasets, losses, models, networks, processes, training
from gantut.cli import runs
from gantut.cli.settings import BELONGS, Model, Settings, SettingsError, Train

SHAPE, CLASSES = (1, 8, 8), 10
KINDS = Model.__args__


class Case(NamedTuple):
    """A value that is not the default, the settings it needs, and the places that it changes."""

    value: Any
    places: set[str]
    base: dict[str, Any] = {}


# -- settings of the trainer -----------------------------------------------------------------------

BUILT = {
    "model": Case("bigan", {"trainer", "networks", "weights", "lr"}),
    "network": Case("conv", {"networks", "weights"}),
    "latent_dim": Case(6, {"networks", "weights"}),
    "width": Case(12, {"networks", "weights"}),
    "conditional": Case(True, {"networks", "weights"}),
    "spectral_norm": Case(False, {"networks", "weights"}),
    "seed": Case(4, {"weights", "noise"}),
    "loss": Case("wasserstein", {"loss"}),
    "r1": Case(0.5, {"penalty"}),
    "penalty_every": Case(4, {"penalty_every"}, {"r1": 0.1}),
    "likelihood": Case("continuous_bernoulli", {"likelihood", "networks"}, {"model": "vae"}),
    "levels": Case(17, {"likelihood"}, {"model": "vae", "likelihood": "discretised_logistic"}),
    "beta": Case(2.5, {"beta"}, {"model": "vae"}),
    "gamma": Case(0.3, {"gamma"}, {"model": "vaegan"}),
    "codes": Case(32, {"weights"}, {"model": "vqvae"}),
    "lr": Case(5e-4, {"lr"}),
    "ema": Case(0.9, {"ema"}),
    "precision": Case("float64", {"precision", "weights"}),
    "compile": Case(True, {"compile"}),
    "device": Case("cpu:0", {"device"}),
}


def fingerprint(penalty):
    if penalty is None:
        return None
    x, y = (torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    return penalty(lambda t: t.flatten(1).square().sum(1), x, y).tolist()


def places(trainer):
    """What makes this trainer, by the name of its place."""
    beta, loss = getattr(trainer, "beta", None), getattr(trainer, "loss", None)
    nets = trainer.networks
    likelihood = getattr(trainer.model, "likelihood", None)
    return {
        "trainer": type(trainer).__name__,
        "networks": {name: str(net) for name, net in nets.items()},
        "weights": [
            (name, str(tensor.dtype), tensor.double().flatten().tolist())
            for net in nets.values()
            for name, tensor in net.state_dict().items()
        ],
        "loss": loss if isinstance(loss, losses.AdversarialLoss) else None,
        "penalty": fingerprint(getattr(trainer, "penalty", None)),
        "penalty_every": getattr(trainer, "penalty_every", 1),
        "likelihood": likelihood and (type(likelihood), getattr(likelihood, "levels", None)),
        "beta": beta(0) if callable(beta) else beta,
        "gamma": getattr(trainer, "gamma", None),
        "lr": {n: [g["lr"] for g in o.param_groups] for n, o in trainer.optimizers.items()},
        "ema": trainer.ema and trainer.ema.decay,
        "noise": trainer.generator.get_state().tolist(),
        "precision": trainer.precision,
        "compile": trainer.compiled,
        "device": str(trainer.device),
    }


def settings(**values):
    return Settings(**{"data": "digits", "device": "cpu", "width": 8, "latent_dim": 4} | values)


def built(**values):
    return places(runs.build(settings(**values), SHAPE, CLASSES))


def by_hand(
    model="gan",
    network="mlp",
    latent_dim=4,
    width=8,
    conditional=False,
    spectral_norm=True,
    seed=0,
    loss="hinge",
    r1=0.0,
    penalty_every=1,
    likelihood="bernoulli",
    levels=None,
    codes=256,
    **options,
):
    """The same trainer, written as a reader would write it."""
    sized = {"classes": CLASSES if conditional else 0}
    sized |= {"width": width} if network == "conv" or model == "vqvae" else {"hidden": (width,) * 2}
    family = "Conv" if network == "conv" else "Grid" if model == "vqvae" else "MLP"
    net = {
        part: getattr(networks, family + part, None)
        for part in ("Encoder", "Decoder", "Generator", "Discriminator")
    }
    judged = {"loss": loss}
    if r1:
        judged |= {"penalty": losses.r1(r1), "penalty_every": penalty_every}
    options |= {"seed": seed}
    options.setdefault("device", "cpu")
    p = models.LIKELIHOODS[likelihood](*([levels] if levels else []))

    def encoder():
        return net["Encoder"](SHAPE, latent_dim, seed=seed, **sized)

    def vae(kind=models.VAE, *middle):
        wanted = models.decoder_shape(p, SHAPE)
        decoder = net["Decoder"](latent_dim, wanted, seed=seed + 1, **sized)
        return kind(encoder(), *middle, decoder, p)

    def judge():
        return net["Discriminator"](SHAPE, spectral_norm=spectral_norm, seed=seed + 2, **sized)

    def generator():
        return net["Generator"](latent_dim, SHAPE, seed=seed + 1, **sized)

    if model == "gan":
        return training.GANTrainer(generator(), judge(), **judged, **options)
    if model == "vae":
        return training.VAETrainer(vae(), **options)
    if model == "vaegan":
        return training.VAEGANTrainer(vae(), judge(), **judged, **options)
    if model == "aae":
        D = networks.MLPDiscriminator((latent_dim,), classes=sized["classes"], seed=seed + 2)
        return training.AAETrainer(vae(), D, **judged, **options)
    if model == "vqvae":
        book = models.VectorQuantiser(codes, latent_dim, decay=0.99, seed=seed + 3)
        return training.VQVAETrainer(vae(models.VQVAE, book), **options)
    pairs = networks.PairDiscriminator(
        judge(), latent_dim, spectral_norm=spectral_norm, seed=seed + 3
    )
    return training.BiGANTrainer(generator(), encoder(), pairs, **judged, **options)


@pytest.mark.parametrize("name", BUILT)
def test_a_setting_of_the_trainer_changes_its_place_alone(name):
    case = BUILT[name]
    with_it = case.base | {name: case.value}
    before, after = built(**case.base), built(**with_it)
    assert {place for place in before if before[place] != after[place]} == case.places
    assert after == places(by_hand(**with_it))


@pytest.mark.parametrize("model", KINDS)
def test_each_model_is_the_one_made_by_hand(model):
    for more in ({}, {"conditional": True, "lr": 3e-4, "seed": 2}):
        assert built(model=model, **more) == places(by_hand(model=model, **more))


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("name", [name for name in BUILT if name not in ("model", "network")])
def test_a_setting_counts_or_is_refused(model, name):
    """No model takes a setting and does nothing with it, or something else than one would."""
    case = BUILT[name]
    base = case.base | {"model": model}
    if model not in BELONGS.get(name, KINDS):
        with pytest.raises(SettingsError, match=f"does not belong to {model}"):
            settings(**base, **{name: case.value})
    else:
        after = built(**base | {name: case.value})
        assert after != built(**base)
        assert after == places(by_hand(**base | {name: case.value}))


# -- settings of the run ---------------------------------------------------------------------------

FOLDER = {"data": "folder", "path": ".", "size": 8}
RUN = {
    "data": Case("digits", {"data"}),
    "path": Case("..", {"options"}, FOLDER),
    "download": Case(True, {"options"}, {"data": "mnist"}),
    "examples": Case(70, {"options"}),
    "size": Case(16, {"options"}),
    "channels": Case(1, {"options"}, FOLDER),
    "unreadable": Case("skip", {"options"}, FOLDER),
    "steps": Case(9, {"steps", "saved", "pictures"}),
    "batch": Case(32, {"batch"}),
    "save_every": Case(3, {"saved"}),
    "picture_every": Case(2, {"pictures"}),
    "log": Case("tensorboard", {"log"}),
    "timeout": Case(30, {"started"}),
}
ARGUMENTS = {"path": "path", "download": "download", "examples": "n", "size": "size"}
ARGUMENTS |= {"channels": "channels", "unreadable": "unreadable"}


class Data:
    """Data that note how they are cut into batches."""

    shape, classes, maximum = SHAPE, CLASSES, 255

    def __init__(self, noted):
        self.noted = noted

    def batches(self, size, **options):
        self.noted["batch"] = (size, options["labels"], options["process"])
        self.noted["order"] = options["seed"]


class Runner:
    """A trainer that notes what it is asked to do, and does nothing."""

    def __init__(self, noted):
        self.noted, self.steps, self.interrupted, self.optimizers = noted, 0, False, {}

    def run(self, data, steps, stop):
        self.noted["steps"] = steps
        for _ in range(steps):
            self.steps += 1
            yield {"loss": 1.0}

    def save(self, path):
        self.noted["saved"].append(self.steps)

    def sample(self, n, labels=None, seed=None):
        return torch.zeros(n, *SHAPE)


def noted(monkeypatch, folder, **values):
    """What a run does, by the name of its place."""
    found: dict[str, Any] = {"saved": []}

    def maker(name, make):
        @functools.wraps(make)
        def noting(**options):
            found["data"], found["options"] = name, options
            return Data(found)

        return noting

    @contextlib.contextmanager
    def started(device, timeout):
        found["started"] = (device, timeout)
        yield

    with monkeypatch.context() as patch:
        for name, make in list(datasets.DATASETS.items()):
            patch.setitem(datasets.DATASETS, name, maker(name, make))
        patch.setattr(processes, "started", started)
        patch.setattr(runs, "build", lambda *_: Runner(found))
        s = {"steps": 6, "save_every": 4, "picture_every": 4, "device": "cpu"} | values
        assert runs.train(Train(out=folder, **s)) == 0
    found["pictures"] = sorted(path.name for path in folder.glob("samples*"))
    found["log"] = [(folder / "log.csv").exists(), len(list(folder.glob("events.*")))]
    return found


@pytest.mark.parametrize("name", RUN)
def test_a_setting_of_the_run_changes_its_place_alone(name, tmp_path, monkeypatch):
    case = RUN[name]
    base = {"data": "glyphs"} | case.base
    before = noted(monkeypatch, tmp_path / "before", **base)
    after = noted(monkeypatch, tmp_path / "after", **base | {name: case.value})
    assert {place for place in before if before[place] != after[place]} == case.places
    if case.places == {"options"}:
        assert after["options"][ARGUMENTS[name]] == case.value


def test_what_a_run_does_follows_its_settings_exactly(tmp_path, monkeypatch):
    did = noted(monkeypatch, tmp_path, data="digits", seed=5, batch=7, conditional=True)
    assert did["steps"] == 6 and did["saved"] == [4, 6] and did["started"] == ("cpu", 600)
    assert did["batch"] == (7, True, (0, 1)) and did["order"] == 5
    assert did["pictures"] == ["samples-000004.png", "samples.png"]
    assert (tmp_path / "log.csv").read_text().splitlines()[:2] == ["step,term,value", "1,loss,1"]


def test_no_setting_is_left_out():
    assert set(BUILT) | set(RUN) == {field.name for field in dataclasses.fields(Settings)}
