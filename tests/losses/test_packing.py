"""PacGAN's packing keeps every value in its place."""

import pytest
import torch

from gantut.losses import pack, packed_shape


@pytest.mark.parametrize("shape", [(2,), (3, 4, 5)])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_packs_keep_every_value(shape, size):
    x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))
    packs = pack(x, size)
    assert packs.shape == (6 // size, *packed_shape(shape, size))
    for k, one in enumerate(packs):
        assert torch.equal(one, torch.cat(list(x[k * size : (k + 1) * size])))


def test_bad_input():
    with pytest.raises(ValueError, match="at least one example, got 0"):
        pack(torch.zeros(4, 2), 0)
    with pytest.raises(ValueError, match="packs of 3 need a batch that 3 divides, got 4"):
        pack(torch.zeros(4, 2), 3)
