"""The command line: settings from one place, runs that resume, exit codes, and every way to call it wrongly."""

import csv
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

from gantut import training
from gantut.__main__ import main, parser
from gantut.cli import runs, settings
from gantut.cli.settings import Settings, SettingsError
from gantut.training import CheckpointError

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
]


def run(*arguments):
    return main([str(a) for a in arguments])


def same_weights(a, b):
    for name, network in a.networks.items():
        for p, q in zip(
            network.state_dict().values(), b.networks[name].state_dict().values(), strict=True
        ):
            assert torch.equal(p, q)


def test_every_setting_is_an_option_with_help_and_the_default_of_the_class():
    train = parser().parse_args(["train"])
    assert (
        set(vars(train)) == {"command", "out", "config", "resume", "model"} and train.model is None
    )  # what is not given does not win over a config
    text = parser()._subparsers._group_actions[0].choices["train"].format_help()
    for field in dataclasses.fields(Settings):
        if field.name != "model":
            assert "--" + field.name.replace("_", "-") in text and field.metadata["help"]


def test_a_config_file_comes_back_as_it_went(tmp_path):
    one = Settings(
        model="vae", data="digits", beta=2.5, conditional=True, path='a "quoted" name', lr=1e-3
    )
    one.write(tmp_path / "c.toml")
    assert Settings(**settings.read(tmp_path / "c.toml")) == one
    assert [p.name for p in tmp_path.iterdir()] == ["c.toml"]


@pytest.mark.parametrize("model", ["gan", "vae", "vaegan", "aae", "bigan"])
def test_each_model_trains_samples_resumes_and_exports(model, tmp_path, capsys):
    """A run in two halves ends with the weights of a run in one, and the exported file gives the same images."""
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    options = [*SMALL, "--seed", "3", *(["--r1", "0.1"] if model != "bigan" else [])]
    assert run("train", model, "--out", whole, "--steps", 8, *options) == 0
    assert run("train", model, "--out", halves, "--steps", 5, *options) == 0
    assert run("train", "--out", halves, "--steps", 8, "--resume") == 0
    (_, a, _), (_, b, _) = runs.opened(whole), runs.opened(halves)
    same_weights(a, b)
    logs = [
        list(csv.DictReader((folder / "log.csv").read_text().splitlines()))
        for folder in (whole, halves)
    ]
    assert logs[0] == logs[1] and [row["step"] for row in logs[0]][-1] == "8"
    assert run("sample", whole, "-n", 9, "--to", tmp_path / "nine.png") == 0
    with Image.open(tmp_path / "nine.png") as nine:
        assert nine.size == (52, 52)  # three by three of 8 pixels with a gap, twice as large
    assert run("export", whole) == 0
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    program = torch.export.load(whole / "model.pt2").module()
    with torch.no_grad():
        ours = runs.Decoding(a).eval()(z)
        assert ours.shape == (5, 1, 8, 8) and (program(z) - ours).abs().max() < 1e-5
    assert "largest deviation" in capsys.readouterr().out


def test_a_conditional_run_is_evaluated(tmp_path, capsys):
    folder = tmp_path / "run"
    assert (
        run("train", "--out", folder, "--steps", 40, "--conditional", *SMALL, "--picture-every", 20)
        == 0
    )
    assert {p.name for p in folder.glob("*.png")} == {
        "samples-000020.png",
        "samples-000040.png",
        "samples.png",
    }
    assert run("evaluate", folder, "-n", 300) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("fid", "recall", "class_accuracy"))
    assert (folder / "evaluation.json").is_file()
    assert run("export", folder, "--to", tmp_path / "m.pt2") == 0
    _, trainer, _ = runs.opened(folder)
    z, labels = torch.randn(7, 4, generator=torch.Generator().manual_seed(1)), torch.arange(7)
    with torch.no_grad():
        program = torch.export.load(tmp_path / "m.pt2").module()
        assert (program(z, labels) - runs.Decoding(trainer).eval()(z, labels)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "digitz"], "unknown data 'digitz'; known: "),
        (["--data", "ring"], "unknown data 'ring'"),
        (["--data", "mnist"], "MNIST is not in"),
        (["--data", "folder"], "needs --path"),
        (["--data", "digits", "--examples", "5"], "has no option examples"),
        (["--data", "digits", "--loss", "hinged"], "hinged"),
        (["--data", "digits", "--width", "-1"], "width must be at least 1, got -1"),
        (["vae", "--data", "digits", "--network", "residual"], "residual networks are a GAN's"),
        (["--data", "digits", "--steps", "0"], "steps must be at least 1, got 0"),
        (["--data", "digits", "--batch", "5000"], "5000"),
        (["--data", "digits", "--log", "tensorboard"], "pip install tensorboard"),
        (["--data", "digits", "--timeout", "0"], "timeout must be at least 1, got 0"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_line_and_code_2(
    arguments, says, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as if it were not installed
    model = [] if arguments[0] != "vae" else ["vae"]
    code = run("train", *model, "--out", tmp_path / "run", *[a for a in arguments if a != "vae"])
    error = capsys.readouterr().err
    assert (
        code in (1, 2) and says in error and error.startswith("gantut: ") and error.count("\n") == 1
    ), error
    assert code == 2 or "mnist" in arguments
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_an_unknown_option_or_model_is_code_2(tmp_path, capsys):
    for arguments in (["train", "--stepz", "3"], ["train", "diffusion"], ["fly"]):
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == 2
    assert "invalid choice: 'diffusion'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format = 7\n", "has format 7, of a newer gantut; this release reads format 1"),
        ("format = 0\n", "has format 0, of another gantut; this release reads format 1"),
        (
            "brightness = 3\n",
            "sets 'brightness', which is no setting of this release; known: model, data",
        ),
        ("step = 3\n", "sets 'step', which is no setting of this release; steps?"),
        ("steps = 'many'\n", "steps must be of type int, got 'many'"),
        ("steps = [\n", "cannot read the config file"),
        ("model = 'flow'\n", "unknown model 'flow'; known: gan, vae"),
    ],
)
def test_a_config_that_cannot_be_used_is_named(text, says, tmp_path, capsys):
    (tmp_path / "c.toml").write_text(text)
    assert run("train", "--config", tmp_path / "c.toml", "--out", tmp_path / "run") == 2
    assert says in capsys.readouterr().err


def test_options_win_over_the_config(tmp_path):
    Settings(model="vae", data="digits", steps=900, latent_dim=4, width=16, picture_every=0).write(
        tmp_path / "c.toml"
    )
    assert (
        run("train", "--config", tmp_path / "c.toml", "--steps", 3, "--out", tmp_path / "run") == 0
    )
    s, trainer, _ = runs.opened(tmp_path / "run")
    assert (s.model, s.steps, trainer.steps) == ("vae", 3, 3) and isinstance(
        trainer, training.VAETrainer
    )


def test_nothing_saved_is_lost(tmp_path, capsys, monkeypatch):
    """A second run in the same folder is refused; a failed write and a damaged file leave what is there, with code 1."""
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
    assert run("sample", tmp_path / "nowhere") == 1
    assert "no run in" in capsys.readouterr().err


def test_a_loss_that_blows_up_is_code_1(tmp_path, capsys):
    code = run("train", "vae", "--out", tmp_path / "run", "--steps", 400, "--lr", 1e6, *SMALL)
    assert code == 1 and "likely cause" in capsys.readouterr().err


def test_a_damaged_picture_in_a_folder_is_named(tmp_path, capsys):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    options = ["--data", "folder", "--path", tmp_path / "pictures", "--size", 16]
    assert run("train", "--out", tmp_path / "run", *options) == 2
    assert "broken.png" in capsys.readouterr().err


def test_settings_of_the_wrong_type_are_refused():
    for wrong in ({"steps": "3"}, {"conditional": 1}, {"seed": None}, {"lr": "fast"}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            Settings(**wrong)
    assert Settings(r1=1).r1 == 1.0
    with pytest.raises(CheckpointError, match="no run"):
        runs.opened("nowhere")


def test_a_checkpoint_of_another_version_is_named(tmp_path, capsys):
    folder = tmp_path / "run"
    assert run("train", "--out", folder, "--steps", 1, *SMALL) == 0
    state = torch.load(folder / "checkpoint.pt")
    torch.save(state | {"version": 2}, folder / "checkpoint.pt")
    assert run("train", "--out", folder, "--steps", 4, "--resume") == 1
    assert "checkpoint.pt has version 2; expected 1" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
def test_a_disk_that_is_full_leaves_the_old_files_and_is_named(tmp_path, capsys):
    """The system itself refuses to write more, in the middle of the checkpoint, and then at its first byte."""
    import resource

    folder = tmp_path / "run"
    assert run("train", "--out", folder, "--steps", 2, *SMALL) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit, says in ((10_000, "cannot write the checkpoint"), (100, "config.toml")):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            code = run("train", "--out", folder, "--steps", 4, "--resume")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        error = capsys.readouterr().err
        assert code == 1 and says in error and str(folder) in error and "too large" in error, error
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
    """One process begins; two go on, and one of them is killed; two go on, and all are killed; one ends the run.

    The weights are those of a run that one process did without a break.
    """
    folder, whole = tmp_path / "run", tmp_path / "whole"
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
    assert run("train", "--out", whole, "--steps", end, *JOINT) == 0
    (_, a, _), (_, b, _) = runs.opened(whole), runs.opened(folder)
    for p, q in zip(
        a.networks["generator"].state_dict().values(),
        b.networks["generator"].state_dict().values(),
        strict=True,
    ):
        assert (p - q).abs().max() < 1e-8
    assert a.generator.get_state().equal(b.generator.get_state())
    logs = [
        list(csv.DictReader((place / "log.csv").read_text().splitlines()))
        for place in (whole, folder)
    ]
    assert [(row["step"], row["term"]) for row in logs[0]] == [
        (row["step"], row["term"]) for row in logs[1]
    ]
    for one, other in zip(*logs, strict=True):
        assert float(one["value"]) == pytest.approx(float(other["value"]), rel=1e-5, abs=1e-6)


@pytest.mark.slow
def test_ctrl_c_saves_and_the_run_goes_on(tmp_path):
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
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted at step" in printed
    _, trainer, _ = runs.opened(folder)
    assert f"step {trainer.steps};" in printed
    assert run("train", "--out", folder, "--steps", trainer.steps + 2, "--resume") == 0
