"""gantut: the small library under an executable book on GANs and VAEs.

Data flows one way: ``data → networks → logits or distributions → losses (N,) → training →
metrics, plots``. What a chapter needs most has a flat name, ``gantut.VAE`` or
``gantut.GANTrainer``; the rest is in rooms, ``gantut.losses.r1``. Both load when they are first
used, so ``import gantut`` costs nothing.
"""

import lazy_loader

# The names and where they live are in __init__.pyi, which type checkers and editors read as well.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
