"""Exported files: the network's outputs for any batch size, and no trace of the machine."""

import copy
import importlib.util
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from gantut import export, models, networks
from gantut.networks.ladder import RepeatConv2d

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (1, 16, 16)


def lively(network):
    """Large weights, and BatchNorm that has seen data: what a file forgets shows in its outputs."""
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
    deviation = export.write_onnx(copy.deepcopy(model).double(), [codes(4)], tmp_path / "m.onnx")
    assert deviation < 1e-5
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


def rounded(model, file):
    """The model with the weights of the file: 3×3 ones where it repeats and convolves, or, of small
    layers, the 4×4 kernel that the exporter makes of them."""
    import onnx

    held = {tensor.name for tensor in onnx.load(file).graph.initializer}
    for parent_name, parent in list(model.named_modules()):
        for name, layer in list(parent.named_children()):
            path = f"{parent_name}.{name}" if parent_name else name
            if isinstance(layer, RepeatConv2d) and f"{path}.weight.int8" not in held:
                plain = torch.nn.ConvTranspose2d(layer.in_channels, layer.out_channels, 4, 2, 1)
                plain.load_state_dict({"weight": layer.kernel().detach(), "bias": layer.bias})
                setattr(parent, name, plain)
    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            axis = 1 if isinstance(module, torch.nn.ConvTranspose2d) else 0
            q, s = export.quantise(module.weight.data, axis)
            module.weight.data = q * s.view([-1 if d == axis else 1 for d in range(q.ndim)])
    return model.eval()


WIDE = networks.ConvGenerator, {"latent_dim": 6, "shape": (1, 28, 28), "width": 64}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "conv", "dcgan", "wide"])
def test_int8_is_the_network_with_rounded_weights(name, tmp_path):
    model = lively(MODELS[name]() if name != "wide" else WIDE[0](**WIDE[1]))
    off = export.write_onnx(model, [codes(4)], tmp_path / "m.onnx", weights="int8")
    assert off > 1e-4  # far more than the tolerance below
    model = rounded(model, tmp_path / "m.onnx")
    with torch.no_grad():
        assert (export.run_onnx(tmp_path / "m.onnx", codes(5)) - model(codes(5))).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "wide"])
def test_small_weights_make_a_small_file(name, tmp_path):
    """Nearly two and four times smaller; layers that repeat and convolve are no exception."""
    model = networks.MLPDecoder(6, (1, 16, 16), hidden=(64, 64))
    model = model if name == "mlp" else WIDE[0](**WIDE[1])
    size, off = {}, {}
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


class StopHereError(Exception):
    """Raised in the place of the exporter."""


@pytest.mark.parametrize("write", [export.write_onnx, export.write_program])
def test_the_network_is_exported_in_evaluation_mode_and_left_as_it_is(write, tmp_path, monkeypatch):
    """A part that was frozen in evaluation mode stays in it, and the others in training mode."""
    model, seen = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout()), []
    model[1].eval()

    def exporter(network, *_, **__):
        seen.extend(part.training for part in network.modules())
        raise StopHereError

    monkeypatch.setattr(torch.export, "export", exporter)
    with pytest.raises(StopHereError):
        write(model, [codes(4)], tmp_path / "m")
    assert seen == [False] * 4
    assert [part.training for part in model.modules()] == [True, True, False, True]
    assert not list(tmp_path.iterdir())


def test_what_is_exported_is_a_copy():
    vae = models.VAE(
        networks.MLPEncoder(SHAPE, 3), networks.MLPDecoder(3, (2, 16, 16)), "gaussian_per_pixel"
    ).double()
    alone, z = export.Decoding(vae), torch.randn(4, 3)
    assert {p.dtype for p in alone.parameters()} == {torch.float32}
    assert {p.dtype for p in vae.parameters()} == {torch.float64} and vae.training
    with torch.no_grad():
        expected = vae.decode(z.double()).mean
    assert (alone(z) - expected).abs().max() < 1e-5 and expected.std() > 1e-3


def test_a_program_is_whole_or_not_there(tmp_path, monkeypatch):
    model, path = networks.MLPDecoder(6, (1, 4, 4), hidden=(4,)), tmp_path / "new" / "m.pt2"
    assert export.write_program(model, [codes(4)], path) < 1e-5
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*m\.pt2: No space left"):
        export.write_program(model, [codes(4)], path)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["m.pt2"]


def test_what_does_not_fit_is_named(tmp_path, monkeypatch):
    model, path = networks.MLPDecoder(6, (1, 4, 4), hidden=(4,)), tmp_path / "m.onnx"
    with pytest.raises(ValueError, match="unknown weights 'int4'; known: float32, float16, int8"):
        export.write_onnx(model, [codes(2)], path, weights="int4")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name)
    )
    with pytest.raises(
        ImportError, match=r'needs the packages onnxscript: pip install "gantut\[onnx\]"'
    ):
        export.write_onnx(model, [codes(2)], path)
    assert not path.exists()
