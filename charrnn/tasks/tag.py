"""Many to many, one tag for each token: reads the characters, predicts where a token ends."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.chain import Chain
from charrnn.nn.losses import LOSSES
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.base import Outcome, Paths, TaskScore
from charrnn.tasks.baselines import TagBaseline
from charrnn.tasks.config import Config
from charrnn.tasks.examples import (
    OF_CARRIED,
    check_level,
    disagreements,
    labels_of,
    padded,
    same_labels,
    units,
    with_unknowns,
)
from charrnn.tasks.fitted import FittedMap
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.labelled import UNSEEN, LabelledRows, which_is_better
from charrnn.tasks.measures import (
    Counts,
    accuracy,
    by_kind,
    by_label,
    is_bio,
    share,
    span_parts,
)
from charrnn.tasks.rows import Rows, read_rows
from charrnn.tasks.shares import HALVES, Objective, Shares, of_chain, of_targets, shares_in
from charrnn.tasks.summed import SummedTask
from charrnn.tasks.supervised import SupervisedData
from charrnn.tasks.tagging import Tagging, by_lookup, hashes_of, predict, spans_of, tag
from charrnn.tasks.wide import WEIGHTS, buckets_for, map_in
from charrnn.text.alphabet import END, START, Alphabet
from charrnn.text.conll import Sentence, read_sentences
from charrnn.text.counts import counted
from charrnn.text.tables import Source

__all__ = ["TagData", "TagSpec", "TagTask", "Tagging", "predict", "tag"]

SHOWN = 3

LONGEST = 200
"""A file of one sentence with more tokens than this cannot be divided into parts."""


@dataclass(frozen=True)
class TagSpec:
    """The characters and tags that a tagger knows.

    Attributes:
        buckets: for hashed features of tokens that are mapped to the tags as well; 0 means no
            such map.
        fitted: the digest of the data that the map was fitted to.
        shares: as for :class:`charrnn.tasks.classify.ClassifySpec`.
    """

    alphabet: Alphabet
    tags: tuple[str, ...]
    buckets: int = 0
    fitted: str = ""
    shares: Shares | None = None

    def to_header(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        header = {"alphabet": self.alphabet.to_json(), "tags": list(self.tags)}
        own = {"buckets": self.buckets, "fitted": self.fitted}
        own |= {"shares": self.shares and list(self.shares)}
        return header | {name: value for name, value in own.items() if value}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "TagSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, ValueError: the header is not from :meth:`to_header`.
        """
        alphabet, tags = Alphabet.from_json(header["alphabet"]), labels_of(header["tags"])
        return cls(alphabet, tags, *map_in(header), shares_in(header))

    def model(self, config: Config) -> SequenceModel:
        """The network with these settings."""
        check_level(self.alphabet, config)
        return SequenceModel(
            len(self.alphabet),
            len(self.tags),
            config.recurrence(),
            config.layers,
            config.embedding or (0 if config.layers else len(self.alphabet)),
            config.dropout,
            directions=config.directions,
            readout="spans",
            loss=config.loss,
            wide=self.buckets,
        )

    def knows(self) -> dict[str, str | list[str]]:
        """Its characters and tags."""
        return {"tags": list(self.tags), "characters": self.alphabet.vocabulary.shown}

    def encode(self, tokens: Sequence[str]) -> tuple[Array, Array]:
        """A sentence's numbers (T,), and the first and last step of each token (N, 2).

        Tokens are separated by spaces, between a start and an end.
        """
        pieces, ends, at = [np.array([START])], [], 1
        space = self.alphabet.encode(" ")
        for number, token in enumerate(tokens):
            if number:
                pieces.append(space)
                at += 1
            ids = self.alphabet.encode(token)
            pieces.append(ids)
            ends.append((at, at + len(ids) - 1))
            at += len(ids)
        pieces.append(np.array([END]))
        return np.concatenate(pieces).astype(np.intp), np.array(ends).reshape(-1, 2)


class TagData(SupervisedData[Sentence]):
    """Sentences of tagged tokens: CoNLL or CoNLL-U.

    Raises:
        InputError: a file cannot be read, a part has a tag that the training part lacks, or what
            must be divided is one long sentence.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        read = partial(_read if paths.val else _read_several, config)
        rows: Rows[Sentence] = read_rows(paths, read, config, key=lambda row: row.tokens)
        super().__init__(rows, config)
        self._tags = tuple(sorted({tag for row in self.rows.train for tag in row.tags}))
        if len(self._tags) < 2:
            raise InputError(
                f"all tokens have the tag {self._tags[0]!r}",
                "name the columns of the words and of the tags by number (--columns)",
            )
        self.notes += tuple(self._unknown(paths.val, self.rows.val))
        self.notes += tuple(self._unknown(paths.test, self.rows.test))
        every = (*rows.train, *rows.val, *rows.test)
        words = ((" ".join(row.tokens), " ".join(row.tags)) for row in every)
        self.notes += tuple(disagreements(words, "sentence", "tags"))

    def _unknown(self, path: str, part: Iterable[Sentence]) -> Iterator[str]:
        """Notes on what a validation or test part has that training lacks: it counts as wrong."""
        odd = [(row.row, name) for row in part for name in row.tags if name not in self._tags]
        if odd:
            row, name = odd[0]
            tokens, count = (
                counted(len(odd), "token", "have"),
                "counts" if len(odd) == 1 else "count",
            )
            yield (
                f"{path or 'the data'}: {tokens} a tag that is not in the training part, and "
                f"{count} as errors (the first: {name!r}, in the sentence of row {row})"
            )

    def spec(self) -> TagSpec:
        """The characters and tags of the training part."""
        texts = [token for row in self.rows.train for token in row.tokens]
        hashes = hashes_of((row.tokens for row in self.rows.train), self.config)
        buckets = buckets_for(hashes, len(self._tags), self.config.wide)
        fitted, shares = (self.sha256, HALVES) if buckets else ("", None)
        alphabet = Alphabet.of(self.config.level, [" ", *texts])
        return TagSpec(alphabet, self._tags, buckets, fitted, shares)

    def fit(self, spec: TagSpec, config: Config) -> FittedMap:
        """The map from the features of each token."""
        rows, number = self.rows.train, {name: k for k, name in enumerate(spec.tags)}
        return FittedMap(
            lambda row: [*hashes_of([rows[row].tokens], config)],
            [np.array([number[name] for name in row.tags]) for row in rows],
            spec.buckets,
            len(spec.tags),
            config.loss,
            (tuple(row.tokens) for row in rows),
        )

    def task(self, spec: TagSpec, config: Config, model: SequenceModel, threads: int) -> "TagTask":
        """The training task."""
        return TagTask(self.rows, spec, config, model, threads)

    def lengths(self, config: Config) -> list[int]:
        """The number of steps of each training example."""
        return [
            sum(units(token, config) + 1 for token in row.tokens) + 2 for row in self.rows.train
        ]

    def check_labels(self, spec: TagSpec) -> None:
        """Raise InputError unless these are the tags of ``spec``."""
        same_labels(self._tags, spec.tags)

    def describe(self, spec: TagSpec, config: Config) -> list[str]:
        """Lines on the data for the user."""
        tokens = sum(len(row.tokens) for row in (*self.rows.train, *self.rows.val, *self.rows.test))
        return [
            f"{counted(self.size, 'sentence')}, {counted(tokens, 'token')} of "
            f"{counted(len(spec.tags), 'tag')}, "
            + counted(len(spec.alphabet.vocabulary), "distinct character"),
            self.rows.described("sentences"),
        ]


def _read(config: Config, path: str) -> Source[tuple[Sentence, ...]]:
    return read_sentences(
        path, columns=config.columns, column=config.column or None, encoding=config.encoding
    )


def _read_several(config: Config, path: str) -> Source[tuple[Sentence, ...]]:
    """As :func:`_read`, of a file that will be divided.

    Raises:
        InputError: there is one long sentence, so they are probably not separated.
    """
    source = _read(config, path)
    tokens = len(source.records[0].tokens)
    if len(source.records) == 1 and tokens > LONGEST:
        raise InputError(
            f"{path}: all {tokens:,} tokens are one sentence", "put an empty line between sentences"
        )
    return source


class TagTask(SummedTask[Sentence]):
    """Trains on sentences and their tags."""

    def __init__(
        self,
        rows: Rows[Sentence],
        spec: TagSpec,
        config: Config,
        model: SequenceModel,
        threads: int = 1,
    ) -> None:
        self._sentences = [spec.encode(row.tokens) for row in rows.train]
        number = {name: k for k, name in enumerate(spec.tags)}
        self._tags = [np.array([number[name] for name in row.tags]) for row in rows.train]
        self._number = number
        every = (*rows.train, *rows.val, *rows.test)
        self._bio = is_bio([*spec.tags, *(name for row in every for name in row.tags)])
        lengths = [len(ids) for ids, _ in self._sentences]
        super().__init__(rows, model, spec, lengths, config, threads)

    def batch(
        self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[Sequences, int]:
        x, lengths = padded([self._sentences[row][0] for row in rows])
        x = with_unknowns(x, self.config.noise, rng)
        spans = spans_of([self._sentences[row][1] for row in rows])
        targets = np.concatenate([self._tags[row] for row in rows])
        state = self.model.zero_state(len(rows))
        batch = Sequences(x, targets, state, lengths, spans)
        train = [self._rows.train[row] for row in rows]
        return self.with_map(batch, lambda: [*self.hashes(train)], rng), len(targets)

    def hashes(self, rows: Sequence[Sentence]) -> Iterator[Array]:
        return hashes_of((row.tokens for row in rows), self.config)

    def outputs(
        self, parameters: Parameters, rows: Sequence[Sentence], *, alone: bool = False
    ) -> Array:
        found = tag(self.trained(parameters), [row.tokens for row in rows], alone=alone)
        return np.concatenate(found)

    def objective(
        self, parameters: Parameters, rows: Sequence[Sentence], outputs: Array
    ) -> tuple[int, Objective]:
        gold, lane = self._gold(rows), _lane(rows)
        if self.model.loss == "chain":
            known = ~np.isin(lane, lane[gold < 0])
            W = parameters["chain.W"]
            chains = np.stack([W, np.zeros_like(W)])
            return int(known.sum()), of_chain(outputs[:, known], chains, lane[known], gold[known])
        known = gold >= 0
        objective = of_targets(outputs[:, known], gold[known], self.model.head.loss)
        return int(known.sum()), objective

    def joined(self, parameters: Parameters, y: Array, a: float, rows: Sequence[Sentence]) -> Array:
        if self.model.loss != "chain":
            return y
        return Chain(a * parameters["chain.W"], y, _lane(rows)).log_marginals

    def _gold(self, rows: Sequence[Sentence]) -> Array:
        """The number of each token's tag, -1 for a tag that the model does not know."""
        return np.array([self._number.get(name, -1) for row in rows for name in row.tags])

    def _predicted(self, y: Array, rows: Sequence[Sentence]) -> list[list[str]]:
        """The likeliest tags of each sentence."""
        names = [self.spec.tags[k] for k in y.argmax(axis=1)]
        ends = accumulate(len(row.tokens) for row in rows)
        return [names[end - len(row.tokens) : end] for end, row in zip(ends, rows, strict=True)]

    def test(self, parameters: Parameters) -> Outcome | None:
        rows = self._rows.test
        if not rows:
            return None
        y = self.outputs(parameters, rows)
        score, predicted = self.score(y, rows), self._predicted(y, rows)
        gold = [row.tags for row in rows]
        flat, found = list(chain.from_iterable(gold)), list(chain.from_iterable(predicted))
        details: dict[str, Any] = {"tags": by_label(flat, found, sorted({*flat, *found}))}
        if self._bio:
            details["spans"] = by_kind(gold, predicted)
        if not self._rows.train:
            return Outcome(score, {}, (), details)
        simple = TagBaseline().fit([(row.tokens, row.tags) for row in self._rows.train])
        of_simple = self._by_simple(simple, rows)
        baselines = {way: share(parts) for way, parts in of_simple.items()}
        verdict, val = "", self._rows.val
        if val:
            y = self.outputs(parameters, val)
            ours, predicted = self.score(y, val), self._predicted(y, val)
            best = max(self._by_simple(simple, val).values(), key=share)
            parts = self._parts(val, predicted)
            verdict = which_is_better(next(iter(ours.measures)), parts, best)
        return Outcome(score, baselines, (), details, verdict)

    def _by_simple(self, simple: TagBaseline, rows: Sequence[Sentence]) -> dict[str, Counts]:
        """The parts of the sentences in the most important measure of each baseline."""
        tokens = [row.tokens for row in rows]
        return {way: self._parts(rows, simple.predict(tokens, way)) for way in TagBaseline.WAYS}

    def _parts(self, rows: Sequence[Sentence], predicted: Sequence[Sequence[str]]) -> Counts:
        """``(N, 2)``: the parts of the sentences in the most important measure."""
        gold = [row.tags for row in rows]
        if self._bio:
            return span_parts(gold, predicted)
        pairs = zip(gold, predicted, strict=True)
        right = [(sum(a == b for a, b in zip(*both, strict=True)), len(both[0])) for both in pairs]
        return np.array(right)

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        rows = self._rows.val
        chosen = [rows[k] for k in rng.permutation(len(rows))[:SHOWN]]
        found = tag(self.settled(parameters), [row.tokens for row in chosen])
        lines = []
        for row, y in zip(chosen, found, strict=True):
            names = [self.spec.tags[k] for k in y.argmax(axis=1)]
            words = zip(row.tokens, names, row.tags, strict=True)
            lines.append(
                " ".join(f"{w}/{n}" + ("" if n == g else f"(it is {g})") for w, n, g in words)
            )
        return "".join(line + "\n" for line in lines).encode()

    def score(self, y: Array, rows: Sequence[Sentence]) -> TaskScore:
        predicted, numbers = self._predicted(y, rows), self._gold(rows)
        known = numbers >= 0
        nats = np.full(len(numbers), UNSEEN)
        nats[known] = LOSSES[self.model.head.loss](y[known], numbers[known], each=True)
        loss = float(nats.mean())
        main = share(self._parts(rows, predicted))
        measures = {"span F1": main} if self._bio else {}
        measures["token accuracy"] = accuracy(
            [name for row in rows for name in row.tags],
            [name for names in predicted for name in names],
        )
        count = sum(len(row.tokens) for row in rows)
        method = self._rows.method(rows, "sentences", f" ({counted(count, 'token')})")
        error = 1 - main + min(loss, 100.0) / (1000 * count)
        return TaskScore(loss, self.unit, error, measures, method)


def _lane(rows: Sequence[Sentence]) -> Array:
    """The sentence of each token."""
    return np.repeat(np.arange(len(rows)), [len(row.tokens) for row in rows])


register(
    Kind(
        name="tag",
        read=TagData,
        spec=TagSpec.from_header,
        usage="charrnn predict RUN TEXT",
        unit="nats/token",
        measure="1 - F1 of spans, or 1 - accuracy",
        good=lambda header: "span F1" if is_bio(header["spec"]["tags"]) else "accuracy",
        defaults={
            "hidden": 128,
            "embedding": 32,
            "dropout": 0.5,
            "directions": "both",
            "loss": "chain",
            "epochs": 15.0,
            "lr": 3e-3,
            "noise": 0.02,
            "wide": WEIGHTS,
        },
        own={
            "directions": ("forward", "both"),
            "loss": ("softmax", "sigmoid", "chain"),
            "noise": (),
            "column": (),
            "wide": (),
        },
        without=OF_CARRIED,
        averages=True,
        pretrained=True,
        least_updates=1000,
        evaluate=LabelledRows(
            _read,
            TagTask,
            key=lambda row: row.tokens,
            labels=lambda _, row: row.tags,
            known=lambda spec: spec.tags,
            nouns=("sentence", "tag"),
        ),
        columns=("tokens", "tags"),
        predict=predict,
        refitted=by_lookup,
        margin=" ",
        empty=("\t\t", ""),
    )
)
