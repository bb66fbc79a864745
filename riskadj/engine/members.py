"""Encode the members table: a row number, the id and the profile, every refused row counted."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow.compute as pc

from riskadj.engine.inputs import INTEGER_TYPES, View, count, quoted, reading
from riskadj.errors import InputError
from riskadj.features.profiles import Profiles
from riskadj.model import AGE_LIMIT
from riskadj.tables import (
    AGE,
    BIRTH_DATE,
    CODED,
    DIALYSIS,
    ESRD,
    ESRD_STAGES,
    GRAFT,
    KNOWN_NAMES,
    MONTHS_SINCE_TRANSPLANT,
    NO_ESRD,
    PART_B_MONTHS,
    TRANSPLANT,
    Field,
    plain,
)

MAX_SPELLINGS = 1000
NO_STATUS = "no column esrd_status: taken as no"


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows of the members table that break the contract in one way."""

    what: str
    rows: int
    first_row: int | None

    def __str__(self) -> str:
        where = f" (first at row {self.first_row:,})" if self.first_row else ""
        return f"{self.rows:,} rows: {self.what}{where}"


@dataclass(frozen=True, slots=True)
class Expression:
    """An axis of the profile as SQL over one table: its code, and when a row is refused.

    Attributes
    ----------
    field
        The column it is read from.
    table
        The name of the table that has the column.
    refusals
        ``(test, why)``: SQL that is true for a refused row, and what is wrong with it.
    assumed
        What is assumed because no table has the column, or None.
    """

    field: Field
    table: str
    code: str
    refusals: tuple[tuple[str, str], ...] = ()
    assumed: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the models ask for of the members' status.

    Attributes
    ----------
    profiles
        The axes that the models, and what decides between them, ask for.
    age_on
        The date at which age counts.
    refuse_esrd
        Refuse members in ESRD status, because no model asks for it.
    """

    profiles: Profiles
    age_on: dt.date
    refuse_esrd: bool = True


def encode_members(connection: duckdb.DuckDBPyConnection, view: View, asked: Asked) -> list[str]:
    """Create the temporary table ``members_coded (member_id, profile, why)``.

    Its ``rowid`` is the row's place in the input; ``why`` is null for a good row. Returns notes
    on what was assumed of absent columns.
    """
    member_id = view.member_id()
    read = axis_expressions(connection, (view,), asked.profiles, asked.age_on)
    profile = profile_sql(read, asked.profiles)
    refusals = [(f"{member_id} is null", "member_id is empty")]
    refusals += [r for e in read for r in e.refusals]
    if asked.refuse_esrd:
        refusals += esrd_refusals(connection, (view,)).get(view.name, [])
    with reading("members"):
        connection.execute(
            f"create temp table members_coded as select {member_id} as member_id, "
            f"({profile})::integer as profile, {why_sql(refusals)} as why "
            f"from {quoted(view.name)}"
        )
    refuse_duplicates(connection, "members_coded")
    no_esrd = asked.refuse_esrd and not view.find((ESRD.name,))
    return [*notes_of(read, view), *([NO_STATUS] if no_esrd else [])]


def axis_expressions(
    connection: duckdb.DuckDBPyConnection,
    views: Sequence[View],
    profiles: Profiles,
    age_on: dt.date,
) -> list[Expression]:
    """Return each axis as SQL over the first of some tables that has its column."""
    read = []
    for axis in profiles.axes:
        if axis == "age":
            read.append(_age(connection, views[-1], age_on))
        elif axis == "esrd_stage":
            read.append(_esrd_stage(connection, views))
        elif axis == "new_enrollee":
            read.append(_new_enrollee(connection, views))
        else:
            of = views[-1:] if axis in ("sex", "orec") else views  # what never changes by month
            read.append(coded(connection, of, CODED[axis]))
    return read


def profile_sql(read: Sequence[Expression], profiles: Profiles, table: str | None = None) -> str:
    """Return SQL for the profile, or for one table's part of it: the parts add up."""
    parts = [
        f"({e.code}) * {stride}"
        for e, stride in zip(read, profiles.strides, strict=True)
        if table in (None, e.table)
    ]
    return " + ".join(parts) or "0"


def why_sql(refusals: Sequence[tuple[str, str]]) -> str:
    """Return SQL that is null for a good row, else the first thing wrong with it."""
    cases = " ".join(f"when {test} then '{what.replace(chr(39), chr(39) * 2)}'"
                     for test, what in refusals)  # fmt: skip
    return f"case {cases} end" if cases else "null::varchar"


def notes_of(read: Sequence[Expression], members: View) -> list[str]:
    """Return what was assumed of absent columns."""
    notes = [e.assumed for e in read if e.assumed]
    both = read[0].field is BIRTH_DATE and members.find((AGE.name,))
    return [*notes, *(["column age not used: birth_date is there"] if both else []),
            *unread_columns(members)]  # fmt: skip


def unread_columns(view: View) -> list[str]:
    """Name the columns that nothing reads, for one of them may be misspelt."""
    unknown = sorted(set(view.columns) - KNOWN_NAMES)
    plain_names = [n for n in unknown if re.fullmatch(r"[a-z_][a-z0-9_ ]{0,50}", n)]
    others = len(unknown) - len(plain_names)
    named = ", ".join(plain_names) + (f" and {others} of other form" if others else "")
    return [f"{view.name}: columns not read: {named}"] if unknown else []


def faults(connection: duckdb.DuckDBPyConnection, table: str) -> list[Fault]:
    """Count the refused rows by reason; row numbers count from 1, the header not counted."""
    found = connection.execute(
        f"select why, count(*), min(rowid) + 1 from {table} where why is not null "
        "group by 1 order by 3"
    ).fetchall()
    return [Fault(*row) for row in found]


def _age(connection: duckdb.DuckDBPyConnection, view: View, age_on: dt.date) -> Expression:
    """Age from ``birth_date`` where there is one, else the ``age`` column."""
    column = view.find((BIRTH_DATE.name, *BIRTH_DATE.other_names))
    if column is None:
        if view.find((AGE.name,)) is None:
            view.need(("birth_date",))
        return coded(connection, (view,), AGE)
    born = day_of(view, (BIRTH_DATE.name, *BIRTH_DATE.other_names))
    years = f"(({_months(age_on)} - (year({born}) * 12 + month({born})) - " \
            f"(day({born}) > {age_on.day})::int) // 12)"  # fmt: skip
    last = dt.date(age_on.year, 12, 31)
    refused = f"{born} is null or {born} > date '{last}' or {years} > {AGE_LIMIT}"
    why = "birth_date is not a date, is in the future, or gives an age over 120"
    return Expression(BIRTH_DATE, view.name, f"greatest({years}, 0)", ((refused, why),))


def day_of(view: View, names: tuple[str, ...]) -> str:
    """Return SQL for a column's day: null if it is no date, nor DuckDB's 'infinity' or 'epoch'.

    Raises
    ------
    InputError
        The column has a time zone: which day an instant is depends on where it is read.
    """
    column = view.need(names)
    if view.type_of(names) == "TIMESTAMP WITH TIME ZONE":
        raise InputError(f"{view.name}: {names[0]} has a time zone: store it as a date without one")
    if view.type_of(names) == "DATE":
        return f"case when isfinite({column}) then {column} end"
    text = f"{column}::varchar"
    day = f"coalesce(try_cast({text} as date), try_strptime(trim({text}), '%Y%m%d')::date)"
    written = f"regexp_matches({text}, '^\\s*\\d{{4}}')"
    return f"case when {written} and isfinite({day}) then {day} end"


def _months(date: dt.date) -> int:
    return date.year * 12 + date.month


def coded(connection: duckdb.DuckDBPyConnection, views: Sequence[View], field: Field) -> Expression:
    """Turn the few distinct raw values of a column into a CASE over them.

    It is read from the first of the tables that has it.
    """
    names = (field.name, *field.other_names)
    view = next((v for v in views if v.find(names)), views[-1])
    column = view.find(names)
    if column is None:
        if field.absent is None:
            view.need(names)
        taken = "not dual" if "dual" in field.name else "yes" if field.absent else "no"
        note = f"no column {field.name}: taken as {taken}"
        return Expression(field, view.name, str(field.absent), (), note)
    with reading(view.name):
        values = _possible_values(connection, view, field, column)
    if len(values) > MAX_SPELLINGS:
        raise InputError(
            f"{view.name}: {field.name} has more than {MAX_SPELLINGS} different values; "
            f"expected {field.expects}"
        )
    read = {value: _code_of(field, value) for value in values}
    code = f"({_as_sql(column, read)})"
    odd = ((f"{code} is null", f"{field.name} is not {field.expects}"),)
    return Expression(field, view.name, code, odd if None in read.values() else ())


def _new_enrollee(connection: duckdb.DuckDBPyConnection, views: Sequence[View]) -> Expression:
    """Read who is a new enrollee, or tell it from the months of Part B in the data year.

    Fewer than 12 months of Part B in the data-collection year make a new enrollee: Medicare
    Managed Care Manual, chapter 7, section 70.2 (its title was seen, the wording not).
    """
    told = coded(connection, views, CODED["new_enrollee"])
    months = coded(connection, views, PART_B_MONTHS)
    if months.assumed:
        return told
    if not told.assumed:
        raise InputError(
            f"new_enrollee and {PART_B_MONTHS.name} tell the same: keep one of the columns"
        )
    return replace(months, code=f"({months.code} < 12)::integer")


def _esrd_stage(connection: duckdb.DuckDBPyConnection, views: Sequence[View]) -> Expression:
    """Join ESRD status and months since transplant to a stage; they must agree."""
    status = coded(connection, views, ESRD)
    months = coded(connection, views, MONTHS_SINCE_TRANSPLANT)
    if months.assumed is None and status.assumed is None and months.table != status.table:
        raise InputError(
            f"esrd_status is in {status.table}, months_since_transplant in {months.table}: "
            "put both into one table"
        )
    s, m = status.code, months.code
    stages = " ".join(
        f"when {s} = {stage.status} and {m} = {stage.months} then {number}"
        for number, stage in enumerate(ESRD_STAGES)
    )
    told = [*status.refusals, *months.refusals, *(
        (test, f"months_since_transplant {what}") for test, what in (
            (f"{s} in ({NO_ESRD}, {DIALYSIS}) and {m} > 0",
             "without esrd_status transplant or graft"),
            (f"{s} in ({TRANSPLANT}, {GRAFT}) and {m} = 0", "is missing: transplant or graft"),
            (f"{s} = {TRANSPLANT} and {m} > 3", "is above 3: from month 4 on it is a graft"),
            (f"{s} = {GRAFT} and {m} < 4", "is below 4: until month 3 it is a transplant"),
        )
    )]  # fmt: skip
    table = months.table if status.assumed else status.table
    return Expression(ESRD, table, f"case {stages} end", tuple(told), status.assumed)


def esrd_refusals(
    connection: duckdb.DuckDBPyConnection, views: Sequence[View]
) -> dict[str, list[tuple[str, str]]]:
    """Return the refusals of ESRD status, by the table that has it, for models that do not ask."""
    esrd = coded(connection, views, ESRD)
    why = "esrd_status is not none: no model asked for here pays ESRD months"
    told = [*esrd.refusals, (f"{esrd.code} <> {NO_ESRD}", why)]
    return {} if esrd.assumed else {esrd.table: told}


def _possible_values(
    connection: duckdb.DuckDBPyConnection, view: View, field: Field, column: str
) -> list[Any]:
    """Return every value the column may hold; only text has to be looked through for that."""
    kind, table = view.type_of((field.name, *field.other_names)), quoted(view.name)
    if kind == "BOOLEAN":
        return [None, False, True]
    if kind in INTEGER_TYPES:
        low, high = connection.execute(
            f"select min({column}), max({column}) from {table}"
        ).fetchall()[0]
        if low is not None and high - low < MAX_SPELLINGS:
            return [None, *range(low, high + 1)]
    found = connection.execute(f"select distinct {column} from {table} limit {MAX_SPELLINGS + 1}")
    return [value for (value,) in found.fetchall()]


def _code_of(field: Field, value: object) -> int | None:
    text = plain(value)
    return field.blank if text == "" else field.read(text)


def _as_sql(column: str, read: Mapping[Any, int | None]) -> str:
    """Return SQL for a column's code: the column itself where values are their own codes."""
    given = {value: code for value, code in read.items() if value is not None}
    null_is_null = read.get(None) is None
    if null_is_null and all(type(v) is int and v == code for v, code in given.items()):
        return f"{column}::integer"
    by_code: dict[int, list[object]] = {}
    for value, code in read.items():
        if code is not None:
            by_code.setdefault(code, []).append(value)
    cases = [f"when {_is_in(column, values)} then {code}" for code, values in by_code.items()]
    return f"case {' '.join(cases)} end" if cases else "null::integer"


def _is_in(column: str, values: Sequence[object]) -> str:
    literals = [_literal(v) for v in values if v is not None]
    tests = [f"{column} in ({', '.join(literals)})"] if literals else []
    tests += [f"{column} is null"] if None in values else []
    return f"({' or '.join(tests)})"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"'{value}'::double" if isinstance(value, float) else str(value)
    return "'" + str(value).replace("'", "''") + "'"


def matching_id(members: View, other: View) -> str:
    """Return SQL for another table's member id, comparable with the members' ids.

    Raises
    ------
    InputError
        One table has whole-number ids and the other has text.
    """
    ids = [v.member_id() for v in (members, other)]
    number = [expression.endswith("::bigint") for expression in ids]
    if number[0] == number[1]:
        return ids[1]
    kinds = ["whole numbers" if n else "text" for n in number]
    raise InputError(
        f"member_id is {kinds[0]} in members and {kinds[1]} in {other.name}: store both the same "
        "way (ids in CSV files are read as text; leading zeros are lost in whole numbers)"
    )


def refuse_duplicates(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Mark every row of a repeated id: which one is right cannot be known."""
    with reading("members"):
        if _ascending(connection, table):
            return
        repeated = f"select count(member_id) - count(distinct member_id) from {table}"
        if count(connection, repeated):
            connection.execute(
                f"update {table} set why = 'member_id stands more than once' "
                f"where member_id in (select member_id from {table} "
                "group by 1 having count(*) > 1)"
            )


def _ascending(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Say whether the ids strictly ascend, as they do in most files: then none repeats."""
    last = None
    for batch in connection.sql(f"select member_id from {table}").to_arrow_reader(1 << 20):
        ids = batch.column(0)
        first = last is None or pc.less(last, ids[0]).as_py()
        if not first or pc.all(pc.less(ids[:-1], ids[1:]), skip_nulls=False).as_py() is not True:
            return False
        last = ids[-1]
    return True
