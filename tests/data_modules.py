"""The modules of data/, a folder of scripts and no package: `from data_modules import reber`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "data"))

import brackets
import make_data
import markov
import reber

DATA = make_data.FOLDER

__all__ = ["DATA", "brackets", "make_data", "markov", "reber"]
