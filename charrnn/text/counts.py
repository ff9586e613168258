"""How many there are of something, in words."""

__all__ = ["counted"]


def counted(number: int, what: str) -> str:
    """``1 line``, ``2,000 lines``."""
    return f"{number:,} {what}{'s' * (number != 1)}"
