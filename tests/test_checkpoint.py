"""A checkpoint is written wholly or not at all, and read without trust."""

import errno
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import TEXT, begin, corpus_of, environment, names, run_until

from charrnn import checkpoint
from charrnn.checkpoint import read_checkpoint, remove_leftovers, write_checkpoint
from charrnn.errors import CheckpointError
from charrnn.nn.types import Array
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextSpec
from charrnn.text.vocab import Vocabulary

Members = list[tuple[str, bytes]]

CONFIG = Config(hidden=3)
SYMBOLS = "\nabé"
SHAPES = TextSpec(Vocabulary("char", tuple(sorted(map(ord, SYMBOLS))))).model(CONFIG).shapes()
HEADER: dict[str, Any] = {
    "charrnn": "0.1.0",
    "config": CONFIG.to_json(),
    "vocabulary": {"level": "char", "symbols": SYMBOLS},
    "history": [],
}


def weights() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(s).astype(np.float32) for name, s in SHAPES.items()}


def write_good(path: Path, **changes: Any) -> bytes:
    write_checkpoint(path, HEADER | changes, weights())
    return path.read_bytes()


def equal(path: Path) -> None:
    """Assert that a file's model is the one of :func:`weights`."""
    model = load_model(path)
    assert model.config == CONFIG
    assert "".join(map(chr, model.vocabulary.codes)) == SYMBOLS
    for name, weight in weights().items():
        assert (model.parameters[name] == weight).all()
        assert model.parameters[name].dtype == np.float32
    assert model.arrays == {}


def refused(path: Path) -> CheckpointError:
    """Assert that a file is refused in one line, and in little memory."""
    # Python's parser itself takes 13 MB to refuse the 64 KB that a .npy header can be.
    limit = 4 * path.stat().st_size + (1 << 24) if path.is_file() else 1 << 24
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as caught:
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()
    error = caught.value
    assert path.name in str(error)
    assert "\n" not in str(error) + error.hint
    assert "unsafe" not in str(error) + error.hint
    assert "pickle" not in str(error) + error.hint
    assert error.exit_code == 1
    return error


# What is written is what is read


def test_a_checkpoint_returns_what_was_written(tmp_path: Path) -> None:
    arrays: dict[str, Array] = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not contiguous
        "b.c_1": np.array([[[-1.5]]]),
        "empty": np.zeros((0, 4), dtype=np.int64),
        "bytes": np.arange(256, dtype=np.uint8),
        "nan": np.array([np.nan, np.inf, -0.0]),
    }
    path = tmp_path / "x.npz"
    write_checkpoint(path, {"text": "é\n漢", "n": 2**127, "f": 0.1}, arrays)
    header, found = read_checkpoint(path)
    assert header == {
        "text": "é\n漢",
        "n": 2**127,
        "f": 0.1,
        "format": "charrnn",
        "format_version": 1,
    }
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert found[name].flags.writeable


def test_a_single_number_returns_as_a_number(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.npz", {}, {"a": np.array(2.5)})
    assert read_checkpoint(tmp_path / "x.npz")[1]["a"].shape == ()


def test_numpy_reads_it_too(tmp_path: Path) -> None:
    """In ten years, NumPy may be the only reader left."""
    write_good(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert set(file) == {"header", *SHAPES}
        assert json.loads(file["header"].tobytes())["config"] == CONFIG.to_json()
        for name, weight in weights().items():
            assert (file[name] == weight).all()


def test_equal_contents_make_equal_bytes(tmp_path: Path) -> None:
    """So that a hash tells whether two runs learnt the same."""
    first = write_good(tmp_path / "first.npz")
    write_checkpoint(tmp_path / "2.npz", dict(reversed(HEADER.items())), weights())
    assert (tmp_path / "2.npz").read_bytes() == first
    assert write_good(tmp_path / "3.npz", charrnn="0.1.1") != first
    with zipfile.ZipFile(tmp_path / "first.npz") as archive:  # nor does the clock show in them
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    """A temporary file's private mode must not stick to what others should read."""
    before = os.umask(0o022)
    try:
        write_good(tmp_path / "x.npz")
    finally:
        os.umask(before)
    assert (tmp_path / "x.npz").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a", np.zeros(2, dtype=np.float16)),
        ("a", np.zeros(2, dtype=object)),
        ("a", np.zeros(2, dtype=">f4")),
        ("a/b", np.zeros(2)),
        ("../a", np.zeros(2)),
        ("", np.zeros(2)),
    ],
)
def test_arrays_that_could_not_be_read_are_not_written(
    tmp_path: Path, name: str, array: Array
) -> None:
    with pytest.raises(ValueError, match="cannot save"):
        write_checkpoint(tmp_path / "x.npz", {}, {name: array})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["header", "a b"])
def test_a_reserved_or_odd_name_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot save"):
        write_checkpoint(tmp_path / "x.npz", {}, {name: np.zeros(2)})
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    good = write_good(path)
    with pytest.raises(CheckpointError, match="values"):
        write_checkpoint(path, {"history": [0] * (checkpoint.MOST_VALUES + 1)}, {})
    assert path.read_bytes() == good


# The digest


def test_the_digest_is_computed_as_the_format_says(tmp_path: Path) -> None:
    """Any reader of zip files and JSON can compute it."""
    write_good(tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    raw = np.load(tmp_path / "x.npz")["header"].tobytes()
    assert members.pop("header.npy").endswith(raw)
    digest = json.loads(raw)["digest"]
    lines = [f"{hashlib.sha256(members[n]).hexdigest()}  {n}\n" for n in sorted(members)]
    whole = raw.replace(digest.encode(), b"0" * 64) + "".join(lines).encode()
    assert digest == hashlib.sha256(whole).hexdigest()


def test_a_model_saved_again_has_a_digest_of_its_own(tmp_path: Path) -> None:
    write_good(tmp_path / "x.npz")
    model = load_model(tmp_path / "x.npz")
    model.parameters.flat[:] += 1
    model.save(tmp_path / "y.npz")
    assert (load_model(tmp_path / "y.npz").parameters.flat == model.parameters.flat).all()


@pytest.mark.parametrize("digest", ["0" * 64, "é" * 64, "", "0" * 63, 0, ["0" * 64], {}])
def test_another_digest_is_refused(tmp_path: Path, digest: Any) -> None:
    path = tmp_path / "x.npz"
    write_good(path)
    members = good_members()
    header = HEADER | {"format": "charrnn", "format_version": 1, "digest": digest}
    raw = np.frombuffer(json.dumps(header).encode(), np.uint8)
    zip_of(path, [("header.npy", npy(raw)), *members[1:]])
    assert "digest" in str(refused(path))


def without_the_last(data: bytes, count: int) -> bytes:
    """A zip file with a consistent directory that lacks the last entries."""
    start, entries = data.index(b"PK\x01\x02"), data.split(b"PK\x01\x02")[1:]
    kept = b"".join(b"PK\x01\x02" + entry for entry in entries[:-count])
    left = len(entries) - count
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, left, left, len(kept), start, 0)
    return data[:start] + kept + end


def test_a_directory_without_its_last_entries_is_noticed(tmp_path: Path) -> None:
    """The rest of the file is intact: every checksum fits."""
    path = tmp_path / "x.npz"
    extra = {"optimizer.m": np.ones(3), "state.0.h": np.ones(2)}
    write_checkpoint(path, HEADER, {**weights(), **extra})
    good = path.read_bytes()
    for count in range(1, len(SHAPES) + 2):
        path.write_bytes(without_the_last(good, count))
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
        with pytest.raises(CheckpointError, match="its arrays differ from those in its header"):
            read_checkpoint(path)


def test_changed_numbers_can_be_used_but_not_resumed(tmp_path: Path) -> None:
    """As when ``numpy.savez`` writes the file again with the same header."""
    write_good(tmp_path / "x.npz")
    model, arrays = load_model(tmp_path / "x.npz"), dict(np.load(tmp_path / "x.npz"))
    changed = {name: a if name == "header" else a * 2 for name, a in arrays.items()}
    np.savez(tmp_path / "y.npz", **changed)
    assert (load_model(tmp_path / "y.npz").parameters.flat == 2 * model.parameters.flat).all()
    with pytest.raises(CheckpointError, match="do not match its checksum"):
        load_model(tmp_path / "y.npz", exactly=True)
    del changed[next(name for name in changed if name != "header")]
    np.savez(tmp_path / "y.npz", **changed)
    with pytest.raises(CheckpointError, match="its arrays differ from those"):
        load_model(tmp_path / "y.npz")


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with some bytes changed, above all in its directory."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        begin = data.index(b"PK\x01\x02") if rng.random() < 0.7 else 0
        at, other = (int(rng.integers(begin, len(changed))) for _ in range(2))
        length = int(rng.integers(1, 100))
        kind = rng.integers(6)
        if kind == 0:
            changed[at] ^= 1 << rng.integers(8)
        elif kind == 1:
            changed[at : at + 4] = int(rng.choice([0, begin, len(data) - begin])).to_bytes(4)[::-1]
        elif kind == 2:
            changed[at:at] = rng.bytes(length)
        elif kind == 3 and len(changed) > len(data) // 2:
            del changed[at : at + length]
        else:
            changed[at : at + length] = changed[other : other + length]
    return bytes(changed)


@pytest.mark.parametrize("exactly", [False, True])
def test_a_mutated_training_state_is_refused_or_unchanged(tmp_path: Path, exactly: bool) -> None:
    path, rng = tmp_path / "last.npz", np.random.default_rng(5)
    extra = {f"{part}.{name}": np.full(7, k) for k, part in enumerate("moc") for name in "hv"}
    write_checkpoint(path, HEADER | {"training": {"step": 7}}, {**weights(), **extra})
    good, (header, arrays) = path.read_bytes(), read_checkpoint(path)
    refusals = 0
    for _ in range(1000):
        path.write_bytes(mutated(good, rng))
        try:
            found, parts = read_checkpoint(path, exactly=exactly)
        except CheckpointError:
            refusals += 1
            continue
        assert found == header
        assert parts.keys() == arrays.keys()
        assert all((parts[name] == array).all() for name, array in arrays.items())
    assert refusals > 700


# What a file may cost


def many_members(path: Path, count: int, claimed: int | None = None) -> None:
    """A directory with this many entries, in the longer form of large archives."""
    entries = bytearray()
    for number in range(count):
        name = f"{number:x}".encode()
        fields = (20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0)
        entries += struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields) + name
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"0"
    claimed = count if claimed is None else claimed
    place = (claimed, claimed, len(entries), len(local))
    long_end = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, *place)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(local) + len(entries), 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(local + entries + long_end + locator + end)


def with_header(path: Path, raw: bytes) -> None:
    zip_of(path, [("header.npy", npy(np.frombuffer(raw, np.uint8))), *good_members()[1:]])


def with_setting(path: Path, value: Any, name: str = "cell") -> None:
    header = HEADER | {"format": "charrnn", "format_version": 1}
    header["config"] = CONFIG.to_json() | {name: value}
    with_header(path, json.dumps(header).encode())


def long_descriptions(path: Path) -> None:
    """Empty arrays, each described by a dictionary that repeats everything."""
    said = "'descr': '<f4', 'fortran_order': False, 'shape': (0,), "
    text = "{" + said * (65_000 // len(said)) + "}\n"
    member = b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()
    zip_of(path, [good_members()[0], *((f"a{k}.npy", member) for k in range(2000))])


LONG = 15 << 20
COSTLY: dict[str, tuple[Callable[[Path], None], str]] = {
    "two million members": (lambda p: many_members(p, 2_000_000), "2,000,000 arrays"),
    "members that are not counted": (lambda p: many_members(p, 500_000, claimed=1), "1 arrays in"),
    "nested lists": (lambda p: with_header(p, b"[" + b"[]," * (LONG // 3) + b"[]]"), "lists"),
    "objects": (lambda p: with_header(p, b"[" + b'{"":0},' * (LONG // 7) + b"0]"), "objects"),
    "fewer objects": (lambda p: with_header(p, b"[" + b"{}," * 300_000 + b"0]"), "300,000 values"),
    "numbers": (lambda p: with_header(p, b"[" + b"300," * (LONG // 4) + b"0]"), "values"),
    "a long header": (lambda p: with_header(p, b'"' + b" " * (1 << 25) + b'"'), "bytes"),
    "a long cell": (lambda p: with_setting(p, "a" * LONG), "a setting has 15,728,640"),
    "a cell's long file": (lambda p: with_setting(p, "f.py:" + "a" * LONG), "a setting has"),
    "a long name": (lambda p: with_setting(p, 1, "a" * LONG), "a setting has 15,728,640"),
    "a long vocabulary": (
        lambda p: with_header(
            p,
            json.dumps(
                HEADER
                | {"format": "charrnn", "format_version": 1}
                | {"vocabulary": {"level": "char", "symbols": "a" * LONG}}
            ).encode(),
        ),
        "a vocabulary of",
    ),
    "a long level": (
        lambda p: with_header(
            p,
            json.dumps(
                HEADER
                | {"format": "charrnn", "format_version": 1}
                | {"vocabulary": {"level": "a" * LONG, "symbols": "ab"}}
            ).encode(),
        ),
        "not a vocabulary",
    ),
    "long descriptions": (long_descriptions, "an array is described in 64,"),
    "infinity": (lambda p: with_header(p, b'{"a": Infinity}'), "Infinity"),
}

MEASURE = """
import sys
from pathlib import Path
from time import process_time
from charrnn.errors import CheckpointError
from charrnn.runs.model import load_model
begun = process_time()
try:
    load_model(Path(sys.argv[1]))
except CheckpointError as error:
    print(error)
status = dict(line.split(":") for line in open("/proc/self/status"))
print(process_time() - begun, int(status["VmHWM"].split()[0]) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("kind", COSTLY)
def test_a_file_with_huge_claims_takes_little_memory(tmp_path: Path, kind: str) -> None:
    """Under 300 MB and two seconds of processor time, including the interpreter and NumPy."""
    make, reason = COSTLY[kind]
    make(tmp_path / "x.npz")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "x.npz")],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    message, figures = done.stdout.strip().split("\n")
    assert reason in message
    assert len(message) < 1000
    seconds, megabytes = map(float, figures.split())
    assert seconds < 2
    assert megabytes < 300


# Headers


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Write a good file with a changed header."""
    write_good(path)
    header, arrays = read_checkpoint(path)
    raw = json.dumps(change(header)).encode()
    zip_of(path, [("header.npy", npy(np.frombuffer(raw, np.uint8))), *npys(arrays)])


def npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npys(arrays: dict[str, Array]) -> Members:
    return [(name + ".npy", npy(array)) for name, array in arrays.items()]


def zip_of(path: Path, members: Members, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compression)


def test_a_rewritten_good_file_stays_good(tmp_path: Path) -> None:
    """The helper of the following tests does no damage by itself."""
    rewrite(tmp_path / "x.npz", lambda header: header)
    equal(tmp_path / "x.npz")


def test_a_newer_version_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    rewrite(path, lambda header: header | {"format_version": 2})
    error = refused(path)
    assert "format 2" in str(error)
    assert "upgrade" in error.hint


def test_a_newer_version_may_hold_what_this_one_cannot(tmp_path: Path) -> None:
    """New kinds of arrays in a later format are not damage; the advice is still to upgrade."""
    path = tmp_path / "x.npz"
    header = json.dumps(HEADER | {"format": "charrnn", "format_version": 2}).encode()
    arrays: dict[str, Array] = {"header": np.frombuffer(header, np.uint8)}
    zip_of(path, npys(arrays | {"half": np.zeros(2, np.float16)}))
    assert "upgrade" in refused(path).hint


@pytest.mark.parametrize(
    "change",
    [
        lambda h: {k: v for k, v in h.items() if k != "format"},
        lambda h: h | {"format": "another"},
        lambda h: h | {"format_version": 0},
        lambda h: h | {"format_version": "1"},
        lambda h: h | {"format_version": None},
        lambda h: [h],
        lambda h: "text",
        lambda h: {"format": "charrnn", "format_version": 1},
        lambda h: h | {"config": None},
        lambda h: h | {"config": [1]},
        lambda h: h | {"config": h["config"] | {"hidden": 4}},
        lambda h: h | {"config": h["config"] | {"hidden": 10**9}},
        lambda h: h | {"config": h["config"] | {"hidden": 1 << 15, "layers": 64}},
        lambda h: h | {"config": h["config"] | {"hidden": -3}},
        lambda h: h | {"config": h["config"] | {"hidden": 3.0}},
        lambda h: h | {"config": h["config"] | {"hidden": "3"}},
        lambda h: h | {"config": h["config"] | {"layers": True}},
        lambda h: h | {"config": h["config"] | {"lr": float("nan")}},
        lambda h: h | {"config": h["config"] | {"lr": float("inf")}},
        lambda h: h | {"config": h["config"] | {"lr": 10**400}},
        lambda h: h | {"config": h["config"] | {"cell": "lstm,gates=none"}},
        lambda h: h | {"config": h["config"] | {"cell": None}},
        lambda h: h | {"config": h["config"] | {"danger": 1}},
        lambda h: h | {"config": h["config"] | {"level": "byte"}},
        lambda h: h | {"vocabulary": None},
        lambda h: h | {"vocabulary": {"level": "char"}},
        lambda h: h | {"vocabulary": {"level": "char", "symbols": "\nabb"}},
        lambda h: h | {"vocabulary": {"level": "char", "symbols": "\nbaé"}},
        lambda h: h | {"vocabulary": {"level": "char", "symbols": "\nabcé"}},
        lambda h: h | {"vocabulary": {"level": "char", "symbols": ""}},
        lambda h: h | {"vocabulary": {"level": "char", "symbols": 7}},
        lambda h: h | {"vocabulary": {"level": "char", "symbols": ["\n", "a", "b", "é", "long"]}},
        lambda h: h | {"vocabulary": {"level": "word", "symbols": SYMBOLS}},
    ],
)
def test_headers_that_do_not_describe_a_model_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    path = tmp_path / "x.npz"
    rewrite(path, change)
    refused(path)


@pytest.mark.parametrize("hidden", [-1, "8", 10**12, None, True])
def test_an_invalid_number_of_units_is_named(tmp_path: Path, hidden: Any) -> None:
    path = tmp_path / "x.npz"
    rewrite(path, lambda h: h | {"config": h["config"] | {"hidden": hidden}})
    error = str(refused(path))
    assert f"hidden is {repr(hidden)[:9]}" in error
    assert "must be a whole number from 1 to 32768" in error
    assert len(error) < 300


def test_a_vocabulary_of_lone_surrogates_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    halves = sorted([*SYMBOLS[:-1], "\ud800"])
    rewrite(path, lambda h: h | {"vocabulary": {"level": "char", "symbols": "".join(halves)}})
    assert "not halves of them" in str(refused(path))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, b"\xff{}", b"nul", b'{"format": 1e}']
)
def test_headers_that_are_not_json_are_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x.npz"
    zip_of(path, [("header.npy", npy(np.frombuffer(raw, np.uint8))), *npys(weights())])
    refused(path)


@pytest.mark.parametrize("name", list(SHAPES))
def test_every_tensor_must_exist_and_fit(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.npz"
    good = weights()
    wrong: list[dict[str, Array]] = [
        {k: v for k, v in good.items() if k != name},
        good | {name: good[name].astype(np.float64)},
        good | {name: np.concatenate([good[name], good[name][:1]])},
        good | {name: good[name][..., None]},
        good | {name: good[name].reshape(-1)[:1]},  # would broadcast
        good | {name: np.full_like(good[name], np.nan)},
        good | {name: np.where(np.arange(good[name].shape[-1]) == 1, np.inf, good[name])},
    ]
    for arrays in wrong:
        write_checkpoint(path, HEADER, arrays)
        assert name in str(refused(path)) or "finite" in str(refused(path))


# Files made to break the reader


def head(text: str, version: int = 1, size: int = 4) -> bytes:
    """A .npy file with any text as its header."""
    raw = text.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(raw))
    return b"\x93NUMPY" + bytes([version, 0]) + length + raw + bytes(size)


def shaped(shape: str, descr: str = "'<f4'", size: int = 4) -> bytes:
    return head(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n", 1, size)


def good_members() -> Members:
    header = json.dumps(HEADER | {"format": "charrnn", "format_version": 1}).encode()
    return npys({"header": np.frombuffer(header, np.uint8), **weights()})


def put(path: Path, name: str, data: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    """A file that is good except for one member."""
    zip_of(path, [(k, data if k == name else v) for k, v in good_members()], compression)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def overlapping(path: Path) -> None:
    """A member whose data are all the members that follow it: the same bytes claimed twice."""
    members = good_members()
    quoted = sum(30 + len(name) + len(data) for name, data in members)
    zip_of(path, [("q.npy", shaped(f"({quoted},)", "'|u1'", 0)), *members])
    data = path.read_bytes()
    start = 30 + len("q.npy")
    directory = data.index(b"PK\x01\x02")
    fields = struct.pack("<III", zlib.crc32(data[start:directory]), *[directory - start] * 2)
    path.write_bytes(data[: directory + 16] + fields + data[directory + 28 :])


def with_flag(path: Path, offset: int, value: int) -> None:
    """Change a field of the first member, in the file and in the directory."""
    data = bytearray(path.read_bytes())
    data[offset : offset + 2] = struct.pack("<H", value)
    at = data.index(b"PK\x01\x02") + offset + 2
    data[at : at + 2] = struct.pack("<H", value)
    path.write_bytes(data)


def in_place(path: Path, make: Callable[[], Any]) -> None:
    path.unlink()
    make()


def surround(path: Path, before: bytes = b"", after: bytes = b"") -> None:
    path.write_bytes(before + path.read_bytes() + after)


def twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        zip_of(path, [*good_members(), good_members()[-1]])


W = "head.W.npy"
HOSTILE: dict[str, Callable[[Path], Any]] = {
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("hello\n" * 100, encoding="utf-8"),
    "pickle": lambda p: p.write_bytes(pickle.dumps(weights())),
    "junk in front": lambda p: surround(p, before=b"j" * 100),
    "cut in half": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "cut at the end": lambda p: p.write_bytes(p.read_bytes()[:-1]),
    "bit of the data": lambda p: p.write_bytes(
        flipped(
            p.read_bytes(),
            p.read_bytes().index(b"\x93NUMPY", p.read_bytes().index(W.encode())) + 130,
        )
    ),
    "bit of the directory": lambda p: p.write_bytes(
        flipped(p.read_bytes(), p.read_bytes().index(b"PK\x01\x02") + 20)
    ),
    "member not .npy": lambda p: put(p, W, b"not an array"),
    "other magic": lambda p: put(p, W, b"\x93NUMPX" + npy(weights()["head.W"])[6:]),
    "member without .npy": lambda p: zip_of(p, [*good_members(), ("notes", npy(np.zeros(1)))]),
    ".npy renamed": lambda p: p.write_bytes(npy(weights()["head.W"])),
    "object array": lambda p: put(p, W, npy(np.array([{}, None], dtype=object))),
    "compressed": lambda p: zip_of(p, good_members(), zipfile.ZIP_DEFLATED),
    "unknown compression": lambda p: with_flag(p, 8, 99),
    "encrypted": lambda p: with_flag(p, 6, 1),
    "nested parentheses": lambda p: put(p, W, head("(" * 9000)),
    "nested brackets": lambda p: put(p, W, head("[" * 65000)),
    "many minuses": lambda p: put(p, W, head("-" * 8000 + "1")),
    "many sums": lambda p: put(p, W, head("1" + "+1" * 30000)),
    "many attributes": lambda p: put(p, W, head("a" + ".a" * 30000)),
    "header is no dictionary": lambda p: put(p, W, head("[1, 2]")),
    "header is a set": lambda p: put(p, W, head("{'descr', 'shape', 'fortran_order'}")),
    "header is code": lambda p: put(p, W, head("__import__('os').abort()")),
    "header is empty": lambda p: put(p, W, head("")),
    "header is longer than the file": lambda p: put(p, W, b"\x93NUMPY\x01\x00\xff\xff{}"),
    "only the magic": lambda p: put(p, W, b"\x93NUMPY\x01\x00"),
    "shape of terabytes": lambda p: put(p, W, shaped("(1000000, 1000000)")),
    "shape that overflows": lambda p: put(p, W, shaped("(8589934592, 8589934592)")),
    "shape that overflows to 1": lambda p: put(p, W, shaped("(18446744073709551617,)")),
    "negative shape": lambda p: put(p, W, shaped("(-1,)")),
    "negative shapes": lambda p: put(p, W, shaped("(-1, -1)")),
    "boolean shape": lambda p: zip_of(p, [*good_members(), ("q.npy", shaped("(True,)"))]),
    "shape of 100": lambda p: put(p, W, shaped(str((1,) * 100))),
    "shape is a list": lambda p: put(p, W, shaped("[1]")),
    "shape is a number": lambda p: put(p, W, shaped("1")),
    "fortran order": lambda p: put(p, W, npy(np.asfortranarray(weights()["head.W"]))),
    "header of 32 MB": lambda p: put(
        p, W, head(" " * (32 << 20), 2), compression=zipfile.ZIP_DEFLATED
    ),
    "bomb of 32 MB": lambda p: put(
        p, W, npy(np.zeros(8 << 20, np.float32)), compression=zipfile.ZIP_DEFLATED
    ),
    "overlapping members": overlapping,
    "float64": lambda p: put(p, W, npy(weights()["head.W"].astype(np.float64))),
    "big-endian": lambda p: put(p, W, npy(weights()["head.W"].astype(">f4"))),
    "structured": lambda p: put(p, W, npy(np.zeros((3, 4), dtype=[("a", "<f4")]))),
    "datetime": lambda p: put(p, W, npy(np.zeros((3, 4), dtype="<M8[s]"))),
    "strings": lambda p: put(p, W, npy(np.full((3, 4), "a"))),
    "unhashable dtype": lambda p: put(p, W, shaped("(3, 4)", "[]", 48)),
    "two of one name": twice,
    "path as name": lambda p: zip_of(p, [*good_members(), ("../../etc/W.npy", npy(np.zeros(1)))]),
    "no members": lambda p: zip_of(p, []),
    "no header": lambda p: zip_of(p, good_members()[1:]),
    "thousands of members": lambda p: zip_of(
        p, good_members() + [(f"a{n}.npy", npy(np.zeros(1))) for n in range(2100)]
    ),
    "folder": lambda p: in_place(p, lambda: p.mkdir()),
    "pipe": lambda p: in_place(p, lambda: os.mkfifo(p)),
    "device": lambda p: in_place(p, lambda: p.symlink_to("/dev/zero")),
    "nothing": lambda p: p.unlink(),
    "dead link": lambda p: in_place(p, lambda: p.symlink_to("nowhere")),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, kind: str) -> None:
    """On one line, without running code, and before memory is allocated."""
    path = tmp_path / "x.npz"
    write_good(path)
    equal(path)
    HOSTILE[kind](path)
    refused(path) if kind != "nothing" else None
    with pytest.raises(CheckpointError):
        load_model(path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "x.npz"


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["flip", "cut", "insert", "remove", "copy"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 255),
    st.binary(min_size=1, max_size=40),
)
def test_any_damage_is_noticed_or_harmless(
    scratch: Path, kind: str, where: float, mask: int, extra: bytes
) -> None:
    good = write_good(scratch)
    at = int(where * len(good))
    scratch.write_bytes(
        {
            "flip": good[:at] + bytes([good[at] ^ mask]) + good[at + 1 :],
            "cut": good[:at],
            "insert": good[:at] + extra + good[at:],
            "remove": good[:at] + good[at + len(extra) :],
            "copy": good[:at] + good[at // 2 :],
        }[kind]
    )
    try:
        load_model(scratch)
    except CheckpointError:
        refused(scratch)
    else:
        equal(scratch)


# Writing


def test_what_is_written_reaches_the_disk_before_it_takes_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the name were given first, the file could be empty after a power cut."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def logged_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        size = os.fstat(descriptor).st_size if kind == "file" else 0
        done.append(f"sync {kind}" + (" whole" if size == expected else ""))
        fsync(descriptor)

    def logged_replace(path: Path, target: Path) -> Path:
        done.append(f"name {target.name}")
        return replace(path, target)

    expected = len(write_good(tmp_path / "x.npz"))
    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(Path, "replace", logged_replace)
    write_good(tmp_path / "x.npz")
    assert done == ["sync file whole", "name x.npz", "sync folder"]


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("where", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("old", [True, False])
def test_a_failed_write_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, old: bool
) -> None:
    path = tmp_path / "x.npz"
    before = write_good(path) if old else None
    with monkeypatch.context() as patch:
        fail = failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        if where in ("open", "replace"):
            patch.setattr(Path, where, fail)
        elif where == "write":
            patch.setattr(checkpoint, "_write_members", fail)
        else:
            patch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointError) as caught:
            write_checkpoint(path, HEADER, {})
    assert str(caught.value) == f"could not write {path}: No space left on device"
    assert "space" in caught.value.hint
    assert names(tmp_path) == (["x.npz"] if old else [])
    assert before is None or path.read_bytes() == before


def test_an_interrupt_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write_good(tmp_path / "x.npz")
    monkeypatch.setattr(os, "fsync", failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path / "x.npz", HEADER, {})
    assert names(tmp_path) == ["x.npz"]
    assert (tmp_path / "x.npz").read_bytes() == before


def test_a_folder_that_cannot_be_synced_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    write_good(tmp_path / "x.npz")
    equal(tmp_path / "x.npz")


def test_a_limit_on_file_size_leaves_the_old_file(tmp_path: Path) -> None:
    """As close to a full disk as a test can get without privileges."""
    before = write_good(tmp_path / "x.npz")
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from charrnn.checkpoint import write_checkpoint\n"
        "from charrnn.errors import CheckpointError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "for size in (100, 1000, 1200, 100_000, 1_000_000):\n"
        "    try:\n"
        "        write_checkpoint(Path(sys.argv[1]), {}, {'a': np.zeros(size), 'b': np.ones(9)})\n"
        "        print('written')\n"
        "    except CheckpointError as error:\n"
        "        print(error)\n"
    )
    path = tmp_path / "x.npz"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[0] == "written"
    assert lines[2:] == [f"could not write {path}: File too large"] * 3
    assert names(tmp_path) == ["x.npz"]
    assert read_checkpoint(path)[1]["b"].all()
    assert path.read_bytes() != before


KILLED = '''
import os, sys
from itertools import count
from pathlib import Path

import numpy as np

from charrnn import checkpoint
from charrnn.runs.folder import RunFolder

left = 0

def tick():
    """Die at the chosen operation."""
    global left
    left -= 1
    if left == 0:
        os._exit(9)

def before(function):
    def wrapped(*arguments, **named):
        tick()
        return function(*arguments, **named)
    return wrapped

class Torn:
    """A file of which only half of the last write arrives."""
    def __init__(self, file):
        self.file = file
    def __getattr__(self, name):
        return getattr(self.file, name)
    def write(self, data):
        half = len(data) // 2
        self.file.write(data[:half])
        self.file.flush()
        tick()
        return half + self.file.write(data[half:])

write_members = checkpoint._write_members
checkpoint._write_members = lambda file, members: write_members(Torn(file), members)
os.fsync = before(os.fsync)
for name in ("replace", "unlink", "hardlink_to", "write_text", "mkdir"):
    setattr(Path, name, before(getattr(Path, name)))

folder = Path(sys.argv[1])
values = lambda number: {"a": np.full(50, float(number)), "b": np.full(3, float(number))}
for point in count(1):
    pid = os.fork()
    if pid == 0:
        left = 10**9
        held = RunFolder(folder, resume=point > 1)
        if point == 1:
            held.save_last({"n": 0}, values(0))
            held.save_last({"n": 0}, values(0))
        left = point
        held.save_last({"n": point}, values(point))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    found = []
    for name in ("last.npz", "previous.npz"):
        header, arrays = checkpoint.read_checkpoint(folder / name)
        found.append(header["n"])
        assert (arrays["a"] == header["n"]).all() and (arrays["b"] == header["n"]).all()
    print(point, code, *found, flush=True)
    if code != 9:
        break
'''


def test_killed_at_any_operation_of_a_save_both_files_stay_whole(tmp_path: Path) -> None:
    """After each write (torn), sync, link and rename; each time the next run resumes."""
    run = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(run)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    points = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert points[-1][1] == 0
    assert all(code == 9 for _, code, _, _ in points[:-1])
    assert len(points) > 20
    last = 0
    for point, _, now, previous in points:
        assert now in (last, point)  # the old one or the new one
        assert previous <= last
        last = now
    assert points[-1][2] == points[-1][0]
    assert any(now == point for point, code, now, _ in points if code == 9)  # after the rename
    assert names(run) == ["last.npz", "previous.npz"]


def test_leftovers_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in (".last.npz.123.tmp", ".best.npz.4.tmp", ".previous.5.tmp", ".metrics.6.tmp"):
        (run / name).write_bytes(b"half a file")
    RunFolder(run, resume=False).close()
    assert names(run) == []


def test_other_programs_files_stay(tmp_path: Path) -> None:
    """The folder of --out may be anyone's: their temporary files are not ours to delete."""
    others = [".notes.tmp", ".report.txt.99.tmp", "a.tmp", ".last.npz.tmp.txt"]
    for name in others:
        (tmp_path / name).write_bytes(b"precious")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(others)


# Two files, of which one is always whole


def test_a_damaged_last_never_replaces_the_good_previous(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After resuming from previous.npz, a kill at the first save must not lose both files."""
    monkeypatch.chdir(tmp_path)
    corpus = corpus_of(tmp_path, TEXT)
    run_until(begin(tmp_path / "run", corpus), 25)
    last = tmp_path / "run" / "last.npz"
    last.write_bytes(last.read_bytes()[:1000])
    folder = RunFolder(tmp_path / "run", resume=True)
    saved, why = folder.load_last()
    assert why is not None
    assert saved.path.name == "previous.npz"
    monkeypatch.setattr(os, "fsync", failing(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(CheckpointError):
        folder.save_last(saved.header, dict(saved.parameters))
    folder.close()
    assert folder.load_last()[0].header == saved.header


def test_without_links_the_previous_file_is_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems of memory cards have no hard links."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "hardlink_to", failing(OSError(errno.EPERM, "not permitted")))
    folder = RunFolder(tmp_path / "run", resume=False)
    for number in range(3):
        folder.save_last(HEADER | {"n": number}, weights())
    folder.close()
    assert load_model(folder.last).header["n"] == 2
    assert load_model(folder.previous).header["n"] == 1
    assert not folder.last.samefile(folder.previous)
    assert names(tmp_path / "run") == ["last.npz", "previous.npz"]


def test_a_good_checkpoint_copied_elsewhere_is_good(tmp_path: Path) -> None:
    write_good(tmp_path / "x.npz")
    shutil.copy(tmp_path / "x.npz", tmp_path / "y z é.npz")
    equal(tmp_path / "y z é.npz")


def test_the_documented_check_of_the_digest_runs(tmp_path: Path) -> None:
    """And it fails for a file that was changed."""
    text = (Path(__file__).parent.parent / "docs/checkpoint-format.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    path = tmp_path / "last.npz"
    good = write_good(path)
    check = [sys.executable, "-c", code]
    subprocess.run(check, cwd=tmp_path, check=True)
    path.write_bytes(without_the_last(good, 1))
    assert subprocess.run(check, cwd=tmp_path, check=False, capture_output=True).returncode
