"""The modules of docs/pictures, a folder of scripts: `from picture_modules import curve`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "docs/pictures"))

import curve
import make
import shots
import terminal

__all__ = ["curve", "make", "shots", "terminal"]
