"""All figures of a language model on a text, with the baselines beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, log
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.baselines.ngrams import KneserNey
from charrnn.baselines.scores import baselines, capped, ngram_name
from charrnn.errors import DivergedError
from charrnn.evaluation.dynamic import Adaptation, adapted_nats, gradient_rms
from charrnn.evaluation.mixture import fit_weights, mixture
from charrnn.evaluation.windows import LANES, WARM_UP, Reader, carried, resets, windowed_nats
from charrnn.nn.parameters import Parameters
from charrnn.text.escapes import UNKNOWN_NATS, Escaped, escape
from charrnn.text.view import View
from charrnn.text.vocab import Vocabulary

__all__ = ["ADAPTED", "CARRIED", "RESETS", "Figure", "Mixed", "Report", "report"]

RESETS = (64, 256)
CARRIED, ADAPTED = "state carried", "adapted"

Codes = npt.NDArray[Any]


class Figure(NamedTuple):
    """A method's mean loss for a character."""

    name: str
    nats: float

    @property
    def bits(self) -> float:
        """The loss in bits."""
        return self.nats / log(2)

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters among which the choice would be as hard."""
        try:
            return exp(self.nats)
        except OverflowError:
            return inf


class Mixed(NamedTuple):
    """Mixtures of a network and the n-grams."""

    fitted_on: int
    """How many characters, from the beginning, the weights were fitted on."""
    figures: list[Figure]
    """On the other characters: the network alone, the n-grams alone, the mixture."""
    weights: dict[str, list[float]]
    """The network's weights, by the length of the context that the n-grams have seen."""


@dataclass(frozen=True)
class Report:
    """The figures of a language model on a text.

    Attributes:
        count: characters that were scored.
        unknown: how many of them the model does not know.
        unknown_nats: what these add to the mean of every figure except the compressors'.
        method: how the state was carried, in words.
        network: figures of the network.
        baselines: what simple methods reach; empty where the training text is not known.
        mixed: the mixtures; None if they were not asked for.
        each: ``(count,)`` the cost of each character with the state carried, in nats.
    """

    count: int
    unknown: int
    unknown_nats: float
    method: str
    network: list[Figure]
    baselines: list[Figure]
    mixed: Mixed | None
    each: npt.NDArray[np.float64]


def report(
    reader: Reader,
    parameters: Parameters,
    vocabulary: Vocabulary,
    codes: Codes,
    start: int,
    *,
    train: Codes | View | None = None,
    adaptation: Adaptation | None = None,
    mix: bool = False,
    advance: Callable[[int], object] = lambda count: None,
) -> Report:
    """Score ``codes[start:]``: with the state carried, or reset every 64 and 256 characters.

    Args:
        reader: reads with the model.
        parameters: its weights; they are not changed.
        vocabulary: its characters. Others cost what :mod:`charrnn.text.escapes` says.
        codes: ``(N,)`` code points or bytes.
        start: the first character to score, at least 1.
        train: the training text, for baselines, adaptation and mixture.
        adaptation: if given, also score the model as it learns from the text.
        mix: whether to also score mixtures with the n-grams.
        advance: called with how many more characters have been scored, of (3 or 4)·(N - start).

    Raises:
        ValueError: adaptation or mixture is asked for and ``train`` is not given.
        DivergedError: the outputs are not finite numbers.
    """
    if train is None and (adaptation or mix):
        raise ValueError("adaptation and mixture need the training text")
    text = escape(vocabulary, codes)
    count, unknown = len(codes) - start, int(text.unknown[start:].sum())
    edges = carried(start, len(codes), parameters.flat.size)
    ways = {CARRIED: (edges, WARM_UP)}
    ways |= {f"reset every {width}": (resets(start, len(codes), width), 0) for width in RESETS}
    nats = {
        name: windowed_nats(reader, parameters, text.ids, windows, warm_up=warm_up, advance=advance)
        for name, (windows, warm_up) in ways.items()
    }
    _check(nats, "the model is damaged")
    beside: list[Figure] = []
    mixed = None
    if train is not None:
        known = escape(vocabulary, np.asarray(capped(train))).ids
        if adaptation is not None:
            rms = gradient_rms(reader, parameters, known, adaptation.segment)
            nats[ADAPTED] = adapted_nats(
                reader,
                parameters,
                rms,
                text.ids,
                start,
                adaptation,
                known=~text.unknown,
                advance=advance,
            )
            _check(nats, "the adaptation diverged: use a smaller --adapt-rate")
        ngrams = KneserNey(known, len(vocabulary))
        before, scored = codes[:start], codes[start:]
        found = baselines(train, scored, vocabulary, before=before, ngrams=ngrams)
        beside = [Figure(*baseline) for baseline in found]
        if mix and count > 1:
            mixed = _mixed(text, start, nats, ngrams)
    return Report(
        count,
        unknown,
        unknown * UNKNOWN_NATS / count,
        "in one pass"
        if len(edges) == 2
        else f"in {LANES} lanes, each warmed up on the {WARM_UP} characters before it",
        [Figure(name, float(text.charge(own, start).mean())) for name, own in nats.items()],
        beside,
        mixed,
        text.charge(nats[CARRIED], start),
    )


def _check(nats: dict[str, npt.NDArray[Any]], what: str) -> None:
    for own in nats.values():
        if not np.isfinite(own).all():
            raise DivergedError(f"the network's outputs are not finite numbers: {what}")


def _mixed(
    text: Escaped, start: int, nats: dict[str, npt.NDArray[Any]], ngrams: KneserNey
) -> Mixed:
    """Fit on the first half, score the second. Unknown characters cost the same in all models."""
    p, matched = ngrams.probabilities(text.ids, start)
    half = len(p) // 2
    fitting = np.flatnonzero(~text.unknown[start : start + half])
    beside = ngram_name(ngrams.order)
    rows = {beside: -np.log(p)}
    weights: dict[str, list[float]] = {}
    for name in (CARRIED, ADAPTED):
        if name in nats:
            network = np.exp(-nats[name].astype(np.float64))
            fitted = fit_weights(network[fitting], p[fitting], matched[fitting], ngrams.order)
            rows[name] = nats[name]
            rows[f"{name} + {beside}"] = -np.log(mixture(network, p, matched, fitted))
            weights[name] = fitted.tolist()
    figures = [
        Figure(name, float(text.charge(own, start)[half:].mean())) for name, own in rows.items()
    ]
    return Mixed(half, figures, weights)
