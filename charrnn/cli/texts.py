"""The texts of ``charrnn predict``: arguments, a file's, or standard input's."""

import os
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

from charrnn.cli.errors import say
from charrnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from charrnn.tasks.config import Config
    from charrnn.text.records import Record

__all__ = ["Texts", "to_answer"]

CHUNK = 1 << 16
ENDINGS = {".txt", ".tsv", ".csv", ".json", ".jsonl", ".conll"}


class Texts(NamedTuple):
    """The texts to predict from.

    Attributes:
        parts: the texts, good and bad, as they come.
        place: names a text by its number.
        tabs: whether a text may contain a tab.
    """

    parts: "Iterator[list[Record]]"
    place: "Callable[[int], str]"
    tabs: bool = False


def _refuse_tagged(name: str, head: bytes, encoding: str) -> None:
    """Raise InputError for a file of tagged sentences, whose lines are not texts."""
    from charrnn.text.conll import looks_tagged
    from charrnn.text.decoding import decode_text

    if looks_tagged(decode_text(name, head, encoding)[0]):
        raise InputError(
            f"{name} holds tagged sentences, a token a line",
            "to measure a model on tagged sentences: charrnn eval RUN FILE; to tag texts, "
            "give one a line",
        )


def _is_file(text: str) -> bool:
    """Whether a text of any length is the name of a file or a pipe."""
    return os.path.exists(text) and not os.path.isdir(text)  # noqa: PTH110, PTH112


def to_answer(texts: list[str], file: str | None, columns: str, config: "Config") -> Texts:
    """The texts to predict from; those of standard input as they come.

    Args:
        texts: the arguments.
        file: the name of the file; ``-`` is standard input.
        columns: the column that contains the texts, if it is named.
        config: the model's settings.

    Raises:
        InputError: a file cannot be read, or its column cannot be found.
    """
    from charrnn.text.inputs import read_inputs
    from charrnn.text.records import Record, records, unusable
    from charrnn.text.sources import read_bytes

    if len(texts) == 1:
        pipe = f"pipe it in: echo {quote(texts[0])} | charrnn predict ..."
        if os.path.isdir(texts[0]):  # noqa: PTH112 - of any length
            raise InputError(
                f"{texts[0]!r} is a folder", f"name a file; to use {texts[0]!r} as the text, {pipe}"
            )
        if _is_file(texts[0]):
            file, texts = texts[0], []
            say(
                f"note: {file} is a file; reading texts from it "
                f"(to use {file!r} as the text, {pipe})"
            )
    if texts and columns:
        raise InputError("--columns needs a file", "name it: --file FILE")
    if len(texts) == 1 and Path(texts[0]).suffix in ENDINGS and " " not in texts[0]:
        say(f"note: there is no file {texts[0]!r}; using this as the text")
    elif texts:
        named = next(filter(_is_file, texts), None)
        if named is not None:
            say(f"note: using {named} as a text; to read the file of that name: --file {named}")
    if texts:
        one_by_one = [Record(k, text, unusable(text)) for k, text in enumerate(texts, 1)]
        return Texts(iter([one_by_one]), lambda number: f"text {number}")
    name = "standard input" if file == "-" else str(file)
    # A pipe can only be read once.
    head = read_bytes(name) if os.path.isfile(str(file)) else None  # noqa: PTH113 - of any length
    if head is not None and config.task == "tag" and not columns:
        _refuse_tagged(name, head, config.encoding)
    if columns or head is not None:
        trained, encoding = config.columns or config.named, config.encoding
        table = read_inputs(
            str(file),
            head,
            config.kind.columns,
            columns=columns,
            trained=trained,
            encoding=encoding,
        )
        if table is not None:
            for note in table.notes:
                say(f"note: {note}")
            return Texts(iter([list(table.records)]), lambda number: f"{name}, row {number},", True)

    def line(number: int) -> str:
        return f"{name}, line {number},"

    if file == "-":
        if sys.stdin.isatty():
            say("type a text and Enter, one after the other; Ctrl-D ends (Windows: Ctrl-Z, Enter)")
        stream: Any = sys.stdin.buffer  # its read1 returns what is there without waiting for more
        chunks = iter(lambda: stream.read1(CHUNK), b"")
        return Texts(records(chunks, config.encoding), line)
    data = read_bytes(str(file)) if head is None else head
    pieces = (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
    return Texts(records(pieces, config.encoding), line)
