"""When progress bars stay silent."""

from __future__ import annotations

import os


def quiet() -> bool | None:
    """What tqdm's ``disable`` shall be: True under ``TQDM_DISABLE=1``; else None, which shows bars on terminals and in notebooks only."""
    return os.environ.get("TQDM_DISABLE", "0") not in ("", "0") or None
