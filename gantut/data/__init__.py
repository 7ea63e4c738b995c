"""Data: examples with labels, factors and file names; batches that are a function of the step.

A data set is a ``torch.utils.data.Dataset``: it has a length, ``data[i]``, and so goes into any
``DataLoader``. ``data.batches(64).batch(k)`` gives the k-th batch without one, in the same order
however often a run stops and resumes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
