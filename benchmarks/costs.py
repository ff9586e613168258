"""What does an update cost on many machines? A model, checked against two ranks.

    pip install mpi4py mpich
    mpiexec -n 2 python benchmarks/costs.py                  # a minute
    mpiexec -n 2 python benchmarks/costs.py --size 1x256 --laps 5

Rank 0 times its shard, the update of the weights, and messages between two ranks. From these the
model computes the time of a step with all ranks, and the step itself is timed as well. Ranks on one
machine share its memory: how much slower a shard is while the others compute theirs is measured and
used in this check, but not in the predictions for many machines. These assume 1, 10 and 100
gigabits a second, and latencies of 50, 30 and 3 microseconds.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import log2, prod
from statistics import median
from typing import Any

import numpy as np
from scaling import SIZES, STEPS, VOCAB, stepper

from charrnn.engine import Engine
from charrnn.mpi import world
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.products import one_thread
from charrnn.optim.optimizers import clip_by_global_norm, make_optimizer
from charrnn.ranks import Follower, RankedEngine, end

NETWORKS = ((1, 50e-6), (10, 30e-6), (100, 3e-6))
"""Gigabits a second, and the latency of a message in seconds."""

RANKS = (2, 8, 64, 1024)
LARGE = 1 << 22
"""Bytes of the message by which bandwidth is measured."""


@dataclass(frozen=True)
class Costs:
    """The parts of an update.

    ``shard`` and ``update`` are the seconds of rank 0's share and of clipping and Adam; ``weights``
    their number; ``lane`` the bytes of a lane's symbols and state that go to a rank, and ``back``
    those of the state that comes back; ``lanes`` the lanes of each rank, in one shard.
    """

    shard: float
    update: float
    weights: int
    lane: int
    back: int
    lanes: int

    def exchange(self, ranks: int, bandwidth: float, latency: float) -> float:
        """Seconds that rank 0 communicates, which has more to send than the others."""
        share = 4 * self.weights * (ranks - 1) / ranks
        orders = (ranks - 1) * self.lanes * (self.lane + self.back)
        sent = 2 * share + share + share + orders  # weights, slices, sums
        messages = (log2(ranks) + ranks - 1) + (ranks - 1) + (ranks - 1) + 2 * log2(ranks)
        return sent / bandwidth + messages * latency

    def symmetrical(self, ranks: int, bandwidth: float, latency: float) -> float:
        """The same if every rank updated a slice of the weights and kept its lanes' states."""
        share = 4 * self.weights * (ranks - 1) / ranks
        return 2 * share / bandwidth + 2 * (ranks - 1) * latency

    def step(self, exchange: float, slowed: float = 1.0) -> float:
        """Seconds of an update."""
        return slowed * self.shard + self.update + exchange


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--size", choices=SIZES, default="1x512")
    parser.add_argument("--cell", choices=("rnn", "lstm", "gru"), default="lstm")
    parser.add_argument("--lanes", type=int, default=32, help="lanes of each rank")
    parser.add_argument("--laps", type=int, default=9)
    options = parser.parse_args()
    from mpi4py import MPI

    everyone = MPI.COMM_WORLD
    group = world(everyone.size)
    layers, hidden = SIZES[options.size]
    model = SequenceModel(VOCAB, VOCAB, parse_cell(options.cell, hidden), layers)
    shard, update = parts(model, options.lanes)
    with one_thread():
        costs, bandwidth, latency, slowed = measured(everyone, model, shard, update, options)
        if group.rank:
            Follower(group, lambda line: None).follow()
            return
        try:
            engine = RankedEngine(Engine(model, shards=group.size), group)
            (step,) = seconds(options.laps, stepper(model, engine, group.size * options.lanes))
        finally:
            end(group)
    check(costs, bandwidth, latency, slowed, step, group.size)
    foretell(costs)


def parts(model: SequenceModel, lanes: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """A shard's forward and backward pass; and what one process does after them."""
    rng = np.random.default_rng(0)
    parameters = model.init(rng)
    gradients, engine = parameters.zeros_like(), Engine(model, shards=1)
    optimizer = make_optimizer("adam", parameters)
    text = rng.integers(VOCAB, size=(STEPS + 1, lanes))
    batch = Sequences(text[:-1], text[1:], model.zero_state(lanes))

    def update() -> None:
        gradients.flat *= 1 / (STEPS * lanes)
        clip_by_global_norm(gradients, 1.0)
        optimizer.step(parameters, gradients, 1e-4)

    return lambda: engine.losses(parameters, batch, gradients=gradients), update


def measured(
    everyone: Any,
    model: SequenceModel,
    shard: Callable[[], object],
    update: Callable[[], object],
    options: argparse.Namespace,
) -> tuple[Costs, float, float, float]:
    """The parts of a step; bandwidth and latency; how much slower a shard is beside others."""
    alone = after = 0.0
    if not everyone.rank:
        alone, after = seconds(options.laps, shard, update)
        for rank in range(1, everyone.size):
            everyone.send(None, rank)
    else:
        while not everyone.iprobe(0):  # asleep: who waits in MPI keeps a core busy
            time.sleep(0.01)
        everyone.recv()
    everyone.Barrier()
    together, _ = seconds(options.laps, shard, update)
    everyone.Barrier()
    latency = between(everyone, 1)
    bandwidth = LARGE / (between(everyone, LARGE) - latency)
    state = sum(part.nbytes for layer in model.zero_state(1) for part in layer)
    size = sum(prod(shape) for shape in model.shapes().values())
    costs = Costs(alone, after, size, 16 * STEPS + state, state, options.lanes)
    return costs, bandwidth, latency, together / alone if alone else 1.0


def between(everyone: Any, size: int, times: int = 200) -> float:
    """Seconds that ``size`` bytes take from rank 0 to rank 1: half of a round trip."""
    message, taken = np.zeros(size, np.uint8), []
    for _ in range(times if everyone.rank < 2 else 0):
        begun = time.perf_counter()
        if everyone.rank:
            everyone.Recv(message, 0)
            everyone.Send(message, 0)
        else:
            everyone.Send(message, 1)
            everyone.Recv(message, 1)
        taken.append((time.perf_counter() - begun) / 2)
    return median(taken) if taken else 1.0


def seconds(laps: int, *works: Callable[[], object]) -> list[float]:
    """The median time of each function, in turn, after a lap that does not count."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(laps + 1):
        for work, times in zip(works, taken, strict=True):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
    return [median(times[1:]) for times in taken]


def check(
    costs: Costs, bandwidth: float, latency: float, slowed: float, step: float, ranks: int
) -> None:
    """Compare the model with what was timed here."""
    exchange = costs.exchange(ranks, bandwidth, latency)
    foreseen = costs.step(exchange, slowed)
    print(f"{costs.weights:,} weights, {costs.lanes} lanes of {STEPS} a rank")
    print(f"  a shard {1e3 * costs.shard:.1f} ms, {slowed:.2f} times that beside the others'")
    print(f"  an update of the weights {1e3 * costs.update:.1f} ms")
    print(f"  between ranks {bandwidth / 1e9:.1f} GB and {1e6 * latency:.1f} µs a message")
    print(f"  so the exchange takes {1e3 * exchange:.1f} ms, a step {1e3 * foreseen:.1f} ms")
    print(f"  a step of {ranks} ranks, timed: {1e3 * step:.1f} ms ({foreseen / step - 1:+.0%})")


def foretell(costs: Costs) -> None:
    """Print the steps of many machines, and the part of the time in which each computes."""
    print(
        f"\n{'ranks':>6}{'lanes':>8}{'Gb/s':>6}{'exchange':>12}{'used':>7}{'symmetrical':>14}{'used':>7}"
    )
    for ranks in RANKS:
        for gigabits, latency in NETWORKS:
            print(f"{ranks:6}{ranks * costs.lanes:8,}{gigabits:6}", end="")
            for exchange, update in (
                (costs.exchange, costs.update),
                (costs.symmetrical, costs.update / ranks),
            ):
                talk = exchange(ranks, gigabits * 1.25e8, latency)
                used = (costs.shard + update) / (costs.shard + update + talk)
                print(
                    f"{1e3 * talk:{12 if exchange == costs.exchange else 14},.0f}{used:7.0%}",
                    end="",
                )
            print()


if __name__ == "__main__":
    main()
