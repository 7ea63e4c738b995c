"""The published networks by torch-fidelity, without any download: files are put in their place."""

import sys

import pytest
import torch
from torch import nn

torch_fidelity = pytest.importorskip("torch_fidelity")

from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # noqa: E402

from gantut import metrics  # noqa: E402


class Bytes(torch.utils.data.Dataset):
    """Images as torch-fidelity's own programme reads them."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i]


def images(n, seed, channels=3, side=16):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, channels, side, side), generator=g, dtype=torch.uint8)


def by_torch_fidelity(real, fake, **options):
    found = torch_fidelity.calculate_metrics(
        input1=Bytes(real),
        input2=Bytes(fake),
        fid=True,
        cuda=False,
        save_cpu_ram=True,
        cache=False,
        verbose=False,
        **options,
    )
    return found["frechet_inception_distance"]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty folder where torch.hub looks for weights; any download fails the test."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refuse(*arguments, **options):
        raise AssertionError("a download was tried")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    return tmp_path


class Small(nn.Module):
    """Stands for DINOv2's network: eight numbers from an image."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layer = nn.Conv2d(3, 8, 32, stride=32)

    def forward(self, x):
        return self.layer(x).mean((2, 3))


@pytest.fixture
def dinov2(hub, monkeypatch):
    (hub / "checkpoints").mkdir()
    (hub / "facebookresearch_dinov2_main").mkdir()
    (hub / "checkpoints" / "dinov2_vitl14_pretrain.pth").touch()
    asked = []

    def load(*arguments, **options):
        asked.append(arguments)
        return Small()

    monkeypatch.setattr(torch.hub, "load", load)
    return asked


def test_dinov2_is_torch_fidelitys(dinov2):
    real, fake = images(40, 0), images(30, 1) // 2
    found = metrics.published_fid(real, fake, "dinov2", batch_size=7)
    assert dinov2 == [("facebookresearch/dinov2", "dinov2_vitl14")]
    wanted = by_torch_fidelity(real, fake, feature_extractor="dinov2-vit-l-14")
    assert found == pytest.approx(wanted, rel=1e-3) and found > 0.1


def test_floats_are_rounded_to_the_bytes_of_a_file_and_grey_is_repeated(dinov2):
    real, fake = images(20, 0, channels=1), images(20, 1, channels=1) // 2
    whole = metrics.published_fid(real.repeat(1, 3, 1, 1), fake.repeat(1, 3, 1, 1), "dinov2")
    for jitter in (0.0, 0.4, -0.4):
        floats = ((real + jitter) / 255).clamp(0, 1)
        assert metrics.published_fid(floats, fake, "dinov2") == pytest.approx(whole, rel=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*singular")
def test_inception_with_weights_from_a_file(hub, monkeypatch):
    """The whole of Inception runs, with random weights written to a file beforehand."""
    module = "torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url"
    with monkeypatch.context() as patch:
        patch.setattr(module, lambda *a, **k: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *a, **k: None)
        empty = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    g = torch.Generator().manual_seed(0)
    weights = {
        name: values
        if "bn" in name or not values.is_floating_point()
        else torch.randn(values.shape, generator=g) * (2 / values[0].numel()) ** 0.5
        for name, values in empty.state_dict().items()
    }
    torch.save(weights, hub / "weights.pth")
    real, fake = images(3, 0), images(3, 1) // 3
    found = metrics.published_fid(real, fake, weights=hub / "weights.pth")
    wanted = by_torch_fidelity(
        real,
        fake,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(hub / "weights.pth"),
    )
    assert found == pytest.approx(wanted, rel=1e-2) and found > 0


@pytest.mark.parametrize("network", ["inception", "dinov2"])
def test_nothing_is_fetched_unless_asked_for(hub, network):
    with pytest.raises(FileNotFoundError, match=f"{network} needs .*checkpoints.*download=True"):
        metrics.published_fid(images(3, 0), images(3, 1), network)


def test_weights_without_the_code_of_dinov2_are_not_enough(hub):
    """torch.hub would fetch the code, and that is a download too."""
    (hub / "checkpoints").mkdir()
    (hub / "checkpoints" / "dinov2_vitl14_pretrain.pth").touch()
    with pytest.raises(FileNotFoundError, match="needs [^,]*facebookresearch_dinov2_main;"):
        metrics.published_fid(images(3, 0), images(3, 1), "dinov2")


def test_the_download_is_torch_fidelitys_when_asked_for(hub):
    with pytest.raises(AssertionError, match="a download was tried"):
        metrics.published_fid(images(3, 0), images(3, 1), download=True)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity.utils", None)
    with pytest.raises(
        ImportError, match=r'needs torch-fidelity: pip install "gantut\[fidelity\]"'
    ):
        metrics.published_fid(images(3, 0), images(3, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "vgg"}, "unknown network 'vgg'; known: inception, dinov2"),
        ({"network": "dinov2", "weights": "w.pth"}, "weights= for Inception only, got dinov2"),
        ({"fake": torch.zeros(3, 2, 8, 8)}, r"fake images \(N, 1 or 3, H, W\), got \(3, 2, 8, 8\)"),
        ({"real": torch.full((3, 1, 8, 8), 7.0)}, "real images .* got 7 … 7"),
        ({"real": torch.full((3, 1, 8, 8), 200)}, "real images .* got 200 … 200"),
    ],
)
def test_bad_input(dinov2, change, message):
    arguments = {"real": images(3, 0), "fake": images(3, 1), "network": "dinov2", **change}
    with pytest.raises(ValueError, match=message):
        metrics.published_fid(**arguments)
