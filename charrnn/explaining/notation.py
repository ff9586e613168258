"""The equations in the letters of the code: ``a_i = x·W_xi + h_prev·W_hi + b_i``."""

import re

from charrnn.explaining.equations import SYMBOLS, Equation

__all__ = ["meaning", "plain", "symbols_of"]

WORDS = {
    r"\sum_t ": "Σ ",
    r"\sum": "Σ",
    r"\big": "",
    r"\ ": " ",
    r"\ln": "ln",
    r"\tanh": "tanh",
    r"\sigma": "σ",
    r"\varphi": "φ",
    r"\mid": "|",
    r" \cdot ": "·",
    r" \odot ": "⊙",
    r"^\top": "ᵀ",
    "^2": "²",
}
NAMED = re.compile(r"\\(?:mathrm|text)\{(\w+)\}")
ARROW = re.compile(r"\\overleftarrow\{(\w+)\}")
INDEX = re.compile(r"_(?:\{((?:[^{}]|\{[^{}]*\})*)\}|(\w))")
BRACED = re.compile(r"\^\{([^{}]*)\}")
FRACTION = re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}")
SYMBOL = re.compile(r"φ'\(a\)|(?<![A-Za-z_])←?[A-Za-z]+(?:_[A-Za-z]+)?")
FUNCTIONS = {"tanh", "ReLU", "ln", "cell"}


def plain(latex: str, step: int | None = None) -> str:
    """A formula, or a part of one, in plain letters.

    Args:
        step: the number of the step t, except in sums over t; without it ``h_t`` is h and
            ``h_{t-1}`` is h_prev.
    """
    names = ("", "prev") if step is None else (str(step), str(step - 1))
    if step is not None and r"\sum_t" in latex:
        names = ("t", "t-1")

    def index(match: re.Match[str]) -> str:
        inside = match[1] or match[2]
        parts = [INDEX.sub(index, part) for part in inside.split(",")]
        shown = [{"t": names[0], "t-1": names[1]}.get(part, part) for part in parts]
        return "_" + ",".join(filter(None, shown)) if any(shown) else ""

    text = ARROW.sub(r"←\1", NAMED.sub(r"\1", latex))
    for word, letters in WORDS.items():
        text = text.replace(word, letters)
    text = BRACED.sub(r"^\1", INDEX.sub(index, text))
    return FRACTION.sub(r"\1 / \2", text)


def symbols_of(equation: Equation) -> list[str]:
    """The symbols of an equation in plain letters, in their order."""
    found = SYMBOL.findall(plain(equation.latex))
    return [symbol for symbol in dict.fromkeys(found) if symbol not in FUNCTIONS]


def meaning(symbol: str) -> str:
    """What a symbol of :func:`symbols_of` stands for, in words.

    Raises:
        KeyError: there is no such symbol.
    """
    base = symbol.removesuffix("_prev")
    if base != symbol:
        return f"{meaning(base)}, from the step before"
    if symbol in SYMBOLS:
        return SYMBOLS[symbol]
    if symbol.startswith("←"):
        return f"{meaning(symbol[1:])}, as later steps send it back"
    if symbol.startswith("d"):
        return f"gradient of the loss by {symbol[1:]}"
    letters, _, gate = symbol.partition("_")
    if gate in ("j", "k", "v"):
        return f"{SYMBOLS[letters]}number {gate}"
    whole = symbol[:-1] if len(gate) > 1 else letters
    return f"{SYMBOLS[whole]}: the block of {gate[-1]}, {SYMBOLS[gate[-1]]}"
