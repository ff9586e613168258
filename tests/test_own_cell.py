"""Your own cell: as a plain cell, loaded from a file, and the messages if it is wrong."""

import copy
import hashlib
import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_conformance as suite
import typer
from plain_cells import PlainLSTM, PlainRNN
from reference import sigmoid
from support import ROOT, cross_entropy, environment

from charrnn.cli.errors import reported
from charrnn.engine import Engine
from charrnn.gradcheck import check_loss, check_outputs
from charrnn.gradcheck.networks import networks
from charrnn.nn.cells import LSTM, RNN, CellError, PlainCell, UnknownCellError, all_variants
from charrnn.nn.layers import Recurrent
from charrnn.nn.models import SequenceModel
from charrnn.nn.stepper import Stepper
from charrnn.nn.types import Array, Weights
from charrnn.nn.workspace import Workspace
from charrnn.optim.optimizers import clip_by_global_norm, make_optimizer
from charrnn.own_cells import load_cell, make_cell, split_cell
from charrnn.text.batches import Lanes

AnyCell = Any
DOCUMENT = (ROOT / "docs" / "your-own-cell.md").read_text(encoding="utf-8")
MGU, PEEPHOLE, FROM_PYTHON = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    for line in block.splitlines()
]
TEXTS = [
    "my_cell.py:MinimalGatedUnit",
    "my_cell.py:MinimalGatedUnit,bias=false",
    "peephole.py:PeepholeLSTM",
    "peephole.py:PeepholeLSTM,squash=tanh",
]
SIZE = 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a reader of the document works."""
    (tmp_path / "my_cell.py").write_text(MGU, encoding="utf-8")
    (tmp_path / "peephole.py").write_text(PEEPHOLE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=TEXTS)
def own(folder: Path, request: pytest.FixtureRequest) -> AnyCell:
    """A cell of the document."""
    return make_cell(request.param, SIZE)


# Written plainly


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("plain", "built_in"), [(PlainRNN, RNN), (PlainLSTM, LSTM)])
@pytest.mark.parametrize("lengths", [None, suite.RAGGED], ids=["equal", "ragged"])
@suite.every_way
def test_a_plain_version_equals_the_built_in_cell(
    plain: Any, built_in: Any, lengths: tuple[int, ...] | None, bias: bool, both: bool
) -> None:
    """Outputs, states and every gradient; initial weights bit for bit."""

    def case(kind: Any) -> suite.Case:
        return suite.make_case(kind(SIZE, bias=bias), 2, both=both, lengths=lengths)

    suite.assert_same(suite.run(case(plain)), suite.run(case(built_in)), 1e-13)
    fresh, expected = (
        Recurrent(kind(SIZE, bias=bias), 3).init(np.random.default_rng(0))
        for kind in (plain, built_in)
    )
    suite.assert_same(fresh, expected, suite.EXACT)


def test_a_cell_is_the_dataclass_that_the_built_in_ones_are(folder: Path) -> None:
    cell: AnyCell = make_cell("peephole.py:PeepholeLSTM,squash=tanh,bias=false", SIZE)
    assert cell.label == "peepholelstm,bias=false,squash=tanh"
    assert cell == make_cell("peephole.py:PeepholeLSTM,bias=FALSE, squash=Tanh", SIZE)
    assert cell != make_cell("peephole.py:PeepholeLSTM,bias=false", SIZE)
    assert cell.resized(7).hidden_size == 7
    assert cell.num_gates == 4
    assert [v.label for v in all_variants(type(cell), SIZE)] == [
        "peepholelstm",
        "peepholelstm,squash=tanh",
        "peepholelstm,bias=false",
        "peepholelstm,bias=false,squash=tanh",
    ]
    with pytest.raises(ValueError, match="squash='relu' is not one of identity, tanh"):
        type(cell)(SIZE, squash="relu")


def test_inputs_of_a_step_are_read_only() -> None:
    """Otherwise a slip would change the last step, or the weights, without notice."""

    class Careless(PlainRNN):
        def step(self, w: Weights, a: Array, h_prev: Array) -> Any:
            h_prev *= 2
            return super().step(w, a, h_prev)

    with pytest.raises(CellError, match=r"h_prev \*= 2: ValueError: output array is read-only"):
        suite.run(suite.make_case(Careless(SIZE)))


def test_the_parts_of_a_state_may_be_exchanged() -> None:
    """Results are copied only when all of them exist."""

    class Swapping(PlainCell):
        state_names = ("h", "c")

        def shapes(self) -> dict[str, tuple[int, ...]]:
            return {}

        def step(self, w: Weights, a: Array, h_prev: Array, c_prev: Array) -> Any:
            return (c_prev, h_prev), None

        def step_back(
            self, w: Weights, dw: dict[str, Array], kept: None, dh: Array, dc: Array
        ) -> Any:
            return np.zeros_like(dh), (dc, dh)

    case = suite.make_case(Swapping(SIZE), num_steps=2)
    results = suite.run(case)
    np.testing.assert_array_equal(results["final.0.0"], case.state[0][0])
    np.testing.assert_array_equal(results["dstate.0.0"], case.dstate[0][0] + case.dy[1])
    np.testing.assert_array_equal(results["dstate.0.1"], case.dstate[0][1] + case.dy[0])


def test_no_step_is_computed_for_zero_sequences() -> None:
    """A batch may be padded beyond its longest, and, for instance, the maximum of no rows fails."""

    class Looking(PlainRNN):
        def step(self, w: Weights, a: Array, h_prev: Array) -> Any:
            assert len(h_prev)
            return super().step(w, a, h_prev)

        def step_back(self, w: Weights, dw: dict[str, Array], kept: Any, dh: Array) -> Any:
            assert len(dh)
            return super().step_back(w, dw, kept, dh)

    suite.test_a_ragged_batch_equals_each_sequence_alone(Looking(SIZE), 2, True, 7)


# The document


def test_the_minimal_gated_unit_is_thirty_lines_at_most() -> None:
    assert len(MGU.strip().splitlines()) <= 30


def test_the_minimal_gated_unit_is_that_of_its_paper(folder: Path) -> None:
    """Zhou et al. (2016): joined matrices on [h_prev, x], one row at a time."""
    case = suite.make_case(make_cell("my_cell.py:MinimalGatedUnit", SIZE))
    (w,), (state,) = case.weights(case.parameters), case.state
    W_f = np.vstack([w["W_f"], w["W_x"][:, :SIZE]])
    W_n = np.vstack([w["W_n"], w["W_x"][:, SIZE:]])
    y = suite.run_forward(case, Workspace())[0]["y"]
    for row in range(suite.BATCH_SIZE):
        h = state[0][row]
        for t, x in enumerate(case.x[:, row]):
            f = sigmoid(np.concatenate([h, x]) @ W_f + w["b"][:SIZE])
            candidate = np.tanh(np.concatenate([f * h, x]) @ W_n + w["b"][SIZE:])
            h = (1 - f) * h + f * candidate
            np.testing.assert_allclose(y[t, row], h, rtol=1e-12)


@pytest.mark.parametrize("squash", ["identity", "tanh"])
def test_the_peephole_lstm_is_that_of_its_papers(folder: Path, squash: str) -> None:
    """Gers and Schmidhuber (2000); the peepholes as the diagonal matrices that they are."""
    case = suite.make_case(make_cell(f"peephole.py:PeepholeLSTM,squash={squash}", SIZE))
    (w,), (state,) = case.weights(case.parameters), case.state
    y = suite.run_forward(case, Workspace())[0]["y"]
    names = ("i", "f", "o", "g")
    W = {n: np.split(np.vstack([w["W_h"], w["W_x"]]), 4, axis=1)[k] for k, n in enumerate(names)}
    b = dict(zip(names, np.split(w["b"], 4), strict=True))
    P = {n: np.diag(w[f"p_{n}"]) for n in "ifo"}
    for row in range(suite.BATCH_SIZE):
        h, c = (part[row] for part in state)
        for t, x in enumerate(case.x[:, row]):
            u = np.concatenate([h, x])
            i = sigmoid(u @ W["i"] + c @ P["i"] + b["i"])
            f = sigmoid(u @ W["f"] + c @ P["f"] + b["f"])
            c = f * c + i * np.tanh(u @ W["g"] + b["g"])
            o = sigmoid(u @ W["o"] + c @ P["o"] + b["o"])
            h = o * (np.tanh(c) if squash == "tanh" else c)
            np.testing.assert_allclose(y[t, row], h, rtol=1e-12)


CHECK: dict[str, Any] = {"methods": ("complex",), "seq_len": 4}


@pytest.mark.parametrize(
    ("num_layers", "directions", "ragged"),
    [(1, "forward", False), (1, "both", True), (2, "forward", True)],
)
def test_the_documents_cells_pass_the_gradient_check(
    own: AnyCell, num_layers: int, directions: str, ragged: bool
) -> None:
    model = SequenceModel(2, 2, own.resized(3), num_layers, directions=directions)
    rng = np.random.default_rng(0)
    check = check_outputs(model, own.label, rng=rng, ragged=ragged, **CHECK)
    assert check.passed
    checked = {tensor.tensor.rpartition(".")[2] for tensor in check.tensors}
    assert own.shapes().keys() < checked


@pytest.mark.parametrize("name", ["tied", "dropout", "encoder-decoder, attention"])
def test_the_documents_cells_pass_the_check_of_training_losses(own: AnyCell, name: str) -> None:
    network = networks(own.resized(2), 1)[name]
    assert check_loss(network, name, rng=np.random.default_rng(0), **CHECK).passed


def test_the_documents_cells_pass_the_conformance_checks(own: AnyCell) -> None:
    """A few checks of the suite; one plain cell runs through all of it."""
    for both in (False, True):
        suite.test_a_ragged_batch_equals_each_sequence_alone(own, 2, both, 7)
        suite.test_padding_never_matters(own, both, symbols=True)
    suite.test_two_chunks_equal_one_run(own, 2)
    suite.test_ranges_of_steps_equal_one_range(own)
    suite.test_reused_buffers_equal_fresh_ones(own)
    suite.test_the_dtype_of_both_directions_is_kept(own, np.float32)
    suite.test_the_dtype_of_both_directions_is_kept(own, np.complex128)


@pytest.mark.parametrize("embedding", [0, 3])
def test_the_documents_cells_sample(own: AnyCell, embedding: int) -> None:
    """One symbol at a time equals the forward pass of all."""
    model = SequenceModel(7, 7, own, 2, embedding)
    rng = np.random.default_rng(0)
    parameters, x = model.init(rng, np.float64), rng.integers(7, size=(6, 2))
    y, _, _ = model.forward(parameters, x, model.zero_state(2, np.float64))
    stepper = Stepper(model, parameters, model.zero_state(2, np.float64), 2)
    for t in range(6):
        np.testing.assert_allclose(stepper.step(x[t]), y[t], rtol=1e-12)


def losses(model: SequenceModel, threads: int = 1, steps: int = 60) -> tuple[list[float], bool]:
    """Of each step of a short training in float32, nats per character, in two shards.

    And whether other processes were lost on the way.
    """
    ids = np.arange(2000) ** 2 % 13  # a text of period 13
    lanes = Lanes(ids, batch_size=24, seq_len=10)
    parameters = model.init(np.random.default_rng(0))
    gradients, optimizer = parameters.zeros_like(), make_optimizer("adam", parameters)
    seen, state = [], model.zero_state(24)
    with Engine(model, threads) as engine:
        for step in range(steps):
            x, targets = lanes.chunk(step % len(lanes))
            total, state = cross_entropy(engine, parameters, x, targets, state, gradients=gradients)
            seen.append(float(total) / x.size)
            gradients.flat /= x.size
            clip_by_global_norm(gradients, 1.0)
            optimizer.step(parameters, gradients, 0.02)
        return seen, engine.lost


def test_the_documents_cells_learn(own: AnyCell) -> None:
    seen, _ = losses(SequenceModel(13, 13, own.resized(24)))
    assert max(seen[-5:]) < 0.8 * seen[0]


def test_the_documents_commands_name_existing_cells(folder: Path) -> None:
    """Each ``--cell`` of the document loads."""
    texts = [words[words.index("--cell") + 1] for words in map(shlex.split, COMMANDS)]
    assert len(texts) == len(COMMANDS) > 5
    for text in texts:
        load_cell(text, SIZE)


def test_the_documents_last_block_runs(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FROM_PYTHON],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"


# Loading


def test_a_loaded_cell_says_where_it_comes_from(folder: Path) -> None:
    loaded = load_cell("peephole.py:PeepholeLSTM,squash=tanh", 5)
    assert loaded.cell.label == "peepholelstm,squash=tanh"
    assert loaded.cell.hidden_size == 5
    assert loaded.text == "peephole.py:PeepholeLSTM,squash=tanh"
    assert loaded.path == folder / "peephole.py"
    assert loaded.sha256 == hashlib.sha256(PEEPHOLE.encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("my_cell.py:MyCell", ("my_cell.py", "MyCell", [])),
        ("a b/my.py.d/c.py:C, x=1,y=2", ("a b/my.py.d/c.py", "C", ["x=1", "y=2"])),
        (r"C:\cells\c.py:C,x=1", (r"C:\cells\c.py", "C", ["x=1"])),
        ("my_cell.py", ("my_cell.py", "", [])),
        ("my_cell.py,x=1", ("my_cell.py", "", ["x=1"])),
        ("lstm", None),
        ("lstm,gates=cell", None),
        ("my_cell:MyCell", None),
        ("happy,x=1", None),
        ("", None),
    ],
)
def test_a_text_names_a_file_or_a_built_in_cell(
    text: str, parts: tuple[str, str, list[str]] | None
) -> None:
    assert split_cell(text) == parts


def test_both_kinds_of_text_make_a_cell(folder: Path) -> None:
    assert make_cell("lstm,output=identity", 3) == LSTM(3, output="identity")
    assert make_cell("my_cell.py:MinimalGatedUnit", 3).hidden_size == 3
    with pytest.raises(UnknownCellError, match="rnn, lstm, gru"):
        make_cell("my_cell:MinimalGatedUnit", 3)


def test_only_loading_runs_a_file(folder: Path) -> None:
    """It leaves no file beside it, and no module name that another file could take."""
    (folder / "loud.py").write_text(
        MGU + "\nfrom pathlib import Path\n\nPath('ran').touch()\n", encoding="utf-8"
    )
    text = "loud.py:MinimalGatedUnit"
    split_cell(text)
    assert not (folder / "ran").exists()
    cell = make_cell(text, SIZE)
    assert sorted(path.name for path in folder.iterdir()) == [
        "loud.py",
        "my_cell.py",
        "peephole.py",
        "ran",
    ]
    assert not {"loud", "my_cell"} & sys.modules.keys()
    other = folder / "other"
    other.mkdir()
    (other / "loud.py").write_text(
        "from plain_cells import *\nclass MinimalGatedUnit(PlainRNN):\n    pass\n", encoding="utf-8"
    )
    assert make_cell(f"other/{text}", SIZE).num_gates == 1
    assert make_cell(text, SIZE) == cell
    assert cell.num_gates == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.py:C", "none.py: No such file or directory"),
        (".:C", "unknown cell '.:C'"),
        ("my_cell.py:Minimal", "my_cell.py has no class 'Minimal': choose from MinimalGatedUnit"),
        ("my_cell.py", "my_cell.py needs the name of a class: choose from MinimalGatedUnit"),
        ("my_cell.py:np", "my_cell.py defines no cell np: choose from MinimalGatedUnit"),
        ("my_cell.py:PlainCell", "my_cell.py defines no cell PlainCell"),
        ("empty.py:C", "empty.py defines no cell: a cell is a class derived from PlainCell"),
        ("peephole.py:PeepholeLSTM,squash=relu", r"'squash=relu'.*squash=identity\|tanh"),
        ("peephole.py:PeepholeLSTM,bias=true,bias=true", "'bias' is given twice"),
        ("my_cell.py:MinimalGatedUnit,", "no variant ''"),
    ],
)
def test_missing_files_classes_and_variants_are_named(
    folder: Path, text: str, message: str
) -> None:
    (folder / "empty.py").touch()
    with pytest.raises(UnknownCellError, match=message):
        make_cell(text, SIZE)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ny = z\n", "bad.py:2: y = z: NameError: name 'z' is not defined"),
        ("x = 1\ny = (\n", "bad.py:2: y = (: SyntaxError: '(' was never closed"),
        ("import nothing_of_this_name\n", "bad.py:1: import nothing_of_this_name: ModuleNotFound"),
        ("def f():\n    raise SystemExit('no')\nf()\n", "bad.py:2: raise SystemExit('no'): System"),
        ("import json\njson.loads('?')\n", "bad.py:2: json.loads('?'): JSONDecodeError: Expecting"),
        ("HEAD class C(PlainCell):\n    pass\n", "bad.py: C does not define step, step_back"),
        (
            "HEAD class C(PlainCell):\n    gate_names = ('fn')\n",
            "bad.py:2: class C(PlainCell):: TypeError: gate_names must be a tuple of names: "
            "('fn',)",
        ),
        (
            "HEAD class C(PlainCell):\n    choices = {'squash': ('tanh', 'relu')}\n",
            "bad.py:2: class C(PlainCell):: TypeError: squash has choices but no default: "
            "squash: str = 'tanh'",
        ),
        (
            "HEAD class C(PlainRNN):\n    def __post_init__(self):\n        1 / 0\n",
            "bad.py:4: 1 / 0: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_file_that_does_not_run_is_reported_by_its_line(
    folder: Path, source: str, message: str
) -> None:
    source = source.replace("HEAD ", "from plain_cells import *; from charrnn.nn.cells import *\n")
    (folder / "bad.py").write_text(source, encoding="utf-8")
    for _ in range(2):  # nothing half-made stays behind
        with pytest.raises(CellError) as caught:
            make_cell("bad.py:C", SIZE)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


# Other processes


def unpickled(pickled: bytes) -> Any:
    return pickle.loads(pickled)  # noqa: S301


def test_a_loaded_cell_is_pickled_by_its_file(folder: Path) -> None:
    """Here the module is already loaded; another process loads it again."""
    cell = make_cell("peephole.py:PeepholeLSTM,squash=tanh", SIZE)
    pickled = pickle.dumps(cell)
    assert unpickled(pickled) == cell
    assert copy.deepcopy(cell) == cell
    module = sys.modules.pop(type(cell).__module__)
    again = unpickled(pickled)
    assert type(again) is not type(cell)
    assert again.label == cell.label
    del sys.modules[module.__name__]
    (folder / "peephole.py").write_text(PEEPHOLE + "\n", encoding="utf-8")
    with pytest.raises(CellError, match=r"peephole\.py has changed since PeepholeLSTM was loaded"):
        unpickled(pickled)


def test_the_number_of_processes_changes_no_bit(folder: Path) -> None:
    model = SequenceModel(13, 13, make_cell("my_cell.py:MinimalGatedUnit", 8))
    alone, _ = losses(model, steps=3)
    together, lost = losses(model, threads=2, steps=3)
    assert alone == together
    assert not lost


class Unsendable(PlainRNN):
    """A cell that another process cannot load."""

    def __reduce__(self) -> Any:
        raise pickle.PicklingError("not this one")


@pytest.mark.parametrize("why", ["changed", "unsendable", "local"])
def test_a_cell_that_other_processes_cannot_load_trains_in_one(
    folder: Path, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the same bits, and without a traceback of the other processes."""

    class Local(PlainRNN):
        pass

    if why == "changed":
        cell = make_cell("my_cell.py:MinimalGatedUnit", 8)
        (folder / "my_cell.py").write_text(MGU.replace("1 - f", "f"), encoding="utf-8")
    else:
        cell = Local(8) if why == "local" else Unsendable(8)
    model = SequenceModel(13, 13, cell)
    alone, _ = losses(model, steps=3)
    together, lost = losses(model, threads=2, steps=3)
    assert alone == together
    assert lost
    assert capfd.readouterr() == ("", "")


def test_a_class_defined_in_main_trains(folder: Path) -> None:
    """In several processes for a script; in one otherwise (as in a notebook)."""
    script = (
        MGU
        + f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})

if __name__ == "__main__":
    from test_own_cell import SequenceModel, losses
    model = SequenceModel(13, 13, MinimalGatedUnit(8))
    seen, lost = losses(model, threads=2, steps=3)
    print(seen == losses(model, steps=3)[0], lost)
"""
    )
    (folder / "script.py").write_text(script, encoding="utf-8")
    for how, lost in ((["script.py"], False), (["-c", script], True)):
        done = subprocess.run(
            [sys.executable, *how],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == (f"True {lost}\n", "")


# What is said when it is wrong


def broken(folder: Path, old: str, new: str, size: int = SIZE) -> CellError:
    """The output of training the minimal gated unit with one line changed."""
    assert MGU.count(old) == 1
    (folder / "my_cell.py").write_text(MGU.replace(old, new), encoding="utf-8")
    cell = make_cell("my_cell.py:MinimalGatedUnit", size)
    with pytest.raises(CellError) as caught:
        losses(SequenceModel(13, 13, cell), steps=1)
    assert "\n" not in str(caught.value)
    return caught.value


def line_of(part: str, text: str = MGU) -> int:
    (number,) = (k for k, line in enumerate(text.splitlines(), start=1) if part in line)
    return number


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        (
            "f * h_prev) @",
            "r * h_prev) @",
            "n = np.tanh(a_n + (r * h_prev) @ w[\"W_n\"]): NameError: name 'r' is not defined",
            "the shapes there: w['W_n'] (5, 5), h_prev (12, 5), a_n (12, 5)",
        ),
        (
            'dw["W_f"] += h_prev.T @ da_f',
            'dw["W_f"] += h_prev @ da_f',
            'dw["W_f"] += h_prev @ da_f: ValueError: matmul: Input operand 1 has a mismatch',
            "the shapes there: dw['W_f'] (5, 5), h_prev (12, 5), da_f (12, 5)",
        ),
        (
            "H = self.hidden_size",
            "H = self.hidden",
            "H = self.hidden: AttributeError: 'MinimalGatedUnit' object has no attribute 'hidden'",
            "",
        ),
    ],
)
def test_an_error_inside_is_reported_by_its_line(
    folder: Path, old: str, new: str, message: str, hint: str
) -> None:
    error = broken(folder, old, new, 5)
    line = line_of(old)
    assert str(error).startswith(f"my_cell.py:{line}: {message}")
    assert sorted(error.hint.removeprefix("the shapes there: ").split("), ")) == sorted(
        hint.removeprefix("the shapes there: ").split("), ")
    )
    assert error.__cause__ is not None


def test_the_deepest_line_of_the_file_is_named(folder: Path) -> None:
    """In a function that a step calls; not in NumPy or charrnn below it."""
    (folder / "my_cell.py").write_text(
        MGU.replace("sigmoid(a_f", "squash(a_f")
        + "\n\ndef squash(a):\n    return sigmoid([a, a[0]])\n",
        encoding="utf-8",
    )
    with pytest.raises(CellError, match=r"my_cell\.py:\d+: return sigmoid\(\[a, a\[0\]\]\): Value"):
        suite.run(suite.make_case(make_cell("my_cell.py:MinimalGatedUnit", SIZE)))


def test_the_line_is_that_of_the_file_as_it_ran(folder: Path) -> None:
    """In a notebook, a file may be fixed and loaded again."""
    assert "(q * h_prev)" in str(broken(folder, "f * h_prev) @", "q * h_prev) @"))
    assert "(f * p_prev)" in str(broken(folder, "f * h_prev) @", "f * p_prev) @"))


def test_an_error_is_reported_by_one_process(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "my_cell.py").write_text(MGU.replace("dm * f", "dm * e"), encoding="utf-8")
    model = SequenceModel(13, 13, make_cell("my_cell.py:MinimalGatedUnit", SIZE))
    with pytest.raises(CellError, match="name 'e' is not defined"):
        losses(model, threads=2, steps=1)
    assert capfd.readouterr() == ("", "")


def test_wrong_arguments_are_reported_with_the_definitions_line(folder: Path) -> None:
    error = broken(folder, "def step(self, w, a, h_prev)", "def step(self, w, a)")
    assert re.match(r"my_cell\.py:\d+: TypeError: .*step\(\) takes 3 positional", str(error))


def test_an_error_of_a_fast_cell_has_its_line_too(folder: Path) -> None:
    source = (
        "from charrnn.nn.cells import RNN\n\n\nclass Fast(RNN):\n"
        "    def forward(self, w, s, steps):\n"
        "        s.h[1] = s.h[0] @ w['W_h'][:-1]\n"
    )
    (folder / "fast.py").write_text(source, encoding="utf-8")
    with pytest.raises(CellError, match=r"^fast\.py:6: s\.h\[1\] = .*: ValueError: matmul"):
        suite.run(suite.make_case(make_cell("fast.py:Fast", SIZE)))


def test_a_memory_error_is_not_blamed_on_the_cell(folder: Path) -> None:
    (folder / "my_cell.py").write_text(
        MGU.replace("a_f, a_n = a\n", "raise MemoryError\n"), encoding="utf-8"
    )
    with pytest.raises(MemoryError):
        suite.run(suite.make_case(make_cell("my_cell.py:MinimalGatedUnit", SIZE)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "return (da_f, da_n), dh *",
            "return (da_f[:, :3], da_n), dh *",
            "step_back returned da of gate 'f' with shape (12, 3), expected (12, 4)",
        ),
        (
            "return (da_f, da_n), dh *",
            "return (da_f, da_n, dm), dh *",
            "step_back must return da of gate 'f', da of gate 'n', got 3 values",
        ),
        (
            "return (da_f, da_n), dh *",
            "return da_f, dh *",
            "step_back must return da of gate 'f', da of gate 'n', got an array of shape (12, 4)",
        ),
        (
            "return (da_f, da_n), dh *",
            "return da_f, da_n, dh *",
            "step_back must return two things, got 3 values",
        ),
        (
            "return (da_f, da_n), dh *",
            "dh *",
            "step_back must return two things, got None",
        ),
        (
            "return (da_f, da_n), dh * (1 - f)",
            "return (da_f, da_n), np.float64(2) * dh * (1 - f)",
            "step_back returned dh_prev as float64, expected float32, as what came in",
        ),
        (
            "return (1 - f) * h_prev + f * n, (h_prev, f, n)",
            "return ((1 - f) * h_prev + f * n)[0], (h_prev, f, n)",
            "step returned h with shape (4,), expected (12, 4)",
        ),
        (
            "return (1 - f) * h_prev + f * n, (h_prev, f, n)",
            "return (1 - f) * h_prev + f * n",
            "step must return two things, got an array of shape (12, 4)",
        ),
        (
            "return (1 - f) * h_prev + f * n, (h_prev, f, n)",
            "return 0.0, (h_prev, f, n)",
            "step returned h as 'float', expected an array",
        ),
        (
            'dw["W_f"] += h_prev.T @ da_f',
            'dw["W_f"] = h_prev.T @ da_f',
            "step_back put a new array in dw['W_f']",
        ),
        (
            'dw["W_f"] += h_prev.T @ da_f',
            'dw["W_h"] = h_prev.T @ da_f',
            "step_back put a new array in dw['W_h'], which shapes() does not name",
        ),
    ],
)
def test_a_wrong_result_is_named(folder: Path, old: str, new: str, message: str) -> None:
    error = broken(folder, old, new)
    assert str(error) == f"my_cell.py:{line_of(f'def {message.split()[0]}(')}: {message}"


def test_the_document_shows_the_real_messages(folder: Path) -> None:
    shown = [line for line in DOCUMENT.splitlines() if line.startswith(("error: ", "hint: "))]
    inside = broken(folder, '@ w["W_n"])', '@ w["W_m"])')
    returned = broken(folder, "return (da_f, da_n), dh *", "return (da_f[:, :3], da_n), dh *")
    said = [f"error: {inside}", f"hint: {inside.hint}", f"error: {returned}"]
    assert shown == said


def test_what_breaks_the_complex_step_is_named() -> None:
    class Real(PlainRNN):
        def step(self, w: Weights, a: Array, h_prev: Array) -> Any:
            h, kept = super().step(w, a, h_prev)
            return np.abs(h), kept

    with pytest.raises(CellError, match="returned h as float64, expected complex128") as caught:
        suite.run(suite.make_case(Real(SIZE)).astype(np.complex128))
    assert "abs, real" in caught.value.hint


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([("W_h", (4, 4))], r"shapes\(\) must return a dictionary of shapes by name, got \[\('W_h"),
        ({"W_x": (4, 4)}, r"names a tensor 'W_x'; .* the layer's own"),
        ({"b": (4,)}, "names a tensor 'b'"),
        ({"W.h": (4, 4)}, "names a tensor 'W.h'; a name is letters"),
        ({3: (4, 4)}, "names a tensor 3;"),
        ({"W_h": 4}, "gives W_h the shape 4; a shape is a tuple of positive integers"),
        ({"W_h": ()}, r"gives W_h the shape \(\);"),
        ({"W_h": (4, 0)}, r"gives W_h the shape \(4, 0\);"),
        ({"W_h": (4, 2.0)}, r"gives W_h the shape \(4, 2.0\);"),
        ({"W_h": (4, 6)}, r"W_h the shape \(4, 6\); a cell that does not define init\(\)"),
        ({"W_h": (3, 4)}, r"W_h the shape \(3, 4\); .*matrices \(H, k·H\)"),
        ({"W_h": (4, 4, 4)}, r"W_h the shape \(4, 4, 4\); .*; H is 4"),
    ],
)
def test_what_shapes_may_return_is_checked(shapes: Any, message: str) -> None:
    class Shaped(PlainRNN):
        def shapes(self) -> Any:
            return shapes

    with pytest.raises(CellError, match=rf"test_own_cell\.py:\d+: .*{message}"):
        SequenceModel(3, 3, Shaped(4)).init(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"U": np.ones((4, 2)), "V": np.ones((2, 4))}, None),
        ({"U": np.ones((4, 2))}, r"init\(\) must .* of \['U', 'V'\], .*, got \['U'\]$"),
        ([np.ones((4, 2))], r"init\(\) must .*, got \[array"),
        (
            {"U": np.ones((4, 2)), "V": np.ones((4, 2))},
            r"init\(\) returned V with shape \(4, 2\), expected \(2, 4\)",
        ),
        ({"U": np.ones((4, 2)), "V": np.full((2, 4), np.nan)}, r"V with elements that are not"),
        ({"U": np.ones((4, 2)), "V": np.ones((2, 4), complex)}, r"V with elements that are not"),
    ],
)
def test_other_shapes_need_their_own_initial_values(values: Any, message: str | None) -> None:
    class LowRank(PlainRNN):
        def shapes(self) -> dict[str, tuple[int, ...]]:
            return {"U": (4, 2), "V": (2, 4)}

        def init(self, rng: np.random.Generator) -> Any:
            return values

    model = SequenceModel(3, 3, LowRank(4))
    if message is None:
        assert (model.init(np.random.default_rng(0))["body.0.U"] == 1).all()
        return
    with pytest.raises(CellError, match=message):
        model.init(np.random.default_rng(0))


def test_initial_biases_are_checked() -> None:
    class Biased(PlainRNN):
        def init_bias(self) -> Array:
            return np.ones((1, 4))

    with pytest.raises(
        CellError, match=r"init_bias\(\) returned b with shape \(1, 4\), exp.*\(4,\)"
    ):
        SequenceModel(3, 3, Biased(4)).init(np.random.default_rng(0))


def test_a_command_reports_it_on_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2: the file must change. It is not a bug in charrnn."""

    def command() -> None:
        raise broken(folder, "f * h_prev) @", "f * h_prev[:, 1:]) @")

    with pytest.raises(typer.Exit) as caught:
        reported(command)()
    assert caught.value.exit_code == 2
    said = capsys.readouterr()
    assert said.out == ""
    error, hint = said.err.splitlines()
    assert error.startswith("error: my_cell.py:17: n = np.tanh(a_n + (f * h_prev[:, 1:]) @")
    assert "operands could not be broadcast" in error
    assert hint.startswith("hint: the shapes there: ")
