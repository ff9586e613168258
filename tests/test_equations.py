"""Everything docs/equations.md refers to exists, and it covers all of the notes."""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from charrnn.gradcheck import check_all, chosen_cells

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")

# Every heading of the notes, in their order. (The notes themselves are not part of this project.)
HEADINGS = {
    "000": [
        "Math Essentials",
        "Types of probability spaces",
        "Expected value",
        "Expected value in continuous spaces",
        "Variance",
        "Covariance",
        "Correlation",
        "Complement rule",
        "Product rule",
        "Rule of total probability",
        "Independence",
        "Bayes rule",
        "Some Linear algebra knowledge",
        "Vector arithmetic",
        "Matrix arithmetic",
        "Vector projection",
        "Linear Regression",
        "Nonlinear Regression",
        "Sigmoid Function",
        "Cost function",
        "Gradient",
        "Softmax Regression",
        "Cost function (crossentropy)",
        "Gradient",
        "tanh",
        "ReLU",
        "RNN (Recurrent Neural Network)",
        "LSTM",
        "Overview of LSTM cell",
        "Details of LSTM cell",
        "Intuition",
        "New memory generation",
        "Input Gate",
        "Forget Gate",
        "Final memory generation",
        "Output/Exposure Gate",
        "Equations",
        "How LSTM backward propagation works?",
        "GRU",
        "Overview of GRU cell",
        "Details of GRU cell",
        "Intuition",
        "New memory generation",
        "Reset Gate",
        "Update Gate",
        "Hidden state",
        "Equations",
        "TODO: more RNN network and math",
        "Thanks to",
    ],
    "001": [
        "Recurrent Neural Network",
        "1. Model",
        "2. Backpropagation Through Time",
        "3. RNN Extensions",
        "Bidirectional RNNs",
        "Deep (Bidirectional) RNNs",
        "4. Applications",
        "1. Language Model",
        "2. Machine Translation",
        "Reference",
    ],
    "002": [
        "Recurrent Neural Network",
        "Handle Sequential data",
        "Memory",
        "Sample RNN with Numerical input",
        "Assume",
        "Random Assumption",
        "Step 1 - Calculations for hidden state",
        "Analogy",
        "Limitation",
        "Long Short term Memory",
        "Components",
        "Analogy LSTM",
        "LSTM mathematical Formulas",
        "Forget gate",
        "Input gate",
        "Candidate cell state",
        "Update the Cell state",
        "Output gate",
        "Hidden state",
    ],
    "003": [
        "RNN Notation",
        "RNN Forward Propagation",
        "RNN Backpropagation through Time",
        "Different Types of RNN",
        "Many-to-many architecture",
        "Name entity recognition",
        "Machine translation",
        "Many-to-one architecture",
        "Sentiment classification",
        "One-to-one architecture",
        "One-to-many architecture",
        "music generation",
        "Gated Recurrent Unit (GRU)",
        "Long Short-Term Memory (LSTM)",
        "Deep RNN",
    ],
}
CREDITED = ("Howbert", "Stanford", "Kalchbrenner", "Jozefowicz", "Olah", "Karpathy", "Mallya")

TENSOR = re.compile(r"((body|head|condition)\.[\w.]+|[hc]0\.\d|x)")
TEST = re.compile(r"test_\w+")


def part(title: str) -> str:
    """The text below a heading that begins like this, up to the next of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}.*\n", DOCUMENT, flags=re.MULTILINE)
    assert found, title
    end = re.search(rf"^#{{2,{len(found[1])}}} ", DOCUMENT[found.end() :], flags=re.MULTILINE)
    return DOCUMENT[found.end() :][: end.start() if end else None]


def table(number: int, note: str) -> list[list[str]]:
    """The rows of the table for one note, cell by cell."""
    lines = part(f"15.{number} Note {note}").splitlines()
    rows = [
        line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines if "|" in line
    ]
    assert rows[0] == [f"note {note}", "section", "code", "proof"]
    return rows[2:]


def rows() -> list[list[str]]:
    return [row for number, note in enumerate(HEADINGS, start=1) for row in table(number, note)]


def names(text: str) -> list[str]:
    """The names between backticks, except in blocks of formulas."""
    text = re.sub(r"^```math\n.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`]+)`", text)


def resolve(name: str) -> Any:
    """The object of a dotted name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return found
    raise ModuleNotFoundError(name)


@cache
def labels() -> frozenset[str]:
    """The rows of ``charrnn gradcheck``, on the smallest networks."""
    cells = chosen_cells(None, hidden_size=1)
    small = check_all(cells, seq_len=2, num_layers=(1,), methods=("complex",))
    return frozenset(check.label for check in small)


@cache
def known_tests() -> frozenset[str]:
    """The names of all tests."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py")]
    return frozenset(re.findall(r"^def (test_\w+)\(", "\n".join(texts), flags=re.MULTILINE))


def proofs() -> list[str]:
    """The proofs from section 2 on: each from **Proof** to the end of its paragraph."""
    text = DOCUMENT[DOCUMENT.index("\n## 2. ") :]
    return re.findall(r"\*\*Proof\*\*(.*?)(?=\n\n|\n```|\*\*Source|\*\*Code|\Z)", text, re.DOTALL)


def test_every_row_of_the_table_is_complete() -> None:
    for row in rows():
        assert len(row) == 4, row
        assert all(row), row
        heading_only = row[2] == "—"
        assert (row[3] == "—") == heading_only, row
        assert names(row[2]) or heading_only, row
        assert names(row[3]) or heading_only, row


@pytest.mark.parametrize("note", HEADINGS)
def test_every_heading_of_the_notes_has_a_row_in_their_order(note: str) -> None:
    number = list(HEADINGS).index(note) + 1
    bold = [h for row in table(number, note) for h in re.findall(r"\*\*(.+?)\*\*", row[0])]
    assert bold == HEADINGS[note]


def test_every_name_in_the_tables_exists() -> None:
    found = [name for row in rows() for name in names(row[2])]
    assert len(set(found)) > 40
    for name in found:
        assert name.startswith("charrnn."), name
        assert resolve(name) is not None, name


def test_every_function_after_code_exists() -> None:
    """A short name after a dotted one is of the same module or class; so is ``.backward``."""
    places = re.findall(
        r"\*\*Code\*\*(.*?)(?=\*\*Proof|\*\*Source|\n\n|\n```|\Z)", DOCUMENT, re.DOTALL
    )
    assert len(places) > 20
    for text in places:
        last = ""
        for name in names(text):
            if name.startswith("charrnn."):
                resolve(name)
                last = name
            elif last and re.fullmatch(r"\.?[a-z_]+", name):
                resolve(last.rpartition(".")[0] + "." + name.removeprefix("."))


def test_every_proof_exists() -> None:
    told = {name for row in rows() for name in names(row[3])}
    assert len(told) > 40
    assert not {name for name in told if TEST.fullmatch(name)} - known_tests()
    assert not {name for name in told if not TEST.fullmatch(name)} - labels()


def test_every_proof_in_the_text_exists() -> None:
    """In backticks there are only rows of the gradient check, tests, and tensors."""
    told = [name for text in proofs() for name in names(text)]
    assert len(set(told)) > 25
    words = {"bias=false", "lstm,", "gru,", "dstate"}  # of sentences about them
    known = labels() | known_tests() | words
    assert not [name for name in told if name not in known and not TENSOR.fullmatch(name)]


def test_every_row_of_the_gradient_check_is_in_the_document() -> None:
    """Except for the variants without biases, which are named together."""
    told = set(names(DOCUMENT))
    assert not {label for label in labels() if "bias=false" not in label} - told


def test_every_section_exists() -> None:
    headings = re.findall(r"^##+ ([\d.]+?)\.? ", DOCUMENT, flags=re.MULTILINE)
    assert len(set(headings)) == len(headings)
    chapters = [int(h) for h in headings if "." not in h]
    assert chapters == list(range(1, len(chapters) + 1))
    told = [number for row in rows() for number in row[1].split(", ")]
    told = [number for number in told if number != "—"]
    told += re.findall(r"[Ss]ections? (\d+(?:\.\d+)?)", DOCUMENT.replace("section 4.2 (a", ""))
    assert not set(told) - set(headings)


def test_the_contents_are_the_chapters() -> None:
    contents = re.findall(r"\[(\d+) [^\]]+\]\(#([\w-]+)\)", DOCUMENT.partition("\n## ")[0])
    titles = re.findall(r"^## (.+)$", DOCUMENT, flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert [anchor for _, anchor in contents] == anchors
    assert [int(number) for number, _ in contents] == list(range(1, len(titles) + 1))


def test_acknowledged_sources_are_credited() -> None:
    credited = part("15.5 Credited, not built")
    assert all(name in credited for name in CREDITED)


def test_formulas_are_complete() -> None:
    """Every block is closed, with matching braces and environments."""
    assert DOCUMENT.count("```") % 2 == 0
    for block in re.findall(r"```math\n(.*?)```", DOCUMENT, flags=re.DOTALL):
        assert re.sub(r"\\[{}]", "", block).count("{") == re.sub(r"\\[{}]", "", block).count("}")
        begun = re.findall(r"\\begin\{(\w+)\}", block)
        assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", block))
        assert block.count(r"\left") - block.count(r"\leftarrow") == block.count(r"\right") - (
            block.count(r"\rightarrow")
        )
