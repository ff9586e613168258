"""Texts that are too large for memory: read from disk, with the same results to the last bit."""

import bz2
import errno
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT, TEXT, TINY, charrnn, fingerprint, metrics, reader_of

from charrnn import library
from charrnn.errors import CharrnnError, InputError
from charrnn.evaluation import windows
from charrnn.nn.cells import GRU
from charrnn.nn.models import SequenceModel
from charrnn.tasks import lm
from charrnn.text import cache, corpora, reading, stored
from charrnn.text.cache import cache_folder
from charrnn.text.corpora import read_corpus, stands_in
from charrnn.text.excerpts import excerpt
from charrnn.text.items import BEGINNING, Items
from charrnn.text.stored import Storing
from charrnn.text.view import View, joined
from charrnn.training import compare, speed


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every text counts as large, and is read a few bytes at a time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(stored, "LARGE", 1)
    monkeypatch.setattr(reading, "SMALL", 20)
    monkeypatch.setattr(reading, "CHUNK", 7)
    return tmp_path


def kept(suffix: str) -> list[Path]:
    return sorted(cache_folder().glob(f"*{suffix}")) if cache_folder().exists() else []


# A view


def test_a_view_equals_its_joined_parts() -> None:
    rng = np.random.default_rng(0)
    parts = [
        rng.integers(0, 5, size, dtype=dtype) for size, dtype in ((7, "u1"), (1, "u4"), (9, "u2"))
    ]
    parts.insert(1, np.zeros(0, np.uint8))
    table = rng.permutation(5).astype(np.int32)
    whole = np.concatenate(parts)
    for view, expected in ((View(parts), whole), (View(parts).through(table), table[whole])):
        assert len(view) == len(expected)
        np.testing.assert_array_equal(np.asarray(view), expected)
        for begin in range(-3, 18):
            for end in range(-3, 19):
                np.testing.assert_array_equal(np.asarray(view[begin:end]), expected[begin:end])
        at = rng.integers(-17, 17, (4, 5))
        np.testing.assert_array_equal(view[at], expected[at])
        assert view[at].dtype == np.asarray(view).dtype
        assert int(view[16]) == expected[16]
        with pytest.raises(IndexError):
            view[np.array([17])]
    np.testing.assert_array_equal(
        np.asarray(View(parts).through(table).through(table)), table[table[whole]]
    )
    np.testing.assert_array_equal(np.asarray(joined([whole, View(parts)])), [*whole, *whole])
    assert isinstance(joined([whole, whole]), np.ndarray)


def test_a_view_of_one_part_equals_that_part() -> None:
    codes = np.arange(9, dtype=np.uint8)
    assert np.shares_memory(np.asarray(View([codes])[2:5]), codes)


def test_a_view_cannot_be_compared_by_mistake() -> None:
    """Otherwise ``view == 10`` would be False, and a search would find nothing."""
    with pytest.raises(TypeError, match="as an array"):
        View([np.zeros(3)]) == 0  # noqa: B015
    with pytest.raises(ValueError, match="steps"):
        View([np.zeros(3)])[::2]


# The same text as in memory

LINES = "".join(f"{k} a line of words\n" for k in range(30))
FILES: dict[str, list[bytes]] = {
    "ascii": [LINES.encode()],
    "several": [LINES.encode(), b"short", LINES[::-1].encode(), b"end\n", b""],
    "crlf": [LINES.replace("\n", "\r\n").encode()],
    "cr at the end of a chunk": [b"abcdef\rabcdef\r\nabcdefg" * 3],
    "cr at the end": [LINES.encode() + b"\r"],
    "utf-8": [(LINES + "é" * 40 + LINES + "Ж" * 40 + "😀" + LINES).encode()],
    "mark": [b"\xef\xbb\xbf" + LINES.encode()],
    "utf-16": [LINES.encode("utf-16")],
    "nul": [LINES.encode() + b"\0" + LINES.encode(), ("\ufeffé" + LINES).encode()],
    "gzip": [gzip.compress(LINES.encode()), LINES.encode()],
    "xz": [lzma.compress(("é" + LINES).encode())],
    "bzip2": [bz2.compress(LINES.encode())],
}
READINGS: list[dict[str, Any]] = [{}, {"keep_newlines": True}, {"level": "byte"}]


@pytest.mark.parametrize("how", READINGS, ids=str)
@pytest.mark.parametrize("name", FILES)
def test_a_text_on_disk_equals_the_text_in_memory(
    place: Path, name: str, how: dict[str, Any]
) -> None:
    paths = [f"{number}.txt" for number in range(len(FILES[name]))]
    for path, data in zip(paths, FILES[name], strict=True):
        Path(path).write_bytes(data)
    expected = read_corpus(paths, **how)
    for times in (1, 2):  # encoded, and found
        found = read_corpus(paths, **how, storing=Storing())
        assert isinstance(found.text, View), times
        np.testing.assert_array_equal(found.codes, expected.codes)
        np.testing.assert_array_equal(found.counts, expected.counts)
        assert (found.sha256, found.level) == (expected.sha256, expected.level)
        notes = tuple(note for note in found.notes if "encoded text is kept" not in note)
        assert notes == expected.notes


def test_latin_1_is_mapped_where_it_is_ascii(place: Path) -> None:
    Path("a.txt").write_bytes(LINES.encode())
    Path("b.txt").write_bytes(LINES.encode() + b"\xe9\n" + LINES.encode())
    begin = len(LINES) // 7 * 7  # the chunk with the first other character
    for path, size in (("a.txt", 0), ("b.txt", 2 * len(LINES) + 2 - begin)):
        found = read_corpus([path], encoding="latin-1", storing=Storing())
        np.testing.assert_array_equal(found.codes, read_corpus([path], encoding="latin-1").codes)
        assert sum(file.stat().st_size for file in kept(".codes")) == size


def test_bytes_are_never_copied(place: Path) -> None:
    Path("a.bin").write_bytes(bytes(range(256)) * 3)
    read_corpus(["a.bin"], level="byte", storing=Storing())
    assert [file.stat().st_size for file in kept(".codes")] == [0]


def test_a_decoding_error_names_its_place(place: Path) -> None:
    """Lines and offsets include the parts that were not decoded."""
    Path("a.txt").write_bytes(LINES.encode() + b"\xff")
    said = []
    for storing in (None, Storing()):
        with pytest.raises(InputError) as caught:
            read_corpus(["a.txt"], storing=storing)
        said.append((str(caught.value), caught.value.hint))
    assert said[0] == said[1]
    assert f"offset {len(LINES)} (line 31)" in said[0][0]
    assert not kept("")


def test_small_texts_pipes_and_lists_are_held_in_memory(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.txt").write_text(LINES)
    assert isinstance(read_corpus(["a.txt"], lines=True, storing=Storing()).text, np.ndarray)
    monkeypatch.setattr(stored, "LARGE", len(LINES) + 1)
    assert isinstance(read_corpus(["a.txt"], storing=Storing()).text, np.ndarray)
    Path("a.gz").write_bytes(gzip.compress(TEXT.encode()))
    monkeypatch.setattr(stored, "LARGE", 4 * Path("a.gz").stat().st_size)
    assert isinstance(read_corpus(["a.gz"], storing=Storing()).text, View)
    assert not kept(".partial")


# A training

LM = [*TINY, "--epochs", "2", "--threads", "1", "--quiet"]


def trained(monkeypatch: pytest.MonkeyPatch, place: Path, *options: str) -> None:
    """One run in memory, one on disk: ``memory`` and ``disk``."""
    for name, large in (("memory", 1 << 40), ("disk", 1)):
        monkeypatch.setattr(stored, "LARGE", large)
        done = charrnn("train", *options, "--out", name, cwd=place)
        assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    "options",
    [
        ["a.txt", *LM],
        ["a.txt", "b.txt", *LM, "--level", "byte"],
        ["a.txt", *LM, "--val", "b.txt", "--test", "c.txt"],
        ["a.txt", *LM, "--members", "2", "--dropout", "0.2"],
        [
            "a.txt",
            "--minutes",
            "0.02",
            "--epochs",
            "1",
            "--threads",
            "1",
            "--cell",
            "rnn",
            "--hidden",
            "8",
        ],
    ],
    ids=lambda options: " ".join(options[-5:]),
)
def test_training_is_the_same_to_the_bit(
    place: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    Path("a.txt").write_text(TEXT)
    Path("b.txt").write_text(TEXT[200:400] + "new ß characters " + TEXT[:90])
    Path("c.txt").write_text("others: ß ж " + TEXT[100:300])
    trained(monkeypatch, place, *options)
    if "--minutes" not in options:
        assert fingerprint(Path("memory")) == fingerprint(Path("disk"))
    assert [entry.get("nats") for entry in metrics(Path("memory"))] == [
        entry.get("nats") for entry in metrics(Path("disk"))
    ]


def test_reports_on_a_text_are_the_same(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.txt").write_text(TEXT + "only at the end: Ω")
    said = []
    for large in (1 << 40, 1):
        monkeypatch.setattr(stored, "LARGE", large)
        done = charrnn("train", "a.txt", *LM, "--out", f"run{large}", cwd=place)
        lines = done.stderr.decode().replace(f"run{large}", "run").splitlines()
        said.append([line for line in lines if "cache" not in line and "reading" not in line])
        said[-1] = [line for line in said[-1] if "seconds" not in line]
    assert said[0] == said[1]
    assert " in the validation set are characters not in the training text" in "".join(said[0])


def test_a_long_validation_is_announced(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm, "MUCH", 50)
    monkeypatch.setattr(lm, "ENOUGH", 6)
    Path("a.txt").write_text(TEXT)
    Path("b.txt").write_text(TEXT[::-1])
    done = charrnn("train", "a.txt", *LM, "--out", "one", cwd=place)
    assert b"each validation reads 60 characters; --val-fraction 0.01 would be" in done.stderr
    done = charrnn("train", "a.txt", *LM, "--val", "b.txt", "--out", "two", cwd=place)
    assert b"each validation reads 600 characters; a part of b.txt would be enough" in done.stderr


def test_a_run_continues_from_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in memory, resumed from disk, as if it had never stopped."""
    Path("a.txt").write_text(TEXT)
    monkeypatch.setattr(stored, "LARGE", 1 << 40)
    assert charrnn("train", "a.txt", *LM, "--out", "whole", cwd=place).returncode == 0
    run = library.train(
        "a.txt", hidden=8, seq_len=8, batch_size=4, epochs=2, threads=1, out="parts"
    )
    for event in run:
        if getattr(event, "number", 0) == 5:
            run.stop()
    monkeypatch.setattr(stored, "LARGE", 1)
    done = charrnn("train", "--resume", "parts", "--quiet", cwd=place)
    assert done.returncode == 0, done.stderr
    assert fingerprint(Path("whole")) == fingerprint(Path("parts"))


def test_weights_can_be_trained_further_on_a_text_on_disk(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.txt").write_text(TEXT)
    Path("b.txt").write_text(TEXT[::-1] + "ЖΩ")
    monkeypatch.setattr(stored, "LARGE", 1 << 40)
    assert charrnn("train", "a.txt", *LM, "--out", "first", cwd=place).returncode == 0
    trained(monkeypatch, place, "b.txt", "--init-from", "first", "--epochs", "1", "--threads", "1")
    assert fingerprint(Path("memory")) == fingerprint(Path("disk"))


@pytest.mark.parametrize("options", [[], ["--mix"], ["--adapt"], ["other.txt"]], ids=str)
def test_eval_gives_the_same_as_in_memory(
    place: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    Path("a.txt").write_text(TEXT * 3)
    Path("other.txt").write_text(TEXT[40:300])
    assert charrnn("train", "a.txt", *LM, "--out", "run", cwd=place).returncode == 0
    found = []
    for large in (1 << 40, 1):
        monkeypatch.setattr(stored, "LARGE", large)
        done = charrnn("eval", "run", *options, "--json", cwd=place)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
        assert b"was trained on this text" in done.stderr or "other.txt" not in options
    assert found[0] == found[1]


def test_a_list_on_disk_is_recognised() -> None:
    """Its beginning is checked first, with the same result as the whole text."""
    lines = np.frombuffer(b"".join(b"name %d\n" % k for k in range(150_000)), np.uint8)
    assert len(lines) > BEGINNING
    view = View([lines[:1000], lines[1000:]])
    assert len(Items.of_lines(view, "byte", listed=False)) > 149_000
    later = np.concatenate([lines, np.frombuffer(b"x" * 200 + b"\n", np.uint8)])
    assert not Items.of_lines(View([later]), "byte", listed=False)


def test_a_part_is_found_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "SEARCHED", 10)
    whole = np.frombuffer(bytes(range(100, 200)), np.uint8)
    for start in range(95):
        assert stands_in(whole[start : start + 5], View([whole[:33], whole[33:]]), "byte", 5)
    assert not stands_in(whole[:5], View([whole]), "byte", 6)
    assert not stands_in(whole[:5][::-1], View([whole]), "byte", 5)


def test_the_costs_of_many_characters_are_kept_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    model = SequenceModel(5, 5, GRU(4))
    parameters = model.init(rng)
    ids = rng.integers(0, 5, 300)
    edges = windows.in_lanes(10, 300, 7, 16)
    expected = windows.windowed_nats(reader_of(model), parameters, ids, edges, warm_up=16)
    monkeypatch.setattr(windows, "MOST_IN_MEMORY", 100)
    found = windows.windowed_nats(reader_of(model), parameters, ids, edges, warm_up=16)
    assert isinstance(found.base, np.memmap)
    np.testing.assert_array_equal(found, expected)


# What is kept


def test_a_text_is_read_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.txt").write_text(LINES + "é")
    first = read_corpus(["a.txt"], storing=Storing())
    assert any("--no-cache keeps nothing" in note for note in first.notes)
    monkeypatch.setattr(stored, "encode", lambda *_: pytest.fail("read again"))
    again = read_corpus(["a.txt"], storing=Storing())
    assert again.sha256 == first.sha256
    assert not again.notes


@pytest.mark.parametrize("change", ["size", "time", "content"])
def test_a_changed_file_is_noticed(place: Path, change: str) -> None:
    path = Path("a.txt")
    path.write_text(LINES + "é")
    before = path.stat()
    read_corpus(["a.txt"], storing=Storing())
    text = {"size": LINES, "time": LINES + "é", "content": LINES.replace("words", "birds") + "é"}
    path.write_text(text[change])
    if change != "time":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    found = read_corpus(["a.txt"], storing=Storing())
    np.testing.assert_array_equal(found.codes, read_corpus(["a.txt"]).codes)
    assert found.sha256 == read_corpus(["a.txt"]).sha256
    assert [len(kept(suffix)) for suffix in (".codes", ".json", ".partial")] == [1, 1, 0]


def test_a_change_between_the_blocks_is_noticed_by_the_time(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "BLOCK", 1)
    monkeypatch.setattr(stored, "BLOCKS", 2)
    path = Path("a.txt")
    path.write_text(LINES)
    time_then = path.stat().st_mtime_ns
    read_corpus(["a.txt"], storing=Storing())
    path.write_text(LINES[:5] + "!" + LINES[6:])
    os.utime(path, ns=(time_then, time_then + 1))
    found = read_corpus(["a.txt"], storing=Storing())
    assert found.sha256 == read_corpus(["a.txt"]).sha256


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def _flip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize("damage", [_cut, _flip, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("suffix", [".codes", ".json"])
def test_damaged_cache_files_are_made_again(
    place: Path, suffix: str, damage: Callable[[Path], object]
) -> None:
    Path("a.txt").write_text(LINES + "é")
    expected = read_corpus(["a.txt"], storing=Storing()).codes.tolist()
    damage(kept(suffix)[0])
    assert read_corpus(["a.txt"], storing=Storing()).codes.tolist() == expected


def test_each_setting_has_its_own_stored_text(place: Path) -> None:
    Path("a.txt").write_bytes((LINES + "é\r\n").encode())
    for how in READINGS:
        for _ in range(2):
            found = read_corpus(["a.txt"], **how, storing=Storing())
            np.testing.assert_array_equal(found.codes, read_corpus(["a.txt"], **how).codes)
    assert len(kept(".json")) == len(READINGS)


def test_leftovers_of_a_killed_process_are_not_used(place: Path) -> None:
    """The leftovers are deleted once they are old."""
    Path("a.txt").write_text("é" + LINES * 200)
    script = (
        "import sys, time\n"
        "from charrnn.text import reading, stored\n"
        "from charrnn.text.corpora import read_corpus\n"
        "stored.LARGE, reading.CHUNK = 1, 1000\n"
        "def wait(done, total):\n"
        "    if done > total // 2:\n"
        "        print('half', flush=True)\n"
        "        time.sleep(60)\n"
        "read_corpus(['a.txt'], storing=stored.Storing(advance=wait))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
    (partial,) = cache_folder().glob(".*.partial")
    assert not kept(".json")
    found = read_corpus(["a.txt"], storing=Storing())
    np.testing.assert_array_equal(found.codes, read_corpus(["a.txt"]).codes)
    assert partial.exists()  # it may be at work
    old = time.time() - 2 * cache.ABANDONED
    os.utime(partial, (old, old))
    Path("a.txt").write_text("é" + LINES * 201)
    read_corpus(["a.txt"], storing=Storing())
    assert not partial.exists()


def test_no_cache_is_kept_with_no_cache(place: Path) -> None:
    Path("a.txt").write_text("é" + LINES)
    found = read_corpus(["a.txt"], storing=Storing(keep=False))
    np.testing.assert_array_equal(found.codes, read_corpus(["a.txt"]).codes)
    assert isinstance(found.text, View)
    done = charrnn("train", "a.txt", *LM, "--no-cache", "--out", "run", cwd=place)
    assert done.returncode == 0, done.stderr
    assert not cache_folder().exists()


def test_a_full_disk_is_reported(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.txt").write_text("é" + LINES)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reading._Kept, "append", full)
    done = charrnn("train", "a.txt", *LM, "--out", "run", cwd=place)
    assert done.returncode == 1
    assert b"cannot keep the encoded text in" in done.stderr
    assert b"No space left on device" in done.stderr
    assert b"CHARRNN_CACHE" in done.stderr
    assert not kept("")
    with pytest.raises(CharrnnError, match="a temporary folder"):
        read_corpus(["a.txt"], storing=Storing(keep=False))


@pytest.mark.parametrize("text", ["é" + LINES, LINES], ids=["encoded", "mapped"])
def test_without_a_writable_cache_nothing_is_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    Path("a.txt").write_text(text)
    Path("file").write_text("")
    monkeypatch.setenv("CHARRNN_CACHE", "file/cache")
    found = read_corpus(["a.txt"], storing=Storing())
    np.testing.assert_array_equal(found.codes, read_corpus(["a.txt"]).codes)
    assert isinstance(found.text, View)
    assert found.notes[-1].endswith("file/cache: Not a directory")


def test_a_file_that_changes_while_it_is_read_is_refused(place: Path) -> None:
    Path("a.txt").write_text("é" + LINES)

    def grow(done: int, total: int) -> None:
        if done != 7:
            return
        with Path("a.txt").open("a") as file:
            file.write("more")

    with pytest.raises(InputError, match="changed while it was read"):
        read_corpus(["a.txt"], storing=Storing(advance=grow))
    assert not kept("")


def test_reading_progress_is_reported(place: Path) -> None:
    Path("a.txt").write_text(LINES)
    Path("b.gz").write_bytes(gzip.compress(LINES.encode()))
    total = sum(Path(name).stat().st_size for name in ("a.txt", "b.gz"))
    told: list[tuple[int, int]] = []
    read_corpus(["a.txt", "b.gz"], storing=Storing(advance=lambda *some: told.append(some)))
    assert told == sorted(told)
    assert told[-1] == (total, total)
    done = charrnn("train", "a.txt", *LM, "--no-cache", "--out", "run", cwd=place)
    assert b"reading 0 MB of text\n" in done.stderr


def test_baselines_of_a_text_on_disk_are_found_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.txt").write_text(TEXT)
    assert charrnn("train", "a.txt", *LM, "--out", "one", cwd=place).returncode == 0
    found = [entry for entry in metrics(Path("one")) if entry.get("event") == "compared"]
    assert found
    monkeypatch.setattr(compare, "baselines", lambda *_, **__: pytest.fail("found again"))
    assert charrnn("train", "a.txt", *LM, "--out", "two", cwd=place).returncode == 0
    assert [e for e in metrics(Path("two")) if e.get("event") == "compared"] == found
    monkeypatch.undo()


def test_baselines_of_another_vocabulary_are_found_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An n-gram's probabilities include every character that the model knows."""
    Path("a.txt").write_text(TEXT)
    Path("b.txt").write_text(TEXT + "".join(map(chr, range(0x400, 0x440))) * 2)
    brief = ("--epochs", "1", "--threads", "1", "-q")
    charrnn("train", "b.txt", *LM, "--out", "b", cwd=place)
    charrnn("train", "a.txt", *LM, "--out", "a", cwd=place)
    found = []
    for name, large in (("memory", 1 << 40), ("disk", 1)):
        monkeypatch.setattr(stored, "LARGE", large)
        charrnn("train", "a.txt", "--init-from", "b", *brief, "--out", name, cwd=place)
        found += [e["figures"] for e in metrics(Path(name)) if e.get("event") == "compared"]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("system", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "x/charrnn/texts"),
        ("linux", "", ".cache/charrnn/texts"),
        ("darwin", "", "Library/Caches/charrnn/texts"),
        ("win32", "LOCALAPPDATA", "x/charrnn/texts"),
    ],
)
def test_each_system_has_a_place_for_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, variable: str, expected: str
) -> None:
    for name in ("CHARRNN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv("HOME", str(tmp_path))
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "x"))
    assert cache_folder() == tmp_path / expected


# Folders and patterns


@pytest.fixture
def _books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for path, text in (("b/2.txt", "two\n"), ("b/in/3.txt", "three\n"), ("b/1.md", "one\n")):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    Path("b/.hidden").write_text("no")
    Path("b/.git").mkdir()
    Path("b/.git/config").write_text("no")


@pytest.mark.usefixtures("_books")
@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["b"], "one\ntwo\nthree\n"),
        (["b/*.txt"], "two\n"),
        (["b/**/*.txt"], "two\nthree\n"),
        (["~/b/*.txt"], "two\n"),
        (["~/b/2.txt"], "two\n"),
        (["b/2.txt", "b"], "two\none\ntwo\nthree\n"),
    ],
)
def test_folders_and_patterns_are_read(paths: list[str], expected: str) -> None:
    assert corpora.encoded(read_corpus(paths).codes, "char").decode() == expected


@pytest.mark.usefixtures("_books")
def test_a_file_whose_name_is_a_pattern_is_that_file() -> None:
    Path("b/[1].txt").write_text("itself\n")
    assert corpora.encoded(read_corpus(["b/[1].txt"]).codes, "char") == b"itself\n"


def test_a_run_on_a_folder_is_scored_and_resumed(place: Path) -> None:
    Path("books").mkdir()
    Path("books/a.txt").write_text(TEXT)
    Path("books/b.txt").write_text(TEXT[::-1])
    assert charrnn("train", "books", *LM, "--out", "run", cwd=place).returncode == 0
    assert charrnn("eval", "run", cwd=place).returncode == 0
    done = charrnn("train", "--resume", "run", "--epochs", "3", "--quiet", cwd=place)
    assert done.returncode == 0, done.stderr
    Path("books/c.txt").write_text("another")
    done = charrnn("train", "--resume", "run", "--epochs", "4", "--quiet", cwd=place)
    assert done.returncode == 2
    assert charrnn("inspect", "books", cwd=place).returncode == 0


# zstd


def test_zstd_is_unpacked(place: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is not installed")
    text = (LINES * 50 + "é").encode()
    packed = zstandard.ZstdCompressor(write_checksum=True).compress
    Path("a.zst").write_bytes(packed(text[:1000]) + packed(text[1000:]))
    for storing in (None, Storing()):
        found = read_corpus(["a.zst"], storing=storing)
        assert corpora.encoded(found.codes, "char") == text
    whole = Path("a.zst").read_bytes()
    for name, data in (("cut off", whole[:-5]), ("damaged", whole[:40] + b"no" + whole[42:])):
        Path("b.zst").write_bytes(data)
        for storing in (None, Storing()):
            with pytest.raises(InputError, match="compressed by zstd, and damaged or cut off"):
                read_corpus(["b.zst"], storing=storing)
            assert name


def test_zstd_without_its_package(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    Path("a.zst").write_bytes(b"\x28\xb5\x2f\xfd\x04\0" + b"x" * 30)
    for command in (["train", "a.zst"], ["inspect", "a.zst"]):
        done = charrnn(*command, cwd=place)
        assert done.returncode == 2
        assert b"'a.zst' is compressed by zstd" in done.stderr
        assert b"python -m pip install zstandard" in done.stderr


# A part of a large file


def test_an_excerpt_is_whole_lines_from_all_over(tmp_path: Path) -> None:
    lines = [f"{k:06}\n".encode() for k in range(100_000)]
    path = tmp_path / "a.txt"
    path.write_bytes(b"".join(lines))
    found = excerpt(str(path), 70_000)
    some = found.data.splitlines(keepends=True)
    assert {*some} <= {*lines}
    assert some == sorted(some)
    assert (some[0], found.size) == (lines[0], 700_000)
    assert 60_000 < len(found.data) <= 70_000
    numbers = np.array([int(line) for line in some])
    assert np.histogram(numbers, 32, (0, 100_000))[0].min() > 250
    assert found.what == "whole lines from all over it"
    assert excerpt(str(path), 700_000) == (path.read_bytes(), 700_000, "")


def test_an_excerpt_of_a_file_without_lines_is_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    text = "aé漢😀" * 1000
    path.write_text(text, encoding="utf-8")
    for most in range(5000, 5012):
        found = excerpt(str(path), most)
        assert text.startswith(found.data.decode())
        assert len(found.data) > most - 4
        assert found.what == "its beginning"
    path.write_bytes(gzip.compress((LINES * 400).encode()))
    packed = excerpt(str(path), 100_000)
    assert (LINES * 400).encode().startswith(packed.data)
    assert packed.size >= len(packed.data) >= 100_000
    raw = excerpt(str(path), 1000, as_is=True)
    assert path.read_bytes().startswith(raw.data)


@pytest.mark.parametrize("size", [7, 10, 20, 47])
def test_a_text_to_plan_for_has_the_same_length(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(speed, "REPEATED", 10)
    data = speed.text_like(size, 3)
    expected = np.resize(np.arange(3), size) if size <= 10 else np.resize(np.arange(10) % 3, size)
    np.testing.assert_array_equal(data.corpus.codes, expected)
    np.testing.assert_array_equal(data.corpus.counts, np.bincount(expected))
    assert data.size == size


def test_inspect_says_how_much_of_a_large_text_it_saw(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charrnn.cli import verdict

    monkeypatch.setattr(verdict, "MOST", 10_000)
    monkeypatch.setattr(verdict, "LEAST", 1)
    Path("a.txt").write_text(LINES * 200)
    done = charrnn("inspect", "a.txt", cwd=place)
    assert done.stdout.startswith(b"note: what follows is about 0 of 0 MB: whole lines from all")
    found = json.loads(charrnn("inspect", "a.txt", "--json", cwd=place).stdout)
    assert found["sample"]["of"] == len(LINES) * 200
    sizes: list[int] = []

    def planned(size: int, *_: object) -> tuple[list[str], None]:
        sizes.append(size)
        return [], None

    monkeypatch.setattr(verdict, "_planned", planned)
    charrnn("inspect", "a.txt", cwd=place)
    assert sizes == [pytest.approx(len(LINES) * 200, rel=0.01)]
    assert 5_000 < found["sample"]["bytes"] <= 10_000
    Path("b.txt").write_text(LINES)
    assert "sample" not in json.loads(charrnn("inspect", "b.txt", "--json", cwd=place).stdout)
