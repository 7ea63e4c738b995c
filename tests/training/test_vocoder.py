"""The vocoder's trainer: its losses by hand, who moves, and that it learns and resumes."""

import pytest
import torch

from gantut import speech, training

FRONT = speech.LogMel(8000)


def trainer(discriminators=None, **options):
    return training.VocoderTrainer(
        speech.Vocoder(FRONT, width=8, dilations=(1, 2)),
        discriminators or speech.PeriodDiscriminators((2, 3), width=2, seed=1),
        distance=speech.spectral_loss,
        device="cpu",
        **options,
    )


def tones(n=4, length=1280, seed=0):
    g = torch.Generator().manual_seed(seed)
    f = 100 + 800 * torch.rand(n, 1, 1, generator=g)
    return 0.5 * torch.sin(2 * torch.pi * f * torch.arange(length) / 8000)


def test_the_first_step_by_hand():
    """Least squares place by place; G's loss is taken after D has moved, so D stands still here."""
    D, x = speech.PeriodDiscriminators((2, 3), width=2, seed=1), tones()
    made = trainer(D, optimizers={"discriminator": torch.optim.SGD(D.parameters(), 0.0)})
    with torch.no_grad():
        y = made.G(FRONT(x))
        real, fake = made.D(x), made.D(y)
        pairs = list(zip(real, fake, strict=True))
        judged = [
            0.5 * (a - 1).square().mean(1) + 0.5 * b.square().mean(1) for (a, _), (b, _) in pairs
        ]
        won = [0.5 * (b - 1).square().mean() for b, _ in fake]
        apart = [
            (f - g).abs().mean() for (_, fs), (_, gs) in pairs for f, g in zip(fs, gs, strict=True)
        ]
        wanted = {
            "discriminator": sum(d.mean() for d in judged) / 2,
            "generator": sum(won) / 2,
            "distance": speech.spectral_loss(x, y).mean(),
            "likeness": sum(apart) / len(apart),
        }
    logs = next(iter(made.run([x], 1)))
    assert set(logs) == set(wanted)
    for name, value in wanted.items():
        assert logs[name] == pytest.approx(value.item(), rel=1e-4), name


def test_the_weights_count():
    """With all weights 0 and a loss that asks for nothing, G stands still, and D moves."""
    idle = (lambda real, fake: 0.5 * (real - 1) ** 2, lambda real, fake: 0 * fake)
    for options, moves in (({}, False), ({"weight": 1.0}, True), ({"likeness": 1.0}, True)):
        made = trainer(loss=idle, ema=None, **({"weight": 0.0, "likeness": 0.0} | options))
        before = [made.G.last.weight.clone(), next(made.D.parameters()).clone()]
        made.fit([tones()], 2)
        assert torch.equal(made.G.last.weight, before[0]) != moves, options
        assert not torch.equal(next(made.D.parameters()), before[1])


def test_it_comes_nearer():
    made, x = trainer(lr=5e-3, ema=None), tones()
    history = made.fit([x], 30)["distance"]
    assert history[-1] < 0.7 * history[0]


def test_it_goes_on_where_it_stopped(tmp_path):
    whole, half = trainer(), trainer()
    whole.fit([tones()], 4)
    half.fit([tones()], 2)
    half.save(tmp_path / "checkpoint.pt")
    again = trainer()
    again.load(tmp_path / "checkpoint.pt")
    again.fit([tones()], 2)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], value)


def test_what_is_refused():
    with pytest.raises(ValueError, match="weight must be a finite number ≥ 0, got -1"):
        trainer(weight=-1)
    with pytest.raises(ValueError, match="likeness must be a finite number ≥ 0"):
        trainer(likeness=float("nan"))
    with pytest.raises(ValueError, match="unknown loss"):
        trainer(loss="least_square")
