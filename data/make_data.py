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

import brackets
import reber

FOLDER = Path(__file__).resolve().parent
REBER_TRAIN_STRINGS = 12_000
REBER_TEST_STRINGS = 1_000
BRACKET_LINES = 7_000
SEEDS = {"reber-train": 1997, "reber-test": 1989, "brackets": 1882}


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


def corpora() -> dict[str, bytes]:
    """The contents of every file, by name."""
    train = reber_train()
    return {
        "reber-train.txt": _file(train),
        "reber-test.txt": _file(reber_test(train)),
        "brackets.txt": _file(bracket_lines()),
    }


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


if __name__ == "__main__":
    sys.exit(main())
