"""The report of a ledger, from a template."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import riskadj.report
from benchmarks.explain import Line, explain, value_text
from benchmarks.ledger import unverified
from benchmarks.report import asop, content
from benchmarks.report.content import (
    BY_STRATUM,
    LONG,
    MISSING,
    MOST_ROWS,
    Extras,
    Record,
    Sheet,
    Waterfall,
    column,
    shown,
    unit_said,
)
from benchmarks.report.figures import figures
from riskadj.report.numbers import DASH, cents, known, number, percent, plain, ratio, signed, span
from riskadj.report.table import Table

_FOLDERS = [Path(__file__).parent / "templates", Path(riskadj.report.__file__).parent / "templates"]
_STATUS = {
    "final": "Rules in force for the year, as they were known on the day below.",
    "draft": "A draft: the rules are not settled, or not all of them were read. "
             "Do not pay by it.",
    "template": "A template: its terms are chosen by whoever runs it and are no payer's rule. "
                "Do not pay by it unless a contract says the same.",
    "history": "A program that has ended, kept so that past results can be explained. "
               "Do not pay by it.",
}  # fmt: skip
_CLASSES = {"final": "approved", "history": "validated"}
LISTED = 12
"""Values that are not verified and stand open in the banner; the rest are folded under it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A number at the top of the page."""

    name: str
    value: str
    note: str


def render_report(ledger: Mapping[str, Any], extras: Extras) -> str:
    """Return a ledger's report as one HTML page that loads nothing and runs nothing.

    Parameters
    ----------
    ledger
        A ledger's JSON record.
    extras
        What is shown besides; may be empty.

    Raises
    ------
    InputError
        ``extras.statements`` answers a question that is not asked.
    """
    found = content.sheet(ledger)
    falls = content.waterfall(found)
    drawings = {d.key: (d, Markup(d.svg)) for d in figures(falls, extras)}  # escaped when drawn
    weak = [(name, status, said) for name, status, said in unverified(ledger)]
    return environment().get_template("ledger.html.j2").render(
        record=ledger, extras=extras, drawings=drawings,
        status_said=_STATUS.get(str(ledger["status"]), ""),
        status_class=_CLASSES.get(str(ledger["status"]), "draft"),
        weak=weak, counted=Counter(status for _, status, _ in weak), listed=LISTED,
        keys=key_numbers(found), missing=content.why_missing(found),
        falls=waterfall_table(falls) if falls else None,
        results=[t for t in (entity_table(found), stratum_table(found), other_table(found)) if t],
        absent=[r for r in ledger["results"] if r not in found.nodes],
        equity=equity_table(extras.equity), exhibits=[exhibit_table(e) for e in extras.exhibits],
        steps=[n for n in ledger["nodes"] if n["kind"] == "step"], example=example(found),
        terms=[t for t in term_tables(found) if t.rows],
        inputs=[n for n in ledger["nodes"] if n["kind"] == "input"],
        standards=asop.standards(found, extras), statements=asop.statements(extras.statements),
    )  # fmt: skip


def environment() -> Environment:
    """Return the templates of this package and of riskadj, with escaping."""
    made = Environment(loader=FileSystemLoader(_FOLDERS), undefined=StrictUndefined,
                       autoescape=True, trim_blocks=True, lstrip_blocks=True,
                       keep_trailing_newline=True)  # fmt: skip
    made.filters |= {"n": number, "unit": lambda unit: unit_said(unit).replace("$", "USD")}
    return made


def key_numbers(found: Sheet) -> Iterator[Key]:
    """Yield the number of entities and every result by entity: a sum, a mean or a range."""
    every = len(found.record["axes"].get("entity", []))
    yield Key("Entities", number(every), f"{found.record['program']}, {found.record['year']}")
    weights = content.exposure(found)
    weight = content.by_entity(found, weights) if weights else {}
    for node in found.results(["entity"]):
        there = {i: v for i, v in enumerate(node["values"]) if v is not None}
        value, how = _summary(node, there, weight)
        left = every - len(there)
        note = f"{how}; {len(there):,} of {every:,} entities" + f", {left:,} {MISSING}" * (left > 0)
        yield Key(str(node["about"] or node["id"]), value, note.removeprefix("; "))


def _summary(
    node: Record, there: Mapping[int, Any], weight: Mapping[int, float]
) -> tuple[str, str]:
    """Return a result of all entities in one number, and how it was made."""
    unit, rounding = node["unit"], node.get("rounding")
    if not there:
        return MISSING, ""
    if any(isinstance(v, str) for v in there.values()):
        counted = Counter(map(str, there.values())).most_common(3)
        return ", ".join(f"{v}: {n:,}" for v, n in counted), "most frequent"
    values = list(there.values())
    if unit == "usd":
        return shown(sum(values), unit, rounding), f"sum{_signs(values)}"
    if len(values) == 1:
        return shown(values[0], unit, rounding), ""
    if unit.startswith("usd") and sum(weight.get(i, 0.0) for i in there) > 0:
        whole = sum(weight.get(i, 0.0) for i in there)
        mean = sum(v * weight.get(i, 0.0) for i, v in there.items()) / whole
        return shown(mean, unit), f"mean by members, {unit_said(unit)}"
    low, high = (shown(end(values), unit, rounding) for end in (min, max))
    said = f"range, mean {shown(fmean(values), unit)} (not weighted) {unit_said(unit)}"
    return f"{low} to {high}", said.strip()


def _signs(values: Sequence[float]) -> str:
    """Say how many owe where some do: a sum hides them."""
    below = sum(v < 0 for v in values)
    return f" of {sum(v > 0 for v in values):,} above zero and {below:,} below" if below else ""


def waterfall_table(falls: Waterfall) -> Table:
    """Return the waterfall's levels and changes."""
    rows, before = [], None
    for label, step, value in falls.levels:
        change = DASH if before is None else signed(cents(value - before))
        share = DASH if not before else signed(percent((value - before) / before))
        rows.append((label, step, cents(value), change, share))
        before = value
    head = ("Level", "Step", "Level, $", "Change, $", "Change")
    return Table("The same as a table", head, tuple(rows), words=2, note=falls.note)


def entity_table(found: Sheet) -> Table | None:
    """Return the results by entity in the order of the files, and the sum of dollars."""
    nodes, every = content.entity_rows(found)
    if not nodes:
        return None
    why = any(reason for _, _, reason in every)
    rows = [(label, *([reason] if why else []), *_cells(nodes, values))
            for label, values, reason in every[:MOST_ROWS]]  # fmt: skip
    if len(every) > 1:
        rows.append(("All calculable", *([""] if why else []), *(_sum(n) for n in nodes)))
    head = ("Entity", *(["Why not calculable"] if why else []), *map(column, nodes))
    return _listed("Results by entity", head, rows, "entities.csv", len(every), 1 + why)


def _listed(
    title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], file: str, n: int,
    words: int,
) -> Table:  # fmt: skip
    """Return a table that says where the rows are which it does not show."""
    note = f"{file}, beside this page, has the same with all digits."
    if n > MOST_ROWS:
        note = (f"The first {MOST_ROWS:,} of {n:,} rows are shown; all are in {file}, beside this "
                "page, with all digits.")  # fmt: skip
    return Table(title, head, tuple(rows), words=words, note=note, folded=n > LONG)


def _cells(nodes: Sequence[Record], values: Sequence[Any]) -> list[str]:
    return [shown(v, n["unit"], n.get("rounding")) for n, v in zip(nodes, values, strict=True)]


def _sum(node: Record) -> str:
    numbers = [v for v in node["values"] if isinstance(v, (int, float))]
    summed = node["unit"] == "usd" and bool(numbers)
    return shown(sum(numbers), "usd", node.get("rounding")) if summed else DASH


def stratum_table(found: Sheet) -> Table | None:
    """Return the results by entity and stratum."""
    nodes = found.results(BY_STRATUM)
    if not nodes:
        return None
    names = found.record["stratum_names"]
    every = list(content.stratum_rows(found, nodes))
    why = any(reason for *_, reason in every)
    rows = [(e, names.get(s, s), *([reason] if why else []), *_cells(nodes, values))
            for e, s, values, reason in every[:MOST_ROWS]]  # fmt: skip
    head = ("Entity", "Stratum", *(["Why not calculable"] if why else []), *map(column, nodes))
    return _listed("Results by entity and stratum", head, rows, "strata.csv", len(every), 2 + why)


def other_table(found: Sheet) -> Table | None:
    """Return the results that lie along other axes, a row a number."""
    nodes = [n for n in found.results() if n["axes"] not in (["entity"], BY_STRATUM)]
    every = [(f"{n['id']}[{found.label(place)}]" if place else n["id"], column(n), reason,
              shown(value, n["unit"], n.get("rounding")))
             for n in nodes for place, value, reason in found.cells(n)]  # fmt: skip
    if not every:
        return None
    head = ("Number", "What", "Why not calculable", "Value")
    return _listed("Further results", head, every[:MOST_ROWS], "ledger.csv", len(every), 3)


def equity_table(rows: Sequence[Record]) -> Table | None:
    """Return spending against the target by group; a suppressed group tells no number."""
    if not rows:
        return None
    counted = "person_years" if "person_years" in rows[0] else "members"
    head = ("Dimension", "Group", plain(counted), "Actual, $ PMPM", "Target, $ PMPM",
            "Actual to target", "95 %")  # fmt: skip
    return Table("Actual spending to target, by group", head,
                 tuple(_equity_row(r, counted) for r in rows), words=2,
                 note="Groups of fewer than 11 people are suppressed. Groups evaluate the target; "
                      "they do not enter it.", folded=len(rows) > LONG)  # fmt: skip


def _equity_row(row: Record, counted: str) -> tuple[str, ...]:
    who = (plain(str(row["dimension"])), str(row["group"]))
    people = row.get(counted)
    if row.get("suppressed"):
        hidden = people if isinstance(people, str) and known(people) is None else "suppressed"
        return (*who, hidden, *["suppressed"] * 4)
    count = people if isinstance(people, str) else number(people)
    return (*who, count, cents(row.get("actual_usd_pmpm")), cents(row.get("target_usd_pmpm")),
            ratio(row.get("ratio")), span(row.get("low"), row.get("high")))  # fmt: skip


def exhibit_table(exhibit: content.Exhibit) -> Table:
    """Return an exhibit as text; numbers as they come."""
    rows = [tuple(DASH if c is None else shown(c) for c in row) for row in exhibit.rows]
    note = exhibit.note
    if len(rows) > MOST_ROWS:
        note = f"{note} The first {MOST_ROWS:,} of {len(rows):,} rows are shown.".strip()
    return Table(exhibit.title, tuple(exhibit.columns), tuple(rows[:MOST_ROWS]), note=note,
                 folded=len(rows) > LONG)  # fmt: skip


def example(found: Sheet) -> list[Line]:
    """Explain the last result in dollars of the first entity that has it."""
    by_entity = found.results(["entity"])
    last = [str(step) for step, _ in found.record["waterfall"]][-1:]
    last = last if found.record["part"] == "target" else []
    nodes = [n for n in by_entity if n["unit"] == "usd" and n["id"] in last]
    nodes += list(reversed([n for n in by_entity if n["unit"] == "usd"])) + by_entity
    for node in nodes:
        for i, value in enumerate(node["values"]):
            if value is not None:
                return explain(found.record, found.book.label(node, i))
    return []


def term_tables(found: Sheet) -> Iterator[Table]:
    """Yield options, indices and parameters with their values, citations and status."""
    options = [n for n in found.nodes.values() if n["kind"] == "option" and not n.get("reasons")]
    rows = [(n["id"], n["about"], _told(found, n)) for n in options]
    yield Table("Terms of the run", ("Name", "What", "Value"), tuple(rows), words=3)
    head = ("Name", "What", "Value", "Unit", "Status", "Source")
    for kind, title in (("index", "Indices"), ("parameter", "Parameters")):
        nodes = [n for n in found.nodes.values() if n["kind"] == kind]
        cited = [(n["id"], n["about"], "not in force" if n.get("reasons") else _told(found, n),
                  unit_said(n["unit"]), n["status"], n["citation"]) for n in nodes]  # fmt: skip
        yield Table(title, head, tuple(cited), words=len(head))


def _told(found: Sheet, node: Record) -> str:
    """Return all values of a term in words; of an index to six digits."""
    if "table" in node:
        return _table_told(node["table"])
    said = []
    for place, value, reason in found.cells(node):
        text = f"{value:.6g}" if node["kind"] == "index" and value else value_text(value, "year")
        said.append(f"{found.label(place)}: {reason or text}" if place else reason or text)
    return "; ".join(said)


def _table_told(table: Any) -> str:
    """Return a table in words.

    >>> _table_told({"A": 0.4, "B": [[0.02, 0.3], ["inf", 0.5]]})
    'A: 0.4; B: [0.02, 0.3], [inf, 0.5]'
    """
    if isinstance(table, Mapping):
        return "; ".join(f"{k}: {_nested(v)}" for k, v in table.items())
    if isinstance(table, list) and table and isinstance(table[0], list):
        return ", ".join(_table_told(row) for row in table)
    if isinstance(table, list):
        return f"[{', '.join(map(_table_told, table))}]"
    return value_text(table, "year")


def _nested(table: Any) -> str:
    text = _table_told(table)
    return f"({text})" if isinstance(table, Mapping) else text
