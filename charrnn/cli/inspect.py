"""``charrnn inspect``."""

import json
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from charrnn.cli.report import printable, reported
from charrnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from charrnn.nn.body import Body
    from charrnn.nn.flow import LastLoss
    from charrnn.nn.types import Array, State, Weights
    from charrnn.runs import Model

__all__ = ["inspect"]

FLOW = "With --gradient-flow"
AGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
LANES = 16
ROWS, COLUMNS, DECADES = 16, 60, 20
MARKS = "*o+x#@%&=$"
ERRORS = {
    "lm": "nats/char",
    "generate": "nats/char",
    "classify": "1 - accuracy",
    "tag": "1 - F1 of spans, or 1 - accuracy",
    "translate": "character error rate",
    "forecast": "loss",
}
"""What the best model has least of, by task."""


class Curve(NamedTuple):
    """How the gradient fades: ``norms`` by T - t."""

    label: str
    part: str
    norms: "Array"
    factor: float


@reported
def inspect(
    ctx: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(help="A trained model: an .npz file or a run's folder.", show_default=False),
    ] = None,
    gradient_flow: Annotated[
        bool,
        typer.Option(
            "--gradient-flow",
            help="How the gradient of the last step's loss fades on its way back: |dE_T/dh_t| "
            "against T - t, of a trained model or of new cells side by side.",
        ),
    ] = False,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            help="A new cell to look at, as lstm,gates=cell; may be given more than once. "
            "Else rnn, gru and lstm.",
            show_default=False,
            rich_help_panel=FLOW,
        ),
    ] = None,
    hidden: Annotated[
        int, typer.Option(min=1, max=1024, help="Hidden units of new cells.", rich_help_panel=FLOW)
    ] = 64,
    seq_len: Annotated[
        int, typer.Option(min=1, max=4096, help="T, the steps.", rich_help_panel=FLOW)
    ] = 100,
    prime: Annotated[
        str | None,
        typer.Option(
            "--prime",
            "-p",
            help="A text for a language model to read; its last character is what is predicted. "
            "Else characters are drawn at random.",
            show_default=False,
            rich_help_panel=FLOW,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Draws weights and inputs.", rich_help_panel=FLOW)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")] = False,
) -> None:
    """Look into a model: what it is, and how far back its gradients reach.

    [dim]charrnn inspect checkpoints/shakespeare-1
    charrnn inspect --gradient-flow --cell rnn --cell lstm
    charrnn inspect --gradient-flow checkpoints/shakespeare-1 --prime 'To be, or not to be'[/dim]
    """
    given = {
        name
        for name in ("cell", "hidden", "seq_len", "prime", "seed")
        if (source := ctx.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    }
    if not gradient_flow:
        if checkpoint is None:
            raise InputError(
                "there is nothing to inspect", "name a checkpoint, or give --gradient-flow, or both"
            )
        if given:
            option = "--" + min(given).replace("_", "-")
            raise InputError(
                f"{option} goes with --gradient-flow", "give that too, or leave it out"
            )
        _summarise(checkpoint, as_json)
        return
    if checkpoint is not None and given & {"cell", "hidden"}:
        raise InputError(
            "a checkpoint has its own cell and hidden units", "leave out --cell and --hidden"
        )
    if checkpoint is None and prime is not None:
        raise InputError("new cells read random numbers, no --prime", "name a checkpoint")
    if prime is not None and "seq_len" in given:
        raise InputError("--prime is as long as it is, whatever --seq-len", "give one of them")

    import numpy as np

    from charrnn.nn.products import one_blas_thread

    one_blas_thread()
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):  # what explodes may overflow, and is shown
        if checkpoint is None:
            title = f"new cells of {hidden} hidden units, standard normal inputs, seed {seed}"
            curves = list(_of_new(cell or ["rnn", "gru", "lstm"], hidden, seq_len, seed))
        else:
            title, curves = _of_trained(checkpoint, prime, seq_len, rng)
    if as_json:
        typer.echo(json.dumps([_as_json(curve) for curve in curves], indent=1))
    else:
        _print(title, curves)


def _of_new(names: list[str], hidden: int, num_steps: int, seed: int) -> "Iterator[Curve]":
    """One layer of each cell, as it is drawn; E_T is a random linear functional of h_T."""
    import numpy as np

    from charrnn.nn.body import Body
    from charrnn.nn.cells import UnknownCellError, parse_cell
    from charrnn.nn.flow import random_functional
    from charrnn.nn.parameters import Parameters

    try:
        cells = [parse_cell(name, hidden) for name in names]
    except UnknownCellError as error:
        raise InputError(f"--cell: {error}") from None
    for one in cells:
        rng = np.random.default_rng(seed)
        body = Body(hidden, one, input="vectors")
        w = Parameters(body.shapes(), np.float64)
        w.fill(body.init(rng))
        # The same for all cells.
        rng = np.random.default_rng([seed, 1])
        x = rng.standard_normal((num_steps, LANES, hidden))
        yield from _curves(one.label, body, w, x, random_functional(rng))


def _of_trained(
    argument: str, prime: str | None, num_steps: int, rng: Any
) -> tuple[str, list[Curve]]:
    """Each layer of a trained model; E_T is the loss of the symbol after the last one read.

    Where a network does not predict the next symbol, it is a random linear functional of the last
    features.
    """
    import numpy as np

    from charrnn.nn.conditional import Conditional
    from charrnn.nn.flow import cross_entropy_of, random_functional
    from charrnn.nn.translator import Translator
    from charrnn.runs import find_checkpoint, load_model

    model = load_model(find_checkpoint(argument)[0])
    if not model.config.layers:
        raise InputError(
            f"{model.path} has no recurrent layer", "no gradient goes through time in it"
        )
    ids = _prime(model, prime)
    weights, network = model.parameters.astype(np.float64), model.model
    lanes = LANES if ids is None else 1
    state: State | None = None
    if isinstance(network, Conditional):
        labels = rng.integers(network.num_labels, size=LANES)
        state, network = network.initial_state(weights, labels), network.generator
    bodies: list[tuple[str, Body, Weights]]
    if isinstance(network, Translator):
        bodies = [
            ("encoder ", network.encoder, weights.scope("encoder")),
            ("decoder ", network.decoder, weights.scope("decoder")),
        ]
    else:
        bodies = [("", network.body, weights)]
    curves: list[Curve] = []
    for name, body, w in bodies:
        if ids is not None:
            text = ids[:, None]
        elif body.input == "vectors":
            text = rng.standard_normal((num_steps + 1, lanes, body.input_size))
        else:
            text = rng.integers(body.input_size, size=(num_steps + 1, lanes))
        x, loss = text[:-1], random_functional(rng)
        predicts = model.config.task in ("lm", "generate")
        if predicts:
            loss = cross_entropy_of(network.head, weights.scope("head"), text[-1])
        curves += _curves(f"{name}{body.cell.label}", body, w, x, loss, state)
    read = "the prime" if ids is not None else f"{lanes} random sequences"
    what = (
        "the loss of the last character" if predicts else "a random functional of the last output"
    )
    return f"{model.path}: {read} of {len(x)} steps; E_T is {what}", curves


def _prime(model: "Model", prime: str | None) -> "Array | None":
    """The symbols of the text to read, and the one to predict."""
    if prime is None:
        return None
    if model.config.task != "lm":
        raise InputError(f"--prime is for language models; {model.path} is none", "leave it out")
    ids = model.vocabulary.encode_text(prime, "the prime")
    if len(ids) < 2:
        raise InputError("--prime: one character to read and one to predict is the least")
    if len(ids) > 4097:
        raise InputError(f"--prime: {len(ids)} characters are too many", "give 4097 at most")
    return ids


def _curves(
    label: str,
    body: "Body",
    w: "Weights",
    x: "Array",
    loss: "LastLoss",
    state: "State | None" = None,
) -> "Iterator[Curve]":
    from charrnn.nn.flow import decay, gradient_flow, lane_norms

    flows = gradient_flow(body, w, x, loss, state)
    for number, flow in enumerate(flows):
        layer = f", layer {number}" if len(flows) > 1 else ""
        for part, gradient in flow.items():
            norms = lane_norms(gradient)
            yield Curve(label + layer, part, norms, decay(norms))


def _as_json(curve: Curve) -> dict[str, Any]:
    from math import isfinite

    def number(value: float) -> float | None:
        return float(value) if isfinite(value) else None

    return {
        "label": curve.label,
        "part": curve.part,
        "factor": number(curve.factor),
        "norms": [number(value) for value in curve.norms],
    }


def _print(title: str, curves: list[Curve]) -> None:
    from rich.console import Console
    from rich.table import Table

    _echo(title + "\n")
    num_steps = len(curves[0].norms) - 1
    for line in _plot(curves):
        typer.echo(line)
    ages = [age for age in AGES if age <= num_steps]
    table = Table(
        title="\nNorm at T - t steps back", box=None, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("")
    table.add_column("gradient by", overflow="fold")
    for age in ages:
        table.add_column(str(age), justify="right", no_wrap=True)
    table.add_column("factor", justify="right", no_wrap=True)
    for number, curve in enumerate(curves):
        table.add_row(
            _mark(number),
            f"{curve.part} of {curve.label}",
            *(_short(curve.norms[age]) for age in ages),
            f"{curve.factor:.3f}",
        )
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 200)  # a file has room
    console.print(table)
    typer.echo(
        "factor: what one step back multiplies the norm by, fitted to all of them. Below 1 the "
        "gradient vanishes, above 1 it explodes."
    )
    if any(curve.part == "c" for curve in curves):
        typer.echo(
            "By c: by the cell as a step hands it on, h being held; at T - t = 0 it is zero."
        )


def _echo(text: str) -> None:
    """A line whose characters the output may not have, or must not obey."""
    import sys

    encoding = sys.stdout.encoding or "ascii"
    typer.echo(printable(text).encode(encoding, "backslashreplace").decode(encoding))


def _mark(number: int) -> str:
    return MARKS[number % len(MARKS)]


def _short(value: float) -> str:
    """At most six characters: 0.93, 3e-12."""
    text = f"{value:.2g}"
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}"


def _plot(curves: list[Curve]) -> "Iterator[str]":
    """The logarithms against T - t, in plain characters; where curves meet the first is seen."""
    import numpy as np

    num_steps = len(curves[0].norms) - 1
    logs = [
        np.log10(curve.norms, where=curve.norms > 0, out=np.full(num_steps + 1, -np.inf))
        for curve in curves
    ]
    finite = np.concatenate([log[np.isfinite(log)] for log in logs])
    if not finite.size:
        yield "(nothing to plot: no gradient is a finite number)"
        return
    top = int(np.ceil(finite.max()))
    bottom = max(int(np.floor(finite.min())), top - DECADES)
    bottom = min(bottom, top - 1)
    grid = [[" "] * (COLUMNS + 1) for _ in range(ROWS + 1)]
    ages = {round(age * COLUMNS / num_steps): age for age in range(num_steps + 1)}
    for number, log in reversed(list(enumerate(logs))):
        for column, age in ages.items():
            if bottom <= log[age] <= top:
                row = round((top - float(log[age])) * ROWS / (top - bottom))
                grid[row][column] = _mark(number)
    yield "log10 |dE_T/dh_t|"
    for row, line in enumerate(grid):
        tick = f"{top - row * (top - bottom) / ROWS:6.1f}" if row % 4 == 0 else " " * 6
        yield f"{tick} |{''.join(line)}".rstrip()
    yield " " * 7 + "+" + "-" * (COLUMNS + 1)
    middle, end = str(round(num_steps / 2)), str(num_steps)
    half = COLUMNS // 2
    axis = "0".ljust(half) + middle.ljust(COLUMNS + 1 - half - len(end)) + end
    yield " " * 8 + axis + "  T - t"


def _summarise(argument: str, as_json: bool) -> None:
    from charrnn.runs import find_checkpoint, load_model

    model = load_model(find_checkpoint(argument)[0])
    facts = _facts(model)
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    config = model.config
    cells = f"{config.cell}, {config.layers} layer{'s' * (config.layers != 1)} of {config.hidden}"
    lines = {
        "file": str(model.path),
        "task": config.task,
        "network": f"{cells} hidden units, directions {config.directions}, "
        f"embedding {config.embedding}, dropout {config.dropout:g}",
        "parameters": f"{facts['parameters']:,}",
        **{f"knows {name}": _list(what) for name, what in facts["knows"].items()},
        "trained": f"{facts['steps']:,} steps, {facts['epochs']:g} epochs"
        if facts["steps"] is not None
        else "no history",
    }
    best = facts["best"]
    if best is not None:
        lines["best"] = f"{best['val']:.4f} {ERRORS[config.task]}, validated at step {best['step']}"
    lines["settings"] = " ".join(f"{name}={value}" for name, value in facts["changed"].items())
    width = max(map(len, lines)) + 2
    for name, value in lines.items():
        _echo(f"{name:<{width}}{value or 'the defaults of the task'}")


def _facts(model: "Model") -> dict[str, Any]:
    """What a checkpoint says of itself. Its history is taken without trust."""
    from charrnn.config import Config

    settings = model.config.to_json()
    defaults = Config.of(model.config.task).to_json()
    history = [entry for entry in _entries(model.header) if _is_number(entry.get("step"))]
    scored = [entry for entry in history if _is_number(entry.get("val"))]
    best = min(scored, key=lambda entry: float(entry["val"]), default=None)
    training = model.header.get("training")
    last = history[-1] if history else {}
    steps = training.get("step") if isinstance(training, dict) else None
    return {
        "path": str(model.path),
        "task": model.config.task,
        "cell": model.config.cell,
        "layers": model.config.layers,
        "hidden": model.config.hidden,
        "parameters": int(model.parameters.flat.size),
        "knows": _knows(model.spec),
        "steps": steps if _is_number(steps) else last.get("step"),
        "epochs": last["epoch"] if _is_number(last.get("epoch")) else 0.0,
        "best": None if best is None else {"step": best["step"], "val": best["val"]},
        "settings": settings,
        "changed": {name: value for name, value in settings.items() if value != defaults[name]},
    }


def _entries(header: "Mapping[str, Any]") -> list[dict[str, Any]]:
    history = header.get("history")
    return [e for e in history if isinstance(e, dict)] if isinstance(history, list) else []


def _is_number(value: object) -> bool:
    from math import isfinite

    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _knows(spec: Any) -> dict[str, Any]:
    """Labels, tags and columns by name; characters as one text, bytes as their number."""
    known: dict[str, Any] = {}
    for name in ("labels", "tags", "columns"):
        if hasattr(spec, name):
            known[name] = list(getattr(spec, name))
    for name, called in (
        ("vocabulary", "characters"),
        ("alphabet", "characters"),
        ("source", "characters of the source"),
        ("target", "characters of the target"),
    ):
        if hasattr(spec, name):
            vocabulary = getattr(spec, name)
            vocabulary = getattr(vocabulary, "vocabulary", vocabulary)
            whole = vocabulary.level == "byte"
            known[called] = "all 256 bytes" if whole else "".join(map(chr, vocabulary.codes))
    return known


def _list(what: "list[str] | str") -> str:
    """How many, and the first of them."""
    if what == "all 256 bytes":
        return "all 256 bytes"
    if isinstance(what, str):
        shown = json.dumps(what[:120], ensure_ascii=False)
        return f"{len(what)}: {shown}" + (" ..." if len(what) > 120 else "")
    shown = ", ".join(what[:20])
    return f"{len(what)}: {shown}" + (", ..." if len(what) > 20 else "")
