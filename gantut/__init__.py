"""gantut: the small library under an executable book on GANs and VAEs.

Data flows one way: ``data → networks → logits or distributions → losses (N,) → training → metrics, plots``. Import the room you
need, for instance ``from gantut import data, networks, training``.
"""

__version__ = "0.1.0"
