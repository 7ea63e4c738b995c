"""An exponential moving average of a network: its parameters and its buffers. [yazici2019]"""

from __future__ import annotations

import copy

import torch
from torch import nn


class EMA:
    """Keeps θ̄ ← d·θ̄ + (1 − d)·θ beside a network that trains, in ``self.network``.

    The decay grows as d = min(decay, (1 + t) / (10 + t)) over the updates t, so that the first, random weights are soon forgotten. Floating
    buffers (BatchNorm's running statistics) are averaged as well, since averaged weights need statistics that fit them; counters are
    copied. The average stays in evaluation mode.

    Raises:
        ValueError: the decay is not in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"the EMA's decay must lie in [0, 1), got {decay}")
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average one step towards ``network``."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        ours = [*self.network.parameters(), *self.network.buffers()]
        theirs = [*network.parameters(), *network.buffers()]
        pairs = list(zip(ours, theirs, strict=True))
        averages, currents = zip(
            *(pair for pair in pairs if pair[0].is_floating_point()), strict=True
        )
        torch._foreach_lerp_(averages, currents, 1 - decay)  # one call for all tensors
        for counter, current in pairs:
            if not counter.is_floating_point():
                counter.copy_(current)

    def state_dict(self) -> dict:
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.updates = state["updates"]
        self.network.load_state_dict(state["network"])
