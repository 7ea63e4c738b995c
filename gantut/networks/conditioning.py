"""The ends of discriminators: from features to a logit, with or without classes, and a layer that compares the examples of a group."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gantut.networks.shapes import check_labels


class ProjectionHead(nn.Module):
    """One logit from features h (N, d): w·h + b, plus e_y·h when there are classes. [miyato2018projection]"""

    def __init__(self, features: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.linear = nn.Linear(features, 1)
        self.outputs: tuple[nn.Module, ...] = (self.linear,)
        if classes:
            self.embedding = nn.Embedding(classes, features)
            nn.init.normal_(self.embedding.weight, 0.0, features**-0.5)

    def forward(self, h: Tensor, labels: Tensor | None = None) -> Tensor:
        logits = self.linear(h).squeeze(1)
        checked = check_labels(labels, self.classes, len(h))
        return logits if checked is None else logits + (self.embedding(checked) * h).sum(1)


class AuxiliaryHead(nn.Module):
    """One logit from features h (N, d), without the label, and ``classify``: class logits (N, classes). [odena2017]

    Raises:
        ValueError: fewer than two classes.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"an auxiliary classifier needs at least two classes, got {classes}")
        self.classes = classes
        self.linear = nn.Linear(features, 1)
        self.classify = nn.Linear(features, classes)
        self.outputs: tuple[nn.Module, ...] = (self.linear, self.classify)

    def forward(self, h: Tensor, labels: Tensor | None = None) -> Tensor:
        check_labels(labels, self.classes, len(h))
        return self.linear(h).squeeze(1)


HEADS = {"projection": ProjectionHead, "auxiliary": AuxiliaryHead}


def create_head(conditioning: str, features: int, classes: int) -> ProjectionHead | AuxiliaryHead:
    """The head that brings labels in by ``"projection"`` or by an ``"auxiliary"`` classifier.

    Raises:
        ValueError: unknown conditioning; the message lists the known ones.
    """
    if conditioning not in HEADS:
        raise ValueError(f"unknown conditioning {conditioning!r}; known: {', '.join(HEADS)}")
    return HEADS[conditioning](features, classes)


class MinibatchStddev(nn.Module):
    """Appends to each example how much the examples of its group differ: one feature, or one plane for images. [karras2018]

    The standard deviation of each value over the ``group`` neighbours in the batch is averaged over all values. A generator that repeats
    itself makes it small, and D can see that. It couples the examples of a group, so a penalty's slope includes what an example does to
    its neighbours' logits.

    Raises:
        ValueError: a group below 2, or a batch that is no multiple of it.
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        if group < 2:
            raise ValueError(f"a group needs at least two examples to differ, got {group}")
        self.group = group

    def forward(self, h: Tensor) -> Tensor:
        if len(h) % self.group:
            raise ValueError(
                f"minibatch stddev compares groups of {self.group}: the batch of {len(h)} is no multiple of it"
            )
        groups = h.unflatten(0, (-1, self.group)).flatten(2)
        # The small number keeps the root's slope finite where all of a group are equal.
        spread = (groups.var(1, correction=0) + 1e-8).sqrt().mean(1)
        shape = (len(h), 1, *h.shape[2:])
        plane = spread.repeat_interleave(self.group).view(-1, *[1] * (h.ndim - 1)).expand(shape)
        return torch.cat([h, plane], dim=1)
