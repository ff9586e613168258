"""Beginning with another run's weights: on which text, from which loss, what eval knows of it."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import TEXT, charrnn

import charrnn as library
from charrnn.checkpoint import read_checkpoint, write_checkpoint
from charrnn.runs.ancestry import MOST_ANCESTORS, MOST_PATHS, ancestors, noted

BRIEF = ("--hidden", "8", "--threads", "1", "-q")
OTHER = "".join(f"line {k} of quite another text, {k * k}\n" for k in range(200))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "first.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "second.txt").write_text(OTHER, encoding="utf-8")
    done = charrnn("train", "first.txt", *BRIEF, "--epochs", "2", "--out", "a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_the_hint_of_a_complete_run_is_a_whole_command(place: Path) -> None:
    """With a text in the place of CORPUS it does what it says."""
    done = charrnn("train", "--resume", "a", cwd=place)
    (hint,) = re.findall(r"(?m)^  charrnn (train CORPUS .*)$", done.stderr.decode())
    words = hint.replace("CORPUS", "second.txt").split()
    done = charrnn(*words, "--epochs", "1", "--threads", "1", "--out", "b", cwd=place)
    assert done.returncode == 0, done.stderr
    assert b"corpus: second.txt" in done.stderr


def test_settings_beside_resume_are_put_into_a_whole_command(place: Path) -> None:
    done = charrnn("train", "--resume", "a", "--lr", "0.1", "--lines", cwd=place)
    assert done.returncode == 2
    assert b"charrnn train --init-from a --lr 0.1 --lines" in done.stderr
    words = ("--resume", "a", "--epochs", "1", "--lr", "0.1", "--out", "x y", "-q")
    done = charrnn("train", "second.txt", *words, cwd=place)
    hint = (
        done.stderr.decode().partition("to train from its weights with other settings: ")[2].strip()
    )
    assert hint == (
        "charrnn train second.txt --init-from a --epochs 1 --lr 0.1 --out 'x y' --quiet"
    )
    assert charrnn(*shlex.split(hint)[1:], cwd=place).returncode == 0
    done = charrnn("train", "--resume", "a", "--init-from", "b", cwd=place)
    assert (done.returncode, done.stderr.count(b"--init-from b")) == (2, 1)
    assert b"--init-from a" not in done.stderr


def test_epochs_stay_in_the_hint_where_the_text_is_gone(place: Path) -> None:
    (place / "first.txt").rename(place / "moved.txt")
    done = charrnn("train", "--resume", "a", "--epochs", "3", cwd=place)
    assert b"charrnn train TEXT --resume a --epochs 3" in done.stderr
    flags = (*BRIEF, "--epochs", "1", "--out", "s")
    assert charrnn("train", "-", *flags, cwd=place, stdin=TEXT.encode()).returncode == 0
    done = charrnn("train", "--resume", "s", "--epochs", "2", cwd=place)
    assert b"charrnn train - --resume s --epochs 2 < TEXT" in done.stderr


def test_a_run_from_other_weights_takes_no_other_members(place: Path) -> None:
    """They would begin with random weights, and make the average worse than it is."""
    done = charrnn("train", "--init-from", "a", "--epochs", "1", "--out", "b", "-q", cwd=place)
    assert done.returncode == 0, done.stderr
    before = (place / "b" / "best.npz").read_bytes()
    refused = charrnn("train", "--resume", "b", "--members", "2", cwd=place)
    assert refused.returncode == 2
    assert b"--members 2: this run began with other weights" in refused.stderr
    assert (place / "b" / "best.npz").read_bytes() == before


def test_without_a_corpus_the_ancestors_own_is_taken(place: Path) -> None:
    done = charrnn("train", "--init-from", "a", "--epochs", "1", "--out", "b", "-q", cwd=place)
    assert done.returncode == 0, done.stderr
    assert b"corpus: first.txt" in done.stderr
    assert b"no corpus given; training on that of a/best.npz: first.txt" in done.stderr
    header, _ = read_checkpoint(place / "b" / "last.npz")
    assert header["training"]["corpus"]["paths"] == ["first.txt"]


def test_the_ancestors_corpus_is_read_as_it_was(place: Path) -> None:
    (place / "old.txt").write_bytes(("é" + TEXT).replace("\n", "\r\n").encode("latin-1", "replace"))
    flags = ("--encoding", "latin-1,newlines=keep", "--val-fraction", "0.2", "--epochs", "1")
    assert charrnn("train", "old.txt", *BRIEF, *flags, "--out", "o", cwd=place).returncode == 0
    done = charrnn("train", "--init-from", "o", "--epochs", "1", "--out", "b", "-q", cwd=place)
    assert done.returncode == 0, done.stderr
    config = library.load(place / "b").config
    assert (config.encoding, config.keep_newlines, config.val_fraction) == ("latin-1", True, 0.2)


def test_an_ancestor_that_does_not_say_is_refused_without_a_corpus(place: Path) -> None:
    for source in ("shared.npz", "s"):
        if source == "s":
            text = TEXT.encode()
            flags = (*BRIEF, "--epochs", "1", "--out", "s")
            assert charrnn("train", "-", *flags, cwd=place, stdin=text).returncode == 0
        else:
            library.load(place / "a").save(place / "shared.npz")
        (place / "apart").mkdir(exist_ok=True)
        done = charrnn("train", "--init-from", source, "--epochs", "1", cwd=place)
        if source == "shared.npz":  # beside no last.npz
            assert b"shared.npz does not say what it was trained on" in done.stderr
        else:
            assert b"was trained on standard input" in done.stderr
        assert done.returncode == 2
        assert b"charrnn train CORPUS --init-from " + source.encode() in done.stderr


def test_a_new_run_tells_whose_weights_it_began_with_and_how_good_they_are(place: Path) -> None:
    """At a rate of nothing its loss at the end is that at step 0."""
    flags = ("--init-from", "a", "--lr", "0", "--epochs", "1", "--out", "b", "-q")
    done = charrnn("train", "first.txt", *flags, cwd=place)
    found = r"step 0/\d+: the weights of a/best.npz, trained on first.txt: validation (\S+) nats/c"
    (at_first,) = re.findall(found, done.stderr.decode())
    (at_last,) = re.findall(r"best: (\S+) nats/char", done.stderr.decode())
    assert at_first == at_last
    lines = (place / "b" / "metrics.jsonl").read_text().splitlines()
    (logged,) = [e for e in map(json.loads, lines) if e["event"] == "inherited"]
    assert (logged["step"], f"{logged['nats']:.4f}") == (0, at_first)


def test_eval_knows_what_the_ancestors_were_trained_on(place: Path) -> None:
    flags = ("--epochs", "1", "-q", "--threads", "1")
    for new, old in (("b", "a"), ("c", "b")):
        done = charrnn("train", "second.txt", "--init-from", old, "--out", new, *flags, cwd=place)
        assert done.returncode == 0, done.stderr
    seen = b"this run started from weights trained on first.txt, so the model has seen"
    for run in ("b", "c"):
        assert seen in charrnn("eval", run, "first.txt", cwd=place).stderr
        own = charrnn("eval", run, cwd=place)
        assert own.returncode == 0
        assert (
            b"started from weights" not in own.stderr
        )  # what it held out its ancestor held out too
    (place / "first.txt").unlink()
    gone = charrnn("eval", "b", cwd=place)
    assert gone.returncode == 0
    assert b"trained on first.txt, which is no longer there" in gone.stderr


def test_a_resumed_run_still_knows_its_ancestor(place: Path) -> None:
    flags = ("--init-from", "a", "--epochs", "1", "--out", "b", "-q", "--threads", "1")
    assert charrnn("train", "second.txt", *flags, cwd=place).returncode == 0
    header, _ = read_checkpoint(place / "b" / "last.npz")
    run = library.resume(place / "b")
    run._save(best=False)
    run.close()
    again, _ = read_checkpoint(place / "b" / "last.npz")
    assert again["training"]["ancestor"] == header["training"]["ancestor"]
    assert header["training"]["ancestor"]["checkpoint"] == "a/best.npz"
    best, _ = read_checkpoint(place / "b" / "best.npz")
    assert "first.txt" not in json.dumps(best)


def forge(place: Path, **changes: Any) -> None:
    """Let the run say something else of what it was trained on."""
    header, arrays = read_checkpoint(place / "a" / "last.npz")
    corpus = header["training"]["corpus"] | changes.pop("corpus", {})
    header["training"] |= {"corpus": corpus, **changes}
    write_checkpoint(place / "a" / "last.npz", header, arrays)


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        ([f"{k}" for k in range(100_000)], "it names 100,000 files; 16,384 are the most"),
        (["first.txt"] * 3_000, "it names one file more than 16 times"),
        (["x" * 10_000_000], "it names a file in 10,000,000 characters"),
    ],
)
def test_a_forged_corpus_is_refused_in_a_short_line(
    place: Path, paths: list[str], why: str
) -> None:
    forge(place, corpus={"paths": paths})
    for words in ("train --resume a --epochs 9", "eval a", "train --init-from a", "inspect ."):
        done = charrnn(*words.split(), cwd=place)
        said = done.stderr.decode() + done.stdout.decode()
        assert len(said) < 1000, words
        if words != "inspect .":
            assert "does not say what it was trained on" in said, words
        assert (why in said) == ("--resume" in words)
    done = charrnn("eval", "a", "--train", "first.txt", cwd=place)
    assert done.returncode == 0, done.stderr


def test_forged_ancestors_are_taken_as_far_as_it_is_bearable(place: Path) -> None:
    corpus = {"sha256": "x", "val_fraction": 0.1}
    for each in (1_000, 1):
        found = [corpus | {"paths": ["no"] * each} for _ in range(900)]
        forge(place, ancestor={"checkpoint": "c" * 10_000, "corpora": found})
        model = library.load(place / "a")
        kept = ancestors(model)
        assert len(kept) == (16 if each > 1 else MOST_ANCESTORS)
        assert sum(len(one.paths) for one in kept) < MOST_PATHS
        assert len(kept[0].name) < 100
        assert len(charrnn("eval", "a", cwd=place).stderr) < 32 * 250
        run = library.resume(place / "a", epochs=9)
        assert run.ancestor is not None
        assert len(run.ancestor["corpora"]) == len(kept)
        assert len(run.ancestor["checkpoint"]) < 300
        run.close()
    forge(place, ancestor=5)
    model = library.load(place / "a")
    assert noted(model) is not None
    assert not ancestors(model)
    assert not ancestors(replace(model, header={**model.header, "training": 3}))
