"""JavaScript modules as one script, in the order in which they need each other."""

import re
from importlib.resources import files

__all__ = ["joined", "source"]

IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export \{[^}]*\};\n", re.MULTILINE)


def source(name: str) -> str:
    """The text of one of the page's files."""
    return (files("charrnn.page") / name).read_text(encoding="utf-8")


def joined(entry: str) -> str:
    """A module and all that it imports, each once, without the import and export lines.

    They share one scope, in which their top-level names must differ.
    """
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        text = source(name)
        for needed in IMPORT.findall(text):
            if needed not in parts:
                add(needed)
        parts[name] = f"// {name}\n\n{EXPORT.sub('', IMPORT.sub('', text)).strip()}\n"

    add(entry)
    return "\n".join(parts.values())
