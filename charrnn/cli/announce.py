"""What a training prints before its first update."""

from typing import TYPE_CHECKING

from charrnn.cli.errors import fold, say
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from charrnn.training.run import Run

__all__ = ["introduce", "on_ranks"]


def introduce(run: "Run") -> None:
    """Print what is trained, on what, how, and where it is saved."""
    from charrnn.engine import shards
    from charrnn.runs.find import in_words
    from charrnn.training.reasons import regression_of

    config, data = run.config, run.data
    source = in_words(data.paths.train, ", ") or "the help topics that come with Python"
    first, split, *more = data.describe(run.spec, config)
    say(fold(f"corpus: {source}: {first}, sha256 {getattr(data, 'corpus', data).sha256[:16]}"))
    say(fold(f"split: {split}"))
    for line in (*run.notes, *more):
        say(fold(line))
    label = f"{config.layers} × {config.hidden} {run.network.cell.label}"
    if not config.layers:
        label = regression_of(config)
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
                f"note: a batch is cut into {parts} shards, so only as many processes have "
                f"work; --shards {run.threads * ranks} keeps all of them busy"
            )
    say(f"run: {run.folder.path}")


def on_ranks(ranks: int) -> str:
    """On how many machines processes compute, if on several."""
    return f" on each of {ranks} ranks" * (ranks > 1)


def _shown(value: object) -> str:
    from charrnn.tasks.figures import short

    return short(value) if isinstance(value, float) else str(value)
