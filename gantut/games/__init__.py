"""Games of two players: small ones that can be understood completely, and the methods that play."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
