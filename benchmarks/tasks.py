"""How good are the tasks with their defaults, on test parts that were not used for any choice?

    python benchmarks/tasks.py [NAME]... [--seeds N] [--folder FOLDER]

Each NAME trains by ``charrnn train``, in its own process, and prints the measures of its report on
the test part, those of the baselines and the time it took. Without names it runs all, those on the
project's own data first. The others need ``CHARRNN_CORPORA``, a folder with
``trec-question-class``, ``ud-english-atis-pos``, ``names-nationality``, ``tatoeba-eng-fra`` and
``irish-abc``; files converted from them are written to FOLDER.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SYMBOLS = 1 << 9  # of names: code points; larger ones count as one

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
sys.path[:0] = [str(DATA), str(ROOT)]

import abc_notation  # noqa: E402
import tunes as our_tunes  # noqa: E402

from charrnn.baselines.ngrams import KneserNey  # noqa: E402
from charrnn.runs.model import load_model  # noqa: E402
from charrnn.tasks.classify import classify  # noqa: E402


def corpora() -> Path:
    """The folder of corpora that are not part of the project."""
    try:
        return Path(os.environ["CHARRNN_CORPORA"])
    except KeyError:
        sys.exit("set CHARRNN_CORPORA to the folder that holds the corpora")


def train(folder: Path, name: str, *arguments: str, seed: int = 0) -> tuple[Path, dict[str, Any]]:
    """Train once; return the run's folder and its report on the test part."""
    run = folder / f"{name}-seed{seed}"
    command = [sys.executable, "-m", "charrnn", "train", *arguments, "--quiet"]
    command += ["--seed", str(seed), "--out", str(run)]
    begun = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    seconds = time.monotonic() - begun
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    report = [json.loads(line) for line in lines if '"test"' in line][-1]
    extra = re.findall(r"^ {2}(with a beam.*)$", done.stderr, re.M)
    shown = {k: v for k, v in report.items() if k not in ("step", "schema", "event", "seconds")}
    print(f"{name}, seed {seed}, {seconds:.0f} s: {json.dumps(shown)}", *extra, flush=True)
    return run, report


def median_of(folder: Path, name: str, measure: str, seeds: int, *arguments: str) -> None:
    """The median over seeds of one measure."""
    values = [train(folder, name, *arguments, seed=seed)[1][measure] for seed in range(seeds)]
    print(f"{name}: median {measure} of {seeds}: {statistics.median(values):.4f}")


def dates(folder: Path, seeds: int) -> None:
    train_file, test = str(DATA / "dates-train.tsv"), str(DATA / "dates-test.tsv")
    train(folder, "dates", train_file, "--task", "translate", "--test", test)


def spans(folder: Path, seeds: int) -> None:
    files = (str(DATA / "spans-train.conll"), "--test", str(DATA / "spans-test.conll"))
    for directions in ("both", "forward"):
        task = f"tag,directions={directions}"
        train(folder, f"spans-{directions}", *files, "--task", task)


def depth(folder: Path, seeds: int) -> None:
    files = (str(DATA / "depth-train.conll"), "--test", str(DATA / "depth-test.conll"))
    train(folder, "depth", *files, "--task", "tag")


def polarity(folder: Path, seeds: int) -> None:
    files = (str(DATA / "polarity-train.tsv"), "--test", str(DATA / "polarity-test.tsv"))
    train(folder, "polarity", *files, "--task", "classify")


def series(folder: Path, seeds: int) -> None:
    train(folder, "series", str(DATA / "ar.csv"), "--task", "forecast")


def our_own_tunes(folder: Path, seeds: int) -> None:
    run, _ = train(folder, "our-tunes", str(DATA / "tunes.tsv"), "--task", "generate")
    count_tunes(run, our_tunes.problems, 20)


def questions(folder: Path, seeds: int) -> None:
    """Coarse labels: the part before the colon. The files are Latin-1."""
    source = corpora() / "trec-question-class"
    files = []
    for part in ("train", "test"):
        rows = []
        for line in (source / f"{part}.txt").read_text(encoding="latin-1").splitlines():
            label, _, text = line.partition(" ")
            rows.append(f"{text.strip()}\t{label.partition(':')[0]}\n")
        files.append(folder / f"questions-{part}.tsv")
        files[-1].write_text("".join(rows), encoding="utf-8")
    arguments = (str(files[0]), "--task", "classify", "--test", str(files[1]))
    median_of(folder, "questions", "accuracy", seeds, *arguments)


def tags(folder: Path, seeds: int) -> None:
    source = corpora() / "ud-english-atis-pos"
    train_file, val, test = (
        str(source / f"en_atis-ud-{part}.conllu") for part in ("train", "dev", "test")
    )
    for directions in ("both", "forward"):
        train(
            folder,
            f"tags-{directions}",
            *(train_file, "--task", f"tag,directions={directions}", "--val", val, "--test", test),
        )


def names_file(folder: Path) -> Path:
    """``name<TAB>nationality``, each pair once."""
    target = folder / "names.tsv"
    target.write_text("".join(dict.fromkeys(name_rows())), encoding="utf-8")
    return target


def name_rows() -> list[str]:
    """``name<TAB>nationality``, including repeated rows."""
    return [
        f"{name}\t{path.stem}\n"
        for path in sorted((corpora() / "names-nationality").glob("*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if (name := line.replace("\xa0", " ").strip())
    ]


def names(folder: Path, seeds: int) -> None:
    train(folder, "names", str(names_file(folder)), "--task", "classify")


def generated_names(folder: Path, seeds: int, each: int = 200) -> None:
    """Names written for each nationality, judged by the classifier of real names."""
    file = names_file(folder)
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    swapped = folder / "nationalities.tsv"
    swapped.write_text("".join(f"{label}\t{name}\n" for name, label in rows), encoding="utf-8")
    judge_run, _ = train(folder, "names-judge", str(file), "--task", "classify")
    writer_run, _ = train(folder, "names-generate", str(swapped), "--task", "generate")
    judge, writer = (load_model(run / "best.npz") for run in (judge_run, writer_run))
    known = {name for name, _ in rows}
    real = held_out(judge_run, rows)
    recalls, kept, new = [], [], []
    for number, label in enumerate(writer.spec.labels):
        texts = writer.sample(label=label, n=each, temperature=0.8, seed=number, max_copy=0)
        new.append(sum(text not in known for text in texts) / each)
        recalls.append(recall(judge, real[label], label) if real[label] else float("nan"))
        kept.append(recall(judge, texts, label))
    weights = [len(real[label]) for label in writer.spec.labels]
    ours, theirs = np.average(kept, weights=weights), np.average(recalls, weights=weights)
    print(
        f"names generated: recognised {ours:.3f} beside {theirs:.3f} of real ones held out "
        f"({ours / theirs:.2f}), weighted as the real ones are; plain means "
        f"{np.mean(kept):.3f} beside {np.nanmean(recalls):.3f}; not in the file {np.mean(new):.3f}"
    )
    for label, a, b, c in zip(writer.spec.labels, kept, recalls, new, strict=True):
        print(f"  {label}: {a:.2f} beside {b:.2f}, new {c:.2f}")


def held_out(run: Path, rows: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """The names of the classifier's test part, by nationality."""
    from charrnn.tasks.base import Paths
    from charrnn.tasks.classify import ClassifyData
    from charrnn.tasks.config import Config

    config: Config = load_model(run / "best.npz").config
    test = ClassifyData(Paths((str(run.parent / "names.tsv"),)), config).rows.test
    found: dict[str, list[str]] = {label: [] for _, label in rows}
    for row in test:
        found[row.right].append(row.left)
    return found


def recall(judge: Any, texts: Sequence[str], label: str) -> float:
    """The part of the texts that the classifier assigns to this label."""
    y = classify(judge, texts)
    return float(np.mean(y.argmax(axis=1) == judge.spec.labels.index(label)))


def listed_names(folder: Path, seeds: int, count: int = 2000) -> None:
    """Names written by a model of a list: how many are in the list, how likely the others are."""
    rng = random.Random(1)
    names = [line.split("\t")[0] for line in name_rows()]
    rng.shuffle(names)
    held, listed = names[: len(names) // 10], names[len(names) // 10 :]
    known, fresh = set(listed), [name for name in held if name not in set(listed)]
    file = folder / "list.txt"
    file.write_text("".join(f"{name}\n" for name in listed), encoding="utf-8")
    judge = KneserNey(as_symbols(held), SYMBOLS, 4)
    print(f"held out: {1 - len(fresh) / len(held):.3f} are of the list")
    for seed in range(min(seeds, 3)):
        run, _ = train(folder, "list", str(file), "--lines", seed=seed)
        model = load_model(run / "best.npz")
        for words, max_copy in (("by default", None), ("any", 0)):
            text = model.sample(length=9 * count, seed=seed, max_copy=max_copy)
            lines = list(model.lines(count, seed=seed, max_copy=max_copy))
            for kind, found in (("text", text.split("\n")[:-1]), ("lines", lines)):
                new = [name for name in found if name and name not in known]
                symbols = as_symbols(new)
                nats = -np.log(judge.probabilities(symbols, 1)[0]).mean()
                print(
                    f"  {words}, {kind}: {1 - len(new) / len(found):.3f} of {len(found)} are of "
                    f"the list; the others cost {nats:.3f} nats a character by those held out, and "
                    f"have {statistics.mean(map(len, new)):.1f}"
                )


def as_symbols(names: Sequence[str]) -> Any:
    """Lines as the numbers of their characters."""
    text = "\n" + "".join(f"{name}\n" for name in names)
    return np.minimum(np.frombuffer(text.encode("utf-32-le"), dtype="<u4"), SYMBOLS - 1)


def translate(folder: Path, seeds: int) -> None:
    """The 20,000 shortest pairs."""
    text = (corpora() / "tatoeba-eng-fra" / "eng-fra.tsv").read_text(encoding="utf-8")
    pairs = [line.split("\t")[:2] for line in text.split("\n") if line]
    pairs.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
    file = folder / "english-french.tsv"
    file.write_text("".join(f"{a}\t{b}\n" for a, b in pairs[:20000]), encoding="utf-8")
    train(folder, "translate", str(file), "--task", "translate")


def tunes(folder: Path, seeds: int) -> None:
    r"""Each tune on a line, ``key<TAB>text``, its line ends as ``\n``; no number, no title."""
    text = (corpora() / "irish-abc" / "irish.abc").read_text(encoding="utf-8", errors="replace")
    rows = []
    for tune in abc_notation.split_tunes(text):
        lines = [line.strip() for line in tune.split("\n") if not re.match("[XTZ]:", line)]
        key = abc_notation.key_of(tune)
        if key:
            rows.append(f"{key}\t" + "\\n".join(line for line in lines if line) + "\n")
    file = folder / "tunes.tsv"
    file.write_text("".join(rows), encoding="utf-8")

    def problems(label: str, text: str, *, completed: bool) -> list[str]:
        found = abc_notation.check_tune(text, completed=completed)
        return found if abc_notation.key_of(text) == label else [*found, "another key"]

    common = [key for key, _ in Counter(row.split("\t")[0] for row in rows).most_common(6)]
    for seed in range(min(seeds, 3)):
        run, _ = train(folder, "tunes", str(file), "--task", "generate", seed=seed)
        for completed in (False, True):
            print(
                "  a bar cut short by a pickup must be completed" if completed else "  bars filled"
            )
            faults = partial(problems, completed=completed)
            for temperature in (None, 0.8, 0.5, 0.3):
                count_tunes(run, faults, 50, common, temperature)
            print("  one text for each that is asked for (--best-of 1)")
            for temperature in (None, 0.8):
                count_tunes(run, faults, 50, common, temperature, best_of=1)


def count_tunes(
    run: Path,
    problems: Callable[[str, str], Sequence[str]],
    each: int,
    keys: Sequence[str] | None = None,
    temperature: float | None = None,
    best_of: int | None = None,
) -> None:
    """How many tunes of each key are without faults."""
    model = load_model(run / "best.npz")
    good = total = 0
    wrong: Counter[str] = Counter()
    for seed, key in enumerate(keys or model.spec.labels):
        for text in model.sample(
            label=key, n=each, temperature=temperature, best_of=best_of, seed=seed
        ):
            found = problems(key, text)
            good += not found
            total += 1
            wrong.update(re.sub(r"\d+", "N", problem) for problem in found[:1])
    shown = "by default" if temperature is None else temperature
    print(f"  temperature {shown}: {good} of {total} tunes valid ({good / total:.3f})")
    print(f"    {wrong.most_common(3)}")


OURS = (dates, spans, depth, polarity, series, our_own_tunes)
OTHERS = (questions, tags, names, generated_names, listed_names, translate, tunes)


def main(arguments: Iterator[str] | None = None) -> None:
    every = {function.__name__: function for function in (*OURS, *OTHERS)}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", choices=[*every, []], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of figures that are medians")
    parser.add_argument(
        "--folder", type=Path, default=None, help="folder of runs and converted files"
    )
    options = parser.parse_args(list(arguments) if arguments is not None else None)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="charrnn-tasks-"))
    folder.mkdir(parents=True, exist_ok=True)
    for name in options.names or every:
        every[name](folder, options.seeds)


if __name__ == "__main__":
    main()
