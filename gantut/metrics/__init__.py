"""How good is a model? Distances between samples, coverage, and bounds on the likelihood."""

from gantut.likelihoods import bits_per_dimension
from gantut.metrics.disentanglement import Gap, mutual_information_gap
from gantut.metrics.likelihood import (
    LikelihoodBounds,
    annealed_importance,
    bidirectional_bounds,
    importance_weighted,
)
from gantut.metrics.neighbours import Copying, Neighbourhood, copying, nearest_distance, neighbourhood
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
from gantut.metrics.speech import (
    cents,
    formants,
    linear_prediction,
    log_spectral_distance,
    log_spectrum,
    pitch,
)

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
    "cents",
    "class_accuracy",
    "copying",
    "feature_network",
    "fid",
    "fid_extrapolated",
    "formants",
    "importance_weighted",
    "kid",
    "label_coverage",
    "linear_prediction",
    "log_spectral_distance",
    "log_spectrum",
    "mode_coverage",
    "mutual_information_gap",
    "nearest_distance",
    "neighbourhood",
    "pitch",
    "stacked_coverage",
]
