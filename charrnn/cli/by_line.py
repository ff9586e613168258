"""Ranking the lines of a text by their cost: for ``charrnn eval --by-line``."""

import json
from typing import Any

from charrnn.cli.errors import printable
from charrnn.cli.look import Asked, progress, writing
from charrnn.engine import available_cores
from charrnn.errors import InputError
from charrnn.looking.lines import score_lines
from charrnn.runs.model import Model
from charrnn.runs.texts import named, read_text
from charrnn.text.corpora import encoded

__all__ = ["rank_lines"]

MANY = 1 << 16
"""Characters from which on it pays to start other processes."""


def rank_lines(asked: Asked) -> None:
    """Print each line of a text with its cost under each model.

    Raises:
        InputError: no text is given, or it cannot be read, or has only empty lines.
    """
    if asked.form == "html":
        raise InputError("--by-line writes text or jsonl", "--format html goes with --show")
    if not asked.files:
        raise InputError(
            "--by-line needs a text", "name it, or - for standard input: charrnn eval RUN FILE"
        )
    models, config = asked.models, asked.models[0].config
    codes = read_text(models[0], asked.files).codes
    threads = asked.threads or (available_cores() if len(codes) >= MANY else 1)
    with progress(len(codes) * len(models), "char") as bar:
        lines = score_lines(models, codes, threads, bar.update)
    if not len(lines.begins):
        raise InputError(f"{named(asked.files)} has only empty lines")
    with writing(asked.out) as write:
        if asked.form == "text":
            write(_head(models, config.level))
        for rank, row in enumerate(lines.order().tolist(), 1):
            piece = codes[lines.begins[row] : lines.ends[row]]
            text = encoded(piece, config.level).decode("utf-8", "backslashreplace")
            record = {
                "rank": rank,
                "line": int(lines.numbers[row]),
                "characters": len(piece),
                "nats": lines.nats[row].tolist(),
                "who": int(lines.who[row]),
                "margin": float(lines.margin[row]),
                "text": text.removesuffix("\n"),
            }
            write(_as_json(record, models) if asked.form == "jsonl" else _as_text(record))


def _head(models: list[Model], level: str) -> str:
    """The lines above the table; several models are listed by number."""
    columns = [f"{'rank':>6}  {'line':>7}"]
    if len(models) == 1:
        columns.append(f"{'nats':>9}")
        columns.append(f"{'nats/' + level:>9}")
        return "  ".join([*columns, "text"]) + "\n"
    columns += [f"{'who':>3}", f"{'by nats':>9}"]
    columns += [f"{f'{number}: nats':>9}" for number in range(1, len(models) + 1)]
    named = [f"{number}  {printable(str(model.path))}\n" for number, model in enumerate(models, 1)]
    return "".join([*named, "\n", "  ".join([*columns, "text"]), "\n"])


def _as_text(record: dict[str, Any]) -> str:
    nats = record["nats"]
    columns = [f"{record['rank']:6}  {record['line']:7}"]
    if len(nats) == 1:
        columns += [f"{nats[0]:9.2f}", f"{nats[0] / record['characters']:9.4f}"]
    else:
        columns += [f"{record['who'] + 1:3}", f"{record['margin']:9.2f}"]
        columns += [f"{one:9.2f}" for one in nats]
    return "  ".join([*columns, printable(record["text"])]) + "\n"


def _as_json(record: dict[str, Any], models: list[Model]) -> str:
    names = [str(model.path) for model in models]
    if len(models) == 1:
        record = record | {"nats": record["nats"][0]}
        del record["who"], record["margin"]
    else:
        record = record | {"models": names, "who": names[record["who"]]}
    return json.dumps(record) + "\n"
