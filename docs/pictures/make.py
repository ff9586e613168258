"""Make the pictures of the README and the documents.

    python docs/pictures/make.py shakespeare.txt

trains for ten minutes on that text and writes with the model, which gives terminal.svg, and keeps
what the log says in curve.jsonl, which gives curve.svg. Speeds and losses are those of the machine
at that time. Without a text all other pictures are drawn, curve.svg from the curve.jsonl that is
there.
"""

import json
import sys
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
    "charrnn train shakespeare.txt --minutes 10",
    "charrnn sample --prime 'ROMEO:' --length 240 --seed 1",
)
LOG = "checkpoints/shakespeare-1/metrics.jsonl"


def main(arguments: Sequence[str]) -> None:
    """Draw the pictures; the argument is the text to train on, if there is one."""
    kept = HERE / "curve.jsonl"
    for text in arguments:
        with TemporaryDirectory() as place:
            copy(text, Path(place, "shakespeare.txt"))
            screens = [terminal.shown(terminal.run(command, Path(place))) for command in COMMANDS]
            log = Path(place, LOG).read_text(encoding="utf-8").splitlines()
        picture = terminal.draw(COMMANDS, screens)
        (HERE / "terminal.svg").write_text(picture, encoding="utf-8")
        lines = [json.dumps(line) for line in curve.thinned(map(json.loads, log))]
        kept.write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = kept.read_text(encoding="utf-8").splitlines()
    picture = curve.draw([json.loads(line) for line in lines])
    (HERE / "curve.svg").write_text(picture, encoding="utf-8")
    for name in shots.__all__:
        (HERE.parent / f"{name}.svg").write_text(getattr(shots, name)(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
