"""Optimizers: conjugate gradients and Newton's method for one loss, and methods for two players with two losses."""

from gantut.optim.conjugate import BETA_RULES, ConjugateGradient
from gantut.optim.games import (
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
from gantut.optim.krylov import NewtonCG, Solution, hessian_product, linear_cg

__all__ = [
    "BETA_RULES",
    "GAME_OPTIMIZERS",
    "Alternating",
    "CompetitiveGradient",
    "ConjugateGradient",
    "Consensus",
    "Extragradient",
    "GameOptimizer",
    "NewtonCG",
    "Optimistic",
    "OptimisticAdam",
    "Simultaneous",
    "Solution",
    "SymplecticGradientAdjustment",
    "hessian_product",
    "linear_cg",
]
