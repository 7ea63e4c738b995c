"""Optimizers for one loss: conjugate gradients, linear and nonlinear, and Newton's method."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
