"""A model's facts in a few lines: for ``charrnn inspect``."""

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import typer

from charrnn.cli.curve import draw_curve
from charrnn.cli.flow import echo
from charrnn.cli.picture import check_suffix, write_picture
from charrnn.tasks.figures import figure, short
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from charrnn.runs.listing import Listed
    from charrnn.runs.model import Model

__all__ = ["facts", "list_runs", "summarise"]


def summarise(argument: str, cell: str | None, as_json: bool, plot: str | None) -> None:
    """Print what a run's folder or a checkpoint contains, and its learning curve or picture.

    Raises:
        CheckpointError: the file cannot be read.
        InputError: there is no such model, or the picture cannot be drawn.
    """
    from charrnn.runs.find import FILES, find_checkpoint, find_run
    from charrnn.runs.history import compared, read_curve
    from charrnn.runs.model import load_model

    if plot is not None:
        check_suffix(plot)
    model = load_model(find_checkpoint(argument)[0], cell)
    curve = read_curve(find_run(argument), model.header, model.config)
    if plot is not None:
        write_picture(plot, curve, argument)
    to_beat = compared(model.path.parent) if model.path.name in FILES else {}
    found = facts(model) | {"compared": to_beat}
    if as_json:
        history = {"train": curve.train, "val": curve.val}
        typer.echo(json.dumps(found | {"history": history}, indent=1))
        return
    _print(model, found)
    echo("")
    for line in draw_curve(curve):
        echo(line)
    if plot is not None:
        echo(f"picture: {plot}")


def _print(model: "Model", found: dict[str, Any]) -> None:
    config, epochs = model.config, found["epochs"]
    cells = f"{config.cell}, {counted(config.layers, 'layer')} of "
    cells += counted(config.hidden, "hidden unit")
    if model.members > 1:
        cells = f"the average of {model.members} networks, each {cells}"
    lines = {
        "file": str(model.path),
        "task": config.task,
        "network": f"{cells}, directions {config.directions}, "
        f"embedding {config.embedding}, dropout {config.dropout:g}",
        "parameters": f"{found['parameters']:,}",
        **{f"knows {name}": _list(what) for name, what in found["knows"].items()},
        "trained": f"{counted(found['steps'], 'step')}, {short(epochs)} epoch{'s' * (epochs != 1)}"
        if found["steps"] is not None
        else "no history",
    }
    best = found["best"]
    if best is not None:
        good = config.kind.good
        shown = f"{figure(best['val'])} {config.kind.measure_of(config.level)}"
        if good is not None:
            shown = f"{_good(best['val'])} {good(model.header)}"
        lines["best"] = f"{shown}, validated at step {best['step']}"
    if found["compared"]:
        beside = (f"{name} {figure(nats)}" for name, nats in found["compared"].items())
        lines["baselines"] = ", ".join(beside)
    lines["settings"] = " ".join(
        f"{name}={short(v) if isinstance(v, float) else v}" for name, v in found["changed"].items()
    )
    width = max(map(len, lines)) + 2
    for name, value in lines.items():
        echo(f"{name:<{width}}{value or 'the defaults of the task'}")


def facts(model: "Model") -> dict[str, Any]:
    """What a checkpoint says of itself. Its history is not trusted."""
    from charrnn.runs.history import best_validation, is_number
    from charrnn.tasks.config import Config

    settings = model.config.to_json()
    defaults = Config.of(model.config.task).to_json()
    history = [entry for entry in _entries(model.header) if is_number(entry.get("step"))]
    best = best_validation(model.header)
    training = model.header.get("training")
    last = history[-1] if history else {}
    steps = training.get("step") if isinstance(training, dict) else None
    return {
        "path": str(model.path),
        "task": model.config.task,
        "cell": model.config.cell,
        "layers": model.config.layers,
        "hidden": model.config.hidden,
        "members": model.members,
        "parameters": int(model.parameters.flat.size),
        "knows": model.spec.knows(),
        "steps": steps if is_number(steps) else last.get("step"),
        "epochs": last["epoch"] if is_number(last.get("epoch")) else 0.0,
        "best": None if best is None else {"step": best[0], "val": best[1]},
        "settings": settings,
        "changed": {name: value for name, value in settings.items() if value != defaults.get(name)},
    }


def _entries(header: "Mapping[str, Any]") -> list[dict[str, Any]]:
    history = header.get("history")
    return [e for e in history if isinstance(e, dict)] if isinstance(history, list) else []


def _list(what: "list[str] | str") -> str:
    """How many there are, and the first few."""
    if what == "all 256 bytes":
        return "all 256 bytes"
    if isinstance(what, str):
        shown = json.dumps(what[:120], ensure_ascii=False)
        return f"{len(what)}: {shown}" + (" ..." if len(what) > 120 else "")
    shown = ", ".join(what[:20])
    return f"{len(what)}: {shown}" + (", ..." if len(what) > 20 else "")


WIDE = 200
"""Columns without a terminal, since a number that is cut off is a wrong one."""

COLUMNS = ("run", "data", "task", "cell", "best", "", "epochs", "minutes", "weights", "saved")
NUMBERS = ("best", "epochs", "minutes", "weights")
LEAVE_OUT = ("weights", "minutes", "epochs", "data", "cell", "saved")
"""Columns that are left out at a narrow terminal, the first ones first."""


def list_runs(folder: "Path", as_json: bool) -> None:
    """Print a line for each run in a folder, the latest first."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from charrnn.cli.errors import printable
    from charrnn.runs.listing import listed, runs_in

    found = [listed(path) for path in runs_in(folder)]
    if as_json:
        typer.echo(json.dumps([asdict(run) for run in found], indent=1))
        return
    rows = [dict(zip(COLUMNS, map(printable, _row(run)), strict=True)) for run in found]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    shown = _that_fit(rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in shown:
        table.add_column(column, justify="right" if column in NUMBERS else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(row[column] for column in shown))
    Console(width=width, markup=False, highlight=False).print(table)


def _good(error: float) -> str:
    """The score; the error may contain a little of the loss, to choose among equals."""
    return f"{max(0.0, 1 - error):.3f}"


def _row(run: "Listed") -> tuple[str, ...]:
    """The values of :data:`COLUMNS`."""
    best, measure = "?", ""
    if run.loss is not None:
        good = run.good is not None
        best = _good(run.loss) if good else figure(run.loss)
        measure = run.good or run.measure or ""
    what = (run.error and "cannot be read") or run.task
    return (
        *(word or "?" for word in (run.name, run.data, what, run.cell)),
        best,
        measure,
        "?" if run.epochs is None else short(run.epochs),
        _figure(run.minutes, ".1f"),
        _figure(run.size, ",d"),
        run.date,
    )


def _that_fit(rows: list[dict[str, str]], width: int) -> list[str]:
    """The columns that fit side by side."""
    from rich.cells import cell_len

    widest = {c: max(cell_len(text) for text in (c, *(row[c] for row in rows))) for c in COLUMNS}
    shown = list(COLUMNS)
    for column in LEAVE_OUT:
        if sum(widest[one] + 2 for one in shown) - 2 <= width:
            break
        shown.remove(column)
    return shown


def _figure(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)
