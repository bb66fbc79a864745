"""Monthly statuses: one row for each member and status, with the months in which it holds.

A member's months are 12 bits, January the lowest. Months of the same status are one row, so the
claims are read once and a member whose status never changes costs as much as without months.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import duckdb

from riskadj.engine.inputs import View, count, quoted, reading
from riskadj.engine.members import (
    Asked,
    Expression,
    Fault,
    axis_expressions,
    coded,
    day_of,
    esrd_refusals,
    notes_of,
    profile_sql,
    refuse_duplicates,
    why_sql,
)
from riskadj.errors import InputError
from riskadj.features.profiles import Profiles
from riskadj.tables import MONTH, MONTH_FLAGS

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


def encode_months(
    connection: duckdb.DuckDBPyConnection,
    members: View,
    months: View,
    asked: Asked,
    rule: Months,
) -> list[str]:
    """Create ``people_coded (member_id, base, why)`` and ``months_coded (member_id, month, ...)``.

    A status is read from the months if they have its column, else from the members, for the whole
    year. Returns notes on what was assumed of absent columns.
    """
    profiles = asked.profiles
    read = axis_expressions(connection, (months, members), profiles, asked.age_on)
    own = [e for e in read if e.table == months.name]
    _encode_people(connection, members, read, profiles)
    flags = [coded(connection, (months,), field) for field in MONTH_FLAGS]
    month = _month_sql(months)
    dual = _anchored(read, months, rule)
    part = profile_sql(_without(read, dual), profiles, months.name)
    refusals = [
        (f"{months.member_id()} is null", "member_id is empty"),
        (f"({month}) is null", "month is not a month, such as 2026-01-01 or 2026-01"),
        *_outside(month, rule),
        *((test, why) for e in (*own, *flags) for test, why in e.refusals),
        *(esrd_refusals(connection, (months, members)) if asked.refuse_esrd else ()),
    ]
    columns = "".join(f", ({f.code})::boolean as {f.field.name}" for f in flags)
    with reading(months.name):
        connection.execute(
            f"create temp table months_coded as select {months.member_id()} as member_id, "
            f"({month}) as month, ({part})::integer as part, "
            f"({dual.code if dual else '0'})::integer as dual{columns}, "
            f"{why_sql(refusals)} as why from {quoted(months.name)}"
        )
    _refuse_overlaps(connection, months)
    if dual:
        _take_anchors(connection, profiles, rule)
    return [*notes_of(read, members), *(f.assumed for f in flags if f.assumed)]


def _encode_people(
    connection: duckdb.DuckDBPyConnection,
    members: View,
    read: Sequence[Expression],
    profiles: Profiles,
) -> None:
    """Code what the members table says, one row a member."""
    member_id = members.member_id()
    refusals = [(f"{member_id} is null", "member_id is empty")]
    refusals += [r for e in read if e.table == members.name for r in e.refusals]
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
    names = ("birth_date", "dob", "date_of_birth")
    return f"({day_of(members, names)})" if members.find(names) else "null::date"


def _month_sql(months: View) -> str:
    """Return SQL for the first day of a row's month; null if it is none."""
    column = months.need(MONTH)
    day = day_of(months, MONTH)
    text = f"trim({column}::varchar)"
    short = f"coalesce(try_strptime({text}, '%Y-%m'), try_strptime({text}, '%Y%m'))::date"
    return f"date_trunc('month', coalesce({short}, {day}))::date"


def _outside(month: str, rule: Months) -> list[tuple[str, str]]:
    year = f"year({month}) <> {rule.payment_year}"
    if rule.dual_timing == "interim":
        year += f" and ({month}) <> date '{rule.payment_year - 1}-10-01'"
    return [(year, f"month is not of {rule.payment_year}")]


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


def _refuse_overlaps(connection: duckdb.DuckDBPyConnection, months: View) -> None:
    """Mark every row of a month that a member has twice: which one is right cannot be known."""
    with reading(months.name):
        twice = (
            "select count(*) from (select member_id from months_coded where why is null "
            "group by 1 having count(*) > count(distinct month))"
        )
        if count(connection, twice):
            connection.execute(
                "update months_coded set why = 'the member has this month more than once' "
                "where why is null and (member_id, month) in (select (member_id, month) from "
                "months_coded where why is null group by member_id, month having count(*) > 1)"
            )


def _take_anchors(connection: duckdb.DuckDBPyConnection, profiles: Profiles, rule: Months) -> None:
    """Replace each month's dual status by that of its anchor month, where there is one."""
    stride = dict(zip(profiles.axes, profiles.strides, strict=True))["dual"]
    october = f"date '{rule.payment_year - 1}-10-01'"
    connection.execute(
        "create temp table anchors as select member_id, "
        f"max(dual) filter (month = {october}) as october, "
        "max(dual) filter (month(month) = 5) as may "
        "from months_coded where why is null group by 1"
    )
    anchor = "case when month(c.month) < 8 then a.october else a.may end"
    connection.execute(
        f"create or replace temp table months_coded as select c.* replace (c.part + {stride} * "
        f"coalesce({anchor}, c.dual) as part), ({anchor}) is null as own_dual, "
        f"c.month = {october} as is_anchor from months_coded c "
        "left join anchors a on a.member_id = c.member_id order by c.rowid"
    )


def gather_runs(connection: duckdb.DuckDBPyConnection, rule: Months, counts: MonthCounts) -> None:
    """Create ``members_coded (member_id, profile, place, months, <flags>, why)``: a row a status.

    Members who are refused, and those before whose birth a month lies, have ``why``.
    """
    interim = rule.dual_timing == "interim"
    _refuse_unborn(connection, rule)
    anchored = "and not is_anchor" if interim else ""
    bit = "1 << (month(month) - 1)"
    flags = ", ".join(
        f"bit_or(case when {f.name} then {bit} else 0 end)::smallint as {f.name}"
        for f in MONTH_FLAGS
    )
    own = ", count(*) filter (own_dual) as own_dual" if interim else ", 0 as own_dual"
    connection.execute(
        f"create temp table runs as select member_id, part, bit_or({bit})::smallint as months, "
        f"{flags}, count(*) as n{own} from months_coded where why is null {anchored} group by 1, 2"
    )
    masks = ", ".join(f"r.{name}" for name in MASKS)
    connection.execute(
        "create temp table members_coded as select p.member_id, "
        f"(p.base + coalesce(r.part, 0))::integer as profile, p.rowid::integer as place, {masks}, "
        "r.n, case when p.why is not null then p.why "
        "when r.member_id is null then 'no month' end as why "
        "from people_coded p left join runs r on r.member_id = p.member_id "
        "order by p.rowid, r.months & -r.months"
    )
    _count_runs(connection, counts)
    if interim:
        counts.anchors = count(
            connection, "select count(*) from months_coded where why is null and is_anchor"
        )


def _refuse_unborn(connection: duckdb.DuckDBPyConnection, rule: Months) -> None:
    """Mark months before a member's birth; few files have a member born in the year."""
    young = f"from people_coded where born > date '{rule.payment_year}-01-31'"
    if count(connection, f"select count(*) {young}"):
        connection.execute(
            "update months_coded m set why = 'birth_date is after the month' "
            f"from (select member_id, born {young}) p where p.member_id = m.member_id "
            "and m.why is null and p.born >= m.month + interval 1 month"
        )


def _count_runs(connection: duckdb.DuckDBPyConnection, counts: MonthCounts) -> None:
    rows = "select coalesce(sum(n), 0) from"
    refused = "select member_id from people_coded where member_id is not null and why is not null"
    known = "select member_id from people_coded where member_id is not null"
    counts.read = count(connection, "select count(*) from months_coded")
    counts.scored = count(connection, f"{rows} members_coded where why is null")
    counts.of_refused_members = count(connection, f"{rows} runs where member_id in ({refused})")
    counts.of_unknown_members = count(connection, f"{rows} runs where member_id not in ({known})")
    counts.members_without_months = count(
        connection, "select count(*) from members_coded where why = 'no month'"
    )
    counts.members_with_gaps = count(
        connection,
        "select count(*) from (select place, bit_or(months)::integer as m from members_coded "
        "where why is null group by 1 having bit_count((m // (m & -m)) + 1) > 1)",
    )
    counts.without_anchor = count(connection, "select coalesce(sum(own_dual), 0) from runs")


def status_faults(connection: duckdb.DuckDBPyConnection) -> list[Fault]:
    """Count the months whose status no model pays, by reason."""
    found = connection.execute(
        "select m.why, sum(m.n), min(p.rowid) + 1 from members_coded m "
        "join people_coded p on p.rowid = m.place "
        "where m.why is not null and m.why <> 'no month' and p.why is null group by 1 order by 3"
    ).fetchall()
    return [Fault(what, int(rows), row) for what, rows, row in found]
