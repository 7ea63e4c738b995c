from .conjugate import BETA_RULES as BETA_RULES, ConjugateGradient as ConjugateGradient
from .krylov import (
    NewtonCG as NewtonCG,
    Solution as Solution,
    hessian_product as hessian_product,
    linear_cg as linear_cg,
)
