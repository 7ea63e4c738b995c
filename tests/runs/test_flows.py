"""Flows on codes: networks side by side are what each is alone, and students go one step."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gantut import data
from gantut.runs.recipes import faces, faces_flow, faces_gan, faces_vae, judging, latent_flow


def noise(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


# -- latent-flow -----------------------------------------------------------------------------------

FEW = [["1", 0], ["1e-6", 0], ["1e-2", 3]]


@pytest.fixture
def coders():
    c = SimpleNamespace(**{**latent_flow.CODER, "members": FEW})
    return latent_flow.Autoencoders(c), c


def test_networks_side_by_side_are_what_each_is_alone(coders):
    several, c = coders
    x, eps = (
        torch.rand(3, 5, 1, 28, 28, generator=torch.Generator().manual_seed(1)),
        noise(3, 5, 16),
    )
    mean, log_variance, rebuilt = several(x, eps)
    for k, member in enumerate(several.members):
        vae = several.vae(*member)
        q = vae.encode(x[k])
        torch.testing.assert_close(q.mean, mean[k])
        torch.testing.assert_close(q.variance, log_variance[k].exp())
        z = q.mean + q.stddev * eps[k]
        torch.testing.assert_close(vae.decode(z).mean, rebuilt[k], rtol=1e-4, atol=1e-5)


def test_one_seed_begins_alike_whatever_the_weight(coders):
    several, _ = coders
    for name, rows in several.named_parameters():
        assert torch.equal(rows[0], rows[1]), name
    assert not torch.equal(several.vae("1e-2", 3).decoder.whole[0].weight, rows[0])
    assert any(not torch.equal(rows[0], rows[2]) for rows in several.parameters())


def test_a_step_is_adams_on_distortion_and_weighted_rate(coders):
    """Against plain networks, each with an optimizer of its own."""
    several, c = coders
    c.members, c.steps = FEW, 10
    alone = [several.one(k).requires_grad_(True) for k in range(len(FEW))]
    trainer, batches = latent_flow.train_coders(several, c, {})
    logs = next(iter(trainer.run(batches, 1)))
    x, eps = batches.batch(0)
    assert torch.equal(x[0], x[1]) and not torch.equal(x[0], x[2])
    for k, network in enumerate(alone):
        optimizer = torch.optim.Adam(network.parameters(), c.lr)
        mean, log_variance = network.encoder(x[k])
        z = mean + (0.5 * log_variance).exp() * eps[k]
        missed = (network.decoder(z) - x[k]).pow(2).sum((1, 2, 3)) / (2 * c.sigma**2)
        rate = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1)
        if k == 0:
            assert logs["rate_1"] == pytest.approx(rate.mean().item(), rel=1e-4)
            assert logs["distortion_1"] == pytest.approx(missed.mean().item(), rel=1e-4)
        (missed + float(FEW[k][0]) * rate).mean().backward()
        optimizer.step()
        trained = several.one(k)
        for name, value in network.named_parameters():
            torch.testing.assert_close(
                trained.get_parameter(name), value.detach(), rtol=1e-3, atol=3e-5
            )


def test_flows_know_codes_with_mean_0_and_deviation_1(coders):
    several, _ = coders
    c = SimpleNamespace(**{**latent_flow.FLOW, "members": FEW, "batch": 4000})
    flows = latent_flow.Flows(c)
    _, codes = latent_flow.flows_on("codes")(flows, c, {"codes": several})
    x, start, t = codes.batch(0)
    again, other = codes.batch(0)[0], codes.batch(1)[0]
    assert torch.equal(x, again) and not torch.equal(x, other)
    assert x.mean(1).abs().max() < 0.1 and (x.std(1) - 1).abs().max() < 0.1
    assert start.shape == x.shape and 0 <= t.min() < 0.01 < 0.99 < t.max() <= 1
    flow = flows.flow("1e-2", 3)
    q = several.vae("1e-2", 3).encode(judging.digits().floats())
    made = flow.codes(noise(4000, 16))
    spread = (q.mean.var(0) + q.variance.mean(0)).sqrt()
    torch.testing.assert_close(made.mean(0), q.mean.mean(0), rtol=0, atol=0.1)
    torch.testing.assert_close(made.std(0), spread, rtol=0.1, atol=0)
    z, at = noise(7, 16, seed=3), torch.rand(7)
    stacked = flows(z.expand(3, 7, 16), at.expand(3, 7))
    torch.testing.assert_close(stacked[2], flow.velocity(z, at), rtol=1e-4, atol=1e-5)


class Line(nn.Module):
    """A field whose every way has the same velocity."""

    dimension = 4

    def forward(self, x, t):
        return torch.full_like(x, 2.0) + 0 * t[:, None]


def test_the_plain_prior_has_the_codes_covariance(monkeypatch):
    mean = noise(4000, 4, seed=2) @ torch.tensor(
        [[2.0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0.1]]
    )
    sigma = torch.full_like(mean, 0.5)
    monkeypatch.setattr(latent_flow, "posteriors", lambda vae, x: (mean, sigma))
    flow = latent_flow.CodeFlow(Line(), torch.full((4,), 3.0), torch.full((4,), 5.0))
    found = latent_flow.codes_of(None, flow, 20_000)
    expected = torch.cov((mean + sigma * noise(4000, 4, seed=5)).T)
    torch.testing.assert_close(torch.cov(found["gaussian"].T), expected, rtol=0.1, atol=0.1)
    torch.testing.assert_close(found["flow"], 3 + 5 * (found["prior"] + 2))


def test_the_seeds_are_told_by_mean_least_and_most(monkeypatch):
    values = {0: 3.0, 1: 1.0, 2: 5.0}
    pairs = {("1", seed): (seed, seed) for seed in values}
    monkeypatch.setattr(latent_flow, "pairs", lambda made: pairs)
    monkeypatch.setattr(latent_flow, "row", lambda vae, flow, n: {"fid_flow": values[vae]})
    monkeypatch.setattr(latent_flow, "seen", lambda split="": noise(50, 3))
    found = latent_flow.measure({}, False)
    assert [found[f"fid_flow_1{end}"] for end in ("", "_low", "_high")] == [3.0, 1.0, 5.0]
    assert found["fid_floor"] == pytest.approx(0, abs=1e-6)


def test_every_weight_has_every_seed_once():
    members = [tuple(m) for m in latent_flow.SHOWN + latent_flow.OTHERS]
    assert len(members) == len(set(members)) == len(latent_flow.SEEDS) * len(latent_flow.WEIGHTS)
    assert [latent_flow.WEIGHTS[name] for name, _ in members] == [float(n) for n, _ in members]


# -- faces-flow ------------------------------------------------------------------------------------

SMALL = {"batch": 4, "images": 40, "fine": 4, "coarse": 8, "told": 4, "sketch": 2, "steps": 10}
SMALL |= {"groups": 3, "judge": 4}


@pytest.fixture
def few(monkeypatch):
    """Few faces, and an autoencoder that has not been trained."""
    made = faces_vae.codec(SimpleNamespace(planes=4, dimension=8, seed=0, sigma=0.02))
    made.eval().requires_grad_(False)
    monkeypatch.setattr(faces, "real", lambda n, split="train": data.faces(40, cache=False))
    monkeypatch.setattr(faces_flow, "codec", lambda: made)
    return made


def part(name, **config):
    return SimpleNamespace(**{**faces_flow.PARTS[name].config, **SMALL, **config})


def test_the_flow_knows_codes_whose_planes_have_mean_0_and_deviation_1(few, monkeypatch):
    monkeypatch.setattr(faces_flow, "MEASURED", 40)
    c = part("flow", batch=40)
    flow = faces_flow.flow_of(c)
    trainer, codes = faces_flow.train_flow(flow, c, {})
    z = flow.standard(codes.at(torch.arange(40)))
    planes = z.unflatten(1, faces_flow.CODE)
    torch.testing.assert_close(planes.mean((0, 2, 3)), torch.zeros(8), rtol=0, atol=1e-3)
    torch.testing.assert_close(planes.std((0, 2, 3)), torch.ones(8), rtol=0, atol=1e-3)
    expected = few.encode(faces.real(40).floats(slice(3, 5))).mean
    torch.testing.assert_close(flow.codes(z[3:5]), expected, rtol=1e-2, atol=1e-2)
    again, rows = codes.batch(2), codes.rows(2)
    assert torch.equal(codes.batch(2)[0], again[0])
    assert torch.equal(faces.named(faces.real(40))[rows], again[1])
    history = trainer.fit(codes, 2)
    assert history["velocity"][0] == pytest.approx(2 * 2048, rel=0.15)  # ‖x − ε‖², v being 0


def test_a_batchs_times_are_spread_and_some_requests_are_not_heard():
    c, seen = part("flow", batch=400), {}
    flow = faces_flow.flow_of(c)

    def velocity(there, t, asked, kept):
        seen.update(t=t, kept=kept, asked=asked)
        return there * flow.velocity.places.sum()

    trainer = faces_flow.AskedTrainer(flow, c, device="cpu")
    flow.velocity.forward = velocity
    asked = requests(400)
    trainer.step((noise(400, 2048), asked))
    level = (torch.logit(seen["t"]) + 0.2).sort().values  # N(0, 1), in order
    expected = torch.distributions.Normal(0, 1).icdf((torch.arange(400) + 0.5) / 400)
    assert (level - expected)[20:-20].abs().max() < 0.05  # one in each part
    assert 0.8 < seen["kept"].mean() < 0.98 and set(seen["kept"].tolist()) == {0.0, 1.0}
    assert torch.equal(seen["asked"], asked)


def test_muons_steps_have_singular_values_near_those_of_a_rotation():
    matrix = noise(24, 60) @ torch.diag(torch.logspace(0, -1, 60))
    found = faces_flow.levelled(matrix)
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.T @ found @ vt.T / (0.2 * 60**0.5)
    assert inside.diag().min() > 0.6 and inside.diag().max() < 1.3
    assert (inside - inside.diag().diag()).abs().max() < 1e-3
    torch.testing.assert_close(faces_flow.levelled(matrix.T), found.T)


def test_muon_levels_matrices_and_steps_like_adam_elsewhere():
    weights = [nn.Parameter(noise(*shape)) for shape in ((20, 2, 3, 3), (8, 30), (5,), (20, 4, 4))]
    before = [w.detach().clone() for w in weights]
    adam = torch.optim.Adam(copies := [nn.Parameter(w.clone()) for w in before], 0.1, (0.9, 0.99))
    muon = faces_flow.Muon(weights, 0.1)
    slopes = [[noise(*w.shape, seed=k) for w in weights] for k in (1, 2)]
    for given in slopes:
        for w, copy, slope in zip(weights, copies, given, strict=True):
            w.grad, copy.grad = slope.clone(), slope.clone()
        muon.step()
        adam.step()
    for w, copy in list(zip(weights, copies, strict=True))[1:]:
        torch.testing.assert_close(w, copy, rtol=1e-4, atol=1e-5)
    first, second = (given[0].flatten(1) for given in slopes)
    moves = [faces_flow.levelled(1.95 * first), faces_flow.levelled(1.95 * second + 0.9025 * first)]
    expected = before[0] - 0.1 * sum(moves).view_as(before[0])
    torch.testing.assert_close(weights[0].detach(), expected, rtol=1e-4, atol=1e-5)


def moving(seed=0):
    """A flow with requests whose field is not zero."""
    flow = faces_flow.flow_of(part("flow", seed=seed))
    for block in flow.modules():
        if isinstance(block, faces_flow.TimedBlock):
            nn.init.normal_(block.last.weight, std=0.1)
            nn.init.normal_(block.told.weight, std=0.3)
    nn.init.normal_(flow.velocity.head.weight, std=0.05)
    return flow


def requests(n, seed=0):
    source = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(k, (n,), generator=source) for k in faces_gan.SIZES], 1)


def test_a_students_step_is_one_of_euler():
    flow, start, asked = moving(), noise(3, 2048), requests(3)
    one = flow.transport(start, asked, steps=1, method="euler")
    torch.testing.assert_close(flow.in_one_step(start, asked), one)
    assert not torch.allclose(one, start)
    other = flow.in_one_step(start, requests(3, seed=1))
    assert not torch.allclose(one, other)


def test_time_and_request_reach_every_block():
    flow, x, asked = moving(3), noise(1, 2048), requests(1)
    early, late = (flow.velocity(x, torch.tensor([t]), asked) for t in (0.1, 0.8))
    assert not torch.allclose(early, late)
    flow.velocity(x, torch.tensor([0.3]), asked).square().sum().backward()
    blocks = [b for b in flow.modules() if isinstance(b, faces_flow.TimedBlock)]
    assert len(blocks) == 3
    for block in blocks:  # of each use, scale and shift
        assert (block.told.weight.grad.abs().sum(1) > 0).all()
    assert flow.velocity.asked.weight.grad.abs().sum() > 0


def test_what_is_not_heard_was_not_asked_and_guidance_goes_beyond():
    flow, x, t, asked = moving(1), noise(3, 2048), torch.rand(3), requests(3)
    with torch.no_grad():
        told, untold = flow.velocity(x, t, asked), flow.velocity(x, t)
        kept = torch.tensor([1.0, 0.0, 1.0])
        mixed = flow.velocity(x, t, asked, kept)
        expected = torch.where(kept[:, None] > 0, told, untold)
        torch.testing.assert_close(mixed, expected)
        assert not torch.allclose(told, untold)
        guided = flow.guided(2.0)
        torch.testing.assert_close(guided.velocity(x, t, asked), 2 * told - untold)
    torch.testing.assert_close(guided.codes(x), flow.codes(x))


def test_each_place_hears_all_others():
    attention = faces_flow.Attention(8, heads=2)
    nn.init.normal_(attention.hears.weight)
    x = noise(2, 8, 8, 8)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    moved = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(
        attention(moved).flatten(2), attention(x).flatten(2)[..., order], rtol=1e-4, atol=1e-4
    )
    other = x.clone()
    other[0, :, 7, 7] += torch.arange(8.0)
    assert ((attention(other) - attention(x))[0, :, 0, 0]).abs().max() > 1e-4


def test_a_judge_of_codes_reads_the_request():
    D, z = faces_flow.CodeDiscriminator(4, 0), noise(3, 2048)
    ours, others = D(z, requests(3)), D(z, requests(3, seed=1))
    assert ours.shape == (3,) and not torch.allclose(ours, others)
    h = D.body(z)
    hot = D.request(requests(3))
    by_hand = D.real(h).flatten() + torch.einsum("nk,dk,nd->n", hot, D.asked.weight, h)
    torch.testing.assert_close(ours, by_hand, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["regression", "adversary"])
def test_students_learn_where_the_flow_arrives(few, name):
    c = part(name)
    teacher, before = moving().requires_grad_(False), moving(1)
    student, done = faces_flow.flow_of(c), {"flow": teacher, "regression": before}
    trainer, ways = faces_flow.taught_by("regression")(student, c, done)
    for ours, theirs in zip(student.parameters(), before.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    batch = ways.batch(0)
    asked = faces.named(faces.real(40))[batch["rows"]]
    torch.testing.assert_close(batch["end"], teacher.transport(batch["start"], asked, steps=c.way))
    groups = {float(ways.batch(k)["start"][0, 0]) for k in range(c.groups)}
    assert len(groups) == c.groups  # each once a lap
    made = before.in_one_step(batch["start"], asked).detach()
    missed = (made - batch["end"]).square().sum(1).mean()
    logs = next(iter(trainer.run(ways, 1)))
    assert logs["velocity"] == pytest.approx(missed.item(), rel=1e-4)
    game = {"generator", "discriminator", "penalty"} if name == "adversary" else set()
    assert set(logs) == {"velocity"} | game
    if game:  # real codes are those of the faces whose factors are asked for
        real = few.encode(faces.real(40).floats(batch["rows"])).mean
        torch.testing.assert_close(teacher.codes(batch["real"]), real, rtol=1e-2, atol=1e-2)
    else:
        assert "real" not in batch


def test_coordinates_are_those_of_the_leading_axes(monkeypatch):
    monkeypatch.setattr(faces, "real", lambda n, split="train": data.faces(100, cache=False))
    faces_flow.axes.cache_clear()
    x = data.faces(100, cache=False).floats()
    found = faces_flow.coordinates(x)
    small = nn.functional.avg_pool2d(x, 2).flatten(1)
    _, values, _ = torch.linalg.svd(small - small.mean(0), full_matrices=False)
    faces_flow.axes.cache_clear()
    torch.testing.assert_close(
        found.var(0).flip(0)[:20], values[:20] ** 2 / 99, rtol=1e-2, atol=1e-3
    )
