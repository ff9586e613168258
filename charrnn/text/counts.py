"""A number of things, in words."""

__all__ = ["counted"]


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
        alone = {"are": "is", "have": "has"}.get(does, f"{does}s")
        words.append(alone if number == 1 else does)
    return " ".join(words)
