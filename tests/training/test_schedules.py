"""Schedules for β at steps that can be worked out by hand."""

import math

import pytest

from gantut.training import warmup


def test_values_by_hand():
    assert [warmup(4, 2.0)(k) for k in (0, 1, 2, 4, 9)] == [0.0, 0.5, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: warmup(0), "at least one step, got 0"),
        (lambda: warmup(5, -1.0), "beta must be a finite number ≥ 0, got -1"),
        (lambda: warmup(5, math.inf), "beta must be a finite number ≥ 0, got inf"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
