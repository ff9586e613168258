"""Which text is scored, and the one that the model was trained on."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.runs.ancestry import Noted, ancestors, noted
from charrnn.runs.model import Model
from charrnn.text.corpora import Corpus, encoded, first_held_out, read_corpus
from charrnn.text.vocab import codes_of
from charrnn.verdict.repeats import PASSAGE

__all__ = ["ToScore", "Trained", "find_texts", "training_text"]

SEEN = (
    "this text stands in the training text, or that in this: the model has seen what is scored, "
    "and would do worse on another"
)


class ToScore(NamedTuple):
    """What is to be scored."""

    codes: npt.NDArray[Any]
    """Code points or bytes, with what stands before."""
    start: int
    """The first to score, at least 1."""
    what: str
    """In words."""
    train: npt.NDArray[Any] | None
    """What was trained on, if it can be read."""
    notes: tuple[str, ...]


def find_texts(model: Model, files: list[str], train: list[str]) -> ToScore:
    """The files, or what the model's run held out; and the text that trained it.

    Args:
        model: a language model.
        files: to be scored; none for what was held out. So too if they are what trained the model.
        train: where the training text is, with its held-out end; else where the run says.

    Raises:
        InputError: a file cannot be read, or there is nothing to score.
    """
    own = noted(model)
    corpus, missing = _corpus(model, train, own)
    notes = list(corpus.notes) if corpus else []
    if corpus and train and own and corpus.sha256 != own.sha256:
        notes.append("--train is not the text that this run noted; it is taken at its word")
    what = " ".join(train) or (own.name if own else "the help topics of Python")
    if files:
        text = _read(model, files)
        # The same text under other line ends or in another encoding is the same text.
        known = text.sha256 == own.sha256 if own else False
        if corpus is not None:
            known = known or np.array_equal(text.codes, corpus.codes)
        if not known:
            if len(text.codes) < 2:
                raise InputError("a text of one character has none that could be predicted")
            if missing:
                notes.append(f"{missing}; if it holds what is scored, the model has seen it")
            notes += _other_form(model, text, corpus)
            trained_on = corpus.codes[: _split(model, corpus)] if corpus else None
            if trained_on is not None and _overlap(text.codes, trained_on, model.config.level):
                notes.append(SEEN)
            notes += _met_before(model, text.codes)
            return ToScore(text.codes, 1, _names(files), trained_on, (*text.notes, *notes))
        if corpus is not None and not np.array_equal(text.codes, corpus.codes):
            raise InputError(
                f"{' '.join(files)} is what this run was trained on, --train is another text",
                "leave out --train",
            )
        notes.append("this is the text that was trained on: what was held out of it is scored")
        corpus, what = text, _names(files)
    if corpus is None:
        raise InputError(missing, f"or name a text to score: charrnn eval {model.path} FILE")
    split = _split(model, corpus)
    if not 0 < split < len(corpus.codes):
        raise InputError(
            f"nothing of {what} was held out from training", "name a text that the model never saw"
        )
    notes += _met_before(model, corpus.codes[split:])
    return ToScore(corpus.codes, split, f"the end of {what}", corpus.codes[:split], tuple(notes))


class Trained(NamedTuple):
    """The text that a model was trained on."""

    codes: npt.NDArray[Any]
    """Code points or bytes, with the held-out end."""
    split: int
    """Where that begins."""
    what: str
    """In words."""


def training_text(model: Model, train: list[str]) -> Trained:
    """What a language model was trained on: ``train``, else what its run noted, if it is there.

    Raises:
        InputError: it is not; or a file cannot be read.
    """
    own = noted(model)
    corpus, missing = _corpus(model, train, own)
    if corpus is None:
        raise InputError(missing)
    what = " ".join(train) or (own.name if own else "")
    return Trained(corpus.codes, _split(model, corpus), what)


def _other_form(model: Model, text: Corpus, corpus: Corpus | None) -> list[str]:
    """What there is to say of a text that the model knows in another form."""
    if not model.vocabulary.unknown(text.codes):
        return []
    known = model.vocabulary.known_form(encoded(text.codes, text.level).decode("utf-8", "replace"))
    if known is None:
        return []
    name, form = known
    notes = [f"with {name} the model knows all characters of this text: convert it"]
    if corpus is not None and np.array_equal(codes_of(form, corpus.level), corpus.codes):
        notes.append("so written, it is the text that the model was trained on")
    return notes


def _names(files: list[str]) -> str:
    return "standard input" if files == ["-"] else " ".join(files)


def _overlap(text: npt.NDArray[Any], trained_on: npt.NDArray[Any], level: str) -> bool:
    """Whether one stands in the other, so that the model has seen what it is scored on.

    A word or two stand in any text.
    """

    if min(len(text), len(trained_on)) < PASSAGE:
        return False
    shorter, longer = sorted((encoded(text, level), encoded(trained_on, level)), key=len)
    return shorter in longer


def _met_before(model: Model, text: npt.NDArray[Any]) -> list[str]:
    """What there is to say of what the weights that the run began with were trained on."""
    notes = []
    for one in ancestors(model):
        began = f"the weights that this run began with were trained on {one.name}"
        try:
            corpus = _read(model, list(one.paths)) if "-" not in one.paths else None
        except InputError:
            corpus = None
        if corpus is None or corpus.sha256 != one.sha256:
            notes.append(
                f"{began}, which is no longer there: if it holds what is scored, the model has "
                "seen it"
            )
            continue
        trained_on = corpus.codes[: first_held_out(len(corpus.codes), one.val_fraction)]
        if _overlap(text, trained_on, model.config.level):
            notes.append(f"{began}: the model has seen what is scored")
    return notes


def _corpus(model: Model, train: list[str], own: Noted | None) -> tuple[Corpus | None, str]:
    """What the model was trained on; or why it is not there, and what to do."""
    if train:
        return _read(model, train), ""
    hint = "name the training text (--train TEXT)"
    if own is None:
        return None, f"{model.path} does not say what it was trained on: {hint}"
    if "-" in own.paths:
        return None, f"this run was trained on standard input: {hint}"
    try:
        corpus = _read(model, list(own.paths))
    except InputError as error:
        return None, f"the text that this run was trained on is not there ({error}): {hint}"
    if corpus.sha256 != own.sha256:
        where = " ".join(own.paths) or "Python's own help"
        return None, f"{where} is no longer what this run was trained on: {hint}"
    return corpus, ""


def _read(model: Model, paths: list[str]) -> Corpus:
    """As the model's own corpus was read."""

    config = model.config
    try:
        return read_corpus(
            paths, level=config.level, encoding=config.encoding, keep_newlines=config.keep_newlines
        )
    except InputError as error:
        if "--encoding" not in (error.hint or ""):
            raise
        raise InputError(
            str(error),
            f"the model was trained on {config.encoding}, and reads a text as such: convert it",
        ) from error


def _split(model: Model, corpus: Corpus) -> int:
    """Where what was held out begins."""

    return first_held_out(len(corpus.codes), model.config.val_fraction)
