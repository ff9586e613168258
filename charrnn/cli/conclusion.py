"""What a training prints after its last update: how good the model is, and what to do next."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, Literal

from charrnn.cli.errors import fold, say
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from pathlib import Path

    from charrnn.runs.history import Validation
    from charrnn.tasks.base import Outcome
    from charrnn.training.run import Run

__all__ = ["best_so_far", "conclude", "outcome_lines", "quoted", "resume_command", "show_test"]

Course = Literal[
    "falling",
    "level",
    "rising",
    "unknown",
    "unscored",
    "early",
    "perfect",
    "map",
    "apart",
    "unused",
]
"""The outlook of :func:`charrnn.training.outlook.outlook`; or there is no validation set, a bigram
is still better, no answer is wrong, the map of n-grams was best by itself, the training loss is far
below the validation loss, or a forecast does not use its network."""

OF_AN_AVERAGE = ("unscored", "early", "perfect")
"""Courses that an average may have, too; the others are those of its first network."""

UNDERTRAINED = ("unknown", "unscored", "map", "level", "falling", "early")
"""Courses that a run may take where it has too few updates to learn from."""

FEW = 100
"""Updates in which little can be learnt."""

MORE = 3
"""How many times as many minutes the suggested longer run has."""

USED = 0.5
"""A run that has used this part of its minutes would have used more."""

PLANNED = 10
"""The minutes that are suggested where charrnn should choose the settings."""

APART = 0.85
"""A training loss below this part of the validation loss is far below it."""

Again = Callable[[Mapping[str, Any], bool], str]
"""The command that began the run, with another length (minutes or epochs); without its settings, if
the flag is set."""


def conclude(run: "Run", again: Again | None, seconds: float) -> None:
    """Print how good the best model is beside the baselines, and what to do next.

    Args:
        again: makes the command of such a run; None where this one was resumed.
        seconds: the time that this process took.
    """
    found = run.report()
    if found is not None and found.verdict:
        say(fold(found.verdict))
    best = _best(run)
    if best:
        say(fold(f"best: {best}"))
    for line in () if found is None else _figures(found):
        say(line)
    what, went = _went(run)
    if found is not None and not found.adds:
        went = "unused"
    for line in _judged(run, what, went):
        say(fold(line))
    commands = dict(_next(run, went, again, seconds))
    width = max(map(len, commands))
    for use, command in commands.items():
        say(f"  {use:<{width}}  {command}")
    say(f"saved in {run.folder.path}: {_to_share(run)}")


def best_so_far(run: "Run") -> None:
    """Print how good the best model of an interrupted run is."""
    best = _best(run)
    if best:
        say(fold(f"best so far: {best}"))


def _best(run: "Run") -> str:
    """The lowest error, beside the best of the baselines that were scored at the start."""
    from charrnn.tasks.figures import figure

    if run.best is None or run.best.val is None:
        return ""
    kind, score = run.config.kind, run.best_score
    text = f"{figure(run.best.val)} {kind.measure_of(run.config.level)}"  # before it was resumed
    text = f"{text if score is None else score.text} at step {run.best.step}"
    if not run.compared or not kind.text:
        return text
    name, nats = min(run.compared.items(), key=lambda one: one[1])
    if nats < run.best.val:
        return f"{text}; the {name} baseline is better, with {nats:.4f}"
    return f"{text}; the best baseline, {name}, has {nats:.4f}"


def _few(run: "Run") -> bool:
    """Whether the minutes were too few to learn much."""
    return bool(run.config.minutes) and run.trainer.total < FEW and not run.settling


def _first(run: "Run") -> "list[Validation]":
    """The validations of the run's first network: another one begins with the first epoch again."""
    found = run.history[:1]
    for one in run.history[1:]:
        if one.epoch <= found[-1].epoch:
            break
        found.append(one)
    return found


def _went(run: "Run") -> tuple[str, Course]:
    """The measure to look at, and its course: the error, or the loss where the error is level."""
    from charrnn.runs.history import validation_losses
    from charrnn.training.outlook import outlook

    kind, history = run.config.kind, _first(run)
    by_loss = any(one.chosen_by is not None for one in history)
    what = "validation loss" if by_loss or _alike(run) else "validation error"
    errors = [(one.step, one.key) for one in history if one.key is not None]
    if run.best is None or run.best.key is None or not errors:
        return what, "unscored"
    best = run.best.key
    # A share of the answers, so chance makes a difference.
    is_share = kind.good is not None and not by_loss
    chance = sqrt(max(0.0, best * (1 - best)) / max(1, run.task.held_out)) if is_share else 0.0
    went: Course = outlook(errors, chance)
    if kind.good is not None and _all_right(run):
        return what, "perfect"
    if run.best.step == 0 and len(errors) > 1:
        return what, "map"
    bigram = run.compared.get("bigram", 0.0) if kind.text else 0.0
    if went != "rising" and _alike(run) and history[-1].train < APART * errors[-1][1]:
        return what, "apart"
    if went in ("level", "unknown") and best > bigram > 0:
        return what, "early"
    if run.settling and went != "unknown":
        return what, "level"
    if went in ("level", "rising") and not by_loss and not _alike(run):
        losses = validation_losses(run.folder.path)
        found = outlook([(k, losses[k]) for k, _ in errors if k in losses])
        if found == "falling" or (went, found) == ("rising", "level"):
            return "validation loss", found
    return what, went


def _all_right(run: "Run") -> bool:
    """Whether the best model gives no wrong answer on the validation set."""
    numbers = {} if run.best_score is None else run.best_score.numbers
    return next((share for name, share in numbers.items() if name != "loss"), 0.0) == 1


def _alike(run: "Run") -> bool:
    """Whether training and validation measure the same."""
    kind, level = run.config.kind, run.config.level
    return kind.unit_of(level) == kind.measure_of(level)


def _judged(run: "Run", what: str, went: Course) -> Iterator[str]:
    """How the training went, in sentences, if there is something to say."""
    from charrnn.tasks.figures import figure

    begun = run.inherited
    if begun is not None and run.best is not None and begun.error < (run.best.val or 0.0):
        unit = run.config.kind.measure_of(run.config.level)
        yield (
            "the weights that it began with are better on the validation set: "
            f"{figure(begun.error)} {unit}"
        )
    if _few(run) and went in UNDERTRAINED:
        yield (
            f"note: {counted(run.trainer.total, 'update', 'are')} few to learn from; "
            "more --minutes make more, and so does a smaller network"
        )
    course = _course(run, what, went)
    if course:
        yield course


def _course(run: "Run", what: str, went: Course) -> str:
    """How the losses went, in a sentence; empty for an average of which it would not be true."""
    if run.config.members > 1 and went not in OF_AN_AVERAGE:
        return ""
    if went == "unscored" or run.best is None:
        return "this run has no validation set, so it is not known how good it is on new data"
    if went == "perfect":
        return "no answer on the validation set is wrong"
    if went == "map":
        return "the map of n-grams by itself was best: the recurrent layers added nothing"
    if went == "rising":
        return f"the {what} rose after step {run.best.step}: it overfits; more data would help most"
    if went == "apart":
        loss = _first(run)[-1].train
        return (
            f"the training loss, {loss:.4f}, is far below the validation loss: "
            "more data would help most"
        )
    if went == "falling":
        return f"the {what} was still falling: longer training would help"
    if went == "early":
        return "a bigram is still better: longer training would help"
    if went == "level":
        return f"the {what} stopped falling: longer training would help little"
    return "one validation shows no trend"


def _next(
    run: "Run", went: Course, again: Again | None, seconds: float
) -> Iterator[tuple[str, str]]:
    """What to try and for what purpose; finally how to use the model."""
    config, folder = run.config, quoted(run.folder.path)
    minutes, scored = config.minutes, run.best is not None
    longer = went in (UNDERTRAINED if _few(run) else ("falling", "early"))
    cut_short = bool(minutes) and seconds > USED * 60 * minutes
    epochs = 2 * config.epochs
    epochs = ceil(epochs) if epochs >= 1 else epochs
    few = config.kind.text and run.trainer.total < FEW
    if longer and run.capped and again is not None:
        yield "train longer", again({"minutes": minutes, "epochs": 2 * config.epochs}, False)
    elif longer and few and not minutes and config.members == 1 and again is not None:
        yield "let charrnn choose", again({"minutes": PLANNED}, True)
    elif longer and cut_short and again is not None:
        yield "train longer", again({"minutes": MORE * minutes}, False)
    elif longer and not minutes and config.members == 1:
        yield "train longer", resume_command(run, f" --epochs {epochs:g}")
    elif longer and not minutes and again is not None:  # the first network cannot go on
        yield "train longer", again({"epochs": float(epochs)}, False)
    elif scored and not minutes and again and _may_gain(run, went):
        yield "let charrnn choose", again({"minutes": PLANNED}, True)
    elif scored and config.kind.text and run.ancestor is None:
        yield "average networks", resume_command(run, f" --members {config.members + 2}")
    if not scored:
        yield "score it", f"charrnn eval {folder}{config.cell_option} FILE"
    elif _behind(run):
        yield "score with n-grams", f"charrnn eval {folder}{config.cell_option} --mix"
    yield "use it", config.kind.usage.replace("RUN", folder) + config.cell_option


def _may_gain(run: "Run", went: Course) -> bool:
    """Whether a plan may find better settings than the run had."""
    from charrnn.training.task_plan import may_differ

    if run.config.kind.text:
        return went in ("rising", "apart")
    return went != "perfect" and may_differ(run.config)


def _behind(run: "Run") -> bool:
    """Whether n-grams are better than the language model."""
    from charrnn.training.compare import lead

    if not run.config.kind.text or run.best is None or run.best.val is None:
        return False
    return lead(run.compared, run.best.val) is not None


def _to_share(run: "Run") -> str:
    """The file that holds the model, and its size."""
    path = run.folder.best if run.folder.best.exists() else run.folder.last
    kilobytes = path.stat().st_size / 1000
    size = f"{kilobytes / 1000:.1f} MB" if kilobytes >= 1000 else f"{ceil(kilobytes)} kB"
    return f"{path.name}, {size}, is all that a friend needs"


def resume_command(run: "Run", options: str = "") -> str:
    """The command that continues a run."""
    again = "- " if "-" in run.data.paths.train else ""
    more = " < TEXT" if again else ""
    folder, cell = quoted(run.folder.path), run.config.cell_option
    return f"charrnn train {again}--resume {folder}{cell}{options}{more}"


def show_test(run: "Run") -> None:
    """Print the best model's result on the test part, beside what baselines reach there."""

    found = run.report()
    if found is None:
        return
    for line in outcome_lines(found):
        say(line)


def outcome_lines(found: "Outcome") -> Iterator[str]:
    """A test's verdict, its figures beside those of the baselines, and its table."""
    if found.verdict:
        yield fold(found.verdict)
    yield from _figures(found)


def _figures(found: "Outcome") -> Iterator[str]:
    from charrnn.tasks.figures import figure

    yield fold(f"test: {found.score.text} ({found.score.method})")
    measure = next(iter(found.score.measures))
    for name, value in found.baselines.items():
        yield fold(f"  baseline: {name}: {measure} {figure(value)}")
    for line in found.lines:
        yield f"  {line}"


def quoted(path: "Path") -> str:
    """A path quoted for a shell, so that the command shown can be pasted."""
    return shlex.quote(str(path))
