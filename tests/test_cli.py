"""The commands, from outside: what they write to which stream, and their exit codes."""

import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import (
    ROOT,
    TEXT,
    TINY,
    charrnn,
    charrnn_apart,
    command,
    environment,
    fingerprint,
    metrics,
)

from charrnn.checkpoint import read_checkpoint
from charrnn.cli.errors import printable
from charrnn.nn.cells import LSTM
from charrnn.runs.model import load_model

Done = subprocess.CompletedProcess[bytes]

PATIENCE = 120
"""Seconds to wait for another process, even on a busy machine."""

BRIEF = (*TINY, "--epochs", "3", "--eval-every", "20")
SMALL_CHECK = ("--layers", "1", "--hidden", "2", "--seq-len", "2", "--method", "complex")
ESCAPE = b"\x1b"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with faulty files, and one run. Tests must not change it."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "corpus.txt").write_text(TEXT, encoding="utf-8")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "short.txt").write_bytes(b"ab")
    (folder / "invalid.txt").write_bytes(b"abc\nde\xff")
    (folder / "more.txt").write_text(TEXT + "Z€", encoding="utf-8")
    (folder / "damaged.npz").write_bytes(b"PK\x03\x04 not quite")
    (folder / "folder").mkdir()
    done = charrnn("train", "corpus.txt", *BRIEF, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Files and folders, except for locks and the folder of all runs."""
    return {
        str(path): b"" if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name not in ("run.lock", "checkpoints")
    }


def failed(done: Done, code: int, message: str, hint: str = "") -> None:
    """One line on what is wrong, one on what to do, and nothing else."""
    lines = done.stderr.decode().splitlines()
    assert done.returncode == code, done.stderr
    assert done.stdout == b""
    assert lines[0].startswith("error: "), lines
    assert message in lines[0]
    assert lines[1:] == ([lines[1]] if len(lines) > 1 else [])
    assert all(line.startswith("hint: ") for line in lines[1:])
    assert hint in "".join(lines[1:])
    assert ESCAPE not in done.stderr


# Mistakes

MISTAKES: list[tuple[list[str | bytes], int, str, str]] = [
    (["train", "nowhere.txt"], 2, "file 'nowhere.txt' does not exist", ""),
    (["train", "corpus.txt", "nowhere.txt"], 2, "file 'nowhere.txt' does not exist", ""),
    (["train", "folder"], 2, "the folder 'folder' has no files", "name the files"),
    (["train", "no*.txt"], 2, "no file matches 'no*.txt'", "check the folder and the ending"),
    (["train", "folder", "--task", "classify"], 2, "'folder' is a directory", "*.txt"),
    (["train", ""], 2, "the name of a corpus is empty", ""),
    (["train", "empty.txt"], 2, "the corpus is empty", ""),
    (["train", "-"], 2, "the corpus is empty", ""),
    (["train", "short.txt"], 2, "2 characters", "longer text"),
    (["train", "invalid.txt"], 2, "byte 0xff at offset 6 (line 2)", "--encoding"),
    (["train", "/dev/zero"], 2, "is a device", ""),
    (["train", "corpus.txt", "--encoding", "utf-9"], 2, "unknown encoding 'utf-9'", ""),
    (["train", "corpus.txt", "--batch-size", "5000"], 2, "needs at least 5001", "--batch-size"),
    (["train", "corpus.txt", "--cell", "lstn"], 2, "unknown cell 'lstn'", ""),
    (["train", "corpus.txt", "--optimizer", "adamax"], 2, "--optimizer adamax: choose from", ""),
    (["train", "corpus.txt", "--cell", "gru,reset=now"], 2, "reset=after|before", ""),
    (["train", "corpus.txt", "--cell", "rnn,bias=false,bias=false"], 2, "given twice", ""),
    (["train", "corpus.txt", "--hidden", "0"], 2, "--hidden 0", ""),
    (["train", "corpus.txt", "--lr", "nan"], 2, "--lr nan", ""),
    (["train", "corpus.txt", "--lr", "1e999"], 2, "--lr inf", ""),
    (["train", "corpus.txt", "--epochs", "inf"], 2, "--epochs inf", ""),
    (["train", "corpus.txt", "--dropout", "1"], 2, "--dropout 1", ""),
    (["train", "corpus.txt", "--seed", "-1"], 2, "--seed -1", ""),
    (["train", "corpus.txt", "--seed", "1" + "0" * 400], 2, "--seed 1", ""),
    (["train", "corpus.txt", "--val-fraction", "1"], 2, "--val-fraction 1", ""),
    (
        ["train", "corpus.txt", "--val-fraction", "0", "--patience", "3"],
        2,
        "--patience needs a validation set",
        "leave out",
    ),
    (["train", "corpus.txt", "--out", "run"], 2, "'run' already holds a run", "--resume run"),
    (["train", "corpus.txt", "--out", "empty.txt"], 1, "cannot write to empty.txt", ""),
    (["train", "corpus.txt", "--out", ""], 2, "folder name is empty", ""),
    (["train", "--resume", "folder"], 2, "'folder' holds no run to resume", ""),
    (["train", "--resume", "nowhere"], 2, "'nowhere' holds no run to resume", ""),
    (["train", "--resume", "run/last.npz"], 2, "holds no run to resume", "folder"),
    (["train", "--resume", "run", "--lr", "1", "--hidden", "9"], 2, "--hidden", "--init-from"),
    (
        ["train", "more.txt", "--resume", "run"],
        2,
        "has changed since this run began",
        "--init-from",
    ),
    (["train", "--init-from", "nowhere"], 2, "'nowhere' does not exist", ""),
    (["train", "--init-from", "damaged.npz"], 1, "damaged.npz is not a readable checkpoint", ""),
    (
        ["train", "corpus.txt", "--init-from", "run", "--hidden", "9"],
        2,
        "hidden=8, not 9",
        "",
    ),
    (["sample", "nowhere"], 2, "'nowhere' does not exist", ""),
    (["sample", "folder"], 2, "'folder' holds no checkpoint", ""),
    (["sample", "damaged.npz"], 1, "damaged.npz is not a readable checkpoint", ""),
    (["sample", "corpus.txt"], 2, "is a text, not a model", "charrnn train corpus.txt"),
    (["sample", "run", "--prime", "aZ€"], 2, "'Z' (U+005A), '€' (U+20AC)", ""),
    (["sample", "run", "--prime", b"a\xff"], 2, "the prime is not valid UTF-8", ""),
    (["sample", "run", "--temp", "nan"], 2, "temp", ""),
    (["sample", "run", "--temp", "inf"], 2, "temperature", ""),
    (["sample", "run", "--temp", "1e999"], 2, "temperature", ""),
    (["sample", "run", "--top-p", "0"], 2, "top-p must be in (0, 1]", ""),
    (["sample", "run", "--top-p", "nan"], 2, "top-p must be in (0, 1]", ""),
    (["sample", "run", "--greedy", "--temp", "1"], 2, "exclude each other", ""),
    (
        ["sample", "run", "-n", "9", "-l", "1" + "0" * 11],
        2,
        "268,435,456 characters are the most",
        "",
    ),
    (["gradcheck", "--cell", "lstn"], 2, "unknown cell 'lstn'", ""),
    (["gradcheck", "run", "--cell", "rnn"], 2, "has the built-in cell lstm", ""),
    (["gradcheck", "nowhere"], 2, "'nowhere' does not exist", ""),
    (["gradcheck", "damaged.npz"], 1, "damaged.npz is not a readable checkpoint", ""),
]


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    MISTAKES,
    ids=[" ".join(map(str, row[0]))[:60] for row in MISTAKES],
)
def test_mistakes_take_two_lines_and_change_nothing(
    place: Path, arguments: list[str | bytes], code: int, message: str, hint: str
) -> None:
    before = contents(place)
    failed(charrnn(*arguments, cwd=place), code, message, hint)
    assert contents(place) == before


WRONG_USAGE: list[tuple[list[str], str, str]] = [
    (["trian"], "there is no command 'trian'", "did you mean train? charrnn -h shows the commands"),
    (["bogus"], "there is no command 'bogus'", "charrnn -h shows the commands"),
    (["--bogus"], "there is no option --bogus", "charrnn -h shows the commands"),
    (["--"], "the command is missing", "charrnn -h shows the commands"),
    (
        ["train", "corpus.txt", "--colums", "3"],
        "there is no option --colums",
        "did you mean --columns? charrnn train -h shows the options",
    ),
    (["train", "--bogus"], "there is no option --bogus", "charrnn train -h shows the options"),
    (
        ["sample", "--temperature", "1"],
        "there is no option --temperature",
        "did you mean --temp? charrnn sample -h shows the options",
    ),
    (["train", "-z"], "there is no option -z", "charrnn train -h shows the options"),
    (["train", "--epochs"], "--epochs needs a value", "charrnn train -h shows the options"),
    (["train", "--lines=3"], "--lines takes no value", "charrnn train -h shows the options"),
    (
        ["train", "corpus.txt", "--hidden", "many"],
        "--hidden must be a whole number, got 'many'",
        "",
    ),
    (["train", "corpus.txt", "--hidden", "2.5"], "--hidden must be a whole number, got '2.5'", ""),
    (["train", "corpus.txt", "--epochs", "abc"], "--epochs must be a number, got 'abc'", ""),
    (
        ["train", "corpus.txt", "--level", "word"],
        "--level must be one of 'char', 'byte', got 'word'",
        "",
    ),
    (
        ["train", "corpus.txt", "--threads", "-1"],
        "--threads must be (0 or more|{}), got '?-1'?",
        "",
    ),
    (["train", "--threads", "9999"], "--threads must be (1024 or less|{}), got '?9999'?", ""),
    (["sample", "run", "--temp", "-1"], "--temp must be (0 or more|{}), got '?-1(.0)?'?", ""),
    (["sample", "run", "-t", "abc"], "--temp must be a number, got 'abc'", ""),
    (["sample", "run", "--top-k", "-1"], "--top-k must be (0 or more|{}), got '?-1'?", ""),
    (["sample", "run", "--length", "-1"], "--length must be (0 or more|{}), got '?-1'?", ""),
    (["sample", "run", "-n", "0"], "--number must be (1 or more|{}), got '?0'?", ""),
    (["sample", "run", "--seed", "-1"], "--seed must be (0 or more|{}), got '?-1'?", ""),
    (["sample", "run", "--length", "1" + "0" * 20], "--length must be .*, got '?10{{20}}'?", ""),
    (["gradcheck", "--layers", "0"], "--layers must be (1 or more|{}), got '?0'?", ""),
    (["gradcheck", "--method", "guess"], "--method must be one of '.*', got 'guess'", ""),
    (["explain", "a", "b"], "unexpected argument: b", "charrnn explain -h shows the options"),
    (["export"], r"the argument \[RUN\] FILE is missing", "charrnn export -h shows the options"),
]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    WRONG_USAGE,
    ids=[" ".join(row[0])[:60] for row in WRONG_USAGE],
)
def test_a_wrong_command_line_takes_two_lines(
    place: Path, arguments: list[str], message: str, hint: str
) -> None:
    """Older versions of Typer name a range of numbers instead of the limit that is passed."""
    before = contents(place)
    done = charrnn(*arguments, cwd=place)
    failed(done, 2, "", "-h shows the")
    error, told = done.stderr.decode().splitlines()
    assert re.fullmatch("error: " + message.format("in the range .*"), error)
    assert told.replace("python -m ", "") == f"hint: {hint}" or not hint
    assert contents(place) == before


def test_without_a_command_there_is_the_help_page(place: Path) -> None:
    done = charrnn(cwd=place)
    assert done.returncode == 2
    assert b"Commands:" in done.stderr + done.stdout
    assert b"error" not in done.stderr


def test_a_damaged_run_is_reported_on_one_line(place: Path, tmp_path: Path) -> None:
    for name in ("last.npz", "previous.npz"):
        (tmp_path / name).write_bytes((place / "run" / name).read_bytes()[:3000])
    done = charrnn("train", "--resume", str(tmp_path), cwd=place)
    failed(done, 1, "previous.npz is not a readable checkpoint")


def test_a_text_with_rare_characters_in_its_name(place: Path, tmp_path: Path) -> None:
    """A file name is bytes; if it is not UTF-8, the first save must still work."""
    name = b"caf\xe9 [red] \x1b[31m.txt"
    (Path(os.fsdecode(bytes(tmp_path) + b"/" + name))).write_text(TEXT, encoding="utf-8")
    done = charrnn("train", name, *BRIEF, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (path for path in (tmp_path / "checkpoints").iterdir() if path.is_dir())
    done = charrnn("train", "--resume", str(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"this run is complete" in done.stderr


def test_a_run_with_rare_characters_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    done = charrnn("train", "corpus.txt", *BRIEF, "--out", b"r\xe9 sum\xe9", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = charrnn("sample", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"the run saved last" in done.stderr


def test_lone_surrogates_cause_no_traceback(tmp_path: Path) -> None:
    """Some decoders accept lone surrogates; they may be refused or kept, but not crash."""
    (tmp_path / "corpus.txt").write_bytes(b"abc +2AA- " * 100)
    done = charrnn("train", "corpus.txt", *BRIEF, "--encoding", "utf-7", cwd=tmp_path)
    assert b"bug" not in done.stderr


WILD = ["--cell", "rnn,activation=relu", "--optimizer", "sgd,clip=0"]


def test_a_learning_rate_too_high_is_lowered_and_reported(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    wild = [*WILD, "--lr", "100", "--schedule", "cosine,warmup=0"]
    done = charrnn("train", "corpus.txt", *BRIEF, *wild, cwd=tmp_path)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert [line for line in lines if "Warning" in line] == []
    (said, *_) = [line for line in lines if line.startswith("training diverged at step ")]
    assert said.endswith("continuing from step 0 with --lr 50")


def test_a_hopeless_learning_rate_is_reported_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    wild = [*WILD, "--lr", "1e6", "--schedule", "constant,warmup=0"]
    done = charrnn("train", "corpus.txt", *BRIEF, *wild, cwd=tmp_path)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert lines[-2].startswith("error: training diverged at step ")
    assert lines[-1].startswith("hint: ")
    assert "--lr 1.2e+02" in lines[-1]


# Streams


def test_a_sample_is_the_prime_and_the_requested_length(place: Path) -> None:
    done = charrnn("sample", "run", "-l", "300", "-p", "é,", "--seed", "1", cwd=place)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert text.startswith("é,")
    assert text.endswith("\n")
    assert len(text) == 2 + 300 + 1
    assert set(text) <= set(TEXT)
    assert done.stderr == b"run/best.npz\n"
    again = charrnn("sample", "run/best.npz", "-l", "300", "-p", "é,", "--seed", "1", cwd=place)
    assert again.stdout == done.stdout
    other = charrnn("sample", "run", "-l", "300", "-p", "é,", "--seed", "2", cwd=place)
    assert other.stdout != done.stdout


def test_a_drawn_seed_is_printed_and_gives_the_same_sample(place: Path) -> None:
    done = charrnn("sample", "run", cwd=place)
    (seed,) = re.findall(rb"seed (\d+)$", done.stderr.strip())
    assert len(done.stdout.decode()) == 501
    assert charrnn("sample", "run", "--seed", seed, cwd=place).stdout == done.stdout
    assert charrnn("sample", "run", cwd=place).stdout != done.stdout


def test_a_sample_of_length_zero_is_the_prime_alone(place: Path) -> None:
    done = charrnn("sample", "run", "--length", "0", cwd=place)
    assert (done.returncode, done.stdout) == (0, b"")
    done = charrnn("sample", "run", "--length", "0", "-p", "ab", cwd=place)
    assert (done.returncode, done.stdout) == (0, b"ab\n")


def test_sample_number_writes_several_texts(place: Path) -> None:
    """Each begins with the prime and has the length asked for; they are different texts."""
    flags = ("-l", "40", "-p", "é,", "--seed", "1")
    done = charrnn("sample", "run", "-n", "3", *flags, cwd=place)
    assert (done.returncode, done.stderr) == (0, b"run/best.npz\n")
    texts = done.stdout.decode().split("\n---\n")
    assert [len(text) for text in texts] == [42, 42, 43]  # the last with its line end
    assert all(text.startswith("é,") for text in texts)
    assert len(set(texts)) == 3
    one = charrnn("sample", "run", *flags, cwd=place).stdout.decode()
    assert one == texts[0] + "\n"  # how many there are changes none of them
    greedy = charrnn("sample", "run", "-n", "2", "--greedy", *flags, cwd=place).stdout.decode()
    one = charrnn("sample", "run", "--greedy", *flags, cwd=place).stdout.decode()
    assert greedy == one + "---\n" + one


def test_greedy_is_a_temperature_of_zero(place: Path) -> None:
    greedy = charrnn("sample", "run", "--greedy", "--seed", "1", cwd=place)
    assert greedy.returncode == 0
    for flags in (["-t", "0"], ["--top-k", "1"], ["-t", "1e-300"], ["--top-p", "1e-9"]):
        done = charrnn("sample", "run", *flags, "--seed", "2", cwd=place)
        assert (done.returncode, done.stdout) == (0, greedy.stdout), flags


def test_train_writes_samples_to_standard_output_and_progress_to_standard_error(
    tmp_path: Path,
) -> None:
    """Samples go to standard output, the rest to standard error; with --quiet only figures."""
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    done = charrnn("train", "corpus.txt", *BRIEF, "--out", "a", cwd=tmp_path)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert re.findall(rb"(?m)^--- step (\d+) -+$", done.stdout) == [b"20", b"40", b"51"]
    validations = [line for line in lines if re.match(r"step \d+/51, epoch \d\.\d\d: train ", line)]
    assert [line.split("/")[0] for line in validations] == ["step 20", "step 40", "step 51"]
    assert re.fullmatch(r"  use it +charrnn sample a", lines[-2])
    assert lines[-1].startswith("saved in a: best.npz, ")
    assert ESCAPE not in done.stdout + done.stderr
    assert b"\r" not in done.stdout + done.stderr
    quiet = charrnn("train", "corpus.txt", *BRIEF, "--out", "b", "--quiet", cwd=tmp_path)
    assert quiet.stdout == b""
    assert [line for line in quiet.stderr.decode().splitlines() if line in validations] == (
        validations
    )
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")


def test_a_corpus_from_standard_input(place: Path, tmp_path: Path) -> None:
    done = charrnn("train", "-", *BRIEF, cwd=tmp_path, stdin=TEXT.encode())
    assert done.returncode == 0, done.stderr
    _, ours = read_checkpoint(tmp_path / "checkpoints" / "stdin-1" / "last.npz")
    _, theirs = read_checkpoint(place / "run" / "last.npz")
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    again = charrnn("train", "-", "--resume", "checkpoints/stdin-1", cwd=tmp_path, stdin=b"other")
    failed(again, 2, "has changed since this run began")


def in_shell(line: str, cwd: Path, **variables: str) -> Done:
    """Run a line of bash in which ``charrnn`` is the command."""
    define = f'charrnn() {{ {shlex.quote(sys.executable)} -m charrnn "$@"; }}\n'
    return subprocess.run(
        ["bash", "-c", define + line],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )


def test_a_sample_whose_reader_has_gone_ends_silently(place: Path) -> None:
    done = in_shell(
        "charrnn sample run -l 1000000 --seed 1 | head -c 10 | wc -c; exit ${PIPESTATUS[0]}", place
    )
    assert done.returncode == 141
    assert done.stdout.strip() == b"10"
    assert done.stderr == b"run/best.npz\n"


def test_a_reader_that_has_gone_does_not_stop_a_training(place: Path, tmp_path: Path) -> None:
    corpus = shlex.quote(str(place / "corpus.txt"))
    line = f"charrnn train {corpus} {' '.join(BRIEF)} --sample-every 1 --out run | head -c 10"
    done = in_shell(line, tmp_path)
    ours, theirs = (load_model(f / "run" / "best.npz") for f in (tmp_path, place))
    assert np.array_equal(ours.parameters.flat, theirs.parameters.flat)
    assert ours.header["history"] == theirs.header["history"]
    assert b"Traceback" not in done.stderr
    assert b"error" not in done.stderr


def test_a_full_disk_is_reported_on_one_line(place: Path) -> None:
    done = in_shell("charrnn sample run --seed 1 > /dev/full", place)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "run/best.npz",
        "error: No space left on device",
    ]
    done = in_shell("charrnn gradcheck run --json --seq-len 1 > /dev/full", place)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("what", ["train", "sample"])
def test_closed_streams_do_not_stop_a_command(
    place: Path, tmp_path: Path, closed: str, what: str
) -> None:
    """As under some job schedulers: nobody listens, and the work is done all the same.

    Work whose result nobody can be told is not done.
    """
    corpus, run = shlex.quote(str(place / "corpus.txt")), shlex.quote(str(place / "run"))
    line = f"sample {run} --seed 1"
    if what == "train":
        line = f"train {corpus} {' '.join(BRIEF)} --out run"
    done = in_shell(f"charrnn {line} {closed}", tmp_path)
    assert b"Traceback" not in done.stderr
    if what == "sample" and ">&-" in closed.split():
        assert done.returncode == 1
        assert closed != ">&-" or done.stderr.endswith(b"error: standard output is closed\n")
        return
    assert done.returncode == 0, done.stderr
    assert b"error" not in done.stderr
    if what == "train":
        ours, theirs = fingerprint(tmp_path / "run"), fingerprint(place / "run")
        assert ours["best.npz"] == theirs["best.npz"]
        assert b"corpus:" not in done.stdout  # messages for people do not become data
    elif closed in ("<&-", "2>&-"):
        text = charrnn("sample", "run", "--seed", "1", cwd=place).stdout
        assert done.stdout == text


def test_a_corpus_from_a_closed_stream_is_refused(tmp_path: Path) -> None:
    failed(in_shell("charrnn train - <&-", tmp_path), 2, "standard input")


def test_texts_stay_utf_8_where_messages_are_ascii(place: Path, tmp_path: Path) -> None:
    """A pipe gets texts unchanged, whatever the terminal's encoding; messages are escaped."""
    variables = {"PYTHONIOENCODING": "ascii"}
    line = "charrnn sample run -l 300 -p éé --seed 1"
    done = in_shell(line, place, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("éé".encode())
    assert done.stdout == in_shell(line, place).stdout
    corpus = shlex.quote(str(place / "corpus.txt"))
    flags = " ".join(BRIEF)
    done = in_shell(f"charrnn train {corpus} {flags} --out run", tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr.isascii()
    check = f"gradcheck --cell rnn {' '.join(SMALL_CHECK)}"
    for ask in ("--help", "train --help", check, "train nowhere"):
        done = in_shell(f"charrnn {ask}", place, **variables)
        assert b"Traceback" not in done.stderr, ask
        assert done.stderr.isascii(), ask


def test_there_are_no_colours_outside_a_terminal(place: Path) -> None:
    for arguments in (["--help"], ["train", "--help"], ["gradcheck", "run"], ["sample", "--nope"]):
        done = charrnn(*arguments, cwd=place)
        assert ESCAPE not in done.stdout + done.stderr, arguments
        assert len(done.stdout + done.stderr) > 100


# Terminals


def at_a_terminal(arguments: list[str], cwd: Path, *, errors: bool = True) -> tuple[int, bytes]:
    """Run a command with its output (and errors) at a terminal; return what it shows."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(TERM="xterm"),
        stdin=secondary,
        stdout=secondary,
        stderr=secondary if errors else subprocess.DEVNULL,
    )
    os.close(secondary)
    shown = b""
    while True:
        ready, _, _ = select.select([primary], [], [], PATIENCE)
        assert ready, shown
        try:
            data = os.read(primary, 65536)
        except OSError:  # Linux's way to say: closed
            break
        if not data:
            break
        shown += data
    os.close(primary)
    return process.wait(PATIENCE), shown


def test_a_terminal_shows_a_bar(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    code, shown = at_a_terminal(["train", "corpus.txt", *BRIEF], tmp_path)
    assert code == 0, shown
    assert re.search(rb"100%\|.*\| 51/51 \[", shown)
    assert b"--- step 51 -" in shown
    assert b"step 51/51, epoch 3.00: train" in shown
    (tmp_path / "checkpoints").rename(tmp_path / "x")
    code, shown = at_a_terminal(["train", "corpus.txt", *BRIEF, "--quiet"], tmp_path)
    assert code == 0
    assert b"|" not in shown
    assert b"step 51/51" in shown


def test_a_text_cannot_take_over_the_terminal(tmp_path: Path) -> None:
    """Escape sequences, bells and carriage returns of a text are shown as symbols."""
    wild = "\x1b[2J\x07\r\x9b31m\x00\x7f\x08é\t\n" * 40
    (tmp_path / "wild.txt").write_text(wild, encoding="utf-8", newline="")
    flags = ["--layers", "0", "--encoding", "utf-8,newlines=keep", "--out", "run", *BRIEF]
    done = charrnn("train", "wild.txt", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    arguments = ["sample", "run", "-t", "2", "--seed", "1", "-p", "\x1b[2J\x07"]
    raw = charrnn(*arguments, cwd=tmp_path).stdout
    assert raw.startswith(b"\x1b[2J\x07")
    assert set("\x1b\x07\r\x9b\x00\x7f\x08é\t\n") <= set(raw.decode())
    code, shown = at_a_terminal(arguments, tmp_path, errors=False)
    text = shown.decode().replace("\r\n", "\n")  # what a terminal makes of line ends
    assert code == 0
    assert text.startswith("\\x1b[2J\\x07")
    assert not set(text) & set("\x1b\x07\r\x9b\x00\x7f\x08")
    assert text.count("é") == raw.decode().count("é")
    code, shown = at_a_terminal(["train", "wild.txt", *flags[:-1], "20", "--out", "b"], tmp_path)
    assert code == 0
    assert b"\x07" not in shown
    assert b"\x1b[2J" not in shown


ORDERS = "\x1b[2J\u202eא\u202c\u2066b\u2069\u202a"
OBEYED = set("\x1b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_a_model_cannot_reverse_a_line_of_the_terminal(tmp_path: Path) -> None:
    """Its characters, its labels and its file's name are shown as symbols; a pipe gets them raw."""
    (tmp_path / "wild.txt").write_text(ORDERS * 40, encoding="utf-8")
    out = "run\u202eא"
    done = charrnn("train", "wild.txt", "--layers", "0", "--out", out, *BRIEF, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sampled = ["sample", out, "-t", "2", "--seed", "1", "-p", ORDERS]
    piped = charrnn(*sampled, cwd=tmp_path).stdout.decode()
    assert piped.startswith(ORDERS)
    code, shown = at_a_terminal(sampled, tmp_path)
    text = shown.decode().replace("\r\n", "\n")
    assert code == 0
    assert not set(text) & OBEYED
    assert "\\x1b[2J\\u202eא\\u202c\\u2066b\\u2069\\u202a" in text
    assert "run\\u202eא" in text
    code, shown = at_a_terminal([*sampled, "--raw"], tmp_path, errors=False)
    assert code == 0
    assert shown.decode().replace("\r\n", "\n") == piped
    for arguments in (["inspect", out], ["inspect", "wild.txt"], ["sample", "no\u202e\x1b"]):
        code, shown = at_a_terminal(arguments, tmp_path)
        assert not set(shown.decode()) & OBEYED, arguments
        assert b"\\u202e" in shown, arguments


def test_a_label_cannot_reverse_a_line_of_the_terminal(tmp_path: Path) -> None:
    rows = "".join(f"{w} {n}\t{w}{ORDERS}\n" for n in range(20) for w in ("good", "bad"))
    (tmp_path / "rows.tsv").write_text(rows, encoding="utf-8")
    flags = ["--task", "classify", "--hidden", "2", "--epochs", "1", "--out", "run"]
    code, shown = at_a_terminal(["train", "rows.tsv", *flags], tmp_path)
    assert code == 0, shown
    assert b"\x1b[2J" not in shown
    assert not set(shown.decode()) & (OBEYED - {"\x1b"})
    predicted = ["predict", "run", "good"]
    assert ORDERS in charrnn(*predicted, cwd=tmp_path).stdout.decode()
    code, shown = at_a_terminal(predicted, tmp_path)
    assert code == 0
    assert not set(shown.decode()) & OBEYED


# Signals

HELD = """
import sys
from charrnn.cli import main
from charrnn.training.loop import Trainer
steps = Trainer.steps
def held(self):
    for step in steps(self):
        if step.number == 13:
            print("now in step 13", file=sys.stderr, flush=True)
            sys.stdin.readline()
        yield step
Trainer.steps = held
main()
"""


class Held:
    """A training that waits in its thirteenth step; and what it has printed."""

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HELD, "train", *arguments],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.said = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def wait_for(self, text: bytes) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.said:
            assert time.monotonic() < end, self.said
            time.sleep(0.01)

    def let_go(self) -> None:
        """Let it make this step and all others."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> int:
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join()
            for stream in (self.process.stdin, self.process.stderr):
                assert stream is not None
                stream.close()
        return code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Held]]:
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    started: list[Held] = []

    def begin(out: str) -> Held:
        flags = [*TINY, "--epochs", "3", "--eval-every", "10", "--dropout", "0.2", "--out", out]
        started.append(Held(tmp_path, "corpus.txt", *flags))
        started[-1].wait_for(b"now in step 13")
        return started[-1]

    yield begin
    for held in started:
        if held.process.poll() is None:
            held.process.kill()
            held.end()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_and_says_how_to_continue(
    tmp_path: Path, start: Callable[[str], Held], number: int, code: int
) -> None:
    """The printed command then ends as if there had been no signal."""
    whole = [*TINY, "--epochs", "3", "--eval-every", "10", "--dropout", "0.2", "--out", "whole"]
    assert charrnn("train", "corpus.txt", *whole, cwd=tmp_path).returncode == 0
    held = start("run")
    held.process.send_signal(number)
    held.wait_for(b"stopping after this step")
    held.let_go()
    assert held.end() == code
    lines = held.said.decode().splitlines()
    assert b"Traceback" not in held.said
    (step,) = re.findall(r"^saved at step (\d+) of 51", "\n".join(lines), re.MULTILINE)
    assert re.match(r"best so far: [\d.]+ nats/char .* at step 1\d; .* baseline", lines[-3])
    header, _ = read_checkpoint(tmp_path / "run" / "last.npz")
    assert header["training"]["step"] == int(step) > 12
    printed = shlex.split(lines[-1])
    assert printed[:3] == ["charrnn", "train", "--resume"]
    done = charrnn(*printed[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert fingerprint(tmp_path / "run") == fingerprint(tmp_path / "whole")
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")


def test_the_command_to_continue_can_be_pasted(
    tmp_path: Path, start: Callable[[str], Held]
) -> None:
    """Into a shell, whatever the folder's name is."""
    held = start("my run; it's")
    held.process.send_signal(signal.SIGTERM)
    held.wait_for(b"stopping after this step")
    held.let_go()
    assert held.end() == 143
    done = in_shell(held.said.decode().splitlines()[-1], tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_second_signal_quits_at_once(tmp_path: Path, start: Callable[[str], Held]) -> None:
    """In the middle of a step, and without a save."""
    held = start("run")
    before = fingerprint(tmp_path / "run")
    held.process.send_signal(signal.SIGINT)
    held.wait_for(b"press Ctrl-C again to quit at once")
    assert held.process.poll() is None
    held.process.send_signal(signal.SIGINT)
    assert held.end() == 130
    assert b"saved at step" not in held.said
    assert b"Traceback" not in held.said
    assert fingerprint(tmp_path / "run") == before


def test_what_the_caller_ignores_stays_ignored(tmp_path: Path) -> None:
    """``nohup charrnn train …`` continues when its terminal is closed."""
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        flags = [*TINY, "--epochs", "3", "--eval-every", "10", "--out", "run"]
        held = Held(tmp_path, "corpus.txt", *flags)
    finally:
        signal.signal(signal.SIGHUP, before)
    held.wait_for(b"now in step 13")
    held.process.send_signal(signal.SIGHUP)
    held.let_go()
    assert held.end() == 0
    assert b"stopping" not in held.said


def test_a_second_process_in_a_run_is_refused(tmp_path: Path, start: Callable[[str], Held]) -> None:
    held = start("run")
    before = contents(tmp_path)
    done = charrnn("train", "--resume", "run", cwd=tmp_path)
    failed(done, 1, f"run is in use by process {held.process.pid} on", "wait")
    assert contents(tmp_path) == before
    held.process.kill()  # the lock goes with the process, however it ends
    held.end()
    done = charrnn("train", "--resume", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# Finding models


def test_the_run_saved_last_is_found(place: Path, tmp_path: Path) -> None:
    for name in ("corpus-1", "corpus-2"):
        done = charrnn("train", str(place / "corpus.txt"), *BRIEF, "-q", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        sampled = charrnn("sample", "--seed", "1", cwd=tmp_path)
        found = f"checkpoints/{name}/best.npz (the run saved last)\n"
        assert sampled.stderr.decode() == found
    there = charrnn("train", str(place / "corpus.txt"), *BRIEF, "--out", "there/r", cwd=tmp_path)
    assert there.returncode == 0
    assert b"there/r/best.npz" in charrnn("sample", cwd=tmp_path).stderr
    more = ["--init-from", "checkpoints/corpus-1", "-q", "--epochs", "0.001"]
    done = charrnn("train", *more, cwd=tmp_path)  # on the text of that run
    assert done.returncode == 0, done.stderr
    assert b" new characters: " not in done.stderr
    assert (tmp_path / "checkpoints" / "corpus-3" / "best.npz").exists()


def test_a_damaged_note_of_the_last_run_causes_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for noted in (b"\xff\xfe", b"gone-1\n", b"", b"\0"):
        (tmp_path / "checkpoints" / "latest").write_bytes(noted)
        done = charrnn("sample", "-l", "5", cwd=tmp_path)
        assert b"bug" not in done.stderr, noted
        assert done.returncode == (0 if (ROOT / "checkpoints" / "pydoc.npz").exists() else 2)


@pytest.mark.skipif(
    not (ROOT / "checkpoints" / "pydoc.npz").exists(), reason="the model is not made yet"
)
def test_without_a_run_the_shipped_model_writes(tmp_path: Path) -> None:
    done = charrnn("sample", "-l", "200", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"(the model that comes with charrnn)" in done.stderr
    assert len(done.stdout.decode()) == 201
    assert list(tmp_path.iterdir()) == []


def test_resuming_a_complete_run_changes_nothing(place: Path) -> None:
    before = contents(place)
    done = charrnn("train", "--resume", "run", cwd=place)
    assert done.returncode == 0
    assert b"this run is complete (51 steps)" in done.stderr
    assert contents(place) == before


def test_init_from_begins_with_the_weights_of_another_run(place: Path, tmp_path: Path) -> None:
    run = str(place / "run")
    flags = [*BRIEF[2:], "--init-from", run, "--out", "new", "--lr", "0"]
    done = charrnn("train", str(place / "corpus.txt"), *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ours, theirs = (load_model(f / "best.npz") for f in (tmp_path / "new", place / "run"))
    assert (ours.parameters.flat == theirs.parameters.flat).all()  # at a rate of nothing
    assert ours.config.hidden == 8


# Help


def test_help_is_quick(tmp_path: Path) -> None:
    """Neither NumPy nor tqdm is loaded to show help or to complete a word."""
    heavy = {"numpy", "tqdm", "charrnn.nn", "charrnn.training"}
    importtime = [sys.executable, "-X", "importtime"]
    module = ["-m", "charrnn"]
    asks: list[tuple[list[str], dict[str, str]]] = [
        ([*module, *words], {})
        for words in (["train", "-h"], ["sample", "-h"], ["gradcheck", "-h"], ["--help"])
    ]
    asks.append(([*module, "--version"], {}))
    program = "import sys; sys.argv = ['charrnn']; from charrnn.cli import main; main()"
    completion = {
        "_CHARRNN_COMPLETE": "complete_bash",
        "COMP_WORDS": "charrnn train --ce",
        "COMP_CWORD": "2",
    }
    for arguments, variables in [*asks, (["-c", program], completion)]:
        done = subprocess.run(
            [*importtime, *arguments],
            cwd=tmp_path,
            env=environment(**variables),
            capture_output=True,
            text=True,
            check=False,
        )
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert done.returncode == 0, arguments
        assert "charrnn.cli.train" in loaded
        assert not heavy & loaded
        expected = "--cell" if variables else "charrnn"
        assert expected in done.stdout


def test_python_m_runs_the_command(tmp_path: Path) -> None:
    done = charrnn_apart("--version", cwd=tmp_path)
    assert re.fullmatch(rb"charrnn \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sample", "--help"],
        ["sample", "--temp", "-1"],
        ["sample", "run", "--seed", "1", "-p", "é"],
        ["sample", b"caf\xe9"],
        ["train", "-", *BRIEF, "--out", "new"],
        ["train", "corpus.txt", *BRIEF, "--out", "run"],
        ["inspect", "run", "--json"],
    ],
)
def test_a_command_does_the_same_in_a_process_of_its_own(
    place: Path, tmp_path: Path, arguments: list[str | bytes]
) -> None:
    """Commands that other tests run in their own process are those of ``python -m charrnn``."""
    ends = []
    for run in (charrnn, charrnn_apart):
        shutil.copytree(place, tmp_path / "place")
        done = run(*arguments, cwd=tmp_path / "place", stdin=TEXT.encode())
        ends.append((done.returncode, done.stdout, done.stderr, contents(tmp_path / "place")))
        shutil.rmtree(tmp_path / "place")
    for folder in (end[3] for end in ends):
        folder.pop(str(tmp_path / "place/new/metrics.jsonl"), None)  # tells how long it took
    assert ends[0] == ends[1]


# Gradient check


def test_gradcheck_proves_every_cell(tmp_path: Path) -> None:
    done = charrnn("gradcheck", "--json", cwd=tmp_path)
    checks = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    tensors = [tensor for check in checks for tensor in check["tensors"]]
    assert all(tensor["error"] <= tensor["bound"] <= 1e-6 for tensor in tensors)
    assert all(tensor["passed"] for tensor in tensors)
    assert done.stderr.decode() == f"gradcheck: all {len(tensors)} comparisons passed\n"
    labels = {(check["label"], check["num_layers"]) for check in checks}
    assert {("rnn", 1), ("lstm", 2), ("gru", 1), ("lstm,gates=cell,output=identity", 2)} <= labels
    assert len(labels) >= 2 * 20
    assert {t["method"] for t in tensors} == {"complex", "central"}


def test_gradcheck_checks_what_is_asked_for(tmp_path: Path) -> None:
    def labels(*flags: str) -> set[tuple[str, int]]:
        small = ("--hidden", "2", "--seq-len", "2", "--method", "complex")
        done = charrnn("gradcheck", "--json", *small, *flags, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {(check["label"], check["num_layers"]) for check in json.loads(done.stdout)}

    one = labels("--cell", "gru,reset=before", "--layers", "3")
    assert ("gru,reset=before", 3) in one
    assert {layers for label, layers in one if label.startswith("gru")} == {3}
    all_of_one = {label for label, _ in labels("--cell", "rnn", "--layers", "1")}
    assert {"rnn", "rnn,activation=relu", "rnn,bias=false"} <= all_of_one
    assert not any("lstm" in label or "gru" in label for label in all_of_one)


def test_gradcheck_shows_tables(place: Path) -> None:
    flags = ["--cell", "rnn", "--layers", "1", "--method", "complex", "--detail"]
    done = charrnn("gradcheck", *flags, cwd=place)
    assert done.returncode == 0
    shown = done.stdout.decode()
    assert all(name in shown for name in ("W_x", "W_h", "h0", "head.W", "complex", "ok"))
    assert "central" not in shown
    assert "WRONG" not in shown
    brief = charrnn("gradcheck", "--cell", "rnn", "--hidden", "2", "--seq-len", "2", cwd=place)
    assert "Largest error of each model" in brief.stdout.decode()


@pytest.mark.parametrize("width", [80, 120])
def test_gradcheck_does_not_break_names_or_figures(tmp_path: Path, width: int) -> None:
    line = ("gradcheck", "--cell", "lstm", "--layers", "1", "--method", "complex")
    done = charrnn(*line, cwd=tmp_path, env=environment(COLUMNS=str(width)))
    assert done.returncode == 0
    table = done.stdout.decode().partition("Largest error of each model")[2]
    assert set(re.findall(r"\w+=\w*", table)) == {"gates=cell", "output=identity", "bias=false"}
    assert len(re.findall(r"^\S.*  \d\.\de[-+]\d\d  ", table, re.MULTILINE)) > 10
    assert not re.search(r"(?<![\d.])e-\d\d|\de-?\d?$", table, re.MULTILINE)
    rows = [row for row in table.splitlines() if row.endswith("ok")]
    assert max(map(len, rows)) <= width


def test_gradcheck_checks_a_trained_model(place: Path) -> None:
    for argument in ("run", "run/last.npz"):
        done = charrnn("gradcheck", argument, "--json", cwd=place)
        checks = json.loads(done.stdout)
        assert done.returncode == 0, done.stderr
        names = {tensor["tensor"] for check in checks for tensor in check["tensors"]}
        assert {"body.0.W_x", "body.0.W_h", "body.0.b", "head.W", "head.b", "x"} <= names


@pytest.mark.parametrize("flags", [[], ["--json"], ["run"]])
def test_gradcheck_finds_what_is_broken(
    place: Path, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of a millionth is found."""
    weight_gradients = LSTM.weight_gradients

    def broken(self: LSTM, s: Any, g: Any) -> None:
        weight_gradients(self, s, g)
        g["W_h"][...] *= 1 + 1e-6

    monkeypatch.setattr(LSTM, "weight_gradients", broken)
    cell = ["--cell", "lstm", *SMALL_CHECK] if "run" not in flags else []
    done = charrnn("gradcheck", *cell, *flags, cwd=place)
    assert done.returncode == 1
    assert re.fullmatch(rb"error: gradcheck: \d+ of \d+ comparisons failed\n", done.stderr)
    if flags == ["--json"]:
        tensors = [t for check in json.loads(done.stdout) for t in check["tensors"]]
        off = {t["tensor"] for t in tensors if not t["passed"]}
        assert {name.rpartition(".")[2] for name in off} == {"W_h"}
        assert "body.0.W_h" in off
    else:
        assert b"WRONG" in done.stdout


def test_invisible_characters_are_shown_as_symbols() -> None:
    unseen = {"\u200b": "\\u200b", "\ufeff": "\\ufeff", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    unseen |= {"\U000e0001": "\\U000e0001", "\U000e007f": "\\U000e007f"}
    for character, symbol in unseen.items():
        assert printable(f"a{character}b") == f"a{symbol}b"
    assert printable("a\tb\n\u200c\u200d\u00ad") == "a\tb\n\u200c\u200d\u00ad"  # which letters need


@pytest.mark.parametrize(
    ("option", "now"),
    [
        ("--keep-newlines", "--encoding utf-8,newlines=keep"),
        ("--clip=2", "--optimizer adamw,clip=1"),
        ("--warmup", "--schedule cosine,warmup=0.05"),
        ("--lr-final", "--schedule cosine,final=0.01"),
    ],
)
def test_an_old_option_names_the_variant_that_replaces_it(
    place: Path, option: str, now: str
) -> None:
    done = charrnn("train", "corpus.txt", option, cwd=place)
    name = option.partition("=")[0]
    assert (done.returncode, done.stderr.decode()) == (
        2,
        f"error: {name} is now a variant: {now}\n",
    )
    flags = (*BRIEF, "--out", f"with{name}", *now.split())
    assert charrnn("train", "corpus.txt", *flags, cwd=place).returncode == 0
