"""Named features of a text, and which units follow them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TINY, charrnn, environment

import charrnn as package
from charrnn.errors import InputError
from charrnn.looking import neurons
from charrnn.looking.features import features
from charrnn.looking.neurons import activation, follow
from charrnn.nn.types import Array
from charrnn.runs.model import Model


def codes_of(text: str) -> Any:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def code(lines: int, seed: int = 0) -> str:
    """Lines with brackets, quotes, indentation and empty lines."""
    rng = np.random.default_rng(seed)
    words = ["if", "x", "yield", "Name", "self", "call", "the", "a", "value"]
    made = []
    for _ in range(lines):
        some = list(rng.choice(words, rng.integers(1, 7)))
        some[0] = some[0] + str(rng.choice(["", "(", '"', "[", "'"]))
        some[-1] += {"(": ")", '"': '"', "[": "]", "'": "'"}.get(some[0][-1], ":")
        made.append(
            " " * int(rng.choice([0, 4, 8])) + " ".join(some) + "\n" * int(rng.choice([1, 1, 2]))
        )
    return "".join(made)


@pytest.fixture(scope="module")
def model() -> Model:
    return package.load()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with two layers of LSTM, which have memory cells."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "corpus.txt").write_text(code(120), encoding="utf-8")
    options = (*TINY, "--layers", "2", "--cell", "lstm", "--epochs", "1", "--threads", "1")
    done = charrnn("train", "corpus.txt", *options, "--quiet", "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


# Features

EXPECTED = {
    "an upper-case letter": ("aB C1", "01010"),
    "a vowel": ("aBe x", "10100"),
    "a digit": ("a1 2", "0101"),
    "a sign (punctuation)": ("a,_\t\n.", "010001"),
    "after a newline": ("a\n\nb", "0110"),
    "after an empty line": ("a\n\nb\n\n\n", "0010011"),
    "position in the line": ("ab\nc\n\nde", "12010012"),
    "lines since an empty line": ("a\nb\nc\n\nd\n", "011223001"),
    "indentation of the line": ("  a b\n c\n", "122220110"),
    "in the indentation": ("  a b\n c\n\n", "1100011011"),
    "length of the word so far": ("ab, c_1\n", "12001230"),
    "words in the line so far": ("ab c\nd", "111201"),
    "length of the sentence so far": ("ab. c!", "120120"),
    "in a word of capitals": ("AB Cd EFG", "010000011"),
    "spaces in a row": ("a   b c", "0123010"),
    'inside "..."': ('a "b" "\n"c', "0011001100"),
    "inside '...'": ("it's 'a' x", "0000011000"),
    "inside “...”": ("a “b” c", "0011000"),
    "depth of brackets": ("a(b[c])d)(", "0112210001"),
    "inside (...)": ("a(b(c))d", "01111100"),
    "inside [...]": ("a[b]](", "011000"),
    "inside {...}": ("{a}b", "1100"),
    "after # in the line": ("a# b\nc", "011100"),
    "after : in the line": ("a: b\nc", "011100"),
    "after = in the line": ("a= b\nc", "011100"),
    "a letter": ("aé1_", "1100"),
    "a space": (" \ta ", "1001"),
}


def named(text: str) -> dict[str, list[int]]:
    return {one.name: one.values.astype(int).tolist() for one in features(codes_of(text))}


def test_every_feature_is_what_its_name_says() -> None:
    assert set(EXPECTED) == set(named("x"))
    for name, (text, digits) in EXPECTED.items():
        assert named(text)[name] == [int(digit) for digit in digits], name


def test_open_brackets_end_with_the_paragraph() -> None:
    found = named('(("a\n\n)b(c\n\n\n(d)')
    assert found["depth of brackets"] == [1, 2, 2, 2, 2, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0]
    assert found['inside "..."'] == [0, 0, 1, 1, 1, *[0] * 11]


def test_features_of_a_long_text_are_those_of_its_paragraphs() -> None:
    """Sums that are carried too far would show here."""
    text = code(200, 1)
    whole = named(text)
    begin = text.index("\n\n", 1500) + 2
    alone = named(text[begin:])
    for name in ("depth of brackets", 'inside "..."', "position in the line", "a vowel"):
        assert whole[name][begin:] == alone[name]


# Units


def states(model: Model, codes: Any) -> Array:
    """``(N, U)`` by layer and part, in one plain forward pass."""
    ids = model.vocabulary.encode(codes).astype(int)
    zero = model.network.zero_state(1)
    _, _, saved = model.network.body.forward(model.parameters, ids[:, None], zero, _workspace())
    parts = [part[1:, 0] for layer in saved.stack.layers for part in layer.cell.states]
    return np.concatenate(parts, axis=1).astype(float)


def _workspace() -> Any:
    from charrnn.nn.workspace import Workspace

    return Workspace()


def test_correlations_follow_their_definition(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neurons, "LANES", 1)
    model = package.load(small / "run")
    codes = codes_of(code(120)[:2501])
    half = len(codes) // 2
    active = states(model, codes)
    values = {one.name: one.values.astype(float) for one in features(codes)}
    found = follow(model, codes)
    assert [abs(one.held) for one in found] == sorted((abs(f.held) for f in found), reverse=True)
    assert len(found) > 15
    names = [(layer, part) for layer in range(2) for part in ("h", "c")]
    for one in found:
        first = [np.corrcoef(u, values[one.feature][:half])[0, 1] for u in active[:half].T]
        best = int(np.argmax(np.abs(first)))
        assert one.found == pytest.approx(first[best], abs=1e-4)
        assert (one.unit.layer, one.unit.part) == names[best // 8]
        assert one.unit.number == best % 8
        second = np.corrcoef(active[half:, best], values[one.feature][half:])[0, 1]
        assert one.held == pytest.approx(second, abs=1e-4)


def test_lanes_find_what_one_pass_finds(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = codes_of(code(220)[:5001])
    seen: list[int] = []
    many = {one.feature: one for one in follow(model, codes, seen.append)}
    assert sum(seen) == len(codes)
    monkeypatch.setattr(neurons, "LANES", 1)
    for one in follow(model, codes):
        assert many[one.feature].held == pytest.approx(one.held, abs=0.03), one.feature


def test_a_unit_that_follows_brackets_by_construction_is_found(small: Path) -> None:
    """A GRU whose unit 3 is set by an opening bracket and cleared by a closing one."""
    done = charrnn(
        *("train", "corpus.txt", "--cell", "gru", *TINY, "--epochs", "1", "--threads", "1"),
        *("--quiet", "--out", "latch"),
        cwd=small,
    )
    assert done.returncode == 0, done.stderr
    model = package.load(small / "latch")
    W, b, size = model.parameters["body.0.W_x"], model.parameters["body.0.b"], 8
    model.parameters["body.0.W_h"][:, [3, size + 3, 2 * size + 3]] = 0
    update, candidate = size + 3, 2 * size + 3
    W[:, [3, update, candidate]] = 0
    b[[update, candidate]] = 20, 0  # keep
    for character, value in (("(", 5), (")", -5)):
        row = model.vocabulary.encode_text(character)[0]
        W[row, update], W[row, candidate] = -40, value
    text = code(150)
    (best,) = [one for one in follow(model, codes_of(text)) if one.feature == "inside (...)"]
    assert (best.unit.layer, best.unit.part, best.unit.number) == (0, "h", 3)
    assert best.held > 0.85  # 1 but for the beginning, where it has seen no bracket
    begin, end = best.example
    active = activation(model, codes_of(text), best.unit, begin, end)
    inside = np.array(named(text)["inside (...)"][begin:end], dtype=bool)
    assert active[inside].min() > active[~inside].max()


def test_rare_features_are_left_out(model: Model) -> None:
    text = "all the same words\n" * 150
    found = {one.feature for one in follow(model, codes_of(text + "(a)" + text))}
    assert "depth of brackets" not in found
    assert "position in the line" in found


def test_a_text_must_not_be_too_short(model: Model) -> None:
    with pytest.raises(InputError, match="1,999 characters are too few"):
        follow(model, codes_of("a" * 1999))


# The command


def test_the_command_names_units_and_colours_lines(small: Path) -> None:
    (small / "text.txt").write_text(code(200, 3) + "\x1b[31m\n", encoding="utf-8")
    done = charrnn("inspect", "run", "--neurons", "text.txt", cwd=small)
    assert done.returncode == 0, done.stderr
    out = done.stdout.decode()
    assert "layer 1 " in out
    assert "position in the line" in out
    assert "\x1b" not in out
    assert out.count("↵\n") > 6
    colours = environment(FORCE_COLOR="1", TERM="xterm-256color")
    done = charrnn("inspect", "run", "--neurons", "text.txt", cwd=small, env=colours)
    assert b"\x1b[" in done.stdout
    assert b"\x1b[31m\n" not in done.stdout
    done = charrnn("inspect", "run", "--neurons", "text.txt", "--json", cwd=small)
    found = json.loads(done.stdout)
    assert all(-1 <= one["second_half"] <= 1 for one in found)
    assert {one["part"] for one in found} <= {"h", "c"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("text.txt", "--neurons", "text.txt"), "--neurons goes with a model"),
        (("run", "--neurons", "text.txt", "--plot", "a.svg"), "--plot goes with a model"),
        (("run", "--neurons", "short.txt"), "6 characters are too few"),
        (("run", "--neurons", "none.txt"), "'none.txt' does not exist"),
        (("flat", "--neurons", "text.txt"), "has no recurrent layer"),
    ],
)
def test_what_is_impossible_is_reported_on_one_line(
    small: Path, arguments: tuple[str, ...], message: str
) -> None:
    (small / "text.txt").write_text(code(200), encoding="utf-8")
    (small / "short.txt").write_text("if x:\n", encoding="utf-8")
    if arguments[0] == "flat":
        options = ("--layers", "0", "--epochs", "1", "--threads", "1", "--quiet", "--out", "flat")
        assert charrnn("train", "corpus.txt", *options, cwd=small).returncode == 0
    done = charrnn("inspect", *arguments, cwd=small)
    assert done.returncode == 2
    assert message in done.stderr.decode()
