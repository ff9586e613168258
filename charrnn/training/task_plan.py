"""The plan of ``train --minutes`` for a task of rows: the network, and the rows of an update.

As for a text (:mod:`charrnn.training.planner`), the plan sees how many rows there are, how long
they are, the time, and how fast this machine is. Its numbers follow what docs/log.md reports of
these tasks with their own defaults; the plan itself was not tuned by trainings.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from charrnn.tasks.config import Config
from charrnn.training.speed import Speed

__all__ = ["AVERAGED", "CHOSEN_OF_ROWS", "may_differ", "network_for"]

CHOSEN_OF_ROWS = ("hidden", "lr", "batch_size", "epochs")
"""The settings that are chosen where the user does not give them."""


class Rung(NamedTuple):
    """A width, and the learning rate that suits it."""

    hidden: int
    lr: float


LADDERS = {
    "classify": (Rung(64, 1e-2), Rung(128, 6e-3), Rung(256, 4e-3)),
    "tag": (Rung(64, 1e-2), Rung(128, 5e-3), Rung(256, 3e-3)),
}
"""Networks from the smallest up. Other tasks keep their own network."""

FEWEST_EPOCHS = 8.0
"""Epochs that there must be time for before a wider network is chosen."""

MOST_WEIGHTS = 5.0
"""Recurrent weights per training character beyond which a network memorises the rows."""

AVERAGED = {"translate": 8, "generate": 8, "classify": 3, "tag": 3}
"""Tasks in which time for more than all epochs goes to other networks, whose average is the model,
and the most networks. Beside a map of features, a third adds little already."""

OF_THE_TASK = (
    *("cell", "layers", "hidden", "embedding", "dropout", "seq_len", "batch_size", "optimizer"),
    *("lr", "schedule", "warmup", "lr_final", "clip", "weight_decay"),
)
"""Settings of the network and its training that a task has a default for."""

BATCHES, OF_AN_EPOCH = (64, 32, 16), 80
"""Rows of an update: the most that leave this many updates to an epoch, else the fewest."""


def network_for(
    config: Config,
    given: Mapping[str, Any],
    lengths: int,
    rows: int,
    seconds: float,
    measure: Callable[[Config], Speed],
) -> tuple[Config, Speed, str]:
    """Choose the widest network that there is time for.

    Args:
        config: the task's defaults, with the settings that are given.
        given: settings that the plan must not change.
        lengths: characters of all training rows together.
        rows: the number of training rows.
        seconds: the time in which updates can be made.
        measure: returns how many rows a second a network trains on.

    Returns:
        The settings, how fast the network is, and why the network is not wider.
    """
    ladder = LADDERS.get(config.task, ())
    if not ladder:
        return _long_enough(config, given, rows), measure(config), ""
    if "batch_size" not in given:
        batch = next((b for b in BATCHES if rows >= OF_AN_EPOCH * b), BATCHES[-1])
        config = replace(config, batch_size=batch)
    chosen = _on(ladder[0], config, given)
    speed = measure(chosen)
    for rung in ladder[1:] if config.layers else ():
        wider = _on(rung, config, given)
        if wider.hidden == chosen.hidden:
            continue
        if _weights(wider) > MOST_WEIGHTS * lengths:
            why = f"{wider.hidden} hidden units are too many for {lengths:,} characters"
            return _long_enough(chosen, given, rows), speed, why
        its_speed = measure(wider)
        epochs = its_speed.rate * seconds / rows
        if epochs < FEWEST_EPOCHS:
            why = (
                f"{wider.hidden} hidden units would be too slow: they need {FEWEST_EPOCHS:g} "
                f"epochs, and there is time for {epochs:.2g}"
            )
            return _long_enough(chosen, given, rows), speed, why
        chosen, speed = wider, its_speed
    return _long_enough(chosen, given, rows), speed, ""


def may_differ(config: Config) -> bool:
    """Whether a plan may choose other settings than these.

    Where a task has no ladder and no average, a plan keeps its defaults. Then only settings that
    the user gave make a difference.
    """
    usual = Config.of(config.task)
    return config.task in (*LADDERS, *AVERAGED) or any(
        getattr(config, name) != getattr(usual, name) for name in OF_THE_TASK
    )


def _on(rung: Rung, config: Config, given: Mapping[str, Any]) -> Config:
    """The settings of a rung, except for those that are given."""
    hidden = given.get("hidden", rung.hidden)
    ladder = LADDERS[config.task]
    lr = next((r.lr for r in reversed(ladder) if r.hidden <= hidden), ladder[0].lr)
    return replace(config, hidden=hidden, lr=given.get("lr", lr))


def _long_enough(config: Config, given: Mapping[str, Any], rows: int) -> Config:
    return config if "epochs" in given else config.long_enough(rows)


def _weights(config: Config) -> int:
    """The number of weights between hidden units."""
    ways = 1 + (config.directions == "both")
    return ways * (2 * config.layers - 1) * config.recurrence().num_gates * config.hidden**2
