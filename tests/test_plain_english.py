"""No word of the project's old dialect in texts for people; each has a plain replacement."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from support import ROOT

PLAIN = {
    r"\b[Yy]ardsticks?\b": "baseline",
    r"\bheld[ -]out\b|\bholds? out\b": "validation set, or test part",
    r"(?<!forward )(?<!backward )\bpasses over\b|\d passes\b|\bpass(?:es)? (?:over|through) the": (
        "epoch"
    ),
    r"(?<!learning )\b(?:the|a|peak|lower|higher|lowered|whose) rate\b(?! of)": "learning rate",
    r"\bby heart\b": "memorise",
    r"(?:^|[.!?] )Of (?:a|an|the|all|every|each|such|no|what|so|this|these|one)\b": (
        "begin with the subject: 'For a text, ...'"
    ),
    r"\b(?:is|are|was) (?:said|told|meant)\b": "name who says it, or say it",
    r"\bof so many\b|\bso many (?!of)\w+ (?:at|or|and|,)|: so many\b": "this many, or the number",
    r"(?<!no )\bsuch\b(?! as\b)(?! an?\b)": "like this, or name it",
    r"\b(?:go|goes|going|went) on\b": "continue",
    r"\bflatter(?:s|ed|ing)?\b": "too good, or too low",
    r"\bstands? (?:in|beside|before|there|twice|at|between)\b": "is in, is beside",
    r"\Astands?\Z": "is, or are",  # chosen by number, for the middle of a message
    r"\bmend(?:s|ed|ing)?\b": "fix, or repair",
    r"\bspoilt\b": "damaged",
    r"\banew\b": "again",
    r"\bamiss\b": "wrong",
    r"\bteach(?:es)?\b": "train, or memorise",
    r"(?<![Tt]here )\b(?:is|are) no (?!longer\b|more\b|better\b|worse\b|one\b)[a-z]": "is not a",
    r"\bsquared deviations\b": "squared error",
    r"\bfull pass\b": "leave it out",
    r"\bgradients are off\b": "comparisons failed",
    r"\bthe rows that (?:validate|test|train)\b": "the validation rows",
    r"\bto (?:train|validate|test) (?:on|with) (?:is|are|has|have)\b": "the training rows",
    r"\bits author's own\b(?! cell)": "your own cell",
}
"""Patterns that must not occur, and what to write instead."""

DOCSTRINGS = PLAIN | {
    r"\bso (?:many|often)\b(?!,? that\b)": "this many, or the number",
    r"; nothing (?:if|where|without)\b": "None if, or empty if",
    r"\btold (?:how|what|which)\b": "called with",
    r"\A\.\.\.": "explain each constant by itself",
    r"^Of \w": "begin with the subject",
}
"""The same for docstrings, which readers of the code read."""

NAMES = ("held-out end", "held-out repeats")
"""Names for programs, which ``charrnn inspect`` shows as other words."""

VERBS = ("stand", "stands")
"""Single words that messages contain; others are names for programs."""

DOCUMENTS = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md", "checkpoints/README.md"),
    *("docs/notebooks/README.md", "tests/fixtures/help.txt"),
    *sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "docs").glob("*.md")
        if path.name != "log.md"
    ),
]


class Found(NamedTuple):
    """A word of the dialect."""

    line: int
    word: str
    plain: str


def dialect(text: str, patterns: Mapping[str, str] = PLAIN) -> Iterator[tuple[int, str, str]]:
    """Each word's offset in a text, the word, and what to write."""
    for pattern, plain in patterns.items():
        for found in re.finditer(pattern, text, re.MULTILINE):
            yield found.start(), found[0], plain


def messages(source: str) -> Iterator[tuple[int, str]]:
    """The texts of a module that users may see: its strings of several words, except docstrings."""
    tree = ast.parse(source)
    apart: set[int] = set()  # docstrings, and the pieces of f-strings
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            apart |= {id(part) for part in ast.walk(node) if part is not node}
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            apart.add(id(node.value))
    for node in ast.walk(tree):
        text = ""
        if id(node) in apart:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            text = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        if (len(text.split()) > 1 or text in VERBS) and text not in NAMES:
            yield node.lineno, text  # type: ignore[attr-defined]


def flowing(text: str) -> str:
    """A text whose paragraphs are one line each."""
    return re.sub(r"(?<=[^\n|:])\n(?=[a-zA-Z(`*])", " ", text)


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """The docstrings of a module, its classes, functions and constants, without code in them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = re.sub(r"\n +", "\n", str(node.value.value))
            yield node.lineno, flowing(re.sub(r"(?::\w+:)?(`+)[^`]*\1", "``", text))


FOLDERS = sorted({path.parent for path in ROOT.glob("charrnn/**/*.py")})


@pytest.mark.parametrize(("texts", "words"), [(messages, PLAIN), (docstrings, DOCSTRINGS)])
@pytest.mark.parametrize("folder", FOLDERS)
def test_messages_and_docstrings_are_plain(
    folder: Path, texts: Callable[[str], Iterator[tuple[int, str]]], words: Mapping[str, str]
) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word!r}: {plain}"
        for path in sorted(folder.glob("*.py"))
        for line, text in texts(path.read_text("utf-8"))
        for _, word, plain in dialect(text, words)
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_plain(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    # Lines of a paragraph are one text; what a command prints and commands are held by others.
    text = re.sub(r"(?ms)^```.*?^```", lambda block: "\n" * block[0].count("\n"), text)
    text = re.sub(r"`[^`\n]*`", lambda code: "`" * len(code[0]), text)  # names are as they are
    lines = [0, *(found.end() for found in re.finditer("\n", text))]
    found = [
        f"{name}:{sum(at >= begin for begin in lines)}: {word!r}: {plain}"
        for at, word, plain in dialect(flowing(text))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "more than 5 passes would teach by heart: about 1.7 minutes",
        "Of every random draw.",
        "best: 1.851 nats/char (full pass in 58 lanes)",
        "train 0.4689 ½ squared deviations/row",
        "1 gradients are off",
        "stands",
        "Yardsticks, which know the training text",
        "on what was held out",
        "how the rate falls",
        "the file is no checkpoint",
    ],
)
def test_the_old_dialect_is_found(text: str) -> None:
    assert [*dialect(text)]


@pytest.mark.parametrize(
    "text",
    [
        "... and so many updates.",
        "None.\n\n    Args:\n        tell: told what to say.",
        "Of lines.",
    ],
)
def test_the_old_dialect_is_found_in_docstrings(text: str) -> None:
    ((_, found),) = docstrings(f'"""{text}"""')
    assert [*dialect(found, DOCSTRINGS)]


@pytest.mark.parametrize(
    "text",
    [
        "every forward and backward pass is written by hand",
        "Peak learning rate. Dropout rate. The character error rate",
        "such as names, and titles; no such file",
        "of no use; is no longer there",
    ],
)
def test_plain_english_is_not(text: str) -> None:
    assert not [*dialect(text)]
