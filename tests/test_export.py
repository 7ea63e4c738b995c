"""ONNX files: the outputs of the network to 1e-5, any batch size, small weights within their bound, and no trace of the machine."""

import importlib.util
from pathlib import Path

import pytest
import torch

from gantut import export, networks
from gantut.__main__ import main
from gantut.cli import runs
from gantut.cli.settings import SettingsError

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (1, 16, 16)


def lively(network):
    """A network with large weights, whose BatchNorm has seen data: what a file forgets or rounds shows in its outputs."""
    network.train()
    for p in network.parameters():
        p.data *= 4
    for k in range(5):
        network(
            2 * torch.randn(32, network.latent_dim, generator=torch.Generator().manual_seed(k)) + 1
        )
    return network


MODELS = {
    "mlp": lambda: networks.MLPDecoder(6, (1, 4, 4), hidden=(16,)),
    "conv": lambda: networks.ConvGenerator(6, SHAPE, width=8),
    "dcgan": lambda: networks.DCGANGenerator(6, SHAPE, width=4),
    "residual": lambda: networks.ResidualGenerator(6, SHAPE, width=8),
}


def codes(n, seed=0):
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "name",
    [name if name == "mlp" else pytest.param(name, marks=pytest.mark.slow) for name in MODELS],
)
def test_the_file_computes_what_the_network_computes(name, tmp_path):
    model = lively(MODELS[name]())
    deviation = export.write_onnx(model, [codes(4)], tmp_path / "m.onnx")
    assert model.training  # given back as it was
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]  # one file, and no weights beside it
    model.eval()
    for n in (1, 5):
        with torch.no_grad():
            off = (
                (export.run_onnx(tmp_path / "m.onnx", codes(n, seed=n)) - model(codes(n, seed=n)))
                .abs()
                .max()
            )
        assert off < 1e-5
    assert deviation < 1e-5
    content = (tmp_path / "m.onnx").read_bytes()
    for trace in (str(ROOT), "site-packages", "gantut", ".py"):
        assert trace.encode() not in content


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "conv", "dcgan"])
def test_int8_is_the_network_with_rounded_weights(name, tmp_path):
    model = lively(MODELS[name]())
    off = export.write_onnx(model, [codes(4)], tmp_path / "m.onnx", weights="int8")
    assert off > 1e-4  # far more than the tolerance below
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            axis = 1 if isinstance(module, torch.nn.ConvTranspose2d) else 0
            q, s = export.quantise(module.weight.data, axis)
            module.weight.data = q * s.view([-1 if d == axis else 1 for d in range(q.ndim)])
    model.eval()
    with torch.no_grad():
        assert (export.run_onnx(tmp_path / "m.onnx", codes(5)) - model(codes(5))).abs().max() < 1e-5


@pytest.mark.slow
def test_small_weights_make_a_small_file(tmp_path):
    model, size, off = networks.MLPDecoder(6, (1, 16, 16), hidden=(64, 64)), {}, {}
    for weights in export.WEIGHTS:
        off[weights] = export.write_onnx(model, [codes(4)], tmp_path / "m.onnx", weights=weights)
        size[weights] = (tmp_path / "m.onnx").stat().st_size
    assert size["float16"] < 0.6 * size["float32"] and size["int8"] < 0.35 * size["float32"]
    assert off["float32"] < 1e-5 < off["float16"] < off["int8"] < 0.05


def test_rounding_is_within_half_a_step():
    for axis in (0, 1):
        w = torch.randn(5, 7, 3, 3, generator=torch.Generator().manual_seed(axis))
        q, s = export.quantise(w, axis)
        steps = s.view([-1 if d == axis else 1 for d in range(4)])
        assert q.dtype == torch.int8 and s.shape == (w.shape[axis],)
        assert ((q * steps - w).abs() <= steps / 2 * (1 + 1e-5)).all()
        assert (q.abs().amax([d for d in range(4) if d != axis]) == 127).all()
    q, s = export.quantise(torch.zeros(2, 3))
    assert not q.any() and torch.isfinite(s).all()


@pytest.mark.slow
def test_the_command_line_exports_a_conditional_run(tmp_path, capsys):
    folder = tmp_path / "run"
    small = [
        "--data",
        "digits",
        "--latent-dim",
        "6",
        "--width",
        "16",
        "--device",
        "cpu",
        "--picture-every",
        "0",
    ]
    assert (
        main(["train", "vae", "--out", str(folder), "--steps", "5", "--conditional", *small]) == 0
    )
    assert main(["export", str(folder), "--format", "onnx"]) == 0
    assert "model.onnx: largest deviation" in capsys.readouterr().out
    _, trainer, _ = runs.opened(folder)
    labels = torch.arange(7)
    with torch.no_grad():
        ours = runs.Decoding(trainer).eval()(codes(7), labels)
    assert (export.run_onnx(folder / "model.onnx", codes(7), labels) - ours).abs().max() < 1e-5
    assert main(["export", str(folder), "--weights", "int8"]) == 2
    assert "weights int8 are for --format onnx" in capsys.readouterr().err


def test_what_does_not_fit_is_named(tmp_path, monkeypatch):
    model, path = networks.MLPDecoder(6, (1, 4, 4), hidden=(4,)), tmp_path / "m.onnx"
    with pytest.raises(
        SettingsError, match="unknown weights 'int4'; known: float32, float16, int8"
    ):
        export.write_onnx(model, [codes(2)], path, weights="int4")
    with pytest.raises(SettingsError, match=r"expected a network in float32, got torch\.float64"):
        export.write_onnx(model.double(), [codes(2)], path)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name)
    )
    with pytest.raises(
        SettingsError, match=r'needs the packages onnxscript: pip install "gantut\[onnx\]"'
    ):
        export.write_onnx(model.float(), [codes(2)], path)
    assert not path.exists()
