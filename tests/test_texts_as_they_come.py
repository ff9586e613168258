"""Real-life texts: other forms of letters, marks, encodings of pipes, short or moved files."""

import json
import os
import pty
import shlex
import subprocess
from pathlib import Path

import pytest
from support import TEXT, TINY, charrnn, charrnn_apart, command, environment

import charrnn as library
from charrnn.errors import InputError
from charrnn.text.corpora import read_corpus
from charrnn.text.vocab import Vocabulary

BRIEF = (*TINY, "--epochs", "1", "-q")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_pipe_gets_utf_8_whatever_the_terminals_encoding(folder: Path) -> None:
    Path("days.txt").write_text("день и ночь 日\n" * 60, encoding="utf-8")
    rows = "".join(f"{'добрый' if k % 2 else 'злой'} {k}\t{k % 2}\n" for k in range(60))
    Path("rows.tsv").write_text(rows, encoding="utf-8")
    assert charrnn("train", "days.txt", *BRIEF, "--out", "lm", cwd=folder).returncode == 0
    flags = ("--task", "classify", "--hidden", "4", "--epochs", "1", "-q", "--out", "judge")
    assert charrnn("train", "rows.tsv", *flags, cwd=folder).returncode == 0
    windows = environment(PYTHONIOENCODING="cp1252")
    text = charrnn_apart("sample", "lm", "-l", "40", "--seed", "1", cwd=folder, env=windows).stdout
    assert text.decode() == library.load("lm").sample(length=40, seed=1) + "\n"
    predict = ("predict", "judge", "день 😀", "--format", "jsonl")
    line = charrnn_apart(*predict, cwd=folder, env=windows).stdout
    assert json.loads(line)["text"] == "день 😀"


REPORTS = (
    ["inspect", "runs"],
    ["inspect", "роман"],
    ["eval", "роман"],
    ["eval", "роман", "роман"],
    ["eval", "роман", "days.txt", "--show"],
    ["eval", "роман", "days.txt", "--by-line"],
    ["eval", "роман", "--copies"],
    ["explain", "роман", "--prime", "день"],
)


def test_a_report_goes_through_a_pipe_in_utf_8(folder: Path) -> None:
    """On Windows, pipes and files have the encoding of an old code page."""
    Path("days.txt").write_text("день и ночь 日\n" * 60, encoding="utf-8")
    flags = (*BRIEF, "--out", "checkpoints/роман")
    assert charrnn("train", "days.txt", *flags, cwd=folder).returncode == 0
    for number, report in enumerate(REPORTS):
        plain = charrnn(*report, cwd=folder)
        assert plain.returncode == 0, plain.stderr
        assert not plain.stdout.isascii()
        assert b"\\u0" not in plain.stdout
        encoding = ("cp1252", "ascii")[number % 2]
        done = charrnn(*report, cwd=folder, env=environment(PYTHONIOENCODING=encoding))
        assert done.stdout == plain.stdout, (report, done.stderr)
    primary, secondary = pty.openpty()  # a terminal that does not have these letters
    poor = environment(PYTHONIOENCODING="ascii", TERM="dumb")
    subprocess.run(command("inspect", "runs"), cwd=folder, env=poor, stdout=secondary, check=True)
    page = os.read(primary, 1 << 16)
    os.close(primary)
    os.close(secondary)
    assert rb"\u0440" in page
    assert rb"\xd7" in page


@pytest.mark.parametrize(
    ("encoding", "mark", "name"),
    [
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("UTF_16LE", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
        ("utf-32-le", b"\xff\xfe\0\0", "utf-32-le"),
        ("u8", b"\xef\xbb\xbf", "utf-8"),
        ("utf-8", b"\xff\xfe", "utf-16-le"),
    ],
)
def test_a_mark_is_removed_whatever_the_encodings_name(
    encoding: str, mark: bytes, name: str
) -> None:
    Path("marked.txt").write_bytes(mark + ("abc\n" * 9).encode(name))
    corpus = read_corpus(["marked.txt"], encoding=encoding)
    assert bytes(corpus.codes.astype("u1")) == b"abc\n" * 9
    assert "byte order mark" in corpus.notes[0]


def test_a_mark_of_another_encoding_stays() -> None:
    Path("odd.txt").write_bytes("\ufeffabc".encode())
    assert len(read_corpus(["odd.txt"], encoding="latin-1").codes) == 6


@pytest.mark.parametrize(
    ("prime", "form"),
    [
        ("cafe\u0301", "with letters composed (NFC) the model knows all of it: 'café'"),
        ("“cafe–”", "with plain quotes and dashes the model knows all of it: '\"cafe-\"'"),
        ("‘cafe\u0301’", "NFC), plain quotes and dashes the model knows all of it: \"'café'\""),
    ],
)
def test_a_prime_is_suggested_in_the_form_that_the_model_knows(prime: str, form: str) -> None:
    vocabulary = Vocabulary("char", tuple(sorted(map(ord, set("abcdefé '\"-")))))
    with pytest.raises(InputError, match="the prime has") as caught:
        vocabulary.encode_text(prime, "the prime")
    assert form in caught.value.hint
    with pytest.raises(InputError, match="the prime has") as other:
        vocabulary.encode_text("cafe\u0301 ж", "the prime")
    assert "train on a text that has them" in other.value.hint


def test_the_known_form_is_suggested_as_a_whole_command(folder: Path) -> None:
    Path("cafe.txt").write_text("un café, it's $5\n" * 60, encoding="utf-8")
    assert charrnn("train", "cafe.txt", *BRIEF, "--out", "a run", cwd=folder).returncode == 0
    done = charrnn("sample", "a run", "-p", "it’s $5", "--seed", "1", cwd=folder)
    assert done.returncode == 2
    hint = done.stderr.decode().splitlines()[1]
    command = hint.partition("knows all of it: ")[2].partition("; --unknown skip")[0]
    assert shlex.split(command) == ["charrnn", "sample", "a run", "--prime", "it's $5"]
    assert charrnn(*shlex.split(command)[1:], cwd=folder).returncode == 0


@pytest.mark.parametrize(
    ("known", "text", "name", "form"),
    [
        ("dont“”‘’ ", "\"don't\" 'do'", "typographic quotes and dashes", "“don’t” ‘do’"),
        ("do„“ ", '"do" "do"', "typographic quotes and dashes", "„do“ „do“"),
        ("do«» ", '"do" “do”', "typographic quotes and dashes", "«do» «do»"),
        ("ab–", "a-b", "typographic quotes and dashes", "a–b"),
        ("ab—–-", "a−b", "plain quotes and dashes", "a-b"),
        ("'’do", "d‘o’", "plain quotes and dashes", "d'o’"),  # what is known stays
        ("e\u0301 '", "é ’", "letters in parts (NFD), plain quotes and dashes", "e\u0301 '"),
        ("ab. ", "a\xa0b…", "plain quotes and dashes", "a b..."),
    ],
)
def test_an_unknown_mark_is_replaced_by_a_similar_known_one(
    known: str, text: str, name: str, form: str
) -> None:
    vocabulary = Vocabulary("char", tuple(sorted({*map(ord, known)})))
    assert vocabulary.known_form(text) == (name, form)
    assert vocabulary.known_form(text + "ж") is None


def test_generate_and_predict_suggest_the_known_form_too(folder: Path) -> None:
    rows = "".join(f"{'le café' if k % 2 else 'la nuit'} {k}\t{k % 2}\n" for k in range(60))
    Path("rows.tsv").write_text(rows, encoding="utf-8")
    turned = "".join("\t".join(row.split("\t")[::-1]) + "\n" for row in rows.splitlines())
    Path("turned.tsv").write_text(turned, encoding="utf-8")
    for task, file in (("classify", "rows"), ("translate", "rows"), ("generate", "turned")):
        flags = ("--task", task, "--hidden", "4", "--epochs", "1", "--threads", "1", "-q")
        assert charrnn("train", f"{file}.tsv", *flags, "--out", task, cwd=folder).returncode == 0
    form = b"with letters composed (NFC) the model knows all of"
    done = charrnn("sample", "generate", "--label", "1", "-p", "le cafe\u0301", cwd=folder)
    assert (done.returncode, form in done.stderr) == (2, True)
    for task in ("classify", "translate"):
        for texts, count in (["le cafe\u0301", "cafe\u0301"], 1), (["le café"], 0), (["le ж"], 0):
            done = charrnn("predict", task, *texts, cwd=folder)
            assert done.returncode == 0, done.stderr
            assert done.stderr.count(form) == count
    Path("many.txt").write_text("cafe\u0301\n" * 600, encoding="utf-8")
    done = charrnn("predict", "classify", "--file", "many.txt", cwd=folder)
    assert (done.stderr.count(form), len(done.stdout.splitlines())) == (1, 600)


def test_a_text_in_another_form_is_called_by_its_name(folder: Path) -> None:
    text = "le café noir\n" * 60
    Path("nfc.txt").write_text(text, encoding="utf-8")
    Path("nfd.txt").write_text(text.replace("é", "e\u0301"), encoding="utf-8")
    assert charrnn("train", "nfc.txt", *BRIEF, "--out", "run", cwd=folder).returncode == 0
    done = charrnn("eval", "run", "nfd.txt", cwd=folder)
    assert b"with letters composed (NFC) the model knows all characters" in done.stderr
    assert b"it is the text that the model was trained on" in done.stderr
    assert b"composed" not in charrnn("eval", "run", "nfc.txt", cwd=folder).stderr


def test_a_run_is_used_from_another_folder(folder: Path) -> None:
    """Its text has not moved, and is found from the run's folder."""
    place = folder / "place"
    place.mkdir()
    (place / "text.txt").write_text(TEXT, encoding="utf-8")
    assert charrnn("train", "text.txt", *BRIEF, cwd=place).returncode == 0
    done = charrnn("eval", "place/checkpoints/text-1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert bytes(Path("place") / "text.txt") in done.stdout
    again = charrnn("train", "--resume", "place/checkpoints/text-1", cwd=folder)
    assert again.returncode == 0, again.stderr
    (place / "text.txt").write_text(TEXT + "!", encoding="utf-8")
    assert charrnn("eval", "place/checkpoints/text-1", cwd=folder).returncode == 2


def test_a_short_text_makes_enough_updates_by_default(folder: Path) -> None:
    Path("short.txt").write_text(TEXT * 3, encoding="utf-8")
    done = charrnn("train", "short.txt", "--hidden", "8", "-q", "--out", "run", cwd=folder)
    assert b"note: 300 epochs instead of 10" in done.stderr
    assert b" 300 steps of 32" in done.stderr
    other = charrnn("train", "short.txt", *BRIEF, "--out", "brief", cwd=folder)
    assert b"instead of" not in other.stderr


def test_damage_from_joining_files_is_reported(folder: Path) -> None:
    Path("a.txt").write_text("one\ntwo", encoding="utf-8")
    Path("b.txt").write_text("three\n", encoding="utf-8-sig")
    Path("empty.txt").write_bytes(b"")
    joined = read_corpus(["a.txt", "empty.txt", "b.txt", "b.txt", "a.txt"])
    assert joined.notes == (
        "a.txt: its last line has no end, so the next file continues it",
        "b.txt: byte order mark of UTF-8 removed",
        "b.txt: byte order mark of UTF-8 removed",
    )
    whole = b"".join(Path(name).read_bytes() for name in ("b.txt", "b.txt", "a.txt"))
    Path("c.txt").write_bytes(whole)  # as cat joins them
    assert (
        read_corpus(["c.txt"])
        .notes[-1]
        .startswith("c.txt: 1 byte order mark (U+FEFF) inside the text: joined")
    )
    Path("wide.txt").write_bytes("one\n".encode("utf-16"))
    assert len(read_corpus(["wide.txt", "a.txt"]).notes) == 1
