"""What two processes must do as one does: small trainers of every kind, in double precision, and a
program for one of the processes.

`python tests/training/together.py` starts two processes, does the same in one, and prints the
largest deviations. See test_processes.py.
"""

import contextlib
import copy
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

from gantut import losses, processes
from gantut.losses import augmentation, gradient_penalty, r1
from gantut.models import VectorQuantiser, priors
from gantut.models.code_priors import AutoregressiveCodes
from gantut.models.vae import VAE
from gantut.models.vqvae import VQVAE
from gantut.networks import (
    GridDecoder,
    GridEncoder,
    MLPDecoder,
    MLPDiscriminator,
    MLPEncoder,
    MLPGenerator,
    Packed,
    PairDiscriminator,
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


def gan(*, classes=0, judge=None, **options):
    G = MLPGenerator(5, SHAPE, hidden=(12,), classes=classes)
    D = MLPDiscriminator(SHAPE, hidden=(12,), classes=classes, seed=1, **(judge or {}))
    return GANTrainer(G, D, **options, **EXACT)


def packed_gan():
    D = MLPDiscriminator((2, 8, 8), hidden=(12,), minibatch_stddev=True, seed=1)
    G, options = MLPGenerator(5, SHAPE, hidden=(12,)), {"loss": "relativistic", **EXACT}
    return GANTrainer(G, Packed(D, 2), penalty=gradient_penalty(), **options)


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
    "GAN, packs of 2, minibatch stddev": packed_gan,
    "GAN, relativistic average": lambda: gan(loss="relativistic_average", penalty=r1(1.0)),
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
    "BiGAN": bigan,
    "VQ-VAE": lambda: vqvae(None),
    "VQ-VAE, moving codebook, restarts": lambda: vqvae(0.9, restart_every=2),
    "prior over codes": lambda: CodePriorTrainer(
        AutoregressiveCodes(5, (3, 3), width=8, classes=CLASSES), **EXACT
    ),
}


@contextlib.contextmanager
def joint_noise():
    """Each process draws for the joint batch and keeps its rows, so that the steps are comparable.

    Outside of this test each process draws its own noise.
    """
    world = processes.world()

    def joint(draw):
        def drawn(*arguments, **options):
            if world == 1:
                return draw(*arguments, **options)
            place = next((k for k, a in enumerate(arguments) if isinstance(a, (tuple, list))), 0)
            whole = not isinstance(arguments[place], int)
            size = list(arguments[place] if whole else arguments)
            rows = size.index(N // world) if N // world in size[:2] else None
            if rows is None:
                return draw(*arguments, **options)
            size[rows] = N
            before, after = (arguments[:place], arguments[place + 1 :]) if whole else ((), ())
            found = draw(*before, size, *after, **options)
            return found.chunk(world, dim=rows)[processes.rank()]

        return drawn

    usual = {name: getattr(torch, name) for name in ("randn", "rand", "randint")}
    for name, draw in usual.items():
        setattr(torch, name, joint(draw))
    try:
        yield
    finally:
        for name, draw in usual.items():
            setattr(torch, name, draw)


def train(name, steps=STEPS):
    """What a trainer holds after some steps, and its last logs, as one dict of tensors."""
    trainer = TRAINERS[name]()
    trainer.generator.manual_seed(3)  # in every process the same, see joint_noise
    conditional = any(getattr(network, "classes", 0) for network in trainer.networks.values())
    data = Data("codes" if name == "prior over codes" else "images")
    batches = data if conditional else [data.batch(k)[0] for k in range(steps)]
    with joint_noise():
        *_, logs = trainer.run(batches, steps)
    found = {
        f"log {term}": torch.tensor(value, dtype=torch.float64) for term, value in logs.items()
    }
    averages = {} if trainer.ema is None else {"average": trainer.ema.network}
    for part, network in (trainer.networks | averages).items():
        found |= {f"{part} {key}": value.clone() for key, value in network.state_dict().items()}
    return found | {"random state": trainer.generator.get_state()}


def everything():
    return {name: train(name) for name in TRAINERS}


def deviation(a, b):
    """The largest difference between two such dicts; infinite where they do not hold the same."""
    if a.keys() != b.keys() or not torch.equal(
        a.get("random state", torch.ones(())), b.get("random state", torch.ones(()))
    ):
        return float("inf")
    return max((a[key].double() - b[key].double()).abs().max().item() for key in a)


# -- the program of one of several processes -------------------------------------------------------


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
    trainer, stop = gan(), threading.Event()
    for _ in trainer.run([Data().batch(0)[0]], 50, stop=stop):
        if trainer.steps == 3 and processes.rank() == 1:
            stop.set()
    return trainer.steps, trainer.interrupted


def different_starts():
    """Networks that began differently are made equal."""
    return MLPGenerator(5, SHAPE, hidden=(12,), seed=processes.rank()), judge()


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
    cut.generator.manual_seed(3)
    with joint_noise():
        cut.fit(_Cut(rank, processes.world()), STEPS)
    found["cut before"] = torch.cat([p.detach().flatten() for p in cut.G.parameters()])
    found["poisoned"] = said(poisoned)
    found["stop"] = said(stop_one)
    (folder / "a file").touch()
    found["no folder"] = said(lambda: trainer.save(folder / "a file" / "x.pt"))
    found["odd batch"] = said(lambda: list(gan().run([torch.rand(5, *SHAPE)], 1)))
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
