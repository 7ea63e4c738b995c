"""Assignments that grade themselves: what a student's notebook calls, and what grades a class.

In a notebook: ``Checker`` runs the visible tests of a question, and ``hold`` is what tests compare with. For a teacher:
``python -m gantut.grading A1-autograder.zip submissions -o grades``. Nothing else of the library imports this room.
"""

from gantut.grading.checker import Checker
from gantut.grading.compare import alone, hold

__all__ = ["Checker", "alone", "hold"]
