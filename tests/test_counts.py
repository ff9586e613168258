"""Reports use the singular for one: in every task, with the smallest data."""

import re
from pathlib import Path

import pytest
from support import charrnn

from charrnn.tasks.base import Paths
from charrnn.tasks.rows import Rows
from charrnn.text.counts import counted, counted_of, typed

ONE = re.compile(r"(?<![\w.,=])1 (\w+ )?(?!is|was|has|ms|classes|series)[a-z]+(?<!s)s\b")
"""``1 rows``, ``1 distinct characters``; not ``1 row trains``."""
VERBS = r"1 \w+ (trains|counts)|1 (validate|test)s"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 rows, 0 rows train, 0 are, 0 rows have"),
        (1, "1 row, 1 row trains, 1 is, 1 row has"),
        (2000, "2,000 rows, 2,000 rows train, 2,000 are, 2,000 rows have"),
    ],
)
def test_a_count_has_the_right_number(number: int, words: str) -> None:
    found = (
        counted(number, "row"),
        counted(number, "row", "train"),
        counted(number, "", "are"),
        counted(number, "row", "have"),
    )
    assert ", ".join(found) == words


def test_a_part_of_a_count_has_the_verb_of_the_part() -> None:
    found = [counted_of(number, 2000, "row", "have") for number in (1, 2)]
    assert found == ["1 of 2,000 rows has", "2 of 2,000 rows have"]


def test_a_setting_is_shown_as_people_type_it() -> None:
    assert [*map(typed, (1.0, 0.5, 1e6, 3, "2.0"))] == ["1", "0.5", "1000000", "3", "2.0"]


def test_rows_in_parts() -> None:
    rows = Rows(Paths(("a",)), ("x",), ("y",), ("z",), "", (), 0, 1)
    assert rows.described("pairs") == "1 pair trains, 1 validates, 1 tests"
    assert rows.method(rows.val, "texts", ", all") == "1 text, all, none of them trained on"
    assert rows.method(rows.test, "pairs") == "1 pair, 1 of them trained on"


DATA = {
    "classify": ("a\tx\nb\ty\n", "a\tx\n"),
    "tag": ("a\tx\nb\ty\n\nb\ty\n", "a\tx\n"),
    "translate": ("a\tb\n", "a\tb\n"),
    "generate": ("x\ta\n", "x\ta\n"),
    "forecast": ("1\n2\n3\n5\n", "1\n2\n"),
}


@pytest.mark.parametrize("task", DATA)
def test_reports_of_the_smallest_data(tmp_path: Path, task: str) -> None:
    for name, text in zip(("train", "val"), DATA[task], strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    size = "2" if task == "translate" else "1"
    flags = ("--hidden", size, "--epochs", "1", "--threads", "1", "--task", task, "--out", "run")
    done = charrnn("train", "train", "--val", "val", *flags, "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stderr + charrnn("inspect", "run", cwd=tmp_path).stdout
    measured = charrnn("eval", "run", "val", cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    if task in ("classify", "tag", "translate"):
        said += charrnn("predict", "run", "", cwd=tmp_path).stderr
    text = (said + measured.stdout + measured.stderr).decode()
    found = [one[0] for one in ONE.finditer(text) if not re.match(VERBS, one[0])]
    if task == "translate":  # whose own counts are of two texts
        found = [one for one in found if "distinct" not in one and "sources" not in one]
    assert found == []
