"""Trainers: one short file per algorithm, whose ``step`` fits on one screen, on a thin base that
does the housekeeping.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
