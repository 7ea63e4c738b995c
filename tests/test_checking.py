"""A check's report: it asserts, and prints what another processor prints too."""

import math

import pytest
import torch

from gantut.checking import report


@pytest.mark.parametrize(
    ("deviation", "printed"),
    [
        (0.0, "below 1e-09"),
        (3e-14, "below 1e-09"),
        (-0.0123, "2e-02"),
        (0.02, "2e-02"),
        (0.0951, "1e-01"),
        (torch.tensor(3.2), "4e+00"),
    ],
)
def test_one_digit_rounded_up(deviation, printed, capsys):
    report(deviation, 5)
    assert capsys.readouterr().out == f"largest deviation: {printed} (allowed 5)\n"


def test_it_asserts():
    for bad in (0.2, -0.2, math.nan, torch.tensor(math.inf)):
        with pytest.raises(AssertionError, match=r"gap: .*allowed 0.1"):
            report(bad, 0.1, "gap")
    with pytest.raises(ValueError, match="allowed must be a finite number > 0, got 0"):
        report(0.0, 0)
