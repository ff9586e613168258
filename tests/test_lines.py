"""Texts with one item a line: which lines validate, in training and everywhere else."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TINY, charrnn, fingerprint

import charrnn as library
from charrnn.checkpoint import read_checkpoint
from charrnn.errors import InputError
from charrnn.runs.texts import find_texts
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextData
from charrnn.text.corpora import read_corpus
from charrnn.text.held_out import HeldOut, whole_lines
from charrnn.verdict.judge import judge

BRIEF = (*TINY, "--epochs", "1", "--threads", "1", "-q")


def items(count: int = 400) -> list[str]:
    rng = np.random.default_rng(0)
    return sorted("".join(rng.choice(list("abcdefgh"), 5)) for _ in range(count))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("\n".join(items()) + "\n", encoding="utf-8")
    return tmp_path


def codes_of(text: str) -> Any:
    return np.frombuffer(text.encode("latin-1"), dtype=np.uint8)


def parts_of(text: str, fraction: float = 0.25, seed: int = 0) -> tuple[list[str], list[str]]:
    codes, start = HeldOut(fraction, seed).part(codes_of(text))
    train, val = (bytes(part).decode("latin-1") for part in (codes[:start], codes[start:]))
    assert (train + val).endswith("\n")
    return train.split("\n")[:-1], val.split("\n")[:-1]


def test_each_line_is_in_one_part_and_equal_ones_are_together() -> None:
    lines = [*items(200), *items(60), "once", "\r", " ab"]
    train, val = parts_of("".join(line + "\n" for line in lines))
    assert sorted(train + val) == sorted(lines)
    assert not {*train} & {*val}
    assert len(val) == pytest.approx(0.25 * len(lines), abs=2)


def test_both_parts_are_drawn_from_all_over_in_random_order() -> None:
    lines = items()
    train, val = parts_of("".join(line + "\n" for line in lines))
    assert {line[0] for line in val} == set("abcdefgh")
    for part in (train, val):
        ascending = np.mean([a <= b for a, b in pairwise(part)])
        assert 0.3 < ascending < 0.7


def test_the_seed_decides_and_fraction_zero_means_no_validation() -> None:
    text = "".join(line + "\n" for line in items())
    assert parts_of(text) == parts_of(text)
    assert {*parts_of(text)[1]} != {*parts_of(text, seed=1)[1]}
    assert parts_of(text, fraction=0.0)[1] == []


def test_without_lines_the_end_is_the_validation_set() -> None:
    codes = np.arange(100)
    parted = HeldOut(0.1).part(codes)
    assert parted.codes is codes
    assert parted.start == 90


@pytest.mark.parametrize(
    ("text", "whole", "blank"),
    [
        ("ab\ncd", "ab\ncd\n", 0),
        ("ab\n\n \t\ncd\n\n", "ab\ncd\n", 3),
        ("\nab\r\n\r\n", "ab\r\n", 2),
        ("\n \n", "", 2),
        ("", "", 0),
        ("a", "a\n", 0),
    ],
)
def test_blank_lines_are_removed_and_the_last_line_is_ended(
    text: str, whole: str, blank: int
) -> None:
    found, count = whole_lines(codes_of(text))
    assert (bytes(found).decode(), count) == (whole, blank)


@pytest.mark.parametrize("level", ["char", "byte"])
def test_each_file_ends_in_a_line_of_its_own(level: str) -> None:
    """If joined as ``cat`` does, the last item of one file would run into the next."""
    Path("a.txt").write_text("éa\n\néb", encoding="utf-8")
    Path("b.txt").write_text("c\n", encoding="utf-8")
    corpus = read_corpus(["a.txt", "b.txt"], level=level, lines=True)
    text = corpus.codes.astype("u1").tobytes().decode("latin-1" if level == "char" else "utf-8")
    assert text == "éa\néb\nc\n"
    assert corpus.notes == ("a.txt: 1 blank line left out",)


@pytest.mark.parametrize("text", ["one line\n", "one line", "one\none\none\n"])
def test_too_few_lines_are_reported_on_one_line(folder: Path, text: str) -> None:
    Path("few.txt").write_text(text, encoding="utf-8")
    done = charrnn("train", "few.txt", "--lines", *BRIEF, cwd=folder)
    assert done.returncode == 2
    error, hint = done.stderr.decode().splitlines()
    assert error.startswith("error: --lines: 0.1 of ")
    assert "1 of them distinct" in error
    assert "leave out --lines" in hint
    assert not Path("checkpoints").exists()


def test_lines_do_not_apply_to_other_tasks(folder: Path) -> None:
    Path("rows.tsv").write_text("a\tb\n" * 20, encoding="utf-8")
    done = charrnn("train", "rows.tsv", "--task", "classify", "--lines", cwd=folder)
    assert done.returncode == 2
    assert b"--lines does not apply to --task classify" in done.stderr


@pytest.mark.parametrize("level", ["char", "byte"])
def test_a_run_and_its_scores_use_the_same_lines(folder: Path, level: str) -> None:
    """In training, in eval with and without the file, and in a plain computation."""
    flags = ("--lines", "--level", level, "--seed", "3", *BRIEF)
    done = charrnn("train", "names.txt", *flags, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"360 lines train, in random order, 40 drawn from all over validate" in done.stderr
    model = library.load("run")
    expected = HeldOut(0.1, 3).part(read_corpus(["names.txt"], level=level).codes)
    for files, train in (([], []), (["names.txt"], []), ([], ["names.txt"])):
        scored = find_texts(model, files, train)
        assert scored.what == "the validation set of names.txt"
        assert scored.start == expected.start
        np.testing.assert_array_equal(scored.codes, expected.codes)
        assert scored.train is not None
        np.testing.assert_array_equal(scored.train, expected.codes[: expected.start])
    assert b"the validation set of names.txt" in charrnn("eval", "run", cwd=folder).stdout


def test_a_run_of_lines_is_resumed_exactly(folder: Path) -> None:
    flags = ("--lines", *TINY, "--threads", "1", "-q")
    charrnn("train", "names.txt", *flags, "--epochs", "1", "--out", "a", cwd=folder)
    done = charrnn("train", "--resume", "a", "--epochs", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    by_library = library.train(
        "names.txt", lines=True, hidden=8, seq_len=8, batch_size=4, epochs=1, threads=1, out="b"
    )
    by_library.finish()
    library.resume("b", epochs=2).finish()
    assert fingerprint(folder / "a") == fingerprint(folder / "b")


def test_a_plan_counts_the_training_lines(folder: Path) -> None:
    flags = ("--lines", "--minutes", "0.02", "--hidden", "8", "--layers", "1", "-q")
    done = charrnn("train", "names.txt", *flags, "--threads", "1", "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"lines train, in random order" in done.stderr
    config = library.load("run").config
    data = TextData.read(Paths(("names.txt",)), config)
    assert data.trained_on(config) == config.held_out.part(data.corpus.codes).start


def test_lines_of_another_list_seen_in_training_are_reported(folder: Path) -> None:
    charrnn("train", "names.txt", "--lines", *BRIEF, "--out", "run", cwd=folder)
    train, val = parts_of("".join(line + "\n" for line in items()), fraction=0.1)
    other = [*train[:3], "", *val[:2], "hhhhhhhh"]
    Path("other.txt").write_text("\n".join(other), encoding="utf-8")
    done = charrnn("eval", "run", "other.txt", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"the model was trained on 3 of these 6 lines" in done.stderr
    assert b"38 characters scored" in done.stdout  # of 39: nothing stands before the first


def test_weights_trained_on_validation_lines_are_reported(folder: Path) -> None:
    charrnn("train", "names.txt", "--lines", "--seed", "5", *BRIEF, "--out", "a", cwd=folder)
    inherit = ("train", "--init-from", "a", "--epochs", "1", "-q")
    alike = charrnn(*inherit, "--out", "b", cwd=folder)
    assert b"which flatters" not in alike.stderr
    assert library.load("b").config.held_out == HeldOut(0.1, 5)
    other = charrnn(*inherit, "--seed", "6", "--out", "c", cwd=folder)
    assert b"--lines --seed 5 --val-fraction 0.1 keeps the old validation set" in other.stderr
    by_end = charrnn(*inherit[:1], "names.txt", *inherit[1:], "--out", "d", cwd=folder)
    assert b"will look too good" in by_end.stderr
    ancestor = read_checkpoint(folder / "c" / "last.npz")[0]["training"]["ancestor"]
    assert ancestor["corpora"][0]["lines"] == 5
    for run, seen in (("b", False), ("c", True), ("d", True)):
        notes = find_texts(library.load(run), [], []).notes
        assert any("the model has seen" in note for note in notes) == seen, run


def test_inspect_suggests_lines_and_checks_their_validation_set(folder: Path) -> None:
    for level in ("char", "byte"):
        plain = charrnn("inspect", "names.txt", "--level", level, cwd=folder).stdout.decode()
        assert "the lines are sorted" in plain
        assert "--lines draws lines from all over" in plain
        by_lines = charrnn("inspect", "names.txt", "--lines", "--level", level, cwd=folder)
        assert b"--lines" not in by_lines.stdout
        assert b"fine  validation set" in by_lines.stdout
    done = charrnn("inspect", "run", "--lines", cwd=folder)
    assert done.returncode == 2


def test_inspect_lines_splits_as_train_lines_does() -> None:
    data = Path("names.txt").read_bytes()
    found = {one.check: one for one in judge([("names.txt", data)], lines=True).findings}
    train, val = parts_of(data.decode(), fraction=0.1)
    assert found["held-out end"].measured["held_out"] == sum(len(line) + 1 for line in val)
    assert found["items"].measured["held_out_lines"] == len(val)
    known = {*train}
    assert found["items"].measured["held_out_again"] == sum(line in known for line in val) == 0


def test_lines_are_drawn_from_a_text_in_memory_and_a_default_stays() -> None:
    config = Config(lines=True)
    assert config.held_out == HeldOut(0.1, 0)
    assert Config(seed=4).held_out == HeldOut(0.1)
    with pytest.raises(InputError, match="--lines"):
        library.train(text="a\n", lines=True)
