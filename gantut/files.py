"""Files that are written whole or not at all: checkpoints, pictures, caches and exports."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside ``path``, which takes its place when the block ends well.

    The new file is flushed to the disk and then renamed over the old one, so that a process killed
    at any moment, or a full disk, leaves either the old file or the new one. It gets the rights
    that a file made by ``open`` would have. Folders on the way are made.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full; the message names
            ``path``.

    Example:
        >>> with whole("out/notes.txt") as beside:  # writes a file  # doctest: +SKIP
        ...     beside.write_text("all of it")
    """
    path, beside = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        beside = Path(name)
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o666 & ~mask)
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def put(path: str | os.PathLike, content: bytes) -> Path:
    """Write ``content`` to ``path``, whole or not at all; return the path. Raises as ``whole``."""
    with whole(path) as beside:
        beside.write_bytes(content)
    return Path(path)
