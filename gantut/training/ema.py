"""An exponential moving average of a network: its parameters and its buffers. [yazici2019]"""

import copy

import torch
from torch import Tensor, nn

# Buffers with the singular vectors of spectral normalisation: an average of unit vectors is none.
VECTORS = ("_u", "_v")


class EMA:
    """Keeps θ̄ ← d·θ̄ + (1 − d)·θ beside a network that trains, in ``self.network``.

    The decay grows as d = min(decay, (1 + t) / (10 + t)) over the updates t, so that the first,
    random weights are soon forgotten. Floating buffers (BatchNorm's running statistics) are
    averaged as well, since averaged weights need statistics that fit them. Counters are copied,
    and so are the singular vectors of spectral normalisation. The average stays in evaluation mode.

    Args:
        network: what to average; it is copied.
        decay: d, in [0, 1). With 0.999 a step is half forgotten after about 700 more.

    Raises:
        ValueError: the decay is not in [0, 1).

    Example:
        >>> import torch
        >>> network = torch.nn.Linear(1, 1)
        >>> average = EMA(network, decay=0.0)
        >>> _ = network.weight.data.fill_(3.0)
        >>> average.update(network)
        >>> average.network.weight.item()
        3.0
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"the EMA's decay must lie in [0, 1), got {decay}")
        self.decay, self.updates = decay, 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._ours = _tensors(self.network)
        self._mixes = [value.is_floating_point() for value in self.network.parameters()] + [
            value.is_floating_point() and not name.endswith(VECTORS)
            for name, value in self.network.named_buffers()
        ]

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average one step towards ``network``."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        pairs = list(zip(self._mixes, self._ours, _tensors(network), strict=True))
        averages, currents = zip(*((a, c) for mixes, a, c in pairs if mixes), strict=True)
        torch._foreach_lerp_(averages, currents, 1 - decay)  # one call for all tensors
        for mixes, average, current in pairs:
            if not mixes:
                average.copy_(current)

    def state_dict(self) -> dict:
        """What a checkpoint keeps."""
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Take up what ``state_dict`` gave."""
        self.updates = state["updates"]
        self.network.load_state_dict(state["network"])


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
