"""Progress bars, and when they stay silent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm


def quiet() -> bool | None:
    """What tqdm's ``disable`` shall be: True under ``TQDM_DISABLE=1``; else None, which shows bars on terminals and in notebooks only."""
    return os.environ.get("TQDM_DISABLE", "0") not in ("", "0") or None


def bar(items: Iterable[Any], **options: Any) -> Iterable[Any]:
    """The items, with a progress bar beside a loop over them; silent where ``quiet`` says so."""
    return tqdm(items, disable=quiet(), **options)
