"""What a program's steps read: terms, labels, parameters, indices and the entities' numbers."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.axes import laid_out
from benchmarks.inputs import input_nodes
from benchmarks.ledger import Node
from benchmarks.policy import load_parameter
from benchmarks.program import PERFORMANCE_YEAR, Index, Option, Program, refuse_races
from benchmarks.series import load_series
from benchmarks.tables import Table, labels
from benchmarks.terms import Request, is_needed
from riskadj.errors import InputError, NotPublishedError, OptionError

FIRST_BASE_YEAR = "baseline_year"
"""The option that says which year a path of growth starts from."""
NOT_COMPUTED = "is computed with the target, which this run does not compute"
REBASING = "rebasing_years"
"""The option that says how many years a baseline lasts."""


def leaves(
    program: Program, tables: Sequence[Table], request: Request, axes: Mapping[str, list[str]],
    options: Mapping[str, Any],
) -> dict[str, Node]:  # fmt: skip
    """Return what the steps read: options, axes, parameters, indices, inputs."""
    reads = program.reads(request.parts)
    nodes = {n: _option_node(n, program.sheet.options[n], v) for n, v in options.items()}
    nodes |= {a: _axis_node(a, held) for a, held in axes.items() if a in reads}
    if PERFORMANCE_YEAR in reads:
        nodes[PERFORMANCE_YEAR] = Node(
            id=PERFORMANCE_YEAR, kind="option", values=laid_out(float(request.year), ()), axes=(),
            unit="year", citation="terms of this run", status="given", about="The year computed",
        )  # fmt: skip
    for name, pattern in program.parameters.items():
        if name in reads:
            file = pattern.format(**options) if "{" in pattern else pattern
            nodes[name] = replace(_parameter_node(file, request), id=name)
    for name, index in program.sheet.indices.items():
        if name in reads and is_needed(index, request.terms):
            nodes[name] = _index_node(name, index, axes["year"], options, request)
    unused = {*program.sheet.options, *program.sheet.indices} & reads - set(nodes)
    nodes |= {n: _unused_node(n, program.sheet.options.get(n)) for n in sorted(unused)}
    computed = {s.id for s in program.steps(request.parts)}
    nodes |= {n: _not_computed(n) for n in sorted((reads & set(program.formulas)) - computed)}
    wanted = [n for n in program.sheet.inputs if n in reads and n not in nodes]
    return nodes | input_nodes(program, tables, axes, wanted)


def axis_labels(
    program: Program, tables: Sequence[Table], request: Request, options: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the labels of every axis that the program's steps use.

    Raises
    ------
    InputError
        The files name no entity, or a stratum that the program does not have.
    """
    entities = labels(tables, "entity")
    if not entities:
        raise InputError("The files have no column entity_id")
    found = {"entity": entities}
    used = {a for s in program.steps(request.parts) for a in program.axes[s.id]}
    used |= {a for n in program.reads(request.parts) for a in program.axes.get(n, ())}
    if "stratum" in used:
        found["stratum"] = _strata(program, tables)
    if "base_year" in used:
        found["base_year"] = labels(tables, "base_year")
        if not found["base_year"]:
            raise InputError(f"{program.name} needs rows by base_year (BY1, BY2, ...)")
    if "year" in used:
        found["year"] = _path(options, request)
    return found


def _strata(program: Program, tables: Sequence[Table]) -> list[str]:
    strata, own = labels(tables, "stratum"), program.sheet.strata
    refuse_races(strata)
    unknown = [s for s in strata if own and s not in own]
    if unknown:
        raise InputError(f"{program.name} has no stratum {unknown[0]!r}. It has: {', '.join(own)}")
    if not strata and not own:
        raise InputError(f"{program.name} goes by stratum, and the files have no such column")
    return list(own) or strata


def _path(options: Mapping[str, Any], request: Request) -> list[str]:
    """Return the years from the one after the baseline to the performance year."""
    base = int(options[FIRST_BASE_YEAR])
    if base >= request.year:
        raise OptionError(f"{FIRST_BASE_YEAR} {base} is not before the year {request.year}")
    every = int(options.get(REBASING, 0))
    if every and request.year - base > every:
        newer = base + (request.year - base - 1) // every * every
        raise OptionError(
            f"{REBASING} is {every}: the baseline of {base} was replaced by that of "
            f"{newer}. Give the spending of {newer} and {FIRST_BASE_YEAR}={newer}"
        )
    return [str(year) for year in range(base + 1, request.year + 1)]


def _option_node(name: str, spec: Option, value: Any) -> Node:
    held = value if isinstance(value, (int, float)) else str(value)
    return Node(id=name, kind="option", values=laid_out(held, ()), axes=(), unit=spec.kind,
                citation="terms of this run", status="given", about=spec.about)  # fmt: skip


def _unused_node(name: str, spec: Option | None = None) -> Node:
    """Return what stands for an option or index that the other terms leave unread."""
    text = spec is not None and spec.kind in ("choice", "series", "date")
    return Node(id=name, kind="option", values=laid_out("" if text else np.nan, ()), axes=(),
                unit=spec.kind if spec else "",
                citation="terms of this run", status="given",
                reasons={"0": f"{name} is not used under these terms"})  # fmt: skip


def _not_computed(name: str) -> Node:
    """Return what stands for a step of a part that this run does not compute."""
    reason = f"{name} {NOT_COMPUTED}"
    return replace(_unused_node(name), citation="no step of this run", reasons={"0": reason})


def _axis_node(axis: str, held: list[str]) -> Node:
    number = axis == "year"
    values = np.array(held, dtype=np.float64) if number else np.array(held)
    return Node(id=axis, kind="axis", values=laid_out(values, (axis,)), axes=(axis,), unit="label",
                citation="", status="given", about=f"label of the {axis}")  # fmt: skip


def _parameter_node(name: str, request: Request) -> Node:
    parameter = load_parameter(name)
    try:
        found = parameter.at(request.year, request.known_at, request.accept)
    except NotPublishedError as error:
        return replace(_unused_node(name), kind="parameter", unit=parameter.unit,
                       citation=str(error), reasons={"0": str(error)},
                       about=parameter.description)  # fmt: skip
    said = f"{found.source}, known {found.known}" + (f"; {found.note}" if found.note else "")
    plain = not isinstance(found.value, (dict, list))
    return Node(id=name, kind="parameter", values=laid_out(found.value, ()) if plain else None,
                axes=(), unit=parameter.unit, citation=said, status=found.status,
                table=None if plain else _floats(found.value),
                about=parameter.description)  # fmt: skip


def _floats(table: Any) -> Any:
    if isinstance(table, dict):
        return {str(k): _floats(v) for k, v in table.items()}
    if isinstance(table, list):
        return [_floats(row) for row in table]
    return float(table) if isinstance(table, (int, float)) else table


def _index_node(
    name: str, index: Index, years: list[str], options: Mapping[str, Any], request: Request
) -> Node:
    """Read an index along the path, as known on the day the terms say."""
    series = load_series(str(options.get(index.series, index.series)))
    known_at = options.get(index.projected) if index.projected else None
    known_at = known_at if isinstance(known_at, dt.date) else request.known_at
    if known_at > request.known_at:
        raise OptionError(f"{index.projected} {known_at} is after {request.known_at}, the day that "
                          "the run knows of")  # fmt: skip
    span = int(options[index.years]) if index.measure == "average" else 1
    found = series.path(int(years[0]) - 1, [int(y) for y in years], known_at, span)
    values = [g.value for g in found]
    citations = sorted({g.citation for g in found})
    worst = max((g.status for g in found), key=("observed", "estimated", "projected",
                                                "unverified").index)  # fmt: skip
    return Node(id=name, kind="index", values=laid_out(values, ("year",)), axes=("year",), unit="1",
                citation=f"{series.name}: {'; '.join(citations)}", status=worst,
                about=index.about or series.about.title)  # fmt: skip
