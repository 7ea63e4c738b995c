"""Games of two players: small ones that can be understood completely, and the methods that play."""

from gantut.games.dynamics import (
    LINEAR_MAPS,
    Game,
    bilinear,
    contraction,
    dirac_gan,
    flow,
    measured_contraction,
    play,
    portrait,
    quadratic,
)
from gantut.games.methods import (
    GAME_OPTIMIZERS,
    Alternating,
    CompetitiveGradient,
    Consensus,
    Extragradient,
    GameOptimizer,
    Optimistic,
    OptimisticAdam,
    Simultaneous,
    SymplecticGradientAdjustment,
)

__all__ = [
    "GAME_OPTIMIZERS",
    "LINEAR_MAPS",
    "Alternating",
    "CompetitiveGradient",
    "Consensus",
    "Extragradient",
    "Game",
    "GameOptimizer",
    "Optimistic",
    "OptimisticAdam",
    "Simultaneous",
    "SymplecticGradientAdjustment",
    "bilinear",
    "contraction",
    "dirac_gan",
    "flow",
    "measured_contraction",
    "play",
    "portrait",
    "quadratic",
]
