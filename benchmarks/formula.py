"""Formulas: the text that a program's step is, parsed once and computed over arrays.

A formula is a small part of Python's expressions: arithmetic, comparisons, ``a if c else b``,
``table[key]`` and the functions below. It can name nothing else, so a program file can run nothing.
Whatever rests on a number that is not there is not there either: nan goes through comparisons and
choices too, so that a missing quality score never reads as a failed one.

``benchmarks.replay`` computes the same formulas one cell at a time without numpy.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import steps
from benchmarks.axes import AXES, Array, along, laid_out
from riskadj.errors import InputError

LENGTHS = ""
"""The name, which no formula can write, under which values hold how long each axis is."""
SUPPRESSED = "*"
"""The name under which values hold, for an input, which cells are there but not told."""
REDUCERS = ("total", "mean", "product", "final", "initial")
"""Functions that take away the axis named by ``over``."""
OVER = (*REDUCERS, "running")
"""Functions that work along an axis; ``running`` multiplies up to each place and keeps it."""
_ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call,
    ast.Subscript, ast.Tuple, ast.Name, ast.Constant, ast.Load, ast.keyword, ast.Add, ast.Sub,
    ast.Mult, ast.Div, ast.Pow, ast.USub, ast.Not, ast.And, ast.Or, ast.Eq, ast.NotEq, ast.Lt,
    ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
)  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": lambda *x: _fold(np.minimum, x),
    "max": lambda *x: _fold(np.maximum, x),
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "interpolate": steps.interpolate,
    "band": steps.band,
    "corridor": steps.corridor,
    "round_half_up": steps.round_half_up,
}
_OF_BANDS = ("interpolate", "band", "corridor")
_ARGUMENTS: Mapping[str, tuple[int, int]] = {
    "min": (2, 20), "max": (2, 20), "abs": (1, 1), "sqrt": (1, 1), "exp": (1, 1), "log": (1, 1),
    "clip": (3, 3), "given": (1, 1), "interpolate": (2, 2), "band": (2, 2), "corridor": (2, 2),
    "round_half_up": (2, 2), **dict.fromkeys(OVER, (1, 1)),
}  # fmt: skip
"""Fewest and most arguments."""
FUNCTIONS = tuple(_ARGUMENTS)
LONGEST, DEEPEST, LARGEST = 2_000, 60, 1e15
"""Characters and levels of a formula, and its largest number."""
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    ast.Pow: lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, np.power(a, b)),
}  # fmt: skip
_COMPARE: Mapping[type[ast.cmpop], Callable[[Array, Array], Any]] = {
    ast.Eq: np.equal, ast.NotEq: np.not_equal, ast.Lt: np.less, ast.LtE: np.less_equal,
    ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that has been checked.

    Attributes
    ----------
    text
        As written.
    tree
        Its expression.
    names
        What it reads, in the order of reading.
    """

    text: str
    tree: ast.expr
    names: tuple[str, ...]


def parse(text: str, where: str) -> Formula:
    """Read a formula.

    Raises
    ------
    InputError
        It is no expression, or uses what formulas cannot.
    """
    if len(text) > LONGEST:
        raise InputError(f"{where}: a formula has at most {LONGEST:,} characters: split the step")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise InputError(f"{where}: formula is no expression ({error.msg}): {text!r}") from None
    except (RecursionError, MemoryError, ValueError):
        raise InputError(f"{where}: the formula is nested too deep") from None
    _check_depth(tree, where)
    names: dict[str, None] = {}
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise InputError(f"{where}: formulas have no {type(node).__name__}: {text!r}")
        if isinstance(node, ast.Call):
            _check_call(node, where)
        if isinstance(node, ast.Constant) and not _is_constant(node.value):
            raise InputError(f"{where}: formulas have no {node.value!r}: {text!r}")
        if isinstance(node, ast.Name) and id(node) not in called:
            names.setdefault(node.id)
    order = sorted(names, key=lambda name: _first(text, name))
    return Formula(text.strip(), tree.body, tuple(order))


def _is_constant(value: Any) -> bool:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str) or (plain and abs(value) <= LARGEST)


def _check_depth(tree: ast.AST, where: str) -> None:
    held, depth = [tree], 0
    while held:
        held, depth = [c for node in held for c in ast.iter_child_nodes(node)], depth + 1
        if depth > DEEPEST:
            raise InputError(f"{where}: the formula is nested too deep: split the step")


def _check_call(node: ast.Call, where: str) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else "?"
    if name not in FUNCTIONS:
        raise InputError(f"{where}: no function {name!r}; there are {', '.join(sorted(FUNCTIONS))}")
    fewest, most = _ARGUMENTS[name]
    if not fewest <= len(node.args) <= most or any(isinstance(a, ast.Starred) for a in node.args):
        raise InputError(f"{where}: {name}() takes {fewest} to {most} arguments, "
                         f"not {len(node.args)}")  # fmt: skip
    if name == "given" and not isinstance(node.args[0], (ast.Name, ast.Subscript)):
        raise InputError(f"{where}: given() asks for a name or a table's value")
    if name == "round_half_up" and not isinstance(node.args[1], ast.Constant):
        raise InputError(f"{where}: round_half_up() needs its places as a number")
    over = [k.value for k in node.keywords if k.arg == "over"]
    allowed = ("over", "weight") if name == "mean" else ("over",)
    extra = [k.arg for k in node.keywords if k.arg not in allowed]
    works_along = len(over) == 1 and isinstance(over[0], ast.Constant) and over[0].value in AXES
    if extra or (name in OVER) != works_along:
        raise InputError(f"{where}: {name}() needs over= one of {', '.join(AXES)}, others do not")


def _first(text: str, name: str) -> int:
    import re

    found = re.search(rf"\b{name}\b", text)
    return found.start() if found else len(text)


def axes_of(tree: ast.AST, axes: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the axes along which a formula's value may vary, from those of what it reads.

    Raises
    ------
    InputError
        Something is added up over an axis along which it does not vary.
    """
    if isinstance(tree, ast.Name):
        return axes.get(tree.id, frozenset())
    held = [axes_of(child, axes) for child in ast.iter_child_nodes(tree)]
    found = frozenset().union(*held)
    if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name)):
        return found
    if tree.func.id in OVER and _over(tree) not in found:
        raise InputError(f"{ast.unparse(tree)}: what is inside does not vary by {_over(tree)}")
    return found - {_over(tree)} if tree.func.id in REDUCERS else found


def evaluate(formula: Formula, values: Mapping[str, Any]) -> Array:
    """Compute a formula over arrays.

    Parameters
    ----------
    values
        Name to an array with a dimension for each of ``AXES``, or to a table: key to number, text
        or table; or to bands: rows of numbers. ``LENGTHS`` to the number of labels an axis.

    Returns
    -------
    array with a dimension for each of ``AXES``; nan where it cannot be calculated
    """
    with np.errstate(all="ignore"):
        return np.asarray(_value(formula.tree, values))


def _finite(found: Array) -> Array:
    """Return what came out as not calculable where it is no finite number."""
    return np.where(np.isfinite(found), found, np.nan)


def _value(tree: ast.expr, values: Mapping[str, Any]) -> Any:
    """Compute one part of a formula."""
    match tree:
        case ast.Constant():
            return _constant(tree.value)
        case ast.Name():
            return values[tree.id]
        case ast.BinOp():
            sides = _value(tree.left, values), _value(tree.right, values)
            return _finite(_ARITHMETIC[type(tree.op)](*sides))
        case ast.UnaryOp():
            operand = _value(tree.operand, values)
            if isinstance(tree.op, ast.USub):
                return -operand
            return np.where(np.isnan(operand), np.nan, (operand == 0).astype(np.float64))
        case ast.BoolOp():
            return _logical(tree, [_value(v, values) for v in tree.values])
        case ast.Compare():
            return _compared(tree, values)
        case ast.IfExp():
            test = _value(tree.test, values)
            if test.size == 1 and not np.isnan(test.item()):  # one branch is enough
                return _value(tree.body if test.item() != 0 else tree.orelse, values)
            return _chosen(test, _value(tree.body, values), _value(tree.orelse, values))
        case ast.Subscript():
            keys = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
            table = _value(tree.value, values)
            if isinstance(table, np.ndarray):  # a table that is not published: not a number
                return np.full_like(table, np.nan)
            return steps.look_up(table, [_value(k, values) for k in keys])
        case ast.Call():
            return _called(tree, values)
    raise InputError(f"formulas have no {type(tree).__name__}")  # pragma: no cover


def _constant(value: Any) -> Array:
    return laid_out(value, ())


def _logical(tree: ast.BoolOp, parts: list[Array]) -> Array:
    """Combine truths; what is known decides alone where it can (false and unknown is false)."""
    decides = 0.0 if isinstance(tree.op, ast.And) else 1.0
    unknown = _fold(np.logical_or, [np.isnan(p) for p in parts])
    decided = _fold(np.logical_or, [~np.isnan(p) & ((p != 0) == bool(decides)) for p in parts])
    return np.where(decided, decides, np.where(unknown, np.nan, 1 - decides))


def _compared(tree: ast.Compare, values: Mapping[str, Any]) -> Array:
    """Compare neighbours; unknown where one of them is."""
    sides = [tree.left, *tree.comparators]
    found = []
    for op, left, right in zip(tree.ops, sides[:-1], sides[1:], strict=True):
        if isinstance(op, (ast.In, ast.NotIn)):
            found.append(_member(op, _value(left, values), right, values))
            continue
        a, b = _value(left, values), _value(right, values)
        truth = _COMPARE[type(op)](a, b).astype(np.float64)
        found.append(np.where(_missing(a) | _missing(b), np.nan, truth))
    return np.asarray(_fold(np.multiply, found))


def _member(op: ast.cmpop, found: Array, right: ast.expr, values: Mapping[str, Any]) -> Array:
    elements = right.elts if isinstance(right, ast.Tuple) else [right]
    options = [_value(o, values) for o in elements]
    inside = _fold(np.logical_or, [found == o for o in options])
    unknown = _fold(np.logical_or, [_missing(o) for o in (found, *options)])
    truth = inside if isinstance(op, ast.In) else ~inside
    return np.where(unknown, np.nan, truth.astype(np.float64))


def _missing(array: Array) -> Array:
    return np.asarray(array == "" if array.dtype.kind == "U" else np.isnan(array))


def _chosen(test: Array, body: Array, orelse: Array) -> Array:
    if body.dtype.kind == "U":
        return np.where(np.isnan(test), "", np.where(test != 0, body, orelse))
    return np.where(np.isnan(test), np.nan, np.where(test != 0, body, orelse))


def _over(tree: ast.Call) -> str:
    for k in tree.keywords:
        if k.arg == "over" and isinstance(k.value, ast.Constant):
            return str(k.value.value)
    return ""


def _called(tree: ast.Call, values: Mapping[str, Any]) -> Any:
    name = tree.func.id if isinstance(tree.func, ast.Name) else ""
    if name == "given":
        return _given(tree.args[0], values)
    arguments = [_value(a, values) for a in tree.args]
    if name in _OF_BANDS and isinstance(arguments[0], np.ndarray):
        return np.full_like(arguments[0], np.nan)
    if name not in OVER:
        return _finite(_FUNCTIONS[name](*arguments))
    weight = [_value(k.value, values) for k in tree.keywords if k.arg == "weight"]
    x, axis = arguments[0], along(_over(tree))
    shape = list(x.shape)
    shape[axis] = values[LENGTHS].get(_over(tree), 1)  # a branch may not vary where another does
    return _finite(_reduced(name, np.broadcast_to(x, shape), weight[0] if weight else None, axis))


def _given(tree: ast.expr, values: Mapping[str, Any]) -> Array:
    """Tell where a value is there; unknown where it is suppressed, for then it is there."""
    found = _value(tree, values)
    there = (~_missing(found)).astype(np.float64)
    held = values.get(SUPPRESSED, {}).get(tree.id) if isinstance(tree, ast.Name) else None
    return there if held is None else np.where(held, np.nan, there)


def _reduced(name: str, x: Array, weight: Array | None, axis: int) -> Array:
    if name == "mean":
        weight = np.ones_like(x) if weight is None else weight
        x, weight = np.broadcast_arrays(x, weight)
        summed = (x * weight).sum(axis, keepdims=True)
        return np.asarray(summed / weight.sum(axis, keepdims=True))
    if name == "running":
        return np.asarray(np.cumprod(x, axis))
    if name in ("final", "initial"):
        return np.asarray(np.take(x, [-1 if name == "final" else 0], axis))
    return np.asarray(getattr(x, {"total": "sum", "product": "prod"}[name])(axis, keepdims=True))


def _fold(operation: Callable[[Any, Any], Any], parts: Any) -> Any:
    found = parts[0]
    for part in parts[1:]:
        found = operation(found, part)
    return found
