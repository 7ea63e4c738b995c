"""Batches: every epoch a permutation, a pure function of the step, disjoint between processes."""

import pytest
import torch

from gantut.data import ImageData, TensorData


def numbered(n, labels=True):
    """n examples whose only value is their own number."""
    values = torch.arange(n, dtype=torch.float32).view(n, 1)
    return TensorData(values, torch.arange(n) % 3 if labels else None)


def numbers(batch):
    return batch.flatten().int().tolist()


def test_an_epoch_is_a_permutation_and_the_next_one_another():
    batches = numbered(20).batches(5, seed=1)
    epochs = [[i for k in range(4) for i in numbers(batches.batch(4 * e + k))] for e in range(3)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_batch_depends_on_its_number_alone():
    forward = numbered(20).batches(4, seed=2)
    there = [numbers(forward.batch(k)) for k in range(12)]
    backward = numbered(20).batches(4, seed=2)
    back = [numbers(backward.batch(k)) for k in reversed(range(12))]
    assert there == back[::-1]
    assert there != [numbers(numbered(20).batches(4, seed=3).batch(k)) for k in range(12)]


def test_the_order_is_the_one_that_runs_have_been_resumed_with():
    # Another order would break every checkpoint: a resumed run would see other batches.
    batches = numbered(10).batches(4, seed=7)
    assert [numbers(batches.batch(k)) for k in (0, 1, 2)] == [
        [1, 7, 4, 8],
        [5, 0, 2, 3],
        [7, 1, 2, 8],
    ]


def test_the_global_random_state_plays_no_part():
    torch.manual_seed(0)
    first = numbers(numbered(20).batches(4, seed=2).batch(7))
    before = torch.get_rng_state()
    torch.manual_seed(99)
    assert numbers(numbered(20).batches(4, seed=2).batch(7)) == first
    torch.manual_seed(0)
    numbered(20).batches(4).batch(0)
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_travel_with_their_examples():
    batches = numbered(20).batches(6, labels=True)
    for k in range(6):
        x, y = batches.batch(k)
        assert torch.equal(x.flatten().long() % 3, y)


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_joint_batch(world):
    joint = numbered(24).batches(4 * world, seed=5)
    parts = [numbered(24).batches(4, seed=5, process=(rank, world)) for rank in range(world)]
    for k in range(6):
        shares = [numbers(part.batch(k)) for part in parts]
        assert [i for share in shares for i in share] == numbers(joint.batch(k))
        assert all(len(share) == 4 for share in shares)


def test_what_does_not_fill_a_batch_is_left_out_of_its_epoch():
    batches = numbered(10).batches(4)
    epochs = [numbers(batches.batch(2 * e)) + numbers(batches.batch(2 * e + 1)) for e in range(30)]
    assert batches.per_epoch == 2 and all(len(set(epoch)) == 8 for epoch in epochs)
    assert {i for epoch in epochs for i in epoch} == set(range(10))


def test_a_loop_over_them_goes_on_and_starts_at_the_first():
    batches = numbered(8).batches(4)
    taken = [numbers(batch) for _, batch in zip(range(7), batches, strict=False)]
    assert taken == [numbers(batches.batch(k)) for k in range(7)]


def test_images_come_as_floats_between_0_and_1():
    images = ImageData(torch.tensor([0, 8, 16], dtype=torch.uint8).view(3, 1, 1, 1), maximum=16)
    batch = images.batches(3).batch(0)
    assert batch.dtype == torch.float32 and sorted(batch.flatten().tolist()) == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: numbered(0).batches(1), "batch_size must lie in 1 … 0 for 0 examples, got 1"),
        (lambda: numbered(5).batches(6), r"batch_size must lie in 1 … 5 for 5 examples, got 6"),
        (lambda: numbered(5).batches(0), r"batch_size must lie in 1 … 5 for 5 examples, got 0"),
        (
            lambda: numbered(5).batches(3, process=(0, 2)),
            r"1 … 2 for 5 examples in each of 2 processes, got 3",
        ),
        (lambda: numbered(6).batches(2, process=(2, 2)), r"the rank must lie in 0 … 1, got 2"),
        (
            lambda: numbered(5, labels=False).batches(2, labels=True),
            "the data set 'tensor' has no labels",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
