"""``charrnn inspect``."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.flow import curve_json, echo, of_new_cells, of_trained, print_curves
from charrnn.cli.report import reported
from charrnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from charrnn.runs import Model

__all__ = ["inspect"]

FLOW = "With --gradient-flow"
ERRORS = {
    "lm": "nats/char",
    "generate": "nats/char",
    "classify": "1 - accuracy",
    "tag": "1 - F1 of spans, or 1 - accuracy",
    "translate": "character error rate",
    "forecast": "loss",
}
"""What the best model has least of, by task."""


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
            curves = list(of_new_cells(cell or ["rnn", "gru", "lstm"], hidden, seq_len, seed))
        else:
            title, curves = of_trained(checkpoint, prime, seq_len, rng)
    if as_json:
        typer.echo(json.dumps([curve_json(curve) for curve in curves], indent=1))
    else:
        print_curves(title, curves)


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
        echo(f"{name:<{width}}{value or 'the defaults of the task'}")


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
