"""Make the pictures of the README and the documents.

    python docs/pictures/make.py --text shakespeare.txt
    charrnn train shakespeare.txt --minutes 10 --threads 1 --out run
    python docs/pictures/make.py --log run/metrics.jsonl

With a text it trains on that for a minute or two and writes with the model, which gives
terminal.svg; only the speeds in it are those of the machine at that time. With a log it keeps in
curve.jsonl what curve.svg draws. All other pictures it draws in any case.
"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

import curve
import shots
import terminal

__all__ = ["COMMANDS", "main"]

HERE = Path(__file__).resolve().parent
COMMANDS = (
    "charrnn train shakespeare.txt --cell gru --epochs 3",
    "charrnn sample --prime 'ROMEO:' --length 240 --seed 1",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the pictures."""
    parser = ArgumentParser(description="Make the pictures of the README and the documents.")
    parser.add_argument("--text", type=Path, help="train on it, and draw terminal.svg")
    parser.add_argument("--log", type=Path, help="a run's metrics.jsonl, for curve.svg")
    given = parser.parse_args(arguments)
    if given.text:
        with TemporaryDirectory() as place:
            copy(given.text, Path(place, "shakespeare.txt"))
            screens = [terminal.shown(terminal.run(command, Path(place))) for command in COMMANDS]
        _write(HERE / "terminal.svg", terminal.draw(COMMANDS, screens))
    kept = HERE / "curve.jsonl"
    if given.log:
        _write(kept, "".join(json.dumps(line) + "\n" for line in curve.thinned(_read(given.log))))
    _write(HERE / "curve.svg", curve.draw(_read(kept)))
    for name in shots.__all__:
        _write(HERE.parent / f"{name}.svg", getattr(shots, name)())


def _read(log: Path) -> list[curve.Record]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
