"""A folder for tensors that take time to make. Losing it costs that time and nothing else."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gantut.files import whole


def cache_folder() -> Path:
    """Where cached tensors lie: in ``GANTUT_CACHE``, or else the user's place for caches."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("GANTUT_CACHE") or user / "gantut")


def cached(key: str, make: Callable[..., dict[str, Tensor]], **options: Any) -> dict[str, Tensor]:
    """What ``make(**options)`` gives, from the cache where it lies there already.

    The file's name holds the key and every option, so that nothing ``make`` is told can be
    forgotten in it. A damaged file is made anew; where the folder cannot be written, nothing is
    kept. The file is put in place whole or not at all.

    Args:
        key: says what is made, and in which version.
        make: gives tensors by name; it depends on its options and on nothing else.
        options: short values (numbers, words) that ``make`` takes.
    """
    name = "-".join([key, *(f"{option}={value}" for option, value in options.items())])
    path = cache_folder() / f"{name}.pt"
    # Whatever is wrong with a cached file, making it anew is right.
    with contextlib.suppress(Exception):
        content = torch.load(path, weights_only=True)
        if all(isinstance(value, Tensor) for value in content.values()):
            return content
    content = make(**options)
    # An unwritable cache is no reason to stop.
    with contextlib.suppress(OSError), whole(path) as beside:
        torch.save(content, beside)
    return dict(content)
