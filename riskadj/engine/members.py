"""Encode the members table: a row number, the id and the profile, every refused row counted."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow.compute as pc

from riskadj.engine.inputs import INTEGER_TYPES, View, count, quoted, reading
from riskadj.errors import InputError
from riskadj.features.profiles import AXES
from riskadj.tables import AGE, BIRTH_DATE, CODED, ESRD, Field, plain

MAX_SPELLINGS = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows of the members table that break the contract in one way."""

    what: str
    rows: int
    first_row: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows: {self.what} (first at row {self.first_row:,})"


@dataclass(frozen=True, slots=True)
class Expression:
    """A column as SQL: its code, and when a value is refused (None: no value is)."""

    field: Field
    code: str
    refused: str | None


def encode_members(
    connection: duckdb.DuckDBPyConnection, view: View, age_on: dt.date, forced: bool
) -> list[str]:
    """Create the temporary table ``members_coded (member_id, profile, why)``.

    Its ``rowid`` is the row's place in the input; ``why`` is null for a good row. Returns notes
    on what was assumed of absent columns.
    """
    member_id = view.member_id()
    expressions = [_age(connection, view, age_on)]
    expressions += [_coded(connection, view, field) for field in CODED]
    if not forced:
        expressions.append(_coded(connection, view, ESRD))
    profile = expressions[0].code
    for expression, size in zip(expressions[1:], AXES[1:], strict=False):
        profile = f"({profile}) * {size} + {expression.code}"
    refusals = [(f"{member_id} is null", "member_id is empty"), *_refusals(expressions, forced)]
    cases = " ".join(f"when {test} then '{what}'" for test, what in refusals)
    with reading("members"):
        connection.execute(
            f"create temp table members_coded as select {member_id} as member_id, "
            f"({profile})::integer as profile, case {cases} end as why from {quoted(view.name)}"
        )
    _refuse_duplicates(connection)
    notes = [n for e in expressions if (n := _assumed(view, e.field))]
    both = expressions[0].field is BIRTH_DATE and view.find((AGE.name,))
    return [*notes, "column age not used: birth_date is there"] if both else notes


def faults(connection: duckdb.DuckDBPyConnection) -> list[Fault]:
    """Count the refused rows by reason; row numbers count from 1, the header not counted."""
    found = connection.execute(
        "select why, count(*), min(rowid) + 1 from members_coded where why is not null "
        "group by 1 order by 3"
    ).fetchall()
    return [Fault(*row) for row in found]


def _age(connection: duckdb.DuckDBPyConnection, view: View, age_on: dt.date) -> Expression:
    """Age from ``birth_date`` where there is one, else the ``age`` column."""
    column = view.find((BIRTH_DATE.name, *BIRTH_DATE.other_names))
    if column is None:
        if view.find((AGE.name,)) is None:
            view.need(("birth_date",))
        return _coded(connection, view, AGE)
    born = day_of(view, (BIRTH_DATE.name, *BIRTH_DATE.other_names))
    years = f"(({_months(age_on)} - (year({born}) * 12 + month({born})) - " \
            f"(day({born}) > {age_on.day})::int) // 12)"  # fmt: skip
    last = dt.date(age_on.year, 12, 31)
    refused = f"{born} is null or {born} > date '{last}' or {years} > {AXES[0] - 1}"
    return Expression(BIRTH_DATE, f"greatest({years}, 0)", refused)


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


def _coded(connection: duckdb.DuckDBPyConnection, view: View, field: Field) -> Expression:
    """Turn the few distinct raw values of a column into a CASE over them."""
    column = view.find((field.name, *field.other_names))
    if column is None:
        if field.absent is None:
            view.need((field.name, *field.other_names))
        return Expression(field, str(field.absent), None)
    with reading(view.name):
        values = _possible_values(connection, view, field, column)
    if len(values) > MAX_SPELLINGS:
        raise InputError(
            f"{view.name}: {field.name} has more than {MAX_SPELLINGS} different values; "
            f"expected {field.expects}"
        )
    read = {value: _code_of(field, value) for value in values}
    code_sql = _as_sql(column, read)
    refused = f"({code_sql}) is null" if None in read.values() else None
    return Expression(field, f"({code_sql})", refused)


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


def _refusals(expressions: Sequence[Expression], forced: bool) -> Iterator[tuple[str, str]]:
    for e in (e for e in expressions if e.refused):
        if e.field is BIRTH_DATE:
            what = "birth_date is not a date, is in the future, or gives an age over 120"
        else:
            what = f"{e.field.name} is not {e.field.expects}"
        yield str(e.refused), what.replace("'", "''")
    if not forced and expressions[-1].code != "0":
        why = "esrd_status is not none: CMS-HCC models do not pay ESRD months"
        yield f"{expressions[-1].code} <> 0", why


def _refuse_duplicates(connection: duckdb.DuckDBPyConnection) -> None:
    """Mark every row of a repeated id: which one is right cannot be known."""
    with reading("members"):
        if _ascending(connection):
            return
        repeated = "select count(member_id) - count(distinct member_id) from members_coded"
        if count(connection, repeated):
            connection.execute(
                "update members_coded set why = 'member_id stands more than once' "
                "where member_id in (select member_id from members_coded "
                "group by 1 having count(*) > 1)"
            )


def _ascending(connection: duckdb.DuckDBPyConnection) -> bool:
    """Say whether the ids strictly ascend, as they do in most files: then none repeats."""
    last = None
    for batch in connection.sql("select member_id from members_coded").to_arrow_reader(1 << 20):
        ids = batch.column(0)
        first = last is None or pc.less(last, ids[0]).as_py()
        if not first or pc.all(pc.less(ids[:-1], ids[1:]), skip_nulls=False).as_py() is not True:
            return False
        last = ids[-1]
    return True


def _assumed(view: View, field: Field) -> str | None:
    if field.absent is not None and view.find((field.name, *field.other_names)) is None:
        return f"no column {field.name}: taken as {'not dual' if 'dual' in field.name else 'no'}"
    return None
