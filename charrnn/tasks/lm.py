"""The language model: predict each character from all before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.config import Config
from charrnn.errors import InputError
from charrnn.evaluation import Score, evaluate
from charrnn.nn.engine import Engine
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.sampling import Choice, sample
from charrnn.tasks.base import Paths, Report
from charrnn.text.batches import Lanes
from charrnn.text.corpora import Corpus, read_corpus
from charrnn.text.vocab import Vocabulary

__all__ = ["LanguageModelTask", "TextData", "TextSpec"]

PREVIEW_LENGTH = 300
PREVIEW_CHOICE = Choice(temperature=0.8)

RUNAWAY = 20.0
"""|h| beyond which a lane is given up; 50 was too late on real text (docs/log.md)."""


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
        codes = range(256) if header["level"] == "byte" else map(ord, header["symbols"])
        return cls(Vocabulary(header["level"], tuple(codes)))

    def model(self, config: Config) -> SequenceModel:
        """The network of these settings."""
        if self.vocabulary.level != config.level:
            raise ValueError("the vocabulary is of another level")
        return config.model(len(self.vocabulary))


class TextData:
    """A text to model."""

    def __init__(self, corpus: Corpus, paths: Paths) -> None:
        self.corpus, self.paths = corpus, paths
        self.sha256, self.notes = corpus.sha256, corpus.notes
        self.size = self.trained_on = len(corpus.codes)

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
        corpus = read_corpus(
            paths.train,
            level=config.level,
            encoding=config.encoding,
            keep_newlines=config.keep_newlines,
        )
        return cls(corpus, paths)

    def spec(self) -> TextSpec:
        """The text's characters."""
        return TextSpec(Vocabulary.of(self.corpus.level, self.corpus.codes))

    def task(
        self, spec: TextSpec, config: Config, model: SequenceModel, threads: int
    ) -> "LanguageModelTask":
        """The training.

        Raises:
            InputError: the text is too short, or has characters that ``spec`` lacks.
        """
        return LanguageModelTask(
            model,
            spec.vocabulary.encode(self.corpus.codes, "the corpus"),
            val_fraction=config.val_fraction,
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
        held_out = round(self.size * config.val_fraction)
        lines = [
            f"{self.size:,} {what}, {len(spec.vocabulary)} distinct",
            f"the first {self.size - held_out:,} train",
        ]
        if held_out:
            lines[1] += f", the last {held_out:,} validate"
            unseen = self._unseen(held_out)
            if unseen:
                lines[1] += f" ({unseen} of them are characters that the training part lacks)"
        if len(spec.vocabulary) == 1:
            lines.append("note: the text has one distinct character; there is nothing to learn")
        length = (self.size - held_out - 1) // config.batch_size
        if length < config.seq_len:
            lines.append(
                f"note: {config.batch_size} lanes are {length} {what} long each, less than "
                f"--seq-len {config.seq_len}; fewer lanes (--batch-size) would see more context"
            )
        return lines

    def _unseen(self, held_out: int) -> int:
        """How many held-out characters never occur in the training text."""
        train, tail = self.corpus.codes[:-held_out], self.corpus.codes[-held_out:]
        return int(np.count_nonzero(~np.isin(tail, np.unique(train))))


class LanguageModelTask:
    """A text cut in two: the beginning trains, the contiguous tail validates.

    Args:
        model: from symbols to as many symbols.
        ids: ``(N,)`` the whole text.
        val_fraction: the part of it held out at the end; 0 for none.
        batch_size, seq_len: B lanes, read in chunks of at most T.
        threads: how many processes compute.
        vocabulary: what the symbols are, to show samples.

    Raises:
        InputError: the text is too short.
    """

    unit = "nats/char"

    def __init__(
        self,
        model: SequenceModel,
        ids: npt.NDArray[Any],
        *,
        val_fraction: float,
        batch_size: int,
        seq_len: int,
        threads: int = 1,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        held_out = round(len(ids) * val_fraction)
        if val_fraction and (held_out < 1 or len(ids) - held_out < 2):
            raise InputError(
                f"a text of {len(ids)} characters leaves nothing to hold out for validation",
                "give a longer text, or --val-fraction 0",
            )
        self.model = model
        self.ids = ids
        self.split = len(ids) - held_out
        self.lanes = Lanes(ids[: self.split], batch_size, seq_len)
        self.state = model.zero_state(batch_size)
        self.batch_size = batch_size
        self.engine = Engine(model, threads)
        self._vocabulary = vocabulary

    @property
    def steps_per_epoch(self) -> int:
        """Updates in one pass over the training text."""
        return len(self.lanes)

    @property
    def held_out(self) -> int:
        """How many characters a validation scores."""
        return len(self.ids) - self.split

    def example(self) -> Sequences:
        """A batch to time."""
        x, targets = self.lanes.chunk(0)
        return Sequences(x, targets, self.model.zero_state(self.batch_size))

    def test(self, parameters: Parameters) -> Report | None:
        """Nothing: what is held out has chosen the model."""

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        """What the model writes now."""
        if self._vocabulary is None:
            return b""
        start = np.full((1, 1), self._vocabulary.start)
        symbols = sample(self.model, parameters, start, PREVIEW_LENGTH, rng, PREVIEW_CHOICE)
        return self._vocabulary.decode(np.concatenate(list(symbols)))

    def gradients(
        self,
        parameters: Parameters,
        gradients: Parameters,
        number: int,
        rng: np.random.Generator | None,
    ) -> tuple[float, int]:
        """Write the gradients of one chunk's summed loss, and carry the state on.

        Args:
            number: how many updates there were before; each pass begins from the zero state.
            rng: draws dropout masks.

        Returns:
            The summed loss in nats, and how many characters it is over.
        """
        index = number % self.steps_per_epoch
        if index == 0:
            self.state = self.model.zero_state(self.batch_size, parameters.dtype)
        x, targets = self.lanes.chunk(index)
        nats, self.state = self.engine.cross_entropy(
            parameters, x, targets, self.state, gradients=gradients, rng=rng
        )
        self._restart_runaways()
        return float(nats), x.size

    def _restart_runaways(self) -> None:
        """Let lanes whose state has run away begin anew from zero.

        Where a tanh closes the cell, |h| ≤ 1 and this never happens. An LSTM that puts out o⊙c, and
        a ReLU network, have no such bound: while they learn, a state can grow, and being carried it
        would spoil every chunk to come.
        """
        for h, *_ in self.state:
            runaways = ~(np.abs(h).max(axis=1) <= RUNAWAY)
            if runaways.any():
                for layer in self.state:
                    for part in layer:
                        part[runaways] = 0

    def validate(self, parameters: Parameters) -> Score | None:
        """The held-out tail, every character of it; nothing if none was held out."""
        if self.split == len(self.ids):
            return None
        return evaluate(self.model, parameters, self.ids, self.split, engine=self.engine)

    def arrays(self) -> dict[str, Array]:
        """What must be saved to go on from here: the state of every lane."""
        return {
            f"state.{layer}.{name}": part
            for layer, parts in enumerate(self.state)
            for name, part in zip(self.model.body.state_names, parts, strict=True)
        }

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`.

        Raises:
            KeyError, ValueError: an array is missing or of the wrong shape.
        """
        fresh = self.model.zero_state(self.batch_size)
        names = self.model.body.state_names
        for layer, parts in enumerate(fresh):
            for name, part in zip(names, parts, strict=True):
                part[...] = arrays[f"state.{layer}.{name}"].reshape(part.shape)
        self.state = fresh
