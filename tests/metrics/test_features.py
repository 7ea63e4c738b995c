"""The feature network: it learns, it is scaled, and its file depends on all that matters."""

import dataclasses
import math

import pytest
import torch

from gantut import data, metrics
from gantut.metrics import features


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANTUT_CACHE", str(tmp_path))
    return tmp_path


def test_it_learns_and_is_scaled(cache):
    train, test = data.digits(), data.digits("test")
    network = metrics.feature_network(train)
    found = network.extract(test)
    assert metrics.class_accuracy(found.logits, test.labels) > 0.94
    assert found.features.shape == (360, 64) and found.features.dtype == torch.float64
    variance = network.extract(train).features.var(0).mean().item()
    assert variance == pytest.approx(1, abs=1e-3)
    assert not network.training and not any(p.requires_grad for p in network.parameters())


SOME = data.digits().subset(torch.arange(100))
PIXEL = SOME.images.clone()
PIXEL[99, 0, 7, 7] += 1
LABEL = SOME.labels.clone()
LABEL[99] = (LABEL[99] + 1) % 10


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({"values": PIXEL}, {}),
        ({"values": SOME.images.view(100, 1, 4, 16)}, {}),
        ({"labels": LABEL}, {}),
        ({"maximum": 255}, {}),
        ({"classes": 11}, {}),
        ({}, {"steps": 3}),
        ({}, {"batch_size": 64}),
        ({}, {"seed": 1}),
        ({}, {"version": -1}),
        ({}, {"FEATURES": 32}),
    ],
    ids=lambda value: next(iter(value), "same") if isinstance(value, dict) else None,
)
def test_whatever_matters_asks_for_a_network_of_its_own(cache, monkeypatch, change, options):
    """Anything the result depends on gives another file, and the network that belongs to it."""
    first = metrics.feature_network(SOME, steps=2)
    (file,) = cache.iterdir()
    changed = dataclasses.replace(SOME, **change)
    if "version" in options:
        monkeypatch.setattr(features, "_VERSION", options["version"])
    if "FEATURES" in options:
        monkeypatch.setattr(features, "FEATURES", options["FEATURES"])
    training = {k: v for k, v in options.items() if k in ("steps", "batch_size", "seed")}
    second = metrics.feature_network(changed, **{"steps": 2, **training})
    assert len(list(cache.iterdir())) == 2
    anew = metrics.feature_network(changed, **{"steps": 2, **training}, cache=False)
    for name, values in anew.state_dict().items():
        assert torch.equal(values, second.state_dict()[name])
    # Teeth: the two differ, so that a stale file would be seen (the version alone has no say).
    if "version" not in options:
        same = [
            a.shape == b.shape and torch.equal(a, b)
            for a, b in zip(first.state_dict().values(), anew.state_dict().values(), strict=True)
        ]
        assert not all(same)


def test_the_same_is_read_from_the_same_file(cache):
    """Also under another name of the data, and with its tensors laid out otherwise."""
    first = metrics.feature_network(SOME, steps=2)
    (file,) = cache.iterdir()
    when = file.stat().st_mtime_ns
    strided = SOME.images.repeat_interleave(2, 0)[::2]
    for same in (SOME, dataclasses.replace(SOME, values=strided, name="others/there")):
        again = metrics.feature_network(same, steps=2)
        assert [file.stat().st_mtime_ns for file in cache.iterdir()] == [when]
        assert torch.equal(again.extract(SOME).features, first.extract(SOME).features)


def test_chunks_and_kinds_of_input_change_nothing(cache):
    network = metrics.feature_network(SOME, steps=2, cache=False)
    whole = network.extract(SOME)
    for found in (network.extract(SOME.floats(), chunk=7), network.extract(SOME.floats().double())):
        assert torch.allclose(found.features, whole.features, atol=1e-6)
        assert torch.allclose(found.logits, whole.logits, atol=1e-6)


def test_the_global_random_state_is_left_alone(cache):
    before = torch.get_rng_state()
    metrics.feature_network(SOME, steps=2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 9, 9), r"shape \(N, 1, 8, 8\), got \(2, 1, 9, 9\)"),
        (torch.tensor([-1.0, 0.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8), "got -1 … 0"),
        (torch.full((1, 1, 8, 8), math.nan), r"expected finite images in \[0, 1\]"),
    ],
)
def test_images_it_refuses(images, message):
    with pytest.raises(ValueError, match=message):
        metrics.FeatureNetwork((1, 8, 8), 10).extract(images)


def test_data_it_refuses():
    digits = data.digits()
    unlabelled = data.ImageData(digits.images, name="plain")
    with pytest.raises(ValueError, match="two classes or more, got 0 in 'plain'"):
        metrics.feature_network(unlabelled)
    with pytest.raises(ValueError, match="two classes or more, got 1 in 'digits'"):
        metrics.feature_network(digits.subset((digits.labels == 3).nonzero()[:50, 0]))
    with pytest.warns(UserWarning, match="60 images for 64 features: .* by heart"):
        metrics.feature_network(digits.subset(torch.arange(60)), steps=1, cache=False)
