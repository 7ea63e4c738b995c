"""Linear conjugate gradients: solve Ax = b when A is known only by its products. [hestenes1952]"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]


class Solution(NamedTuple):
    """What ``linear_cg`` found.

    ``x`` is the solution, (n,). ``residuals`` are the norms ‖b − Ax‖ before each step and at the
    end, so there is one more of them than there were steps. ``stopped`` says why it ended:
    "converged"; "iterations", when they were used up; "curvature", at a direction with dᵀAd ≤ 0.
    """

    x: Tensor
    residuals: list[float]
    stopped: str


def linear_cg(
    operator: Operator,
    b: Tensor,
    x: Tensor | None = None,
    *,
    tolerance: float = 1e-10,
    iterations: int | None = None,
) -> Solution:
    """Solve Ax = b for a symmetric positive definite A, in at most n steps up to rounding.

    With r = b − Ax and d = r at first, each step is

        a = rᵀr / dᵀAd,   x ← x + a d,   r′ = r − a Ad,   d ← r′ + (r′ᵀr′ / rᵀr) d.

    It minimises ½ xᵀAx − bᵀx, each time over all directions so far. As many steps are enough as A
    has different eigenvalues. [hestenes1952]

    Args:
        operator: v ↦ Av, from (n,) to (n,). A itself is never needed.
        b: The right-hand side, (n,).
        x: Where to start, (n,); at 0 unless given. A good guess saves steps.
        tolerance: It stops at ‖b − Ax‖ ≤ tolerance · ‖b‖.
        iterations: The most steps it may take, n unless given.

    Returns:
        The solution, the residuals on the way, and why it stopped.

    Raises:
        ValueError: b is not a vector of finite numbers, or the operator returns another shape.

    Example:
        >>> import torch
        >>> A = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
        >>> solution = linear_cg(lambda v: A @ v, torch.tensor([1.0, 2.0]), tolerance=1e-6)
        >>> [round(v, 4) for v in solution.x.tolist()]
        [0.0909, 0.6364]
        >>> len(solution.residuals) - 1, solution.stopped
        (2, 'converged')
    """
    if b.ndim != 1 or not torch.isfinite(b).all():
        raise ValueError(f"expected a vector b of finite numbers, got shape {tuple(b.shape)}")
    x = torch.zeros_like(b) if x is None else x.clone()
    r = b - operator(x) if x.any() else b.clone()
    d, rr = r.clone(), (r @ r).item()
    residuals, limit = [math.sqrt(rr)], tolerance * b.norm().item()
    for _ in range(len(b) if iterations is None else iterations):
        if residuals[-1] <= limit:
            break
        product = operator(d)
        if product.shape != d.shape:
            raise ValueError(
                f"the operator maps {tuple(d.shape)} to {tuple(product.shape)}; expected one shape"
            )
        curvature = (d @ product).item()
        if not curvature > 0:
            return Solution(x, residuals, "curvature")
        step = rr / curvature
        x, r = x + step * d, r - step * product
        rr, before = (r @ r).item(), rr
        d = r + (rr / before) * d
        residuals.append(math.sqrt(rr))
    return Solution(x, residuals, "converged" if residuals[-1] <= limit else "iterations")
