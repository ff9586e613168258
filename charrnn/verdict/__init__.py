"""Checks of a text before anything is trained on it, by named rules.

Each file has one kind of check: a function from a text to findings, with the constants that it
judges by above it.
"""
