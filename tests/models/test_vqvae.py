"""The VQ-VAE: the bound against the sum over all grids, a step by hand, every quantiser."""

import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from gantut.data import TensorData
from gantut.models import FiniteScalarQuantiser, ResidualQuantiser, VectorQuantiser
from gantut.models.code_priors import AutoregressiveCodes, UniformCodes
from gantut.models.likelihoods import GaussianPerPixelLikelihood
from gantut.models.vqvae import VQVAE
from gantut.networks import GridDecoder, GridEncoder
from gantut.training import CheckpointError, CodePriorTrainer, VQVAETrainer

SHAPE = (1, 4, 4)


class Images:
    def __init__(self, classes=0, size=16):
        self.classes, self.size = classes, size

    def batch(self, k):
        x = torch.rand(self.size, *SHAPE, generator=torch.Generator().manual_seed(k))
        return (x, torch.arange(self.size) % self.classes) if self.classes else x


KINDS = {
    "codebook": lambda: VectorQuantiser(3, 2, seed=2),
    "moving codebook": lambda: VectorQuantiser(3, 2, decay=0.9, seed=2),
    "residual": lambda: ResidualQuantiser(2, 2, 2, seed=2),
    "moving residual": lambda: ResidualQuantiser(2, 2, 2, decay=0.9, seed=2),
    "rounding": lambda: FiniteScalarQuantiser((2, 2)),
}


def model(classes=0, kind="codebook"):
    return VQVAE(
        GridEncoder(SHAPE, 2, width=4, classes=classes),
        KINDS[kind](),
        GridDecoder(2, SHAPE, width=4, classes=classes, seed=1),
    )


def trainer(classes=0, kind="codebook", **options):
    return VQVAETrainer(model(classes, kind), device="cpu", **options)


def same(a, b):
    for (name, p), q in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(p, q), name


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 16, 24)])
@pytest.mark.parametrize("classes", [0, 3])
def test_grids_and_shapes(shape, classes):
    encoder = GridEncoder(shape, 5, width=8, classes=classes)
    decoder = GridDecoder(5, shape, width=8, classes=classes)
    labels = torch.arange(4) % 3 if classes else None
    h = encoder(torch.rand(4, *shape), labels)
    assert h.shape == (4, *encoder.grid) and encoder.grid == decoder.grid and max(h.shape[2:]) <= 7
    assert decoder(h, labels).shape == (4, *shape)
    # A grid keeps the place: far from a changed corner nothing changes.
    if shape[1] == 28:
        x = torch.rand(1, *shape)
        changed = x.clone()
        changed[..., :4, :4] = 0
        labels = None if labels is None else labels[:1]
        difference = (encoder(x, labels) - encoder(changed, labels)).abs().sum(1)[0]
        assert difference[0, 0] > 0 and (difference[4:, 4:] == 0).all()


@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize("kind", ["codebook", "residual", "rounding"])
def test_the_bound_against_the_sum_over_all_grids(classes, kind):
    vqvae = model(classes, kind).double()
    K, grid, T = vqvae.size, vqvae.grid, math.prod(vqvae.grid)
    prior = AutoregressiveCodes(K, grid, width=6, classes=classes, seed=4).double()
    x = (Images().batch(0)[:5] > 0.5).double()
    labels = torch.arange(5) % 2 if classes else None
    joint = []
    for numbers in torch.tensor(list(itertools.product(range(K), repeat=T))):
        codes = numbers.view(grid).expand(5, *grid)
        joint.append(prior.log_prob(codes, labels) + vqvae.decode(codes, labels).log_prob(x))
    joint, own = torch.stack(joint), vqvae.encode(x, labels)
    bound = vqvae.log_prob_bound(x, labels, prior=prior)
    chosen = (own.flatten(1) * K ** torch.arange(T - 1, -1, -1)).sum(1)
    assert torch.allclose(bound, joint[chosen, torch.arange(5)], atol=1e-10)
    # The gap is −log p(c(x)|x).
    assert torch.allclose(
        joint.logsumexp(0) - bound, -joint.log_softmax(0)[chosen, torch.arange(5)], atol=1e-10
    )
    uniform = vqvae.log_prob_bound(x, labels) - vqvae.decode(own, labels).log_prob(x)
    assert uniform.tolist() == pytest.approx([-T * math.log(K)] * 5, abs=1e-6)


def test_equal_bits_whatever_the_quantiser():
    """3 layers of 4 codes, one book of 64 and levels 4·4·4 all cost 4 places · 6 bits."""
    for quantiser in (
        VectorQuantiser(64, 3),
        ResidualQuantiser(3, 4, 3),
        FiniteScalarQuantiser((4, 4, 4)),
    ):
        vqvae = VQVAE(GridEncoder(SHAPE, 3, width=4), quantiser, GridDecoder(3, SHAPE, width=4))
        assert vqvae.uniform_nats / math.log(2) == pytest.approx(4 * 6)


def test_one_step_by_hand():
    own = trainer(beta=0.3, lr=0.01, precision="float64")
    other, x = copy.deepcopy(own.vqvae), Images().batch(0).double()
    h = other.encoder(x)
    flat = h.movedim(1, -1)
    distances = (flat[..., None, :] - other.quantiser.codebook).square().sum(-1)
    e = other.quantiser.codebook[distances.argmin(-1)].movedim(-1, 1)
    logits = other.decoder(h + (e - h).detach())
    distortion = (
        F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1).mean()
    )
    book, commit = (
        (a - b).square().flatten(1).sum(1).mean() for a, b in ((h.detach(), e), (h, e.detach()))
    )
    optimizer = torch.optim.Adam(other.parameters(), lr=0.01)
    (distortion + book + 0.3 * commit).backward()
    optimizer.step()
    (logs,) = own.run(Images(), 1)
    shares = distances.argmin(-1).flatten().bincount(minlength=3) / 64
    entropy = -sum(p * math.log(p) for p in shares.tolist() if p)
    expected = {
        "distortion": distortion.item(),
        "codebook": book.item(),
        "commitment": commit.item(),
        "perplexity": math.exp(entropy),
    }
    assert logs == pytest.approx(expected, abs=1e-6)
    for p, q in zip(own.vqvae.parameters(), other.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-9)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_quantiser_trains_resumes_to_the_last_bit_and_samples(classes, kind, tmp_path):
    data, options = Images(classes), {"restart_every": 0 if kind == "rounding" else 2}
    whole, first, second = (trainer(classes, kind, **options) for _ in range(3))
    list(whole.run(data, 7))
    list(first.run(data, 3))
    first.save(tmp_path / "a.pt")
    second.load(tmp_path / "a.pt")
    list(second.run(data, 4))
    same(whole.vqvae, second.vqvae)
    for p, q in zip(whole.vqvae.parameters(), model(classes, kind).parameters(), strict=True):
        assert not torch.equal(p, q) or not q.requires_grad
    images = whole.sample(6, seed=1)
    assert images.shape == (6, *SHAPE) and torch.equal(images, second.sample(6, seed=1))
    prior = AutoregressiveCodes(whole.vqvae.size, whole.vqvae.grid, classes=3)
    assert whole.sample(4, prior=prior, seed=1).shape == (4, *SHAPE)
    with pytest.raises(
        CheckpointError, match="was saved by VQVAETrainer; expected CodePriorTrainer"
    ):
        CodePriorTrainer(prior, device="cpu").load(tmp_path / "a.pt")


class Waits(TorchDispatchMode):
    """Counts what would make a GPU wait: values that Python reads, and outputs of unknown size."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        words = ("_local_scalar_dense", "nonzero", "bincount", "unique")
        self.count += any(word in str(function) for word in words)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_never_waits_for_the_device(kind, monkeypatch):
    t, x = trainer(kind=kind), Images().batch(0)
    t.fit([x], 1)
    monkeypatch.setattr("gantut.numerics.on_cpu", lambda x: False)
    with Waits() as waits:
        t.step(x)
    assert waits.count == 0


@pytest.mark.parametrize("kind", KINDS)
def test_labels_matter_and_follow_their_examples(kind):
    vqvae, x, labels = model(3, kind).eval(), Images().batch(0), torch.arange(16) % 3
    vqvae.decoder.head.weight.data.mul_(5)
    whole, other = (vqvae.reconstruct(x, y) for y in (labels, (labels + 1) % 3))
    assert (whole - other).flatten(1).abs().amax(1).min() > 1e-3
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(whole[order], vqvae.reconstruct(x[order], labels[order]), atol=1e-6)


def test_sampled_labels_run_through_the_classes_and_reach_prior_and_decoder():
    t, labels = trainer(3), torch.tensor([0, 1, 2, 0, 1])
    t.vqvae.decoder.head.weight.data.mul_(5)
    assert torch.equal(t.sample(5, seed=0), t.sample(5, labels, seed=0))
    other = t.sample(5, (labels + 1) % 3, seed=0)
    assert (t.sample(5, seed=0) - other).flatten(1).abs().amax(1).min() > 1e-3
    # A prior that knows but one grid a class: the grid names the label that came.
    prior = UniformCodes(3, (2, 2))
    prior.classes = 3
    prior.sample = lambda n, y, generator: y.view(-1, 1, 1).expand(n, 2, 2)
    prior.log_prob = lambda codes, y: y.double()
    codes = labels.view(-1, 1, 1).expand(-1, 2, 2)
    decoded = t.vqvae.decode(codes, labels)
    assert torch.equal(t.sample(5, prior=prior), decoded.mean)
    x = Images().batch(0)[:5]
    bound = t.vqvae.log_prob_bound(x, labels, prior=prior)
    alone = t.vqvae.decode(t.vqvae.encode(x, labels), labels).log_prob(x)
    assert torch.allclose(bound - alone, labels.double(), atol=1e-5)


def test_without_a_codebook_distortion_alone_is_minimised():
    own = trainer(kind="rounding", lr=0.01, precision="float64")
    other, x = copy.deepcopy(own.vqvae), Images().batch(0).double()
    loss = -other(x).likelihood.log_prob(x).mean()
    optimizer = torch.optim.Adam(other.parameters(), lr=0.01)
    loss.backward()
    optimizer.step()
    (logs,) = own.run(Images(), 1)
    assert logs["distortion"] == pytest.approx(loss.item()) and set(logs) == {
        "distortion",
        "perplexity",
    }
    for p, q in zip(own.vqvae.parameters(), other.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-9)
    with pytest.raises(ValueError, match="no codebook to restart every 5 steps"):
        trainer(kind="rounding", restart_every=5)


def test_the_perplexity_of_layers_is_their_geometric_mean():
    t = trainer(kind="residual")
    codes = torch.zeros(4, 2, 2, 2, dtype=torch.int64)
    codes[:, 1] = torch.arange(4).view(4, 1, 1) % 2  # one code in the first layer, two in the other
    t.vqvae.quantiser.nearest = lambda h: codes
    assert t._perplexity(codes).item() == pytest.approx(math.sqrt(2))


def test_any_modules_will_do():
    encoder = nn.Conv2d(1, 2, 2, stride=2)
    decoder = nn.Sequential(nn.ConvTranspose2d(2, 4, 2, stride=2), nn.ReLU(), nn.Conv2d(4, 1, 1))
    vqvae = VQVAE(encoder, VectorQuantiser(4, 2), decoder)
    with pytest.raises(ValueError, match="after the first pass: call encode"):
        vqvae.sample(3)
    VQVAETrainer(vqvae, device="cpu").fit(Images(), 2)
    assert vqvae.grid == (2, 2) and vqvae.sample(3).shape == (3, *SHAPE)
    with pytest.raises(ValueError, match="the encoder has no grid"):
        VQVAE(encoder, 4, decoder)
    with pytest.raises(ValueError, match=r"examples of shape \(N, 1, 4, 4\), got \(2, 1, 5, 5\)"):
        list(VQVAETrainer(vqvae, device="cpu").run([torch.rand(2, 1, 5, 5)], 1))


@pytest.mark.parametrize("classes", [0, 3])
def test_the_prior_s_step_by_hand_and_resuming(classes, tmp_path):
    codes = torch.randint(4, (32, 2, 3), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(32) % 3 if classes else None
    data = TensorData(codes.float(), labels).batches(8, seed=1, labels=bool(classes))

    def fresh():
        return CodePriorTrainer(
            AutoregressiveCodes(4, (2, 3), width=8, classes=classes), lr=0.01, device="cpu"
        )

    own, other = fresh(), copy.deepcopy(fresh().prior)
    batch = data.batch(0)
    chosen, y = batch if classes else (batch, None)
    logits = other.logits(chosen.long(), y)
    loss = F.cross_entropy(logits.flatten(0, 1), chosen.long().flatten(), reduction="sum") / 8
    optimizer = torch.optim.Adam(other.parameters(), lr=0.01)
    loss.backward()
    optimizer.step()
    (logs,) = own.run(data, 1)
    assert logs["code_nats"] == pytest.approx(loss.item(), abs=1e-5)
    for p, q in zip(own.prior.parameters(), other.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)

    whole, second = fresh(), fresh()
    list(whole.run(data, 6))
    own.save(tmp_path / "a.pt")
    second.load(tmp_path / "a.pt")
    list(second.run(data, 5))
    same(whole.prior, second.prior)
    with pytest.raises(ValueError, match=r"0 … 3, got"):
        list(
            own.run(
                [codes[:8].float() + 3] if not classes else [(codes[:8].float() + 3, labels[:8])], 1
            )
        )


def test_the_prior_learns_what_the_codes_cost():
    """Rows that repeat: 2 free codes of 4, 4 that follow; none can need less than 2·log 4."""
    first = torch.randint(4, (2000, 2), generator=torch.Generator().manual_seed(0))
    codes = first.repeat(1, 3).view(-1, 3, 2)
    t = CodePriorTrainer(AutoregressiveCodes(4, (3, 2), width=32), lr=0.01, device="cpu")
    history = t.fit(TensorData(codes.float()).batches(64), 250)["code_nats"]
    assert history[0] > 7
    assert 2 * math.log(4) - 0.1 < sum(history[-20:]) / 20 < 2 * math.log(4) + 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_looking_does_not_move_the_codebook(kind):
    vqvae = model(kind=kind)
    before = copy.deepcopy(vqvae.state_dict())
    vqvae.encode(Images().batch(0))
    vqvae.reconstruct(Images().batch(0))
    vqvae.log_prob_bound(Images().batch(0))
    assert all(torch.equal(before[key], value) for key, value in vqvae.state_dict().items())
    vqvae(Images().batch(0))
    after = vqvae.quantiser.state_dict()
    moved = any(not torch.equal(before[f"quantiser.{key}"], after[key]) for key in after)
    assert moved == kind.startswith("moving")


@pytest.mark.parametrize("decay", [None, 0.9])
def test_dead_codes_restart_on_vectors_of_the_batch(decay):
    quantiser = VectorQuantiser(6, 2, decay=decay).double()
    with torch.no_grad():
        quantiser.codebook[3:] = 1e3
        if decay is not None:  # as after many steps without a vector
            quantiser.counts.fill_(0.01)
            quantiser.sums.copy_(0.01 * quantiser.codebook)
    h = torch.randn(20, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before, codes = quantiser.codebook.detach().clone(), quantiser.nearest(h)
    assert int(codes.max()) < 3
    assert quantiser.restart(h, codes, torch.Generator().manual_seed(1)) == 6 - len(codes.unique())
    for k in range(6):
        if (codes == k).any():
            assert torch.equal(quantiser.codebook[k], before[k])
        else:
            rows = h.movedim(1, -1).reshape(-1, 2)
            assert (rows == quantiser.codebook[k]).all(1).any()
            if decay is not None:
                assert torch.equal(quantiser.sums[k], quantiser.codebook[k])
                assert quantiser.counts[k] == 1
    assert quantiser.restart(h, torch.arange(6)) == 0


def test_restarts_raise_the_perplexity():
    data = Images(size=64)
    use = []
    for every in (0, 5):
        vqvae = VQVAE(
            GridEncoder(SHAPE, 2, width=8),
            VectorQuantiser(16, 2, decay=0.9, seed=2),
            GridDecoder(2, SHAPE, width=8),
        )
        with torch.no_grad():
            vqvae.quantiser.codebook[2:] += 50
            vqvae.quantiser.sums.copy_(vqvae.quantiser.codebook)
        history = VQVAETrainer(vqvae, restart_every=every, lr=3e-3, device="cpu").fit(data, 60)
        use.append(sum(history["perplexity"][-10:]) / 10)
    assert use[0] < 2.1 and use[1] > 6


@pytest.mark.parametrize("precision", ["bfloat16", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_precisions(precision, kind):
    t = trainer(kind=kind, precision=precision, restart_every=int(kind != "rounding"))
    for logs in t.run(Images(), 3):
        assert all(math.isfinite(value) for value in logs.values())
    expected = torch.float64 if precision == "float64" else torch.float32
    assert all(p.dtype == expected for p in t.vqvae.parameters())


def test_another_likelihood():
    likelihood = GaussianPerPixelLikelihood()
    vqvae = VQVAE(GridEncoder(SHAPE, 2, width=4), 3, GridDecoder(2, (2, 4, 4), width=4), likelihood)
    assert vqvae.quantiser.decay == 0.99
    x = Images().batch(0)
    assert vqvae.reconstruct(x).shape == (16, *SHAPE) and vqvae.log_prob_bound(x).shape == (16,)


def test_bad_input():
    encoder, decoder = GridEncoder(SHAPE, 2, width=4), GridDecoder(2, SHAPE, width=4)
    with pytest.raises(ValueError, match=r"disagree on grid: \(2, 2, 2\) and \(3, 2, 2\)"):
        VQVAE(encoder, 4, GridDecoder(3, SHAPE, width=4))
    with pytest.raises(ValueError, match="disagree on classes: 0 and 3"):
        VQVAE(encoder, 4, GridDecoder(2, SHAPE, width=4, classes=3))
    with pytest.raises(ValueError, match=r"disagree on shape: \(2, 4, 4\) .* and \(1, 4, 4\)"):
        VQVAE(encoder, 4, decoder, "gaussian_per_pixel")
    with pytest.raises(ValueError, match="quantiser disagree on the dimension: 2 and 5"):
        VQVAE(encoder, VectorQuantiser(4, 5), decoder)
    with pytest.raises(ValueError, match="unknown likelihood 'poisson'"):
        VQVAE(encoder, 4, decoder, "poisson")
    vqvae = VQVAE(encoder, 4, decoder)
    with pytest.raises(ValueError, match=r"4 codes on a grid \(2, 2\), got 5 on \(2, 2\)"):
        vqvae.sample(3, prior=AutoregressiveCodes(5, (2, 2)))
    with pytest.raises(ValueError, match=r"0 … 3, got 0 … 4"):
        vqvae.decode(torch.tensor([[[0, 1], [2, 4]]]))
    with pytest.raises(ValueError, match=r"images of shape \(N, 1, 4, 4\), got \(2, 1, 5, 5\)"):
        vqvae.encode(torch.zeros(2, 1, 5, 5))
    with pytest.raises(ValueError, match=r"of shape \(N, 2, 2, 2\), got"):
        decoder(torch.zeros(1, 2, 3, 3))
    with pytest.raises(ValueError, match="beta must be a finite number ≥ 0, got -1"):
        VQVAETrainer(vqvae, beta=-1)
    with pytest.raises(ValueError, match="restart_every must be 0 or more steps, got -2"):
        VQVAETrainer(vqvae, restart_every=-2)
    with pytest.raises(ValueError, match="conditional on 3 classes"):
        list(trainer(3).run(Images(), 1))
    with pytest.raises(ValueError, match="divisible by 2"):
        GridEncoder((1, 9, 9), 2)
