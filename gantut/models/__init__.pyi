from . import ppca as ppca
from .code_priors import (
    AutoregressiveCodes as AutoregressiveCodes,
    CodePrior as CodePrior,
)
from .flow import Flow as Flow, VelocityMLP as VelocityMLP
from .hierarchical import HierarchicalVAE as HierarchicalVAE
from .likelihoods import (
    LIKELIHOODS as LIKELIHOODS,
    BernoulliLikelihood as BernoulliLikelihood,
    CategoricalLikelihood as CategoricalLikelihood,
    ContinuousBernoulliLikelihood as ContinuousBernoulliLikelihood,
    DiscretisedLogisticLikelihood as DiscretisedLogisticLikelihood,
    GaussianLikelihood as GaussianLikelihood,
    GaussianPerPixelLikelihood as GaussianPerPixelLikelihood,
    decoder_shape as decoder_shape,
)
from .priors import (
    MixturePrior as MixturePrior,
    StandardNormalPrior as StandardNormalPrior,
    VampPrior as VampPrior,
    diagonal_normal as diagonal_normal,
)
from .quantisers import (
    FiniteScalarQuantiser as FiniteScalarQuantiser,
    Quantised as Quantised,
    ResidualQuantiser as ResidualQuantiser,
    VectorQuantiser as VectorQuantiser,
)
from .vae import VAE as VAE, VAEOutput as VAEOutput
from .vqvae import VQVAE as VQVAE, VQVAEOutput as VQVAEOutput
