"""How many updates a run makes, and how far along its schedule each of them is."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

__all__ = ["Deadline", "Pace"]


@dataclass(frozen=True)
class Deadline:
    """When a run must end, and how much it may do until then at most."""

    at: float  # by time.monotonic
    most_epochs: float  # passes, of each member
    most_members: int = 0  # as many as there is time for; 0: as many as the settings say


@dataclass(frozen=True)
class Pace:
    """A schedule of ``length`` places, walked in ``total`` updates.

    A run that must end on time finds out only while it runs how fast the machine is. Then what is
    left of the schedule is spread over as many updates as there is time for: the rate goes on from
    where it is and still ends where it should. The pace is saved, so no update depends on a clock
    that a resumed run could not read.

    Args:
        anchors: (update, place) pairs, both ascending; the place of an update between two is on
            the line between them. The last is where the run ends.

    Raises:
        ValueError: the anchors do not ascend from (0, 0) to finite ones.
    """

    anchors: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        numbers, places = zip(*self.anchors, strict=True)
        ascend = all(a < b for row in (numbers, places) for a, b in pairwise(row))
        begins_and_ends = self.anchors[0] == (0, 0.0) and isfinite(places[-1])
        if len(self.anchors) < 2 or not ascend or not begins_and_ends:
            raise ValueError("not a pace: it does not ascend from 0 to an end")

    @classmethod
    def even(cls, total: int) -> "Pace":
        """Each update is one place."""
        return cls(((0, 0.0), (total, float(total))))

    @property
    def total(self) -> int:
        """How many updates the run makes."""
        return self.anchors[-1][0]

    @property
    def length(self) -> int:
        """How many places its schedule has."""
        return round(self.anchors[-1][1])

    def place(self, number: int) -> float:
        """Where on the schedule the update after ``number`` others is."""
        end = max(1, bisect_left(self.anchors, (number,)))
        (n0, p0), (n1, p1) = self.anchors[end - 1 : end + 1]
        return p0 + (number - n0) * (p1 - p0) / (n1 - n0)

    def ending(self, number: int, total: int) -> "Pace":
        """The same up to update ``number``, and then as fast as to end after ``total``."""
        behind = tuple(anchor for anchor in self.anchors if anchor[0] < number)
        here = (number, self.place(number))
        return Pace((*behind, here, (max(total, number + 1), self.anchors[-1][1])))
