"""The run that a command line asks for: a new one, or one to go on with."""

from typing import TYPE_CHECKING, Any

from charrnn.cli.announce import quoted, yardsticks_take
from charrnn.cli.errors import say
from charrnn.errors import InputError

if TYPE_CHECKING:
    from charrnn.runs.folder import RunFolder
    from charrnn.tasks.base import Paths
    from charrnn.training.planner import Plan
    from charrnn.training.run import Run

__all__ = ["STOPPED", "begin_run", "remove_if_empty", "resume_run"]

STOPPED = "stopped before the training began: nothing is saved"

MODEL_SETTINGS = (
    "task",
    "cell",
    "layers",
    "hidden",
    "embedding",
    "directions",
    "readout",
    "attention",
    "loss",
    "head",
)
"""What the weights of a checkpoint have decided."""


def resume_run(argument: str, given: "Paths", threads: int | None) -> "Run":
    """The run in a folder, to go on with.

    Args:
        argument: the folder.
        given: the data; what is empty is where the run says it was.
        threads: another number of processes than before.

    Raises:
        InputError: it cannot be found or read, or the data are not those it began with.
        CheckpointError: what was saved is damaged.
    """
    from pathlib import Path

    from charrnn.runs.folder import RunFolder
    from charrnn.tasks.base import Paths
    from charrnn.training.run import Run

    folder = RunFolder(Path(argument), resume=True)
    try:
        saved, fallback = folder.load_last()
        if fallback:
            say(f"warning: {fallback}")
        noted = _noted_paths(saved, argument, needed=not given.train)
        paths = Paths(given.train or noted.train, given.val or noted.val, given.test or noted.test)
        if "-" in (*paths.train, paths.val, paths.test) and not given.train:
            raise InputError(
                "this run was trained on standard input",
                f"give it again: charrnn train - --resume {quoted(folder.path)} < TEXT",
            )
        try:
            data = _read(paths, saved.config)
        except InputError as error:
            hint = f"name the text: charrnn train TEXT --resume {quoted(folder.path)}"
            raise InputError(str(error), error.hint if given.train else hint) from error
        return Run.resume(saved, data, folder, threads)
    except BaseException:
        folder.close()
        raise


def _noted_paths(saved: Any, argument: str, *, needed: bool) -> "Paths":
    """Where a run's data were; nothing if it does not say, unless that is needed."""
    from charrnn.tasks.base import Paths

    try:
        noted = saved.header["training"]["corpus"]
        return Paths(
            tuple(map(str, noted["paths"])), str(noted.get("val", "")), str(noted.get("test", ""))
        )
    except (KeyError, TypeError, AttributeError):
        if not needed:
            return Paths(())
        raise InputError(
            f"{saved.path} does not say what it was trained on",
            f"name it: charrnn train CORPUS --resume {argument}",
        ) from None


def begin_run(
    settings: dict[str, Any],
    paths: "Paths",
    out: str | None,
    init_from: str | None,
    threads: int,
    begun: float,
) -> "Run":
    """A new run.

    Args:
        settings: those that were given.
        paths: the data.
        out: the run's folder; else one by the data's name.
        init_from: a checkpoint whose weights it begins with.
        threads: how many processes compute; 0 for as many as is fastest.
        begun: when its minutes began, by :func:`time.monotonic`.

    Raises:
        InputError: a setting, a file or their combination will not do.
        CheckpointError: the checkpoint is damaged.
    """
    from pathlib import Path

    from charrnn.config import CARRIED, Config
    from charrnn.runs.folder import RunFolder, new_folder
    from charrnn.runs.model import find_checkpoint, load_model
    from charrnn.tasks.extension import extended_spec
    from charrnn.training.run import Run

    initial = None
    if init_from is not None:
        initial = load_model(find_checkpoint(init_from)[0])
        fixed = {name: getattr(initial.config, name) for name in (*MODEL_SETTINGS, "level")}
        for name, value in fixed.items():
            if name in settings and settings[name] != value:
                raise InputError(f"the checkpoint has {name}={value}, you asked {settings[name]}")
        settings = settings | fixed
    config = Config.of(**settings)
    useless = {"seq_len", "keep_newlines"} if config.task not in CARRIED else set()
    if config.task == "forecast":
        useless = {"keep_newlines", "level", "embedding"}
    for name in useless & set(settings):
        raise InputError(f"--{name.replace('_', '-')} means nothing to --task {config.task}")
    if initial is not None and config.task != "lm":
        say(
            "note: that model may have been trained on rows that test it now; give the files that "
            "it has not met (--val, --test)"
        )
    if settings.get("patience") and not (config.val_fraction or paths.val):
        raise InputError(
            "--patience counts validations, and --val-fraction 0 leaves none", "leave out either"
        )
    if config.task != "lm" and not paths.train:
        raise InputError(f"--task {config.task} needs a file to train on")
    data = _read(paths, config)
    spec = extended_spec(initial.spec, data) if initial else data.spec()
    if out == "":
        raise InputError("the name of the run's folder is empty")
    name = _name(paths.train[0]) if paths.train else "pydoc-topics"
    folder = RunFolder(Path(out) if out is not None else new_folder(name), resume=False)
    try:
        deadline = None
        if config.minutes:
            planned = _plan(config, data, spec, settings, threads, begun)
            config, threads, deadline = planned.config, planned.threads, planned.deadline
        elif "epochs" not in settings:
            config = config.long_enough(data.trained_on(config))
        _check_memory(config, data, spec)
        return Run.begin(config, data, folder, initial, threads, deadline)
    except BaseException:
        folder.close()
        remove_if_empty(folder)
        raise


def _plan(
    config: Any, data: Any, spec: Any, settings: dict[str, Any], threads: int, begun: float
) -> "Plan":
    """What suits the data and the time, said as it is chosen."""
    from functools import partial

    from charrnn.training.planner import plan

    data.trained_on(config)  # raises if there is too little
    say("plan: timing networks on this machine")
    try:
        planned = plan(
            data,
            config.minutes,
            settings,
            threads=threads,
            begun=begun,
            spec=spec,
            aside=partial(yardsticks_take, minutes=config.minutes),
        )
    except KeyboardInterrupt:
        say(STOPPED)
        raise
    for line in planned.reasons:
        say(f"plan: {line}")
    return planned


def _name(path: str) -> str:
    """A short word for what is trained on."""
    from pathlib import Path

    return "stdin" if path == "-" else Path(path).stem or "corpus"


def _check_memory(config: Any, data: Any, spec: Any) -> None:
    """Say at once, and not after minutes of drawing weights, that a model cannot fit."""
    import os

    from charrnn.config import CARRIED
    from charrnn.training.memory import memory_needed

    model = spec.model(config)
    lanes = config.batch_size
    if config.task not in CARRIED:
        lanes = min(lanes, data.trained_on(config))
    needed = memory_needed(config, model, lanes, data.longest(config))
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return
    if needed > there:
        raise InputError(
            f"this model needs about {needed / 2**30:.1f} GiB to train, the machine has "
            f"{there / 2**30:.1f}",
            "try smaller --hidden, --layers, --batch-size or --seq-len"
            if config.task in CARRIED
            else f"its longest example has {data.longest(config):,} characters; leave such out, or "
            "try smaller --hidden, --layers or --batch-size",
        )
    if needed > there // 8:
        say(f"note: training takes about {needed / 2**30:.1f} GiB of memory; drawing the weights")


def remove_if_empty(folder: "RunFolder") -> None:
    """A run that never began leaves no folder, nor one for all runs that has none."""
    from charrnn.runs.model import DEFAULT_FOLDER

    try:
        folder.path.rmdir()
        if folder.path.parent == DEFAULT_FOLDER:
            DEFAULT_FOLDER.rmdir()
    except OSError:
        return


def _read(paths: "Paths", config: Any) -> Any:
    from charrnn.tasks.kinds import TASKS

    data = TASKS[config.task].read(paths, config)
    for note in data.notes:
        say(f"note: {note}")
    return data
