from .aae import AAETrainer as AAETrainer
from .bigan import BiGANTrainer as BiGANTrainer
from .checkpoint import CheckpointError as CheckpointError
from .ema import EMA as EMA
from .gan import GANTrainer as GANTrainer
from .loop import NonFiniteError as NonFiniteError, Trainer as Trainer
from .schedules import Schedule as Schedule, warmup as warmup
from .vae import VAETrainer as VAETrainer
from .vaegan import VAEGANTrainer as VAEGANTrainer
from .vqvae import CodePriorTrainer as CodePriorTrainer, VQVAETrainer as VQVAETrainer
