"""The commands' words and config.toml: in and out, what is refused, and in which words."""

import dataclasses
import subprocess
import sys

import pytest

import gantut
from gantut.__main__ import main
from gantut.cli import settings
from gantut.cli.settings import BELONGS, CHANGEABLE, LEAST, Model, Settings, SettingsError, parse

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


def said(capsys, *words):
    """The exit code and the one line on stderr."""
    code = main([str(word) for word in words])
    error = capsys.readouterr().err
    assert error.startswith("gantut: ") and error.count("\n") == 1, error
    return code, error


def test_every_setting_has_an_option_and_a_word_of_help(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    for name, field in FIELDS.items():
        if name != "model":
            assert f"--{name.replace('_', '-')}" in text
        described = Settings.__doc__.split(f"        {name}: ")[1].split("\n")[0]
        assert " ".join(described.split()[:2]) in " ".join(text.replace("│", " ").split()), name
        assert field.default is None or str(field.default) in text


def test_help_needs_no_torch():
    code = (
        "import sys\nfrom gantut.__main__ import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_the_release_is_said(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gantut {gantut.__version__}\n"


def test_words_become_settings_and_what_is_not_said_stays_as_it_is():
    command = parse(
        ["train", "vae", "--data", "digits", "--beta", "2", "--no-spectral-norm", "--out", "there"][
            :-3
        ]
    )
    assert command.settings() == Settings(model="vae", data="digits", beta=2.0)
    assert parse(["train"]).settings() == Settings()
    command = parse(["sample", "there", "-n", "9", "--to", "x.png"])
    assert (str(command.folder), command.n, str(command.to)) == ("there", 9, "x.png")


def test_options_win_over_the_config(tmp_path):
    Settings(model="vae", steps=900, latent_dim=4, picture_every=0).write(tmp_path / "c.toml")
    words = ["train", "--config", str(tmp_path / "c.toml"), "--steps", "3"]
    found = parse(words).settings()
    assert found == Settings(model="vae", steps=3, latent_dim=4, picture_every=0)
    words += ["gan", "--picture-every", "500"]  # a default, said aloud
    assert parse(words).settings() == Settings(steps=3, latent_dim=4)


def test_a_config_file_comes_back_as_it_went(tmp_path):
    one = Settings(
        model="vae", data="digits", beta=2.5, conditional=True, path='a "quoted" name', lr=1e-3
    )
    one.write(tmp_path / "c.toml")
    assert settings.read(tmp_path / "c.toml") == one
    assert [p.name for p in tmp_path.iterdir()] == ["c.toml"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("train --wdith 5", ["--wdith", "--width"]),
        ("train --stepz 3", ["--stepz", "--steps"]),
        ("train diffusion", ["'diffusion'", "vqvae"]),
        ("train --width five", ["--width", "five"]),
        ("train --network dense", ["--network", "dense", "residual"]),
        ("fly", ["fly", "train", "sample"]),
        ("sample", ["folder"]),
        ("", ["train", "sample"]),
    ],
)
def test_a_wrong_word_is_named_with_what_was_expected(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    error = capsys.readouterr().err
    assert ended.value.code == 2 and "Traceback" not in error
    assert all(word in error for word in says), error


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format = 7\n", "has format 7; this release reads format 1"),
        ("brightness = 3\n", "unknown setting 'brightness' in "),
        ("step = 3\n", "known: model, data, path"),
        ("steps = 'many'\n", "steps must be of type int, got 'many'"),
        ("steps = [\n", "cannot read the config file"),
        ("model = 'flow'\n", "unknown model 'flow'; known: gan, vae"),
        ("model = 'vae'\nloss = 'hinge'\n", "loss does not belong to vae; it is for gan, vaegan"),
    ],
)
def test_a_config_that_cannot_be_used_is_named(text, says, tmp_path, capsys):
    (tmp_path / "c.toml").write_text(text)
    code, error = said(capsys, "train", "--config", tmp_path / "c.toml", "--out", tmp_path / "run")
    assert code == 2 and says in error
    assert said(capsys, "train", "--config", tmp_path / "none.toml")[0] == 2


def test_settings_of_the_wrong_type_are_refused():
    for wrong in ({"steps": "3"}, {"conditional": 1}, {"seed": None}, {"lr": "fast"}, {"r1": True}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            Settings(**wrong)
    assert Settings(r1=1).r1 == 1.0


@pytest.mark.parametrize("name", LEAST)
def test_what_is_too_small_or_no_number_is_refused(name):
    with pytest.raises(SettingsError, match=f"{name} must be at least {LEAST[name]}, got "):
        Settings(**{name: LEAST[name] - 1})
    if "float" in FIELDS[name].type:
        for value in (float("nan"), float("inf")):
            with pytest.raises(SettingsError, match=f"{name} must be finite, got {value}"):
                Settings(**{name: value})


def test_every_number_has_a_least_value():
    numbers = {name for name, f in FIELDS.items() if "int" in f.type or "float" in f.type}
    assert numbers - {"precision"} == set(LEAST)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("vae --loss hinge", "loss does not belong to vae; it is for gan, vaegan, aae, bigan"),
        ("gan --beta 3", "beta does not belong to gan; it is for vae, vqvae"),
        ("bigan --r1 10", "r1 does not belong to bigan; it is for gan, vaegan, aae"),
        ("gan --likelihood foo", "likelihood does not belong to gan"),
        ("vae --likelihood foo", "unknown likelihood 'foo'; known: bernoulli"),
        ("gan --codes 8", "codes does not belong to gan; it is for vqvae"),
        ("aae --no-spectral-norm", "spectral_norm does not belong to aae"),
        ("gan --penalty-every 4", "penalty_every 4 needs a penalty; give r1 too"),
        ("vae --levels 4", "levels are for the likelihoods discretised_logistic and categorical"),
        ("vae --network residual", "network residual is not for vae; use auto, mlp, conv"),
        ("vqvae --network mlp", "network mlp is not for vqvae; use auto, conv"),
        ("gan --picture-every -3", "picture_every must be at least 0, got -3"),
        ("gan --steps 0", "steps must be at least 1, got 0"),
        ("gan --width -1", "width must be at least 1, got -1"),
        ("gan --lr -0.1", "lr must be at least 0, got -0.1"),
        ("gan --ema 1.5", "decay"),
        ("gan --loss hinged", "unknown loss 'hinged'"),
        ("gan --seed -1", "seed must be at least 0, got -1"),
        ("gan --device gpu", "device 'gpu' is not there; known: auto, cpu"),
        ("gan --device cuda", "device 'cuda' is not there; known: auto, cpu"),
        ("gan --data digitz", "unknown data 'digitz'; known: "),
        ("gan --data ring", "unknown data 'ring'"),
        ("gan --data digits --examples 5", "the data 'digits' has no option examples"),
        ("gan --data glyphs --unreadable skip", "the data 'glyphs' has no option unreadable"),
        ("gan --data folder", "the data 'folder' needs --path"),
        ("gan --data folder --size 8 --path nowhere", "there is no folder nowhere"),
        ("gan --data folder --path .", "the data 'folder' needs --size"),
        ("gan --data mnist", "Get it once with --download, or name its folder with --path"),
        ("gan --batch 5000", "5000"),
        ("vae --data vowels", "the data 'vowels' holds waves in [-1, 1], and a vae is for images"),
        ("gan --log tensorboard", "pip install tensorboard"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_line(words, says, tmp_path, capsys, monkeypatch):
    import torch

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as if not installed
    if torch.cuda.is_available() and "cuda" in words:
        pytest.skip("this machine has a GPU")
    data = [] if "--data" in words else ["--data", "digits"]
    code, error = said(capsys, "train", *words.split(), *data, "--out", tmp_path / "run")
    assert says in error
    assert code == (1 if "nowhere" in words or "mnist" in words else 2)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.parametrize("name", BELONGS)
def test_a_setting_of_another_model_is_refused_by_name(name):
    value = {"spectral_norm": False, "loss": "hinge", "likelihood": "gaussian"}.get(name, 2)
    for model in set(Model.__args__) - set(BELONGS[name]):
        with pytest.raises(SettingsError, match=f"{name} does not belong to {model}"):
            Settings(model=model, **{name: value})


def test_what_makes_a_run_cannot_change_when_it_goes_on():
    before = Settings(model="vaegan", r1=0.1)
    for name in set(FIELDS) - set(CHANGEABLE) - {"levels", "codes", "beta"}:
        value = {"model": "gan", "data": "digits", "network": "mlp", "unreadable": "skip"}.get(name)
        value = {"likelihood": "gaussian", "precision": "float64", "ema": 0.5}.get(name, value)
        kind = type(getattr(before, name))
        value = value or (not getattr(before, name) if kind is bool else 7)
        after = dataclasses.replace(before, **{name: value})
        with pytest.raises(SettingsError, match=f"{name} cannot change when a run goes on: it was"):
            after.goes_on_from(before)
    dataclasses.replace(before, lr=1e-5, steps=9, batch=8, loss="hinge").goes_on_from(before)
