"""Many to one: a text in, one of K labels out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace
from charrnn.tasks.base import Outcome, Paths, TaskScore, Trained
from charrnn.tasks.baselines import NaiveBayes
from charrnn.tasks.config import Config
from charrnn.tasks.examples import (
    OF_CARRIED,
    as_json,
    check_labels,
    check_level,
    labels_of,
    one_line,
    padded,
    same_labels,
    units,
    with_unknowns,
)
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.labelled import UNSEEN, LabelledRows
from charrnn.tasks.measures import accuracy, by_label, confusion, macro_f1
from charrnn.tasks.rows import Rows, read_rows
from charrnn.tasks.supervised import SupervisedData, SupervisedTask
from charrnn.text.alphabet import END, START, Alphabet
from charrnn.text.pairs import Pair, read_pairs
from charrnn.text.tables import Source

__all__ = ["Classification", "ClassifyData", "ClassifySpec", "ClassifyTask", "classify", "predict"]

TOGETHER = 64
SHOWN, SHOWN_LENGTH = 5, 100
MOST_COUNTS = 1 << 24
"""Characters times labels up to which n-grams are counted: beyond, they would take gigabytes."""

WIDEST_TABLE, LONGEST_HEAD, MOST_LISTED = 80, 10, 15


def framed(alphabet: Alphabet, text: str) -> Array:
    """A text's numbers between a start and an end: never empty, and both ends can be seen."""
    return np.concatenate([[START], alphabet.encode(text), [END]])


@dataclass(frozen=True)
class ClassifySpec:
    """The characters and labels that a classifier knows."""

    alphabet: Alphabet
    labels: tuple[str, ...]

    def to_header(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"alphabet": self.alphabet.to_json(), "labels": list(self.labels)}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "ClassifySpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, ValueError: it is not what that wrote.
        """
        return cls(Alphabet.from_json(header["alphabet"]), labels_of(header["labels"]))

    def model(self, config: Config) -> SequenceModel:
        """The network of these settings."""
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
        )

    def knows(self) -> dict[str, str | list[str]]:
        """Its characters and labels."""
        return {"labels": list(self.labels), "characters": self.alphabet.vocabulary.shown}


class ClassifyData(SupervisedData[Pair]):
    """Lines of ``text<TAB>label``.

    Raises:
        InputError: a file cannot be read, or a part has a label that the training part lacks.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        rows: Rows[Pair] = read_rows(
            paths,
            partial(_read, config),
            config,
            key=lambda row: row.left,
            stratum=lambda row: row.right,
        )
        super().__init__(rows, config)
        labels = sorted({row.right for row in self.rows.train})
        if len(labels) < 2:
            raise InputError(f"all rows have the label {labels[0]!r}", "there is nothing to tell")
        check_labels(self.rows.val, labels, paths.val, "right")
        check_labels(self.rows.test, labels, paths.test, "right")
        self._labels = tuple(labels)

    def spec(self) -> ClassifySpec:
        """Characters and labels of the training part."""
        texts = (row.left for row in self.rows.train)
        return ClassifySpec(Alphabet.of(self.config.level, texts), self._labels)

    def task(
        self, spec: ClassifySpec, config: Config, model: SequenceModel, threads: int
    ) -> "ClassifyTask":
        """The training."""
        return ClassifyTask(self.rows, spec, config, model, threads)

    def longest(self, config: Config) -> int:
        """Steps of the longest example."""
        return max(units(row.left, config) + 2 for row in self.rows.train)

    def check_labels(self, spec: ClassifySpec) -> None:
        """Raise InputError unless these are the labels that ``spec`` has."""
        same_labels(self._labels, spec.labels)

    def describe(self, spec: ClassifySpec, config: Config) -> list[str]:
        """Lines for people."""
        return [
            f"{self.size:,} texts of {len(spec.labels)} labels, {len(spec.alphabet.vocabulary)} "
            "distinct characters",
            self.rows.described("rows"),
        ]


def _read(config: Config, path: str) -> Source[tuple[Pair, ...]]:
    return read_pairs(path, left="text", right="label", encoding=config.encoding)


class ClassifyTask(SupervisedTask[Pair]):
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
        number = {label: k for k, label in enumerate(spec.labels)}
        self._labels = np.array([number[row.right] for row in rows.train])
        self._number = number
        super().__init__(rows, model, spec, list(map(len, self._texts)), config, threads)

    def batch(
        self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[Sequences, int]:
        x, lengths = padded([self._texts[row] for row in rows])
        x = with_unknowns(x, self.config.noise, rng)
        targets = targets_of(self._labels[rows], self.model)
        state = self.model.zero_state(len(rows))
        return Sequences(x, targets, state, lengths), len(rows)

    def validate(self, parameters: Parameters) -> TaskScore | None:
        return self._score(parameters, self._rows.val)[0]

    def test(self, parameters: Parameters) -> Outcome | None:
        rows = self._rows.test
        if not rows:
            return None
        score, predicted = self._score(parameters, rows)
        gold = [row.right for row in rows]
        labels = self._with_unknown(gold)
        lines = table(gold, predicted, labels)
        details = {
            "labels": by_label(gold, predicted, labels),
            "confusion": {
                "labels": labels,
                "counts": confusion(gold, predicted, labels).tolist(),
            },
        }
        train = self._rows.train
        if not train:
            return Outcome(score, {}, lines, details)
        if sum(len(row.left) for row in train) * len(self.spec.labels) > MOST_COUNTS:
            lines = (*lines, "naive Bayes is left out: too many labels for it")
            return Outcome(score, {}, lines, details)
        simple = NaiveBayes().fit([row.left for row in train], [row.right for row in train])
        baseline = accuracy(gold, simple.predict([row.left for row in rows]))
        return Outcome(score, {"character n-gram naive Bayes": baseline}, lines, details)

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        rows = self._rows.val
        chosen = [rows[k] for k in rng.permutation(len(rows))[:SHOWN]]
        outputs = classify(self.trained(parameters), [row.left for row in chosen])
        lines = []
        for row, p in zip(chosen, outputs, strict=True):
            label = self.spec.labels[int(p.argmax())]
            verdict = "" if label == row.right else f" (it is {row.right})"
            lines.append(f"{label} {p.max():.2f}{verdict}: {row.left[:SHOWN_LENGTH]}\n")
        return "".join(lines).encode()

    def _with_unknown(self, gold: Sequence[str]) -> list[str]:
        """The labels that there are, and behind them those that no row to train on has."""
        return [*self.spec.labels, *sorted(set(gold) - {*self.spec.labels})]

    def _score(self, parameters: Parameters, rows: Sequence[Pair]) -> tuple[TaskScore, list[str]]:
        labels = self.spec.labels
        p = classify(self.trained(parameters), [row.left for row in rows])
        gold = [row.right for row in rows]
        predicted = [labels[k] for k in p.argmax(axis=1)]
        index = np.array([self._number.get(label, -1) for label in gold])
        yes = index[:, None] == np.arange(len(labels))  # no label, of one that it does not know
        # The sigmoid's is of a yes, and of a no for every other label.
        chance = np.where(yes, p, 1 - p if self.model.loss == "sigmoid" else 1.0)
        nats = -np.log(np.maximum(chance, 1e-30)).sum(axis=1)
        nats[index < 0] = UNSEEN
        loss = float(nats.mean())
        right = accuracy(gold, predicted)
        f1 = macro_f1(gold, predicted, self._with_unknown(gold))
        measures = {"accuracy": right, "macro-F1": f1}
        # Where many models are equally often right, the surer one is the better one.
        error = 1 - right + min(loss, 100.0) / (1000 * len(rows))
        method = self._rows.method(rows, "texts")
        return TaskScore(loss, self.unit, error, measures, method), predicted


def targets_of(labels: Array, model: SequenceModel) -> Array:
    """What the model's loss wants: the label's number, or a yes among noes."""
    if model.loss == "softmax":
        return labels
    return np.eye(model.output_size)[labels]


def classify(trained: Trained, texts: Sequence[str]) -> Array:
    """The probability of each label for each text, ``(N, K)``.

    With the sigmoid loss each label's is its own, and they need not add up to one.
    """
    network, parameters, spec = trained.network, trained.parameters, trained.spec
    encoded = [framed(spec.alphabet, text) for text in texts]
    order = sorted(range(len(texts)), key=lambda k: -len(encoded[k]))
    probabilities = np.empty((len(texts), len(spec.labels)))
    workspace = Workspace()
    for start in range(0, len(order), TOGETHER):
        rows = order[start : start + TOGETHER]
        x, lengths = padded([encoded[row] for row in rows])
        state = network.zero_state(len(rows), parameters.dtype)
        batch = Sequences(x, np.zeros(len(rows), dtype=np.intp), state, lengths)
        with np.errstate(all="ignore"):  # a spoilt model is found by its numbers
            probabilities[rows] = network.probabilities(parameters, batch, workspace)
    return probabilities


@dataclass(frozen=True)
class Classification:
    """A text, its likeliest label, and the probability of each."""

    text: str
    label: str
    probabilities: Mapping[str, float]

    def lines(self, form: str) -> Iterator[str]:
        """As ``charrnn predict`` writes it."""
        if form == "text":
            yield one_line(self.label)
        elif form == "tsv":
            chance = self.probabilities[self.label]
            yield f"{one_line(self.text)}\t{one_line(self.label)}\t{chance:.4f}"
        else:
            every = {name: round(p, 6) for name, p in self.probabilities.items()}
            yield as_json(text=self.text, label=self.label, probabilities=every)


def predict(trained: Trained, texts: Sequence[str]) -> list[Classification]:
    """The label of each text.

    Raises:
        DivergedError: the outputs are not finite.
    """
    found = classify(trained, texts)
    trained.check_finite(found)
    labels = trained.spec.labels
    return [
        Classification(text, labels[int(p.argmax())], dict(zip(labels, p.tolist(), strict=True)))
        for text, p in zip(texts, found, strict=True)
    ]


def table(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """The confusion table, a line each label: how often it was taken for which.

    Where that is too wide, the commonest mistakes.
    """
    counts = confusion(gold, predicted, labels)
    short = [label[:LONGEST_HEAD] for label in labels]
    width = max(map(len, short))
    column = max(width, len(str(counts.max()))) + 2
    if width + column * len(labels) > WIDEST_TABLE:
        pairs = [(int(counts[i, j]), i, j) for i, j in np.argwhere(counts) if i != j]
        worst = sorted(pairs, reverse=True)[:MOST_LISTED]
        return tuple(f"{labels[i]} taken for {labels[j]}: {n}" for n, i, j in worst)
    lines = [" " * width + "".join(f"{name:>{column}}" for name in short) + "   (taken for)"]
    for label, row in zip(short, counts, strict=True):
        lines.append(f"{label:<{width}}" + "".join(f"{count:>{column}}" for count in row))
    return tuple(lines)


register(
    Kind(
        name="classify",
        read=ClassifyData,
        spec=ClassifySpec.from_header,
        usage="charrnn predict RUN TEXT",
        unit="nats/text",
        measure="1 - accuracy",
        defaults={
            "hidden": 256,
            "embedding": 32,
            "dropout": 0.5,
            "directions": "both",
            "epochs": 15.0,
            "lr": 4e-3,
            "batch_size": 64,
            "noise": 0.1,
        },
        own={"directions": ("forward", "both"), "readout": (), "loss": (), "noise": ()},
        without=OF_CARRIED,
        least_updates=1000,
        evaluate=LabelledRows(
            _read,
            ClassifyTask,
            key=lambda row: row.left,
            labels=lambda _, row: (row.right,),
            known=lambda spec: spec.labels,
        ),
        predict=predict,
    )
)
