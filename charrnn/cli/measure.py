"""``charrnn eval`` for tasks other than language models: the same report as a training's test."""

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

import typer

from charrnn.cli.conclusion import outcome_lines
from charrnn.cli.errors import say
from charrnn.cli.flow import echo
from charrnn.cli.tables import print_table
from charrnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from charrnn.runs.labelled import Evaluated
    from charrnn.runs.model import Model

__all__ = ["measure"]


def measure(
    models: "Sequence[Model]",
    files: "Sequence[str]",
    train: "Sequence[str]",
    columns: str,
    threads: int,
    as_json: bool,
) -> None:
    """Print how well models of one task do on labelled data.

    Raises:
        InputError: the models have different tasks, or the data cannot be used.
    """
    from charrnn.runs.labelled import evaluate_labelled

    tasks = {model.config.task for model in models}
    if len(tasks) > 1:
        raise InputError(f"these runs have different tasks: {', '.join(sorted(tasks))}")
    if len(models) > 1 and "-" in files:
        raise InputError("only one run can read standard input", "name a file")
    found = [
        (model, evaluate_labelled(model, files, train, threads or 1, columns)) for model in models
    ]
    for model, one in found:
        for note in one.notes:
            say(f"note: {note}" if len(found) == 1 else f"note: {model.path}: {note}")
    if len({one.what for _, one in found}) > 1:
        say(
            "note: these runs were tested on different data; to use one file: charrnn eval A B FILE"
        )
    if as_json:
        every = [_as_json(*one) for one in found]
        typer.echo(json.dumps(every if len(every) > 1 else every[0], indent=1))
    elif len(found) > 1:
        _compare(found)
    else:
        ((model, one),) = found
        echo(f"{model.path} on {one.what}")
        for line in outcome_lines(one.outcome):
            echo(line)


def _compare(found: "Sequence[tuple[Model, Evaluated]]") -> None:
    scores = [one.outcome.score for _, one in found]
    columns = [scores[0].unit, *scores[0].measures]
    rows = [
        (str(model.path), *(f"{value:.6g}" for value in score.numbers.values()), one.what)
        for (model, one), score in zip(found, scores, strict=True)
    ]
    print_table([*columns, "data"], rows)


def _as_json(model: "Model", one: "Evaluated") -> dict[str, Any]:
    outcome = one.outcome
    score = outcome.score
    return {
        "checkpoint": str(model.path),
        "task": model.config.task,
        "data": one.what,
        "unit": score.unit,
        "loss": _finite(score.loss),
        "measures": {name: _finite(value) for name, value in score.measures.items()},
        "method": score.method,
        "baselines": {name: _finite(value) for name, value in outcome.baselines.items()},
        "unknown": dict(one.unknown),
        **outcome.details,
        "notes": list(one.notes),
    }


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None
