"""What does writing with an average of networks cost? Characters a second by members.

    python benchmarks/members.py
    python benchmarks/members.py --sizes 1x128 2x512 --members 1 2 8 --laps 9

A GRU with 65 characters on one thread, processor time, in turns; the median of the laps.
"""

import argparse
from statistics import median
from time import process_time

import numpy as np
from training_step import SIZES, VOCAB

from charrnn.nn.cells import parse_cell
from charrnn.nn.ensemble import Ensemble, together
from charrnn.nn.models import SequenceModel
from charrnn.nn.products import one_thread
from charrnn.sampling import sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["1x128", "2x256"])
    parser.add_argument("--members", nargs="+", type=int, default=[1, 2, 3, 4], metavar="N")
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 64], metavar="N")
    parser.add_argument("--length", type=int, default=200, help="characters of each stream")
    parser.add_argument("--laps", type=int, default=5)
    options = parser.parse_args()

    for size in options.sizes:
        layers, hidden, _, _ = SIZES[size]
        member = SequenceModel(VOCAB, VOCAB, parse_cell("gru", hidden), layers)
        own = [member.init(np.random.default_rng(k)) for k in range(max(options.members))]
        averages = {n: (Ensemble(member, n), together(member, own[:n])) for n in options.members}
        networks = {n: (member, own[0]) if n == 1 else averages[n] for n in options.members}
        for streams in options.streams:
            seconds: dict[int, list[float]] = {n: [] for n in networks}
            prime = np.zeros((1, streams), int)
            for _ in range(options.laps):
                for n, (network, parameters) in networks.items():
                    rng, begun = np.random.default_rng(0), process_time()
                    with one_thread():
                        for _ in sample(network, parameters, prime, options.length, rng):
                            pass
                    seconds[n].append(process_time() - begun)
            speeds = {n: streams * options.length / median(s) / 1000 for n, s in seconds.items()}
            shown = ", ".join(f"{n}: {speed:.1f}k" for n, speed in speeds.items())
            print(f"{size} {streams:4} side by side, by members: {shown}", flush=True)


if __name__ == "__main__":
    main()
