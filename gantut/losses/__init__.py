"""Losses: one number per example, shape (N,), in nats, minimised. The trainer alone takes the mean."""

from gantut.losses.adversarial import LOSSES, AdversarialLoss, adversarial_loss, softplus
from gantut.losses.elbo import distortion, elbo, negative_elbo, rate
from gantut.losses.penalties import PENALTIES, Penalty, gradient_penalty, r1, r1_r2, r2

__all__ = [
    "LOSSES",
    "PENALTIES",
    "AdversarialLoss",
    "Penalty",
    "adversarial_loss",
    "distortion",
    "elbo",
    "gradient_penalty",
    "negative_elbo",
    "r1",
    "r1_r2",
    "r2",
    "rate",
    "softplus",
]
