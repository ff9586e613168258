"""Line ends in a text of one line: whether ``\n`` stands for one, and reading it."""

import re
from collections.abc import Iterable

__all__ = ["are_escapes", "count_line_ends", "unescaped"]

ESCAPE = re.compile(r"\\(n|\\)")
MEANT = re.compile(
    r"\\(?:"
    r"n(?:abla|atural|cong|e|earrow|eg|eq|ewcommand|ewline|exists|geq|leq|mid|oindent|onumber|ot"
    r"|otag|otin|parallel|prec|subset|subseteq|succ|warrow|ode)(?![A-Za-z])"  # LaTeX
    r"|[^n\\]"  # any other command, \t, \d, ...
    r"|$)"
    r"|(?<![A-Za-z])[A-Za-z]:\\n"  # a drive: C:\new
)
"""A backslash that is one."""


def are_escapes(texts: Iterable[str]) -> bool:
    r"""Whether, in these texts, ``\n`` stands for a line end and ``\\`` for a backslash.

    It does unless backslashes are used otherwise: a text has a line end of its own, or there are
    as many backslashes that begin something else (``\alpha``, ``\nabla``, ``\d``, ``C:\new``) as
    there are ``\n``.
    """
    line_ends = others = 0
    for text in texts:
        if "\n" in text:
            return False
        single = text.replace("\\\\", "")
        meant = MEANT.findall(single)
        others += len(meant)
        line_ends += single.count("\\n") - sum("\\n" in one for one in meant)
    return not others or others < line_ends


def count_line_ends(text: str) -> int:
    r"""How many ``\n`` in a text are line ends (and not a doubled backslash and an n)."""
    return sum(match[1] == "n" for match in ESCAPE.finditer(text))


def unescaped(text: str) -> str:
    r"""A text with ``\n`` as line ends and ``\\`` as backslashes; others stay as they are."""
    return ESCAPE.sub(lambda match: "\n" if match[1] == "n" else "\\", text)
