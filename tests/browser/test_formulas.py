"""The widgets' mathematics is the library's: the same steps, decoders and paths, computed by the scripts of the book and by PyTorch."""

from __future__ import annotations

import base64
import copy
import importlib.util
import json
import math
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gantut import data, games, losses, metrics, networks, training

ROOT = Path(__file__).resolve().parents[2]
PLAY = ROOT / "book" / "_static" / "play"
STEPS, BATCH = 20, 32
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def blank(browser):
    """An empty page with the scripts in it, from files and without a server."""
    page = browser.new_page()
    page.set_content("<!doctype html><title>formulas</title>")
    for name in ("tf/tf.min.js", "gan.js"):
        page.add_script_tag(path=str(PLAY / name))
    page.evaluate("window.formulas = gantut.createGAN(tf)")
    yield page
    page.close()


def numbers(tensor):
    return tensor.detach().double().tolist()


def weights(network):
    return [numbers(parameter.flatten()) for parameter in network.parameters()]


def players(activation="leaky_relu", width=16):
    hidden = (width, width)
    return (
        networks.MLPGenerator(2, (2,), hidden=hidden, activation=activation, seed=0),
        networks.MLPDiscriminator((2,), hidden=hidden, activation=activation, seed=1),
    )


def examples(seed=0):
    """Real batches, noise and uniform numbers for all steps."""
    g = torch.Generator().manual_seed(seed)
    real = torch.stack([data.ring(std=0.1).sample(BATCH, g) for _ in range(STEPS)])
    return real, torch.randn(STEPS, BATCH, 2, generator=g)


RUN = """([widths, start, options, real, z, noise]) => {
    const before = tf.memory().numTensors;
    const player = (k) => ({ widths: widths[k], values: start[k].map((array) => Float32Array.from(array)) });
    const trainer = new formulas.GANTrainer(player(0), player(1), options);
    const logs = real.map((rows, k) => trainer.step(rows, z[k], noise && noise[k]));
    const plain = (values) => values.map((array) => Array.from(array));
    const tensors = tf.memory().numTensors - before;
    return { G: plain(trainer.G.values), D: plain(trainer.D.values), average: plain(trainer.average), logs, tensors };
}"""


def run_in_browser(page, G, D, options, real, z, noise=None, width=16):
    widths = [[2, width, width, 2], [2, width, width, 1]]
    noise = None if noise is None else numbers(noise)
    return page.evaluate(
        RUN, [widths, [weights(G), weights(D)], options, numbers(real), numbers(z), noise]
    )


def deviation(found, network):
    pairs = zip(found, network.parameters(), strict=True)
    return max(
        (torch.tensor(a, dtype=torch.float64) - p.detach().double().flatten()).abs().max().item()
        for a, p in pairs
    )


GAME_OPTIMIZERS = {
    "extragradient": games.Extragradient,
    "optimistic": games.Optimistic,
    "optimistic_adam": games.methods.OptimisticAdam,
    "consensus": games.Consensus,
    "symplectic": games.methods.SymplecticGradientAdjustment,
    "competitive": games.CompetitiveGradient,
}
OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=2e-3, betas=(0.0, 0.99)),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.005, momentum=0.9),
}
RATES = {"adam": 2e-3, "sgd": 0.01, "momentum": 0.005}
PENALTIES = {
    "r1": 0.1,
    "r2": 0.1,
    "r1_r2": 0.1,
    "gradient_penalty": 1.0,
    "gradient_penalty_one_sided": 1.0,
    "gradient_penalty_zero_centred": 1.0,
    "dragan": 1.0,
}
CASES = [
    *((loss, "none", "sgd", 1) for loss in losses.LOSSES),
    *(("non_saturating", penalty, "sgd", 1) for penalty in PENALTIES),
    *product(
        ["non_saturating", "hinge", "wasserstein", "relativistic"],
        ["none", "r1", "gradient_penalty"],
        ["adam", "momentum"],
        [1],
    ),
    ("wasserstein", "gradient_penalty", "adam", 3),
]


def library_steps(loss, penalty, optimizer, n_critic, real, z, activation="leaky_relu"):
    """The library's trainer on given batches and noise; also the uniform numbers that its penalty drew."""
    G, D = players(activation)
    trainer = training.GANTrainer(
        G,
        D,
        loss=loss,
        penalty=None if penalty == "none" else losses.PENALTIES[penalty](PENALTIES[penalty]),
        n_critic=n_critic,
        ema=0.9,
        device="cpu",
        precision="float64",
    )
    for name, network in trainer.networks.items():
        trainer.optimizers[name] = OPTIMIZERS[optimizer](network.parameters())
    trainer.noise = lambda n: z[trainer.steps].double()
    # DRAGAN draws two numbers for each example, then one more.
    sizes = {"dragan": (2, 1)}.get(penalty, (1,) * penalty.startswith("gradient_penalty"))
    twin = torch.Generator().manual_seed(0)
    draws = [
        [torch.rand(BATCH, size, generator=twin, dtype=torch.float64) for size in sizes]
        for _ in range(STEPS)
    ]
    noise = torch.stack([torch.cat(draw, 1) for draw in draws]) if sizes else None
    logs = list(trainer.run(list(real), STEPS))
    return trainer, noise, logs


@pytest.mark.parametrize(("loss", "penalty", "optimizer", "n_critic"), CASES)
def test_the_playground_takes_the_librarys_steps(blank, loss, penalty, optimizer, n_critic):
    real, z = examples()
    trainer, noise, logs = library_steps(loss, penalty, optimizer, n_critic, real, z)
    options = {
        "loss": loss,
        "penalty": penalty,
        "weight": PENALTIES.get(penalty, 0),
        "optimizer": optimizer,
        "lr": RATES[optimizer],
        "n_critic": n_critic,
        "ema": 0.9,
    }
    found = run_in_browser(blank, *players(), options, real, z, noise)
    assert deviation(found["G"], trainer.G) < 1e-5
    assert deviation(found["D"], trainer.D) < 1e-5
    assert deviation(found["average"], trainer.ema.network) < 1e-5
    moved = deviation(weights(players()[0]), trainer.G)
    assert moved > 1e-3, "the step moved nothing, so it proves nothing"
    for mine, its in zip(found["logs"], logs, strict=True):
        if penalty == "none":
            assert math.isclose(
                mine["discriminator"], its["discriminator"], rel_tol=1e-5, abs_tol=1e-5
            )
        if "generator" in its:
            assert math.isclose(mine["generator"], its["generator"], rel_tol=1e-5, abs_tol=1e-5)
    assert found["tensors"] == 0, "tensors were left behind"


def test_all_names_are_the_librarys(blank):
    assert blank.evaluate("Object.keys(formulas.LOSSES)") == list(losses.LOSSES)
    assert blank.evaluate("Object.keys(formulas.PENALTIES)") == ["none", *losses.PENALTIES]


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_cross_lies_at_the_equilibrium(blank, loss):
    """Where real and fake get one and the same logit, and that logit is D's best: found on a far finer grid."""
    pair = losses.LOSSES[loss]
    logits = torch.linspace(-8, 8, 16_001, dtype=torch.float64)
    rows = logits.unsqueeze(1)  # a relativistic average is taken over one example
    values = torch.stack([pair.discriminator(v, v).mean() for v in rows])
    least = logits[values <= values.min() + 1e-9]
    best = least[least.abs().argmin()].view(1)
    for_d, for_g = blank.evaluate("(name) => formulas.equilibrium(formulas.LOSSES[name])", loss)
    assert math.isclose(for_d, values.min().item(), abs_tol=1e-3)
    assert math.isclose(for_g, pair.generator(best, best).mean().item(), abs_tol=0.03)


@pytest.mark.parametrize("activation", ["leaky_relu", "tanh"])
@pytest.mark.parametrize("method", ["extragradient", "optimistic_adam"])
@pytest.mark.parametrize(
    ("loss", "penalty"),
    [("minimax", "r1"), ("wasserstein", "gradient_penalty"), ("relativistic", "none")],
)
def test_the_playgrounds_game_optimizers_are_the_librarys(blank, method, loss, penalty, activation):
    real, z = examples(1)
    noise = torch.rand(
        STEPS, BATCH, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    G, D = (network.double() for network in players(activation))
    pair, lr = losses.LOSSES[loss], {"extragradient": 0.05, "optimistic_adam": 2e-3}[method]

    def both(k):
        fake = G(z[k].double())
        real_logits, fake_logits = D(real[k].double()), D(fake)
        f = pair.generator(real_logits, fake_logits).mean()
        g = pair.discriminator(real_logits, D(fake.detach()))
        if penalty != "none":
            # A generator at the state from which this step's uniform numbers were drawn: an extra look must see the same ones.
            twin = torch.Generator().manual_seed(0)
            for _ in range(k):
                torch.rand(BATCH, 1, generator=twin, dtype=torch.float64)
            g = g + losses.PENALTIES[penalty](PENALTIES[penalty])(
                D, real[k].double(), fake.detach(), generator=twin
            )
        return f, g.mean()

    optimizer = GAME_OPTIMIZERS[method](G.parameters(), D.parameters(), lr=lr)
    for k in range(STEPS):
        optimizer.step(lambda k=k: both(k))
    options = {
        "loss": loss,
        "penalty": penalty,
        "weight": PENALTIES.get(penalty, 0),
        "optimizer": method,
        "lr": lr,
        "activation": activation,
    }
    found = run_in_browser(blank, *players(activation), options, real, z, noise)
    assert deviation(found["G"], G) < 1e-5
    assert deviation(found["D"], D) < 1e-5
    assert deviation(weights(players(activation)[0]), G) > 1e-3


def test_first_weights_have_the_librarys_spread(blank):
    """Drawn anew in the browser, so only their distribution can be the same."""
    blank.add_script_tag(path=str(PLAY / "play.js"))
    spread = blank.evaluate(
        """() => formulas.initialise([2, 64, 64, 2], gantut.play.random(3), 0.1)
            .map((array) => Math.sqrt(array.reduce((sum, w) => sum + w * w, 0) / array.length))"""
    )
    G = networks.MLPGenerator(2, (2,), hidden=(64, 64), seed=0)
    for found, parameter in zip(spread, G.parameters(), strict=True):
        wanted = parameter.detach().square().mean().sqrt().item()
        assert math.isclose(found, wanted, rel_tol=0.25, abs_tol=1e-12)


def test_the_field_is_the_librarys(blank):
    """D's logits on a grid, and the arrows: minus the slope of the generator's loss at each place."""
    G, D = players()
    places = torch.randn(40, 2, generator=torch.Generator().manual_seed(5))
    x = places.clone().requires_grad_()
    (slope,) = torch.autograd.grad(losses.LOSSES["non_saturating"].generator(None, D(x)).sum(), x)
    logits, pushes = blank.evaluate(
        """([start, places]) => {
            const player = (widths, values) => ({ widths, values: values.map((array) => Float32Array.from(array)) });
            const trainer = new formulas.GANTrainer(
                player([2, 16, 16, 2], start[0]), player([2, 16, 16, 1], start[1]), { loss: "non_saturating" });
            return [Array.from(trainer.logits(places)), Array.from(trainer.pushes(places))];
        }""",
        [[weights(G), weights(D)], numbers(places)],
    )
    assert (torch.tensor(logits) - D(places)).abs().max() < 1e-5
    assert (torch.tensor(pushes).view(-1, 2) + slope).abs().max() < 1e-5


# -- the Dirac-GAN ------------------------------------------------------------------------------------------------------------------------

START = (0.7, -0.4)


@pytest.fixture(scope="session")
def dirac(browser):
    page = browser.new_page()
    page.set_content("<!doctype html><title>dynamics</title>")
    page.add_script_tag(path=str(PLAY / "dynamics.js"))
    yield page
    page.close()


def library_path(game, method, lr, option, steps):
    def make(x, y):
        if method in ("simultaneous", "alternating"):
            kind = {"simultaneous": games.Simultaneous, "alternating": games.Alternating}[method]
            return kind(*(torch.optim.SGD(p, lr=lr, momentum=option or 0.0) for p in (x, y)))
        extra = {
            "consensus": {"gamma": option},
            "symplectic": {"strength": option},
            "competitive": {"tolerance": 1e-14},
        }
        return GAME_OPTIMIZERS[method](x, y, lr=lr, **extra.get(method, {}))

    return games.play(game, make, torch.tensor(START, dtype=torch.float64), steps)


DIRAC = [
    (loss, gamma, method, lr, option)
    for loss in ("minimax", "non_saturating", "wasserstein", "hinge")
    for gamma in ((0.0, 0.3) if loss == "minimax" else (0.3,))
    for method, option in (
        ("simultaneous", 0.0),
        ("simultaneous", 0.4),
        ("alternating", 0.0),
        ("alternating", 0.5),
        ("extragradient", None),
        ("optimistic", None),
        ("consensus", 0.5),
        ("symplectic", 1.0),
        ("competitive", None),
    )
    for lr in (0.2,)
    if not (
        method == "competitive" and loss == "non_saturating"
    )  # not zero-sum; the library refuses it too
]


def test_dirac_paths_and_spectra_are_the_librarys(dirac):
    """All cases in one test: each takes a millisecond, and a browser call several."""
    found = dirac.evaluate(
        """([cases, start]) => cases.map(([loss, gamma, method, lr, option]) => {
            const { METHODS, diracGAN, play, spectralRadius } = gantut.dynamics;
            const game = diracGAN(loss, gamma);
            const map = METHODS[method].map(game.jacobian([0, 0]), lr, option);
            return { path: play(game, method, lr, option, start, 30), map, radius: spectralRadius(map) };
        })""",
        [DIRAC, START],
    )
    for case, its in zip(DIRAC, found, strict=True):
        loss, gamma, method, lr, option = case
        game = games.dirac_gan(loss, gamma=gamma)
        path = library_path(game, method, lr, option, 30)
        assert len(its["path"]) == 31
        assert (torch.tensor(its["path"], dtype=torch.float64) - path).abs().max() < 1e-10, case
        name = {
            "simultaneous": "momentum",
            "alternating": "momentum",
            "consensus": "gamma",
            "symplectic": "strength",
        }.get(method)
        options = {} if name is None else {name: option}
        linear = games.dynamics.LINEAR_MAPS[method](game.jacobian(), game.sizes, lr, **options)
        assert (torch.tensor(its["map"], dtype=torch.float64) - linear).abs().max() < 1e-12, case
        assert math.isclose(
            its["radius"], games.contraction(game, method, lr, **options), abs_tol=1e-10
        ), case


def test_eigenvalues_of_matrices_of_both_sizes(dirac):
    g = torch.Generator().manual_seed(0)
    matrices = [torch.randn(n, n, generator=g, dtype=torch.float64) for n in (2, 2, 2, 4, 4, 4, 4)]
    found = dirac.evaluate(
        "(all) => all.map(gantut.dynamics.eigenvalues)", [numbers(m) for m in matrices]
    )
    for matrix, values in zip(matrices, found, strict=True):
        mine = torch.tensor([complex(*value) for value in values])
        for value in torch.linalg.eigvals(matrix):
            assert (mine - value).abs().min() < 1e-9


# -- the explorer's networks --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def play(monkeypatch_module):
    """.ci/play.py as a module."""
    monkeypatch_module.syspath_prepend(str(ROOT / ".ci"))
    spec = importlib.util.spec_from_file_location("play_page", ROOT / ".ci" / "play.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def stored():
    """What .ci/play.py wrote."""
    text = (PLAY / "decoders.js").read_text(encoding="utf-8")
    return json.loads(text.split("gantut.decoders = ")[1].rstrip().rstrip(";"))


def halves(text):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32))


def layers(found):
    """Weights and biases as the file has them."""
    for entry in found:
        q = torch.from_numpy(np.frombuffer(base64.b64decode(entry["weight"]), np.int8).copy())
        weight = q.float().view(entry["shape"])
        scale = halves(entry["scale"]).view(-1, *[1] * (weight.ndim - 1))
        yield weight * scale, halves(entry["bias"]) if "bias" in entry else None


@torch.no_grad()
def test_the_explorer_draws_what_pytorch_draws(blank, stored, play):
    """The page's networks are the recorded ones with the file's weights in them, and nearly the
    recorded ones themselves."""
    for name in ("play.js", "decoders.js", "latent.js"):
        blank.add_script_tag(path=str(PLAY / name))
    vae, gan = (copy.deepcopy(model) for model in play.models())
    g = torch.Generator().manual_seed(0)
    z = torch.randn(40, vae.latent_dim, generator=g)
    noise, labels = torch.randn(40, play.NOISES, generator=g), torch.rand(40, 10, generator=g)
    noise, labels = noise / noise.norm(dim=1, keepdim=True), labels / labels.sum(1, keepdim=True)
    mixed = torch.cat([noise @ play.noises(gan.latent_dim), labels], 1)
    shares = torch.cat([noise, labels], 1)
    exact = {"vae": vae.decoder(z).sigmoid(), "gan": gan.head(gan.body(mixed)).sigmoid()}

    modules = [
        m for m in vae.decoder.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))
    ]
    for module, (weight, bias) in zip(modules, layers(stored["vae"]), strict=True):
        module.weight.copy_(weight)
        if bias is not None:
            module.bias.copy_(bias)
    (first, bias), second, head = layers(stored["gan"])
    h = F.leaky_relu(shares @ first.T + bias, 0.2).unflatten(1, (-1, 7, 7))
    h = F.leaky_relu(F.conv2d(F.interpolate(h, scale_factor=2), *second, padding=1), 0.2)
    h = F.conv2d(F.interpolate(h, scale_factor=2), *head, padding=1)
    wanted = {"vae": vae.decoder(z).sigmoid(), "gan": h.sigmoid()}
    drawn = blank.evaluate(
        """([z, shares]) => {
            const draw = gantut.createDrawers();
            return { vae: z.map((v) => Array.from(draw.vae(v))), gan: shares.map((v) => Array.from(draw.gan(v))) };
        }""",
        [numbers(z), numbers(shares)],
    )
    for name in ("vae", "gan"):
        pictures = torch.tensor(drawn[name]).view_as(wanted[name])
        assert (pictures - wanted[name]).abs().max() < 1e-5, name
        # Eight bits cost less than a hundredth of a pixel's range on average; another code, far more.
        assert (pictures - exact[name]).abs().mean() < 0.01, name
        assert (pictures - exact[name].roll(1, 0)).abs().mean() > 0.05, name


@torch.no_grad()
def test_the_stored_codes_are_those_of_test_digits(stored, play):
    """At the stored codes the recorded decoder pays far fewer nats than at another digit's."""
    vae, _ = play.models()
    codes = halves(stored["codes"]).view(-1, vae.latent_dim)
    chosen = play.hands().flatten()
    test = data.handwritten("test")
    assert test.labels[chosen].tolist() == [k for k in range(10) for _ in range(play.EACH)]
    x, logits = test.floats(chosen), vae.decoder(codes)

    def distortion(logits):
        return (losses.softplus(logits) - x * logits).flatten(1).sum(1).mean()

    assert distortion(logits) < 0.5 * distortion(logits.roll(play.EACH, 0))


def test_the_explorer_says_what_the_cards_say(play, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["play.py", "--check"])
    assert play.check() == 0
    # A card that says something else is found.
    found = play.said()
    monkeypatch.setattr(play, "said", lambda: {**found, "gan": {**found["gan"], "fid": 0.3}})
    assert play.check() == 1
    assert "run .ci/play.py" in capsys.readouterr().err


def test_the_explorers_words_hold(stored):
    """What its page says without figures."""
    said = stored["said"]
    assert said["gan"]["fid"] < said["vae"]["fid"]
    grey = {name: model["grey"] / said["real"]["grey"] for name, model in said.items()}
    assert 0.85 < grey["gan"] < 1.15, "about as many grey pixels as real digits"
    assert 1.7 < grey["vae"] < 2, "nearly twice as many"
    assert said["gan"]["minutes"] > 2 * said["vae"]["minutes"]


def test_the_stored_densities_are_the_librarys():
    text = (PLAY / "densities.js").read_text(encoding="utf-8")
    content = json.loads(
        text[text.index("gantut.densities = ") + len("gantut.densities = ") :].rstrip().rstrip(";")
    )
    assert list(content) == list(data.DENSITIES)
    for name, options in (
        ("ring", {"std": 0.1}),
        ("grid", {"spacing": 1.0, "std": 0.08}),
        ("spirals", {}),
    ):
        density = data.DENSITIES[name](**options)
        assert (torch.tensor(content[name]["centres"]) - density.centres).abs().max() < 1e-4
        assert content[name]["std"] == density.std
        assert len(content[name]["modes"]) == len(density.modes)


def test_mode_coverage_is_the_librarys(blank):
    for name in ("play.js", "densities.js", "playground.js"):
        blank.add_script_tag(path=str(PLAY / name))
    density = data.ring(std=0.1)
    points = torch.cat(
        [density.sample(50, torch.Generator().manual_seed(1))[:, :2], torch.zeros(10, 2)]
    )
    points[:30] = density.modes[0] + 0.15
    wanted = metrics.mode_coverage(points, density)
    found = blank.evaluate(
        "(points) => gantut.coverage(points, gantut.densities.ring)", numbers(points.flatten())
    )
    assert found["covered"] == wanted.covered
    assert math.isclose(found["share"], wanted.high_quality, abs_tol=1e-9)
