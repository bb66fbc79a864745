"""Files of public surveys and samples, opened as text tables in DuckDB."""

import re
from pathlib import Path

import duckdb

from riskadj.errors import InputError


def open_table(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> set[str]:
    """Make a view of a comma-separated (.csv, .csv.gz) or Parquet file; return its columns.

    Values of a CSV file stay text; column names come back in capitals.

    Raises
    ------
    InputError
        The file is not there, or is none of these.
    """
    if not path.is_file():
        raise InputError(f"no file {path}")
    exact = re.sub(r"([*?\[])", r"[\1]", str(path.absolute()))  # DuckDB takes paths as patterns
    try:
        if path.suffix.lower() == ".parquet":
            file = connection.read_parquet(exact, hive_partitioning=False)
        else:
            file = connection.read_csv(
                exact,
                header=True,
                sep=",",
                quotechar='"',
                all_varchar=True,
                hive_partitioning=False,
            )
        file.create_view(name)
    except duckdb.Error:  # its message may show a line
        raise InputError(f"{path.name} cannot be read as {path.suffix or 'CSV'}") from None
    return {column.strip().upper() for column in file.columns}


def read_whole(
    connection: duckdb.DuckDBPyConnection, name: str, columns: str, view: str, path: Path
) -> None:
    """Make a table of a view's columns (SQL), reading the file to its end.

    Raises
    ------
    InputError
        The file is cut or broken; the message shows nothing of it.
    """
    try:
        connection.execute(f'create table "{name}" as select {columns} from "{view}"')
    except duckdb.Error:
        raise InputError(f"{path.name} cannot be read to its end") from None
