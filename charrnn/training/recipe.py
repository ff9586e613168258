"""What suits a text of a given length: networks, learning rates, epochs, batches, weight decay.

The rules come from the trainings in docs/log.md. They know nothing of the time or the machine; that
is :mod:`charrnn.training.planner`'s part.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from charrnn.tasks.config import Config

__all__ = [
    "LADDER",
    "LANES",
    "LANE_LENGTH",
    "Rung",
    "for_text",
    "learning_rate",
    "most_epochs",
    "needed",
    "on_rung",
    "recurrent_weights",
    "seq_len",
    "updates",
    "weight_decay",
]


class Rung(NamedTuple):
    """A network and its learning rate."""

    layers: int
    hidden: int
    lr: float


CELL = "gru"

LADDER = (
    Rung(1, 128, 1.4e-2),
    Rung(1, 256, 1e-2),
    Rung(2, 256, 8e-3),
    Rung(2, 384, 4e-3),
    Rung(2, 512, 3e-3),
    Rung(2, 768, 2e-3),
    Rung(2, 1024, 1.5e-3),
)
"""The networks that a plan chooses from, the smallest first."""

UPDATE = 2048
"""Characters in an update for which the ladder's learning rates are right. The learning rate
changes with the fourth root of their number."""

SHORT = 1e6
"""Characters of a text that counts as short."""

READ = (3.5, 20.0)
"""Characters that there must be time to read for each recurrent weight, repeats included. A short
text needs the first number. A longer one needs more, by the square root of its length, and at most
the second: in too little time a larger network has not learnt yet what a smaller one has, and new
characters help more than repeats."""

MOST_EPOCHS = (5.0, 8.0)
"""More epochs than this memorise the text: the second number for a text of ``SHORT`` characters or
more, fewer for a shorter one, down to the first."""

TINY = 400.0, 10.0
"""A tiny text gets more epochs than those, until there are as many updates as the first number
says, but no more epochs than the second."""

LONGER = 1e5, 2.0
"""A text of this many characters, or fewer, is worth twice as many epochs where an average is
trained, which gains more from them than one network does."""

SHRUNK = 0.6
"""The weight decay times the sum of all learning rates, at least."""

HIGHER = 2.0
"""How much higher the learning rate of a single layer is in chunks of the shorter of ``LENGTHS``,
for texts of ``SHORT`` characters or more; not for texts of half that length or fewer."""

TUNED = 0.4
"""The part of the learning rate with which a model learns a text of a kind that it knows."""

SHRINKAGE = 3.1e-7, 1.2e-3
"""The weight decay times the peak learning rate. A longer run would memorise more, so it is the
first number times the number of updates, but no more than the second."""

LANES, LANE_LENGTH = 32, 4096
"""Lanes that are read side by side, at most, and the characters in a lane, at least."""

WIDE = 0.5
"""With more lanes than ``LANES`` the learning rate grows with this power of their number. Up to 256
lanes higher ones were better on average, but not with every seed."""

LENGTHS = (64, 32)
"""Steps to backpropagate through. With fewer updates than ``FEW_UPDATES`` it is the second number:
twice as many updates are then worth more than the longer reach."""

FEW_UPDATES = 4000.0, 2000.0  # of a single layer; of several


def for_text(size: int) -> dict[str, Any]:
    """The settings that do not depend on the network."""
    lanes = int(np.clip(size // LANE_LENGTH, 1, LANES))
    return {"batch_size": lanes, "seq_len": LENGTHS[0]}


def on_rung(rung: Rung, fixed: Mapping[str, Any]) -> Config:
    """A rung's settings with the fixed ones in their place.

    The learning rate is that of the largest rung that the network contains.
    """
    settings = {"cell": CELL, "layers": rung.layers, "hidden": rung.hidden, **fixed}
    config = Config.of(**settings)
    sizes = [r for r in LADDER if r.layers <= config.layers and r.hidden <= config.hidden]
    return Config.of(**{"lr": max(sizes, default=LADDER[0]).lr, **settings})


def recurrent_weights(config: Config) -> int:
    """Weights between hidden units: each layer's own, and those that read the layer below."""
    return (2 * config.layers - 1) * config.recurrence().num_gates * config.hidden**2


def needed(config: Config, size: int) -> float:
    """Characters that there must be time to read for the network to pay."""
    for_each = float(np.clip(READ[0] * (size / SHORT) ** 0.5, *READ))
    return for_each * recurrent_weights(config)


def most_epochs(size: int, *, averaged: bool = False) -> float:
    """Epochs that a text of that size is worth, at most.

    Args:
        averaged: whether there is time for an average of networks that each make them.
    """
    least, most = TINY
    for_updates = least * LENGTHS[1] / size  # in one lane
    epochs = float(np.clip(MOST_EPOCHS[1] * size / SHORT, *MOST_EPOCHS))
    epochs = max(epochs, min(for_updates, most))
    return LONGER[1] * epochs if averaged and size <= LONGER[0] else epochs


def updates(config: Config, epochs: float, size: int) -> float:
    """Updates in ``epochs`` epochs of a text of ``size`` characters."""
    return epochs * size / (config.batch_size * config.seq_len)


def seq_len(config: Config, epochs: float, size: int) -> int:
    """Steps to backpropagate through."""
    few = updates(config, epochs, size) < FEW_UPDATES[config.layers > 1]
    return LENGTHS[1] if few else config.seq_len


def learning_rate(config: Config, size: int, *, wide: bool, tuned: bool = False) -> float:
    """The rung's learning rate changed to suit the number of characters in an update.

    Args:
        size: the number of characters in the text.
        wide: whether the plan chose the number of lanes.
        tuned: whether the training begins with a model that knows this kind of text.
    """
    more = max(1.0, config.batch_size / LANES) if wide else 1.0
    batch = config.batch_size * config.seq_len / more
    begun = TUNED if tuned else 1.0
    if config.layers == 1 and config.seq_len <= LENGTHS[1]:
        begun *= float(np.clip(HIGHER * size / SHORT, 1.0, HIGHER))
    return _rounded(begun * config.lr * (batch / UPDATE) ** 0.25 * more**WIDE)


def weight_decay(lr: float, count: float, *, tuned: bool = False) -> float:
    """λ for a peak learning rate and a number of updates.

    An update at a learning rate η takes λ·η of the weights; η is half its peak on average. The
    weights of a model that knows this kind of text are not shrunk by ``SHRUNK``.
    """
    least, most = 0.0 if tuned else SHRUNK / (0.5 * count + 1), SHRINKAGE[1]
    return _rounded(min(1.0, max(least, min(SHRINKAGE[0] * count, most)) / lr)) if lr else 0.0


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")
