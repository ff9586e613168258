r"""``\n`` in texts of one line: a line end, or a backslash and an n."""

from pathlib import Path

import pytest

from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.generate import GenerateData
from charrnn.text.backslashes import are_escapes, nothing_else, unescaped


@pytest.mark.parametrize(
    ("texts", "escapes"),
    [
        ([r"X:1\nK:D\nabc\n"], True),
        ([r"roses\nviolets", r"and\nmore"], True),
        ([r"\\nabla is written so"], True),
        ([r"\nabla f \neq 0"], False),
        ([r"\nu is \alpha"], False),
        ([r"C:\new\names"], False),
        ([r"C:\new"], False),
        ([r"re.compile('\d+\n')"], False),
        (["a real\nline end", r"and \n"], False),
        ([*[r"line\nline"] * 9, r"¯\_(ツ)_/¯"], True),
        (["plain"], True),
    ],
)
def test_a_file_tells_whether_it_escapes(texts: list[str], escapes: bool) -> None:
    assert are_escapes(texts) is escapes


def test_line_ends_and_backslashes_are_read() -> None:
    assert unescaped(r"a\nb\\nc\td\\\n") == "a\nb\\nc\\td\\\n"


@pytest.mark.parametrize(
    ("text", "task", "expected", "said"),
    [
        (r"a \neq b", "auto", r"a \neq b", "20 of '\\n' stay as they are"),
        (r"a \neq b", "yes", "a \neq b", "20 of '\\n' became line ends"),
        (r"one\ntwo", "auto", "one\ntwo", "20 of '\\n' became line ends"),
        (r"one\ntwo", "no", r"one\ntwo", ""),
        (r"one\\ntwo", "auto", r"one\ntwo", ""),
        (r"\nabla\nand", "auto", "\\nabla\nand", "20 of '\\n' became line ends"),
    ],
)
def test_a_generator_follows_the_escapes_setting(
    tmp_path: Path, text: str, task: str, expected: str, said: str
) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("".join(f"{'pq'[k % 2]}\t{text} {k}\n" for k in range(20)))
    data = GenerateData(Paths((str(path),)), Config.of("generate", escapes=task))
    assert all(row.right.startswith(expected) for row in data.rows.train)
    assert any(said in note for note in data.notes) is bool(said)


def test_what_looks_like_a_command_is_a_line_end_among_many() -> None:
    """If there is no other backslash, and ten times as many plain line ends."""
    plain, odd = [r"a\nb"] * 11, [r"a\neg b"]
    assert nothing_else(plain + odd)
    assert not nothing_else(plain[1:] + odd)
    assert not nothing_else([*plain, *odd, r"\d"])
    assert not nothing_else([*plain, *odd, r"\\"])
    assert not nothing_else(odd)
    assert not nothing_else([])
