"""Which passages of a text are copied from another, and which of these are listed."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TINY, charrnn

from charrnn.looking import copies
from charrnn.looking.copies import MOST, find_copies, new_shares


def codes_of(text: str) -> Any:
    return np.array([ord(c) for c in text], dtype=np.uint32)


def prose(count: int, seed: int) -> str:
    """Words in lines, in which most windows of 30 characters occur only once."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(300)]
    return "".join(f"{w}{' ' if rng.random() < 0.9 else chr(10)}" for w in rng.choice(words, count))


def naive_new(text: str, known: str, length: int) -> float:
    windows = [text[i : i + length] for i in range(len(text) - length + 1)]
    return sum(window not in known for window in windows) / len(windows)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ends of parts and blocks must not matter."""
    monkeypatch.setattr(copies, "BLOCK", 16)
    monkeypatch.setattr(copies, "PART", 50)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.usefixtures("small_blocks")
def test_shares_equal_those_of_a_plain_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    text, known = ("".join(rng.choice(list("abcd")[: 2 + seed % 3], n)) for n in (130, 300))
    text = text[:40] + known[100 : 100 + 2 * seed] + text[40:]
    lengths = (1, 2, 3, 5, 8, 13)
    found = new_shares(codes_of(text), codes_of(known), lengths)
    for length in lengths:
        assert found.new[length] == pytest.approx(naive_new(text, known, length)), length


@pytest.mark.usefixtures("small_blocks")
def test_stretches_are_counted() -> None:
    known = "the quick brown fox"
    found = new_shares(codes_of("quick...brown...zzzz"), codes_of(known), (5,))
    assert found.passages == {5: 2}


def test_a_text_shorter_than_a_window_has_no_share_of_it() -> None:
    found = find_copies(codes_of("abcdef"), codes_of("xxabcdefxx"))
    assert set(found.shares.new) == {4, 5, 6}
    assert [(one.start, one.place, one.length) for one in found.longest] == [(0, 2, 6)]
    assert find_copies(codes_of("ab"), codes_of("abab")).longest == ()
    assert find_copies(codes_of("abcdefgh"), codes_of("ab")).longest == ()


@pytest.mark.parametrize("blocks", [True, False])
def test_a_planted_copy_is_found_whole_wherever_its_pieces_are(
    blocks: bool, request: pytest.FixtureRequest
) -> None:
    """Pieces of it also occur elsewhere in the training text."""
    if blocks:
        request.getfixturevalue("small_blocks")
    known = prose(800, 1)
    copy = known[2000:2300]
    known = copy[:90] + "#" + copy[40:260] + "#" + known + "#" + copy[100:]
    place = known.index(copy)
    text = prose(300, 2)
    text = text[:1000] + copy + text[1000:]
    found = find_copies(codes_of(text), codes_of(known))
    longest = found.longest[0]
    assert longest.length >= 300
    assert longest.start <= 1000
    assert longest.start + longest.length >= 1300
    assert longest.place - longest.start == place - 1000
    for one in found.longest:
        there = known[one.place : one.place + one.length]
        assert text[one.start : one.start + one.length] == there


def test_passages_do_not_overlap_and_the_longest_come_first() -> None:
    known = prose(2000, 3)
    pieces = [known[k * 400 : k * 400 + 40 + 7 * k] for k in range(14)]
    text = "".join(piece + prose(4, 50 + k) for k, piece in enumerate(pieces))
    found = find_copies(codes_of(text), codes_of(known))
    assert len(found.longest) == MOST
    lengths = [one.length for one in found.longest]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] >= 40 + 7 * 13
    spans = sorted((one.start, one.start + one.length) for one in found.longest)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_rules_of_dashes_are_not_listed_but_do_not_break_a_passage() -> None:
    rule = "-" * 70
    known = "\n".join(
        [rule, prose(40, 4), rule, "a heading of its own, thirty and more", rule, "end"]
    )
    passage = f"thirty and more\n{rule}\nend"
    other = "Nothing of this stands there: JKLMNOPQRSTUVWXYZ"
    text = f"{other}\n{rule}\n{other[::-1]}{passage}"
    found = find_copies(codes_of(text), codes_of(known))
    listed = [text[one.start : one.start + one.length] for one in found.longest]
    assert any(passage in one for one in listed)
    assert all(len(set(one)) > 5 for one in listed), listed


def test_with_too_many_places_windows_are_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_PAIRS", 2000)
    loop = "over and over and "
    known = loop * 40 + prose(100, 6)
    text = loop * 8 + known[-200:]
    found = find_copies(codes_of(text), codes_of(known))
    assert found.least > max(copies.LENGTHS)
    assert found.longest[0].length >= 200


def test_hashes_that_are_equal_do_not_mislead(monkeypatch: pytest.MonkeyPatch) -> None:
    def same(codes: Any, lengths: Any) -> Any:
        return (np.zeros(max(0, len(codes) - n + 1), dtype=np.uint64) for n in lengths)

    monkeypatch.setattr(copies, "window_hashes", same)
    found = find_copies(codes_of("abcdefgh"), codes_of("ijklmnopqrs"))
    assert found.longest == ()
    assert set(found.shares.new.values()) == {1.0}


def test_progress_counts_every_reading_of_the_training_text(small_blocks: None) -> None:
    seen: list[int] = []
    new_shares(codes_of(prose(20, 1)[:100]), codes_of("x" * 333), (4, 9), seen.append)
    assert sum(seen) == 2 * 333


# The command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a run that was trained on it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "corpus.txt").write_text(prose(600, 7), encoding="utf-8")
    options = (*TINY, "--epochs", "1", "--threads", "1", "--out", "run", "--quiet")
    done = charrnn("train", "corpus.txt", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_command_says_where_a_copy_is(trained: Path) -> None:
    corpus = (trained / "corpus.txt").read_text()
    begin = corpus.index("\n", 1000) + 1
    copied = corpus[begin : begin + 120]
    (trained / "sample.txt").write_text("one\ntwo\n" + copied + "\x1b[31m!", encoding="utf-8")
    done = charrnn("eval", "run", "sample.txt", "--copies", "--json", cwd=trained)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first = found["passages"][0]
    assert first["text"].strip() == copied.strip()
    assert first["line"] in (2, 3)
    assert corpus[first["training_start"] :].startswith(first["text"])
    assert first["training_line"] == corpus[: first["training_start"]].count("\n") + 1
    assert found["new"]["4"] < 0.5
    assert set(found["new"]) == set(found["new_of_held_out"])
    shown = charrnn("eval", "run", "sample.txt", "--copies", cwd=trained)
    assert b"this text" in shown.stdout
    assert b"validation set" in shown.stdout
    assert b"\x1b" not in shown.stdout


def test_without_a_text_the_model_writes_one(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.cli.copies.WRITTEN", 300)
    first, second = (charrnn("eval", "run", "--copies", cwd=trained) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert b"300 characters that it wrote" in first.stdout
    assert first.stdout == second.stdout


def test_without_its_training_text_there_is_nothing_to_compare(trained: Path) -> None:
    done = charrnn(
        "eval", "run/best.npz", "corpus.txt", "--copies", "--train", "no.txt", cwd=trained
    )
    assert done.returncode == 2
    assert b"'no.txt' does not exist" in done.stderr
    done = charrnn("eval", "run", "run", "corpus.txt", "--copies", cwd=trained)
    assert done.returncode == 2
    assert b"--copies is for one model" in done.stderr


def test_text_of_a_byte_level_model_is_searched_byte_by_byte(tmp_path: Path) -> None:
    """Also bytes that are not UTF-8, which must not be replaced."""
    (tmp_path / "t.txt").write_text("ábç ñü\n" * 200, encoding="utf-8")
    flags = ("--level", "byte", "--hidden", "4", "--epochs", "1", "--threads", "1", "--out", "run")
    assert charrnn("train", "t.txt", *flags, cwd=tmp_path).returncode == 0
    done = charrnn("eval", "run", "--copies", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["characters"] == 20_000
