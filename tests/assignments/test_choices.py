"""A5 leaves the application to the student: a right answer to each choice has all points, whatever
its verdict, and a claim that is not true has none.
"""

import sys
from pathlib import Path

import nbformat
import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import kit

TRAINED = """
def trained(pictures, seed, steps):
    vae = VAE(
        networks.MLPEncoder((1, 8, 8), 12, hidden=(128,), seed=seed),
        networks.MLPDecoder(12, (1, 8, 8), hidden=(128,), seed=seed + 50),
        GaussianLikelihood(0.15, in_unit_interval=False),
    )
    g = torch.Generator().manual_seed(seed)
    x = pictures.view(-1, 1, 8, 8)
    batches = (x[torch.randint(len(x), (64,), generator=g)] for _ in range(steps))
    for _ in training.VAETrainer(vae, lr=3e-3, seed=seed, device="cpu").run(batches, steps):
        pass
    return vae, g
"""
AUGMENT = f"""
APPLICATION = "augment"
{TRAINED}
def predict(method, seed, given, asked):
    x, y = given["labelled"], given["labels"]
    if method == "ours":
        vae, g = trained(given["pictures"], seed, 200)
        with torch.no_grad():
            z = vae.encode(x.view(-1, 1, 8, 8)).mean
            more = [vae.decode(z + 0.2 * torch.randn(z.shape, generator=g)).mean.flatten(1) for _ in range(10)]
        x, y = torch.cat([x, *more]), y.repeat(11)
    return y[torch.cdist(asked, x).argmin(1)]
"""
COMPLETE = f"""
APPLICATION = "complete"
{TRAINED}
def predict(method, seed, given, asked):
    x = given["pictures"]
    if method == "ours":
        vae, g = trained(x, seed, 200)
        with torch.no_grad():
            code = vae.encode(x.view(-1, 1, 8, 8))
            x = vae.decode(code.mean + code.stddev * torch.randn(code.mean.shape, generator=g)).mean.flatten(1)
    weights = (-torch.cdist(asked[:, :32], x[:, :32]).square() / 0.2).softmax(1)
    return torch.cat([asked[:, :32], weights @ x[:, 32:]], 1)
"""


@pytest.mark.slow
@pytest.mark.matrix
def test_every_application_can_have_all_points(tmp_path):
    kit.isolated()
    built, folder = kit.built("A5"), tmp_path / "class"
    folder.mkdir()
    for name, answer in (("augment", AUGMENT), ("complete", COMPLETE)):
        nbformat.write(kit.with_answers(built, {"q3": answer}), folder / f"{name}.ipynb")
    records = kit.grade(built.bundle, folder, tmp_path / "grades")
    assert {name: kit.lost(record) for name, record in records.items()} == {
        "augment": {},
        "complete": {},
    }


@pytest.mark.slow
@pytest.mark.matrix
@pytest.mark.parametrize("name", kit.declared("A5").DISHONEST)
def test_a_claim_that_is_not_true_earns_nothing(name):
    asked = {q["name"]: q["tests"] for q in kit.questions(kit.built("A5"))}
    found = kit.asked("A5", kit.declared("A5").DISHONEST[name])
    assert len(found.get("q5", [])) == len(asked["q5"]) == 2, found
