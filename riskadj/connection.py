"""DuckDB connections: private, with a real memory limit, and nothing loaded from outside."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from riskadj.errors import InputError


@contextmanager
def connect(
    memory_limit: str | None = None, threads: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory database that spills to a private temporary folder.

    Parameters
    ----------
    memory_limit
        Such as ``"1GB"``; DuckDB's default (80 % of memory) when None.
    threads
        How many threads the engine may use; all cores when None.
    """
    with tempfile.TemporaryDirectory(prefix="riskadj-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        config |= {"memory_limit": memory_limit} if memory_limit else {}
        config |= {"threads": threads} if threads else {}
        try:
            connection = duckdb.connect(":memory:", config=config)
        except duckdb.Error as error:
            raise InputError(f"memory limit or threads not accepted: {error}") from None
        try:
            yield connection
        finally:
            connection.close()
