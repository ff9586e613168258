"""What a killed or failed start leaves, and how the next start uses it."""

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import TEXT, begin, charrnn, corpus_of, environment, run_until

import charrnn as library
from charrnn.errors import CheckpointError, InputError, RunError
from charrnn.runs.folder import RunFolder, new_folder

fcntl = pytest.importorskip("fcntl")

KILLED_IN_ITS_FIRST_STEP = """
import os, signal
from charrnn.cli import main
from charrnn.training.loop import Trainer
Trainer.steps = lambda self: os.kill(os.getpid(), signal.SIGKILL)
main()
"""
BRIEF = ("--hidden", "4", "--epochs", "1", "--batch-size", "4", "--seq-len", "16", "--threads", "1")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def listed(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def killed(path: Path, command: str = "") -> None:
    """Leave the files of a process that is killed before its first save."""
    folder = RunFolder(path, resume=False, command=command)
    folder.log({"step": 10, "event": "train"})
    for name in ("last.npz", "best.npz", "previous", "metrics"):
        (path / f".{name}.4711.tmp").write_bytes(b"half")
    folder._lock.close()


def test_a_killed_start_names_the_command_to_begin_again(tmp_path: Path) -> None:
    (tmp_path / "a text.txt").write_text(TEXT, encoding="utf-8")
    started = ["train", "a text.txt", *BRIEF]
    done = subprocess.run(
        [sys.executable, "-c", KILLED_IN_ITS_FIRST_STEP, *started],
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    assert listed(Path("checkpoints/a-text-1")) == ["run.lock"]
    for run in ("checkpoints/a-text-1", "a-text-1"):  # however often it is asked
        done = charrnn("train", "--resume", run, cwd=tmp_path)
        assert done.returncode == 2
        error, hint = done.stderr.decode().splitlines()
        assert "holds no run to resume: it stopped before its first save" in error
    command = hint.removeprefix("hint: start it again: ")
    assert shlex.split(command) == ["charrnn", *started, "--out", "checkpoints/a-text-1"]
    done = charrnn(*shlex.split(command)[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run.lock" not in listed(Path("checkpoints/a-text-1"))


@pytest.mark.parametrize("blocks", [3, 16])
def test_a_run_that_could_not_save_once_says_how_to_begin_again(
    tmp_path: Path, blocks: int
) -> None:
    """As on a full disk: no file may be so long as ``last.npz``; of 16 kB, ``best.npz`` is not."""
    corpus_of(tmp_path)
    words = ["train", "corpus.txt", "-q", "--hidden", "16", "--epochs", "2", "--threads", "1"]
    words += ["--batch-size", "4", "--seq-len", "16", "--out", "run"]
    line = shlex.join([sys.executable, "-m", "charrnn", *words])
    limited = ["sh", "-c", f"ulimit -f {2 * blocks}; {line}"]  # in blocks of 512 bytes
    done = subprocess.run(limited, env=environment(), capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "could not write run" in done.stderr.decode()
    assert "is intact" not in done.stderr.decode()
    assert (tmp_path / "run" / "best.npz").exists() == (blocks == 16)
    again = charrnn("train", "--resume", "run", cwd=tmp_path)
    assert again.returncode == 2
    assert b"holds no run to resume: it stopped before its first save" in again.stderr
    where = " with another --out" * (blocks == 16)
    assert (
        f"hint: start it again{where}: {shlex.join(['charrnn', *words])}" in again.stderr.decode()
    )
    done = charrnn(*words, cwd=tmp_path)
    assert done.returncode == (2 if blocks == 16 else 0)
    assert done.returncode == 0 or b"--resume" not in done.stderr


def test_the_same_command_reuses_the_folder_of_a_killed_start() -> None:
    place = new_folder("a")
    killed(place)
    Path("checkpoints/.latest.4711.tmp").write_bytes(b"half")
    assert new_folder("a") == place
    held = RunFolder(place, resume=False)
    assert listed(place) == ["metrics.jsonl", "run.lock"]
    assert listed(Path("checkpoints")) == ["a-1"]
    assert new_folder("a") == Path("checkpoints/a-2")  # while another trains there
    held.close()
    assert listed(place) == ["metrics.jsonl"]


@pytest.mark.parametrize("other", ["last.npz", "previous.npz", "best.npz", "notes.txt"])
def test_a_folder_with_other_files_is_not_reused(other: str) -> None:
    place = new_folder("a")
    killed(place)
    (place / other).write_bytes(b"")
    assert new_folder("a") == Path("checkpoints/a-2")


def test_leftovers_are_deleted_when_a_run_is_resumed() -> None:
    run_until(begin(Path("run"), corpus_of(Path())), 5)
    before = listed(Path("run"))
    for name in ("last.npz", "best.npz", "previous", "metrics"):
        Path(f"run/.{name}.4711.tmp").write_bytes(b"half")
    Path("run/run.lock").write_text("process 4711 on nowhere\n", encoding="utf-8")
    RunFolder(Path("run"), resume=True).close()
    assert listed(Path("run")) == before


@pytest.mark.parametrize(
    ("note", "hint"),
    [
        ("charrnn train x; rm -rf ~", "charrnn train 'x;' rm -rf '~'"),
        ("charrnn train $(reboot)", "charrnn train '$(reboot)'"),
        ("rm -rf ~", None),
        ("charrnn sample x", None),
        ("charrnn train 'x", None),
        ("", None),
    ],
)
def test_a_note_in_a_lock_is_quoted_as_arguments(note: str, hint: str | None) -> None:
    Path("run").mkdir()
    Path("run/run.lock").write_text(f"process 1 on b\n{note}\nmore", encoding="utf-8")
    with pytest.raises(InputError, match="holds no run to resume") as caught:
        RunFolder(Path("run"), resume=True)
    assert caught.value.hint == (f"start it again: {hint}" if hint else "name a run's folder")


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_a_start_that_cannot_write_its_lock_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunFolder, "_sign", failing(OSError(28, "No space left on device")))
    with pytest.raises(RunError, match="No space left"):
        RunFolder(Path("run"), resume=False)
    assert listed(Path()) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_failure_at_any_replacement_leaves_no_temporary_file(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(Path("run"), corpus_of(Path()))
    run_until(run, 5)
    folder = RunFolder(Path("run"), resume=True)
    (folder.path / "metrics.jsonl").write_text('{"step": 1}\n', encoding="utf-8")
    before = listed(Path("run")) + listed(Path("checkpoints"))
    wanted = (type(error), CheckpointError)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing(error))
        with pytest.raises(wanted):
            folder.save_last({}, {})
        with pytest.raises(wanted):
            folder.cut_log(5)
        with suppress(KeyboardInterrupt):
            folder._mark_latest()
    assert listed(Path("run")) + listed(Path("checkpoints")) == before
    folder.close()


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["os.fsync", "pathlib.Path.replace"])
def test_a_model_that_cannot_be_saved_leaves_no_temporary_file(
    error: BaseException, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = library.load()
    model.save("shared.npz")
    before = Path("shared.npz").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(where, failing(error))
        with pytest.raises((type(error), CheckpointError)):
            model.save("shared.npz")
    Path("folder.npz").mkdir()
    with pytest.raises(CheckpointError, match="folder"):
        model.save("folder.npz")
    with pytest.raises(CheckpointError, match="no/such"):
        model.save("no/such.npz")
    assert listed(Path()) == ["folder.npz", "shared.npz"]
    assert Path("shared.npz").read_bytes() == before


ROWS = "".join(f"{'good' if n % 2 else 'bad'} {n}\t{'yes' if n % 2 else 'no'}\n" for n in range(60))
SETTINGS: dict[str, Any] = {"task": "classify", "hidden": 4, "epochs": 1.0, "threads": 1}


def noted_tests(log: Path) -> list[Any]:
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [{**r, "seconds": 0} for r in records if r["event"] == "test"]


@pytest.mark.parametrize("how", ["library", "command"])
def test_a_run_killed_after_its_last_save_reports_its_test_once(tmp_path: Path, how: str) -> None:
    Path("rows.tsv").write_text(ROWS, encoding="utf-8")
    library.train("rows.tsv", out="run", **SETTINGS).finish()
    log = Path("run/metrics.jsonl")
    wanted, whole = noted_tests(log), log.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(wanted) == 1
    assert '"test"' in whole[-1]
    for left in (whole[:-1], [*whole[:-1], whole[-1][:40]], whole):
        log.write_text("".join(left), encoding="utf-8")
        for _ in range(2):  # and a run that is done may be resumed in vain
            if how == "library":
                library.resume("run").finish()
            else:
                assert charrnn("train", "--resume", "run", cwd=tmp_path).returncode == 0
            assert noted_tests(log) == wanted


def test_the_lock_of_a_running_process_names_only_that_process() -> None:
    folder = RunFolder(Path("run"), resume=False, command="charrnn train x --out run")
    with pytest.raises(RunError) as caught:
        RunFolder(Path("run"), resume=True)
    assert "charrnn train" not in str(caught.value)
    assert f"process {os.getpid()} on {socket.gethostname()}" in str(caught.value)
    folder.close()
