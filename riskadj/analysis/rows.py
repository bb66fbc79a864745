"""Parts as rows of a table: what ``--out`` of an analysis writes."""

import csv
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from riskadj.errors import OptionError


class Row(NamedTuple):
    """One part of a change.

    Attributes
    ----------
    level
        What is broken down: ``total``, ``segment``, a model's conditions.
    key
        Which segment or condition; empty for the total.
    points
        A sum of scores, in thousandths.
    """

    level: str
    key: str
    part: str
    members: int
    points: int


def decimal(thousandths: int) -> str:
    """Write thousandths as a decimal with three places, exactly.

    >>> decimal(-1005), decimal(20)
    ('-1.005', '0.020')
    """
    whole, rest = divmod(abs(thousandths), 1000)
    return f"{'-' if thousandths < 0 else ''}{whole}.{rest:03d}"


def check_out(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that is no CSV file, has no folder, or is one of the inputs.

    Raises
    ------
    OptionError
        The path cannot be used.
    """
    if path.suffix != ".csv":
        raise OptionError(f"out: {path.name} does not end in .csv")
    if path.is_dir() or not path.parent.is_dir():
        raise OptionError(f"out: cannot write {path}: no such folder, or it is one")
    if path.resolve() in {p.resolve() for p in inputs}:
        raise OptionError(f"{path} is an input: choose another output")


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write ``level, key, part, members, points`` as CSV, whole or not at all."""
    table = [(*row[:-1], decimal(row.points)) for row in rows]
    write_csv(path, Row._fields, table)


def write_csv(path: Path, header: Sequence[str], table: Iterable[Sequence[object]]) -> None:
    """Write a CSV file beside its place and rename it when it is whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("x", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(table)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
