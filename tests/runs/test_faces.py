"""The recipes of faces: what is measured, against values worked out another way."""

from types import SimpleNamespace

import pytest
import torch

from gantut import data
from gantut.runs.recipes import faces, faces_gan, faces_vae


def noise(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def judge(monkeypatch):
    made = faces.Judge([4, 4, 8, 8]).eval().requires_grad_(False)
    monkeypatch.setattr(faces, "judge", lambda: made)
    monkeypatch.setattr(faces, "real", lambda n, split="train": data.faces(40, cache=False))
    return made


def test_the_judge_names_every_factor(judge):
    x = faces.real(40).floats()
    logits, found = judge(x), judge.found(x, chunk=16)
    assert list(found) == [n for n, v in data.FACE_FACTORS.items() if isinstance(v, dict)]
    place = 0
    for name, values in found.items():
        k = len(data.FACE_FACTORS[name])
        assert torch.equal(values, logits[:, place : place + k].argmax(1))
        place += k
    assert place == logits.shape[1]


def test_the_judge_learns_from_the_factors_of_its_rows(judge):
    """At constant logits the loss is Σ log K, and it falls for faces seen again and again."""
    c = SimpleNamespace(
        images=40, lr=1e-2, ema=None, steps=15, precision="float32", seed=0, batch=8
    )
    with torch.no_grad():
        judge.head.weight.zero_()
    judge.requires_grad_(True)
    trainer, batches = faces.judging_of(judge, c, {})
    nats = trainer.fit(batches, 15)["nats"]
    assert nats[0] == pytest.approx(
        sum(torch.tensor(k).log() for k in faces.VALUES.values()).item()
    )
    assert nats[-1] < 0.9 * nats[0]


def test_sharpness_of_waves():
    """∇² of a wave is −(2 − 2 cos k) times the wave, but for the border."""
    t = torch.arange(64.0)
    waves = torch.stack([torch.cos(k * t)[None, None, :].expand(3, 64, 64) for k in (0.2, 2.0)])
    slow, fast = faces.sharpness(waves)
    expected = ((1 - torch.cos(torch.tensor(2.0))) / (1 - torch.cos(torch.tensor(0.2)))) ** 2
    assert (fast / slow).item() == pytest.approx(expected.item(), rel=0.05)
    assert faces.sharpness(torch.ones(1, 3, 8, 8)).item() == 0


def test_likeness_is_a_squared_distance(judge):
    x, y = torch.rand(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert faces.likeness(x, x).abs().max().item() == 0
    d = faces.likeness(x, y)
    torch.testing.assert_close(d, faces.likeness(y, x))
    # Unit vectors: ‖a − b‖² = 2 − 2 a·b.
    each = [
        (2 - 2 * torch.cosine_similarity(a, b, 1)).mean((1, 2))
        for a, b in zip(judge.maps(x), judge.maps(y), strict=True)
    ]
    torch.testing.assert_close(d, torch.stack(each).mean(0), rtol=1e-4, atol=1e-5)


def test_shares_are_held_against_what_the_judge_finds_in_real_faces(monkeypatch):
    monkeypatch.setattr(faces, "VALUES", {"hair": 3, "freckles": 2})
    made = {"hair": torch.tensor([0, 0, 0, 1]), "freckles": torch.tensor([0, 0, 0, 0])}
    real = {"hair": torch.tensor([0, 0, 1, 1, 1, 1, 2, 2]), "freckles": torch.ones(8).long()}
    off = faces_gan.errors(made, real)
    assert off.tolist() == pytest.approx([2.0, -0.5, -1.0])  # 3/4 for 1/4, 1/4 for 1/2, 0 for 1/4


def test_a_request_is_a_row_of_faces_or_their_factors():
    request = faces_gan.Request()
    request.table = faces.named(faces.real(40))
    rows = torch.tensor([3, 17])
    hot = request(rows)
    assert hot.shape == (2, sum(faces.VALUES.values()))
    torch.testing.assert_close(hot, request(request.table[rows]))
    starts = torch.tensor([0, *faces.VALUES.values()]).cumsum(0)[:-1]
    torch.testing.assert_close(hot.nonzero()[:, 1].view(2, -1), starts + request.table[rows])


def test_what_is_added_changes_its_factor_alone():
    asked = faces.named(faces.real(40))
    added = faces_gan.with_added(asked, "glasses", "smile")
    columns = [list(faces.VALUES).index(name) for name in ("glasses", "mouth")]
    assert (added[:, columns] == torch.tensor([1, 0])).all()
    others = [k for k in range(len(faces.VALUES)) if k not in columns]
    assert torch.equal(added[:, others], asked[:, others])
    assert not torch.equal(added, asked)
    factors = dict(zip(faces.VALUES, added.T, strict=True))
    assert faces_gan.has(factors, "glasses").all() and faces_gan.has(factors, "smile").all()


def test_patches_are_punished_as_images():
    penalty = faces_vae.patchwise(2.0)
    x, y = noise(4, 3, 8, 8), noise(4, 3, 8, 8, seed=1)
    weight = noise(3, 8, 8, seed=2)

    def D(images):  # four patches, each of which reads a quarter of the rows
        return (images * weight).unflatten(2, (4, 2)).sum((1, 3, 4)).flatten()

    by_hand = 2 * 0.5 * 2.0 * (weight / 4).square().sum()
    torch.testing.assert_close(penalty(D, x, y), by_hand.expand(4))


@pytest.mark.parametrize(("perceptual", "adversary"), [(0.0, 0.0), (10.0, 0.0), (10.0, 5.0)])
def test_one_change_at_a_time(judge, perceptual, adversary):
    config = {**faces_vae.CONFIG, "perceptual": perceptual, "adversary": adversary, "begin": 1}
    c = SimpleNamespace(**{**config, "batch": 4, "planes": 4, "dimension": 2})
    trainer, batches = faces_vae.training_of(faces_vae.codec(c), c, {})
    before = [p.clone() for p in trainer.D.parameters()]
    logs = list(trainer.run(batches, 2))
    names = {"rate", "pixels"} | ({"perceptual"} if perceptual else set())
    assert set(logs[0]) == names  # the adversary has not begun
    assert set(logs[1]) == names | ({"generator", "discriminator"} if adversary else set())
    moved = any(not torch.equal(a, b) for a, b in zip(before, trainer.D.parameters(), strict=True))
    assert moved == bool(adversary)
    y = faces_vae.rebuilt(trainer.model, faces.real(40).floats(slice(0, 3)))
    assert y.shape == (3, 3, 64, 64) and 0 <= y.min() <= y.max() <= 1
