"""One to many: a label in, a text of that kind out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.conditional import Conditional, Labelled
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace
from charrnn.sampling.choice import Choice, Ids, streams
from charrnn.sampling.texts import Steering, write
from charrnn.sampling.voices import ModelVoice
from charrnn.tasks.base import Outcome, Paths, TaskScore, Trained
from charrnn.tasks.baselines import labelled_ngrams
from charrnn.tasks.config import Config
from charrnn.tasks.ends import JUDGED, OPENING, ends_fit, log_weights, split
from charrnn.tasks.examples import (
    OF_CARRIED,
    check_labels,
    check_level,
    labels_of,
    padded,
    same_labels,
    together,
    units,
)
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.labelled import LabelledRows, which_is_better
from charrnn.tasks.measures import Parts, share
from charrnn.tasks.rows import Rows, read_rows
from charrnn.tasks.supervised import SupervisedData, SupervisedTask
from charrnn.tasks.writing import Author, Wanted, begun
from charrnn.text.alphabet import END, NUM_SIGNS, START, UNKNOWN, Alphabet
from charrnn.text.backslashes import are_escapes, count_line_ends, nothing_else, unescaped
from charrnn.text.counts import counted
from charrnn.text.items import NONE, Items
from charrnn.text.pairs import Pair, read_pairs
from charrnn.text.tables import Source
from charrnn.text.vocab import codes_of

__all__ = ["GenerateData", "GenerateSpec", "GenerateTask", "author"]

SHOWN = 4
MOST_LENGTH = 1 << 20
SLACK = 2
"""A text is cut off at this many times the length of the longest training text."""

LONG = 64
"""Average length above which the end of a text may depend on its beginning (``reach``)."""

BITS = np.array([1 / log(2), 1.0])
"""By which the nats and the symbols of texts are multiplied to measure bits."""

USUAL, SAFER = 0.8, 0.5
PREVIEW_CHOICE = Choice(temperature=USUAL)


@dataclass(frozen=True)
class GenerateSpec:
    """What a generator knows.

    Attributes:
        labels, alphabet: the labels and characters.
        longest: the length of the longest training text.
        items: the training texts.
        opening: how many symbols of its opening follow a text's end in training
            (:mod:`charrnn.tasks.ends`).
        fits: whether ends surely fit their beginnings, so that texts are chosen by that.
    """

    labels: tuple[str, ...]
    alphabet: Alphabet
    longest: int
    items: Items = NONE
    opening: int = 0
    fits: bool = False

    def to_header(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        return {
            "labels": list(self.labels),
            "alphabet": self.alphabet.to_json(),
            "longest": self.longest,
            **({"items": self.items.to_json()} if self.items else {}),
            **({"opening": self.opening, "fits": self.fits} if self.opening else {}),
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "GenerateSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, ValueError: the header is not from :meth:`to_header`.
        """
        longest = header["longest"]
        if type(longest) is not int or not 0 < longest <= MOST_LENGTH:
            raise ValueError("the longest text is out of range")
        opening, fits = header.get("opening", 0), header.get("fits", False)
        if type(opening) is not int or opening not in (0, OPENING) or type(fits) is not bool:
            raise ValueError("the openings are not of this kind")
        if fits and not opening:
            raise ValueError("without openings, no ends fit them")
        alphabet, items = Alphabet.from_json(header["alphabet"]), header.get("items", "")
        labels = labels_of(header["labels"])
        return cls(labels, alphabet, longest, Items.from_json(items), opening, fits)

    def model(self, config: Config) -> Conditional:
        """The network with these settings."""
        check_level(self.alphabet, config)
        generator = SequenceModel(
            len(self.alphabet),
            len(self.alphabet),
            config.recurrence(),
            config.layers,
            config.embedding,
            config.dropout,
        )
        return Conditional(generator, len(self.labels), self.longest if self.longest > LONG else 0)

    def knows(self) -> dict[str, str | list[str]]:
        """Its characters and labels."""
        return {"labels": list(self.labels), "characters": self.alphabet.vocabulary.shown}

    def symbols(self) -> Array:
        """``(V,)`` the code point of each number, ascending; signs are negative."""
        codes = self.alphabet.vocabulary.codes
        return np.array([*range(len(codes) - len(self.alphabet), 0), *codes])

    @property
    def temperature(self) -> float:
        """The default temperature: lower for long texts, which have many places to go wrong."""
        return SAFER if self.longest > LONG else USUAL

    def extended(self, found: "GenerateSpec") -> "GenerateSpec":
        """The spec with the characters of ``found`` too, and room for its texts; the labels stay.

        Raises:
            ValueError: ``found`` is of another level.
        """
        vocabulary = self.alphabet.vocabulary.union(found.alphabet.vocabulary)
        return replace(
            self,
            alphabet=Alphabet(vocabulary),
            longest=max(self.longest, found.longest),
            opening=max(self.opening, found.opening),
            items=self.items.union(found.items),
        )

    @property
    def most(self) -> int:
        """The length at which a text is cut off."""
        return SLACK * self.longest + 10


class GenerateData(SupervisedData[Pair]):
    r"""Rows of a label and a text.

    In the text, ``\n`` stands for a line end and ``\\`` for a backslash, if ``escapes`` says so. By
    default this is so if the file uses backslashes for hardly anything else
    (:func:`charrnn.text.backslashes.are_escapes`).

    Raises:
        InputError: a file cannot be read, or a part has a label that the training part lacks.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        rows: Rows[Pair] = read_rows(
            paths,
            partial(_read, config),
            config,
            key=lambda row: row.right,
            stratum=lambda row: row.left,
        )
        super().__init__(rows, config)
        if not config.layers:
            raise InputError("--layers 0: there must be a state for the label to set")
        self._labels = tuple(sorted({row.left for row in self.rows.train}))
        check_labels(self.rows.val, self._labels, paths.val, "left")
        check_labels(self.rows.test, self._labels, paths.test, "left")

    def spec(self) -> GenerateSpec:
        """The labels and characters of the training part, and the texts of all parts."""
        texts = [row.right for row in self.rows.train]
        alphabet = Alphabet.of(self.config.level, texts)
        longest = max(len(alphabet.encode(text)) for text in texts)
        rows = (*self.rows.train, *self.rows.val, *self.rows.test)
        items = Items.of([row.right.encode("utf-8", "surrogatepass") for row in rows])
        return GenerateSpec(self._labels, alphabet, longest, items, _opening(longest))

    def task(
        self, spec: GenerateSpec, config: Config, model: Conditional, threads: int
    ) -> "GenerateTask":
        """The training task."""
        return GenerateTask(self.rows, spec, config, model, threads)

    def lengths(self, config: Config) -> list[int]:
        """The number of steps of each training example."""
        own = [units(row.right, config) for row in self.rows.train]
        opening = _opening(max(own))
        return [length + 1 + opening for length in own]

    def check_labels(self, spec: GenerateSpec) -> None:
        """Raise InputError unless these are the labels that ``spec`` has."""
        same_labels(self._labels, spec.labels)

    def joined(self, separator: int) -> npt.NDArray[Any]:
        """The code points (or bytes) of all texts, with a separator between them."""
        rows = (*self.rows.train, *self.rows.val, *self.rows.test)
        level, between = self.config.level, np.array([separator], dtype=np.uint32)
        parts = [part for row in rows for part in (codes_of(row.right, level), between)]
        return np.concatenate(parts)

    def describe(self, spec: GenerateSpec, config: Config) -> list[str]:
        """Lines on the data for the user."""
        return [
            f"{counted(self.size, 'text')} of {counted(len(spec.labels), 'label')}, "
            + counted(len(spec.alphabet.vocabulary), "distinct character"),
            self.rows.described("texts"),
        ]


def _opening(longest: int) -> int:
    """How many symbols of an opening follow the ends of texts up to a length."""
    return OPENING if longest > LONG else 0


def _read(config: Config, path: str) -> Source[tuple[Pair, ...]]:
    """The rows of a file with their escapes replaced, and a note."""
    source = read_pairs(
        path,
        left="label",
        right="text",
        columns=config.columns,
        named=config.named,
        encoding=config.encoding,
    )
    texts = [row.right for row in source.records]
    every = config.escapes == "yes" or (config.escapes == "auto" and nothing_else(texts))
    ends = sum(count_line_ends(text, all_of_them=every) for text in texts)
    kept = sum(count_line_ends(text, all_of_them=True) for text in texts)
    notes = []
    if every or (config.escapes == "auto" and are_escapes(texts)):
        kept -= ends
        rows = tuple(
            replace(row, right=unescaped(row.right, all_of_them=every)) for row in source.records
        )
        source = replace(source, records=rows)
        if ends:
            notes.append(
                f"{ends} of '\\n' became line ends "
                "(to keep them as they are: --task generate,escapes=no)"
            )
    if kept and config.escapes == "auto":
        notes.append(
            f"{kept} of '\\n' stay as they are (to make line ends: --task generate,escapes=yes)"
        )
    told = (f"{source.path}: {note}" for note in notes)
    return replace(source, notes=(*source.notes, *told))


class GenerateTask(SupervisedTask[Pair]):
    """Trains to write texts of each label."""

    def __init__(
        self,
        rows: Rows[Pair],
        spec: GenerateSpec,
        config: Config,
        model: Conditional,
        threads: int = 1,
    ) -> None:
        self.spec = spec
        self._number = {label: k for k, label in enumerate(spec.labels)}
        self._texts = [self._encode(row) for row in rows.train]
        self._labels = np.array([self._number[row.left] for row in rows.train])
        self._sequences = self._texts
        if spec.opening:
            openings = (split(text[1:-1], spec.alphabet).opening for text in self._texts)
            self._sequences = [np.r_[one] for one in zip(self._texts, openings, strict=True)]
        super().__init__(rows, model, spec, list(map(len, self._sequences)), config, threads)

    def _encode(self, row: Pair) -> Array:
        """A text between its start and its end."""
        return np.concatenate([[START], self.spec.alphabet.encode(row.right), [END]])

    def batch(
        self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[Labelled, int]:
        return self._batch([self._sequences[row] for row in rows], self._labels[rows])

    def _batch(self, texts: Sequence[Array], labels: Array) -> tuple[Labelled, int]:
        x, lengths = padded(texts)
        return Labelled(labels, x[:-1], x[1:], lengths - 1), int((lengths - 1).sum())

    def _encoded(self, rows: Sequence[Pair]) -> tuple[list[Array], Array]:
        labels = np.array([self._number[row.left] for row in rows])
        return [self._encode(row) for row in rows], labels

    def validate(self, parameters: Parameters) -> TaskScore | None:
        rows = self._rows.val
        if self.spec.opening:
            some, labels = self._encoded(rows[:: -(-len(rows) // JUDGED) or 1])
            texts, nats = [text[1:-1] for text in some], partial(self._nats, parameters)
            self.spec = replace(self.spec, fits=ends_fit(texts, labels, self.spec.alphabet, nats))
        return self._score(parameters, rows)

    def arrays(self) -> dict[str, Array]:
        """Whether ends fit their beginnings."""
        return {"fits": np.array(float(self.spec.fits))} if self.spec.opening else {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`.

        Raises:
            KeyError, ValueError: it is missing, or not a number.
        """
        if self.spec.opening:
            self.spec = replace(self.spec, fits=bool(arrays["fits"].item()))

    def test(self, parameters: Parameters) -> Outcome | None:
        if not self._rows.test:
            return None
        score = self._score(parameters, self._rows.test)
        if not (self._rows.train and self._rows.val):
            return Outcome(score, {})
        train = self._texts, self._labels
        val, test = (self._encoded(rows) for rows in (self._rows.val, self._rows.test))
        name, of_val, of_test = labelled_ngrams(train, val, test, len(self.spec.alphabet))
        own, measure = self._parts(parameters, self._rows.val), next(iter(score.measures))
        verdict = which_is_better(measure, own * BITS, of_val * BITS, lower=True, predicts=False)
        return Outcome(score, {name: share(of_test * BITS)}, verdict=verdict)

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        labels = rng.permutation(len(self.spec.labels))[:SHOWN]
        prime = np.full((1, len(labels)), START)
        steering = Steering((UNKNOWN, START), ((END,),))
        voice, numbers = _voice(self.trained(parameters), labels), streams(rng, len(labels))
        *_, written = write(voice, prime, self.spec.most, numbers, PREVIEW_CHOICE, steering)
        texts = [self.spec.alphabet.decode(text.symbols[1 : text.end]) for text in written]
        lines = [f"{self.spec.labels[k]}: {text}\n" for k, text in zip(labels, texts, strict=True)]
        return "".join(lines).encode()

    def _score(self, parameters: Parameters, rows: Sequence[Pair]) -> TaskScore:
        parts = self._parts(parameters, rows)
        loss, method = share(parts), self._rows.method(rows, "texts", ", each scored to its end")
        measures = {"bits per character": share(parts * BITS)}
        return TaskScore(loss, self.unit, loss, measures, method)

    def _parts(self, parameters: Parameters, rows: Sequence[Pair]) -> Parts:
        """``(N, 2)``: the nats of each text, and its symbols with its end."""
        texts, labels = self._encoded(rows)
        lengths = [len(text) - 1 for text in texts]
        nats = np.empty(len(rows))
        for part in together(lengths):
            batch, _ = self._batch([texts[k] for k in part], labels[part])
            nats[part] = self._nats(parameters, replace(batch, each=True))
        return np.stack([nats, lengths], axis=1)

    def _nats(self, parameters: Parameters, batch: Labelled) -> Array:
        """The loss of each sequence, ``(B,)``."""
        losses = self.engine.losses(parameters, batch)
        return np.concatenate([loss.total for loss in losses])


def _voice(trained: Trained, labels: Array) -> ModelVoice:
    """What predicts the characters of a text with each label."""
    state = trained.network.initial_state(trained.parameters, labels)
    return ModelVoice(trained.network.generator, trained.parameters, state, restart=False)


def author(trained: Trained, wanted: Wanted) -> Author:
    """Return what writes texts of one label, each to its end.

    Raises:
        InputError: there is no such label, or the prime has unknown characters.
    """
    spec: GenerateSpec = trained.spec
    label = wanted.label
    if label not in spec.labels:
        shown = ", ".join(map(repr, spec.labels[:20])) + (", ..." if len(spec.labels) > 20 else "")
        what = "--label is missing" if label is None else f"--label {label!r} is unknown to it"
        raise InputError(
            f"{trained.name} writes texts by label, and {what}", f"choose from {shown}"
        )
    vocabulary = spec.alphabet.vocabulary
    ids, prime, left_out = begun(vocabulary, wanted)
    return Author(
        _voice(trained, np.array([spec.labels.index(label)])),
        np.concatenate([[START], ids.astype(np.intp) + NUM_SIGNS]),
        prime,
        vocabulary,
        NUM_SIGNS,
        END,
        (UNKNOWN, START),
        spec.most,
        left_out,
        spec.items,
        _weigher(trained, spec.labels.index(label)) if spec.fits else None,
    )


def _weigher(trained: Trained, label: int) -> Callable[[Sequence[Ids]], Array]:
    """What tells ln w of texts of one label (:mod:`charrnn.tasks.ends`)."""

    def nats(batch: Labelled) -> Array:
        found: Array = trained.network.sum_loss(trained.parameters, batch, Workspace()).total
        return found

    def weigh(texts: Sequence[Ids]) -> Array:
        return log_weights(texts, np.full(len(texts), label), trained.spec.alphabet, nats)

    return weigh


register(
    Kind(
        name="generate",
        read=GenerateData,
        spec=GenerateSpec.from_header,
        usage="charrnn sample RUN --label LABEL",
        unit="nats/{level}",
        defaults={
            "hidden": 384,
            "dropout": 0.5,
            "epochs": 16.0,
            "lr": 4e-3,
            "batch_size": 16,
        },
        own={"escapes": ()},
        without={
            **OF_CARRIED,
            "directions": "a generator must not read what it predicts",
        },
        averages=True,
        least_updates=600,
        evaluate=LabelledRows(
            _read,
            GenerateTask,
            key=lambda row: row.right,
            labels=lambda _, row: (row.left,),
            known=lambda spec: spec.labels,
            needs_label=True,
        ),
        author=author,
    )
)
