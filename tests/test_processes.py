"""What processes tell one another, by hand: the other one is played by the test.

Real ones meet in tests/training/test_processes.py, which is slow.
"""

import pytest
import torch

from gantut import processes


@pytest.fixture(params=[0, 1])
def together(request, monkeypatch):
    """Two processes, of which this is number ``rank``; ``said`` is what the other sends."""
    rank, said = request.param, []

    def all_reduce(x):
        x.add_(said.pop(0).reshape(x.shape))

    def all_gather(slices, x):
        slices[rank].copy_(x)
        slices[1 - rank].copy_(said.pop(0))

    monkeypatch.setattr(processes, "world", lambda: 2)
    monkeypatch.setattr(processes, "rank", lambda: rank)
    monkeypatch.setattr(processes.dist, "all_reduce", all_reduce)
    monkeypatch.setattr(processes.dist, "all_gather", all_gather)
    return rank, said


def some(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_gradients_are_averaged_and_not_summed(together):
    _, said = together
    parameters = [torch.zeros(2, 3, requires_grad=True), torch.zeros(4, requires_grad=True)]
    unused = torch.zeros(5, requires_grad=True)
    ours, theirs = ([some(2, 3, seed=k), some(4, seed=k + 1)] for k in (0, 2))
    for p, slope in zip(parameters, ours, strict=True):
        p.grad = slope.clone()
    said.append(torch.cat([slope.flatten() for slope in theirs]))
    processes.average_gradients([*parameters, unused])
    for p, one, other in zip(parameters, ours, theirs, strict=True):
        assert torch.allclose(p.grad, (one + other) / 2)
    assert unused.grad is None


def test_sums_and_means(together):
    _, said = together
    ours, theirs = some(3), some(3, seed=1)
    said += [theirs, theirs]
    assert torch.allclose(processes.summed(ours), ours + theirs)
    assert torch.allclose(processes.averaged(ours), (ours + theirs) / 2)


def test_what_was_gathered_brings_both_processes_gradients_back(together):
    """Each process's loss reads the joint batch, so each has a say in every slice."""
    rank, said = together
    ours, theirs = some(3, 2).requires_grad_(), some(3, 2, seed=1)
    said.append(theirs)
    joint = processes.gathered(ours)
    order = [ours, theirs] if rank == 0 else [theirs, ours]
    assert torch.equal(joint, torch.cat(order))
    weights, others = some(6, 2, seed=2), some(6, 2, seed=3)
    said.append(others)
    (joint * weights).sum().backward()
    assert torch.allclose(ours.grad, (weights + others).chunk(2)[rank])


def test_a_joint_batch_is_cut_by_rank(together):
    rank, _ = together
    x, labels = some(6, 2), torch.arange(6)
    half = slice(3 * rank, 3 * rank + 3)
    for batch in ((x, labels), [x, labels]):
        mine = processes.share(batch)
        assert torch.equal(mine[0], x[half]) and torch.equal(mine[1], labels[half])
    mine = processes.share({"x": x, "y": labels})
    assert torch.equal(mine["x"], x[half]) and torch.equal(mine["y"], labels[half])
    with pytest.raises(ValueError, match="2 processes cannot share a batch of 5 equally"):
        processes.share(x[:5])
