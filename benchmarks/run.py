"""Running a program: inputs, parameters and indices in, a ledger out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.axes import AXES, Array
from benchmarks.formula import LENGTHS, SUPPRESSED, evaluate, parse
from benchmarks.leaves import NOT_COMPUTED, axis_labels, leaves
from benchmarks.ledger import Ledger, Node
from benchmarks.program import Part, Program, Step
from benchmarks.replay import UNTOLD, Book, NotCalculableError
from benchmarks.steps import round_half_up
from benchmarks.tables import Table
from benchmarks.terms import Request, read_options
from riskadj.errors import InputError, NotPublishedError, OptionError


def run(program: Program, tables: Sequence[Table], request: Request) -> Ledger:
    """Compute a program's parts for all entities and strata at once.

    Raises
    ------
    InputError, OptionError, NotPublishedError
        See ``benchmarks.inputs``, ``read_options``, ``benchmarks.policy``, ``benchmarks.series``.
    """
    _check_year(program, request)
    _check_parts(program, request)
    options = read_options(program, request)
    axes = axis_labels(program, tables, request, options)
    nodes = leaves(program, tables, request, axes, options)
    _check(program, nodes, axes, request)
    nodes = compute(program, nodes, axes, request.parts)
    _refuse_unpublished(program, nodes, request)
    head = _head(program, request)
    head["results"] = [r for r in head["results"] if r in nodes]
    return Ledger(head, axes, nodes)


def _refuse_unpublished(program: Program, nodes: Mapping[str, Node], request: Request) -> None:
    """Refuse a run of which no result can be calculated for want of a value or of the target."""
    results = [nodes[r] for p in request.parts for r in program.sheet.results.get(p, ())
               if r in nodes]  # fmt: skip
    last = results[-1] if results else None
    if last is None or last.values is None or last.values.dtype.kind == "U":
        return
    wanting = {reason for n in nodes.values() if n.kind == "parameter"
               for reason in n.reasons.values()}  # fmt: skip
    if np.isnan(last.values).all() and wanting & set(last.reasons.values()):
        raise NotPublishedError(next(r for r in last.reasons.values() if r in wanting))
    if np.isnan(last.values).all() and all(NOT_COMPUTED in r for r in last.reasons.values()):
        raise OptionError(f"{program.name} settles against its own target: give --baseline, and "
                          "the terms of the target")  # fmt: skip


def _check(
    program: Program, nodes: Mapping[str, Node], axes: Mapping[str, list[str]], request: Request
) -> None:
    """Refuse inputs that break a check of the program, with how many entities do."""
    values: dict[str, Any] = {LENGTHS: {a: len(held) for a, held in axes.items()}}
    values |= {n: node.table if node.values is None else node.values for n, node in nodes.items()}
    for check in program.sheet.checks:
        if check.of in request.parts:
            held = evaluate(parse(check.formula, "check"), values)
            broken = int((held == 0).sum())
            if broken:
                raise InputError(f"{broken:,} of {held.size:,}: {check.message}")


def compute(
    program: Program, nodes: Mapping[str, Node], axes: Mapping[str, list[str]],
    parts: tuple[Part, ...],
) -> dict[str, Node]:  # fmt: skip
    """Compute the steps in order; each cell that cannot be calculated gets its reason."""
    made, book = dict(nodes), Book(axes)
    sizes = {a: len(held) for a, held in axes.items()}
    values: dict[str, Any] = {LENGTHS: sizes, SUPPRESSED: _suppressed(nodes, sizes)}
    values |= {n: node.table if node.values is None else node.values for n, node in nodes.items()}
    for node in nodes.values():
        book.add(node.record(sizes))
    for step in program.steps(parts):
        values[step.id] = apply(step, program, values)
        node = _step_node(step, program, values[step.id], book, sizes)
        made[step.id] = node
        book.add(node.record(sizes))
    return made


def _suppressed(nodes: Mapping[str, Node], sizes: Mapping[str, int]) -> dict[str, Array]:
    """Return which cells of inputs are there but not told: bool, a dimension an axis."""
    found: dict[str, Array] = {}
    for name, node in nodes.items():
        untold = [int(i) for i, reason in node.reasons.items() if UNTOLD in reason]
        if node.kind != "input" or not untold or node.values is None:
            continue
        shape = [sizes.get(a, 1) if a in node.axes else 1 for a in AXES]
        flat = np.zeros(int(np.prod(shape)), dtype=bool)
        flat[untold] = True
        found[name] = flat.reshape(shape)
    return found


def apply(step: Step, program: Program, values: Mapping[str, Any]) -> Array:
    """Compute one step over arrays."""
    try:
        found = evaluate(program.formulas[step.id], values)
    except (TypeError, ValueError, AttributeError):
        raise InputError(
            f"{program.name}, step {step.id}: the formula takes a table or text for a "
            f"number: {step.formula}"
        ) from None
    return found if step.round is None else round_half_up(found, step.round)


def _step_node(
    step: Step, program: Program, values: Array, book: Book, sizes: Mapping[str, int]
) -> Node:
    formula, axes = program.formulas[step.id], program.axes[step.id]
    node = Node(id=step.id, kind="step", values=values, axes=axes, unit=step.unit,
                citation=step.cite, status=step.status, formula=formula.text,
                inputs=formula.names, rounding=step.round, about=step.about)  # fmt: skip
    empty = [i for i, v in enumerate(node.flat(sizes)) if v is None]
    if not empty:
        return node
    cells = list(book.cells(list(axes)))
    reasons = {str(i): _why(book, formula.tree, cells[i]) for i in empty}
    return replace(node, reasons=reasons)


def _why(book: Book, tree: Any, cell: Mapping[str, int]) -> str:
    """Return why a cell cannot be calculated, by calculating it alone."""
    try:
        book.value(tree, cell)
    except NotCalculableError as reason:
        return str(reason)
    return "not a finite number"


def _check_parts(program: Program, request: Request) -> None:
    for part in request.parts:
        if not (program.sheet.target if part == "target" else program.sheet.settle):
            other = "target" if part == "settle" else "settle"
            what = "settlement" if part == "settle" else "target"
            raise OptionError(f"{program.name} has no {what}: use `tcoc {other}`")


def _check_year(program: Program, request: Request) -> None:
    first, last = program.sheet.first_year, program.sheet.last_year
    if not first <= request.year <= last:
        raise InputError(f"{program.name} covers the years {first} to {last}, not {request.year}")


def _head(program: Program, request: Request) -> dict[str, Any]:
    sheet = program.sheet
    part = request.parts[-1]
    return {
        "program": program.name, "title": sheet.title, "status": sheet.status,
        "summary": sheet.summary, "part": part, "year": request.year,
        "known_at": request.known_at.isoformat(), "accepted": list(request.accept),
        "results": list(sheet.results.get(part, ())), "limits": list(sheet.limits),
        "waterfall": [[b.id, b.label] for p in request.parts for b in sheet.waterfall.get(p, ())],
        "stratum_names": dict(sheet.stratum_names), "pmpm": sheet.pmpm,
        "actual": sheet.actual, "expected": sheet.expected, "exposure": sheet.exposure,
    }  # fmt: skip
