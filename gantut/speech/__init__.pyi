from .measures import (
    cents as cents,
    formants as formants,
    log_spectral_distance as log_spectral_distance,
    log_spectrum as log_spectrum,
    pitch as pitch,
)
from .players import Players as Players, sequence as sequence
from .spectrogram import (
    LogMel as LogMel,
    griffin_lim as griffin_lim,
    istft as istft,
    spectrogram_distance as spectrogram_distance,
    stft as stft,
)
