"""Newton's method for many parameters: its linear system is solved by conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from gantut.optim.flattening import Closure, VectorOptimizer, add_, copy_, flatten, gradient
from gantut.optim.linear import Operator, linear_cg

LARGEST_RADIUS = 1e3
INNER_STEPS = 50


def hessian_product(loss: Tensor, parameters: Sequence[Tensor]) -> Operator:
    """v ↦ ∇²loss · v, as the gradient of ∇loss · v, for about the price of two gradients.

    The loss's graph is kept, so that the product can be asked for again. [pearlmutter1994]
    """
    slope = gradient(loss, parameters, create_graph=True)
    return lambda v: gradient(slope @ v, parameters, retain_graph=True)


class NewtonCG(VectorOptimizer):
    """Newton's method in a trust region, for losses without noise.

    Near the parameters the loss is almost a quadratic. So a step s minimises

        g·s + ½ s·Hs   over the ball ‖s‖ ≤ Δ,

    by linear conjugate gradients on products with the Hessian H. If the loss then falls by at least
    a ten-thousandth of what the quadratic promised, the step is kept. Where less than a quarter of
    the promise came true, Δ shrinks to a quarter of the step; where more than three quarters did
    and the step had reached the border, Δ doubles. The inner solve ends at a residual of
    min(½, √‖g‖)·‖g‖: roughly at first, ever more exactly near the minimum.
    [steihaug1983, nocedal2006]

    ``report`` counts ``evaluations`` of the loss and holds the present ``radius`` Δ, 1 at first.

    Args:
        params: The parameters, or groups of them, as for every PyTorch optimizer.

    Raises:
        ValueError: in ``step``: the loss or its gradient is not finite, or the loss does not depend
            on the parameters.
        TypeError: in ``step``: the closure does not return a tensor with one number.

    Example:
        >>> import torch
        >>> x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
        >>> optimizer = NewtonCG([x])
        >>> for _ in range(30):
        ...     _ = optimizer.step(lambda: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)
        >>> [round(v, 6) for v in x.tolist()]
        [1.0, 1.0]
    """

    def __init__(self, params: Iterable[Any]) -> None:
        super().__init__(params, {}, radius=1.0)

    def step(self, closure: Closure) -> Tensor:  # type: ignore[override]
        """Take one step, or none where the quadratic's promise does not come true.

        Args:
            closure: Computes and returns the loss, *without* calling ``backward``: the graph is
                needed for the Hessian. It must be deterministic within a step.

        Returns:
            The loss where the parameters are now.
        """
        report, loss = self.report, self.evaluate(closure)
        if not loss.requires_grad:
            raise ValueError("the loss does not depend on any parameter")
        g = gradient(loss, self.parameters, retain_graph=True)
        if not (torch.isfinite(loss) and torch.isfinite(g).all()):
            raise ValueError(f"the loss {loss.item()} or its gradient is not finite")
        product = hessian_product(loss, self.parameters)
        inner = linear_cg(
            product,
            -g,
            tolerance=min(0.5, math.sqrt(g.norm().item())),
            iterations=INNER_STEPS,
            radius=report["radius"],
        )
        promised = -(g @ inner.x + 0.5 * inner.x @ product(inner.x)).item()
        origin = flatten(self.parameters).detach()
        add_(self.parameters, inner.x)
        with torch.no_grad():
            after = self.evaluate(closure)
        fell = (loss.detach() - after).item()
        came_true = fell / promised if promised > 0 and math.isfinite(fell) else -1.0
        # At the end both are rounding: what is left of the promise is too small for the values
        # to show.
        size = max(1.0, abs(loss.item()))
        if promised <= 1e-14 * size and abs(fell) <= 1e-12 * size:
            came_true = 1.0
        if came_true < 0.25:
            report["radius"] = 0.25 * inner.x.norm().item()
        elif came_true > 0.75 and inner.stopped in ("radius", "curvature"):
            report["radius"] = min(2 * report["radius"], LARGEST_RADIUS)
        if came_true < 1e-4:
            copy_(self.parameters, origin)
            return loss.detach()
        return after
