"""What a class label adds to the adversarial losses.

The projection discriminator [miyato2018projection] needs no term of its own: it adds e_y·h(x) to the logit, inside the network
(``networks.mlp.ProjectionHead``), and the pairs of ``adversarial`` apply unchanged. AC-GAN adds a classifier's cross-entropy instead.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def auxiliary(class_logits: Tensor, labels: Tensor) -> Tensor:
    """−log C(y|x): the cross-entropy of an auxiliary classifier, (N,), in nats, which *both* players minimise. [odena2017]

    ``class_logits`` is (N, classes), ``labels`` (N,) of integers. D's classifier learns from real and fake examples; G is rewarded for
    examples that are easy to classify, which is more than looking like the class: the term favours samples far from the border between
    classes, and so a narrower distribution than the data's. [gong2019]

    Raises:
        ValueError: shapes that do not fit, or a label outside 0 … classes − 1.
        TypeError: labels that are not integers.
    """
    if class_logits.ndim != 2 or labels.shape != class_logits.shape[:1]:
        raise ValueError(
            f"expected class logits (N, classes) and labels (N,), got {tuple(class_logits.shape)} and {tuple(labels.shape)}"
        )
    if labels.is_floating_point():
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    if len(labels) and not (labels.min() >= 0 and labels.max() < class_logits.shape[1]):
        raise ValueError(
            f"labels must lie in 0 … {class_logits.shape[1] - 1}, got {labels.min().item()} … {labels.max().item()}"
        )
    return F.cross_entropy(class_logits, labels.long(), reduction="none")
