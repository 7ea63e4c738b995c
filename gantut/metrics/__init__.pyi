from .coverage import (
    LabelCoverage as LabelCoverage,
    ModeCoverage as ModeCoverage,
    StackedCoverage as StackedCoverage,
    class_accuracy as class_accuracy,
    label_coverage as label_coverage,
    mode_coverage as mode_coverage,
    stacked_coverage as stacked_coverage,
)
from .disentanglement import Gap as Gap, mutual_information_gap as mutual_information_gap
from .features import (
    Extracted as Extracted,
    FeatureNetwork as FeatureNetwork,
    feature_network as feature_network,
)
from .fidelity import published_fid as published_fid
from .frechet import (
    fid as fid,
    fid_extrapolated as fid_extrapolated,
    kid as kid,
)
from .image_quality import ms_ssim as ms_ssim, psnr as psnr, ssim as ssim
from .likelihood import (
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
