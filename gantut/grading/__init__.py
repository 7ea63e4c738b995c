"""What an assignment's notebook calls: ``Checker`` runs the visible tests of a question, and the
tests are written with ``hold``, ``inside`` and ``alone``.

What grades a class stands outside of the library, in ``notebooks/assignments/grader``. Nothing else
of the library imports this room.
"""

from gantut.grading.checker import Checker
from gantut.grading.compare import alone, hold, inside

__all__ = ["Checker", "alone", "hold", "inside"]
