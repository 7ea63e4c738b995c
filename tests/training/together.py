"""What two processes must do as one does: small trainers of every kind, in double precision, and a program for one of the processes.

`python tests/training/together.py` starts two processes, does the same in one, and prints the largest deviations. See test_processes.py.
"""

import copy
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from gantut import losses, processes
from gantut.losses import LOSSES, augmentation, gradient_penalty, r1
from gantut.models import VectorQuantiser, priors
from gantut.models.code_priors import AutoregressiveCodes
from gantut.models.vae import VAE
from gantut.models.vqvae import VQVAE
from gantut.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    GridDecoder,
    GridEncoder,
    MLPDecoder,
    MLPDiscriminator,
    MLPEncoder,
    MLPGenerator,
    PairDiscriminator,
)
from gantut.optim import (
    Alternating,
    CompetitiveGradient,
    ConjugateGradient,
    Consensus,
    Extragradient,
    Optimistic,
    OptimisticAdam,
    Simultaneous,
    SymplecticGradientAdjustment,
)
from gantut.training import (
    AAETrainer,
    BiGANTrainer,
    CheckpointError,
    CodePriorTrainer,
    GANTrainer,
    NonFiniteError,
    VAEGANTrainer,
    VAETrainer,
    VQVAETrainer,
)

STEPS, N, SHAPE, CLASSES = 4, 16, (1, 8, 8), 4
EXACT = {"device": "cpu", "precision": "float64", "seed": 3}


class Data:
    """Joint batches; whoever is not alone gets them whole too, and cuts them."""

    def __init__(self, kind="images", size=N):
        self.kind, self.size = kind, size

    def batch(self, k):
        source = torch.Generator().manual_seed(k)
        labels = torch.randint(CLASSES, (self.size,), generator=source)
        if self.kind == "codes":
            return torch.randint(5, (self.size, 3, 3), generator=source).float(), labels
        return torch.rand(self.size, *SHAPE, generator=source, dtype=torch.float64), labels


def gan(*, classes=0, batch_norm=False, shape=SHAPE, judge=None, **options):
    G = MLPGenerator(5, SHAPE, hidden=(12,), classes=classes, batch_norm=batch_norm)
    D = MLPDiscriminator(shape, hidden=(12,), classes=classes, seed=1, **(judge or {}))
    return GANTrainer(G, D, **options, **EXACT)


def batch_norm_gan(**options):
    D = MLPDiscriminator(SHAPE, hidden=(12,), seed=1)
    D.body.append(torch.nn.BatchNorm1d(12))
    return GANTrainer(MLPGenerator(5, SHAPE, hidden=(12,), batch_norm=True), D, **options, **EXACT)


def small_vae(classes=0, prior=None):
    return VAE(
        MLPEncoder(SHAPE, 3, hidden=(12,), classes=classes),
        MLPDecoder(3, SHAPE, hidden=(12,), classes=classes, seed=1),
        prior=prior,
    )


def judge(shape=SHAPE, classes=0):
    return MLPDiscriminator(shape, hidden=(12,), classes=classes, seed=2)


def vae(classes=0, prior=None, **options):
    return VAETrainer(small_vae(classes, prior), **options, **EXACT)


def bigan():
    D = PairDiscriminator(judge(), 3, hidden=(12,))
    return BiGANTrainer(
        MLPGenerator(3, SHAPE, hidden=(12,)), MLPEncoder(SHAPE, 3, hidden=(12,)), D, **EXACT
    )


def vqvae(decay, **options):
    model = VQVAE(
        GridEncoder(SHAPE, 4, width=8),
        VectorQuantiser(16, 4, decay=decay),
        GridDecoder(4, SHAPE, width=8, seed=1),
    )
    return VQVAETrainer(model, **options, **EXACT)


def mixture():
    return priors.MixturePrior(3, 4)


TRAINERS = {
    "GAN": gan,
    "GAN, R1": lambda: gan(penalty=r1(1.0)),
    "GAN, R1 every second step": lambda: gan(penalty=r1(1.0), penalty_every=2),
    "WGAN, gradient penalty, n_critic 2": lambda: gan(
        loss="wasserstein", penalty=gradient_penalty(), n_critic=2
    ),
    "GAN, DRAGAN": lambda: gan(penalty=losses.dragan()),
    "GAN, augmented": lambda: gan(augment=augmentation(probability=0.7)),
    "GAN, conditional, spectral norm": lambda: gan(
        classes=CLASSES, judge={"spectral_norm": True}, loss="hinge"
    ),
    "GAN, auxiliary classifier": lambda: gan(
        classes=CLASSES, judge={"conditioning": "auxiliary"}, auxiliary=0.5
    ),
    "GAN, packs of 2, minibatch stddev": lambda: gan(
        shape=(2, 8, 8),
        packing=2,
        judge={"minibatch_stddev": True},
        penalty=gradient_penalty(),
        loss="relativistic",
    ),
    "GAN, relativistic average": lambda: gan(loss="relativistic_average", penalty=r1(1.0)),
    "GAN, BatchNorm in both, R1": lambda: batch_norm_gan(penalty=r1(1.0)),
    "DCGAN": lambda: GANTrainer(
        DCGANGenerator(5, SHAPE, width=4), DCGANDiscriminator(SHAPE, width=4, seed=1), **EXACT
    ),
    "VAE": lambda: vae(ema=0.9),
    "VAE, conditional": lambda: vae(CLASSES),
    "VAE, mixture prior": lambda: vae(prior=mixture()),
    "VAE, free bits": lambda: vae(objective=lambda o, x: losses.free_bits(o, x, 0.05)),
    "VAE, total correlation": lambda: vae(objective=lambda o, x: losses.beta_tcvae(o, x, 1000)),
    "VAE, MMD": lambda: vae(
        objective=lambda o, x: losses.distortion(o, x) + 10 * losses.mmd_to_prior(o.z)
    ),
    "VAE, IWAE (DReG), 3 draws": lambda: vae(objective=losses.negative_iwae_dreg, samples=3),
    "VAE-GAN, R1": lambda: VAEGANTrainer(small_vae(), judge(), penalty=r1(1.0), **EXACT),
    "AAE, gradient penalty": lambda: AAETrainer(
        small_vae(), judge((3,)), penalty=gradient_penalty(), **EXACT
    ),
    "AAE, mixture prior, conditional": lambda: AAETrainer(
        small_vae(prior=mixture()), judge((3,)), **EXACT
    ),
    "BiGAN": bigan,
    "VQ-VAE": lambda: vqvae(None),
    "VQ-VAE, moving codebook, restarts": lambda: vqvae(0.9, restart_every=2),
    "prior over codes": lambda: CodePriorTrainer(
        AutoregressiveCodes(5, (3, 3), width=8, classes=CLASSES), **EXACT
    ),
}
PLAYERS = {
    "Simultaneous": lambda x, y: Simultaneous(torch.optim.Adam(x, 0.05), torch.optim.Adam(y, 0.05)),
    "Alternating": lambda x, y: Alternating(torch.optim.SGD(x, 0.1), torch.optim.SGD(y, 0.1)),
    "Extragradient": lambda x, y: Extragradient(x, y, lr=0.1),
    "Optimistic": lambda x, y: Optimistic(x, y, lr=0.1),
    "OptimisticAdam": lambda x, y: OptimisticAdam(x, y, lr=0.05),
    "Consensus": lambda x, y: Consensus(x, y, lr=0.1, gamma=0.3),
    "SymplecticGradientAdjustment": lambda x, y: SymplecticGradientAdjustment(x, y, lr=0.1),
    "CompetitiveGradient": lambda x, y: CompetitiveGradient(x, y, lr=0.1, tolerance=1e-14),
    "CompetitiveGradient, adaptive": lambda x, y: CompetitiveGradient(
        x, y, lr=0.01, beta=0.9, tolerance=1e-14
    ),
}


def train(name, steps=STEPS):
    """Everything that a trainer holds after some steps, and its last logs, as one dict of tensors."""
    trainer = TRAINERS[name]()
    conditional = any(getattr(network, "classes", 0) for network in trainer.networks.values())
    data = Data("codes" if name == "prior over codes" else "images")
    batches = data if conditional else [data.batch(k)[0] for k in range(steps)]
    *_, logs = trainer.run(batches, steps)
    found = {
        f"log {term}": torch.tensor(value, dtype=torch.float64) for term, value in logs.items()
    }
    averages = {} if trainer.ema is None else {"average": trainer.ema.network}
    for part, network in (trainer.networks | averages).items():
        found |= {f"{part} {key}": value.clone() for key, value in network.state_dict().items()}
    return found | {"random state": trainer.generator.get_state()}


def play(name):
    """Both players' weights after some steps of a game optimizer, and its last losses."""
    options = {"activation": "tanh", "hidden": (6,)}
    G, D = (
        MLPGenerator(2, (2,), seed=0, **options).double(),
        MLPDiscriminator((2,), seed=1, **options).double(),
    )
    real, z = torch.randn(2, N, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    real, z, pair = processes.own(real) + 1, processes.own(z), LOSSES["minimax"]
    x, y = list(G.parameters()), list(D.parameters())
    optimizer = PLAYERS[name](x, y)

    def both():
        fake = G(z)
        g = (pair.discriminator(D(real), D(fake)) + r1(0.5)(D, real, fake.detach())).mean()
        return pair.generator(None, D(fake)).mean(), g

    for _ in range(STEPS):
        values = optimizer.step(both)
    return {
        "weights": torch.cat([p.detach().flatten() for p in x + y]),
        "losses": torch.stack(values),
    }


def descend_by_conjugate_gradients():
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    target = processes.own(torch.arange(8, dtype=torch.float64).view(4, 2))
    optimizer = ConjugateGradient([w])

    def closure():
        optimizer.zero_grad()
        loss = ((w - target).pow(2) + (w - target).pow(4)).sum(1).mean()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    return {"weights": w.detach()}


def everything():
    found = {name: train(name) for name in TRAINERS}
    found |= {name: play(name) for name in PLAYERS}
    return found | {"ConjugateGradient": descend_by_conjugate_gradients()}


def deviation(a, b):
    """The largest difference between two such dicts; infinite where they do not hold the same."""
    if a.keys() != b.keys() or not torch.equal(
        a.get("random state", torch.ones(())), b.get("random state", torch.ones(()))
    ):
        return float("inf")
    return max((a[key].double() - b[key].double()).abs().max().item() for key in a)


# -- the program of one of several processes -----------------------------------------------------------------------------------------


def said(action):
    """What an action returns, or the error that it ends with."""
    try:
        return str(action())
    except (CheckpointError, NonFiniteError, ValueError, processes.ProcessError) as error:
        return f"{type(error).__name__}: {error}"


def poisoned():
    """The last example of the joint batch is not finite, so process 1 alone sees it."""
    x = Data().batch(0)[0]
    x[-1] = float("nan")
    return list(gan().run([x], 1))


def stop_one():
    """Process 1 alone is told to stop; how many steps are done?"""
    trainer = gan()
    for _ in trainer.run([Data().batch(0)[0]], 50):
        if trainer.steps == 3 and processes.rank() == 1:
            os.kill(os.getpid(), signal.SIGINT)
    return trainer.steps, trainer.interrupted


def different_starts():
    """Networks that began differently are made equal."""
    return MLPGenerator(5, SHAPE, hidden=(12,), seed=processes.rank()), judge()


def with_dropout():
    D = judge()
    D.body.append(torch.nn.Dropout(0.5))
    return GANTrainer(MLPGenerator(5, SHAPE, hidden=(12,)), D, **EXACT)


def checks(folder):
    """What goes wrong in one process, and what all of them say."""
    rank = processes.rank()
    trainer = GANTrainer(*different_starts(), **EXACT)
    writes, replace = [], os.replace
    os.replace = lambda *names: (writes.append(names), replace(*names))
    trainer.fit([Data().batch(0)[0]], 3, save=folder / "saved.pt", save_every=2)
    os.replace = replace
    found = {"writes": len(writes), "there": (folder / "saved.pt").is_file()}
    found["weights"] = torch.cat([p.detach().flatten() for p in trainer.G.parameters()])
    found["image"] = (
        trainer.sample(2, seed=1) if rank == 0 else None
    )  # one process may sample alone
    cut = gan()
    cut.fit(_Cut(rank, processes.world()), STEPS)
    found["cut before"] = torch.cat([p.detach().flatten() for p in cut.G.parameters()])
    found["poisoned"] = said(poisoned)
    found["stop"] = said(stop_one)
    (folder / "a file").touch()
    found["no folder"] = said(lambda: trainer.save(folder / "a file" / "x.pt"))
    found["odd batch"] = said(lambda: list(gan().run([torch.rand(5, *SHAPE)], 1)))
    found["dropout"] = said(with_dropout)
    return found


def stands_still():
    """Process 1 does not come to the meeting; how long does process 0 wait?"""
    start = time.monotonic()
    try:
        with processes.started("cpu", timeout=2):
            if processes.rank() == 1:
                time.sleep(4)
            else:
                processes.averaged(torch.ones(1))
    except processes.ProcessError as error:
        return f"{error} after {time.monotonic() - start:.0f} s"


class _Cut:
    """Batches that are cut already."""

    def __init__(self, rank, world):
        self.rank, self.world = rank, world

    def batch(self, k):
        return Data().batch(k)[0].chunk(self.world)[self.rank]


def program(folder):
    torch.set_num_threads(1)
    early = gan()
    with processes.started("cpu", timeout=60):
        found = {
            "everything": everything(),
            "checks": checks(folder),
            "early": said(lambda: list(early.run([], 1))),
        }
        place = folder / f"{processes.rank()}.pt"
    os.environ["MASTER_PORT"] = os.environ["NEXT_PORT"]
    torch.save(found | {"stands still": stands_still()}, place)


def start(world, command):
    """Processes as torchrun would start them, without its agent."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = {"MASTER_PORT": str(one.getsockname()[1]), "NEXT_PORT": str(other.getsockname()[1])}
    shared = (
        os.environ
        | ports
        | {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    )
    return [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            env=shared | {"RANK": str(r), "LOCAL_RANK": str(r)},
        )
        for r in range(world)
    ]


def compare(folder, world=2):
    """The same in several processes and in this one: what each found."""
    started = start(world, [__file__, folder])
    alone = copy.deepcopy(everything())
    codes = [process.wait(timeout=300) for process in started]
    assert codes == [0] * world, codes
    return alone, [
        torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(world)
    ]


def table(alone, together):
    return {name: deviation(alone[name], together["everything"][name]) for name in alone}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        program(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as place:
            reference, (first, _) = compare(place)
        for title, value in table(reference, first).items():
            print(f"{title:36s} {value:.1e}")
