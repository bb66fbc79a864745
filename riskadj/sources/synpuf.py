"""CMS's DE-SynPUF beneficiary files as a regression problem: flags of 2008, payments of 2009.

CMS made these people up from real claims and broke the relations between them on purpose: the files
have the layout and size of real data, and nothing learned from them is true of anybody.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from riskadj.connection import connect
from riskadj.errors import InputError
from riskadj.sources.files import open_table, read_whole

BASE, PAID = 2008, 2009
BANDS = ("0_34", "35_44", "45_54", "55_59", "60_64", "65_69", "70_74", "75_79", "80_84", "85_89",
         "90_GT")  # fmt: skip
FROM_AGE = (35, 45, 55, 60, 65, 70, 75, 80, 85, 90)
CELLS = tuple(f"{sex}{band}" for sex in "FM" for band in BANDS)
FLAGS = ("SP_ALZHDMTA", "SP_CHF", "SP_CHRNKIDN", "SP_CNCR", "SP_COPD", "SP_DEPRESSN",
         "SP_DIABETES", "SP_ISCHMCHT", "SP_OSTEOPRS", "SP_RA_OA", "SP_STRKETIA")  # fmt: skip
"""Chronic conditions in the file's order: 1 yes, 2 no."""
AMOUNTS = ("MEDREIMB_IP", "MEDREIMB_OP", "MEDREIMB_CAR")
NEEDED = {
    BASE: ("DESYNPUF_ID", "BENE_ESRD_IND", *FLAGS),
    PAID: ("DESYNPUF_ID", "BENE_BIRTH_DT", "BENE_SEX_IDENT_CD", "BENE_HI_CVRAGE_TOT_MONS",
           "BENE_HMO_CVRAGE_TOT_MONS", *AMOUNTS),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Synpuf:
    """Persons with 12 months of Part A and no HMO month in 2009.

    Attributes
    ----------
    terms
        Names of the columns: 22 age-sex cells, 11 flags and ESRD of 2008. Ages are whole years on
        1 February 2009.
    design
        0 or 1, shape (n_persons, n_terms), in order of sample and person id.
    paid_cents
        Medicare's payments of 2009 for inpatient, outpatient and carrier claims, shape
        (n_persons,). Negative totals are in it as they are: adjustments that outweigh payments.
    sample
        CMS's sample number, shape (n_persons,).
    counts
        What was read, what was left out and why, and negative payments among the kept.
    """

    terms: tuple[str, ...]
    design: NDArray[np.uint8]
    paid_cents: NDArray[np.int64]
    sample: NDArray[np.int64]
    counts: Mapping[str, int]


def read_synpuf(folder: Path) -> Synpuf:
    """Read the beneficiary files of 2008 and 2009 in a folder.

    Either one file a year for several samples (``DE1_0_Beneficiary_2008_18samples.csv.gz``, with a
    column ``SAMPLE``), or CMS's own files, one a year and sample
    (``DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv``).

    Raises
    ------
    InputError
        A file or column is not there, a value is none that the codebook knows, or a person is
        listed twice in a year.

    References
    ----------
    CMS 2008-2010 Data Entrepreneurs' Synthetic PUF, codebook: variables of the beneficiary file.
    """
    with connect() as connection:
        for year in (BASE, PAID):
            _create_year(connection, folder, year)
        _create_persons(connection)
        counts = _counts(connection)
        rows = connection.execute(
            "select sample, cents, age, male, esrd, columns('^SP_') from persons where why is null "
            "order by sample, id"
        ).fetchnumpy()
    if not len(rows["cents"]):
        raise InputError(f"{folder.name}: no person is left; left out: {counts}")
    return Synpuf(
        terms=(*CELLS, *FLAGS, "ESRD"), design=_design(rows), counts=counts,
        paid_cents=rows["cents"].astype(np.int64), sample=rows["sample"].astype(np.int64),
    )  # fmt: skip


def _create_year(connection: duckdb.DuckDBPyConnection, folder: Path, year: int) -> None:
    """Make the view ``year<year>``: the needed columns as text, and the sample."""
    parts = []
    for path, sample in _files(folder, year):
        name = f"file{year}_{sample or 'all'}"
        columns = open_table(connection, name, path)
        needed = NEEDED[year] if sample else (*NEEDED[year], "SAMPLE")
        if missing := [c for c in needed if c not in columns]:
            raise InputError(f"{path.name}: no column {', '.join(missing)}")
        taken = ", ".join(f"trim({c}) {c}" for c in NEEDED[year])
        read_whole(
            connection, f"{name}_read", f"{taken}, {sample or 'SAMPLE'}::varchar sample", name, path
        )
        parts.append(f'select * from "{name}_read"')
    connection.execute(f"create view year{year} as {' union all '.join(parts)}")


def _files(folder: Path, year: int) -> list[tuple[Path, str]]:
    """Return a year's files, each with its sample number, or one with an empty sample."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    together = re.compile(rf"DE1_0_Beneficiary_{year}_\d+samples\.csv(\.gz)?", re.IGNORECASE)
    single = re.compile(
        rf"DE1_0_{year}_Beneficiary_Summary_File_Sample_(\d+)\.csv(\.gz)?", re.IGNORECASE
    )
    names = sorted(path for path in folder.iterdir() if path.is_file())
    whole = [(path, "") for path in names if together.fullmatch(path.name)]
    parts = [(path, match[1]) for path in names if (match := single.fullmatch(path.name))]
    found = whole + parts
    if not found:
        raise InputError(
            f"{folder.name}: no beneficiary file of {year}: expected "
            f"DE1_0_{year}_Beneficiary_Summary_File_Sample_<n>.csv or "
            f"DE1_0_Beneficiary_{year}_<n>samples.csv.gz"
        )
    if len({sample for _, sample in found}) < len(found) or (whole and parts):
        raise InputError(f"{folder.name}: a sample of {year} is there more than once")
    return found


def _create_persons(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table ``persons``: the people of 2009, typed, with why one is left out."""
    for year in (BASE, PAID):
        _refuse(connection, f"select count(*) - count(distinct (DESYNPUF_ID, sample)) "
                f"from year{year}", f"{year}: rows that list a person again")  # fmt: skip
    flags = ", ".join(f"case {f} when '1' then 1 when '2' then 0 end {f}" for f in FLAGS)
    cents = " + ".join(f"(try_cast({a} as decimal(14, 2)) * 100)::bigint" for a in AMOUNTS)
    negative = " or ".join(f"try_cast({a} as decimal(14, 2)) < 0" for a in AMOUNTS)
    connection.execute(f"""create table persons as
        with base as (
            select DESYNPUF_ID id, sample, {flags},
                case BENE_ESRD_IND when 'Y' then 1 when '0' then 0 end esrd, true there
            from year{BASE}),
        paid as (
            select DESYNPUF_ID id, sample, {cents} cents, {negative} negative,
                case BENE_SEX_IDENT_CD when '1' then 1 when '2' then 0 end male,
                try_strptime(BENE_BIRTH_DT, '%Y%m%d')::date born,
                case when born <= date '{PAID}-02-01'
                    then date_sub('year', born, date '{PAID}-02-01') end age,
                try_cast(BENE_HI_CVRAGE_TOT_MONS as int) part_a,
                try_cast(BENE_HMO_CVRAGE_TOT_MONS as int) hmo
            from year{PAID})
        select * exclude (sample), try_cast(sample as int) sample, case
            when not coalesce(there, false) then 'not in the file of {BASE}'
            when part_a < 12 then 'fewer than 12 months of Part A in {PAID}'
            when hmo > 0 then 'HMO months in {PAID}' end why
        from paid left join base using (id, sample)""")
    known = " or ".join(f"{c} is null" for c in ("cents", "male", "age", "part_a", "hmo", "sample"))
    flagged = " or ".join(f"{c} is null" for c in (*FLAGS, "esrd"))
    _refuse(connection, f"select count(*) from persons where {known} or (there and ({flagged}))",
            "rows with a value that the codebook does not know")  # fmt: skip


def _refuse(connection: duckdb.DuckDBPyConnection, query: str, what: str) -> None:
    (bad,) = connection.execute(query).fetchall()[0]
    if bad:
        raise InputError(f"DE-SynPUF: {bad:,} {what}")


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return every person read in one of the counts."""
    rows = connection.execute("select why, count(*) from persons group by 1 order by 1").fetchall()
    left_out = {f"left out: {why}": n for why, n in rows if why}
    (base, gone), = connection.execute(
        f"select count(*), count(*) - (select count(*) from persons where there) from year{BASE}"
    ).fetchall()  # fmt: skip
    (below, negative), = connection.execute(
        "select count(*) filter (cents < 0), count(*) filter (negative) from persons "
        "where why is null"
    ).fetchall()  # fmt: skip
    kept = sum(n for why, n in rows if not why)
    return {
        f"persons of {BASE}": base, f"of these not in the file of {PAID}": gone,
        f"persons of {PAID}": kept + sum(left_out.values()), **left_out, "kept": kept,
        "kept with a negative payment in a part": negative, "kept with a negative total": below,
    }  # fmt: skip


def _design(rows: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return cells, flags and ESRD as ones and zeros."""
    n = len(rows["age"])
    design = np.zeros((n, len(CELLS) + len(FLAGS) + 1), np.uint8)
    cell = np.searchsorted(FROM_AGE, rows["age"], side="right") + len(BANDS) * rows["male"]
    design[np.arange(n), cell.astype(np.intp)] = 1
    for place, name in enumerate((*FLAGS, "esrd"), start=len(CELLS)):
        design[:, place] = rows[name]
    return design
