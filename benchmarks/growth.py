"""How do time and memory of a training step grow with H, T, B and V, one at a time?

    python benchmarks/growth.py                              # some minutes
    python benchmarks/growth.py --axes T B --laps 1 --points 2 --base 64 16 8 65

The network is an LSTM with one layer in one process. The exponent of a cost is its slope over the
size, both as logarithms: 1 is proportional, 0 is constant. Expected are: near 1 in T and B; between
1 (element-wise work) and 2 (products) in H; at most 1 in V for time, and near 0 for memory apart
from the weights.

Memory is that of arrays, as NumPy reports it to tracemalloc, at its peak during the second step.
"Without weights" leaves out everything that is as large as the weights: the weights themselves, the
gradients of each shard, and Adam's two moments.
"""

import argparse
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from math import log, prod
from statistics import linear_regression, median

from duel import race, serve
from training_step import prepare_ours

AXES = {
    "H": (64, 128, 256, 512, 1024),
    "T": (16, 32, 64, 128, 256),
    "B": (8, 16, 32, 64, 128, 256),
    "V": (65, 250, 1000, 5000),
}
EXPECTED = {
    "H": "time between 1 and 2",
    "T": "time near 1",
    "B": "time near 1",
    "V": "time at most 1, memory without weights near 0",
}
BASE = (256, 64, 32, 65)
COPIES = 3  # weights, and Adam's m and v
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--base", nargs=4, type=int, default=BASE, metavar=tuple(AXES))
    parser.add_argument("--points", type=int, default=9, help="sizes on each axis")
    parser.add_argument("--laps", type=int, default=3)
    options = parser.parse_args()
    if options.points < 2:
        parser.error("--points must be 2 or more: a slope needs two")
    base = dict(zip(AXES, options.base, strict=True))
    point = ", ".join(f"{axis} = {size}" for axis, size in base.items())
    print(f"LSTM, 1 layer, 1 process, around {point}")
    for axis in options.axes:
        sizes = AXES[axis][: options.points]
        report(axis, sizes, [base | {axis: size} for size in sizes], options.laps)


def report(axis: str, sizes: Sequence[int], points: list[dict[str, int]], laps: int) -> None:
    """The costs along one axis, and their exponents."""
    arguments = [[str(point[name]) for name in AXES] for point in points]
    times = race(__file__, [["worker", "time", *numbers] for numbers in arguments], laps)
    seconds = [median(values) for values in times]
    memories = [measure(numbers) for numbers in arguments]
    peaks = [peak for peak, _ in memories]
    apart = [peak - weights for peak, weights in memories]
    print(f"\n{axis:14}{'ms':>10}{'MiB':>10}{'without weights':>17}")
    for size, *costs in zip(sizes, seconds, peaks, apart, strict=True):
        print(f"{size:<14}{costs[0] * 1000:10.2f}{costs[1] / MIB:10.2f}{costs[2] / MIB:17.2f}")
    columns = [slopes(sizes, costs) for costs in (seconds, peaks, apart)]
    titles = ("exponent", f"{sizes[-2]} to {sizes[-1]}", "steepest")
    for title, row in zip(titles, zip(*columns, strict=True), strict=True):
        print(f"{title:14}{row[0]:10.2f}{row[1]:10.2f}{row[2]:17.2f}")
    print(f"expected: {EXPECTED[axis]}", flush=True)


def slopes(sizes: Sequence[int], costs: Sequence[float]) -> tuple[float, float, float]:
    """The exponent by least squares over all, between the last two, and the largest of any two."""
    x, y = [log(size) for size in sizes], [log(cost) for cost in costs]
    steps = [(y[i + 1] - y[i]) / (x[i + 1] - x[i]) for i in range(len(x) - 1)]
    return linear_regression(x, y).slope, steps[-1], max(steps)


def prepare(hidden: int, steps: int, lanes: int, vocab: int) -> Callable[[], object]:
    """The training step of ``training_step.py``, at a point that is not in its table."""
    return prepare_ours("lstm", (1, hidden, steps, lanes), vocab=vocab)


def measure(numbers: Sequence[str]) -> tuple[int, int]:
    """Bytes of arrays at the peak of a step, and those of the weights and their copies."""
    command = [sys.executable, __file__, "worker", "memory", *numbers]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    peak, weights = json.loads(answer)
    return peak, weights


def count_arrays(hidden: int, steps: int, lanes: int, vocab: int) -> tuple[int, int]:
    """The same for this process."""
    import numpy as np

    from charrnn.engine import shards
    from charrnn.nn.cells import parse_cell
    from charrnn.nn.models import SequenceModel

    model = SequenceModel(vocab, vocab, parse_cell("lstm", hidden), 1)
    copies = COPIES + len(shards(lanes))
    weights = copies * 4 * sum(map(prod, model.shapes().values()))
    tracemalloc.start()
    step = prepare(hidden, steps, lanes, vocab)
    step()
    tracemalloc.reset_peak()  # drawing the weights took more memory
    step()
    now, peak = tracemalloc.get_traced_memory()
    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    kept = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)
    return kept + (peak - now), weights


def worker(task: str, point: list[int]) -> None:
    """One measurement, in its own process."""
    if task == "time":
        serve(prepare(*point))
    else:
        print(json.dumps(count_arrays(*point)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], [int(number) for number in sys.argv[3:]])
    else:
        main()
