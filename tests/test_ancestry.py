"""Beginning with another run's weights: on which text, from which loss, what eval knows of it."""

import json
import re
from pathlib import Path

import pytest
from support import TEXT, charrnn

import charrnn as library
from charrnn.checkpoint import read_checkpoint

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
    assert b"charrnn train CORPUS --init-from a --lines --lr 0.1" in done.stderr


def test_without_a_corpus_the_ancestors_own_is_taken(place: Path) -> None:
    done = charrnn("train", "--init-from", "a", "--epochs", "1", "--out", "b", "-q", cwd=place)
    assert done.returncode == 0, done.stderr
    assert b"corpus: first.txt" in done.stderr
    assert b"no corpus is named; training on that of a/best.npz: first.txt" in done.stderr
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
    seen = b"the weights that this run began with were trained on first.txt: the model has seen"
    for run in ("b", "c"):
        assert seen in charrnn("eval", run, "first.txt", cwd=place).stderr
        own = charrnn("eval", run, cwd=place)
        assert own.returncode == 0
        assert b"began with" not in own.stderr  # what it held out its ancestor held out too
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
