"""Trainings on real text: a few steps by default, long ones and kill loops as slow tests."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import TEXT, TINY, charrnn, command, environment, fingerprint, metrics, names

from charrnn.runs.model import load_model

A_FEW = (*TINY, "--eval-every", "20", "--epochs")


def test_chinese_poems_are_learnt_and_continued(tmp_path: Path, corpora: Path) -> None:
    """Thousands of characters of three bytes, a byte order mark, a hundred lines' worth of text."""
    poems = corpora / "tang-poems-zh" / "tang300.txt"
    done = charrnn("train", str(poems), *A_FEW, "0.02", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "byte order mark of UTF-8 removed" in done.stderr.decode()
    vocabulary = load_model(tmp_path / "run" / "best.npz").vocabulary
    assert 0xFEFF not in vocabulary.codes
    assert len(vocabulary) > 1000
    text = charrnn("sample", "run", "-l", "80", "-p", "春", "--seed", "1", cwd=tmp_path)
    assert text.returncode == 0, text.stderr
    assert len(text.stdout.decode()) == 1 + 80 + 1
    assert {ord(c) for c in text.stdout.decode()} <= set(vocabulary.codes)
    refused = charrnn("sample", "run", "-p", "Ж", cwd=tmp_path)
    assert refused.returncode == 2
    assert "'Ж' (U+0416)" in refused.stderr.decode()


def test_any_file_trains_as_bytes(tmp_path: Path) -> None:
    """The file is not text, and neither need its sample be."""
    (tmp_path / "any.bin").write_bytes(random.Random(0).randbytes(4000))
    flags = (*A_FEW, "0.2", "--level", "byte", "--out", "run")
    done = charrnn("train", "any.bin", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(load_model(tmp_path / "run" / "best.npz").vocabulary) == 256
    text = charrnn("sample", "run", "-l", "500", "-p", "é", "-t", "1", "--seed", "1", cwd=tmp_path)
    assert text.returncode == 0, text.stderr
    assert len(text.stdout) == 2 + 500 + 1
    assert text.stdout.startswith("é".encode())
    assert max(text.stdout) > 127


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_three_epochs_of_shakespeare_reach_the_expected_loss(
    tmp_path: Path, corpora: Path, cell: str
) -> None:
    """The defaults are good: other programs need far longer for 1.70 nats."""
    text = corpora / "tinyshakespeare" / "input.txt"
    flags = ["--epochs", "3", "--cell", cell, "--out", "run", "--quiet"]
    done = subprocess.run(
        command("train", str(text), *flags),
        cwd=tmp_path,
        env={k: v for k, v in environment().items() if k != "OPENBLAS_NUM_THREADS"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    history = load_model(tmp_path / "run" / "best.npz").header["history"]
    assert history[-1]["val"] <= 1.70


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_kills_change_nothing(tmp_path: Path) -> None:
    """Whether they come while starting, reading, learning or saving."""
    (tmp_path / "corpus.txt").write_text(TEXT * 20, encoding="utf-8")
    flags = [*TINY, "--layers", "2", "--dropout", "0.2", "--eval-every", "40", "--epochs", "4"]
    assert charrnn("train", "corpus.txt", *flags, "--out", "whole", cwd=tmp_path).returncode == 0
    expected, log = fingerprint(tmp_path / "whole"), metrics(tmp_path / "whole")
    rng, kills, whole_runs = random.Random(0), 0, 0
    run = tmp_path / "run"
    while kills < 100 or run.exists():
        started = (run / "last.npz").exists() or (run / "previous.npz").exists()
        how = ["--resume", "run"] if started else ["corpus.txt", *flags, "--out", "run"]
        process = subprocess.Popen(
            command("train", *how),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if kills < 100:
            time.sleep(rng.uniform(0.0, 0.8))
            process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode == -signal.SIGKILL:
            kills += 1
            continue
        assert process.returncode == 0, errors
        assert fingerprint(run) == expected
        assert metrics(run) == log
        assert not [name for name in names(run) if name.endswith(".tmp")]
        shutil.rmtree(run)
        whole_runs += 1
    assert whole_runs >= 1
