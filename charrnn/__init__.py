"""charrnn: a character-level recurrent network for text, written out by hand in NumPy."""

__all__ = ["__version__"]

__version__ = "0.1.0"
