"""Ring and grid: seeds side by side train as each would alone, and figures mean what they say."""

import math

import pytest
import torch

from gantut import data, losses, networks, training
from gantut.runs.recipes import plane

SEEDS = 3


def players(pack=1):
    made = [networks.MLPGenerator(2, (2,), hidden=(8, 8), seed=s) for s in range(SEEDS)]
    judges = [networks.MLPDiscriminator((2 * pack,), hidden=(8, 8), seed=s) for s in range(SEEDS)]
    return made, judges


def trainer(G, D, **options):
    penalty = losses.r1_r2(0.1)
    return training.GANTrainer(
        G, D, latent_dim=2, loss="relativistic", penalty=penalty, device="cpu", **options
    )


@pytest.mark.parametrize("pack", [1, 2])
def test_side_by_side_trains_each_seed_as_it_would_alone(pack):
    made, judges = players(pack)
    n, steps = 8, 4
    real = data.ring().sample(n * SEEDS * steps, torch.Generator().manual_seed(1))
    real = real.unflatten(0, (steps, n, SEEDS))
    z = torch.randn(steps, n, SEEDS, 2, generator=torch.Generator().manual_seed(2))

    def steps_of(one, batches, noise):
        noise = iter(noise)
        one.noise = lambda size: next(noise)
        for _ in one.run(batches, steps):
            pass
        return one.model

    together = plane.SideBySide(made), plane.SideBySide(judges, pack)
    # The mean over S times as many examples makes a gradient S times smaller, which Adam divides
    # out, up to its ε.
    seeds = steps_of(trainer(*together), list(real.flatten(1, 2)), z.flatten(1, 2))
    for s in range(SEEDS):
        D = networks.Packed(judges[s], pack) if pack > 1 else judges[s]
        alone = steps_of(trainer(made[s], D), list(real[:, :, s]), z[:, :, s])
        expected = [p for name, p in alone.named_parameters() if name.endswith("weight")]
        for weight, other in zip(seeds.weights, expected, strict=True):
            torch.testing.assert_close(weight[s].mT, other, atol=2e-5, rtol=1e-3)


def test_samples_of_each_seed_are_its_own():
    made, _ = players()
    z = torch.randn(4 * SEEDS, 2, generator=torch.Generator().manual_seed(0))
    points = plane.drawn(plane.SideBySide(made), 4)
    for s, G in enumerate(made):
        torch.testing.assert_close(points[s], G(z[s::SEEDS]))


def test_coverage_of_known_samples():
    clouds = plane.DENSITIES["ring"]()
    modes, good, kl = plane.coverage(clouds.modes[[0, 0, 0, 1] * 5], clouds)
    assert (modes, good) == (2, 1.0)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert kl == pytest.approx(math.log(8) - entropy)
    # Beyond three deviations nothing is good, and nothing is as uneven as one mode alone.
    far = clouds.modes + torch.tensor([0.031, 0.0])
    assert plane.coverage(far, clouds) == (0, 0.0, pytest.approx(math.log(8)))


@pytest.mark.parametrize(
    ("density", "unit", "far", "apart", "std"),
    [("ring", 1, 1.0, 2 * math.sin(math.pi / 8), 0.01), ("grid", 4, 4 * 2**0.5, 2.0, 0.05)],
)
def test_the_clouds_are_those_of_the_papers(density, unit, far, apart, std):
    clouds = plane.DENSITIES[density]()
    assert unit * clouds.std == std
    assert unit * float(clouds.modes.norm(dim=1).max()) == pytest.approx(far)
    between = torch.cdist(clouds.modes, clouds.modes) + 10 * torch.eye(len(clouds.modes))
    assert unit * float(between.min()) == pytest.approx(apart)


def test_each_case_changes_one_thing():
    base, cure = plane.CASES["plain"], plane.CASES["cure"]
    for case, config in plane.CASES.items():
        if "_with" in case:  # with, without
            start = base if case.startswith("plain") else cure
            assert sum(config[key] != start[key] for key in start) == 1, case
    parts = plane.ring.parts
    for name, part in parts.items():
        same = {k: v for k, v in part.config.items() if k not in plane.PLAIN and k != "steps"}
        assert same == {k: parts["plain"].config[k] for k in same}, name
    assert {case for case, part in parts.items() if part.shipped} == set(plane.TITLES)
