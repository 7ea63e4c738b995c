"""Speech: what the ear hears in a sound (pitch, formants, spectra), and players for a page."""

from gantut.speech.measures import (
    cents,
    formants,
    linear_prediction,
    log_spectral_distance,
    log_spectrum,
    pitch,
)
from gantut.speech.players import Players, sequence

__all__ = [
    "Players",
    "cents",
    "formants",
    "linear_prediction",
    "log_spectral_distance",
    "log_spectrum",
    "pitch",
    "sequence",
]
