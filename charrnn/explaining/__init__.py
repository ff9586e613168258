"""One step of a network in numbers, beside the equations that they come from.

The formulas of docs/equations.md are data here, and are evaluated exactly as they are written: the
equation beside a number is the one that gave it. No code is shared with the cells; tests compare
the two.
"""
