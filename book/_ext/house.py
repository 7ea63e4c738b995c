"""What the book needs beside its extensions: no doubled scripts, and citations inside docstrings."""

from __future__ import annotations

import re
from typing import Any

# A citation key in a docstring, such as [goodfellow2014] or [arjovsky2017, lim2017].
KEYS = re.compile(r"\[([a-z]+\d{4}[a-z]*(?:, [a-z]+\d{4}[a-z]*)*)\]")
# A bar that would open a substitution, as in |rate − C|; what stands in double backticks is left alone.
BAR = re.compile(r"(``.*?``)|(?<!\\)\|(?=\S)")


def drop_doubled_scripts(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Keep the first of equal script entries: sphinx-thebe adds its own once per page that was built before this one."""
    seen, kept = set(), []
    for script in context.get("script_files", []):
        key = (getattr(script, "filename", script), str(getattr(script, "attributes", "")))
        if key not in seen:
            seen.add(key)
            kept.append(script)
    context["script_files"] = kept


def cite(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Turn the keys in a docstring into citations, and keep stars as in (N, *shape) and bars as in |x| from being markup."""
    for number, line in enumerate(lines):
        line = re.sub(r"(?<![*\\])\*(?=\w)", r"\\*", line)
        line = BAR.sub(lambda match: match[1] or r"\|", line)
        lines[number] = KEYS.sub(lambda match: f":cite:`{match[1].replace(' ', '')}`", line)


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", drop_doubled_scripts, priority=900)
    app.connect("autodoc-process-docstring", cite)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
