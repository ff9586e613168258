"""Baselines for the score of a network on a text: n-grams and compressors."""
