"""Probabilistic models: the VAE and its parts, the VQ-VAE and its parts, probabilistic PCA."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
