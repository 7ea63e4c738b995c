"""Runs: they resume to the bit, need no data to be used, lose nothing, and say what went wrong."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from gantut import data as datasets, export, metrics, models, training
from gantut.__main__ import main
from gantut.cli import runs, settings
from gantut.cli.settings import CHANGEABLE, Model, Settings, Train
from gantut.training import CheckpointError

MODELS = Model.__args__
SMALL = [
    "--data",
    "digits",
    "--latent-dim",
    "4",
    "--width",
    "16",
    "--device",
    "cpu",
    "--picture-every",
    "0",
    "--batch",
    "16",
]


def run(*arguments):
    return main([str(a) for a in arguments])


def states(trainer):
    return {
        f"{name}.{key}": tensor
        for name, network in trainer.networks.items()
        for key, tensor in network.state_dict().items()
    }


def same_weights(a, b):
    a, b = states(a), states(b)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


def log_of(folder):
    return list(csv.DictReader((folder / "log.csv").read_text().splitlines()))


@pytest.mark.parametrize("model", MODELS)
def test_each_model_trains_samples_and_resumes(model, tmp_path):
    """A run in two halves ends with the weights of a run in one."""
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    penalty = ["--r1", "0.1"] if model in ("gan", "vaegan", "aae") else []
    options = [*SMALL, "--seed", "3", *penalty]
    assert run("train", model, "--out", whole, "--steps", 4, *options) == 0
    assert run("train", model, "--out", halves, "--steps", 2, *options) == 0
    assert run("train", "--out", halves, "--steps", 4, "--resume") == 0
    same_weights(runs.opened(whole)[1], runs.opened(halves)[1])
    assert log_of(whole) == log_of(halves) and log_of(whole)[-1]["step"] == "4"
    assert run("sample", whole, "-n", 9, "--to", tmp_path / "nine.png") == 0
    with Image.open(tmp_path / "nine.png") as nine:
        assert nine.size == (52, 52)  # three by three of 8 pixels with a gap, twice as large
    assert run("sample", whole, "-n", 9, "--to", tmp_path / "new" / "nine.pt") == 0
    nine = torch.load(tmp_path / "new" / "nine.pt")
    assert torch.equal(nine, runs.opened(whole)[1].sample(9, seed=0)) and nine.shape[1:] == (
        1,
        8,
        8,
    )
    assert os.stat(whole / "config.toml").st_mode & 0o777 == 0o666 & ~umask()


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_run_needs_neither_its_data_nor_its_place(tmp_path, monkeypatch, capsys):
    pictures = tmp_path / "pictures"
    for k in range(20):
        place = pictures / "ab"[k % 2]
        place.mkdir(parents=True, exist_ok=True)
        noise = torch.randint(256, (8, 8), generator=torch.Generator().manual_seed(k))
        Image.fromarray(noise.byte().numpy()).save(place / f"{k}.png")
    (pictures / "a" / "broken.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    words = ["--data", "folder", "--path", "pictures", "--size", 8, "--channels", 1, "--batch", 10]
    words += ["--conditional", "--latent-dim", 4, "--width", 8, "--device", "cpu", "--steps", 2]
    assert run("train", "--out", "run", *words) == 2
    error = capsys.readouterr().err
    assert "broken.png" in error and "--unreadable skip leaves out" in error
    with pytest.warns(UserWarning, match="broken"):
        assert run("train", "--out", "run", *words, "--unreadable", "skip") == 0
    shutil.move("run", "elsewhere")
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    moved = tmp_path / "elsewhere"
    with pytest.warns(UserWarning, match="broken"):
        assert run("train", "--out", moved, "--steps", 3, "--resume") == 0
    shutil.rmtree(pictures)
    assert run("sample", moved, "-n", 4, "--to", "four.png") == 0
    assert run("export", moved, "--to", "deep/m.pt2") == 0
    program = torch.export.load("deep/m.pt2").module()
    assert program(torch.randn(3, 4), torch.tensor([0, 1, 1])).shape == (3, 1, 8, 8)
    capsys.readouterr()
    assert run("evaluate", moved) == 1
    error = capsys.readouterr().err
    assert "there is no folder" in error and str(pictures) in error and error.count("\n") == 1


@pytest.mark.parametrize("name", CHANGEABLE)
def test_what_may_change_takes_effect_when_the_run_goes_on(name, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    values = {"model": "vae" if name == "beta" else "vaegan", "data": "digits", "width": 8}
    values |= {"steps": 1, "batch": 16, "device": "cpu", "picture_every": 0, "lr": 2e-3}
    values |= {"r1": 0.1} if name == "penalty_every" else {}
    assert runs.train(Train(out=folder, latent_dim=4, **values)) == 0
    new = {"lr": 1e-5, "steps": 2, "batch": 8, "loss": "wasserstein", "r1": 0.5, "device": "cpu:0"}
    new |= {"beta": 3.0, "gamma": 0.5, "penalty_every": 3, "log": "tensorboard", "timeout": 60}
    new |= {"save_every": 1, "picture_every": 1}
    if name not in new:  # path, download and compile change where, not what
        return
    made = []
    old = runs.build
    monkeypatch.setattr(runs, "build", lambda *a: made.append(old(*a)) or made[-1])
    option = f"--{name.replace('_', '-')}"
    assert run("train", "--out", folder, "--resume", option, new[name]) == 0
    assert getattr(settings.read(folder / "config.toml"), name) == new[name]
    rates = {g["lr"] for o in made[0].optimizers.values() for g in o.param_groups}
    assert rates == {1e-5 if name == "lr" else 2e-3}


def test_a_lower_rate_makes_smaller_steps_from_where_the_run_stood(tmp_path):
    folder = tmp_path / "run"
    assert run("train", "vae", "--out", folder, "--steps", 2, "--lr", 2e-3, *SMALL) == 0
    shutil.copytree(folder, tmp_path / "slow")
    start = states(runs.opened(folder)[1])
    moved = {}
    for place, rate in ((folder, []), (tmp_path / "slow", ["--lr", 1e-5])):
        assert run("train", "--out", place, "--resume", "--steps", 3, *rate) == 0
        end = states(runs.opened(place)[1])
        moved[place.name] = max(float((end[k] - start[k]).abs().max()) for k in start)
    assert moved["slow"] < 0.02 * moved["run"]
    assert "lr = 1e-05" in (tmp_path / "slow" / "config.toml").read_text()


def test_what_made_the_run_is_refused_when_it_goes_on(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run("train", "vae", "--out", folder, "--steps", 1, *SMALL) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for option, value, was in (
        ("width", 32, "16"),
        ("latent_dim", 5, "4"),
        ("likelihood", "gaussian", "'bernoulli'"),
        ("data", "glyphs", "'digits'"),
        ("seed", 7, "0"),
    ):
        words = ["--resume", f"--{option.replace('_', '-')}", value]
        assert run("train", "--out", folder, *words) == 2
        error = capsys.readouterr().err
        assert f"{option} cannot change when a run goes on: it was {was}, got" in error
    assert run("train", "gan", "--out", folder, "--resume") == 2
    assert "model cannot change" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("likelihood", models.LIKELIHOODS)
def test_every_likelihood_trains_and_samples(likelihood, tmp_path, capsys):
    """Digits have 17 levels; the decoder is made for as many numbers a pixel as each one reads."""
    words = ["--out", tmp_path, "--steps", 2, "--likelihood", likelihood, *SMALL]
    assert run("train", "vae", *words) == 0, capsys.readouterr().err
    assert run("sample", tmp_path, "-n", 2, "--to", tmp_path / "two.pt") == 0
    two = torch.load(tmp_path / "two.pt")
    assert two.shape == (2, 1, 8, 8) and two.min() >= 0 and two.max() <= 1
    levels = 17 if likelihood in settings.LEVELLED else None
    assert settings.read(tmp_path / "config.toml").levels == levels


@pytest.mark.parametrize("model", ["gan", "bigan"])
def test_waves_are_trained_and_have_no_pictures(model, tmp_path, capsys):
    words = [
        "--data",
        "vowels",
        "--examples",
        "40",
        "--latent-dim",
        "4",
        "--width",
        "4",
        "--device",
        "cpu",
        "--batch",
        "8",
    ]
    folder = tmp_path / "run"
    assert run("train", model, "--out", folder, "--steps", 2, "--picture-every", 1, *words) == 0
    assert not list(folder.glob("*.png"))
    assert run("sample", folder, "-n", 3) == 0
    assert torch.load(folder / "samples.pt").shape == (3, 1, 512)
    assert run("sample", folder, "--to", tmp_path / "x.png") == 2
    assert "expected a file that ends in .pt, got" in capsys.readouterr().err
    assert run("evaluate", folder) == 2
    assert "evaluate needs images with classes" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(set(datasets.DATASETS) - set(datasets.DENSITIES)))
def test_every_data_set_is_a_run_or_one_clear_line(name, tmp_path, capsys):
    small = {"glyphs": ["--examples", 80, "--size", 8], "vowels": ["--examples", 80]}
    words = ["--data", name, *small.get(name, []), "--latent-dim", 4, "--width", 4, "--batch", 8]
    code = run("train", "--out", tmp_path / "run", "--steps", 1, "--device", "cpu", *words)
    error = capsys.readouterr().err
    assert code == 0 or (error.count("\n") == 1 and name.replace("_", "") in error.lower()), error


# -- evaluate --------------------------------------------------------------------------------------


def test_a_conditional_run_is_evaluated(tmp_path, capsys, monkeypatch):
    """The figures are those of the samples (fake) against the data (real), and not the reverse."""
    folder = tmp_path / "run"
    words = ["--conditional", *SMALL, "--picture-every", 2]
    assert run("train", "--out", folder, "--steps", 3, *words) == 0
    names = {p.name for p in folder.glob("*.png")}
    assert names == {"samples-000002.png", "samples.png"}

    def see(x):
        x = x.flatten(1)
        return SimpleNamespace(features=x[:, 27:29].double(), logits=x[:, 20:30])

    monkeypatch.setattr(metrics, "feature_network", lambda data: SimpleNamespace(extract=see))
    assert run("evaluate", folder, "-n", 200, "--seed", 5) == 0
    printed = capsys.readouterr().out
    found = json.loads((folder / "evaluation.json").read_text())
    data, trainer = datasets.digits(), runs.opened(folder)[1]
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(5))[:200]
    real, fake = see(data.floats(chosen)), see(trainer.sample(200, seed=5).clamp(0, 1))
    near = metrics.neighbourhood(real.features, fake.features)
    swapped = metrics.neighbourhood(fake.features, real.features)
    expected = {
        "steps": 3,
        "samples": 200,
        "fid": metrics.fid(real.features, fake.features),
        "kid": metrics.kid(real.features, fake.features),
        **near._asdict(),
        "classes_covered": metrics.label_coverage(fake.logits).covered,
        "class_accuracy": metrics.class_accuracy(fake.logits, torch.arange(200) % 10),
    }
    assert found == pytest.approx(expected)
    assert all(name in printed for name in expected)
    # What a swap, or the data against itself, would give is far from it.
    assert abs(near.precision - swapped.precision) + abs(near.recall - swapped.recall) > 0.2
    assert found["fid"] > 5 * abs(metrics.fid(real.features, real.features)) + 0.1
    assert metrics.class_accuracy(fake.logits, torch.arange(200) % 10) != pytest.approx(
        metrics.class_accuracy(real.logits, torch.arange(200) % 10)
    )


# -- export ----------------------------------------------------------------------------------------


def lively(model, folder):
    """A trainer of a few steps whose average is far from its weights."""
    words = [*SMALL, "--network", "conv"] if model == "gan" else SMALL
    assert run("train", model, "--out", folder, "--steps", 3, *words, "--ema", 0.9) == 0
    return runs.opened(folder)[1]


@pytest.mark.parametrize("model", MODELS)
def test_the_average_is_what_is_exported(model, tmp_path):
    """In evaluation mode, though BatchNorm and dropout would do something else in training."""
    trainer = lively(model, tmp_path)
    decoding = export.Decoding(trainer.model)
    assert not any(part.training for part in decoding.modules())
    g = torch.Generator().manual_seed(1)
    z = torch.randn(5, 4, generator=g)
    if model == "vqvae":
        z = torch.randint(256, (5, *trainer.model.grid), generator=g)
    with torch.no_grad():
        found = decoding(z)
        if model in ("gan", "bigan"):
            average, live = trainer.model(z), trainer.G(z)
        else:
            live = trainer.networks["vqvae" if model == "vqvae" else "vae"]
            average, live = trainer.model.decode(z).mean, live.decode(z).mean
    assert (found - average).abs().max() < 1e-6 and (found - live).abs().max() > 1e-4


@pytest.mark.parametrize("model", ["gan", "vqvae"])
def test_an_exported_file_gives_the_same_images(model, tmp_path, capsys):
    trainer = lively(model, tmp_path)
    assert run("export", tmp_path, "--to", tmp_path / "new" / "m.pt2") == 0
    assert "largest deviation" in capsys.readouterr().out
    program = torch.export.load(tmp_path / "new" / "m.pt2").module()
    z = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
    if model == "vqvae":
        z = torch.randint(256, (7, 4, 4))
    with torch.no_grad():
        assert (program(z) - export.Decoding(trainer.model)(z)).abs().max() < 1e-5


def test_the_suffix_says_which_file_it_is(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "run"
    assert run("train", "--out", folder, "--steps", 1, *SMALL) == 0
    written = []
    monkeypatch.setattr(
        export, "write_onnx", lambda m, i, path, **o: written.append((path, o)) or 0
    )
    monkeypatch.setattr(export, "write_program", lambda m, i, path: written.append((path, {})) or 0)
    for words in ("--to a.onnx --weights int8", "--to b.pt2", "--to c", "--format onnx", ""):
        assert run("export", folder, *words.split()) == 0
    assert [(str(path.name), o) for path, o in written] == [
        ("a.onnx", {"weights": "int8"}),
        ("b.pt2", {}),
        ("c", {}),
        ("model.onnx", {"weights": "float32"}),
        ("model.pt2", {}),
    ]
    capsys.readouterr()
    for words, says in (
        ("--to a.onnx --format torch", "a.onnx is no name for a file of format torch"),
        ("--to a.pt2 --format onnx", "a.pt2 is no name for a file of format onnx"),
        ("--weights int8", "weights int8 are for --format onnx"),
    ):
        assert run("export", folder, *words.split()) == 2
        assert says in capsys.readouterr().err
    assert len(written) == 5


def test_a_picture_of_another_kind_is_refused(tmp_path, capsys):
    assert run("train", "--out", tmp_path, "--steps", 1, *SMALL) == 0
    assert run("sample", tmp_path, "--to", tmp_path / "x.jpg") == 2
    assert "expected a file that ends in .png or .pt, got" in capsys.readouterr().err
    for command in ("sample", "evaluate"):
        assert run(command, tmp_path, "-n", 0) == 2
        assert "n must be at least 1, got 0" in capsys.readouterr().err


# -- what is saved stays ---------------------------------------------------------------------------


def test_nothing_saved_is_lost(tmp_path, capsys, monkeypatch):
    """A second run in the same folder is refused; what fails leaves what is there, with code 1."""
    folder = tmp_path / "run"
    assert run("train", "--out", folder, "--steps", 2, *SMALL) == 0
    before = (folder / "checkpoint.pt").read_bytes()
    assert run("train", "--out", folder, "--steps", 2, *SMALL) == 2
    assert "--resume" in capsys.readouterr().err

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        assert run("train", "--out", folder, "--steps", 4, "--resume") == 1
    assert "No space left" in capsys.readouterr().err
    assert (folder / "checkpoint.pt").read_bytes() == before
    (folder / "checkpoint.pt").write_bytes(before[:1000])
    assert run("train", "--out", folder, "--steps", 4, "--resume") == 1
    assert "truncated" in capsys.readouterr().err
    for command in ("sample", "evaluate", "export"):
        assert run(command, tmp_path / "nowhere") == 1
        assert "no run in" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="no run"):
        runs.opened(tmp_path / "nowhere")
    assert run("train", "--out", tmp_path / "nowhere", "--resume") == 2
    assert "nowhere/config.toml" in capsys.readouterr().err


def test_a_run_on_a_gpu_is_used_where_there_is_none(tmp_path, capsys, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    folder = tmp_path / "run"
    assert run("train", "--out", folder, "--steps", 1, *SMALL) == 0
    config = folder / "config.toml"
    config.write_text(config.read_text().replace('device = "cpu"', 'device = "cuda"'))
    assert run("sample", folder, "-n", 4) == 0
    assert run("train", "--out", folder, "--resume", "--steps", 2) == 2
    assert "device 'cuda' is not there; known: auto, cpu" in capsys.readouterr().err
    assert run("train", "--out", folder, "--resume", "--steps", 2, "--device", "cpu") == 0


LOCKED = """
import sys, time
from pathlib import Path
from gantut.files import locked
with locked(Path(sys.argv[1]), RuntimeError, "works in"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_one_process_writes_a_run(tmp_path, capsys):
    """Another one is refused by name; the lock of a process that was killed holds nobody up."""
    other = subprocess.Popen(
        [sys.executable, "-c", LOCKED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "locked\n"
        assert run("train", "--out", tmp_path, "--steps", 1, *SMALL) == 2
        error = capsys.readouterr().err
        assert f"process {other.pid} is training in {tmp_path}" in error
        assert not (tmp_path / "config.toml").exists()
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert (tmp_path / ".lock").read_text() == str(other.pid)
    assert run("train", "--out", tmp_path, "--steps", 1, *SMALL) == 0
    assert run("train", "--out", tmp_path, "--steps", 2, "--resume") == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_is_saved_and_goes_on(name, tmp_path, monkeypatch, capsys):
    """By the handlers that the program itself installs: the step under way ends, and is saved."""
    whole, folder = tmp_path / "whole", tmp_path / "run"
    assert run("train", "vae", "--out", whole, "--steps", 4, *SMALL) == 0
    step = training.VAETrainer.step

    def interrupted(self, batch):
        if self.steps == 1:
            os.kill(os.getpid(), getattr(signal, name))
        return step(self, batch)

    def killed(*_):
        raise AssertionError("SIGTERM would have killed the run")

    before = signal.signal(signal.SIGTERM, killed)
    words = ["train", "vae", "--out", str(folder), "--steps", "4", *SMALL]
    try:
        with monkeypatch.context() as patch:
            patch.setattr(training.VAETrainer, "step", interrupted)
            patch.setattr(sys, "argv", ["gantut", *words])
            assert main() == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "interrupted at step 2; the run is in" in capsys.readouterr().out
    assert run("train", "--out", folder, "--resume") == 0
    same_weights(runs.opened(whole)[1], runs.opened(folder)[1])
    assert log_of(whole) == log_of(folder)


def test_a_signal_before_the_first_step_is_one_line(tmp_path, monkeypatch, capsys):
    def never(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "load_data", never)
    assert run("train", "--out", tmp_path / "run", *SMALL) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_loss_that_blows_up_is_code_1(tmp_path, capsys):
    code = run("train", "vae", "--out", tmp_path / "run", "--steps", 400, "--lr", 1e6, *SMALL)
    assert code == 1 and "likely cause" in capsys.readouterr().err


def test_a_log_that_goes_on_forgets_what_is_done_again(tmp_path):
    s = Settings(log="csv")
    with runs._logger(s, tmp_path, 0) as log:
        for step in range(1, 6):
            log(step, {"loss": step / 3, "other": 1.0})
    with runs._logger(s, tmp_path, 3) as log:
        log(4, {"loss": 9.0})
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert rows[:3] == ["step,term,value", "1,loss,0.3333333", "1,other,1"]
    assert rows[-3:] == ["3,loss,1", "3,other,1", "4,loss,9"]


def test_a_checkpoint_of_another_version_is_named(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run("train", "--out", folder, "--steps", 1, *SMALL) == 0
    state = torch.load(folder / "checkpoint.pt")
    torch.save(state | {"version": 3}, folder / "checkpoint.pt")
    assert run("train", "--out", folder, "--steps", 4, "--resume") == 1
    assert "checkpoint.pt has version 3; expected 1 or 2" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
def test_a_disk_that_is_full_leaves_the_old_files_and_is_named(tmp_path, capsys):
    """The system itself refuses to write more: in the middle of a file, and at its first byte."""
    import resource

    folder = tmp_path / "run"
    assert run("train", "--out", folder, "--steps", 2, *SMALL) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit, says, why in (
        (10_000, "cannot write the checkpoint", "the disk is full"),
        (100, "config.toml", "too large"),
    ):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            code = run("train", "--out", folder, "--steps", 4, "--resume")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        error = capsys.readouterr().err
        assert code == 1 and says in error and str(folder) in error and why in error, error
        assert {path.name for path in folder.iterdir()} == set(before)
        assert (folder / "checkpoint.pt").read_bytes() == before["checkpoint.pt"]
    assert run("train", "--out", folder, "--steps", 4, "--resume") == 0


def test_tensorboard_logs_are_readable_and_a_resumed_run_goes_on(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    folder = tmp_path / "run"
    options = ["--log", "tensorboard", *SMALL]
    assert run("train", "vae", "--out", folder, "--steps", 2, *options) == 0
    assert run("train", "--out", folder, "--steps", 3, "--resume") == 0
    assert not (folder / "log.csv").exists()
    found = {}
    for path in sorted(folder.glob("events.*"), key=os.path.getmtime):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
    assert {tag: [step for step, _ in values] for tag, values in found.items()} == {
        "negative_elbo": [1, 2, 3],
        "distortion": [1, 2, 3],
        "rate": [1, 2, 3],
    }
    for (_, total), (_, D), (_, R) in zip(
        *(found[t] for t in ("negative_elbo", "distortion", "rate")), strict=True
    ):
        assert total == pytest.approx(D + R, rel=1e-5) and total > 20


def test_a_port_in_use_is_named(tmp_path, capsys, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name, value in {
            "RANK": 0,
            "WORLD_SIZE": 2,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }.items():
            monkeypatch.setenv(name, str(value))
        assert run("train", "--out", tmp_path / "run", *SMALL) == 1
        error = capsys.readouterr().err
        assert (
            error.startswith("gantut (process 0 of 2): 2 processes cannot meet")
            and error.count("\n") == 1
        )
        assert str(port) in error and "choose another MASTER_PORT" in error
        assert run("sample", tmp_path / "run") == 2
        assert "sample is the work of one process" in capsys.readouterr().err
        assert run("train", "--out", tmp_path / "run", *SMALL, "--batch", 33) == 2
        assert (
            "2 processes cannot share a batch of 33 equally; use a multiple of 2"
            in capsys.readouterr().err
        )
    monkeypatch.delenv("RANK")
    assert run("train", "--out", tmp_path / "run", *SMALL) == 1
    assert "RANK" in capsys.readouterr().err


JOINT = [
    *SMALL,
    "--precision",
    "float64",
    "--r1",
    "0.1",
    "--save-every",
    "20",
    "--seed",
    "3",
    "--conditional",
]
JOINT[JOINT.index("--picture-every") + 1] = "40"


def steps_of(folder):
    return torch.load(folder / "checkpoint.pt")["steps"]


def wait_for_another_checkpoint(folder, started):
    before, end = (folder / "checkpoint.pt").stat().st_mtime_ns, time.monotonic() + 120
    while (folder / "checkpoint.pt").stat().st_mtime_ns == before and time.monotonic() < end:
        assert started.poll() is None, started.communicate()
        time.sleep(0.02)
    assert time.monotonic() < end


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("pgrep") is None, reason="finds the processes of torchrun by pgrep"
)
def test_processes_that_are_killed_resume_in_any_number(tmp_path):
    """One begins; two go on, and one of them is killed; two go on, and are killed; one ends it."""
    folder = tmp_path / "run"
    environment = os.environ | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    assert run("train", "--out", folder, "--steps", 20, *JOINT) == 0
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    command = [
        *torchrun,
        "-m",
        "gantut",
        "train",
        "--out",
        str(folder),
        "--resume",
        "--steps",
        "1000000",
    ]
    done = [20]
    for kill_all in (False, True):
        agent = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        wait_for_another_checkpoint(folder, agent)
        workers = [
            int(pid)
            for pid in subprocess.check_output(["pgrep", "-P", str(agent.pid)], text=True).split()
        ]
        for pid in [*workers, agent.pid] if kill_all else workers[:1]:
            os.kill(pid, signal.SIGKILL)
        _, said = agent.communicate(timeout=60)
        assert agent.returncode != 0
        if not kill_all:
            line = next(line for line in said.splitlines() if line.startswith("gantut (process "))
            assert "waited in vain: another one has died or stands still" in line
        done.append(steps_of(folder))
        assert done[-1] % 20 == 0 and done[-1] > done[-2]
        assert not list(folder.glob(".samples*")), "a picture is written whole or not at all"
    end = done[-1] + 7
    assert run("train", "--out", folder, "--resume", "--steps", end) == 0
    assert steps_of(folder) == end
    rows = log_of(folder)
    assert [row["step"] for row in rows if row["term"] == "generator"] == [
        str(step) for step in range(1, end + 1)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on(sent, tmp_path):
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "gantut",
        "train",
        "--out",
        str(folder),
        "--steps",
        "1000000",
        "--save-every",
        "20",
        *SMALL,
    ]
    process = subprocess.Popen(
        command, env=os.environ | {"TQDM_DISABLE": "1"}, stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 120
    while not (folder / "checkpoint.pt").exists() and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(sent)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted at step" in printed
    assert f"step {steps_of(folder)};" in printed
    assert run("train", "--out", folder, "--steps", steps_of(folder) + 2, "--resume") == 0
