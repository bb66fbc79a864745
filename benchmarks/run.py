"""Running a program: inputs, parameters and indices in, a ledger out."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.axes import AXES, Array, laid_out
from benchmarks.formula import LENGTHS, SUPPRESSED, evaluate, parse
from benchmarks.inputs import input_nodes
from benchmarks.ledger import Ledger, Node
from benchmarks.policy import Status, load_parameter
from benchmarks.program import (
    PERFORMANCE_YEAR,
    Index,
    Option,
    Part,
    Program,
    Step,
    refuse_races,
)
from benchmarks.replay import UNTOLD, Book, NotCalculable
from benchmarks.series import list_series, load_series
from benchmarks.steps import round_half_up
from benchmarks.tables import Missing, Table, labels, read_number
from riskadj.errors import InputError, NotPublishedError, OptionError

FIRST_BASE_YEAR = "baseline_year"
"""The option that says which year a path of growth starts from."""
NOT_COMPUTED = "is computed with the target, which this run does not compute"
REBASING = "rebasing_years"
"""The option that says how many years a baseline lasts."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a program.

    Attributes
    ----------
    year
        Performance year.
    known_at
        Only what was known on this day is used.
    terms
        Option to value, as text.
    accept
        Statuses besides the ordinary ones: ``proposed``.
    parts
        Which parts are computed.
    """

    year: int
    known_at: dt.date
    terms: Mapping[str, str] = field(default_factory=dict)
    accept: tuple[Status, ...] = ()
    parts: tuple[Part, ...] = ("target",)


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
        if name in reads and _is_needed(index, request.terms):
            nodes[name] = _index_node(name, index, axes["year"], options, request)
    unused = {*program.sheet.options, *program.sheet.indices} & reads - set(nodes)
    nodes |= {n: _unused_node(n, program.sheet.options.get(n)) for n in sorted(unused)}
    computed = {s.id for s in program.steps(request.parts)}
    nodes |= {n: _not_computed(n) for n in sorted((reads & set(program.formulas)) - computed)}
    wanted = [n for n in program.sheet.inputs if n in reads and n not in nodes]
    return nodes | input_nodes(program, tables, axes, wanted)


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
    except NotCalculable as reason:
        return str(reason)
    return "not a finite number"


def read_options(program: Program, request: Request) -> dict[str, Any]:
    """Check and read the terms a run was given.

    Raises
    ------
    OptionError
        A term is unknown, missing, or has a value that it cannot have. There are no defaults.
    """
    specs = program.sheet.options
    unknown = sorted(set(request.terms) - set(specs))
    if unknown:
        raise OptionError(f"{program.name} has no term {unknown[0]!r}. "
                          f"It has: {', '.join(specs) or 'none'}")  # fmt: skip
    wanted = [n for n, s in specs.items() if _is_needed(s, request.terms)
              and (s.of is None or s.of in request.parts)]  # fmt: skip
    missing = [n for n in wanted if n not in request.terms]
    if missing:
        said = "".join(f"\n  {n} = {_choices(specs[n])}: {specs[n].about}" for n in missing)
        few = f"{len(missing)} more term{'s' * (len(missing) > 1)}"
        raise OptionError(f"{program.name} needs {few}, by --terms or --set:{said}")
    return {n: _read_option(n, specs[n], str(request.terms[n])) for n in wanted}


def _is_needed(spec: Option | Index, terms: Mapping[str, str]) -> bool:
    return all(str(terms.get(other)) in values for other, values in spec.when.items())


def _choices(spec: Option) -> str:
    if spec.kind == "series":
        return " | ".join(list_series())
    return " | ".join(spec.one_of) or spec.kind


def _read_option(name: str, spec: Option, text: str) -> Any:
    if spec.one_of and text not in spec.one_of:
        raise OptionError(f"{name} is one of {', '.join(spec.one_of)}, not {text!r}")
    if spec.kind == "series" and text not in list_series():
        raise OptionError(f"{name}: no series {text!r}. There are: {', '.join(list_series())}")
    if spec.kind in ("choice", "series"):
        return text
    try:
        if spec.kind == "date":
            return dt.date.fromisoformat(text)
        value = int(text) if spec.kind == "year" else read_number(text)
    except ValueError:
        value = Missing("unreadable")
    if isinstance(value, Missing):
        raise OptionError(f"{name}: expected a {spec.kind}, not {text!r}")
    return _option_within_bounds(name, spec, value)


def _option_within_bounds(name: str, spec: Option, value: float) -> float:
    if spec.kind == "rate" and abs(value) > 1:
        raise OptionError(f"{name} is {value:g}: rates are fractions, write 0.05 for five per cent")
    if not spec.low <= value <= spec.high:
        raise OptionError(f"{name} is {value:g}, and lies between {spec.low:g} and {spec.high:g}")
    return value


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
