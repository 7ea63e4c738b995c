"""Named configurations of ``GANTrainer``: sets of options that belong together."""

from typing import Any

from gantut.losses.penalties import r1_r2


def r3gan(gamma: float = 1.0, *, penalty_every: int = 4, **changes: Any) -> dict[str, Any]:
    """R3GAN's recipe as options of ``GANTrainer``. [huang2024]

    Real and fake are judged in pairs, φ(D(x) − D(G(z))), which has no local optimum without the
    data's modes; and R1 and R2 together make its training converge near the equilibrium. Nothing
    else is needed: no BatchNorm, no minibatch statistics, no momentum.

    Args:
        gamma: γ of R1 and R2. Larger for images with more pixels, or fewer of them.
        penalty_every: compute them in every so many steps, times that number; the paper has 1.
        changes: other options, which win.

    Returns:
        Keyword arguments: loss, penalty, penalty_every, lr (5e-4), betas (0, 0.99), ema (0.999).

    Example:
        >>> import gantut
        >>> G = gantut.networks.MLPGenerator(2, (2,), hidden=(16,))
        >>> D = gantut.networks.MLPDiscriminator((2,), hidden=(16,))
        >>> trainer = gantut.GANTrainer(G, D, **r3gan(gamma=0.1), device="cpu")
        >>> trainer.penalty_every
        4
    """
    usual: dict[str, Any] = {"lr": 5e-4, "betas": (0.0, 0.99), "ema": 0.999}
    usual |= {"loss": "relativistic", "penalty": r1_r2(gamma), "penalty_every": penalty_every}
    return usual | changes
