"""From tables to arrays: one value a cell, each missing one with its reason."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.axes import AXES, laid_out
from benchmarks.ledger import Node
from benchmarks.program import Input, Program
from benchmarks.tables import UNREADABLE, Missing, Table, read_date, read_flag, read_number
from riskadj.errors import InputError

Axes = Mapping[str, list[str]]
LARGEST_RATE = 1.5
"""A rate above it is a percentage written without its sign."""


def input_nodes(
    program: Program, tables: Sequence[Table], axes: Axes, names: Sequence[str]
) -> dict[str, Node]:
    """Read the named inputs from the tables.

    Raises
    ------
    InputError
        A column is not there, a cell has two values, a rate is given as a percentage, a text is
        none of those allowed, or the file holds Medicare Advantage payment scores.
    """
    _refuse_payment_scores(program, tables)
    _refuse_repeated_rows(tables)
    return {name: _node(name, program.sheet.inputs[name], tables, axes) for name in names}


def _node(name: str, spec: Input, tables: Sequence[Table], axes: Axes) -> Node:
    held = [t for t in tables if name in t.columns]
    if not held and not spec.optional:
        there = ", ".join(sorted({c for t in tables for c in t.columns})[:40])
        raise InputError(f"No column {name} ({spec.about}). The files have: {there}")
    cells: dict[tuple[str, ...], tuple[Any, str]] = {}
    for table in held:
        _gather(name, spec, table, axes, cells)
    order = [a for a in AXES if a in spec.axes]
    absent = Missing(
        f"no row of {' or '.join(t.name for t in held)} gives it"
        if held
        else "no file has the column"
    )
    found = [cells.get(key, (absent, ""))[0] for key in _keys(order, axes)]
    named = [_cell(name, order, key) for key in _keys(order, axes)]
    reasons = {str(i): f"{named[i]}: {v.reason}" for i, v in enumerate(found)
               if isinstance(v, Missing)}  # fmt: skip
    blank: Any = "" if spec.kind == "text" else np.nan
    shape = [len(axes[a]) for a in order]
    flat = np.array([blank if isinstance(v, Missing) else v for v in found],
                    dtype=str if spec.kind == "text" else np.float64)  # fmt: skip
    sources = ", ".join(t.name for t in held) or "no file"
    return Node(id=name, kind="input", values=laid_out(flat.reshape(shape), tuple(order)),
                axes=tuple(order), unit=spec.unit, citation=sources, status="given",
                reasons=reasons, about=spec.about)  # fmt: skip


def _cell(name: str, order: Sequence[str], key: Sequence[str]) -> str:
    """Return a cell's name without its entity: reasons are counted over entities."""
    labels = [k for a, k in zip(order, key, strict=True) if a != "entity"]
    return f"{name}[{'/'.join(labels)}]" if labels else name


def _keys(order: Sequence[str], axes: Axes) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = [()]
    for axis in order:
        keys = [(*key, label) for key in keys for label in axes[axis]]
    return keys


def _gather(
    name: str, spec: Input, table: Table, axes: Axes, cells: dict[tuple[str, ...], tuple[Any, str]]
) -> None:
    """Take a column's cells in; the same cell may stand in more rows if it says the same."""
    order = [a for a in AXES if a in spec.axes]
    for number, row in table.numbered():
        where = f"{table.name}, line {number}"
        key = tuple(table.key(row, axis) for axis in order)
        if not row[name].strip():
            continue
        if not all(key):
            lacking = [a for a, label in zip(order, key, strict=True) if not label]
            raise InputError(f"{where}: {name} needs {' and '.join(lacking)} beside it")
        unknown = [k for k, a in zip(key, order, strict=True) if k not in axes[a]]
        if unknown:
            if "year" in order:
                continue
            raise InputError(f"{where}: {unknown[0]!r} is none of the program's "
                             f"{', '.join(axes[order[-1]])}")  # fmt: skip
        value = _read(spec, row[name], f"{where}: {name}")
        if isinstance(value, Missing) and value.reason == UNREADABLE:
            raise InputError(
                f"{where}: {name} cannot be read as {_EXPECTED.get(spec.kind, 'a number')}"
            )
        if key in cells and cells[key][0] != value:
            raise InputError(f"{where}: {name} differs from {cells[key][1]} for the same "
                             f"{' and '.join(order)}")  # fmt: skip
        cells.setdefault(key, (value, where))


_EXPECTED = {"flag": "yes or no", "date": "a date (2024-01-31)"}


def _read(spec: Input, raw: str, where: str) -> Any:
    """Read one cell by its kind."""
    if spec.kind == "text":
        text = raw.strip()
        if spec.one_of and text not in spec.one_of:
            return Missing(f"{text!r} is none of {', '.join(spec.one_of)}")
        return text
    if spec.kind in ("flag", "date"):
        return read_flag(raw) if spec.kind == "flag" else read_date(raw)
    value = read_number(raw)
    return value if isinstance(value, Missing) else _within_bounds(spec, value, where)


def _within_bounds(spec: Input, value: float, where: str) -> float | Missing:
    """Refuse a number that the column cannot hold; exposure of nobody is missing."""
    if spec.kind == "rate" and abs(value) > LARGEST_RATE:
        raise InputError(f"{where} is {value:g}: rates are fractions, write 0.05 or 5% for five "
                         "per cent")  # fmt: skip
    if not spec.low <= value <= spec.high:
        raise InputError(f"{where} is {value:g}, and lies between {spec.low:g} and {spec.high:g}")
    if spec.kind in ("exposure", "score") and value <= 0:
        return Missing(f"{value:g} is not above zero")
    return value


def _refuse_payment_scores(program: Program, tables: Sequence[Table]) -> None:
    """Medicare Advantage payment scores carry a coding adjustment that no ACO program uses."""
    if not program.sheet.risk_scores:
        return
    for table in tables:
        if "payment_score" in table.columns:
            raise InputError(
                f"{table.name} holds payment_score, Medicare Advantage's score with its coding "
                f"adjustment. {program.name} uses {program.sheet.risk_scores}"
            )
        for number, row in table.numbered():
            basis = row.get("risk_score_basis", "").strip()
            if basis and basis not in ("raw", "renormalized"):
                raise InputError(
                    f"{table.name}, line {number}: risk_score_basis {basis!r} is "
                    f"refused. {program.name} uses {program.sheet.risk_scores}"
                )


def _refuse_repeated_rows(tables: Sequence[Table]) -> None:
    for table in tables:
        seen: dict[tuple[str, ...], int] = {}
        for number, row in table.numbered():
            key = tuple(table.key(row, axis) for axis in AXES[1:])
            if key in seen:
                raise InputError(f"{table.name}: lines {seen[key]} and {number} are of the same "
                                 "entity, stratum and year")  # fmt: skip
            seen[key] = number
