"""MEPS full-year files that the user brings, as members, costs and diagnoses.

The Medical Expenditure Panel Survey (AHRQ) asks households what they spent on health, whoever paid.
Its public condition codes have three characters: they map to no payment category of a CMS model.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from riskadj.connection import connect
from riskadj.errors import InputError, OptionError
from riskadj.sources.files import open_table, read_whole

FIRST_YEAR = 2018
"""The first year with these names and reserved codes."""
RESERVED = {
    -1: "inapplicable",
    -7: "refused",
    -8: "not known",
    -9: "not ascertained",
    -15: "cannot be computed",
}
RACES = {1: "hispanic", 2: "white", 3: "black", 4: "asian", 5: "other"}
"""RACETHX: all but the first are not Hispanic; 5 is another race or several."""
SEXES = {1: "M", 2: "F"}
OLDEST = 85
"""Ages are top-coded: 85 is 85 or older."""


@dataclass(frozen=True, slots=True)
class Meps:
    """Persons of one year of MEPS.

    Attributes
    ----------
    members
        ``member_id, age, sex, race_ethnicity, survey_weight, survey_stratum, survey_psu``. The
        survey does not tell Medicare's reason for entitlement, so the table has none.
    costs
        ``member_id, year, months, paid_cents``: 12 months, and what all payers paid.
    diagnoses
        ``member_id, diagnosis_code, thru_date``: one row a person and code, dated the last day of
        the year, for the file tells only the year. Empty without a conditions file.
    counts
        Rows read, and rows left out by reason.
    """

    members: pa.Table
    costs: pa.Table
    diagnoses: pa.Table
    counts: Mapping[str, int]


def read_meps(full_year: Path, conditions: Path | None, year: int) -> Meps:
    """Read a full-year consolidated file and, where given, the medical conditions of that year.

    Parameters
    ----------
    full_year
        .csv, .csv.gz or .parquet with ``DUPERSID``, ``AGELAST`` or ``AGE<yy>X``, ``SEX``,
        ``RACETHX``, ``TOTEXP<yy>``, ``PERWT<yy>F``, ``VARSTR`` and ``VARPSU``.
    conditions
        Likewise, with ``DUPERSID`` and ``ICD10CDX``.
    year
        2018 or later.

    Raises
    ------
    OptionError
        The year's files have other names.
    InputError
        A file, column or value is not what the codebook says.

    References
    ----------
    AHRQ, MEPS HC full-year consolidated data files and medical conditions files from 2018 on.
    """
    if year < FIRST_YEAR:
        raise OptionError(f"year: MEPS files have these names from {FIRST_YEAR} on, not in {year}")
    with connect() as connection:
        _create_persons(connection, full_year, year)
        counts = _count_persons(connection)
        counts |= _create_conditions(connection, conditions)
        return _tables(connection, year, counts)


def _create_persons(connection: duckdb.DuckDBPyConnection, path: Path, year: int) -> None:
    """Make the table ``persons``: typed values, and why a row is left out."""
    yy = f"{year % 100:02}"
    columns = open_table(connection, "full_year_file", path)
    age = "AGELAST" if "AGELAST" in columns else f"AGE{yy}X"
    names = {"age": age, "sex": "SEX", "race": "RACETHX", "usd": f"TOTEXP{yy}",
             "weight": f"PERWT{yy}F", "stratum": "VARSTR", "psu": "VARPSU"}  # fmt: skip
    _need(path, columns, ("DUPERSID", *names.values()))
    taken = (f"{column}::varchar {name}" for name, column in names.items())
    read_whole(connection, "full_year", f"{_id()} id, {', '.join(taken)}", "full_year_file", path)
    typed = ", ".join(f"try_cast({name} as double) {name}" for name in names)
    reserved = "".join(
        f" when {name} in ({_list(RESERVED)}) then '{names[name]} ' || {name}::int"
        for name in ("age", "sex", "race", "usd")
    )
    connection.execute(
        f"create table persons as select *, case{reserved} "
        f"when weight = 0 then '{names['weight']} 0: not of the survey''s population' end why "
        f"from (select id, {typed} from full_year)"
    )
    allowed = {
        age: f"age between 0 and {OLDEST} and age = floor(age)", "SEX": f"sex in ({_list(SEXES)})",
        "RACETHX": f"race in ({_list(RACES)})", names["usd"]: "usd >= 0",
    }  # fmt: skip
    for column, rule in allowed.items():
        bad = f"why is null and not coalesce({rule}, false)"
        _refuse(connection, f"persons where {bad}", f"{column} outside the codebook")
    for name in ("weight", "stratum", "psu"):
        _refuse(connection, f"persons where not coalesce({name} >= 0, false)",
                f"{names[name]} missing or negative")  # fmt: skip
    _refuse(connection, "persons where id = ''", "no DUPERSID")
    _refuse(connection, "(select id from persons group by id having count(*) > 1)",
            "a DUPERSID that others have too")  # fmt: skip


def _count_persons(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    rows = connection.execute("select why, count(*) from persons group by 1 order by 1").fetchall()
    kept = sum(n for why, n in rows if not why)
    if not kept:
        raise InputError("MEPS: no person is left")
    left_out = {f"persons left out: {_said(why)}": n for why, n in rows if why}
    return {"persons read": kept + sum(left_out.values()), **left_out, "persons kept": kept}


def _create_conditions(connection: duckdb.DuckDBPyConnection, path: Path | None) -> dict[str, int]:
    """Make the table ``conditions`` of the persons kept, and count what it leaves out."""
    if path is None:
        connection.execute("create table conditions (id varchar, code varchar, why varchar)")
        return {}
    _need(path, open_table(connection, "condition_file", path), ("DUPERSID", "ICD10CDX"))
    taken = f"{_id()} id, upper(trim(ICD10CDX::varchar)) code"
    read_whole(connection, "conditions_read", taken, "condition_file", path)
    reserved = ", ".join(f"'{code}'" for code in RESERVED)
    connection.execute(
        "create table conditions as select id, code, case "
        f"when code in ({reserved}) then 'ICD10CDX ' || code "
        "when id not in (select id from persons where why is null) then 'person is not kept' "
        "when row_number() over (partition by id, code order by row) > 1 "
        "then 'code again of one person' end why "
        "from (select *, row_number() over () row from conditions_read)"
    )
    _refuse(connection, "conditions where code is null or (not starts_with(code, '-') and not "
            "regexp_full_match(code, '[A-Z][0-9][0-9A-Z]')) or (starts_with(code, '-') and "
            f"code not in ({reserved}))", "ICD10CDX outside the codebook")  # fmt: skip
    rows = connection.execute("select why, count(*) from conditions group by 1 order by 1")
    counted = dict(rows.fetchall())
    left_out = {f"conditions left out: {_said(w)}": n for w, n in counted.items() if w}
    return {"conditions read": sum(counted.values()), **left_out,
            "conditions kept": counted.get(None, 0)}  # fmt: skip


def _tables(connection: duckdb.DuckDBPyConnection, year: int, counts: Mapping[str, int]) -> Meps:
    """Return the kept rows in the canonical form, in order of person."""

    def table(query: str) -> pa.Table:
        return connection.sql(query).to_arrow_table()

    sex, race = _words("sex", SEXES), _words("race", RACES)
    members = table(
        f"select id member_id, age::smallint age, {sex} sex, {race} race_ethnicity, "
        "weight survey_weight, stratum::int survey_stratum, psu::int survey_psu "
        "from persons where why is null order by id"
    )
    costs = table(
        f"select id member_id, {year}::smallint as year, 12::tinyint as months, "
        "round(usd * 100)::bigint paid_cents from persons where why is null order by id"
    )
    diagnoses = table(
        f"select id member_id, code diagnosis_code, date '{year}-12-31' thru_date "
        "from conditions where why is null order by id, code"
    )
    return Meps(members, costs, diagnoses, counts)


def _words(column: str, words: Mapping[int, str]) -> str:
    """Return SQL that spells a code."""
    cases = " ".join(f"when {code} then '{word}'" for code, word in words.items())
    return f"case {column} {cases} end"


def _need(path: Path, columns: set[str], needed: Iterable[str]) -> None:
    if missing := [name for name in needed if name not in columns]:
        raise InputError(f"{path.name}: no column {', '.join(missing)}")


def _refuse(connection: duckdb.DuckDBPyConnection, rows: str, what: str) -> None:
    (bad,) = connection.execute(f"select count(*) from {rows}").fetchall()[0]
    if bad:
        raise InputError(f"MEPS: {bad:,} rows with {what}")


def _said(why: str) -> str:
    """Return a reason with the meaning of its reserved code, if it ends in one."""
    last = why.split()[-1]
    known = {str(code): meaning for code, meaning in RESERVED.items()}
    return f"{why} ({known[last]})" if last in known else why


def _id() -> str:
    """Return SQL for DUPERSID as text; some converters make a number of it."""
    return "regexp_replace(trim(coalesce(DUPERSID::varchar, '')), '\\.0+$', '')"


def _list(codes: Iterable[int]) -> str:
    return ", ".join(map(str, codes))
