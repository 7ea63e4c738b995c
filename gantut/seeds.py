"""The same experiment with several seeds, side by side on the machine's cores.

One run of a method says nothing about the method. Five runs take five times as long, and do not need each other: each core can take one.
"""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from joblib import Parallel, cpu_count, delayed, parallel_config

from gantut.progress import bar

Result = TypeVar("Result")
MOST = 4  # processes; each holds a PyTorch of its own, about 400 MB


def workers() -> int:
    """How many runs go on at a time: ``GANTUT_WORKERS`` where it is set, else the cores that this process may use, at most 4.

    Raises:
        ValueError: the setting is not a whole number of at least 1.
    """
    chosen = os.environ.get("GANTUT_WORKERS", "")
    if not chosen:
        return min(cpu_count(), MOST)
    if not (chosen.isdecimal() and int(chosen) >= 1):
        raise ValueError(f"GANTUT_WORKERS must be a whole number of at least 1, got {chosen!r}")
    return int(chosen)


def repeat(function: Callable[..., Result], seeds: Iterable[Any], **options: Any) -> list[Result]:
    """``[function(seed, **options) for seed in seeds]``, in this order, with a progress bar.

    Each run has one thread; with two cores or more they go on in processes of their own. So a run has to *return* what it found: what it
    writes into a variable outside is lost, and what it returns has to be picklable (tensors, numbers and samples are; a trainer of
    networks with spectral normalisation is not). The results do not depend on the number of processes. An error in a run is raised here.

    Raises:
        TypeError: a result, or something the function needs, cannot be sent between processes.
    """
    return compare(function, seeds, {"": options})[""]


def compare(
    function: Callable[..., Result], seeds: Iterable[Any], cases: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[Result]]:
    """``{name: [function(seed, **options) for seed in seeds]}`` for each name and its options in ``cases``: ``repeat`` for several at once.

    Raises:
        TypeError: as in ``repeat``.
    """
    seeds = list(seeds)
    runs = [(seed, dict(options)) for options in cases.values() for seed in seeds]
    at_once = min(workers(), len(runs))
    results = _side_by_side(function, runs, at_once) if at_once > 1 else _one_by_one(function, runs)
    return {name: results[k * len(seeds) : (k + 1) * len(seeds)] for k, name in enumerate(cases)}


def _one_by_one(function: Callable[..., Any], runs: list[tuple[Any, dict[str, Any]]]) -> list[Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker, so that sums are rounded alike
    try:
        return [function(seed, **options) for seed, options in bar(runs)]
    finally:
        torch.set_num_threads(threads)


def _side_by_side(
    function: Callable[..., Any], runs: list[tuple[Any, dict[str, Any]]], at_once: int
) -> list[Any]:
    with (
        parallel_config("loky", n_jobs=at_once, inner_max_num_threads=1),
        warnings.catch_warnings(),
    ):
        # joblib says that a worker was replaced where its memory grew; nothing is lost by that.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        tasks = Parallel(return_as="generator")(
            delayed(_alone)(function, seed, options, torch.get_default_dtype())
            for seed, options in runs
        )
        try:
            return list(bar(tasks, total=len(runs)))
        except (pickle.PicklingError, TypeError, AttributeError, RuntimeError) as error:
            if not _about_pickling(error):
                raise
            name, why = (
                getattr(function, "__name__", function),
                " ".join(str(error).split()).rstrip("."),
            )
            raise TypeError(
                f"{name} runs in processes of its own, and something it needs or returns cannot be sent there: {why}. "
                "Return tensors and numbers, or set GANTUT_WORKERS=1"
            ) from error


def _alone(
    function: Callable[..., Any], seed: Any, options: dict[str, Any], dtype: torch.dtype
) -> Any:
    """One run in a worker: one thread, no bar of its own, and the caller's default type."""
    os.environ["TQDM_DISABLE"] = "1"
    torch.set_num_threads(1)
    torch.set_default_dtype(dtype)
    return function(seed, **options)


def _about_pickling(error: BaseException) -> bool:
    """Whether an error came from sending values between processes, and not from the run itself."""
    return isinstance(error, pickle.PicklingError) or any(
        word in str(error).lower() for word in ("pickl", "serializ")
    )
