"""How fast is writing, one character after the other, compared with PyTorch?

    pip install torch==2.13.0
    python benchmarks/sampling.py                            # some two minutes
    python benchmarks/sampling.py --against cells
    python benchmarks/sampling.py --sizes 2x128 2x512 --cells lstm --laps 3

n texts are written side by side. charrnn runs on one thread. PyTorch is measured in four forms,
with one-hot input (rows of the identity) and with an embedding of width H, on one thread and on
all, and the best one counts. By default it uses its layers (nn.LSTM, ...), as most programs do;
with --against cells its single-step cells (nn.LSTMCell, ...), one for each layer, which are faster
here. Both draw at temperature 1; drawing is included in the time.
"""

import argparse
import os
import sys
from collections.abc import Callable
from itertools import product
from statistics import median
from typing import Any

from duel import race, serve
from training_step import CELLS, SIZES, VOCAB, geometric_mean

CHOICES = ("1x128", "2x128", "2x256", "2x512")
FORMS = {
    "layers": ("one-hot", "embedding"),
    "cells": ("one-hot cells", "embedding cells"),
}
BEST_OF = ("lstm", "gru")
TARGETS = {1: 3.0, 64: 1.5}
"""By streams, the goal for the ratio to PyTorch's speed, as geometric mean over LSTM and GRU."""
MANY, MANY_TARGET = 64, 8.0
"""A number of streams, and how many times the speed of one they should reach."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", nargs="+", choices=CHOICES, default=["2x128"])
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(BEST_OF))
    parser.add_argument("--against", choices=FORMS, default="layers")
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 8, 64], metavar="N")
    parser.add_argument("--length", type=int, default=200, help="characters of each stream")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="of PyTorch, at most"
    )
    parser.add_argument("--laps", type=int, default=5)
    options = parser.parse_args()

    print(
        f"laps of {options.length} characters of each stream; characters a second, all streams "
        f"together; charrnn on 1 thread, PyTorch on 1 and {options.threads}"
    )
    print(f"{'':12}{'n':>4}{'ours':>10}{'PyTorch':>10}{'ratio':>7}{'n to 1':>8}  PyTorch's best")
    for size in options.sizes:
        ratios: dict[tuple[str, int], float] = {}
        gains: dict[tuple[str, int], float] = {}
        for cell, streams in product(options.cells, options.streams):
            key = (cell, streams)
            speed, rival, ratios[key], gains[key], best = compare(size, cell, streams, options)
            print(
                f"{cell:5}{size:7}{streams:4}{speed / 1000:9.1f}k{rival / 1000:9.1f}k"
                f"{ratios[key]:7.2f}{gains[key]:8.2f}  {best}",
                flush=True,
            )
        for streams, target in TARGETS.items():
            summary(f"{size}: {streams} to PyTorch's {streams}", ratios, streams, target)
        summary(f"{size}: our {MANY} to our 1", gains, MANY, MANY_TARGET)


def compare(
    size: str, cell: str, streams: int, options: argparse.Namespace
) -> tuple[float, float, float, float, str]:
    """Our speed, PyTorch's best, their ratio, our gain over one stream, and the best form."""

    def contestant(form: str, streams: int, threads: int) -> list[str]:
        return ["worker", form, cell, size, str(streams), str(options.length), str(threads)]

    rivals = list(product(FORMS[options.against], sorted({1, options.threads})))
    runs = [contestant("ours", streams, 1)]
    runs += [contestant(form, streams, threads) for form, threads in rivals]
    runs += [contestant("ours", 1, 1)] if streams > 1 else []
    ours, *theirs = race(__file__, runs, options.laps)
    alone = theirs.pop() if streams > 1 else ours
    least = min(range(len(rivals)), key=lambda i: median(theirs[i]))
    form, threads = rivals[least]
    characters = streams * options.length
    return (
        characters / median(ours),
        characters / median(theirs[least]),
        median(their / our for their, our in zip(theirs[least], ours, strict=True)),
        median(streams * one / many for one, many in zip(alone, ours, strict=True)),
        f"{form}, {threads} thread{'s' if threads > 1 else ''}",
    )


def summary(title: str, values: dict[tuple[str, int], float], streams: int, target: float) -> None:
    """Print the geometric mean over LSTM and GRU, if both ran."""
    chosen = {cell: v for (cell, n), v in values.items() if n == streams and cell in BEST_OF}
    if chosen:
        mean = geometric_mean(list(chosen.values()))
        print(f"{title}, {' and '.join(chosen)}: {mean:.2f} (target: at least {target:g})")


def prepare_ours(cell: str, size: str, streams: int, length: int) -> Callable[[], object]:
    """charrnn's own generator."""
    import numpy as np

    from charrnn.nn.cells import parse_cell
    from charrnn.nn.models import SequenceModel
    from charrnn.sampling import Choice, sample

    layers, hidden, _, _ = SIZES[size]
    model = SequenceModel(VOCAB, VOCAB, parse_cell(cell, hidden), layers)
    rng = np.random.default_rng(0)
    parameters = model.init(rng)
    prime = rng.integers(VOCAB, size=(1, streams))

    def lap() -> None:
        for _ in sample(model, parameters, prime, length, rng, Choice(temperature=1.0)):
            pass

    return lap


def prepare_torch(
    cell: str, size: str, form: str, streams: int, length: int, threads: int
) -> Callable[[], object]:
    """PyTorch's layers, one step at a time, with the state carried."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers, hidden, _, _ = SIZES[size]
    one_hot = form.startswith("one-hot")
    table: Any = torch.eye(VOCAB) if one_hot else torch.randn(VOCAB, hidden)
    head = torch.nn.Linear(hidden, VOCAB).eval()
    prime = torch.randint(VOCAB, (streams,))
    if form.endswith("cells"):
        cells: Any = {
            "rnn": torch.nn.RNNCell,
            "gru": torch.nn.GRUCell,
            "lstm": torch.nn.LSTMCell,
        }
        bodies = [
            cells[cell](hidden if number else table.shape[1], hidden).eval()
            for number in range(layers)
        ]

        def read(x: Any, states: Any) -> tuple[Any, Any]:
            states = states or [None] * layers
            for number, body in enumerate(bodies):
                states[number] = body(x, states[number])
                x = states[number][0] if cell == "lstm" else states[number]
            return x, states
    else:
        kinds: Any = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
        stack = kinds[cell](table.shape[1], hidden, layers).eval()

        def read(x: Any, states: Any) -> tuple[Any, Any]:
            h, states = stack(x[None], states)
            return h[0], states

    def lap() -> None:
        x, states = prime, None
        with torch.no_grad():
            for _ in range(length):
                h, states = read(torch.nn.functional.embedding(x, table), states)
                x = torch.multinomial(torch.softmax(head(h), dim=-1), 1)[:, 0]

    return lap


def worker(form: str, cell: str, size: str, streams: int, length: int, threads: int) -> None:
    """One contestant, in its own process."""
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    if form == "ours":
        serve(prepare_ours(cell, size, streams, length))
    else:
        serve(prepare_torch(cell, size, form, streams, length, threads))


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], sys.argv[3], sys.argv[4], *map(int, sys.argv[5:]))
    else:
        main()
