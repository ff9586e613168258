"""The choices of a plan and their reasons, in words."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from charrnn.tasks.config import Config
from charrnn.text.counts import counted

__all__ = ["in_short", "name_of", "on_length", "regression_of", "symbols_of"]


def symbols_of(config: Config) -> str:
    """The word for a text's symbols."""
    return "bytes" if config.level == "byte" else "characters"


def regression_of(config: Config) -> str:
    """The name of a network without layers."""
    return "linear regression" if config.task == "forecast" else f"{config.loss} regression"


def name_of(config: Config) -> str:
    """The name of a network: its layers, width and cell."""
    if not config.layers:
        return regression_of(config)
    return f"{config.layers} × {config.hidden} {config.cell}"


def in_short(config: Config, given: Mapping[str, Any], seconds: float) -> str:
    """The plan in one line, and how to ask for more.

    Args:
        given: the settings that the plan did not choose.
        seconds: the time that it will take. If that is less than half of the time, there is more to
            gain in the same time: --minutes uses the rest for more members.
    """
    epochs = f"{config.epochs:.2g} epoch{'s' * (config.epochs != 1)}"
    more = config.minutes if 2 * seconds < 60 * config.minutes else 6 * config.minutes
    what, one = f"{name_of(config)}, {epochs}", ""
    if config.members > 1:
        what = f"an average of {config.members} networks, each {what}"
        one = "" if "members" in given else "; for one network: --members 1"
    return f"{what}, about {_span(seconds)}; for a better model: --minutes {more:g}{one}"


def _span(seconds: float) -> str:
    """A duration, in words."""
    if seconds < 100:
        return counted(ceil(seconds), "second")
    return counted(round(seconds / 60), "minute")


def on_length(config: Config, given: Mapping[str, Any], most: float, seconds: float) -> list[str]:
    """Lines on a run that will not use its time, or not make the epochs that were asked for.

    Args:
        most: the most epochs that help.
        seconds: the seconds of one epoch.
    """
    count, each = config.members, _length(config.epochs * seconds)
    enough = f"{most:.2g} epoch{'s are' if most != 1 else ' is'} enough"
    memorises = "more would memorise the text"
    average = f"{count} members of {each} each; their average writes {count} times slower, or more"
    if count > 1 and not {"members", "epochs"} & set(given):
        return [f"{enough}; {memorises}, so train up to {average} (--members 1: one network)"]
    lines = [average] if count > 1 else []
    if "epochs" in given:
        if config.epochs < given["epochs"]:
            lines.append(f"there is no time for {given['epochs']:g} epochs")
    elif config.epochs == most:
        one = " for each member" * (count > 1)
        lines.append(f"{enough} (about {each}{one}); {memorises}")
    return lines


def _length(seconds: float) -> str:
    """A planned duration: in minutes, or in seconds below one minute."""
    if round(seconds) < 60:
        return counted(max(1, round(seconds)), "second")
    minutes = f"{seconds / 60:.2g}"
    return f"{minutes} minute{'s' * (minutes != '1')}"
