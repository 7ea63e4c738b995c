"""Assignments that grade themselves: what a student's notebook calls, and what grades a class.

In a notebook: ``Checker`` runs the visible tests of a question, and ``hold`` is what tests compare
with. For a teacher:
``python -m gantut.grading A1-autograder.zip submissions -o grades``. Nothing else of the library
imports this room.

What keeps a submission in its place, from the outside in:

- It runs in a process of its own, forked from a server that holds no tests, with limits on memory,
  computing time, wall-clock time and file size. A submission that crashes or is stopped costs the
  others nothing.
- On Linux, where namespaces are granted (to root, and to users on most systems): no network, no
  view of other processes, a read-only file system with one small folder in memory, and the folders
  of submissions, grades and masters are empty. Root becomes a user that nobody has. Elsewhere
  (macOS, most plain containers) the limits remain, and the command says so.
- The tests arrive after the last cell has run. Printed scores mean nothing; messages carry a token
  that cells are not told.
- Before and after, the functions of the library, of PyTorch and of Python are compared with a
  snapshot. An audit hook stops programs, connections and writes outside of the folder, and reports
  looks into the grader. A wrong answer to each question runs among the real ones, and has to fail.
  What is found makes a score of 0 and is reported.

What remains possible: the tests call a student's functions inside the student's process, so
somebody who knows the interpreter well can pass the last line of defence and forge a result, for
instance by reading the process's memory. Such a person cannot reach other submissions where the
second line holds. For code of strangers put a container or a virtual machine without network around
the whole command, and read the submissions whose scores surprise you.
"""

from gantut.grading.checker import Checker
from gantut.grading.compare import alone, hold

__all__ = ["Checker", "alone", "hold"]
