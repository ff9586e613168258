"""The lines of a preview: as wide as a terminal, whatever the texts in them."""

import unicodedata

from charrnn.tasks.examples import one_line

__all__ = ["fitted"]

COLUMNS = 80


def fitted(form: str, *texts: str) -> str:
    """A line of texts, of 80 columns at most.

    The longer texts are cut off, so that they have about the same room; the shorter ones stay
    whole.

    Args:
        form: what stands around them, as of :meth:`str.format`: ``"{} → {}"``.
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
    """Its beginning, and a mark that there is more of it."""
    taken = 1  # by the mark
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
