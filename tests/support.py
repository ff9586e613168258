"""Small trainings, in this process or through the command line."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

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
    "command",
    "corpus_of",
    "cross_entropy",
    "environment",
    "fingerprint",
    "metrics",
    "names",
    "reader_of",
    "resume",
    "run_until",
    "text_data",
    "text_task",
    "vocabulary_of",
]

ROOT = Path(__file__).resolve().parent.parent
TINY = ("--hidden", "8", "--seq-len", "8", "--batch-size", "4")


def _text() -> str:
    """600 characters in lines, not periodic: periods would hide a lane that is off by some."""
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
    """Of a run that trains a language model."""
    assert isinstance(run.task, LanguageModelTask)
    return run.task


def vocabulary_of(run: Run) -> Vocabulary:
    assert isinstance(run.spec, TextSpec)
    return run.spec.vocabulary


def begin(folder: Path, corpus: Corpus, **settings: Any) -> Run:
    """A tiny run: 17 steps an epoch, 51 in all, validated every 10, with a sample each time."""
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
    """What lies in a folder, but for the lock, which may stay or go."""
    return sorted(path.name for path in folder.iterdir() if path.name != "run.lock")


def reader_of(model: SequenceModel) -> Reader:
    """Of a language model, in this process."""
    return Reader(Engine(model))


def cross_entropy(
    engine: Engine, parameters: Parameters, x: Array, targets: Array, state: State, **options: Any
) -> tuple[Any, State]:
    """The nats of a chunk of all lanes, and the state that it leaves them in."""
    losses = engine.losses(parameters, Sequences(x, targets, state), **options)
    return losses.total, losses.final


def environment(**changes: str) -> dict[str, str]:
    """Of a subprocess: this charrnn, one thread, and nothing that would colour its output."""
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
