"""What every loss of a training step has to keep: never wait for a device; one joint batch."""

import importlib

import pytest
import torch

from gantut import losses
from gantut.losses import LOSSES, PENALTIES, AdaptiveAugment
from gantut.losses.augmentation import CHANGES
from gantut.models.likelihoods import GaussianLikelihood
from gantut.models.priors import diagonal_normal
from gantut.models.vae import VAEOutput


def output(mean, log_variance, noise):
    """What a VAE with the identity for a decoder gives, for draws made of this noise."""
    z = mean + (0.5 * log_variance).exp() * noise
    zero = mean.new_zeros(mean.shape[-1])
    observed = GaussianLikelihood(1.0, in_unit_interval=False).to(mean)(z, z.ndim - 1)
    return VAEOutput(diagonal_normal(mean, log_variance), diagonal_normal(zero, zero), z, observed)


def made(objective):
    def loss(mean, log_variance, noise, x):
        return objective(output(mean, log_variance, noise), x)

    return loss


def stacked(split):
    return torch.stack(list(split), 1).sum(1)


def critic(x):
    return x.flatten(1).square().sum(1)


# -- a tensor of the meta device has no values: whoever asks for one fails, as a GPU would wait

STEP = {
    **{f"{name}, D": pair.discriminator for name, pair in LOSSES.items()},
    **{f"{name}, G": pair.generator for name, pair in LOSSES.items()},
    **{
        name: lambda real, fake, make=make: make(1.0)(critic, real, fake)
        for name, make in PENALTIES.items()
    },
    **{name: lambda x, _, c=change: c(x, None) for name, change in CHANGES.items()},
    "adaptive": lambda x, _: AdaptiveAugment().to("meta")(x),
    "observe": lambda real, _: AdaptiveAugment().to("meta").observe(real),
    "auxiliary": lambda v, _: losses.auxiliary(v, torch.zeros(4, dtype=torch.long, device="meta")),
    "feature_distance": lambda x, y: losses.feature_distance(lambda x: x, x, y),
    "vector_quantisation": losses.vector_quantisation,
    "mmd": losses.mmd,
    "mmd_to_prior": lambda z, _: losses.mmd_to_prior(z),
    "rate": lambda mean, v: losses.rate(output(mean, v, v)),
    "free_bits": lambda mean, v: losses.free_bits(output(mean, v, v), mean),
    "split_rate": lambda mean, v: losses.split_rate(output(mean, v, v), 100),
}


@pytest.mark.parametrize("name", STEP)
def test_no_loss_waits_for_the_device(name):
    shape = (4,) if name[-3:] in (", D", ", G") or name == "observe" else (4, 2)
    if name in CHANGES or name == "adaptive":
        shape = (4, 3, 8, 8)
    STEP[name](*torch.zeros(2, *shape, device="meta"))


# -- two processes with half the examples each do what one does with all of them

JOINT = {
    "relativistic_average, D": LOSSES["relativistic_average"].discriminator,
    "relativistic_average_hinge, G": LOSSES["relativistic_average_hinge"].generator,
    "mmd": losses.mmd,
    "mmd_to_prior": losses.mmd_to_prior,
    "free_bits": made(lambda out, x: losses.free_bits(out, x, 1.0)),
    "split_rate": made(lambda out, x: stacked(losses.split_rate(out, 100)[1:])),
    "beta_tcvae": made(lambda out, x: losses.beta_tcvae(out, x, 100)),
}
ROOMS = ("gan", "mmd", "elbo", "total_correlation", "augmentation")


class Processes:
    """Two processes in one: a first round records what each would send, a second receives it."""

    def __init__(self, monkeypatch):
        self.rank, self.sent, self.complete = 0, ([], []), False
        for room in ROOMS:
            module = importlib.import_module(f"gantut.losses.{room}")
            monkeypatch.setattr(module, "gathered", self.gathered)
            monkeypatch.setattr(module, "rank", lambda: self.rank, raising=False)

    def gathered(self, x):
        if not self.complete:
            self.sent[self.rank].append(x)
            return torch.cat([x, x])
        slices = [self.received[0].pop(0), self.received[1].pop(0)]
        assert slices[self.rank] is x or torch.equal(slices[self.rank], x)
        return torch.cat(slices)

    def run(self, f, *arguments):
        halves = list(zip(*(x.chunk(2) for x in arguments), strict=True))
        for self.rank, half in enumerate(halves):
            f(*half)
        self.complete, results = True, []
        for self.rank, half in enumerate(halves):
            self.received = [list(sent) for sent in self.sent]
            results.append(f(*half))
        return results


@pytest.mark.parametrize("name", JOINT)
def test_a_loss_of_the_whole_batch_is_that_of_all_processes(name, monkeypatch):
    """Values and gradients; a loss that read its own half alone would differ."""
    count = {"mmd_to_prior": 1, "free_bits": 4, "split_rate": 4, "beta_tcvae": 4}.get(name, 2)
    shape = (6,) if "relativistic" in name else (6, 3)
    seed = torch.Generator().manual_seed(0)
    arguments = torch.randn(count, *shape, generator=seed, dtype=torch.float64).requires_grad_()
    whole = JOINT[name](*arguments)
    (slope,) = torch.autograd.grad(whole.mean(), arguments)
    alone = torch.cat([JOINT[name](*(x.chunk(2)[k] for x in arguments)) for k in (0, 1)])
    assert not torch.allclose(alone, whole, atol=1e-3)
    together = torch.cat(Processes(monkeypatch).run(JOINT[name], *arguments))
    assert torch.allclose(together, whole, atol=1e-12)
    (found,) = torch.autograd.grad(together.mean(), arguments)
    assert torch.allclose(found, slope, atol=1e-12)


def test_adaptive_augmentation_observes_all_processes(monkeypatch):
    """Half is judged real: all of it by process 0, none of it by process 1."""
    logits = torch.tensor([1.0] * 5 + [-1.0] * 5)
    both = [AdaptiveAugment(images=100, target=0.1), AdaptiveAugment(images=100, target=0.1)]
    for augment in both:
        augment.probability.fill_(0.5)
    processes = Processes(monkeypatch)
    processes.run(
        lambda logits: (
            both[processes.rank].observe(logits)
            if processes.complete
            else AdaptiveAugment().observe(logits)
        ),
        logits,
    )
    assert [a.probability.item() for a in both] == pytest.approx([0.4, 0.4])
