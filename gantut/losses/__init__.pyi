from .augmentation import (
    AdaptiveAugment as AdaptiveAugment,
    Augment as Augment,
    augmentation as augmentation,
)
from .conditional import auxiliary as auxiliary
from .divergences import (
    DIVERGENCES as DIVERGENCES,
    Divergence as Divergence,
    f_divergence as f_divergence,
    softplus as softplus,
)
from .elbo import (
    distortion as distortion,
    elbo as elbo,
    free_bits as free_bits,
    negative_elbo as negative_elbo,
    rate as rate,
    rate_per_dimension as rate_per_dimension,
)
from .features import feature_distance as feature_distance
from .gan import (
    LOSSES as LOSSES,
    AdversarialLoss as AdversarialLoss,
    f_gan as f_gan,
    label_smoothing as label_smoothing,
    least_squares as least_squares,
)
from .importance import (
    iwae as iwae,
    log_weights as log_weights,
    negative_iwae as negative_iwae,
    negative_iwae_dreg as negative_iwae_dreg,
)
from .mmd import mmd as mmd, mmd_to_prior as mmd_to_prior
from .penalties import (
    PENALTIES as PENALTIES,
    Penalty as Penalty,
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
from .total_correlation import (
    RateSplit as RateSplit,
    beta_tcvae as beta_tcvae,
    split_rate as split_rate,
)
