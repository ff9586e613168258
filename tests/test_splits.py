"""Rows for training, validation and test: no input in two parts, every label with its share."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import environment

from charrnn.errors import InputError
from charrnn.text.splits import Parts, overlap, split


def parts_of(
    keys: list[str], strata: list[str] | None, val: float, test: float, seed: int = 0
) -> Parts:
    return split(keys, strata, val=val, test=test, rng=np.random.default_rng(seed))


def lists(parts: Parts) -> list[list[int]]:
    return [part.tolist() for part in (parts.train, parts.val, parts.test)]


def distinct(number: int) -> list[str]:
    return [f"text {n}" for n in range(number)]


@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=60),
    val=st.sampled_from([0.0, 0.1, 0.25, 0.45]),
    test=st.sampled_from([0.0, 0.1, 0.25, 0.45]),
    labelled=st.booleans(),
    seed=st.integers(0, 3),
)
def test_no_input_is_in_two_parts(
    rows: list[tuple[int, int]], val: float, test: float, labelled: bool, seed: int
) -> None:
    """Also if an input has several labels; every row is used, and no part is empty."""
    keys = [str(key) for key, _ in rows]
    strata = [str(stratum) for _, stratum in rows] if labelled else None
    try:
        parts = lists(parts_of(keys, strata, val, test, seed))
    except InputError:
        return  # too few rows for these parts
    assert sorted(row for part in parts for row in part) == list(range(len(rows)))
    assert all(part == sorted(part) for part in parts)
    train, validate, check = ({keys[row] for row in part} for part in parts)
    assert len(train | validate | check) == len(train) + len(validate) + len(check)
    assert [bool(part) for part in parts] == [True, val > 0, test > 0]
    for stratum in set(strata or ()):
        inputs = {key for key, of in zip(keys, strata or (), strict=True) if of == stratum}
        assert len(inputs) < 3 or inputs & train


@pytest.mark.parametrize("each", [3, 4, 7])
@pytest.mark.parametrize(("val", "test"), [(0.1, 0.0), (0.1, 0.1), (0.2, 0.05)])
def test_rounding_within_strata_does_not_add_up(each: int, val: float, test: float) -> None:
    """A tenth of three rows rounds to zero, three hundred times."""
    keys = distinct(300 * each)
    strata = [str(n // each) for n in range(len(keys))]
    parts = parts_of(keys, strata, val, test)
    assert len(parts.val) == pytest.approx(val * len(keys), abs=1.5)
    assert len(parts.test) == pytest.approx(test * len(keys), abs=1.5)
    most = max(Counter(strata[row] for row in [*parts.val, *parts.test]).values())
    assert most <= np.ceil((val + test) * each) + 1
    assert {strata[row] for row in parts.train} == set(strata)


def test_every_stratum_has_its_share() -> None:
    """Its share of rows, although inputs repeat, some of them often."""
    rng = np.random.default_rng(5)
    sizes = {"rare": 40, "common": 300, "frequent": 3000}
    keys, strata = [], []
    for stratum, size in sizes.items():
        for _ in range(size):
            keys.append(f"{stratum} {int(size * rng.random() ** 2)}")
            strata.append(stratum)
    parts = parts_of(keys, strata, 0.1, 0.2)
    for part, fraction in ((parts.val, 0.1), (parts.test, 0.2)):
        counts = Counter(strata[row] for row in part)
        assert sum(counts.values()) == pytest.approx(fraction * len(keys), abs=2)
        for stratum, size in sizes.items():
            assert counts[stratum] == pytest.approx(fraction * size, abs=5), stratum


@pytest.mark.parametrize("seed", range(5))
def test_an_input_with_several_labels_counts_as_the_rarest(seed: int) -> None:
    keys = distinct(1000) * 2
    strata = ["common"] * 1000 + ["rare"] * 50 + ["common"] * 950
    counts = Counter(strata[row] for row in parts_of(keys, strata, 0.2, 0.0, seed).val)
    assert counts == {"rare": 10, "common": 390}


@pytest.mark.parametrize("inputs", [2, 3])
def test_training_has_an_input_of_every_label(inputs: int) -> None:
    """However few rows are left for training."""
    keys = distinct(60 * inputs) + [f"more {n}" for n in range(100)]
    strata = [f"{n // inputs}" for n in range(60 * inputs)] + ["more"] * 100
    parts = parts_of(keys, strata, 0.45, 0.45)
    assert {strata[row] for row in parts.train} == set(strata)


def test_large_inputs_do_not_affect_small_strata() -> None:
    """The large ones come last and balance themselves."""
    keys = [f"text {n // 40}" for n in range(4120)] + [f"few {n}" for n in range(60)]
    strata = ["large"] * 4120 + [str(n // 10) for n in range(60)]
    parts = parts_of(keys, strata, 0.2, 0.0)
    assert set(Counter(strata[row] for row in parts.val if row >= 4120).values()) == {2}
    assert len(parts.val) == pytest.approx(0.2 * 4180, abs=40)


def test_an_input_repeated_over_and_over_stays_in_training() -> None:
    """And it does not push rare labels out of training."""
    keys = ["yes"] * 500 + distinct(500)
    strata = ["a"] * 500 + ["b"] * 20 + ["a"] * 480
    parts = parts_of(keys, strata, 0.1, 0.1)
    assert set(range(500)) <= set(parts.train.tolist())
    assert len(parts.val) == pytest.approx(100, abs=1)
    assert sum(strata[row] == "b" for row in parts.train) >= 15


def test_the_one_input_of_a_label_is_trained_on() -> None:
    """A label only in validation could not be learnt; other rows make up for the share."""
    keys = distinct(100)
    strata = [str(n) for n in range(30)] + ["many"] * 70
    parts = parts_of(keys, strata, 0.1, 0.1)
    assert set(range(30)) <= set(parts.train.tolist())
    assert (len(parts.val), len(parts.test)) == (10, 10)
    # Where nothing else is left to validate with, they are split as well.
    for strata in (keys, keys[:90] + ["many"] * 10):
        parts = parts_of(keys, strata, 0.1, 0.1)
        assert (len(parts.val), len(parts.test)) == (10, 10)


def test_the_state_of_the_generator_decides() -> None:
    keys = [f"{n % 150}" for n in range(200)]
    strata = [f"{n % 7}" for n in range(200)]
    first, same, other = (lists(parts_of(keys, strata, 0.2, 0.2, seed)) for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_the_hashes_of_strings_do_not_decide() -> None:
    program = (
        "import numpy as np\n"
        "from charrnn.text.splits import split\n"
        "keys = [str(n % 70) for n in range(100)]\n"
        "parts = split(keys, [key[0] for key in keys], val=0.2, test=0.1,"
        " rng=np.random.default_rng(0))\n"
        "print(parts.train.tolist(), parts.val.tolist(), parts.test.tolist())\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**environment(), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert printed.pop().count(b"[") == 3


def test_any_row_may_be_drawn() -> None:
    """In a hundred draws of a tenth, each row is drawn sometimes, and none always."""
    keys, strata = distinct(60), ["a", "b", "c"] * 20
    drawn = Counter(
        row for seed in range(100) for row in parts_of(keys, strata, 0.1, 0.0, seed).val.tolist()
    )
    assert len(drawn) == 60
    assert max(drawn.values()) < 30


def test_parts_that_nobody_asked_for_are_empty() -> None:
    parts = parts_of(distinct(10), None, 0.0, 0.0)
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [10, 0, 0]
    parts = parts_of(distinct(10), None, 0.0, 0.3)
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [7, 0, 3]


@pytest.mark.parametrize(
    ("keys", "val", "test", "message"),
    [
        ([], 0.0, 0.0, "too few different texts to train with: 0 in 0 rows"),
        (distinct(4), 0.1, 0.0, "too few different texts to validate with: 4 in 4 rows"),
        (
            distinct(5),
            0.1,
            0.0,
            "too few different texts to validate with: 5 in 5 rows",
        ),
        (distinct(4), 0.4, 0.1, "too few different texts to test with: 4 in 4 rows"),
        (["same"] * 50, 0.2, 0.0, "too few different texts to validate with: 1 in 50 rows"),
        (["same"] * 50, 0.6, 0.2, "too few different texts to"),
        (distinct(50), 0.5, 0.5, "0.5 of the rows to validate and 0.5 to test leave none"),
        (distinct(50), -0.1, 0.5, "leave none"),
        (distinct(50), float("nan"), 0.5, "leave none"),
        (distinct(50), 0.1, float("inf"), "leave none"),
    ],
)
def test_a_part_that_comes_out_empty_is_an_error(
    keys: list[str], val: float, test: float, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parts_of(keys, None, val, test)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_labels_must_be_as_many_as_inputs() -> None:
    with pytest.raises(ValueError, match="3 keys and 2 strata"):
        parts_of(distinct(3), ["a", "b"], 0.1, 0.1)


def test_overlap_finds_common_keys() -> None:
    assert overlap(["a", "b", "a"], ["c", "a", "d", "b", "a"]) == [1, 3, 4]
    assert overlap([], ["a"]) == overlap(["a"], []) == []
