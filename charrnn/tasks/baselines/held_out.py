"""What is chosen on: every tenth training example."""

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["tenth"]

Item = TypeVar("Item")


def tenth(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Nine of ten to learn from, and every tenth to choose by; none of those if there are not ten.

    They come from all over the file, so that it may be in any order but one that repeats itself
    every ten lines.
    """
    return [x for k, x in enumerate(items) if k % 10 != 9], list(items[9::10])
