"""How good is the network of a plan on six sets of rows, compared with other tools?

    CHARRNN_CORPORA=... python benchmarks/rows.py [NAME]... [--minutes 2] [--seeds 3]

Each NAME is trained by ``charrnn train --minutes`` in one process, once for each seed, and the
report on the test part is printed with its baseline; then the tools of benchmarks/outside.py run
without a time limit. The corpora are those of benchmarks/tasks.py. Of ``speakers`` and
``capitals`` only the training parts were used for decisions.
"""

import argparse
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean

import outside
import tasks

Files = tuple[str, str, str, str]  # the task; training, validation and test file

WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
PARTS = 0.7, 0.85
"""Where the training part and the validation set end."""

MESSAGES, LONGEST = 4500, 25
FIRST_NAMES = {"Tom", "Mary", "John", "Bill", "Jack", "Mike", "Jim", "Alice", "Ken", "Bob"}
CASES: list[Callable[[str], str]] = [str.lower, str.lower, str.upper, str, str]
PRONOUNS = {"he", "she", "He", "She", "him", "her"}


def in_parts(folder: Path, name: str, task: str, rows: Sequence[str]) -> Files:
    """Rows in random order, in three files."""
    rows = random.Random(0).sample(rows, len(rows))
    a, b = (int(part * len(rows)) for part in PARTS)
    return in_files(folder, name, task, rows[:a], rows[a:b], rows[b:])


def in_files(folder: Path, name: str, task: str, *parts: Iterable[str]) -> Files:
    """The training, validation and test rows, each in a file."""
    suffix = "tsv" if task == "classify" else "conll"
    files = [folder / f"{name}-{part}.{suffix}" for part in ("train", "val", "test")]
    for file, rows in zip(files, parts, strict=True):
        file.write_text("".join(rows), encoding="utf-8")
    train, val, test = map(str, files)
    return task, train, val, test


def questions(folder: Path) -> Files:
    """TREC's coarse labels; the validation set is a tenth of its training file."""
    train, test = (
        [
            f"{text.strip()}\t{label.partition(':')[0]}\n"
            for label, _, text in (line.partition(" ") for line in lines)
        ]
        for lines in questions_of("train", "test")
    )
    train = random.Random(0).sample(train, len(train))
    return in_files(folder, "questions", "classify", train[545:], train[:545], test)


def questions_of(*parts: str) -> list[list[str]]:
    """The lines of TREC's files."""
    source = tasks.corpora() / "trec-question-class"
    return [(source / f"{part}.txt").read_text(encoding="latin-1").splitlines() for part in parts]


def names(folder: Path) -> Files:
    """Surnames by nationality, each pair once."""
    return in_parts(folder, "names", "classify", list(dict.fromkeys(tasks.name_rows())))


def speakers(folder: Path) -> Files:
    """Which of the ten characters who speak most in Shakespeare's plays says a row."""
    text = (tasks.corpora() / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    speeches = [block.partition(":\n")[::2] for block in text.split("\n\n") if ":\n" in block]
    most = {who for who, _ in Counter(who for who, _ in speeches).most_common(10)}
    rows = [f"{' '.join(said.split())}\t{who}\n" for who, said in speeches if who in most]
    return in_parts(folder, "speakers", "classify", rows)


def atis(folder: Path) -> Files:
    """Parts of speech in questions about flights."""
    source = tasks.corpora() / "ud-english-atis-pos"
    train, val, test = (str(source / f"en_atis-ud-{p}.conllu") for p in ("train", "dev", "test"))
    return "tag", train, val, test


def capitals(folder: Path) -> Files:
    """TREC's questions in lower case: which words have a capital, or are all capitals."""
    rows = []
    for line in questions_of("train")[0]:
        kinds = [
            (word.lower(), "A" if len(word) > 1 and word.isupper() else "C" * word[:1].isupper())
            for word in line.split()[2:]
        ]
        rows.append("".join(f"{word}\t{kind or 'l'}\n" for word, kind in kinds) + "\n")
    return in_parts(folder, "capitals", "tag", [row for row in dict.fromkeys(rows) if row.strip()])


def messages(folder: Path) -> Files:
    """Carelessly written sentences with surnames; the test's surnames are not in training."""
    draw = random.Random(0)
    surnames = sorted(
        {n for n in (row.split("\t")[0] for row in tasks.name_rows()) if " " not in n}
    )
    surnames = draw.sample(surnames, len(surnames))
    text = (tasks.corpora() / "tatoeba-eng-fra" / "eng-fra.tsv").read_text(encoding="utf-8")
    english = list(dict.fromkeys(line.split("\t")[0] for line in text.splitlines()))
    sentences = [WORD.findall(line) for line in draw.sample(english, len(english))]
    sentences = [tokens for tokens in sentences if 4 <= len(tokens) < LONGEST][:MESSAGES]
    a, b = (int(part * MESSAGES) for part in PARTS)
    half = len(surnames) // 2
    return in_files(
        folder,
        "messages",
        "tag",
        *(
            [message(tokens, own, draw) for tokens in part]
            for part, own in (
                (sentences[:a], surnames[:half]),
                (sentences[a:b], surnames[half:]),
                (sentences[b:], surnames[half:]),
            )
        ),
    )


def message(tokens: Sequence[str], surnames: Sequence[str], draw: random.Random) -> str:
    """A sentence as CoNLL: names replace some of its words, and there are slips of the pen."""
    case = draw.choice(CASES)
    rows: list[tuple[str, str]] = []
    for token in tokens:
        if token in FIRST_NAMES or (token in PRONOUNS and draw.random() < 0.25):
            rows.append((draw.choice(surnames), "B-PER"))
            if draw.random() < 0.5:
                rows.append((draw.choice(surnames), "I-PER"))
        else:
            rows.append((token, "O"))
    rows = [(slip(case(token), draw), name) for token, name in rows]
    if draw.random() < 0.3:
        rows.insert(0, (f"@{draw.choice(surnames).lower()}{draw.randrange(99)}", "O"))
    return "".join(f"{token}\t{name}\n" for token, name in rows) + "\n"


def slip(token: str, draw: random.Random) -> str:
    """Sometimes exchange two letters."""
    if len(token) < 4 or draw.random() > 0.03:
        return token
    k = draw.randrange(len(token) - 1)
    return token[:k] + token[k + 1] + token[k] + token[k + 2 :]


SETS: dict[str, Callable[[Path], Files]] = {
    f.__name__: f for f in (questions, names, speakers, atis, messages, capitals)
}


def main() -> None:
    """Print a paragraph for each set of rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", choices=[*SETS, []], metavar="NAME")
    parser.add_argument("--minutes", default="2")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for name in options.names or SETS:
        folder = Path(tempfile.mkdtemp(prefix="charrnn-rows-"))
        task, train, val, test = SETS[name](folder)
        arguments = (train, "--val", val, "--test", test, "--task", task, "--threads", "1")
        reports = [
            tasks.train(folder, name, *arguments, "--minutes", options.minutes, seed=seed)[1]
            for seed in range(options.seeds)
        ]
        for measure in ("span F1", "token accuracy", "accuracy", "macro-F1"):
            found = [report[measure] for report in reports if measure in report]
            if found:
                print(f"{name}: {measure} {mean(found):.4f} ({min(found):.4f} to {max(found):.4f})")
        {"classify": outside.classify, "tag": outside.tag}[task](train, test)


if __name__ == "__main__":
    main()
