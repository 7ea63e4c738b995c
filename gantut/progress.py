"""Progress bars, and when they stay silent."""

import multiprocessing
import os
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm


def quiet() -> bool | None:
    """What to give to tqdm as ``disable``.

    Returns:
        True under ``TQDM_DISABLE=1`` and in a process that another one has started, since the bars
        of several would mix; else None, with which bars show on terminals and in notebooks only.
    """
    silent = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    return silent or multiprocessing.parent_process() is not None or None


def bar(items: Iterable[Any], **options: Any) -> Iterable[Any]:
    """The items, with a progress bar beside a loop over them.

    Args:
        items: what to loop over.
        options: tqdm's, such as ``total`` or ``desc``.

    Example:
        >>> [k for k in bar(range(3))]
        [0, 1, 2]
    """
    return tqdm(items, disable=quiet(), **options)
