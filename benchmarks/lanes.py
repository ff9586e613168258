"""How many lanes should an update have? The loss after equally many characters.

    python benchmarks/lanes.py                               # some two hours of one core
    python benchmarks/lanes.py --characters 1e6 --lanes 32 256 --seeds 0
    python benchmarks/lanes.py TEXT --characters 2e6

A GRU reads the given number of bytes once, in lanes of 64 steps; more lanes mean fewer updates. For
each number of lanes the learning rate is tuned: beginning with the square-root scaling of that of
the fewest lanes, in steps of √2, until both neighbours are worse in the mean of all seeds, since
with a single seed the rate may be too high for others. The weight decay is chosen so that the sum
of what updates take of a weight stays the same. The bytes after the training part choose the
learning rate; those after them are reported. For the first seed, the losses on the former are also
printed for the unchanged learning rate of the fewest lanes, its square-root scaling and its linear
scaling. Without a text it reads the files of this Python's library, in random order, cut to the
size needed.
"""

import argparse
import random
import sysconfig
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt
from pathlib import Path
from statistics import mean

import numpy as np

from charrnn.errors import DivergedError
from charrnn.evaluation.validation import evaluate
from charrnn.evaluation.windows import Reader
from charrnn.nn.products import one_thread
from charrnn.tasks.config import Config
from charrnn.tasks.lm import LanguageModelTask, TextSpec
from charrnn.text.vocab import Vocabulary
from charrnn.training.loop import Trainer

FIRST = 1.4e-2
"""The learning rate that the search begins with at the fewest lanes: a plan's for this network."""

HELD_OUT = 100_000
"""Bytes that choose the learning rate, and as many again that are reported."""

SHRUNK = 0.6
"""The sum over all updates of learning rate times weight decay."""

HIGHEST = 0.3
"""The highest learning rate that is tried."""

SPEC = TextSpec(Vocabulary.of("byte", np.zeros(0, np.uint8)))


@dataclass(frozen=True)
class Course:
    """The settings of a training."""

    text: bytes
    characters: int
    hidden: int
    lanes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("text", nargs="?", type=Path)
    parser.add_argument("--characters", nargs="*", type=float, default=[1e6, 4e6])
    parser.add_argument("--lanes", nargs="*", type=int, default=[32, 64, 128, 256, 512, 1024])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--hidden", type=int, default=128)
    options = parser.parse_args()
    for characters in map(int, options.characters):
        size = characters + 2 * HELD_OUT
        text = (library if options.text is None else options.text.read_bytes)()[:size]
        if len(text) < size:
            raise SystemExit(f"{len(text):,} bytes are fewer than {size:,}")
        report(text, characters, options.hidden, options.lanes, options.seeds)


def report(text: bytes, characters: int, hidden: int, counts: list[int], seeds: list[int]) -> None:
    """Print a line for each number of lanes, the fewest first."""
    print(f"\nGRU 1 × {hidden}, {characters:,} bytes; the losses of rates are of seed {seeds[0]}")
    print(
        f"{'lanes':>6}{'updates':>9}{'constant':>10}{'root':>8}{'linear':>8}{'rate':>9}{'tuned':>9}{'loss':>9}"
    )
    fewest, base = counts[0], FIRST
    for lanes in counts:
        course = Course(text, characters, hidden, lanes)
        factor = lanes / fewest
        named = [base, base * sqrt(factor), base * factor]
        losses = [trained(course, rate, seeds[0])[0] for rate in named]
        rate = tuned(course, named[1], seeds)
        base = rate if lanes == fewest else base
        chose, each = zip(*(trained(course, rate, seed) for seed in seeds), strict=True)
        print(
            f"{lanes:6}{characters // (64 * lanes):9,}{losses[0]:10.4f}{losses[1]:8.4f}"
            f"{losses[2]:8.4f}{rate:9.2g}{mean(chose):9.4f}{mean(each):9.4f}  "
            + " ".join(f"{loss:.4f}" for loss in each),
            flush=True,
        )


def tuned(course: Course, rate: float, seeds: list[int]) -> float:
    """The best learning rate, in steps of √2 from a first one."""

    def loss(steps: int) -> float:
        return mean(trained(course, rate * sqrt(2) ** steps, seed)[0] for seed in seeds)

    best = 0
    for step in (1, -1):
        while loss(best + step) < loss(best):
            best += step
    return rate * sqrt(2) ** best


def trained(course: Course, rate: float, seed: int) -> tuple[float, float]:
    """The losses that choose and that are reported; infinite if the training diverged."""
    return _trained(course, float(f"{rate:.6g}"), seed)


@cache
def _trained(course: Course, rate: float, seed: int) -> tuple[float, float]:
    if rate > HIGHEST:
        return float("inf"), float("inf")
    config = Config.of(
        cell="gru", hidden=course.hidden, level="byte", batch_size=course.lanes, epochs=1.0, lr=rate
    )
    model, ids = SPEC.model(config), np.frombuffer(course.text, np.uint8).astype(np.int64)
    data = LanguageModelTask(
        model, ids, split=course.characters, batch_size=course.lanes, seq_len=config.seq_len
    )
    decay = SHRUNK / (0.5 * rate * data.steps_per_epoch)
    config = replace(config, weight_decay=min(1.0, decay))
    rng = np.random.default_rng(seed)
    trainer = Trainer(data, model.init(rng), config, rng)
    try:
        with one_thread():
            for _ in trainer.steps():
                pass
    except DivergedError:
        return float("inf"), float("inf")
    reader, edge = Reader(data.engine), course.characters + HELD_OUT
    first = evaluate(reader, trainer.parameters, ids[:edge], course.characters)
    return first.nats, evaluate(reader, trainer.parameters, ids, edge).nats


def library() -> bytes:
    """The files of this Python's library, in an order that depends on their names."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = [path for path in folder.rglob("*.py") if "site-packages" not in path.parts]
    files.sort(key=str)
    random.Random(0).shuffle(files)
    return b"\n".join(path.read_bytes() for path in files)


if __name__ == "__main__":
    main()
