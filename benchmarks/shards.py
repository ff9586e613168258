"""What would more cores gain? A prediction from shards timed in one process.

    python benchmarks/shards.py                              # some five minutes
    python benchmarks/shards.py --sizes 1x256 --laps 1

A batch of 32 lanes of 64 steps is divided into shards of 16, 8 and 4 lanes, one for each core. A
step then takes as long as one shard does, plus what a single process does besides: it adds the
gradients of the other shards, clips and updates. Each of these is timed alone, in one process, so
the figures for more cores than this machine has are predictions. Two cores are also measured, if
there are two, and shown beside their prediction.

Cores share the memory. The recurrent weights are read again at every step, forward and backward; if
all processes together would read more a second than one process can copy here, that bound is
printed too. It is pessimistic, since most of these reads end in a cache.
"""

import argparse
import sys
from collections.abc import Callable
from statistics import median

from duel import race, serve
from training_step import VOCAB, prepare_ours

LANES, STEPS = 32, 64
SIZES = {"1x256": (1, 256), "2x512": (2, 512)}
CUTS = (1, 2, 4, 8)
"""The numbers of shards for 32 lanes, one shard for each core."""
COPIED = 1 << 28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--cell", choices=("rnn", "lstm", "gru"), default="gru")
    parser.add_argument("--laps", type=int, default=5)
    options = parser.parse_args()
    for size in options.sizes:
        report(size, options.cell, options.laps)


def report(size: str, cell: str, laps: int) -> None:
    """The times of one network, measured in turn."""
    shards = [["shard", size, cell, str(LANES // cut)] for cut in CUTS]
    others = [["add", size, cell], ["update", size, cell], ["copy"], ["two", size, cell]]
    times = [median(values) for values in race(__file__, [*shards, *others], laps)]
    of_shard = dict(zip(CUTS, times, strict=False))
    add, update, copying, two = times[len(CUTS) :]
    bandwidth = 2 * COPIED / copying
    print(f"\n{size} {cell}, {LANES} lanes of {STEPS}, copies {bandwidth / 1e9:.1f} GB a second")
    print(f"{'cores':>6}{'lanes each':>12}{'a shard':>10}{'a step':>10}{'speed':>8}{'bound':>8}")
    predicted = {cut: of_shard[cut] + (cut - 1) * add + update for cut in CUTS}
    for cut in CUTS:
        read = cut * 2 * STEPS * recurrence(size, cell) / bandwidth
        print(
            f"{cut:6}{LANES // cut:12}{1e3 * of_shard[cut]:8.0f}ms{1e3 * predicted[cut]:8.0f}ms"
            f"{predicted[2] / predicted[cut]:8.2f}{predicted[2] / max(predicted[cut], read):8.2f}"
        )
    print(f"two processes, measured: {1e3 * two:.0f} ms a step", flush=True)


def recurrence(size: str, cell: str) -> int:
    """Bytes of the matrices that are read at every step."""
    from charrnn.nn.cells import parse_cell

    layers, hidden = SIZES[size]
    return layers * 4 * parse_cell(cell, hidden).num_gates * hidden**2


def prepare(what: str, *arguments: str) -> Callable[[], object]:
    """What is done in a lap."""
    import numpy as np

    from charrnn.engine import Engine, add_gradients
    from charrnn.nn.cells import parse_cell
    from charrnn.nn.models import SequenceModel, Sequences
    from charrnn.optim.optimizers import clip_by_global_norm, make_optimizer

    if what == "copy":
        source, target = np.ones(COPIED // 8), np.empty(COPIED // 8)
        return lambda: np.copyto(target, source)
    size, cell, *lanes = arguments
    layers, hidden = SIZES[size]
    if what == "two":
        return prepare_ours(cell, (layers, hidden, STEPS, LANES), 2)
    rng = np.random.default_rng(0)
    model = SequenceModel(VOCAB, VOCAB, parse_cell(cell, hidden), layers)
    parameters = model.init(rng)
    gradients = parameters.zeros_like()
    if what == "add":
        term = parameters.zeros_like()
        return lambda: add_gradients(gradients, [term])
    if what == "update":
        optimizer = make_optimizer("adam", parameters)
        gradients.flat[:] = 1e-3

        def update() -> None:
            clip_by_global_norm(gradients, 1.0)
            optimizer.step(parameters, gradients, 1e-4)

        return update
    count = int(lanes[0])
    text = rng.integers(VOCAB, size=(STEPS + 1, count))
    engine = Engine(model, shards=1)
    batch = Sequences(text[:-1], text[1:], model.zero_state(count))
    return lambda: engine.losses(parameters, batch, gradients=gradients)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("shard", "add", "update", "copy", "two"):
        serve(prepare(*sys.argv[1:]))
    else:
        main()
