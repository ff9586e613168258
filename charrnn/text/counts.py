"""A number of things in words, and a number as people type it."""

__all__ = ["counted", "counted_of", "typed"]


def counted(number: int, what: str, does: str = "") -> str:
    """``1 line``, ``2,000 lines``; with a verb ``1 line trains``, ``1 is``, ``2,000 lines are``.

    Args:
        what: in the singular; may be empty.
        does: a verb in the plural.
    """
    words = [f"{number:,}"]
    if what:
        words.append(what + "s" * (number != 1))
    if does:
        words.append(_verb(number, does))
    return " ".join(words)


def counted_of(number: int, whole: int, what: str, does: str) -> str:
    """``1 of 2,000 lines has``, ``2 of 2,000 lines have``; as for :func:`counted`."""
    return f"{number:,} of {counted(whole, what)} {_verb(number, does)}"


def _verb(number: int, does: str) -> str:
    return {"are": "is", "have": "has"}.get(does, f"{does}s") if number == 1 else does


def typed(value: object) -> str:
    """A setting as people write it: ``1`` for 1.0."""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
