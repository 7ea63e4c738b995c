from .aae import AAETrainer as AAETrainer
from .adversarial import (
    AdversarialOptions as AdversarialOptions,
    AdversarialTrainer as AdversarialTrainer,
)
from .bigan import BiGANTrainer as BiGANTrainer
from .checkpoint import CheckpointError as CheckpointError, weights as weights
from .ema import EMA as EMA
from .flow import FlowTrainer as FlowTrainer
from .gan import ACGANTrainer as ACGANTrainer, GANTrainer as GANTrainer, generate as generate
from .loop import (
    Batched as Batched,
    NonFiniteError as NonFiniteError,
    Options as Options,
    Trainer as Trainer,
    interrupts as interrupts,
)
from .recipes import r3gan as r3gan
from .schedules import Schedule as Schedule, warmup as warmup
from .vae import VAETrainer as VAETrainer
from .vaegan import VAEGANTrainer as VAEGANTrainer
from .vqvae import CodePriorTrainer as CodePriorTrainer, VQVAETrainer as VQVAETrainer
