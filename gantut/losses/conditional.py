"""What a class label adds to the adversarial losses.

The projection discriminator [miyato2018projection] needs no term of its own: it adds e_y·h(x) to
the logit inside the network, and the pairs of ``LOSSES`` apply unchanged. AC-GAN adds a
classifier's cross-entropy instead.
"""

from __future__ import annotations

from torch import Tensor


def auxiliary(class_logits: Tensor, labels: Tensor) -> Tensor:
    """−log C(y|x): the cross-entropy of AC-GAN's classifier, which *both* players minimise.

    D's classifier learns from real and fake examples. G is rewarded for examples that are easy to
    classify, which is more than looking like the class: the term favours samples far from the
    border between classes, and so a narrower distribution than the data's. [gong2019]

    Args:
        class_logits: the classifier's outputs, (N, classes), unbounded.
        labels: the classes, (N,), integers of 0 … classes − 1.

    Returns:
        (N,), in nats.

    Raises:
        ValueError: shapes that do not fit.
        TypeError: labels that are not integers.
        RuntimeError: a label that is no class. PyTorch raises it; a check of ours would make a GPU
            wait at every step.

    Example:
        >>> import torch
        >>> [round(v, 3) for v in auxiliary(torch.zeros(2, 4), torch.tensor([0, 3])).tolist()]
        [1.386, 1.386]

    Source: [odena2017].
    """
    if class_logits.ndim != 2 or labels.shape != class_logits.shape[:1]:
        raise ValueError(
            "expected class logits (N, classes) and labels (N,), got "
            f"{tuple(class_logits.shape)} and {tuple(labels.shape)}"
        )
    if labels.is_floating_point():
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    # PyTorch's cross_entropy would let the label −100 pass as "ignore me".
    return -class_logits.log_softmax(1).gather(1, labels.long()[:, None]).squeeze(1)
