"""Speech: what the ear hears in a sound (pitch, formants, spectra), and players for a page."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
