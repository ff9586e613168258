"""``charrnn explain``, the command: what it shows, and what it refuses."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from by_hand import drawn, lines_of
from rich.cells import cell_len
from support import ROOT, charrnn, environment

from charrnn.checkpoint import write_checkpoint
from charrnn.cli.explained import page
from charrnn.explaining.equations import EQUATIONS
from charrnn.explaining.model import explain_model
from charrnn.explaining.notation import symbols_of
from charrnn.runs.model import load
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextSpec, opening_of
from charrnn.text.vocab import Vocabulary

EXPLAINED = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")


def saved(folder: Path, name: str, codes: str | None = None, **settings: Any) -> Path:
    """An untrained language model as a checkpoint."""
    config = Config(**{"hidden": 6} | settings)
    level = "char" if codes else "byte"
    symbols = sorted(map(ord, codes)) if codes else range(256)
    spec = TextSpec(Vocabulary(level, tuple(symbols)))
    header = {"config": config.to_json(), "vocabulary": spec.to_header()}
    path = folder / f"{name}.npz"
    write_checkpoint(path, header, dict(drawn(spec.model(config))))
    return path


LETTERS = "\n\x1b\u202e abcdeé漢"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    saved(folder, "lstm", LETTERS, cell="lstm", layers=2)
    saved(folder, "gru", LETTERS, cell="gru,reset=before,update=write", embedding=4)
    saved(folder, "tied", LETTERS, cell="lstm,gates=cell,output=identity", head="tied")
    saved(folder, "rnn", LETTERS, cell="rnn,activation=relu,bias=false")
    saved(folder, "bytes", None, cell="gru", level="byte", hidden=40)
    saved(folder, "flat", LETTERS, layers=0)
    saved(folder, "\x1b\u202e", LETTERS)
    saved(folder, "sigmoid", LETTERS, loss="sigmoid")
    saved(folder, "flat-embedded", LETTERS, layers=0, embedding=3)
    (folder / "my_cell.py").write_text(
        (ROOT / "tests/plain_cells.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    return folder


def run(place: Path, *arguments: str) -> str:
    done = charrnn("explain", *arguments, cwd=place)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["lstm.npz", "--prime", "abc"],
        ["lstm.npz", "--prime", "abc", "--layer", "0", "--units", "6"],
        ["gru.npz", "--prime", "漢é", "--next", "漢"],
        ["tied.npz", "--prime", "a" * 70, "--next", r"\n"],
        ["rnn.npz", "--units", "1"],
        ["bytes.npz", "--prime", "é", "--next", "漢", "--units", "40"],
        ["flat.npz", "--prime", "a"],
        ["flat-embedded.npz", "--prime", "a"],
        ["lstm.npz", "--prime", "\x1b\u202e", "--next", "\x1b"],
        ["lstm.npz", "--prime", "\u202e漢" * 40],
        ["\x1b\u202e.npz", "--prime", "a"],
    ],
)
def test_the_output_fits_and_cannot_control_a_terminal(place: Path, arguments: list[str]) -> None:
    shown = run(place, *arguments)
    lines = shown.split("\n")
    assert max(map(cell_len, lines)) <= 80
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert len(lines) > 20
    assert "nan" not in shown


def test_tables_have_headings(place: Path) -> None:
    shown = run(place, "gru.npz", "--prime", "ab", "--next", "c", "--units", "2")
    assert "gru.npz: 1 × 6 gru,reset=before,update=write, 11 characters\n" in shown
    assert "reads 'ab'; this step: 'b'; next: 'c', as given\n" in shown
    headings = [line for line in shown.splitlines() if line[:1].isupper()]
    assert headings == [
        "Input",
        "Layer 0: gru,reset=before,update=write",
        "Output",
        "Loss",
        "Gradients of the output",
        "Gradients of layer 0: gru,reset=before,update=write",
        "Gradient of the embedding",
    ]
    equations = re.findall(r"^  (\S+ = .+?)  +\S", shown, flags=re.MULTILINE)
    assert "h = (1 - z)⊙h_prev + z⊙n" in equations
    assert equations[-1] == "dW_e = Σ uᵀ·dx"
    assert "embedding, row of 'b'" in shown
    rows = [line.split() for line in shown.splitlines()]
    at = next(k for k, row in enumerate(rows) if row[:1] == ["unit"] and {"h_prev", "m"} < {*row})
    for row in rows[at + 1 : at + 3]:
        number = dict(zip(rows[at][1:], map(float, row[1:]), strict=True))
        assert number["m"] == pytest.approx(number["r"] * number["h_prev"], abs=1e-5)
        assert len(row[1].partition(".")[2]) >= 5


def test_omitted_columns_are_marked(place: Path) -> None:
    shown = run(place, "bytes.npz", "--prime", "ab", "--units", "40")
    (heading, *_) = re.findall(r"    dW_hr .*", shown)
    assert re.fullmatch(r" +dW_hr( +unit \d+){5,6} \.\.\.", heading)


def test_small_numbers_never_look_like_zero(place: Path) -> None:
    """A unit that hardly matters; then a network in which everything is small."""
    model = load(place / "lstm.npz")
    model.parameters["head.W"][0] *= 1e-9
    text = page(explain_model(model, "ab", layer=1), 3).plain
    assert re.search(r"^    0 +-?\de-\d\d +0 +-?\de-\d\d$", text, re.MULTILINE)
    assert not re.search(r"\s-?0\.0+\s", text)
    model.parameters.flat *= 1e-5
    text = page(explain_model(model, "ab", layer=1), 3).plain
    assert re.search(r"^    0 +-?\d\.\d{3}e-\d\d +0 +-?\d\.\d{3}e-\d\d$", text, re.MULTILINE)
    assert not re.search(r"\s-?0\.0+\s", text)


def test_a_tied_embedding_shows_the_row_that_was_read(place: Path) -> None:
    found = explain_model(load(place / "tied.npz"), "a")
    number = found.facts["read"]["number"]
    assert number not in found.characters
    (rows,) = re.findall(r"dW_e  .*\n((?:    '.*\n)+)", page(found, 2).plain)
    *_, last = rows.splitlines()
    line = lines_of(found)["dW_e"]
    assert last.split()[0] == "'a'"
    assert float(last.split()[1]) == pytest.approx(line.value[number, 0], abs=1e-5)


def test_a_worked_example_without_a_model(place: Path) -> None:
    shown = run(place)
    assert "h_1·W_h [0] = 0.46211716·0.4 + 0.09966799·0.2 = 0.20478046\n" in shown
    assert "h_1·W = 0.46211716·1 + 0.09966799·(-1) = 0.36244916\n" in shown
    assert "da_1·W_hᵀ [1] = 0.78644773·0.2 + (-0.99006629)·0.7 = -0.53575686\n" in shown


def test_json_has_every_equation_and_every_digit(place: Path) -> None:
    whole = json.loads(run(place, "lstm.npz", "--prime", "ab", "--units", "99", "--json"))
    lines = {line["name"]: line for part in whole["sections"] for line in part["lines"]}
    model = load(place / "lstm.npz")
    found = explain_model(model, "ab")
    assert lines.keys() == {line.equation.name for s in found.sections for line in s.lines}
    for line in lines.values():
        assert line["latex"] == EQUATIONS[line["name"]].latex
        symbols = set(symbols_of(EQUATIONS[line["name"]]))
        assert symbols <= whole["symbols"].keys()
    np.testing.assert_array_equal(lines["lstm.h"]["values"]["h"], lines_of(found)["h_t"].value[0])
    assert np.shape(lines["lstm.dW_h.hidden"]["values"]["dW_ho"]) == (6, 6)
    assert whole["read"]["name"] == "'b'"
    assert whole["outputs"][0]["number"] == whole["next"]["number"]
    assert whole["next"]["given"] is False
    some = json.loads(run(place, "lstm.npz", "--prime", "ab", "--json"))
    lines = {line["name"]: line for part in some["sections"] for line in part["lines"]}
    assert np.shape(lines["lstm.dW_h.hidden"]["values"]["dW_ho"]) == (3, 3)
    example = json.loads(run(place, "--json"))
    assert example["given"]["W_h"] == [[0.4, 0.3], [0.2, 0.7]]


def test_without_a_prime_it_begins_where_sampling_does(place: Path) -> None:
    model = load(place / "lstm.npz")
    found = lines_of(explain_model(model))
    before = opening_of(model)[1][0].astype(np.float64)
    assert explain_model(model).facts["read"]["name"] == r"'\n'"
    np.testing.assert_array_equal(found["c_t"].parts["c_{t-1}"], opening_of(model)[1][1])
    assert before.any()


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["lstm.npz", "-p", "az"], "the prime has 1 character new to the model: 'z'", "remove"),
        (
            ["lstm.npz", "-p", "a", "--next", "z"],
            "the next character has 1 character new to the",
            "remove",
        ),
        (
            ["lstm.npz", "-p", "a", "--next", "ab"],
            "must be one character, got 'ab'",
            "after the prime",
        ),
        (["lstm.npz", "-p", "a", "--next", ""], "must be one character, got ''", "after the prime"),
        (["lstm.npz", "--layer", "2"], "no layer 2: lstm.npz has the layers 0 to 1", ""),
        (["rnn.npz", "--layer", "1"], "no layer 1: rnn.npz has one layer, 0", ""),
        (["flat.npz", "--layer", "1"], "no layer 1: flat.npz has no layers", ""),
        (["--prime", "a"], "--prime needs a model: name one", "explain latest"),
        (["--units", "2"], "--units needs a model: name one", "explain latest"),
        (["--next", "a"], "--next needs a model: name one", "explain latest"),
        (["nowhere.npz"], "checkpoint 'nowhere.npz' does not exist", ""),
        (["sigmoid.npz"], "sigmoid.npz was trained with loss=sigmoid", "needs a softmax"),
        (
            ["label.npz"],
            "label.npz is not a language model; its task is classify",
            "charrnn predict",
        ),
    ],
)
def test_what_cannot_be_explained_is_reported_on_one_line(
    place: Path, arguments: list[str], message: str, hint: str
) -> None:
    if "label.npz" in arguments:
        classifier(place)
    done = charrnn("explain", *arguments, cwd=place)
    error = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b"")
    assert error.startswith("error: ")
    assert message in error.splitlines()[0]
    assert hint in error.partition("\n")[2]
    assert len(error.splitlines()) <= 2


@cache
def classifier(place: Path) -> None:
    rows = "".join(f"{'ab'[k % 2] * 5}{k}\t{'xy'[k % 2]}\n" for k in range(40))
    (place / "rows.tsv").write_text(rows, encoding="utf-8")
    done = charrnn(
        *("train", "rows.tsv", "--task", "classify", "--hidden", "4", "--epochs", "1"),
        *("--threads", "1", "--out", "label"),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    (place / "label.npz").write_bytes((place / "label" / "best.npz").read_bytes())


def test_damaged_weights_are_reported(place: Path) -> None:
    model = load(place / "rnn.npz")
    model.parameters.flat *= 1e30
    write_checkpoint(place / "huge.npz", dict(model.header), dict(model.parameters))
    done = charrnn("explain", "huge.npz", "-p", "abcdeabcde" * 6, cwd=place)
    assert done.returncode == 1
    assert b"not finite numbers" in done.stderr


def test_your_own_cell_must_be_named_again(place: Path) -> None:
    (place / "corpus.txt").write_text("abcde " * 60, encoding="utf-8")
    done = charrnn(
        *("train", "corpus.txt", "--cell", "my_cell.py:PlainRNN", "--hidden", "4", "--epochs", "1"),
        *("--threads", "1", "--out", "own", "--batch-size", "2", "--seq-len", "8"),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    refused = charrnn("explain", "own", "-p", "a", cwd=place)
    assert refused.returncode == 2
    assert b"--cell my_cell.py:PlainRNN" in refused.stderr
    shown = run(place, "own", "-p", "ab", "--cell", "my_cell.py:PlainRNN")
    assert "h^(l) = cell^(l)(h^(l-1), h^(l)_prev)" in shown
    assert max(map(cell_len, shown.split("\n"))) <= 80


def test_the_help_has_an_example_that_runs() -> None:
    page = charrnn("explain", "--help", cwd=ROOT, env=environment(COLUMNS="200")).stdout.decode()
    example = "charrnn explain pydoc --prime 'To be' --units 3"
    assert example in page
    assert example in EXPLAINED
    done = charrnn("explain", "pydoc", "--prime", "To be", "--units", "3", cwd=ROOT)
    assert done.returncode == 0
    (block,) = re.findall(rf"{re.escape(example)}\n(.*?)\n\.\.\.\n```", EXPLAINED, re.DOTALL)
    assert done.stdout.decode().startswith(block)


def test_the_python_of_the_document_runs(tmp_path: Path) -> None:
    (library,) = re.findall(r"```python\n(.*?)```", EXPLAINED, re.DOTALL)
    shown = run_script(library, tmp_path)
    assert "gru.h.keep h_t = z_t" in shown


def run_script(code: str, folder: Path) -> str:
    (folder / "script.py").write_text(code, encoding="utf-8")
    run = [sys.executable, str(folder / "script.py")]
    done = subprocess.run(
        run, capture_output=True, text=True, check=True, cwd=ROOT, env=environment()
    )
    return done.stdout
