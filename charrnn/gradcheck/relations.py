"""How a wrong gradient relates to the right one, in words: 0, a sign, a factor, transposed, ...

The words follow "the gradient by ... is".
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

import numpy as np

from charrnn.nn.types import Array

__all__ = ["NO_RELATION", "alike", "factors", "listed", "match", "relation"]

NO_RELATION = "not related to the right one in any simple way"
LIKE = 1e-3
"""An explanation must be closer to the wrong gradient than the right one is by this factor."""


def listed(names: Iterable[str]) -> str:
    """``i, f and o``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def alike(candidate: Array, found: Array, truth: Array) -> bool:
    """Whether ``candidate`` explains how ``found`` differs from ``truth``."""
    return bool(np.linalg.norm(candidate - found) <= LIKE * np.linalg.norm(found - truth))


def match(found: Array, truth: Array, candidates: Mapping[str, Array]) -> str | None:
    """The name of the first candidate that explains ``found``; None without any."""
    for words, candidate in candidates.items():
        if candidate.shape == found.shape and alike(candidate, found, truth):
            return words
    return None


def relation(
    found: Array, truth: Array, numbers: Mapping[str, int], blocks: Sequence[str] = ()
) -> str:
    """What the wrong gradient is, compared with the right one.

    Args:
        found, truth: the wrong gradient and the right one, of the same shape.
        numbers: the possible factors, by name: ``{"B": 4, "T": 5}``.
        blocks: the names of the square blocks of a joined matrix (H, k·H), if it is one.
    """
    if not np.all(np.isfinite(found)):
        return "not a number"
    size = float(np.linalg.norm(truth))
    if not found.any():
        return "0"
    if not size:
        return "not 0, which it should be"
    factor = float(np.vdot(truth, found)) / size**2
    if alike(factor * truth, found, truth):
        return _factor(factor, numbers)
    return (
        _rearranged(found, truth, blocks) or _partly(found, truth, numbers, blocks) or NO_RELATION
    )


def _factor(factor: float, numbers: Mapping[str, int]) -> str:
    known = {
        "the right one with the wrong sign": -1.0,
        "twice the right one": 2.0,
        "half of the right one": 0.5,
    }
    for name, number in numbers.items():
        over = {"B": "sequences", "T": "steps"}.get(name)
        mean = f": a mean over the {over} where a sum belongs" if over else ""
        known |= {f"1/{name} of the right one{mean}": 1 / number}
        known |= {f"{name} times the right one": float(number)}
    if numbers.keys() >= {"B", "T"}:
        mean = "1/(B·T) of the right one: a mean where a sum belongs"
        known |= {mean: 1 / (numbers["B"] * numbers["T"])}
    for words, value in known.items():
        if abs(factor / value - 1) < LIKE * abs(factor - 1):
            return words
    return f"{factor:.12g} times the right one"


def _split(W: Array) -> list[Array]:
    """The square blocks of a joined matrix (H, k·H); empty if it is not one."""
    if W.ndim != 2 or W.shape[1] % W.shape[0]:
        return []
    return np.split(W, W.shape[1] // W.shape[0], axis=1)


def _rearranged(found: Array, truth: Array, names: Sequence[str]) -> str:
    parts = _split(truth)
    if not parts:
        return ""
    turned = np.hstack([part.T for part in parts])
    candidates = {
        "the right one transposed" + ", block by block" * (len(parts) > 1): turned,
        "the right one transposed, with the wrong sign": -turned,
        "the right one transposed as a whole": truth.T.reshape(truth.shape),
    }
    if 1 < len(parts) <= 4:
        for order in permutations(range(len(parts))):
            moved = [k for k, source in enumerate(order) if k != source]
            if moved:
                words = (
                    f"the right one with the blocks of {listed(_called(moved, names))} exchanged"
                )
                candidates[words] = np.hstack([parts[k] for k in order])
    return match(found, truth, candidates) or ""


def _called(numbers: Sequence[int], names: Sequence[str]) -> list[str]:
    return [names[k] if names else f"number {k + 1}" for k in numbers]


def _partly(found: Array, truth: Array, numbers: Mapping[str, int], names: Sequence[str]) -> str:
    """Right except for some blocks of a matrix."""
    far = LIKE * np.linalg.norm(found - truth)
    pairs = list(zip(_split(found), _split(truth), strict=True))
    wrong = [k for k, (ours, right) in enumerate(pairs) if np.linalg.norm(ours - right) > far]
    if not 0 < len(wrong) < len(pairs):
        return ""
    words = {relation(*pairs[k], numbers) for k in wrong}
    how = f": there it is {words.pop()}" if len(words) == 1 else ""
    return (
        f"wrong in the block{'s' * (len(wrong) > 1)} of {listed(_called(wrong, names))} only{how}"
    )


def factors(
    found: Array, truth: Array, known: Mapping[str, Array], *, exchanged: bool = False
) -> str:
    """Which of the ``known`` arrays is missing or is one too many, element by element.

    A gradient is a product. If a factor X is left out, then found·X = truth. If Y takes the place
    of X, then found·X = truth·Y, which is tried if ``exchanged`` is set.
    """
    if exchanged:
        for belongs, X in known.items():
            for stands, Y in known.items():
                if belongs != stands and alike(truth * Y, found * X, truth * X):
                    return f"made with {stands} where {belongs} belongs"
        return ""
    for words, X in known.items():
        if alike(truth, found * X, truth * X):
            return f"without the factor {words}"
    for words, Y in known.items():
        if alike(truth * Y, found, truth):
            return f"the right one times {words}, which does not belong there"
    return ""
