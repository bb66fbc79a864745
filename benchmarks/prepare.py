"""From members, scores, costs, claims and attribution to a program's baseline and results.

Who belongs to which entity is an input: nobody is assigned here. Every member with a cost is in one
of the counts.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from benchmarks.program import refuse_races
from benchmarks.report.content import Exhibit
from benchmarks.steps.completion import Completion, completed
from benchmarks.steps.normalize import renormalized
from benchmarks.steps.truncation import truncate, truncation_points
from riskadj.connection import connect
from riskadj.engine.files import create_from_file
from riskadj.errors import InputError, OptionError

ENROLLMENT_TYPE = "enrollment_type"
_STRATUM = """case when esrd then 'ESRD' when age::integer < 65 then 'DISABLED'
    when dual then 'AGED_DUAL' else 'AGED_NON_DUAL' end"""
"""42 CFR 425.652(a)(2): ESRD, disabled, aged/dual eligible, aged/non-dual eligible."""
_FULL_OR_PARTIAL_DUAL = "('01','02','03','04','05','06','08','1','2','3','4','5','6','8')"


@dataclass(frozen=True, slots=True)
class Sources:
    """Files of two years.

    Attributes
    ----------
    members, scores
        Calendar year to file. Members as ``riskadj`` reads them; scores as ``riskadj score`` writes
        them, of one model: ``raw_score`` is used, Medicare Advantage's payment score is not.
    costs
        ``member_id``, ``year``, ``months``, ``paid_cents``.
    attribution
        ``member_id``, ``entity_id``, ``from``, ``to``, ``basis``; a blank ``to`` is open.
    claims
        ``incurred_month``, ``paid_month``, ``paid_cents`` of the performance year: what its costs
        are completed by. Without it they are taken as complete, and the report says so.
    """

    members: Mapping[int, Path]
    scores: Mapping[int, Path]
    costs: Path
    attribution: Path
    claims: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is made of them.

    Attributes
    ----------
    baseline_year, year
    strata
        ``enrollment_type``, or a column of the members; none is by race.
    truncate_at
        Share of the stratum's members, by exposure, below the point that cost is truncated at; 1
        for none.
    """

    baseline_year: int
    year: int
    strata: str
    truncate_at: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows for a program, for equity tables, and what became of everybody."""

    baseline: Sequence[Mapping[str, Any]]
    people: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int]
    exhibits: Sequence[Exhibit]


@dataclass(frozen=True, slots=True)
class _Year:
    """One year's attributed members.

    Attributes
    ----------
    entity, stratum : str, shape (n_members,)
    months : float, shape (n_members,)
    spent : float, shape (n_members,)
        Dollars, truncated and completed.
    score : float, shape (n_members,)
        Renormalized.
    groups
        Dimension to str, shape (n_members,).
    """

    entity: NDArray[np.str_]
    stratum: NDArray[np.str_]
    months: NDArray[np.float64]
    spent: NDArray[np.float64]
    score: NDArray[np.float64]
    groups: Mapping[str, NDArray[np.str_]]


def prepare(sources: Sources, plan: Plan) -> Prepared:
    """Join, truncate, complete and renormalize; return rows by entity and stratum.

    Raises
    ------
    InputError
        A file lacks a column; an attributed member has no row or score, or two entities at once.
    OptionError
        Strata are by race, or a year has no members or scores.
    """
    refuse_races([plan.strata])
    _check_years(sources, plan)
    counts: dict[str, int] = {}
    exhibits: list[Exhibit] = []
    with _tables(sources) as connection:
        completion = _completion(connection, plan.year, exhibits) if sources.claims else None
        base = _read(connection, plan.baseline_year, plan, None, counts, exhibits)
        performance = _read(connection, plan.year, plan, completion, counts, exhibits)
    return Prepared(_rows(base, performance), list(_people(performance)), counts, exhibits)


def _check_years(sources: Sources, plan: Plan) -> None:
    for year in (plan.baseline_year, plan.year):
        for what, held in (("members", sources.members), ("scores", sources.scores)):
            if year not in held:
                raise OptionError(f"no {what} of {year}: give --{what} {year}=FILE")


@contextmanager
def _tables(sources: Sources) -> Iterator[duckdb.DuckDBPyConnection]:
    files = {"costs": sources.costs, "attribution": sources.attribution}
    files |= {"claims": sources.claims} if sources.claims else {}
    files |= {f"members_{y}": p for y, p in sources.members.items()}
    files |= {f"scores_{y}": p for y, p in sources.scores.items()}
    with connect() as connection:
        for name, path in files.items():
            create_from_file(connection, name, path, skip_bad_rows=False)
            _need(connection, name, _NEEDED.get(name.split("_")[0], ()))
        try:
            yield connection
        except duckdb.ConversionException:
            raise InputError("a number or date in members, scores, costs, claims or attribution "
                             "cannot be read") from None  # fmt: skip


_NEEDED = {
    "costs": ("member_id", "year", "months", "paid_cents"),
    "attribution": ("member_id", "entity_id", "from", "to"),
    "claims": ("incurred_month", "paid_month", "paid_cents"),
    "members": ("member_id", "age"),
    "scores": ("member_id", "raw_score"),
}


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"describe {table}").fetchall()]


def _need(connection: duckdb.DuckDBPyConnection, table: str, names: Sequence[str]) -> None:
    there = _columns(connection, table)
    lacking = [n for n in names if n not in there]
    if lacking:
        raise InputError(f"{table}: no column {', '.join(lacking)}. It has: {', '.join(there)}")


def _read(
    connection: duckdb.DuckDBPyConnection, year: int, plan: Plan, completion: Completion | None,
    counts: dict[str, int], exhibits: list[Exhibit],
) -> _Year:  # fmt: skip
    """Read one year's members, everybody for reference and the attributed to return."""
    _refuse_unreadable_spans(connection)
    _refuse_doubled(connection, year)
    there = _columns(connection, f"members_{year}")
    esrd = ("coalesce(esrd_status::varchar, 'none') not in ('none', '', '0')"
            if "esrd_status" in there else "false")  # fmt: skip
    dual = (f"coalesce(dual_status_code::varchar, '') in {_FULL_OR_PARTIAL_DUAL}"
            if "dual_status_code" in there else "false")  # fmt: skip
    stratum = _STRATUM if plan.strata == ENROLLMENT_TYPE else _quoted(plan.strata, there)
    dimensions = {d: sql for d, sql in _DIMENSIONS.items() if _DIMENSION_COLUMN[d] in there}
    groups = "".join(f", {sql} as group_{d}" for d, sql in dimensions.items())
    found = connection.execute(
        f"""
        with people as (select *, {esrd} as esrd, {dual} as dual from members_{year}),
        owned as (select member_id, min(entity_id) as entity_id from attribution
            where "from"::date <= make_date($year, 1, 1)
              and coalesce(try_cast("to" as date), date '9999-12-31') >= make_date($year, 1, 1)
            group by 1),
        paid as (select member_id, months, paid_cents from costs where year::integer = $year),
        missing as (select count(*) as n from owned anti join paid using (member_id))
        select coalesce(entity_id::varchar, '') as entity, ({stratum})::varchar as stratum,
            months::double as months, paid_cents::double / 100 as spent, raw_score::double as score,
            p.member_id is not null as known {groups}
            , (select n from missing) as without_costs
        from paid c left join people p using (member_id)
        left join scores_{year} s using (member_id) left join owned o using (member_id)
        order by c.member_id
        """,
        {"year": year},
    ).fetchnumpy()
    held = {k: np.ma.filled(v, np.nan if v.dtype.kind == "f" else "") for k, v in found.items()}
    return _one_year(held, year, plan, completion, counts, exhibits)


_DIMENSION_COLUMN = {
    "race_ethnicity": "race_ethnicity", "disability": "original_reason_entitlement_code",
    "dual": "dual_status_code", "low_income": "low_income", "svi_decile": "svi_decile",
    "rurality": "rurality",
}  # fmt: skip
_DIMENSIONS = {
    "race_ethnicity": "coalesce(race_ethnicity::varchar, 'unknown')",
    "disability": "case when original_reason_entitlement_code::varchar in ('1', '3') or "
                  "age::integer < 65 then 'entitled by disability' else 'entitled by age' end",
    "dual": "case when dual then 'dual' else 'not dual' end",
    "low_income": "coalesce(low_income::varchar, 'unknown')",
    "svi_decile": "coalesce(svi_decile::varchar, 'unknown')",
    "rurality": "coalesce(rurality::varchar, 'unknown')",
}  # fmt: skip
"""Groups that evaluate a target, by the members' columns."""


def _quoted(column: str, there: Sequence[str]) -> str:
    if column not in there:
        raise OptionError(f"members have no column {column!r}. They have: {', '.join(there)}")
    return '"' + column.replace('"', '""') + '"'


def _refuse_unreadable_spans(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse dates that cannot be read: a blank end is open, any other must be a date."""
    is_date = "try_cast({0} as date) is not null and regexp_matches({0}::varchar, '^[0-9]{{4}}-')"
    found = connection.execute(
        f"""select count(*) from attribution where not coalesce({is_date.format('"from"')}, false)
        or not (coalesce({is_date.format('"to"')}, false)
                or trim(coalesce("to"::varchar, '')) = '')"""
    ).fetchone()
    if found and found[0]:
        raise InputError(f"attribution: {found[0]:,} rows have a from or to that is no date "
                         "(2024-01-31); a blank to is open")  # fmt: skip


def _refuse_doubled(connection: duckdb.DuckDBPyConnection, year: int) -> None:
    """Refuse what would count somebody twice."""
    checks = {
        f"members_{year}": ("member_id", f"select member_id from members_{year}"),
        f"scores_{year}": ("member_id (give the scores of one model)",
                           f"select member_id from scores_{year}"),
        "costs": (f"member_id in {year}", f"select member_id from costs where year = {year}"),
        "attribution": (f"member_id with another entity on 1 January {year}",
                        f"""select distinct member_id, entity_id from attribution
                        where "from"::date <= make_date({year}, 1, 1) and coalesce(
                        try_cast("to" as date), date '9999-12-31') >= make_date({year}, 1, 1)"""),
    }  # fmt: skip
    for table, (what, query) in checks.items():
        found = connection.execute(
            f"select count(*) - count(distinct member_id) from ({query})"
        ).fetchone()
        if found and found[0]:
            raise InputError(f"{table}: {found[0]:,} rows repeat a {what}")


def _one_year(
    held: Mapping[str, NDArray[Any]], year: int, plan: Plan, completion: Completion | None,
    counts: dict[str, int], exhibits: list[Exhibit],
) -> _Year:  # fmt: skip
    if not len(held["entity"]):
        raise InputError(f"costs have no rows of {year}")
    entity, stratum = held["entity"].astype(str), held["stratum"].astype(str)
    mine, known = entity != "", held["known"].astype(bool)
    lacking = mine & (~known | np.isnan(held["score"]))
    if lacking.any():
        raise InputError(f"{int(lacking.sum()):,} of {int(mine.sum()):,} attributed members with "
                         f"costs in {year} have no row in members or no score")  # fmt: skip
    refuse_races(np.unique(stratum[mine]).tolist())
    if (stratum[mine] == "").any():
        raise InputError(f"{int((stratum[mine] == '').sum()):,} attributed members of {year} have "
                         f"no {plan.strata}")  # fmt: skip
    counts |= {f"{year}: members with costs": len(entity), f"{year}: attributed": int(mine.sum()),
               f"{year}: attributed to no entity, not used": int((~mine).sum()),
               f"{year}: attributed, without costs": int(held["without_costs"][0])}  # fmt: skip
    months, spent = held["months"], held["spent"]
    if not (np.isfinite(months).all() and (months > 0).all() and (months <= 12).all()):
        raise InputError(f"costs of {year}: months are from 1 to 12")
    spent = spent * (completion.factor if completion else 1.0)
    everybody = known & np.isfinite(held["score"])
    score = np.full(len(entity), np.nan)
    for name in np.unique(stratum[everybody]):
        who = everybody & (stratum == name)
        score[who] = renormalized(held["score"][who], months[who])
    spent = _truncated(spent, months, stratum, everybody, plan, year, exhibits)
    return _Year(entity[mine], stratum[mine], months[mine], spent[mine], score[mine],
                 {k.removeprefix("group_"): v.astype(str)[mine] for k, v in held.items()
                  if k.startswith("group_")})  # fmt: skip


def _truncated(
    spent: NDArray[np.float64], months: NDArray[np.float64], stratum: NDArray[np.str_],
    everybody: NDArray[np.bool_], plan: Plan, year: int, exhibits: list[Exhibit],
) -> NDArray[np.float64]:  # fmt: skip
    """Truncate each member's cost at the stratum's point, of a full year, for its months."""
    if plan.truncate_at >= 1:
        return spent
    found, rows = spent.copy(), []
    for name in np.unique(stratum[everybody]):
        who = stratum == name
        point = truncation_points(spent[who & everybody], months[who & everybody], plan.truncate_at)
        cut = truncate(spent[who], months[who], point)
        rows.append((str(name), f"{point:,.0f}", f"{(cut < spent[who]).sum():,}",
                     f"{1 - cut.sum() / spent[who].sum():.2%}"))  # fmt: skip
        found[who] = cut
    exhibits.append(Exhibit(
        f"Truncation, {year}", ("Stratum", "Point, dollars a year", "Members above", "Cut"), rows,
        f"At the {plan.truncate_at:.0%} point of each stratum's annualized cost, by exposure.",
    ))  # fmt: skip
    return found


def _completion(
    connection: duckdb.DuckDBPyConnection, year: int, exhibits: list[Exhibit]
) -> Completion:
    """Complete the performance year's claims by their development."""
    rows = connection.execute(
        """select datediff('month', make_date($year, 1, 1), incurred_month::date) as incurred,
            datediff('month', incurred_month::date, paid_month::date) as age,
            sum(paid_cents::double) / 100 as paid
        from claims where year(incurred_month::date) = $year group by 1, 2 order by 1, 2""",
        {"year": year},
    ).fetchnumpy()
    found = completed(rows["incurred"], rows["age"], rows["paid"])
    exhibits.append(Exhibit(
        f"Completion of {year}", ("Months since incurred", "Share paid by then"),
        [(str(a), f"{c:.4f}") for a, c in enumerate(found.completion)],
        f"Chain ladder, volume-weighted; {1 / found.factor:.2%} of the year is paid so far.",
    ))  # fmt: skip
    return found


def _rows(base: _Year, performance: _Year) -> list[dict[str, Any]]:
    """Return one row an entity and stratum of either year; what a year lacks stays blank."""
    one, two = _sums(base), _sums(performance)
    rows = []
    for key in sorted({*one, *two}):
        row: dict[str, Any] = {"entity_id": key[0], "stratum": key[1],
                               "risk_score_basis": "renormalized"}  # fmt: skip
        for sums, before in ((one.get(key), ""), (two.get(key), "performance_")):
            months, spent, risk = sums or ("", "", "")
            row |= {f"{before}member_months": months, f"{before}spending_usd": spent,
                    f"{before}risk_score": risk}  # fmt: skip
        rows.append(row)
    return rows


def _sums(year: _Year) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Return months, dollars and mean score by entity and stratum."""
    keys, place = np.unique(np.stack([year.entity, year.stratum]), axis=1, return_inverse=True)
    weights = (year.months, year.spent, year.score * year.months)
    months, spent, risk = (np.bincount(place.ravel(), w) for w in weights)
    return {(str(e), str(s)): (float(m), round(float(d), 2), float(r / m))
            for (e, s), m, d, r in zip(keys.T, months, spent, risk, strict=True)}  # fmt: skip


def _people(year: _Year) -> Iterator[dict[str, Any]]:
    """Yield one row a group, entity and stratum."""
    for dimension, labels in year.groups.items():
        keys, place = np.unique(
            np.stack([labels, year.entity, year.stratum]), axis=1, return_inverse=True
        )
        place = place.ravel()
        n, months, spent, squares = (np.bincount(place, w) for w in (
            np.ones_like(year.months), year.months, year.spent, year.spent**2))  # fmt: skip
        for (group, entity, stratum), k, m, d, q in zip(
            keys.T, n, months, spent, squares, strict=True
        ):
            sd = np.sqrt(max(q / k - (d / k) ** 2, 0) * k / (k - 1)) if k > 1 else 0.0
            yield {"dimension": dimension, "group": str(group), "entity_id": str(entity),
                   "stratum": str(stratum), "members": int(k), "member_months": float(m),
                   "spending_usd": round(float(d), 2),
                   "spending_sd_usd": round(float(sd), 2)}  # fmt: skip


def write_prepared(prepared: Prepared, out: Path) -> list[Path]:
    """Write the rows as CSV: the baseline with the results beside it, and the groups."""
    out.mkdir(parents=True, exist_ok=True)
    from benchmarks.equity import COLUMNS

    people = (*COLUMNS[:2], "entity_id", "stratum", *COLUMNS[2:])
    for name, rows, head in (("baseline.csv", prepared.baseline, list(prepared.baseline[0])),
                             ("people.csv", prepared.people, people)):  # fmt: skip
        path = out / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)  # groups of few members stand in it
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, head)
            writer.writeheader()
            writer.writerows(rows)
    return [out / "baseline.csv", out / "people.csv"]
