"""Probabilistic models: the VAE and its parts, the VQ-VAE and its parts, probabilistic PCA."""

from gantut.models import ppca
from gantut.models.code_priors import AutoregressiveCodes, CodePrior, UniformCodes
from gantut.models.likelihoods import (
    LIKELIHOODS,
    BernoulliLikelihood,
    CategoricalLikelihood,
    ContinuousBernoulliLikelihood,
    DiscretisedLogisticLikelihood,
    GaussianLikelihood,
    GaussianPerPixelLikelihood,
    bits_per_dimension,
    decoder_shape,
)
from gantut.models.priors import MixturePrior, StandardNormalPrior, VampPrior, diagonal_normal
from gantut.models.quantisers import Quantised, VectorQuantiser
from gantut.models.vae import VAE, VAEOutput
from gantut.models.vqvae import VQVAE, VQVAEOutput

__all__ = [
    "LIKELIHOODS",
    "VAE",
    "VQVAE",
    "AutoregressiveCodes",
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "CodePrior",
    "ContinuousBernoulliLikelihood",
    "DiscretisedLogisticLikelihood",
    "GaussianLikelihood",
    "GaussianPerPixelLikelihood",
    "MixturePrior",
    "Quantised",
    "StandardNormalPrior",
    "UniformCodes",
    "VAEOutput",
    "VQVAEOutput",
    "VampPrior",
    "VectorQuantiser",
    "bits_per_dimension",
    "decoder_shape",
    "diagonal_normal",
    "ppca",
]
