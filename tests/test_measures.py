"""Measures against results computed by hand, and against plain versions."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.tasks.measures import (
    accuracy,
    character_error_rate,
    confusion,
    edit_distance,
    error_parts,
    exact_match,
    is_bio,
    label_parts,
    macro_f1,
    micro_f1,
    share,
    span_f1,
    span_parts,
    spans,
)

GOLD = ["a", "a", "a", "b", "b", "c"]
FOUND = ["a", "a", "b", "b", "c", "a"]

words = st.text("abé", max_size=9)


def plain_distance(a: Sequence[object], b: Sequence[object]) -> int:
    """Wagner & Fischer's table, one row at a time."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        above, row = row, [i]
        for j, y in enumerate(b, start=1):
            row.append(min(row[-1] + 1, above[j] + 1, above[j - 1] + (x != y)))
    return row[-1]


def test_accuracy_is_the_part_that_is_right() -> None:
    assert accuracy(GOLD, FOUND) == 3 / 6
    assert accuracy(np.array([1, 2, 3]), [1, 2, 4]) == 2 / 3
    assert accuracy(["a"], ["a"]) == 1
    assert type(accuracy(np.array([1.0]), np.array([1.0]))) is float


def test_confusion_has_a_row_for_each_gold_label() -> None:
    np.testing.assert_array_equal(
        confusion(GOLD, FOUND, ["a", "b", "c", "d"]),
        [[2, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]],
    )
    np.testing.assert_array_equal(
        confusion(np.array([1, 0]), np.array([1, 1]), [1, 0]), [[1, 0], [1, 0]]
    )


def test_macro_f1_by_hand() -> None:
    """a: TP 2, FP 1, FN 1; b: TP 1, FP 1, FN 1; c: TP 0, FP 1, FN 1."""
    assert macro_f1(GOLD, FOUND, ["a", "b", "c"]) == pytest.approx((4 / 6 + 2 / 4 + 0) / 3)


def test_macro_f1_leaves_out_labels_that_never_occur() -> None:
    both = macro_f1(GOLD, FOUND, ["c", "z", "b", "a", "y"])
    assert both == pytest.approx(macro_f1(GOLD, FOUND, ["a", "b", "c"]))
    assert macro_f1(["a", "a"], ["a", "a"], ["a", "b"]) == 1
    # Predicted, but never right: it counts, as 0. And a: TP 1, FN 1.
    assert macro_f1(["a", "a"], ["a", "b"], ["a", "b"]) == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize("measure", [confusion, macro_f1])
def test_labels_that_are_not_listed_are_refused(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="'c' is not among"):
        measure(GOLD, FOUND, ["a", "b"])
    with pytest.raises(ValueError, match="'z' is not among"):
        measure(["a"], ["z"], ["a"])
    with pytest.raises(ValueError, match="twice"):
        measure(["a"], ["a"], ["a", "a"])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="2 gold labels, but 1"):
        accuracy(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="nothing to compare"):
        accuracy([], [])
    with pytest.raises(ValueError, match="nothing to compare"):
        macro_f1([], [], ["a"])


@pytest.mark.parametrize(
    ("tags", "answer"),
    [
        (["O", "B-x", "I-x", "I-y"], True),
        (["B-x"], True),
        (["O", "O"], False),  # no span at all
        (["O", "I-x"], False),
        ([], False),
        (["B-x", "NOUN"], False),
        (["B-x", "O-x"], False),
        (["B-x", "I-"], False),
        (["B-", "O"], False),
        (["B", "I", "O"], False),
        (["B-x", ""], False),
    ],
)
def test_bio_tags_mark_spans(tags: list[str], answer: bool) -> None:
    assert is_bio(tags) is answer


@pytest.mark.parametrize(
    ("tags", "marked"),
    [
        ("", set()),
        ("O O", set()),
        ("B-x I-x O", {(0, 2, "x")}),
        ("O B-x I-x", {(1, 3, "x")}),  # to the end of the sentence
        ("B-x B-x", {(0, 1, "x"), (1, 2, "x")}),  # side by side
        ("I-x I-x", {(0, 2, "x")}),  # nothing to go on
        ("O I-x O I-x", {(1, 2, "x"), (3, 4, "x")}),
        ("B-x I-y I-y", {(0, 1, "x"), (1, 3, "y")}),  # of another kind
        ("B-x I-y I-x", {(0, 1, "x"), (1, 2, "y"), (2, 3, "x")}),
        ("B-a-b I-a-b I-a", {(0, 2, "a-b"), (2, 3, "a")}),  # a hyphen in the kind
        ("B I O I", {(0, 2, ""), (3, 4, "")}),
    ],
)
def test_spans_as_conlleval_has_them(tags: str, marked: set[tuple[int, int, str]]) -> None:
    assert spans(tags.split()) == marked


@pytest.mark.parametrize("tag", ["NOUN", "O-x", "", "b-x", "S-x"])
def test_other_tags_mark_no_spans(tag: str) -> None:
    with pytest.raises(ValueError, match="neither O nor"):
        spans(["B-x", tag])


def test_span_f1_counts_all_sentences_together() -> None:
    gold = [["B-x", "I-x", "O", "B-y"], ["B-x"], ["O", "O"]]
    found = [["B-x", "I-x", "O", "B-x"], ["B-x"], ["O", "I-y"]]
    # Gold 3, predicted 4, right 2 (a wrong kind, and one where there is none).
    assert span_f1(gold, found) == pytest.approx(4 / 7)
    assert span_f1(gold, gold) == 1
    # Neither a beginning nor an end is half a span.
    assert span_f1([["B-x", "I-x", "O"]], [["O", "I-x", "O"]]) == 0
    assert span_f1([["B-x", "I-x", "O"]], [["B-x", "O", "O"]]) == 0


def test_span_f1_of_no_spans_is_0_as_conlleval_has_it() -> None:
    assert span_f1([["O", "O"]], [["O", "O"]]) == 0
    assert span_f1([], []) == 0
    assert span_f1([["B-x"]], [["O"]]) == 0


def test_span_f1_needs_sentences_of_equal_length() -> None:
    with pytest.raises(ValueError, match="2 gold tags, but 1"):
        span_f1([["O", "O"]], [["O"]])
    with pytest.raises(ValueError, match="argument"):
        span_f1([["O"], ["O"]], [["O"]])


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ("kitten", "sitting", 3),
        ("saturday", "sunday", 3),
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("abc", "abc", 0),
        ("ab", "ba", 2),  # an exchange is no single edit
        ("été", "ete", 2),
        ("a" * 200, "b" * 130, 200),
        ("x" + "ab" * 60, "ab" * 60 + "y", 2),  # more bits than a machine word has
    ],
)
def test_edit_distances(a: str, b: str, distance: int) -> None:
    assert edit_distance(a, b) == distance == edit_distance(b, a)


@settings(max_examples=200)
@given(words, words)
def test_edit_distance_equals_that_of_the_table(a: str, b: str) -> None:
    assert edit_distance(a, b) == plain_distance(a, b)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), max_size=90), st.lists(st.integers(0, 3), max_size=90))
def test_edit_distance_of_long_sequences_of_anything(a: list[int], b: list[int]) -> None:
    assert edit_distance(a, b) == plain_distance(a, b)


def test_character_error_rate_takes_the_closest_reference() -> None:
    # 1 edit to "va !" of 4, 2 to "cours" of 5.
    rate = character_error_rate(["va!", "cou"], [["partez", "va !"], ["cours", "courez vite"]])
    assert rate == pytest.approx((1 + 2) / (4 + 5))


@pytest.mark.parametrize("acceptable", [["ab", "abcd"], ["abcd", "ab"]])
def test_among_equally_close_references_the_longest_counts(acceptable: list[str]) -> None:
    """One edit from each, in either order."""
    assert character_error_rate(["abc"], [acceptable]) == 1 / 4


def test_empty_and_overlong_predictions() -> None:
    assert character_error_rate(["", ""], [["abc"], ["d", "efg"]]) == 1
    assert character_error_rate(["", "ab"], [[""], ["b"]]) == 1
    assert character_error_rate(["aaaa"], [["b"]]) == 4
    assert exact_match(["", "a"], [[""], ["b"]]) == 1 / 2


def test_exact_match_is_with_any_reference() -> None:
    assert exact_match(["b", "c", "A"], [["a", "b"], ["a", "b"], ["a"]]) == 1 / 3


@pytest.mark.parametrize("measure", [character_error_rate, exact_match])
def test_references_must_be_there(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="2 hypotheses, but 1"):
        measure(["a", "b"], [["a"]])
    with pytest.raises(ValueError, match="at least one string"):
        measure(["a"], [[]])
    with pytest.raises(ValueError, match="at least one string"):
        measure(["a"], ["a"])  # a string is no sequence of references
    with pytest.raises(ValueError, match=r"nothing to compare|no characters"):
        measure([], [])


def test_references_without_characters_give_no_rate() -> None:
    with pytest.raises(ValueError, match="no characters"):
        character_error_rate(["a"], [[""]])


def test_the_parts_of_rows_add_up_to_the_error_rate() -> None:
    answers, references = ["va!", "cou"], [["partez", "va !"], ["cours", "courez vite"]]
    parts = error_parts(answers, references)
    assert parts.tolist() == [[1, 4], [2, 5]]
    assert share(parts) == character_error_rate(answers, references)


def test_the_parts_of_rows_add_up_to_f1() -> None:
    draw = np.random.default_rng(0)
    gold, found = draw.random((2, 50, 4)) < 0.4
    parts = label_parts(gold, found)
    assert parts.shape == (50, 2)
    assert share(parts) == micro_f1(gold, found)
    each = [label_parts(gold[k : k + 1], found[k : k + 1])[0] for k in range(50)]
    np.testing.assert_array_equal(parts, each)
    one = np.eye(4, dtype=bool)[draw.integers(0, 4, (2, 50))]  # a label for each row
    assert share(label_parts(*one)) == accuracy(*one.argmax(axis=2))
    sentences = [["B-x", "I-x", "O"], ["B-y", "O", "B-x"], ["O", "O", "O"]]
    others = [["B-x", "I-x", "B-x"], ["B-x", "O", "B-x"], ["O", "O", "O"]]
    np.testing.assert_array_equal(span_parts(sentences, others), [(2, 3), (2, 4), (0, 0)])
    assert share(span_parts(sentences, others)) == span_f1(sentences, others) == 4 / 7
    assert share(np.zeros((3, 2), dtype=int)) == 0
