"""How well does a training step scale over ranks, and what does the exchange take?

    pip install mpi4py mpich
    mpiexec -n 2 python benchmarks/scaling.py                # some two minutes
    mpiexec -n 2 python benchmarks/scaling.py --sizes 1x256 --laps 3

Rank 0 makes each step alone and with the others, in turn. Strong scaling: the same batch; how many
times as fast the ranks are. Weak scaling: as many times the lanes as there are ranks; the time of
one rank's step with its own lanes, as a fraction of the time of all. The exchange is the time that
rank 0 spends in calls to other ranks (orders, weights, answers, gradients): the least of all laps,
and the median, which includes waiting for the other ranks. Give each rank a core of its own.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from charrnn.engine import Engine
from charrnn.mpi import world
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import one_thread
from charrnn.optim.optimizers import clip_by_global_norm, make_optimizer
from charrnn.ranks import Follower, Group, RankedEngine, end

STEPS, VOCAB = 64, 65
SIZES = {"1x256": (1, 256), "1x512": (1, 512), "2x512": (2, 512)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=["1x512"])
    parser.add_argument("--cell", choices=("rnn", "lstm", "gru"), default="lstm")
    parser.add_argument("--lanes", type=int, default=32, help="lanes of a batch")
    parser.add_argument("--laps", type=int, default=15)
    options = parser.parse_args()
    from mpi4py import MPI

    group = world(MPI.COMM_WORLD.size)
    if group.rank:
        Follower(group, lambda line: None).follow()
        return
    try:
        with one_thread():
            for size in options.sizes:
                report(group, size, options.cell, options.lanes, options.laps)
    finally:
        end(group)


def report(group: Group, size: str, cell: str, lanes: int, laps: int) -> None:
    """The times of one network, measured in turn."""
    layers, hidden = SIZES[size]
    model = SequenceModel(VOCAB, VOCAB, parse_cell(cell, hidden), layers)
    ranks = group.size
    talk = Clocked(group)
    alone, ranked = Engine(model, shards=ranks), RankedEngine(Engine(model, shards=ranks), talk)
    more = RankedEngine(Engine(model, shards=ranks), group)
    one = Engine(model, shards=1)
    contestants = {
        "alone": stepper(model, alone, lanes),
        "ranks": stepper(model, ranked, lanes),
        "alone, one shard": stepper(model, one, lanes),
        "ranks, more lanes": stepper(model, more, ranks * lanes),
    }
    talks: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for lap in range(laps + 1):
        for name, step in contestants.items():
            talk.seconds, begun = 0.0, time.perf_counter()
            step()
            if lap:
                seconds[name].append(time.perf_counter() - begun)
                talks += [talk.seconds] * (name == "ranks")
    found = {name: median(values) for name, values in seconds.items()}
    size_of = sum(int(np.prod(shape)) for shape in model.shapes().values())
    print(f"{size} {cell}, {lanes} lanes of {STEPS}, {size_of:,} weights, {ranks} ranks")
    for name, value in found.items():
        print(f"  {name:20}{1e3 * value:9.1f} ms")
    print(f"  strong scaling {found['alone'] / found['ranks']:.2f} of {ranks}")
    print(f"  weak scaling {found['alone, one shard'] / found['ranks, more lanes']:.2f}")
    for what, exchange in (("least", min(talks)), ("median", median(talks))):
        part = exchange / found["ranks"]
        print(f"  the exchange, {what}: {1e3 * exchange:.1f} ms, {part:.1%} of a step", flush=True)


class Clocked:
    """A group that counts the seconds of its calls."""

    def __init__(self, group: Group) -> None:
        self._group, self.seconds = group, 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._group, name)
        if not callable(found):
            return found

        def clocked(*arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return found(*arguments)
            finally:
                self.seconds += time.perf_counter() - begun

        return clocked


def stepper(
    model: SequenceModel, engine: Engine, lanes: int, steps: int = STEPS
) -> Callable[[], None]:
    """A whole update: forward, backward, exchange, clipping, Adam."""
    rng = np.random.default_rng(0)
    parameters: Parameters = model.init(rng)
    gradients = parameters.zeros_like()
    optimizer = make_optimizer("adam", parameters)
    text = rng.integers(VOCAB, size=(steps + 1, lanes))
    batch = Sequences(text[:-1], text[1:], model.zero_state(lanes))

    def step() -> None:
        engine.losses(parameters, batch, gradients=gradients)
        gradients.flat *= 1 / (steps * lanes)
        clip_by_global_norm(gradients, 1.0)
        optimizer.step(parameters, gradients, 1e-4)

    return step


if __name__ == "__main__":
    main()
