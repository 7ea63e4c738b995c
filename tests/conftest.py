"""Shared by all tests: no test writes into the user's own cache."""

import os
import tempfile

os.environ.setdefault(
    "GANTUT_CACHE", os.path.join(tempfile.gettempdir(), f"gantut-tests-{os.getuid()}")
)
os.environ.setdefault("MPLBACKEND", "agg")
