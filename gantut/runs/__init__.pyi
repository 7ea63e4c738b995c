from .cards import Run as Run, RunError as RunError, load as load, names as names
from .recipe import Figure as Figure, Part as Part, Recipe as Recipe
from .recording import record as record
