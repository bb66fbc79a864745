"""Computing a ledger again from nothing but itself, one cell at a time, by the standard library.

This is the second way to every number: ``benchmarks.formula`` computes whole arrays with numpy,
this module follows the same formula text with Python's own numbers. It imports nothing else of the
project, so that a reader can check a ledger with this file alone.
"""

import ast
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import product
from typing import Any

TOLERANCE = 1e-11
"""Largest relative difference between a recorded and a replayed number: the order of a sum."""
Record = Mapping[str, Any]
Cell = Mapping[str, int]


class NotCalculableError(Exception):
    """A number that cannot be calculated; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A recorded value that does not come out again."""

    node: str
    recorded: Any
    replayed: Any


KINDS = ("input", "parameter", "index", "option", "axis", "step")
UNTOLD = "suppressed"
"""The word in the reason of a cell that is there but not told."""


def replay(ledger: Record) -> list[Difference]:
    """Compute every step of a ledger again and return what differs: nothing, when all is right.

    Raises
    ------
    ValueError
        The ledger is not whole: a name stands twice or is read before it stands, a list of values
        has not one value a cell.
    """
    book, found = Book(ledger["axes"]), []
    for node in ledger["nodes"]:
        book.check(node)
        if node["kind"] == "step":
            found += _differing(book, node)
        book.add(node)
    for name, made in (("policy_hash", policy_hash(ledger)), ("data_hash", data_hash(ledger))):
        if ledger.get(name) != made:
            found.append(Difference(name, ledger.get(name), made))
    return found


def _differing(book: "Book", node: Record) -> list[Difference]:
    """Return the cells of a step whose value, or reason for having none, is another."""
    found = []
    reasons = node.get("reasons", {})
    for place, (value, reason) in enumerate(book.compute(node)):
        recorded = node["values"][place]
        if not same(recorded, value):
            found.append(Difference(book.label(node, place), recorded, value))
        elif value is None and reasons.get(str(place)) != reason:
            found.append(Difference(book.label(node, place), reasons.get(str(place)), reason))
    return found


def policy_hash(ledger: Record) -> str:
    """Return sha256 of the rules: the head, formulas, parameters, series, terms, citations."""
    head = {k: v for k, v in ledger.items() if k not in ("nodes", "axes", *_HASHES)}
    rules = [n for n in ledger["nodes"] if n["kind"] not in ("input", "axis")]
    return _hash([head, *({k: v for k, v in n.items() if k not in ("values", "reasons")}
                          if n["kind"] == "step" else n for n in rules)])  # fmt: skip


def data_hash(ledger: Record) -> str:
    """Return sha256 of the entities' own numbers, and of all axes."""
    return _hash([ledger["axes"], *(n for n in ledger["nodes"] if n["kind"] in ("input", "axis"))])


_HASHES = ("policy_hash", "data_hash")


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def same(recorded: Any, again: Any) -> bool:
    """Tell whether two values are one number, to the last bits of a sum."""
    if isinstance(recorded, (int, float)) and isinstance(again, (int, float)):
        return math.isclose(recorded, again, rel_tol=TOLERANCE, abs_tol=1e-9)
    return bool(recorded == again)


class Book:
    """The nodes of a ledger, read cell by cell.

    Parameters
    ----------
    axes
        Name of an axis to its labels.
    """

    def __init__(self, axes: Mapping[str, list[str]]) -> None:
        self.axes = axes
        self.nodes: dict[str, Record] = {}

    def add(self, node: Record) -> None:
        """Take a node in, so that later ones can read it."""
        self.nodes[node["id"]] = node

    def check(self, node: Record) -> None:
        """Refuse a node that cannot be what it says."""
        name = node["id"]
        if name in self.nodes or node["kind"] not in KINDS:
            raise ValueError(f"{name} stands twice or is of no known kind")
        if "table" in node:
            return
        n = math.prod(len(self.axes[a]) for a in node["axes"])
        if len(node["values"]) != n:
            raise ValueError(f"{name} has {len(node['values'])} values for {n} cells")
        if node["kind"] == "axis" and [_label(v) for v in node["values"]] != self.axes[name]:
            raise ValueError(f"{name} has other labels than its axis")

    def cells(self, axes: list[str]) -> Iterator[dict[str, int]]:
        """Go through the cells of some axes, the last axis fastest."""
        for places in product(*(range(len(self.axes[a])) for a in axes)):
            yield dict(zip(axes, places, strict=True))

    def compute(self, node: Record) -> list[tuple[Any, str]]:
        """Compute all cells of a step: value and "", or None and why it is not calculable."""
        tree = ast.parse(node["formula"], mode="eval").body
        found: list[tuple[Any, str]] = []
        for cell in self.cells(node["axes"]):
            try:
                found.append((rounded(self.value(tree, cell), node.get("rounding")), ""))
            except NotCalculableError as reason:
                found.append((None, str(reason)))
        return found

    def label(self, node: Record, place: int) -> str:
        """Return a cell's name, such as ``target[A1001/ESRD]``."""
        cell = list(self.cells(node["axes"]))[place]
        labels = "/".join(self.axes[a][i] for a, i in cell.items())
        return f"{node['id']}[{labels}]" if labels else str(node["id"])

    def place(self, node: Record, cell: Cell) -> int:
        """Return where a cell stands in a node's list of values."""
        where = 0
        for axis in node["axes"]:
            where = where * len(self.axes[axis]) + cell[axis]
        return where

    def read(self, name: str, cell: Cell) -> Any:
        """Return a node's value in a cell, or its table."""
        node = self.nodes[name]
        if "table" in node:
            return _finite(node["table"])
        where = self.place(node, cell)
        value = node["values"][where]
        if value is None:
            raise NotCalculableError(
                node.get("reasons", {}).get(str(where), f"{name} is not given")
            )
        return value

    def value(self, tree: ast.AST, cell: Cell) -> Any:
        """Compute a part of a formula in one cell."""
        match tree:
            case ast.Constant():
                return float(tree.value) if isinstance(tree.value, (int, float)) else tree.value
            case ast.Name():
                return self.read(tree.id, cell)
            case ast.BinOp():
                return _arithmetic(tree, self.value(tree.left, cell), self.value(tree.right, cell))
            case ast.UnaryOp():
                operand = self.value(tree.operand, cell)
                return -operand if isinstance(tree.op, ast.USub) else not operand
            case ast.BoolOp():
                return self._logical(tree, cell)
            case ast.Compare():
                return self._compared(tree, cell)
            case ast.IfExp():
                chosen = tree.body if self.value(tree.test, cell) else tree.orelse
                return self.value(chosen, cell)
            case ast.Subscript():
                return self._looked_up(tree, cell)
            case ast.Call():
                return self._called(tree, cell)
        raise ValueError(f"formulas have no {type(tree).__name__}")

    def _logical(self, tree: ast.BoolOp, cell: Cell) -> bool:
        """What is known decides alone where it can: false and unknown is false."""
        decides = isinstance(tree.op, ast.Or)
        unknown = None
        for part in tree.values:
            try:
                if bool(self.value(part, cell)) == decides:
                    return decides
            except NotCalculableError as error:
                unknown = unknown or error
        if unknown:
            raise unknown
        return not decides

    def _compared(self, tree: ast.Compare, cell: Cell) -> bool:
        left, truth = self.value(tree.left, cell), True
        for op, right in zip(tree.ops, tree.comparators, strict=True):
            if isinstance(op, (ast.In, ast.NotIn)):
                options = right.elts if isinstance(right, ast.Tuple) else [right]
                inside = left in [self.value(o, cell) for o in options]
                truth &= inside == isinstance(op, ast.In)
                continue
            other = self.value(right, cell)
            truth &= _COMPARE[type(op)](left, other)
            left = other
        return truth

    def _looked_up(self, tree: ast.Subscript, cell: Cell) -> Any:
        table = self.value(tree.value, cell)
        keys = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        for key in keys:
            name = self.value(key, cell)
            name = name if isinstance(name, str) else f"{name:g}"
            if name not in table:
                raise NotCalculableError(f"{ast.unparse(tree.value)} has no {name!r}: "
                                    f"it has {', '.join(table)}")  # fmt: skip
            table = table[name]
        return table

    def _called(self, tree: ast.Call, cell: Cell) -> Any:
        name = tree.func.id if isinstance(tree.func, ast.Name) else ""
        keywords = {k.arg: k.value for k in tree.keywords}
        if "over" in keywords:
            over = keywords["over"]
            axis = str(over.value) if isinstance(over, ast.Constant) else ""
            return self._reduced(name, tree.args[0], keywords.get("weight"), axis, cell)
        if name == "given":
            try:
                return self.value(tree.args[0], cell) != ""
            except NotCalculableError as reason:
                if isinstance(tree.args[0], ast.Name) and UNTOLD in str(reason):
                    raise
                return False
        arguments = [self.value(a, cell) for a in tree.args]
        try:
            found = _FUNCTIONS[name](*arguments)
        except (ValueError, OverflowError):
            found = math.nan
        if isinstance(found, float) and not math.isfinite(found):
            raise NotCalculableError(f"{ast.unparse(tree)} has no value")
        return found

    def _reduced(
        self, name: str, part: ast.AST, weight: ast.AST | None, axis: str, cell: Cell
    ) -> Any:
        n = cell[axis] + 1 if name == "running" else len(self.axes.get(axis, [""]))
        places = {"final": [n - 1], "initial": [0]}.get(name, list(range(n)))
        values = [self.value(part, {**cell, axis: i}) for i in places]
        if name in ("product", "running"):
            return self._sound(math.prod(values), part)
        if name in ("final", "initial"):
            return values[0]
        if name == "total":
            return self._sound(math.fsum(values), part)
        weights = [self.value(weight, {**cell, axis: i}) if weight else 1.0 for i in places]
        held = math.fsum(weights)
        if held == 0:
            raise NotCalculableError(f"the weights of {ast.unparse(part)} add up to 0")
        together = math.fsum(v * w for v, w in zip(values, weights, strict=True))
        return self._sound(together / held, part)

    @staticmethod
    def _sound(value: float, part: ast.AST) -> float:
        if not math.isfinite(value):
            raise NotCalculableError(f"{ast.unparse(part)} has no finite value")
        return value


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def rounded(value: Any, rounding: int | None) -> Any:
    """Round to decimal places, halves away from zero; a truth counts as 1 or 0."""
    value = float(value) if isinstance(value, bool) else value
    if rounding is None or not isinstance(value, float):
        return value
    return _half_up(value, rounding)


def _half_up(x: float, places: float) -> float:
    step = Decimal(1).scaleb(-int(places))
    with localcontext(prec=400):
        return float(Decimal(repr(float(x))).quantize(step, ROUND_HALF_UP))


def _arithmetic(tree: ast.BinOp, left: float, right: float) -> float:
    if isinstance(tree.op, ast.Div) and right == 0:
        raise NotCalculableError(f"{ast.unparse(tree.right)} is 0 and cannot divide")
    try:
        made = _ARITHMETIC[type(tree.op)](left, right)
    except (OverflowError, ZeroDivisionError):
        raise NotCalculableError(f"{ast.unparse(tree)} has no value") from None
    if isinstance(made, complex) or not math.isfinite(made):
        raise NotCalculableError(f"{ast.unparse(tree)} has no value")
    return float(made)


def _finite(table: Any) -> Any:
    """Read bounds without end back."""
    if isinstance(table, list):
        return [_finite(row) for row in table]
    return math.inf if table == "inf" else table


def _interpolate(bands: Any, x: float) -> float:
    for low, high, first, last in reversed(bands):
        if x >= low:
            inside = (min(x, high) - low) / (high - low) if math.isfinite(high) else 0.0
            return float(first + (last - first) * inside)
    raise NotCalculableError(f"{x:g} is below the first band, {bands[0][0]:g}")


def _band(bands: Any, x: float) -> float:
    for upper, value in bands:
        if x <= upper:
            return float(value)
    raise NotCalculableError(f"{x:g} is above the last band")


def _corridor(bands: Any, x: float) -> float:
    kept = below = 0.0
    for upper, share in bands:
        kept += share * max(min(abs(x), upper) - below, 0.0)
        below = upper
    return math.copysign(kept, x) if kept else 0.0


_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.Pow: lambda a, b: a**b,
}  # fmt: skip
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b, ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b, ast.GtE: lambda a, b: a >= b,
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": min, "max": max, "abs": abs, "sqrt": math.sqrt, "exp": math.exp, "log": math.log,
    "clip": lambda x, low, high: min(max(x, low), high), "interpolate": _interpolate,
    "band": _band, "corridor": _corridor, "round_half_up": _half_up,
}  # fmt: skip
