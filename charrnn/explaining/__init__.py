"""One step of a network in numbers, beside the equations that they come from.

The formulas of docs/equations.md are data here, and are worked out as they stand: the equation
beside a number is the one that gave it. No code is shared with the cells; tests hold both together.
"""
