"""The losses of a training by the clock, beside what others reach, as an SVG picture."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape

__all__ = ["Record", "draw", "thinned"]

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 44, 200, 24, 48  # room for the losses, the names, nothing, the minutes
LOWEST, HIGHEST, GRID = 1.0, 2.0, 0.2  # nats per character
SIMPLE = "6-gram"
ELSEWHERE = ("nanoGPT, on a GPU", 1.4697)  # by its README; 10.7 M weights
TOGETHER = 8  # logged steps whose mean is drawn, as single ones are noisy
LINE = 17  # pixels from one name to the next at least
# Each colour has a contrast of 4.5 or more with the background behind it.
STYLE = """
svg { background: #ffffff } text { font: 13px system-ui, sans-serif; fill: #24292f }
path { fill: none } .grid { stroke: #d8dee4 } .level { stroke: #57606a; stroke-dasharray: 5 4 }
.train { stroke: #0969da; stroke-width: 1.5 } text.train { fill: #0969da; stroke: none }
.val { stroke: #bc4c00; stroke-width: 2.5 } text.val { fill: #bc4c00; stroke: none }
circle { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d }
.level { stroke: #9198a1 } .train { stroke: #58a6ff } text.train { fill: #58a6ff }
.val { stroke: #f0883e } text.val { fill: #f0883e } circle { fill: #f0883e }
}
"""

Point = tuple[float, float]
Record = dict[str, Any]
"""A line of a log."""


def thinned(log: Iterable[Record]) -> Iterator[Record]:
    """What of a training's log is drawn: the training loss as means of a few steps."""
    log = list(log)
    for line in log:
        if line["event"] == "compared":
            yield {"event": "compared", "figures": line["figures"]}
        if line["event"] == "validation":
            yield {name: line[name] for name in ("event", "seconds", "nats")}
    steps = [line for line in log if line["event"] == "train"]
    for first in range(0, len(steps), TOGETHER):
        some = steps[first : first + TOGETHER]
        seconds, nats = (sum(line[name] for line in some) for name in ("seconds", "nats"))
        mean = {"seconds": round(seconds / len(some), 1), "nats": round(nats / len(some), 4)}
        yield {"event": "train"} | mean


def draw(log: Sequence[Record]) -> str:
    """The picture as SVG, from the lines of a training's log."""
    figures = next(line["figures"] for line in log if line["event"] == "compared")
    train, val = (
        [(line["seconds"] / 60, line["nats"]) for line in log if line["event"] == event]
        for event in ("train", "validation")
    )
    minutes = round(val[-1][0])
    right, low = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(minute: float, loss: float) -> Point:
        x = LEFT + (right - LEFT) * minute / minutes
        return x, low - (low - TOP) * (loss - LOWEST) / (HIGHEST - LOWEST)

    levels = ((SIMPLE, figures[SIMPLE]), ELSEWHERE)
    shown = [
        *_axes(at, minutes),
        *(_line("level", [at(0, level), at(minutes, level)]) for _, level in levels),
        _line("train", [at(*point) for point in train if point[1] <= HIGHEST]),
        _line("val", [at(*point) for point in val]),
        *('<circle cx="{:.1f}" cy="{:.1f}" r="3"/>'.format(*at(*point)) for point in val),
        *_names([
            *((at(minutes, level), f"{name}: {level:.2f}", "") for name, level in levels),
            (at(minutes, val[-1][1]), f"validation: {min(loss for _, loss in val):.2f}", "val"),
            (at(minutes, train[-1][1]), "training", "train"),
        ]),
    ]  # fmt: skip
    what = (
        f"Loss of a training of {minutes} minutes on Shakespeare's plays, beside what others reach"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        f"<title>{escape(what)}</title>\n<style>{STYLE}</style>\n" + "\n".join(shown) + "\n</svg>\n"
    )


def _axes(at: Callable[[float, float], Point], minutes: int) -> Iterator[str]:
    for step in range(round((HIGHEST - LOWEST) / GRID) + 1):
        loss = LOWEST + step * GRID
        yield _line("grid", [at(0, loss), at(minutes, loss)])
        x, y = at(0, loss)
        yield _text(x - 8, y + 4, f"{loss:.1f}", anchor="end")
    for minute in range(0, minutes + 1, 2):
        x, y = at(minute, LOWEST)
        yield _text(x, y + 18, str(minute), anchor="middle")
    yield _text(at(minutes / 2, LOWEST)[0], HEIGHT - 10, "minutes of training", anchor="middle")
    yield _text(WIDTH - RIGHT + 10, TOP + 4, "loss, nats per character")


def _names(named: Iterable[tuple[Point, str, str]]) -> Iterator[str]:
    """What each line is, at its end, one below the other."""
    free = 0.0
    for (x, y), name, kind in sorted(named, key=lambda each: each[0][1]):
        free = max(free, y + 4)
        yield _text(x + 10, free, name, kind)
        free += LINE


def _line(kind: str, points: Iterable[Point]) -> str:
    path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{kind}" d="M{path}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'
