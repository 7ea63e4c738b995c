from .augmentation import CHANGES as CHANGES, Augment as Augment, augmentation as augmentation
from .conditional import auxiliary as auxiliary
from .divergences import (
    DIVERGENCES as DIVERGENCES,
    Divergence as Divergence,
    divergence as divergence,
    f_divergence as f_divergence,
    softplus as softplus,
)
from .elbo import (
    GECO as GECO,
    distortion as distortion,
    elbo as elbo,
    free_bits as free_bits,
    negative_elbo as negative_elbo,
    rate as rate,
    rate_per_dimension as rate_per_dimension,
    target_rate as target_rate,
)
from .features import feature_distance as feature_distance
from .gan import (
    LOSSES as LOSSES,
    AdversarialLoss as AdversarialLoss,
    adversarial_loss as adversarial_loss,
    f_gan as f_gan,
    label_smoothing as label_smoothing,
    least_squares as least_squares,
    relativistic as relativistic,
    relativistic_average as relativistic_average,
)
from .importance import (
    iwae as iwae,
    log_mean_exp as log_mean_exp,
    log_weights as log_weights,
    negative_iwae as negative_iwae,
    negative_iwae_dreg as negative_iwae_dreg,
)
from .mmd import info_vae as info_vae, mmd as mmd, mmd_to_prior as mmd_to_prior
from .packing import pack as pack, packed_shape as packed_shape
from .penalties import (
    PENALTIES as PENALTIES,
    Penalty as Penalty,
    consistency as consistency,
    dragan as dragan,
    gradient_penalty as gradient_penalty,
    input_gradient as input_gradient,
    r1 as r1,
    r1_r2 as r1_r2,
    r2 as r2,
)
from .quantisation import (
    codebook as codebook,
    commitment as commitment,
    vector_quantisation as vector_quantisation,
)
from .schedules import (
    SCHEDULES as SCHEDULES,
    Schedule as Schedule,
    constant as constant,
    cyclical as cyclical,
    linear as linear,
    sigmoid as sigmoid,
)
from .total_correlation import (
    RateSplit as RateSplit,
    beta_tcvae as beta_tcvae,
    log_average_posterior as log_average_posterior,
    split_rate as split_rate,
)
