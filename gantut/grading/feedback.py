"""The table of scores, and a page for each student."""

from __future__ import annotations

import csv
import html
import io
from typing import Any

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
td,th{padding:.3rem .5rem;border-bottom:1px solid #8886;text-align:left;vertical-align:top}
td:first-child{width:35%}small{opacity:.7;white-space:nowrap}
.pass{color:#1b6e3c}.fail{color:#a32a1a}.note{background:#f4f0e6;padding:.5rem .8rem}
pre{white-space:pre-wrap;background:#f4f4f4;padding:.6rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.note{background:#332f25}pre{background:#262626}.pass{color:#7fd1a0}.fail{color:#f0917f}}"""
WHY = {
    "timeout": "It ran longer than allowed and was stopped, so nothing could be graded. Is there an endless loop?",
    "memory": "It used more memory than allowed and was stopped, so nothing could be graded.",
    "crashed": "Its process ended before the tests did, so nothing could be graded.",
    "tampering": "It did what no answer needs and what could change its own grade. It was not graded; a person has to look.",
    "no notebook": "There was no notebook that could be read.",
}


def number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def table(records: list[dict[str, Any]], questions: list[dict[str, Any]]) -> str:
    """scores.csv: one line a student; the columns of written questions are empty, for a person to
    fill.
    """
    out = io.StringIO()
    names = [q["name"] for q in questions]
    head = [
        f"{q['name']} (of {number(q['points'])}{', by hand' if q['manual'] else ''})"
        for q in questions
    ]
    writer = csv.writer(out)
    writer.writerow(["student", "status", "score", "out of", "percent", *head, "seconds", "notes"])
    for record in records:
        earned = {q["name"]: number(q["earned"]) for q in record["questions"] if "earned" in q}
        percent = 100 * record["score"] / record["out_of"] if record["out_of"] else 0
        row = [
            record["student"],
            record["status"],
            number(record["score"]),
            number(record["out_of"]),
            number(percent),
        ]
        row += [
            *(earned.get(name, "") for name in names),
            record["seconds"],
            "; ".join(record["notes"]),
        ]
        writer.writerow([safe(value) for value in row])
    return out.getvalue()


def safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is not one."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def page(record: dict[str, Any], title: str, show_hidden: bool = True) -> str:
    """One student's feedback as a page that stands alone."""
    e = html.escape
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>{e(title)}</title>",
        f"<style>{STYLE}</style><h1>{e(title)}</h1><p>{e(record['student'])}: <strong>{number(record['score'])} of "
        f"{number(record['out_of'])} points</strong> from the tests. Written answers are read by a person.</p>",
    ]
    if record["status"] in WHY:
        parts.append(
            f"<p class=note><strong>{e(record['status'])}.</strong> {WHY[record['status']]}</p>"
        )
    if record["notes"]:
        parts.append(
            "<ul class=note>" + "".join(f"<li>{e(note)}</li>" for note in record["notes"]) + "</ul>"
        )
    if record["errors"]:
        parts.append(
            "<h2>Cells that raised an error</h2><pre>" + e("\n".join(record["errors"])) + "</pre>"
        )
    for question in record["questions"]:
        parts.append(f"<h2>{e(question['title'])}</h2>")
        if question["manual"]:
            parts.append(
                f"<p>Your answer:</p><pre>{e(question['answer'] or '(nothing)')}</pre><table>"
            )
            parts += [f"<tr><td>☐<td>of {number(p)}<td>{e(text)}" for p, text in question["rubric"]]
            parts.append("</table>")
            continue
        parts.append(
            f"<p>{number(question['earned'])} of {number(question['points'])} points</p><table>"
        )
        for test in question["tests"]:
            name, message = e(test["name"].removeprefix("test_").replace("_", " ")), test["message"]
            if test["hidden"] and not show_hidden:
                name, message = "a hidden test", message and "fails"
            elif test["hidden"]:
                name += " <small>(hidden)</small>"
            mark = (
                "<td class=pass>✓ passes" if message is None else f"<td class=fail>✗ {e(message)}"
            )
            parts.append(f"<tr><td>{name}{mark}")
        parts.append("</table>")
    return "\n".join(parts) + "\n"
