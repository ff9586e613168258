"""Small trainings, in this process or through the command line."""

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path
from runpy import run_module
from tempfile import TemporaryFile
from typing import IO, Any
from unittest import mock

import numpy as np
import pytest

from charrnn.engine import Engine
from charrnn.evaluation.windows import Reader
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State
from charrnn.runs.folder import RunFolder
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.lm import LanguageModelTask, TextData, TextSpec
from charrnn.text.corpora import Corpus, read_corpus
from charrnn.text.vocab import Vocabulary
from charrnn.training.events import Event, Stopped
from charrnn.training.loop import Step
from charrnn.training.run import Run

__all__ = [
    "ROOT",
    "TEXT",
    "TINY",
    "begin",
    "charrnn",
    "charrnn_apart",
    "command",
    "corpus_of",
    "cross_entropy",
    "environment",
    "fingerprint",
    "metrics",
    "names",
    "notebook_tools",
    "read_clock",
    "reader_of",
    "resume",
    "run_until",
    "text_data",
    "text_task",
    "vocabulary_of",
]

ROOT = Path(__file__).resolve().parent.parent
READ_AT_START = {"PYTHONIOENCODING", "PYTHONUTF8", "PYTHONHASHSEED"}
TINY = ("--hidden", "8", "--seq-len", "8", "--batch-size", "4")


def _text() -> str:
    """600 characters in lines, not periodic: a period could hide a shifted lane."""
    rng = np.random.default_rng(0)
    return "".join(rng.choice(list("abcdefgh .,é\n"), 600))


TEXT = _text()


def corpus_of(folder: Path, text: str = TEXT) -> Corpus:
    path = folder / "corpus.txt"
    path.write_text(text, encoding="utf-8", newline="")
    return read_corpus([str(path)])


def text_data(corpus: Corpus, name: str = "corpus.txt") -> TextData:
    return TextData(corpus, Paths((name,)))


def text_task(run: Run) -> LanguageModelTask:
    """The task of a run that trains a language model."""
    assert isinstance(run.task, LanguageModelTask)
    return run.task


def vocabulary_of(run: Run) -> Vocabulary:
    assert isinstance(run.spec, TextSpec)
    return run.spec.vocabulary


def begin(folder: Path, corpus: Corpus, **settings: Any) -> Run:
    """A tiny run: 17 updates an epoch, 51 in all, validated every 10, with a sample each time."""
    small: dict[str, Any] = {"hidden": 8, "seq_len": 8, "batch_size": 4, "epochs": 3.0}
    config = Config(**small | {"eval_every": 10} | settings)
    return Run.begin(config, text_data(corpus), RunFolder(folder, resume=False), threads=1)


def resume(folder: Path, corpus: Corpus) -> Run:
    held = RunFolder(folder, resume=True)
    return Run.resume(held.load_last()[0], text_data(corpus), held)


def run_until(run: Run, step: int | None = None, *, killed: bool = False) -> list[Event]:
    """Train to the end, or stop after a step: as asked to, or as if killed just after it."""
    seen: list[Event] = []
    try:
        for event in run.events(lambda: not killed and run.trainer.number == step):
            seen.append(event)
            if killed and isinstance(event, Step) and event.number == step:
                return seen
            if isinstance(event, Stopped):
                assert event.step == step
    finally:
        run.folder.close()
    return seen


def fingerprint(folder: Path) -> dict[str, str]:
    """The hashes of what a run has learnt."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("best.npz", "last.npz")
    }


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The log, without how long it took."""
    log = folder / "metrics.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def names(folder: Path) -> list[str]:
    """The names in a folder, except the lock, which may or may not be there."""
    return sorted(path.name for path in folder.iterdir() if path.name != "run.lock")


def read_clock(monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float]) -> None:
    """Give all of charrnn this clock, in seconds, until the test ends."""
    import_module("charrnn.cli")  # and all its commands
    for name, module in list(sys.modules.items()):
        for reads in ("monotonic", "perf_counter"):
            if name.startswith("charrnn.") and hasattr(module, reads):
                monkeypatch.setattr(module, reads, clock)


def reader_of(model: SequenceModel) -> Reader:
    """A reader of a language model, in this process."""
    return Reader(Engine(model))


def cross_entropy(
    engine: Engine, parameters: Parameters, x: Array, targets: Array, state: State, **options: Any
) -> tuple[Any, State]:
    """The nats of a chunk in all lanes, and the final state."""
    losses = engine.losses(parameters, Sequences(x, targets, state), **options)
    return losses.total, losses.final


def environment(**changes: str) -> dict[str, str]:
    """The environment of a subprocess: this charrnn, one thread, and no colours."""
    special = ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TERM", "CHARRNN_DEBUG", "PYTHONIOENCODING")
    kept = {name: value for name, value in os.environ.items() if name not in special}
    return kept | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"} | changes


def command(*arguments: str | bytes) -> list[str | bytes]:
    return [sys.executable, "-m", "charrnn", *arguments]


def charrnn(
    *arguments: str | bytes,
    cwd: Path,
    stdin: bytes | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """A command of charrnn, as ``python -m charrnn`` runs it, but in this process.

    The streams are files: nothing here is a terminal. What a command must not leave behind is
    checked. Variables that an interpreter reads when it starts need one of their own, as do tests
    of signals, of pipes and of closed streams: :func:`charrnn_apart`.
    """
    env = env or environment()
    if READ_AT_START & env.keys():
        return charrnn_apart(*arguments, cwd=cwd, stdin=stdin, env=env)
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin or b"")
        given.seek(0)
        before = _process_state()
        with _streams(given, out, err), chdir(cwd), mock.patch.dict(os.environ, env, clear=True):
            code = _main(arguments)
        assert _process_state() == before, arguments
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())


def _main(arguments: Sequence[str | bytes]) -> int:
    """The exit code of a command line; what else it raises would be a traceback."""
    with mock.patch.object(sys, "argv", ["charrnn", *map(os.fsdecode, arguments)]):
        try:
            run_module("charrnn", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@contextmanager
def _streams(*files: IO[bytes]) -> Iterator[None]:
    """Files in place of standard input, output and error, as an interpreter would open them."""
    ours = [sys.stdin, sys.stdout, sys.stderr]
    first = [sys.__stdin__, sys.__stdout__, sys.__stderr__]
    kept = [os.dup(number) for number in range(3)]
    opened = []
    try:
        for stream in ours[1:]:
            stream.flush()
        for number, (file, like) in enumerate(zip(files, first, strict=True)):
            os.dup2(file.fileno(), number)
            assert like is not None
            mode, errors = "r" if number == 0 else "w", like.errors
            opened.append(open(number, mode, encoding="utf-8", errors=errors, closefd=False))  # noqa: SIM115
        sys.stdin, sys.stdout, sys.stderr = opened
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = ours
        for stream in opened:
            stream.close()
        for number, copy in enumerate(kept):
            os.dup2(copy, number)
            os.close(copy)


def _process_state() -> list[object]:
    """What a command must leave as it found it, if another is to run in the same process."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return [np.geterr(), handlers, multiprocessing.active_children()]


def charrnn_apart(
    *arguments: str | bytes,
    cwd: Path,
    stdin: bytes | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """A command of charrnn, in a process of its own."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=env or environment(),
        input=stdin or b"",
        capture_output=True,
        check=False,
        timeout=120,
    )


def notebook_tools() -> tuple[Any, Any]:
    """``nbformat`` and ``nbclient``, to execute notebooks; a test without them skips."""
    reason = "a notebook's kernel needs nbclient and ipykernel"
    for module in ("nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(module, reason=reason)
    return import_module("nbformat"), import_module("nbclient")
