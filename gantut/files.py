"""Files that are written whole or not at all, and folders in which one process works at a time."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(folder: str | os.PathLike, error: type[Exception], does: str) -> Iterator[None]:
    """Keep other processes out of a folder for as long as the block runs.

    The system holds the lock, so that a process that dies leaves the folder open. A file ``.lock``
    stays in it, with the number of the process that was there last. The folder is made where it is
    missing.

    Args:
        folder: what other processes are to stay out of.
        error: raised where another process is there, with a message that names it.
        does: what processes do there, in words: "records in".

    Example:
        >>> with locked("out", RuntimeError, "writes to"):  # makes a folder  # doctest: +SKIP
        ...     put("out/notes.txt", b"all of it")
    """
    import fcntl  # Windows has none

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as file:
        file.seek(0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise error(f"process {file.read()} {does} {folder}; wait for it") from taken
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


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
