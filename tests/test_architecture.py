"""Imports run one way, what is public is listed, and ARCHITECTURE.md has every package."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "charrnn"
MODULES = {
    ".".join(("charrnn", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
every_module = pytest.mark.parametrize("name", MODULES)

# From the bottom up; a module's place is that of the longest prefix that names it.
RANKS = {
    "charrnn.nn": 0,
    "charrnn.errors": 0,
    "charrnn.engine": 1,
    "charrnn.own_cells": 1,
    "charrnn.optim": 1,
    "charrnn.text": 1,
    "charrnn.files": 1,
    "charrnn.checkpoint": 2,
    "charrnn.gradcheck": 2,
    "charrnn.mpi": 2,
    "charrnn.ranks": 2,
    "charrnn.verdict": 2,
    "charrnn.evaluation": 2,
    "charrnn.baselines": 2,
    "charrnn.sampling": 2,
    "charrnn.explaining": 3,
    "charrnn.tasks": 3,
    "charrnn.runs": 3,
    "charrnn.looking": 4,
    "charrnn.page": 4,
    "charrnn.training": 4,
    "charrnn.exporting": 4,
    "charrnn": 5,
    "charrnn.library": 5,
    "charrnn.cli": 6,
    "charrnn.__main__": 7,
}
# Who may import what from outside: NumPy anywhere, the packages for people in the commands only.
OUTSIDE = {
    "typer": ("charrnn.cli",),
    "rich": ("charrnn.cli",),
    "tqdm": ("charrnn.cli", "charrnn.training.bar"),
    "chardet": ("charrnn.verdict.guess",),
    "matplotlib": ("charrnn.cli.picture",),
    "prompt_toolkit": ("charrnn.cli.interactive",),
    "mpi4py": ("charrnn.mpi",),
    "threadpoolctl": ("charrnn.nn", "charrnn.engine"),
    "safetensors": ("charrnn.exporting.safetensors_file",),
    "torch": ("charrnn.exporting.torch_file",),
    "zstandard": ("charrnn.text.packed",),
    "onnx": ("charrnn.exporting.onnx_file", "charrnn.exporting.onnx_layers"),
}
PAGE = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
NN_BELOW_MODELS = ("charrnn.nn.layers", "charrnn.nn.models")


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imports(name: str) -> Iterator[str]:
    """Every module that a module imports, wherever in it."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                joined = f"{node.module}.{alias.name}"
                yield joined if joined in MODULES else str(node.module)


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def rank(name: str) -> int:
    if name == "charrnn":
        return RANKS[name]
    known = [prefix for prefix in RANKS if prefix != "charrnn" and within(name, prefix)]
    assert known, f"{name} has no place in the house"
    return RANKS[max(known, key=len)]


@every_module
def test_imports_run_one_way(name: str) -> None:
    for target in imports(name):
        top = target.partition(".")[0]
        if target == "charrnn":
            continue  # its version
        if top == "charrnn":
            assert rank(target) <= rank(name), target
        elif top != "numpy" and top not in sys.stdlib_module_names:
            assert any(within(name, place) for place in OUTSIDE[top]), target
        if within(name, "charrnn.nn") and top == "charrnn":
            assert within(target, "charrnn.nn") or target == "charrnn.errors", target
        if within(name, "charrnn.nn.cells"):
            assert not any(within(target, above) for above in NN_BELOW_MODELS), target
        if within(name, "charrnn.text") and top == "charrnn":
            assert within(target, "charrnn.text") or target == "charrnn.errors", target


@every_module
def test_only_commands_print(name: str) -> None:
    """No other module prints, exits, or writes to the standard streams."""
    if within(name, "charrnn.cli"):
        return
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "exit", "quit", "input"), node.lineno
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            spoken = (node.value.id, node.attr)
            assert spoken not in {("sys", n) for n in ("stdout", "stderr", "exit")}, node.lineno


@every_module
def test_public_names_are_listed_in_order(name: str) -> None:
    """CONSTANTS, then Classes, then functions, each alphabetically; and all of them exist."""
    names = [
        node.name
        for node in tree(name).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    module = importlib.import_module(name) if name != "charrnn.__main__" else None
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is None:
        assert names == []
        return
    assert listed == sorted(set(listed), key=lambda n: (not n.isupper(), n[0].islower(), n))
    assert all(hasattr(module, public) for public in listed)


def test_the_architecture_page_has_every_top_level_module() -> None:
    lines = PAGE.splitlines()
    assert len(lines) <= 90
    assert max(map(len, lines)) <= 120
    house = PAGE.partition("## The house")[2].partition("##")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", house, flags=re.MULTILINE)
    mapped = {name.rstrip("/"): begin for places, _, begin in rows for name in names(places)}
    level = {path.name for path in PACKAGE.iterdir() if path.name.endswith(".py") or path.is_dir()}
    assert set(mapped) == level - {"__init__.py", "__main__.py", "__pycache__"}
    for place, begin in mapped.items():
        for name in names(begin):
            assert (PACKAGE / place / name).is_file() or (PACKAGE / name).is_file(), name


def names(cell: str) -> list[str]:
    """The names between backticks."""
    return re.findall(r"`(.*?)`", cell)


def test_the_modules_named_for_ideas_exist() -> None:
    ideas = PAGE.partition("## The ideas")[2].partition("##")[0]
    paths = [name for name in names(ideas) if name.endswith(".py")]
    assert len(paths) > 15
    assert [path for path in paths if not (PACKAGE / path).is_file()] == []


def test_the_architecture_page_draws_the_tested_imports() -> None:
    chain = PAGE.partition("## Imports run one way")[2].split("```")[1]
    levels = [re.findall(r"[\w]+", level) for level in chain.partition("-> (NumPy)")[0].split("->")]
    drawn = {name: rank for rank, level in enumerate(reversed(levels)) for name in level}
    held = {name.removeprefix("charrnn."): rank for name, rank in RANKS.items()}
    assert drawn == {name: rank for name, rank in held.items() if name != "__main__"}
