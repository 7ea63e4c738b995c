"""The VAEs of digits: their batches, their likelihood of grey pixels, their levels."""

from types import SimpleNamespace

import pytest
import torch

from gantut import losses
from gantut.models import VAE
from gantut.runs.recipes import digits_vae, judging

SMALL = {**digits_vae.VAE, "d": 3, "spread": 2, "read": 2, "width": 2, "local": 2, "steps": 10}


def c(**changed):
    return SimpleNamespace(**{**SMALL, "batch": 50, "binary": False, **changed})


def test_a_batch_is_a_function_of_its_number():
    one, other = digits_vae.ChangedDigits(c()), digits_vae.ChangedDigits(c())
    later = one.batch(81)
    one.batch(3)
    assert torch.equal(one.batch(81), later) and torch.equal(other.batch(81), later)
    assert not torch.equal(one.batch(1), later)


def test_unchanged_digits_are_the_training_digits_and_changed_ones_lie_near():
    order = judging.digits().batches(50, seed=0, labels=True)
    real, labels = order.batch(7)
    same, theirs = digits_vae.ChangedDigits(c(changed=0.0), labels=True).batch(7)
    assert torch.allclose(same, real, atol=1e-6) and torch.equal(theirs, labels)
    moved = digits_vae.ChangedDigits(c(changed=1.0)).batch(7)
    steps = 255 * moved
    assert (steps - steps.round()).abs().max() < 1e-3 and moved.min() >= 0 and moved.max() <= 1
    other, _ = order.batch(8)
    near, far = ((real - x).square().sum((1, 2, 3)) for x in (moved, other))
    assert 0 < near.median() < 0.25 * far.median()
    # Turned about the middle, and shifted evenly to all sides: the ink stays.
    assert moved.mean().item() == pytest.approx(real.mean().item(), rel=0.03)


def test_binarised_pixels_are_drawn_with_their_brightness():
    grey, _ = judging.digits().batches(50, seed=0, labels=True).batch(4)
    drawn = digits_vae.ChangedDigits(c(changed=0.0), binary=True).batch(4)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    between = (grey > 0.3) & (grey < 0.7)
    error = (0.25 / between.sum()).sqrt()
    assert (drawn - grey)[between].mean().abs() < 4 * error
    assert torch.equal(drawn[grey == 1], grey[grey == 1]) and not drawn[grey == 0].any()


def test_grey_levels_have_probabilities_that_add_up_and_black_can_have_nearly_all():
    levels = torch.arange(256)[:, None] / 255
    for middle, log_scale in ((0.2, -2.0), (-1.3, -1.0), (0.01, -4.0)):
        p = digits_vae.GreyLikelihood()(torch.tensor([[middle, log_scale]]).expand(256, 2))
        assert p.log_prob(levels).exp().sum().item() == pytest.approx(1, abs=1e-5)
    black = digits_vae.GreyLikelihood()(torch.tensor([[-1.0, -3.0]]))
    assert black.log_prob(torch.zeros(1, 1)).item() > -1e-3
    # sigmoid((0.5/255 − 0.5 − h) / s) by hand, for the mass of level 0.
    mass = torch.sigmoid((torch.tensor(0.5 / 255) - 0.7) / (0.001 + torch.tensor(-2.0).exp()))
    found = digits_vae.GreyLikelihood()(torch.tensor([[0.2, -2.0]])).log_prob(torch.zeros(1, 1))
    assert found.exp().item() == pytest.approx(mass.item(), rel=1e-5)


def test_a_local_code_stands_at_its_place_and_the_code_of_the_whole_at_all_places():
    decoder, seen = digits_vae.hvae(c(binary=True)).decoder, []
    decoder.draw.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    z = torch.zeros(3, decoder.latent_dim)
    z[1, 49 + 8] = 5.0  # second plane, row 1, column 1
    z[2, -1] = 5.0
    decoder(z)
    assert seen[0].shape == (3, 2 + 2, 7, 7)  # two local codes, and what is spread of the whole
    moved = seen[0] - seen[0][:1]
    assert moved[1].nonzero().tolist() == [[1, 1, 1]] and moved[1, 1, 1, 1] == 5
    assert not moved[2, :2].any() and (moved[2, 2:] != 0).all()


@pytest.mark.parametrize("make", [digits_vae.vae, digits_vae.hvae])
def test_more_draws_tighten_the_bound_of_either_model(make):
    network = make(c(binary=True))
    if isinstance(network, VAE):
        assert network.latent_dim == 3
    else:
        assert network.latent_dims == [2 * 49, 3]
    x = digits_vae.ChangedDigits(c(), binary=True).batch(0)[:6]
    with torch.no_grad():
        found = network(x, samples=200, generator=torch.Generator().manual_seed(0))
        log_w = losses.log_weights(found, x)
        closed = found.likelihood.log_prob(x) - losses.rate(found)  # the KL without its noise
    assert (log_w.logsumexp(0) - torch.tensor(200.0).log() > log_w.mean(0)).all()
    assert log_w.mean().item() == pytest.approx(closed.mean().item(), abs=1.0)


def test_the_prior_learns_from_the_codes_that_its_codec_gives():
    made = digits_vae.codec(c(levels=[2, 3]))
    source = digits_vae.Named(made.eval(), digits_vae.ChangedDigits(c(), labels=True))
    codes, labels = source.batch(5)
    x, theirs = digits_vae.ChangedDigits(c(), labels=True).batch(5)
    assert codes.shape == (50, 7, 7) and torch.equal(labels, theirs)
    with torch.no_grad():
        exact = made.encode(x)
    assert codes.max() < 6 and (codes == exact).double().mean() > 0.95  # bfloat16 moves a few
