"""Sources become named tables in DuckDB: files, or any frame that narwhals knows."""

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from riskadj.connection import connect
from riskadj.engine.files import create_from_file, refuse_repeated
from riskadj.errors import InputError
from riskadj.tables import KNOWN_NAMES, MEMBER_ID

Source = Any
"""A path, or a pandas, polars, pyarrow or other frame that narwhals reads."""
INTEGER_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
                 "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """One named input table.

    Attributes
    ----------
    columns
        Lower-case name to (name in the source, DuckDB type).
    untyped
        Whether every value is text because the file has no types (CSV).
    """

    name: str
    columns: dict[str, tuple[str, str]]
    untyped: bool

    def find(self, names: Iterable[str]) -> str | None:
        """Return the source's quoted column for these names of one thing, or None.

        Raises
        ------
        InputError
            Two of the names are there: which one counts cannot be known.
        """
        found = [n for n in names if n in self.columns]
        if len(found) > 1:
            raise InputError(f"{self.name}: {' and '.join(found)} mean the same: keep one")
        return quoted(self.columns[found[0]][0]) if found else None

    def need(self, names: tuple[str, ...]) -> str:
        """Return the source's column, or say which columns there are."""
        if (column := self.find(names)) is not None:
            return column
        if self.untyped and KNOWN_NAMES.isdisjoint(self.columns):
            raise InputError(
                f"{self.name}: no column {names[0]!r}, and none of the {len(self.columns)} names "
                "of the first line is known: is the header line missing?"
            )
        plain = [n for n in sorted(self.columns) if re.fullmatch(r"[a-z_][a-z0-9_ ]{0,50}", n)]
        others = len(self.columns) - len(plain)
        there = ", ".join(plain) + (f" and {others} of other form" if others else "")
        near = difflib.get_close_matches(names[0], self.columns, n=1)
        hint = f" Did you mean {near[0]!r}? Rename it." if near else ""
        raise InputError(f"{self.name}: no column {names[0]!r}. There are: {there}.{hint}")

    def type_of(self, names: tuple[str, ...]) -> str:
        """Return the DuckDB type of the first of these columns."""
        return next(self.columns[n][1] for n in names if n in self.columns)

    def member_id(self) -> str:
        """Return SQL for the member id: whole numbers as BIGINT, text trimmed, blank as null.

        Raises
        ------
        InputError
            The id is neither text nor a whole number.
        """
        column, kind = self.need(MEMBER_ID), self.type_of(MEMBER_ID)
        if kind in INTEGER_TYPES:
            return f"{column}::bigint"
        if kind == "VARCHAR" or kind.startswith("ENUM") or kind == '"NULL"':
            return f"nullif(trim({column}::varchar), '')"
        raise InputError(
            f"{self.name}: member_id is {kind}; expected text or whole numbers. "
            "(Whole numbers become decimals when a value is missing: drop or fill those rows.)"
        )


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """Return the single number that a query gives."""
    return int(connection.execute(query).fetchall()[0][0])


def attach(
    connection: duckdb.DuckDBPyConnection, name: str, source: Source, skip_bad_rows: bool
) -> View:
    """Make a source available under ``name``.

    Parameters
    ----------
    skip_bad_rows
        Leave out CSV rows that cannot be parsed; DuckDB keeps them in ``reject_errors``.

    Raises
    ------
    InputError
        The source is missing, of an unknown kind, empty, or cannot be parsed.
    """
    untyped = False
    with reading(name):
        if isinstance(source, (str, Path)):
            untyped = create_from_file(connection, name, Path(source), skip_bad_rows)
        else:
            connection.register(name, _to_arrow(source, name))
        described = connection.execute(f"describe {quoted(name)}").fetchall()
    columns = {row[0].strip().lower(): (row[0], row[1]) for row in described}
    return View(name, columns, untyped)


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn DuckDB's errors into ones that name the table and never print its values."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise InputError(
            f"{name}: the memory limit is too small for this input; raise --memory-limit"
        ) from None
    except duckdb.Error as error:
        raise InputError(f"{name}: {_without_values(str(error))}") from None


def _without_values(message: str) -> str:
    """Keep what a DuckDB error says of place and kind; drop what it quotes from the data."""
    line = re.search(r"(?:CSV Error on Line|Line): (\d+)", message)
    kinds = {
        "Expected Number of Columns": "a row has another number of columns than the header",
        "unterminated quote": "a quote is not closed",
        "Invalid unicode": "a row is not UTF-8",
        "too small to be a Parquet": "not a whole Parquet file (truncated?)",
        "No magic bytes": "not a whole Parquet file (truncated?)",
        "footer": "not a whole Parquet file (truncated?)",
        "Malformed JSON": "a line is not valid JSON (truncated?)",
        "No files found": "file not found",
        "GZIP": "not a whole gzip file (truncated?)",
        "type UINT64": "member_id is a whole number above 9,223,372,036,854,775,807: use text",
    }
    said = next((text for sign, text in kinds.items() if sign.lower() in message.lower()), None)
    if said is None:
        kind = re.match(r"[A-Za-z ]+ Error(?=:)", message)
        said = f"cannot be read ({kind[0]})" if kind else "cannot be read"
    return f"{said} at line {line[1]}" if line else said


def _to_arrow(source: Source, name: str) -> Any:
    """Return a frame as Arrow, without copying where the frame allows it."""
    import narwhals.stable.v2 as nw
    import pyarrow as pa
    from narwhals.exceptions import DuplicateError

    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    try:
        frame = nw.from_native(source, eager_only=True)
        refuse_repeated(name, frame.columns)
    except TypeError:
        raise InputError(
            f"{name}: a {type(source).__name__} is neither a path nor a frame "
            "(pandas, polars or pyarrow; collect a lazy frame first)"
        ) from None
    except DuplicateError:
        raise InputError(f"{name}: two columns have the same name") from None
    try:
        return frame.to_arrow()
    except (pa.ArrowException, TypeError):
        mixed = ", ".join(repr(c) for c in frame.columns if _is_mixed(frame[c]))
        raise InputError(
            f"{name}: column {mixed or 'of an unknown type'} holds values of more than one kind, "
            "such as text and numbers: make it all text"
        ) from None


def _is_mixed(column: Any) -> bool:
    import pyarrow as pa

    try:
        column.to_arrow()
    except (pa.ArrowException, TypeError):
        return True
    return False


def rows_of_member(name: str, source: Source, member_id: str) -> Any:
    """Return one member's rows of a table, as Arrow."""
    with connect() as connection:
        view = attach(connection, name, source, skip_bad_rows=False)
        with reading(name):
            return connection.sql(
                f"select * from {quoted(name)} where ({view.member_id()})::varchar = trim(?)",
                params=[member_id],
            ).to_arrow_table()


def shape_of(name: str, source: Source) -> tuple[int, View]:
    """Return a table's number of rows and its columns, for a dry run."""
    with connect() as connection:
        view = attach(connection, name, source, skip_bad_rows=False)
        view.need(MEMBER_ID)
        with reading(name):
            return count(connection, f"select count(*) from {quoted(name)}"), view
