"""The benchmark: its script runs, and its peers train what they say they train."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gantut import data

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.fixture(scope="module")
def peers():
    """The module, with 300 images."""
    sys.path.insert(0, str(FOLDER))
    try:
        import peers

        peers.IMAGES = 300
        yield peers
    finally:
        sys.path.remove(str(FOLDER))
        for name in ("peers", "plain"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def script(peers):
    """The benchmark itself."""
    sys.path.insert(0, str(FOLDER))
    try:
        import run

        yield run
    finally:
        sys.path.remove(str(FOLDER))
        sys.modules.pop("run", None)


def size(network):
    return sum(p.numel() for p in network.parameters())


def chain(*widths, extra=0):
    """Weights and biases of linear layers of these widths, and so many numbers more."""
    return sum(a * b + b for a, b in zip(widths, widths[1:], strict=False)) + extra


def conv(a, b, k, bias=True):
    return a * b * k * k + (b if bias else 0)


def test_the_networks_have_the_published_sizes(peers):
    """The layers' formulas, added up by hand; BatchNorm has two numbers a channel."""
    mlp = (
        chain(100, 128, 256, 512, 1024, 784, extra=2 * (256 + 512 + 1024)),
        chain(784, 512, 256, 1),
    )
    dcgan = (
        chain(100, 128 * 64)
        + conv(128, 128, 3)
        + conv(128, 64, 3)
        + conv(64, 1, 3)
        + 2 * (128 + 128 + 64),
        sum(conv(a, b, 3) for a, b in ((1, 16), (16, 32), (32, 64), (64, 128)))
        + 2 * (32 + 64 + 128)
        + chain(512, 1),
    )
    up = sum(conv(a, b, 4, bias=False) for a, b in ((100, 128), (128, 64), (64, 32))) + 2 * (
        128 + 64 + 32
    )
    down = sum(conv(a, b, 4, bias=False) for a, b in ((32, 64), (64, 128), (128, 1))) + 2 * (
        64 + 128
    )
    vae = (chain(784, 400) + chain(400, 20) + chain(400, 20), chain(20, 400, 784))
    expected = {"gan": mlp, "wgan_gp": mlp, "dcgan": dcgan, "vae": vae}
    expected["torchgan"] = (up + conv(32, 1, 4), conv(1, 32, 4) + down)
    for name, peer in peers.PEERS.items():
        assert tuple(map(size, peer.networks(peer.settings))) == expected[name], name


def test_the_published_data_path_gives_the_images_in_minus_one_to_one(peers):
    s = peers.PEERS["gan"].settings
    batch, images = next(peers.published(s)), 2 * data.glyphs(300).floats() - 1
    assert batch.shape == (64, 1, 28, 28) and batch.min() == -1
    # Every image of the batch is one of the set.
    assert (batch[:, None] - images).abs().amax((2, 3, 4)).amin(1).max() < 1e-6


def test_each_peer_moves_the_players_that_its_script_moves(peers):
    for name, peer in peers.PEERS.items():
        torch.manual_seed(0)
        first, second = peer.networks(peer.settings)
        steps = peer.loop(first, second, peer.settings)
        moved = []
        for _ in range(6 if name == "wgan_gp" else 1):
            before = [[p.detach().clone() for p in net.parameters()] for net in (first, second)]
            losses = next(steps)
            assert all(math.isfinite(value) for value in losses)
            pairs = zip(before, (first, second), strict=True)
            moved.append(
                [
                    any(not torch.equal(a, b) for a, b in zip(old, net.parameters(), strict=True))
                    for old, net in pairs
                ]
            )
        if name == "wgan_gp":
            assert moved == [[number % 5 == 0, True] for number in range(6)]
        else:
            assert moved == [[True, True]]


def test_the_quirks_of_the_peers(peers):
    """wgan_gp.py sends the critic's loss back into G; torchgan clears gradients it measured."""
    torch.manual_seed(0)
    pairs = {
        name: peers.PEERS[name].networks(peers.PEERS[name].settings)
        for name in ("wgan_gp", "torchgan")
    }
    for name, (G, D) in pairs.items():
        steps = peers.PEERS[name].loop(G, D, peers.PEERS[name].settings)
        next(steps)
        if name == "wgan_gp":
            handed = []
            G[0].weight.register_hook(lambda g, handed=handed: handed.append(g.norm().item()))
            next(steps)  # a step in which G does not move
            assert len(handed) == 1 and handed[0] > 0
        else:
            assert all(p.grad is None for p in (*G.parameters(), *D.parameters()))


def test_a_first_loss_of_each_kind_is_what_it_should_be(peers):
    """D's answer 0 costs log 2 an image, a decoder's grey log 2 a pixel."""

    def silent(network):
        for p in network.parameters():
            torch.nn.init.zeros_(p)
        return network

    for name, expected in (
        ("gan", (math.log(2), math.log(2))),
        ("torchgan", (2 * math.log(2), math.log(2))),
    ):
        G, D = peers.PEERS[name].networks(peers.PEERS[name].settings)
        if name == "gan":  # G moves first, and D's weights stay
            losses = next(peers.PEERS[name].loop(G, silent(D), peers.PEERS[name].settings))
        else:
            losses = next(peers.PEERS[name].loop(silent(G), silent(D), peers.PEERS[name].settings))
        assert losses == pytest.approx(expected, abs=1e-5), name
    encoder, decoder = peers.PEERS["vae"].networks(peers.PEERS["vae"].settings)
    (loss,) = next(
        peers.PEERS["vae"].loop(silent(encoder), silent(decoder), peers.PEERS["vae"].settings)
    )
    assert loss == pytest.approx(784 * math.log(2), rel=1e-5)


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        ("aten::addmm", "products"),
        ("aten::mkldnn_convolution", "products"),
        ("aten::convolution_backward", "products"),
        ("aten::_fused_adam_", "optimizer"),
        ("aten::add_", "element by element"),
        ("aten::copy_", "moving data"),
        ("aten::view", "bookkeeping"),
        ("python", "bookkeeping"),
    ],
)
def test_operations_are_sorted_by_what_they_do(script, operation, wanted):
    assert script.family(operation) == wanted


def test_the_ceiling_is_a_part_of_the_step(script):
    """Its operations are products that the step does, and all families together are the step."""
    spent = script.profile("gan", steps=2)
    parts = script.by_family(spent)
    assert set(parts) == {*script.FAMILIES, script.REST}
    assert sum(parts.values()) == pytest.approx(sum(spent.values()))
    assert {"aten::mm", "aten::addmm"} <= {k for k in spent if script.family(k) == "products"}
    assert any("adam" in k for k in spent), "the optimizer's step is in the profile, too"


@pytest.mark.slow
def test_the_script_measures_and_writes(tmp_path):
    command = [sys.executable, str(FOLDER / "run.py"), "--rounds", "1", "--seconds", "0.1"]
    command += ["--speed-alone", "--cpu-time", "--only", "gan", "vae"]
    command += ["--json", str(tmp_path / "b.json")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "torch " in said and "1 thread(s)" in said and said.count("\n| ") == 2 + 1
    assert "gan: products" in said and "of the rest:" in said
    results = json.loads((tmp_path / "b.json").read_text())["results"]
    assert [r["name"] for r in results] == ["gan", "vae"]
    for result in results:
        speed = result["images_per_second"]
        assert set(speed) == {"plain", "peer", "ours", "lean"} and min(speed.values()) > 0
        assert result["over_peer"]["median"] == pytest.approx(speed["ours"] / speed["peer"])
        assert result["share"] == pytest.approx(speed["ours"] / result["ceiling"])


def test_no_module_of_the_benchmarks_hides_another():
    # Tests import by bare names from several folders; of two modules with one name, one is lost.
    ours = {path.stem for path in FOLDER.glob("*.py")}
    root = FOLDER.parent.parent
    elsewhere = [
        root / ".ci",
        root / "notebooks" / "assignments" / "grader",
        root / "book" / "_ext",
    ]
    others = {path.stem for folder in elsewhere for path in folder.glob("*.py")}
    assert not ours & others
