"""The faulty versions.

Each is written here from the description of a mistake that was really made, and fails one named
check.

``BUGS`` maps a name to the subject, the faulty code, the story in a line, where the mistake was
met, and the check that must reject it. Sources in words name a kind of place and no person; keys in
brackets are those of the book's references; "claim n" is one of those of the article this book grew
from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Bug(NamedTuple):
    """``faulty`` stands where ``subject`` is wanted; ``check`` is the name of the check that
    rejects it.
    """

    subject: str
    faulty: Any
    story: str
    source: str
    check: str


BUGS: dict[str, Bug] = {}


def bug(subject: str, check: str, *, source: str) -> Callable[[Any], Any]:
    """Register the function below under its own name; its docstring is the story."""

    def register(function: Any) -> Any:
        BUGS[function.__name__] = Bug(
            subject, function, " ".join((function.__doc__ or "").split()), source, check
        )
        return function

    return register


def sp(v: Tensor) -> Tensor:
    return F.softplus(v)


# -- adversarial losses


@bug("minimax_generator", "the_value_is_the_formula", source="the article, claim 3")
def generator_with_the_real_term(real, fake):
    """The generator's formula drags −log D(x) along: constant in G, so the gradient is right and
    the number is not.
    """
    return sp(-real) - sp(fake)


@bug("minimax_generator", "the_value_is_the_formula", source="a library's 'minimax' generator loss")
def minimax_that_is_non_saturating(real, fake):
    """Called minimax, computes −log D(G(z)): the other loss, with the other gradient."""
    return sp(-fake)


@bug(
    "non_saturating_generator",
    "the_value_is_the_formula",
    source="the article's formula against its own code, claim 4",
)
def non_saturating_that_saturates(real, fake):
    """Called non-saturating, computes log(1 − D(G(z))): no slope where it is needed most."""
    return -sp(fake)


@bug(
    "non_saturating_generator",
    "sure_logits_keep_value_and_slope",
    source="several public GAN notebooks",
)
def log_of_sigmoid_plus_epsilon(real, fake):
    """−log(sigmoid(v) + 1e-8): at v = −25 the slope is −0.001 where it should be −1."""
    return -torch.log(torch.sigmoid(fake) + 1e-8)


@bug(
    "non_saturating_generator",
    "the_fake_slope_has_the_right_sign",
    source="a blog's 'D is perfect, so −log(1 − D) is near 0'",
)
def rewarded_for_being_caught(real, fake):
    """Minimises −log(1 − D(G(z))): the generator learns to be recognised as fake."""
    return sp(fake)


@bug("non_saturating_generator", "one_number_per_example", source="most tutorials")
def mean_inside_the_loss(real, fake):
    """Takes the mean inside: weights per example, masks and honest statistics are no longer
    possible.
    """
    return sp(-fake).mean()


@bug("minimax_discriminator", "one_number_per_example", source="a forum's most asked question")
def logits_with_a_spare_dimension(real, fake):
    """Logits of shape (N, 1) against targets of shape (N,): broadcasting compares every example
    with every target.
    """
    v = real[:, None]
    return v.clamp(min=0) - v * torch.ones_like(real) + torch.log1p(torch.exp(-v.abs())) + sp(fake)


@bug("minimax_discriminator", "one_number_per_example", source="the article, claim 13")
def a_bool_for_a_target(real, fake):
    """BCELoss(D(x), True): a target must be a float tensor shaped like the output, and this raises
    a TypeError.
    """
    loss = nn.BCELoss(reduction="none")
    return loss(torch.sigmoid(real), True) + loss(torch.sigmoid(fake), False)


@bug(
    "minimax_discriminator",
    "the_value_is_the_formula",
    source="a model that ends in a sigmoid, trained with BCEWithLogits",
)
def sigmoid_twice(real, fake):
    """Probabilities where logits belong: sigmoid(sigmoid(v)) never leaves [0.5, 0.73]."""
    return sp(-torch.sigmoid(real)) + sp(torch.sigmoid(fake))


@bug(
    "minimax_discriminator",
    "sure_logits_keep_value_and_slope",
    source="sigmoid followed by BCE with clamped logarithms",
)
def clamped_probabilities(real, fake):
    """Probabilities clamped to [1e-7, 1 − 1e-7]: beyond a logit of 16 the slope is exactly 0."""
    p, q = (torch.sigmoid(v).clamp(1e-7, 1 - 1e-7) for v in (real, fake))
    return -p.log() - (1 - q).log()


@bug(
    "minimax_discriminator",
    "the_fake_slope_has_the_right_sign",
    source="a refactoring that lost a line",
)
def discriminator_without_fakes(real, fake):
    """Only the real half: the discriminator learns to say yes to everything."""
    return sp(-real) + 0 * fake


@bug(
    "minimax_discriminator",
    "the_fake_slope_has_the_right_sign",
    source="labels 1 for fake in one file and for real in the other",
)
def labels_swapped(real, fake):
    """Real labelled 0 and fake labelled 1: the discriminator works, and the generator's loss then
    pushes the wrong way.
    """
    return sp(real) + sp(-fake)


@bug(
    "hinge_discriminator",
    "the_fake_slope_has_the_right_sign",
    source="an argument order of (fake, real) in the other losses",
)
def hinge_with_swapped_arguments(real, fake):
    """Reads (fake, real): every example is pushed to the wrong side of the margin."""
    return F.relu(1 - fake) + F.relu(1 + real)


@bug("hinge_generator", "the_value_is_the_formula", source="hinge applied to the generator as well")
def hinged_generator(real, fake):
    """max(0, 1 − D(G(z))): beyond the margin the generator stops learning; the hinge game's
    generator has no hinge.
    """
    return F.relu(1 - fake)


@bug(
    "wasserstein_discriminator",
    "the_value_is_the_formula",
    source="a library's 'Wasserstein' discriminator loss",
)
def wasserstein_that_is_hinge(real, fake):
    """Called Wasserstein, computes the hinge: it stops at the margin and estimates no distance."""
    return F.relu(1 - real) + F.relu(1 + fake)


@bug(
    "wasserstein_generator",
    "the_fake_slope_has_the_right_sign",
    source="a critic's loss copied with its sign",
)
def wasserstein_generator_upside_down(real, fake):
    """+D(G(z)): the generator lowers its own score."""
    return fake.clone()


@bug(
    "wasserstein_discriminator",
    "the_fake_slope_has_the_right_sign",
    source="maximise and minimise mixed up",
)
def critic_that_maximises(real, fake):
    """D(x) − D(G(z)), minimised: the paper's value has to be maximised."""
    return real - fake


@bug(
    "least_squares_discriminator",
    "the_fake_slope_has_the_right_sign",
    source="an LSGAN on a network that ends in a sigmoid",
)
def least_squares_on_probabilities(real, fake):
    """Squares of probabilities: the slope that least squares was invented for is flattened by the
    sigmoid.
    """
    return 0.5 * (torch.sigmoid(real) - 1).square() + 0.5 * torch.sigmoid(fake).square()


@bug(
    "least_squares_generator",
    "the_fake_slope_has_the_right_sign",
    source="target 0 for fakes kept in the generator's step",
)
def least_squares_generator_aims_at_fake(real, fake):
    """½ D(G(z))²: the generator is content when it is recognised."""
    return 0.5 * (fake + 1).square()


@bug(
    "label_smoothing_discriminator",
    "the_value_is_the_formula",
    source="a well-known GAN repository",
)
def smoothing_forgets_the_other_half(real, fake):
    """0.9 · (−log D(x)) without 0.1 · (−log(1 − D(x))): a rescaled loss, whose best D at p = q is
    0.474 and not 0.45.
    """
    return 0.9 * sp(-real) + sp(fake)


@bug(
    "label_smoothing_discriminator",
    "the_value_is_the_formula",
    source="one-sided smoothing on the wrong side",
)
def smoothing_the_fakes(real, fake):
    """The fake target is lifted to 0.1: far from all data the best D is 0.1, which holds bad
    samples where they are. [salimans2016]
    """
    return sp(-real) + 0.9 * sp(fake) + 0.1 * sp(-fake)


@bug(
    "relativistic_discriminator",
    "the_fake_slope_has_the_right_sign",
    source="(real, fake) here and (fake, real) there",
)
def relativistic_with_swapped_arguments(real, fake):
    """softplus(real − fake): the discriminator prefers the fake one of each pair."""
    return sp(real - fake)


@bug(
    "relativistic_generator",
    "the_value_is_the_formula",
    source="the non-relativistic generator kept for a relativistic critic",
)
def relativistic_generator_without_real(real, fake):
    """−log D(G(z)) against a critic that only knows differences: the level it refers to can drift
    anywhere.
    """
    return sp(-fake)


@bug(
    "f_kl_discriminator",
    "the_value_is_the_formula",
    source="the conjugate of u log u misremembered; [nowozin2016]",
)
def kl_conjugate_without_its_one(real, fake):
    """f*(T) = e^T instead of e^(T − 1): the bound is no bound on KL any more."""
    return torch.exp(fake) - real


# -- penalties


def _slope(D: Any, x: Tensor, **options: Any) -> Tensor:
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(D(x).sum(), x, **{"create_graph": True, **options})
    return gradient


def _between(
    real: Tensor, fake: Tensor, generator: Any, shape: tuple[int, ...] | None = None
) -> Tensor:
    epsilon = torch.rand(shape or (len(real), 1), generator=generator, dtype=real.dtype)
    return epsilon * real + (1 - epsilon) * fake


@bug(
    "gradient_penalty", "a_critic_of_slope_one_pays_nothing", source="several WGAN-GP repositories"
)
def norm_over_the_batch(weight):
    """The norm runs over the whole batch: a perfect critic pays (√64 − 1)² = 49 instead of 0."""

    def penalty(D, real, fake, *, generator=None):
        norm = _slope(D, _between(real, fake, generator)).norm()
        return weight * (norm - 1).square().expand(len(real))

    return penalty


@bug("gradient_penalty", "every_pair_has_its_own_epsilon", source="several WGAN-GP repositories")
def one_epsilon_for_all(weight):
    """One ε for the batch: all pairs are mixed alike, and most of the line between them is seen too
    rarely.
    """

    def penalty(D, real, fake, *, generator=None):
        x = _between(real, fake, generator, (1, 1))
        return weight * (_slope(D, x).norm(dim=1) - 1).square()

    return penalty


@bug(
    "gradient_penalty",
    "every_pair_has_its_own_epsilon",
    source="rand_like in place of one number per example",
)
def an_epsilon_for_every_value(weight):
    """One ε per value: the points fill the box around a pair instead of the line between."""

    def penalty(D, real, fake, *, generator=None):
        x = _between(real, fake, generator, tuple(real.shape))
        return weight * (_slope(D, x).norm(dim=1) - 1).square()

    return penalty


@bug("gradient_penalty", "the_penalty_reaches_the_weights", source="create_graph left out")
def penalty_without_a_graph(weight):
    """The slope is taken without create_graph: a constant is added to the loss, and nothing is
    penalised.
    """

    def penalty(D, real, fake, *, generator=None):
        gradient = _slope(D, _between(real, fake, generator), create_graph=False)
        return weight * (gradient.norm(dim=1) - 1).square()

    return penalty


@bug(
    "gradient_penalty",
    "a_critic_of_slope_three_pays_lambda_times_four",
    source="the square moved inside the bracket",
)
def squared_norm_minus_one(weight):
    """(‖∇D‖² − 1) squared: right at slope 1, sixteen times too hard at slope 3."""

    def penalty(D, real, fake, *, generator=None):
        gradient = _slope(D, _between(real, fake, generator))
        return weight * (gradient.square().sum(1) - 1).square()

    return penalty


@bug("gradient_penalty", "a_flat_critic_gives_no_nan", source="sqrt of a sum of squares")
def root_without_a_safe_derivative(weight):
    """√Σg² has the derivative ∞ · 0 at 0: one flat example and all weights are NaN."""

    def penalty(D, real, fake, *, generator=None):
        gradient = _slope(D, _between(real, fake, generator))
        return weight * (gradient.square().sum(1).sqrt() - 1).square()

    return penalty


@bug(
    "gradient_penalty",
    "nothing_reaches_the_generator",
    source="fakes not detached before they are mixed",
)
def penalty_that_trains_the_generator(weight):
    """The mixed points are still attached to the fakes: the penalty's gradient also moves the
    generator.
    """

    def penalty(D, real, fake, *, generator=None):
        x = _between(real, fake, generator)
        x = x if x.requires_grad else x.requires_grad_(True)
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return weight * (torch.linalg.vector_norm(gradient, dim=1) - 1).square()

    return penalty


@bug("gradient_penalty", "one_penalty_per_example", source="the mean taken inside")
def penalty_as_a_mean(weight):
    """One number for the batch."""

    def penalty(D, real, fake, *, generator=None):
        return weight * (_slope(D, _between(real, fake, generator)).norm(dim=1) - 1).square().mean()

    return penalty


@bug(
    "gradient_penalty_of_images",
    "an_image_is_one_vector",
    source="caogang/wgan-gp, issues 25, 27, 56; PyTorch-GAN, issue 20; pytorch-wgan, issue 40",
)
def norm_over_the_channels(weight):
    """norm(2, dim=1) of gradients (N, C, H, W): every pixel is asked for a slope of 1, and an image
    of 64 pixels gets 8.
    """

    def penalty(D, real, fake, *, generator=None):
        slope = _slope(D, _between(real, fake, generator, (len(real), 1, 1, 1)))
        return weight * (slope.norm(2, dim=1) - 1).square().flatten(1).mean(1)

    return penalty


@bug("r1", "r1_of_a_quadratic_critic", source="two conventions for one γ")
def r1_without_the_half(gamma):
    """γ‖∇D‖² for γ/2 ‖∇D‖²: the same γ means twice as much as in the paper. [mescheder2018]"""
    return lambda D, real, fake, *, generator=None: gamma * _slope(D, real).square().sum(1)


@bug("r1", "r1_of_a_quadratic_critic", source="the norm not squared")
def r1_with_a_plain_norm(gamma):
    """γ/2 ‖∇D‖: its own slope does not vanish at 0, so it keeps kicking at the equilibrium."""
    return lambda D, real, fake, *, generator=None: (
        0.5 * gamma * torch.linalg.vector_norm(_slope(D, real), dim=1)
    )


@bug("r1", "r1_looks_at_real_examples", source="R1 and R2 confused")
def r1_at_the_fakes(gamma):
    """Taken at the fake examples: that is R2."""
    return lambda D, real, fake, *, generator=None: 0.5 * gamma * _slope(D, fake).square().sum(1)


@bug("r1", "r1_of_a_quadratic_critic", source="mean over pixels")
def r1_averaged_over_pixels(gamma):
    """The squares are averaged over an image: γ then depends on the resolution."""
    return lambda D, real, fake, *, generator=None: 0.5 * gamma * _slope(D, real).square().mean(1)


@bug("r1", "r1_of_a_quadratic_critic", source="grad of D(x).mean()")
def r1_of_the_mean_logit(gamma):
    """The slope of the batch's mean logit is 1/N of each example's: the penalty is N² times too
    weak.
    """

    def penalty(D, real, fake, *, generator=None):
        x = real.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(D(x).mean(), x, create_graph=True)
        return 0.5 * gamma * gradient.square().sum(1)

    return penalty


# -- the VAE


@bug("rate", "the_rate_is_never_negative", source="several tutorials")
def rate_with_the_wrong_sign(mean, log_variance):
    """½ Σ (1 + log σ² − μ² − σ²) added to the loss: it is −KL, and minimising it blows the codes
    up.
    """
    return 0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)


@bug("rate", "the_rate_adds_up_over_dimensions", source="torch.mean over latent dimensions")
def rate_averaged_over_the_code(mean, log_variance):
    """The mean over the code's dimensions: with 20 of them the rate weighs a twentieth."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(1)


@bug("rate", "one_rate_per_example", source="torch.mean over everything")
def rate_averaged_over_everything(mean, log_variance):
    """One number for the batch, averaged over the code as well."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


@bug("rate", "the_rate_of_a_known_gaussian", source="KL(p‖q) for KL(q‖p)")
def rate_with_swapped_arguments(mean, log_variance):
    """KL(p‖q): also zero at q = p, and a different number everywhere else."""
    return 0.5 * (((1 + mean.square()) / log_variance.exp()) - 1 + log_variance).sum(1)


@bug("rate", "the_rate_of_a_known_gaussian", source="log-variance taken for log σ")
def rate_with_log_sigma(mean, log_variance):
    """Reads log σ² as log σ: 2 log σ² where log σ² belongs."""
    return 0.5 * (mean.square() + (2 * log_variance).exp() - 1 - 2 * log_variance).sum(1)


@bug("rate", "the_rate_of_a_known_gaussian", source="the factor ½ dropped")
def rate_without_the_half(mean, log_variance):
    """Σ (μ² + σ² − 1 − log σ²): a β of 2 that nobody chose."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


@bug("rate", "the_rate_of_the_prior_is_zero", source="the −1 dropped as a constant")
def rate_without_the_one(mean, log_variance):
    """Without −1 the gradient is right, and the number is no bound on anything."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance).sum(1)


@bug("posterior", "the_deviation_is_the_root_of_the_variance", source="several repositories")
def log_variance_as_deviation(mean, log_variance):
    """σ = log σ²: at initialisation around 0, and negative half of the time."""
    return torch.distributions.Normal(mean, log_variance, validate_args=False)


@bug(
    "posterior",
    "the_deviation_is_the_root_of_the_variance",
    source="the ½ forgotten in the exponent",
)
def variance_as_deviation(mean, log_variance):
    """σ = exp(log σ²): the variance in the place of the deviation."""
    return torch.distributions.Normal(mean, log_variance.exp(), validate_args=False)


@bug(
    "draw",
    "draws_have_the_posterior_s_moments",
    source="a well-known book's VAE in an older edition",
)
def noise_of_a_hundredth(mean, log_variance, generator):
    """ε with a deviation of 0.01: nearly an autoencoder, whose rate pretends to be a VAE's."""
    noise = 0.01 * torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
    return mean + (0.5 * log_variance).exp() * noise


@bug("draw", "draws_have_the_posterior_s_moments", source="the article, claim 12")
def no_noise_at_all(mean, log_variance, generator):
    """The mean goes to the decoder: the distortion never learns that the code is uncertain."""
    return mean + 0 * log_variance


@bug("draw", "draws_have_the_posterior_s_moments", source="torch.rand for torch.randn")
def uniform_noise(mean, log_variance, generator):
    """ε ~ U(0, 1): neither centred nor normal."""
    return mean + (0.5 * log_variance).exp() * torch.rand(
        mean.shape, generator=generator, dtype=mean.dtype
    )


@bug(
    "draw",
    "draws_have_the_posterior_s_moments",
    source="randn(latent_dim) broadcast over the batch",
)
def one_noise_for_the_batch(mean, log_variance, generator):
    """One ε for all examples: the average over the batch is no average over the noise."""
    return mean + (0.5 * log_variance).exp() * torch.randn(
        mean.shape[1], generator=generator, dtype=mean.dtype
    )


@bug("draw", "the_draw_passes_gradients", source="Distribution.sample() for rsample()")
def a_draw_without_a_gradient(mean, log_variance, generator):
    """sample() draws outside the graph: the encoder sees the rate alone and collapses."""
    with torch.no_grad():
        return mean + (0.5 * log_variance).exp() * torch.randn(
            mean.shape, generator=generator, dtype=mean.dtype
        )


@bug(
    "bernoulli_distortion",
    "pixels_are_summed",
    source="a well-known book's VAE: an effective β of 2.048",
)
def cross_entropy_averaged_over_pixels(logits, x):
    """The mean over pixels beside a summed rate: on 28×28 the rate weighs 784 times too much."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).mean(1)


@bug("bernoulli_distortion", "one_distortion_per_image", source="reduction='sum'")
def cross_entropy_summed_over_the_batch(logits, x):
    """The sum over the batch: the learning rate now depends on the batch size."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


@bug(
    "bernoulli_distortion",
    "sure_and_wrong_pixels_cost_their_logit",
    source="log(p + 1e-8) on a sigmoid",
)
def distortion_with_an_epsilon(logits, x):
    """Probabilities and a small constant: a sure mistake costs 18.4 nats at the most, with no
    slope.
    """
    p = torch.sigmoid(logits)
    return -(x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()).flatten(1).sum(1)


@bug(
    "gaussian_distortion",
    "the_squared_error_is_divided_by_twice_the_variance",
    source="the article, claim 17",
)
def mean_squared_error(mean, x, sigma):
    """The mean of the squares: it silently sets σ² = βd/2."""
    d = x[0].numel()
    constant = d * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    return (x - mean).square().mean(1) / (2 * sigma**2) + constant


@bug(
    "gaussian_distortion",
    "the_gaussian_distortion_has_its_constant_once",
    source="½ log 2π multiplied by d and then summed",
)
def constant_counted_d_times(mean, x, sigma):
    """d/2 · log 2π for each dimension, and then the sum over them: d² halves."""
    d = x.shape[1]
    each = (x - mean).square() / (2 * sigma**2) + math.log(sigma) + 0.5 * d * math.log(2 * math.pi)
    return each.sum(1)


@bug(
    "gaussian_distortion",
    "the_gaussian_distortion_has_its_constant_once",
    source="log σ left out as if σ were fixed",
)
def learned_sigma_without_its_price(mean, x, sigma):
    """Without log σ a learned σ grows for ever: every error becomes free."""
    return ((x - mean).square() / (2 * sigma**2) + 0.5 * math.log(2 * math.pi)).sum(1)


@bug("negative_elbo", "the_loss_is_distortion_plus_rate", source="the article, claim 6")
def the_bound_minimised(distortion, rate, beta):
    """−distortion − β · rate handed to a minimiser: it makes the reconstruction as bad as it can.

    Claim 9 of the article says so in words.
    """
    return -distortion - beta * rate


@bug("negative_elbo", "the_loss_is_distortion_plus_rate", source="KL added with the wrong sign")
def rate_subtracted(distortion, rate, beta):
    """distortion − β · rate: the encoder is paid for every nat it spends."""
    return distortion - beta * rate


@bug("negative_elbo", "the_loss_is_distortion_plus_rate", source="β on the wrong term")
def beta_on_the_distortion(distortion, rate, beta):
    """β · distortion + rate: a larger β now means the reverse of the paper's. [higgins2017]"""
    return beta * distortion + rate


@bug("iwae", "equal_weights_give_their_common_value", source="logsumexp without − log K")
def bound_without_log_k(log_w):
    """logsumexp alone: the "bound" grows by log K and passes the likelihood."""
    return log_w.logsumexp(0)


@bug("iwae", "the_mean_is_inside_the_logarithm", source="mean of log-weights")
def mean_of_logarithms(log_w):
    """The mean of the log-weights: the ELBO with K draws, which more draws do not tighten."""
    return log_w.mean(0)


@bug(
    "iwae",
    "the_mean_is_inside_the_logarithm",
    source="the gradient's surrogate reported as the bound",
)
def the_surrogate_reported(log_w):
    """Σ w̃ log w has the right gradient and the wrong value."""
    return (log_w.detach().softmax(0) * log_w).sum(0)


@bug("iwae", "the_mean_is_inside_the_logarithm", source="PyTorch-VAE, iwae and miwae")
def the_worst_draw_counts_most(log_w):
    """softmax of the losses instead of the log-weights: of losses 0 and 9 the 9 gets the weight."""
    loss = -log_w
    return -(loss.softmax(0) * loss).sum(0)


@bug("iwae", "large_weights_do_not_overflow", source="log(mean(exp(…)))")
def exponentials_that_underflow(log_w):
    """exp(−1000) is 0, and its logarithm −∞."""
    return log_w.exp().mean(0).log()


@bug(
    "log_average_posterior",
    "one_far_posterior_leaves_its_share",
    source="minibatch estimate without the data set's size",
)
def the_batch_taken_for_the_data(pairs, dataset_size):
    """The mean over the batch: an example's own posterior, one of 100, is counted as one of 4."""
    return pairs.logsumexp(1) - math.log(len(pairs))


@bug(
    "log_average_posterior",
    "one_far_posterior_leaves_its_share",
    source="minibatch-weighted sampling at full batch; [chen2018]",
)
def divided_by_batch_and_data(pairs, dataset_size):
    """log Σ_j q(z|x_j) − log(M · D): smaller than the average by a factor D, however similar the
    posteriors are.
    """
    return pairs.logsumexp(1) - math.log(len(pairs) * dataset_size)


@bug(
    "log_average_posterior",
    "one_far_posterior_leaves_its_share",
    source="beta-tcvae, pull request 1; disentangling-vae, issue 58; [chen2018]",
)
def stratified_weights_in_a_column(pairs, dataset_size):
    """A stride of the row's length: the weight 1/D of an example itself goes down the first column
    instead of the diagonal.
    """
    batch, others = len(pairs), len(pairs) - 1
    rest = (dataset_size - others) / (dataset_size * others)
    weight = pairs.new_full((batch, batch), 1 / others)
    weight.view(-1)[::batch] = 1 / dataset_size
    weight.view(-1)[1::batch] = rest
    weight[others - 1, 0] = rest
    return (weight.log() + pairs).logsumexp(1)


@bug(
    "log_joint_posterior",
    "the_weight_counts_once",
    source="disentangling-vae, issues 54 and 60; PyTorch-VAE; [chen2018]",
)
def the_weight_in_every_dimension(pairs, dataset_size):
    """The log-weight is added before the sum over d dimensions, and so counts d times: a total
    correlation far below 0.
    """
    share = math.log1p(-1 / dataset_size) - math.log(len(pairs) - 1)
    weight = pairs.new_full(pairs.shape[:2], share).fill_diagonal_(-math.log(dataset_size))
    return (weight[..., None] + pairs).sum(2).logsumexp(1)


@bug("log_density", "the_density_of_a_known_normal", source="PyTorch-VAE, vampvae")
def the_variance_divides_the_bracket(z, mean, log_variance):
    """(log σ² + (z − μ)²) / σ² for log σ² + (z − μ)² / σ²: right at σ = 1 alone."""
    bracket = (log_variance + (z - mean).square()) / log_variance.exp()
    return -0.5 * (bracket + math.log(2 * math.pi)).sum(1)


@bug(
    "level_probabilities",
    "all_levels_share_one",
    source="a discretised logistic cut at the midpoints alone; [salimans2017]",
)
def levels_without_tails(mean, scale, levels):
    """The first and the last level do not own the tails: of a mean near white much is lost."""
    centre = torch.linspace(0, 1, levels, dtype=torch.float64)
    half = 0.5 / (levels - 1)
    above, below = ((centre + s * half - mean) / scale for s in (1, -1))
    return torch.sigmoid(above) - torch.sigmoid(below)


@bug("mmd", "far_clouds_are_at_distance_two", source="PyTorch-VAE, info_vae")
def divided_by_the_pairs_again(x, y):
    """mean() and then 1/(N(N − 1)): a batch of 64 makes the term 4,032 times too small."""
    n = len(x)

    def kernel(a, b):
        return torch.exp(-(a[:, None] - b[None]).square().sum(2) / 2)

    same = kernel(x, x).mean() + kernel(y, y).mean()
    return (same - 2 * kernel(x, y).mean()) / (n * (n - 1))


@bug(
    "vector_quantisation",
    "the_codebook_term_moves_the_codes_with_weight_one",
    source="a VQ-VAE repository",
)
def beta_on_the_codebook_term(h, e, beta):
    """β on ‖sg(h) − e‖² instead of ‖h − sg(e)‖²: the codes crawl and the encoder is pinned.
    [oord2017]
    """
    return beta * (h.detach() - e).square().sum(1) + (h - e.detach()).square().sum(1)


@bug(
    "vector_quantisation",
    "the_codebook_term_moves_the_codes_with_weight_one",
    source="both detach() calls left out",
)
def nothing_stands_still(h, e, beta):
    """(1 + β)‖h − e‖² without a stop-gradient: each term moves both sides."""
    return (1 + beta) * (h - e).square().sum(1)


@bug(
    "straight_through",
    "the_value_is_the_code_and_the_slope_is_one",
    source="the estimator left out",
)
def codes_without_a_way_back(h, e):
    """The code vector itself: no gradient ever reaches the encoder."""
    return e.clone()


@bug(
    "straight_through",
    "the_value_is_the_code_and_the_slope_is_one",
    source="detach() on the wrong difference",
)
def straight_through_the_wrong_way(h, e):
    """e + (h − e).detach(): the decoder gets h, which is not quantised at all."""
    return e + (h - e).detach()


@bug(
    "codebook_average",
    "unused_codes_stay",
    source="vq-vae-2-pytorch, pull request 72; pytorch-vq-vae; pythae",
)
def counts_from_zero(codebook, h, codes, decay):
    """The sums start as if each code had been used once, the counts at 0: unused codes fly away."""
    counts, sums = codebook.new_zeros(len(codebook)), codebook.clone()
    used = torch.bincount(codes, minlength=len(codebook)).to(counts)
    counts.lerp_(used, 1 - decay)
    sums.lerp_(torch.zeros_like(sums).index_add_(0, codes, h), 1 - decay)
    n = counts.sum()
    return sums / ((counts + 1e-5) / (n + len(codebook) * 1e-5) * n)[:, None]


# -- training


def _descend(net: nn.Module, lr: float) -> None:
    with torch.no_grad():
        for p in net.parameters():
            if p.grad is not None:
                p -= lr * p.grad


@bug("gan_step", "two_steps_are_those_by_hand", source="the article, claim 14")
def the_wrong_gradients_cleared(G, D, real, z, lr):
    """G.zero_grad() before D's step: D's own gradient is added to what G's step left there."""
    G.zero_grad()
    (sp(-D(real)) + sp(D(G(z).detach()))).mean().backward()
    _descend(D, lr)
    G.zero_grad()
    sp(-D(G(z))).mean().backward()
    _descend(G, lr)


@bug("gan_step", "two_steps_are_those_by_hand", source="the article, claim 15")
def fakes_attached_and_one_optimizer(G, D, real, z, lr):
    """G(z) not detached and one optimizer for both: D's step moves G too, and helps D."""
    for loss in (lambda: sp(-D(real)) + sp(D(G(z))), lambda: sp(-D(G(z)))):
        G.zero_grad()
        D.zero_grad()
        loss().mean().backward()
        _descend(D, lr)
        _descend(G, lr)


@bug("gan_step", "two_steps_are_those_by_hand", source="fakes detached once too often")
def fakes_detached_in_both_steps(G, D, real, z, lr):
    """The detached fakes of D's step are used again in G's: G has no gradient and never learns."""
    fake = G(z).detach()
    D.zero_grad()
    (sp(-D(real)) + sp(D(fake))).mean().backward()
    _descend(D, lr)
    G.zero_grad()
    sp(-D(fake)).mean().backward()
    _descend(G, lr)


@bug(
    "logit_pass",
    "real_and_fake_do_not_share_batch_statistics",
    source="real and fake stacked for one pass",
)
def batch_statistics_mixed(D, real, fake):
    """One pass over both through BatchNorm: what a real example scores depends on the fakes."""
    return D(torch.cat([real, fake])).chunk(2)


@bug("ema", "buffers_come_along", source="several EMA helpers")
def average_without_buffers(average, network, decay):
    """Parameters only: BatchNorm's running statistics stay at 0 and 1, and the average draws
    garbage.
    """
    with torch.no_grad():
        for a, p in zip(average.parameters(), network.parameters(), strict=True):
            a.lerp_(p, 1 - decay)


@bug("ema", "parameters_follow_the_average", source="decay and its complement swapped")
def average_with_the_decay_swapped(average, network, decay):
    """average ← (1 − decay) · average + decay · network: with a decay of 0.999 a step keeps a
    thousandth of the average, where it should replace a thousandth.
    """
    with torch.no_grad():
        for a, p in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if a.is_floating_point():
                a.lerp_(p, decay)


@bug("ring_modes", "the_modes_are_as_many_as_asked_for", source="a mode-collapse benchmark")
def a_ring_with_its_seam(count, radius):
    """Angles from linspace(0, 2π, 8): the last is the first again, and there are 7 modes."""
    angle = torch.linspace(0, 2 * math.pi, count)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


# -- conjugate directions and games


def _minimise(
    A: Tensor, b: Tensor, steps: int, *, alias: bool = False, first: float = -1.0, keep: float = 1.0
) -> list[Tensor]:
    """Fletcher–Reeves on ½xᵀAx − bᵀx, and switches for what can go wrong: right where they stand as
    they are.
    """
    x = torch.zeros_like(b).requires_grad_()
    x.grad = torch.zeros_like(b)
    iterates, direction, before = [x.detach().clone()], None, None
    for _ in range(steps):
        x.grad.zero_()
        (0.5 * x @ A @ x - b @ x).backward()
        g = x.grad if alias else x.grad.clone()
        if direction is None:
            direction = first * g
        else:
            direction = -g + (g @ g) / (before @ before) * keep * direction
        with torch.no_grad():
            # The length of the exact line search along a direction of descent; uphill it is taken
            # all the same.
            x += (g @ direction).abs() / (direction @ A @ direction) * direction
        before = g
        iterates.append(x.detach().clone())
    return iterates


@bug(
    "conjugate_gradient",
    "directions_are_conjugate",
    source="an optimizer that stores p.grad itself",
)
def previous_gradient_is_an_alias(A, b, steps):
    """before = p.grad without clone(): the next backward pass overwrites it, β is always 1."""
    return _minimise(A, b, steps, alias=True)


@bug("conjugate_gradient", "it_descends_from_the_first_step", source="a published CG optimizer")
def first_step_uphill(A, b, steps):
    """The first direction is +g: the minus sign stands only in the update of later ones."""
    return _minimise(A, b, steps, first=1.0)


@bug("conjugate_gradient", "directions_are_conjugate", source="a published CG optimizer")
def stored_direction_with_the_wrong_sign(A, b, steps):
    """The state keeps −d: each new direction subtracts what it should add."""
    return _minimise(A, b, steps, keep=-1.0)


@bug(
    "optimistic_descent",
    "it_comes_home",
    source="Variational-Inequality-GAN, omd; [daskalakis2018]",
)
def last_gradient_is_an_alias(steps, lr):
    """last = p.grad.data without clone(), gradients zeroed in place: twice the new one minus "the
    last" is plain descent, which drifts outwards.
    """
    x, y = (torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in "xy")
    last = [torch.zeros_like(p) for p in (x, y)]
    for _ in range(steps):
        for p, slope in ((x, y.detach()), (y, -x.detach())):  # of f = xy
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            p.grad.zero_().add_(slope)
        for k, p in enumerate((x, y)):
            p.data -= lr * (2 * p.grad.data - last[k])
            last[k] = p.grad.data
    return torch.cat([x, y]).detach()


@bug(
    "consensus_field",
    "the_field_has_the_theory_s_eigenvalues",
    source="a public implementation of consensus optimisation",
)
def consensus_twice_too_strong(theta, psi, gamma):
    """The gradient of ‖v‖² for that of ½‖v‖²: every γ acts as 2γ."""
    return -psi - 2 * gamma * theta, theta - 2 * gamma * psi


# -- metrics


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean(0), torch.cov(x.T).reshape(x.shape[1], x.shape[1])


@bug(
    "frechet_distance",
    "the_distance_of_known_gaussians",
    source="the factor 2 lost in tr(Σ + Σ′ − 2(ΣΣ′)^½)",
)
def frechet_without_its_two(real, fake):
    """tr(Σ + Σ′ − (ΣΣ′)^½): equal clouds are then at distance tr Σ and not 0."""
    (m, s), (n, t) = _moments(real), _moments(fake)
    root = torch.linalg.eigvals(s @ t).real.clamp(min=0).sqrt().sum()
    return ((m - n).square().sum() + s.trace() + t.trace() - root).item()


@bug("frechet_distance", "the_distance_of_known_gaussians", source="the root taken at the end")
def frechet_under_a_root(real, fake):
    """The square root of the distance, reported beside others' squares."""
    (m, s), (n, t) = _moments(real), _moments(fake)
    root = torch.linalg.eigvals(s @ t).real.clamp(min=0).sqrt().sum()
    return ((m - n).square().sum() + s.trace() + t.trace() - 2 * root).clamp(min=0).sqrt().item()


@bug(
    "mode_counter",
    "far_samples_cover_nothing",
    source="nearest mode without a limit on the distance",
)
def every_sample_counts(samples, centres, deviation):
    """Each sample counts for its nearest mode, however far: a generator of noise covers all."""
    return len(torch.cdist(samples, centres).argmin(1).unique())
