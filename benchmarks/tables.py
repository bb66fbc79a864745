"""Reading the entities' numbers: CSV as people and agencies write it.

A public use file has thousands commas, percents as 0.05, 5 or "5.50%", a byte-order mark, ``*`` for
a suppressed count and ``-`` for none. Nothing is dropped: what cannot be read as a number is kept
as missing, with the reason.
"""

import csv
import datetime as dt
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from riskadj.errors import InputError

KEYS = {"entity": ("entity_id", "aco_id", "entity"), "stratum": ("stratum", "enrollment_type"),
        "base_year": ("base_year",), "year": ("year",)}  # fmt: skip
"""Axis to the columns that may name its label."""
SUPPRESSED = ("*", "**")
SUPPRESSED_REASON, BLANK_REASON = "suppressed in the file", "blank in the file"
UNREADABLE = "unreadable"
"""The reason of a cell that is neither a value, nor blank, nor suppressed: it is refused."""
NULLS = ("", "-", ".", "na", "n/a", "nan", "null", "none")
YES, NO = ("1", "1.0", "true", "t", "y", "yes"), ("0", "0.0", "false", "f", "n", "no")


@dataclass(frozen=True, slots=True)
class Missing:
    """A cell that holds no number, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one file.

    Attributes
    ----------
    name
        File name, for messages.
    columns
        As the header spells them, in lower case.
    rows
        Column to raw text.
    lines
        Line of each row in the file; from 2 on where it is empty.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    lines: tuple[int, ...] = ()

    def numbered(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield each row with its line."""
        return zip(self.lines or range(2, len(self.rows) + 2), self.rows, strict=True)

    def key(self, row: Mapping[str, str], axis: str) -> str:
        """Return a row's label on an axis; blank when it has none."""
        found = (row.get(column, "").strip() for column in KEYS[axis])
        return next((label for label in found if label), "")


def read_table(path: Path) -> Table:
    """Read a CSV file.

    Raises
    ------
    InputError
        It is empty, repeats a column, or a row has more cells than the header.
    """
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        found = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise InputError(f"{path.name}, line {reader.line_num}: {error}") from None
    if not found or not any(found[0][1]):
        raise InputError(f"{path.name} is empty")
    header = tuple(name.strip().lower() for name in found[0][1])
    if len(set(header)) < len(header):
        twice = sorted({n for n in header if header.count(n) > 1})
        raise InputError(f"{path.name} has columns twice: {', '.join(twice)}")
    rows = [(line, cells) for line, cells in found[1:] if any(c.strip() for c in cells)]
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(f"{path.name}, line {line}: {len(cells)} cells, the header has "
                             f"{len(header)}")  # fmt: skip
    if not rows:
        raise InputError(f"{path.name} has no rows")
    return Table(path.name, header, tuple(dict(zip(header, c, strict=True)) for _, c in rows),
                 tuple(line for line, _ in rows))  # fmt: skip


_NUMBER = re.compile(
    r"(?P<open>\()?(?P<sign>[-+])?\$?(?P<digits>\d+|[1-9]\d{0,2}(?:,\d{3})+)?(?P<rest>\.\d*)?"
    r"(?P<power>[eE][-+]?\d{1,3})?\s?(?P<percent>%)?(?P<close>\))?",
    re.ASCII,
)


def read_number(raw: str, percent: bool = False) -> float | Missing:
    """Read a number as agencies write it.

    Parameters
    ----------
    percent
        The file gives this rate as a percentage: 5 is 0.05, with or without the sign.

    >>> read_number(" 1,234.5 "), read_number("5.50%"), read_number("(12)"), read_number("$3")
    (1234.5, 0.055, -12.0, 3.0)
    >>> read_number("*").reason, read_number("-").reason
    ('suppressed in the file', 'blank in the file')
    """
    text = raw.strip().replace("\N{MINUS SIGN}", "-")
    if text in SUPPRESSED or re.fullmatch(r"<\s?\d+", text):
        return Missing(SUPPRESSED_REASON)
    if text.lower() in NULLS:
        return Missing(BLANK_REASON)
    found = _NUMBER.fullmatch(text)
    digits = ((found["digits"] or "") + (found["rest"] or "")).replace(",", "") if found else ""
    whole = found is not None and bool(found["open"]) == bool(found["close"])
    if found is None or not whole or not digits.strip(".") or (found["open"] and found["sign"]):
        return Missing(UNREADABLE)
    value = float(digits + (found["power"] or ""))
    if not math.isfinite(value):
        return Missing(UNREADABLE)
    value = -value if found["open"] or found["sign"] == "-" else value
    return float(f"{value / 100:.12g}") if found["percent"] or percent else value


def read_flag(raw: str) -> float | Missing:
    """Read yes or no.

    >>> read_flag("Yes"), read_flag("0")
    (1.0, 0.0)
    """
    text = raw.strip().lower()
    if text in YES or text in NO:
        return 1.0 if text in YES else 0.0
    return _not_told(raw)


def _not_told(raw: str) -> Missing:
    text = raw.strip().lower()
    if text in SUPPRESSED:
        return Missing(SUPPRESSED_REASON)
    return Missing(BLANK_REASON if text in NULLS else UNREADABLE)


def read_date(raw: str) -> float | Missing:
    """Read a date, 2024-01-31 or 01/31/2024, as the number 20240131.

    >>> read_date("07/01/2019"), read_date("2024-01-01")
    (20190701.0, 20240101.0)
    """
    text = raw.strip()
    for form in ("%Y-%m-%d", "%m/%d/%Y"):
        try:
            day = dt.datetime.strptime(text, form)
        except ValueError:
            continue
        return float(day.year * 10_000 + day.month * 100 + day.day)
    return _not_told(raw)


def labels(tables: Sequence[Table], axis: str) -> list[str]:
    """Return the labels of an axis, entities and strata in the order of the files, years sorted."""
    found: dict[str, None] = {}
    for table in tables:
        for row in table.rows:
            label = table.key(row, axis)
            if label:
                found.setdefault(label)
    return sorted(found) if axis in ("base_year", "year") else list(found)
