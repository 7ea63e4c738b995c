"""A VAE with several levels of codes, each drawn given the levels above. [sonderby2016, kingma2016]

p(x, z) = p(x|z₁ … z_L) p(z_L) ∏_{l<L} p(z_l|z_{l+1} … z_L): the top says what there is, the bottom
how it looks. The posterior goes from the top as well, q(z|x) = q(z_L|x) ∏_{l<L} q(z_l|x, z_{>l}).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, kl_divergence

from gantut.models.likelihoods import Name, check_decoder, likelihood as likelihood_named
from gantut.models.priors import diagonal_normal, noise
from gantut.models.vae import VAEOutput
from gantut.numerics import at_least, expect, full
from gantut.protocols import PARAMETERS, refuse_sigmoid


class HierarchicalVAE(nn.Module):
    """A ladder of Gaussian levels that the VAE losses and ``VAETrainer`` take like a ``VAE``.

    Upwards, encoder l reads the mean of the level below (the first reads x) and sends a message:
    what x says about z_l, a mean and a log-variance. Downwards, prior l reads the codes above and
    says what they expect of z_l. Below the top, q(z_l|x, z_{>l}) is the product of both Gaussians:
    its precision is the sum of the two, its mean their average with the precisions as weights. At
    the top the message itself is the posterior, and p(z_L) = N(0, I). One level is a ``VAE``.

    Codes lie side by side, z = (z₁, …, z_L), (N, Σ d_l), z₁ nearest to x; the decoder reads them
    all. In the output, ``posterior`` and ``prior`` are the levels' Gaussians *given the codes above
    that were drawn*. Their KL is Σ_l KL_l, so the rate, the ELBO and the importance-weighted bound
    are what they are for a VAE; ``rates`` gives the KL_l one by one.

    Networks that carry ``classes`` are given the labels too.

    Args:
        encoders: L modules from the bottom, (N, d_{l−1}) → mean and log-variance, (N, d_l) each.
        priors: L − 1 modules from the bottom, (z_{l+1}, …, z_L) → the same for z_l.
        decoder: (z₁, …, z_L) → the likelihood's parameters.
        likelihood: a name of ``LIKELIHOODS`` or a module, as in ``VAE``.
        latent_dims: d_1, …, d_L, where the encoders do not carry ``latent_dim``.

    Raises:
        ValueError: numbers of encoders, priors and dimensions that do not fit; an unknown
            likelihood.

    Example:
        >>> import torch
        >>> from gantut import losses, models, networks
        >>> encoders = [networks.MLPEncoder((1, 4, 4), 8), networks.MLPEncoder((8,), 2)]
        >>> decoder = networks.MLPDecoder(8 + 2, (1, 4, 4))
        >>> vae = models.HierarchicalVAE(encoders, [networks.MLPEncoder((2,), 8)], decoder)
        >>> x = torch.rand(5, 1, 4, 4)
        >>> output = vae(x)
        >>> losses.elbo(output, x).shape, vae.rates(output).shape
        (torch.Size([5]), torch.Size([5, 2]))
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        priors: Sequence[nn.Module],
        decoder: nn.Module,
        likelihood: Name | nn.Module = "bernoulli",
        *,
        latent_dims: Sequence[int] = (),
    ) -> None:
        super().__init__()
        sizes = list(latent_dims) or [getattr(encoder, "latent_dim", 0) for encoder in encoders]
        fits = len(encoders) == len(priors) + 1 == len(sizes) and min(sizes) > 0
        found = (len(encoders), len(priors), sizes)
        expect(fits, "L ≥ 1 encoders, L − 1 priors and L dimensions ≥ 1", *found)
        self.encoders, self.priors = nn.ModuleList(encoders), nn.ModuleList(priors)
        self.decoder, self.likelihood = decoder, likelihood_named(likelihood)
        self.latent_dims, self.latent_dim = sizes, sum(sizes)
        self.shape: tuple[int, ...] | None = getattr(encoders[0], "shape", None)
        check_decoder(decoder, self.likelihood, self.shape)
        networks = (*encoders, *priors, decoder)
        self.classes: int = max(getattr(network, "classes", 0) for network in networks)

    def forward(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        *,
        samples: int | None = None,
        generator: torch.Generator | None = None,
    ) -> VAEOutput:
        """Upwards, downwards with a draw at each level, decode; ``samples`` asks for K draws.

        Raises:
            ValueError: K is below 1.
        """
        at_least(1, samples=1 if samples is None else samples)
        messages = self._up(x, labels)
        batch = (len(x),) if samples is None else (samples, len(x))
        source = noise((*batch, self.latent_dim), messages[0], generator)
        z, posterior, prior = self._down(source, labels, messages)
        return VAEOutput(posterior, prior, z, self.decode(z, labels))

    def rates(self, output: VAEOutput) -> Tensor:
        """KL_l, level by level from the bottom, (N, L), in nats."""
        levels: Any = (output.posterior, output.prior)
        each = kl_divergence(*(level.base_dist for level in levels)).split(self.latent_dims, -1)
        return torch.stack([level.sum(-1) for level in each], -1)

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Distribution:
        """p(x|z), for codes (N, Σ d_l), or for K draws of them, (K, N, Σ d_l)."""
        expect(labels is None or self.classes, "no labels: the model is unconditional", labels)
        batch = z.shape[:-1]
        parameters = full(_run(self.decoder, z.flatten(0, -2), _repeated(labels, batch)))
        refuse_sigmoid(parameters, *PARAMETERS)
        return self.likelihood(parameters.unflatten(0, batch), len(batch))

    def prior(self, z: Tensor, labels: Tensor | None = None) -> Independent:
        """The levels of p(z) given the codes above in z, (…, Σ d_l): ``prior(z).log_prob(z)``."""
        return self._down(z, labels, given=True)[2]

    @torch.no_grad()
    def sample(
        self, n: int, labels: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """The means of p(x|z) for ``n`` codes drawn from the top down, (n, *shape)."""
        source = noise((n, self.latent_dim), next(self.parameters()), generator)
        return self.decode(self._down(source, labels)[0], labels).mean

    @torch.no_grad()
    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean of p(x|z) where each level of the posterior takes its mean, (N, *shape)."""
        messages = self._up(x, labels)
        still = torch.zeros_like(torch.cat(messages, -1)[0])
        return self.decode(self._down(still, labels, messages)[0], labels).mean

    def _up(self, x: Tensor, labels: Tensor | None) -> list[Tensor]:
        messages: list[Tensor] = []
        for encoder in self.encoders:
            messages.append(_gaussian(encoder, x, labels))
            x = messages[-1][0]
        return messages

    def _down(
        self,
        source: Tensor,
        labels: Tensor | None,
        messages: Sequence[Tensor] = (),
        given: bool = False,
    ) -> tuple[Tensor, Independent, Independent]:
        """Codes, posterior (without messages, the prior) and prior, from the top to the bottom.

        ``source`` (…, Σ d_l) is the noise that the codes are made of, or the codes where ``given``.
        """
        batch, levels = source.shape[:-1], list[tuple[Tensor, Tensor]]()
        labels = _repeated(labels, batch)
        parts = source.flatten(0, -2).split(self.latent_dims, -1)
        codes = parts[0][:, :0]
        for l in reversed(range(len(parts))):
            top = l == len(self.priors)
            standard = torch.zeros_like(parts[l]).expand(2, -1, -1)  # N(0, I)
            level = prior = standard if top else _gaussian(self.priors[l], codes, labels)
            if messages:
                level = messages[l].repeat(1, len(codes) // messages[l].shape[1], 1)
                level = level if top else _product(level, prior)
            code = parts[l] if given else level[0] + (0.5 * level[1]).exp() * parts[l]
            codes = torch.cat([code, codes], -1)
            levels.insert(0, (level, prior))
        posterior, prior = (
            torch.cat(each, -1).unflatten(1, batch) for each in zip(*levels, strict=True)
        )
        return codes.unflatten(0, batch), diagonal_normal(*posterior), diagonal_normal(*prior)


def _product(one: Tensor, other: Tensor) -> Tensor:
    """Two Gaussians multiplied: precisions add up, and weigh the means."""
    (mean, log_v), (other_mean, other_log_v) = one, other
    mean = torch.lerp(other_mean, mean, torch.sigmoid(other_log_v - log_v))
    return torch.stack([mean, -torch.logaddexp(-log_v, -other_log_v)])


def _gaussian(network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """Mean and log-variance, (2, N, d)."""
    return torch.stack([full(part) for part in _run(network, x, labels)])


def _run(network: nn.Module, x: Tensor, labels: Tensor | None) -> Any:
    return network(x, labels) if getattr(network, "classes", 0) else network(x)


def _repeated(labels: Tensor | None, batch: torch.Size) -> Tensor | None:
    return None if labels is None else labels.expand(batch).flatten()
