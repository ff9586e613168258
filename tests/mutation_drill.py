"""Alter every line of every backward pass, one at a time, and see that a check turns red.

    python tests/mutation_drill.py [--function NAME] [--trust] [--list] [--workers N]

A check that no error can fail proves nothing. So each statement of the hand-written backward passes
is dropped, and altered in every way of :func:`alterations`: a sign flipped, a term left out, an
index shifted, two gates exchanged, a constant or a condition changed. The gradient check runs on
each altered network first (the complex step: exact, fast), then the tests of :data:`TESTS`.

What survives is either a hole in the checks, or an alteration that changes nothing: those are in
:data:`ALLOWED`, each with its reason. The exit status is 1 if anything else survives, or if an
entry of that list is no longer needed.

The parent has NumPy and pytest loaded but never imports ``charrnn``; every mutant is a fork of it
that imports the package with one module altered on the way. Nothing is written to disk.
"""

import argparse
import ast
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeVar

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [*sorted((ROOT / "charrnn" / "nn").rglob("*.py")), ROOT / "charrnn" / "engine.py"]
TESTS = [  # the quick ones first
    "tests/test_backward_gaps.py",
    "tests/test_misuse.py",
    "tests/test_engine.py",
    "tests/test_properties.py",
    "tests/test_networks.py",
    "tests/test_ensemble.py",
    "tests/test_torch_parity.py",
    "tests/test_conformance.py",
]
ALSO = {
    "weight_gradients",
    "transpose",
    "dstate",
    "scatter_rows",
    "softmax_cross_entropy",
    "sigmoid_cross_entropy",
    "normalised_cross_entropy",
    "squared_error",
    "SequenceModel.cross_entropy",
    "sum_loss",
    "part",
    "add_gradients",
    "_dfeatures",
    "_handed_back",
    "_weights",
    "turned",
    "Saved.back",
    "clear",
}
"""Functions of a backward pass without ``backward`` in their name."""

STATELESS = {"attention", "head", "linear", "losses", "ops", "readouts"}
"""Modules that do not depend on the cell: the simplest cell is enough to check them."""

DROPPED = "(dropped)"
SECONDS = 180
"""Seconds of processor time for the checks of a mutant, which a busy machine does not use up."""

PATIENCE = 10
"""The limit of elapsed time, as a multiple, for a mutant that waits for ever."""

COMPARED = "the lengths were compared just before"
INDEPENDENT = "the turns of the loop, or the assignments, do not depend on each other"
SCRATCH = "only scratch memory is chosen differently"
TWO_ORDERS = "an exchange of two axes is one in either order"
TWO_AXES = "the logits have two axes: 1 is the last"
REST = "to NumPy any negative size means: whatever is left"
NARROWING = "tells the type checker what cannot happen"
BOTH_OR_NEITHER = "both directions read the same: symbols, or vectors"
BOTH_FORMULAS = "near zero one formula is as good as the other; far from it one overflows"
NOTHING = "an assignment to no rows"
EITHER_WAY = "both ways give the same sums; the choice is one of speed"

ALLOWED: dict[tuple[str, str, str], str] = {
    (
        "Ensemble.sum_loss",
        "for k, g in enumerate(self.parts(gradients)):",
        "for k, g in reversed(list(enumerate(self.parts(gradients)))):",
    ): INDEPENDENT,
    (
        "Cell.transpose",
        "for name, (W, _) in self.matrices(w).items():",
        "for name, (W, _) in reversed(list(self.matrices(w).items())):",
    ): INDEPENDENT,
    (
        "Cell.transpose",
        "s.transposed[name] = StepProduct(W.swapaxes(1, 2), len(s.u), workspace, name)",
        "s.transposed[name] = StepProduct(W.swapaxes(2, 1), len(s.u), workspace, name)",
    ): TWO_ORDERS,
    (
        "Attention.backward",
        "dmemory = np.matmul(s.share.swapaxes(1, 2), by_lane)",
        "dmemory = np.matmul(s.share.swapaxes(2, 1), by_lane)",
    ): TWO_ORDERS,
    (
        "Attention.backward",
        "dmemory += np.matmul(dscore.swapaxes(1, 2), s.query.transpose(1, 0, 2))",
        "dmemory += np.matmul(dscore.swapaxes(2, 1), s.query.transpose(1, 0, 2))",
    ): TWO_ORDERS,
    (
        "Attention.backward",
        "dquery = np.ascontiguousarray("
        "np.matmul(dscore, s.memory.transpose(1, 0, 2)).swapaxes(0, 1))",
        "dquery = np.ascontiguousarray("
        "np.matmul(dscore, s.memory.transpose(1, 0, 2)).swapaxes(1, 0))",
    ): TWO_ORDERS,
    (
        "Attention.backward",
        "dscore = np.multiply(dshare, s.share, out=dshare)",
        "dscore = np.multiply(dshare, s.share)",
    ): SCRATCH,
    (
        "GRU.backward",
        "d, slope, u, dh = (s.d[:, :k], s.slope[:2, :k], s.u[:k], s.dh[:k])",
        "d, slope, u, dh = (s.d[:, :k], s.slope[1:, :k], s.u[:k], s.dh[:k])",
    ): SCRATCH,
    (
        "GRU.backward",
        "d, slope, u, dh = (s.d[:, :k], s.slope[:2, :k], s.u[:k], s.dh[:k])",
        "d, slope, u, dh = (s.d[:, :k], s.slope[1:2 + 1, :k], s.u[:k], s.dh[:k])",
    ): SCRATCH,
    (
        "GRU.weight_gradients",
        "h_prev, da, m = (rows(s.h[:-1]), s.a.reshape(3, -1, size), rows(s.m))",
        "h_prev, da, m = (rows(s.h[:-1]), s.a.reshape(3, -2, size), rows(s.m))",
    ): REST,
    (
        "LSTM.backward",
        "d, slope = (s.d[:, :n], s.slope[:, :n])",
        "d, slope = (s.slope[:, :n], s.d[:, :n])",
    ): SCRATCH,
    (
        "LSTM.backward",
        "d, slope = (s.d[:, :n], s.slope[:, :n])",
        "slope, d = (s.d[:, :n], s.slope[:, :n])",
    ): SCRATCH,
    (
        "LSTM.weight_gradients",
        "h_prev, da = (rows(s.h[:-1]), s.a.reshape(4, -1, size))",
        "h_prev, da = (rows(s.h[:-1]), s.a.reshape(4, -2, size))",
    ): REST,
    (
        "Recurrent.backward",
        "for running, final in zip(s.dstate(), dstate or (0,) * len(s.dstate()), strict=True):",
        "for running, final in "
        "reversed(list(zip(s.dstate(), dstate or (0,) * len(s.dstate()), strict=True))):",
    ): INDEPENDENT,
    (
        "Recurrent.backward",
        "for running, final in zip(s.dstate(), dstate or (0,) * len(s.dstate()), strict=True):",
        "for running, final in zip(s.dstate(), dstate or (0,) * len(s.dstate()), strict=False):",
    ): COMPARED,
    ("Stack.backward", "if dx is None:", DROPPED): NARROWING,
    (
        "Stack.backward",
        "raise ValueError('only the first layer may read symbols')",
        DROPPED,
    ): NARROWING,
    (
        "project_backward",
        "da = da.reshape(gates, -1, size)",
        "da = da.reshape(gates, -2, size)",
    ): REST,
    (
        "project_backward",
        "scatter_rows(x.reshape(-1), da, by_gate(dW, size))",
        "scatter_rows(x.reshape(-2), da, by_gate(dW, size))",
    ): REST,
    (
        "affine_backward",
        "scatter_rows(x.reshape(-1), rows(dy), dW)",
        "scatter_rows(x.reshape(-2), rows(dy), dW)",
    ): REST,
    (
        "softmax_cross_entropy",
        "logits -= logits.real.max(axis=-1, keepdims=True)",
        "logits -= logits.real.max(axis=1, keepdims=True)",
    ): TWO_AXES,
    (
        "softmax_cross_entropy",
        "total = logits.sum(axis=-1, keepdims=True)",
        "total = logits.sum(axis=1, keepdims=True)",
    ): TWO_AXES,
    (
        "softmax_cross_entropy",
        "nats = np.log(total[:, 0]) - target_logits",
        "nats = np.log(total[:, -1]) - target_logits",
    ): "the sums are one column: its first is its last",
    ("SequenceModel._features_backward", "if dfeatures is None:", DROPPED): NARROWING
    + "; a stack without layers returns the same",
    ("SequenceModel._features_backward", "return (None, ())", DROPPED): NARROWING
    + "; a stack without layers returns the same",
    (
        "Body.backward",
        "if self.embedding_size and dx is not None:",
        "if self.embedding_size:",
    ): NARROWING,
    (
        "Body.backward",
        "scatter_rows(saved.x.reshape(-1), rows(dx), g['embedding.W'])",
        "scatter_rows(saved.x.reshape(-2), rows(dx), g['embedding.W'])",
    ): REST,
    (
        "Conditional.sum_loss",
        "for name, layer, part in self._tables():",
        "for name, layer, part in reversed(list(self._tables())):",
    ): INDEPENDENT,
    ("Saved.back", "if n < len(self.u):", "if n <= len(self.u):"): NOTHING,
    (
        "Bidirectional.backward",
        "if dx is not None and dx_back is not None:",
        "if dx is not None or dx_back is not None:",
    ): BOTH_OR_NEITHER,
    (
        "Bidirectional.backward",
        "if dx is not None and dx_back is not None:",
        "if dx is not None:",
    ): BOTH_OR_NEITHER,
    (
        "Bidirectional.backward",
        "if dx is not None and dx_back is not None:",
        "if dx_back is not None:",
    ): BOTH_OR_NEITHER,
    (
        "sigmoid_cross_entropy",
        "positive = logits.real > 0",
        "positive = logits.real >= 0",
    ): BOTH_FORMULAS,
    (
        "sigmoid_cross_entropy",
        "positive = logits.real > 0",
        "positive = logits.real > 1",
    ): BOTH_FORMULAS,
    (
        "sigmoid_cross_entropy",
        "positive = logits.real > 0",
        "positive = logits.real > -1",
    ): BOTH_FORMULAS,
    (
        "SequenceModel.part",
        "number = np.full(batch.size, -1)",
        "number = np.full(batch.size, -2)",
    ): "any number below zero says: in another part",
    (
        "Head.sum_loss",
        "if g is not None and (not len(x)):",
        "if g is not None:",
    ): "where there are rows, the zeros are overwritten",
    (
        "Head.sum_loss",
        "g['W'][...], g['b'][...] = (0, 0)",
        "g['b'][...], g['W'][...] = (0, 0)",
    ): INDEPENDENT,
    (
        "SequenceModel.sum_loss",
        "dfeatures = self._dfeatures(parameters, saved) if gradients is not None else None",
        "dfeatures = self._dfeatures(parameters, saved)",
    ): "a buffer that nothing reads where no gradients are asked for",
    (
        "SequenceModel.sum_loss",
        "flat = dfeatures.reshape(-1, dfeatures.shape[-1])",
        "flat = dfeatures.reshape(-2, dfeatures.shape[-1])",
    ): REST,
    (
        "SequenceModel.sum_loss",
        "if dfeatures is not None and drows is not None:",
        "if dfeatures is not None or drows is not None:",
    ): NARROWING,
    (
        "SequenceModel.sum_loss",
        "if dfeatures is not None and drows is not None:",
        "if dfeatures is not None:",
    ): NARROWING,
    (
        "SequenceModel.sum_loss",
        "if dfeatures is not None and drows is not None:",
        "if drows is not None:",
    ): NARROWING,
    (
        "Translator.sum_loss",
        "total = self.head.sum_loss(parameters.scope('head'), "
        "None if gradients is None else gradients.scope('head'), flat, "
        "batch.targets.reshape(-1), batch.weights.reshape(-1), "
        "None if d is None else d.reshape(flat.shape), workspace)",
        "total = self.head.sum_loss(parameters.scope('head'), "
        "None if gradients is None else gradients.scope('head'), flat, "
        "batch.targets.reshape(-2), batch.weights.reshape(-1), "
        "None if d is None else d.reshape(flat.shape), workspace)",
    ): REST,
    (
        "Translator.sum_loss",
        "total = self.head.sum_loss(parameters.scope('head'), "
        "None if gradients is None else gradients.scope('head'), flat, "
        "batch.targets.reshape(-1), batch.weights.reshape(-1), "
        "None if d is None else d.reshape(flat.shape), workspace)",
        "total = self.head.sum_loss(parameters.scope('head'), "
        "None if gradients is None else gradients.scope('head'), flat, "
        "batch.targets.reshape(-1), batch.weights.reshape(-2), "
        "None if d is None else d.reshape(flat.shape), workspace)",
    ): REST,
    (
        "Translator.sum_loss",
        "flat = attended.reshape(-1, attended.shape[-1])",
        "flat = attended.reshape(-2, attended.shape[-1])",
    ): REST,
    (
        "Translator.sum_loss",
        "if gradients is None or d is None:",
        "if gradients is None and d is None:",
    ): NARROWING,
    (
        "Translator.sum_loss",
        "if gradients is None or d is None:",
        "if gradients is None:",
    ): NARROWING,
    (
        "Translator.sum_loss",
        "if gradients is None or d is None:",
        "if d is None:",
    ): NARROWING,
    (
        "SequenceModel._weights",
        "return None if weights is None else weights.reshape(-1)",
        "return None if weights is None else weights.reshape(-2)",
    ): REST,
    (
        "scatter_rows",
        "if vocab_size <= ONE_HOT_LIMIT:",
        "if vocab_size < ONE_HOT_LIMIT:",
    ): EITHER_WAY,
    (
        "scatter_rows",
        "for one_d, one_out in zip(d, out, strict=True):",
        "for one_d, one_out in reversed(list(zip(d, out, strict=True))):",
    ): INDEPENDENT,
    (
        "scatter_rows",
        "for one_d, one_out in zip(d, out, strict=True):",
        "for one_d, one_out in zip(d, out, strict=False):",
    ): "both come from one layer, with as many gates",
}
"""(function, statement, altered statement), as ``--list`` prints them: why no check can tell."""


Node = TypeVar("Node", bound=ast.AST)

# What is altered


@dataclass(frozen=True)
class Mutant:
    """One alteration of one statement."""

    path: Path
    tree: ast.Module = field(repr=False)
    function: str
    line: int
    source: str  # the first line of the statement
    altered: str
    target: ast.AST = field(repr=False)
    replacement: ast.AST = field(repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.function, self.source, self.altered

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    def compile(self) -> CodeType:
        """The code of the altered module."""
        tree = substitute(self.tree, self.target, self.replacement)
        return compile(ast.fix_missing_locations(tree), str(self.path), "exec")


def substitute(root: Node, target: ast.AST, replacement: ast.AST) -> Node:
    """A copy of ``root`` with one of its nodes replaced."""
    return deepcopy(root, {id(target): replacement})


def first_line(node: ast.AST) -> str:
    """A statement in a normal form, without nested statements."""
    return ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]


def mutants_of(path: Path) -> Iterator[Mutant]:
    """All alterations of the backward passes in one module, in the order of its lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function, definition in backward_passes(tree):
        for statement in statements(definition.body):
            source = first_line(statement)
            seen = {source}
            for target, replacement in alterations(statement):
                copy = substitute(statement, target, replacement)
                altered = DROPPED if isinstance(copy, ast.Pass) else first_line(copy)
                if altered not in seen:
                    seen.add(altered)
                    yield Mutant(
                        path,
                        tree,
                        function,
                        statement.lineno,
                        source,
                        altered,
                        target,
                        replacement,
                    )


def backward_passes(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions and methods to alter, by qualified name."""
    for outer in tree.body:
        name = f"{outer.name}." if isinstance(outer, ast.ClassDef) else ""
        for inner in outer.body if isinstance(outer, ast.ClassDef) else [outer]:
            if isinstance(inner, ast.FunctionDef) and (
                "backward" in inner.name or not ALSO.isdisjoint({inner.name, name + inner.name})
            ):
                yield name + inner.name, inner


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement, including nested ones, except docstrings."""
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        yield statement
        for block in ("body", "orelse"):
            yield from statements(getattr(statement, block, []))


def own_nodes(statement: ast.AST) -> Iterator[ast.AST]:
    """The nodes of one statement, without its annotation and without nested statements."""
    for name, value in ast.iter_fields(statement):
        if name == "annotation":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.stmt):
                yield child
                yield from own_nodes(child)


# How it is altered: (node, what stands there instead)

Alteration = tuple[ast.AST, ast.AST]

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}
IN_PLACE = OPERATORS | {ast.Mult: ast.Div, ast.Div: ast.Mult}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
FUNCTIONS = {"add": "subtract", "subtract": "add", "greater": "greater_equal", "zeros": "ones"}
COMMUTATIVE = {"np.add", "np.maximum", "np.multiply", "np.result_type", "max", "min"}
NEGATED = {"np.multiply", "np.matmul", "np.sum"}


def alterations(statement: ast.stmt) -> Iterator[Alteration]:
    """Every way to alter one statement."""
    yield statement, ast.Pass()
    if isinstance(statement, ast.AugAssign):
        yield statement, replace_operator(statement, IN_PLACE[type(statement.op)]())
        yield statement, overwrite(statement)
    if isinstance(statement, ast.If):
        yield statement.test, negated(statement.test)
    if isinstance(statement, ast.For):
        for text in ("list(_)[1:]", "list(_)[:-1]", "reversed(list(_))"):
            yield statement.iter, fill(text, statement.iter)
    for node in own_nodes(statement):
        yield from alter_expression(node)
        if isinstance(node, ast.Call):
            bare = isinstance(statement, ast.Expr) and statement.value is node
            yield from alter_call(node, bare)
        if isinstance(node, ast.Subscript):
            yield from shift_index(node.slice)


def alter_expression(node: ast.AST) -> Iterator[Alteration]:
    """Signs, terms, constants, conditions and order."""
    match node:
        case ast.BinOp(left, op, right):
            if type(op) in OPERATORS:
                yield node, ast.BinOp(left, OPERATORS[type(op)](), right)
            yield node, left
            yield node, right
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield node, operand
        case ast.BoolOp(op, values):
            yield node, ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for value in values:
                yield node, value
        case ast.IfExp(test, body, orelse):
            yield test, negated(test)
            yield node, body
            yield node, orelse
        case ast.Compare(left, [op], [right]) if type(op) in COMPARISONS:
            yield node, ast.Compare(left, [COMPARISONS[type(op)]()], [right])
        case ast.Constant(bool() as value):
            yield node, ast.Constant(not value)
        case ast.Constant(int() as value):
            yield node, ast.Constant(value + 1)
            yield node, ast.Constant(value - 1)
        case ast.Tuple(elements, context):
            for swapped in adjacent_swaps(elements):
                yield node, ast.Tuple(swapped, context)
        case ast.Attribute(ast.Name("np"), name) if name in FUNCTIONS:
            yield node, fill(f"np.{FUNCTIONS[name]}")
        case ast.Attribute(value, "T"):
            yield node, value


def alter_call(call: ast.Call, bare: bool) -> Iterator[Alteration]:
    """Operands exchanged, left out, negated, transposed; results written elsewhere."""
    name, args, keywords = ast.unparse(call.func), call.args, call.keywords
    if name not in COMMUTATIVE:
        for swapped in adjacent_swaps(args):
            yield call, ast.Call(call.func, swapped, keywords)
    if name in ("np.add", "np.subtract", "np.multiply"):
        for kept in args:
            yield call, ast.Call(fill("np.positive"), [kept], keywords)
    if name in NEGATED:
        yield args[0], fill("np.negative(_)", args[0])
    if name == "np.copyto":
        yield args[1], fill("np.negative(_)", args[1])
    if name == "np.matmul":
        left, right = args
        for operand in args:
            if not is_transposed(operand):
                yield operand, fill("_.T", operand)
        if isinstance(left, ast.Attribute) and is_transposed(left):
            yield call, ast.Call(call.func, [fill("_.T", right), left.value], keywords)
    if name == "reversed" or (name.endswith(".copy") and not args):
        yield call, call.func.value if isinstance(call.func, ast.Attribute) else args[0]
    if not bare:  # as a statement of its own it would be as good as dropped
        rest = [keyword for keyword in keywords if keyword.arg != "out"]
        if rest != keywords:
            yield call, ast.Call(call.func, args, rest)


def shift_index(index: ast.expr) -> Iterator[Alteration]:
    """One step later, one step earlier, the neighbouring window, or the rest of the axis."""
    match index:
        case ast.Tuple(elements):
            for element in elements:
                yield from shift_index(element)
        case ast.Name():
            yield index, fill("_ + 1", index)
            yield index, fill("_ - 1", index)
        case ast.Slice(None, ast.expr() as upper, None):
            if ast.unparse(upper) != "-1":
                yield index, ast.Slice(fill("1"), fill("_ + 1", upper))
            yield index, ast.Slice(upper, None)
            yield index, ast.Slice(fill("1"), None)
        case ast.Slice(ast.expr() as lower, None, None):
            yield index, ast.Slice(fill("_ - 1", lower), fill("-1"))
            yield index, ast.Slice(None, lower)
        case ast.Slice(ast.expr() as lower, ast.expr() as upper, None):
            yield index, ast.Slice(fill("_ + 1", lower), fill("_ + 1", upper))
            yield index, ast.Slice(fill("_ - 1", lower), fill("_ - 1", upper))


def fill(text: str, hole: ast.AST | None = None) -> ast.expr:
    """An expression from text, with ``hole`` in place of ``_``."""
    root = ast.parse(text, mode="eval").body
    for node in ast.walk(root):
        if isinstance(node, ast.Name) and node.id == "_" and hole is not None:
            return substitute(root, node, hole)
    return root


def negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def is_transposed(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "T"


def replace_operator(statement: ast.AugAssign, op: ast.operator) -> ast.AugAssign:
    return ast.AugAssign(statement.target, op, statement.value)


def overwrite(statement: ast.AugAssign) -> ast.Assign:
    """``x += y`` without its first term: ``x[...] = y``, in place as before."""
    if isinstance(statement.target, ast.Subscript):
        return ast.Assign([statement.target], statement.value)
    array = fill(ast.unparse(statement.target))
    return ast.Assign([ast.Subscript(array, ast.Constant(...), ast.Store())], statement.value)


def adjacent_swaps(items: list[ast.expr]) -> Iterator[list[ast.expr]]:
    """The list with two neighbours exchanged, for each pair of neighbours."""
    for k in range(len(items) - 1):
        yield [*items[:k], items[k + 1], items[k], *items[k + 2 :]]


# What must notice


class AlteredLoader(SourceFileLoader):
    """Gives one module the code of a mutant."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(mutant.module, str(mutant.path))
        self.code = mutant.compile()

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class AlteredFinder(MetaPathFinder):
    """Loads one module from the mutant, and leaves all other imports alone."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.loader = AlteredLoader(mutant)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.mutant.module:
            return None
        return spec_from_file_location(fullname, self.mutant.path, loader=self.loader)


class FirstFailure:
    """A pytest plugin that remembers which test failed."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid.split("::")[1].split("[")[0]


@dataclass(frozen=True)
class Verdict:
    """What noticed an alteration: ``gradcheck``, ``tests``, ``crash``, ``timeout``; or nothing.

    ``invalid`` is no verdict: the altered module does not compile.
    """

    by: str
    detail: str = ""

    @property
    def survived(self) -> bool:
        return not self.by

    def __str__(self) -> str:
        return f"{self.by}: {self.detail}" if self.by else "SURVIVED"


def check(mutant: Mutant | None) -> Verdict:
    """Import the network with one alteration (or none) and run the checks on it."""
    if mutant is not None:
        try:
            sys.meta_path.insert(0, AlteredFinder(mutant))
        except (SyntaxError, TypeError, ValueError) as error:
            return Verdict("invalid", str(error))  # the drill's own mistake: it kills nothing
    try:
        from charrnn.gradcheck import check_all, chosen_cells
        from charrnn.nn.cells import CELLS

        # The variants of the cell that was altered; what all cells share, one of them shows.
        kind: str | None = None
        if mutant is not None:
            module = mutant.path.stem
            other = "rnn,bias=true" if module in STATELESS else "lstm,bias=true"
            kind = module if module in CELLS else other
        with np.errstate(all="ignore"):
            for model in check_all(chosen_cells(kind, 4), methods=("complex",)):
                if not model.passed:
                    return Verdict("gradcheck", f"{model.label}, {model.num_layers} layers")
    except Exception as error:
        return Verdict("crash", type(error).__name__)
    failure = FirstFailure()
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
    # What the installed PyTorch says was stored: no need to load it for every survivor.
    options += ["-k", "not fresh_run"]
    status = pytest.main([*options, *TESTS], plugins=[failure])
    if status == pytest.ExitCode.OK:
        return Verdict("")
    return Verdict("tests", failure.name or f"exit status {int(status)}")


def run_child(mutant: Mutant | None, answer: Any) -> None:
    """Run one mutant in a fork."""
    import resource  # as forks, not everywhere

    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.chdir(ROOT)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    answer.send(check(mutant))


@dataclass(frozen=True)
class Run:
    """A running fork."""

    position: int
    process: Any
    deadline: float


def drill(
    jobs: Sequence[Mutant | None], workers: int, seconds: float = PATIENCE * SECONDS
) -> Iterator[tuple[int, Verdict]]:
    """A verdict for each job, as they come; each in a fork of its own, ``workers`` at a time."""
    forks = multiprocessing.get_context("fork")
    waiting, running = deque(range(len(jobs))), dict[Connection, Run]()
    while waiting or running:
        while waiting and len(running) < workers:
            position = waiting.popleft()
            receive, send = forks.Pipe(duplex=False)
            process = forks.Process(target=run_child, args=(jobs[position], send))
            process.start()
            send.close()
            running[receive] = Run(position, process, time.monotonic() + seconds)
        nearest = min(run.deadline for run in running.values())
        ready = set(wait(list(running), max(0.0, nearest - time.monotonic())))
        for receive, run in list(running.items()):
            if receive in ready:
                try:
                    verdict = receive.recv()
                except EOFError:
                    run.process.join()
                    verdict = Verdict("crash", "the process died")
                    if run.process.exitcode == -signal.SIGXCPU:
                        verdict = Verdict("timeout", f"{SECONDS} s of processor time")
            elif time.monotonic() >= run.deadline:
                verdict = Verdict("timeout", f"{seconds:.0f} s")
            else:
                continue
            run.process.kill()
            run.process.join()
            receive.close()
            del running[receive]
            yield run.position, verdict


# The report


def summary(mutants: Sequence[Mutant], verdicts: Sequence[Verdict]) -> bool:
    """Print the counts and what is wrong; true if nothing is."""
    print(f"\n{'function':34} mutants  gradcheck  tests  crash  timeout  survived")
    for function in [*dict.fromkeys(mutant.function for mutant in mutants), "all"]:
        counts = Counter(
            verdict.by
            for mutant, verdict in zip(mutants, verdicts, strict=True)
            if function in (mutant.function, "all")
        )
        print(
            f"{function:34} {counts.total():7}  {counts['gradcheck']:9}  {counts['tests']:5}  "
            f"{counts['crash']:5}  {counts['timeout']:7}  {counts['']:8}"
        )

    alive = {m.key for m, verdict in zip(mutants, verdicts, strict=True) if verdict.survived}
    functions = {mutant.function for mutant in mutants}
    unexpected = [m for m in mutants if m.key in alive - ALLOWED.keys()]
    unneeded = [key for key in ALLOWED if key[0] in functions and key not in alive]
    for mutant in unexpected:
        print(f"\nSURVIVED  {mutant.key!r}, {mutant.path.name}:{mutant.line}")
    invalid = [m for m, verdict in zip(mutants, verdicts, strict=True) if verdict.by == "invalid"]
    for mutant in invalid:
        print(f"\ndoes not compile  {mutant.key!r}")
    for key in unneeded:
        print(f"\nno survivor, yet in ALLOWED  {key!r}")
    return not unexpected and not unneeded and not invalid


def main() -> int:
    parser = argparse.ArgumentParser(description="Alter every line of every backward pass in turn.")
    parser.add_argument("--function", action="append", help="only this one: RNN.backward")
    parser.add_argument(
        "--trust", action="store_true", help="do not check first that the unaltered network passes"
    )
    parser.add_argument("--list", action="store_true", help="print the alterations, run nothing")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()

    started = time.monotonic()
    mutants = [mutant for path in MODULES for mutant in mutants_of(path)]
    known = {mutant.function for mutant in mutants}
    if rotten := {key[0] for key in ALLOWED} - known:
        parser.error(f"ALLOWED speaks of what is not there: {', '.join(sorted(rotten))}")
    if arguments.function:
        if unknown := set(arguments.function) - known:
            parser.error(f"no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        mutants = [mutant for mutant in mutants if mutant.function in arguments.function]
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.path.name}:{mutant.line}  {mutant.key!r}")
        print(f"{len(mutants)} mutants")
        return 0

    if "fork" not in multiprocessing.get_all_start_methods():
        parser.error("this system cannot fork")
    sys.path.insert(0, str(ROOT))
    for _, verdict in drill([] if arguments.trust else [None], 1):
        if not verdict.survived:
            print(f"the unaltered network fails: {verdict}")
            return 1
    verdicts: dict[int, Verdict] = {}
    for position, verdict in drill(mutants, arguments.workers):
        verdicts[position] = verdict
        mutant = mutants[position]
        print(f"{mutant.function:34} {mutant.path.name}:{mutant.line:<5} {verdict}")
        print(f"    {mutant.source}\n    {mutant.altered}", flush=True)
    good = summary(mutants, [verdicts[position] for position in range(len(mutants))])
    print(f"\n{len(mutants)} mutants in {time.monotonic() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
