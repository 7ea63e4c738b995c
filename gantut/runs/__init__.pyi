from .cards import Run as Run, RunError as RunError, load as load, names as names
from .recording import record as record
