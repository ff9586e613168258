"""What a model that writes texts can do, whether it is one model or several as one."""

from abc import ABC, abstractmethod
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError, as_type
from charrnn.sampling.choice import Choice
from charrnn.tasks.writing import Author, Wanted, write

__all__ = ["How", "Writes", "drawn_seed"]


TEMPERATURE = 0.8


class How(TypedDict, total=False):
    """The options of :meth:`Writes.sample` besides the seed and the number of texts."""

    length: int | None
    temperature: float | None
    top_k: int
    top_p: float
    min_p: float
    label: str | None
    allow: str | None
    forbid: str
    repeat_penalty: float
    max_repeat: int
    max_copy: int | None
    stop: Sequence[str]
    best_of: int | None
    skip_unknown: bool
    train: Sequence[str]


class Writes(ABC):
    """Writes texts."""

    @property
    def temperature(self) -> float:
        """The temperature at which it writes by default."""
        return TEMPERATURE

    @abstractmethod
    def author(self, wanted: Wanted) -> Author:
        """Return what writes the texts.

        Raises:
            InputError: the model does not write, or cannot write these texts.
        """

    @abstractmethod
    def trained_on(self, train: Sequence[str] = ()) -> tuple[npt.NDArray[Any], ...]:
        """Code points or bytes of the training text, or of the files that hold it.

        Raises:
            InputError: the training text is missing, and no file is named.
        """

    @overload
    def sample(
        self, prime: str = "", *, n: None = None, seed: int | None = None, **how: Unpack[How]
    ) -> str: ...

    @overload
    def sample(
        self, prime: str = "", *, n: int, seed: int | None = None, **how: Unpack[How]
    ) -> list[str]: ...

    def sample(
        self, prime: str = "", *, n: int | None = None, seed: int | None = None, **how: Unpack[How]
    ) -> str | list[str]:
        """Write a text. docs/sampling.md explains each option.

        Args:
            prime: the beginning of the text; part of the result.
            n: how many texts to write; the result is then a list.
            seed: the same seed gives the same text. Default: a new one.
            length: characters to write after the prime. Default: 500 for a language model, to the
                text's own end for a model of labelled texts.
            temperature: below 1 is safer, above 1 wilder; 0 picks the likeliest character.
                Default: ``model.temperature``.
            top_k: choose among the k likeliest characters; 0 for all.
            top_p: choose among the likeliest characters that reach this probability together.
            min_p: choose among characters with at least this part of the likeliest one's
                probability.
            label: the label of the text, for a model of labelled texts.
            allow, forbid: characters to use only; characters to avoid.
            repeat_penalty: makes it less likely to continue an earlier passage; 1 is off.
            max_repeat: never repeat this many characters in a row of the text.
            max_copy: never copy this many characters in a row from the training text; 0: no
                limit. Default: write no training item of a list, and no training text of a model
                of labelled texts.
            stop: texts that end the text; they are not written.
            best_of: write this many texts and keep the one with the highest mean
                log-probability. Default: 1; of labelled texts whose ends fit their beginnings,
                one of 8 is drawn by how well they fit.
            skip_unknown: drop the characters of the prime that the model does not know.
            train: files with the training text, if the run does not lead to it.

        Returns:
            The text; with ``n``, a list of them. Bytes that are not UTF-8 become U+FFFD.

        Raises:
            InputError: a value is out of range, or the model does not know the prime's characters
                or the label, or writes no texts.
            DivergedError: the outputs are not finite.
            StuckError: ``max_copy`` or ``max_repeat`` leave no way to continue.
        """
        wanted = self._wanted(prime, 1 if n is None else n, **how)
        grown = zip(*self.write(wanted, seed), strict=True)
        texts = [b"".join(parts).decode("utf-8", "replace") for parts in grown]
        return texts[0] if n is None else texts

    def stream(
        self, prime: str = "", *, seed: int | None = None, **how: Unpack[How]
    ) -> Iterator[str]:
        """Yield the text of :meth:`sample` in pieces, as it is written; the prime is the first.

        A text that is chosen among several (``best_of``) is one piece.

        Arguments and errors are those of :meth:`sample`.
        """
        return _decoded(self.write(self._wanted(prime, 1, **how), seed))

    def lines(
        self,
        n: int,
        prime: str = "",
        *,
        new: bool = False,
        seed: int | None = None,
        **how: Unpack[How],
    ) -> Iterator[str]:
        """Write complete lines, all different, one by one.

        Args:
            n: how many lines.
            prime: the beginning of each line.
            new: leave out lines of the training text.
            seed, how: as for :meth:`sample`; ``length`` is the longest that a line may be.

        Raises:
            StuckError: too few different lines were found.
            InputError: as :meth:`sample`.
        """
        n, new = as_type("n", n, int, 1), as_type("new", new, bool)
        wanted = self._wanted(prime, 1, lines=n, new=new, **how)
        return (line.decode("utf-8", "replace") for (line,) in self.write(wanted, seed))

    def write(self, wanted: Wanted, seed: int | None = None) -> Iterator[list[bytes]]:
        """Yield what each text grows by; :meth:`sample` and :meth:`stream` are made of this.

        Raises:
            InputError: as :meth:`sample`.
        """
        seed = drawn_seed() if seed is None else as_type("seed", seed, int, 0)
        grown = write(self.author(wanted), wanted, np.random.default_rng(seed))
        return ([piece.data for piece in pieces] for pieces in grown)

    def _wanted(
        self,
        prime: str,
        number: int,
        *,
        lines: int = 0,
        new: bool = False,
        length: int | None = None,
        temperature: float | None = None,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        label: str | None = None,
        allow: str | None = None,
        forbid: str = "",
        repeat_penalty: float = 1.0,
        max_repeat: int = 0,
        max_copy: int | None = None,
        stop: Sequence[str] = (),
        best_of: int | None = None,
        skip_unknown: bool = False,
        train: Sequence[str] = (),
    ) -> Wanted:
        try:
            choice = Choice(
                self.temperature
                if temperature is None
                else as_type("temperature", temperature, float),
                as_type("top_k", top_k, int),
                as_type("top_p", top_p, float),
                as_type("min_p", min_p, float),
            )
        except ValueError as error:
            raise InputError(str(error)) from None
        copies = None if max_copy is None else as_type("max_copy", max_copy, int, 0)
        stops, files = ([one] if isinstance(one, str) else one for one in (stop, train))
        return Wanted(
            as_type("prime", prime, str),
            None if label is None else as_type("label", label, str),
            as_type("n", number, int, 1),
            None if length is None else as_type("length", length, int, 0),
            choice,
            skips_unknown=as_type("skip_unknown", skip_unknown, bool),
            allow=None if allow is None else as_type("allow", allow, str),
            forbid=as_type("forbid", forbid, str),
            repeat_penalty=as_type("repeat_penalty", repeat_penalty, float),
            max_copy=copies,
            max_repeat=as_type("max_repeat", max_repeat, int, 0),
            stop=tuple(as_type("a stop", one, str) for one in stops),
            lines=lines,
            new=new,
            best_of=None if best_of is None else as_type("best_of", best_of, int, 1),
            trained_on=self.trained_on(files) if copies or new else (),
        )


def drawn_seed() -> int:
    """Draw a seed at random."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def _decoded(grown: Iterator[list[bytes]]) -> Iterator[str]:
    decoder = getincrementaldecoder("utf-8")("replace")
    for (piece,) in grown:
        text = decoder.decode(piece)
        if text:
            yield text
    rest = decoder.decode(b"", final=True)
    if rest:
        yield rest
