"""How good is a model? Distances between samples, coverage, and bounds on the likelihood."""

from gantut.likelihoods import bits_per_dimension
from gantut.metrics.likelihood import (
    LikelihoodBounds,
    annealed_importance,
    bidirectional_bounds,
    importance_weighted,
)
from gantut.metrics.samples import (
    FEATURES,
    Extracted,
    FeatureNetwork,
    LabelCoverage,
    ModeCoverage,
    class_accuracy,
    feature_network,
    fid,
    kid,
    label_coverage,
    mode_coverage,
)

__all__ = [
    "FEATURES",
    "Extracted",
    "FeatureNetwork",
    "LabelCoverage",
    "LikelihoodBounds",
    "ModeCoverage",
    "annealed_importance",
    "bidirectional_bounds",
    "bits_per_dimension",
    "class_accuracy",
    "feature_network",
    "fid",
    "importance_weighted",
    "kid",
    "label_coverage",
    "mode_coverage",
]
