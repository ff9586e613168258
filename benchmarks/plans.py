"""How good are networks and settings on a text, compared with the choice of `train --minutes`?

With `--minutes` each setting trains for the same time, and what it does not name is chosen as
`--minutes` chooses it. Without, each names its epochs (`epochs=4`): the figures behind the tables
in `charrnn/training/planner.py`, which are in docs/log.md, are of this kind. All settings at the
same time on one core, by processor time, is the fairest: none has a quieter machine.

    python benchmarks/plans.py TEXT ... --minutes 5
    python benchmarks/plans.py TEXT --minutes 1 --only plan gru:1x512 lstm:1x384:lr=5e-3
    python benchmarks/plans.py TEXT --minutes 0.6 --processor --only plan gru:1x256:members=1
    taskset -c 1 python benchmarks/plans.py TEXT --minutes 5 --processor --jobs 9
    python benchmarks/plans.py TEXT --seeds 0 1 2 --jobs 2 --only gru:2x256:epochs=4:lr=5e-3
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import NamedTuple

SETTINGS = (
    "plan",
    "gru:1x256:lr=8e-3",
    "gru:2x256",
    "gru:2x384",
    "gru:1x512:lr=4e-3",
    "gru:1x384",
    "lstm:1x256:lr=8e-3",
    "lstm:2x256:dropout=0.2",
    "gru:1x256:members=2",
)


OWN_TIME = """
import time, runpy
time.monotonic = time.perf_counter = time.process_time
runpy.run_module("charrnn", run_name="__main__", alter_sys=True)
"""
"""Runs charrnn by a clock that stops while other processes have the processor."""


class Trained(NamedTuple):
    """The result of one training; losses in nats a character."""

    best: float  # the lowest validation loss
    passes: float
    train: float  # in its last report
    seconds: float
    plan: str  # the first line of the plan, if there was one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--minutes", type=float, help="minutes of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=0, help="processes; 0: measured")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time, one thread each")
    parser.add_argument("--only", nargs="+", default=list(SETTINGS), metavar="CELL:LxH[:OPTION=V]")
    parser.add_argument(
        "--processor", action="store_true", help="minutes of its own process, which has one thread"
    )
    options = parser.parse_args()
    if options.minutes is None and not all(":epochs=" in setting for setting in options.only):
        parser.error("give --minutes, or :epochs=N with each setting")
    if options.jobs > 1 or options.processor:
        options.threads = 1
    for text in options.texts:
        print(text + (f", {options.minutes:g} minutes" if options.minutes else ""))
        means = {}
        for setting, scores in of_each(text, options):
            means[setting] = mean(trained.best for trained in scores)
            print(f"  {setting:<24} {shown(scores)}  {scores[0].plan}", flush=True)
        plan = means.pop("plan", None)
        if plan is not None and means:
            print(f"  the plan is {plan - min(means.values()):+.4f} from the best of the others")


def of_each(text: str, options: argparse.Namespace) -> Iterator[tuple[str, list[Trained]]]:
    """Each setting with its seeds' trainings, as soon as they are done."""
    with ThreadPoolExecutor(options.jobs) as pool:
        waiting = [
            (s, [pool.submit(train, text, s, options, seed) for seed in options.seeds])
            for s in options.only
        ]
        for setting, futures in waiting:
            yield setting, [future.result() for future in futures]


def shown(scores: list[Trained]) -> str:
    each = " ".join(f"{trained.best:.4f}" for trained in scores)
    if len(scores) > 1:
        each += f" (mean {mean(trained.best for trained in scores):.4f})"
    first = scores[0]
    return f"{each}  after {first.passes:.3g}, train {first.train:.3f}, {first.seconds:.0f} s"


def train(text: str, setting: str, options: argparse.Namespace, seed: int) -> Trained:
    charrnn = ["-c", OWN_TIME] if options.processor else ["-m", "charrnn"]
    command = [sys.executable, *charrnn, "train", text, "--quiet", *arguments(setting)]
    command += ["--seed", str(seed), "--threads", str(options.threads)]
    if options.minutes:
        command += ["--minutes", str(options.minutes)]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        done = subprocess.run(
            [*command, "--out", str(run)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        plan = re.search(r"^plan: (.* reads .*)$", done.stderr, re.MULTILINE)
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    best = min(r["nats"] for r in records if r["event"] == "validation")
    last = [r for r in records if r["event"] == "train"][-1]
    words = plan.group(1) if plan else ""
    return Trained(best, last["epoch"], last["nats"], records[-1]["seconds"], words)


def arguments(setting: str) -> list[str]:
    """The options that a setting such as ``gru:2x256:lr=3e-3`` stands for."""
    if setting == "plan":
        return []
    cell, size, *more = setting.split(":")
    layers, hidden = size.split("x")
    found = ["--cell", cell, "--layers", layers, "--hidden", hidden]
    for option in more:
        name, _, value = option.partition("=")
        found += [f"--{name}", value]
    return found


if __name__ == "__main__":
    main()
