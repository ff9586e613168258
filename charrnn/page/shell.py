"""The frame of every page: a policy, a style, a body, data and a script, in one file."""

import hashlib
import json
from base64 import b64encode
from html import escape
from string import Template
from typing import Any

from charrnn.page.modules import joined, source

__all__ = ["shell"]


def shell(
    title: str,
    body: str,
    data: Any,
    entry: str,
    *,
    styles: tuple[str, ...] = ("style.css",),
    worker: bool = False,
    **parts: str,
) -> str:
    """A page as text.

    Args:
        title: a text; characters that cannot be shown are replaced by visible signs.
        body: the file of its body, a template of ``$title`` and ``parts``.
        data: JSON, which the script finds in the element ``content``.
        entry: the module that runs.
        styles: the files of its style.
        worker: whether the script may start a thread from memory.
        parts: the rest of the body, as markup.
    """
    shown = escape("".join(c if c.isprintable() else "\ufffd" for c in title))
    style, main = f"\n{''.join(map(source, styles))}", f"\n{joined(entry)}"
    policy = {
        "default-src": "'none'",
        "script-src": _hash(main),
        "style-src": _hash(style),
        **({"worker-src": "blob:"} if worker else {}),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return Template(source("shell.html")).substitute(
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        title=shown,
        style=style,
        body=Template(source(body)).substitute(parts, title=shown),
        content=json.dumps(data, separators=(",", ":")).replace("<", r"\u003c"),
        main=main,
    )


def _hash(text: str) -> str:
    """What a policy allows: this text only."""
    digest = b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
