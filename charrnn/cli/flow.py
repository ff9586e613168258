"""How gradients fade with distance, drawn at a terminal: for ``charrnn inspect``."""

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from charrnn.cli.errors import printable
from charrnn.cli.given import one_network
from charrnn.cli.plot import COLUMNS, Marks, draw
from charrnn.errors import InputError
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charrnn.nn.body import Body
    from charrnn.nn.flow import LastLoss
    from charrnn.nn.types import Array, State, Weights
    from charrnn.runs.model import Model

__all__ = ["Curve", "curve_json", "echo", "of_new_cells", "of_trained", "print_curves"]

AGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
LANES = 16
DECADES = 20
MARKS = "*o+x#@%&=$"


class Curve(NamedTuple):
    """How the gradient fades: ``norms`` by T - t."""

    label: str
    part: str
    norms: "Array"
    factor: float


def of_new_cells(names: list[str], hidden: int, num_steps: int, seed: int) -> "Iterator[Curve]":
    """One layer of each cell with initial weights; E_T is a random linear functional of h_T."""
    import numpy as np

    from charrnn.nn.body import Body
    from charrnn.nn.cells import UnknownCellError
    from charrnn.nn.flow import random_functional
    from charrnn.nn.parameters import Parameters
    from charrnn.own_cells import make_cell

    try:
        cells = [make_cell(name, hidden) for name in names]
    except UnknownCellError as error:
        raise InputError(f"--cell: {error}") from None
    for one in cells:
        rng = np.random.default_rng(seed)
        body = Body(hidden, one, input="vectors")
        w = Parameters(body.shapes(), np.float64)
        w.fill(body.init(rng))
        # The same input for all cells.
        rng = np.random.default_rng([seed, 1])
        x = rng.standard_normal((num_steps, LANES, hidden))
        yield from _curves(one.label, body, w, x, random_functional(rng))


def of_trained(
    argument: str,
    cell: str | None,
    prime: str | None,
    num_steps: int,
    rng: Any,
    member: int | None = None,
) -> tuple[str, list[Curve]]:
    """Each layer of a trained model; E_T is the loss of the symbol after the last one read.

    For a network that does not predict the next symbol, it is a random linear functional of the
    last features.
    """
    import numpy as np

    from charrnn.nn.conditional import Conditional
    from charrnn.nn.flow import cross_entropy_of, random_functional
    from charrnn.nn.translator import Translator
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import load_model

    model = one_network(load_model(find_checkpoint(argument)[0], cell), member)
    if not model.config.layers:
        raise InputError(
            f"{model.path} has no recurrent layer, so no gradient flows back through time"
        )
    ids = _prime(model, prime)
    weights, network = model.parameters.astype(np.float64), model.network
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
            loss = cross_entropy_of(network.head, network.head_weights(weights), text[-1])
        curves += _curves(f"{name}{body.cell.label}", body, w, x, loss, state)
    read = "the prime" if ids is not None else counted(lanes, "random sequence")
    what = (
        "the loss of the last character" if predicts else "a random functional of the last output"
    )
    return f"{model.path}: {read} of {counted(len(x), 'step')}; E_T is {what}", curves


def _prime(model: "Model", prime: str | None) -> "Array | None":
    """The symbols of the text to read, and the one to predict."""
    if prime is None:
        return None
    if not model.config.kind.text:
        raise InputError(f"--prime is for language models; {model.path} is none", "leave it out")
    ids = model.vocabulary.encode_text(prime, "the prime")
    if len(ids) < 2:
        raise InputError("--prime needs two characters at least: one to read and one to predict")
    if len(ids) > 4097:
        raise InputError(f"--prime: {len(ids)} characters are too many", "give at most 4097")
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


def curve_json(curve: Curve) -> dict[str, Any]:
    from math import isfinite

    def number(value: float) -> float | None:
        return float(value) if isfinite(value) else None

    return {
        "label": curve.label,
        "part": curve.part,
        "factor": number(curve.factor),
        "norms": [number(value) for value in curve.norms],
    }


def print_curves(title: str, curves: list[Curve]) -> None:
    from rich.console import Console
    from rich.table import Table

    echo(title + "\n")
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
        console.width = max(console.width, 200)  # a file has no narrow lines
    console.print(table)
    typer.echo(
        "factor: how one step back changes the norm, fitted to all steps. Below 1 the "
        "gradient vanishes, above 1 it explodes."
    )
    if any(curve.part == "c" for curve in curves):
        typer.echo("c: gradient by the memory cell with h kept fixed; it is zero at T - t = 0.")


def echo(text: str) -> None:
    """Print a line without characters that the output would act on or does not have.

    (``typer.echo`` would write UTF-8 to a terminal of ASCII.)
    """
    sys.stdout.write(f"{printable(text)}\n")


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
    """The logarithms against T - t, in plain characters; where curves meet, the first is drawn."""
    import numpy as np

    num_steps = len(curves[0].norms) - 1
    logs = [
        np.log10(curve.norms, where=curve.norms > 0, out=np.full(num_steps + 1, -np.inf))
        for curve in curves
    ]
    finite = np.concatenate([log[np.isfinite(log)] for log in logs])
    if not finite.size:
        yield "(nothing to plot: the gradients are not finite numbers)"
        return
    top = int(np.ceil(finite.max()))
    bottom = max(int(np.floor(finite.min())), top - DECADES)
    bottom = min(bottom, top - 1)
    shown = {round(age * COLUMNS / num_steps): age for age in range(num_steps + 1)}.values()
    series = [
        Marks(_mark(number), [(age, float(log[age])) for age in shown])
        for number, log in enumerate(logs)
    ]
    yield from draw(
        series,
        x=(0, num_steps),
        y=(bottom, top),
        title="log10 |dE_T/dh_t|",
        axis="T - t",
    )
