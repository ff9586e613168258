"""Line ends in a text of one line: whether ``\n`` stands for a line end, and how it is read."""

import re
from collections.abc import Iterable

__all__ = ["are_escapes", "count_line_ends", "nothing_else", "unescaped"]

COMMAND = (
    r"\\n(?:abla|atural|cong|e|earrow|eg|eq|ewcommand|ewline|exists|geq|leq|mid|oindent|onumber|ot"
    r"|otag|otin|parallel|prec|subset|subseteq|succ|warrow|ode)(?![A-Za-z])"  # LaTeX
    r"|(?<![A-Za-z])[A-Za-z]:\\n\S*"  # a path: C:\new\names
)
"""What contains a backslash and an n, but is not a line end."""

MANY = 10

ESCAPE = re.compile(rf"(?P<kept>{COMMAND})|\\(?P<sign>[n\\])")
SIGNS = re.compile(rf"(?P<kept>{COMMAND})|\\[n\\]|(?P<other>\\)")


def are_escapes(texts: Iterable[str]) -> bool:
    r"""Whether, in these texts, ``\n`` stands for a line end and ``\\`` for a backslash.

    It does unless backslashes are used otherwise: a text contains a real line end, or there are as
    many backslashes that begin something else (``\alpha``, ``\d``) as there are ``\n``. Neither
    ``\nabla`` nor ``C:\new`` counts as a line end.
    """
    line_ends = others = kept = 0
    for text in texts:
        if "\n" in text:
            return False
        for match in SIGNS.finditer(text):
            line_ends += match[0] == r"\n"
            kept += match["kept"] is not None
            others += match["other"] is not None
    return line_ends > others or not (others or kept)


def nothing_else(texts: Iterable[str]) -> bool:
    r"""Whether even the beginning of ``\nabla`` or ``C:\new`` is a line end.

    That is so where there are no other backslashes, and :data:`MANY` times as many plain ``\n``.
    """
    found = [match for text in texts for match in SIGNS.finditer(text)]
    kept = sum(match["kept"] is not None for match in found)
    others = sum(match[0] != r"\n" and match["kept"] is None for match in found)
    return not others and len(found) > (MANY + 1) * kept


def count_line_ends(text: str, *, all_of_them: bool = False) -> int:
    r"""How many ``\n`` in a text :func:`unescaped` takes for line ends."""
    return sum("\n" in _sign(match, all_of_them=all_of_them) for match in ESCAPE.finditer(text))


def unescaped(text: str, *, all_of_them: bool = False) -> str:
    r"""A text with ``\n`` as line ends and ``\\`` as backslashes; others stay as they are.

    Args:
        all_of_them: whether ``\n`` is a line end even in ``\nabla`` or ``C:\new``.
    """
    return ESCAPE.sub(lambda match: _sign(match, all_of_them=all_of_them), text)


def _sign(match: re.Match[str], *, all_of_them: bool) -> str:
    if match["sign"]:
        return "\n" if match["sign"] == "n" else "\\"
    return match[0].replace(r"\n", "\n") if all_of_them else match[0]
