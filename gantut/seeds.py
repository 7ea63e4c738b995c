"""The same experiment with several seeds, side by side on the machine's cores.

One run of a method says nothing about the method. Five runs take five times as long, and do not
need each other: each core can take one.
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


def _workers() -> int:
    """How many runs go on at a time.

    ``GANTUT_WORKERS`` where it is set, else the cores that this process may use, at most 4.

    Raises:
        ValueError: the setting is not a whole number of at least 1.
    """
    chosen = os.environ.get("GANTUT_WORKERS") or str(min(cpu_count(), MOST))
    if not (chosen.isdecimal() and int(chosen) >= 1):
        raise ValueError(f"GANTUT_WORKERS must be a whole number of at least 1, got {chosen!r}")
    return int(chosen)


def repeat(function: Callable[..., Result], seeds: Iterable[Any], **options: Any) -> list[Result]:
    """``[function(seed, **options) for seed in seeds]``, several at a time: see ``compare``.

    Example:
        >>> repeat(lambda seed, times: times * seed, (1, 2, 3), times=10)
        [10, 20, 30]
    """
    return compare(function, seeds, {"": options})[""]


def compare(
    function: Callable[..., Result], seeds: Iterable[Any], cases: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[Result]]:
    """Run ``function(seed, **options)`` for every seed and every case, with a progress bar.

    Each run has one thread and its own global random state; with two cores or more the runs go on
    in processes of their own. So a run has to *return* what it found: what it writes into a
    variable outside is lost, and what it returns has to be picklable (tensors, numbers and samples
    are; a trainer of networks with spectral normalisation is not). The results do not depend on the
    number of processes. An error in a run is raised here as it is.

    Args:
        function: takes a seed first, and then a case's options by name.
        seeds: what to repeat every case with.
        cases: the options of each case, by the case's name.

    Returns:
        The results by the case's name, in the order of the seeds.

    Raises:
        TypeError: a result, or something the function needs, cannot be sent between processes.
        ValueError: the setting ``GANTUT_WORKERS`` is not a whole number of at least 1.

    Example:
        >>> cases = {"a": {"times": 1}, "b": {"times": 5}}
        >>> compare(lambda seed, times: times * seed, (1, 2), cases)
        {'a': [1, 2], 'b': [5, 10]}
    """
    seeds = list(seeds)
    runs = [(seed, dict(options)) for options in cases.values() for seed in seeds]
    at_once, dtype = max(1, min(_workers(), len(runs))), torch.get_default_dtype()
    tasks = (delayed(_alone)(function, *run, k, dtype) for k, run in enumerate(runs))
    with parallel_config("loky", inner_max_num_threads=1), warnings.catch_warnings():
        # joblib says that a worker was replaced where its memory grew; nothing is lost by that.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        try:
            found = list(bar(Parallel(at_once, return_as="generator")(tasks), total=len(runs)))
        except Exception as error:
            words = " ".join(str(error).split()).rstrip(".")
            unsent = any(word in words.lower() for word in ("pickl", "serializ"))
            if at_once == 1 or not (unsent or isinstance(error, pickle.PicklingError)):
                raise
            raise TypeError(
                f"{getattr(function, '__name__', function)} runs in processes of its own, and "
                f"something it needs or returns cannot be sent there: {words}. Return tensors and "
                "numbers, or set GANTUT_WORKERS=1"
            ) from error
    return {name: found[k * len(seeds) : (k + 1) * len(seeds)] for k, name in enumerate(cases)}


def _alone(function: Any, seed: Any, options: Any, number: int, dtype: torch.dtype) -> Any:
    """One run, the same in the caller's process as in a worker: see ``compare``."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that sums are rounded alike
    torch.set_default_dtype(dtype)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            return function(seed, **options)
    finally:
        torch.set_num_threads(threads)
