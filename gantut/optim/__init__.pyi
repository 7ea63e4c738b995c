from .linear import Solution as Solution, linear_cg as linear_cg
from .newton import NewtonCG as NewtonCG
from .nonlinear import BETA_RULES as BETA_RULES, ConjugateGradient as ConjugateGradient
