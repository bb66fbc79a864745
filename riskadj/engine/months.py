"""Monthly statuses: one row for each member and status, with the months in which it holds.

A member's months are 12 bits, January the lowest. Months of the same status are one row, so the
claims are read once and a member whose status never changes costs as much as without months.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import duckdb

from riskadj.engine.inputs import View, count, quoted, reading
from riskadj.engine.members import (
    NO_STATUS,
    Asked,
    Expression,
    Fault,
    axis_expressions,
    coded,
    day_of,
    esrd_refusals,
    matching_id,
    notes_of,
    profile_sql,
    refuse_duplicates,
    unread_columns,
    why_sql,
)
from riskadj.errors import InputError
from riskadj.features.profiles import Profiles
from riskadj.tables import AGE, BIRTH_DATE, MONTH, MONTH_FLAGS, OREC, SEX

FIXED = (AGE, BIRTH_DATE, SEX, OREC)
"""What the members table tells for the whole year."""
REFUSED_STATUSES = (
    "select m.place, m.n, m.why from members_coded m join people_coded p on p.rowid = m.place "
    "where m.why is not null and m.n is not null and p.why is null"
)
"""SQL of the statuses that no model pays, of members who are not refused themselves."""
DualTiming = Literal["monthly", "interim"]
MASKS = ("months", *(field.name for field in MONTH_FLAGS))
"""The columns of 12 bits: the member's months, and those with each flag."""


@dataclass(frozen=True, slots=True)
class Months:
    """Which months count, and whose dual status.

    Attributes
    ----------
    payment_year
        Months of any other year are refused.
    dual_timing
        ``monthly`` takes each month's own dual status, as the final reconciliation does.
        ``interim`` takes October of the year before for January to July, and May for August to
        December: CMS memo of 10 June 2016, 2017 CMS-HCC model implementation, section II.
    """

    payment_year: int
    dual_timing: DualTiming = "monthly"


@dataclass(slots=True)
class MonthCounts:
    """What was read of the months, and set aside; every row is in one of the counts.

    Attributes
    ----------
    anchors
        Rows of October before the year, read for the interim dual status only.
    rejected
        Rows set aside, by reason.
    of_unknown_members, of_refused_members
        Good rows of members that are not in the members table, or are refused there.
    members_without_months, members_with_gaps
        Members with no month, and with a month missing between two others.
    without_anchor
        Months whose anchor month is missing, so that their own dual status was taken.
    """

    read: int = 0
    scored: int = 0
    anchors: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    of_unknown_members: int = 0
    of_refused_members: int = 0
    members_without_months: int = 0
    members_with_gaps: int = 0
    without_anchor: int = 0


def gather_months(
    connection: duckdb.DuckDBPyConnection,
    members: View,
    months: View,
    asked: Asked,
    rule: Months,
) -> tuple[MonthCounts, list[str]]:
    """Create ``members_coded (member_id, profile, place, n, months, <flags>, why)``.

    It has a row a member and status. ``people_coded`` has a row a member, ``months_coded`` the
    months, but only where some of these are refused, with ``why``. A status is read from the
    months if they have its column, else from the members, for the whole year.

    Returns
    -------
    counts, and notes on what was assumed of absent columns
    """
    _refuse_misplaced(members, months)
    profiles = asked.profiles
    read = axis_expressions(connection, (months, members), profiles, asked.age_on)
    esrd = esrd_refusals(connection, (months, members)) if asked.refuse_esrd else {}
    _encode_people(connection, members, read, (profiles, esrd.get(members.name, [])))
    flags = [coded(connection, (months,), field) for field in MONTH_FLAGS]
    month, dual = _month(connection, months, rule), _anchored(read, months, rule)
    part = profile_sql(_without(read, dual), profiles, months.name)
    told = [e for e in (*read, *flags) if e.table == months.name]
    refusals = [
        (f"{months.member_id()} is null", "member_id is empty"), *month.refusals,
        *((test, why) for e in told for test, why in e.refusals),
        *esrd.get(months.name, []),
    ]  # fmt: skip
    columns = "".join(f", ({f.code})::boolean as {f.field.name}" for f in flags)
    select = (
        f"select {matching_id(members, months)} as member_id, ({month.code})::integer as month, "
        f"({part})::integer as part, ({dual.code if dual else '0'})::integer as dual{columns}"
    )
    source = quoted(months.name)
    sql = MonthSql(
        f"{select} from {source} where not ({' or '.join(f'({test})' for test, _ in refusals)})",
        f"{select}, {why_sql(refusals)} as why from {source}",
        _runs_sql(flags),
    )
    counts = MonthCounts(read=count(connection, f"select count(*) from {quoted(months.name)}"))
    with reading(months.name):
        _make_runs(connection, sql, counts, profiles, rule)
    _join_people(connection)
    _count_runs(connection, counts)
    notes = [*notes_of(read, members), *(f.assumed for f in flags if f.assumed)]
    notes += unread_columns(months)
    fixed = [f.name for f in FIXED if months.find((f.name, *f.other_names))]
    notes += [f"member_months: {', '.join(fixed)} not read: members tell it"] if fixed else []
    return counts, [*notes, *([NO_STATUS] if asked.refuse_esrd and not esrd else [])]


class MonthSql(NamedTuple):
    """The months as SQL.

    Attributes
    ----------
    good
        The rows that nothing refuses.
    every
        All rows, with ``why``.
    runs
        Makes a row a member and status of either; the ``from`` is to be added.
    """

    good: str
    every: str
    runs: str


def _make_runs(
    connection: duckdb.DuckDBPyConnection,
    sql: MonthSql,
    counts: MonthCounts,
    profiles: Profiles,
    rule: Months,
) -> None:
    """Create ``runs``: straight from the file where every row is good, else row by row."""
    born = f"select count(*) from people_coded where born > date '{rule.payment_year}-01-31'"
    if rule.dual_timing == "monthly" and not count(connection, born):
        connection.execute(f"create temp table months_coded as {sql.every} limit 0")
        connection.execute(f"{sql.runs} from ({sql.good}) group by 1, 2")
        if _check_members(connection, counts):
            return
        connection.execute("drop table runs")
        connection.execute("drop table months_coded")
    connection.execute(f"create temp table months_coded as {sql.every}")
    _refuse_overlaps(connection)
    _refuse_unborn(connection, rule)
    if rule.dual_timing == "interim":
        counts.anchors, counts.without_anchor = _take_anchors(connection, profiles, rule)
    within = f"month >= {_january(rule.payment_year)}"
    connection.execute(f"{sql.runs} from months_coded where why is null and {within} group by 1, 2")
    _check_members(connection, counts)


def _january(payment_year: int) -> int:
    """Return the number of a year's first month: months are counted from year 0."""
    return payment_year * 12


def _runs_sql(flags: Sequence[Expression]) -> str:
    """Return SQL that makes a row a member and status, with its months as bits; no ``from`` yet."""
    bit = "(1 << (month % 12))::smallint"
    columns = "".join(
        f", bit_or(case when {f.field.name} then {bit} else 0::smallint end) as {f.field.name}"
        if not f.assumed
        else f", {f'bit_or({bit})' if f.field.absent else '0::smallint'} as {f.field.name}"
        for f in flags
    )
    return (
        f"create temp table runs as select member_id, part, bit_or({bit}) as months{columns}, "
        "count(*) as n"
    )


def _check_members(connection: duckdb.DuckDBPyConnection, counts: MonthCounts) -> bool:
    """Count gaps; say whether no row was refused and no member has a month twice.

    Months without a gap, shifted down to the lowest, are 2^k - 1: one more has a single bit.
    """
    good, twice, gaps = connection.execute(
        "select coalesce(sum(n), 0), count(*) filter (n <> bit_count(m)), "
        "count(*) filter (bit_count((m // (m & -m)) + 1) > 1) from "
        "(select sum(n) as n, bit_or(months)::integer as m from runs group by member_id)"
    ).fetchall()[0]
    counts.members_with_gaps = gaps
    return bool(good == counts.read and not twice)


def _refuse_misplaced(members: View, months: View) -> None:
    """Refuse what changes by month in the members table, and a month with a time zone."""
    for flag in MONTH_FLAGS:
        if members.find((flag.name,)) and not months.find((flag.name,)):
            raise InputError(
                f"{flag.name} is in members: it changes by month, put it into member_months"
            )
    kind = months.find((MONTH.name,)) and months.type_of((MONTH.name,))
    if kind == "TIMESTAMP WITH TIME ZONE":
        raise InputError("member_months: month has a time zone: store it as a date without one")


def _encode_people(
    connection: duckdb.DuckDBPyConnection,
    members: View,
    read: Sequence[Expression],
    told: tuple[Profiles, list[tuple[str, str]]],
) -> None:
    """Code what the members table says, one row a member.

    ``told`` are the axes, and refusals besides those of the axes.
    """
    profiles, more = told
    member_id = members.member_id()
    refusals = [(f"{member_id} is null", "member_id is empty")]
    refusals += [r for e in read if e.table == members.name for r in e.refusals]
    refusals += more
    with reading(members.name):
        connection.execute(
            f"create temp table people_coded as select {member_id} as member_id, "
            f"({profile_sql(read, profiles, members.name)})::integer as base, "
            f"{_born_sql(members)} as born, {why_sql(refusals)} as why "
            f"from {quoted(members.name)}"
        )
    refuse_duplicates(connection, "people_coded")


def _born_sql(members: View) -> str:
    """Return SQL for the day of birth, where the table has it."""
    names = (BIRTH_DATE.name, *BIRTH_DATE.other_names)
    return f"({day_of(members, names)})" if members.find(names) else "null::date"


def _month(connection: duckdb.DuckDBPyConnection, months: View, rule: Months) -> Expression:
    """Return a row's month as a number, counted from year 0; text is read once a spelling."""
    first = _january(rule.payment_year)
    if months.find((MONTH.name,)) and months.type_of((MONTH.name,)) == "DATE":
        column = months.need((MONTH.name,))
        code = f"year({column}) * 12 + month({column}) - 1"
        odd = f"{column} is null or not isfinite({column})"
        read = Expression(MONTH, months.name, code, ((odd, f"month is not {MONTH.expects}"),))
        year = rule.payment_year  # days are compared faster than they are split
        within = f"{column} between date '{year}-01-01' and date '{year}-12-31'"
    else:
        read = coded(connection, (months,), MONTH)
        within = f"({read.code}) between {first} and {first + 11}"
    if rule.dual_timing == "interim":
        within += f" or ({read.code}) = {first - 3}"  # October of the year before
    outside = (f"not ({within})", f"month is not of {rule.payment_year}")
    return replace(read, refusals=(*read.refusals, outside))


def _anchored(read: Sequence[Expression], months: View, rule: Months) -> Expression | None:
    """Return the dual status to be anchored, if that is asked for and it is monthly."""
    if rule.dual_timing == "monthly":
        return None
    dual = next((e for e in read if e.field.name == "dual_status_code"), None)
    if dual is None or dual.table != months.name or dual.assumed:
        raise InputError(
            "interim dual timing needs a model that asks for dual status, and dual_status_code in "
            "the member months"
        )
    return dual


def _without(read: Sequence[Expression], left_out: Expression | None) -> list[Expression]:
    """Return the axes with one of them as 0, to be added later."""
    return [Expression(e.field, e.table, "0") if e is left_out else e for e in read]


def _refuse_overlaps(connection: duckdb.DuckDBPyConnection) -> None:
    """Mark every row of a month that a member has twice: which one is right cannot be known."""
    twice = (
        "select member_id, month from months_coded where why is null "
        "group by 1, 2 having count(*) > 1"
    )
    connection.execute(
        "update months_coded set why = 'the member has this month more than once' "
        f"where why is null and (member_id, month) in (select (member_id, month) from ({twice}))"
    )


def _take_anchors(
    connection: duckdb.DuckDBPyConnection, profiles: Profiles, rule: Months
) -> tuple[int, int]:
    """Replace each month's dual status by that of its anchor month, where there is one.

    Returns
    -------
    rows that are October of the year before, and months without their anchor
    """
    stride = dict(zip(profiles.axes, profiles.strides, strict=True))["dual"]
    first = _january(rule.payment_year)
    connection.execute(
        "create temp table anchors as select member_id, "
        f"max(dual) filter (month = {first - 3}) as october, "
        f"max(dual) filter (month = {first + 4}) as may "
        "from months_coded where why is null group by 1"
    )
    anchor = f"case when c.month < {first + 7} then a.october else a.may end"
    connection.execute(
        f"create or replace temp table months_coded as select c.* replace (c.part + {stride} * "
        f"coalesce({anchor}, c.dual) as part), ({anchor}) is null as own_dual from months_coded c "
        "left join anchors a on a.member_id = c.member_id order by c.rowid"
    )
    good = "select count(*) from months_coded where why is null and"
    return (
        count(connection, f"{good} month < {first}"),
        count(connection, f"{good} month >= {first} and own_dual"),
    )


def _join_people(connection: duckdb.DuckDBPyConnection) -> None:
    """Create ``members_coded``; refused members and those without a month have ``why``."""
    masks = ", ".join(f"r.{name}" for name in MASKS)
    connection.execute(
        "create temp table members_coded as select p.member_id, "
        f"(p.base + coalesce(r.part, 0))::integer as profile, p.rowid::integer as place, {masks}, "
        "r.n, case when p.why is not null then p.why "
        "when r.member_id is null then 'no month' end as why "
        "from people_coded p left join runs r on r.member_id = p.member_id"
    )


def _refuse_unborn(connection: duckdb.DuckDBPyConnection, rule: Months) -> None:
    """Mark months before a member's birth."""
    born = "year(born) * 12 + month(born) - 1"
    connection.execute(
        "update months_coded m set why = 'birth_date is after the month' "
        f"from (select member_id, {born} as first from people_coded "
        f"where born > date '{rule.payment_year}-01-31') p "
        "where p.member_id = m.member_id and m.why is null and m.month < p.first"
    )


def _count_runs(connection: duckdb.DuckDBPyConnection, counts: MonthCounts) -> None:
    """Count the months of members who are unknown or refused, and members without months."""
    good, known, refused, none = connection.execute(
        "select (select coalesce(sum(n), 0) from runs), coalesce(sum(n), 0), "
        "coalesce(sum(n) filter (why is not null), 0), count(*) filter (why = 'no month') "
        "from members_coded"
    ).fetchall()[0]
    counts.members_without_months = none
    counts.of_refused_members = int(refused)
    counts.of_unknown_members = int(good - known)
    if refused:  # ids that stand more than once are joined to their months more than once
        of = "select member_id from people_coded where member_id is not null"
        rows = "select coalesce(sum(n), 0) from runs where member_id"
        counts.of_refused_members = count(connection, f"{rows} in ({of} and why is not null)")
        counts.of_unknown_members = count(connection, f"{rows} not in ({of})")


def status_faults(connection: duckdb.DuckDBPyConnection) -> list[Fault]:
    """Count the months whose status no model pays, by reason."""
    found = connection.execute(
        f"select why, sum(n) from ({REFUSED_STATUSES}) group by 1 order by 1"
    ).fetchall()
    return [Fault(what, int(rows), None) for what, rows in found]
