"""``charrnn predict``: one answer for each text, in order, whatever the texts are."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from support import charrnn, command, environment

import charrnn as library
from charrnn.cli.output import written_to
from charrnn.tasks.base import Prediction
from charrnn.tasks.kinds import KINDS
from charrnn.tasks.tag import Tagging
from charrnn.tasks.translate import Translation
from charrnn.text.records import Record, records

ROWS = "".join(f"{'ab' * (k % 5)}a{k}\t{'yes' if k % 2 else 'no'}\n" for k in range(40))
SENTENCES = "".join(f"w{k}\tA\n10\u00a0000\tB\n\u3000x\tA\n\n" for k in range(20))
SMALL: dict[str, Any] = {"hidden": 4, "epochs": 1.0, "threads": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A classifier, ``run``, and a tagger, ``tagger``."""
    folder = tmp_path_factory.mktemp("predict")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("rows.tsv").write_text(ROWS, encoding="utf-8")
        Path("s.conll").write_text(SENTENCES, encoding="utf-8")
        library.train("rows.tsv", task="classify", out="run", **SMALL).finish()
        library.train("s.conll", task="tag", out="tagger", **SMALL).finish()
        yield folder


def read_in_steps(data: bytes, step: int, encoding: str = "utf-8") -> list[Record]:
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    return [one for part in records(pieces, encoding) for one in part]


# The lines


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b"", []),
        (b"a\nb\nc", ["a", "b", "c"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\rc\r", ["a", "b", "c"]),
        (b"a\rb\nc\r\nd", ["a", "b", "c", "d"]),
        (b"a\r\n\r\nb\n\r\r\nc", ["a", "", "b", "", "", "c"]),
        (b"a\n\nb\n\n \n\n", ["a", "", "b"]),
        (b"\n\n", []),
        ("a\u2028b\x85\x0bc\n".encode(), ["a\u2028b\x85\x0bc"]),
        ("\ufeffa\n\ufeffb".encode(), ["a", "\ufeffb"]),
        ("é\nъ\r\n".encode("utf-16"), ["é", "ъ"]),
    ],
)
def test_a_line_ends_at_any_line_end_wherever_a_piece_does(
    data: bytes, texts: list[str], step: int
) -> None:
    found = read_in_steps(data, step)
    assert [one.text for one in found] == texts
    assert [one.number for one in found] == [*range(1, len(texts) + 1)]
    assert [not one.fault for one in found] == [bool(text) for text in texts]


def test_a_faulty_line_does_not_affect_others() -> None:
    found = read_in_steps(b"a\nb\tc\n\xe9\xa0d\n \ne", 2)
    faults = [one.fault for one in found]
    assert faults[0] == faults[4] == ""
    assert "has a tab" in faults[1]
    assert faults[2] == "is not utf-8: byte 0xe9, its byte 1"
    assert faults[3] == "is empty"
    assert read_in_steps(b"\xe9", 1, "latin-1") == [Record(1, "é")]


def test_bad_utf_16_affects_only_its_own_line() -> None:
    halves = "a\n".encode("utf-16-le") + b"\x00\xd8" + "b\nc\n".encode("utf-16-le")
    found = read_in_steps(halves, 3, "utf-16-le")
    assert [bool(one.fault) for one in found] == [False, True, False]
    assert "halves of characters" in found[1].fault
    cut = read_in_steps("a\nb\n".encode("utf-16-le") + b"c", 3, "utf-16-le")
    assert [bool(one.fault) for one in cut] == [False, False, True]


def test_a_line_is_yielded_as_soon_as_it_has_ended() -> None:
    """A lone carriage return ends it; a line feed that comes later does not add a line."""
    seen = records(iter([b"a\r", b"\nb\r", b"c"]), "utf-8")
    assert [one.text for one in next(seen)] == ["a"]
    assert [one.text for one in next(seen)] == ["b"]


# The answers

BAD = b"a1\nb\tc\n\n\xff\naba2\n\n"
FORMS = {
    "text": ["{0}", "", "", "", "{1}"],
    "tsv": ["a1\t{0}\t", "\t\t", "\t\t", "\t\t", "aba2\t{1}\t"],
}


@pytest.mark.parametrize("how", ["--file", "stdin"])
@pytest.mark.parametrize("form", FORMS)
def test_answers_are_in_the_order_of_the_texts(place: Path, form: str, how: str) -> None:
    (place / "bad.txt").write_bytes(BAD)
    arguments = ("--file", "bad.txt") if how == "--file" else ()
    given = BAD if how == "stdin" else None
    done = charrnn("predict", "run", "--format", form, *arguments, cwd=place, stdin=given)
    labels = charrnn("predict", "run", "a1", "aba2", cwd=place).stdout.decode().split()
    lines = done.stdout.decode().split("\n")
    assert done.returncode == 1
    assert lines.pop() == ""
    wanted = [line.format(*labels) for line in FORMS[form]]
    assert len(lines) == len(wanted)
    for line, start in zip(lines, wanted, strict=True):
        assert line.startswith(start)
        assert line == start or start.endswith("\t")
    name = "bad.txt" if how == "--file" else "standard input"
    notes = done.stderr.decode().splitlines()
    assert [note.split(",")[:2] for note in notes[:3]] == [
        [f"note: {name}", f" line {number}"] for number in (2, 3, 4)
    ]
    assert notes[3:] == ["error: 3 of 5 texts have no answer"]


def test_json_lines_say_what_is_wrong(place: Path) -> None:
    done = charrnn("predict", "run", "--format", "jsonl", cwd=place, stdin=BAD)
    found = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [one["text"] for one in found] == ["a1", "b\tc", "", "\ufffd", "aba2"]
    assert ["label" in one for one in found] == [True, False, False, False, True]
    assert [one.get("error", "")[:15] for one in found[1:4]] == [
        "the text has a ",
        "the text is emp",
        "the text is not",
    ]


def test_arguments_are_answered_like_lines(place: Path) -> None:
    done = charrnn("predict", "run", "a1", "", b"\xff", "aba2", cwd=place)
    lines = done.stdout.decode().split("\n")
    assert (done.returncode, len(lines), lines[1:3]) == (1, 5, ["", ""])
    assert "text 2 is empty" in done.stderr.decode()
    assert "text 3 has halves of characters" in done.stderr.decode()


def test_many_bad_lines_are_counted(place: Path) -> None:
    done = charrnn("predict", "run", cwd=place, stdin=b"\n" * 600 + b"a1\n")
    assert done.stdout.count(b"\n") == 601
    notes = done.stderr.decode().splitlines()
    assert len(notes) == 7
    assert "line 5," in notes[4]
    assert "there are more" in notes[5]
    assert notes[6] == "error: 600 of 601 texts have no answer"


@pytest.mark.parametrize(
    "data", [b"a1\naba2\n", b"a1\r\naba2\r\n", b"a1\raba2\r", b"a1\naba2\n\n\n"]
)
def test_line_ends_of_all_kinds(place: Path, data: bytes) -> None:
    (place / "texts.txt").write_bytes(data)
    wanted = charrnn("predict", "run", "a1", "aba2", cwd=place).stdout
    done = charrnn("predict", "run", "--file", "texts.txt", cwd=place)
    assert (done.returncode, done.stdout) == (0, wanted)
    done = charrnn("predict", "run", "-", cwd=place, stdin=data)
    assert (done.returncode, done.stdout) == (0, wanted)


def test_a_carriage_return_is_answered_at_once_and_once(place: Path) -> None:
    with subprocess.Popen(
        command("predict", "run"),
        cwd=place,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for given in (b"a1\r", b"\naba2\r\n"):
            process.stdin.write(given)
            process.stdin.flush()
            assert process.stdout.readline() in (b"yes\n", b"no\n")
        process.stdin.close()
        assert process.stdout.read() == b""


def test_a_sentence_is_split_as_in_training(place: Path) -> None:
    """Neither a no-break nor an ideographic space ends a token, or is removed at an end."""
    text = "w1  10\u00a0000 \u3000x"
    done = charrnn("predict", "tagger", text, "--format", "jsonl", cwd=place)
    assert json.loads(done.stdout)["tokens"] == ["w1", "10\u00a0000", "\u3000x"]
    done = charrnn("predict", "tagger", "\u3000x w1 ", "--format", "jsonl", cwd=place)
    assert json.loads(done.stdout)["tokens"] == ["\u3000x", "w1"]
    bad = charrnn("predict", "tagger", cwd=place, stdin=b"w1 w2\n\nw3\n")
    assert [line.count(b"/") for line in bad.stdout.split(b"\n")] == [2, 0, 1, 0]
    table = charrnn("predict", "tagger", "--format", "tsv", cwd=place, stdin=b"w1\n\nw3\n")
    lines = table.stdout.decode().split("\n")
    assert [line.split("\t")[0] for line in lines] == ["w1", "", "", "", "w3", "", ""]
    assert lines[2] == "\t\t"


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ("tag", Tagging(("a",), ("x",), (1.0,))),
        ("translate", Translation("a", "b", -1.0)),
    ],
)
def test_an_empty_record_has_all_fields(task: str, found: Prediction) -> None:
    empty, lines = KINDS[task].empty, list(found.lines("tsv"))
    assert [line.count("\t") for line in empty] == [line.count("\t") for line in lines]
    assert not "".join(empty).strip("\t")


# What is meant


def test_a_file_given_as_a_text_is_read(place: Path) -> None:
    (place / "reviews.txt").write_text("a1\naba2\n", encoding="utf-8")
    wanted = charrnn("predict", "run", "--file", "reviews.txt", cwd=place).stdout
    done = charrnn("predict", "run", "reviews.txt", cwd=place)
    assert (done.returncode, done.stdout) == (0, wanted)
    assert b"reviews.txt is a file; reading texts from it" in done.stderr
    assert b"echo reviews.txt | charrnn predict" in done.stderr
    piped = charrnn("predict", "run", "--format", "tsv", cwd=place, stdin=b"reviews.txt\n")
    assert piped.stdout.startswith(b"reviews.txt\t")
    two = charrnn("predict", "run", "reviews.txt", "a1", "--format", "tsv", cwd=place)
    assert two.stdout.startswith(b"reviews.txt\t")
    assert b"as a text; to read the file of that name: --file reviews.txt" in two.stderr
    os.mkfifo(place / "pipe")
    writer = Thread(target=(place / "pipe").write_bytes, args=(b"a1\naba2\n",))
    writer.start()
    assert charrnn("predict", "run", "pipe", cwd=place).stdout == wanted
    writer.join()
    wrong = charrnn("predict", "run", "review.txt", cwd=place)
    assert b"there is no file 'review.txt'; using this as the text" in wrong.stderr
    assert b"note" not in charrnn("predict", "run", "review", cwd=place).stderr
    assert b"only TEXT is the name of a file" in b" ".join(
        charrnn("predict", "--help", cwd=place, env=environment(COLUMNS="300")).stdout.split()
    )


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["some text"], "'some text' is not a checkpoint", "charrnn predict tagger 'some text'"),
        (["some text", "b c"], "'some text' is not", "charrnn predict tagger 'some text' 'b c'"),
        (["word"], "checkpoint 'word' does not exist", "charrnn predict tagger word"),
        (["x" * 300], "does not exist", f"charrnn predict tagger {'x' * 300}"),
        (["rows.tsv"], "'rows.tsv' is not a checkpoint", "charrnn predict tagger --file rows.tsv"),
    ],
)
def test_a_text_given_as_a_checkpoint_is_explained(
    place: Path, arguments: list[str], error: str, hint: str
) -> None:
    """The hint is a whole command, with the last saved run that predicts."""
    done = charrnn("predict", *arguments, cwd=place)
    assert done.returncode == 2
    assert error in done.stderr.decode().splitlines()[0]
    assert hint in done.stderr.decode().splitlines()[1]


@pytest.mark.parametrize(
    "arguments", [["nosuch", "text"], ["nosuch", "--file", "rows.tsv"], ["nosuch.npz"]]
)
def test_a_wrong_name_is_not_taken_for_a_text(place: Path, arguments: list[str]) -> None:
    done = charrnn("predict", *arguments, cwd=place)
    assert done.returncode == 2
    assert b"does not exist" in done.stderr
    assert b"predict from" not in done.stderr


def test_a_hint_keeps_the_options_and_names_a_suitable_run(place: Path, tmp_path: Path) -> None:
    done = charrnn("predict", "word", "--top", "2", "--format", "tsv", cwd=place)
    assert b": charrnn predict tagger --format tsv --top 2 word" in done.stderr
    copy = tmp_path / "forecast"
    copy.mkdir()
    (copy / "s.csv").write_text("x\n" + "".join(f"{k % 7}\n" for k in range(80)), encoding="utf-8")
    flags = ("--hidden", "4", "--epochs", "1", "--threads", "1", "-q")
    assert charrnn("train", "s.csv", "--task", "forecast", *flags, cwd=copy).returncode == 0
    for arguments in (["word"], ["two words"]):
        done = charrnn("predict", *arguments, cwd=copy)
        assert done.returncode == 2
        assert b"predict from" not in done.stderr
    assert b"the runs here are s-1" in charrnn("predict", "word", cwd=copy).stderr
    hint = b"to predict from it: charrnn predict checkpoints/s-1 --file s.csv"
    assert hint in charrnn("predict", "s.csv", cwd=copy).stderr


def test_no_texts_are_an_error(place: Path) -> None:
    done = charrnn("predict", "run", cwd=place, stdin=b"\n\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"there are no texts" in done.stderr


def test_a_terminal_is_asked_for_texts(place: Path) -> None:
    primary, secondary = pty.openpty()
    with subprocess.Popen(
        command("predict", "run"),
        cwd=place,
        env=environment(),
        stdin=secondary,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"Ctrl-D ends" in process.stderr.readline()
        for text in (b"a1\n", b"aba2\n"):
            os.write(primary, text)
            assert process.stdout.readline() in (b"yes\n", b"no\n")
        os.write(primary, b"\x04")
        assert process.wait(60) == 0
    os.close(primary)
    os.close(secondary)


# Where it goes


def test_out_writes_utf_8_whatever_the_terminals_encoding(place: Path) -> None:
    (place / "answers.jsonl").write_text("before", encoding="utf-8")
    flags = ("--format", "jsonl", "--out", "answers.jsonl")
    poor = environment(PYTHONIOENCODING="ascii")
    done = charrnn("predict", "run", "день", "", *flags, cwd=place, env=poor)
    assert (done.returncode, done.stdout) == (1, b"")
    lines = (place / "answers.jsonl").read_bytes().split(b"\n")
    assert len(lines) == 3
    assert "день".encode() in lines[0]
    assert not [path for path in place.iterdir() if path.suffix == ".tmp"]


def test_out_that_cannot_be_written_is_refused(place: Path) -> None:
    done = charrnn("predict", "run", "a1", "--out", "nowhere/x", cwd=place)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--out nowhere/x: No such file or directory" in done.stderr
    done = charrnn("predict", "run", "a1", "--out", "run", cwd=place)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"is a directory" in done.stderr


def test_a_file_is_whole_or_unchanged(tmp_path: Path) -> None:
    path, link = tmp_path / "x", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to(path)
    with suppress(KeyboardInterrupt), written_to(str(link)) as writer:
        writer.write(b"half")
        assert path.read_bytes() == b"old"
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    with written_to(str(link)) as writer:
        writer.write(b"new")
    assert path.read_bytes() == b"new"
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [link, path]


def test_a_reader_that_has_gone_ends_predict_silently(place: Path) -> None:
    (place / "long.txt").write_bytes(b"a1\n" * 40000)
    shell = " ".join(map(str, command("predict", "run", "--file", "long.txt")))
    done = subprocess.run(
        ["bash", "-c", f"{shell} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=place,
        env=environment(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.stdout in (b"yes\n", b"no\n")
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_interrupted_file_keeps_new_results_or_stays_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")

    def fails(data: bytes, *, whole: bool) -> None:
        with suppress(RuntimeError), written_to(str(path), whole=whole) as writer:
            writer.write(data)
            raise RuntimeError

    fails(b"", whole=False)
    fails(b"new", whole=True)
    assert path.read_bytes() == b"old"
    fails(b"new", whole=False)
    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("ending", ["| head -1; exit ${PIPESTATUS[0]}", ">&-"])
@pytest.mark.parametrize("what", ["text", "series"])
def test_results_that_cannot_be_written_are_reported(
    place: Path, what: str, ending: str, unbuffered: str
) -> None:
    """Also one long result; and in unbuffered mode, where a part is written at a time."""
    rows = "".join(f"{k % 7 / 7:.9f}\n" for k in range(80))
    (place / "s.csv").write_text("x\n" + rows, encoding="utf-8")
    if not (place / "series").exists():
        library.train("s.csv", task="forecast", out="series", **SMALL).finish()
    (place / "long.txt").write_bytes(b"a1\n" * 40000)
    given = {"text": ("run", "--file", "long.txt"), "series": ("series", "s.csv", "--steps=9000")}
    shell = " ".join(map(str, command("predict", *given[what])))
    done = subprocess.run(
        ["bash", "-c", f"{shell} {ending}"],
        cwd=place,
        env=environment(PYTHONUNBUFFERED=unbuffered),
        capture_output=True,
        check=False,
        timeout=120,
    )
    if ending == ">&-":
        assert (done.returncode, done.stderr) == (1, b"error: standard output is closed\n")
    else:
        assert (done.returncode, done.stderr) == (141, b"")


def test_a_file_of_tagged_sentences_is_refused_as_texts(tmp_path: Path) -> None:
    rows = "".join(f"w{k % 7}\t{'AB'[k % 2]}\n" + "\n" * (k % 3 == 2) for k in range(90))
    (tmp_path / "t.conll").write_text(rows)
    library.train(str(tmp_path / "t.conll"), task="tag", out=str(tmp_path / "t"), **SMALL).finish()
    done = charrnn("predict", "t", "t.conll", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"t.conll holds tagged sentences, a token a line" in done.stderr
    assert charrnn("predict", "t", "w1 w2", cwd=tmp_path).returncode == 0
