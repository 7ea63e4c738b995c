"""Trainers: one short file per algorithm, whose ``step`` fits on one screen, on a thin base that does the housekeeping."""

from gantut.training.aae import AAETrainer
from gantut.training.bigan import BiGANTrainer
from gantut.training.checkpoint import CheckpointError
from gantut.training.ema import EMA
from gantut.training.gan import GANTrainer
from gantut.training.loop import NonFiniteError, Trainer
from gantut.training.vae import VAETrainer
from gantut.training.vaegan import VAEGANTrainer
from gantut.training.vqvae import CodePriorTrainer, VQVAETrainer

__all__ = [
    "EMA",
    "AAETrainer",
    "BiGANTrainer",
    "CheckpointError",
    "CodePriorTrainer",
    "GANTrainer",
    "NonFiniteError",
    "Trainer",
    "VAEGANTrainer",
    "VAETrainer",
    "VQVAETrainer",
]
