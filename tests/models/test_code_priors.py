"""Priors over codes: probabilities that add up to 1, no look ahead, draws, bad input."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from gantut.models.code_priors import AutoregressiveCodes, UniformCodes


def every_grid(size, height, width):
    rows = itertools.product(range(size), repeat=height * width)
    return torch.tensor(list(rows)).view(-1, height, width)


def prior(classes=0, **options):
    settings = {"width": 7, "embedding": 3, "seed": 1} | options
    network = AutoregressiveCodes(3, (2, 2), classes=classes, **settings).double()
    # Larger weights make distributions far from uniform.
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(3)
    return network


@pytest.mark.parametrize("classes", [0, 2])
def test_the_probabilities_of_all_grids_add_up_to_one(classes):
    codes, network = every_grid(3, 2, 2), prior(classes)
    found = []
    for label in range(max(classes, 1)):
        labels = torch.full((81,), label) if classes else None
        found.append(network.log_prob(codes, labels).exp())
        assert found[-1].sum().item() == pytest.approx(1, abs=1e-12)
        assert found[-1].max() > 3 / 81
    if classes:
        assert not torch.allclose(found[0], found[1], atol=1e-4)
    uniform = UniformCodes(3, (2, 2)).log_prob(codes)
    assert uniform.exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_layers_are_read_one_after_the_other_each_above_the_layer_before():
    network = AutoregressiveCodes(2, (2, 2, 2), width=6, seed=3).double()
    codes = every_grid(2, 4, 2).view(-1, 2, 2, 2)
    assert network.log_prob(codes).exp().sum().item() == pytest.approx(1, abs=1e-12)
    # Steps back: along a row 1 and 2, to the row above 2 ± 1, to the layer before 4 ± 1.
    assert network.back == [1, 2, 3, 4, 5]
    shown = []
    network.near[3].register_forward_hook(lambda module, inputs, output: shown.append(inputs[0]))
    network.logits(codes[77:78])
    assert shown[0][0].tolist() == [2] * 4 + codes[77, 0].flatten().tolist()
    draws = network.sample(2000, generator=torch.Generator().manual_seed(0))
    assert draws.shape == (2000, 2, 2, 2)
    first = network.logits(codes[:1])[0, 0].softmax(0)[1].item()
    assert draws[:, 0, 0, 0].double().mean().item() == pytest.approx(first, abs=0.05)


def test_no_prediction_sees_its_own_or_a_later_code():
    network = AutoregressiveCodes(5, (3, 4), width=16, seed=2)
    codes = torch.randint(5, (1, 3, 4), generator=torch.Generator().manual_seed(0))
    before = network.logits(codes)
    for t in range(12):
        changed = codes.clone()
        changed.view(-1)[t] = (changed.view(-1)[t] + 1) % 5
        after = network.logits(changed)
        assert torch.equal(before[:, : t + 1], after[:, : t + 1])
        # Each later place sees the change, through the memory.
        assert all(not torch.equal(before[:, s], after[:, s]) for s in range(t + 1, 12))


def test_no_gradient_comes_from_later_codes():
    network, vectors = AutoregressiveCodes(5, (3, 4), width=16, seed=2), []
    for book in network.near:
        book.register_forward_hook(lambda m, i, o: vectors.append(o))
    logits = network.logits(torch.randint(5, (1, 3, 4), generator=torch.Generator().manual_seed(0)))
    for t in range(12):
        for shown in (
            vectors
        ):  # shown at place s are codes before s, so only places ≤ t may count for the logits at t
            (slope,) = torch.autograd.grad(logits[0, t].sum(), shown, retain_graph=True)
            assert (slope[0, t + 1 :] == 0).all() and (slope[0, t] != 0).any()


def test_log_prob_by_hand_one_place_after_the_other():
    """The same sum from a cell that is run place by place, on inputs taken from the grid."""
    network, codes = prior(classes=2), every_grid(3, 2, 2)[[5, 40, 77]]
    labels, cell = torch.tensor([0, 1, 1]), torch.nn.GRUCell(14, 7).double()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(cell, name).data.copy_(getattr(network.memory, f"{name}_l0"))
    for n in range(3):
        state, total = torch.zeros(7, dtype=torch.float64), 0.0
        for row, column in itertools.product(range(2), range(2)):
            flat = 2 * row + column
            # One, two and three steps back: in two columns, beside, above, and above to the left.
            near = [codes[n].flatten()[flat - k].item() if flat >= k else 3 for k in (1, 2, 3)]
            shown = [book.weight[code] for book, code in zip(network.near, near, strict=True)]
            shown += [network.place.weight[flat], F.one_hot(labels[n], 2).double()]
            state = cell(torch.cat(shown), state)
            hidden = F.leaky_relu(network.mix(torch.cat([state, *shown])), 0.2)
            total += network.head(hidden).log_softmax(0)[codes[n, row, column]].item()
        assert network.log_prob(codes, labels)[n].item() == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize(
    ("grid", "back"),
    [((9,), [1, 2]), ((7, 7), [1, 2, 6, 7, 8]), ((2, 7, 7), [1, 2, 6, 7, 8, 48, 49, 50])],
)
def test_neighbours_lie_beside_and_above_and_in_the_layer_before(grid, back):
    network = AutoregressiveCodes(4, grid, width=4)
    assert network.back == back
    assert network.sample(3).shape == (3, *grid)


def test_dropout_leaves_out_in_training_alone():
    halved, codes = prior(dropout=0.5), every_grid(3, 2, 2)
    assert not torch.equal(halved.train().log_prob(codes), halved.log_prob(codes))
    assert torch.equal(halved.eval().log_prob(codes), prior().log_prob(codes))


@pytest.mark.parametrize("classes", [0, 2])
def test_draws_have_the_probabilities_that_log_prob_names(classes):
    network, n = prior(classes), 40_000
    labels = torch.ones(n, dtype=torch.int64) if classes else None
    draws = network.sample(n, labels, generator=torch.Generator().manual_seed(0))
    number = (draws.flatten(1) * 3 ** torch.arange(3, -1, -1)).sum(1)
    share = number.bincount(minlength=81) / n
    truth = network.log_prob(every_grid(3, 2, 2), labels[:81] if classes else None).exp()
    # Four standard errors for each of 81 shares.
    assert ((share - truth).abs() < 4.5 * (truth * (1 - truth) / n).sqrt() + 1e-4).all()
    again = network.sample(n, labels, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draws, again)


def test_uniform_codes():
    uniform = UniformCodes(8, (2, 3))
    draws = uniform.sample(5000, generator=torch.Generator().manual_seed(0))
    assert draws.shape == (5000, 2, 3)
    assert (draws.flatten().bincount(minlength=8) / 30_000 - 1 / 8).abs().max() < 0.01
    assert torch.allclose(uniform.log_prob(draws[:4]), torch.full((4,), -6 * math.log(8)))


def test_bad_input():
    network = prior()
    with pytest.raises(ValueError, match=r"a size and sides ≥ 1, got 0 and \(2, 2\)"):
        AutoregressiveCodes(0, (2, 2))
    with pytest.raises(ValueError, match=r"got 4 and \(2, 0\)"):
        UniformCodes(4, (2, 0))
    with pytest.raises(ValueError, match=r"got 4 and \(\)"):
        UniformCodes(4, ())
    with pytest.raises(ValueError, match=r"shape \(N, 2, 2\), got \(5, 2, 3\)"):
        network.log_prob(torch.zeros(5, 2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"0 … 2, got 0 … 3"):
        network.log_prob(torch.tensor([[[0, 1], [2, 3]]]))
    with pytest.raises(TypeError, match="codes must be integers, in a tensor, got torch.float32"):
        network.log_prob(torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match="unconditional"):
        network.log_prob(torch.zeros(1, 2, 2, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="no labels were given"):
        prior(classes=2).sample(4)
