"""What a plan has chosen, and why, in words."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from charrnn.tasks.config import Config
from charrnn.text.counts import counted

__all__ = ["in_short", "name_of", "on_length", "symbols_of"]


def symbols_of(config: Config) -> str:
    """What the text is made of."""
    return "bytes" if config.level == "byte" else "characters"


def name_of(config: Config) -> str:
    """Of a network."""
    if not config.layers:
        return "softmax regression"
    return f"{config.layers} × {config.hidden} {config.cell}"


def in_short(config: Config, seconds: float) -> str:
    """A plan in one line, and how to ask for more.

    Args:
        seconds: that it will take. Where that is less than half of the time, there is more to be
            had in the same: --minutes uses what is left for other members.
    """
    epochs = f"{config.epochs:.2g} epoch{'s' * (config.epochs != 1)}"
    each = f" of each of {config.members} members" * (config.members > 1)
    more = config.minutes if 2 * seconds < 60 * config.minutes else 6 * config.minutes
    return (
        f"{name_of(config)}, {epochs}{each}, about {_span(seconds)}; for a better model: "
        f"--minutes {more:g}"
    )


def _span(seconds: float) -> str:
    """A time, in words."""
    if seconds < 100:
        return counted(ceil(seconds), "second")
    return counted(round(seconds / 60), "minute")


def on_length(config: Config, given: Mapping[str, Any], most: float, seconds: float) -> list[str]:
    """What there is to say of a run that will not take its time, or make the passes asked for.

    Args:
        most: passes that are of use.
        seconds: of one.
    """
    if "epochs" in given:
        fewer = config.epochs < given["epochs"]
        return [f"there is no time for {given['epochs']:g} passes"] if fewer else []
    by_heart = f"more than {most:.2g} passes would teach by heart"
    minutes = config.epochs * seconds / 60
    if config.members > 1 and "members" not in given:
        return [
            f"{by_heart}; so {config.members} members of {minutes:.2g} minutes each, and their "
            f"average is the model: it writes {config.members} times slower, or more "
            "(--members 1: one network)"
        ]
    return [f"{by_heart}: about {minutes:.2g} minutes"] if config.epochs == most else []
