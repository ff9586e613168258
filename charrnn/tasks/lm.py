"""The language model: predict each character from all before it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.baselines.scores import baselines
from charrnn.errors import InputError
from charrnn.evaluation.validation import Score, evaluate
from charrnn.evaluation.windows import WARM_UP, Reader
from charrnn.nn.ensemble import LanguageNetwork
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import State
from charrnn.sampling import Choice, opening, sample
from charrnn.sampling.voices import ModelVoice
from charrnn.tasks.base import Outcome, Paths, TaskScore, Trained
from charrnn.tasks.carried import LanesTask
from charrnn.tasks.config import Config
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.writing import Author, Wanted, begun
from charrnn.text.alphabet import SURROGATES
from charrnn.text.corpora import Corpus, read_corpus, stands_in
from charrnn.text.counts import counted
from charrnn.text.escapes import escape
from charrnn.text.held_out import LINE_END, HeldOut, Parted
from charrnn.text.items import NONE, Items
from charrnn.text.reading import add_counts
from charrnn.text.view import View, joined
from charrnn.text.vocab import NUM_CODE_POINTS, Vocabulary

__all__ = ["LanguageModelTask", "TextData", "TextSpec", "author", "opening_of"]

LONGER = 0x80, 0x800, 0x10000
"""The first characters that take one byte more in UTF-8."""

RESET_EVERY = 256
"""Characters between two resets of the state in training, on average. The network learns to begin
anywhere, and learns as much as before where the state is carried (docs/log.md)."""

PREVIEW_LENGTH = 300

PREVIEW_READ = 1 << 22
"""Characters of a text on disk that are searched for line ends to begin a preview with."""

MUCH, ENOUGH = 1 << 24, 1 << 20
"""Characters from which on a validation takes long, and how many are scored instead."""

LEAST_PASSAGE = 100
"""Bytes of a passage: shorter ones may occur in any text."""
PREVIEW_CHOICE = Choice(temperature=0.8)


@dataclass(frozen=True)
class TextSpec:
    """The characters that a language model knows, and the lines of a text that is a list."""

    vocabulary: Vocabulary
    items: Items = NONE

    def to_header(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        level, codes = self.vocabulary.level, self.vocabulary.codes
        symbols = "" if level == "byte" else "".join(map(chr, codes))
        own = {"items": self.items.to_json()} if self.items else {}
        return {"level": level, "symbols": symbols, **own}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "TextSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, TypeError, ValueError: the header is not from :meth:`to_header`.
        """
        level, symbols = header["level"], header["symbols"]
        if len(symbols) > NUM_CODE_POINTS:
            raise ValueError(f"a vocabulary of {len(symbols):,} symbols")
        codes = tuple(range(256) if level == "byte" else map(ord, symbols))
        if any(code in SURROGATES for code in codes):
            raise ValueError("a vocabulary's symbols must be characters, not halves of them")
        return cls(Vocabulary(level, codes), Items.from_json(header.get("items", "")))

    def model(self, config: Config) -> SequenceModel:
        """The network with these settings."""
        if self.vocabulary.level != config.level:
            raise ValueError("the vocabulary is of another level")
        size = len(self.vocabulary)
        tied = config.head == "tied"
        return SequenceModel(
            input_size=size,
            output_size=size,
            cell=config.recurrence(),
            num_layers=config.layers,
            embedding_size=config.hidden if tied else config.embedding,
            dropout=config.dropout,
            loss=config.loss,
            tied=tied,
            mask=config.mask,
        )

    def knows(self) -> dict[str, str | list[str]]:
        """Its characters."""
        return {"characters": self.vocabulary.shown}

    def symbols(self) -> npt.NDArray[Any]:
        """``(V,)`` the code point (or byte) of each number, ascending."""
        return np.array(self.vocabulary.codes)

    def extended(self, found: "TextSpec") -> "TextSpec":
        """The spec with the characters of ``found`` too, and its items.

        Raises:
            ValueError: ``found`` is of another level.
        """
        vocabulary = self.vocabulary.union(found.vocabulary)
        return TextSpec(vocabulary, self.items.union(found.items))


class TextData:
    """A text to model. Its end, or another file, is the validation set; a third may be the test."""

    def __init__(
        self,
        corpus: Corpus,
        paths: Paths,
        val: Corpus | None = None,
        test: Corpus | None = None,
        *,
        lines: bool = False,
    ) -> None:
        self.corpus, self.paths, self.val, self.test = corpus, paths, val, test
        self.lines = lines
        parts = {"val": val, "test": test}
        others = {role: part for role, part in parts.items() if part is not None}
        self.notes = (*corpus.notes, *(note for part in others.values() for note in part.notes))
        self.sha256, self.size = corpus.sha256, len(corpus.text) + (len(val.text) if val else 0)
        if others:
            digest = hashlib.sha256(bytes.fromhex(corpus.sha256))
            for role, part in others.items():
                if stands_in(part.codes, corpus.text, corpus.level, LEAST_PASSAGE):
                    path = getattr(paths, role)
                    self.notes += (f"{path} is part of the training text, so its loss is too low",)
                digest.update(role.encode() + bytes.fromhex(part.sha256))
            self.sha256 = digest.hexdigest()
        self._parted: tuple[HeldOut, Parted] | None = None  # the latest split

    @classmethod
    def read(cls, paths: Paths, config: Config) -> "TextData":
        """Read the files.

        Raises:
            InputError: a file cannot be read or decoded, or the settings do not suit this task.
        """
        if [*paths.train, paths.val, paths.test].count("-") > 1:
            raise InputError(
                "standard input can be read only once",
                "only one part of the text can be standard input",
            )
        memory = None if paths.text is None else _as_file(paths.text)
        read = partial(
            read_corpus,
            level=config.level,
            keep_newlines=config.keep_newlines,
            lines=config.lines,
            storing=paths.storing,
        )
        corpus = read(
            paths.train, encoding=config.encoding if memory is None else "utf-8", stdin=memory
        )
        val, test = (
            read([path], encoding=config.encoding) if path else None
            for path in (paths.val, paths.test)
        )
        return cls(corpus, paths, val, test, lines=config.lines)

    @property
    def bytes_each(self) -> float:
        """The mean number of UTF-8 bytes of a character."""
        counts = self.corpus.counts
        return 1 + sum(float(counts[first:].sum() / counts.sum()) for first in LONGER)

    def parted(self, config: Config) -> Parted:
        """The training part, followed by the validation set.

        Raises:
            InputError: there are too few lines to draw from.
        """
        if self._parted is None or self._parted[0] != config.held_out:
            parted = config.held_out.part(self.corpus.text)
            if self.val is not None:
                parted = Parted(joined([parted.codes, self.val.text]), parted.start)
            self._parted = config.held_out, parted
        return self._parted[1]

    def trained_on(self, config: Config) -> int:
        """The number of training characters.

        Raises:
            InputError: the text is too short for the validation set that the settings ask for.
        """
        size, train = self.size, self.parted(config).start
        if (config.val_fraction or self.val is not None) and not 2 <= train < size:
            what = {"char": "character", "byte": "byte"}[self.corpus.level]
            raise InputError(
                f"a text of {size} {what}{'s' * (size != 1)} is too short for a validation set",
                "give a longer text, or --val-fraction 0",
            )
        return train

    def all_codes(self, config: Config) -> npt.NDArray[Any] | View:
        """The training part, the validation set and the test part, one after the other."""
        codes = self.parted(config).codes
        return codes if self.test is None else joined([codes, self.test.text])

    def spec(self) -> TextSpec:
        """The characters of the training text and its validation set; its lines, if items."""
        level = self.corpus.level
        items = Items.of_lines(self.corpus.text, level, listed=self.lines)
        return TextSpec(Vocabulary.of(level, self.corpus.distinct), items)

    def task(
        self, spec: TextSpec, config: Config, model: LanguageNetwork, threads: int
    ) -> "LanguageModelTask":
        """The training.

        Raises:
            InputError: the text is too short, or has characters that ``spec`` lacks.
        """
        codes, known = self.all_codes(config), spec.vocabulary
        apart = self.val is not None or self.test is not None
        if not apart:
            known.check(self.corpus.distinct, "the corpus")
        return LanguageModelTask(
            model,
            known.numbers(codes),
            split=self.trained_on(config),
            batch_size=config.batch_size,
            seq_len=config.seq_len,
            threads=threads,
            vocabulary=known,
            tested=0 if self.test is None else len(self.test.text),
            apart=apart,
            codes=codes,
            reset=config.reset,
            seed=config.seed,
        )

    def longest(self, config: Config) -> int:
        """Steps of a batch."""
        return config.seq_len

    def check_labels(self, spec: TextSpec) -> None:
        """A text has no labels."""

    def describe(self, spec: TextSpec, config: Config) -> Sequence[str]:
        """Lines on the data for the user."""
        what = "characters" if self.corpus.level == "char" else "bytes"
        codes, size = self.parted(config).codes, self.trained_on(config)
        train, held_out = codes[:size], np.asarray(codes[size:])
        lines = [f"{len(self.corpus.text):,} {what}, {len(spec.vocabulary)} distinct"]
        if config.lines:
            ours, others = (
                int(np.count_nonzero(np.asarray(part) == LINE_END)) for part in (train, held_out)
            )
            lines.append(f"{counted(ours, 'line', 'train')}, in random order")
            validate = f", {others:,} drawn from all over validate{'s' * (others == 1)}"
        else:
            lines.append(f"the first {len(train):,} train")
            validate = f", the last {len(held_out):,} validate"
        if self.val is not None:
            lines[1] = f"{len(train):,} {what} train"
            validate = f", {len(held_out):,} validate (from {self.paths.val})"
        if len(held_out):
            lines[1] += validate
        if self.test is not None:
            lines[1] += f", {len(self.test.text):,} test (from {self.paths.test})"
        unseen = self._unseen(held_out)
        if unseen:
            are = "is a character" if unseen == 1 else "are characters"
            lines[1] += f"; {unseen:,} in the validation set {are} not in the training text"
        if len(spec.vocabulary) == 1:
            lines.append(
                "note: the text has only one distinct character; there is nothing to learn"
            )
        if spec.items:
            lines.append(f"sample will not write these {counted(len(spec.items), 'line')} again")
        if len(held_out) > MUCH:
            enough = f"--val-fraction {ENOUGH / self.size:.1g} would be enough"
            if self.val is not None:
                enough = f"a part of {self.paths.val} would be enough"
            lines.append(f"note: each validation reads {len(held_out):,} {what}; {enough}")
        length = (len(train) - 1) // config.batch_size
        if length < config.seq_len and config.batch_size > 1:
            lines.append(
                f"note: each of the {config.batch_size} sequences in a batch has {length} "
                f"{what}, fewer than --seq-len {config.seq_len}; a smaller --batch-size gives "
                "more context"
            )
        return lines

    def _unseen(self, held_out: npt.NDArray[Any]) -> int:
        """The number of validation characters that do not occur in the training part."""
        own = add_counts(held_out, np.zeros(len(self.corpus.counts), np.int64))
        trained_on = np.zeros_like(own)
        trained_on[: len(self.corpus.counts)] = self.corpus.counts
        if self.val is None:
            trained_on -= own
        return int(own[trained_on == 0].sum())


def _as_file(text: str) -> BytesIO:
    try:
        return BytesIO(text.encode())
    except UnicodeEncodeError:
        raise InputError("the text has halves of characters (lone surrogates)") from None


class LanguageModelTask(LanesTask):
    """A text in parts, one after the other: for training, validation, and perhaps testing.

    Args:
        model: predicts symbols from symbols.
        ids: ``(N,)`` the whole text, in the order of :class:`charrnn.text.held_out.Parted`.
        split: the number of training symbols; the rest is for validation and testing.
        batch_size, seq_len: B lanes, read in chunks of at most T.
        threads: how many processes compute.
        vocabulary: the characters of the symbols, to show samples.
        tested: the number of symbols at the end that test the best model.
        apart: whether the vocabulary may lack characters of the validation set.
        codes: ``(N,)`` its code points or bytes; if not given, those of ``ids``.
        reset, seed: as for :class:`charrnn.tasks.carried.LanesTask`.

    Raises:
        InputError: the text is too short.
    """

    def __init__(
        self,
        model: LanguageNetwork,
        ids: npt.NDArray[Any] | View,
        *,
        split: int,
        batch_size: int,
        seq_len: int,
        threads: int = 1,
        vocabulary: Vocabulary | None = None,
        tested: int = 0,
        apart: bool = False,
        codes: npt.NDArray[Any] | View | None = None,
        reset: int = 0,
        seed: int = 0,
    ) -> None:
        level = vocabulary.level if vocabulary else "char"
        self.unit = f"nats/{level}"
        self.ids = ids
        self.split = split
        self.vocabulary = vocabulary
        self._tested_from = len(ids) - tested
        self._apart, self._codes = apart, codes
        train = ids[: self.split]
        super().__init__(model, train, batch_size, seq_len, threads, reset=reset, seed=seed)

    @property
    def codes(self) -> npt.NDArray[Any] | View:
        """``(N - tested,)`` the code points (or bytes) of the training part and validation set."""
        return self._all_codes()[: self._tested_from]

    def _all_codes(self) -> npt.NDArray[Any] | View:
        if self.vocabulary is None:
            raise ValueError("the symbols are not known")
        return np.array(self.vocabulary.codes)[self.ids] if self._codes is None else self._codes

    @property
    def held_out(self) -> int:
        """The number of characters that a validation scores."""
        return self._tested_from - self.split

    def validate(self, parameters: Parameters) -> Score | None:
        """The score on every character of the validation set; None if there is none."""
        if not self.held_out:
            return None
        return self._score(parameters, self.split, self._tested_from)

    def test(self, parameters: Parameters) -> Outcome | None:
        """The score on the test part, if there is one, beside the baselines' there."""
        start = self._tested_from
        if start == len(self.ids) or self.vocabulary is None:
            return None
        score = self._score(parameters, start, len(self.ids))
        codes = self._all_codes()
        train, before, text = codes[: self.split], codes[self.split : start], codes[start:]
        before = before if len(before) else train
        found = baselines(train, text, self.vocabulary, before=before)
        level = self.vocabulary.level
        bits = f"bits per {'character' if level == 'char' else level}"
        return Outcome(
            TaskScore(score.nats, self.unit, score.nats, {bits: score.bits}, "state carried"),
            {one.name: one.nats / log(2) for one in found},
        )

    def _score(self, parameters: Parameters, start: int, end: int) -> Score:
        """Score every character from ``start`` to ``end``, with the text before as context."""
        first = max(0, start - WARM_UP - 1)  # no lane reads more of the text before
        reader, ids, start = Reader(self.engine), np.asarray(self.ids[first:end]), start - first
        escaped = None
        if self._apart and self.vocabulary is not None:
            escaped = escape(self.vocabulary, np.asarray(self._all_codes()[first:end]))
        score = evaluate(reader, parameters, ids, start, unit=self.unit, escaped=escaped)
        if reader.loss == self.model.loss:
            return score
        own = Reader(self.engine, self.model.loss)
        return replace(score, own=evaluate(own, parameters, ids, start).nats)

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        """A sample of what the model writes now."""
        if self.vocabulary is None:
            return b""
        start = self.vocabulary.start
        symbols = sample(
            self.model,
            parameters,
            np.full((1, 1), start),
            PREVIEW_LENGTH,
            rng,
            PREVIEW_CHOICE,
            state=opening(self.model, parameters, start, self._lines()),
        )
        return self.vocabulary.decode(np.concatenate(list(symbols)))

    def _lines(self) -> npt.NDArray[Any]:
        """A text for its line ends, to begin a text after; of one on disk, the last part."""
        first = max(0, self.split - PREVIEW_READ) if isinstance(self.ids, View) else 0
        return np.asarray(self.ids[first : self.split])


def opening_of(trained: Trained) -> State:
    """The state before the line end that precedes a text (:func:`charrnn.sampling.opening`).

    It is computed once for each model.
    """
    if "opening" not in trained.kept:
        start = trained.spec.vocabulary.start
        trained.kept["opening"] = opening(trained.network, trained.parameters, start)
    state: State = trained.kept["opening"]
    return state


def author(trained: Trained, wanted: Wanted) -> Author:
    """Return what writes texts: from a prime, or from the beginning of a line or a paragraph.

    Raises:
        InputError: the prime has characters that the model does not know, or a label is asked for.
    """
    if wanted.label is not None:
        raise InputError(f"{trained.name} has no labels", "leave out --label")
    vocabulary: Vocabulary = trained.spec.vocabulary
    ids, prime, left_out = begun(vocabulary, wanted)
    state = None if len(ids) else opening_of(trained)
    voice = ModelVoice(trained.network, trained.parameters, state)
    start = ids if len(ids) else np.array([vocabulary.start])
    return Author(voice, start, prime, vocabulary, left_out=left_out, items=trained.spec.items)


register(
    Kind(
        name="lm",
        read=TextData.read,
        spec=TextSpec.from_header,
        key="vocabulary",
        usage="charrnn sample RUN",
        unit="nats/{level}",
        defaults={"reset": RESET_EVERY},
        own={"head": (), "mask": (), "loss": (), "reset": ()},
        without={
            "directions": "a language model must not read what it predicts",
            "columns": "a text has no columns",
        },
        least_updates=300,
        text=True,
        averages=True,
        carried=True,
        author=author,
    )
)
