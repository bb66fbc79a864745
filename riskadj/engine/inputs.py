"""Sources become DuckDB views: CSV, Parquet and NDJSON files, or any frame narwhals knows."""

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from riskadj.connection import connect
from riskadj.errors import InputError
from riskadj.tables import MEMBER_ID

Source = Any
"""A path, or a pandas, polars, pyarrow or other frame that narwhals reads."""


@dataclass(frozen=True, slots=True)
class View:
    """A named view over one input table.

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
        """Return the source's quoted column for the first of these names, if any."""
        for name in names:
            if name in self.columns:
                return quoted(self.columns[name][0])
        return None

    def need(self, names: tuple[str, ...]) -> str:
        """Return the source's column, or say which columns there are."""
        if (column := self.find(names)) is not None:
            return column
        there = ", ".join(sorted(self.columns))
        near = difflib.get_close_matches(names[0], self.columns, n=1)
        hint = f" Did you mean {near[0]!r}? Rename it." if near else ""
        raise InputError(f"{self.name}: no column {names[0]!r}. There are: {there}.{hint}")

    def type_of(self, names: tuple[str, ...]) -> str:
        """Return the DuckDB type of the first of these columns."""
        return next(self.columns[n][1] for n in names if n in self.columns)


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
            untyped = _attach_file(connection, name, Path(source), skip_bad_rows)
        else:
            connection.register(name, _to_arrow(source, name))
        described = connection.execute(f"describe {quoted(name)}").fetchall()
    columns = {row[0].strip().lower(): (row[0], row[1]) for row in described}
    if len(columns) < len(described):
        raise InputError(f"{name}: two columns have the same name (case does not count)")
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
        "Value with unterminated": "a quote is not closed",
        "Invalid unicode": "a row is not UTF-8",
        "too small to be a Parquet": "not a whole Parquet file (truncated?)",
        "No magic bytes": "not a whole Parquet file (truncated?)",
        "footer": "not a whole Parquet file (truncated?)",
        "Malformed JSON": "a line is not valid JSON (truncated?)",
        "No files found": "file not found",
        "sniffing": "the CSV form was not recognised: expected a header and comma, tab or | fields",
    }
    said = next((text for sign, text in kinds.items() if sign.lower() in message.lower()), None)
    said = said or f"cannot be read ({message.split(':')[0].strip()})"
    place = f" at line {line[1]}" if line else ""
    return f"{said}{place}"


def _attach_file(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, skip_bad_rows: bool
) -> bool:
    if not path.is_file():
        raise InputError(f"{name}: no file {path}")
    if path.stat().st_size == 0:
        raise InputError(f"{name}: {path} is empty")
    suffixes = {s.lower() for s in path.suffixes}
    if ".parquet" in suffixes:
        relation = connection.read_parquet(str(path))
    elif {".ndjson", ".jsonl"} & suffixes:
        relation = connection.read_json(str(path), format="newline_delimited")
    elif {".csv", ".tsv", ".txt"} & suffixes:
        relation = connection.read_csv(
            str(path), header=True, all_varchar=True, store_rejects=skip_bad_rows
        )
        relation.create(name)
        return True
    else:
        raise InputError(f"{name}: {path.name} is not .parquet, .csv, .tsv, .txt or .ndjson")
    relation.create_view(name)
    return False


def _to_arrow(source: Source, name: str) -> Any:
    """Return a frame as Arrow, without copying where the frame allows it."""
    import narwhals.stable.v2 as nw

    try:
        return nw.from_native(source, eager_only=True).to_arrow()
    except TypeError:
        raise InputError(
            f"{name}: a {type(source).__name__} is neither a path nor a frame "
            "(pandas, polars or pyarrow; collect a lazy frame first)"
        ) from None


def rows_of_member(name: str, source: Source, member_id: str) -> Any:
    """Return one member's rows of a table, as Arrow."""
    with connect() as connection:
        view = attach(connection, name, source, skip_bad_rows=False)
        with reading(name):
            return connection.sql(
                f"select * from {quoted(name)} where {view.need(MEMBER_ID)}::varchar = ?",
                params=[member_id],
            ).to_arrow_table()


def shape_of(name: str, source: Source) -> tuple[int, View]:
    """Return a table's number of rows and its columns, for a dry run."""
    with connect() as connection:
        view = attach(connection, name, source, skip_bad_rows=False)
        with reading(name):
            return count(connection, f"select count(*) from {quoted(name)}"), view
