from . import (
    applications as applications,
    checking as checking,
    data as data,
    export as export,
    games as games,
    losses as losses,
    metrics as metrics,
    models as models,
    networks as networks,
    optim as optim,
    plots as plots,
    runs as runs,
    speech as speech,
    training as training,
)
from .models import (
    VAE as VAE,
    VQVAE as VQVAE,
    Flow as Flow,
    HierarchicalVAE as HierarchicalVAE,
)
from .training import (
    EMA as EMA,
    AAETrainer as AAETrainer,
    BiGANTrainer as BiGANTrainer,
    CodePriorTrainer as CodePriorTrainer,
    FlowTrainer as FlowTrainer,
    GANTrainer as GANTrainer,
    VAEGANTrainer as VAEGANTrainer,
    VAETrainer as VAETrainer,
    VQVAETrainer as VQVAETrainer,
    weights as weights,
)

__version__: str
