"""Convolutional networks that keep the place: between an image and a grid of vectors, with no dense layer. The two ends of a VQ-VAE.

[oord2017]
"""

from __future__ import annotations

from torch import Tensor, nn

from gantut.networks.conv import _activated, _downward
from gantut.networks.initialisation import initialise, seeded
from gantut.networks.shapes import append_label, check_latent_dim, check_shape, halvings


class GridEncoder(nn.Module):
    """Maps images (N, C, H, W) in [0, 1], centred inside, to a grid of vectors (N, d, h, w) with d = ``dimension``.

    The side is halved until it is 7 or less: 28×28 pixels give 7×7 vectors. With ``classes`` the label enters as constant planes.
    ``grid`` is (d, h, w).

    Raises:
        ValueError: d is not positive, or the sides cannot be halved down to 7; in the pass: images of another shape.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        dimension: int,
        *,
        width: int = 32,
        classes: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        levels, height, breadth = halvings(self.shape)
        self.grid = (check_latent_dim(dimension), height, breadth)
        with seeded(seed):
            self.body = _downward(self.shape[0] + classes, levels, width)[
                :-1
            ]  # all but the flattening
            self.head = nn.Conv2d(2 * width, dimension, 1)
            initialise(self, outputs=(self.head,))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(x, self.shape, "images")
        return self.head(self.body(append_label(2 * x - 1, labels, self.classes)))


class GridDecoder(nn.Module):
    """Maps a grid of vectors (N, d, h, w) to unbounded values (N, C, H, W): the parameters of a likelihood, one per pixel.

    Each level doubles the side, as in ``ConvDecoder``. With ``classes`` the label enters as constant planes beside the grid.

    Raises:
        ValueError: d is not positive, or the sides cannot be halved down to 7; in the pass: a grid of another shape.
    """

    def __init__(
        self,
        dimension: int,
        shape: tuple[int, int, int],
        *,
        width: int = 32,
        classes: int = 0,
        batch_norm: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        levels, height, breadth = halvings(self.shape)
        self.grid = (check_latent_dim(dimension), height, breadth)
        with seeded(seed):
            layers = _activated(
                nn.Conv2d(dimension + classes, width, 3, padding=1), width, batch_norm
            )
            for _ in range(levels - 1):
                layers += [nn.Conv2d(width, 2 * width, 3, padding=1)]
                layers += _activated(nn.PixelShuffle(2), width // 2, batch_norm)
                layers += _activated(nn.Conv2d(width // 2, width, 3, padding=1), width, batch_norm)
            head = nn.Conv2d(width, 4 * self.shape[0], 3, padding=1)
            self.layers = nn.Sequential(*layers, head, nn.PixelShuffle(2))
            initialise(self, outputs=(head,))

    def forward(self, vectors: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shape(vectors, self.grid, "vectors")
        return self.layers(append_label(vectors, labels, self.classes))
