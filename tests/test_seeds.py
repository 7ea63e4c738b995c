"""Runs side by side: the same results in the same order, errors, and what cannot travel.

Functions that run in workers are made inside a test: a worker takes those by value, and cannot
import a test module, whose name depends on how pytest was started.
"""

import os

import pytest
import torch

from gantut.networks import MLPDiscriminator, MLPGenerator
from gantut.progress import quiet
from gantut.seeds import _workers, compare, repeat


@pytest.fixture(params=["1", "2"])
def at_once(request, monkeypatch):
    monkeypatch.setenv("GANTUT_WORKERS", request.param)
    return int(request.param)


@pytest.fixture
def drawn():
    def drawn(seed, *, width=4):
        network = MLPGenerator(2, (3,), hidden=(width,), seed=seed)
        return network(torch.ones(1, 2)).detach(), os.getpid(), torch.get_num_threads()

    return drawn


def test_cases_and_seeds_keep_their_order_and_their_numbers(at_once, drawn):
    found = compare(drawn, (3, 1, 2), {"narrow": {}, "wide": {"width": 16}})
    assert list(found) == ["narrow", "wide"]
    for name, width in (("narrow", 4), ("wide", 16)):
        for seed, (numbers, _, _) in zip((3, 1, 2), found[name], strict=True):
            assert torch.equal(numbers, drawn(seed, width=width)[0])
    runs = [run for case in found.values() for run in case]
    assert ({process for _, process, _ in runs} == {os.getpid()}) == (at_once == 1)
    assert {threads for _, _, threads in runs} == {1}


def test_unseeded_draws_do_not_depend_on_the_number_of_processes(monkeypatch):
    found = []
    for count in ("1", "2"):
        monkeypatch.setenv("GANTUT_WORKERS", count)
        before = torch.get_rng_state()
        found.append(repeat(lambda seed: torch.rand(3).tolist(), range(4)))
        assert torch.equal(torch.get_rng_state(), before)
    assert found[0] == found[1] and len({tuple(numbers) for numbers in found[0]}) == 4


def test_one_seed_or_none_needs_no_process(at_once, drawn):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        _, process, threads = repeat(drawn, [5])[0]
        assert (process, threads, torch.get_num_threads()) == (os.getpid(), 1, 2)
    finally:
        torch.set_num_threads(before)
    assert repeat(drawn, []) == [] and compare(drawn, range(2), {}) == {}


def test_the_callers_type_holds_in_every_run(at_once):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert repeat(lambda seed: torch.ones(1).dtype, range(2)) == [torch.float64] * 2
    finally:
        torch.set_default_dtype(before)


def test_workers_show_no_bars_of_their_own(monkeypatch):
    monkeypatch.setenv("GANTUT_WORKERS", "2")
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    assert quiet() is None and repeat(lambda seed: quiet(), range(2)) == [True, True]


def test_an_error_of_a_run_arrives_as_it_is(at_once):
    def broken(seed):
        raise ValueError(f"seed {seed} is bad")

    with pytest.raises(ValueError, match=r"seed \d is bad"):
        repeat(broken, range(2))


def test_what_cannot_travel_is_said(monkeypatch):
    monkeypatch.setenv("GANTUT_WORKERS", "2")
    steps = (k for k in range(5))
    for function, name in (
        (lambda seed: MLPDiscriminator((2,), spectral_norm=True), "<lambda>"),
        (lambda seed: next(steps), "<lambda>"),
    ):
        with pytest.raises(
            TypeError, match=rf"{name} runs in processes of its own.*GANTUT_WORKERS=1"
        ):
            repeat(function, range(2))


def test_the_number_of_processes(monkeypatch):
    monkeypatch.delenv("GANTUT_WORKERS", raising=False)
    assert 1 <= _workers() <= 4
    monkeypatch.setenv("GANTUT_WORKERS", "7")
    assert _workers() == 7
    for bad in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("GANTUT_WORKERS", bad)
        with pytest.raises(ValueError, match=f"whole number of at least 1, got '{bad}'"):
            _workers()
