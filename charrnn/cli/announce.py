"""What a training says before its first update and after its last."""

import shlex
from typing import TYPE_CHECKING

from charrnn.cli.errors import fold, say
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from charrnn.tasks.base import Outcome
    from charrnn.training.run import Run

__all__ = ["conclude", "introduce", "on_ranks", "outcome_lines", "quoted", "show_test"]


def introduce(run: "Run") -> None:
    """What is trained, on what, how, and where it is kept."""
    from charrnn.engine import shards
    from charrnn.runs.find import in_words

    config, data = run.config, run.data
    source = in_words(data.paths.train, ", ") or "the help topics that come with Python"
    first, split, *more = data.describe(run.spec, config)
    say(fold(f"corpus: {source}: {first}, sha256 {getattr(data, 'corpus', data).sha256[:16]}"))
    say(fold(f"split: {split}"))
    for line in (*run.notes, *more):
        say(fold(line))
    label = f"{config.layers} × {config.hidden} {run.network.cell.label}"
    if not config.layers:
        label = "linear regression" if config.task == "forecast" else f"{config.loss} regression"
    trainer = run.trainer
    steps = min(data.longest(config), config.seq_len) if config.kind.carried else None
    batch = f"{run.task.batch_size}" + (f" × {steps}" if steps else "")
    size = counted(trainer.parameters.flat.size, "parameter")
    count = config.members
    if count > 1:
        label = f"the average of {count} networks, each {label}"
    say(fold(f"model: {label}, {size}; {counted(run.total, 'step')} of {batch}"))
    if not config.kind.text:
        own = ", ".join(f"{name} {_shown(value)}" for name, value in config.own_settings.items())
        say(fold(f"settings: {own}"))
    if run.threads:
        cut = f", each batch cut into {config.shards} shards" * bool(config.shards)
        ranks = run.task.engine.ranks
        say(f"threads: {run.threads}{on_ranks(ranks)}{cut}")
        parts = len(shards(run.task.batch_size, config.shards))
        if parts < run.threads * ranks:
            say(
                f"note: a batch is cut into {parts} shards, for no more than as many processes; "
                f"--shards {run.threads * ranks} would keep all busy"
            )
    say(f"run: {run.folder.path}")


def on_ranks(ranks: int) -> str:
    """Where processes compute, if on several."""
    return f" on each of {ranks} ranks" * (ranks > 1)


def _shown(value: object) -> str:
    return str(float(f"{value:.4g}") if isinstance(value, float) else value)


FEW = 100
"""Updates in which little can be learnt."""


def conclude(run: "Run") -> None:
    """Whether simple methods are better, how good the best model is, where, and what to do."""
    from charrnn.tasks.figures import figure

    found = run.report()
    behind = _behind(run)
    if behind:
        say(behind)
    if found is not None and found.verdict:
        say(fold(found.verdict))
    if run.best is not None and run.best_score is not None:
        where = f"on what was held out, at step {run.best.step} ({run.best_score.method})"
        say(fold(f"best: {run.best_score.text} {where}"))
    elif run.best is not None and run.best.val is not None:  # found before the run was resumed
        say(f"best: at step {run.best.step}, with an error of {figure(run.best.val)}")
    if run.config.minutes and run.trainer.total < FEW:
        say(
            f"note: {counted(run.trainer.total, 'update', 'are')} few to learn from; more "
            "--minutes make more, and smaller networks need less of them"
        )
    use = run.config.kind.usage.replace("RUN", quoted(run.folder.path)) + run.config.cell_option
    say(f"saved in {run.folder.path}. To use it:\n  {use}")
    for line in () if found is None else _figures(found):
        say(line)


def _behind(run: "Run") -> str:
    """That n-grams are better than a language model, and what to do; nothing if they are not."""
    from charrnn.training.compare import lead

    score = run.best_score
    nats = None if score is None else score.numbers.get("nats")
    if nats is None and run.best is not None and run.config.loss == "softmax":
        nats = run.best.val  # found before the run was resumed
    found = None if nats is None or not run.config.kind.text else lead(run.compared, nats)
    if found is None:
        return ""
    name, by = found
    more = "--minutes" if run.config.minutes else "--epochs"
    return (
        f"the {name} is better than this network by {by:.4f} {run.task.unit}: give it more "
        f"{more}, or use both together:\n"
        f"  charrnn eval {quoted(run.folder.path)}{run.config.cell_option} --mix"
    )


def show_test(run: "Run") -> None:
    """The best model on the test part, beside what simple methods reach there."""

    found = run.report()
    if found is None:
        return
    for line in outcome_lines(found):
        say(line)


def outcome_lines(found: "Outcome") -> "Iterator[str]":
    """A test's verdict, its figures, beside them what simple methods reach, and its table."""
    if found.verdict:
        yield fold(found.verdict)
    yield from _figures(found)


def _figures(found: "Outcome") -> "Iterator[str]":
    from charrnn.tasks.figures import figure

    yield fold(f"test: {found.score.text} ({found.score.method})")
    measure = next(iter(found.score.measures))
    for name, value in found.baselines.items():
        yield fold(f"  beside it: {name}: {measure} {figure(value)}")
    for line in found.lines:
        yield f"  {line}"


def quoted(path: "Path") -> str:
    """As a shell takes it, so that the command shown can be pasted."""
    return shlex.quote(str(path))
