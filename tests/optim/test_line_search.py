"""Line searches: the conditions hold where they say so, and nothing runs for ever."""

import math

import pytest

from gantut.optim import line_search
from gantut.optim.line_search import Point, cubic_minimum

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


def search(phi, start, first, approximate=False, c1=1e-4, c2=0.1, max_evaluations=25):
    """The point, and whether the search ended before it had used up its evaluations."""
    calls = []

    def counted(a):
        calls.append(a)
        return phi(a)

    options = {"c1": c1, "c2": c2, "max_evaluations": max_evaluations}
    found = line_search.search(counted, start, first, approximate=approximate, **options)
    return found, len(calls) < max_evaluations


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
    point, _ = search(lambda a: (f(a), df(a)), begin, first, approximate, max_evaluations=60)
    assert point.value == f(point.step) and point.slope == df(point.step)
    assert point.value <= begin.value + 1e-4 * point.step * begin.slope + 1e-12 * abs(begin.value)
    assert abs(point.slope) <= -0.1 * begin.slope or (
        approximate and point.slope <= (2e-4 - 1) * begin.slope
    )


@pytest.mark.parametrize("approximate", [False, True])
def test_a_tight_search_finds_the_minimum(approximate):
    f, df = FUNCTIONS["steep"]
    tight = {"c1": 1e-10, "c2": 1e-9, "max_evaluations": 80}
    found, early = search(lambda a: (f(a), df(a)), start("steep"), 1.0, approximate, **tight)
    assert early and found.step == pytest.approx(math.log(20), abs=1e-7)


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

    found, _ = search(counted, Point(0.0, 0.0, -1.0), 1.0, approximate, max_evaluations=40)
    assert len(calls) <= 40
    assert all(math.isfinite(a) and a > 0 for a in calls)
    assert math.isfinite(found.value) and found.value <= 0.0 + 1e-12


def test_a_kink_gives_the_best_point_seen():
    f, df = FUNCTIONS["kink"]
    found, _ = search(lambda a: (f(a), df(a)), start("kink"), 1.0, max_evaluations=30)
    assert 0.05 < found.step < 0.15


def test_not_finite_beyond_a_wall_is_too_far():
    def phi(a):
        return ((a - 0.5) ** 2, 2 * (a - 0.5)) if a < 1 else (math.nan, math.nan)

    found, early = search(phi, Point(0.0, 0.25, -1.0), 64.0)
    assert early and abs(found.step - 0.5) < 0.06


def test_cubic_minimum():
    def cubic(a):
        return a**3 - 3 * a, 3 * a * a - 3

    a, b = (Point(s, *cubic(s)) for s in (0.0, 3.0))
    assert cubic_minimum(a, b) == pytest.approx(1.0)
    assert cubic_minimum(b, a) == pytest.approx(1.0)
    assert cubic_minimum(a, a) == 0.0  # the points coincide: no division
    assert cubic_minimum(Point(0, 0, 1), Point(2, 2, 1)) in (1.0, pytest.approx(1.0))  # a line
    assert cubic_minimum(Point(0, math.inf, 1), Point(2, 2, 1)) == 1.0


# Along φ with φ(0) = 0 and φ′(0) = −1, the first trial a = 1 lands on (value, slope). Armijo asks
# for a value below −c₁.
LANDINGS = [
    (-0.2, 0.0, False, True),  # a fifth of the promise came true, and it is flat
    (-2e-4, 0.05, False, True),
    (-0.5e-4, 0.05, False, False),  # flat, but too high
    (-0.2, 0.5, False, False),  # deep, but still steep
    (-0.2, -0.5, False, False),
    (-0.2, 0.0, True, True),
    (-0.2, 0.5, True, False),  # where values can be told apart, it is the strong condition
    (0.0, 0.5, True, True),  # where they cannot, the slopes decide: (2c₁ − 1) φ′(0) = 0.9998
    (0.0, 0.9999, True, False),
    (0.0, -0.5, True, False),
    (1e-3, 0.0, True, False),  # it must not have risen
]


@pytest.mark.parametrize(("value", "slope", "approximate", "taken"), LANDINGS)
def test_which_trials_are_taken(value, slope, approximate, taken):
    _, at_once = search(
        lambda a: (value, slope), Point(0.0, 0.0, -1.0), 1.0, approximate, max_evaluations=2
    )
    assert at_once == taken


def test_uphill_is_refused():
    with pytest.raises(ValueError, match="must go downhill, got the slope 0"):
        search(lambda a: (0.0, 0.0), Point(0.0, 0.0, 0.0), 1.0)
