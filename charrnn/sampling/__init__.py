"""Writing text: one symbol after the other, each drawn from what the model expects next."""

from charrnn.sampling.choice import Choice, Scratch, Streams
from charrnn.sampling.openings import opening
from charrnn.sampling.voices import sample

__all__ = ["Choice", "Scratch", "Streams", "opening", "sample"]
