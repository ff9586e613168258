"""What do the n-gram baselines cost, and how good are they, by order?

    python benchmarks/ngrams.py corpus.txt other.txt
    python benchmarks/ngrams.py corpus.txt --orders 0 5 10      # 0: chosen

The first nine tenths of a text are counted (the last 4,194,304 characters of them, as in `train`
and `eval`), the last tenth is scored. Seconds are for one processor, without reading; memory is the
peak of a separate process, including the text and NumPy.
"""

import argparse
import resource
from multiprocessing import get_context
from pathlib import Path
from time import process_time

import numpy as np

from charrnn.baselines.ngrams import KneserNey
from charrnn.baselines.scores import capped
from charrnn.text.corpora import read_corpus


def measure(path: str, order: int) -> str:
    """A line of the table."""
    codes = read_corpus([path]).codes
    symbols, ids = np.unique(codes, return_inverse=True)
    split = len(ids) - len(ids) // 10
    train, begun = np.asarray(capped(ids[:split])), process_time()
    model = KneserNey(train, len(symbols), *([order] if order else []))
    counted = process_time()
    p, _ = model.probabilities(ids[max(0, split - 20) :], min(20, split))
    scored = process_time()
    nats, peak = -np.log(p).mean(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    how = f"{order}" if order else f"{model.order}, chosen"
    times = f"{counted - begun:.2f} | {scored - counted:.2f}"
    return f"| {Path(path).name} | {len(train):,} | {how} | {nats:.4f} | {times} | {peak:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--orders", type=int, nargs="+", default=[5, 0], help="0: the chosen order")
    asked = parser.parse_args()
    print("| text | counted | order | nats/char | s, counting | s, scoring | MiB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for path in asked.texts:
        for order in asked.orders:
            with get_context("spawn").Pool(1) as pool:  # so that each has a peak of its own
                print(pool.apply(measure, (path, order)), flush=True)


if __name__ == "__main__":
    main()
