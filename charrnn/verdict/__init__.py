"""What a text is like before anything is trained on it, by rules that have names.

Each file holds one kind of check: a function from a text to findings, and above it the constants it
judges by.
"""
