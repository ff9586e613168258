"""``charrnn inspect``."""

import shlex
from contextlib import suppress
from glob import has_magic
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.complete import runs
from charrnn.cli.errors import reported
from charrnn.cli.given import given_options
from charrnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["inspect"]

CORPUS, MODEL, FLOW = "For a corpus", "For a model", "With --gradient-flow"
OPTIONS = {
    "corpus": ("encoding", "level", "lines"),
    "model": ("plot", "cell"),
    "gradient flow": ("cell", "hidden", "seq_len", "prime", "seed", "member"),
    "neurons": ("neurons", "cell", "member"),
    "folder of runs": (),
}
"""Which options go with which argument, besides --json."""
NAMES = {
    "corpus": "a corpus",
    "model": "a model",
    "gradient flow": "--gradient-flow",
    "neurons": "a model",
    "folder of runs": "runs",
}
GOES_WITH = {
    option: " or ".join(dict.fromkeys(NAMES[k] for k in OPTIONS if option in OPTIONS[k]))
    for options in OPTIONS.values()
    for option in options
}


@reported
def inspect(
    ctx: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            autocompletion=runs,
            help="A model: a run's name, its folder or an .npz file. A corpus: text files, read in "
            "order; - is standard input. All runs: their folder, or the word runs.",
            metavar="MODEL|CORPUS|RUNS",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        Literal["char", "byte"],
        typer.Option(help="Read Unicode characters, or bytes of any file.", rich_help_panel=CORPUS),
    ] = "char",
    encoding: Annotated[
        str,
        typer.Option(
            help="Encoding of the files. With utf-8, a byte order mark decides.",
            rich_help_panel=CORPUS,
        ),
    ] = "utf-8",
    lines: Annotated[
        bool,
        typer.Option(
            "--lines",
            help="Treat each line as one item (names, titles), as charrnn train --lines does.",
            rich_help_panel=CORPUS,
        ),
    ] = False,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the learning curve to a .png, .svg or .pdf file. Needs matplotlib: python "
            "-m pip install matplotlib.",
            show_default=False,
            rich_help_panel=MODEL,
        ),
    ] = None,
    neurons: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Show which units of a language model follow quotes, brackets, the place in the "
            "line and the like in this text. - is standard input.",
            show_default=False,
            rich_help_panel=MODEL,
        ),
    ] = None,
    gradient_flow: Annotated[
        bool,
        typer.Option(
            "--gradient-flow",
            help="Show how the gradient of the last step's loss fades on its way back, for a "
            "trained model or for new cells side by side.",
        ),
    ] = False,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            help="New cell to look at, such as lstm,gates=cell. Can be given more than once. "
            "Default: rnn, gru and lstm. With a model: FILE.py:CLASS of your own cell.",
            show_default=False,
            rich_help_panel=FLOW,
        ),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --neurons and --gradient-flow: which network of an average. Default: the "
            "first.",
            show_default=False,
            rich_help_panel=MODEL,
        ),
    ] = None,
    hidden: Annotated[
        int, typer.Option(min=1, max=1024, help="Hidden units of new cells.", rich_help_panel=FLOW)
    ] = 64,
    seq_len: Annotated[
        int, typer.Option(min=1, max=4096, help="Steps back in time.", rich_help_panel=FLOW)
    ] = 100,
    prime: Annotated[
        str | None,
        typer.Option(
            "--prime",
            "-p",
            help="Text for a language model to read and predict the last character of. Default: "
            "random characters.",
            show_default=False,
            rich_help_panel=FLOW,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed of weights and inputs.", rich_help_panel=FLOW)
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")] = False,
) -> None:
    """Check a corpus before training, look into a model, or list all runs.

    For a corpus: is it good to train on, and if not, what is wrong and what to do about it
    (--json has the rules). For a model: its settings and learning curve, and with
    --gradient-flow how far back its gradients reach.

    charrnn inspect corpus.txt
    charrnn inspect checkpoints/shakespeare-1 --plot curve.png
    charrnn inspect checkpoints/shakespeare-1 --neurons corpus.txt
    charrnn inspect checkpoints
    charrnn inspect --gradient-flow --cell rnn --cell lstm
    charrnn inspect --gradient-flow shakespeare-1 --prime 'To be, or not to be'
    """
    given = given_options(ctx) & GOES_WITH.keys()
    names = what or []
    if not (names or gradient_flow):
        raise InputError(
            "there is nothing to inspect", "name a corpus or a model, or give --gradient-flow"
        )
    runs = None if gradient_flow else _folder_of_runs(names)
    if runs is not None:
        _refuse(given, "folder of runs", names[0])
        from charrnn.cli.summary import list_runs

        list_runs(runs, as_json)
        return
    models = [name for name in names if gradient_flow or _is_model(name)]
    if len(models) > 1:
        hint = f"to compare models: charrnn eval {shlex.join(names)}"
        raise InputError(f"{len(models)} models are too many", hint)
    if models and len(names) > 1:
        raise InputError(
            f"{models[0]!r} is a model, but the others are not", "inspect one at a time"
        )
    kind = "gradient flow" if gradient_flow else "model" if models else "corpus"
    kind = "neurons" if kind == "model" and neurons is not None else kind
    _refuse(given, kind, names[0] if kind in ("model", "corpus") else "")
    if kind == "corpus":
        from charrnn.cli.verdict import give_verdict

        give_verdict(names, level, encoding, as_json, lines=lines)
    elif kind == "neurons" and neurons is not None:
        from charrnn.cli.neurons import show_neurons

        show_neurons(models[0], neurons, _only(cell), as_json, member)
    elif kind == "model":
        from charrnn.cli.summary import summarise

        summarise(models[0], _only(cell), as_json, plot)
    else:
        _show_flow(
            models[0] if models else None,
            cell,
            hidden,
            seq_len,
            prime,
            seed,
            given,
            as_json,
            member,
        )


def _refuse(given: set[str], kind: str, name: str) -> None:
    for option in sorted(given - set(OPTIONS[kind])):
        raise InputError(
            f"--{option.replace('_', '-')} goes with {GOES_WITH[option]}",
            f"{name!r} is a {kind}" if name else f"leave it out, or --{kind.replace(' ', '-')}",
        )


def _folder_of_runs(names: list[str]) -> "Path | None":
    """The folder of the runs that a name stands for; None if it is a run itself.

    Raises:
        InputError: it is the folder of all runs, and there are none.
    """
    from pathlib import Path

    from charrnn.runs.find import DEFAULT_FOLDER, FILES, NO_RUNS
    from charrnn.runs.listing import runs_in

    if len(names) != 1:
        return None
    path = Path(names[0])
    if names[0] == "runs" and not path.exists():
        path = DEFAULT_FOLDER
    if path == DEFAULT_FOLDER and not runs_in(path):
        message, _, hint = NO_RUNS.partition("; ")
        raise InputError(message, hint)
    is_run = any((path / name).is_file() for name in FILES)
    return path if not is_run and path.is_dir() and runs_in(path) else None


def _is_model(name: str) -> bool:
    """Whether a name is a run's folder or, by its name or content, a file of arrays; else a text.

    Documents can be zip files too, so the name of the first member decides.

    Raises:
        InputError: there is no such file, and the name is not a pattern.
    """
    from charrnn.runs.find import find_run, there_are

    if name == "-":
        return False
    path = find_run(name)
    if path.is_dir():
        return any(path.glob("*.npz"))
    if path.suffix == ".npz":
        return True
    with suppress(OSError, ValueError):
        if name and not path.exists() and not has_magic(name):
            raise InputError(f"file {name!r} does not exist", there_are())
    try:
        if not path.is_file():  # reading a pipe would consume its beginning
            return False
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04" and b".npy" in file.read(100)
    except OSError:
        return False


def _only(cell: list[str] | None) -> str | None:
    """The cell of a model."""
    if cell and len(cell) > 1:
        raise InputError("a model has only one cell", "give --cell once")
    return cell[0] if cell else None


def _show_flow(
    checkpoint: str | None,
    cell: list[str] | None,
    hidden: int,
    seq_len: int,
    prime: str | None,
    seed: int,
    given: set[str],
    as_json: bool,
    member: int | None,
) -> None:
    if checkpoint is None and member is not None:
        raise InputError(
            "--member needs a model that averages several networks", "leave out --member"
        )
    if checkpoint is not None and "hidden" in given:
        raise InputError("a checkpoint has its own hidden units", "leave out --hidden")
    if checkpoint is None and prime is not None:
        raise InputError(
            "--prime needs a model: new cells read random numbers", "name a checkpoint"
        )
    if prime is not None and "seq_len" in given:
        raise InputError("--prime sets the number of steps; --seq-len cannot", "give one of them")

    import json

    import numpy as np

    from charrnn.cli.flow import curve_json, of_new_cells, of_trained, print_curves
    from charrnn.nn.products import one_thread

    rng = np.random.default_rng(seed)
    with one_thread(), np.errstate(all="ignore"):  # exploding gradients may overflow, and are shown
        if checkpoint is None:
            title = f"new cells of {hidden} hidden units, standard normal inputs, seed {seed}"
            curves = list(of_new_cells(cell or ["rnn", "gru", "lstm"], hidden, seq_len, seed))
        else:
            title, curves = of_trained(checkpoint, _only(cell), prime, seq_len, rng, member)
    if as_json:
        typer.echo(json.dumps([curve_json(curve) for curve in curves], indent=1))
    else:
        print_curves(title, curves)
