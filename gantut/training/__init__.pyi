from .aae import AAETrainer as AAETrainer
from .adversarial import (
    AdversarialOptions as AdversarialOptions,
    AdversarialTrainer as AdversarialTrainer,
)
from .batches import Batched as Batched
from .bigan import BiGANTrainer as BiGANTrainer
from .checkpoint import CheckpointError as CheckpointError, weights as weights
from .ema import EMA as EMA
from .flow import FlowTrainer as FlowTrainer
from .gan import GANTrainer as GANTrainer, generate as generate
from .loop import NonFiniteError as NonFiniteError, Trainer as Trainer
from .players import Options as Options
from .recipes import r3gan as r3gan
from .schedules import Schedule as Schedule, warmup as warmup
from .signals import interrupts as interrupts
from .vae import VAETrainer as VAETrainer
from .vaegan import VAEGANTrainer as VAEGANTrainer
from .vocoder import VocoderTrainer as VocoderTrainer
from .vqvae import CodePriorTrainer as CodePriorTrainer, VQVAETrainer as VQVAETrainer
