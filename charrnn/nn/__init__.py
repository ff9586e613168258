"""The notes in code: recurrent networks with forward and backward passes written by hand.

This package uses NumPy (and threadpoolctl), and knows nothing of text, files or commands.
"""
