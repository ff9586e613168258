"""Which network, how long and how, for a text and the time that there is: ``train --minutes``.

It sees how many characters train, how many distinct ones there are and how many bytes they take,
the time, and how fast this machine is; never what the text says. What it concludes from them stands
in small tables. docs/log.md has the trainings behind them; ``benchmarks/plans.py`` makes such
trainings, plans beside them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from charrnn.ranks import Group
from charrnn.tasks.base import Data, Spec
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextData
from charrnn.tasks.supervised import SupervisedData
from charrnn.training.pace import Deadline
from charrnn.training.reasons import in_short, name_of, on_length, symbols_of
from charrnn.training.speed import Speed, measure, text_like
from charrnn.training.task_plan import AVERAGED, network_for
from charrnn.training.timekeeper import members_within

__all__ = ["CHOSEN", "Plan", "plan"]


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


class Rung(NamedTuple):
    """A network and the rate it learns at."""

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
"""From the smallest up."""

UPDATE = 2048
"""Characters of an update that the rates above are for; with their number goes its fourth root."""

READ = (3.5, 20.0)
"""The characters that there must be time to read, repeats included, for each weight of a network's
recurrence: the fewer of a text of ..."""

SHORT = 1e6
"""... so many or less, and more of a longer one, with the root of its length, up to the more. In
too short a time a larger network has not yet learnt what a smaller one has; and new characters
teach more than repeats."""

MOST_WEIGHTS = 30.0
"""With more weights of the recurrence than this for a character a network has them by heart."""

MOST_PASSES = (5.0, 8.0)
"""More teach by heart: the more of a text that is not ``SHORT``, down to the fewer."""

TINY = 400.0, 10.0
"""Where those would be fewer updates than the first, more passes, but no more than the second."""

MOST_MEMBERS = 8
"""Where there is time for more passes than these, it goes to other networks, whose average is the
model: each adds less than the one before, and takes as long again to write with."""

SHRUNK = 0.6
"""How often a run shrinks the weights e-fold, at least: their decay by the sum of all rates."""

SHRINKAGE = 3.1e-7, 1.2e-3
"""The longer a run, the more it would have by heart: an update at the peak rate shrinks the weights
by the first for each update that there is, but by no more than the second."""

RARE, DROPOUT = 50, 0.5
"""Where a character occurs less often than this on average: dropout, a single layer, and a head
that is the embedding. Elsewhere no dropout, and such a head where there is time for all passes even
so: it takes longer, and learns more in each."""

BYTES = 256
"""How many there are; of more characters ..."""

MORE_OF_BYTES = 1.5
"""... it is said if a network of bytes would read so many times as much of the text: most of the
time then goes to telling characters apart. Less does not make up for what bytes are worse at."""

LANES, LANE_LENGTH = 32, 4096
"""At most so many lanes, and fewer where they would be shorter than this; more where ..."""

FEW_PROCESSES = 2
"""... there are more processes than these and the time is short: if they then read so much faster
that it outweighs having fewer updates. Two gain nothing by that."""

UPDATES_WANTED = 350.0
"""What is read in n updates teaches as much as a part 1 / (1 + (this / n)²) of it in updates
without number, if the rate suits them (docs/scaling.md)."""

WORTH_IT = 1.05
"""More lanes are taken for no less than this, as times differ from one to the next."""

WIDE = 0.5
"""Of more lanes than ``LANES`` the rate goes with this power of their number: up to 256 lanes
somewhat higher ones were better on average, but not for every seed."""

LENGTHS = (64, 32)
"""Steps that gradients go back: the fewer, where there would be ..."""

FEW_UPDATES = 2000.0
"""... fewer updates than this: then twice as many are worth more than the reach."""

SAMPLE = 1 << 18
"""Characters of a text that updates are timed on."""

PATIENCE = 8
"""Validations without progress after which to stop."""

HELD_OUT = 1 << 18
"""Characters that are enough to validate on. Whatever the machine and the time, so that runs on one
text can be compared."""

IN_USE = 0.9
"""The part of the time in which updates are made; the rest goes to validations and saves."""


@dataclass(frozen=True)
class Plan:
    """What was chosen.

    Attributes:
        config: all settings; as many passes as there is time for.
        threads: how many processes are fastest.
        deadline: for the run to keep to.
        reasons: what was chosen and why, line by line, for people.
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
) -> Plan:
    """Choose what suits the data, the time and this machine.

    Of a task of rows it is :mod:`charrnn.training.task_plan` that chooses the network.

    Args:
        data: what will be trained on.
        minutes: from ``begun`` to the end, validations included.
        given: settings that stand as they are.
        threads: how many processes compute; 0 for as many as is fastest.
        begun: by :func:`time.monotonic`; now, if not given.
        spec: what the model will know; what the data say, if not given.
        aside: seconds that something else will take before a language model's first update, by how
            much of the text trains and how much is held out.
        group: other ranks that will compute too.

    Raises:
        InputError: a setting is out of range, or the data are too short for it.
    """
    end = (monotonic() if begun is None else begun) + 60 * minutes
    fixed = {"patience": PATIENCE, **given, "minutes": minutes}
    config = Config.of(**fixed)
    if config.kind.text:
        part = min(config.val_fraction, HELD_OUT / data.size)
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
    most, there = config.epochs, asked.passes(speed)
    free = config.task in AVERAGED and not {"members", "epochs"} & set(given)
    members = min(members_within(there / most), MOST_MEMBERS) if free else 0
    deadline = Deadline(end, most, MOST_MEMBERS if members > 1 else 0)
    config = replace(
        config,
        epochs=min(most, there / max(1, members)),
        members=members or config.members,
        shards=speed.shards or config.shards,
    )
    several = f"the average of {members} networks, each " if members > 1 else ""
    line = (
        f"{several}{config.hidden} hidden units, {config.epochs:.3g} epochs at {speed.rate:,.0f} "
        f"examples a second, batches of {config.batch_size}, peak learning rate {config.lr:g}"
    )
    return Plan(config, speed.threads, deadline, (line, *([why] if why else ())), line)


@dataclass(frozen=True)
class _Asked:
    """What there is to plan for."""

    data: Data
    spec: Spec
    given: Mapping[str, Any]  # settings that stand as they are
    fixed: Mapping[str, Any]  # these, and what no network changes
    trained_on: int  # so many characters or examples, in one pass
    end: float
    aside: float
    threads: int
    group: Group | None

    @property
    def symbols(self) -> int:
        """How many distinct ones there are."""
        size: int = self.spec.model(Config.of(**self.fixed)).input_size
        return size

    @property
    def rare(self) -> bool:
        """Whether they are."""
        return self.trained_on < RARE * self.symbols

    @property
    def may_tie(self) -> bool:
        """Whether nothing given stands against a head that is the embedding."""
        return not {"head", "embedding"} & set(self.given) and self.given.get("layers") != 0

    def speed(self, config: Config, symbols: int = 0) -> Speed:
        """On a text like this, as fast to train on and made ready much sooner than a large one.

        Args:
            symbols: so many distinct ones instead of its own.
        """
        symbols = symbols or self.symbols
        sample = text_like(max(symbols, min(self.trained_on, SAMPLE)), symbols, config.level)
        config = replace(config, val_fraction=0.0, lines=False)
        return measure(config, sample, sample.spec(), self.threads, self.group)

    @property
    def ranks(self) -> int:
        """How many machines compute."""
        return 1 if self.group is None else self.group.size

    @property
    def members(self) -> int:
        """How many networks are wanted."""
        members: int = self.given.get("members", 1)
        return members

    @property
    def time_left(self) -> float:
        """Seconds; never none at all."""
        return max(1.0, self.end - self.aside - monotonic())

    def readable(self, speed: Speed) -> float:
        """How much a network can be trained on until the end, repeats included."""
        return speed.rate * self.time_left * IN_USE / self.members

    def passes(self, speed: Speed) -> float:
        """How often all of it can be trained on; at least what settings allow."""
        return max(1e-3, self.readable(speed) / self.trained_on)


def _plan_text(asked: _Asked) -> Plan:
    """As :func:`plan`, for a language model."""
    given, size = asked.given, asked.trained_on
    config, speed, larger = _largest_that_pays(asked)
    most = float(given.get("epochs", _most_passes(size)))
    config, speed = _lanes_that_pay(asked, config, speed, most)
    if config.head == "free" and asked.may_tie and asked.passes(speed) > most:
        tied = replace(config, head="tied")
        its_speed = asked.speed(tied)
        if asked.passes(its_speed) >= most:
            config, speed = tied, its_speed
    epochs, members = min(most, asked.passes(speed)), asked.members
    free = epochs == most and not {"members", "epochs"} & set(given)
    if free:
        there = asked.passes(speed) / most
        members = int(np.clip(members_within(there), 1, MOST_MEMBERS))
        epochs = min(most, asked.passes(speed) / members)
    if "seq_len" not in given and _updates(config, epochs, size) < FEW_UPDATES:
        config = replace(config, seq_len=LENGTHS[1])
    if "lr" not in given:
        more = max(1.0, config.batch_size / LANES) if "batch_size" not in given else 1.0
        batch = config.batch_size * config.seq_len / more
        config = replace(config, lr=_rounded(config.lr * (batch / UPDATE) ** 0.25 * more**WIDE))
    chosen = {
        "weight_decay": _weight_decay(config.lr, _updates(config, epochs, size)),
        "dropout": DROPOUT if asked.rare else 0.0,
        "shards": speed.shards,
    }
    fixed = {"epochs": epochs, "members": members}
    config = replace(config, **{**chosen, **given, **fixed})
    seconds = size / speed.rate / IN_USE  # of a pass
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
    deadline = Deadline(asked.end, epochs if shared else most, MOST_MEMBERS if shared else 0)
    summary = in_short(config, members * epochs * seconds)
    return Plan(config, speed.threads, deadline, tuple(lines), summary)


def _largest_that_pays(asked: _Asked) -> tuple[Config, Speed, str]:
    """The highest rung that there is time for, how fast it is, and why it is not the next."""
    size = asked.trained_on
    fixed = {**_for_text(size), **asked.fixed}
    if asked.rare and asked.may_tie:
        fixed["head"] = "tied"
    config = _on_rung(LADDER[0], fixed)
    speed = asked.speed(config)
    for rung in LADDER[1:] if config.layers else ():
        candidate = _on_rung(rung, fixed)
        if candidate == config:
            narrower = candidate.hidden < rung.hidden and rung.layers < LADDER[-1].layers
            if "layers" in asked.given or not narrower:
                continue
            # Before a narrow network gets another layer, the plan's own would have to pay.
            candidate = _on_rung(rung, {**fixed, "hidden": rung.hidden})
        if _recurrent_weights(candidate) > MOST_WEIGHTS * size:
            return config, speed, f"{name_of(candidate)} is too large for a text of this size"
        if asked.rare and candidate.layers > 1 and "layers" not in asked.given:
            return (
                config,
                speed,
                (f"{name_of(candidate)} is too deep for a text with so many different characters"),
            )
        its_speed = asked.speed(candidate)
        needed, readable = _needed(candidate, size) / 1e6, asked.readable(its_speed) / 1e6
        # Not what it will read: of a short text that is less, and there width pays all the same.
        if readable < needed:
            why = (
                f"{name_of(candidate)} would be too slow: it needs time for {needed:.2g} "
                f"million {symbols_of(config)}, and there is time for {readable:.2g} million"
            )
            return config, speed, why
        if candidate.hidden == fixed.get("hidden", candidate.hidden):
            config, speed = candidate, its_speed
    return config, speed, ""


def _lanes_that_pay(
    asked: _Asked, config: Config, speed: Speed, most: float
) -> tuple[Config, Speed]:
    """Twice the lanes, and twice again, while that teaches more in the time.

    Args:
        most: passes that are of use.
    """

    def taught(config: Config, speed: Speed) -> float:
        epochs = min(most, asked.passes(speed))
        updates = _updates(config, epochs, asked.trained_on)
        return epochs / (1 + (UPDATES_WANTED / updates) ** 2)

    while (
        "batch_size" not in asked.given
        and speed.threads * asked.ranks > FEW_PROCESSES
        and config.batch_size >= LANES
        and asked.trained_on >= 2 * config.batch_size * LANE_LENGTH
    ):
        wider = replace(config, batch_size=2 * config.batch_size)
        its_speed = asked.speed(wider)
        if taught(wider, its_speed) < WORTH_IT * taught(config, speed):
            break
        config, speed = wider, its_speed
    return config, speed


def _needed(config: Config, size: int) -> float:
    """Characters that there must be time to read for the network to pay."""
    for_each = float(np.clip(READ[0] * (size / SHORT) ** 0.5, *READ))
    return for_each * _recurrent_weights(config)


def _most_passes(size: int) -> float:
    """Over a text of that size."""
    updates, most = TINY
    for_updates = updates * LENGTHS[1] / size  # in one lane
    passes = float(np.clip(MOST_PASSES[1] * size / SHORT, *MOST_PASSES))
    return max(passes, min(for_updates, most))


def _weight_decay(lr: float, updates: float) -> float:
    """λ: an update at rate η takes λ·η of the weights, and η is half its peak on average."""
    least, most = SHRUNK / (0.5 * updates + 1), SHRINKAGE[1]
    return _rounded(min(1.0, max(least, min(SHRINKAGE[0] * updates, most)) / lr)) if lr else 0.0


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


def _on_symbols(config: Config, speed: Speed, asked: _Asked) -> list[str]:
    """What there is to say where there are so many that the time goes to their scores."""
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


def _updates(config: Config, epochs: float, size: int) -> float:
    return epochs * size / (config.batch_size * config.seq_len)


def _for_text(size: int) -> dict[str, Any]:
    """What does not depend on the network."""
    lanes = int(np.clip(size // LANE_LENGTH, 1, LANES))
    return {"batch_size": lanes, "seq_len": LENGTHS[0]}


def _on_rung(rung: Rung, fixed: Mapping[str, Any]) -> Config:
    """The settings of a rung, but for those fixed. The rate is that of the network's own size."""
    settings = {"cell": CELL, "layers": rung.layers, "hidden": rung.hidden, **fixed}
    config = Config.of(**settings)
    sizes = [r for r in LADDER if r.layers <= config.layers and r.hidden <= config.hidden]
    return Config.of(**{"lr": max(sizes, default=LADDER[0]).lr, **settings})


def _recurrent_weights(config: Config) -> int:
    """Those between hidden units: a layer's own, and those that read the layer below."""
    return (2 * config.layers - 1) * config.recurrence().num_gates * config.hidden**2
