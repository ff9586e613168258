"""Do texts without a prime begin as well as their later lines do?

    CHARRNN_CORPORA=… python benchmarks/starts.py                     # about ten minutes
    python benchmarks/starts.py shipped
    CHARRNN_CORPORA=… python benchmarks/starts.py plays --epochs 10 --hidden 256

For each model: the share of 300 texts whose first word is a word of the corpus, compared with that
of the first words of their later lines, and with that of texts that begin from the zero state (see
charrnn.sampling.opening). Models are trained here for a few epochs, and kept in a folder with
--keep; any other model is measured with --model and --corpus. Words are separated by spaces;
temperature 0.8, seed 0.
"""

import argparse
import os
import random
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import charrnn
from charrnn.runs.model import Model
from charrnn.sampling import Choice, sample
from charrnn.text.corpora import read_corpus

TEXTS, LENGTH = 300, 200
WITHIN = 0.05


def main() -> None:
    names = {"novel": novel, "plays": plays, "names": people, "tunes": tunes, "shipped": pydoc}
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", choices=[[], *names], help="default: all models")
    parser.add_argument("--epochs", type=float, default=6)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--keep", type=Path, help="folder of the runs, which are reused")
    parser.add_argument("--model", type=Path, help="a checkpoint to measure instead")
    parser.add_argument("--corpus", type=Path, help="the text that it was trained on")
    options = parser.parse_args()

    print(f"{'':10}{'first':>8}{'later':>8}{'from zero':>11}   the first line of the first text")
    if options.model:
        text = options.corpus.read_text(encoding="utf-8")
        good = [show(options.model.name, charrnn.load(options.model), text)]
        sys.exit(not all(good))
    with TemporaryDirectory() as temporary:
        good = []
        for name in options.names or names:
            text = names[name]()
            run = (options.keep or Path(temporary)) / name
            if name != "shipped" and not run.exists():
                charrnn.train(
                    text=text,
                    out=run,
                    epochs=options.epochs,
                    hidden=options.hidden,
                    cell=options.cell,
                ).finish()
            good.append(show(name, charrnn.load(None if name == "shipped" else run), text))
    sys.exit(not all(good))


def show(name: str, model: Model, text: str) -> bool:
    """Print the shares; return whether the first is as good as the second."""
    words = set(text.split())
    texts = model.sample(n=TEXTS, length=LENGTH, seed=0)
    first, later = shares(texts, words)
    zero, _ = shares(from_zero(model), words)
    shown = next(filter(str.strip, texts[0].splitlines()), "")[:40]
    print(f"{name:10}{first:8.3f}{later:8.3f}{zero:11.3f}   {shown}", flush=True)
    return first >= later - WITHIN


def shares(texts: Sequence[str], words: set[str]) -> tuple[float, float]:
    """The share of first words that are in the corpus: of texts, and of their later whole lines."""
    firsts, laters = [], []
    for text in texts:
        lines = text.split("\n")
        begun = [line.split()[0] for line in lines if line.strip()]
        firsts.append(bool(begun) and begun[0] in words)
        laters += [line.split()[0] in words for line in lines[1:-1] if line.strip()]
    return float(np.mean(firsts)), float(np.mean(laters))


def from_zero(model: Model) -> list[str]:
    """Texts that begin after a line end read from the zero state."""
    start = np.full((1, TEXTS), model.vocabulary.start)
    rng = np.random.default_rng(0)
    steps = sample(model.network, model.parameters, start, LENGTH, rng, Choice(0.8))
    ids = np.array(list(steps)).T
    return [model.vocabulary.decode(row).decode("utf-8", "replace") for row in ids]


def corpora() -> Path:
    try:
        return Path(os.environ["CHARRNN_CORPORA"])
    except KeyError:
        sys.exit("set CHARRNN_CORPORA to the folder that holds the corpora")


def novel() -> str:
    """Sentences in paragraphs, wrapped as in books."""
    rows = (corpora() / "tatoeba-eng-fra" / "eng-fra.tsv").read_text(encoding="utf-8").splitlines()
    sentences = sorted({row.split("\t")[0] for row in rows})
    rng = random.Random(0)
    rng.shuffle(sentences)
    paragraphs = []
    while sentences:
        count = rng.randint(3, 9)
        paragraphs.append(textwrap.fill(" ".join(sentences[:count]), 72))
        del sentences[:count]
    return "\n\n".join(paragraphs)[:600_000]


def plays() -> str:
    return (corpora() / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")


def people() -> str:
    """Names, one a line."""
    files = sorted((corpora() / "names-nationality").glob("*.txt"))
    names = [name for file in files for name in file.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(names)
    return "\n".join(names) + "\n"


def tunes() -> str:
    return (corpora() / "irish-abc" / "irish.abc").read_text(encoding="utf-8")


def pydoc() -> str:
    corpus = read_corpus((), level="char", encoding="utf-8", keep_newlines=False)
    return "".join(map(chr, corpus.codes))


if __name__ == "__main__":
    main()
