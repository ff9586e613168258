"""``charrnn train``."""

import shlex
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.report import reported, say
from charrnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from charrnn.runs import RunFolder
    from charrnn.training.run import Run

__all__ = ["train"]

TEXT, MODEL, TRAINING, OUTPUT = "Text", "Model", "Training", "Run"
MODEL_SETTINGS = ("cell", "layers", "hidden", "embedding")
FREE_WITH_RESUME = ("corpus", "resume", "quiet", "threads")


@reported
def train(
    ctx: typer.Context,
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text files, read in order; - is standard input. Without any, the help topics "
            "that come with Python.",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        Literal["char", "byte"],
        typer.Option(help="Unicode characters, or bytes of any file.", rich_help_panel=TEXT),
    ] = "char",
    encoding: Annotated[
        str,
        typer.Option(
            help="Of the files; with utf-8, a byte order mark decides.", rich_help_panel=TEXT
        ),
    ] = "utf-8",
    keep_newlines: Annotated[
        bool,
        typer.Option(
            "--keep-newlines", help="Leave CR and CR LF as they are.", rich_help_panel=TEXT
        ),
    ] = False,
    val_fraction: Annotated[
        float,
        typer.Option(help="Part held out at the end for validation.", rich_help_panel=TEXT),
    ] = 0.1,
    cell: Annotated[
        str,
        typer.Option(
            help="rnn, lstm or gru, with variants if wanted: rnn,activation=relu; "
            "lstm,gates=cell,output=identity; gru,reset=before,update=write; bias=false.",
            rich_help_panel=MODEL,
        ),
    ] = "lstm",
    layers: Annotated[
        int, typer.Option(help="Recurrent layers; 0 is softmax regression.", rich_help_panel=MODEL)
    ] = 1,
    hidden: Annotated[int, typer.Option(help="Units in each layer.", rich_help_panel=MODEL)] = 256,
    embedding: Annotated[
        int, typer.Option(help="Width of a learned embedding; 0: one-hot.", rich_help_panel=MODEL)
    ] = 0,
    dropout: Annotated[
        float, typer.Option(help="Between layers and before the head.", rich_help_panel=MODEL)
    ] = 0.0,
    seq_len: Annotated[
        int, typer.Option(help="Steps that gradients go back.", rich_help_panel=TRAINING)
    ] = 64,
    batch_size: Annotated[
        int,
        typer.Option(help="Lanes: parts of the text read side by side.", rich_help_panel=TRAINING),
    ] = 32,
    epochs: Annotated[
        float, typer.Option(help="Passes over the training text.", rich_help_panel=TRAINING)
    ] = 10.0,
    optimizer: Annotated[
        Literal["sgd", "momentum", "rmsprop", "adam", "adamw"],
        typer.Option(help="Update rule.", rich_help_panel=TRAINING),
    ] = "adamw",
    lr: Annotated[float, typer.Option(help="Peak learning rate.", rich_help_panel=TRAINING)] = 5e-3,
    schedule: Annotated[
        Literal["constant", "step", "exponential", "cosine"],
        typer.Option(help="How the rate falls.", rich_help_panel=TRAINING),
    ] = "cosine",
    warmup: Annotated[
        float,
        typer.Option(help="Part of the run in which the rate climbs.", rich_help_panel=TRAINING),
    ] = 0.05,
    lr_final: Annotated[
        float,
        typer.Option(help="Part of the peak rate left at the end.", rich_help_panel=TRAINING),
    ] = 0.01,
    clip: Annotated[
        float, typer.Option(help="Largest gradient norm; 0: any.", rich_help_panel=TRAINING)
    ] = 1.0,
    weight_decay: Annotated[
        float, typer.Option(help="On matrices, not on biases.", rich_help_panel=TRAINING)
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of every random draw.", rich_help_panel=TRAINING)] = 0,
    threads: Annotated[
        int,
        typer.Option(
            min=0,
            max=1024,
            help="Processes that share the lanes out; 0: measured. The results are the same.",
            rich_help_panel=TRAINING,
        ),
    ] = 0,
    eval_every: Annotated[
        int,
        typer.Option(
            help="Steps between validations; 0: an epoch, at most 500, or what takes a tenth of "
            "the time.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0,
    sample_every: Annotated[
        int,
        typer.Option(
            help="Steps between samples on standard output; 0: at validations.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0,
    out: Annotated[
        str | None,
        typer.Option(
            help="The run's folder; else checkpoints/NAME-K.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with the run in this folder, exactly.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            help="Begin a new run with the weights of this checkpoint.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Validations only.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Train a language model on a text.

    Progress goes to standard error, samples of what it writes so far to standard output. Ctrl-C
    saves, and says how to go on.

    [dim]charrnn train corpus.txt
    charrnn train book1.txt book2.txt --cell gru --layers 2 --dropout 0.2
    charrnn train --resume checkpoints/corpus-1[/dim]
    """
    settings = {
        name: value
        for name, value in ctx.params.items()
        if name not in ("corpus", "threads", "out", "resume", "init_from", "quiet")
    }
    given = [
        name
        for name in ctx.params
        if (source := ctx.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    from charrnn.nn.products import one_blas_thread

    one_blas_thread()
    paths = tuple(corpus or ())
    if resume is not None:
        _refuse_settings(given)
        run = _resume(resume, paths, threads if "threads" in given else None)
    else:
        run = _begin(settings, given, paths, out, init_from, threads)
    try:
        _train(run, quiet)
    finally:
        run.close()


def _refuse_settings(given: list[str]) -> None:
    extra = [f"--{name.replace('_', '-')}" for name in given if name not in FREE_WITH_RESUME]
    if extra:
        raise InputError(
            f"--resume goes on with the run's own settings; {', '.join(extra)} cannot change them",
            "to train on with others: --init-from RUN",
        )


def _resume(argument: str, corpus: tuple[str, ...], threads: int | None) -> "Run":
    from pathlib import Path

    from charrnn.runs import RunFolder
    from charrnn.training.run import Run

    folder = RunFolder(Path(argument), resume=True)
    try:
        saved, fallback = folder.load_last()
        if fallback:
            say(f"warning: {fallback}")
        paths = corpus
        if not paths:
            try:
                paths = tuple(map(str, saved.header["training"]["corpus"]["paths"]))
            except (KeyError, TypeError):
                raise InputError(
                    f"{saved.path} does not say what it was trained on",
                    f"name it: charrnn train CORPUS --resume {argument}",
                ) from None
        if paths == ("-",) and not corpus:
            raise InputError(
                "this run was trained on standard input",
                f"give it again: charrnn train - --resume {_quoted(folder.path)} < TEXT",
            )
        try:
            text = _read(paths, saved.config)
        except InputError as error:
            hint = f"name the text: charrnn train TEXT --resume {_quoted(folder.path)}"
            raise InputError(str(error), error.hint if corpus else hint) from error
        return Run.resume(saved, text, paths, folder, threads)
    except BaseException:
        folder.close()
        raise


def _begin(
    settings: dict[str, Any],
    given: list[str],
    paths: tuple[str, ...],
    out: str | None,
    init_from: str | None,
    threads: int,
) -> "Run":
    from pathlib import Path

    from charrnn.config import Config
    from charrnn.runs import RunFolder, find_checkpoint, load_model, new_folder
    from charrnn.training.run import Run

    initial = None
    if init_from is not None:
        initial = load_model(find_checkpoint(init_from)[0])
        fixed = {name: getattr(initial.config, name) for name in (*MODEL_SETTINGS, "level")}
        for name, value in fixed.items():
            if name in given and settings[name] != value:
                raise InputError(f"the checkpoint has {name}={value}, you asked {settings[name]}")
        settings = settings | fixed
    config = Config(**settings)
    text = _read(paths, config)
    _check_memory(config, len(initial.vocabulary) if initial else _distinct(text))
    if out == "":
        raise InputError("the name of the run's folder is empty")
    folder = RunFolder(Path(out) if out is not None else new_folder(text.name), resume=False)
    try:
        return Run.begin(config, text, paths, folder, initial, threads)
    except BaseException:
        folder.close()
        _remove_if_empty(folder)
        raise


def _distinct(text: Any) -> int:
    from charrnn.text.vocab import Vocabulary

    return len(Vocabulary.of(text.level, text.codes))


def _check_memory(config: Any, vocab_size: int) -> None:
    """Say at once, and not after minutes of drawing weights, that a model cannot fit."""
    import os

    from charrnn.training.run import memory_needed

    needed = memory_needed(config, vocab_size)
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return
    if needed > there:
        raise InputError(
            f"this model needs about {needed / 2**30:.1f} GiB to train, the machine has "
            f"{there / 2**30:.1f}",
            "try smaller --hidden, --layers, --batch-size or --seq-len",
        )
    if needed > there // 8:
        say(f"note: training takes about {needed / 2**30:.1f} GiB of memory; drawing the weights")


def _remove_if_empty(folder: "RunFolder") -> None:
    """A run that never began leaves no folder."""
    try:
        folder.path.rmdir()
    except OSError:
        return


def _read(paths: tuple[str, ...], config: Any) -> Any:
    from charrnn.text.corpora import read_corpus

    corpus = read_corpus(
        paths,
        level=config.level,
        encoding=config.encoding,
        keep_newlines=config.keep_newlines,
    )
    for note in corpus.notes:
        say(f"note: {note}")
    return corpus


def _train(run: "Run", quiet: bool) -> None:
    from charrnn.cli.progress import Progress
    from charrnn.cli.signals import StopOnSignal
    from charrnn.training.run import Stopped

    _introduce(run)
    trainer = run.trainer
    if trainer.number >= trainer.total:
        say(
            f"this run is complete ({trainer.total} steps); "
            f"to train on from its weights: --init-from {_quoted(run.folder.path)}"
        )
        return
    progress = Progress(trainer.number, trainer.total, quiet=quiet)
    with StopOnSignal() as stop:
        try:
            for event in run.events(lambda: stop.received is not None):
                progress.show(event)
                if isinstance(event, Stopped):
                    progress.close()
                    say(f"saved at step {event.step} of {trainer.total}. To go on:")
                    again = "- " if "-" in run.paths else ""
                    more = " < TEXT" if again else ""
                    say(f"  charrnn train {again}--resume {_quoted(run.folder.path)}{more}")
                    raise typer.Exit(stop.exit_code)
        finally:
            progress.close()
    _conclude(run)


def _introduce(run: "Run") -> None:
    config, task = run.config, run.task
    what = "characters" if config.level == "char" else "bytes"
    source = ", ".join(run.paths) or "the help topics that come with Python"
    say(
        f"corpus: {source}: {len(task.ids):,} {what}, {len(run.vocabulary)} distinct, "
        f"sha256 {run.corpus.sha256[:16]}"
    )
    held_out = len(task.ids) - task.split
    text = f"split: the first {task.split:,} train"
    if held_out:
        text += f", the last {held_out:,} validate"
        if task.unseen:
            text += f" ({task.unseen} of them are characters that the training part lacks)"
    say(text)
    if len(run.vocabulary) == 1:
        say("note: the text has one distinct character; there is nothing to learn")
    lanes = task.lanes
    if lanes.length < config.seq_len:
        say(
            f"note: {config.batch_size} lanes are {lanes.length} {what} long each, less than "
            f"--seq-len {config.seq_len}; fewer lanes (--batch-size) would see more context"
        )
    label = f"{config.layers} × {config.hidden} {run.model.cell.label}"
    if not config.layers:
        label = "softmax regression"
    say(
        f"model: {label}, {run.trainer.parameters.flat.size:,} parameters; "
        f"{run.trainer.total} steps of {config.batch_size} × {min(lanes.length, config.seq_len)}"
    )
    if run.threads:
        say(f"threads: {run.threads}")
    say(f"run: {run.folder.path}")


def _conclude(run: "Run") -> None:
    if run.best is not None:
        say(
            f"best: {run.best['val']:.4f} nats/char on the held-out text, at step "
            f"{run.best['step']} ({run.measure})"
        )
    folder = run.folder.path
    say(f"saved in {folder}. To hear from it:\n  charrnn sample {_quoted(folder)}")


def _quoted(path: "Path") -> str:
    """As a shell takes it, so that the command shown can be pasted."""
    return shlex.quote(str(path))
