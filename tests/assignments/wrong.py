"""How answers to an assignment are declared: wrong ones, with what the tests must say, and unusual
right ones.

``code`` runs after the whole solution, in its globals.
"""

from __future__ import annotations

from typing import NamedTuple


class Wrong(NamedTuple):
    """The question loses points, no other does, and a message matches ``says``."""

    name: str
    question: str
    code: str
    says: str


class Right(NamedTuple):
    """The question has all its points, and every other as well."""

    name: str
    question: str
    code: str
