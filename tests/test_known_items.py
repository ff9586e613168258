"""Training lines of a list and training labelled texts, which a model must not write."""

import json
from collections import Counter
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import charrnn
from test_steering import Table, assert_distributed, network, symbols, written

import charrnn as package
from charrnn.runs.model import Model
from charrnn.sampling import Choice
from charrnn.sampling.again import TRIES, Refusal
from charrnn.sampling.texts import Steering, write
from charrnn.sampling.voices import log_softmax
from charrnn.text.items import LONGEST, Items
from charrnn.text.vocab import codes_of

NAMES = ["".join(parts) for parts in product(("ma", "lo", "ti"), ("ra", "ne", "so", "vi"), "nlst")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models that have memorised 48 names: as a list, and by their first letters."""
    place = tmp_path_factory.mktemp("items")
    names = [str(name) for name in np.random.default_rng(0).permutation(NAMES)]
    (place / "kinds.tsv").write_text("".join(f"{name[0]}\t{name}\n" for name in names))
    how: dict[str, Any] = {"hidden": 32, "epochs": 60, "batch_size": 4, "threads": 1, "lr": 0.01}
    text = "\n".join(names) + "\n"
    package.train(text=text, lines=True, seq_len=16, out=place / "list", **how).finish()
    kinds = {"task": "generate", "dropout": 0.0, "epochs": 15, "out": place / "kinds"}
    package.train(place / "kinds.tsv", **(how | kinds)).finish()
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return package.load(folder / "list")


def known(lines: list[str]) -> float:
    """The names in the training part."""
    return sum(line in NAMES for line in lines) / len(lines)


# Which items there were


def test_items_are_known_by_four_bytes_each() -> None:
    some, others = Items.of([b"anna", b"berta", b"anna", b""]), Items.of([b"carla"])
    assert len(some) == 2
    assert len(some.sums) == 8
    assert b"anna" in some
    assert b"ann" not in some
    assert b"" not in some
    assert b"anna" not in Items()
    both = some.union(others)
    assert all(item in both for item in (b"anna", b"berta", b"carla"))
    assert Items.from_json(json.loads(json.dumps(both.to_json()))) == both
    many = Items.of([f"item {k}".encode() for k in range(5000)])
    assert len(many) == 5000
    assert all(f"item {k}".encode() in many for k in range(5000))
    assert not any(f"other {k}".encode() in many for k in range(5000))


def test_long_or_frequent_items_are_not_noted() -> None:
    assert len(Items.of([b"x" * LONGEST, b"y" * (LONGEST + 1)])) == 1
    assert len(Items.of([b"a", b"b", b"a", b"b"])) == 2
    assert not Items.of([b"a", b"b", b"a", b"b", b"a"])


@pytest.mark.parametrize("text", [7, "AAA", "AAAAAAA=", "AAAAAAAAAAA=", "AQAAAAAAAAA="])
def test_invalid_items_are_refused(text: object) -> None:
    """Not a text, not base 64, not a whole number, repeated, not ascending."""
    with pytest.raises(ValueError, match=r"items|base64|padding|padded"):
        Items.from_json(text)


def test_which_texts_are_lists() -> None:
    """Each line is an item because the user says so, or because the text looks like a list."""
    lines = [f"name {k}" for k in range(100)]

    def found(lines: list[str], *, listed: bool = False) -> int:
        codes = codes_of("".join(f"{line}\n" for line in lines), "char")
        return len(Items.of_lines(codes, "char", listed=listed))

    assert found(lines) == 100
    assert found(lines[:99]) == 0
    assert found(lines[:99], listed=True) == 99
    assert found([*lines, "a" * (LONGEST + 1)]) == 0
    assert found([*lines, ""]) == 0
    assert found([*lines, "  indented"]) == 0
    assert found(lines + ["}"] * 24) == 101
    assert found(lines + ["}"] * 27) == 0  # of 127 lines fewer than 0.8 are distinct
    assert found(lines + ["}"] * 27, listed=True) == 101


# Writing them again


def refusal(*items: list[int], ends: tuple[int, ...] = (0,), longest: int = 9) -> Refusal:
    return Refusal(ends, 0, longest, lambda item: item.tolist() in [list(one) for one in items])


P = [0.4, 0.3, 0.2, 0.1, 0]


def test_items_are_drawn_as_if_refused_ones_did_not_exist() -> None:
    """Given that an item is not refused, its probability is the model's."""
    texts = written(Table([P] * 5), 3000, 4, refusal=refusal([1], [2, 1]))
    items = Counter[str]()
    for text in texts:
        items.update("".join(map(str, symbols(text))).split("0")[:-1])
    assert not items["1"]
    assert not items["21"]
    some = {"": 0.4, "2": 0.08, "3": 0.04, "11": 0.036, "12": 0.024, "22": 0.016, "31": 0.012}
    counts = [items[name] for name in some]
    drawn = np.repeat(np.arange(len(some)), counts)
    assert_distributed(drawn, list(some.values()))
    assert sum(counts) == pytest.approx(sum(items.values()) * 0.608 / (1 - 0.12 - 0.024), rel=0.03)


def test_a_text_that_went_back_continues_from_the_earlier_state() -> None:
    """Each symbol has the cost that a network gives it when reading the final text."""
    voice = network()
    texts = written(voice, 60, 3, refusal=refusal(*([s] for s in range(1, 5)), []), scored=True)
    free = written(voice, 60, 3, scored=True)
    assert [symbols(text) for text in texts] != [symbols(text) for text in free]
    for text in texts:
        assert not {1, 0} & set(map(len, "".join(map(str, symbols(text))).split("0")[:-1]))
        ids = np.array(text.symbols)[:, None]
        reading = voice.begin(ids[:1])
        nats = [log_softmax(reading.step(now))[0, after] for now, (after,) in pairwise(ids)]
        np.testing.assert_allclose(text.costs, nats)


def test_a_prime_is_part_of_the_first_item_and_stays() -> None:
    rule = refusal([2, 3, 1])
    for text in written(Table([[0.5, 0.5, 0, 0, 0]] * 5), 2, 50, prime=(0, 2, 3), refusal=rule):
        assert text.symbols[:3].tolist() == [0, 2, 3]
        assert symbols(text) != [1, 0]


def test_the_end_of_an_item_may_end_the_text() -> None:
    """Then each text is an item, and a refused one is written again."""
    texts = written(Table([P] * 5), 99, 300, refusal=refusal([1]), stops=((0,),))
    found = [symbols(text) for text in texts]
    assert [1] not in found
    assert [1, 1] in found
    assert all(text.end == len(text.symbols) - 1 for text in texts)


def test_an_item_stays_if_nothing_else_is_found() -> None:
    voice = Table([[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]] + [P] * 3)
    (text,) = written(voice, 6, refusal=refusal([1]))
    assert symbols(text) == [1, 0] * 3
    assert text.copies == 3
    seldom = [[0, 1 - 1e-3, 1e-3, 0, 0]] + [[1, 0, 0, 0, 0]] * 4
    texts = written(Table(seldom), 2, 1000, refusal=refusal([1]))
    assert sum(text.copies for text in texts) / 1000 == pytest.approx((1 - 1e-3) ** TRIES, abs=0.03)


def test_symbols_that_can_be_taken_back_are_not_settled() -> None:
    """An item may be taken back up to its greatest length; a longer one is final as it grows."""
    start = np.zeros((1, 1), dtype=np.intp)
    p = [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]
    rule = Steering(refusal=refusal(longest=2))
    numbers = np.random.default_rng(0)
    settled = [texts[0].certain(0) for texts in write(Table(p), start, 9, numbers, Choice(), rule)]
    assert settled == [1, 1, 1, 5, 6, 6, 6, 6, 10]


# By a trained model


def test_a_list_is_written_without_its_own_lines(folder: Path, model: Model) -> None:
    """Running text or lines, one or several, streamed or whole; unless copies are allowed."""
    plain = model.sample(length=600, seed=1).split("\n")[:-1]
    assert known(plain) == 0
    assert known(model.sample(length=600, seed=1, max_copy=0).split("\n")[:-1]) > 0.5
    assert "".join(model.stream(length=600, seed=1)).split("\n")[:-1] == plain
    assert model.sample(length=600, seed=1, n=2)[0].split("\n")[:-1] == plain
    assert known(list(model.lines(20, seed=1))) == 0
    assert known(list(model.lines(20, seed=1, max_copy=0))) > 0.5
    assert known([model.sample("mar", length=9, seed=s, stop="\n") for s in range(9)]) == 0
    done = charrnn("sample", "list", "-l", "600", "--seed", "1", cwd=folder)
    assert done.stdout.decode().split("\n")[: len(plain)] == plain
    done = charrnn("sample", "list", "-l", "90", "--seed", "1", "--max-copy", "0", cwd=folder)
    assert done.stdout.decode() == model.sample(length=90, seed=1, max_copy=0) + "\n"


def test_labelled_texts_differ_from_training_texts(folder: Path) -> None:
    writer = package.load(folder / "kinds")
    assert known(writer.sample(label="m", n=50, seed=1)) == 0
    assert known(writer.sample(label="m", n=50, seed=1, max_copy=0)) > 0.5
    assert known(list(writer.lines(5, label="m", seed=1, temperature=1.5))) == 0
    assert known(writer.sample("m", label="m", n=20, seed=1, best_of=2)) == 0


def test_items_are_kept_with_the_weights(folder: Path, model: Model, tmp_path: Path) -> None:
    """In a file without a run, in a mixture, and in a run that begins with the weights."""
    model.save(tmp_path / "shared.npz")
    shared = package.load(tmp_path / "shared.npz")
    assert shared.sample(length=300, seed=1) == model.sample(length=300, seed=1)
    mixed = package.mix([shared, model])
    assert known(mixed.sample(length=600, seed=1).split("\n")[:-1]) == 0
    other = "".join(f"{name}\n" for name in ["anna", "mirko", *NAMES[5:]])
    how: dict[str, Any] = {"lines": True, "epochs": 1, "threads": 1, "out": tmp_path / "more"}
    package.train(text=other, init_from=folder / "list", **how).finish()
    items = package.load(tmp_path / "more").spec.items
    assert all(name.encode() in items for name in [*NAMES, "mirko"])


def test_greedy_text_is_unchanged_and_a_loop_is_reported(folder: Path, model: Model) -> None:
    """At temperature 0 nothing can be drawn again; one line says what to do about a loop."""
    text = model.sample(length=300, seed=1, temperature=0)
    assert text == model.sample(length=300, seed=1, temperature=0, max_copy=0)
    looped = charrnn("sample", "list", "-t", "0", "-l", "300", cwd=folder).stderr.decode()
    assert "the text ends in a loop; --max-copy own=40 breaks loops" in looped
    assert "training data" not in looped
    for rule in (["--max-copy", "own=40"], ["--repeat-penalty", "1.001"], ["-t", "0.8"]):
        done = charrnn("sample", "list", "-t", "0", "-l", "300", *rule, cwd=folder)
        assert b"loop" not in done.stderr
