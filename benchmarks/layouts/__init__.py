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
    percent: tuple[str, ...] = ()
    recode: Mapping[str, Mapping[str, str]] = {}
    strata: Mapping[str, Mapping[str, str]] = {}


@cache
def layouts() -> tuple[Layout, ...]:
    """Return every layout."""
    files = sorted(_FOLDER.glob("*.toml"))
    return tuple(Layout(**tomllib.loads(f.read_text(encoding="utf-8"))) for f in files)


def read_files(paths: Sequence[Path]) -> list[Table]:
    """Read files; those of a known layout with our columns."""
    return [arranged(read_table(path)) for path in paths]


def arranged(table: Table) -> Table:
    """Return a public file's rows as ours: one an entity, and one an entity and stratum."""
    for layout in layouts():
        if set(layout.detect) <= set(table.columns):
            return _arranged(table, layout)
    return table


def _arranged(table: Table, layout: Layout) -> Table:
    rows = []
    for row in table.rows:
        name = {ours: " / ".join(row.get(t, "").strip() for t in theirs)
                for ours, theirs in layout.joined.items()}  # fmt: skip
        rows.append({**name, **_picked(row, layout.columns, layout)})
        key = {"entity_id": rows[-1]["entity_id"]}
        rows += [{**key, "stratum": stratum, **_picked(row, columns, layout)}
                 for stratum, columns in layout.strata.items()]  # fmt: skip
    columns = tuple(dict.fromkeys(c for row in rows for c in row))
    filled = tuple({c: row.get(c, "") for c in columns} for row in rows)
    return Table(table.name, columns, filled)


def _picked(row: Mapping[str, str], columns: Mapping[str, str], layout: Layout) -> dict[str, str]:
    found = {ours: row[theirs].strip() for ours, theirs in columns.items() if theirs in row}
    for ours in found:
        found[ours] = layout.recode.get(ours, {}).get(found[ours], found[ours])
        if ours in layout.percent:
            value = read_number(found[ours], percent=True)
            found[ours] = found[ours] if isinstance(value, Missing) else repr(value)
    return found
