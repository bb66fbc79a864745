"""Public use files as their agencies publish them, read into a program's columns.

A layout is a file beside this one: which columns tell that a file is of its kind, and which of them
are which of ours, per entity and per stratum. A file that no layout knows is read as it is.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.tables import Missing, Table, read_number, read_table
from riskadj.errors import InputError

_FOLDER = Path(__file__).parent


class Layout(BaseModel):
    """How a public file's columns are ours.

    Attributes
    ----------
    detect
        Columns, in lower case, that tell a file of this kind.
    columns
        Our column to theirs, one value an entity.
    joined
        Our column to more of theirs whose texts make one name.
    year
        Their column of the performance year, in a file of several.
    percent
        Our columns that the file gives as a percentage without a sign (5 for 0.05).
    recode
        Our column to their text to ours.
    strata
        Stratum to our column to theirs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    source: str
    detect: tuple[str, ...]
    columns: Mapping[str, str] = {}
    joined: Mapping[str, tuple[str, ...]] = {}
    year: str = ""
    percent: tuple[str, ...] = ()
    recode: Mapping[str, Mapping[str, str]] = {}
    strata: Mapping[str, Mapping[str, str]] = {}


@cache
def layouts() -> tuple[Layout, ...]:
    """Return every layout."""
    files = sorted(_FOLDER.glob("*.toml"))
    return tuple(Layout(**tomllib.loads(f.read_text(encoding="utf-8"))) for f in files)


def read_files(paths: Sequence[Path], year: int | None = None) -> list[Table]:
    """Read files; those of a known layout with our columns.

    Parameters
    ----------
    year
        Of a file of several performance years only this one's rows; all when None.

    Raises
    ------
    InputError
        A file has no rows of the year.
    """
    return [arranged(read_table(path), year) for path in paths]


def arranged(table: Table, year: int | None = None) -> Table:
    """Return a public file's rows as ours: one an entity, and one an entity and stratum."""
    for layout in layouts():
        if set(layout.detect) <= set(table.columns):
            return _arranged(_of_year(table, layout, year), layout)
    return table


def _of_year(table: Table, layout: Layout, year: int | None) -> Table:
    if year is None or not layout.year:
        return table
    kept = [(line, row) for line, row in table.numbered() if _year(row[layout.year]) == year]
    if not kept:
        there = sorted({row[layout.year] for row in table.rows})
        raise InputError(f"{table.name} has no rows of {year}: it has {', '.join(there)}")
    return Table(table.name, table.columns, tuple(r for _, r in kept), tuple(n for n, _ in kept))


def _year(raw: str) -> float | None:
    value = read_number(raw)
    return None if isinstance(value, Missing) else value


def _arranged(table: Table, layout: Layout) -> Table:
    rows, lines = [], []
    for line, row in table.numbered():
        name = {ours: " / ".join(row.get(t, "").strip() for t in theirs)
                for ours, theirs in layout.joined.items()}  # fmt: skip
        rows.append({**name, **_picked(row, layout.columns, layout)})
        key = {"entity_id": rows[-1]["entity_id"]}
        rows += [{**key, "stratum": stratum, **_picked(row, columns, layout)}
                 for stratum, columns in layout.strata.items()]  # fmt: skip
        lines += [line] * (1 + len(layout.strata))
    columns = tuple(dict.fromkeys(c for row in rows for c in row))
    filled = tuple({c: row.get(c, "") for c in columns} for row in rows)
    return Table(table.name, columns, filled, tuple(lines))


def _picked(row: Mapping[str, str], columns: Mapping[str, str], layout: Layout) -> dict[str, str]:
    found = {ours: row[theirs].strip() for ours, theirs in columns.items() if theirs in row}
    for ours in found:
        found[ours] = layout.recode.get(ours, {}).get(found[ours], found[ours])
        if ours in layout.percent:
            value = read_number(found[ours], percent=True)
            found[ours] = found[ours] if isinstance(value, Missing) else repr(value)
    return found
