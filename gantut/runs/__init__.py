"""Recorded runs: what the book's code reaches in an hour, kept with everything that made it.

A run is a folder with its weights, its log, and a card that says how it was made and what was
measured. ``load`` gives it back in a second; ``python -m gantut record NAME`` makes it again.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
