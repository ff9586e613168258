"""From files to code points, numbers and lanes: no character is lost or moved."""

import codecs
import hashlib
import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from pydoc_data import topics

import numpy as np
import pytest
from support import environment

from charrnn.errors import InputError
from charrnn.text import decoding, sources
from charrnn.text.batches import Lanes
from charrnn.text.corpora import Corpus, read_corpus
from charrnn.text.vocab import UnknownCharacterError, Vocabulary

CHUNKS = (1, 2, 3, 4, 5, 7, 1 << 23)
every_chunk = pytest.mark.parametrize("chunk", CHUNKS)

WIDE = "a\té\n漢字 🙂\u2028e\u0301\x7f\U0010ffff\n"


def text_of(corpus: Corpus) -> str:
    return "".join(map(chr, corpus.codes.tolist()))


def write(folder: Path, data: bytes, name: str = "corpus.txt") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def codes_of(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.array([ord(c) for c in text], dtype=np.uint32)


# Vocabulary


def test_characters_can_be_decoded_again() -> None:
    vocabulary = Vocabulary.of("char", codes_of(WIDE))
    assert vocabulary.codes == tuple(sorted({ord(c) for c in WIDE}))
    assert len(vocabulary) == len(set(WIDE))
    ids = vocabulary.encode(codes_of(WIDE))
    assert ids.tolist() == vocabulary.encode_text(WIDE).tolist()
    assert ids.tolist() == [sorted(set(WIDE)).index(c) for c in WIDE]
    assert vocabulary.decode(ids) == WIDE.encode()


def test_bytes_can_be_decoded_again() -> None:
    """Any byte, whether or not it is in the text."""
    vocabulary = Vocabulary.of("byte", np.array([7], dtype=np.uint8))
    data = bytes(range(256)) * 2
    ids = vocabulary.encode(np.frombuffer(data, dtype=np.uint8))
    assert len(vocabulary) == 256
    assert vocabulary.decode(ids) == data
    assert vocabulary.decode(vocabulary.encode_text("é漢")) == "é漢".encode()


def test_unknown_characters_are_named() -> None:
    vocabulary = Vocabulary.of("char", codes_of("abc\n"))
    with pytest.raises(UnknownCharacterError) as one:
        vocabulary.encode_text("a\tb\t", "the prime")
    assert str(one.value) == "the prime has 1 character new to the model: '\\t' (U+0009)"
    assert one.value.exit_code == 2
    assert one.value.hint
    with pytest.raises(UnknownCharacterError) as two:
        vocabulary.encode_text("é€a€")
    assert "2 characters" in str(two.value)
    assert "'é' (U+00E9), '€' (U+20AC)" in str(two.value)
    with pytest.raises(UnknownCharacterError, match=r"'m' \(U\+006D\) and 13 more$"):
        vocabulary.encode_text("defghijklmnopqrstuvwxyz")


def test_unknown_codes_are_found_inside_and_beyond_the_table() -> None:
    vocabulary = Vocabulary("char", (5, 9))
    assert vocabulary.unknown(np.array([9, 5, 0, 6, 10, 10, 0x10FFFF])) == [0, 6, 10, 0x10FFFF]
    assert vocabulary.unknown(np.array([5, 9])) == []


def test_a_text_that_is_not_utf8_is_refused() -> None:
    """As an argument with the byte 0xff becomes in a shell."""
    with pytest.raises(InputError, match="the prime is not valid UTF-8"):
        Vocabulary.of("char", codes_of("ab")).encode_text("a\udcff", "the prime")


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(1, "u1"), (2, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")],
)
def test_numbers_take_the_smallest_dtype(size: int, dtype: str) -> None:
    vocabulary = Vocabulary("char", tuple(range(size)))
    ids = vocabulary.encode(np.array([0, size - 1]))
    assert ids.dtype == np.dtype(dtype)
    assert ids.tolist() == [0, size - 1]


@pytest.mark.parametrize(
    ("level", "codes"),
    [
        ("char", ()),
        ("char", (3, 3)),
        ("char", (4, 3)),
        ("char", (-1, 3)),
        ("char", (3, 0x110000)),
        ("byte", (0, 256)),
        ("word", (1, 2)),
    ],
)
def test_an_invalid_vocabulary_is_refused(level: str, codes: tuple[int, ...]) -> None:
    """It may come from a file; a repeated or misplaced symbol would garble every text."""
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary(level, codes)


def test_a_text_without_beginning_starts_after_a_line_end() -> None:
    with_line_end = Vocabulary.of("char", codes_of("\t\nab"))
    assert with_line_end.decode(np.array([with_line_end.start])) == b"\n"
    assert Vocabulary.of("char", codes_of("ab")).start == 0
    assert Vocabulary.of("char", codes_of("\t")).start == 0
    assert Vocabulary.of("byte", codes_of("a")).start == 10


# Corpora


@every_chunk
@pytest.mark.parametrize(
    ("mark", "codec", "name"),
    [
        (codecs.BOM_UTF8, "utf-8", "UTF-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    ],
)
def test_a_byte_order_mark_decides_and_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, mark: bytes, codec: str, name: str
) -> None:
    """A mark that is not removed would be a character of the model."""
    monkeypatch.setattr(decoding, "CHUNK", chunk)
    path = write(tmp_path, mark + WIDE.encode(codec))
    corpus = read_corpus([path])
    assert text_of(corpus) == WIDE
    assert corpus.notes == (f"{path}: byte order mark of {name} removed",)


@every_chunk
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be"])
def test_line_ends_become_one_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, encoding: str
) -> None:
    """Also if a chunk ends between CR and LF, or the file with a lone CR."""
    monkeypatch.setattr(decoding, "CHUNK", chunk)
    path = write(tmp_path, "a\r\nb\rc\nd\n\r\r\n\re\r".encode(encoding))
    corpus = read_corpus([path], encoding=encoding)
    assert text_of(corpus) == "a\nb\nc\nd\n\n\n\ne\n"
    assert corpus.notes == (f"{path}: line ends '\\r' and '\\r\\n' became '\\n'",)


@every_chunk
def test_line_ends_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(decoding, "CHUNK", chunk)
    corpus = read_corpus([write(tmp_path, b"a\r\nb\rc\n\r")], keep_newlines=True)
    assert text_of(corpus) == "a\r\nb\rc\n\r"
    assert corpus.notes == ()


def test_a_plain_text_needs_no_notes(tmp_path: Path) -> None:
    corpus = read_corpus([write(tmp_path, WIDE.encode())])
    assert text_of(corpus) == WIDE
    assert corpus.notes == ()


@every_chunk
@pytest.mark.parametrize(
    ("data", "byte", "offset", "line"),
    [
        (b"\xff", "ff", 0, 1),
        ("é\n漢\n".encode() + b"ab\xffcd\n", "ff", 9, 3),
        (b"ab\n\xe6\xbc", "e6", 3, 2),  # the file ends within a character
        (b"ab\n\xe6\xbcx", "e6", 3, 2),  # a character ends too soon
        (b"\xef\xbb\xbfab\n\xc0", "c0", 6, 2),  # after a mark that the decoder takes away
    ],
)
def test_invalid_utf8_is_located(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chunk: int,
    data: bytes,
    byte: str,
    offset: int,
    line: int,
) -> None:
    monkeypatch.setattr(decoding, "CHUNK", chunk)
    with pytest.raises(InputError) as caught:
        read_corpus([write(tmp_path, data)])
    assert str(caught.value).endswith(f"byte 0x{byte} at offset {offset} (line {line})")
    assert "charrnn inspect" in caught.value.hint
    assert caught.value.hint.endswith("; or read bytes (--level byte)")


@pytest.mark.parametrize("encoding", ["utf-9", "", "hex", "rot13", "zlib", "\0"])
def test_unknown_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    """Including Python's codecs that are not for text."""
    with pytest.raises(InputError, match="unknown encoding"):
        read_corpus([write(tmp_path, b"abc")], encoding=encoding)


def test_latin_1_is_read_if_given(tmp_path: Path) -> None:
    path = write(tmp_path, bytes(range(32, 256)))
    assert text_of(read_corpus([path], encoding="latin-1")) == "".join(map(chr, range(32, 256)))


def test_null_characters_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 2)
    (note,) = read_corpus([write(tmp_path, b"a\0\0\0b")]).notes
    assert "3 NUL characters" in note
    assert "--level byte" in note


@pytest.mark.parametrize("level", ["char", "byte"])
def test_an_empty_corpus_is_refused(tmp_path: Path, level: str) -> None:
    path = write(tmp_path, b"")
    with pytest.raises(InputError, match="the corpus is empty"):
        read_corpus([path, path], level=level)
    with pytest.raises(InputError, match="the corpus is empty"):
        read_corpus([write(tmp_path, codecs.BOM_UTF8)])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.txt", "file 'nowhere.txt' does not exist"),
        (".", "the folder '.' has no files"),
        ("", "the name of a corpus is empty"),
        ("/dev/zero", "'/dev/zero' is a device"),
        ("/dev/null", "'/dev/null' is a device"),
        ("a\0b", "cannot read 'a\\x00b'"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_is_not_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    """/dev/zero would be read forever."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        read_corpus([path])
    assert message in str(caught.value)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    """``<(gunzip -c corpus.gz)`` of a shell."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = WIDE.encode() * 5000
    threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()
    corpus = read_corpus([str(path)])
    assert text_of(corpus) == WIDE * 5000


def test_standard_input_is_read() -> None:
    corpus = read_corpus(["-"], stdin=io.BytesIO(WIDE.encode()))
    assert text_of(corpus) == WIDE
    assert corpus.sha256 == hashlib.sha256(WIDE.encode()).hexdigest()


def test_several_files_are_joined(tmp_path: Path) -> None:
    """In the given order, each with its own mark; the hash is that of the original bytes."""
    parts = [b"ab\r\n", codecs.BOM_UTF8 + "é".encode(), b"ab\r\n"]
    paths = [write(tmp_path, part, f"{n}.txt") for n, part in enumerate(parts)]
    corpus = read_corpus(paths)
    assert text_of(corpus) == "ab\néab\n"
    assert corpus.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()
    assert len(corpus.notes) == 4
    assert corpus.notes[2] == f"{paths[1]}: its last line has no end, so the next file continues it"
    assert read_corpus(paths[::-1]).sha256 == corpus.sha256  # a palindrome of files
    assert read_corpus([paths[1], paths[0]]).sha256 != corpus.sha256


def test_no_files_mean_pythons_help() -> None:
    corpus = read_corpus([])
    text = text_of(corpus)
    assert all(topic.rstrip() in text for topic in topics.topics.values())
    assert corpus.sha256 == read_corpus([]).sha256


def test_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    """Marks, line ends and NULs have no meaning; the encoding does not matter."""
    data = codecs.BOM_UTF8 + b"a\r\n\0\xff\r"
    corpus = read_corpus([write(tmp_path, data)], level="byte", encoding="utf-8")
    assert corpus.codes.tobytes() == data
    assert corpus.notes == ()


def test_a_small_file_needs_little_memory(tmp_path: Path) -> None:
    """The limit on reading must not be allocated beforehand, which small machines refuse."""
    program = (
        "import resource, sys\n"
        "from charrnn.text.corpora import read_corpus\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "print(len(read_corpus([sys.argv[1]]).codes))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, write(tmp_path, b"hello")],
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"5\n", done.stderr.decode()[-200:]


def test_too_large_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LARGEST", 4)
    assert len(read_corpus([write(tmp_path, b"1234")]).codes) == 4
    with pytest.raises(InputError, match="is larger than"):
        read_corpus([write(tmp_path, b"12345")])


# Lanes

SIZES = [(2, 1, 1), (9, 4, 3), (100, 3, 7), (101, 4, 25), (102, 4, 24), (1000, 7, 64), (23, 22, 5)]


@pytest.mark.parametrize(("size", "batch_size", "seq_len"), SIZES)
def test_lanes_contain_the_whole_text(size: int, batch_size: int, seq_len: int) -> None:
    """Each lane continues from chunk to chunk; joined, the lanes are the text."""
    ids = np.random.default_rng(0).permutation(size)  # all distinct: nothing can stand in
    lanes = Lanes(ids, batch_size, seq_len)
    chunks = [lanes.chunk(index) for index in range(len(lanes))]
    inputs = np.concatenate([x for x, _ in chunks])
    targets = np.concatenate([y for _, y in chunks])
    used = size - 1 - lanes.left_over
    assert inputs.shape == targets.shape == (lanes.length, batch_size)
    assert inputs.T.reshape(-1).tolist() == ids[:used].tolist()
    assert targets.T.reshape(-1).tolist() == ids[1 : used + 1].tolist()
    assert 0 <= lanes.left_over < batch_size


@pytest.mark.parametrize(("size", "batch_size", "seq_len"), SIZES)
def test_chunks_have_equal_length(size: int, batch_size: int, seq_len: int) -> None:
    """No update uses a short rest, and there are not more chunks than needed."""
    lanes = Lanes(np.arange(size), batch_size, seq_len)
    lengths = [len(lanes.chunk(index)[0]) for index in range(len(lanes))]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= seq_len
    assert len(lanes) == -(-lanes.length // seq_len)


@pytest.mark.parametrize(("size", "batch_size"), [(0, 1), (1, 1), (4, 4), (10, 32)])
def test_a_text_shorter_than_its_lanes_is_refused(size: int, batch_size: int) -> None:
    with pytest.raises(InputError, match=f"needs at least {batch_size + 1}$"):
        Lanes(np.arange(size), batch_size, 8)
    assert Lanes(np.arange(batch_size + 1), batch_size, 8).length == 1
