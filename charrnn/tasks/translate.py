"""Many to many, T_x ≠ T_y: one text in, another one out, by an encoder and a decoder."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import exp, isnan, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.parameters import Parameters
from charrnn.nn.translator import Translations, Translator
from charrnn.nn.types import Array
from charrnn.tasks.base import Outcome, Paths, TaskScore, Trained
from charrnn.tasks.baselines import NearestNeighbour
from charrnn.tasks.beam import beam_search
from charrnn.tasks.config import Config
from charrnn.tasks.examples import (
    OF_CARRIED,
    TOGETHER,
    as_json,
    check_level,
    largest_of_its_kind,
    one_line,
    padded,
    together,
    units,
    with_unknowns,
)
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.labelled import LabelledRows, which_is_better
from charrnn.tasks.measures import (
    Counts,
    character_error_rate,
    edit_distance,
    error_parts,
    exact_match,
    share,
)
from charrnn.tasks.previews import fitted
from charrnn.tasks.rows import Rows, read_rows
from charrnn.tasks.supervised import SupervisedData, SupervisedTask
from charrnn.text.alphabet import END, START, Alphabet
from charrnn.text.counts import counted
from charrnn.text.pairs import Pair, read_pairs
from charrnn.text.tables import Source

__all__ = ["TranslateData", "TranslateSpec", "TranslateTask", "Translation", "predict", "translate"]

SHOWN = 4
BEAM = 4
"""Beginnings that the beam search of the test keeps; greedy search is reported beside it."""

MOST_VALIDATED = 500
"""The most sources that a validation translates, since writing is much slower than scoring."""

MOST_LENGTH = 1 << 20
SLACK = 2.0
"""A translation is cut off at this multiple of the largest target length per source character."""

WRITTEN = 64
"""Steps of writing that count as one of reading in a batch of sources: for each, a beam keeps two
numbers (64 MiB in all), where reading keeps features; smaller batches would take longer."""


@dataclass(frozen=True)
class TranslateSpec:
    """The characters of both sides, and the length limits of a translation."""

    source: Alphabet
    target: Alphabet
    longest: int  # characters of the longest training target
    ratio: float  # the most target characters per source character; both without outliers

    def to_header(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        return {
            "source": self.source.to_json(),
            "target": self.target.to_json(),
            "longest": self.longest,
            "ratio": self.ratio,
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "TranslateSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, ValueError: the header is not from :meth:`to_header`.
        """
        longest, ratio = header["longest"], header["ratio"]
        if type(longest) is not int or not 0 < longest <= MOST_LENGTH:
            raise ValueError("the longest target is out of range")
        if type(ratio) is not float or not 0 < ratio <= longest:
            raise ValueError("the ratio of lengths is out of range")
        source, target = Alphabet.from_json(header["source"]), Alphabet.from_json(header["target"])
        return cls(source, target, longest, ratio)

    def model(self, config: Config) -> Translator:
        """The network with these settings."""
        check_level(self.source, config)
        check_level(self.target, config)
        return Translator(
            len(self.source),
            len(self.target),
            config.recurrence(),
            config.layers,
            config.embedding,
            config.dropout,
            "both" if config.directions == "both" else "forward",
            config.attention,
        )

    def knows(self) -> dict[str, str | list[str]]:
        """The characters of either side."""
        return {
            "characters of the source": self.source.vocabulary.shown,
            "characters of the target": self.target.vocabulary.shown,
        }

    def most(self, source_length: int) -> int:
        """Symbols, including the end, after which a source's translation is cut off."""
        return int(min(SLACK * self.longest, 10 + SLACK * self.ratio * source_length)) + 1


class TranslateData(SupervisedData[Pair]):
    """Lines of ``source<TAB>target``; a source may come with several targets.

    Raises:
        InputError: a file cannot be read.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        rows: Rows[Pair] = read_rows(
            paths, partial(_read, config), config, key=lambda row: row.left
        )
        super().__init__(rows, config)
        if config.directions == "both" and config.hidden % 2:
            raise InputError(
                f"--hidden {config.hidden}: the two directions share the hidden units",
                "give an even number",
            )
        if not config.layers:
            raise InputError("--layers 0: a translation needs an encoder and a decoder")

    def spec(self) -> TranslateSpec:
        """The characters of the training part's sources and targets."""
        rows, level = self.rows.train, self.config.level
        source = Alphabet.of(level, (row.left for row in rows))
        target = Alphabet.of(level, (row.right for row in rows))
        lengths = [(len(source.encode(r.left)), len(target.encode(r.right))) for r in rows]
        longest = int(largest_of_its_kind([t for _, t in lengths]))
        ratio = largest_of_its_kind([t / s for s, t in lengths])
        return TranslateSpec(source, target, longest, ratio)

    def task(
        self, spec: TranslateSpec, config: Config, model: Translator, threads: int
    ) -> "TranslateTask":
        """The training task."""
        return TranslateTask(self.rows, spec, config, model, threads)

    def lengths(self, config: Config) -> list[int]:
        """The number of steps of each training example."""
        rows = self.rows.train
        return [max(units(r.left, config), units(r.right, config)) + 1 for r in rows]

    def describe(self, spec: TranslateSpec, config: Config) -> list[str]:
        """Lines on the data for the user."""
        return [
            f"{self.size:,} pairs, {len(spec.source.vocabulary)} and "
            f"{len(spec.target.vocabulary)} distinct characters",
            self.rows.described("pairs"),
            *self._cut_off(spec, config),
        ]

    def _cut_off(self, spec: TranslateSpec, config: Config) -> Iterator[str]:
        """A note that names the rows whose targets exceed the limit."""
        lengths = [(units(r.left, config), units(r.right, config)) for r in self.rows.train]
        cut = [k for k, (s, t) in enumerate(lengths) if t >= spec.most(s)]
        if cut:
            first = max(cut, key=lambda k: lengths[k][1])
            s, t = lengths[first]
            others = f" ({len(cut)} rows like this)" if len(cut) > 1 else ""
            yield (
                f"note: row {self.rows.train[first].row} has a target of {t:,} characters for "
                f"a source of {s:,}{others}: a translation of this source stops after "
                f"{spec.most(s):,}"
            )


def _read(config: Config, path: str) -> Source[tuple[Pair, ...]]:
    return read_pairs(
        path,
        left="source",
        right="target",
        columns=config.columns,
        named=config.named,
        encoding=config.encoding,
    )


class TranslateTask(SupervisedTask[Pair]):
    """Trains on pairs, the decoder reading the true target (teacher forcing)."""

    def __init__(
        self,
        rows: Rows[Pair],
        spec: TranslateSpec,
        config: Config,
        model: Translator,
        threads: int = 1,
    ) -> None:
        self.spec = spec
        self._pairs = [self._encode(row, config) for row in rows.train]
        # By source first; sources of equal length by target.
        longest = max((len(target) for _, target in self._pairs), default=0)
        lengths = [len(source) * (longest + 1) + len(target) for source, target in self._pairs]
        steps = [max(len(source), len(target)) for source, target in self._pairs]
        super().__init__(rows, model, spec, lengths, config, threads, steps)

    def _encode(self, row: Pair, config: Config) -> tuple[Array, Array]:
        target = np.concatenate([self.spec.target.encode(row.right), [END]]).astype(np.intp)
        return encoded_source(self.spec, row.left, backward=config.directions == "backward"), target

    def batch(
        self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[Translations, int]:
        return self._batch([self._pairs[row] for row in rows], rng)

    def _batch(
        self, pairs: Sequence[tuple[Array, Array]], rng: np.random.Generator | None
    ) -> tuple[Translations, int]:
        source, lengths = padded([s for s, _ in pairs])
        targets, target_lengths = padded([t for _, t in pairs])
        previous = np.vstack([np.full((1, len(pairs)), START), targets[:-1]])
        weights = (np.arange(len(targets))[:, None] < target_lengths).astype(np.float32)
        noise = self.config.noise
        batch = Translations(
            with_unknowns(source, noise, rng),
            lengths,
            with_unknowns(previous, noise, rng),
            targets,
            weights,
        )
        return batch, int(target_lengths.sum())

    def validate(self, parameters: Parameters) -> TaskScore | None:
        return self._score(parameters, self._rows.val, MOST_VALIDATED)[0]

    def test(self, parameters: Parameters) -> Outcome | None:
        rows = self._rows.test
        if not rows:
            return None
        sources, references = _by_source(rows)
        score, _ = self._score(parameters, rows, len(rows))
        beam = [t.text for t in translate(self.trained(parameters), sources, beam=BEAM)]
        lines = (
            f"with a beam of {BEAM}: character error rate "
            f"{character_error_rate(beam, references):.4f}, "
            f"exact match {exact_match(beam, references):.4f}",
        )
        train = self._rows.train
        if not train:
            return Outcome(score, {}, lines)
        simple = _nearest_neighbour(train)
        baseline = character_error_rate(simple.predict(sources), references)
        verdict, val = "", self._rows.val
        if val:
            ours, own = self._score(parameters, val, MOST_VALIDATED)
            sources, references = _by_source(val, MOST_VALIDATED)
            theirs = error_parts(simple.predict(sources), references)
            verdict = which_is_better(next(iter(ours.measures)), own, theirs, lower=True)
        return Outcome(score, {"nearest neighbour": baseline}, lines, verdict=verdict)

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        rows = self._rows.val
        chosen = [rows[k] for k in rng.permutation(len(rows))[:SHOWN]]
        found = translate(self.trained(parameters), [row.left for row in chosen])
        lines = [
            fitted("{} → {}", row.left, t.text)
            if t.text == row.right
            else fitted("{} → {} (for {})", row.left, t.text, row.right)
            for row, t in zip(chosen, found, strict=True)
        ]
        return "".join(line + "\n" for line in lines).encode()

    def _score(
        self, parameters: Parameters, rows: Sequence[Pair], most: int
    ) -> tuple[TaskScore, Counts]:
        """The measures, and the parts of the sources in the character error rate."""
        loss = self._loss(parameters, rows)
        sources, references = _by_source(rows, most)
        texts = [t.text for t in translate(self.trained(parameters), sources)]
        parts = error_parts(texts, references)
        rate = share(parts)
        exact = exact_match(texts, references)
        measures = {"character error rate": rate, "exact match": exact}
        method = (
            f"{counted(len(sources), 'source')}, greedy, each beside the closest of its targets; "
            f"loss on {self._rows.method(rows, 'pairs')}"
        )
        score = TaskScore(loss, self.unit, rate + min(loss, 100.0) / 1e5, measures, method)
        return score, parts

    def _loss(self, parameters: Parameters, rows: Sequence[Pair]) -> float:
        pairs = [self._encode(row, self.config) for row in rows]
        lengths, steps = [len(source) for source, _ in pairs], [max(map(len, p)) for p in pairs]
        parts = together(lengths, steps=steps)
        batches = (self._batch([pairs[k] for k in part], None) for part in parts)
        return self.mean_loss(parameters, batches)


def _by_source(rows: Sequence[Pair], most: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Each distinct source and all of its targets; of the first ``most`` sources, if given."""
    targets: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        targets[row.left].append(row.right)
    return list(targets)[:most], list(targets.values())[:most]


def encoded_source(spec: TranslateSpec, text: str, *, backward: bool) -> Array:
    """A source's numbers and an end; reversed if asked for (Sutskever et al., 2014)."""
    ids = spec.source.encode(text)
    return np.concatenate([ids[::-1] if backward else ids, [END]]).astype(np.intp)


@dataclass(frozen=True)
class Translation:
    """A text, and its log-probability including its end; NaN if the text was looked up."""

    source: str
    text: str
    log_probability: float

    @property
    def per_character(self) -> float:
        """The mean logarithm, by which texts of different lengths can be compared."""
        return self.log_probability / (len(self.text) + 1)

    def lines(self, form: str) -> Iterator[str]:
        """The lines of ``charrnn predict``."""
        known = not isnan(self.log_probability)
        if form == "text":
            yield one_line(self.text)
        elif form == "tsv":
            chance = f"{exp(self.log_probability):.4g}" if known else ""
            yield f"{one_line(self.source)}\t{one_line(self.text)}\t{chance}"
        else:
            nats = round(self.log_probability, 6) if known else None
            yield as_json(source=self.source, target=self.text, log_probability=nats)


def translate(trained: Trained, texts: Sequence[str], *, beam: int = 1) -> list[Translation]:
    """The translation of each text.

    Args:
        beam: how many beginnings are kept at each step; 1 is greedy. The translation is the
            one that should need the fewest corrections, among those of the beam and the greedy one,
            which the beam may have lost on the way.
    """
    found = []
    for source, written in zip(texts, candidates(trained, texts, beam), strict=True):
        text = fewest_corrections(written)
        found.append(Translation(source, text, written[text]))
    return found


def fewest_corrections(written: Mapping[str, float]) -> str:
    """The text with the least expected edit distance, if one of them is right.

    The rule of minimum Bayes risk (Kumar and Byrne, 2004, "Minimum Bayes-risk decoding for
    statistical machine translation"): the likeliest text may stand alone, where several others
    agree but for a letter.

    Args:
        written: the logarithm of each text's probability.
    """
    most = max(written.values())
    weights = {text: exp(nats - most) for text, nats in written.items()}

    def corrections(text: str) -> float:
        return sum(weight * edit_distance(text, other) for other, weight in weights.items())

    return min(written, key=corrections)


def candidates(trained: Trained, texts: Sequence[str], beam: int) -> list[dict[str, float]]:
    """What a beam writes for each text, and greedily: the logarithm of each one's probability."""
    spec: TranslateSpec = trained.spec
    backward = trained.config.directions == "backward"
    encoded = [encoded_source(spec, text, backward=backward) for text in texts]
    limits = [spec.most(len(source) - 1) for source in encoded]
    read = [len(source) for source in encoded]
    steps = [beam * max(r, most // WRITTEN) for r, most in zip(read, limits, strict=True)]
    found: list[dict[str, float]] = [{} for _ in texts]
    for rows in together(read, max(1, TOGETHER // beam), steps):
        source, lengths = padded([encoded[row] for row in rows])
        most = np.array([limits[row] for row in rows])
        for width in sorted({1, beam}):
            with np.errstate(all="ignore"):  # a damaged model shows in its outputs
                ends = beam_search(
                    trained.network, trained.parameters, source, lengths, most, width
                )
            for row, some in zip(rows, ends, strict=True):
                found[row] |= {spec.target.decode(ids): nats for ids, nats in some}
    return found


def predict(trained: Trained, texts: Sequence[str], *, beam: int = 1) -> list[Translation]:
    """As :func:`translate`.

    Raises:
        DivergedError: the outputs are not finite.
    """
    found = translate(trained, texts, beam=beam)
    for translation in found:
        trained.check_finite(translation.log_probability)
    return found


def _nearest_neighbour(rows: Sequence[Pair]) -> NearestNeighbour:
    """The baseline, fitted to rows."""
    return NearestNeighbour().fit([row.left for row in rows], [row.right for row in rows])


def by_nearest_neighbour(trained: Trained, data: TranslateData) -> Callable[..., list[Translation]]:
    """Like :func:`predict`, but by the baseline, fitted to the model's training data."""
    simple = _nearest_neighbour(data.rows.train)

    def predict(texts: Sequence[str], *, beam: int = 1) -> list[Translation]:
        if beam > 1:
            raise InputError(
                f"beam {beam}: the baseline looks translations up, without a beam", "leave it out"
            )
        found = zip(texts, simple.predict(texts), strict=True)
        return [Translation(source, text, nan) for source, text in found]

    return predict


register(
    Kind(
        name="translate",
        read=TranslateData,
        spec=TranslateSpec.from_header,
        usage="charrnn predict RUN TEXT",
        unit="nats/{level}",
        measure="character error rate",
        defaults={
            "hidden": 384,
            "embedding": 64,
            "dropout": 0.4,
            "directions": "both",
            "epochs": 16.0,
            "lr": 3e-3,
            "batch_size": 64,
            "noise": 0.01,
        },
        own={"directions": (), "attention": (), "noise": ()},
        without=OF_CARRIED,
        averages=True,
        least_updates=2000,
        evaluate=LabelledRows(_read, TranslateTask, key=lambda row: row.left),
        predict=predict,
        refitted=by_nearest_neighbour,
        options=("beam",),
    )
)
