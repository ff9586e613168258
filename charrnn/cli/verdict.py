"""Printing the verdict on a corpus: for ``charrnn inspect``."""

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from charrnn.cli.errors import say
from charrnn.cli.flow import echo
from charrnn.errors import InputError

if TYPE_CHECKING:
    from charrnn.verdict.judge import Verdict

__all__ = ["give_verdict"]

NARROWEST = 60

MOST, LEAST = 1 << 25, 1 << 18
"""The most bytes that are checked of all files together, and the fewest of each file."""


def give_verdict(
    paths: list[str], level: str, encoding: str, as_json: bool, *, lines: bool = False
) -> None:
    """Print the verdict on files that are joined in order; ``lines``: each line is an item.

    Raises:
        InputError: a file cannot be read, all are empty, or the encoding is unknown.
    """
    from charrnn.text.excerpts import excerpt
    from charrnn.text.sources import files_in, matching, named
    from charrnn.verdict.judge import judge

    files = files_in(matching(paths))
    found = [excerpt(path, max(MOST // len(files), LEAST), as_is=level == "byte") for path in files]
    sources = [(named(path), one.data) for path, one in zip(files, found, strict=True)]
    verdict = judge(sources, level=level, encoding=encoding, lines=lines)
    read, whole = (
        sum(sizes) for sizes in ([len(one.data) for one in found], [one.size for one in found])
    )
    planned, settings = _planned(round(verdict.size * whole / read), verdict.distinct, level)
    parts = sorted({one.what for one in found if one.what})
    sampled = {"bytes": read, "of": whole, "which": parts} if parts else None
    if as_json:
        part = {"sample": sampled} if sampled else {}
        typer.echo(json.dumps(verdict.to_json() | part | {"plan": settings}, indent=1))
        return
    if sampled:
        of = f"{read / 1e6:,.0f} of {whole / 1e6:,.0f} MB"
        echo(f"note: what follows is about {of}: {' and '.join(parts)}")
    for line in _lines(verdict):
        echo(line)
    for line in planned:
        echo(line)


def _planned(size: int, distinct: int, level: str) -> tuple[list[str], dict[str, Any] | None]:
    """What ``charrnn train`` would choose, in lines and as JSON.

    Args:
        size: the text's size; 0 if it could not be decoded.
        distinct: the number of its distinct symbols.
    """
    from charrnn.nn.products import one_thread
    from charrnn.training.begin import MEMBERS, MINUTES
    from charrnn.training.compare import baselines_take
    from charrnn.training.planner import CHOSEN, plan
    from charrnn.training.speed import text_like

    if size and sys.stderr.isatty():
        say("timing networks to see what charrnn train would choose")
    try:
        with one_thread():
            found = plan(
                text_like(size, distinct, level),
                MINUTES,
                {"level": level},
                aside=partial(baselines_take, minutes=MINUTES),
                most_members=MEMBERS,
            )
    except InputError:  # too little to train on, as the verdict has said
        return [], None
    return (
        ["", f"charrnn train would choose, for {MINUTES:g} minutes at most:", *found.reasons],
        {name: getattr(found.config, name) for name in CHOSEN} | {"why": list(found.reasons)},
    )


WORDS = {
    "mend": "fix",
    "held-out end": "validation set",
    "held-out repeats": "validation repeats",
}
"""Severities and checks whose names for people differ from those for programs."""


def _lines(verdict: "Verdict") -> Iterator[str]:
    files = verdict.names if len(verdict.names) <= 3 else (*verdict.names[:2], "...")
    yield f"{', '.join(files)}: {verdict.text}"
    yield ""
    files = verdict.names if verdict.names != ("standard input",) else ()
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 0
    names = [WORDS.get(finding.check, finding.check) for finding in verdict.findings]
    widest = max(map(len, names))
    for finding, name in zip(verdict.findings, names, strict=True):
        head = f"{WORDS.get(finding.severity, finding.severity):<4}  {name:<{widest}}  "
        yield from _wrapped(finding.text, head, " " * len(head), width)
        margin = " " * len(head)
        for advice in finding.advice:
            advice = _of_file(advice, files[0]) if len(files) == 1 else advice
            yield from _wrapped(advice, f"{margin}-> ", f"{margin}   ", width)


def _of_file(advice: str, name: str) -> str:
    """Advice on FILE, which becomes NEW, for the file that was inspected."""
    if not re.search(r"\bFILE\b", advice):
        return advice
    path = Path(name)
    new = path.with_name(f"{path.stem}-new{path.suffix}")
    named = {"FILE": quote(name), "NEW": quote(str(new))}
    return re.sub(r"\b(FILE|NEW)\b", lambda match: named[match[0]], advice)


def _wrapped(text: str, first: str, others: str, width: int) -> list[str]:
    """Wrap at a terminal in its width; elsewhere print one line, for ``grep``."""
    if not width:
        return [first + text]
    return textwrap.wrap(
        text,
        max(width, NARROWEST),
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        break_long_words=False,
    )
