"""How much memory do five training steps take, and how long does a command take to start?

    pip install torch==2.13.0
    python benchmarks/memory.py                              # some three minutes
    python benchmarks/memory.py --sizes 2x128 --laps 1

Each run is a fresh process, including imports, and is observed from outside through Linux's /proc:
it and all its children together, every 50 ms. Private memory is added up; shared memory is divided
among the processes; of the pages of files (mostly libraries, the same in all) the largest share
counts once. A single process's own high-water mark, which the kernel keeps exactly, counts if it is
higher. PyTorch is measured in two forms, with one-hot input and with an embedding of width H, and
the smaller one counts.
"""

import argparse
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from duel import PAUSE
from training_step import CELLS, FORMS, SIZES, prepare_ours, prepare_torch

STEPS = 5
INTERVAL = 0.05
TARGETS = {"2x128": 0.4, "3x512": 0.8}
"""The goals for our peak, as fractions of PyTorch's."""

START_UP = {
    "python -m charrnn --help": ("-m", "charrnn", "--help"),
    "python -c pass": ("-c", "pass"),
    'python -c "import numpy"': ("-c", "import numpy"),
    'python -c "import torch"': ("-c", "import torch"),
}
START_UP_TARGETS = {"python -m charrnn --help": 0.25}  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(TARGETS))
    parser.add_argument("--cell", choices=CELLS, default="lstm")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--laps", type=int, default=3, help="runs of each training")
    parser.add_argument("--starts", type=int, default=11, help="starts of each command; 0 for none")
    options = parser.parse_args()
    if not Path("/proc/thread-self/children").exists():
        parser.error("memory is read from Linux's /proc, which is not here")
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.sizes:
        report_memory(options.sizes, options.cell, options.threads, options.laps)
    if options.starts:
        report_start_up(options.starts)


def report_memory(sizes: list[str], cell: str, threads: int, laps: int) -> None:
    """Print the peaks of the runs, taken in turn."""
    print(f"Peak memory of {STEPS} training steps, {threads} threads, MiB")
    print(f"{'':12}{'ours':>7}{'one-hot':>9}{'embedding':>10}{'ratio':>7}{'target':>8}  processes")
    for size in sizes:
        peaks: dict[str, list[float]] = {form: [] for form in FORMS}
        processes = 1
        for _ in range(laps):
            for form in FORMS:
                peak, count = watch([__file__, "worker", form, cell, size, str(threads)])
                peaks[form].append(peak)
                processes = max(processes, count)
        ours, one_hot, embedding = (median(peaks[form]) for form in FORMS)
        target = f"{TARGETS[size]:.2f}" if size in TARGETS and cell == "lstm" else "-"
        print(
            f"{cell:5}{size:7}{ours:7.0f}{one_hot:9.0f}{embedding:10.0f}"
            f"{ours / min(one_hot, embedding):7.2f}{target:>8}  {processes}",
            flush=True,
        )


def watch(arguments: list[str]) -> tuple[float, int]:
    """Peak memory in MiB of ``python *arguments`` and its children, and their number.

    The script must write a line when it has done its work, then wait for the end of its input.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    peak, count, done = 0, 1, False
    try:
        while not done:
            done = bool(select.select([process.stdout], [], [], INTERVAL)[0])
            pids = family(process.pid)
            peak, count = max(peak, memory(pids)), max(count, len(pids))
        if not process.stdout.readline():
            raise RuntimeError(f"a contestant died: {process.args!r}")
        process.stdin.close()
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
    return peak / 1024, count


def family(pid: int) -> list[int]:
    """A process, its children, their children, and so on."""
    pids = [pid]
    for one in pids:  # grows as it goes
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                pids += map(int, task.read_text().split())
            except OSError:
                continue  # a thread that has just ended
    return pids


def memory(pids: list[int]) -> int:
    """The memory of the processes together, in KiB; at least the peak of any single one."""
    own, files, marks = 0, [0], [0]
    for pid in pids:
        try:
            rollup, status = fields(pid, "smaps_rollup"), fields(pid, "status")
            own += rollup["Pss_Anon"] + rollup["Pss_Shmem"]
            files.append(status["RssFile"])
            marks.append(status["VmHWM"])
        except (OSError, KeyError):
            continue  # a process that has just ended has no memory
    return max(own + max(files), *marks)


def fields(pid: int, name: str) -> dict[str, int]:
    """The lines in a file of /proc that give a number of KiB."""
    lines = (line.split() for line in Path(f"/proc/{pid}/{name}").read_text().splitlines())
    return {parts[0].rstrip(":"): int(parts[1]) for parts in lines if parts[-1:] == ["kB"]}


def report_start_up(starts: int) -> None:
    """Seconds from start to end, without the first of each, which fills the caches."""
    print(f"\nStart-up, median of {starts}, seconds")
    times: dict[str, list[float]] = {name: [] for name in START_UP}
    for lap in range(starts + 1):
        for name, arguments in START_UP.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            if lap:
                times[name].append(time.perf_counter() - start)
    for name, seconds in times.items():
        target = START_UP_TARGETS.get(name)
        print(
            f"{name:26}{median(seconds):7.3f}" + (f" (target: at most {target})" if target else "")
        )


def worker(form: str, cell: str, size: str, threads: int) -> None:
    """One run, in its own process, which waits until it has been measured."""
    step: Callable[[], object]
    step = (
        prepare_ours(cell, SIZES[size], threads)
        if form == "ours"
        else prepare_torch(cell, size, form, threads)
    )
    for _ in range(STEPS):
        step()
    print("done", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        main()
