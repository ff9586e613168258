"""What a tagger says of sentences: its outputs, and the tags it predicts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.nn.losses import log_probabilities
from charrnn.nn.models import Sequences
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace
from charrnn.tasks.base import Trained
from charrnn.tasks.baselines import TagBaseline
from charrnn.tasks.config import Config
from charrnn.tasks.examples import as_json, padded, together
from charrnn.tasks.wide import features_of
from charrnn.text.hashed import of_tokens

__all__ = ["Tagging", "by_lookup", "hashes_of", "predict", "spans_of", "tag"]


def spans_of(ends: Sequence[Array]) -> Array:
    """``(N, 3)``: lane, first and last step of every token."""
    lanes = np.concatenate([np.full(len(e), lane) for lane, e in enumerate(ends)])
    return np.column_stack([lanes, np.concatenate(ends)]).astype(np.intp)


def hashes_of(sentences: Iterable[Sequence[str]], config: Config) -> Iterator[Array]:
    """The feature hashes of each token; a tagger that only reads forwards sees none ahead."""
    ahead = config.directions == "both"
    return (own for tokens in sentences for own in of_tokens(tokens, ahead=ahead))


def tag(
    trained: Trained, sentences: Sequence[Sequence[str]], *, alone: bool = False
) -> list[Array]:
    """The logit of each tag for each token, ``(tokens, K)`` float64 for each sentence.

    Args:
        alone: whether the map of features and the chain of tags take no part.
    """
    network, parameters, spec = trained.network, trained.parameters, trained.spec
    encoded = [spec.encode(tokens) for tokens in sentences]
    found = [np.zeros((0, len(spec.tags)))] * len(sentences)
    workspace = Workspace()
    there = [k for k, tokens in enumerate(sentences) if len(tokens)]
    for part in together([len(encoded[k][0]) for k in there]):
        rows = [there[k] for k in part]
        x, lengths = padded([encoded[row][0] for row in rows])
        spans = spans_of([encoded[row][1] for row in rows])
        state = network.zero_state(len(rows), parameters.dtype)
        targets = np.zeros(len(spans), dtype=np.intp)
        batch = Sequences(x, targets, state, lengths, spans, alone=alone)
        if spec.buckets and not alone:
            hashes = [*hashes_of((sentences[row] for row in rows), trained.config)]
            batch = replace(batch, features=features_of(hashes, spec.buckets))
        with np.errstate(all="ignore"):  # a damaged model shows in its outputs
            y = network.outputs(parameters, batch, workspace)
        cuts = np.cumsum([len(sentences[row]) for row in rows])[:-1]
        for row, own in zip(rows, np.split(y.astype(np.float64), cuts), strict=True):
            found[row] = own
    return found


@dataclass(frozen=True)
class Tagging:
    """The tokens of a sentence, the likeliest tag of each, and its probability.

    With ``loss=sigmoid`` it is the probability of a yes, and those of all tags need not sum to one.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    probabilities: tuple[float, ...]

    def lines(self, form: str) -> Iterator[str]:
        """The lines of ``charrnn predict``."""
        rows = zip(self.tokens, self.tags, self.probabilities, strict=True)
        if form == "text":
            yield " ".join(f"{token}/{name}" for token, name, _ in rows)
        elif form == "tsv":
            yield from (f"{token}\t{name}\t{p:.4f}" for token, name, p in rows)
            yield ""
        else:
            shown = [round(p, 6) for p in self.probabilities]
            yield as_json(tokens=self.tokens, tags=self.tags, probabilities=shown)


def predict(trained: Trained, texts: Sequence[str]) -> list[Tagging]:
    """The tag of each token of each text.

    Only spaces separate tokens, as in the training files: a number with no-break spaces in it is
    one token.

    Raises:
        DivergedError: the outputs are not finite.
    """
    sentences = [_tokens(text) for text in texts]
    taggings = []
    for tokens, y in zip(sentences, tag(trained, sentences), strict=True):
        trained.check_finite(y)
        names = tuple(trained.spec.tags[k] for k in y.argmax(axis=1))
        p = np.exp(log_probabilities(trained.config.loss, y).max(axis=1))
        taggings.append(Tagging(tuple(tokens), names, tuple(p.tolist())))
    return taggings


def _tokens(text: str) -> list[str]:
    return [token for token in text.split(" ") if token]


def by_lookup(trained: Trained, data: Any) -> Callable[..., list[Tagging]]:
    """Like :func:`predict`, but by the baseline, fitted to the model's training data.

    The baseline is the way of looking tags up that is right more often on the validation rows.

    Args:
        data: the model's training data, :class:`charrnn.tasks.tag.TagData`.
    """
    train, val = data.rows.train, data.rows.val
    simple = TagBaseline().fit([(row.tokens, row.tags) for row in train])

    def right(way: str) -> int:
        found = simple.predict([row.tokens for row in val], way)
        pairs = zip(found, val, strict=True)
        return sum(a == b for own, row in pairs for a, b in zip(own, row.tags, strict=True))

    way = max(TagBaseline.WAYS, key=right)

    def predict(texts: Sequence[str]) -> list[Tagging]:
        sentences = [_tokens(text) for text in texts]
        found = simple.answers(sentences, way)
        return [
            Tagging(tuple(tokens), tuple(name for name, _ in own), tuple(p for _, p in own))
            for tokens, own in zip(sentences, found, strict=True)
        ]

    return predict
