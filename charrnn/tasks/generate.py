"""One to many: a label in, a text of that kind out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.config import Config
from charrnn.errors import InputError
from charrnn.nn.conditional import Conditional, Labelled
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.sampling import Choice, sample
from charrnn.tasks.base import Paths, Report, TaskScore
from charrnn.tasks.examples import check_labels, check_level, labels_of, padded, same_labels, units
from charrnn.tasks.rows import Rows, read_rows
from charrnn.tasks.supervised import SupervisedTask
from charrnn.text.alphabet import END, START, UNKNOWN, Alphabet
from charrnn.text.records import Pair, Source, read_pairs

__all__ = ["GenerateData", "GenerateSpec", "GenerateTask", "write"]

TOGETHER = 64
SHOWN = 4
MOST_LENGTH = 1 << 20
SLACK = 2
"""A text is cut off at so many times the length of the longest one trained on."""

PREVIEW_CHOICE = Choice(temperature=0.8)


@dataclass(frozen=True)
class GenerateSpec:
    """The labels and characters that a generator knows, and how long its texts may get."""

    labels: tuple[str, ...]
    alphabet: Alphabet
    longest: int

    def to_header(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "labels": list(self.labels),
            "alphabet": self.alphabet.to_json(),
            "longest": self.longest,
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "GenerateSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, ValueError: it is not what that wrote.
        """
        longest = header["longest"]
        if type(longest) is not int or not 0 < longest <= MOST_LENGTH:
            raise ValueError("the longest text is out of range")
        return cls(labels_of(header["labels"]), Alphabet.from_json(header["alphabet"]), longest)

    def model(self, config: Config) -> Conditional:
        """The network of these settings."""
        check_level(self.alphabet, config)
        generator = SequenceModel(
            len(self.alphabet),
            len(self.alphabet),
            config.recurrence(),
            config.layers,
            config.embedding,
            config.dropout,
        )
        return Conditional(generator, len(self.labels))

    def symbols(self) -> Array:
        """``(V,)`` the code point of each number, ascending; the signs are below zero."""
        codes = self.alphabet.vocabulary.codes
        return np.array([*range(len(codes) - len(self.alphabet), 0), *codes])

    def extended(self, found: "GenerateSpec") -> "GenerateSpec":
        """With the characters of ``found`` too, and texts as long; the labels stay.

        Raises:
            ValueError: that is of another level.
        """
        vocabulary = self.alphabet.vocabulary.union(found.alphabet.vocabulary)
        return replace(
            self, alphabet=Alphabet(vocabulary), longest=max(self.longest, found.longest)
        )

    @property
    def most(self) -> int:
        """Where a text is cut off."""
        return SLACK * self.longest + 10


class GenerateData:
    r"""Lines of ``label<TAB>text``; in the text ``\n`` stands for a line end.

    Raises:
        InputError: a file cannot be read, or a part has a label that the training part lacks.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        self.rows: Rows[Pair] = read_rows(
            paths,
            partial(_read, encoding=config.encoding),
            config,
            key=lambda row: row.right,
            stratum=lambda row: row.left,
        )
        self.paths, self.sha256, self.notes = paths, self.rows.sha256, self.rows.notes
        self.size = self.rows.size
        self._config = config
        if not config.layers:
            raise InputError("--layers 0: there must be a state for the label to set")
        self._labels = tuple(sorted({row.left for row in self.rows.train}))
        check_labels(self.rows.val, self._labels, paths.val, "left")
        check_labels(self.rows.test, self._labels, paths.test, "left")

    def trained_on(self, config: Config) -> int:
        """How many examples train."""
        return len(self.rows.train)

    def spec(self) -> GenerateSpec:
        """Labels and characters of the training part."""
        texts = [row.right for row in self.rows.train]
        alphabet = Alphabet.of(self._config.level, texts)
        return GenerateSpec(self._labels, alphabet, max(len(alphabet.encode(t)) for t in texts))

    def task(
        self, spec: GenerateSpec, config: Config, model: Conditional, threads: int
    ) -> "GenerateTask":
        """The training."""
        return GenerateTask(self.rows, spec, config, model, threads)

    def longest(self, config: Config) -> int:
        """Steps of the longest example."""
        return max(units(row.right, config) + 1 for row in self.rows.train)

    def check_labels(self, spec: GenerateSpec) -> None:
        """Raise InputError unless these are the labels that ``spec`` has."""
        same_labels(self._labels, spec.labels)

    def describe(self, spec: GenerateSpec, config: Config) -> list[str]:
        """Lines for people."""
        return [
            f"{self.size:,} texts of {len(spec.labels)} labels, {len(spec.alphabet.vocabulary)} "
            "distinct characters",
            self.rows.split("texts").replace("split off by input", "split off by text"),
        ]


def _read(path: str, *, encoding: str) -> Source[tuple[Pair, ...]]:
    source = read_pairs(path, left="label", right="text", encoding=encoding)
    records = tuple(
        Pair(row.row, row.left, row.right.replace("\\n", "\n")) for row in source.records
    )
    return Source(source.path, records, source.sha256, source.notes)


class GenerateTask(SupervisedTask[Pair]):
    """Trains to write the texts of each label."""

    unit = "nats/char"

    def __init__(
        self,
        rows: Rows[Pair],
        spec: GenerateSpec,
        config: Config,
        model: Conditional,
        threads: int = 1,
    ) -> None:
        self._spec = spec
        self._number = {label: k for k, label in enumerate(spec.labels)}
        self._texts = [self._encode(row) for row in rows.train]
        self._labels = np.array([self._number[row.left] for row in rows.train])
        super().__init__(rows, model, list(map(len, self._texts)), config, threads)

    def _encode(self, row: Pair) -> Array:
        """A text between its start and its end."""
        return np.concatenate([[START], self._spec.alphabet.encode(row.right), [END]])

    def batch(
        self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[Labelled, int]:
        return self._batch([self._texts[row] for row in rows], self._labels[rows])

    def _batch(self, texts: Sequence[Array], labels: Array) -> tuple[Labelled, int]:
        x, lengths = padded(texts)
        return Labelled(labels, x[:-1], x[1:], lengths - 1), int((lengths - 1).sum())

    def _of_rows(self, rows: Sequence[Pair]) -> tuple[Labelled, int]:
        labels = np.array([self._number[row.left] for row in rows])
        return self._batch([self._encode(row) for row in rows], labels)

    def validate(self, parameters: Parameters) -> TaskScore | None:
        return self._score(parameters, self._rows.val)

    def test(self, parameters: Parameters) -> Report | None:
        if not self._rows.test:
            return None
        return Report(self._score(parameters, self._rows.test), {})

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        labels = rng.permutation(len(self._spec.labels))[:SHOWN]
        texts = write(self.model, parameters, self._spec, labels, rng, PREVIEW_CHOICE)
        lines = [f"{self._spec.labels[k]}: {text}\n" for k, text in zip(labels, texts, strict=True)]
        return "".join(lines).encode()

    def _score(self, parameters: Parameters, rows: Sequence[Pair]) -> TaskScore:
        ordered = sorted(rows, key=lambda row: -len(self._encode(row)))
        parts = (ordered[k : k + TOGETHER] for k in range(0, len(ordered), TOGETHER))
        loss = self.mean_loss(parameters, map(self._of_rows, parts))
        method = self._rows.method(rows, "texts, each to its end")
        measures = {"bits per character": loss / np.log(2)}
        return TaskScore(loss, self.unit, loss, measures, method)


def write(
    model: Conditional,
    parameters: Parameters,
    spec: GenerateSpec,
    labels: Array,
    rng: np.random.Generator,
    choice: Choice,
    *,
    prime: str = "",
    most: int | None = None,
) -> list[str]:
    """A text for each label ``(n,)``, each until its end.

    Args:
        prime: what every text begins with; it is part of the result.
        most: characters after which a text is cut off; by the longest trained on if not given.

    Raises:
        DivergedError: the model's outputs are not finite.
    """
    start = np.concatenate([[START], spec.alphabet.encode(prime, "the prime")]).astype(np.intp)
    state = model.initial_state(parameters, np.asarray(labels))
    symbols = sample(
        model.generator,
        parameters,
        np.tile(start[:, None], len(labels)),
        spec.most if most is None else most,
        rng,
        choice,
        state=state,
        never=(UNKNOWN, START),
    )
    rows = list(_until_all_end(symbols, len(labels)))
    texts = np.array(rows).reshape(len(rows), len(labels)).T
    return [prime + spec.alphabet.decode(text) for text in texts]


def _until_all_end(symbols: Iterator[Array], count: int) -> Iterator[Array]:
    ended = np.zeros(count, dtype=bool)
    for row in symbols:
        yield row
        ended |= row == END
        if ended.all():
            return
