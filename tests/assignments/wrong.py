"""How a wrong submission is declared: a mistake in one question, and what the grader must say about
it.
"""

from __future__ import annotations

from typing import NamedTuple

from gantut.bugs import BUGS


class Wrong(NamedTuple):
    """``code`` is appended to the solution of ``question``; the question loses points, and a
    message matches ``says``.
    """

    name: str
    question: str
    code: str
    says: str


def zoo(bug: str, as_: str) -> str:
    """The code of an answer that is a bug of the zoo.

    Raises:
        ValueError: the zoo has no such bug.
    """
    if bug not in BUGS:
        raise ValueError(f"no bug {bug!r} in the zoo")
    return f'from gantut.bugs import BUGS\n\n{as_} = BUGS["{bug}"].faulty\n'
