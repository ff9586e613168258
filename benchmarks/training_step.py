"""How fast is a training step, compared with PyTorch, in characters a second?

    pip install torch==2.13.0
    python benchmarks/training_step.py                       # the whole grid, some twenty minutes
    python benchmarks/training_step.py --sizes 2x128 --cells lstm --laps 5

A step is forward, backward, clipping and Adam. PyTorch is measured in two forms, with one-hot input
through its own input matrix and with an embedding of width H, and the better one counts.
"""

import argparse
import os
import sys
from collections.abc import Callable
from math import exp, log
from statistics import median
from typing import Any

from duel import race, serve

SIZES = {  # layers, hidden, steps, lanes
    "1x128": (1, 128, 50, 50),
    "2x128": (2, 128, 50, 50),
    "2x256": (2, 256, 64, 64),
    "2x512": (2, 512, 100, 64),
    "3x512": (3, 512, 64, 128),
    "1x1024": (1, 1024, 64, 64),
}
CELLS = ("rnn", "gru", "lstm")
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
FORMS = ("ours", "torch-one-hot", "torch-embedding")
VOCAB = 65
PEAK = (2048, 2048, 2048)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--laps", type=int, default=5)
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(options.threads)

    ((*peaks,),) = race(__file__, [["worker", "peak", "-", "-", str(options.threads)]], 3)
    peak = 2 * PEAK[0] * PEAK[1] * PEAK[2] / median(peaks) / 1e9
    print(f"{options.threads} threads; sgemm of {PEAK[0]}³: {peak:.0f} GFLOP/s")
    print(
        f"{'':12}{'ours':>9}{'one-hot':>9}{'embedding':>10}{'ratio':>7}{'GFLOP/s':>9}{'of peak':>8}"
    )
    ratios: dict[str, list[float]] = {cell: [] for cell in options.cells}
    for size in options.sizes:
        for cell in options.cells:
            runs = [["worker", form, cell, size, str(options.threads)] for form in FORMS]
            times = race(__file__, runs, options.laps)
            ours, one_hot, embedding = map(median, times)
            pairs = zip(*times, strict=True)
            ratio = median(min(a, b) / mine for mine, a, b in pairs)
            ratios[cell].append(ratio)
            layers, hidden, steps, lanes = SIZES[size]
            speed = [steps * lanes / t / 1000 for t in (ours, one_hot, embedding)]
            rate = flops(cell, layers, hidden) * steps * lanes / ours / 1e9
            print(
                f"{cell:5}{size:7}{speed[0]:8.1f}k{speed[1]:8.1f}k{speed[2]:9.1f}k"
                f"{ratio:7.2f}{rate:9.0f}{rate / peak:8.0%}",
                flush=True,
            )
    for cell, values in ratios.items():
        print(f"{cell}: geometric mean {geometric_mean(values):.2f}, lowest {min(values):.2f}")
    both = ratios.get("lstm", []) + ratios.get("gru", [])
    if both:
        print(f"lstm and gru: geometric mean {geometric_mean(both):.2f}")


def geometric_mean(values: list[float]) -> float:
    """The geometric mean of ratios."""
    return exp(sum(map(log, values)) / len(values))


def flops(cell: str, layers: int, hidden: int) -> float:
    """Multiplications and additions of matrix products, per character, forward and backward.

    The one-hot input of the first layer is a gather and does not count, nor does its gradient.
    """
    width = GATES[cell] * hidden
    recurrent = 3 * 2 * hidden * width * layers
    inputs = 3 * 2 * hidden * width * (layers - 1)
    return recurrent + inputs + 3 * 2 * hidden * VOCAB


def prepare_ours(
    cell: str, shape: tuple[int, int, int, int], threads: int = 1, vocab: int = VOCAB
) -> Callable[[], object]:
    """charrnn's step. The shape is one of :data:`SIZES`."""
    import numpy as np

    from charrnn.engine import Engine
    from charrnn.nn.cells import parse_cell
    from charrnn.nn.models import SequenceModel, Sequences
    from charrnn.optim.optimizers import clip_by_global_norm, make_optimizer

    layers, hidden, steps, lanes = shape
    model = SequenceModel(vocab, vocab, parse_cell(cell, hidden), layers)
    rng = np.random.default_rng(0)
    parameters = model.init(rng)
    gradients, engine = parameters.zeros_like(), Engine(model, threads)
    optimizer = make_optimizer("adam", parameters)
    text = rng.integers(vocab, size=(steps + 1, lanes))
    state = [model.zero_state(lanes)]

    def step() -> None:
        batch = Sequences(text[:-1], text[1:], state[0])
        state[0] = engine.losses(parameters, batch, gradients=gradients).final
        gradients.flat *= 1 / (steps * lanes)
        clip_by_global_norm(gradients, 1.0)
        optimizer.step(parameters, gradients, 1e-4)

    return step


def prepare_torch(cell: str, size: str, form: str, threads: int) -> Callable[[], object]:
    """PyTorch's step."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers, hidden, steps, lanes = SIZES[size]
    text = torch.randint(VOCAB, (steps + 1, lanes))
    embedding = torch.nn.Embedding(VOCAB, hidden) if form == "torch-embedding" else None
    kind: Any = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
    body = kind(hidden if embedding else VOCAB, hidden, layers)
    head = torch.nn.Linear(hidden, VOCAB)
    modules = [body, head] + ([embedding] if embedding else [])
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-4, betas=(0.9, 0.99))
    state: list[Any] = [None]

    def step() -> None:
        symbols = text[:-1]
        x = embedding(symbols) if embedding else torch.nn.functional.one_hot(symbols, VOCAB).float()
        h, final = body(x, state[0])
        state[0] = tuple(s.detach() for s in final) if isinstance(final, tuple) else final.detach()
        loss = torch.nn.functional.cross_entropy(head(h).reshape(-1, VOCAB), text[1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def prepare_peak() -> Callable[[], object]:
    """The highest speed that this machine's BLAS reaches."""
    import numpy as np

    rng = np.random.default_rng(0)
    a, b = (rng.random(PEAK[:2], dtype=np.float32) for _ in range(2))
    c = np.empty_like(a)
    return lambda: np.matmul(a, b, out=c)


def worker(form: str, cell: str, size: str, threads: int) -> None:
    """One contestant, in its own process."""
    if form == "peak":
        serve(prepare_peak())
    elif form == "ours":
        serve(prepare_ours(cell, SIZES[size], threads))
    else:
        serve(prepare_torch(cell, size, form, threads))


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        main()
