from .dynamics import (
    Game as Game,
    bilinear as bilinear,
    contraction as contraction,
    dirac_gan as dirac_gan,
    flow as flow,
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
    Simultaneous as Simultaneous,
)
