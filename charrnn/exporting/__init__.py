"""Trained models as files of other programs: a format a file, chosen by suffix.

What a file says besides weights is the same in all of them (:mod:`charrnn.exporting.about`); the
weights are those of the checkpoint, in the layout of whoever is to read them.
"""

from charrnn.exporting.formats import export

__all__ = ["export"]
