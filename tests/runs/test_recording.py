"""Recording: what is put down, what a kill and a full disk leave, and what is refused."""

import errno
import os
import signal
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch

from gantut import data, networks, runs, training
from gantut.__main__ import main
from gantut.runs import cards, recipe as recipes, recording


def generator(c):
    return networks.MLPGenerator(2, (2,), hidden=(c.width,), seed=c.seed)


def trained(G, c, done):
    D = networks.MLPDiscriminator((2,), hidden=(8,), seed=9)
    if c.after:  # what an earlier part has made decides where this one begins
        with torch.no_grad():
            next(D.parameters()).add_(next(done[c.after].parameters()).mean())
    trainer = training.GANTrainer(G, D, seed=c.seed, device="cpu")
    return trainer, data.ring().batches(16, seed=c.seed)


def mean(made, quick):
    points = {name: G(torch.ones(4, 2)).sum().item() for name, G in made.items()}
    return {"sum": points["a"]} if quick else {"sum": points["a"], "other": points["b"]}


def toy(**changes):
    config = {"steps": 12, "width": 8, "seed": 0, "after": ""}
    return recipes.Recipe(
        title="A toy.",
        data="a ring",
        parts={
            "a": recipes.Part(config | changes, generator, trained),
            "b": recipes.Part(
                config | {"after": "a"}, generator, trained, after=("a",), shipped=False
            ),
        },
        figures={"sum": recipes.Figure("a sum", least=-100), "other": recipes.Figure("another")},
        measure=mean,
        picture=lambda made: plt.figure(),
        caption="",
        alt="",
    )


@pytest.fixture(autouse=True)
def made(monkeypatch):
    monkeypatch.setitem(recipes.HOMES, "toy", "toy")
    monkeypatch.setitem(sys.modules, "gantut.runs.recipes.toy", SimpleNamespace(toy=toy()))
    return sys.modules["gantut.runs.recipes.toy"]


def record(tmp_path, **options):
    return runs.record("toy", tmp_path / "out", work=tmp_path / "work", **options)


def test_a_run_comes_back_as_it_was_trained(tmp_path):
    place = record(tmp_path)
    run = runs.load("toy", tmp_path / "out")
    assert sorted(p.name for p in place.iterdir()) == [
        "card.toml",
        "log.csv",
        "weights.safetensors",
    ]
    assert list(run.networks) == ["a"] and not run.network.training
    assert not any(p.requires_grad for p in run.network.parameters())
    # The same training by hand, its average, rounded to half precision.
    part = toy().parts["a"]
    trainer, batches = part.begin(part.make(), {})
    history = trainer.fit(batches, 12)
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(run.network.state_dict()[name], value.half().to(value.dtype))
    steps, seconds, values = run.log["a", "generator"]
    assert steps == list(range(1, 13)) and seconds == sorted(seconds)
    assert values == pytest.approx(history["generator"], rel=1e-5)


def test_the_card_says_how_it_was_made_and_what_was_measured(tmp_path):
    record(tmp_path)
    run = runs.load("toy", tmp_path / "out")
    card = run.card
    assert card["parts"]["a"]["config"] == {"steps": 12, "width": 8, "seed": 0, "after": ""}
    assert card["parts"]["a"]["shipped"] and not card["parts"]["b"]["shipped"]
    assert card["command"] == "python -m gantut record toy"
    assert card["versions"]["torch"] == torch.__version__
    assert card["figures"]["sum"]["bar"] == "≥ -100" and card["figures"]["sum"]["reached"]
    assert "bar" not in card["figures"]["other"]
    # Measured from the file's weights, and so found again by whoever loads it.
    found = mean({"a": run.network}, True)
    assert card["quick"]["sum"] == pytest.approx(found["sum"], rel=1e-4)
    assert card["figures"]["sum"]["value"] == card["quick"]["sum"]


def test_toml_is_read_back():
    values = {
        "text": 'a "quoted" ü\n',
        "number": 1.5,
        "yes": True,
        "list": [1, 2],
        "table": {"a b": {"x": 1}, "c": 2},
    }
    assert tomllib.loads(cards.toml({**values, "none": None})) == values


def test_a_recording_that_was_killed_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "EVERY", 0.0)  # a checkpoint after every step
    whole = record(tmp_path / "whole")
    real = training.GANTrainer.step

    def step(self, batch):
        if self.steps == 7:
            raise SystemError("killed")
        return real(self, batch)

    monkeypatch.setattr(training.GANTrainer, "step", step)
    with pytest.raises(SystemError):
        record(tmp_path / "cut")
    monkeypatch.setattr(training.GANTrainer, "step", real)
    cut = record(tmp_path / "cut")
    weights = [(place / "weights.safetensors").read_bytes() for place in (whole, cut)]
    assert weights[0] == weights[1]
    logs = [runs.load("toy", tmp_path / kind / "out").log for kind in ("whole", "cut")]
    values = [{key: (log[key][0], log[key][2]) for key in log} for log in logs]
    assert values[0] == values[1]


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import matplotlib; matplotlib.use("agg")
from test_recording import toy
from types import SimpleNamespace
from gantut import runs, training
from gantut.runs import recipe, recording
recipe.HOMES["toy"] = "toy"
sys.modules["gantut.runs.recipes.toy"] = SimpleNamespace(toy=toy())
recording.EVERY = 0.0
real = training.GANTrainer.step
def step(self, batch):
    if self.steps == 7:
        os.kill(os.getpid(), 9)
    return real(self, batch)
training.GANTrainer.step = step
runs.record("toy", sys.argv[2] + "/out", work=sys.argv[2] + "/scratch")
"""


@pytest.mark.slow
def test_kill_9_loses_a_minute_at_most_and_no_older_run(tmp_path):
    place = record(tmp_path)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    again = tmp_path / "again"
    again.mkdir()
    (again / "out").symlink_to(tmp_path / "out")
    here = os.path.dirname(__file__)
    done = subprocess.run([sys.executable, "-c", KILLED, here, str(again)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    runs.record("toy", again / "out", work=again / "scratch")
    after = (place / "weights.safetensors").read_bytes()
    assert after == before["weights.safetensors"]


def test_ctrl_c_keeps_what_was_done(tmp_path, monkeypatch, capsys):
    real = training.GANTrainer.step

    def step(self, batch):
        if self.steps == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, batch)

    monkeypatch.setattr(training.GANTrainer, "step", step)
    assert record(tmp_path) is None
    assert "toy a: stopped at step 5; say the same to go on" in capsys.readouterr().out
    monkeypatch.setattr(training.GANTrainer, "step", real)
    assert record(tmp_path) == tmp_path / "out" / "toy"
    assert runs.load("toy", tmp_path / "out").log["a", "generator"][0] == list(range(1, 13))


def test_a_line_a_minute(tmp_path, monkeypatch, capsys):
    now = iter(range(0, 100_000, 25))  # every look at the clock is 25 seconds later
    monkeypatch.setattr(recording.time, "monotonic", lambda: float(next(now)))
    record(tmp_path, part="a")
    lines = [line for line in capsys.readouterr().out.splitlines() if "step" in line]
    assert 3 <= len(lines) <= 6 and "of 12" in lines[0] and "generator" in lines[0]


def test_a_part_alone_is_found_by_the_whole(tmp_path, monkeypatch):
    assert record(tmp_path, part="a") == tmp_path / "work" / "recordings" / "toy" / "a"
    assert not (tmp_path / "out").exists()
    begun, locked = [], recording.locked
    monkeypatch.setattr(
        recording, "locked", lambda at, *words: begun.append(at.name) or locked(at, *words)
    )
    assert record(tmp_path).name == "toy"
    assert begun == ["b"]


def test_a_part_waits_for_the_one_it_needs(tmp_path):
    with pytest.raises(runs.RunError, match="b of toy comes after a: train it first"):
        record(tmp_path, part="b")


def test_another_configuration_is_not_gone_on_with(tmp_path, made):
    record(tmp_path, part="a")
    made.toy = toy(width=9)
    with pytest.raises(runs.RunError, match="another width; delete it to begin anew"):
        record(tmp_path)


def test_two_processes_do_not_train_one_part(tmp_path):
    place = tmp_path / "work" / "recordings" / "toy" / "a"
    message = f"process {os.getpid()} records in .*a; wait for it"
    with (
        recording.locked(place, RuntimeError, "is in"),
        pytest.raises(runs.RunError, match=message),
    ):
        record(tmp_path)


def test_no_space_leaves_the_old_run(tmp_path, monkeypatch):
    place = record(tmp_path)
    before = {path.name: path.read_bytes() for path in place.iterdir()}

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recording.cards, "write_weights", full)
    with pytest.raises(runs.RunError, match="No space left on device.*is untouched"):
        record(tmp_path)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert [path.name for path in place.parent.iterdir()] == ["toy"]


def test_a_kill_between_the_two_renames_leaves_the_old_run(tmp_path, monkeypatch):
    place = record(tmp_path)
    real, calls = type(place).rename, []

    def rename(self, target):
        calls.append(target)
        if len(calls) == 2:
            raise SystemError("killed")
        return real(self, target)

    monkeypatch.setattr(type(place), "rename", rename)
    with pytest.raises(SystemError):
        record(tmp_path)
    monkeypatch.setattr(type(place), "rename", real)
    assert not place.exists()
    assert runs.load("toy", tmp_path / "out").name == "toy"


def test_a_figure_that_is_not_finite_is_refused(tmp_path, made, monkeypatch):
    bad = SimpleNamespace(**{**vars(toy()), "measure": lambda m, q: {"sum": float("nan")}})
    monkeypatch.setattr(made, "toy", bad)
    with pytest.raises(runs.RunError, match="a figure is nan"):
        record(tmp_path)


# -- reading ---------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    return record(tmp_path)


def refused(place, match):
    with pytest.raises(runs.RunError, match=match):
        runs.load("toy", place.parent)


def test_an_unknown_run_names_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="unknown run 'digit-gan'.*digits-gan"):
        runs.load("digit-gan")
    with pytest.raises(ValueError, match="unknown run"):
        runs.record("digit-gan", tmp_path)
    with pytest.raises(ValueError, match="unknown part of toy 'c'; known: a, b"):
        record(tmp_path, part="c")


def test_a_run_that_was_not_recorded_says_how_to(tmp_path):
    with pytest.raises(runs.RunError, match=r"toy has not been recorded.*gantut record toy"):
        runs.load("toy", tmp_path)


@pytest.mark.parametrize("file", ["weights.safetensors", "log.csv"])
def test_damage_is_seen(place, file):
    content = bytearray((place / file).read_bytes())
    content[-3] ^= 1
    (place / file).write_bytes(content)
    refused(place, f"{file} is damaged")


def test_a_missing_file_is_named(place):
    (place / "weights.safetensors").unlink()
    refused(place, "cannot read .*weights.safetensors")


def test_another_format_is_refused(place):
    text = (place / "card.toml").read_text()
    (place / "card.toml").write_text(text.replace("format = 1", "format = 2"))
    refused(place, "has format 2; this release reads 1")


def test_a_card_that_is_no_toml_is_refused(place):
    (place / "card.toml").write_text("format = ")
    refused(place, r"card.toml is damaged")


def test_weights_of_another_recipe_are_refused(place, made):
    made.toy = toy(width=9)
    refused(place, "do not fit this release's recipe of a")


# -- the command -----------------------------------------------------------------------------------


def test_the_command_line_records(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(["record", "toy", "--part", "a"]) == 0
    assert "trained; it waits in" in capsys.readouterr().out
    assert main(["record", "toy"]) == 0
    assert (tmp_path / "recorded" / "toy" / "card.toml").is_file()
    assert main(["record", "tuy"]) == 2
    assert "unknown run 'tuy'" in capsys.readouterr().err
