"""A check's report: it asserts, and prints what another processor prints too."""

import configparser
import math
import re
from pathlib import Path

import pytest
import torch

from gantut.checking import minimise, report


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


def test_the_nearest_false_statement_is_named_and_rounded_down(capsys):
    report(
        1e-12, 1e-9, "values", otherwise={"with a minus": 3.0, "with p for q": torch.tensor(0.29)}
    )
    report(0.0, 1e-9, "values", otherwise={"unclamped": math.inf})
    report(0.0, 1e-12, "values", otherwise={"in single precision": 2.99e-10})
    assert capsys.readouterr().out.splitlines() == [
        "✓ values: below 1e-09 (allowed 1e-09); with p for q they would be off by 2e-01",
        "✓ values: below 1e-09 (allowed 1e-09); unclamped they would be off by infinitely much",
        "✓ values: below 1e-09 (allowed 1e-12); in single precision they would be off by 2e-10",
    ]


def test_a_check_that_a_false_statement_would_pass_fails():
    for off in (0.0, 0.99, math.nan):
        with pytest.raises(
            AssertionError, match=r"gap: with a minus it would be off by .*allowed 0.1"
        ):
            report(0.0, 0.1, "gap", otherwise={"with a plus": 5.0, "with a minus": off})
    report(0.0, 0.1, "gap", otherwise={"with a minus": 1.0})
    with pytest.raises(ValueError, match="no false statement"):
        report(0.0, 0.1, otherwise={})


@pytest.mark.parametrize("off", [-5.0, torch.tensor(-1e-12), -math.inf])
def test_a_false_inequality_that_holds_with_room_has_no_teeth(off, capsys):
    """It is below its bound; its absolute value would count as a deviation."""
    with pytest.raises(ValueError, match="gap: with 9 for 1 the deviation is -.* expected a numb"):
        report(0.0, 0.1, "gap", otherwise={"with a plus": 5.0, "with 9 for 1": off})
    assert capsys.readouterr().out == ""


def test_minimise_finds_the_bottom_of_a_valley():
    at = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    found = minimise(lambda: 100 * (at[1] - at[0] ** 2) ** 2 + (1 - at[0]) ** 2, at)
    assert found < 1e-18 and torch.allclose(
        at.detach(), torch.ones(2, dtype=torch.float64), atol=1e-9
    )
    assert at.grad is None or not at.grad.any()


def test_minimise_leaves_frozen_parameters_alone_and_refuses_to_do_nothing():
    free, frozen = torch.ones(2, requires_grad=True), torch.ones(2)
    minimise(lambda: (free - 2 * frozen).square().sum(), free, frozen)
    assert torch.allclose(free.detach(), 2 * torch.ones(2)) and torch.equal(frozen, torch.ones(2))
    with pytest.raises(ValueError, match="requires a gradient"):
        minimise(lambda: frozen.sum(), frozen)


def test_minimise_reports_a_loss_without_a_bottom():
    at = torch.ones(1, dtype=torch.float64, requires_grad=True)
    with pytest.raises(AssertionError, match="ended at -inf"):
        minimise(lambda: -(500 * at).exp().sum(), at)


def test_nbval_compares_the_limit_of_a_report_and_not_its_digit():
    """The cell asserts the deviation; its digit may differ between processors, its limit not."""
    settings = configparser.ConfigParser()
    settings.read(Path(__file__).parent / "nbval.cfg", encoding="utf-8")

    def clean(text):
        for section in settings.values():
            if "regex" in section:
                text = re.sub(section["regex"], section["replace"], text)
        return text

    assert (
        clean("gap: 7e-09 (allowed 0.001)")
        == clean("gap: below 1e-09 (allowed 0.001)")
        == "gap: DEVIATION (allowed 0.001)"
    )
    assert clean("gap: 7e-09 (allowed 0.001)") != clean("gap: 7e-09 (allowed 0.01)")
    assert clean("rate 7e-09") == "rate 7e-09"
