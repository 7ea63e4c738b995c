"""Schedules for β at steps that can be worked out by hand."""

import math

import pytest

from gantut.losses import SCHEDULES, constant, cyclical, linear, sigmoid


def test_values_by_hand():
    assert [linear(4, 2.0)(k) for k in (0, 1, 2, 4, 9)] == [0.0, 0.5, 1.0, 2.0, 2.0]
    assert [constant(0.3)(k) for k in (0, 100)] == [0.3, 0.3]
    wave = cyclical(10, rising=0.5)
    assert [wave(k) for k in (0, 1, 5, 9, 10, 12)] == pytest.approx([0.0, 0.2, 1.0, 1.0, 0.0, 0.4])
    curve = sigmoid(100, 2.0)
    assert curve(50) == pytest.approx(1.0)
    assert curve(0) == pytest.approx(2 / (1 + math.exp(6)))
    assert curve(10**6) == pytest.approx(2.0)
    values = [curve(k) for k in range(0, 200, 10)]
    assert values == sorted(values)


@pytest.mark.parametrize("name", SCHEDULES)
def test_finite_and_not_negative(name):
    schedule = constant() if name == "constant" else SCHEDULES[name](7)
    assert all(0 <= schedule(k) <= 1 for k in (0, 1, 6, 7, 8, 10**9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear(0), "at least one step, got 0"),
        (lambda: sigmoid(5, -1.0), "beta must be a finite number ≥ 0, got -1"),
        (lambda: constant(math.inf), "beta must be a finite number ≥ 0, got inf"),
        (lambda: cyclical(5, rising=0.0), r"rising must lie in \(0, 1\], got 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
