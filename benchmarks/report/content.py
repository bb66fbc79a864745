"""What a report says beside the ledger, and the ledger's results as rows."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.ledger import for_spreadsheet, unverified
from benchmarks.replay import Book
from riskadj.report.numbers import cents, known, number, usd
from riskadj.report.table import Table

Record = Mapping[str, Any]
MISSING = "not calculable"
BY_STRATUM = ["entity", "stratum"]
MOST_ROWS = 500
"""Rows of a table on the page; the CSV files have all."""
LONG = 40
"""A table of more rows is folded."""
EXPOSURES = ("member_months", "person_years", "beneficiary_months")


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: a value a year, None where there is none.

    Attributes
    ----------
    role
        How it is drawn; ``other`` for any further line.
    """

    name: str
    values: Sequence[float | None]
    role: Literal["target", "cap", "actual", "index", "other"] = "other"


@dataclass(frozen=True, slots=True)
class TargetPath:
    """A path of targets against its cap.

    Attributes
    ----------
    years
        Labels, in order.
    lines
        Each as long as ``years``.
    unit
        What the values are, such as ``usd_pmpm`` or ``index, 2018 = 100``.
    caption
        What to notice.
    """

    years: Sequence[str | int]
    lines: Sequence[Series]
    unit: str = "usd_pmpm"
    title: str = "Path of the target against its cap"
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Fan:
    """Quantiles of a projection by year.

    Attributes
    ----------
    quantiles
        Probability, such as 0.05, to a value a year.
    lines
        Drawn over the fan: the cap, the actual values.
    """

    years: Sequence[str | int]
    quantiles: Mapping[float, Sequence[float]]
    unit: str = "usd_pmpm"
    title: str = "Range of the projection"
    caption: str = ""
    lines: Sequence[Series] = ()


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A named table: actual to expected, completion factors, whatever a reviewer asks for."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Extras:
    """What a report shows besides the ledger; whatever is empty is not shown.

    Attributes
    ----------
    equity
        A row a group: ``dimension``, ``group``, ``members`` or ``person_years`` (text, such as
        ``<11``), ``actual_usd_pmpm``, ``target_usd_pmpm``, ``ratio`` (actual to target), ``low``,
        ``high``, ``suppressed``.
    path, fan, exhibits
    statements
        The actuary's: see ``benchmarks.report.asop.QUESTIONS`` for the keys.
    """

    equity: Sequence[Mapping[str, Any]] = ()
    path: TargetPath | None = None
    fan: Fan | None = None
    exhibits: Sequence[Exhibit] = ()
    statements: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A ledger, as the report reads it.

    Attributes
    ----------
    record
    nodes
        Name to node.
    book
        The nodes, read cell by cell.
    """

    record: Record
    nodes: Mapping[str, Record]
    book: Book

    def results(self, axes: list[str] | None = None) -> list[Record]:
        """Return the result nodes in the program's order; those along some axes only."""
        found = [self.nodes[r] for r in self.record["results"] if r in self.nodes]
        return [n for n in found if "values" in n and (axes is None or n["axes"] == axes)]

    def label(self, place: Mapping[str, int]) -> str:
        """Return a cell's labels, such as ``A1001/ESRD``."""
        return "/".join(self.record["axes"][axis][i] for axis, i in place.items())

    def cells(self, node: Record) -> Iterator[tuple[dict[str, int], Any, str]]:
        """Yield place, value and reason of each cell."""
        reasons = node.get("reasons", {})
        cells = zip(self.book.cells(node["axes"]), node["values"], strict=True)
        for i, (place, value) in enumerate(cells):
            yield place, value, reasons.get(str(i), "not given") if value is None else ""


def sheet(record: Record) -> Sheet:
    """Open a ledger's record."""
    book = Book(record["axes"])
    for node in record["nodes"]:
        book.add(node)
    return Sheet(record, book.nodes, book)


def shown(value: Any, unit: str = "", rounding: int | None = None) -> str:
    """Return a value as a reader sees it: dollars whole, cents where the rule rounds to cents.

    >>> shown(1234.5, "usd"), shown(1234.5, "usd", 2), shown(0.012345, "1"), shown(None)
    ('$1,234', '$1,234.50', '0.0123', 'not calculable')
    """
    if value is None:
        return MISSING
    if known(value) is None or isinstance(value, str):
        return str(value)
    if unit.startswith("usd"):
        return cents(value) if unit != "usd" or rounding == 2 else usd(value)
    if unit == "flag":
        return "yes" if value else "no"
    if unit == "1":
        return number(value, 4)
    text = number(value, 4)
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit_said(unit: str) -> str:
    """Return a unit in words; nothing for shares and labels.

    >>> unit_said("usd_pmpm"), unit_said("usd_per_capita"), unit_said("1")
    ('$ per member per month', '$ per capita', '')
    """
    said = {"usd_pmpm": "$ per member per month", "usd_pbpm": "$ per beneficiary per month",
            "usd_pbpy": "$ per beneficiary per year", "1": "", "label": ""}  # fmt: skip
    words = unit.replace("_", " ")
    return said.get(unit, f"${words.removeprefix('usd')}" if words.startswith("usd") else words)


def column(node: Record) -> str:
    """Return what a result's column is called."""
    unit = unit_said(node["unit"])
    about = node["about"] or node["id"]
    return f"{about}, {unit}" if unit else str(about)


def exposure(found: Sheet) -> Record | None:
    """Return the one input that counts members, where there is only one: weights are obvious."""
    counts = [n for n in found.nodes.values() if n["kind"] == "input" and n["unit"] in EXPOSURES
              and n["axes"] in (["entity"], BY_STRATUM)]  # fmt: skip
    return counts[0] if len(counts) == 1 else None


def by_entity(found: Sheet, node: Record) -> dict[int, float]:
    """Sum a node over strata: place of each entity to its value, where every cell has one."""
    totals: dict[int, float] = {}
    missing: set[int] = set()
    for place, value, _ in found.cells(node):
        entity = place.get("entity", 0)
        if value is None or isinstance(value, str):
            missing.add(entity)
        totals[entity] = totals.get(entity, 0.0) + (known(value) or 0.0)
    return {e: total for e, total in totals.items() if e not in missing}


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Levels from the baseline to the target or the settlement.

    Attributes
    ----------
    levels
        Label, step and dollars; each label but the first is of the change that leads to its level.
    last
        What the last level is.
    note
        Whose dollars they are.
    """

    levels: tuple[tuple[str, str, float], ...]
    last: str
    note: str


def waterfall(found: Sheet) -> Waterfall | None:
    """Sum each level over the entities that have all of them; None where there are none.

    Levels that are no dollars, such as dollars per member month, are averaged instead.
    """
    bars = [(step, label) for step, label in found.record["waterfall"]]
    nodes = [found.nodes[i] for i, _ in bars if i in found.nodes]
    fits = all(set(n["axes"]) <= set(BY_STRATUM) for n in nodes)
    if len(bars) < 2 or len(nodes) < len(bars) or not fits:
        return None
    held = [by_entity(found, n) for n in nodes]
    whole = [e for e in held[0] if all(e in h for h in held)]
    if not whole:
        return None
    summed = {n["unit"] for n in nodes} == {"usd"}
    parts = 1 if summed else len(whole)
    totals = [sum(h[e] for e in whole) / parts for h in held]
    levels = tuple((label, i, t) for (i, label), t in zip(bars, totals, strict=True))
    return Waterfall(levels, column(nodes[-1]).removesuffix(", $"), _whose(found, whole, summed))


def _whose(found: Sheet, whole: Sequence[int], summed: bool) -> str:
    n, every = len(whole), len(found.record["axes"].get("entity", whole))
    said = "The sum of" if summed else "The mean, not weighted, of"
    left = f"; {every - n:,} left out, because a level of theirs is not calculable" * (every > n)
    return f"{said} {n:,} of {every:,} entities{left}."


def why_missing(found: Sheet) -> Table | None:
    """Count the cells of the results that cannot be calculated, by reason."""
    rows = []
    for node in found.results():
        counted = Counter(reason for _, _, reason in found.cells(node) if reason)
        rows += [(node["id"], reason, f"{n:,} of {len(node['values']):,}")
                 for reason, n in counted.most_common()]  # fmt: skip
    if not rows:
        return None
    return Table("What could not be calculated, and why", ("Result", "Why", "Numbers"),
                 tuple(rows), words=2, folded=len(rows) > LONG)  # fmt: skip


def entity_rows(found: Sheet) -> tuple[list[Record], list[tuple[str, list[Any], str]]]:
    """Return the results by entity, and a row an entity: label, values, why some are missing."""
    nodes = found.results(["entity"])
    columns = [list(found.cells(n)) for n in nodes]
    rows = []
    for i, label in enumerate(found.record["axes"]["entity"]):
        cells = [c[i] for c in columns]
        reasons = dict.fromkeys(reason for _, _, reason in cells if reason)
        rows.append((label, [value for _, value, _ in cells], "; ".join(reasons)))
    return nodes, rows


Stratum = tuple[str, str, list[Any], str]


def stratum_rows(found: Sheet, nodes: Sequence[Record]) -> Iterator[Stratum]:
    """Yield entity, stratum, values and why some are missing, in the order of the axes."""
    axes = found.record["axes"]
    for cells in zip(*(found.cells(n) for n in nodes), strict=True):
        place = cells[0][0]
        reasons = dict.fromkeys(reason for _, _, reason in cells if reason)
        yield (axes["entity"][place["entity"]], axes["stratum"][place["stratum"]],
               [value for _, value, _ in cells], "; ".join(reasons))  # fmt: skip


def write_tables(record: Record, folder: Path) -> list[Path]:
    """Write ``entities.csv`` and ``strata.csv`` into a folder and return their paths.

    ``entities.csv`` has a row an entity with the results; ``strata.csv`` a row an entity and
    stratum with every step that varies by both. Numbers are whole; one that cannot be calculated is
    empty, and ``reason`` says why. ``not_verified`` names what the run rests on that is not final.
    A file that would have no number is not written.
    """
    found, written = sheet(record), []
    weak = " ".join(name for name, _, _ in unverified(record))
    nodes, rows = entity_rows(found)
    if nodes:
        lines = [[label, *values, why, weak] for label, values, why in rows]
        head = ["entity_id", *(n["id"] for n in nodes), "reason", "not_verified"]
        written.append(_write(folder / "entities.csv", head, lines))
    inside = [n for n in found.nodes.values() if n["kind"] == "step" and n["axes"] == BY_STRATUM]
    if inside:
        lines = [[e, s, *values, why, weak] for e, s, values, why in stratum_rows(found, inside)]
        head = ["entity_id", "stratum", *(n["id"] for n in inside), "reason", "not_verified"]
        written.append(_write(folder / "strata.csv", head, lines))
    return written


def _write(path: Path, head: list[str], rows: list[list[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([for_spreadsheet(v) for v in row] for row in rows)
    return path
