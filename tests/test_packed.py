"""Every reader reads compressed files and reports documents, within limited memory."""

import bz2
import gzip
import hashlib
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import TEXT, TINY, charrnn

import charrnn as library
from charrnn.errors import InputError
from charrnn.text import packed
from charrnn.text.corpora import read_corpus
from charrnn.text.packed import compression, document, unpacked
from charrnn.text.pairs import read_pairs
from charrnn.text.sources import read_bytes

BRIEF = (*TINY, "--epochs", "1", "--threads", "1", "-q")
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
every_packer = pytest.mark.parametrize("name", PACKERS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@every_packer
def test_a_compressed_text_is_read_by_its_content_whatever_its_name(name: str) -> None:
    data = TEXT.encode()
    Path("text.txt").write_bytes(data)
    for file in ("text.gz", "odd.txt"):
        Path(file).write_bytes(PACKERS[name](data))
        corpus = read_corpus([file])
        assert corpus.codes.tolist() == read_corpus(["text.txt"]).codes.tolist()
        assert corpus.sha256 == hashlib.sha256(data).hexdigest()
        assert read_bytes(file) == data
    Path("plain.gz").write_bytes(data)
    assert read_bytes("plain.gz") == data


@every_packer
def test_several_streams_in_one_file_are_one_text(name: str) -> None:
    both = PACKERS[name](b"ab\n") + PACKERS[name](b"cd\n")
    assert unpacked(both, "x") == b"ab\ncd\n"
    assert unpacked(PACKERS[name](b""), "x") == b""


@pytest.mark.parametrize(
    "after", [b"\n", b"\0" * 512, b"a note that somebody added", TEXT.encode()]
)
def test_data_after_gzip_members_are_ignored_as_gzip_does(
    after: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = TEXT.encode() * 3
    both = gzip.compress(data) + gzip.compress(data[:7]) + after
    assert unpacked(both, "x") == data + data[:7]
    monkeypatch.setattr(packed, "LIGHT", 1000)
    monkeypatch.setattr(packed, "CHUNK", 100)
    assert unpacked(both, "x") == data + data[:7]


@every_packer
@pytest.mark.parametrize("damage", ["cut", "changed", "followed"])
def test_a_damaged_compressed_file_is_reported_on_one_line(
    folder: Path, name: str, damage: str
) -> None:
    data = bytearray(PACKERS[name](TEXT.encode() * 3))
    if damage == "cut":
        del data[-len(data) // 3 :]
    elif damage == "changed":
        for at in range(40, 60):
            data[at] ^= 0x55
    else:
        data += PACKERS[name](TEXT.encode())[:-9]
    Path("bad.txt").write_bytes(data)
    for command in (["train", "bad.txt", *BRIEF], ["inspect", "bad.txt"]):
        done = charrnn(*command, cwd=folder)
        assert done.returncode == 2
        assert f"'bad.txt' is compressed by {name}, and damaged or cut off" in done.stderr.decode()
        assert len(done.stderr.splitlines()) == 2
    assert not Path("checkpoints").exists()


@every_packer
def test_a_decompression_bomb_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LIGHT", 1000)
    monkeypatch.setattr(packed, "CHUNK", 100)
    monkeypatch.setattr(packed, "LARGEST", 5000)
    assert unpacked(PACKERS[name](bytes(5000)), "x") == bytes(5000)
    with pytest.raises(InputError, match="'x' unpacks to more than") as caught:
        unpacked(PACKERS[name](bytes(5001)), "'x'")
    assert "part of it" in caught.value.hint


def test_a_run_on_a_compressed_text_equals_one_on_the_text(folder: Path) -> None:
    Path("a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    done = charrnn("train", "a.txt.gz", *BRIEF, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"the validation set of a.txt.gz" in charrnn("eval", "run", cwd=folder).stdout
    Path("a.txt").write_text(TEXT, encoding="utf-8")
    done = charrnn("eval", "run", "a.txt", cwd=folder)
    assert b"this is the training text" in done.stderr
    resumed = charrnn("train", "a.txt", "--resume", "run", "--epochs", "2", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    inspected = charrnn("inspect", "a.txt.gz", cwd=folder).stdout.splitlines()[1:8]
    assert inspected == [
        line.replace(b"a.txt'", b"a.txt.gz'")
        for line in charrnn("inspect", "a.txt", cwd=folder).stdout.splitlines()[1:8]
    ]
    piped = charrnn("train", "-", *BRIEF, cwd=folder, stdin=lzma.compress(TEXT.encode()))
    assert piped.returncode == 0, piped.stderr


def test_tables_are_unpacked_too(folder: Path) -> None:
    rows = "".join(f"text {k}\t{'yes' if k % 2 else 'no'}\n" for k in range(60))
    Path("rows.tsv.xz").write_bytes(lzma.compress(rows.encode()))
    assert len(read_pairs("rows.tsv.xz").records) == 60
    series = "".join(f"{k % 7}.5\n" for k in range(300))
    Path("series.csv.bz2").write_bytes(bz2.compress(series.encode()))
    flags = ("--task", "forecast", "--hidden", "4", "--epochs", "1", "--threads", "1", "-q")
    assert charrnn("train", "series.csv.bz2", *flags, cwd=folder).returncode == 0


def test_bytes_are_read_as_they_are_and_a_note_says_so(folder: Path) -> None:
    data = gzip.compress(TEXT.encode())
    Path("a.gz").write_bytes(data)
    corpus = read_corpus(["a.gz"], level="byte")
    assert corpus.codes.tobytes() == data
    assert corpus.sha256 == hashlib.sha256(data).hexdigest()
    assert "compressed by gzip; training on the compressed bytes" in corpus.notes[0]
    found = charrnn("inspect", "a.gz", "--level", "byte", cwd=folder).stdout.decode()
    assert f"{len(data)} bytes" in found


def _zip(*names: str) -> bytes:
    with zipfile.ZipFile("made.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else "x" * 99)
    return Path("made.zip").read_bytes()


def _tar() -> bytes:
    Path("inner.txt").write_text(TEXT)
    with tarfile.open("made.tar", "w") as archive:
        archive.add("inner.txt")
    return Path("made.tar").read_bytes()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "a PDF"),
        (b"%PDF-1.4\nall of it ASCII", "a PDF"),
        (b"{\\rtf1\\ansi x}", "an RTF document"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
        (b"GIF89a\x20\0\x20\0\xf7\0\0", "a GIF image"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP image"),
        (b"II*\0\x08\0\0\0", "a TIFF image"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
        (lambda: _zip("[Content_Types].xml", "word/document.xml"), "a zip archive of Office"),
        (lambda: _zip("mimetype"), "a zip archive, an EPUB book"),
        (lambda: _zip("a.txt"), "a zip archive, as"),
        (_tar, "a tar archive"),
        (lambda: gzip.compress(_tar()), "a tar archive"),
        (lambda: gzip.compress(gzip.compress(b"abc")), "compressed by gzip (is it so twice?)"),
    ],
)
def test_train_names_a_document_as_inspect_does(
    folder: Path, data: bytes | Callable[[], bytes], what: str
) -> None:
    Path("book.txt").write_bytes(data if isinstance(data, bytes) else data())
    (finding,) = library_findings(folder)
    assert f"'book.txt' is {what}" in finding
    assert ", not a text" in finding
    for encoding in ("utf-8", "latin-1"):
        done = charrnn("train", "book.txt", "--encoding", encoding, *BRIEF, cwd=folder)
        assert done.returncode == 2
        assert f"'book.txt' is {what}" in done.stderr.decode()
        assert "convert it to text: " in done.stderr.decode()
        assert "--level byte" in done.stderr.decode()
    rows = charrnn("train", "book.txt", "--task", "classify", cwd=folder)
    assert f"'book.txt' is {what}" in rows.stderr.decode()
    assert read_corpus(["book.txt"], level="byte").codes.size


def library_findings(folder: Path) -> list[str]:
    lines = charrnn("inspect", "book.txt", cwd=folder).stdout.decode().splitlines()
    return [line for line in lines if line.startswith("fix   encoding")]


@pytest.mark.parametrize(
    "text",
    [
        "BZhang's poems",
        "BZh9 is a number",
        "GIF89a, a format of images",
        "PKs",
        "7z",
        "MM*",
        "RIFFs",
    ],
)
def test_a_text_that_begins_like_a_document_is_a_text(text: str) -> None:
    assert document((text * 9).encode()) is None
    assert compression(text.encode()) is None
    assert unpacked(text.encode(), "x") == text.encode()


def test_the_library_reads_them_too() -> None:
    Path("a.gz").write_bytes(gzip.compress(TEXT.encode()))
    with library.train("a.gz", hidden=4, epochs=1, threads=1) as run:
        assert run.data.size == len(TEXT)
