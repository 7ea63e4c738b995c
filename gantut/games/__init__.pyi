from .dynamics import (
    LINEAR_MAPS as LINEAR_MAPS,
    Game as Game,
    bilinear as bilinear,
    contraction as contraction,
    dirac_gan as dirac_gan,
    flow as flow,
    measured_contraction as measured_contraction,
    play as play,
    quadratic as quadratic,
)
from .methods import (
    Alternating as Alternating,
    CompetitiveGradient as CompetitiveGradient,
    Consensus as Consensus,
    Extragradient as Extragradient,
    GameOptimizer as GameOptimizer,
    Optimistic as Optimistic,
    OptimisticAdam as OptimisticAdam,
    Simultaneous as Simultaneous,
    SymplecticGradientAdjustment as SymplecticGradientAdjustment,
)
