"""The lines of a preview, which fit a terminal however long their texts are."""

import unicodedata

from charrnn.tasks.examples import one_line

__all__ = ["fitted"]

COLUMNS = 80


def fitted(form: str, *texts: str) -> str:
    """A line of texts, of at most 80 columns.

    Longer texts are cut off so that they get about the same room; shorter ones stay whole.

    Args:
        form: a format for the texts, as for :meth:`str.format`: ``"{} → {}"``.
    """
    lines = [one_line(text) for text in texts]
    widths = [_width(line) for line in lines]
    columns = COLUMNS - _width(form.format(*[""] * len(texts)))
    for done, k in enumerate(sorted(range(len(lines)), key=widths.__getitem__)):
        room = max(1, columns // (len(lines) - done))
        if widths[k] > room:
            lines[k] = _cut(lines[k], room)
        columns -= min(widths[k], room)
    return form.format(*lines)


def _cut(text: str, columns: int) -> str:
    """The beginning of a text, with a mark that it was cut off."""
    taken = 1  # taken by the mark
    for k, character in enumerate(text):
        taken += _width(character)
        if taken > columns:
            return text[:k] + "…"
    return text


def _width(text: str) -> int:
    """Columns of a terminal: two for the wide characters of East Asia, none for accents."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )
