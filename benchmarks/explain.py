"""One number of a ledger, told down to its inputs: formula, numbers put in, citation.

It works from the ledger's JSON record alone and follows each formula as it was computed: of a
choice only the branch that was taken, of a sum along an axis its first cells.
"""

import ast
import copy
import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from benchmarks.replay import Book, NotCalculableError
from riskadj.errors import InputError

MOST_CELLS = 6
"""Cells shown of a node, and terms shown of a sum along an axis."""
_LONGEST_TABLE = 300
Key = tuple[int, ...]
"""Where a cell lies along a node's own axes."""
Reads = dict[str, dict[Key, None]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its calculation.

    Attributes
    ----------
    name
        Such as ``target_usd[A1001]``.
    value
        As text; ``not calculable`` where there is none.
    numbers
        The formula with its numbers put in; of a step only.
    choices
        Conditions that decided which branch was taken, each with yes or no.
    reason
        Why it is not calculable.
    """

    name: str
    value: str
    numbers: str = ""
    choices: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One node of an explanation.

    Attributes
    ----------
    depth
        Steps down from the number that is explained.
    node, kind, about, unit, formula, citation, status, rounding
        As the ledger has them.
    cells
        Its cells that the numbers above rest on, the first six.
    more
        How many further cells they rest on.
    """

    depth: int
    node: str
    kind: str
    about: str
    unit: str
    formula: str
    citation: str
    status: str
    rounding: int | None
    cells: tuple[Cell, ...]
    more: int = 0

    def __str__(self) -> str:
        """Return the line as a terminal shows it, indented by its depth."""
        return "\n".join("    " * self.depth + text for text in self._texts())

    def _texts(self) -> Iterator[str]:
        unit = "" if self.kind == "option" or self.unit in ("", "1", "label") else f" {self.unit}"
        for cell in self.cells:
            yield f"{cell.name} = {cell.value}" + (f": {cell.reason}" if cell.reason else unit)
            if cell.numbers:
                yield f"  = {cell.numbers}" + "".join(f"; {c}" for c in cell.choices)
        if self.more:
            yield f"and {self.more:,} more cells of {self.node}"
        if self.formula:
            places = "" if self.rounding is None else f", rounded to {self.rounding} places"
            yield f"  by {self.formula}{places}"
        about = f"{self.about}. " if self.about else ""
        firm = "" if self.status in ("final", "given", "observed") else f" [{self.status}]"
        yield f"  {self.kind}: {about}{self.citation}{firm}"


def explain(record: Mapping[str, Any], name: str, depth: int | None = None) -> list[Line]:
    """Explain a number of a ledger.

    Parameters
    ----------
    record
        A ledger as JSON holds it.
    name
        A cell, such as ``earned_usd[A1001]`` or ``target_pmpm_usd[A1001/ESRD]``, or a node: its
        first cell.
    depth
        How many steps to go down from it; None: to the inputs.

    Returns
    -------
    One line a node, each once: the number, then what it rests on in the order of reading.

    Raises
    ------
    InputError
        The ledger has no such node or cell.
    """
    book = Book(record["axes"])
    for node in record["nodes"]:
        book.add(node)
    node_id, key = _found(book, name)
    walk = _Walk(book, depth)
    walk.visit(node_id, key, 0)
    return [walk.line(n) for n in walk.depths]


def value_text(value: Any, unit: str = "") -> str:
    """Return a number so that a reader can compute with it.

    >>> value_text(1234567.891, "usd"), value_text(1 / 3), value_text(None)
    ('1,234,567.89', '0.3333333333', 'not calculable')
    """
    if value is None:
        return "not calculable"
    if not isinstance(value, (int, float)):
        return str(value)
    if unit == "usd":
        return f"{value:,.2f}"
    return f"{value:.10g}" if unit in ("year", "label") else f"{value:,.10g}"


def _found(book: Book, name: str) -> tuple[str, Key]:
    """Return the node and cell of a name."""
    node_id, bracket, rest = name.strip().partition("[")
    if node_id not in book.nodes:
        near = difflib.get_close_matches(node_id, book.nodes, n=5, cutoff=0.4)
        there = f"Close to it: {', '.join(near)}" if near else f"It has: {', '.join(book.nodes)}"
        raise InputError(f"The ledger has no number {node_id!r}. {there}")
    node = book.nodes[node_id]
    if not bracket or "table" in node:
        return node_id, (0,) * len(node["axes"])
    labels = {_label(book, node, tuple(c.values())): tuple(c.values())
              for c in book.cells(node["axes"])}  # fmt: skip
    if (wanted := f"{node_id}[{rest}") in labels:
        return node_id, labels[wanted]
    inside = [label for label in labels if label.startswith(wanted.rstrip("]"))]
    near = inside[:5] or difflib.get_close_matches(wanted, labels, n=5, cutoff=0.6)
    raise InputError(f"{node_id} has no cell {name.strip()!r}. "
                     f"It has, for example: {', '.join(near or list(labels)[:5])}")  # fmt: skip


def _label(book: Book, node: Mapping[str, Any], key: Key) -> str:
    labels = "/".join(book.axes[a][i] for a, i in zip(node["axes"], key, strict=True))
    return f"{node['id']}[{labels}]" if labels else str(node["id"])


class _Walk:
    """Going down from a number, gathering which cells of which nodes it rests on."""

    def __init__(self, book: Book, most: int | None) -> None:
        self.book, self.most = book, most
        self.depths: dict[str, int] = {}
        self.cells: dict[str, dict[Key, Cell]] = {}
        self.skipped: dict[str, set[Key]] = {}
        self.trees: dict[str, ast.expr] = {}

    def visit(self, name: str, key: Key, depth: int) -> None:
        """Take in a cell and what it reads; once each."""
        if key in self.cells.setdefault(name, {}):
            return
        node = self.book.nodes[name]
        self.depths.setdefault(name, depth)
        place = dict(zip(node["axes"], key, strict=True))
        reads: Reads = {}
        self.cells[name][key] = self._cell(node, key, place, reads)
        if self.most is not None and depth >= self.most:
            return
        for read, keys in reads.items():
            for k in keys:
                self.visit(read, k, depth + 1)

    def _cell(self, node: Mapping[str, Any], key: Key, place: dict[str, int], reads: Reads) -> Cell:
        name = _label(self.book, node, key)
        if "table" in node:
            text = json.dumps(node["table"], ensure_ascii=False)
            cut = text if len(text) <= _LONGEST_TABLE else f"{text[:_LONGEST_TABLE]}..."
            return Cell(str(node["id"]), cut)
        where = self.book.place(node, place)
        value = node["values"][where]
        reason = "" if value is not None else node.get("reasons", {}).get(str(where), "not given")
        if node["kind"] != "step":
            return Cell(name, value_text(value, node["unit"]), reason=reason)
        filled = _Numbers(self.book, place, reads, self.skipped)
        numbers = ast.unparse(filled.put_in(copy.deepcopy(self._tree(node))))
        choices = tuple(dict.fromkeys(filled.choices))
        return Cell(name, value_text(value, node["unit"]), numbers, choices, reason)

    def _tree(self, node: Mapping[str, Any]) -> ast.expr:
        if node["id"] not in self.trees:
            self.trees[node["id"]] = ast.parse(node["formula"], mode="eval").body
        return self.trees[node["id"]]

    def line(self, name: str) -> Line:
        """Return a node with its first cells."""
        node, cells = self.book.nodes[name], self.cells[name]
        more = max(len(cells) - MOST_CELLS, 0) + len(self.skipped.get(name, set()) - set(cells))
        return Line(
            self.depths[name], name, node["kind"], node["about"], node["unit"],
            node.get("formula", ""), node["citation"], node["status"], node.get("rounding"),
            tuple(cells.values())[:MOST_CELLS], more,
        )  # fmt: skip


class _Numbers:
    """Putting numbers into a formula in one cell, and noting what was read."""

    def __init__(
        self, book: Book, cell: dict[str, int], reads: Reads, skipped: dict[str, set[Key]]
    ) -> None:
        self.book, self.cell, self.reads, self.skipped = book, cell, reads, skipped
        self.choices: list[str] = []

    def put_in(self, tree: Any) -> Any:
        """Return a part of a formula with numbers for names."""
        match tree:
            case ast.Name():
                return self._name(tree)
            case ast.IfExp():
                return self._choice(tree)
            case ast.Subscript():
                return self._look_up(tree)
            case ast.Call() if any(k.arg == "over" for k in tree.keywords):
                return self._along(tree)
            case ast.Call():
                tree.args = [self.put_in(a) for a in tree.args]
                return tree
        return self._inside(tree)

    def _inside(self, tree: Any) -> Any:
        """Put numbers into whatever a part is made of."""
        for field, held in ast.iter_fields(tree):
            if isinstance(held, ast.expr):
                setattr(tree, field, self.put_in(held))
            elif isinstance(held, list) and held and isinstance(held[0], ast.expr):
                setattr(tree, field, [self.put_in(part) for part in held])
        return tree

    def _key(self, name: str, cell: Mapping[str, int]) -> Key:
        return tuple(cell[axis] for axis in self.book.nodes[name]["axes"])

    def _name(self, tree: ast.Name) -> Any:
        node = self.book.nodes[tree.id]
        self.reads.setdefault(tree.id, {}).setdefault(self._key(tree.id, self.cell))
        if "table" in node:
            return tree
        return _shown(node["values"][self.book.place(node, self.cell)])

    def _choice(self, tree: ast.IfExp) -> Any:
        """Keep the branch that was taken; both where that is not known."""
        asked = ast.unparse(tree.test)
        try:
            taken = bool(self.book.value(tree.test, self.cell))
        except NotCalculableError:
            return self._inside(tree)
        self.put_in(tree.test)
        self.choices.append(f"{asked}: {'yes' if taken else 'no'}")
        return self.put_in(tree.body if taken else tree.orelse)

    def _look_up(self, tree: ast.Subscript) -> Any:
        try:
            found = self.book.value(tree, self.cell)
        except NotCalculableError:
            found = None
        self.put_in(tree.value)
        tree.slice = self.put_in(tree.slice)
        return tree if found is None or isinstance(found, (dict, list)) else _shown(found)

    def _along(self, tree: ast.Call) -> Any:
        """Write out a sum or product along an axis; its first terms, and how many more."""
        name = str(getattr(tree.func, "id", ""))
        given = {k.arg: k.value for k in tree.keywords}
        axis = str(getattr(given["over"], "value", ""))
        n = self.cell[axis] + 1 if name == "running" else len(self.book.axes.get(axis, [""]))
        places = {"final": [n - 1], "initial": [0]}.get(name, list(range(n)))
        parts = [tree.args[0], *([given["weight"]] if "weight" in given else [])]
        self._skip(parts, axis, places[MOST_CELLS:])
        terms = [[self._at(p, axis, i) for p in parts] for i in places[:MOST_CELLS]]
        return _written(name, terms, len(places))

    def _at(self, part: ast.expr, axis: str, place: int) -> Any:
        outside, self.cell = self.cell, {**self.cell, axis: place}
        made = self.put_in(copy.deepcopy(part))
        self.cell = outside
        return made

    def _skip(self, parts: list[ast.expr], axis: str, places: list[int]) -> None:
        """Note the cells that are not shown, where they can be told from here."""
        names = {n.id for p in parts for n in ast.walk(p)
                 if isinstance(n, ast.Name) and n.id in self.book.nodes}  # fmt: skip
        for name in (n for n in names if axis in self.book.nodes[n]["axes"]):
            if set(self.book.nodes[name]["axes"]) <= {*self.cell, axis}:
                keys = {self._key(name, {**self.cell, axis: i}) for i in places}
                self.skipped.setdefault(name, set()).update(keys)


def _shown(value: Any) -> Any:
    """Return a value as part of a formula's text, without separators of thousands."""
    if value is None:
        return ast.Name("?")
    if isinstance(value, str):
        return ast.Constant(value)
    number = ast.Name(f"{abs(value):.10g}")
    return ast.UnaryOp(ast.USub(), number) if value < 0 else number


def _written(name: str, terms: list[list[Any]], n: int) -> Any:
    """Return a reduction written out."""
    if name in ("final", "initial"):
        return terms[0][0]
    more = [ast.Name(f"... {n - len(terms):,} more")] if n > len(terms) else []
    if name in ("product", "running"):
        return _joined(ast.Mult(), [t[0] for t in terms] + more)
    products = [t[0] if len(t) == 1 else ast.BinOp(t[0], ast.Mult(), t[1]) for t in terms]
    summed = _joined(ast.Add(), products + more)
    if name == "total":
        return summed
    weighted = len(terms[0]) > 1
    below = _joined(ast.Add(), [t[1] for t in terms] + more) if weighted else ast.Name(str(n))
    return ast.BinOp(summed, ast.Div(), below)


def _joined(op: ast.operator, parts: list[Any]) -> Any:
    return reduce(lambda a, b: ast.BinOp(a, op, b), parts)
