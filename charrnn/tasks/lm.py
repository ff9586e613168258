"""The language model: predict each character from all before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.evaluation.validation import Score, evaluate
from charrnn.evaluation.windows import Reader
from charrnn.nn.ensemble import LanguageNetwork
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import State
from charrnn.sampling import Choice, opening, sample
from charrnn.sampling.voices import ModelVoice
from charrnn.tasks.base import Outcome, Paths, Trained
from charrnn.tasks.carried import LanesTask
from charrnn.tasks.config import Config
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.writing import Author, Wanted, begun
from charrnn.text.alphabet import SURROGATES
from charrnn.text.corpora import Corpus, read_corpus
from charrnn.text.counts import counted
from charrnn.text.held_out import LINE_END, HeldOut, Parted
from charrnn.text.vocab import NUM_CODE_POINTS, Vocabulary

__all__ = ["LanguageModelTask", "TextData", "TextSpec", "author", "opening_of"]

LONGER = 0x80, 0x800, 0x10000
"""The first characters that take a byte more in UTF-8."""

PREVIEW_LENGTH = 300
PREVIEW_CHOICE = Choice(temperature=0.8)


@dataclass(frozen=True)
class TextSpec:
    """The characters that a language model knows."""

    vocabulary: Vocabulary

    def to_header(self) -> dict[str, Any]:
        """For a checkpoint."""
        level, codes = self.vocabulary.level, self.vocabulary.codes
        return {"level": level, "symbols": "" if level == "byte" else "".join(map(chr, codes))}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "TextSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, TypeError, ValueError: it is not what that wrote.
        """
        level, symbols = header["level"], header["symbols"]
        if len(symbols) > NUM_CODE_POINTS:
            raise ValueError(f"a vocabulary of {len(symbols):,} symbols")
        codes = tuple(range(256) if level == "byte" else map(ord, symbols))
        if any(code in SURROGATES for code in codes):
            raise ValueError("a vocabulary's symbols must be characters, and no halves of some")
        return cls(Vocabulary(level, codes))

    def model(self, config: Config) -> SequenceModel:
        """The network of these settings."""
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
        """With the characters of ``found`` too.

        Raises:
            ValueError: that is of another level.
        """
        return TextSpec(self.vocabulary.union(found.vocabulary))


class TextData:
    """A text to model."""

    def __init__(self, corpus: Corpus, paths: Paths) -> None:
        self.corpus, self.paths = corpus, paths
        self.sha256, self.notes = corpus.sha256, corpus.notes
        self.size = len(corpus.codes)
        self._parted: tuple[HeldOut, Parted] | None = None  # the latest

    @classmethod
    def read(cls, paths: Paths, config: Config) -> "TextData":
        """Read the files.

        Raises:
            InputError: a file cannot be read or decoded, or the settings are not for this task.
        """
        if paths.val or paths.test:
            raise InputError(
                "a language model holds out the end of its text",
                "give --val-fraction instead of --val or --test",
            )
        memory = None if paths.text is None else _as_file(paths.text)
        corpus = read_corpus(
            paths.train,
            level=config.level,
            encoding=config.encoding if memory is None else "utf-8",
            keep_newlines=config.keep_newlines,
            lines=config.lines,
            stdin=memory,
        )
        return cls(corpus, paths)

    @property
    def bytes_each(self) -> float:
        """How many bytes of UTF-8 a character takes on average."""
        return 1 + sum(float(np.mean(self.corpus.codes >= first)) for first in LONGER)

    def parted(self, config: Config) -> Parted:
        """What trains, and then what is held out.

        Raises:
            InputError: the lines to draw from are too few.
        """
        if self._parted is None or self._parted[0] != config.held_out:
            self._parted = config.held_out, config.held_out.part(self.corpus.codes)
        return self._parted[1]

    def trained_on(self, config: Config) -> int:
        """How many characters train.

        Raises:
            InputError: the text is too short to hold out what the settings say.
        """
        size, train = self.size, self.parted(config).start
        if config.val_fraction and not 2 <= train < size:
            what = {"char": "character", "byte": "byte"}[self.corpus.level]
            raise InputError(
                f"a text of {size} {what}{'s' * (size != 1)} leaves nothing to hold out for "
                "validation",
                "give a longer text, or --val-fraction 0",
            )
        return train

    def spec(self) -> TextSpec:
        """The text's characters."""
        return TextSpec(Vocabulary.of(self.corpus.level, self.corpus.codes))

    def task(
        self, spec: TextSpec, config: Config, model: LanguageNetwork, threads: int
    ) -> "LanguageModelTask":
        """The training.

        Raises:
            InputError: the text is too short, or has characters that ``spec`` lacks.
        """
        return LanguageModelTask(
            model,
            spec.vocabulary.encode(self.parted(config).codes, "the corpus"),
            split=self.trained_on(config),
            batch_size=config.batch_size,
            seq_len=config.seq_len,
            threads=threads,
            vocabulary=spec.vocabulary,
        )

    def longest(self, config: Config) -> int:
        """Steps of a batch."""
        return config.seq_len

    def check_labels(self, spec: TextSpec) -> None:
        """There are none."""

    def describe(self, spec: TextSpec, config: Config) -> Sequence[str]:
        """Lines for people."""
        what = "characters" if self.corpus.level == "char" else "bytes"
        train, held_out = np.split(self.parted(config).codes, [self.trained_on(config)])
        lines = [f"{self.size:,} {what}, {len(spec.vocabulary)} distinct"]
        if config.lines:
            ours, others = (int(np.count_nonzero(part == LINE_END)) for part in (train, held_out))
            lines.append(f"{counted(ours, 'line', 'train')}, in random order")
            validate = f", {others:,} drawn from all over validate{'s' * (others == 1)}"
        else:
            lines.append(f"the first {len(train):,} train")
            validate = f", the last {len(held_out):,} validate"
        if len(held_out):
            lines[1] += validate
            unseen = int(np.count_nonzero(~np.isin(held_out, np.unique(train))))
            if unseen:
                lines[1] += f" ({unseen:,} of them nowhere in the training part)"
        if len(spec.vocabulary) == 1:
            lines.append("note: the text has one distinct character; there is nothing to learn")
        length = (len(train) - 1) // config.batch_size
        if length < config.seq_len and config.batch_size > 1:
            lines.append(
                f"note: {config.batch_size} lanes are {length} {what} long each, less than "
                f"--seq-len {config.seq_len}; fewer lanes (--batch-size) would see more context"
            )
        return lines


def _as_file(text: str) -> BytesIO:
    try:
        return BytesIO(text.encode())
    except UnicodeEncodeError:
        raise InputError("the text has halves of characters (lone surrogates)") from None


class LanguageModelTask(LanesTask):
    """A text cut in two: the beginning trains, the tail validates.

    Args:
        model: from symbols to as many symbols.
        ids: ``(N,)`` the whole text, in the order of :class:`charrnn.text.held_out.Parted`.
        split: how many of them train; the rest is held out.
        batch_size, seq_len: B lanes, read in chunks of at most T.
        threads: how many processes compute.
        vocabulary: what the symbols are, to show samples.

    Raises:
        InputError: the text is too short.
    """

    def __init__(
        self,
        model: LanguageNetwork,
        ids: npt.NDArray[Any],
        *,
        split: int,
        batch_size: int,
        seq_len: int,
        threads: int = 1,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        level = vocabulary.level if vocabulary else "char"
        self.unit = f"nats/{level}"
        self.ids = ids
        self.split = split
        self.vocabulary = vocabulary
        super().__init__(model, ids[: self.split], batch_size, seq_len, threads)

    @property
    def codes(self) -> npt.NDArray[Any]:
        """``(N,)`` the code points (or bytes) of the whole text."""
        if self.vocabulary is None:
            raise ValueError("nobody has said what the symbols are")
        codes: npt.NDArray[Any] = np.array(self.vocabulary.codes)[self.ids]
        return codes

    @property
    def held_out(self) -> int:
        """How many characters a validation scores."""
        return len(self.ids) - self.split

    def test(self, parameters: Parameters) -> Outcome | None:
        """Nothing: what is held out has chosen the model."""

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        """What the model writes now."""
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
            state=opening(self.model, parameters, start, self.ids[: self.split]),
        )
        return self.vocabulary.decode(np.concatenate(list(symbols)))

    def validate(self, parameters: Parameters) -> Score | None:
        """The held-out tail, every character of it; nothing if none was held out."""
        if self.split == len(self.ids):
            return None
        reader = Reader(self.engine)
        score = evaluate(reader, parameters, self.ids, self.split, unit=self.unit)
        if reader.loss == self.model.loss:
            return score
        own = Reader(self.engine, self.model.loss)
        return replace(score, own=evaluate(own, parameters, self.ids, self.split).nats)


def opening_of(trained: Trained) -> State:
    """The state before the line end that stands before a text (:func:`charrnn.sampling.opening`).

    Worked out once for each model.
    """
    if "opening" not in trained.kept:
        start = trained.spec.vocabulary.start
        trained.kept["opening"] = opening(trained.network, trained.parameters, start)
    state: State = trained.kept["opening"]
    return state


def author(trained: Trained, wanted: Wanted) -> Author:
    """Writes texts that go on from a prime; without one, from where a line or a paragraph begins.

    Raises:
        InputError: the prime has characters that the model does not know, or a label is wanted.
    """
    if wanted.label is not None:
        raise InputError(f"{trained.name} knows no labels", "leave out --label")
    vocabulary: Vocabulary = trained.spec.vocabulary
    ids, prime, left_out = begun(vocabulary, wanted)
    state = None if len(ids) else opening_of(trained)
    voice = ModelVoice(trained.network, trained.parameters, state)
    start = ids if len(ids) else np.array([vocabulary.start])
    return Author(voice, start, prime, vocabulary, left_out=left_out)


register(
    Kind(
        name="lm",
        read=TextData.read,
        spec=TextSpec.from_header,
        key="vocabulary",
        usage="charrnn sample RUN",
        unit="nats/{level}",
        own={"head": (), "mask": (), "loss": ()},
        without={
            "directions": "a language model predicts what comes next, and must not have read it",
            "columns": "a text has none",
        },
        least_updates=300,
        text=True,
        carried=True,
        author=author,
    )
)
