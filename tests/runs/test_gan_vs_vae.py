"""The comparison is fair where it says so, and its own measures see what they are for."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from gantut.models.priors import diagonal_normal
from gantut.runs.recipes import gan_vs_vae as run, judging

ROOT = Path(__file__).resolve().parents[2]


def test_all_models_begin_with_the_same_decoder():
    wanted = run.PARTS["gan-1"].make().state_dict()
    for kind in ("vae", "vae-gan", "aae", "codes"):
        found = run.PARTS[f"{kind}-1"].make().decoder.state_dict()
        assert found.keys() == wanted.keys(), kind
        for name, value in wanted.items():
            assert torch.equal(found[name], value), (kind, name)
    other = run.PARTS["gan-0"].make().state_dict()
    assert any(not torch.equal(other[name], value) for name, value in wanted.items())


def test_all_models_get_the_same_seconds_and_digits():
    took = {kind: run.PARTS[f"{kind}-0"].config["steps"] * run.SECONDS[kind] for kind in run.MADE}
    took["flow"] += took.pop("codes")
    for kind, seconds in took.items():
        assert seconds == pytest.approx(run.BUDGET, rel=0.02), kind
    batches = {kind: run.PARTS[f"{kind}-0"].config["batch"] for kind in run.MADE if kind != "flow"}
    assert set(batches.values()) == {64}


def test_weights_that_are_shipped_stay_small():
    sizes = [
        sum(value.numel() for value in part.make().state_dict().values())
        for part in run.PARTS.values()
        if part.shipped
    ]
    assert len(sizes) == len(run.MADE) and 2 * sum(sizes) < 1_250_000


def test_blur_is_not_sharp_and_the_number_of_strokes_is_nothing():
    x = torch.zeros(1, 1, 28, 28)
    x[..., 5:20, 8:11] = 1
    two = torch.maximum(x, x.roll(12, 3))
    assert run.sharpness(x) == pytest.approx(1.0)
    assert run.sharpness(two) == pytest.approx(1.0)
    blurred = F.conv2d(x, torch.full((1, 1, 3, 3), 1 / 9), padding=1)
    # Across a straight edge three steps of a third in the place of one: Σd² / Σ|d| is a third.
    assert 0.25 < run.sharpness(blurred) < 0.4
    assert run.sharpness(0.5 * x) == pytest.approx(0.5)


class Named:
    """An encoder that tells which digit it reads, by its sum, with a deviation of 0.5."""

    def encode(self, x):
        mean = x.sum((1, 2, 3))[:, None].expand(-1, 3)
        return diagonal_normal(mean, torch.full_like(mean, 2 * torch.tensor(0.5).log()))


def test_codes_are_draws_from_the_posteriors_of_training_digits():
    c = SimpleNamespace(seed=0, batch=4000)
    codes = run.Codes(Named(), c)
    first, again, other = codes.batch(3), run.Codes(Named(), c).batch(3), codes.batch(4)
    assert torch.equal(first, again) and not torch.equal(first, other)
    sums = judging.digits().floats().sum((1, 2, 3))
    assert first.mean().item() == pytest.approx(sums.mean().item(), rel=0.03)
    # One digit's three numbers differ by their noise alone.
    assert first.var(1).mean().item() == pytest.approx(0.25, rel=0.1)


def test_a_flow_carries_noise_to_codes_before_they_are_drawn(monkeypatch):
    c = SimpleNamespace(**run.PARTS["codes-0"].config)
    coder, flow = run.vae(c), run.PARTS["flow-0"].make()
    made = {"codes-0": coder, "flow-0": flow}
    plain = run.drawn(made, "codes", 0, 4)
    monkeypatch.setattr(flow, "transport", lambda z: z)
    assert torch.equal(run.drawn(made, "flow", 0, 4), plain)
    monkeypatch.setattr(flow, "transport", lambda z: -z)
    assert not torch.equal(run.drawn(made, "flow", 0, 4), plain)
    z = torch.randn(4, c.latent_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(coder.eval().decode(z).mean, plain, atol=1e-6)


def test_the_seeds_are_told_by_mean_least_and_most(monkeypatch):
    values = {0: 3.0, 1: 1.0, 2: 5.0}
    monkeypatch.setattr(run, "_all_of", lambda made, model, seed, quick: {"fid": values[seed]})
    monkeypatch.setattr(run, "_looked_at", lambda images, made: {"fid": 0.5})
    found = run.measure({}, False)
    assert [found[f"fid_vae{end}"] for end in ("", "_low", "_high")] == [3.0, 1.0, 5.0]
    assert found["fid_real"] == 0.5
    assert run.measure({}, True) == {f"fid_{model}": 3.0 for model in run.MODELS}


@pytest.mark.slow
def test_every_figure_is_measured_and_every_measured_one_has_its_protocol():
    made = {name: part.make().eval() for name, part in run.PARTS.items() if part.shipped}
    found = run.measure(made, True)
    ends = ("_low", "_high", "_real")
    assert set(found) == {name for name in run.gan_vs_vae.figures if not name.endswith(ends)}


def test_the_page_has_one_table_of_measures_and_models(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    spec = importlib.util.spec_from_file_location("runs_page", ROOT / ".ci" / "runs.py")
    page = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "runs_page", page)
    spec.loader.exec_module(page)
    found = {
        "fid_gan": {"value": 2.0, "protocol": "how"},
        "fid_gan_low": {"value": 1.0, "protocol": "least"},
        "fid_gan_high": {"value": 3.0, "protocol": "most"},
        "fid_vae-gan": {"value": 7.0, "protocol": "how"},
        "nats_vae-gan": {"value": 90.0, "protocol": "bound"},
        "else": {"value": 4.0, "protocol": "other"},
    }
    lines, told = page.table(found, {"gan": "GAN", "vae-gan": "VAE-GAN"})
    assert lines[2:4] == [
        "| FID | 2 (1 to 3) | 7 | how |",
        "| −log p(x), nats |  | 90 | bound |",
    ]
    assert told == set(found) - {"else"}
