"""How good is a model? Distances between samples, coverage, and bounds on the likelihood."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
