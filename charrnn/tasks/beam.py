"""Beam search: a target is written symbol by symbol, and the likeliest beginnings are kept."""

import numpy as np

from charrnn.nn.ensemble import Translators
from charrnn.nn.losses import log_probabilities
from charrnn.nn.parameters import Parameters
from charrnn.nn.translator import Translator
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace
from charrnn.text.alphabet import END, START, UNKNOWN

__all__ = ["beam_search"]


def beam_search(
    model: Translator | Translators,
    parameters: Parameters,
    source: Array,
    lengths: Array,
    most: Array,
    beam: int,
) -> list[list[tuple[Array, float]]]:
    """The likeliest targets that a beam finds, likeliest first.

    At each step every beginning is continued by every symbol, and the ``beam`` likeliest of each
    source are kept. With ``beam=1`` the search is greedy: it always takes the likeliest symbol.

    Args:
        source: ``(S, B)`` symbols, longest first.
        lengths: ``(B,)``, the lengths of the sources.
        most: ``(B,)``, the number of symbols after which a target is cut off.
        beam: how many beginnings are kept.

    Returns:
        For each source the symbols of each target, and the logarithm of its probability: of the
        beginnings kept those that have ended, and those that have not only if none has.
    """
    batch_size, vocab_size = source.shape[1], model.target_size
    workspace = Workspace()
    memory, state, _ = model.encode(parameters, source, lengths, workspace)
    lanes = np.repeat(np.arange(batch_size), beam)
    memory, lengths = memory[:, lanes], lengths[lanes]
    state = _chosen(state, lanes)
    # Each source has `beam` beginnings; at first all but one are impossible.
    scores = np.full((batch_size, beam), -np.inf)
    scores[:, 0] = 0
    history: list[tuple[Array, Array]] = []  # of each step: which beginnings, continued by what
    symbols = np.full(batch_size * beam, START)
    ended = done = np.zeros((batch_size, beam), dtype=bool)
    stepping = Workspace()
    for step in range(int(most.max())):
        y, state = model.decode(parameters, symbols[None], state, memory, lengths, stepping)
        logp = log_probabilities("softmax", y[0])
        logp[:, [UNKNOWN, START]] = -np.inf
        logp = logp.reshape(batch_size, beam, vocab_size)
        logp[done] = -np.inf  # a finished target is continued by ends, at no cost
        logp[done, END] = 0
        total = (scores[..., None] + logp).reshape(batch_size, -1)
        best = np.argpartition(-total, beam - 1, axis=1)[:, :beam]
        best = np.take_along_axis(
            best,
            np.argsort(-np.take_along_axis(total, best, axis=1), axis=1, kind="stable"),
            axis=1,
        )
        scores = np.take_along_axis(total, best, axis=1)
        parents_of = best // vocab_size
        parents = parents_of + beam * np.arange(batch_size)[:, None]
        symbols = (best % vocab_size).reshape(-1)
        state = _chosen(state, parents.reshape(-1))
        history.append((parents.reshape(-1), symbols))
        going_on = symbols.reshape(batch_size, beam) != END
        ended = np.where(
            np.take_along_axis(done, parents_of, axis=1),
            np.take_along_axis(ended, parents_of, axis=1),
            ~going_on,
        )
        # It ended by itself or was cut off, by its source's own limit, whatever is in the batch.
        done = ended | (step + 1 >= most)[:, None]
        if done.all():
            break
    possible = ~np.isneginf(scores)  # not where a beam is wider than there are ways to go on
    whole = ended & possible
    whole |= possible & ~whole.any(axis=1, keepdims=True)  # what has not ended if nothing has
    whole[:, 0] |= ~whole.any(axis=1)  # a damaged model shows in its outputs
    written = _followed_back(history, np.arange(batch_size * beam))
    return [
        [(written[:, lane * beam + k], float(scores[lane, k])) for k in np.flatnonzero(whole[lane])]
        for lane in range(batch_size)
    ]


def _followed_back(history: list[tuple[Array, Array]], rows: Array) -> Array:
    """``(T, B)`` the symbols that lead to the beginnings ``rows`` (B,) of the last step.

    Nothing is copied during the search: the symbols are looked up once, at the end.
    """
    written = np.empty((len(history), len(rows)), dtype=np.intp)
    for step in range(len(history) - 1, -1, -1):
        parents, symbols = history[step]
        written[step] = symbols[rows]
        rows = parents[rows]
    return written


def _chosen(state: State, lanes: Array) -> State:
    return tuple(tuple(part[lanes] for part in layer) for layer in state)
