"""What a training says before its first update and after its last."""

import shlex
from math import inf
from typing import TYPE_CHECKING

from charrnn.cli.errors import say

if TYPE_CHECKING:
    from pathlib import Path

    from charrnn.training.run import Run

__all__ = ["conclude", "introduce", "quoted", "report", "show_yardsticks", "yardsticks_take"]


def introduce(run: "Run") -> None:
    """What is trained, on what, how, and where it is kept."""
    from charrnn.config import CARRIED

    config, data = run.config, run.data
    source = ", ".join(data.paths.train) or "the help topics that come with Python"
    first, split, *more = data.describe(run.spec, config)
    say(f"corpus: {source}: {first}, sha256 {data.sha256[:16]}")
    say(f"split: {split}")
    for line in (*run.notes, *more):
        say(line)
    label = f"{config.layers} × {config.hidden} {run.model.cell.label}"
    if not config.layers:
        label = "linear regression" if config.task == "forecast" else f"{config.loss} regression"
    trainer = run.trainer
    steps = min(data.longest(config), config.seq_len) if config.task in CARRIED else None
    batch = f"{run.task.batch_size}" + (f" × {steps}" if steps else "")
    say(
        f"model: {label}, {trainer.parameters.flat.size:,} parameters; "
        f"{trainer.total} steps of {batch}"
    )
    if config.task != "lm":
        from charrnn.config import TASK_DEFAULTS, TASK_WORDS

        own = dict.fromkeys((*TASK_DEFAULTS[config.task], *TASK_WORDS[config.task]))
        say("settings: " + ", ".join(f"{name} {getattr(config, name)}" for name in own))
    if run.threads:
        say(f"threads: {run.threads}")
    say(f"run: {run.folder.path}")


FEW = 100
"""Updates in which little can be learnt."""

YARDSTICKS = 0.1
"""The part of ``--minutes`` that they may take."""


def yardsticks_take(trained_on: int, held_out: int, minutes: float) -> float:
    """Seconds of a run of so many minutes; none where there is nothing to score."""
    return _afford(trained_on, minutes)[1] if held_out else 0.0


def _afford(trained_on: int, minutes: float) -> tuple[int, float]:
    """How much of a training text they may use in so many minutes, and its seconds."""
    from charrnn.yardsticks.scores import affordable

    return affordable(trained_on, YARDSTICKS * 60 * minutes if minutes else inf)


def show_yardsticks(run: "Run") -> None:
    """What simple methods reach on the text held out, for the network to beat."""
    from charrnn.tasks.lm import LanguageModelTask, TextData, TextSpec
    from charrnn.yardsticks.scores import yardsticks

    data, task, spec = run.data, run.task, run.spec
    if not (
        isinstance(data, TextData)
        and isinstance(task, LanguageModelTask)
        and isinstance(spec, TextSpec)
        and task.held_out
    ):
        return
    codes, split = data.corpus.codes, task.split
    most, _ = _afford(split, run.config.minutes)
    found = yardsticks(codes[:split], codes[split:], spec.vocabulary, most=most)
    shown = ", ".join(f"{name} {nats:.4f}" for name, nats in found)
    known = f" (from the last {most:,} that train)" if most < split else ""
    say(f"to beat, in {task.unit} on what is held out{known}: {shown}")


def conclude(run: "Run") -> None:
    """How good the best model is, where it is, and what to do with it."""
    if run.best is not None and run.best_score is not None:
        say(
            f"best: {run.best_score.text} on what was held out, at step "
            f"{run.best['step']} ({run.best_score.method})"
        )
    elif run.best is not None:  # found before the run was resumed
        say(f"best: at step {run.best['step']}, with an error of {run.best['val']:.4f}")
    if run.config.minutes and run.trainer.total < FEW:
        say(
            f"note: {run.trainer.total} updates are few to learn from; more --minutes make more, "
            "and smaller networks need less of them"
        )
    folder = quoted(run.folder.path)
    use = {
        "lm": f"To hear from it:\n  charrnn sample {folder}",
        "generate": f"To hear from it:\n  charrnn sample {folder} --label LABEL",
        "forecast": f"To go on from a series:\n  charrnn predict {folder} SERIES.csv --steps 10",
    }
    say(
        f"saved in {run.folder.path}. "
        + use.get(run.config.task, f"To use it:\n  charrnn predict {folder} TEXT")
    )
    report(run)


def report(run: "Run") -> None:
    """The best model on the test part, beside what simple methods reach there."""
    found = run.report()
    if found is None:
        return
    say(f"test: {found.score.text} ({found.score.method})")
    measure = next(iter(found.score.measures))
    for name, value in found.baselines.items():
        say(f"  beside it: {name}: {measure} {value:.4f}")
    for line in found.lines:
        say(f"  {line}")


def quoted(path: "Path") -> str:
    """As a shell takes it, so that the command shown can be pasted."""
    return shlex.quote(str(path))
