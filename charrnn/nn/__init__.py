"""The notes in code: recurrent networks with forward and backward passes written by hand.

NumPy (and threadpoolctl); nothing here knows of text, files, commands or progress.
"""
