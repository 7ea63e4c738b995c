from .measures import (
    cents as cents,
    formants as formants,
    log_spectral_distance as log_spectral_distance,
    log_spectrum as log_spectrum,
    pitch as pitch,
)
from .players import Players as Players, sequence as sequence
