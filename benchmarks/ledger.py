"""The ledger: every number of a run with its formula, inputs, unit, rounding and citation."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.axes import AXES, Array
from benchmarks.replay import Book, data_hash, policy_hash
from riskadj.errors import InputError

SCHEMA = 1
ROW = ("id", "step", "formula", "inputs", "value", "unit", "rounding", "citation", "status",
       "reason", "policy_hash", "data_hash")  # fmt: skip
Kind = str
"""``input``, ``parameter``, ``index``, ``option``, ``axis`` or ``step``."""


@dataclass(frozen=True, slots=True)
class Node:
    """One quantity: a number a cell, or a table that formulas look up in.

    Attributes
    ----------
    id
        Its name in formulas.
    kind
        ``input``, ``parameter``, ``index``, ``option``, ``axis`` or ``step``.
    values
        Array with a dimension for each of ``AXES``; None for a table.
    axes
        Those along which it may vary, in the order of ``AXES``.
    unit
    citation
        Rule, document or file that the number or formula comes from.
    status
        ``final``, ``administrative``, ``proposed``, ``unverified``, ``projected``, ``estimated``.
    formula, inputs
        Of a step.
    rounding
        Decimal places, or None: not rounded.
    table
        Key to value, or bands.
    reasons
        Place of a cell in the flat list to why it cannot be calculated.
    about
        What the number is, in words.
    """

    id: str
    kind: Kind
    values: Array | None
    axes: tuple[str, ...]
    unit: str
    citation: str
    status: str = "final"
    formula: str = ""
    inputs: tuple[str, ...] = ()
    rounding: int | None = None
    table: Any = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    about: str = ""

    def record(self, sizes: Mapping[str, int]) -> dict[str, Any]:
        """Return the node as JSON holds it."""
        made: dict[str, Any] = {
            "id": self.id, "kind": self.kind, "about": self.about, "axes": list(self.axes),
            "unit": self.unit, "citation": self.citation, "status": self.status,
        }  # fmt: skip
        if self.kind == "step":
            made |= {"formula": self.formula, "inputs": list(self.inputs),
                     "rounding": self.rounding}  # fmt: skip
        if self.values is None:
            return made | {"table": _table(self.table)}
        made["values"] = self.flat(sizes)
        return made | ({"reasons": dict(self.reasons)} if self.reasons else {})

    def flat(self, sizes: Mapping[str, int]) -> list[Any]:
        """Return the values of all cells, the last axis fastest; None where there is none."""
        assert self.values is not None
        shape = [sizes.get(a, 1) if a in self.axes else 1 for a in AXES]
        cells = np.broadcast_to(self.values, shape).ravel().tolist()
        if self.values.dtype.kind == "U":
            return [c if c != "" else None for c in cells]
        return [c if c == c else None for c in cells]


def _table(table: Any) -> Any:
    """Write bounds without end as text: JSON has no infinity."""
    if isinstance(table, Mapping):
        return {str(k): _table(v) for k, v in table.items()}
    if isinstance(table, (list, tuple)):
        return [_table(row) for row in table]
    return "inf" if table == float("inf") else table


@dataclass(frozen=True, slots=True)
class Ledger:
    """All nodes of a run, in the order of computing.

    Attributes
    ----------
    head
        Program, title, status, year, known_at, part, results, waterfall.
    axes
        Axis to labels.
    nodes
        Name to node.
    """

    head: Mapping[str, Any]
    axes: Mapping[str, list[str]]
    nodes: Mapping[str, Node]

    def record(self) -> dict[str, Any]:
        """Return the ledger as JSON holds it, with the hashes of its rules and data."""
        sizes = {a: len(labels) for a, labels in self.axes.items()}
        made = {"schema": SCHEMA, **self.head, "axes": dict(self.axes),
                "nodes": [n.record(sizes) for n in self.nodes.values()]}  # fmt: skip
        return made | {"policy_hash": policy_hash(made), "data_hash": data_hash(made)}


def unverified(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, status and citation of a ledger's nodes that rest on no final source."""
    firm = ("final", "observed", "administrative", "given")
    return [(n["id"], n["status"], n["citation"]) for n in record["nodes"]
            if n["status"] not in firm]  # fmt: skip


def write_ledger(record: Mapping[str, Any], path: Path) -> None:
    """Write a ledger as JSON."""
    path.write_text(json.dumps(record, indent=None, separators=(",", ":"), allow_nan=False) + "\n",
                    encoding="utf-8")  # fmt: skip


def read_ledger(path: Path) -> dict[str, Any]:
    """Read a ledger.

    Raises
    ------
    InputError
        The file is no ledger of this schema.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{path.name} is no JSON") from None
    needed = ("program", "year", "known_at", "results", "axes", "nodes", "policy_hash", "data_hash")
    whole = isinstance(record, dict) and record.get("schema") == SCHEMA
    if not whole or any(key not in record for key in needed):
        raise InputError(f"{path.name} is no ledger of schema {SCHEMA}")
    return dict(record)


def for_spreadsheet(value: Any) -> Any:
    """Return text that a spreadsheet does not take for a formula.

    >>> for_spreadsheet("=A1"), for_spreadsheet(-1.5), for_spreadsheet("A1")
    ("'=A1", -1.5, 'A1')
    """
    risky = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if risky else value


def rows(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row a number: the columns of ``ROW``."""
    book = Book(record["axes"])
    for node in record["nodes"]:
        book.add(node)
        if "table" in node:
            yield _row(record, node, node["id"], json.dumps(node["table"]), "")
            continue
        cells = list(book.cells(node["axes"]))
        for place, value in enumerate(node["values"]):
            labels = "/".join(record["axes"][a][i] for a, i in cells[place].items())
            name = f"{node['id']}[{labels}]" if labels else node["id"]
            yield _row(record, node, name, value, node.get("reasons", {}).get(str(place), ""))


def _row(
    record: Mapping[str, Any], node: Mapping[str, Any], name: str, value: Any, reason: str
) -> dict[str, Any]:
    return {
        "id": name, "step": node["id"], "formula": node.get("formula", ""),
        "inputs": " ".join(node.get("inputs", [])), "value": value, "unit": node["unit"],
        "rounding": node.get("rounding"), "citation": node["citation"], "status": node["status"],
        "reason": reason, "policy_hash": record["policy_hash"], "data_hash": record["data_hash"],
    }  # fmt: skip


def write_rows(record: Mapping[str, Any], path: Path) -> None:
    """Write one CSV row a number."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ROW)
        writer.writeheader()
        writer.writerows({k: for_spreadsheet(v) for k, v in row.items()} for row in rows(record))
