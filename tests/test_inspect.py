"""How far back gradients reach, and what the command shows of a model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TEXT, TINY, charrnn, environment

from charrnn.nn.body import Body
from charrnn.nn.cells import CELLS, Cell, all_variants, parse_cell
from charrnn.nn.flow import (
    cross_entropy_of,
    decay,
    gradient_flow,
    lane_norms,
    random_functional,
)
from charrnn.nn.layers import turned
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

EPSILON = 1e-30
T, B, D, H = 7, 3, 2, 4

every_cell = pytest.mark.parametrize(
    "cell", [c for kind in CELLS.values() for c in all_variants(kind, H)], ids=lambda c: c.label
)


def weights_of(body: Body, rng: np.random.Generator) -> Parameters:
    w = Parameters(body.shapes(), np.float64)
    w.fill(body.init(rng))
    w.flat[w.num_matrix :] += 0.1 * rng.standard_normal(w.flat.size - w.num_matrix)
    return w


def nudged(state: State, layer: int, part: int, unit: int) -> State:
    """Shift one number of a state in the imaginary direction, in every lane."""
    parts: list[list[Array]] = [[p.astype(complex) for p in one] for one in state]
    parts[layer][part][:, unit] += 1j * EPSILON
    return tuple(map(tuple, parts))


def states_of(body: Body, w: Parameters, x: Array, state: State) -> list[State]:
    """The state before each step, and after the last."""
    states = [state]
    for step in x:
        states.append(body.forward(w, step[None], states[-1], Workspace())[1])
    return states


@every_cell
def test_gradient_flow_equals_the_derivative_by_every_state(cell: Cell[Any]) -> None:
    """The rest of the run from a shifted state, by the complex step."""
    rng = np.random.default_rng(1)
    body = Body(D, cell, input="vectors")
    w = weights_of(body, rng)
    x = rng.standard_normal((T, B, D))
    state: State = (tuple(0.5 * rng.standard_normal((B, H)) for _ in cell.state_names),)
    r = rng.standard_normal((B, H))
    (flow,) = gradient_flow(body, w, x, lambda features: r, state)
    assert list(flow) == list(cell.state_names)
    states = states_of(body, w, x, state)
    complex_w = w.astype(complex)
    for t in range(T):
        for part, name in enumerate(cell.state_names):
            assert flow[name].shape == (T + 1, B, H)
            for unit in range(H):
                start = nudged(states[t], 0, part, unit)
                features, *_ = body.forward(complex_w, x[t:], start, Workspace())
                slope = (features[-1] * r).sum(axis=1).imag / EPSILON
                np.testing.assert_allclose(flow[name][t, :, unit], slope, rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(flow["h"][T], r)
    if "c" in flow:
        assert not flow["c"][T].any()


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_gradient_flow_equals_central_differences(name: str) -> None:
    rng = np.random.default_rng(2)
    body = Body(D, parse_cell(name, H), input="vectors")
    w, x, r = weights_of(body, rng), rng.standard_normal((T, B, D)), rng.standard_normal((B, H))
    (flow,) = gradient_flow(body, w, x, lambda features: r)
    states = states_of(body, w, x, body.zero_state(B, np.float64))

    def loss(t: int, unit: int, by: float) -> Array:
        (first, *others) = states[t][0]
        moved = first.copy()
        moved[:, unit] += by
        features, *_ = body.forward(w, x[t:], ((moved, *others),), Workspace())
        return np.asarray((features[-1] * r).sum(axis=1))

    for t in range(T):
        for unit in range(H):
            slope = (loss(t, unit, 1e-6) - loss(t, unit, -1e-6)) / 2e-6
            np.testing.assert_allclose(flow["h"][t, :, unit], slope, rtol=1e-6, atol=1e-8)


def test_a_lower_layer_acts_on_the_next_step_and_on_the_layer_above() -> None:
    rng = np.random.default_rng(3)
    body = Body(D, parse_cell("lstm", H), 2, input="vectors")
    w, x, r = weights_of(body, rng), rng.standard_normal((T, B, D)), rng.standard_normal((B, H))
    lower, upper = gradient_flow(body, w, x, lambda features: r)
    first, second = body.stack.layers
    cw = w.astype(complex)
    w1, w2 = cw.scope("body.0"), cw.scope("body.1")
    zero: Any = body.zero_state(B, complex)
    whole, *_ = first.forward(w1, x.astype(complex), zero[0], Workspace())
    for t in range(1, T + 1):
        _, start, _ = first.forward(w1, x[:t].astype(complex), zero[0], Workspace())
        for unit in range(H):
            moved = start[0].copy()
            moved[:, unit] += 1j * EPSILON
            seen = whole.copy()
            seen[t - 1] = moved
            if t < T:
                rest, *_ = first.forward(w1, x[t:].astype(complex), (moved, start[1]), Workspace())
                seen[t:] = rest
            y, *_ = second.forward(w2, seen, zero[1], Workspace())
            slope = (y[-1] * r).sum(axis=1).imag / EPSILON
            np.testing.assert_allclose(lower["h"][t, :, unit], slope, rtol=1e-11, atol=1e-13)
    assert np.abs(upper["h"][1:T]).min() > 0


@pytest.mark.parametrize("layers", [1, 2])
def test_with_both_directions_the_forward_one_is_followed(layers: int) -> None:
    """At the initial state it equals the gradient of the training's backward pass."""
    rng = np.random.default_rng(4)
    body = Body(5, parse_cell("gru", H), layers, embedding_size=3, directions="both")
    w = weights_of(body, rng)
    x, r = rng.integers(5, size=(T, B)), rng.standard_normal((B, 2 * H))
    flows = gradient_flow(body, w, x, lambda features: r)
    features, _, saved = body.forward(w, x, body.zero_state(B, np.float64), Workspace())
    dy = np.zeros_like(features)
    dy[-1] = r
    _, dinitial = body.backward(w, w.zeros_like(), dy, None, saved)
    for flow, expected in zip(flows, dinitial, strict=True):
        np.testing.assert_allclose(flow["h"][0], expected[0], rtol=1e-12)
    if layers == 1:
        np.testing.assert_array_equal(flows[0]["h"][T], r[:, :H])
    np.testing.assert_array_equal(turned(x, None), x[::-1])


def test_the_loss_of_the_last_character_is_the_training_loss() -> None:
    rng = np.random.default_rng(5)
    model = SequenceModel(6, 6, parse_cell("lstm", H))
    w = model.init(rng, np.float64)
    text = rng.integers(6, size=(T + 1, B))
    loss = cross_entropy_of(model.head, w.scope("head"), text[-1])
    (flow,) = gradient_flow(model.body, w, text[:-1], loss)
    weights = np.zeros((T, B))
    weights[-1] = 1
    batch = Sequences(text[:-1], text[1:], model.zero_state(B, np.float64), weights=weights)
    result = model.sum_loss(w, batch, Workspace(), gradients=w.zeros_like())
    np.testing.assert_allclose(flow["h"][0], result.dinitial[0][0], rtol=1e-12)
    np.testing.assert_allclose(flow["c"][0], result.dinitial[0][1], rtol=1e-12)


def test_recording_the_flow_changes_nothing() -> None:
    """The dtype is the weights', and neither they nor the input are written to."""
    rng = np.random.default_rng(6)
    body = Body(D, parse_cell("gru", H), 2, input="vectors")
    w = weights_of(body, rng).astype(np.float32)
    x = rng.standard_normal((T, B, D)).astype(np.float32)
    before, read = w.flat.copy(), x.copy()
    first, second = (gradient_flow(body, w, x, lambda h: np.ones_like(h)) for _ in range(2))
    np.testing.assert_array_equal(first[0]["h"], second[0]["h"])
    np.testing.assert_array_equal(w.flat, before)
    np.testing.assert_array_equal(x, read)
    assert {d.dtype.str for flow in first for d in flow.values()} == {"<f4"}


def test_without_a_layer_there_is_no_flow() -> None:
    body = Body(D, parse_cell("gru", H), 0, input="vectors")
    with pytest.raises(ValueError, match="no gradient goes through time"):
        gradient_flow(body, {}, np.zeros((T, B, D)), lambda features: features)


# Vanishing and exploding


def norms_of(
    name: str, change: dict[str, float], steps: int = 60, bias: float | None = None
) -> Any:
    """The norms of a new layer of 32 units with scaled matrices and a given forget bias."""
    rng = np.random.default_rng(7)
    body = Body(8, parse_cell(name, 32), input="vectors")
    w = Parameters(body.shapes(), np.float64)
    w.fill(body.init(rng))
    for matrix, factor in change.items():
        w[f"body.0.{matrix}"][...] *= factor
    if bias is not None:
        w["body.0.b"][32:64] = bias
    x = 0.1 * rng.standard_normal((steps, 8, 8))
    (flow,) = gradient_flow(body, w, x, random_functional(rng))
    return {part: lane_norms(d) for part, d in flow.items()}


def test_a_contraction_vanishes_at_least_as_fast_as_its_bound() -> None:
    """|dh_{t-k}| ≤ (‖W_h‖·max φ')^k·|dh_t|: W_h is orthogonal times 0.9, and tanh' is at most 1."""
    norms = norms_of("rnn", {"W_h": 0.9})["h"]
    assert norms[0] == pytest.approx(1)
    assert np.all(norms <= 0.9 ** np.arange(len(norms)) * (1 + 1e-12))
    assert 0.8 < decay(norms) < 0.9
    # Without anything to squash, the bound is met.
    still = norms_of("rnn", {"W_h": 0.9, "W_x": 0})["h"]
    np.testing.assert_allclose(still, 0.9 ** np.arange(len(still)), rtol=1e-9)


def test_a_relu_with_large_weights_explodes() -> None:
    norms = norms_of("rnn,activation=relu", {"W_h": 2})["h"]
    assert decay(norms) > 1.2
    assert norms[-1] > 1e6


def test_open_forget_gates_keep_the_gradient_by_the_cell() -> None:
    """With f ≈ 1 and little through the gates, the gradient by the cell stays the same."""
    norms = norms_of("lstm", {"W_h": 0.01}, bias=20.0)["c"]
    assert norms[0] == 0
    np.testing.assert_allclose(norms[1:] / norms[1], 1, atol=0.1)
    assert decay(norms) == pytest.approx(1, abs=0.002)
    # The initial bias of 1 keeps σ(1) of it a step.
    closing = norms_of("lstm", {"W_h": 0, "W_x": 0})["c"]
    np.testing.assert_allclose(closing[2:] / closing[1:-1], 1 / (1 + np.exp(-1)), rtol=1e-12)


def test_the_factor_is_fitted_to_positive_values() -> None:
    ages = np.arange(50)
    assert decay(3 * 0.7**ages) == pytest.approx(0.7)
    assert decay(np.concatenate([[0.0], 1.5**ages, [np.inf, np.nan]])) == pytest.approx(1.5)
    assert np.isnan(decay(np.array([0.0, 2.0, 0.0])))


def test_norms_are_averaged_over_lanes_and_counted_back() -> None:
    flow = np.zeros((3, 2, 2))
    flow[2] = [[3, 4], [0, 1]]
    np.testing.assert_array_equal(lane_norms(flow), [3, 0, 0])


# The command


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    (folder / "corpus.txt").write_text(TEXT, encoding="utf-8")
    brief = ["--epochs", "1", "--threads", "1"]
    for out, more in (("run", []), ("two", ["--layers", "2"]), ("none", ["--layers", "0"])):
        done = charrnn("train", "corpus.txt", *TINY, *brief, *more, "--out", out, cwd=folder)
        assert done.returncode == 0, done.stderr
    (folder / "pairs.tsv").write_text(
        "".join(f"{'ab'[k % 2] * (k % 7 + 1)}{k}\t{'xy'[k % 2]}\n" for k in range(60)),
        encoding="utf-8",
    )
    for task in ("classify", "translate", "generate"):
        if task == "generate":
            rows = (folder / "pairs.tsv").read_text(encoding="utf-8").splitlines()
            turned_round = ["\t".join(reversed(row.split("\t"))) for row in rows]
            (folder / "pairs.tsv").write_text("\n".join(turned_round) + "\n", encoding="utf-8")
        options = ["--task", task, *TINY[:2], "--batch-size", "8", *brief, "--out", task]
        done = charrnn("train", "pairs.tsv", *options, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def curves(place: Path, *arguments: str) -> list[dict[str, Any]]:
    done = charrnn("inspect", "--gradient-flow", "--json", *arguments, cwd=place)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_gradient_flow_compares_new_cells(place: Path) -> None:
    found = curves(place, "--hidden", "8", "--seq-len", "30")
    assert [(c["label"], c["part"]) for c in found] == [
        ("rnn", "h"),
        ("gru", "h"),
        ("lstm", "h"),
        ("lstm", "c"),
    ]
    assert all(len(c["norms"]) == 31 for c in found)
    assert all(c["norms"][0] == pytest.approx(float(c["part"] == "h")) for c in found)
    factors = {c["label"]: c["factor"] for c in found if c["part"] == "h"}
    assert factors["rnn"] < factors["lstm"] < 1
    assert curves(place, "--hidden", "8", "--seq-len", "30") == found
    assert curves(place, "--hidden", "8", "--seq-len", "30", "--seed", "1") != found


def test_gradient_flow_of_chosen_cells(place: Path) -> None:
    chosen = ["--cell", "rnn,activation=relu", "--cell", "gru,reset=before"]
    found = curves(place, *chosen, "--hidden", "4", "--seq-len", "5")
    assert [c["label"] for c in found] == ["rnn,activation=relu", "gru,reset=before"]


def test_gradient_flow_over_one_step(place: Path) -> None:
    done = charrnn("inspect", "--gradient-flow", "--seq-len", "1", "--hidden", "1", cwd=place)
    assert done.returncode == 0, done.stderr


def test_gradient_flow_of_every_layer_of_a_trained_model(place: Path) -> None:
    found = curves(place, "two", "--prime", TEXT[:20])
    assert [c["label"] for c in found] == ["lstm, layer 0"] * 2 + ["lstm, layer 1"] * 2
    assert all(len(c["norms"]) == 20 for c in found)


@pytest.mark.parametrize("task", ["classify", "translate", "generate"])
def test_inspect_reads_a_model_of_every_task(place: Path, task: str) -> None:
    found = curves(place, task, "--seq-len", "6")
    labels = {c["label"] for c in found}
    assert labels == ({"encoder lstm", "decoder lstm"} if task == "translate" else {"lstm"})
    done = charrnn("inspect", task, cwd=place)
    assert done.returncode == 0, done.stderr
    assert f"task{task:>20}".split() == done.stdout.decode().splitlines()[1].split()


def test_figures_that_are_not_finite_are_null_in_json() -> None:
    from charrnn.cli.flow import Curve, _plot, curve_json

    norms = np.array([1.0, np.inf, np.nan, 0.0])
    curve = Curve("rnn", "h", norms, decay(norms))
    told = json.loads(json.dumps(curve_json(curve), allow_nan=False))
    assert told == {"label": "rnn", "part": "h", "factor": None, "norms": [1.0, None, None, 0.0]}
    assert sum(line.count("*") for line in _plot([curve])) == 1
    assert list(_plot([Curve("rnn", "h", norms[1:], 0.0)])) == [
        "(nothing to plot: the gradients are not finite numbers)"
    ]


def test_the_plot_is_plain_characters(place: Path) -> None:
    ascii_only = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    done = charrnn("inspect", "--gradient-flow", "--hidden", "8", cwd=place, env=ascii_only)
    assert done.returncode == 0, done.stderr
    page = done.stdout.decode("ascii")
    plot = [line for line in page.splitlines() if line[6:8] == " |"]
    assert len(plot) == 17
    columns = {mark: {line.find(mark, 8) for line in plot} for mark in "*o+x"}
    assert all(len(found - {-1}) > 3 for found in columns.values())
    header, *rows = [
        line.split() for line in page.splitlines() if "factor" in line or " of " in line
    ]
    del header
    assert any(row[:4] == ["+", "h", "of", "lstm"] for row in rows)


def test_inspect_says_what_a_run_is(place: Path) -> None:
    done = charrnn("inspect", "run", cwd=place)
    assert done.returncode == 0, done.stderr
    page = done.stdout.decode()
    for words in ("task              lm", "lstm, 1 layer of 8 hidden", "validated at step"):
        assert words in page
    facts = json.loads(charrnn("inspect", "run", "--json", cwd=place).stdout)
    characters = sorted(set(TEXT))
    size, gates = len(characters), 4 * 8
    assert facts["parameters"] == size * gates + 8 * gates + gates + 8 * size + size
    assert facts["knows"] == {"characters": "".join(characters)}
    assert facts["steps"] == facts["best"]["step"] > 0
    assert facts["changed"]["hidden"] == 8
    whole = json.loads(charrnn("inspect", "run/last.npz", "--json", cwd=place).stdout)
    assert {**whole, "path": facts["path"]} == facts


def test_what_a_classifier_knows(place: Path) -> None:
    facts = json.loads(charrnn("inspect", "classify", "--json", cwd=place).stdout)
    assert facts["knows"]["labels"] == ["x", "y"]
    page = charrnn("inspect", "classify", cwd=place).stdout.decode()
    assert f"best              {1 - facts['best']['val']:.3f} accuracy, validated at step" in page
    assert set(facts["knows"]["characters"]) == set("ab0123456789")


def test_a_history_is_not_trusted(place: Path) -> None:
    from charrnn.cli.summary import facts
    from charrnn.runs.model import load_model

    model = load_model(place / "run" / "best.npz")
    for history in (None, "x", [3, {}, {"step": "a"}, {"step": 1, "val": float("nan")}], []):
        found = facts(replace(model, header={"history": history, "training": 5}))
        assert found["best"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nothing to inspect"),
        (["run", "--hidden", "3"], "--hidden goes with --gradient-flow"),
        (["missing"], "does not exist"),
        (["--gradient-flow", "missing"], "does not exist"),
        (["--gradient-flow", "run", "--hidden", "3"], "has its own hidden units"),
        (["--gradient-flow", "run", "--cell", "rnn"], "has the built-in cell lstm"),
        (["--gradient-flow", "--prime", "abc"], "--prime needs a model"),
        (["--gradient-flow", "run", "--prime", "a"], "one to read and one to predict"),
        (["--gradient-flow", "run", "--prime", "abZ"], "Z"),
        (["--gradient-flow", "run", "--prime", "ab", "--seq-len", "3"], "--seq-len"),
        (["--gradient-flow", "classify", "--prime", "ab"], "is for language models"),
        (["--gradient-flow", "--cell", "transformer"], "unknown cell"),
        (["--gradient-flow", "none"], "no recurrent layer"),
    ],
)
def test_mistakes_take_two_lines(place: Path, arguments: list[str], message: str) -> None:
    done = charrnn("inspect", *arguments, cwd=place)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert done.stderr.decode().startswith("error: ")
    assert len(done.stderr.splitlines()) <= 2
    assert not done.stdout
