"""The cost of each line of a text under some models, and the lines' order."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.engine import Engine
from charrnn.evaluation.windows import Reader, windowed_nats
from charrnn.runs.model import Model
from charrnn.tasks.lm import opening_of
from charrnn.text.escapes import escape

__all__ = ["Lines", "score_lines"]

AT_ONCE = 1 << 20
"""The most characters of lines that are scored together, but at least one line."""

Codes = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


class Lines(NamedTuple):
    """The L lines of a text that are not empty, and their costs under M models."""

    begins: Indices
    """``(L,)`` where each begins."""
    ends: Indices
    """``(L,)`` where each ends, including its line end."""
    numbers: Indices
    """``(L,)`` the line numbers, from 1; empty lines count."""
    nats: npt.NDArray[np.float64]
    """``(L, M)`` the cost of the whole line."""

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """``(L, M)`` nats a character, including line ends."""
        return self.nats / (self.ends - self.begins)[:, None]

    @property
    def who(self) -> Indices:
        """``(L,)`` the number of the model under which each line costs least."""
        who: Indices = self.nats.argmin(axis=1)
        return who

    @property
    def margin(self) -> npt.NDArray[np.float64]:
        """``(L,)`` how many nats more it costs under the next best model; 0 with one model."""
        ordered = np.sort(self.nats, axis=1)
        margin: npt.NDArray[np.float64] = ordered[:, min(1, ordered.shape[1] - 1)] - ordered[:, 0]
        return margin

    def order(self) -> Indices:
        """``(L,)`` with one model, by nats a character, the likeliest line first; with several, by
        the model under which a line costs least, the clearest line first.
        """
        if self.nats.shape[1] == 1:
            return np.argsort(self.mean[:, 0], kind="stable").astype(np.int64)
        return np.lexsort((-self.margin, self.who)).astype(np.int64)


def score_lines(
    models: Sequence[Model],
    codes: Codes,
    threads: int = 1,
    advance: Callable[[int], object] = lambda count: None,
) -> Lines:
    """Score each line by itself, as :meth:`Model.score` would, whatever the lines around it are.

    Args:
        models: language models, all of characters or all of bytes.
        codes: ``(N,)`` code points or bytes.
        threads: processes that compute.
        advance: called with how many more characters have been scored, of N for each model.

    Raises:
        DivergedError: a model's outputs are not finite.
    """
    edges = np.append(np.flatnonzero(codes == ord("\n")) + 1, len(codes))
    edges = np.unique(np.append(0, edges))
    begins, ends = edges[:-1], edges[1:]
    nats = np.empty((len(begins), len(models)))
    for column, model in enumerate(models):
        with Engine(model.network, threads) as engine:
            row = 0
            while row < len(begins):
                after = int(np.searchsorted(ends, begins[row] + AT_ONCE, side="right"))
                after = max(after, row + 1)
                _score(model, engine, codes, edges[row : after + 1], nats[row:after, column])
                advance(int(ends[after - 1] - begins[row]))
                row = after
    full = (ends - begins > 1) | (codes[begins] != ord("\n"))
    numbers = np.arange(1, len(begins) + 1)
    return Lines(begins[full], ends[full], numbers[full], nats[full])


def _score(model: Model, engine: Engine, codes: Codes, edges: Indices, nats: Codes) -> None:
    """Fill ``nats`` with the costs of the lines between ``edges``, each after a line end."""
    vocabulary = model.vocabulary
    start = vocabulary.codes[vocabulary.start]
    escaped = escape(vocabulary, np.append([start], codes[edges[0] : edges[-1]]))
    edges = edges - edges[0] + 1
    with np.errstate(all="ignore"):  # values that are not finite are found below
        found = windowed_nats(
            Reader(engine), model.parameters, escaped.ids, edges.tolist(), state=opening_of(model)
        )
    model.check_finite(found)
    nats[:] = np.add.reduceat(escaped.charge(found, 1), edges[:-1] - 1)
