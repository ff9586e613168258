"""Which network, how long and how, for a text and the time that there is: ``train --minutes``.

A plan depends on the length of the training text, on how many distinct characters it has and how
many bytes they take, on the time and on the speed of this machine. What the text says matters only
where a model is trained further: it may know the kind (:mod:`charrnn.training.familiar`).
:mod:`charrnn.training.recipe` has what suits a text whatever the time. ``benchmarks/plans.py``
compares plans with other settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import numpy as np

from charrnn.ranks import Group
from charrnn.tasks.base import Data, Spec
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextData
from charrnn.tasks.supervised import SupervisedData
from charrnn.training import recipe
from charrnn.training.pace import Deadline
from charrnn.training.reasons import in_short, name_of, on_length, regression_of, symbols_of
from charrnn.training.speed import Speed, measure, text_like
from charrnn.training.task_plan import AVERAGED, network_for
from charrnn.training.timekeeper import members_within

__all__ = ["CHOSEN", "MOST_MEMBERS", "Plan", "plan"]


CHOSEN = (
    "cell",
    "layers",
    "hidden",
    "head",
    "dropout",
    "seq_len",
    "batch_size",
    "minutes",
    "epochs",
    "members",
    "patience",
    "lr",
    "weight_decay",
    "val_fraction",
)
"""The settings of a language model that a plan chooses where they are not given."""


MOST_WEIGHTS = 30.0
"""A network with more recurrent weights than this for each character memorises the text."""

MOST_MEMBERS = 8
"""Networks in an average, at most: each adds less than the one before, and the average takes as
many times longer to write with."""

MEMBERS_FIRST = 3
"""Once a network has a recurrent weight for each character of the text, a larger one gains less
than an average does. So there must be time for this many of the larger ones, unless there is no
time for two of the smaller ones."""

RARE, DROPOUT = 50, 0.5
"""A text whose characters occur less often than the first number, on average, gets dropout, a
single layer and a head tied to the embedding. Other texts get no dropout, and a tied head only if
there is time for all epochs even so: it learns more in an epoch, but an epoch takes longer."""

BYTES = 256
"""Symbols of a model of bytes."""

MORE_OF_BYTES = 1.5
"""A plan mentions ``--level byte`` where such a model would read this many times as much text in
the same time. With less, characters are better."""

FEW_PROCESSES = 2
"""With more processes than this, a plan looks at more lanes than ``LANES``. Two gain nothing."""

UPDATES_WANTED = 350.0
"""How much more lanes help: n updates are worth 1 / (1 + (this / n)²) of what the same characters
are worth in many small updates, if the learning rate suits them (docs/scaling.md)."""

WORTH_IT = 1.05
"""More lanes must help this many times as much, because measured speeds vary."""

SAMPLE = 1 << 18
"""Characters of the text that speeds are measured on."""

PATIENCE = 8
"""Validations without progress before early stopping."""

VALIDATION = 1 << 18
"""Characters of the validation set, at most. It depends neither on the machine nor on the time, so
that runs on one text can be compared."""

IN_USE = 0.9
"""Part of the time that goes to updates; the rest goes to validations and saves."""


@dataclass(frozen=True)
class Plan:
    """What was chosen.

    Attributes:
        config: all settings, with as many epochs as there is time for.
        threads: how many processes are fastest.
        deadline: when the run must end.
        reasons: what was chosen and why, in lines for people.
        summary: what was chosen, in one line.
    """

    config: Config
    threads: int
    deadline: Deadline
    reasons: tuple[str, ...]
    summary: str


def plan(
    data: Data,
    minutes: float,
    given: Mapping[str, Any],
    *,
    threads: int = 0,
    begun: float | None = None,
    spec: Spec | None = None,
    aside: Callable[[int, int], float] = lambda trained_on, held_out: 0.0,
    group: Group | None = None,
    tuned: bool = False,
    most_members: int = MOST_MEMBERS,
) -> Plan:
    """Choose what suits the data, the time and this machine.

    For a task of rows, :mod:`charrnn.training.task_plan` chooses the network.

    Args:
        data: what will be trained on.
        minutes: the time from ``begun`` to the end, including validations.
        given: settings that the plan must not change.
        threads: how many processes compute; 0 means as many as is fastest.
        begun: when the minutes began, by :func:`time.monotonic`; if not given, now.
        spec: what the model will know; if not given, what the data contain.
        aside: seconds that something else will take before a language model's first update, by how
            much of the text is for training and how much for validation.
        group: the other ranks that will compute too.
        tuned: whether the training begins with a model that knows this kind of text.
        most_members: networks in an average, at most.

    Raises:
        InputError: a setting is out of range, or the data are too short for it.
    """
    end = (monotonic() if begun is None else begun) + 60 * minutes
    fixed = {"patience": PATIENCE, **given, "minutes": minutes}
    config = Config.of(**fixed)
    if config.kind.text:
        part = min(config.val_fraction, VALIDATION / data.size)
        patience = PATIENCE if part or data.paths.val else 0
        fixed = {"val_fraction": part, "patience": patience, **given, "minutes": minutes}
        config = Config.of(**fixed)
    trained_on = data.trained_on(config)
    asked = _Asked(
        data,
        spec or data.spec(),
        given,
        fixed,
        trained_on,
        end,
        aside(trained_on, data.size - trained_on) if config.kind.text else 0.0,
        threads,
        group,
        tuned,
        most_members,
    )
    if config.kind.text:
        return _plan_text(asked)
    if isinstance(data, SupervisedData):
        data.prepare(asked.spec, config)
    config, speed, why = network_for(
        config,
        given,
        sum(data.lengths(config)) if isinstance(data, SupervisedData) else trained_on,
        trained_on,
        asked.time_left * IN_USE,
        lambda config: measure(config, data, asked.spec, threads, group),
    )
    most, there = config.epochs, asked.epochs(speed)
    most_members = min(most_members, AVERAGED.get(config.task, 0)) if asked.may_average else 0
    members = min(members_within(there / most), most_members)
    deadline = Deadline(end, most, most_members)
    config = replace(
        config,
        epochs=min(most, there / max(1, members)),
        members=members or config.members,
        shards=speed.shards or config.shards,
    )
    several = f"the average of {members} networks (--members 1: only one), each " * (members > 1)
    network = f"{config.hidden} hidden units" if config.layers else regression_of(config)
    rate = f"{speed.rate:,.0f}" if speed.rate >= 10 else f"{speed.rate:.2g}"
    line = (
        f"{several}{network}, {config.epochs:.3g} epochs at {rate} "
        f"examples a second, batches of {config.batch_size}, peak learning rate {config.lr:g}"
    )
    return Plan(config, speed.threads, deadline, (line, *([why] if why else ())), line)


@dataclass(frozen=True)
class _Asked:
    """The data, the time and the given settings that a plan is made for."""

    data: Data
    spec: Spec
    given: Mapping[str, Any]  # settings that the plan must not change
    fixed: Mapping[str, Any]  # these, and settings that do not depend on the network
    trained_on: int  # characters or examples in an epoch
    end: float
    aside: float
    threads: int
    group: Group | None
    tuned: bool
    most_members: int
    measured: dict[tuple[Config, int], Speed] = field(default_factory=dict)

    @property
    def symbols(self) -> int:
        """The number of distinct characters."""
        size: int = self.spec.model(Config.of(**self.fixed)).input_size
        return size

    @property
    def rare(self) -> bool:
        """Whether the characters are rare."""
        return self.trained_on < RARE * self.symbols

    @property
    def may_tie(self) -> bool:
        """Whether the given settings allow a tied head."""
        return not {"head", "embedding"} & set(self.given) and self.given.get("layers") != 0

    @property
    def may_average(self) -> bool:
        """Whether the remaining time may go to more members."""
        return not {"members", "epochs"} & set(self.given)

    def members_of(self, config: Config, speed: Speed, most: float) -> int:
        """How many members there is time for, each trained for ``most`` epochs."""
        if self.may_tie:  # as the plan does where there is time for all epochs
            speed = self.speed(replace(config, head="tied"))
        return members_within(self.epochs(speed) / most)

    def speed(self, config: Config, symbols: int = 0) -> Speed:
        """Measure the speed, once, on a similar text, which is ready sooner than a large one.

        Args:
            symbols: this many distinct characters instead of the text's own number.
        """
        symbols = symbols or self.symbols
        config = replace(config, val_fraction=0.0, lines=False)
        if (config, symbols) not in self.measured:
            size = max(symbols, min(self.trained_on, SAMPLE))
            sample = text_like(size, symbols, config.level)
            speed = measure(config, sample, sample.spec(), self.threads, self.group)
            self.measured[config, symbols] = speed
        return self.measured[config, symbols]

    @property
    def ranks(self) -> int:
        """The number of machines that compute."""
        return 1 if self.group is None else self.group.size

    @property
    def members(self) -> int:
        """The number of networks that the settings ask for."""
        members: int = self.given.get("members", 1)
        return members

    @property
    def time_left(self) -> float:
        """The seconds that are left, always more than zero."""
        return max(1.0, self.end - self.aside - monotonic())

    def readable(self, speed: Speed) -> float:
        """Characters that a network can be trained on until the end, including repeats."""
        return speed.rate * self.time_left * IN_USE / self.members

    def epochs(self, speed: Speed) -> float:
        """The epochs that there is time for; at least the least that settings allow."""
        return max(1e-3, self.readable(speed) / self.trained_on)


def _plan_text(asked: _Asked) -> Plan:
    """As :func:`plan`, for a language model."""
    given, size = asked.given, asked.trained_on
    most = float(given.get("epochs", recipe.most_epochs(size)))
    config, speed, larger = _largest_that_pays(asked, most)
    config, speed = _lanes_that_pay(asked, config, speed, most)
    longer = recipe.most_epochs(size, averaged=True)
    if asked.may_average and asked.members_of(config, speed, longer) >= MEMBERS_FIRST:
        most = longer
    if config.head == "free" and asked.may_tie and asked.epochs(speed) > most:
        tied = replace(config, head="tied")
        its_speed = asked.speed(tied)
        if asked.epochs(its_speed) >= most:
            config, speed = tied, its_speed
    epochs, members = min(most, asked.epochs(speed)), asked.members
    free = epochs == most and asked.may_average
    if free:
        there = asked.epochs(speed) / most
        members = int(np.clip(members_within(there), 1, asked.most_members))
        epochs = min(most, asked.epochs(speed) / members)
    if "seq_len" not in given:
        config = replace(config, seq_len=recipe.seq_len(config, epochs, size))
    if "lr" not in given:
        wide, tuned = "batch_size" not in given, asked.tuned
        config = replace(config, lr=recipe.learning_rate(config, size, wide=wide, tuned=tuned))
    count = recipe.updates(config, epochs, size)
    chosen = {
        "weight_decay": recipe.weight_decay(config.lr, count, tuned=asked.tuned),
        "dropout": DROPOUT if asked.rare else 0.0,
        "shards": speed.shards,
    }
    fixed = {"epochs": epochs, "members": members}
    config = replace(config, **{**chosen, **given, **fixed})
    seconds = size / speed.rate / IN_USE  # of an epoch
    lines = [
        f"{name_of(config)} reads {speed.rate / 1000:.1f}k {symbols_of(config)} a second: "
        f"{config.epochs:.3g} epochs",
        *([larger] if larger else []),
        *on_length(config, given, most, seconds),
        *(_on_symbols(config, speed, asked) if epochs < most else ()),
        f"peak learning rate {config.lr:g}, batches of {config.batch_size} × {config.seq_len}, "
        f"dropout {config.dropout:g}, weight decay "
        f"{config.weight_decay:g}{', tied weights' * (config.head == 'tied')}",
    ]
    shared = free and members > 1
    deadline = Deadline(asked.end, epochs if shared else most, asked.most_members if shared else 0)
    summary = in_short(config, given, members * epochs * seconds)
    return Plan(config, speed.threads, deadline, tuple(lines), summary)


def _largest_that_pays(asked: _Asked, most: float) -> tuple[Config, Speed, str]:
    """The highest rung that there is time for, its speed, and why it is not the next one.

    Args:
        most: the most epochs that help.
    """
    size = asked.trained_on
    fixed = {**recipe.for_text(size), **asked.fixed}
    if asked.rare and asked.may_tie:
        fixed["head"] = "tied"
    config = recipe.on_rung(recipe.LADDER[0], fixed)
    speed = asked.speed(config)
    for rung in recipe.LADDER[1:] if config.layers else ():
        candidate = recipe.on_rung(rung, fixed)
        if candidate == config:
            narrower = candidate.hidden < rung.hidden and rung.layers < recipe.LADDER[-1].layers
            if "layers" in asked.given or not narrower:
                continue
            # A narrow network gets another layer only if the plan's own width would pay.
            candidate = recipe.on_rung(rung, {**fixed, "hidden": rung.hidden})
        if recipe.recurrent_weights(candidate) > MOST_WEIGHTS * size:
            return config, speed, f"{name_of(candidate)} is too large for a text of this size"
        if asked.rare and candidate.layers > 1 and "layers" not in asked.given:
            return (
                config,
                speed,
                (f"{name_of(candidate)} is too deep for a text with so many different characters"),
            )
        its_speed = asked.speed(candidate)
        needed, readable = recipe.needed(candidate, size) / 1e6, asked.readable(its_speed) / 1e6
        # Not what it will read, which is less for a short text, where width pays anyway.
        if readable < needed:
            digits = 2 if f"{needed:.2g}" != f"{readable:.2g}" else 3
            why = (
                f"{name_of(candidate)} would be too slow: it needs time for {needed:.{digits}g} "
                f"million {symbols_of(config)}, and there is time for {readable:.{digits}g} million"
            )
            return config, speed, why
        if asked.may_average and recipe.recurrent_weights(config) >= size:
            theirs, own = (
                asked.members_of(*one, most) for one in ((candidate, its_speed), (config, speed))
            )
            if theirs < MEMBERS_FIRST and own > max(1, theirs):
                why = (
                    f"{name_of(candidate)} would leave no time for an average of {MEMBERS_FIRST} "
                    "networks, which predicts better"
                )
                return config, speed, why
        if candidate.hidden == fixed.get("hidden", candidate.hidden):
            config, speed = candidate, its_speed
    return config, speed, ""


def _lanes_that_pay(
    asked: _Asked, config: Config, speed: Speed, most: float
) -> tuple[Config, Speed]:
    """Double the lanes repeatedly, as long as more is learnt in the time.

    Args:
        most: the most epochs that help.
    """

    def taught(config: Config, speed: Speed) -> float:
        epochs = min(most, asked.epochs(speed))
        updates = recipe.updates(config, epochs, asked.trained_on)
        return epochs / (1 + (UPDATES_WANTED / updates) ** 2)

    while (
        "batch_size" not in asked.given
        and speed.threads * asked.ranks > FEW_PROCESSES
        and config.batch_size >= recipe.LANES
        and asked.trained_on >= 2 * config.batch_size * recipe.LANE_LENGTH
    ):
        wider = replace(config, batch_size=2 * config.batch_size)
        its_speed = asked.speed(wider)
        if taught(wider, its_speed) < WORTH_IT * taught(config, speed):
            break
        config, speed = wider, its_speed
    return config, speed


def _on_symbols(config: Config, speed: Speed, asked: _Asked) -> list[str]:
    """A line on a text whose many different characters take most of the time."""
    if config.level == "byte" or asked.symbols <= BYTES or not config.layers:
        return []
    assert isinstance(asked.data, TextData)
    of_bytes = asked.speed(replace(config, level="byte"), BYTES)
    more = of_bytes.rate / asked.data.bytes_each / speed.rate
    if more < MORE_OF_BYTES:
        return []
    return [
        f"the {asked.symbols:,} different characters take most of the time; a model of bytes "
        f"(--level byte) has {BYTES} and would read {more:.2g} times as much text"
    ]
