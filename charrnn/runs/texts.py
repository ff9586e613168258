"""Find the text to be scored, and the one that the model was trained on."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.runs.ancestry import Noted, ancestors, noted
from charrnn.runs.find import in_words
from charrnn.runs.model import Model, reason
from charrnn.tasks.base import Paths
from charrnn.tasks.lm import TextData
from charrnn.text.corpora import Corpus, TextStream, encoded, read_corpus, stands_in
from charrnn.text.held_out import Parted
from charrnn.text.view import View
from charrnn.text.vocab import codes_of
from charrnn.verdict.repeats import PASSAGE

__all__ = [
    "ToScore",
    "Trained",
    "find_texts",
    "named",
    "pieces_of",
    "read_text",
    "stream_text",
    "training_text",
]

SEEN = "the model was trained on {}, so this loss is too low; score a text that it has not seen"

READ_BEFORE = 1 << 12
"""Characters read before those that are scored: no window, lane or n-gram reads as many."""

Codes = npt.NDArray[Any]


class ToScore(NamedTuple):
    """A text to be scored."""

    codes: Codes
    """Code points or bytes, including as much of what comes before as a model reads."""
    start: int
    """The first one to score, at least 1."""
    what: str
    """The text, in words."""
    train: Codes | View | None
    """The training text, if it can be read."""
    notes: tuple[str, ...]


def find_texts(
    model: Model, files: list[str], train: list[str], *, validated: bool = False
) -> ToScore:
    """Find the text in these files, or a part of the run's own data; and the training text.

    Args:
        model: a language model.
        files: the files to be scored. If none are given, or if they are the run's own data: the
            test part, or the validation set where there is no test part.
        train: the training text's files, including the validation set; if not given, those the run
            noted.
        validated: take the validation set even where there is a test part.

    Raises:
        InputError: a file cannot be read, or there is nothing to score.
    """
    own = noted(model)
    data, missing = _data(model, train, own)
    notes = list(data.notes) if data else []
    if data and train and own and data.sha256 != own.sha256:
        notes.append("--train differs from the training text on record; using --train")
    what = in_words(train) or (own.name if own else "the help topics of Python")
    part = ""
    if files:
        text = read_text(model, files)
        is_corpus = data is not None and np.array_equal(text.codes, data.corpus.codes)
        part = "" if data is None else _part_of(data, text.codes)
        # The same text with other line ends or in another encoding is the same text.
        if not (is_corpus or part or (own and text.sha256 == own.sha256)):
            return _another_text(model, files, text, data, missing, notes)
        if not part:
            if data is not None and not is_corpus:
                raise InputError(
                    f"{named(files)} is the training text of this run, but --train names another",
                    "leave out --train",
                )
            notes.append("this is the training text; scoring its validation set")
            what, data = named(files), data or TextData(text, Paths(tuple(files)))
    elif data is not None:
        tested = data.test is not None and not validated
        part = "test" if tested else "val" if data.val is not None else ""
    if data is None:
        raise InputError(missing, f"or name a text to score: charrnn eval {model.path} FILE")
    return _own_part(model, data, part, what, notes)


def _another_text(
    model: Model,
    files: list[str],
    text: Corpus,
    data: TextData | None,
    missing: str,
    notes: list[str],
) -> ToScore:
    """Find a text that does not belong to the run's own data.

    Args:
        data: the data that the model was trained on; if None, ``missing`` says why.
        notes: lines for the user so far, to be extended.
    """
    if len(text.codes) < 2:
        raise InputError("a text of one character has nothing to predict")
    if missing:
        notes.append(f"{missing}; if it contains this text, the model has seen it")
    notes += _other_form(model, text, data.corpus if data else None)
    trained_on = None
    if data is not None:
        parted = data.parted(model.config)
        trained_on = parted.codes[: parted.start]
        seen = _seen(text.codes, parted, text.level, by_lines=model.config.lines)
        notes += [SEEN.format(seen)] if seen else []
    notes += _met_before(model, text.codes)
    return ToScore(text.codes, 1, named(files), trained_on, (*text.notes, *notes))


def _own_part(model: Model, data: TextData, part: str, whole: str, notes: list[str]) -> ToScore:
    """A part of a run's own data: ``"test"`` or ``"val"`` from a file, else what was split off.

    Args:
        whole: what the data are called.
        notes: lines for the user so far, to be extended.

    Raises:
        InputError: the model was trained on all of it.
    """
    parted = data.parted(model.config)
    codes, start = parted.codes, parted.start
    what = f"the validation set of {whole}"
    if part == "test":
        codes, start = data.all_codes(model.config), len(codes)
        what = f"{data.paths.test}, this run's test file"
    elif part == "val":
        what = f"{data.paths.val}, this run's validation file"
    if (not part and data.val is not None) or not 0 < start < len(codes):
        raise InputError(
            f"this run trained on all of {whole}", "name a text that the model has not seen"
        )
    notes += _met_before(model, np.asarray(codes[start:]))
    first = max(0, start - READ_BEFORE)
    return ToScore(
        np.asarray(codes[first:]), start - first, what, codes[: parted.start], tuple(notes)
    )


def _part_of(data: TextData, codes: Codes) -> str:
    """Which part of a run's data this text is, where that part has its own file; else empty."""
    for name, part in (("test", data.test), ("val", data.val)):
        if part is not None and np.array_equal(codes, part.codes):
            return name
    return ""


class Trained(NamedTuple):
    """The text that a model was trained on."""

    codes: npt.NDArray[Any]
    """Code points or bytes, including the validation set."""
    split: int
    """Where the validation set begins."""
    what: str
    """The text, in words."""


def training_text(model: Model, train: list[str]) -> Trained:
    """The text that a language model was trained on: ``train``, else the files its run noted.

    Raises:
        InputError: the text is missing, or a file cannot be read.
    """
    own = noted(model)
    data, missing = _data(model, train, own)
    if data is None:
        raise InputError(missing)
    what = in_words(train) or (own.name if own else "")
    parted = data.parted(model.config)
    return Trained(np.asarray(parted.codes), parted.start, what)


def _other_form(model: Model, text: Corpus, corpus: Corpus | None) -> list[str]:
    """Lines on a text whose characters the model knows in another form."""
    if not model.vocabulary.unknown(text.codes):
        return []
    known = model.vocabulary.known_form(encoded(text.codes, text.level).decode("utf-8", "replace"))
    if known is None:
        return []
    name, form = known
    notes = [f"with {name} the model knows all characters of this text: convert it"]
    if corpus is not None and np.array_equal(codes_of(form, corpus.level), corpus.codes):
        notes.append("in that form, it is the text that the model was trained on")
    return notes


def named(files: list[str]) -> str:
    """What files are called in messages."""
    return "standard input" if files == ["-"] else in_words(files)


def _seen(text: Codes, parted: Parted, level: str, *, by_lines: bool) -> str:
    """The part of a text that is also in the training part, in words; empty if none is.

    For items, it counts lines; otherwise one text must contain the other whole. A word or two may
    be in any text.
    """
    trained_on = parted.codes[: parted.start]
    if by_lines:
        known = {*encoded(np.asarray(trained_on), level).split(b"\n")}
        lines = [line for line in encoded(text, level).split(b"\n") if line.strip()]
        met = sum(line in known for line in lines)
        return f"{met:,} of these {len(lines):,} lines" if met else ""
    shorter, longer = sorted((text, trained_on), key=len)
    met = stands_in(np.asarray(shorter), longer, level, PASSAGE)
    return "this text" if met else ""


def _met_before(model: Model, text: Codes) -> list[str]:
    """Lines on what the weights that the run began with were trained on."""
    notes = []
    for one in ancestors(model):
        began = f"this run started from weights trained on {one.name}"
        lines = one.held_out.lines is not None
        paths, data = Paths(one.paths, one.val, one.test), None
        if "-" not in (*one.paths, one.val, one.test):
            with suppress(InputError):
                data = _read(model, paths, lines)
        if data is None or data.sha256 != one.sha256:
            notes.append(
                f"{began}, which is no longer there; if it contains this text, the model has "
                "seen it"
            )
            continue
        parted, by_lines = one.held_out.part(data.corpus.text), lines or model.config.lines
        if seen := _seen(text, parted, model.config.level, by_lines=by_lines):
            notes.append(f"{began}, so the model has seen {seen}")
    return notes


def _data(model: Model, train: list[str], own: Noted | None) -> tuple[TextData | None, str]:
    """The data that the model was trained on; or None, with the reason and what to do."""
    val, test = (own.val, own.test) if own else ("", "")
    if train:
        # Its validation file may have stayed where the run was trained.
        val, test = (path if path and Path(path).exists() else "" for path in (val, test))
        return _read(model, Paths(tuple(train), val, test)), ""
    hint = "name the training text: --train TEXT"
    if own is None:
        return None, f"{model.path} does not say what it was trained on: {hint}"
    if "-" in (*own.paths, val, test):
        return None, f"this run was trained on standard input: {hint}"
    try:
        data = _read(model, Paths(own.paths, val, test))
    except InputError as error:
        apart = in_words([path for path in (val, test) if path and not Path(path).exists()])
        if apart:
            return None, f"{apart}, part of this run's data, is no longer there"
        return None, f"the training text of this run is not there ({reason(error)}): {hint}"
    if data.sha256 != own.sha256:
        where = in_words([*own.paths, *filter(None, (val, test))])
        where = f"one of {where}" if val or test else own.name
        return None, f"{where} has changed since this run was trained on it: {hint}"
    return data, ""


def _read(model: Model, paths: Paths, lines: bool | None = None) -> TextData:
    """Read texts as those that the model was trained on; ``lines`` as in :func:`read_text`."""
    config = model.config if lines is None else replace(model.config, lines=lines)
    with _as_trained(model):
        return TextData.read(paths, config)


def read_text(model: Model, paths: list[str], lines: bool | None = None) -> Corpus:
    """Read files as the model's own corpus was read.

    Args:
        lines: whether each line is an item; by default, as in the model's corpus.

    Raises:
        InputError: a file cannot be read or decoded, or all files are empty.
    """
    with _as_trained(model):
        by_lines = model.config.lines if lines is None else lines
        return read_corpus(paths, **_how(model), lines=by_lines)


def stream_text(model: Model, paths: list[str]) -> TextStream:
    """Files to be read piece by piece, as the model's own corpus was read."""
    return TextStream(paths, **_how(model))


def pieces_of(model: Model, stream: TextStream) -> Iterator[npt.NDArray[Any]]:
    """The code points or bytes of a stream, ``(n,)`` each.

    Raises:
        InputError: a file cannot be read or decoded.
    """
    with _as_trained(model):
        yield from stream


def _how(model: Model) -> dict[str, Any]:
    config = model.config
    return {
        "level": config.level,
        "encoding": config.encoding,
        "keep_newlines": config.keep_newlines,
    }


@contextmanager
def _as_trained(model: Model) -> Iterator[None]:
    """Say in an error about an encoding that it is the model's."""
    encoding = model.config.encoding
    try:
        yield
    except InputError as error:
        if "--encoding" not in (error.hint or ""):
            raise
        hint = f"the model was trained on {encoding}: convert the text to it"
        raise InputError(str(error), hint) from error
