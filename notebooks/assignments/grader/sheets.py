"""Points from records and a teacher's hand, and what is written from them: a table, a page for each
student, and the files that a learning platform takes.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import re
import unicodedata
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from judge import earned
from submissions import Bundle

LATE, COMMENT, LONGEST = "late days", "comment", 500
# In each platform's own file: who a person is, the grade ("": a column that begins with the
# assignment's name), the maximum, a comment.
PLATFORMS = {
    "canvas": (["ID", "SIS User ID", "SIS Login ID", "Student"], "", "", ""),
    "moodle": (
        ["Identifier", "ID number", "Email address", "Username", "Full name"],
        "Grade",
        "",
        "Feedback comments",
    ),
    "gradescope": (["SID", "Email", "Name"], "Total Score", "Max Points", ""),
}


def number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def clean(value: Any) -> Any:
    """A text without what a terminal, a page or a table could take for an order."""
    if not isinstance(value, str):
        return value
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", value)
    hidden = ("Cc", "Cf", "Cs")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in hidden)


def safe(value: Any) -> Any:
    """A cell that a spreadsheet takes for a text, and no formula."""
    if not isinstance(value, str):
        return value
    value = clean(value).replace("\n", " ")[:LONGEST]
    return f"'{value}" if value.startswith(tuple("=+-@\t＝＋－＠")) else value


def rows(path: Path) -> list[dict[str, str]]:
    """A table that a spreadsheet wrote, in whatever way it does: marks, separators, encodings."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    found = csv.DictReader(io.StringIO(text), delimiter=separator, restval="")
    return [{k.strip(): (v or "").strip() for k, v in row.items() if k} for row in found]


def table(head: list[str], body: list[list[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([[safe(v) for v in row] for row in [head, *body]])
    return out.getvalue()


def points(text: str) -> float | None:
    """A number as people write it; None for nothing, and for what is no number."""
    try:
        value = float(text.replace(",", ".").lstrip("'"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class Result:
    """One student's points: from the tests, from the teacher's hand, less what is late."""

    def __init__(
        self, record: dict[str, Any], bundle: Bundle, hand: dict[str, str], late: float, days: float
    ) -> None:
        self.record, self.hand, self.student = record, hand, record["student"]
        self.points, self.tests = dict[str, float | None](), dict[str, list[dict[str, Any]]]()
        for question in bundle.questions:
            if not question["manual"]:
                name, heard = question["name"], record["results"].get(question["name"], [])
                self.points[name], self.tests[name] = earned(question, heard)
        names = [question["name"] for question in bundle.questions]
        written = {name: points(hand.get(name, "")) for name in [*names, LATE]}
        self.given = {name: value for name, value in written.items() if value is not None}
        self.points = {name: self.given.get(name, self.points.get(name)) for name in names}
        self.days = self.given.get(LATE, days)
        full = sum(value for value in self.points.values() if value is not None)
        self.score = round(full * max(0.0, 1 - late * self.days / 100), 2)
        self.open = [name for name, value in self.points.items() if value is None]
        self.out_of = sum(question["points"] for question in bundle.questions)


def scores(results: list[Result], bundle: Bundle, flags: dict[str, list[str]]) -> str:
    """The table of a class."""
    each = [
        f"{q['name']} (of {number(q['points'])}{', by hand' * q['manual']})"
        for q in bundle.questions
    ]
    body = []
    for one in results:
        record, values = one.record, ["" if v is None else number(v) for v in one.points.values()]
        notes = "; ".join([*record["notes"], *flags.get(one.student, []), *record["errors"]])
        total = [one.student, record["status"], number(one.score), number(one.out_of)]
        body.append([*total, *values, number(one.days), record["seconds"], notes])
    return table(["student", "status", "score", "out of", *each, LATE, "seconds", "notes"], body)


SIGNS = "ge=≥ le=≤ cdot=· gamma=γ sigma=σ mu=μ beta=β to=→ approx=≈ nabla=∇ lVert=‖ rVert=‖ times=×"


def plain_formulas(text: str) -> str:
    """A rubric's formulas as text: a page that stands alone has no program that draws them."""
    signs = dict(pair.split("=") for pair in SIGNS.split())
    for _ in range(3):
        text = re.sub(r"\\(?:operatorname|math\w+|text)\s*\{([^{}]*)\}", r"\1", text)
        text = re.sub(r"\\t?frac\s*\{([^{}]*)\}\{([^{}]*)\}", r"(\1)/(\2)", text)
    text = re.sub(r"\\([A-Za-z]+) ?", lambda m: signs.get(m[1], m[1]), text)
    return re.sub(r"\\[,;! ]", " ", re.sub(r"[${}]", "", text))


def page(result: Result, bundle: Bundle, show_hidden: bool = True) -> str:
    """One student's feedback as a page that stands alone."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, finalize=clean)
    environment.filters |= {"number": number, "plain_formulas": plain_formulas}
    template = environment.get_template("page.html")
    known = {"record": result.record, "hand": result.hand, "COMMENT": COMMENT}
    return template.render(result=result, bundle=bundle, show_hidden=show_hidden, **known)


def flat(text: str) -> str:
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9@.]", "", text)


def belongs(row: dict[str, str], student: str, columns: list[str]) -> bool:
    """Is this line of a platform's file about the student whose file has this name?"""
    words, whole = {flat(word) for word in re.split(r"[_\s]+", student)}, flat(student)
    said = [row.get(column, "").removeprefix("Participant") for column in columns]
    said += [f"{row.get('First Name', '')} {row.get('Last Name', '')}"]
    said += [" ".join(reversed(value.split(", "))) for value in said]
    names = {flat(value) for value in said} - {""}
    return any(name in words or len(name) > 5 and whole.startswith(name) for name in names)


def export(
    kind: str, template: Path, results: list[Result], bundle: Bundle
) -> tuple[str, list[str]]:
    """A platform's own file with the grades in it, and the students that it does not know, or that
    share a line.
    """
    who, grade, most, words = PLATFORMS[kind]
    people = rows(template)
    columns = list(people[0]) if people else []
    grade = grade or next((c for c in columns if c.startswith(bundle.name)), bundle.title)
    claims = [[one for one in results if belongs(row, one.student, who)] for row in people]
    unknown = [one.student for one in results if sum(one in claim for claim in claims) != 1]
    for row, claim in zip(people, claims, strict=True):
        if len(claim) == 1 and claim[0].student not in unknown:
            one, said = claim[0], claim[0].hand.get(COMMENT) or row.get(words, "")
            row |= {grade: number(one.score), most: number(one.out_of), words: said}
        else:
            unknown += [one.student for one in claim if one.student not in unknown]
    columns += [c for c in (grade, most, words) if c not in ["", *columns]]
    return table(columns, [[row.get(c, "") for c in columns] for row in people]), unknown


def alike(seen: dict[str, tuple[str, str]]) -> dict[str, list[str]]:
    """For a teacher's eye: who has the same file or nearly the same code as who. ``seen`` holds the
    digest of each file, and the student's own code.

    Code is compared by runs of six tokens, without comments and spaces. What a third of a larger
    class has in common says nothing, and does not count.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # it takes a second to load

    flags: dict[str, list[str]] = {name: [] for name in seen}
    names, both = sorted(seen), np.zeros((len(seen), len(seen)))
    counter = CountVectorizer(
        preprocessor=lambda text: re.sub(r"#[^\n]*", "", text), token_pattern=r"\w+|[^\w\s]",
        ngram_range=(6, 6), binary=True, max_df=max(3, len(seen) // 3),
    )  # fmt: skip
    with contextlib.suppress(ValueError):  # nobody wrote anything
        runs = counter.fit_transform([seen[name][1] for name in names])
        both = (runs @ runs.T).toarray()
    for a, b in itertools.combinations(range(len(names)), 2):
        (one, _), (other, _) = seen[names[a]], seen[names[b]]
        either = both[a, a] + both[b, b] - both[a, b]
        if one == other != "":
            what = "the same file as"
        elif either > 60 and both[a, b] > 0.7 * either:
            what = "code nearly the same as"
        else:
            continue
        for name, twin in ((names[a], names[b]), (names[b], names[a])):
            flags[name] += [f"{what} {twin}"] * (len(flags[name]) < 5)
    return flags
