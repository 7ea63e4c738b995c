"""Checkpoint files that are never half written and never run code.

A file is written beside its final place, flushed to the disk, and then renamed over the old one: a process killed at any moment leaves
either the old file or the new one. Reading uses PyTorch's ``weights_only`` mode, which accepts tensors and plain containers and refuses
everything else.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import torch

FORMAT, VERSION = "gantut checkpoint", 1


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, read, or used here; the message names the file, what was found and what was expected."""


def write(path: str | os.PathLike, content: dict[str, Any]) -> Path:
    """Write ``content`` (tensors and plain containers) to ``path`` atomically; return the path.

    Raises:
        CheckpointError: the folder cannot be made or written; a file already there is untouched.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            torch.save({"format": FORMAT, "version": VERSION, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"cannot write the checkpoint {path}: {error}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return path


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Read what ``write`` wrote, onto the CPU.

    Raises:
        CheckpointError: there is no such file, it is truncated, was not written here, or holds something else than tensors and plain
            containers.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint at {path}; expected a file written by a trainer's save()"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} ({path.stat().st_size} bytes) is truncated or no checkpoint of ours; "
            "expected a file written by a trainer's save()"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a PyTorch file, but none written by a trainer's save()")
    if content.get("version") != VERSION:
        raise CheckpointError(f"{path} has version {content.get('version')}; expected {VERSION}")
    return content


def check_same_tensors(path: str | os.PathLike, name: str, found: dict, expected: dict) -> None:
    """Raise ``CheckpointError`` unless two state dicts hold tensors of the same names and shapes; name the first difference."""
    for key in [*expected, *found]:
        there = "nothing" if key not in found else f"shape {tuple(found[key].shape)}"
        here = "nothing" if key not in expected else f"shape {tuple(expected[key].shape)}"
        if there != here:
            raise CheckpointError(
                f"{path} is a checkpoint of another architecture: {name}.{key} has {there} there, {here} expected"
            )
