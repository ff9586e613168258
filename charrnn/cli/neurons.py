"""Units that follow a feature of the text: for ``charrnn inspect --neurons``."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import typer

from charrnn.cli.colours import DIVERGING, Cell, Painter, units
from charrnn.cli.errors import say
from charrnn.cli.given import one_network
from charrnn.cli.look import progress, to_console
from charrnn.looking.neurons import MOST, Follows, activation, follow
from charrnn.runs.find import find_checkpoint
from charrnn.runs.model import Model, load_model
from charrnn.runs.texts import read_text
from charrnn.text.counts import counted

__all__ = ["show_neurons"]

SHOWN = 3
"""The most units that colour a text."""

DEVIATIONS = ("-2", "", "", "", "", "", "", "", "", "+2")
"""The scale: a step is 4/9 of a standard deviation."""


def show_neurons(
    argument: str, file: str, cell: str | None, as_json: bool, member: int | None
) -> None:
    """Print which features the units of a model follow, and some lines coloured by the best units.

    Raises:
        InputError: the text cannot be read or is too short, or the model is not a recurrent
            language model.
    """
    model = one_network(load_model(find_checkpoint(argument)[0], cell), member)
    _ = model.vocabulary  # raises InputError for other tasks
    codes = read_text(model, [file]).codes
    if len(codes) > MOST:
        say(f"note: only the first {MOST:,} characters of {file} are used")
        codes = codes[:MOST]
    with progress(len(codes), "char") as bar:
        found = follow(model, codes, bar.update)
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in found], indent=1))
        return
    with to_console(None) as console:
        painter = Painter(console, DIVERGING)
        painter.text(f"{model.path} on {file}: {counted(len(codes), 'character')}")
        painter.text("")
        painter.text(
            "Correlation of a unit's activation with a feature of the text. The first half of "
            "the text chooses the unit; the second half checks it."
        )
        painter.text(f"{'first half':>10}  {'second':>7}  {'unit':<14}  follows")
        for one in found:
            painter.text(
                f"{one.found:10.3f}  {one.held:7.3f}  {_name(model, one):<14}  {one.feature}"
            )
        for one in _best(found):
            painter.text("")
            painter.text(f"{_name(model, one)}: {one.feature} ({one.held:.3f})")
            painter.text("")
            _colour(painter, model, codes, one)
        painter.text("")
        painter.scale("deviations", DEVIATIONS)
        if painter.plain:
            painter.text(
                "4 and 5: near the unit's mean; . and 9: two standard deviations or more "
                "below and above it"
            )


def _best(found: list[Follows]) -> list[Follows]:
    """The units that best follow features that must be remembered, each once."""
    best: dict[tuple[int, str, int], Follows] = {}
    for one in found:
        if one.remembered:
            best.setdefault(one.unit[:3], one)
    return list(best.values())[:SHOWN]


def _colour(painter: Painter, model: Model, codes: npt.NDArray[Any], one: Follows) -> None:
    """Print some lines, with each character coloured by the unit's value after reading it."""
    begin, end = one.example
    active = activation(model, codes, one.unit, begin, end)
    steps = np.clip(np.rint(4.5 + 2.25 * active), 0, len(DIVERGING) - 1).astype(int).tolist()
    line: list[Cell] = []
    for _, last, shown in units(codes[begin:end].tolist(), model.config.level):
        line.append(Cell(shown, steps[last - 1]))
        if codes[begin + last - 1] == ord("\n"):
            painter.line(line)
            line = []
    if line:
        painter.line(line)


def _name(model: Model, one: Follows) -> str:
    layer = f"layer {one.unit.layer} " if model.config.layers > 1 else ""
    return f"{layer}{one.unit.part}[{one.unit.number}]"


def _as_json(one: Follows) -> dict[str, object]:
    return {
        "feature": one.feature,
        "remembered": one.remembered,
        "layer": one.unit.layer,
        "part": one.unit.part,
        "unit": one.unit.number,
        "first_half": one.found,
        "second_half": one.held,
    }
