"""How much memory a training takes."""

from math import prod
from typing import Any

from charrnn.engine import shards
from charrnn.optim.optimizers import OPTIMIZERS
from charrnn.tasks.config import Config

__all__ = ["memory_needed"]


def memory_needed(config: Config, model: Any, batch_size: int, num_steps: int) -> int:
    """Estimate the bytes of memory that a training takes.

    They hold weights, gradients, moments, a copy of the last good state, and one batch.

    Args:
        batch_size: sequences in a batch.
        num_steps: steps of the longest sequence.
    """
    weights = sum(prod(shape) for shape in model.shapes().values())
    slots = len(OPTIMIZERS[config.optimizer].slots)
    unit = config.hidden * num_steps * batch_size
    batch = config.layers * unit * (model.cell.num_gates + 5) * (1 + (config.directions == "both"))
    total: int = 4 * (weights * (3 + 2 * slots + len(shards(batch_size, config.shards))) + batch)
    return total
