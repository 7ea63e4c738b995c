"""Two small repairs of what the book's extensions put into a page."""

from __future__ import annotations

from typing import Any


def drop_doubled_scripts(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Keep the first of equal script entries: sphinx-thebe adds its own once per page that was built before this one."""
    seen, kept = set(), []
    for script in context.get("script_files", []):
        key = (getattr(script, "filename", script), str(getattr(script, "attributes", "")))
        if key not in seen:
            seen.add(key)
            kept.append(script)
    context["script_files"] = kept


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", drop_doubled_scripts, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
