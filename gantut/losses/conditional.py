"""What a class label adds to the adversarial losses.

The projection discriminator [miyato2018projection] needs no term of its own: it adds e_y·h(x) to
the logit inside the network, and the pairs of ``LOSSES`` apply unchanged. AC-GAN adds a
classifier's cross-entropy instead.
"""

from torch import Tensor

from gantut.numerics import check_numbers, expect


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
        ValueError: shapes that do not fit, or a label that is no class. (A GPU, which a look at the
            labels would make wait at every step, stops with an error of its own.)
        TypeError: labels that are not integers.

    Example:
        >>> import torch
        >>> [round(v, 3) for v in auxiliary(torch.zeros(2, 4), torch.tensor([0, 3])).tolist()]
        [1.386, 1.386]

    Source: [odena2017].
    """
    fits = class_logits.ndim == 2 and labels.shape == class_logits.shape[:1]
    expect(fits, "class logits (N, classes) and labels (N,)", class_logits, labels)
    # PyTorch's cross_entropy would let the label −100 pass as "ignore me".
    index = check_numbers(labels, class_logits.shape[1], "labels")[:, None]
    return -class_logits.log_softmax(1).gather(1, index).squeeze(1)
