"""Make the run that a user asks for: a new one, or one to resume.

What a training decides is decided in this package. The command passes settings by name and a
function that prints messages, so ``charrnn.train`` and ``charrnn train`` make the same bytes.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import Any

from charrnn.errors import InputError
from charrnn.nn.products import one_thread
from charrnn.ranks import Group
from charrnn.runs.ancestry import noted, noted_paths
from charrnn.runs.find import NO_RUNS, find_checkpoint, find_run, there_are
from charrnn.runs.folder import RunFolder, new_folder, remove_if_empty
from charrnn.runs.model import Model, load_model, reason
from charrnn.tasks.base import Data, Paths, Spec
from charrnn.tasks.config import Config
from charrnn.tasks.extension import extended_spec
from charrnn.tasks.kinds import kind_of
from charrnn.tasks.lm import TextData
from charrnn.tasks.pretraining import settings_of_layers
from charrnn.tasks.shares import unfitted
from charrnn.tasks.supervised import lanes_of
from charrnn.text.columns import joined
from charrnn.text.sources import matching
from charrnn.training.compare import baselines_take
from charrnn.training.familiar import familiar
from charrnn.training.memory import memory_needed
from charrnn.training.planner import MOST_MEMBERS, Plan, plan
from charrnn.training.run import Run

__all__ = ["MEMBERS", "MINUTES", "begin", "resume"]

Tell = Callable[[str], object]

MINUTES, MEMBERS = 10.0, 3
"""Minutes that a training on a text is planned for at most, where no length is given, and the
networks that it averages at most. The first three gain most, and who tries a text should not wait
for the others."""

ABOUT_ELSE = {
    *("task", "level", "encoding", "keep_newlines", "val_fraction", "lines"),
    *("members", "seed", "shards", "eval_every", "sample_every"),
}
"""Settings that say nothing about the network, its training or how long it takes."""

OF_NETWORK = ("task", "cell", "layers", "hidden", "embedding", "level")
"""Settings that the weights of a checkpoint have fixed, besides the task's own settings."""

NOT_OF_NETWORK = (
    *("noise", "column", "mask", "reset", "escapes", "longest", "decimal", "missing", "index"),
)
"""Settings of tasks on which the weights do not depend."""


OF_DATA = (
    *("encoding", "keep_newlines", "val_fraction", "lines", "columns", "decimal", "missing"),
    "index",
)
"""Settings that say how a checkpoint's data are read and split, used unless others are given."""


def silent(line: str) -> None:
    """A function for messages that prints nothing."""


def begin(
    given: Mapping[str, Any],
    paths: Paths,
    *,
    out: str | Path | None = None,
    init_from: str | None = None,
    threads: int = 0,
    begun: float | None = None,
    tell: Tell = silent,
    command: str = "",
    group: Group | None = None,
) -> Run:
    """Make a new run.

    Args:
        given: the settings that the user gives, by the names of ``charrnn train``'s options.
        paths: the data.
        out: the run's folder; if not given, one named after the data.
        init_from: the checkpoint whose weights the run begins with.
        threads: how many processes compute; 0 means as many as is fastest.
        begun: when the run's minutes began, by :func:`time.monotonic`; if not given, now.
        tell: called with each line that the user should read.
        command: the command that began the run, shown if the run is killed before its first save.
        group: the other ranks that compute too.

    Raises:
        InputError: a setting, a file or their combination cannot be used.
        CheckpointError: the checkpoint is damaged.
    """
    begun = monotonic() if begun is None else begun
    paths = replace(paths, train=matching(paths.train))
    settings = Config.parse(given)
    by_default = init_from is None and settings.keys() <= ABOUT_ELSE
    initial = None
    if init_from is not None:
        cell = settings.get("own_cell")
        initial = load_model(find_checkpoint(init_from)[0], cell and cell.text)
        if settings.get("members", 1) != 1:
            raise InputError(
                "--init-from and --members exclude each other: each member needs its own "
                "first weights",
                "leave one of them out",
            )
        if initial.members > 1:
            tell(
                f"note: {initial.name} is the average of {initial.members} networks; this run "
                "starts from the first"
            )
        settings = {**_of_the_same_network(settings, initial), "members": 1}
        if not paths.train and settings["task"] == initial.config.task:
            paths = _ancestors_own(initial, paths, tell)
            own = (*OF_DATA, "seed") if initial.config.lines else OF_DATA  # the seed drew the lines
            settings = {name: getattr(initial.config, name) for name in own} | settings
    if paths.val and kind_of(settings.get("task", Config.task)).text:
        if given.get("val_fraction"):
            raise InputError(
                "--val-fraction and --val both choose the validation set",
                "give one of them",
            )
        settings["val_fraction"] = 0.0
    config = Config.of(**settings)
    by_default = by_default and config.kind.text
    if by_default:
        config = replace(config, minutes=MINUTES)
    if initial is not None and not config.kind.text and not initial.config.kind.text:
        tell(
            "note: that model may have been trained on rows of this test; to be sure, name "
            "files that it has not seen (--val, --test)"
        )
    if not config.kind.text and (not paths.train or paths.text is not None):
        raise InputError(f"--task {config.task} needs a file to train on")
    data = _read(paths, config, tell)
    names = getattr(data, "named", ())
    if names and not config.columns:
        config = replace(config, named=joined(names))
    same = initial is not None and initial.config.task == config.task
    spec = extended_spec(unfitted(initial.spec), data) if initial and same else data.spec()
    if out == "":
        raise InputError("--out: the folder name is empty")
    place = new_folder(_name(paths)) if out is None else Path(out)
    if command and out is None:
        command += f" --out {quote(str(place))}"
    folder = RunFolder(place, resume=False, command=command)
    if getattr(spec, "fitted", "") == data.sha256:
        tell("fitting a linear map of n-grams, to which the network is then added")
    try:
        deadline = None
        with one_thread():
            if config.minutes:
                most = MEMBERS if by_default else MOST_MEMBERS
                planned = _plan(
                    config, data, spec, settings, initial, threads, begun, tell, group, most
                )
                config, threads, deadline = planned.config, planned.threads, planned.deadline
                for line in (planned.summary,) if by_default else planned.reasons:
                    tell(f"plan: {line}")
            elif "epochs" not in settings:
                config = config.long_enough(data.trained_on(config))
            _check_memory(config, data, spec, tell)
            run = Run.begin(config, data, folder, initial, threads, deadline)
            run.share_with(group)
            if initial is not None and config.kind.text:
                _say_if_met(initial, data, config, tell)
            usual, chosen = Config.of(config.task).epochs, {"epochs", "minutes"} & {*settings}
            if config.kind.text and config.epochs > usual and not chosen and not by_default:
                tell(
                    f"note: {config.epochs:g} epochs instead of {usual:g}, because this text "
                    "is short (to choose: --epochs)"
                )
            return run
    except BaseException:
        folder.close()
        remove_if_empty(folder)
        raise


def resume(
    argument: str | Path,
    given: Paths,
    threads: int | None = None,
    cell: str | None = None,
    tell: Tell = silent,
    *,
    epochs: float | None = None,
    members: int | None = None,
    group: Group | None = None,
) -> Run:
    """Return the run in a folder, ready to continue.

    Args:
        argument: the folder, or the run's name.
        given: the data; an empty path means the file that the run noted.
        threads: the number of processes, if it changes.
        cell: ``FILE.py:CLASS``, for a run that uses your own cell.
        tell: called with each line that the user should read.
        epochs, members: the new totals, if they change (:meth:`charrnn.training.run.Run.resume`).
        group: the other ranks that compute too.

    Raises:
        InputError: the run cannot be found or read, or these are not the data it began with.
        CheckpointError: what was saved is damaged.
    """
    path = find_run(str(argument))
    if not path.is_dir():
        hint = "name a run's folder" if path.exists() else there_are() or NO_RUNS
        raise InputError(f"{str(argument)!r} holds no run to resume", hint)
    folder = RunFolder(path, resume=True)
    again = f"--resume {quote(str(path))}"
    again += f" --cell {quote(cell)}" if cell is not None else ""
    again += f" --epochs {epochs:g}" if epochs is not None else ""
    again += f" --members {members}" if members is not None else ""
    try:
        saved, fallback = folder.load_last(cell)
        if fallback:
            tell(f"warning: {fallback}")
        noted = _noted_paths(saved, folder, again, needed=not given.train)
        paths = Paths(
            matching(given.train) or noted.train,
            given.val or noted.val,
            given.test or noted.test,
            given.text,
            given.storing,
        )
        if "-" in (*paths.train, paths.val, paths.test) and not given.train:
            raise InputError(
                "this run was trained on standard input, or on a text in memory",
                f"give it again: charrnn train - {again} < TEXT",
            )
        try:
            data = _read(paths, saved.config, tell)
        except InputError as error:
            hint = f"name the text: charrnn train TEXT {again}"
            for option, file in (("--val", paths.val), ("--test", paths.test)):
                if file and not Path(file).exists():
                    hint = f"name it: charrnn train {option} FILE {again}"
            raise InputError(reason(error), error.hint if given.train else hint) from error
        run = Run.resume(saved, data, folder, threads, epochs, members)
        run.share_with(group)
        return run
    except BaseException:
        folder.close()
        raise


def _of_the_same_network(settings: Mapping[str, Any], initial: Model) -> dict[str, Any]:
    """Complete the settings by those that a model's weights have fixed.

    A classifier or tagger takes only the recurrent layers of a language model.

    Raises:
        InputError: a setting that was given contradicts the weights.
    """
    kind = kind_of(settings.get("task", initial.config.task))
    if kind.pretrained and initial.config.kind.text:
        fixed = settings_of_layers(initial)
    else:
        names = {*OF_NETWORK, *initial.config.kind.own} - {*NOT_OF_NETWORK}
        fixed = {name: getattr(initial.config, name) for name in sorted(names)}
    own_cell = initial.config.own_cell
    if own_cell is not None:  # whichever path named it
        fixed["cell"], settings = own_cell.text, {**settings, "cell": own_cell.text}
    for name, value in fixed.items():
        if settings.get(name, value) != value:
            raise InputError(f"the checkpoint has {name}={value}, not {settings[name]}")
    return {"task": kind.name, **settings, **fixed, "own_cell": own_cell}


def _ancestors_own(initial: Model, paths: Paths, tell: Tell) -> Paths:
    """Find the data of a model, for a run that begins with its weights and names no files.

    Raises:
        InputError: the model does not name its data, or they came from standard input.
    """
    own = noted(initial)
    if own is None or "-" in own.paths:
        why = "was trained on standard input" if own else "does not say what it was trained on"
        option = f"--init-from {quote(initial.name)}{initial.config.cell_option}"
        raise InputError(
            f"{initial.name} {why}", f"name what to train on: charrnn train CORPUS {option}"
        )
    tell(f"note: no corpus given; training on that of {initial.name}: {own.name}")
    return replace(paths, train=own.paths, val=paths.val or own.val, test=paths.test or own.test)


def _say_if_met(initial: Model, data: Data, config: Config, tell: Tell) -> None:
    """Say if a model was trained on text that is now in the validation set."""
    own, now = noted(initial), config.held_out
    if own is None or own.sha256 != data.sha256 or own.held_out == now:
        return
    then = own.held_out
    if then.lines is None and now.lines is None and now.fraction <= then.fraction:
        return  # a part of its own validation set
    as_then = f"--val-fraction {then.fraction:g}"
    if then.lines is not None:
        as_then = f"--lines --seed {then.lines} {as_then}"
    tell(
        f"note: {initial.name} was trained on part of this validation set, so its loss will "
        f"look too good; {as_then} keeps the old validation set"
    )


def _noted_paths(saved: Model, folder: RunFolder, again: str, *, needed: bool) -> Paths:
    """Find where a run's data were; empty if the run does not say, unless the data are needed.

    Args:
        again: the options that resume the run, for the message.
    """
    try:
        return noted_paths(saved.header["training"]["corpus"], folder.path)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if not needed:
            return Paths(())
        why = f": {error}" if isinstance(error, ValueError) else ""
        raise InputError(
            f"{saved.path} does not say what it was trained on{why}",
            f"name it: charrnn train CORPUS {again}",
        ) from None


def _plan(
    config: Config,
    data: Data,
    spec: Spec,
    settings: Mapping[str, Any],
    initial: Model | None,
    threads: int,
    begun: float,
    tell: Tell,
    group: Group | None,
    most_members: int,
) -> Plan:
    """Plan a training that suits the data and the time."""
    data.trained_on(config)  # raises InputError if there is too little data
    tell("plan: timing networks on this machine")
    tuned = (
        isinstance(data, TextData)
        and initial is not None
        and initial.config.kind.text
        and familiar(initial, data.parted(config).codes, data.trained_on(config))
    )
    if tuned and "lr" not in settings:
        tell("plan: the model knows this kind of text, so the learning rate is lower")
    return plan(
        data,
        config.minutes,
        settings,
        threads=threads,
        begun=begun,
        spec=spec,
        aside=partial(baselines_take, minutes=config.minutes),
        group=group,
        tuned=tuned,
        most_members=most_members,
    )


def _name(paths: Paths) -> str:
    """A short name for the training data."""
    if not paths.train:
        return "pydoc-topics"
    first = paths.train[0]
    return "stdin" if first == "-" else Path(first).stem or "corpus"


def _read(paths: Paths, config: Config, tell: Tell) -> Data:
    data: Data = config.kind.read(paths, config)
    for note in data.notes:
        tell(f"note: {note}")
    return data


def _check_memory(config: Config, data: Data, spec: Spec, tell: Tell) -> None:
    """Say at once that a model cannot fit in memory, not after minutes of drawing weights."""
    lanes, carried = config.batch_size, config.kind.carried
    longest = data.longest(config)
    if not carried:
        lanes = lanes_of(longest, min(lanes, data.trained_on(config)))
    needed = memory_needed(config, spec.model(config), lanes, longest)
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return
    if needed > there:
        raise InputError(
            f"this model needs about {needed / 2**30:.1f} GiB to train, but the machine has "
            f"{there / 2**30:.1f}",
            "use a smaller --hidden, --layers, --batch-size or --seq-len"
            if carried
            else f"its longest example has {longest:,} characters; leave it out, or use a "
            "smaller --hidden, --layers or --batch-size",
        )
    if needed > there // 8:
        tell(
            f"note: training takes about {needed / 2**30:.1f} GiB of memory; initialising the "
            "weights"
        )
