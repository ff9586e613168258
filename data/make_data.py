"""Write the generated corpora of this folder, or verify them.

python data/make_data.py           writes the files, the same bytes every time
python data/make_data.py --check   exits 1 unless the files hold just what it would write
"""

import argparse
import hashlib
import random
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import autoregression
import brackets
import dates
import depth
import polarity
import reber
import spans
import tunes
from draws import distinct

FOLDER = Path(__file__).resolve().parent
REBER_TRAIN_STRINGS = 12_000
REBER_TEST_STRINGS = 1_000
BRACKET_LINES = 7_000
DATE_PAIRS = 10_000, 1_000  # of training, of test; and so in the next three
DEPTH_LINES = 1_000, 150
SPAN_SENTENCES = 4_000, 500
POLARITY_TEXTS = 4_000, 500
SPAN_NAMES = 1_500, 300
TUNES = 3_000
AR_ROWS = 6_000
SEEDS = {
    "reber-train": 1997,
    "reber-test": 1989,
    "brackets": 1882,
    "dates": 1582,
    "depth-train": 1957,
    "depth-test": 1990,
    "spans-train": 1995,
    "spans-test": 2003,
    "polarity-train": 1946,
    "polarity-test": 2002,
    "tunes": 1903,
    "ar": 1927,
}


def reber_train() -> list[str]:
    """Strings drawn freely, so that frequent ones come again and again."""
    rng = _generator("reber-train")
    return [reber.sample_string(rng) for _ in range(REBER_TRAIN_STRINGS)]


def reber_test(train: Collection[str]) -> list[str]:
    """Distinct strings, none of them in `train`: what comes again is drawn anew."""
    rng = _generator("reber-test")
    seen, test = set(train), list[str]()
    while len(test) < REBER_TEST_STRINGS:
        string = reber.sample_string(rng)
        if string not in seen:
            seen.add(string)
            test.append(string)
    return test


def bracket_lines() -> list[str]:
    """Lines drawn freely."""
    rng = _generator("brackets")
    return [brackets.sample_line(rng) for _ in range(BRACKET_LINES)]


def date_pairs() -> tuple[list[str], list[str]]:
    """Pairs for training and for the test, of different dates."""
    return dates.pairs(_generator("dates"), *DATE_PAIRS)


def depth_lines() -> tuple[list[str], list[str]]:
    """Lines drawn freely, and distinct ones that are none of these."""
    rng, test_rng = _generator("depth-train"), _generator("depth-test")
    train = [depth.sample_line(rng) for _ in range(DEPTH_LINES[0])]
    return train, distinct(lambda: depth.sample_line(test_rng), DEPTH_LINES[1], train)


def span_sentences() -> tuple[list[spans.Sentence], list[spans.Sentence]]:
    """Sentences for training and for the test, whose names have no word in common."""
    rng, test_rng = _generator("spans-train"), _generator("spans-test")
    names = spans.sample_names(rng, SPAN_NAMES[0])
    new_names = spans.sample_names(test_rng, SPAN_NAMES[1], names)
    train = spans.sample_sentences(rng, SPAN_SENTENCES[0], names)
    return train, spans.sample_sentences(test_rng, SPAN_SENTENCES[1], new_names, train)


def polarity_texts() -> tuple[list[str], list[str]]:
    """Texts for training, and others for the test."""
    train = polarity.sample_texts(_generator("polarity-train"), POLARITY_TEXTS[0])
    test = polarity.sample_texts(_generator("polarity-test"), POLARITY_TEXTS[1], train)
    return train, test


def tune_lines() -> list[str]:
    """Different tunes."""
    return tunes.sample_tunes(_generator("tunes"), TUNES)


def ar_units() -> list[int]:
    """The series, in units of the fourth decimal."""
    return autoregression.sample_units(_generator("ar"), AR_ROWS)


def corpora() -> dict[str, bytes]:
    """The contents of every file, by name."""
    train = reber_train()
    files = {
        "reber-train.txt": _file(train),
        "reber-test.txt": _file(reber_test(train)),
        "brackets.txt": _file(bracket_lines()),
    }
    for half, pairs in zip(("train", "test"), date_pairs(), strict=True):
        files[f"dates-{half}.tsv"] = _file(pairs)
    for half, lines in zip(("train", "test"), depth_lines(), strict=True):
        files[f"depth-{half}.conll"] = _columns(zip(x, depth.tags(x), strict=True) for x in lines)
    for half, sentences in zip(("train", "test"), span_sentences(), strict=True):
        files[f"spans-{half}.conll"] = _columns(sentences)
    for half, texts in zip(("train", "test"), polarity_texts(), strict=True):
        files[f"polarity-{half}.tsv"] = _file(texts)
    files["tunes.tsv"] = _file(tune_lines())
    files["ar.csv"] = _file(["x", *map(autoregression.as_text, ar_units())])
    return files


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Write or verify the files in `folder`; the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated corpora of data/.")
    parser.add_argument("--check", action="store_true", help="verify the files, write nothing")
    check = parser.parse_args(arguments).check
    if check:
        return _check(folder)
    for name, content in corpora().items():
        (folder / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


def _check(folder: Path) -> int:
    files = {name: (folder / name, content) for name, content in corpora().items()}
    wrong = [
        f"{name} {'differs' if path.is_file() else 'is missing'}"
        for name, (path, content) in files.items()
        if not path.is_file() or path.read_bytes() != content
    ]
    if wrong:
        print(f"{'; '.join(wrong)}: run  python data/make_data.py", file=sys.stderr)
        return 1
    print(f"{', '.join(files)}: just what make_data.py writes")
    return 0


def _generator(name: str) -> random.Random:
    return random.Random(SEEDS[name])


def _file(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _columns(sentences: Iterable[Iterable[tuple[str, str]]]) -> bytes:
    """A token, a tab and its tag a line, and an empty line after each sentence but the last."""
    blocks = ("".join(f"{token}\t{tag}\n" for token, tag in tokens) for tokens in sentences)
    return "\n".join(blocks).encode("ascii")


if __name__ == "__main__":
    sys.exit(main())
