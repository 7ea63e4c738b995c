"""Line searches: the conditions hold where they say so, and nothing divides by zero or runs for ever."""

import math

import pytest

from gantut.optim.line_search import Point, cubic_minimum, search

FUNCTIONS = {
    "quadratic": (lambda a: (a - 3) ** 2, lambda a: 2 * (a - 3)),
    "steep": (lambda a: math.exp(min(a, 700)) - 20 * a, lambda a: math.exp(min(a, 700)) - 20),
    "wavy": (
        lambda a: -a + 0.3 * math.sin(12 * a) + 0.05 * a * a,
        lambda a: -1 + 3.6 * math.cos(12 * a) + 0.1 * a,
    ),
    "flat": (lambda a: -1e-9 * a + 1e-12 * a * a, lambda a: -1e-9 + 2e-12 * a),
    "kink": (lambda a: abs(a - 0.1), lambda a: 1.0 if a > 0.1 else -1.0),
}


def start(name):
    f, df = FUNCTIONS[name]
    return Point(0.0, f(0.0), df(0.0))


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize("first", [1e-6, 0.3, 1.0, 1e4])
@pytest.mark.parametrize("name", ["quadratic", "steep", "wavy", "flat"])
def test_the_conditions_hold(name, first, approximate):
    f, df = FUNCTIONS[name]
    begin = start(name)
    if name == "wavy":
        begin = Point(0.0, f(0.13), df(0.13))
        f, df = (
            (lambda a: FUNCTIONS["wavy"][0](a + 0.13)),
            (lambda a: FUNCTIONS["wavy"][1](a + 0.13)),
        )
    found = search(
        lambda a: (f(a), df(a)), begin, first, approximate=approximate, max_evaluations=60
    )
    assert found.accepted and 0 < found.evaluations <= 60
    point = found.point
    assert point.value == f(point.step) and point.slope == df(point.step)
    assert point.value <= begin.value + 1e-4 * point.step * begin.slope + 1e-12 * abs(begin.value)
    assert abs(point.slope) <= -0.1 * begin.slope or (
        approximate and point.slope <= (2e-4 - 1) * begin.slope
    )


@pytest.mark.parametrize("approximate", [False, True])
def test_a_tight_search_finds_the_minimum(approximate):
    f, df = FUNCTIONS["steep"]
    found = search(
        lambda a: (f(a), df(a)),
        start("steep"),
        1.0,
        approximate=approximate,
        c1=1e-10,
        c2=1e-9,
        max_evaluations=80,
    )
    assert found.accepted and found.point.step == pytest.approx(math.log(20), abs=1e-7)


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize(
    "phi",
    [
        lambda a: (math.nan, math.nan),
        lambda a: (math.inf, 1.0),
        lambda a: (1.0 + a, -1.0),  # says it falls, and rises
        lambda a: (-a, -1.0),  # falls for ever
        lambda a: (1.0, -1.0),  # two trial points with one value
        lambda a: (0.0 if a == 0 else 1.0, -1.0),
    ],
)
def test_impossible_functions_end(phi, approximate):
    calls = []

    def counted(a):
        calls.append(a)
        return phi(a)

    found = search(counted, Point(0.0, 0.0, -1.0), 1.0, approximate=approximate, max_evaluations=40)
    assert len(calls) == found.evaluations <= 40
    assert all(math.isfinite(a) and a > 0 for a in calls)
    assert math.isfinite(found.point.value) and found.point.value <= 0.0 + 1e-12


def test_a_kink_gives_the_best_point_seen():
    f, df = FUNCTIONS["kink"]
    found = search(lambda a: (f(a), df(a)), start("kink"), 1.0, max_evaluations=30)
    assert not found.accepted
    assert 0.05 < found.point.step < 0.15


def test_not_finite_beyond_a_wall_is_too_far():
    def phi(a):
        return ((a - 0.5) ** 2, 2 * (a - 0.5)) if a < 1 else (math.nan, math.nan)

    found = search(phi, Point(0.0, 0.25, -1.0), 64.0)
    assert found.accepted and abs(found.point.step - 0.5) < 0.06


def test_cubic_minimum():
    def cubic(a):
        return a**3 - 3 * a, 3 * a * a - 3

    a, b = (Point(s, *cubic(s)) for s in (0.0, 3.0))
    assert cubic_minimum(a, b) == pytest.approx(1.0)
    assert cubic_minimum(b, a) == pytest.approx(1.0)
    assert cubic_minimum(a, a) == 0.0  # the points coincide: no division
    assert cubic_minimum(Point(0, 0, 1), Point(2, 2, 1)) in (1.0, pytest.approx(1.0))  # a line
    assert cubic_minimum(Point(0, math.inf, 1), Point(2, 2, 1)) == 1.0


def test_bad_input():
    with pytest.raises(ValueError, match="a direction of descent, got the slope 0"):
        search(lambda a: (0.0, 0.0), Point(0.0, 0.0, 0.0), 1.0)
    with pytest.raises(ValueError, match="0 < c1 < c2 < 1, got 0.5 and 0.1"):
        search(lambda a: (0.0, 0.0), Point(0.0, 0.0, -1.0), 1.0, c1=0.5)
