"""Losses: one number per example, shape (N,), in nats, minimised. The trainer alone takes the mean."""

from gantut.losses.augmentation import CHANGES, Augment, augmentation
from gantut.losses.conditional import auxiliary
from gantut.losses.divergences import DIVERGENCES, Divergence, divergence, f_divergence
from gantut.losses.elbo import (
    GECO,
    distortion,
    elbo,
    free_bits,
    negative_elbo,
    rate,
    rate_per_dimension,
    target_rate,
)
from gantut.losses.features import feature_distance
from gantut.losses.gan import (
    LOSSES,
    AdversarialLoss,
    adversarial_loss,
    f_gan,
    label_smoothing,
    least_squares,
    relativistic,
    relativistic_average,
)
from gantut.losses.iwae import iwae, log_weights, negative_iwae, negative_iwae_dreg
from gantut.losses.mmd import info_vae, mmd, mmd_to_prior
from gantut.losses.packing import pack, packed_shape
from gantut.losses.penalties import (
    PENALTIES,
    Penalty,
    consistency,
    dragan,
    gradient_penalty,
    input_gradient,
    r1,
    r1_r2,
    r2,
)
from gantut.losses.quantisation import codebook, commitment, vector_quantisation
from gantut.losses.schedules import SCHEDULES, Schedule, constant, cyclical, linear, sigmoid
from gantut.losses.total_correlation import RateSplit, beta_tcvae, log_average_posterior, split_rate
from gantut.numerics import log_mean_exp, softplus

__all__ = [
    "CHANGES",
    "DIVERGENCES",
    "GECO",
    "LOSSES",
    "PENALTIES",
    "SCHEDULES",
    "AdversarialLoss",
    "Augment",
    "Divergence",
    "Penalty",
    "RateSplit",
    "Schedule",
    "adversarial_loss",
    "augmentation",
    "auxiliary",
    "beta_tcvae",
    "codebook",
    "commitment",
    "consistency",
    "constant",
    "cyclical",
    "distortion",
    "divergence",
    "dragan",
    "elbo",
    "f_divergence",
    "f_gan",
    "feature_distance",
    "free_bits",
    "gradient_penalty",
    "info_vae",
    "input_gradient",
    "iwae",
    "label_smoothing",
    "least_squares",
    "linear",
    "log_average_posterior",
    "log_mean_exp",
    "log_weights",
    "mmd",
    "mmd_to_prior",
    "negative_elbo",
    "negative_iwae",
    "negative_iwae_dreg",
    "pack",
    "packed_shape",
    "r1",
    "r1_r2",
    "r2",
    "rate",
    "rate_per_dimension",
    "relativistic",
    "relativistic_average",
    "sigmoid",
    "softplus",
    "split_rate",
    "target_rate",
    "vector_quantisation",
]
