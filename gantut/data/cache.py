"""A folder for tensors that take time to make. Losing it costs that time and nothing else."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor


def cache_folder() -> Path:
    """Where cached tensors lie: ``GANTUT_CACHE`` if it is set, else the platform's place for caches."""
    if chosen := os.environ.get("GANTUT_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gantut"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gantut"


def cached(key: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What ``make`` gives, from the cache when it lies there under ``key``.

    A damaged file is made anew; where the folder cannot be written, nothing is kept. The file is put in place whole or not at all.
    """
    path = cache_folder() / f"{key}.pt"
    # Whatever is wrong with a cached file, making it anew is right.
    with contextlib.suppress(Exception):
        content = torch.load(path, weights_only=True)
        if isinstance(content, dict) and all(
            isinstance(value, Tensor) for value in content.values()
        ):
            return content
    content = make()
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{key}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            torch.save(content, file)
        os.replace(temporary, path)
    except OSError:
        pass  # an unwritable cache is no reason to stop
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return dict(content)
