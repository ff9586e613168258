"""``charrnn predict`` from a column of a table: CSV, TSV, JSON lines, fastText."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support import charrnn

import charrnn as library
from charrnn.errors import InputError
from charrnn.text.inputs import read_inputs
from charrnn.text.pairs import read_pairs

TEXTS = ["a1, b", 'say "a2"\nand b', "a\tb", "\u00e9;x", "ab"]
NAMES = ("text", "label")


def as_csv(rows: Sequence[tuple[str, ...]], separator: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


ROWS = [(text, "no" if k % 2 else "yes") for k, text in enumerate(TEXTS)]
JSON = "".join(json.dumps({"stars": b, "review": a}) + "\n" for a, b in ROWS).encode()
FLAT = [(text.replace("\n", " ").replace("\t", " "), label) for text, label in ROWS]
TABLES = {
    "imdb.csv": as_csv([("stars", "review"), *((b, a) for a, b in ROWS)]),
    "no-header.csv": as_csv([*ROWS]),
    "only.csv": as_csv([("review",), *((a,) for a in TEXTS)]),
    "semicolons.csv": as_csv([("stars", "review"), *((b, a) for a, b in ROWS)], ";"),
    "rows.jsonl": JSON,
    "mark.jsonl": b"\xef\xbb\xbf" + JSON,
    "wide.csv": as_csv([("id", "text", "label", "source"), *(("7", a, b, "x") for a, b in ROWS)]),
}


def texts_of(path: Path, data: bytes, columns: str = "", trained: str = "") -> list[str] | None:
    path.write_bytes(data)
    found = read_inputs(str(path), data, NAMES, columns=columns, trained=trained)
    return None if found is None else [one.text for one in found.records if not one.fault]


@pytest.mark.parametrize("name", TABLES)
def test_inputs_are_read_as_training_texts_are(tmp_path: Path, name: str) -> None:
    assert texts_of(tmp_path / name, TABLES[name]) == TEXTS
    if name != "only.csv":
        trained_on = read_pairs(str(tmp_path / name)).records
        assert [row.left for row in trained_on] == TEXTS


def test_tsv_and_fasttext(tmp_path: Path) -> None:
    flat = [text for text, _ in FLAT]
    tsv = "".join(f"{b}\t{a}\n" for a, b in [("review", "stars"), *FLAT]).encode()
    assert texts_of(tmp_path / "x", tsv) == flat
    labels = "".join(f"__label__{b} {a}\n" for a, b in FLAT).encode()
    assert texts_of(tmp_path / "x", labels, trained="1,2") == flat


def test_labels_of_fasttext_may_stand_at_the_end(tmp_path: Path) -> None:
    labels = "".join(f"{a} __label__{b}\n" for a, b in FLAT).encode()
    assert texts_of(tmp_path / "x", labels) == [text for text, _ in FLAT]


def test_columns_are_found_again_by_the_names_they_had(tmp_path: Path) -> None:
    """Also unusual names in any place; without names, columns are taken in order."""
    rows = "".join(f"good film {k},p\nbad film {k},n\n" for k in range(20))
    (tmp_path / "a.csv").write_text("utt,class\n" + rows)
    flags = ("--task", "classify", "--hidden", "4", "--epochs", "1", "--threads", "1")
    assert charrnn("train", "a.csv", *flags, "--out", "run", cwd=tmp_path).returncode == 0
    assert library.load(tmp_path / "run").config.named == "utt,class"
    (tmp_path / "b.csv").write_text("id,utt\n0,good film\n1,bad film\n")
    shown = charrnn("predict", "run", "b.csv", "--format", "tsv", cwd=tmp_path)
    texts = [line.split("\t")[0] for line in shown.stdout.decode().splitlines()]
    assert texts == ["good film", "bad film"]
    turned = "".join(",".join(line.split(",")[::-1]) + "\n" for line in rows.splitlines())
    (tmp_path / "c.csv").write_text("class,utt\n" + turned)
    (tmp_path / "d.csv").write_text(rows)
    figures = [
        json.loads(charrnn("eval", "run", name, "--json", cwd=tmp_path).stdout)["measures"]
        for name in ("a.csv", "c.csv", "d.csv")
    ]
    assert figures[0] == figures[1] == figures[2]


@pytest.mark.parametrize(
    "data",
    [
        b"Hello, message\nGood, work\n",  # prose, though a column may be called so
        b"a,b\nc,d\n",  # no name that is known
        b"text\na\nb\n",  # one column
        b"message,b\nno comma\n",  # no table
        b"a\tyes\nb\tno\n",  # rows to train on, and no header
        b"{a} is a set\n{b}\n",
        b"[1, 2]\n",
        b"",
    ],
)
def test_a_file_of_one_text_a_line_is_not_a_table(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "plain.txt"
    path.write_bytes(data)
    assert read_inputs(str(path), data, NAMES) is None


def test_the_column_is_chosen_in_order(tmp_path: Path) -> None:
    """By --columns, by its name in training, by a known name, or by the order of training rows."""
    path, data = tmp_path / "x", as_csv([("foo", "text", "bar"), ("a", "b", "c")])
    assert texts_of(path, data) == ["b"]
    assert texts_of(path, data, trained="Bar,foo") == ["c"]
    assert texts_of(path, data, trained="1,3") == ["b"]
    assert texts_of(tmp_path / "x.csv", data, trained="1,3") == ["foo", "a"]  # as in training
    assert texts_of(path, data, trained="other,9") == ["b"]
    assert texts_of(path, data, trained="9,1") == ["b"]
    assert texts_of(path, data, columns="foo", trained="bar,foo") == ["a"]
    assert texts_of(path, data, columns="3") == ["bar", "c"]
    odd = as_csv([("foo", 'a, "b"'), ("x", "y")])
    assert texts_of(path, odd, trained='"a, ""b""",foo') == ["y"]
    with pytest.raises(InputError, match="which of its 3 columns are the text"):
        texts_of(tmp_path / "x.csv", as_csv([("a", "b", "c")]))
    with pytest.raises(InputError, match="which of its 2 columns are the text"):
        texts_of(path, b'{"a": "x", "b": "y"}\n')
    with pytest.raises(InputError, match="2 columns, not 1"):
        texts_of(path, data, columns="1,2")
    with pytest.raises(InputError, match="no column 'nope'"):
        texts_of(path, data, columns="nope")


def test_for_a_translation_the_source_column_is_read(tmp_path: Path) -> None:
    path, names = tmp_path / "x.csv", ("source", "target")
    for header in (("target", "source"), ("answer", "question")):
        path.write_bytes(as_csv([header, ("b", "a")]))
        found = read_inputs(str(path), b"", names)
        assert found is not None
        assert [one.text for one in found.records] == ["a"]
    path.write_bytes(as_csv([("en", "fr"), ("a", "b")]))
    found = read_inputs(str(path), b"", names)
    assert found is not None
    assert [one.text for one in found.records] == ["a"]
    assert found.notes == (f"{path}: read as CSV; source: column 1 'en', header left out",)


def test_lists_of_tokens_are_sentences(tmp_path: Path) -> None:
    path = tmp_path / "x"
    data = b'{"tags": ["A", "B"], "tokens": ["a", "b"]}\n{"tokens": ["a b", "c"]}\n'
    path.write_bytes(data)
    found = read_inputs(str(path), data, ("tokens", "tags"))
    assert found is not None
    assert [(one.text, one.fault) for one in found.records] == [
        ("a b", ""),
        ("a b c", "has a token with a space in it"),
    ]


# The command


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A classifier of reviews, ``run``, and a forecast, ``series``."""
    folder = tmp_path_factory.mktemp("inputs")
    rows = [(f"{'ab' * (k % 5)}, a{k}", "yes" if k % 2 else "no") for k in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("rows.csv").write_bytes(as_csv([("review", "stars"), *rows]))
        Path("s.csv").write_text("x\n" + "".join(f"{k % 7}\n" for k in range(80)), encoding="utf-8")
        for name, task, data in (("run", "classify", "rows.csv"), ("series", "forecast", "s.csv")):
            library.train(data, task=task, out=name, hidden=4, epochs=1.0, threads=1).finish()
        yield folder


def test_answers_are_in_the_order_of_the_records(place: Path) -> None:
    rows = [("stars", "review"), ("1", "a1, b"), ("2", ""), ("3", "a\tb\nc"), ("4", "ab")]
    (place / "new.csv").write_bytes(as_csv(rows) + b"x,y,z\n")
    done = charrnn("predict", "run", "--file", "new.csv", "--format", "tsv", cwd=place)
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert [line[0] for line in lines] == ["a1, b", "", "a\\tb\\nc", "ab", ""]
    assert [bool(line[1]) for line in lines] == [True, False, True, True, False]
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "note: new.csv: read as CSV; text: column 2 'review', header left out",
        "note: new.csv, row 3, is empty: no answer",
        "note: new.csv, row 7, has 3 columns, not 2: no answer",
        "error: 2 of 5 texts have no answer",
    ]
    alone = charrnn("predict", "run", "ab", "--format", "tsv", cwd=place).stdout.decode()
    assert alone.split() == lines[3]


def test_bad_lines_of_json_are_answered_like_blank_lines(place: Path) -> None:
    (place / "new.jsonl").write_text('{"text": "ab"}\n\n{"text": 5}\n[1]\n{"id": 1}\nno\n', "utf-8")
    done = charrnn("predict", "run", "new.jsonl", cwd=place)
    assert [bool(line) for line in done.stdout.splitlines()] == [True] + [False] * 5
    notes = done.stderr.decode().splitlines()
    assert "new.jsonl is a file; reading texts from it" in notes[0]
    assert notes[1] == "note: new.jsonl: read as JSON lines; text: 'text'"
    faults = [
        "row 2, is empty",
        "row 3, is '5', not a text",
        "row 4, cannot be read",
        "row 5, is e",
    ]
    for note, fault in zip(notes[2:], faults, strict=False):
        assert fault in note


def test_standard_input_is_a_text_a_line_unless_a_column_is_named(place: Path) -> None:
    data = as_csv([("stars", "review"), ("1", "a1, b")])
    for arguments in ((), ("--file", "-"), ("-",)):
        lines = charrnn("predict", "run", *arguments, cwd=place, stdin=data).stdout.splitlines()
        assert len(lines) == 2
        flags = (*arguments, "--columns", "review", "--format", "tsv")
        done = charrnn("predict", "run", *flags, cwd=place, stdin=data)
        assert done.stdout.startswith(b"a1, b\t")
        assert len(done.stdout.splitlines()) == 1
        assert b"standard input: read as CSV; text: column 2 'review'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["run", "folder"], "'folder' is a folder"),
        (["run", "--file", "folder"], "'folder' is a directory"),
        (["run", "ab", "--columns", "1"], "--columns needs a file"),
        (["series", "s.csv", "--columns", "1"], "--columns is for texts"),
        (["run", "--file", "rows.csv", "--columns", "1,2"], "--columns 1,2: 2 columns, not 1"),
        (["run", "--file", "empty.csv"], "'empty.csv' is empty"),
    ],
)
def test_refusals_take_one_line(place: Path, arguments: list[str], error: str) -> None:
    (place / "folder").mkdir(exist_ok=True)
    (place / "empty.csv").write_bytes(b"")
    done = charrnn("predict", *arguments, cwd=place)
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (2, b"")
    assert error in lines[0]
    assert len(lines) <= 2
