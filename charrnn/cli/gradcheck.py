"""``charrnn gradcheck``."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import charrnn
from charrnn.cli.complete import cells
from charrnn.cli.errors import printable, reported, say
from charrnn.cli.given import given_options
from charrnn.errors import CharrnnError, InputError

if TYPE_CHECKING:
    from charrnn.gradcheck import Finding, ModelCheck, TensorCheck

__all__ = ["gradcheck"]

LEAST_ROOM, BESIDE = 25, 55
"""The least columns for a model's name, and the columns that its figures take."""

MOST_FINDINGS = 8
WHAT, HOW = "What to check", "How"


@reported
def gradcheck(
    ctx: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="Check a trained model at its own weights: an .npz file or a run's folder.",
            show_default=False,
        ),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(
            autocompletion=cells,
            help="rnn, lstm or gru with all its variants; one variant, such as lstm,gates=cell; or "
            "your own cell: my_cell.py:MyCell.",
            show_default=False,
            rich_help_panel=WHAT,
        ),
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8,
            help="Number of layers. Default: both 1 and 2.",
            show_default=False,
            rich_help_panel=WHAT,
        ),
    ] = None,
    hidden: Annotated[
        int, typer.Option(min=1, max=256, help="Hidden units.", rich_help_panel=WHAT)
    ] = 4,
    seq_len: Annotated[int, typer.Option(min=1, max=256, help="Steps.", rich_help_panel=WHAT)] = 5,
    method: Annotated[
        Literal["both", "complex", "central"],
        typer.Option(help="Complex step, central differences, or both.", rich_help_panel=HOW),
    ] = "both",
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed of the weights.", rich_help_panel=HOW)
    ] = 0,
    detail: Annotated[
        bool, typer.Option("--detail", help="Print a row for every tensor.", rich_help_panel=HOW)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every figure as JSON.", rich_help_panel=HOW)
    ] = False,
) -> None:
    """Prove the backward passes: compare every gradient with a numeric one.

    The complex step differentiates the forward code that trains, exact to rounding;
    central differences are a second opinion. If a gradient is wrong, gradcheck says
    where, and exits with code 1.
    """
    from charrnn.gradcheck import METHODS, check_all, chosen_cells, diagnose
    from charrnn.own_cells import split_cell

    methods = METHODS if method == "both" else (method,)
    if checkpoint is not None and given_options(ctx) & {"layers", "hidden"}:
        raise InputError(
            "a checkpoint has its own layers and hidden units", "leave out --layers and --hidden"
        )
    own = split_cell(cell or "")
    code = {
        "code": str(Path(charrnn.__file__).resolve().parent),
        "cell_file": str(Path(own[0]).resolve()) if own else None,
    }
    try:
        if checkpoint is not None:
            checks = _collect(_check_checkpoint(checkpoint, cell, seq_len, seed, methods))
        else:
            depths = (layers,) if layers else (1, 2)
            cells = chosen_cells(cell, hidden)
            checks = _collect(
                check_all(cells, num_layers=depths, seq_len=seq_len, seed=seed, methods=methods)
            )
    except ValueError as error:  # an unknown cell, or no draw that avoids ReLU's kink
        raise InputError(str(error)) from None

    findings = diagnose(checks)
    if as_json:
        typer.echo(json.dumps([code | _as_json(check, findings) for check in checks], indent=1))
    else:
        of_cell = f" and the cell in {code['cell_file']}" if own else ""
        typer.echo(printable(f"Checking the code in {code['code']}{of_cell}."))
        _print_tables(checks, methods, detail or checkpoint is not None or len(checks) <= 6)
        _print_notes(checks, trained=checkpoint is not None)
        _print_findings(findings)
    failed = sum(not tensor.passed for check in checks for tensor in check.tensors)
    made = sum(len(check.tensors) for check in checks)
    if failed:
        raise CharrnnError(f"gradcheck: {failed} of {made} comparisons failed")
    say(f"gradcheck: all {made} comparisons passed")


def _collect(checks: "Iterator[ModelCheck]") -> "list[ModelCheck]":
    """All checks, counted at a terminal as they finish."""
    from tqdm import tqdm

    from charrnn.nn.products import on_one_thread

    return list(
        tqdm(on_one_thread(checks), desc="checking", unit=" models", leave=False, disable=None)
    )


def _check_checkpoint(
    argument: str, cell: str | None, seq_len: int, seed: int, methods: tuple[str, ...]
) -> "Iterator[ModelCheck]":
    """Check a trained model by its training loss, and by its outputs and final state."""
    from dataclasses import replace

    import numpy as np

    from charrnn.gradcheck import TRAINED_BOUND, check_loss, check_outputs
    from charrnn.nn.models import SequenceModel
    from charrnn.nn.parameters import Parameters
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import load_model

    path, _ = find_checkpoint(argument)
    trained = load_model(path, cell)
    settings: dict[str, Any] = {
        "parameters": trained.parameters,
        "seq_len": seq_len,
        "batch_size": 2,
        "methods": methods,
        "bound": TRAINED_BOUND,
    }
    model = trained.network
    label = model.cell.label if trained.config.layers else f"{trained.config.loss} regression"
    yield check_loss(model, f"{label}, loss", rng=np.random.default_rng(seed), **settings)
    if not isinstance(model, SequenceModel):
        return
    # Vectors instead of symbols, so that the gradient by the input is checked as well.
    width = model.embedding_size or model.input_size
    above = replace(model, input_size=width, embedding_size=0, input="vectors", tied=False)
    known = dict(trained.parameters)
    known |= {f"head.{name}": w for name, w in model.head_weights(trained.parameters).items()}
    weights = Parameters(above.shapes(), np.float64)
    for name, weight in weights.items():
        weight[...] = known[name]
    settings["parameters"] = weights
    rng = np.random.default_rng(seed)
    yield check_outputs(above, f"{label}, outputs and state", rng=rng, **settings)


def _print_tables(checks: "list[ModelCheck]", methods: tuple[str, ...], detail: bool) -> None:
    from rich.console import Console

    console = Console()
    if detail:
        _print_detail(console, checks)
        return
    _print_by_model(console, checks, methods)
    _print_by_parameter(console, checks, methods)


def _print_notes(checks: "list[ModelCheck]", *, trained: bool) -> None:
    """Print what a reader must know about how the figures were computed."""
    from charrnn.gradcheck import KINK_MARGIN

    if any("activation=relu" in check.label for check in checks):
        typer.echo(
            "ReLU has no derivative at 0, so weights and inputs were drawn again until every "
            f"pre-activation was at least {KINK_MARGIN:g} away from 0."
        )
    if any(tensor.directions for check in checks for tensor in check.tensors):
        typer.echo(
            "Large tensors are checked in random directions, not element by element; --detail "
            "says how many."
        )
    if trained:
        typer.echo(
            "The bounds are wider than for new weights: a saturated gate is a small "
            "difference of numbers near 1 and keeps fewer digits."
        )


def _print_findings(findings: "list[Finding]") -> None:
    """Print what is wrong, in sentences: the first few findings, and how many more there are."""
    if findings:
        typer.echo("\nWhat is wrong:")
    for finding in findings[:MOST_FINDINGS]:
        places = [*finding.where[:3]]
        if len(finding.where) > 3:
            places.append(f"{len(finding.where) - 3} more")
        typer.echo(printable(f"- {'; '.join(places)}: {finding.text}"))
    if len(findings) > MOST_FINDINGS:
        typer.echo(f"- and {len(findings) - MOST_FINDINGS} more (--json lists them)")


def _print_by_model(console: Any, checks: "list[ModelCheck]", methods: tuple[str, ...]) -> None:
    from rich.table import Table

    table = Table(title="Largest error of each model", box=None, pad_edge=False)
    room = max(LEAST_ROOM, console.width - BESIDE)
    table.add_column("model", no_wrap=True)
    table.add_column("layers", justify="right")
    for method in methods:
        table.add_column(method, justify="right", no_wrap=True, min_width=7)
    table.add_column("in tensor", no_wrap=True)
    table.add_column("")
    for check in checks:
        worst = [tensor for method in methods if (tensor := check.worst(method))]
        table.add_row(
            _in_lines(check.label, room),
            str(check.num_layers),
            *(f"{tensor.error:.1e}" for tensor in worst),
            worst[0].tensor,
            _verdict(check.passed),
        )
    console.print(table)


def _in_lines(label: str, room: int) -> str:
    """A model's name broken into lines at commas and spaces, if it is too long."""
    lines = [""]
    for part in re.findall(r"[^, ]+[, ]*", label):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > room:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _print_by_parameter(console: Any, checks: "list[ModelCheck]", methods: tuple[str, ...]) -> None:
    """The worst error of W_x, W_h, ... over all models and layers."""
    from rich.table import Table

    groups: dict[str, list[TensorCheck]] = {}
    for check in checks:
        for tensor in check.tensors:
            groups.setdefault(_parameter(tensor.tensor), []).append(tensor)
    table = Table(title="\nLargest error of each parameter", box=None, pad_edge=False)
    table.add_column("gradient by")
    table.add_column("tensors", justify="right")
    for method in methods:
        table.add_column(method, justify="right", no_wrap=True, min_width=7)
    table.add_column("")
    for name, tensors in groups.items():
        errors = [max(t.error for t in tensors if t.method == method) for method in methods]
        table.add_row(
            name,
            str(len(tensors) // len(methods)),
            *(f"{error:.1e}" for error in errors),
            _verdict(all(tensor.passed for tensor in tensors)),
        )
    console.print(table)


def _parameter(tensor: str) -> str:
    """One name for ``body.1.W_h``, ``body.0.back.W_h``, ``encoder.body.0.W_h``; or ``h0``."""
    name = re.sub(r"^(encoder|decoder)\.", "", tensor)
    name = re.sub(r"^body\.\d+\.(ahead\.|back\.)?", "", name)
    name = re.sub(r"^condition\.\d+\.", "condition.", name)
    return re.sub(r"^([hc])(_back)?0\.\d+$", r"\g<1>0", name)


def _print_detail(console: Any, checks: "list[ModelCheck]") -> None:
    from rich.table import Table

    for check in checks:
        title = f"{check.label}, {check.num_layers} layer{'s' * (check.num_layers != 1)}"
        if check.draws > 1:
            title += f" (drawn {check.draws} times to stay away from ReLU's kink)"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in ("gradient by", "size", "tried", "method", "error", "bound", ""):
            table.add_column(column, justify="right" if column in ("size", "error") else "left")
        for tensor in check.tensors:
            number = tensor.directions
            tried = f"{number} direction{'s' * (number > 1)}" if number else "every element"
            table.add_row(
                tensor.tensor,
                str(tensor.size),
                tried,
                tensor.method,
                f"{tensor.error:.1e}" + (" (zero)" if tensor.zero else ""),
                f"{tensor.bound:.0e}",
                _verdict(tensor.passed),
            )
        console.print(table)


def _verdict(passed: bool) -> str:
    return "[green]ok[/green]" if passed else "[bold red]WRONG[/bold red]"


def _as_json(check: "ModelCheck", findings: "list[Finding]") -> dict[str, Any]:
    from math import isfinite

    tensors = [
        asdict(tensor)
        | {"error": tensor.error if isfinite(tensor.error) else None, "passed": tensor.passed}
        for tensor in check.tensors
    ]
    about = {check.label, check.cell.label}
    return {
        "label": check.label,
        "num_layers": check.num_layers,
        "draws": check.draws,
        "tensors": tensors,
        "passed": check.passed,
        "findings": [
            asdict(finding)
            for finding in findings
            if not check.passed and about & set(finding.where)
        ],
    }
