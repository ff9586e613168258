"""One step of a network in numbers, beside the equations that they come from."""
