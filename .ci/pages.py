"""What the scripts that write a page of the book have in common."""

from __future__ import annotations

import sys
from pathlib import Path


def settle(page: Path, text: str, complaint: str) -> int:
    """Write the page, or with `--check` only say whether it holds this text already; the exit
    status.
    """
    if "--check" not in sys.argv:
        page.write_text(text, encoding="utf-8")
    elif not page.exists() or page.read_text(encoding="utf-8") != text:
        print(complaint, file=sys.stderr)
        return 1
    return 0
