"""Imports run one way, and what is public is listed."""

import ast
import importlib
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
    "charrnn.yardsticks": 2,
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
def test_only_commands_speak(name: str) -> None:
    """No print, no exit, and no writing to the standard streams elsewhere."""
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
    """CONSTANTS, then Classes, then functions, each by the alphabet; and all of them exist."""
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
