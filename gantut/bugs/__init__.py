"""The bug zoo: famous mistakes as small faulty functions, and the checks that reject them.

Installed as ``gantut.bugs``.

A *subject* is one small thing that can be got right or wrong: a loss, a penalty, a draw, a training
step. ``checks`` says what must hold of each subject; the library's own version passes, and that is
a test. ``zoo`` holds the faulty versions; each fails one named check, and that is a test too. The
errata chapter shows them, and the assignments grade with them.
"""

from gantut.bugs.checks import CHECKS, Rejected, first_failure, run_checks
from gantut.bugs.library import LIBRARY
from gantut.bugs.zoo import BUGS, Bug

__all__ = ["BUGS", "CHECKS", "LIBRARY", "Bug", "Rejected", "first_failure", "run_checks"]
