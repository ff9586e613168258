"""``charrnn train``."""

import shlex
import sys
from functools import partial
from math import ceil
from shlex import quote
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.announce import introduce
from charrnn.cli.complete import cells, runs, tasks
from charrnn.cli.conclusion import (
    Again,
    best_so_far,
    conclude,
    quoted,
    resume_command,
    show_test,
)
from charrnn.cli.errors import reported, say
from charrnn.cli.given import given_options
from charrnn.cli.help import Command
from charrnn.errors import InputError
from charrnn.text.counts import counted, typed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from charrnn.training.run import Run

__all__ = ["Train", "train"]

TEXT, MODEL, TRAINING, OUTPUT = "Data", "Model", "Training", "Run"
FREE_WITH_RESUME = (
    "corpus",
    "val",
    "test",
    "resume_from",
    "quiet",
    "threads",
    "cell",
    "epochs",
    "members",
    "no_cache",
)
NOT_SETTINGS = (
    *("corpus", "val", "test", "threads", "out", "resume_from", "init_from", "quiet", "no_cache"),
)
OF_DATA = (
    *("corpus", "task", "val", "test", "level", "columns", "lines", "encoding", "val_fraction"),
    *("seed", "init_from", "members"),
)
"""Options on what is trained and on what data, not on how; the seed draws the validation rows, and
without a corpus the data are those of the checkpoint."""

STOPPED = "stopped before the training began; nothing is saved"

LONG = 4_000_000
"""Characters of a text, validation set included, whose baselines take more than a few seconds."""

VARIANTS = {
    "--keep-newlines": "--encoding utf-8,newlines=keep",
    "--clip": "--optimizer adamw,clip=1",
    "--warmup": "--schedule cosine,warmup=0.05",
    "--lr-final": "--schedule cosine,final=0.01",
}
"""What options of earlier versions are called now."""


class Train(Command):
    """The command, which explains options of earlier versions."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments as Typer does.

        Raises:
            typer.Exit: an option of an earlier version was given.
        """
        for name in (arg.partition("=")[0] for arg in args):
            if name in VARIANTS:
                say(f"error: {name} is now a variant: {VARIANTS[name]}")
                raise typer.Exit(2)
        return super().parse_args(ctx, args)


@reported
def train(
    ctx: typer.Context,
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text files, folders or patterns ('books/*.txt'); - is standard input. Default: "
            "the help topics that come with Python. Other tasks: TSV, CoNLL or CSV files.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            autocompletion=tasks,
            help="lm: a text. classify: text TAB label. tag: CoNLL or CoNLL-U. translate: source "
            "TAB target. generate: label TAB text. forecast: CSV.",
            rich_help_panel=TEXT,
        ),
    ] = "lm",
    val: Annotated[
        str,
        typer.Option(
            help="File to validate with; for a text, another part of the same corpus. Default: a "
            "part of the corpus.",
            show_default=False,
            rich_help_panel=TEXT,
        ),
    ] = "",
    test: Annotated[
        str,
        typer.Option(
            help="File to test the best model with, once. Default: a part of the data, unless "
            "--val is given or the task is lm.",
            show_default=False,
            rich_help_panel=TEXT,
        ),
    ] = "",
    level: Annotated[
        Literal["char", "byte"],
        typer.Option(help="Read Unicode characters, or bytes of any file.", rich_help_panel=TEXT),
    ] = "char",
    columns: Annotated[
        str,
        typer.Option(
            help="Columns of a table, by name or number, in the task's order: text,label or 2,1. "
            "For a forecast, the columns to predict.",
            show_default=False,
            rich_help_panel=TEXT,
        ),
    ] = "",
    lines: Annotated[
        bool,
        typer.Option(
            "--lines",
            help="Treat each line as one item (names, titles): draw the validation lines from all "
            "over the text.",
            rich_help_panel=TEXT,
        ),
    ] = False,
    encoding: Annotated[
        str,
        typer.Option(
            help="Encoding of the files. With utf-8, a byte order mark decides. "
            "utf-8,newlines=keep leaves CR and CR LF as they are.",
            rich_help_panel=TEXT,
        ),
    ] = "utf-8",
    val_fraction: Annotated[
        float,
        typer.Option(
            help="Part of the data to validate with; a task that tests takes as much again to "
            "test.",
            rich_help_panel=TEXT,
        ),
    ] = 0.1,
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache",
            help="Keep no copy of a large text on disk for the next training.",
            rich_help_panel=TEXT,
        ),
    ] = False,
    cell: Annotated[
        str,
        typer.Option(
            autocompletion=cells,
            help="rnn, lstm or gru, or your own cell: FILE.py:CLASS. Variants follow a comma: "
            "lstm,gates=cell.",
            rich_help_panel=MODEL,
        ),
    ] = "lstm",
    layers: Annotated[
        int, typer.Option(help="Recurrent layers. 0 is softmax regression.", rich_help_panel=MODEL)
    ] = 1,
    hidden: Annotated[
        int, typer.Option(help="Hidden units in each layer.", rich_help_panel=MODEL)
    ] = 256,
    embedding: Annotated[
        int,
        typer.Option(
            help="Width of a learned embedding. 0 is one-hot input.", rich_help_panel=MODEL
        ),
    ] = 0,
    dropout: Annotated[
        float,
        typer.Option(
            help="Dropout rate between layers and before the output.", rich_help_panel=MODEL
        ),
    ] = 0.0,
    seq_len: Annotated[
        int, typer.Option(help="Steps to backpropagate through.", rich_help_panel=TRAINING)
    ] = 64,
    batch_size: Annotated[
        int,
        typer.Option(help="Sequences in a batch, read side by side.", rich_help_panel=TRAINING),
    ] = 32,
    minutes: Annotated[
        float,
        typer.Option(
            help="Train for this long at most. Settings you do not give are chosen to suit the "
            "data and this machine. 0: train for --epochs.",
            show_default=False,
            rich_help_panel=TRAINING,
        ),
    ] = 0.0,
    epochs: Annotated[
        float,
        typer.Option(help="How many times to read the training text.", rich_help_panel=TRAINING),
    ] = 10.0,
    patience: Annotated[
        int,
        typer.Option(
            help="Early stopping: after this many validations without a better loss, return to the "
            "best weights, let the learning rate fall and stop. 0: never.",
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    optimizer: Annotated[
        str,
        typer.Option(
            help="sgd, momentum, rmsprop, adam or adamw. adamw,clip=1 sets the largest gradient "
            "norm; clip=0 turns clipping off.",
            rich_help_panel=TRAINING,
        ),
    ] = "adamw",
    lr: Annotated[float, typer.Option(help="Peak learning rate.", rich_help_panel=TRAINING)] = 5e-3,
    schedule: Annotated[
        str,
        typer.Option(
            help="How the learning rate falls: constant, step, exponential or cosine. Variants: "
            "cosine,warmup=0.05,final=0.01.",
            rich_help_panel=TRAINING,
        ),
    ] = "cosine",
    weight_decay: Annotated[
        float,
        typer.Option(help="Weight decay, on matrices and not on biases.", rich_help_panel=TRAINING),
    ] = 0.0,
    members: Annotated[
        int,
        typer.Option(
            help="Train this many networks, each from another seed, and average their "
            "probabilities. Predicts better, writes slower.",
            rich_help_panel=TRAINING,
        ),
    ] = 1,
    seed: Annotated[int, typer.Option(help="Random seed.", rich_help_panel=TRAINING)] = 0,
    threads: Annotated[
        int,
        typer.Option(
            min=0,
            max=1024,
            help="Processes to train with. 0: measure what is fastest. The result stays the same.",
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    shards: Annotated[
        int,
        typer.Option(
            help="Parts of a batch, one for each process. Changes the last bits of the result. 0: "
            "measure, with more than two cores.",
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    eval_every: Annotated[
        int,
        typer.Option(
            help="Steps between validations. 0: once an epoch, and every 500 steps at least.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0,
    sample_every: Annotated[
        int,
        typer.Option(
            help="Steps between samples on standard output. 0: one at each validation.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0,
    out: Annotated[
        str | None,
        typer.Option(
            help="Folder for the run. Default: checkpoints/NAME-K.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    resume_from: Annotated[
        str | None,
        typer.Option(
            "--resume",
            autocompletion=runs,
            help="Continue a run (its folder, its name or latest), bit for bit. With --epochs or "
            "--members: until it has this many in all.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            autocompletion=runs,
            help="Start a new run from the weights of this checkpoint or run, also on another "
            "corpus. classify and tag can take the layers of a language model.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print validations only.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Train a language model on a text, or a network for another task.

    Without settings, charrnn picks the network that suits the text and trains for ten
    minutes at most, less where that is enough. For more: --minutes 60. Give any setting of
    the model or the training (--epochs 10), and the others take the defaults shown. They are
    those of a language model; other tasks have their own for some, and print them.

    Variants follow a comma: --task classify,readout=last, --task lm,head=tied,
    --cell gru,reset=before. Give a wrong one, and charrnn lists the right ones;
    docs/tasks.md explains them.

    Time that is left trains more networks, whose average is the model: up to three, or eight
    with --minutes (--members 1: only one). The test at the end of a task comes on top.

    Progress goes to standard error, samples to standard output. Ctrl-C saves the run and
    prints the command that continues it.

    charrnn train corpus.txt
    charrnn train book1.txt book2.txt --cell gru --layers 2 --dropout 0.2
    charrnn train train.txt --val valid.txt --test test.txt
    charrnn train questions.tsv --task classify --test others.tsv
    charrnn train --resume checkpoints/corpus-1
    charrnn train --resume checkpoints/corpus-1 --epochs 20
    charrnn train --resume checkpoints/corpus-1 --members 3
    """
    begun = monotonic()
    given = given_options(ctx)
    from charrnn.cli.progress import reading
    from charrnn.runs.find import LATEST, find_run
    from charrnn.tasks.base import Paths
    from charrnn.text.stored import Storing
    from charrnn.training.begin import begin, resume
    from charrnn.training.signals import quit_on_signal

    for name, path in (("val", val), ("test", test)):
        if name in given and not path:
            raise InputError(f"--{name}: the file name is empty")
    paths = Paths(tuple(corpus or ()), val, test, storing=Storing(not no_cache, reading()))
    if resume_from is not None:
        _refuse_settings({name: value for name, value in ctx.params.items() if name in given})
        own_cell = cell if "cell" in given else None
        again = epochs if "epochs" in given else None
        own_threads = threads if "threads" in given else None
        more = members if "members" in given else None
        run = resume(
            resume_from,
            paths,
            own_threads,
            own_cell,
            say,
            epochs=again,
            members=more,
            group=ctx.obj,
        )
    else:
        if init_from == LATEST:  # at the end, that is this run
            init_from = ctx.params["init_from"] = str(find_run(LATEST))
        # In the order of the command line's own list, so that messages do not depend on chance.
        names = [name for name in ctx.params if name in given and name not in NOT_SETTINGS]
        settings = {name: ctx.params[name] for name in names}
        with quit_on_signal(lambda: say(STOPPED)):
            run = begin(
                settings,
                paths,
                out=out,
                init_from=init_from,
                threads=threads,
                begun=begun,
                tell=say,
                command=shlex.join(["charrnn", *sys.argv[1:]]),
                group=ctx.obj,
            )
    try:
        options = {name: value for name, value in ctx.params.items() if name in given}
        _train(run, quiet, begun, None if resume_from is not None else partial(_again, options))
    finally:
        run.close()


def _refuse_settings(given: "Mapping[str, Any]") -> None:
    """Raise InputError for options that do not go with --resume; suggest a command that works."""
    extra = [name for name in given if name not in FREE_WITH_RESUME]
    if not extra:
        return
    run = given["resume_from"]
    if "init_from" in given:
        other = quote(given["init_from"])
        raise InputError(
            "--resume and --init-from exclude each other",
            f"to continue {run}: charrnn train --resume {quote(run)}; to begin a new run with "
            f"the weights of {given['init_from']}: charrnn train --init-from {other}",
        )
    others = {name: value for name, value in given.items() if name != "resume_from"}
    words = _words({"init_from": run, **others})
    raise InputError(
        f"--resume keeps the run's settings; {', '.join(map(_option, extra))} cannot change them",
        f"to train from its weights with other settings: {shlex.join(words)}",
    )


def _words(given: "Mapping[str, Any]") -> list[str]:
    """The command with these options."""
    words = ["charrnn", "train", *(given.get("corpus") or ())]
    for name, value in given.items():
        if name != "corpus":
            words += [_option(name)] if value is True else [_option(name), typed(value)]
    return words


def _again(given: "Mapping[str, Any]", length: "Mapping[str, Any]", afresh: bool) -> str:
    """The command of a new run like this one, of another length.

    Args:
        length: its minutes or its epochs.
        afresh: whether to leave out the settings, for charrnn to choose.
    """
    kept = [name for name in given if name not in ("out", "epochs", "minutes", "quiet")]
    if afresh:
        own_cell = ("cell",) * ("init_from" in given)  # such a checkpoint cannot be read without
        kept = [name for name in kept if name in (*OF_DATA, *own_cell)]
    length = {name: f"{value:g}" for name, value in length.items()}
    words = _words({**{name: given[name] for name in kept}, **length})
    return shlex.join(words) + " < TEXT" * ("-" in words)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _train(run: "Run", quiet: bool, begun: float, again: Again | None) -> None:
    from charrnn.cli.progress import Progress
    from charrnn.training.events import Stopped
    from charrnn.training.signals import StopOnSignal, quit_on_signal

    introduce(run)
    if run.complete:
        epochs, count = ceil(2 * run.config.epochs), run.config.members
        more = f"For more epochs:\n  {resume_command(run, f' --epochs {epochs}')}\n"
        if count > 1:
            more = f"For more members:\n  {resume_command(run, f' --members {count + 1}')}\n"
        say(
            f"this run is complete ({counted(run.made, 'step')}). {more}"
            "For another text, from its weights:\n"
            f"  charrnn train CORPUS --init-from {quoted(run.folder.path)}{run.config.cell_option}"
        )
        show_test(run)
        return
    progress = Progress(run.made, run.total, quiet=quiet, unit=run.task.unit, member=run.at_work)
    if not run.made:
        if run.config.kind.text and run.data.size > LONG and not quiet:
            say("scoring the baselines on the validation set")
        with quit_on_signal(lambda: say(STOPPED)):
            compared = run.compare()
        if compared is not None:
            progress.show(compared)
    with StopOnSignal(say) as stop:
        try:
            for event in run.events(lambda: stop.received is not None):
                progress.show(event)
                if isinstance(event, Stopped):
                    progress.close()
                    best_so_far(run)
                    say(f"saved at step {event.step} of {run.total}. To continue:")
                    say(f"  {resume_command(run)}")
                    raise typer.Exit(stop.exit_code)
        finally:
            progress.close()
    conclude(run, again, monotonic() - begun)
