"""The library's own version of each subject: what passes all checks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gantut import data, metrics
from gantut.games import Consensus, Optimistic
from gantut.losses import (
    LOSSES,
    distortion,
    gradient_penalty,
    mmd,
    negative_elbo,
    r1,
    rate,
    vector_quantisation,
)
from gantut.losses.total_correlation import log_average_posterior
from gantut.models import VectorQuantiser
from gantut.models.likelihoods import (
    BernoulliLikelihood,
    DiscretisedLogistic,
    GaussianLikelihood,
)
from gantut.models.vae import VAE, VAEOutput, diagonal_normal
from gantut.networks import MLPGenerator
from gantut.numerics import log_mean_exp
from gantut.optim import ConjugateGradient
from gantut.training import EMA, GANTrainer


def _output(mean: Tensor, log_variance: Tensor, likelihood: Any = None) -> VAEOutput:
    zero = mean.new_zeros(mean.shape[1])
    return VAEOutput(
        diagonal_normal(mean, log_variance), diagonal_normal(zero, zero), mean, likelihood
    )


class _Plain(nn.Module):
    """A network in name only: says what a VAE or a trainer asks for, and does what it is given."""

    def __init__(self, size: int, function: Any) -> None:
        super().__init__()
        self.latent_dim, self.shape, self.classes = size, (size,), 0
        self.function = function

    def forward(self, x: Tensor, labels: Any = None) -> Any:
        return self.function(x)


def _draw(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    """The draw that a VAE makes, with an encoder that answers μ and log σ²."""
    d = mean.shape[1]
    vae = VAE(
        _Plain(d, lambda x: (mean, log_variance)),
        _Plain(d, lambda z: z),
        GaussianLikelihood(in_unit_interval=False),
    )
    return vae(mean, generator=generator).z


def _bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    code = logits.new_zeros(len(logits), 1)
    return distortion(_output(code, code, BernoulliLikelihood()(logits)), x)


def _gaussian(mean: Tensor, x: Tensor, sigma: float) -> Tensor:
    code = mean.new_zeros(len(mean), 1)
    return distortion(
        _output(code, code, GaussianLikelihood(sigma, in_unit_interval=False).to(mean)(mean)), x
    )


def _negative_elbo(D: Tensor, R: Tensor, beta: float) -> Tensor:
    """The library's loss on an output that has these distortions and rates: KL(N(μ, 1) ‖ N(0, 1)) =
    μ²/2, and −log p chosen to be D.
    """

    class Fixed(torch.distributions.Distribution):
        def log_prob(self, value: Tensor) -> Tensor:
            return -D

    mean = (2 * R).sqrt()[:, None]
    return negative_elbo(
        _output(mean, 0 * mean, Fixed(D.shape, validate_args=False)), torch.zeros(len(D)), beta
    )


def _straight_through(h: Tensor, e: Tensor) -> Tensor:
    quantiser = VectorQuantiser(len(e), e.shape[1]).double()
    with torch.no_grad():
        quantiser.codebook.copy_(e)
    return quantiser(h).straight_through


def _codebook_average(codebook: Tensor, h: Tensor, codes: Tensor, decay: float) -> Tensor:
    """The first step of a quantiser that is given these codes."""
    quantiser = VectorQuantiser(*codebook.shape, decay=decay)
    with torch.no_grad():
        quantiser.codebook.copy_(codebook)
        quantiser.sums.copy_(codebook)
    quantiser._average(h, codes)
    return quantiser.codebook.detach()


def _level_probabilities(mean: float, scale: float, levels: int) -> Tensor:
    place, width = (torch.tensor(value, dtype=torch.float64) for value in (mean, scale))
    values = torch.linspace(0, 1, levels, dtype=torch.float64)
    return DiscretisedLogistic(place, width, levels).log_prob(values).exp()


def _optimistic_descent(steps: int, lr: float) -> Tensor:
    x, y = (torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in "xy")
    optimizer = Optimistic([x], [y], lr=lr)
    for _ in range(steps):
        optimizer.step(lambda: ((x * y).sum(), -(x * y).sum()))
    return torch.cat([x, y]).detach()


def _gan_step(G: nn.Module, D: nn.Module, real: Tensor, z: Tensor, lr: float) -> None:
    trainer = GANTrainer(G, D, ema=None, device="cpu")
    trainer.optimizers = {
        name: torch.optim.SGD(net.parameters(), lr=lr)
        for name, net in (("generator", G), ("discriminator", D))
    }
    fake = trainer.G(z)
    trainer.discriminator_step(real, fake.detach(), None)
    trainer.generator_step(real, fake, None)


def _logit_pass(D: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    trainer = GANTrainer(MLPGenerator(2, (2,), hidden=(4,)), _Plain(2, D), ema=None, device="cpu")
    return trainer.judge_both(real, fake, None)


def _ema(average: nn.Module, network: nn.Module, decay: float) -> None:
    ema = EMA(average, decay)
    ema.updates = 10**6  # past the warm-up, where the decay is still smaller
    ema.update(network)
    average.load_state_dict(ema.network.state_dict())


def _conjugate_gradient(A: Tensor, b: Tensor, steps: int) -> list[Tensor]:
    """Fletcher–Reeves with a search that is tight enough to be exact."""
    x = torch.zeros_like(b).requires_grad_()
    optimizer = ConjugateGradient(
        [x], rule="fletcher_reeves", c1=1e-10, c2=1e-9, max_evaluations=60
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = 0.5 * x @ A @ x - b @ x
        loss.backward()
        return loss

    iterates = [x.detach().clone()]
    for _ in range(steps):
        optimizer.step(closure)
        iterates.append(x.detach().clone())
    return iterates


def _consensus_field(theta: Tensor, psi: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """One step of length 1 of consensus optimisation, read off as a field; linear, so a Jacobian by
    autograd has to pass through it.
    """
    weights = torch.eye(2, dtype=torch.float64)
    columns = []
    for start in weights:
        x, y = (value.reshape(1).clone().requires_grad_() for value in start)
        Consensus([x], [y], lr=1.0, gamma=gamma).step(
            lambda x=x, y=y: ((x * y).sum(), -(x * y).sum())
        )
        columns.append(torch.cat([x, y]).detach() - start)
    moved = torch.stack(columns, 1) @ torch.stack([theta, psi])
    return moved[0], moved[1]


LIBRARY: dict[str, Any] = {
    "minimax_discriminator": LOSSES["minimax"].discriminator,
    "minimax_generator": LOSSES["minimax"].generator,
    "non_saturating_generator": LOSSES["non_saturating"].generator,
    "hinge_discriminator": LOSSES["hinge"].discriminator,
    "hinge_generator": LOSSES["hinge"].generator,
    "wasserstein_discriminator": LOSSES["wasserstein"].discriminator,
    "wasserstein_generator": LOSSES["wasserstein"].generator,
    "least_squares_discriminator": LOSSES["least_squares"].discriminator,
    "least_squares_generator": LOSSES["least_squares"].generator,
    "label_smoothing_discriminator": LOSSES["label_smoothing"].discriminator,
    "relativistic_discriminator": LOSSES["relativistic"].discriminator,
    "relativistic_generator": LOSSES["relativistic"].generator,
    "f_kl_discriminator": LOSSES["f_kl"].discriminator,
    "gradient_penalty": gradient_penalty,
    "gradient_penalty_of_images": gradient_penalty,
    "r1": r1,
    "rate": lambda mean, log_variance: rate(_output(mean, log_variance)),
    "posterior": diagonal_normal,
    "draw": _draw,
    "bernoulli_distortion": _bernoulli,
    "gaussian_distortion": _gaussian,
    "negative_elbo": _negative_elbo,
    "iwae": log_mean_exp,
    "log_average_posterior": log_average_posterior,
    "log_joint_posterior": lambda pairs, size: log_average_posterior(pairs.sum(2), size),
    "log_density": lambda z, mean, log_variance: diagonal_normal(mean, log_variance).log_prob(z),
    "level_probabilities": _level_probabilities,
    "mmd": lambda x, y: mmd(x, y, [1.0]).mean(),
    "codebook_average": _codebook_average,
    "vector_quantisation": vector_quantisation,
    "straight_through": _straight_through,
    "gan_step": _gan_step,
    "logit_pass": _logit_pass,
    "ema": _ema,
    "conjugate_gradient": _conjugate_gradient,
    "optimistic_descent": _optimistic_descent,
    "consensus_field": _consensus_field,
    "ring_modes": lambda count, radius: data.ring(count, radius=radius).modes,
    "frechet_distance": metrics.fid,
    "mode_counter": lambda samples, centres, deviation: (
        metrics.mode_coverage(samples, data.Density("given", centres, deviation, centres)).covered
    ),
}
