"""Where a gradient goes wrong: one step of the cell, result by result.

A wrong step makes every tensor of a network wrong, so a table of tensors says little. But a step
has few results: the gradient by the pre-activation of each gate, by each part of the last state,
and by the cell's own weights. :class:`charrnn.gradcheck.trial.Trial` computes them for one step,
for two and for three. Where they are wrong, they are compared with what the usual mistakes give,
for the whole incoming gradient and for each of its parts alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.gradcheck.checks import ModelCheck
from charrnn.gradcheck.numeric import Problem, derivatives
from charrnn.gradcheck.relations import NO_RELATION, factors, listed, match, relation
from charrnn.gradcheck.trial import LANES, STEPS, Pair, Trial, draw_trial
from charrnn.nn.cells import Cell
from charrnn.nn.types import Array

__all__ = ["Finding", "diagnose", "diagnose_cell"]

Pairs = dict[str, Pair]

NETWORKS = 3
"""After this many failing networks around a correct cell, no more are examined."""

LARGEST = 1000
"""The most elements of a network's tensor that are checked one by one."""

THROUGH_WEIGHTS = "right where the cell's weights are 0, and wrong in what comes back through them"
UNCLEAR = (NO_RELATION, THROUGH_WEIGHTS)


@dataclass(frozen=True)
class Finding:
    """What is wrong at one place, or at several in the same way."""

    where: tuple[str, ...]  # the cells, by their labels; if they are right, the networks
    results: tuple[str, ...]  # "gate f", "h_prev", "W_h", or a tensor of the network
    from_step: int  # the smallest T with a wrong gradient by weights or gates
    relation: str  # of the wrong gradient to the right one
    text: str  # the finding in words


def diagnose_cell(cell: Cell[Any], method: str = "complex") -> list[Finding]:
    """What is wrong with a cell, beginning where the error begins; empty if it is right.

    Args:
        cell: with any H; it is examined with H = 5.
        method: a name in :data:`charrnn.gradcheck.METHODS`.
    """
    step = draw_trial(cell, 1, method)
    pairs = step.compare()
    if wrong := step.wrong(pairs):
        return _of_one_step(step, pairs, wrong)
    for num_steps in range(2, STEPS + 1):
        trial = draw_trial(cell, num_steps, method)
        pairs = trial.compare()
        if wrong := trial.wrong(pairs):
            return [_of_many_steps(trial, pairs, name) for name in wrong]
    trial = draw_trial(cell, STEPS, method, ragged=True)
    wrong = trial.wrong(trial.compare())
    if not wrong:
        return []
    words = "right for sequences of one length, and wrong where they end at different steps"
    text = f"{_begun(_gradients(wrong))} {_are(wrong)} {words}."
    return [Finding((cell.label,), tuple(wrong), 2, words, text)]


def _gradients(names: Sequence[str]) -> str:
    """``the gradients by the pre-activations of gates i and f``."""
    gates = [name.removeprefix("gate ") for name in names if name.startswith("gate ")]
    others = [f"the {name}" if name == "pre-activation" else name for name in names]
    others = [name for name in others if not name.startswith("gate ")]
    s = "s" * (len(gates) > 1)
    of_gates = [f"the pre-activation{s} of gate{s} {listed(gates)}"] if gates else []
    return f"the gradient{'s' * (len(names) > 1)} by {listed(of_gates + others)}"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _begun(text: str) -> str:
    return text[0].upper() + text[1:]


# One step


def _of_one_step(step: Trial, pairs: Pairs, wrong: list[str]) -> list[Finding]:
    """A finding for each error that is not the consequence of another one."""
    gates = [name for name in wrong if name in step.gates]
    told = {
        name: _told(step, pairs, name)
        for name in wrong
        if name in gates or not gates or _own_mistake(step, pairs, name)
    }
    if clear := {name: words for name, words in told.items() if words not in UNCLEAR}:
        told = clear
    grouped: dict[str, list[str]] = {}
    for name, words in told.items():
        grouped.setdefault(words, []).append(name)

    rest = [name for name in wrong if name not in told]
    right = [name for name in pairs if name not in wrong]
    since = 2 if all(name.endswith("_prev") for name in wrong) else 1
    closing = f" Also wrong, most likely because of that: {listed(rest)}." if rest else ""
    closing += f" Right: {listed(right)}." if right else ""
    if since == 1:
        closing += " It is wrong from T = 1 on."
    else:
        closing += (
            " With T = 1 all gradients by weights are right, from T = 2 on they are wrong: it is "
            "the path through the state before."
        )
    findings = [
        Finding(
            (step.cell.label,),
            tuple(names),
            since,
            words,
            f"In a single step {_gradients(names)} {_are(names)} {words}.",
        )
        for words, names in grouped.items()
    ]
    return [*findings[:-1], replace(findings[-1], text=findings[-1].text + closing)]


def _told(step: Trial, pairs: Pairs, name: str) -> str:
    """How a wrong result differs: as a whole, from others, or by the incoming gradient."""
    found, truth = _flat(pairs[name])
    words = relation(found, truth, {"B": LANES}, step.gates)
    if words == NO_RELATION:
        words = match(found, truth, _candidates(step, pairs, name)) or words
    return _by_channel(step, name) if words == NO_RELATION else words


def _flat(pair: Pair) -> Pair:
    """A result of a single step, (1, B, H), as (B, H)."""
    found, truth = pair
    return (found[0], truth[0]) if found.ndim == 3 else pair


def _joined(step: Trial, pairs: Pairs) -> dict[str, Array]:
    """The blocks of W_h of the gates with a = ... + h_prev·W_h, judged by their gradients."""
    W, size = step.weights.get("W_h"), step.cell.hidden_size
    if W is None or W.shape != (size, len(step.gates) * size):
        return {}
    numbers = range(len(step.gates))
    W_k, dW_k = (np.split(array, len(numbers), axis=1) for array in (W, pairs["W_h"][1]))
    made = [step.state[0].T @ pairs[gate][1][0] for gate in step.gates]
    return {step.gates[k]: W_k[k] for k in numbers if np.allclose(made[k], dW_k[k], atol=1e-4)}


def _own_mistake(step: Trial, pairs: Pairs, name: str) -> bool:
    """Whether a result is wrong beyond the effect of wrong gradients by gates."""
    blocks = _joined(step, pairs)
    if name not in ("h_prev", "W_h") or len(blocks) < len(step.gates):
        return False  # this cannot be known
    found, truth = pairs[name]
    if name == "W_h":
        expected = step.state[0].T @ np.hstack([pairs[gate][0][0] for gate in step.gates])
    else:
        errors = {gate: pairs[gate][0][0] - pairs[gate][1][0] for gate in step.gates}
        expected = truth + sum(errors[gate] @ W.T for gate, W in blocks.items())
    return not np.allclose(found, expected, atol=1e-4)


def _candidates(step: Trial, pairs: Pairs, name: str) -> dict[str, Array]:
    """What the usual mistakes would give, by a description of each."""
    truth = {key: _flat(pair)[1] for key, pair in pairs.items()}
    blocks, right = _joined(step, pairs), truth[name]
    if name in step.gates:
        others = [gate for gate in step.gates if gate != name]
        return {f"that by the pre-activation of {gate}": truth[gate] for gate in others}
    if name == "W_h" and len(blocks) == len(step.gates):
        da = np.hstack([truth[gate] for gate in step.gates])
        parts = step.cell.state_names
        lefts = dict(zip(parts, step.final(), strict=True))
        lefts |= {f"{part}_prev": array for part, array in zip(parts, step.state, strict=True)}
        return {f"made with {n} where h_prev belongs": a.T @ da for n, a in lefts.items()}
    if name != "h_prev" or not blocks:
        return {}
    through = {gate: truth[gate] @ W.T for gate, W in blocks.items()}
    turned = {gate: truth[gate] @ W for gate, W in blocks.items()}
    both = right - sum(through.values()) + sum(turned.values())
    known = {"made with W_h where its transpose belongs": both}
    if len(step.gates) == 1:
        arrived = step.arriving("y") + step.arriving("h")
        known["made with dh where da belongs"] = arrived @ blocks[step.gates[0]].T
    for gate, term in through.items():
        known |= {
            f"without what comes back through {gate}": right - term,
            f"wrong in the sign of what comes back through {gate}": right - 2 * term,
            f"the right one with what comes back through {gate} added twice": right + term,
            f"made with W_h of {gate} where its transpose belongs": right - term + turned[gate],
        }
    return known


def _by_channel(step: Trial, name: str) -> str:
    """How a result differs when the gradient comes from the outputs, or from one part of state."""
    told: dict[str, list[str]] = {}
    for channel in step.channels:
        only = step.only(channel)
        pairs = only.compare()
        if name in only.wrong(pairs):
            told.setdefault(_of_channel(only, pairs, name, channel), []).append(channel)
    if set(told) <= {NO_RELATION}:
        told = {NO_RELATION: [*step.channels]}
    return listed(words + _ways(step, channels) for words, channels in told.items())


def _of_channel(only: Trial, pairs: Pairs, name: str, channel: str) -> str:
    found, truth = _flat(pairs[name])
    words = relation(found, truth, {"B": LANES}, only.gates)
    if words != NO_RELATION or name in only.weights:
        return words
    bare = only.without_weights()
    bare_pairs = bare.compare()
    bare_found, bare_truth = _flat(bare_pairs[name])
    states, gates = _states(only), _states(bare) | _gates(bare)
    plainly_wrong = name in bare.wrong(bare_pairs)
    for exchanged in (False, True):
        words = factors(found, truth, states, exchanged=exchanged)
        if not words and plainly_wrong:
            words = factors(bare_found, bare_truth, gates, exchanged=exchanged)
        if words:
            return words
    if match(found, truth, {channel: only.arriving(channel)}):
        return "what has arrived, unchanged"
    if not plainly_wrong:
        return THROUGH_WEIGHTS
    words = relation(bare_found, bare_truth, {"B": LANES}, only.gates)
    return words if words == NO_RELATION else f"{words} in what does not go through weights"


def _ways(step: Trial, channels: list[str]) -> str:
    """``in what arrives by h``: empty if it is everything."""
    if channels == [*step.channels]:
        return ""
    if set(channels) == {"y", "h"}:
        return ", in what arrives by h"
    names = {"y": "the outputs"}
    return f", in what the next step sends back by {listed(names.get(c, c) for c in channels)}"


def _states(trial: Trial) -> dict[str, Array]:
    """States that may be factors of a gradient."""
    known: dict[str, Array] = {}
    parts = zip(trial.cell.state_names, trial.state, trial.final(), strict=True)
    for part, before, after in parts:
        t = np.tanh(after)
        known |= {f"{part}_prev": before, part: after, f"tanh({part})": t}
        known |= {f"1 - {part}²": 1 - after**2, f"1 - tanh²({part})": 1 - t**2}
    return known


def _gates(bare: Trial) -> dict[str, Array]:
    """Functions of the gates that may be factors; without weights, gates depend on ``x`` alone."""
    known: dict[str, Array] = {}
    for gate, (a,) in zip(bare.gates, bare.a, strict=True):
        n = "a" if len(bare.gates) == 1 else f"a_{gate.removeprefix('gate ')}"
        s, t = 0.5 + 0.5 * np.tanh(a / 2), np.tanh(a)
        known |= {
            f"σ({n})": s,
            f"1 - σ({n})": 1 - s,
            f"tanh({n})": t,
            f"σ'({n})": s - s**2,
            f"tanh'({n})": 1 - t**2,
            f"{n}": a,
            f"{n}·(1 - {n})": a - a**2,
            f"1 - {n}²": 1 - a**2,
            f"1 - σ²({n})": 1 - s**2,
            f"tanh({n})·(1 - tanh({n}))": t - t**2,
            f"1 - tanh({n})": 1 - t,
            f"tanh'(tanh({n}))": 1 - np.tanh(t) ** 2,
        }
    return known


# Several steps


def _of_many_steps(trial: Trial, pairs: Pairs, name: str) -> Finding:
    """A single step is right, but a result of several steps is wrong."""
    found, truth = pairs[name]
    count, words = len(trial.dy), None
    if name in trial.weights:
        shares = trial.shares(name)
        words = match(
            found,
            truth,
            {
                f"only the share of step {t + 1} of {count}: it is overwritten at each step where "
                "it should be added to": share
                for t, share in enumerate(shares)
            },
        )
    words = words or relation(found, truth, {"T": count}, trial.gates)
    text = (
        f"{_begun(_gradients([name]))} is right for T = 1 and wrong from T = {count} on: it is "
        f"{words}."
    )
    return Finding((trial.cell.label,), (name,), count, words, text)


# Networks


def diagnose(checks: Iterable[ModelCheck]) -> list[Finding]:
    """What is wrong where ``checks`` have failed, in the order of the checks.

    A wrong cell explains the failures of all networks with that cell. Where the cell is right, the
    tensors of the network are compared, for at most :data:`NETWORKS` networks.
    """
    by_cell: dict[Cell[Any], list[Finding]] = {}
    findings: list[Finding] = []
    networks = 0
    for check in checks:
        if check.problem is None:
            continue
        if networks == NETWORKS:
            break
        if unfit := _unfit(check):
            findings.append(unfit)
            continue
        method = "complex" if any(t.method == "complex" for t in check.tensors) else "central"
        cell = check.cell
        if cell not in by_cell:
            by_cell[cell] = diagnose_cell(cell, method)
            findings += by_cell[cell]
        if not by_cell[cell]:
            findings += _of_network(check, check.problem, method)
            networks += 1
    return _together(findings)


def _unfit(check: ModelCheck) -> Finding | None:
    """Where central differences agree with a gradient, but the complex step is far from both."""
    by_method = {(tensor.tensor, tensor.method): tensor for tensor in check.tensors}
    names = []
    for (name, method), tensor in by_method.items():
        central = by_method.get((name, "central"))
        if method == "complex" and central and central.passed and tensor.error > central.bound:
            names.append(name)
    if not names:
        return None
    words = "right by central differences and wrong by the complex step"
    text = (
        f"The gradients are {words}: something in the forward step does not work with complex "
        "numbers, as abs, .real and conj do not. Write it without them, or use --method "
        "central."
    )
    return Finding((check.cell.label,), tuple(names), 1, words, text)


def _of_network(check: ModelCheck, problem: Problem, method: str) -> list[Finding]:
    """A finding for each wrong tensor, where the cell itself is right."""
    findings = []
    again, last = check.again, check.sizes["T"]
    fewer = [(t, _off(again(t))) for t in range(1, last)] if again else []
    for name in _off(check):
        found, moves = problem.gradient[problem.slices[name]], None
        if found.size > LARGEST:
            moves = np.random.default_rng(0).standard_normal((2 * LANES, found.size))
            moves /= np.linalg.norm(moves, axis=1, keepdims=True)
            found = moves @ found
        shape = found.shape if moves is not None else problem.shapes[name]
        truth = derivatives(problem, name, method, moves)
        words = relation(found.reshape(shape), truth.reshape(shape), check.sizes)
        since = next((t for t, off in fewer if name in off), last if again else 1)
        text = f"The gradient by {name} is {words}."
        if since > 1:
            text += f" It is right for T = 1 and wrong from T = {since} on."
        text += " The cell by itself is right."
        findings.append(Finding((check.label,), (name,), since, words, text))
    return findings


def _off(check: ModelCheck) -> list[str]:
    """The tensors that are wrong."""
    return list(dict.fromkeys(tensor.tensor for tensor in check.tensors if not tensor.passed))


def _together(findings: Iterable[Finding]) -> list[Finding]:
    """Join findings that are the same for several cells or networks."""
    told: dict[str, Finding] = {}
    for finding in findings:
        known = told.get(finding.text, finding)
        where = tuple(dict.fromkeys(known.where + finding.where))
        results = tuple(dict.fromkeys(known.results + finding.results))
        told[finding.text] = replace(finding, where=where, results=results)
    return list(told.values())
