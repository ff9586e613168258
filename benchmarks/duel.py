"""Timing programs in turn: A B C A B C ..., each in its own process.

Each has its own process, because two BLAS libraries with thread pools disturb each other in one; in
turn, because the speed of a shared machine drifts. A worker prepares, then runs one lap for every
line it reads, and answers with the seconds it took.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

__all__ = ["race", "serve"]

PAUSE = 0.2
"""Seconds between turns: idle threads of a pool spin for a while before they sleep."""


def race(script: str, contestants: Sequence[Sequence[str]], laps: int) -> list[list[float]]:
    """The seconds of each lap of each contestant, without the first lap (a warm-up).

    Args:
        script: run as ``python script *contestant``; it must call :func:`serve`.
        contestants: the arguments of each.
        laps: how many laps count.
    """
    workers = [
        subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for arguments in contestants
    ]
    times: list[list[float]] = [[] for _ in workers]
    try:
        for lap in range(laps + 1):
            for worker, seconds in zip(workers, times, strict=True):
                time.sleep(PAUSE)
                assert worker.stdin is not None
                assert worker.stdout is not None
                worker.stdin.write("lap\n")
                worker.stdin.flush()
                answer = worker.stdout.readline()
                if not answer:
                    raise RuntimeError(f"a contestant died: {worker.args!r}")
                if lap:
                    seconds.append(float(json.loads(answer)))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    return times


def serve(step: Callable[[], object], least_seconds: float = 0.4) -> None:
    """Answer each line of standard input with the median seconds of a ``step`` over a lap."""
    step()
    for _ in sys.stdin:
        seconds: list[float] = []
        while sum(seconds) < least_seconds or len(seconds) < 3:
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(median(seconds)), flush=True)
