"""Many to many, one tag for each token: reads the characters, predicts where a token ends."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.losses import LOSSES, log_probabilities
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace
from charrnn.tasks.base import Outcome, Paths, TaskScore, Trained
from charrnn.tasks.baselines import TagBaseline
from charrnn.tasks.config import Config
from charrnn.tasks.examples import (
    OF_CARRIED,
    as_json,
    check_level,
    disagreements,
    labels_of,
    padded,
    same_labels,
    together,
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
from charrnn.tasks.supervised import SupervisedData, SupervisedTask
from charrnn.tasks.wide import WEIGHTS, buckets_for, features_of, map_in, thinned
from charrnn.text.alphabet import END, START, Alphabet
from charrnn.text.conll import Sentence, read_sentences
from charrnn.text.counts import counted
from charrnn.text.hashed import of_tokens
from charrnn.text.tables import Source

__all__ = ["TagData", "TagSpec", "TagTask", "Tagging", "predict", "tag"]

SHOWN = 3


@dataclass(frozen=True)
class TagSpec:
    """The characters and tags that a tagger knows.

    Attributes:
        buckets: for hashed features of tokens that are mapped to the tags as well; 0 means no
            such map.
        fitted: the digest of the data that the map was fitted to.
    """

    alphabet: Alphabet
    tags: tuple[str, ...]
    buckets: int = 0
    fitted: str = ""

    def to_header(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        header = {"alphabet": self.alphabet.to_json(), "tags": list(self.tags)}
        own = {"buckets": self.buckets, "fitted": self.fitted}
        return header | {name: value for name, value in own.items() if value}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "TagSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, ValueError: the header is not from :meth:`to_header`.
        """
        alphabet, tags = Alphabet.from_json(header["alphabet"]), labels_of(header["tags"])
        return cls(alphabet, tags, *map_in(header))

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
        InputError: a file cannot be read, or a part has a tag that the training part lacks.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        read = partial(_read, config)
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
        hashes = _hashes((row.tokens for row in self.rows.train), self.config)
        buckets = buckets_for(hashes, len(self._tags), self.config.wide)
        fitted = self.sha256 if buckets else ""
        return TagSpec(Alphabet.of(self.config.level, [" ", *texts]), self._tags, buckets, fitted)

    def fit(self, spec: TagSpec, config: Config) -> FittedMap:
        """The map from the features of each token."""
        rows, number = self.rows.train, {name: k for k, name in enumerate(spec.tags)}
        return FittedMap(
            lambda row: [*_hashes([rows[row].tokens], config)],
            [np.array([number[name] for name in row.tags]) for row in rows],
            spec.buckets,
            len(spec.tags),
            config.loss,
            (tuple(row.tokens) for row in rows),
        )

    def task(self, spec: TagSpec, config: Config, model: SequenceModel, threads: int) -> "TagTask":
        """The training task."""
        fitted = self.fitted(spec, config)
        return TagTask(self.rows, spec, config, model, threads, fitted)

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


class TagTask(SupervisedTask[Sentence]):
    """Trains on sentences and their tags."""

    def __init__(
        self,
        rows: Rows[Sentence],
        spec: TagSpec,
        config: Config,
        model: SequenceModel,
        threads: int = 1,
        fitted: FittedMap | None = None,
    ) -> None:
        self._fitted = fitted
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
        spans = _spans([self._sentences[row][1] for row in rows])
        targets = np.concatenate([self._tags[row] for row in rows])
        state = self.model.zero_state(len(rows))
        batch = Sequences(x, targets, state, lengths, spans)
        if self._fitted is not None:
            batch = replace(batch, beside=self._fitted.beside(rows.tolist()))
        elif self.spec.buckets:
            tokens = [self._rows.train[row].tokens for row in rows]
            features = features_of([*_hashes(tokens, self.config)], self.spec.buckets)
            batch = replace(batch, features=thinned(features, rng))
        return batch, len(targets)

    def validate(self, parameters: Parameters) -> TaskScore | None:
        return self._score(parameters, self._rows.val)[0]

    def test(self, parameters: Parameters) -> Outcome | None:
        rows = self._rows.test
        if not rows:
            return None
        score, predicted = self._score(parameters, rows)
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
            ours, predicted = self._score(parameters, val)
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
        found = tag(self.trained(parameters), [row.tokens for row in chosen])
        lines = []
        for row, y in zip(chosen, found, strict=True):
            names = [self.spec.tags[k] for k in y.argmax(axis=1)]
            words = zip(row.tokens, names, row.tags, strict=True)
            lines.append(
                " ".join(f"{w}/{n}" + ("" if n == g else f"(it is {g})") for w, n, g in words)
            )
        return "".join(line + "\n" for line in lines).encode()

    def _score(
        self, parameters: Parameters, rows: Sequence[Sentence]
    ) -> tuple[TaskScore, list[list[str]]]:
        """The measures, and the predicted tags of each sentence."""
        found = tag(self.trained(parameters), [row.tokens for row in rows])
        predicted = [[self.spec.tags[k] for k in y.argmax(axis=1)] for y in found]
        numbers = np.array([self._number.get(name, -1) for row in rows for name in row.tags])
        known, y = numbers >= 0, np.concatenate(found)
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
        return TaskScore(loss, self.unit, error, measures, method), predicted


def _spans(ends: Sequence[Array]) -> Array:
    """``(N, 3)``: lane, first and last step of every token."""
    lanes = np.concatenate([np.full(len(e), lane) for lane, e in enumerate(ends)])
    return np.column_stack([lanes, np.concatenate(ends)]).astype(np.intp)


def _hashes(sentences: Iterable[Sequence[str]], config: Config) -> Iterator[Array]:
    """The feature hashes of each token; a tagger that only reads forwards sees none ahead."""
    ahead = config.directions == "both"
    return (own for tokens in sentences for own in of_tokens(tokens, ahead=ahead))


def tag(trained: Trained, sentences: Sequence[Sequence[str]]) -> list[Array]:
    """The logit of each tag for each token, ``(tokens, K)`` float64 for each sentence."""
    network, parameters, spec = trained.network, trained.parameters, trained.spec
    encoded = [spec.encode(tokens) for tokens in sentences]
    found = [np.zeros((0, len(spec.tags)))] * len(sentences)
    workspace = Workspace()
    there = [k for k, tokens in enumerate(sentences) if len(tokens)]
    for part in together([len(encoded[k][0]) for k in there]):
        rows = [there[k] for k in part]
        x, lengths = padded([encoded[row][0] for row in rows])
        spans = _spans([encoded[row][1] for row in rows])
        state = network.zero_state(len(rows), parameters.dtype)
        batch = Sequences(x, np.zeros(len(spans), dtype=np.intp), state, lengths, spans)
        if spec.buckets:
            hashes = [*_hashes((sentences[row] for row in rows), trained.config)]
            batch = replace(batch, features=features_of(hashes, spec.buckets))
        with np.errstate(all="ignore"):  # a damaged model shows in its outputs
            y = network.outputs(parameters, batch, workspace)
        cuts = np.cumsum([len(sentences[row]) for row in rows])[:-1]
        for row, own in zip(rows, np.split(y.astype(np.float64), cuts), strict=True):
            found[row] = own
    return found


@dataclass(frozen=True)
class Tagging:
    """The tokens of a sentence, the likeliest tag of each, and its probability.

    With ``loss=sigmoid`` it is the probability of a yes, and those of all tags need not sum to one.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    probabilities: tuple[float, ...]

    def lines(self, form: str) -> Iterator[str]:
        """The lines of ``charrnn predict``."""
        rows = zip(self.tokens, self.tags, self.probabilities, strict=True)
        if form == "text":
            yield " ".join(f"{token}/{name}" for token, name, _ in rows)
        elif form == "tsv":
            yield from (f"{token}\t{name}\t{p:.4f}" for token, name, p in rows)
            yield ""
        else:
            shown = [round(p, 6) for p in self.probabilities]
            yield as_json(tokens=self.tokens, tags=self.tags, probabilities=shown)


def predict(trained: Trained, texts: Sequence[str]) -> list[Tagging]:
    """The tag of each token of each text.

    Only spaces separate tokens, as in the training files: a number with no-break spaces in it is
    one token.

    Raises:
        DivergedError: the outputs are not finite.
    """
    sentences = [_tokens(text) for text in texts]
    taggings = []
    for tokens, y in zip(sentences, tag(trained, sentences), strict=True):
        trained.check_finite(y)
        names = tuple(trained.spec.tags[k] for k in y.argmax(axis=1))
        p = np.exp(log_probabilities(trained.config.loss, y).max(axis=1))
        taggings.append(Tagging(tuple(tokens), names, tuple(p.tolist())))
    return taggings


def _tokens(text: str) -> list[str]:
    return [token for token in text.split(" ") if token]


def by_lookup(trained: Trained, data: TagData) -> Callable[..., list[Tagging]]:
    """Like :func:`predict`, but by the baseline, fitted to the model's training data.

    The baseline is the way of looking tags up that is right more often on the validation rows.
    """
    train, val = data.rows.train, data.rows.val
    simple = TagBaseline().fit([(row.tokens, row.tags) for row in train])

    def right(way: str) -> int:
        found = simple.predict([row.tokens for row in val], way)
        pairs = zip(found, val, strict=True)
        return sum(a == b for own, row in pairs for a, b in zip(own, row.tags, strict=True))

    way = max(TagBaseline.WAYS, key=right)

    def predict(texts: Sequence[str]) -> list[Tagging]:
        sentences = [_tokens(text) for text in texts]
        found = simple.answers(sentences, way)
        return [
            Tagging(tuple(tokens), tuple(name for name, _ in own), tuple(p for _, p in own))
            for tokens, own in zip(sentences, found, strict=True)
        ]

    return predict


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
