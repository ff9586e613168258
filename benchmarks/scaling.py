"""Two ranks or more beside one: weak and strong scaling of a training step, and what talking takes.

    pip install mpi4py mpich
    mpiexec -n 2 python benchmarks/scaling.py                # some two minutes
    mpiexec -n 2 python benchmarks/scaling.py --sizes 1x256 --laps 3

Rank 0 makes each step alone and with the others, in turn. Strong scaling: the same batch; how many
times as fast. Weak scaling: as many more lanes as there are ranks; the time of one rank's step with
its own lanes, in parts of the time of all. The exchange (orders, weights, answers and gradients) is
what ranks add to an update in which next to nothing is computed. Give each rank a core of its own.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

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
    parser.add_argument("--lanes", type=int, default=32, help="of a batch")
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
    """The times of one network, taken in turn."""
    layers, hidden = SIZES[size]
    model = SequenceModel(VOCAB, VOCAB, parse_cell(cell, hidden), layers)
    ranks = group.size
    alone, ranked = Engine(model, shards=ranks), RankedEngine(Engine(model, shards=ranks), group)
    more = RankedEngine(Engine(model, shards=ranks), group)
    one = Engine(model, shards=1)
    contestants = {
        "alone": stepper(model, alone, lanes),
        "ranks": stepper(model, ranked, lanes),
        "alone, one shard": stepper(model, one, lanes),
        "ranks, more lanes": stepper(model, more, ranks * lanes),
        "one symbol alone": stepper(model, Engine(model, shards=ranks), ranks, 1),
        "one symbol, ranks": stepper(
            model, RankedEngine(Engine(model, shards=ranks), group), ranks, 1
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for lap in range(laps + 1):
        for name, step in contestants.items():
            begun = time.perf_counter()
            step()
            if lap:
                seconds[name].append(time.perf_counter() - begun)
    found = {name: median(values) for name, values in seconds.items()}
    size_of = sum(int(np.prod(shape)) for shape in model.shapes().values())
    print(f"{size} {cell}, {lanes} lanes of {STEPS}, {size_of:,} weights, {ranks} ranks")
    for name, value in found.items():
        print(f"  {name:20}{1e3 * value:9.1f} ms")
    print(f"  strong scaling {found['alone'] / found['ranks']:.2f} of {ranks}")
    print(f"  weak scaling {found['alone, one shard'] / found['ranks, more lanes']:.2f}")
    exchange = found["one symbol, ranks"] - found["one symbol alone"]
    print(
        f"  the exchange takes {1e3 * exchange:.1f} ms, {exchange / found['ranks']:.1%} of a step",
        flush=True,
    )


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
