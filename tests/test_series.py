"""Real-life series: dates, indices, gaps, decimal commas, any scale, any line end."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TINY, charrnn, environment

import charrnn as package
from charrnn.errors import DivergedError, InputError
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import Model, load_model
from charrnn.tasks.base import Paths, TaskScore
from charrnn.tasks.config import Config
from charrnn.tasks.figures import WIDTH, figure, plain, side_by_side
from charrnn.tasks.forecast import ForecastData, one_step, predict, read_for, score_series
from charrnn.text.numerals import kind_of
from charrnn.text.series import Series, read_series
from charrnn.training.run import Run

DATES = [
    *("1949-01", "2020-01-31", "2020/1/31", "01.02.2024", "3/4/99", "31-12-2020", "01/2020"),
    *("Jan 2020", "jan-20", "1 Jan 2020", "January 5, 2020", "05-MAR-2020", "2020 Jan"),
    *("2020-01-01T00:00:00Z", "2020-01-01 12:30", "2020-01-01T00:00:00.000+02:00"),
    *("12:30", "12:30:05.25", "3:05 PM", "Mon, 3 Jan 2020"),
    *("2020Q1", "Q3 2020", "1980M01", "2020-W05"),
]


def written(folder: Path, text: str, name: str = "s.csv") -> str:
    path = folder / name
    path.write_bytes(text.encode())
    return str(path)


def read(folder: Path, text: str, **how: Any) -> Series:
    return read_series(written(folder, text), **how).records


def notes(folder: Path, text: str, **how: Any) -> list[str]:
    source = read_series(written(folder, text), **how)
    return [note.removeprefix(f"{source.path}: ") for note in source.notes]


def refused(folder: Path, text: str, **how: Any) -> tuple[str, str]:
    """The error after the file's name, and the hint."""
    path = written(folder, text)
    with pytest.raises(InputError) as caught:
        read_series(path, **how)
    assert "\n" not in str(caught.value) + caught.value.hint
    return str(caught.value).removeprefix(repr(path)), caught.value.hint


# Which columns


@pytest.mark.parametrize("date", DATES)
def test_a_column_of_dates_is_left_out(tmp_path: Path, date: str) -> None:
    """With and without a header, in any notation of dates."""
    assert kind_of(date) == "dates"
    rows = f'"{date}",3\n"{date}",4\n'
    for text, names in ((f"When,x\n{rows}", ("x",)), (rows, ("2",))):
        series = read(tmp_path, text)
        assert series.columns == names
        assert series.values.tolist() == [[3], [4]]
    assert notes(tmp_path, f"When,x\n{rows}") == [
        "column 2 'x' is forecast; column 1 'When' (dates) is left out"
    ]


@pytest.mark.parametrize(
    "cell", ["1949", "-1.5e3", "0,5", "1.234,5", "1,234.50", "12%", "$5", "inf"]
)
def test_what_a_person_reads_as_a_number_is_not_a_word(cell: str) -> None:
    """A column of it is refused, with a hint, not left out among the words."""
    assert kind_of(cell) == "numbers"


@pytest.mark.parametrize("cell", ["red", "192.168.0.1", "May", "a1", "$", "A/5 21171"])
def test_words_are_words(cell: str) -> None:
    assert kind_of(cell) == "words"


def test_a_column_of_months_alone_is_dates(tmp_path: Path) -> None:
    """If it contains other numbers, they are numbers."""
    assert read(tmp_path, "01.2020,3\n02.2020,4\n").columns == ("2",)
    assert read(tmp_path, "10.2020,3\n02.2120,4\n").columns == ("1", "2")
    german = read(tmp_path, "Monat;x\n01.2020;0,5\n;1,5\n", decimal="comma")
    assert german.columns == ("x",)


def test_a_name_may_hold_another_separator(tmp_path: Path) -> None:
    assert read(tmp_path, "when,price (EUR; net)\n12:30,4\n").columns == ("price (EUR; net)",)
    comma = read(tmp_path, "price, net;b\n0,5;1\n", decimal="comma")
    assert comma.columns == ("price, net", "b")
    assert "1 column, not 2" in refused(tmp_path, "1;2\n3\n")[0]


def test_words_and_empty_columns_are_left_out(tmp_path: Path) -> None:
    text = "a,note,b,\n1,red,2,\n3,blue,5,\n"
    assert read(tmp_path, text).columns == ("a", "b")
    assert notes(tmp_path, text) == [
        "columns 1 'a' and 3 'b' are forecast; columns 2 'note' (words) and 4 (empty) are left out"
    ]
    assert notes(tmp_path, "red,2\nblue,5\n") == [
        "column 2 is forecast; column 1 (words) is left out"
    ]


def test_a_column_with_some_numbers_is_refused_not_left_out(tmp_path: Path) -> None:
    message, hint = refused(tmp_path, "a,b\n1,2\n3,four\n5,6\n7,x\n")
    assert message == ", row 3: column 2 ('b'): 'four' is not a number (and 1 more bad row)"
    assert hint.endswith("to leave this column out: --columns a")
    assert read(tmp_path, "a,b\n1,2\n3,four\n", columns="a").values.tolist() == [[1], [3]]


def test_a_table_without_numbers_says_what_it_has(tmp_path: Path) -> None:
    message, _ = refused(tmp_path, "Month,who\n2020-01,me\n2020-02,you\n")
    assert message == " has no column of numbers: 1 'Month' (dates) and 2 'who' (words)"


@pytest.mark.parametrize(
    ("first", "header"),
    [
        ("Date,2019,2020", True),  # a name above dates decides
        ("Date,Jan 2020,Feb 2020", True),
        (",a,b", True),
        ("2024-01-31,5,6", False),
        ("2024-01-31,,6", False),
    ],
)
def test_a_first_row_of_numbers_or_dates_may_be_a_header(
    tmp_path: Path, first: str, header: bool
) -> None:
    text = f"{first}\n2024-02-29,1,2\n2024-03-31,3,4\n"
    series = read(tmp_path, text, missing="skip")
    assert series.values.tolist()[-2:] == [[1, 2], [3, 4]]
    assert (series.columns != ("2", "3")) == header


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ("b", ["b"]),
        ("B", ["b"]),
        ("3,1", ["x,y", "b"]),
        ('"x,y",b', ["x,y", "b"]),
        (" B , 2 ", ["b", "C"]),
        ("c", ["c"]),  # as it stands before whatever its case
        ("C", ["C"]),
        (["x,y", "c"], ["x,y", "c"]),
    ],
)
def test_columns_are_chosen(tmp_path: Path, columns: Any, found: list[str]) -> None:
    text = 'b,C,"x,y",c\n1,2,3,4\n6,7,8,9\n'
    series = read(tmp_path, text, columns=columns)
    assert list(series.columns) == found
    places = [["b", "C", "x,y", "c"].index(name) for name in found]
    assert series.values[0].tolist() == [place + 1 for place in places]
    assert not [note for note in notes(tmp_path, text, columns=columns) if "left out" in note]


@pytest.mark.parametrize(
    ("columns", "message", "hint"),
    [
        ("pax", "has no column 'pax'; its columns are 1 'when', 2 'a' and 3 'A'", ""),
        ("4", "has no column '4'; its columns are 1 'when', 2 'a' and 3 'A'", ""),
        ("0", "has no column '0'", ""),
        (
            "when",
            "column 1 'when' has dates, not numbers",
            "choose the columns of numbers: --columns a,A",
        ),
        ("a,2", "the column '2' is named twice", ""),
        ("a,,A", "--columns a,,A: a name is empty", ""),
        ('"a', "unexpected end of data", ""),
    ],
)
def test_a_wrong_column_is_reported(tmp_path: Path, columns: str, message: str, hint: str) -> None:
    found = refused(tmp_path, "when,a,A\n2020-01,2,3\n2020-02,4,6\n", columns=columns)
    assert message in found[0]
    assert hint in found[1]


def test_a_name_comes_before_a_number(tmp_path: Path) -> None:
    assert read(tmp_path, "when,b,2\n2020-01,5,6\n", columns="2").values.tolist() == [[6]]


def test_a_name_in_another_case_must_be_one(tmp_path: Path) -> None:
    assert "has several columns 'NAME'" in refused(tmp_path, "Name,name\n1,2\n", columns="NAME")[0]


@pytest.mark.parametrize(
    ("first", "what"),
    [
        ([1949, 1950, 1951, 1952], "counts up by 1"),
        ([0, 60, 120, 180], "counts up by 60"),
        ([1, 2, 3, 4, 5, 8, 9, 10, 11], "counts up by 1"),  # with a gap
        ([20240130, 20240131, 20240201, 20240301], "has dates"),
        ([20240130, 20240132, 20240201, 20240301], ""),
        ([1, 2, 1, 2], ""),
        ([4, 3, 2, 1], ""),
    ],
)
def test_a_column_that_counts_is_reported(tmp_path: Path, first: list[int], what: str) -> None:
    """Whether it is kept or left out, the note has the option for the other choice."""
    text = "Year,x;y,z\n" + "".join(f"{k},{k % 3},{k * k % 7}\n" for k in first)
    text = text.replace(",", "\t")
    assert read(tmp_path, text).columns == ("Year", "x;y", "z")
    told = notes(tmp_path, text)
    if not what:
        assert told == []
        return
    option = "'x;y,z'"
    assert told == [f"column 1 'Year' {what}: forecast too; to leave it out: --columns {option}"]
    assert read(tmp_path, text, columns="x;y,z").columns == ("x;y", "z")
    assert read(tmp_path, text, index="leave").columns == ("x;y", "z")
    told = notes(tmp_path, text, index="leave")
    option = "'Year,x;y,z'"
    assert told == [f"column 1 'Year' {what}: not forecast; to forecast it too: --columns {option}"]


def test_years_and_quarters_are_left_out(tmp_path: Path) -> None:
    """A repeated year, and a cycle beside it; but not similar columns."""
    rows = [(1990 + k // 4, 1 + k % 4, k * k % 7) for k in range(2, 30)]
    text = "year,quarter,x\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    assert read(tmp_path, text, index="leave").columns == ("x",)
    assert notes(tmp_path, text, index="leave") == [
        "column 1 'year' has years and column 2 'quarter' goes round by 4: not forecast; to "
        "forecast them too: --columns year,quarter,x"
    ]
    text = "quarter,x\n" + "".join(f"{b},{c}\n" for _, b, c in rows)
    assert read(tmp_path, text, index="leave").columns == ("quarter", "x")
    assert read(tmp_path, "".join(f"{k}\n" for k in range(9)), index="leave").columns == ("1",)


def test_where_all_columns_count_one_stays(tmp_path: Path) -> None:
    assert notes(tmp_path, "1,2\n2,4\n3,6\n") == [
        "column 1 counts up by 1: forecast too; to leave it out: --columns 2"
    ]
    assert notes(tmp_path, "1\n2\n3\n") == []


# Notations, gaps, sizes


def test_decimal_commas(tmp_path: Path) -> None:
    text = "a;b\n1.234,5;-0,25\n,5;1.000.000\n3,e2;12\n"
    assert read(tmp_path, text, decimal="comma").values.tolist() == [
        [1234.5, -0.25],
        [0.5, 1e6],
        [300, 12],
    ]
    tabs = read(tmp_path, text.replace(";", "\t"), decimal="comma")
    assert tabs.values[0].tolist() == [1234.5, -0.25]
    assert read(tmp_path, "x\n0,5\n1,5\n", decimal="comma").values.tolist() == [[0.5], [1.5]]
    assert read(tmp_path, "0,5\n1,5\n", decimal="comma").values.tolist() == [[0.5], [1.5]]
    quoted = 'Date,x\n2020-01-01,"0,5"\n2020-01-02,"1,5"\n'
    assert read(tmp_path, quoted, decimal="comma").values.tolist() == [[0.5], [1.5]]


@pytest.mark.parametrize(
    ("text", "how", "message", "hint"),
    [
        ("a;b\n1;0,5\n2;1,5\n", {}, "row 2: column 2 ('b'): '0,5' is", "forecast,decimal=comma"),
        ("a\n0,5\n", {}, "row 2: 2 columns, not 1", "forecast,decimal=comma"),
        ("a;b\n1;1.234,5\n", {}, "row 2: column 2 ('b'): '1.234,5' is", "forecast,decimal=comma"),
        ("a;b\n1;1.5\n", {"decimal": "comma"}, "row 2: column 2 ('b'): '1.5' is", "1.234,5"),
        ("a;b\n1;01.234\n", {"decimal": "comma"}, "row 2: column 2 ('b'): '01.234' is", ""),
        ("a;b\n1;12%\n", {}, "row 2: column 2 ('b'): '12%' is not a number", "decimal point"),
        ("a\n1e101\n", {}, "row 2: column 1 ('a'): '1e101' is too large to be squared", "divide"),
    ],
)
def test_another_notation_is_refused_with_its_variant(
    tmp_path: Path, text: str, how: dict[str, str], message: str, hint: str
) -> None:
    found = refused(tmp_path, text, **how)
    assert message in found[0]
    assert hint in found[1]


@pytest.mark.parametrize(
    "gap", ["", "?", "NA", "N/A", "n/a", "nan", "NaN", "null", "NULL", "-", ".", "#N/A"]
)
def test_missing_values(tmp_path: Path, gap: str) -> None:
    text = f"a,b\n1,2\n{gap},4\n5,{gap}\n6,7\n"
    message, hint = refused(tmp_path, text)
    assert message.startswith(", row 3: column 1 ('a'): ")
    assert message.endswith("(and 1 more bad row)")
    assert "missing=previous" in hint
    assert "missing=skip" in hint
    filled = read(tmp_path, text, missing="previous").values.tolist()
    assert filled == [[1, 2], [1, 4], [5, 4], [6, 7]]
    assert notes(tmp_path, text, missing="previous") == [
        "2 missing values are those of the row before"
    ]
    assert read(tmp_path, text, missing="skip").values.tolist() == [[1, 2], [6, 7]]
    assert notes(tmp_path, text, missing="skip") == [
        "2 rows without a value are left out, the first: row 3"
    ]


def test_a_blank_line_is_a_row_without_values(tmp_path: Path) -> None:
    text = "a\n1\n\n3\n"
    message, hint = refused(tmp_path, text)
    assert message == ", row 3: blank"
    assert "missing=skip" in hint
    assert read(tmp_path, text, missing="previous").values.tolist() == [[1], [1], [3]]
    assert read(tmp_path, text, missing="skip").values.tolist() == [[1], [3]]


def test_gaps_at_the_beginning_have_nothing_before_them(tmp_path: Path) -> None:
    text = "a,b\n?,1\n?,2\n3,4\n"
    message, _ = refused(tmp_path, text, missing="previous")
    assert message.startswith(", row 2: column 1 ('a'): a missing value, and no row before")
    assert read(tmp_path, text, missing="skip").values.tolist() == [[3, 4]]


def test_gaps_in_columns_that_are_not_read_do_not_matter(tmp_path: Path) -> None:
    assert len(read(tmp_path, "a,b\n1,2\n,4\n5,6\n", columns="b").values) == 3


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_kind_are_alike(tmp_path: Path, end: str) -> None:
    lines = ["a,b", "1,2", '"3",4', "5,6", "", ""]
    assert read(tmp_path, end.join(lines)).values.tolist() == [[1, 2], [3, 4], [5, 6]]
    lines[2] = "x,4"
    assert ", row 3: column 1" in refused(tmp_path, end.join(lines))[0]


# Trained, and used


def wave(rows: int = 80, scale: float = 1.0) -> list[tuple[float, float]]:
    t = np.arange(rows)
    return [(a, b) for a, b in (scale * np.c_[np.sin(t / 3), np.cos(t / 5)]).tolist()]


def trained(folder: Path, text: str, task: str = "forecast", *options: str) -> Model:
    path = written(folder, text, "train.csv")
    flags = ("--task", task, "--epochs", "1", "--threads", "1", "--out", "run", "-q", *TINY)
    done = charrnn("train", path, *flags, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"Warning" not in done.stderr
    return load_model(folder / "run" / "best.npz")


def test_a_model_finds_its_columns_by_name(tmp_path: Path) -> None:
    rows = wave()
    text = "Month,a,b\n" + "".join(f"Jan {1900 + k},{a},{b}\n" for k, (a, b) in enumerate(rows))
    model = trained(tmp_path, text)
    assert model.spec.columns == ("a", "b")
    other = "note,B,x,A\n" + "".join(f"n,{b},9,{a}\n" for a, b in rows)
    wanted = predict(model, rows, steps=3)[0]
    for table in (text, other):
        found: Any = model.predict(written(tmp_path, table), steps=3)[0]
        assert found.notes == ()
        assert (found.values == wanted.values).all()
    with pytest.raises(InputError, match="has no column 'a'; its columns are 1 'x' and 2 'b'"):
        model.predict(written(tmp_path, "x,b\n1,2\n"))


def test_columns_without_names_are_found_by_number(tmp_path: Path) -> None:
    rows = wave()
    plain_rows = "".join(f"2020-01-01,{a},{b}\n" for a, b in rows)
    model = trained(tmp_path, plain_rows, "forecast", "--columns", "3,2")
    assert model.spec.columns == ("3", "2")
    wanted = predict(model, [(b, a) for a, b in rows])[0].values
    for table in (plain_rows, "when,a,b\n" + plain_rows):
        found: Any = model.predict(written(tmp_path, table))[0]
        assert (found.values == wanted).all()


def test_files_to_validate_and_test_with_have_the_columns_by_name(tmp_path: Path) -> None:
    rows = wave(40)
    train = written(tmp_path, "a,b\n" + "".join(f"{a},{b}\n" for a, b in rows), "t.csv")
    val = written(tmp_path, "b,when,A\n" + "".join(f"{b},12:30,{a}\n" for a, b in rows), "v.csv")
    data = ForecastData(Paths((train,), val, val), Config.of("forecast"))
    assert data.edges == [40, 80]
    assert (data.values[:40] == data.values[40:80]).all()
    assert (data.values[:40] == data.values[80:]).all()


def test_the_model_keeps_its_notation(tmp_path: Path) -> None:
    """It reads and writes the notation of its training file."""
    rows = [(1000 + a, b) for a, b in wave()]
    text = "a;b\n" + "".join(f"{a:.4f};{b:.4f}\n".replace(".", ",") for a, b in rows)
    gaps = text.replace("\n1000,", "\n;0,1\n1000,", 1)
    model = trained(tmp_path, gaps, "forecast,decimal=comma,missing=skip")
    assert (model.config.decimal, model.config.missing) == ("comma", "skip")
    done = charrnn("predict", "run", written(tmp_path, gaps), "--steps", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"1 row without a value is left out" in done.stderr
    assert done.stdout.startswith(b"a;b\n")
    again = read(tmp_path, done.stdout.decode(), decimal="comma")
    assert again.columns == ("a", "b")
    assert again.values.shape == (2, 2)
    assert abs(again.values[:, 0] - 1000).max() < 3
    done = charrnn("predict", "run", "s.csv", "--format", "jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode())["values"].keys() == {"a", "b"}


def test_a_run_from_a_model_names_its_columns(tmp_path: Path) -> None:
    rows = wave()
    trained(tmp_path, "a\n" + "".join(f"{a}\n" for a, _ in rows))
    more = written(tmp_path, "a,b\n" + "".join(f"{a},{b}\n" for a, b in rows))
    again = ("train", more, "--task", "forecast", "--init-from", "run", "--epochs", "1", "-q")
    done = charrnn(*again, "--threads", "1", "--out", "two", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-1].endswith("--columns a")
    done = charrnn(*again, "--threads", "1", "--out", "two", "--columns", "a", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # How cells are read is no matter of the weights, and is kept where no file is named.
    skip = written(tmp_path, "a\n" + "".join(f"{a}\n" for a, _ in rows) + "?\n1\n", "gap.csv")
    flags = ("--init-from", "two", "--epochs", "1", "-q", "--threads", "1", "--out", "three")
    task = ("--task", "forecast,missing=skip")
    assert charrnn("train", skip, *task, *flags, cwd=tmp_path).returncode == 0
    flags = ("--init-from", "three", "--epochs", "1", "-q", "--threads", "1", "--out", "four")
    done = charrnn("train", "--task", "forecast", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "four" / "best.npz").config.missing == "skip"


@pytest.mark.parametrize("scale", [1e-90, 1e-6, 1.0, 1e9, 1e95])
def test_a_training_does_not_depend_on_the_scale(tmp_path: Path, scale: float) -> None:
    """Nothing overflows, and the figures have enough digits."""
    model = trained(tmp_path, "".join(f"{a!r},{b!r}\n" for a, b in wave(scale=scale)))
    log = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    found = next(line for line in log if line["event"] == "validation")["mean squared scaled error"]
    assert 0 < found < 10
    ahead: Any = model.predict(wave(scale=scale), steps=2)[0]
    assert np.abs(ahead.values).max() < 5 * scale
    shown = [float(cell) for line in ahead.lines("text") for cell in line.split("\n")[1].split(",")]
    assert shown == pytest.approx(ahead.values[0].tolist(), rel=1e-6)


def test_values_too_large_or_too_small_are_refused_when_read(tmp_path: Path) -> None:
    large = written(tmp_path, "a\n" + "".join(f"{100 + k % 9}e300\n" for k in range(60)))
    done = charrnn("train", large, "--task", "forecast", "--out", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert b"column 1 ('a'): '100e300' is too large" in done.stderr
    assert b"Warning" not in done.stderr
    assert not (tmp_path / "run").exists()
    small = written(tmp_path, "".join(f"{k % 9}e-170\n" for k in range(60)))
    with pytest.raises(InputError, match="column 1 are below 1e-100: too small"):
        ForecastData(Paths((small,)), Config.of("forecast"))
    zeros = written(tmp_path, "".join(f"{k % 9},0\n" for k in range(60)))
    assert ForecastData(Paths((zeros,)), Config.of("forecast")).spec().deviation[1] == 1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e60, -1e300, float("nan"), float("inf")])
def test_a_series_of_another_scale_than_the_model_is_refused(tmp_path: Path, value: float) -> None:
    model = trained(tmp_path, "".join(f"{a},{b}\n" for a, b in wave()))
    for use in (lambda x: predict(model, x), lambda x: score_series(model, x)):
        with pytest.raises(InputError, match="value 2 of column 2"):
            use(np.array([[1, 1], [1, value], [1, 1]]))


def test_a_training_without_a_save_names_no_saved_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "".join(f"{a},{b}\n" for a, b in wave()))
    config = Config.of("forecast", hidden=4, epochs=1.0)
    data = ForecastData(Paths((path,)), config)
    run = Run.begin(config, data, RunFolder(tmp_path / "run", resume=False), threads=1)

    def diverged(*_: object) -> None:
        raise DivergedError("it diverged")

    monkeypatch.setattr(run.trainer, "steps", lambda: iter(diverged, None))
    with pytest.raises(DivergedError) as caught:
        list(run.events())
    assert caught.value.hint.startswith("try --lr")
    run.close()
    assert not list((tmp_path / "run").glob("*.npz"))


# Measured


def test_a_series_is_scored_one_step_ahead(tmp_path: Path) -> None:
    rows = np.array(wave()) + 0.1 * np.random.default_rng(0).standard_normal((80, 2))
    model = trained(tmp_path, "a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows.tolist()))
    path = written(tmp_path, "b,a\n" + "".join(f"{b!r},{a!r}\n" for a, b in rows.tolist()))
    values = read_for(model, path).records.values
    assert (values == rows).all()
    for start in (1, 60):
        outcome = score_series(model, values, start)
        errors = one_step(model, values)[start - 1 :] - values[start:]
        unit = np.array(model.spec.unit)
        expected = float(((errors / unit) ** 2).mean())
        assert outcome.score.measures == {"mean squared scaled error": pytest.approx(expected)}
        scaled = float((np.diff(values[start - 1 :] / unit, axis=0) ** 2).mean())
        assert outcome.baselines["last value"] == pytest.approx(scaled)
        assert [*outcome.baselines] == [
            "last value",
            model.spec.season_name,
            model.spec.simple_name,
        ]
        own, last = (
            figure((errors[:, 1] ** 2).mean()),
            figure((np.diff(rows[start - 1 :, 1]) ** 2).mean()),
        )
        assert outcome.lines[0].split()[-5:] == ["network", "last", "value", "season", "baseline"]
        assert outcome.lines[2].split()[:3] == ["'b'", own, last]
        assert outcome.details["columns"]["b"]["mean squared error"] == pytest.approx(
            (errors[:, 1] ** 2).mean()
        )
        assert outcome.score.method.startswith(f"{80 - start} rows")
    for start in (0, 80):
        with pytest.raises(InputError, match="too few"):
            score_series(model, values, start)


def test_the_library_forecasts_columns_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, "t,a\n" + "".join(f"{k},{a}\n" for k, (a, _) in enumerate(wave())))
    settings: dict[str, Any] = {"hidden": 4, "epochs": 1.0, "threads": 1, "columns": "a"}
    model = package.train(path, task="forecast", out=tmp_path / "run", **settings).finish()
    ahead: Any = model.predict(np.array([a for a, _ in wave()]), steps=3)[0]
    assert ahead.values.shape == (3, 1)
    assert ahead.columns == ("a",)


# Figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (0.93333, "0.9333"),
        (375.48321, "375.4832"),
        (1.23456e-6, "1.235e-06"),
        (0.0123456, "0.01235"),
        (1.23456e18, "1.235e+18"),
    ],
)
def test_measures_have_digits_at_any_scale(value: float, text: str) -> None:
    assert figure(value) == text
    assert TaskScore(value, "units", 0.0, {"x": value}, "").text == f"{text} units, x {text}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e6, "1000000"),
        (1234567.0, "1234567"),
        (12345678901.0, "12345678901"),
        (0.1 + 0.2, "0.3"),
        (-1234.56789, "-1234.56789"),
        (1.5e-7, "0.00000015"),
        (-0.0, "0"),
        (1.5e-20, "1.5e-20"),
        (1e300, "1e+300"),
    ],
)
def test_predictions_are_written_plainly(value: float, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e9, 1e20])
@pytest.mark.parametrize("columns", [1, 4, 30])
def test_a_preview_fits_a_line_with_whole_figures(scale: float, columns: int) -> None:
    left = scale * np.random.default_rng(0).standard_normal((5, columns))
    right = left + 0.1 * scale
    lines = side_by_side(left, right, [scale] * columns)
    assert all(len(line) <= WIDTH for line in lines)
    figures = [[float(word) for word in line.split()] for line in lines if line[0] != "("]
    shown = len(figures[0]) // 2
    assert shown == columns or f"({columns - shown} more column" in lines[-1]
    wanted = np.concatenate([left[:, :shown], right[:, :shown]], axis=1)
    assert np.allclose(figures, wanted, rtol=0, atol=0.01 * scale)


@pytest.mark.parametrize("task", ["forecast", "translate", "generate"])
def test_the_end_of_a_training_fits_80_columns(tmp_path: Path, task: str) -> None:
    letters = np.random.default_rng(0).choice(list("abcde"), (60, 6))
    texts = ["".join(row) for row in letters]
    table = {
        "forecast": "".join(f"{a * 1e-6:.12f},{b * 1e9:.2f}\n" for a, b in wave()),
        "translate": "".join(f"{text}\t{text[::-1]}\n" for text in texts),
        "generate": "".join(f"{'xy'[k % 2]}\t{text}\n" for k, text in enumerate(texts)),
    }
    path = Path(written(tmp_path, table[task])).name  # a path of any length would not fit
    flags = ("--task", task, "--hidden", "4", "--epochs", "1", "--threads", "1", "--out", "run")
    done = charrnn("train", path, *flags, cwd=tmp_path, env=environment(COLUMNS="80"))
    assert done.returncode == 0, done.stderr
    lines = done.stderr.decode().splitlines()
    assert all(len(line) < 80 for line in lines if not line.startswith("corpus")), lines
    # Unfolded it is the report without COLUMNS.
    again = charrnn("train", path, *flags[:-1], "run2", cwd=tmp_path)
    whole = again.stderr.decode().replace("run2", "run")
    assert " ".join(whole.split()) == " ".join(done.stderr.decode().split())


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        ("Country,1960,1961\nC1,3.5,1\nC2,4,2\n", ("1960", "1961")),
        (",0,1\n0,3.5,1\n1,4,2\n", ("column 1", "0", "1")),
        ("sep=;\na;b\n1;2\n3;4\n", ("a", "b")),
    ],
)
def test_years_and_numbers_of_columns_are_a_header(
    tmp_path: Path, data: str, columns: tuple[str, ...]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(data)
    series = read_series(str(path)).records
    assert len(series.values) == 2
    assert series.columns == columns
