"""``charrnn eval``."""

import json
import sys
from itertools import takewhile
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.complete import runs
from charrnn.cli.errors import reported, say
from charrnn.cli.flow import echo
from charrnn.cli.given import given_options, weights_given
from charrnn.cli.measure import measure
from charrnn.cli.tables import print_table
from charrnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from charrnn.evaluation.dynamic import Adaptation
    from charrnn.evaluation.report import Figure, Report
    from charrnn.ranks import Group
    from charrnn.runs.model import Model
    from charrnn.runs.texts import ToScore

__all__ = ["evaluate"]

ADAPT = "With --adapt"
LOOK = "Look at the text instead of scoring it"
MANY = 1 << 16
"""Characters from which on it pays to start other processes."""


@reported
def evaluate(
    ctx: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            autocompletion=runs,
            help="A run's name, its folder or an .npz file. Default: the one saved last.",
            show_default=False,
        ),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Text or labelled rows to score; - is standard input. Default: what the run did "
            "not train on; --by-line needs one. Other runs, before the files, are compared.",
            show_default=False,
        ),
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(
            help="File that the model was trained on, if the run does not say. Can be given more "
            "than once.",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(
            help="Columns of FILE, by name or number, in the task's order (text,label or 2,1), if "
            "they differ from the training data.",
            show_default=False,
        ),
    ] = "",
    cell: Annotated[
        str | None,
        typer.Option(help="FILE.py:CLASS, for a model that has your own cell.", show_default=False),
    ] = None,
    mix: Annotated[
        bool,
        typer.Option(
            "--mix",
            help="Mix the network with the n-gram. The weights are fitted on the first half of the "
            "text; the second half is scored.",
        ),
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            help="How much each model counts in their average: 2,1. Default: all the same.",
            show_default=False,
        ),
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Dynamic evaluation: the model learns from each piece of the text after it is "
            "scored. The checkpoint stays as it is.",
        ),
    ] = False,
    adapt_rate: Annotated[
        float, typer.Option(min=0, help="Learning rate of an update.", rich_help_panel=ADAPT)
    ] = 3e-4,
    adapt_decay: Annotated[
        float,
        typer.Option(
            min=0,
            help="How fast the weights return to the trained ones.",
            rich_help_panel=ADAPT,
        ),
    ] = 1e-3,
    adapt_segment: Annotated[
        int,
        typer.Option(
            min=1, max=4096, help="Characters between two updates.", rich_help_panel=ADAPT
        ),
    ] = 16,
    show: Annotated[
        bool,
        typer.Option(
            "--show",
            help="Colour every character by how surprising it is.",
            rich_help_panel=LOOK,
        ),
    ] = False,
    by_line: Annotated[
        bool,
        typer.Option(
            "--by-line",
            help="Score and rank every line. With several models, say which one fits it best.",
            rich_help_panel=LOOK,
        ),
    ] = False,
    copies: Annotated[
        bool,
        typer.Option(
            "--copies",
            help="List what the text copies from the training text. Default FILE: a text that the "
            "model writes.",
            rich_help_panel=LOOK,
        ),
    ] = False,
    form: Annotated[
        Literal["text", "jsonl", "html"],
        typer.Option(
            "--format",
            help="What --show and --by-line write; html only with --show.",
            rich_help_panel=LOOK,
        ),
    ] = "text",
    guesses: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=20,
            help="How many best guesses --show gives for each character. Default: 5, at a terminal "
            "only if they fit.",
            show_default=False,
            rich_help_panel=LOOK,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File to write to. Default: standard output.",
            show_default=False,
            rich_help_panel=LOOK,
        ),
    ] = None,
    threads: Annotated[
        int,
        typer.Option(min=0, help="Processes to score with. 0: every core, if the text is long."),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")] = False,
) -> None:
    """Score a model on a text or on labelled data, beside simple baselines; or look at the text.

    charrnn eval checkpoints/shakespeare-1
    charrnn eval checkpoints/questions-1 new.tsv --json
    charrnn eval checkpoints/shakespeare-1 sonnets.txt --adapt --mix
    charrnn eval shakespeare-1 shakespeare-2
    charrnn eval shared.npz sonnets.txt --train plays.txt --json
    charrnn eval shakespeare-1 sonnets.txt --show
    charrnn eval shakespeare-1 marlowe-1 verses.txt --by-line
    charrnn eval shakespeare-1 --copies
    """
    given = given_options(ctx)
    for name in ("adapt_rate", "adapt_decay", "adapt_segment"):
        if name in given and not adapt:
            raise InputError(
                f"--{name.replace('_', '-')} goes with --adapt", "add --adapt, or leave it out"
            )

    if given & {"show", "by_line", "copies", "form", "guesses", "out"}:
        from charrnn.cli.look import look

        look(given, ctx.params)
        return

    from charrnn.evaluation.dynamic import Adaptation
    from charrnn.evaluation.report import ADAPTED, CARRIED
    from charrnn.runs.find import find_checkpoint, is_checkpoint
    from charrnn.runs.model import load_model
    from charrnn.runs.texts import find_texts

    try:
        adaptation = Adaptation(adapt_rate, adapt_decay, adapt_segment) if adapt else None
    except ValueError as error:
        raise InputError(str(error)) from None
    others = list(takewhile(is_checkpoint, files or []))
    models = [load_model(find_checkpoint(one)[0], cell) for one in (checkpoint, *others)]
    files = (files or [])[len(others) :]
    model = models[0]
    if "-" in files and sys.stdin.isatty():
        raise InputError("standard input is a terminal", "name a file, or pipe one in")
    if not all(one.config.kind.text for one in models):
        for name in ("adapt", "mix"):
            if name in given:
                task = next(one.config.task for one in models if not one.config.kind.text)
                raise InputError(f"--{name} is for language models; this model's task is {task}")
        measure(models, files, train or [], columns, threads, as_json)
        return
    if "columns" in given:
        raise InputError(f"--columns is for tables; {model.path} is a language model")
    if others:
        if adapt or mix:
            raise InputError("--adapt and --mix work with one model", "leave them out, or name one")
        shares = weights_given(weights, len(models))
        _compare(models, shares, files, train or [], threads, as_json)
        return
    if weights is not None:
        raise InputError("--weights needs several models", "name them: charrnn eval A B")
    scored = find_texts(model, files, train or [])
    for note in scored.notes:
        say(f"note: {note}")
    if scored.train is None and (adapt or mix):
        raise InputError(
            f"--{'adapt' if adapt else 'mix'} needs the training text", "name it: --train TEXT"
        )
    if adapt and scored.train is not None and len(scored.train) < 2:
        raise InputError("the training text is too short for --adapt: it has one character")
    if mix and len(scored.codes) - scored.start < 2:
        raise InputError("--mix fits on one half of a text and scores the other; this text has one")
    report = _evaluate(model, scored, adaptation, mix, threads, ctx.obj)
    found = {one.name: one.nats for one in report.network}
    if adapt and found[ADAPTED] > found[CARRIED]:
        say("note: adapting made the loss worse; try a smaller --adapt-rate")
    if as_json:
        typer.echo(json.dumps(_as_json(model, scored, report), indent=1))
    else:
        _print(model, scored, report)


def _evaluate(
    model: "Model",
    scored: "ToScore",
    adaptation: "Adaptation | None",
    mix: bool,
    threads: int,
    group: "Group | None",
) -> "Report":
    import numpy as np
    from tqdm import tqdm

    from charrnn.engine import Engine, available_cores
    from charrnn.evaluation.report import RESETS, report
    from charrnn.evaluation.windows import Reader
    from charrnn.ranks import RankedEngine

    count = len(scored.codes) - scored.start
    threads = threads or (available_cores() if count >= MANY and group is None else 1)
    engine = Engine(model.network, threads)
    reader = Reader(engine if group is None else RankedEngine(engine, group))
    shown = sys.stderr is not None and sys.stderr.isatty()
    bar = tqdm(
        total=count * (1 + len(RESETS) + (adaptation is not None)),
        disable=not shown,
        leave=False,
        unit="char",
        unit_scale=True,
    )
    try:
        with np.errstate(all="ignore"), bar:  # the callers check for finite values
            return report(
                reader,
                model.parameters,
                model.vocabulary,
                scored.codes,
                scored.start,
                train=scored.train,
                adaptation=adaptation,
                mix=mix,
                advance=bar.update,
            )
    finally:
        reader.engine.close()


def _compare(
    models: "list[Model]",
    weights: list[float],
    files: list[str],
    train: list[str],
    threads: int,
    as_json: bool,
) -> None:
    """Score several models, each on the files or on its own held-back part; and their average."""
    import numpy as np

    from charrnn.evaluation.mixture import mean_nats
    from charrnn.evaluation.report import CARRIED, Figure
    from charrnn.runs.mixture import shares
    from charrnn.runs.texts import find_texts

    found = [(model, find_texts(model, files, train)) for model in models]
    for model, scored in found:
        for note in scored.notes:
            say(f"note: {model.path}: {note}")
    _, first = found[0]
    alike = all(np.array_equal(first.codes[first.start :], s.codes[s.start :]) for _, s in found)
    parts = shares(len(models), weights)
    if len({model.config.level for model in models}) > 1:
        raise InputError(
            "a model of characters and a model of bytes measure loss in different units",
            "compare models of one kind",
        )
    if not alike:
        say(
            "note: these models were scored on different texts; to use one text: charrnn eval "
            "A B FILE"
        )
    reports = [(model, s, _evaluate(model, s, None, False, threads, None)) for model, s in found]
    every = [_as_json(*one) for one in reports]
    rows = [(str(m.path), report.network[0], s.what) for m, s, report in reports]
    if alike:
        nats = mean_nats([report.each for *_, report in reports], parts)
        rows.append(("their average", Figure(CARRIED, float(nats.mean())), first.what))
        every.append(_as_one(every, parts, rows[-1][1]))
    if as_json:
        typer.echo(json.dumps(every, indent=1))
        return
    counts = [f"{one['scored']:,}" for one in every]
    shown = [
        (name, f"{one.nats:.4f}", f"{one.bits:.4f}", f"{one.perplexity:.5g}", count, what)
        for (name, one, what), count in zip(rows, counts, strict=True)
    ]
    unit = _unit(models[0])
    print_table([f"nats/{unit}", f"bits/{unit}", "perplexity", "scored", "text"], shown)


def _as_one(
    every: list[dict[str, Any]], weights: "Sequence[float]", figure: "Figure"
) -> dict[str, Any]:
    first = every[0]
    return {
        "checkpoint": None,
        "as_one": [one["checkpoint"] for one in every],
        "weights": list(weights),
        **{name: first[name] for name in ("text", "unit", "scored")},
        "network": _figures([figure]),
    }


def _figures(found: "list[Figure]") -> dict[str, dict[str, float | None]]:
    return {
        one.name: {
            "nats": one.nats,
            "bits": one.bits,
            "perplexity": one.perplexity if isfinite(one.perplexity) else None,
        }
        for one in found
    }


def _as_json(model: "Model", scored: "ToScore", report: "Report") -> dict[str, Any]:
    mixed = report.mixed
    return {
        "checkpoint": str(model.path),
        "text": scored.what,
        "unit": _unit(model),
        "scored": report.count,
        "unknown": report.unknown,
        "unknown_nats": report.unknown_nats,
        "carried": report.method,
        "network": _figures(report.network),
        "yardsticks": _figures(report.baselines),
        "mixture": mixed
        and {
            "fitted_on": mixed.fitted_on,
            "reported_on": report.count - mixed.fitted_on,
            "figures": _figures(mixed.figures),
            "weights": mixed.weights,
        },
        "notes": list(scored.notes),
    }


def _print(model: "Model", scored: "ToScore", report: "Report") -> None:
    from charrnn.baselines.scores import MOST_TRAINING
    from charrnn.text.escapes import UNKNOWN_NATS

    unit = _unit(model)
    units = {"char": "characters", "byte": "bytes"}[unit]
    echo(f"{model.path} on {scored.what}")
    count = f"{report.count:,} {units if report.count > 1 else unit}"
    echo(f"{count} scored, state carried")
    if report.unknown:
        echo(
            f"{report.unknown:,} of them are new to the model; at {UNKNOWN_NATS:.1f} nats "
            f"each, they add {report.unknown_nats:.4f} to each mean but the compressors'"
        )
    _print_table(report.network, unit)
    if report.baselines:
        known = "the training text"
        if scored.train is not None and len(scored.train) > MOST_TRAINING:
            known = f"the last {MOST_TRAINING:,} {units} of the training text"
        echo(f"\nBaselines, fitted to {known}")
        _print_table(report.baselines, unit)
    if report.mixed:
        mixed = report.mixed
        rest = report.count - mixed.fitted_on
        echo(
            f"\nScores of the last {rest:,} {units}; the mixtures are fitted on the {units} "
            "before them"
        )
        _print_table(mixed.figures, unit)
        echo("\nWeight of the network in the mixture, by the longest context that the n-grams know")
        columns = [str(length) for length in range(len(next(iter(mixed.weights.values()))))]
        rows = [(name, *(f"{w:.2f}" for w in own)) for name, own in mixed.weights.items()]
        print_table(columns, rows)


def _print_table(figures: "list[Figure]", unit: str) -> None:
    rows = [
        (one.name, f"{one.nats:.4f}", f"{one.bits:.4f}", f"{one.perplexity:.5g}") for one in figures
    ]
    print_table([f"nats/{unit}", f"bits/{unit}", "perplexity"], rows)


def _unit(model: "Model") -> str:
    return "char" if model.config.level == "char" else "byte"
