"""Trained models as files for other programs: one format for each file name suffix.

What a file contains besides weights is the same in all formats (:mod:`charrnn.exporting.about`);
the weights are those of the checkpoint, in the layout of the program that reads them.
"""

from charrnn.exporting.formats import export

__all__ = ["export"]
