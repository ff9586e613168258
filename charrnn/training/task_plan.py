"""``train --minutes`` of a task of rows: how large a network, and how many rows an update reads.

As for a text (:mod:`charrnn.training.planner`): it sees how many rows there are, how long they are,
the time, and how fast this machine is. The numbers follow what docs/log.md says of these tasks with
their own defaults; no series of trainings was made for the plan itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from charrnn.tasks.config import Config
from charrnn.training.speed import Speed

__all__ = ["AVERAGED", "CHOSEN_OF_ROWS", "network_for"]

CHOSEN_OF_ROWS = ("hidden", "lr", "batch_size", "epochs")
"""The settings that are chosen where they are not given."""


class Rung(NamedTuple):
    """A width, and the rate it learns at."""

    hidden: int
    lr: float


LADDERS = {
    "classify": (Rung(64, 1e-2), Rung(128, 6e-3), Rung(256, 4e-3)),
    "tag": (Rung(64, 1e-2), Rung(128, 5e-3), Rung(256, 3e-3)),
}
"""From the smallest up. Other tasks keep their own network."""

LEAST_PASSES = 8.0
"""A wider network pays once there is time for so many."""

MOST_WEIGHTS = 5.0
"""With more weights of the recurrence than this for a character a network has the rows by heart."""

AVERAGED = ("translate",)
"""Tasks in which time for more than all epochs goes to other networks, whose average is the
model."""

BATCHES, OF_AN_EPOCH = (64, 32, 16), 80
"""Rows of an update: the most of which an epoch has so many updates, or the fewest."""


def network_for(
    config: Config,
    given: Mapping[str, Any],
    lengths: int,
    rows: int,
    seconds: float,
    measure: Callable[[Config], Speed],
) -> tuple[Config, Speed, str]:
    """The widest network that there is time for, how fast it is, and why it is not the next.

    Args:
        config: the task's defaults, and what is given.
        given: settings that stand as they are.
        lengths: characters of all rows to train on.
        rows: how many those are.
        seconds: in which updates can be made.
        measure: rows a second of a network.
    """
    ladder = LADDERS.get(config.task, ())
    if not ladder:
        return _long_enough(config, given, rows), measure(config), ""
    if "batch_size" not in given:
        batch = next((b for b in BATCHES if rows >= OF_AN_EPOCH * b), BATCHES[-1])
        config = replace(config, batch_size=batch)
    chosen = _on(ladder[0], config, given)
    speed = measure(chosen)
    for rung in ladder[1:]:
        wider = _on(rung, config, given)
        if wider.hidden == chosen.hidden:
            continue
        if _weights(wider) > MOST_WEIGHTS * lengths:
            why = f"{wider.hidden} hidden units are too many for {lengths:,} characters"
            return _long_enough(chosen, given, rows), speed, why
        its_speed = measure(wider)
        passes = its_speed.rate * seconds / rows
        if passes < LEAST_PASSES:
            why = (
                f"{wider.hidden} hidden units would be too slow: they need {LEAST_PASSES:g} "
                f"epochs, and there is time for {passes:.2g}"
            )
            return _long_enough(chosen, given, rows), speed, why
        chosen, speed = wider, its_speed
    return _long_enough(chosen, given, rows), speed, ""


def _on(rung: Rung, config: Config, given: Mapping[str, Any]) -> Config:
    """The settings of a rung, but for those given."""
    hidden = given.get("hidden", rung.hidden)
    ladder = LADDERS[config.task]
    lr = next((r.lr for r in reversed(ladder) if r.hidden <= hidden), ladder[0].lr)
    return replace(config, hidden=hidden, lr=given.get("lr", lr))


def _long_enough(config: Config, given: Mapping[str, Any], rows: int) -> Config:
    return config if "epochs" in given else config.long_enough(rows)


def _weights(config: Config) -> int:
    """Those between hidden units."""
    ways = 1 + (config.directions == "both")
    return ways * (2 * config.layers - 1) * config.recurrence().num_gates * config.hidden**2
