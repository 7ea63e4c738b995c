from .disentanglement import Gap as Gap, mutual_information_gap as mutual_information_gap
from .likelihood import (
    LikelihoodBounds as LikelihoodBounds,
    annealed_importance as annealed_importance,
    bidirectional_bounds as bidirectional_bounds,
    bits_per_dimension as bits_per_dimension,
    importance_weighted as importance_weighted,
)
from .neighbours import (
    Copying as Copying,
    Neighbourhood as Neighbourhood,
    copying as copying,
    nearest_distance as nearest_distance,
    neighbourhood as neighbourhood,
)
from .samples import (
    FEATURES as FEATURES,
    Extracted as Extracted,
    Extrapolated as Extrapolated,
    FeatureNetwork as FeatureNetwork,
    LabelCoverage as LabelCoverage,
    ModeCoverage as ModeCoverage,
    StackedCoverage as StackedCoverage,
    class_accuracy as class_accuracy,
    feature_network as feature_network,
    fid as fid,
    fid_extrapolated as fid_extrapolated,
    kid as kid,
    label_coverage as label_coverage,
    mode_coverage as mode_coverage,
    stacked_coverage as stacked_coverage,
)
