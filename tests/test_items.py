"""Lines that are independent items: do they recur, are they sorted?"""

import numpy as np
import pytest

from charrnn.verdict.findings import Finding
from charrnn.verdict.items import judge_items


def judged(lines: list[str], held_out: float = 0.1) -> Finding:
    text = "\n".join(lines) + "\n"
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    return judge_items(codes, round(len(codes) * (1 - held_out)), "char")


def words(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("abcdefghij"), 7)) for _ in range(count)]


def test_lines_of_a_few_kinds_make_a_validation_too_good() -> None:
    rng = np.random.default_rng(1)
    found = judged(rng.choice(words(24), 2000).tolist())
    assert found.severity == "note"
    assert "1,976 of 2,000 lines repeat an earlier one" in found.text
    assert "of the 200 validation lines, all are in the training part" in found.text
    assert "would look too good" in found.advice[0]
    assert found.measured["distinct"] == 24


def test_distinct_lines_are_fine() -> None:
    found = judged(words(2000))
    assert (found.severity, found.advice) == ("fine", ())
    assert "; of the 200 validation lines, 0 are" in found.text


@pytest.mark.parametrize("spoilt", [0, 40])
def test_sorted_lines_are_to_be_shuffled(spoilt: int) -> None:
    lines = sorted(words(2000))
    rng = np.random.default_rng(2)
    for at in rng.integers(0, 1999, spoilt):
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    found = judged(lines)
    assert found.severity == "note"
    assert "the lines are sorted" in found.text
    assert "shuf" in found.advice[0]


def test_a_refrain_is_not_a_list() -> None:
    """A fifth of the lines of plays and songs recur."""
    rng = np.random.default_rng(3)
    lines = [
        str(rng.choice(["ROMEO:", "JULIET:"])) if k % 5 == 0 else w
        for k, w in enumerate(words(2000))
    ]
    assert judged(lines).severity == "fine"


def test_few_lines_and_equal_neighbours_have_no_finding() -> None:
    assert judged(sorted(words(60))).text == "few lines"
    assert "sorted" not in judged(["same"] * 500).text
    assert judged(words(2000), held_out=0.0).severity == "fine"
