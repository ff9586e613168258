"""What `train --minutes` chooses, beside what other networks reach in the same time.

Each setting trains for the same number of minutes, alone on the machine; everything that is not
named is chosen as `--minutes` chooses it. The tables in `charrnn/training/planner.py` come from
this.

    python benchmarks/plans.py TEXT ... --minutes 5
    python benchmarks/plans.py TEXT --minutes 1 --only plan gru:1x512 lstm:1x384:lr=5e-3
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SETTINGS = (
    "plan",
    "gru:1x256:lr=8e-3",
    "gru:1x512:lr=4e-3",
    "gru:2x384",
    "lstm:1x256:lr=8e-3",
    "lstm:2x256:dropout=0.2",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=0, help="of each training; 0: measured")
    parser.add_argument("--only", nargs="+", default=list(SETTINGS), metavar="CELL:LxH[:OPTION=V]")
    options = parser.parse_args()
    for text in options.texts:
        print(f"{text}, {options.minutes:g} minutes")
        reached: dict[str, list[float]] = {}
        for setting in options.only:
            scores = [train(text, setting, options, seed) for seed in options.seeds]
            reached[setting] = [nats for nats, _ in scores]
            shown = " ".join(f"{nats:.4f}" for nats in reached[setting])
            print(f"  {setting:<24} {shown}  {scores[0][1]}", flush=True)
        means = {setting: sum(nats) / len(nats) for setting, nats in reached.items()}
        plan = means.pop("plan", None)
        if plan is not None and means:
            print(
                f"  the plan is {plan - min(means.values()):+.4f} nats from the best of the others"
            )


def train(text: str, setting: str, options: argparse.Namespace, seed: int) -> tuple[float, str]:
    """The best validation loss in nats a character, and the plan's first line."""
    command = [sys.executable, "-m", "charrnn", "train", text, "--quiet", *arguments(setting)]
    command += ["--minutes", str(options.minutes), "--seed", str(seed)]
    command += ["--threads", str(options.threads)]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        done = subprocess.run(
            [*command, "--out", str(run)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        plan = re.search(r"^plan: (.*)$", done.stderr, re.MULTILINE)
        records = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
        best = min(record["nats"] for record in records if record["event"] == "validation")
    return best, plan.group(1) if plan else ""


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
