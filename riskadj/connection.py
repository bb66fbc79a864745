"""DuckDB connections: private, with a real memory limit, and nothing loaded from outside."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from riskadj.errors import OptionError

MAX_THREADS = 1024


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
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise OptionError(f"threads: expected 1 to {MAX_THREADS}")
    with tempfile.TemporaryDirectory(prefix="riskadj-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        config |= {"memory_limit": memory_limit} if memory_limit else {}
        config |= {"threads": threads} if threads is not None else {}
        try:
            connection = duckdb.connect(":memory:", config=config)
        except duckdb.Error:
            raise OptionError(
                f"memory limit: expected a size such as 1GB, not {memory_limit!r}"
            ) from None
        try:
            yield connection
        finally:
            connection.close()
