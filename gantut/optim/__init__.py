"""Optimizers for one loss: conjugate gradients, linear and nonlinear, and Newton's method with them."""

from gantut.optim.conjugate import BETA_RULES, ConjugateGradient
from gantut.optim.krylov import NewtonCG, Solution, hessian_product, linear_cg

__all__ = [
    "BETA_RULES",
    "ConjugateGradient",
    "NewtonCG",
    "Solution",
    "hessian_product",
    "linear_cg",
]
