"""Several processes do what one does: every trainer, and what all say when one of them fails."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

PATH = Path(__file__).with_name("together.py")
SPEC = importlib.util.spec_from_file_location("together", PATH)
together = sys.modules["together"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(together)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one process found, and what each of two found."""
    return together.compare(tmp_path_factory.mktemp("together"))


@pytest.mark.parametrize("name", together.TRAINERS)
def test_two_processes_take_the_steps_of_one_with_the_joint_batch(name, found):
    alone, (first, second) = found
    assert together.deviation(alone[name], first["everything"][name]) < 1e-10
    assert together.deviation(first["everything"][name], second["everything"][name]) == 0


def test_the_comparison_sees_a_difference(found):
    """The steps move the weights, by far more than the tolerance; another batch would show."""
    alone, _ = found
    for name in together.TRAINERS:
        shorter = together.train(name, 2)
        assert (
            together.deviation(alone[name] | {"random state": shorter["random state"]}, shorter)
            > 1e-4
        ), name


def test_nobody_waits_for_ever(found):
    waited, came_late = (one["stands still"] for one in found[1])
    assert waited.startswith("process 0 of 2 waited in vain: another one has died or stands still")
    assert int(waited.split()[-2]) < 20 and came_late is None


def test_files_are_written_once_and_by_the_first(found):
    checks = [one["checks"] for one in found[1]]
    assert [check["writes"] for check in checks] == [2, 0]  # after two steps and at the end
    assert all(check["there"] for check in checks)
    assert checks[0]["image"].shape == (2, *together.SHAPE)


def test_weights_that_began_differently_are_made_equal(found):
    first, second = (one["checks"]["weights"] for one in found[1])
    assert torch.equal(first, second)


def test_data_that_is_cut_already_is_not_cut_again(found):
    alone = torch.cat(
        [v.flatten() for k, v in found[0]["GAN"].items() if k.startswith("generator ")]
    )
    assert (found[1][0]["checks"]["cut before"] - alone).abs().max() < 1e-10


def test_what_one_process_sees_all_of_them_say(found):
    for one in found[1]:
        assert one["checks"]["poisoned"].startswith(
            "NonFiniteError: step 0: the discriminator loss became nan"
        )
        assert "the batch itself holds NaN" in one["checks"]["poisoned"]
        assert one["checks"]["stop"] == "(4, True)"
        assert one["checks"]["odd batch"] == (
            "ValueError: 2 processes cannot share a batch of 5 equally; use a multiple of 2"
        )
        assert "before the processes joined" in one["early"]
    first, second = (one["checks"]["no folder"] for one in found[1])
    assert first.startswith("CheckpointError: cannot write the checkpoint") and "a file" in first
    assert (
        second
        == "ProcessError: process 1 of 2 stops, for process 0 failed; its own message says why"
    )
