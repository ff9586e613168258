"""Many to one: a text in, one of K labels out; or several labels, each a yes or a no."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.losses import LOSSES
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.base import Outcome, Paths, TaskScore
from charrnn.tasks.baselines import LabelBayes, NaiveBayes
from charrnn.tasks.classification import (
    Classification,
    classify,
    cut,
    framed,
    predict,
    predictions,
)
from charrnn.tasks.config import Config
from charrnn.tasks.examples import (
    OF_CARRIED,
    check_labels,
    check_level,
    disagreements,
    label_notes,
    labels_of,
    padded,
    same_labels,
    units,
    with_unknowns,
)
from charrnn.tasks.fitted import FittedMap
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.labelled import UNSEEN, LabelledRows, which_is_better
from charrnn.tasks.labels import (
    confusion_table,
    each_label,
    label_table,
    labels_in,
    separator_of,
    yes_of,
)
from charrnn.tasks.measures import (
    Counts,
    accuracy,
    by_label,
    confusion,
    figures,
    label_counts,
    label_parts,
    macro_f1,
    several_labels,
    share,
)
from charrnn.tasks.previews import fitted
from charrnn.tasks.rows import Rows, read_rows
from charrnn.tasks.shares import HALVES, Objective, Shares, of_targets, shares_in
from charrnn.tasks.summed import SummedTask
from charrnn.tasks.supervised import SupervisedData
from charrnn.tasks.wide import WEIGHTS, buckets_for, map_in, ngrams_in
from charrnn.tasks.without_network import by_naive_bayes, commonest, naive_bayes
from charrnn.text.alphabet import Alphabet
from charrnn.text.counts import counted, counted_of
from charrnn.text.hashed import CHARACTERS, longest_for, of_text
from charrnn.text.pairs import Pair, read_pairs
from charrnn.text.tables import Source

__all__ = ["Classification", "ClassifyData", "ClassifySpec", "ClassifyTask", "classify", "predict"]

SHOWN = 5
MOST_COUNTS = 1 << 24
"""Characters times labels up to which n-grams are counted; more would take gigabytes."""


@dataclass(frozen=True)
class ClassifySpec:
    """The characters and labels that a classifier knows.

    Attributes:
        several: whether a text may have no label, or several.
        buckets: for hashed n-grams that are mapped to the labels as well; 0 means no map.
        fitted: the digest of the data that the map was fitted to.
        shares: of the map and the recurrence, while they train by themselves
            (:mod:`charrnn.tasks.shares`).
        ngrams: the length of the longest n-grams that are mapped, in characters.
    """

    alphabet: Alphabet
    labels: tuple[str, ...]
    several: bool = False
    buckets: int = 0
    fitted: str = ""
    shares: Shares | None = None
    ngrams: int = CHARACTERS

    def to_header(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        header = {"alphabet": self.alphabet.to_json(), "labels": list(self.labels)}
        own = {"several": self.several, "buckets": self.buckets, "fitted": self.fitted}
        ngrams = self.ngrams if self.buckets and self.ngrams != CHARACTERS else None
        own |= {"shares": self.shares and list(self.shares), "ngrams": ngrams}
        return header | {name: value for name, value in own.items() if value}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "ClassifySpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, ValueError: the header is not from :meth:`to_header`.
        """
        several = header.get("several", False)
        if not isinstance(several, bool):
            raise ValueError("whether there are several labels must be true or false")
        alphabet, labels = Alphabet.from_json(header["alphabet"]), labels_of(header["labels"])
        shares, ngrams = shares_in(header), ngrams_in(header)
        return cls(alphabet, labels, several, *map_in(header), shares, ngrams)

    def hashes(self, text: str) -> Array:
        """The hashes of the n-grams that are mapped."""
        return of_text(text, self.ngrams)

    def model(self, config: Config) -> SequenceModel:
        """The network with these settings."""
        check_level(self.alphabet, config)
        return SequenceModel(
            len(self.alphabet),
            len(self.labels),
            config.recurrence(),
            config.layers,
            config.embedding or (0 if config.layers else len(self.alphabet)),
            config.dropout,
            directions=config.directions,
            readout=config.readout,
            loss=config.loss,
            wide=self.buckets,
        )

    def knows(self) -> dict[str, str | list[str]]:
        """Its characters and labels."""
        return {"labels": list(self.labels), "characters": self.alphabet.vocabulary.shown}


class ClassifyData(SupervisedData[Pair]):
    """Lines of ``text<TAB>label``; with ``loss=sigmoid``, of any number of labels, or none.

    Raises:
        InputError: a file cannot be read, or a part has a label that the training part lacks.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        rows: Rows[Pair] = read_rows(
            paths,
            partial(_read, config),
            config,
            key=lambda row: row.left,
            stratum=lambda row: labels_in(row.right, config) or ("",),
        )
        super().__init__(rows, config)
        train, val, test = (
            list(each_label(part, config)) for part in (rows.train, rows.val, rows.test)
        )
        self._labels = tuple(sorted({row.right for row in train}))
        if len({frozenset(labels_in(row.right, config)) for row in rows.train}) < 2:
            same = f"the label {rows.train[0].right!r}" if self._labels else "no label"
            raise InputError(f"all rows have {same}", "there is nothing to learn")
        check_labels(val, self._labels, paths.val, "right")
        check_labels(test, self._labels, paths.test, "right")
        self._every = (*rows.train, *rows.val, *rows.test)
        counts = [len(labels_in(row.right, config)) for row in self._every]
        self._several = set(counts) != {1}
        self._mean = sum(counts) / len(counts)
        self.notes += tuple(self._remarks(counts.count(0)))
        names, tested = ([row.right for row in part] for part in (train, test))
        self.notes += tuple(label_notes(names, tested, self._labels))
        cells = ((row.left, ", ".join(sorted(labels_in(row.right, config)))) for row in self._every)
        self.notes += tuple(disagreements(cells, "text", "labels"))

    def _remarks(self, without: int) -> Iterator[str]:
        """Notes on what the label cells look like and how they were read."""
        if without:
            yield (
                f"{counted_of(without, self.size, 'row', 'have')} no label, which counts as "
                "a no to every label"
            )
        if self._several:
            return
        name = separator_of([row.right for row in self._every])
        if name is not None:
            variant = "" if name == "bar" else f",separator={name}"
            yield (
                f"a label with a {name} in it counts as one label; to read several: --task "
                f"classify,loss=sigmoid{variant}"
            )

    def spec(self) -> ClassifySpec:
        """The characters and labels of the training part."""
        texts = [row.left for row in self.rows.train]
        alphabet = Alphabet.of(self.config.level, texts)
        spec = ClassifySpec(alphabet, self._labels, self._several, ngrams=longest_for(texts))
        buckets = buckets_for(map(spec.hashes, texts), len(self._labels), self.config.wide)
        fitted, shares = (self.sha256, HALVES) if buckets else ("", None)
        return replace(spec, buckets=buckets, fitted=fitted, shares=shares)

    def fit(self, spec: ClassifySpec, config: Config) -> FittedMap:
        """The map from all n-grams of a text."""
        rows = self.rows.train
        targets = targets_of(_yes(rows, spec.labels, config), config.loss)
        return FittedMap(
            lambda row: [spec.hashes(rows[row].left)],
            list(targets[:, None]),
            spec.buckets,
            len(spec.labels),
            config.loss,
            (row.left for row in rows),
        )

    def task(
        self, spec: ClassifySpec, config: Config, model: SequenceModel, threads: int
    ) -> "ClassifyTask":
        """The training task."""
        return ClassifyTask(self.rows, spec, config, model, threads)

    def lengths(self, config: Config) -> list[int]:
        """The number of steps of each training example."""
        return [units(row.left, config) + 2 for row in self.rows.train]

    def check_labels(self, spec: ClassifySpec) -> None:
        """Raise InputError unless these are the labels of ``spec``, one or several for a text."""
        same_labels(self._labels, spec.labels)
        if self._several and not spec.several:
            raise InputError(
                "the checkpoint gives each text one label, but the data have texts with several",
                "train a new model without --init-from",
            )

    def describe(self, spec: ClassifySpec, config: Config) -> list[str]:
        """Lines on the data for the user."""
        each = f" ({self._mean:.2f} a text on average)" if spec.several else ""
        return [
            f"{counted(self.size, 'text')} of {counted(len(spec.labels), 'label')}{each}, "
            + counted(len(spec.alphabet.vocabulary), "distinct character"),
            self.rows.described("rows"),
        ]


def _read(config: Config, path: str) -> Source[tuple[Pair, ...]]:
    """The rows of a file, their texts shortened where the settings say so, with a note."""
    source = read_pairs(
        path,
        left="text",
        right="label",
        columns=config.columns,
        named=config.named,
        several=config.separator if config.loss == "sigmoid" else "",
        encoding=config.encoding,
    )
    most = config.longest
    count = sum(len(row.left) > most > 0 for row in source.records)
    if not count:
        return source
    rows = tuple(replace(row, left=cut(row.left, most)) for row in source.records)
    cut_off = counted(count, "text", "are")
    its = "its" if count == 1 else "their"
    note = f"{source.path}: {cut_off} read up to {its} first {counted(most, 'character')}"
    return replace(source, records=rows, notes=(*source.notes, note))


class ClassifyTask(SummedTask[Pair]):
    """Trains on texts and labels."""

    def __init__(
        self,
        rows: Rows[Pair],
        spec: ClassifySpec,
        config: Config,
        model: SequenceModel,
        threads: int = 1,
    ) -> None:
        self._texts = [framed(spec.alphabet, row.left) for row in rows.train]
        self._number = {label: k for k, label in enumerate(spec.labels)}
        self._labels = [
            [self._number[name] for name in labels_in(row.right, config)] for row in rows.train
        ]
        super().__init__(rows, model, spec, list(map(len, self._texts)), config, threads)

    def batch(
        self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[Sequences, int]:
        x, lengths = padded([self._texts[row] for row in rows])
        x = with_unknowns(x, self.config.noise, rng)
        yes = yes_of([self._labels[row] for row in rows], len(self.spec.labels))
        targets = targets_of(yes, self.model.loss)
        state = self.model.zero_state(len(rows))
        batch = Sequences(x, targets, state, lengths)
        train = [self._rows.train[row] for row in rows]
        return self.with_map(batch, lambda: [*self.hashes(train)], rng), len(rows)

    def hashes(self, rows: Sequence[Pair]) -> Iterator[Array]:
        return (self.spec.hashes(row.left) for row in rows)

    def outputs(
        self, parameters: Parameters, rows: Sequence[Pair], *, alone: bool = False
    ) -> Array:
        return classify(self.trained(parameters), [row.left for row in rows], alone=alone)

    def objective(
        self, parameters: Parameters, rows: Sequence[Pair], outputs: Array
    ) -> tuple[int, Objective]:
        del parameters
        yes, count = _yes(rows, self._with_unknown(rows), self.config), len(self.spec.labels)
        known = np.logical_not(yes[:, count:].any(axis=1))
        targets = targets_of(yes[known, :count], self.model.loss)
        return len(targets), of_targets(outputs[:, known], targets, self.model.loss)

    def test(self, parameters: Parameters) -> Outcome | None:
        rows = self._rows.test
        if not rows:
            return None
        y = self.outputs(parameters, rows)
        score = self.score(y, rows)
        labels = self._with_unknown(rows)
        gold = _yes(rows, labels, self.config)
        details: dict[str, Any] = {}
        if self.spec.several:
            found = _widened(y >= 0, len(labels))
            lines = label_table(gold, found, labels)
            counts = zip(*(c.tolist() for c in label_counts(gold, found)), strict=True)
            each = {name: figures(*own) for name, own in zip(labels, counts, strict=True)}
            details["labels"] = each
        else:
            right, named = _names(gold, labels), _names(y, labels)
            lines = confusion_table(right, named, labels)
            details["labels"] = by_label(right, named, labels)
            counted = confusion(right, named, labels).tolist()
            details["confusion"] = {"labels": labels, "counts": counted}
        train = self._rows.train
        if not train:
            return Outcome(score, {}, lines, details)
        if sum(len(row.left) for row in train) * len(self.spec.labels) > MOST_COUNTS:
            lines = (*lines, "naive Bayes is left out: there are too many labels")
            return Outcome(score, {}, lines, details)
        spec, several = self.spec, self.spec.several
        simple = naive_bayes(train, spec.labels, self.config, several=several)
        baselines = {name: share(own) for name, own in self._by_simple(simple, rows).items()}
        verdict, val = "", self._rows.val
        if val:
            y = self.outputs(parameters, val)
            ours = self.score(y, val)
            found = y >= 0 if several else _likeliest(y)
            of_simple = self._by_simple(simple, val)
            name = max(of_simple, key=lambda name: share(of_simple[name]))
            verdict = which_is_better(
                next(iter(ours.measures)),
                self._parts(val, found),
                of_simple[name],
                predicts=name == next(iter(of_simple)),
            )
            one_answer = not several and found.all(axis=0).any()
            if one_answer and not verdict and len({row.right for row in val}) > 1:
                label = spec.labels[int(found[0].argmax())]
                verdict = f"the network answers {label!r} for every validation text"
        return Outcome(score, baselines, lines, details, verdict)

    def _by_simple(
        self, simple: NaiveBayes | LabelBayes, rows: Sequence[Pair]
    ) -> dict[str, Counts]:
        """The parts of the rows in the most important measure of each baseline."""
        y = simple.scores([row.left for row in rows])
        if self.spec.several:
            return {"character n-gram naive Bayes of each label": self._parts(rows, y > 0)}
        label = commonest(self._rows.train, self.config)
        always = np.tile(np.array(self.spec.labels) == label, (len(rows), 1))
        return {
            "character n-gram naive Bayes": self._parts(rows, _likeliest(y)),
            f"always {label!r}": self._parts(rows, always),
        }

    def _parts(self, rows: Sequence[Pair], found: npt.NDArray[np.bool_]) -> Counts:
        """``(N, 2)``: the parts of the rows in the most important measure of these answers."""
        labels = self._with_unknown(rows)
        gold = _yes(rows, labels, self.config)
        gold = gold if self.spec.several else _likeliest(gold)
        return label_parts(gold, _widened(found, len(labels)))

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        rows = self._rows.val
        chosen = [rows[k] for k in rng.permutation(len(rows))[:SHOWN]]
        found = predictions(self.settled(parameters), [row.left for row in chosen])
        lines = []
        for row, one in zip(chosen, found, strict=True):
            right = set(one.labels) == set(labels_in(row.right, self.config))
            verdict = "" if right else f" (it is {row.right or 'none'})"
            said = f"{one.label or 'none'} {one.chances(2)}".strip() + verdict
            lines.append(fitted("{}: {}", said, row.left))
        return "".join(line + "\n" for line in lines).encode()

    def _with_unknown(self, rows: Sequence[Pair]) -> list[str]:
        """The model's labels, followed by those that occur in no training row."""
        found = {name for row in rows for name in labels_in(row.right, self.config)}
        return [*self.spec.labels, *sorted(found - {*self.spec.labels})]

    def score(self, y: Array, rows: Sequence[Pair]) -> TaskScore:
        labels, known = self._with_unknown(rows), len(self.spec.labels)
        yes = _yes(rows, labels, self.config)
        targets = targets_of(yes[:, :known], self.model.loss)
        nats = LOSSES[self.model.loss](y.copy(), targets, each=True)
        odd = yes[:, known:].sum(axis=1)  # labels that the model does not know
        if self.spec.several:
            nats = nats + UNSEEN * odd
            measures = several_labels(yes, _widened(y >= 0, len(labels)))
        else:
            nats = np.where(odd > 0, UNSEEN, nats)
            gold, predicted = _names(yes, labels), _names(y, labels)
            right = accuracy(gold, predicted)
            measures = {"accuracy": right, "macro-F1": macro_f1(gold, predicted, labels)}
        loss = float(nats.mean())
        # Where many models are right equally often, the more confident one is better.
        error = 1 - next(iter(measures.values())) + min(loss, 100.0) / (1000 * len(rows))
        method = self._rows.method(rows, "texts")
        return TaskScore(loss, self.unit, error, measures, method)


def _widened(found: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.bool_]:
    """``(N, K)`` to ``(N, size)``: a no for unknown labels."""
    return np.pad(found, ((0, 0), (0, size - found.shape[1])))


def _likeliest(scores: Array) -> npt.NDArray[np.bool_]:
    """``(N, K)``: a yes for the label with the highest score."""
    return np.asarray(scores.argmax(axis=1)[:, None] == np.arange(scores.shape[1]))


def _names(scores: Array, labels: Sequence[str]) -> list[str]:
    """The label with the highest score in each row."""
    return [labels[k] for k in scores.argmax(axis=1)]


def targets_of(yes: npt.NDArray[np.bool_], loss: str) -> Array:
    """The targets of the loss: the number of the one label, or a yes or no for each."""
    return yes.argmax(axis=1) if loss == "softmax" else yes.astype(np.float64)


def _yes(rows: Sequence[Pair], labels: Sequence[str], config: Config) -> npt.NDArray[np.bool_]:
    """``(N, K)``: which of the labels each row has."""
    number = {label: k for k, label in enumerate(labels)}
    names = (labels_in(row.right, config) for row in rows)
    return yes_of([[number[name] for name in own] for own in names], len(labels))


register(
    Kind(
        name="classify",
        read=ClassifyData,
        spec=ClassifySpec.from_header,
        usage="charrnn predict RUN TEXT",
        unit="nats/text",
        measure="1 - accuracy or micro-F1",
        good=lambda header: "micro-F1" if header["spec"].get("several") else "accuracy",
        defaults={
            "hidden": 256,
            "embedding": 32,
            "dropout": 0.5,
            "directions": "both",
            "epochs": 15.0,
            "lr": 4e-3,
            "batch_size": 64,
            "noise": 0.1,
            "wide": WEIGHTS,
        },
        own={
            "directions": ("forward", "both"),
            "readout": (),
            "loss": (),
            "separator": (),
            "noise": (),
            "longest": (),
            "wide": (),
        },
        without=OF_CARRIED,
        averages=True,
        pretrained=True,
        least_updates=1000,
        evaluate=LabelledRows(
            _read,
            ClassifyTask,
            key=lambda row: row.left,
            labels=lambda config, row: labels_in(row.right, config),
            known=lambda spec: spec.labels,
        ),
        columns=("text", "label"),
        predict=predict,
        refitted=by_naive_bayes,
        options=("top", "threshold"),
    )
)
