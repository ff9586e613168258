"""A text coloured by its surprisal as one HTML page, without scripts."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from charrnn.cli.errors import printable

__all__ = ["Mark", "page_end", "page_line", "page_start"]

HUES = (0, 200, 60, 48, 38, 28, 18, 6, 345, 320)
STRENGTHS = (0, 18, 28, 38, 46, 54, 62, 70, 75, 80)
"""For steps 0 to 9: the hue in degrees, and the percentage laid over the page's own colour."""

STYLE = """
:root{color-scheme:light dark}
body{font:1rem/1.7 ui-monospace,Menlo,Consolas,monospace}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.1rem}
pre{font:inherit;white-space:pre-wrap;overflow-wrap:anywhere}
""" + "".join(
    f".s{step}{{background:hsl({hue} 85% 50%/{strength}%)}}\n"
    for step, (hue, strength) in enumerate(zip(HUES, STRENGTHS, strict=True))
)


class Mark(NamedTuple):
    """A character as it is shown."""

    text: str
    step: int  # 0 to 9
    title: str  # the text shown under the pointer; empty for none


def page_start(title: str, names: Sequence[str]) -> str:
    """The page up to its text; ``names`` are those of the ten steps."""
    shown = escape(printable(title))
    scale = " ".join(
        f"<span class=s{step}>&nbsp;{name}&nbsp;</span>" for step, name in enumerate(names)
    )
    return (
        f"<!doctype html>\n<html lang=und>\n<meta charset=utf-8>\n<title>{shown}</title>\n"
        f"<meta name=viewport content='width=device-width'>\n<style>{STYLE}</style>\n"
        f"<h1>{shown}</h1>\n<p>{scale}\n<pre>"
    )


def page_line(marks: Sequence[Mark], label: str = "") -> str:
    """A line, or a part of one."""
    return escape(label) + "".join(_spans(marks))


def page_end(lines: Sequence[str]) -> str:
    """What comes after the text."""
    return "</pre>\n" + "".join(f"<p>{escape(printable(line))}\n" for line in lines)


def _spans(marks: Sequence[Mark]) -> Iterator[str]:
    """Group characters with the same step and title."""
    for (step, title), some in groupby(marks, attrgetter("step", "title")):
        text = escape("".join(mark.text for mark in some))
        named = f' title="{escape(title)}"' if title else ""
        yield f"<span class=s{step}{named}>{text}</span>" if step or title else text
