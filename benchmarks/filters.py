"""What does each way to steer a text cost, as a fraction of the plain speed?

    python benchmarks/filters.py                       # a minute
    python benchmarks/filters.py --streams 1 --only top-p max-copy

The model is an untrained LSTM, which has a trained one's speed and whose texts go back as rarely as
a good one's; with --model it is a trained one. The plain and the steered writing take turns, lap by
lap, in one process and on one thread; the median ratio of processor time is printed, which other
programs affect least. --max-copy searches a text of 10 MB.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import process_time

import numpy as np

import charrnn
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.products import one_thread
from charrnn.sampling.choice import Choice, streams
from charrnn.sampling.passages import sorted_windows
from charrnn.sampling.texts import Steering, write
from charrnn.sampling.voices import MixedVoice, ModelVoice, Voice

VOCAB, COPY, TRAINED_ON = 65, 20, 10_000_000
CHOICE = Choice(0.8)
CHOICES = {
    "greedy": replace(CHOICE, temperature=0.0),
    "top-k": replace(CHOICE, top_k=20),
    "top-p": replace(CHOICE, top_p=0.9),
    "min-p": replace(CHOICE, min_p=0.05),
    "top-k, top-p, min-p": replace(CHOICE, top_k=20, top_p=0.9, min_p=0.05),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 64], metavar="N")
    parser.add_argument("--length", type=int, default=300, help="characters of each stream")
    parser.add_argument("--laps", type=int, default=7)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--model", help="a trained language model, instead of an untrained one")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    options = parser.parse_args()

    voice, start = voice_of(options.model, options.hidden)
    size = voice.size
    began = process_time()
    text = np.random.default_rng(1).integers(size, size=TRAINED_ON).astype(np.uint16)
    windows = sorted_windows([text], size + 1, COPY)
    print(f"{len(windows):,} windows of {COPY}: made in {process_time() - began:.1f} s")
    steerings = {
        "forbid": Steering(never=(1, 2, 3)),
        "stop": Steering(stops=((size - 1, size - 2, size - 1),)),
        "repeat-penalty": Steering(penalty=1.2),
        "max-copy": Steering(max_copy=COPY, windows=windows),
        "max-copy own": Steering(max_repeat=40),
        "best-of": Steering(scored=True),
        "jsonl": Steering(guesses=True),
    }
    table = np.arange(size)
    known = np.ones(size, dtype=bool)
    two = MixedVoice([voice, voice], [table] * 2, [known] * 2, [0.5, 0.5])
    ways: dict[str, tuple[Voice, Choice, Steering]] = {
        **{name: (voice, choice, Steering()) for name, choice in CHOICES.items()},
        **{name: (voice, CHOICE, steering) for name, steering in steerings.items()},
        "two models": (two, CHOICE, Steering()),
    }
    names = [name for name in ways if not options.only or name in options.only]
    print(f"{'':20}" + "".join(f"{f'n = {n}':>12}" for n in options.streams))
    plains = [lap(voice, start, n, options.length) for n in options.streams]
    for plain in plains:
        plain()
    speeds = [
        n * options.length / plain() for n, plain in zip(options.streams, plains, strict=True)
    ]
    print(f"{'plain, a second':20}" + "".join(f"{speed:12,.0f}" for speed in speeds))
    for name in names:
        ratios = []
        for n, plain in zip(options.streams, plains, strict=True):
            steered = lap(ways[name][0], start, n, options.length, *ways[name][1:])
            steered()
            ratios.append(median(plain() / steered() for _ in range(options.laps)))
        print(f"{name:20}" + "".join(f"{ratio:12.2f}" for ratio in ratios), flush=True)


def voice_of(name: str | None, hidden: int) -> tuple[Voice, int]:
    """A model's voice, and a symbol to begin with."""
    if name is not None:
        model = charrnn.load(name)
        return ModelVoice(model.network, model.parameters), model.vocabulary.start
    network = SequenceModel(VOCAB, VOCAB, parse_cell("lstm", hidden), 2)
    return ModelVoice(network, network.init(np.random.default_rng(0))), 0


def lap(
    voice: Voice,
    start: int,
    count: int,
    length: int,
    choice: Choice = CHOICE,
    steering: Steering | None = None,
) -> Callable[[], float]:
    """Make a function that writes texts and returns the seconds it took."""

    def run() -> float:
        prime, rng = np.full((1, count), start), np.random.default_rng(0)
        with one_thread():
            began = process_time()
            rules = steering or Steering()
            for _ in write(voice, prime, length, streams(rng, count), choice, rules):
                pass
            return process_time() - began

    return run


if __name__ == "__main__":
    main()
