"""Your own cell from a file: ``my_cell.py:MyCell,option=word``.

:func:`load_cell` runs the file. Nothing else does, except that another process runs it to unpickle
a cell that this function loaded.
"""

import copyreg
import hashlib
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from charrnn.nn.cells.base import Cell
from charrnn.nn.cells.errors import CellError, raised_at, shown
from charrnn.nn.cells.names import UnknownCellError, parse_cell, read_variants

__all__ = ["LoadedCell", "load_cell", "make_cell", "split_cell"]

AnyCell = Cell[Any]

FILE = re.compile(r"(?P<path>.+?\.py)(:(?P<name>[^,]*))?(,(?P<variants>.*))?", re.DOTALL)


@dataclass(frozen=True)
class LoadedCell:
    """A cell and where it comes from."""

    cell: AnyCell
    text: str  # as it was typed
    path: Path  # absolute
    sha256: str  # the hash of the file, in hexadecimal


def split_cell(text: str) -> tuple[str, str, list[str]] | None:
    """Path, class and variants of ``my_cell.py:MyCell,option=word``; None if it names no file.

    The class is empty if none is named. The file is not read.
    """
    match = FILE.fullmatch(text.strip())
    if match is None:
        return None
    variants = match["variants"]
    return (
        match["path"],
        (match["name"] or "").strip(),
        [] if variants is None else [variant.strip() for variant in variants.split(",")],
    )


def make_cell(text: str, hidden_size: int) -> AnyCell:
    """The cell that ``text`` names, built in or from a file.

    Raises:
        UnknownCellError: as for :func:`parse_cell` and :func:`load_cell`.
        CellError: as for :func:`load_cell`.
    """
    if split_cell(text) is not None:
        return load_cell(text, hidden_size).cell
    return parse_cell(text, hidden_size)


def load_cell(text: str, hidden_size: int) -> LoadedCell:
    """Run a file and make the cell that it defines.

    Args:
        text: ``FILE.py:CLASS``, then variants as for a built-in cell.
        hidden_size: H.

    Raises:
        UnknownCellError: there is no such file, class or variant, or the class is not a cell.
        CellError: the file does not run, or the class is not complete.
    """
    parts = split_cell(text)
    if parts is None:
        raise UnknownCellError(f"{text!r} names no file; write FILE.py:CLASS")
    path, variants = Path(parts[0]).resolve(), parts[2]
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UnknownCellError(f"{parts[0]}: {error.strerror or error}") from None
    module = _run(path, source)
    kind = _find(module, parts[0], parts[1])
    options = read_variants(kind, variants)
    try:
        cell = kind(hidden_size, **options)
    except (TypeError, ValueError) as error:
        raise raised_at(error, vars(module), f"{parts[0]}: {kind.__name__}") from error
    return LoadedCell(cell, text, path, _digest(source))


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _module_name(path: Path, sha256: str) -> str:
    """A name for :data:`sys.modules` that only this version of this file has."""
    return "charrnn_cell_" + _digest(f"{path}:{sha256}".encode(errors="surrogateescape"))


def _run(path: Path, source: bytes) -> ModuleType:
    """The module that a file defines; the same one if the file was run before."""
    sha256 = _digest(source)
    name = _module_name(path, sha256)
    if name in sys.modules:
        return sys.modules[name]
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = str(path)
    try:
        # Not by an import, so that what runs is what was hashed, and no old bytecode.
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))  # noqa: S102
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, MemoryError | KeyboardInterrupt):
            raise
        raise raised_at(error, vars(module), shown(str(path))) from error
    for kind_name, kind in _cells(module).items():
        copyreg.pickle(kind, partial(_reduced, path, sha256, kind_name))
    return module


def _cells(module: ModuleType) -> dict[str, type[AnyCell]]:
    """The cells that a module defines, not those it imports."""
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Cell) and kind.__module__ == module.__name__
    }


def _find(module: ModuleType, path: str, name: str) -> type[AnyCell]:
    cells = _cells(module)
    known = [cell for cell, kind in cells.items() if not inspect.isabstract(kind)]
    if name not in cells:
        if not known:
            problem = f"{path} defines no cell: a cell is a class derived from PlainCell"
        elif not name:
            problem = f"{path} needs the name of a class: choose from {', '.join(known)}"
        elif name in vars(module):
            problem = f"{path} defines no cell {name}: choose from {', '.join(known)}"
        else:
            problem = f"{path} has no class {name!r}: choose from {', '.join(known)}"
        raise UnknownCellError(problem)
    if inspect.isabstract(cells[name]):
        missing = ", ".join(sorted(cells[name].__abstractmethods__))
        raise CellError(f"{path}: {name} does not define {missing}")
    return cells[name]


def _reduced(
    path: Path, sha256: str, name: str, cell: AnyCell
) -> tuple[Callable[..., AnyCell], Any]:
    """How a cell is pickled: by its file, which the other process runs as well."""
    options = {option.name: getattr(cell, option.name) for option in fields(cell) if option.init}
    return _restored, (path, sha256, name, options)


def _restored(path: Path, sha256: str, name: str, options: dict[str, Any]) -> AnyCell:
    """The inverse of :func:`_reduced`.

    Raises:
        CellError: the file has changed, or does not run.
        OSError: the file cannot be read.
    """
    module = sys.modules.get(_module_name(path, sha256))
    if module is None:
        source = path.read_bytes()
        if _digest(source) != sha256:
            raise CellError(f"{path} has changed since {name} was loaded from it")
        module = _run(path, source)
    cell: AnyCell = _cells(module)[name](**options)
    return cell
