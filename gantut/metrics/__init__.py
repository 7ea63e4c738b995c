"""How good is a model? Distances between samples, coverage, and bounds on the likelihood."""

from gantut.metrics.disentanglement import Gap, mutual_information_gap
from gantut.metrics.likelihood import (
    LikelihoodBounds,
    annealed_importance,
    bidirectional_bounds,
    importance_weighted,
)
from gantut.metrics.neighbours import (
    Copying,
    Neighbourhood,
    copying,
    nearest_distance,
    neighbourhood,
)
from gantut.metrics.samples import (
    FEATURES,
    Extracted,
    Extrapolated,
    FeatureNetwork,
    LabelCoverage,
    ModeCoverage,
    StackedCoverage,
    class_accuracy,
    feature_network,
    fid,
    fid_extrapolated,
    kid,
    label_coverage,
    mode_coverage,
    stacked_coverage,
)
from gantut.models.likelihoods import bits_per_dimension

__all__ = [
    "FEATURES",
    "Copying",
    "Extracted",
    "Extrapolated",
    "FeatureNetwork",
    "Gap",
    "LabelCoverage",
    "LikelihoodBounds",
    "ModeCoverage",
    "Neighbourhood",
    "StackedCoverage",
    "annealed_importance",
    "bidirectional_bounds",
    "bits_per_dimension",
    "class_accuracy",
    "copying",
    "feature_network",
    "fid",
    "fid_extrapolated",
    "importance_weighted",
    "kid",
    "label_coverage",
    "mode_coverage",
    "mutual_information_gap",
    "nearest_distance",
    "neighbourhood",
    "stacked_coverage",
]
