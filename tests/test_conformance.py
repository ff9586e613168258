"""One suite for every cell: all variants of ``CELLS`` × every check. A new cell is a line there.

(And a line in ``reference.STEPS``, for its equations written out plainly. One cell of PlainCell
stands for all of those.)
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
import reference
from plain_cells import PlainLSTM

from charrnn.nn import ops
from charrnn.nn.cells import CELLS, Cell, Saved, all_variants
from charrnn.nn.inputs import project, project_backward
from charrnn.nn.layers import Bidirectional, Layer, Recurrent
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.stack import Dropout, Stack
from charrnn.nn.types import Array, LayerState, State
from charrnn.nn.workspace import StaleBackwardError, Workspace

AnyCell = Cell[Any]
Results = dict[str, Array]

NUM_STEPS, BATCH_SIZE, INPUT_SIZE, HIDDEN_SIZE = 5, 2, 3, 4
VARIANTS = [cell for kind in CELLS.values() for cell in all_variants(kind, HIDDEN_SIZE)]
VARIANTS += [PlainLSTM(HIDDEN_SIZE)]
EXACT = 0.0
TIGHT = 1e-12

every_cell = pytest.mark.parametrize("cell", VARIANTS, ids=lambda cell: cell.label)
every_depth = pytest.mark.parametrize("num_layers", [1, 2])
every_way = pytest.mark.parametrize("both", [False, True], ids=["forward", "both"])
RAGGED = (5, 3, 3, 1)


@dataclass(frozen=True)
class Case:
    """A stack with random weights, its input, and the incoming gradient."""

    stack: Stack
    parameters: Parameters
    x: Array
    state: State
    dy: Array
    dstate: State
    lengths: Array | None = None

    def weights(self, parameters: Parameters) -> tuple[dict[str, Array], ...]:
        return tuple(parameters.scope(str(k)) for k in range(len(self.stack.layers)))

    def astype(self, dtype: type[np.generic]) -> "Case":
        def cast(state: State) -> State:
            return tuple(tuple(part.astype(dtype) for part in layer) for layer in state)

        return Case(
            self.stack,
            self.parameters.astype(dtype),
            self.x.astype(dtype) if self.x.dtype.kind not in "iu" else self.x,
            cast(self.state),
            self.dy.astype(dtype),
            cast(self.dstate),
            self.lengths,
        )

    def part(self, steps: slice = slice(None), rows: slice = slice(None)) -> "Case":
        """The same case for some of the steps, or some of the sequences."""

        def cut(state: State) -> State:
            return tuple(tuple(part[rows] for part in layer) for layer in state)

        return replace(
            self,
            x=self.x[steps, rows],
            dy=self.dy[steps, rows],
            state=cut(self.state),
            dstate=cut(self.dstate),
            lengths=None if self.lengths is None else self.lengths[rows],
        )

    def alone(self, lane: int) -> "Case":
        """One sequence by itself, cut at its end, without lengths."""
        assert self.lengths is not None
        case = self.part(slice(0, int(self.lengths[lane])), slice(lane, lane + 1))
        return replace(case, lengths=None)

    @property
    def inside(self) -> Array:
        """(T, B): which steps are not beyond the end of their sequence."""
        assert self.lengths is not None
        return np.asarray(np.arange(len(self.x))[:, None] < self.lengths)


def make_case(
    cell: AnyCell,
    num_layers: int = 1,
    num_steps: int = NUM_STEPS,
    input_size: int = INPUT_SIZE,
    *,
    both: bool = False,
    lengths: tuple[int, ...] | None = None,
) -> Case:
    """Every weight, bias, input, state and incoming gradient is random: nothing hides in a zero."""
    rng = np.random.default_rng(1)
    batch_size, width = len(lengths or (0,) * BATCH_SIZE), input_size
    layers: list[Layer] = []
    for _ in range(num_layers):
        layer = Recurrent(cell, width)
        layers.append(Bidirectional(layer) if both else layer)
        width = layers[-1].output_size
    stack = Stack(tuple(layers), Dropout(0.0))
    parameters = Parameters(
        {f"{k}.{n}": s for k, layer in enumerate(stack.layers) for n, s in layer.shapes().items()},
        np.float64,
    )
    parameters.flat[:] = 0.6 * rng.standard_normal(parameters.flat.size)

    def random_state() -> State:
        row = (batch_size, cell.hidden_size)
        return tuple(
            tuple(rng.standard_normal(row) for _ in layer.state_names) for layer in stack.layers
        )

    return Case(
        stack=stack,
        parameters=parameters,
        x=rng.standard_normal((num_steps, batch_size, input_size)),
        state=random_state(),
        dy=rng.standard_normal((num_steps, batch_size, width)),
        dstate=random_state(),
        lengths=None if lengths is None else np.array(lengths),
    )


def symbols_case(cell: AnyCell, vocab_size: int, **shape: Any) -> Case:
    """Integers as input: some occur twice, most or all occur."""
    rng = np.random.default_rng(2)
    case = make_case(cell, input_size=vocab_size, **shape)
    ids = rng.integers(vocab_size, size=case.x.shape[:2])
    ids[1] = ids[0]
    return replace(case, x=ids)


def by_name(prefix: str, state: State) -> Results:
    return {f"{prefix}.{k}.{n}": a for k, layer in enumerate(state) for n, a in enumerate(layer)}


def run_forward(case: Case, workspace: Workspace) -> tuple[Results, State, Any]:
    w = case.weights(case.parameters)
    y, final, saved = case.stack.forward(w, case.x, case.state, workspace, None, case.lengths)
    return {"y": y.copy()} | by_name("final", final), final, saved


def run_backward(case: Case, saved: Any, dstate: State | None) -> tuple[Results, State]:
    gradients = case.parameters.zeros_like()
    gradients.flat[:] = 7.0  # overwritten, not added to
    dx, initial = case.stack.backward(
        case.weights(case.parameters), case.weights(gradients), case.dy.copy(), dstate, saved
    )
    results = {f"d{name}": view for name, view in gradients.items()}
    if dx is not None:
        results["dx"] = dx.copy()
    return results | by_name("dstate", initial), initial


def run(case: Case, workspace: Workspace | None = None) -> Results:
    """All results of one forward and one backward pass, by name."""
    outputs, _, saved = run_forward(case, workspace or Workspace())
    return outputs | run_backward(case, saved, case.dstate)[0]


def assert_same(actual: Results, expected: Results, tolerance: float) -> None:
    """Tensor by tensor, relative to the largest element of each; what is zero must be just that.

    A few ReLU units can all be dead for one sequence, so that a tensor may be zero, but not most.
    """
    assert actual.keys() == expected.keys()
    alive = 0
    for name, right in expected.items():
        assert actual[name].shape == right.shape, name
        scale = np.abs(right).max()
        error = np.abs(actual[name] - right).max()
        assert error <= tolerance * scale, f"{name}: off by {error:.1e} on a scale of {scale:.1e}"
        alive += scale > 0
    assert 2 * alive >= len(expected) > 0, "zeros prove nothing"


class PoisonedWorkspace(Workspace):
    """A workspace whose buffers initially contain NaN."""

    def child(self, name: str) -> Workspace:
        return self._children.setdefault(name, PoisonedWorkspace())

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        array = super().array(name, shape, dtype)
        array.fill(np.nan)
        return array


def complex_step(function: Callable[[Array], Any], at: Array) -> Array:
    """The gradient as Im f(x + iε)/ε, one coordinate at a time: nothing cancels (Squire 1998)."""
    epsilon = 1e-30
    gradient = np.empty(at.size)
    for k in range(at.size):
        moved = at.astype(np.complex128)
        moved[k] += 1j * epsilon
        gradient[k] = np.imag(function(moved)) / epsilon
    return gradient


def unpack(flat: Array, like: Results) -> Results:
    """A vector cut into the shapes of ``like``."""
    parts, start = {}, 0
    for name, array in like.items():
        parts[name] = flat[start : start + array.size].reshape(array.shape)
        start += array.size
    assert start == flat.size
    return parts


@every_cell
@every_depth
@every_way
def test_outputs_equal_the_reference(cell: AnyCell, num_layers: int, both: bool) -> None:
    """The gradient of a wrong network can be right, so values are checked against the papers."""
    case = make_case(cell, num_layers, both=both)
    outputs, final, _ = run_forward(case, Workspace())
    options = {option: getattr(cell, option) for option in cell.choices}
    parts = len(cell.state_names)
    for row in range(BATCH_SIZE):
        w, x = case.weights(case.parameters), case.x[:, row]
        state = [tuple(part[row] for part in layer) for layer in case.state]
        if both:
            expected, ends = reference.run_both_stack(
                cell.name,
                options,
                [(reference.scope(layer, "ahead"), reference.scope(layer, "back")) for layer in w],
                x,
                [(layer[:parts], layer[parts:]) for layer in state],
            )
            last = [end + beginning for end, beginning in ends]
        else:
            expected, last = reference.run_stack(cell.name, options, w, x, state)
        assert_same({"y": outputs["y"][:, row]}, {"y": expected}, TIGHT)
        alone = tuple(tuple(part[row] for part in layer) for layer in final)
        assert_same(by_name("", alone), by_name("", tuple(last)), TIGHT)


@every_cell
@every_depth
def test_gradients_equal_the_complex_step(cell: AnyCell, num_layers: int) -> None:
    """By all weights, the input and the initial state, through the outputs and the final state."""
    case = make_case(cell, num_layers)
    inputs = dict(case.parameters.items()) | {"x": case.x} | by_name("state", case.state)

    def functional(flat: Array) -> Any:
        parts = unpack(flat, inputs)
        moved = case.astype(np.complex128)
        for name, view in moved.parameters.items():
            view[...] = parts[name]
        for name, view in ({"x": moved.x} | by_name("state", moved.state)).items():
            view[...] = parts[name]
        outputs, final, _ = run_forward(moved, Workspace())
        through_state = sum(
            np.sum(d * s)
            for d, s in zip(
                by_name("", case.dstate).values(), by_name("", final).values(), strict=True
            )
        )
        return np.sum(case.dy * outputs["y"]) + through_state

    numeric = complex_step(functional, np.concatenate([a.ravel() for a in inputs.values()]))
    expected = {f"d{name}": a for name, a in unpack(numeric, inputs).items()}
    assert all(a.any() for a in expected.values())
    actual = {name: a for name, a in run(case).items() if name.startswith("d")}
    assert_same(actual, expected, TIGHT)


@every_cell
@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["equal", "ragged"])
def test_both_directions_equal_the_complex_step(
    cell: AnyCell, lengths: tuple[int, ...] | None
) -> None:
    """Along one random direction in each tensor, to which an error is hardly ever orthogonal."""
    case = make_case(cell, num_layers=2, both=True, lengths=lengths)
    inputs = dict(case.parameters.items()) | {"x": case.x} | by_name("state", case.state)
    rng, epsilon = np.random.default_rng(5), 1e-30
    weigh_y = case.dy * (1 if lengths is None else case.inside[..., None])
    actual = run(case)
    for name, array in inputs.items():
        direction = rng.standard_normal(array.shape)
        moved = case.astype(np.complex128)
        views = dict(moved.parameters.items()) | {"x": moved.x} | by_name("state", moved.state)
        views[name] += 1j * epsilon * direction
        outputs, final, _ = run_forward(moved, Workspace())
        total = np.sum(weigh_y * outputs["y"])
        for d, part in zip(
            by_name("", case.dstate).values(), by_name("", final).values(), strict=True
        ):
            total += np.sum(d * part)
        analytic = actual[f"d{name}"] * direction
        scale = np.abs(analytic).sum()
        assert abs(analytic.sum() - np.imag(total) / epsilon) <= TIGHT * scale, name
        assert scale > 0, name


@every_cell
@every_depth
@every_way
@pytest.mark.parametrize("num_steps", [5, 7], ids=["longest", "padded"])
def test_a_ragged_batch_equals_each_sequence_alone(
    cell: AnyCell, num_layers: int, both: bool, num_steps: int
) -> None:
    """Outputs, final states and every gradient; also if the batch is padded beyond its longest."""
    case = make_case(cell, num_layers, num_steps, both=both, lengths=RAGGED)
    together = run(case)
    rows = [run(case.alone(lane)) for lane in range(len(RAGGED))]
    for name, whole in together.items():
        if name in ("y", "dx"):
            for lane, length in enumerate(RAGGED):
                inside, beyond = whole[:length, lane], whole[length:, lane]
                assert_same({name: inside}, {name: rows[lane][name][:, 0]}, TIGHT)
                if name == "dx":
                    assert not beyond.any(), "a gradient by what was not read"
                elif not both:
                    assert (beyond == inside[-1]).all(), "the output goes on as it ended"
        elif name.startswith(("final.", "dstate.")):
            assert_same({name: whole}, {name: np.vstack([row[name] for row in rows])}, TIGHT)
        else:
            assert_same({name: whole}, {name: np.sum([row[name] for row in rows], axis=0)}, TIGHT)


@every_cell
@every_way
@pytest.mark.parametrize("symbols", [False, True], ids=["vectors", "symbols"])
def test_padding_never_matters(cell: AnyCell, both: bool, symbols: bool) -> None:
    """Huge inputs, other symbols, gradients that are not numbers: beyond an end nobody looks.

    Nor at what buffers hold before they are written.
    """
    shape: dict[str, Any] = {"num_layers": 2, "num_steps": 6, "both": both, "lengths": RAGGED}
    case = symbols_case(cell, 7, **shape) if symbols else make_case(cell, **shape)
    x, dy = case.x.copy(), case.dy.copy()
    x[~case.inside] = (x[~case.inside] + 3) % 7 if symbols else 1e100
    dy[~case.inside] = np.nan
    plain, padded = run(case), run(replace(case, x=x, dy=dy), PoisonedWorkspace())
    for results in (plain, padded):
        results["y"][~case.inside] = 0
    assert_same(padded, plain, EXACT)
    fixed = replace(case, lengths=None)
    assert_same(run(fixed, PoisonedWorkspace()), run(fixed), EXACT)


@every_cell
@every_way
def test_equal_lengths_give_what_no_lengths_give(cell: AnyCell, both: bool) -> None:
    """Bit for bit."""
    case = make_case(cell, num_layers=2, both=both)
    lengths = np.full(BATCH_SIZE, NUM_STEPS)
    assert_same(run(replace(case, lengths=lengths)), run(case), EXACT)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 5], "longest first"),
        ([5, 0], r"lengths must be in 1\.\.5, got \[5, 0\]"),
        ([5, -1], r"lengths must be in 1\.\.5, got \[5, -1\]"),
        ([6, 5], r"lengths must be in 1\.\.5, got \[6, 5\]"),
        ([], "lengths"),
        ([5], "lengths"),
        ([5, 5, 5], "lengths"),
    ],
)
@every_way
def test_wrong_lengths_are_refused(lengths: list[int], message: str, both: bool) -> None:
    """Lengths too short would leave sequences unread, and lengths too long would go unnoticed."""
    case = make_case(VARIANTS[0], num_layers=2, both=both)
    wrong = replace(case, lengths=np.array(lengths, dtype=np.intp))
    with pytest.raises(ValueError, match=message):
        run_forward(wrong, Workspace())


@every_cell
def test_no_final_gradient_means_zero(cell: AnyCell) -> None:
    """Truncated backpropagation does not pass ``dstate`` on, so no old gradient may leak in."""
    case = make_case(cell, num_layers=2)
    workspace = Workspace()
    run(case, workspace)  # leaves its gradients by the state behind
    _, _, saved = run_forward(case, workspace)
    actual, _ = run_backward(case, saved, None)
    _, _, saved = run_forward(case, Workspace())
    zeros = tuple(tuple(np.zeros_like(part) for part in layer) for layer in case.dstate)
    assert_same(actual, run_backward(case, saved, zeros)[0], EXACT)


@every_cell
@every_depth
def test_two_chunks_equal_one_run(cell: AnyCell, num_layers: int) -> None:
    """With the state carried forward and its gradient back, dividing the steps changes nothing."""
    case = make_case(cell, num_layers)
    first, second = case.part(slice(0, 2)), case.part(slice(2, None))
    outputs_1, carried, saved_1 = run_forward(first, Workspace())
    second = replace(second, state=carried)
    outputs_2, _, saved_2 = run_forward(second, Workspace())
    back_2, dcarried = run_backward(second, saved_2, case.dstate)
    back_1, _ = run_backward(first, saved_1, dcarried)

    joined = outputs_2 | back_1
    joined["y"] = np.concatenate([outputs_1["y"], outputs_2["y"]])
    joined["dx"] = np.concatenate([back_1["dx"], back_2["dx"]])
    for name in case.parameters:
        joined[f"d{name}"] = back_1[f"d{name}"] + back_2[f"d{name}"]
    assert_same(joined, run(case), TIGHT)


@every_cell
@every_depth
def test_single_steps_equal_the_sequence(cell: AnyCell, num_layers: int) -> None:
    """Sampling runs the training code one step at a time."""
    case = make_case(cell, num_layers)
    workspace, state, outputs = Workspace(), case.state, []
    for t in range(NUM_STEPS):
        results, state, _ = run_forward(replace(case.part(slice(t, t + 1)), state=state), workspace)
        outputs.append(results["y"])
    actual = {"y": np.concatenate(outputs)} | by_name("final", state)
    assert_same(actual, run_forward(case, Workspace())[0], TIGHT)


@every_cell
def test_ranges_of_steps_equal_one_range(cell: AnyCell) -> None:
    """The steps may be divided anywhere, with bit for bit the same result."""
    case = make_case(cell)
    (w,), (state,) = case.weights(case.parameters), case.state
    workspace = Workspace()
    a = np.empty((cell.num_gates, NUM_STEPS, BATCH_SIZE, cell.hidden_size))
    project(w["W_x"], w.get("b"), case.x, a, workspace, halved=cell.num_sigmoids)
    s = cell.begin(a, state, workspace)
    cell.prepare(w, s, workspace)
    for steps in (range(2), range(2, 3), range(3, 3), range(3, NUM_STEPS)):
        cell.forward(w, s, steps)
    results = {"y": s.h[1:].copy()} | by_name("final", (s.state(NUM_STEPS),))

    (gradients,) = case.weights(case.parameters.zeros_like())
    for running, final in zip(s.dstate(), case.dstate[0], strict=True):
        running[...] = final
    cell.transpose(w, s, workspace)
    for steps in (range(4, 2, -1), range(2, 1, -1), range(1, 1, -1), range(1, -1, -1)):
        cell.backward(w, s, case.dy, steps)
    cell.weight_gradients(s, gradients)
    dx = np.empty_like(case.x)
    project_backward(w["W_x"], gradients["W_x"], gradients.get("b"), case.x, s.a, dx, workspace)
    results |= {f"d0.{name}": g for name, g in gradients.items()} | {"dx": dx}
    results |= by_name("dstate", (s.dstate(),))
    assert_same(results, run(case), EXACT)


@every_cell
def test_the_state_after_any_step_can_be_read(cell: AnyCell) -> None:
    """``state(t)`` is what a shorter run ends with, and a copy that later runs leave alone."""
    case = make_case(cell)
    workspace = Workspace()
    _, _, saved = run_forward(case, workspace)
    middle = (saved.layers[0].cell.state(3),)
    expected, _, _ = run_forward(case.part(slice(0, 3)), Workspace())
    run_forward(replace(case, x=-case.x), workspace)
    actual = by_name("final", middle)
    assert_same(actual, {name: expected[name] for name in actual}, TIGHT)


@every_cell
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_the_dtype_of_both_directions_is_kept(cell: AnyCell, dtype: type[np.generic]) -> None:
    """Including the reversal of sequences of different lengths."""
    case = make_case(cell, num_layers=2, both=True, lengths=RAGGED)
    results = run(case.astype(dtype))
    assert {a.dtype for a in results.values()} == {np.dtype(dtype)}
    assert_same(results, run(case), 1e-4 if dtype is np.float32 else TIGHT)


@every_cell
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_the_dtype_is_kept(cell: AnyCell, dtype: type[np.generic]) -> None:
    """float32 that silently becomes float64 is half as fast, and the complex step needs complex."""
    case = make_case(cell, num_layers=2)
    moved = case.astype(dtype)
    outputs, _, saved = run_forward(moved, Workspace())
    kept = [getattr(part.cell, f.name) for part in saved.layers for f in fields(part.cell)]
    results = outputs | run_backward(moved, saved, moved.dstate)[0]
    arrays = [a for a in kept if isinstance(a, np.ndarray)] + list(results.values())
    assert len(arrays) >= len(results) + 2 * (len(fields(Saved)) - 3)  # but products and lengths
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}
    assert_same(results, run(case), 1e-4 if dtype is np.float32 else TIGHT)


@every_cell
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_the_dtype_of_symbols_is_that_of_the_weights(
    cell: AnyCell, dtype: type[np.generic]
) -> None:
    """The input is integers; the results have the dtype of the parameters."""
    results = run(symbols_case(cell, vocab_size=7).astype(dtype))
    assert {a.dtype for a in results.values()} == {np.dtype(dtype)}


@every_cell
@every_way
def test_inputs_are_left_alone(cell: AnyCell, both: bool) -> None:
    """Only buffers are changed in place, never arrays of the caller."""
    case = make_case(cell, both=both, lengths=RAGGED)
    assert case.lengths is not None
    gradients = case.parameters.zeros_like()
    given = {"flat": case.parameters.flat, "x": case.x, "dy": case.dy, "lengths": case.lengths}
    given |= by_name("state", case.state) | by_name("dstate", case.dstate)
    before = {name: a.copy() for name, a in given.items()}
    for array in given.values():
        array.flags.writeable = False
    layer, (w,), (g,) = case.stack.layers[0], case.weights(case.parameters), case.weights(gradients)
    frozen = {name: view.view() for name, view in w.items()}
    for view in frozen.values():
        view.flags.writeable = False
    _, _, saved = layer.forward(frozen, case.x, case.state[0], Workspace(), case.lengths)
    layer.backward(frozen, g, case.dy, case.dstate[0], saved)
    assert_same(given, before, EXACT)


@every_cell
@every_way
def test_what_comes_out_belongs_to_the_caller(cell: AnyCell, both: bool) -> None:
    """States outlive the buffers: they are carried while the workspace is used again."""
    case = make_case(cell, both=both)
    workspace = Workspace()
    outputs, final, saved = run_forward(case, workspace)
    back, initial = run_backward(case, saved, case.dstate)
    expected = {name: a.copy() for name, a in (outputs | back).items()}
    run(replace(case, x=-case.x, dy=-case.dy), workspace)
    held = by_name("final", final) | by_name("dstate", initial)
    assert_same(held, {name: expected[name] for name in held}, EXACT)


@every_cell
def test_reused_buffers_equal_fresh_ones(cell: AnyCell) -> None:
    """Values left by a longer or shorter chunk, or by another dtype, must not be read."""
    workspace = Workspace()
    for num_steps in (NUM_STEPS, 9, 2, NUM_STEPS):
        case = make_case(cell, num_layers=2, num_steps=num_steps)
        assert_same(run(case, workspace), run(case), EXACT)
    single_precision = make_case(cell, num_layers=2).astype(np.float32)
    assert_same(run(single_precision, workspace), run(single_precision), EXACT)
    case = make_case(cell, num_layers=2)
    assert_same(
        run(case.part(rows=slice(0, 1)), workspace), run(case.part(rows=slice(0, 1))), EXACT
    )
    assert_same(run(case, workspace), run(case), EXACT)


@every_cell
@every_way
def test_ragged_batches_share_buffers(cell: AnyCell, both: bool) -> None:
    """Values left by sequences of other lengths must not be read."""
    workspace = Workspace()
    for lengths in (RAGGED, (5, 5, 5, 5), (2, 1, 1, 1), None, (5, 4), (1, 1), RAGGED):
        case = make_case(cell, num_layers=2, both=both, lengths=lengths)
        assert_same(run(case, workspace), run(case), EXACT)


@every_cell
@every_depth
@every_way
def test_a_stale_backward_raises(cell: AnyCell, num_layers: int, both: bool) -> None:
    """Backward works in place on what forward left: a second one would return nonsense."""
    case = make_case(cell, num_layers, both=both)
    workspace = Workspace()
    _, _, first = run_forward(case, workspace)
    _, _, elsewhere = run_forward(case, Workspace())
    _, _, second = run_forward(case, workspace)

    gradients = case.parameters.zeros_like()

    def backward(saved: Any) -> None:
        w, g = case.weights(case.parameters), case.weights(gradients)
        case.stack.backward(w, g, case.dy.copy(), case.dstate, saved)

    with pytest.raises(StaleBackwardError, match="forward"):
        backward(first)  # after another forward
    assert not gradients.flat.any(), "a refused backward pass wrote gradients"
    backward(second)
    expected = gradients.flat.copy()
    with pytest.raises(StaleBackwardError, match="forward"):
        backward(second)  # a second time
    assert np.array_equal(gradients.flat, expected)
    backward(elsewhere)  # its own workspace: not concerned
    assert np.array_equal(gradients.flat, expected)
    assert expected.any()


@every_cell
@every_depth
def test_sequences_of_a_batch_are_independent(cell: AnyCell, num_layers: int) -> None:
    """A row alone is the row in the batch, and the weights' gradients are the rows' sum."""
    case = make_case(cell, num_layers)
    together = run(case)
    alone = [run(case.part(rows=slice(row, row + 1))) for row in range(BATCH_SIZE)]
    joined: Results = {}
    for name in together:
        if name in ("y", "dx"):
            joined[name] = np.concatenate([results[name] for results in alone], axis=1)
        elif name.startswith(("final.", "dstate.")):
            joined[name] = np.concatenate([results[name] for results in alone], axis=0)
        else:
            joined[name] = np.sum([results[name] for results in alone], axis=0)
    assert_same(joined, together, TIGHT)


@every_cell
@pytest.mark.parametrize("vocab_size", [7, 300])
def test_symbols_equal_one_hot_vectors(cell: AnyCell, vocab_size: int) -> None:
    """Row gathers and scatters equal products with one-hot rows, on both sides of the limit."""
    assert 7 <= ops.ONE_HOT_LIMIT < 300
    case = symbols_case(cell, vocab_size)
    symbols = run(case)
    assert "dx" not in symbols
    dense = run(replace(case, x=np.eye(vocab_size)[case.x]))
    del dense["dx"]
    assert_same(symbols, dense, TIGHT)


@every_cell
@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_any_integers_are_symbols(cell: AnyCell, dtype: type[np.integer[Any]]) -> None:
    """A corpus has the smallest possible dtype."""
    case = symbols_case(cell, vocab_size=7)
    assert_same(run(replace(case, x=case.x.astype(dtype))), run(case), EXACT)


def make_model(cell: AnyCell, num_layers: int, embedding_size: int) -> SequenceModel:
    return SequenceModel(6, 5, cell, num_layers=num_layers, embedding_size=embedding_size)


def model_case(model: SequenceModel) -> tuple[Parameters, Array, Array, State]:
    """Symbols 0..5 without the 4, targets and a state for a model; all weights random."""
    rng = np.random.default_rng(3)
    parameters = Parameters(model.shapes(), np.float64)
    parameters.flat[:] = 0.6 * rng.standard_normal(parameters.flat.size)
    x = rng.permutation([0, 1, 2, 3, 5] * 2).reshape(NUM_STEPS, BATCH_SIZE)
    targets = rng.integers(5, size=(NUM_STEPS, BATCH_SIZE))
    row = (BATCH_SIZE, model.cell.hidden_size)

    def random_layer() -> LayerState:
        return tuple(rng.standard_normal(row) for _ in model.cell.state_names)

    return parameters, x, targets, tuple(random_layer() for _ in range(model.num_layers))


@every_cell
@pytest.mark.parametrize("embedding_size", [0, 3], ids=["one-hot", "embedded"])
def test_the_loss_equals_the_reference(cell: AnyCell, embedding_size: int) -> None:
    """The whole network of the notes: symbols, two layers, head, softmax, cross-entropy."""
    model = make_model(cell, 2, embedding_size)
    parameters, x, targets, state = model_case(model)
    actual, final = model.cross_entropy(parameters, x, targets, state, Workspace())
    outputs, _, _ = model.forward(parameters, x, state)
    table = parameters["embedding.W"] if embedding_size else np.eye(6)
    options = {option: getattr(cell, option) for option in cell.choices}
    expected = 0.0
    for row in range(BATCH_SIZE):
        hs, last = reference.run_stack(
            cell.name,
            options,
            [parameters.scope("body.0"), parameters.scope("body.1")],
            np.array([table[symbol] for symbol in x[:, row]]),
            [tuple(part[row] for part in layer) for layer in state],
        )
        ys = reference.linear_head(parameters["head.W"], parameters["head.b"], hs)
        expected += reference.cross_entropy(ys, targets[:, row].tolist())
        alone = tuple(tuple(part[row] for part in layer) for layer in final)
        assert_same(by_name("", alone), by_name("", tuple(last)), TIGHT)
        assert_same({"y": outputs[:, row]}, {"y": ys}, TIGHT)
    assert actual == pytest.approx(expected, rel=TIGHT)


@every_cell
@pytest.mark.parametrize("embedding_size", [0, 3], ids=["one-hot", "embedded"])
def test_loss_gradients_equal_the_complex_step(cell: AnyCell, embedding_size: int) -> None:
    """Through head and loss down to the embedding, whose rows are read more than once or never."""
    model = make_model(cell, 1, embedding_size)
    parameters, x, targets, state = model_case(model)

    def loss(flat: Array) -> Any:
        moved = Parameters(model.shapes(), np.complex128, flat)
        return model.cross_entropy(moved, x, targets, state, Workspace())[0]

    gradients = parameters.zeros_like()
    gradients.flat[:] = 7.0
    model.cross_entropy(parameters, x, targets, state, Workspace(), gradients=gradients)
    numeric = Parameters(model.shapes(), np.float64, complex_step(loss, parameters.flat))
    assert_same(dict(gradients), dict(numeric), TIGHT)
    first = gradients["embedding.W" if embedding_size else "body.0.W_x"]
    assert not first[4].any(), "a symbol that was not read has a gradient"
    assert first[[0, 1, 2, 3, 5]].any(axis=1).all()


@every_cell
def test_an_embedding_is_a_table_of_vectors(cell: AnyCell) -> None:
    """Looking symbols up and feeding the rows as vectors is the same network."""
    embedded = make_model(cell, 2, embedding_size=3)
    parameters, x, _, state = model_case(embedded)
    dense = SequenceModel(3, 5, cell, num_layers=2)
    weights = Parameters(dense.shapes(), np.float64)
    for name in weights:
        weights[name][...] = parameters[name]

    y, final, saved = embedded.forward(parameters, x, state)
    y_dense, final_dense, saved_dense = dense.forward(weights, parameters["embedding.W"][x], state)
    assert_same(
        {"y": y} | by_name("final", final),
        {"y": y_dense} | by_name("final", final_dense),
        TIGHT,
    )

    dy = np.random.default_rng(4).standard_normal(y.shape)
    g, g_dense = parameters.zeros_like(), weights.zeros_like()
    dx, dinitial = embedded.backward(parameters, g, dy, final, saved)
    dx_dense, dinitial_dense = dense.backward(weights, g_dense, dy, final, saved_dense)
    assert dx is None
    assert dx_dense is not None
    scattered = np.zeros_like(g["embedding.W"])
    for t in range(NUM_STEPS):
        for row in range(BATCH_SIZE):
            scattered[x[t, row]] += dx_dense[t, row]
    assert_same(
        dict(g) | by_name("dstate", dinitial),
        dict(g_dense) | {"embedding.W": scattered} | by_name("dstate", dinitial_dense),
        TIGHT,
    )
