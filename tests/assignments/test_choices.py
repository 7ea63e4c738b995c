"""A5 leaves the application to the student: a right answer to each choice has all points, whatever
its verdict.
"""

import sys
from pathlib import Path

import nbformat
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import kit  # noqa: E402

AUGMENT = """
APPLICATION = "augment"
def measure(method, seed, train, test):
    few = few_labels(train, seed)
    x, y = few.floats().flatten(1), few.labels
    if method == "ours":
        vae = VAE(
            networks.MLPEncoder((1, 8, 8), 12, hidden=(128,), seed=seed),
            networks.MLPDecoder(12, (1, 8, 8), hidden=(128,), seed=seed + 50),
            GaussianLikelihood(0.15, in_unit_interval=False),
        )
        t = training.VAETrainer(vae, lr=3e-3, seed=seed, device="cpu")
        for _ in t.run(train.batches(64, seed=seed), 200):
            pass
        g = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            z = vae.encode(few.floats()).mean
            more = [vae.decode(z + 0.2 * torch.randn(z.shape, generator=g)).mean.flatten(1) for _ in range(10)]
        x, y = torch.cat([x, *more]), y.repeat(11)
    nearest = torch.cdist(test.floats().flatten(1), x).argmin(1)
    return (y[nearest] == test.labels).double().mean().item()
"""
COMPRESS = """
APPLICATION = "compress"
from gantut import losses
from gantut.models.likelihoods import DiscretisedLogisticLikelihood
def measure(method, seed, train, test):
    if method == "baseline":
        a, b = train.images.flatten(1).long(), test.images.flatten(1).long()
        counts = torch.nn.functional.one_hot(a, 17).sum(0).double() + 1
        bits = -(counts / counts.sum(1, keepdim=True)).log2()
        return bits.gather(1, b.T).mean().item()
    vae = VAE(
        networks.MLPEncoder((1, 8, 8), 16, hidden=(128,), seed=seed),
        networks.MLPDecoder(16, (2, 8, 8), hidden=(128,), seed=seed + 50),
        DiscretisedLogisticLikelihood(17),
    )
    t = training.VAETrainer(vae, lr=3e-3, seed=seed, device="cpu")
    for _ in t.run(train.batches(64, seed=seed), 250):
        pass
    x = test.floats()
    with torch.no_grad():
        out = vae(x, generator=torch.Generator().manual_seed(seed))
        return losses.negative_elbo(out, x).mean().item() / math.log(2) / 64
"""


@pytest.mark.slow
def test_every_application_can_have_all_points(tmp_path):
    built, folder = kit.built("A5"), tmp_path / "class"
    folder.mkdir()
    for name, answer in (("augment", AUGMENT), ("compress", COMPRESS)):
        nbformat.write(kit.with_answers(built, {"q3": answer}), folder / f"{name}.ipynb")
    records = kit.grade(built.bundle, folder, tmp_path / "grades")
    assert {name: kit.lost(record) for name, record in records.items()} == {
        "augment": {},
        "compress": {},
    }
    assert all(
        record["status"] == "graded" and record["notes"] == [] for record in records.values()
    )
