"""How soon does training on a large text make its first update, and in how much memory?

    python benchmarks/large_texts.py --make big.txt --megabytes 4000
    python benchmarks/large_texts.py big.txt [big.txt ...] [--minutes M] [--warm]

The first command makes a text: ASCII, or with ``--characters N`` a text with N distinct characters
in UTF-8. The second trains on each text with an empty cache folder and, with ``--warm``, once more;
it stops after the first validation. Memory is the anonymous memory (not of files) of all processes
together, from ``/proc/*/smaps_rollup``; the page cache is not emptied. Linux only.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WORDS = "the of and to in a is that for it was on are as with his they at be this from have or by"


def make(path: Path, megabytes: float, characters: int) -> None:
    """Write a text of lines of words, or of characters drawn by Zipf's law."""
    rng = np.random.default_rng(0)
    letters = [chr(0x4E00 + k) for k in range(characters)]
    chances = 1 / np.arange(1, characters + 1)
    with path.open("wb") as file:
        while file.tell() < megabytes * 1e6:
            if characters:
                some = rng.choice(characters, 400_000, p=chances / chances.sum())
                file.write("".join(letters[k] for k in some).encode())
            else:
                lines = [" ".join(rng.permutation(WORDS.split())[:9]) for _ in range(20_000)]
                file.write("\n".join([*lines, ""]).encode())


def train(path: str, minutes: float) -> None:
    """Train until the first validation, and print when the first update was made."""
    from charrnn.tasks.base import Paths
    from charrnn.training.begin import begin
    from charrnn.training.events import Validated
    from charrnn.training.loop import Step

    settings = {"minutes": minutes} if minutes else {"epochs": 1, "eval_every": 5}
    settings |= {} if minutes else {"val_fraction": 1e-4, "hidden": 64}
    run = begin(settings, Paths((path,)), out=tempfile.mkdtemp() + "/run", threads=2)
    run.compare()
    first = True
    try:
        for event in run.events(lambda: False):
            if isinstance(event, Step) and first:
                print("first update", flush=True)
                first = False
            if isinstance(event, Validated):
                break
    finally:
        run.close()


def anonymous(process: int) -> int:
    """Kilobytes of a process and its children that do not belong to files."""
    total = 0
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if "Anonymous" in line)
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return total
    return total + sum(anonymous(int(child)) for child in children)


def measure(path: str, minutes: float, cache: str) -> tuple[float, float, float]:
    """Seconds to the first update, seconds in all, and the most megabytes of memory."""
    begun, most, first = time.monotonic(), 0, 0.0
    command = [sys.executable, __file__, "--child", "--minutes", str(minutes), path]
    environment = os.environ | {"CHARRNN_CACHE": cache}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        while child.poll() is None:
            most = max(most, anonymous(child.pid))
            if not first and child.stdout.read():
                first = time.monotonic() - begun
            time.sleep(0.02)
    if child.returncode:
        raise SystemExit(child.returncode)
    return first, time.monotonic() - begun, most / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--make", type=Path)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--characters", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--child", action="store_true")
    asked = parser.parse_args()
    if asked.make:
        make(asked.make, asked.megabytes, asked.characters)
        return
    if asked.child:
        train(asked.files[0], asked.minutes)
        return
    print("text            MB  cache   first update (s)  to a validation (s)  anonymous (MB)")
    for file in asked.files:
        with tempfile.TemporaryDirectory() as cache:
            for state in ("cold", "warm")[: 1 + asked.warm]:
                first, whole, most = measure(file, asked.minutes, cache)
                size = Path(file).stat().st_size / 1e6
                name = Path(file).name
                print(
                    f"{name:<12} {size:6.0f}  {state:<6} {first:16.1f} {whole:20.1f} {most:15.0f}"
                )


if __name__ == "__main__":
    main()
