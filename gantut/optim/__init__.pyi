from .linear import Solution as Solution, linear_cg as linear_cg
from .nonlinear import ConjugateGradient as ConjugateGradient
