"""How many updates a run makes, and how far along its schedule each of them is."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

__all__ = ["Deadline", "Pace"]


@dataclass(frozen=True)
class Deadline:
    """When a run must end, and the most it may do until then."""

    at: float  # the time by time.monotonic
    most_epochs: float  # for each member
    most_members: int = 0  # if the time decides; 0: as the settings say


@dataclass(frozen=True)
class Pace:
    """A schedule of ``length`` places, walked in ``total`` updates.

    A run that must end on time finds out only as it runs how fast the machine is. What is left of
    the schedule is then spread over as many updates as there is time for: the learning rate
    continues from where it is and still ends where it should. The pace is saved, so that no update
    depends on a clock that a resumed run could not read.

    Args:
        anchors: (update, place) pairs, both ascending; the place of an update between two pairs is
            on the line between them. The last pair is where the run ends.

    Raises:
        ValueError: the anchors do not ascend from (0, 0), or are not finite.
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
        """A pace at which each update is one place."""
        return cls(((0, 0.0), (total, float(total))))

    @property
    def total(self) -> int:
        """How many updates the run makes."""
        return self.anchors[-1][0]

    @property
    def length(self) -> int:
        """How many places the schedule has."""
        return round(self.anchors[-1][1])

    def place(self, number: int) -> float:
        """The place on the schedule of the update that follows ``number`` others."""
        end = max(1, bisect_left(self.anchors, (number,)))
        (n0, p0), (n1, p1) = self.anchors[end - 1 : end + 1]
        return p0 + (number - n0) * (p1 - p0) / (n1 - n0)

    def ending(self, number: int, total: int) -> "Pace":
        """The same pace up to update ``number``, and then the one that ends after ``total``."""
        behind = tuple(anchor for anchor in self.anchors if anchor[0] < number)
        here = (number, self.place(number))
        return Pace((*behind, here, (max(total, number + 1), self.anchors[-1][1])))
