"""The ends of discriminators: from features to a logit, with or without classes, and a layer that
compares the examples of a group."""

import torch
from torch import Tensor, nn

from gantut.networks.initialisation import output
from gantut.networks.shapes import check_labels
from gantut.numerics import at_least


class ProjectionHead(nn.Module):
    """One logit from features: w·h + b, plus e_y·h where there are classes.

    The vector e_y is learned, one for each class y. The logit of an optimal D is
    log p(x)/q(x) + log p(y|x)/q(y|x), and e_y·h is the second part. [miyato2018projection]

    Args:
        features: the length d of h.
        classes: the number of classes; with 0 the head takes no labels.

    Raises:
        ValueError: in a pass, labels that do not fit.

    Example:
        >>> import torch
        >>> from gantut.networks import ProjectionHead
        >>> head = ProjectionHead(4, classes=3)
        >>> head(torch.ones(2, 4), torch.tensor([0, 2])).shape
        torch.Size([2])
    """

    def __init__(self, features: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.linear = output(nn.Linear(features, 1))
        if classes:
            self.embedding = nn.Embedding(classes, features)
            nn.init.normal_(self.embedding.weight, 0.0, features**-0.5)

    def forward(self, h: Tensor, labels: Tensor | None = None) -> Tensor:
        logits = self.linear(h).squeeze(1)
        checked = check_labels(labels, self.classes, len(h))
        return logits if checked is None else logits + (self.embedding(checked) * h).sum(1)


class MinibatchStddev(nn.Module):
    """Appends to each example how much the examples of its group differ. [karras2018]

    The standard deviation of each value over ``group`` neighbours in the batch is averaged over all
    values, and becomes one more feature, or one more plane. A generator that repeats itself makes
    it small, and D can see that. It couples the examples of a group, so a penalty's slope includes
    what an example does to its neighbours' logits.

    Args:
        group: how many neighbours are compared, at least two; it must divide the batch.

    Raises:
        ValueError: a group below two; in a pass, a batch that is no multiple of it.

    Example:
        >>> import torch
        >>> from gantut.networks import MinibatchStddev
        >>> MinibatchStddev(2)(torch.tensor([[0.0], [2.0], [5.0], [5.0]])).round(decimals=2)
        tensor([[0., 1.],
                [2., 1.],
                [5., 0.],
                [5., 0.]])
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        at_least(2, group=group)
        self.group = group

    def forward(self, h: Tensor) -> Tensor:
        if len(h) % self.group:
            raise ValueError(
                f"minibatch stddev compares groups of {self.group}: the batch of {len(h)} is no"
                " multiple of it"
            )
        groups = h.unflatten(0, (-1, self.group)).flatten(2)
        # The small number keeps the root's slope finite where all of a group are equal.
        spread = (groups.var(1, correction=0) + 1e-8).sqrt().mean(1)
        shape = (len(h), 1, *h.shape[2:])
        plane = spread.repeat_interleave(self.group).view(-1, *[1] * (h.ndim - 1)).expand(shape)
        return torch.cat([h, plane], dim=1)
