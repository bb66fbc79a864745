"""Files become tables in DuckDB with nothing guessed but the separator of a CSV file."""

import csv
import gzip
import json
import re
from collections.abc import Iterable
from pathlib import Path

import duckdb

from riskadj.errors import InputError

GUESSED_TYPES = ("DATE", "TIME", "TIMESTAMP", "UUID")
"""What DuckDB makes of JSON text that looks like it; ids and dates stay the text they are."""


def create_from_file(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, skip_bad_rows: bool
) -> bool:
    """Make ``name`` a table or view of a file; return whether its values are untyped text.

    Raises
    ------
    InputError
        The file is missing, empty, of an unknown kind, or has no usable header.
    """
    if not path.is_file():
        raise InputError(f"{name}: no file {path}")
    if path.stat().st_size == 0:
        raise InputError(f"{name}: {path} is empty")
    kind = next(
        (s.lower() for s in reversed(path.suffixes) if s.lower() not in (".gz", ".zst")), ""
    )
    exact = re.sub(r"([*?\[])", r"[\1]", str(path.absolute()))  # DuckDB takes paths as patterns
    if kind == ".parquet":
        connection.read_parquet(exact, hive_partitioning=False).create_view(name)
    elif kind in (".ndjson", ".jsonl"):
        _from_json(connection, name, path, exact)
    elif kind in (".csv", ".tsv", ".txt"):
        _from_csv(connection, name, path, exact, skip_bad_rows)
        return True
    else:
        raise InputError(f"{name}: {path.name} is not .parquet, .csv, .tsv, .txt or .ndjson")
    return False


def refuse_repeated(name: str, columns: Iterable[str]) -> None:
    """Refuse a table with two columns of one name; case and blanks do not count."""
    seen = [c.strip().lower() for c in columns]
    if len(set(seen)) < len(seen):
        raise InputError(f"{name}: two columns have the same name (case does not count)")


def _from_json(connection: duckdb.DuckDBPyConnection, name: str, path: Path, exact: str) -> None:
    """Look at every line for keys: one that first stands far down still counts."""
    try:
        found = connection.read_json(
            exact, format="newline_delimited", hive_partitioning=False, sample_size=-1
        )
    except duckdb.Error:
        if (line := _first_bad_line(path)) is None:
            raise
        raise InputError(
            f"{name}: line {line:,} of {path.name} is not valid JSON (truncated?)"
        ) from None
    kinds = {
        column: "VARCHAR" if str(kind).startswith(GUESSED_TYPES) else str(kind)
        for column, kind in zip(found.columns, found.types, strict=True)
    }
    connection.read_json(
        exact, format="newline_delimited", hive_partitioning=False, columns=kinds
    ).create_view(name)


def _from_csv(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, exact: str, skip_bad_rows: bool
) -> None:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    separator, names = _header(name, path, zipped)
    columns = ", ".join(f"{_text(n)}: 'VARCHAR'" for n in names)
    table = f'"{name}"'
    rejects = f", rejects_table = '{name}_unread', rejects_scan = '{name}_scan'"
    connection.execute(
        f"create table {table} as select * from read_csv({_text(exact)}, auto_detect = false, "
        f"header = true, delim = {_text(separator)}, quote = '\"', escape = '\"', comment = '', "
        f"columns = {{{columns}}}, hive_partitioning = false, "
        f"compression = '{'gzip' if zipped else 'none'}', store_rejects = {skip_bad_rows}"
        f"{rejects if skip_bad_rows else ''})"
    )
    _refuse_open_quotes(connection, name, names, skip_bad_rows)


def _refuse_open_quotes(
    connection: duckdb.DuckDBPyConnection, name: str, names: list[str], skip_bad_rows: bool
) -> None:
    """Refuse a file in which a quote swallowed rows: they cannot be told apart any more."""
    if skip_bad_rows:
        lines = connection.execute(
            f"select min(line) from {name}_unread where error_type = 'UNQUOTED VALUE'"
        ).fetchall()
        if lines[0][0] is not None:
            raise InputError(
                f"{name}: a quote is not closed at line {lines[0][0]:,}: the rows after it cannot "
                "be told apart"
            )
    spanning = " or ".join(f'contains("{n.replace(chr(34), chr(34) * 2)}", chr(10))' for n in names)
    rows = connection.execute(f'select min(rowid) + 1 from "{name}" where {spanning}').fetchall()
    if rows[0][0] is not None:
        raise InputError(
            f"{name}: a value spans lines at row {rows[0][0]:,}: is a quote not closed? "
            "Rows must not span lines"
        )


def _first_bad_line(path: Path) -> int | None:
    """Return the number of the first line that is not a JSON object, if any."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    return number
            except ValueError:
                return number
    return None


def _header(name: str, path: Path, zipped: bool) -> tuple[str, list[str]]:
    """Return a CSV file's separator and column names, from its first line."""
    try:
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            first = file.readline(1 << 20).decode("utf-8-sig").splitlines() or [""]
    except (UnicodeDecodeError, EOFError, OSError):
        raise InputError(f"{name}: the first line of {path.name} is not UTF-8 text") from None
    separator = max(",\t|;", key=first[0].count)
    names = next(csv.reader(first[:1], delimiter=separator), [])
    if not any(n.strip() for n in names):
        raise InputError(f"{name}: the first line of {path.name} has no column names")
    refuse_repeated(name, names)
    return separator, [n or f"column {i}" for i, n in enumerate(names, start=1)]


def _text(value: str) -> str:
    """Quote a string for SQL."""
    return "'" + value.replace("'", "''") + "'"
