"""From members, diagnoses and costs to one checked row a member: words, months and cents."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from riskadj.engine.diagnoses import THRU_DATE
from riskadj.engine.duck import Quality, Request, reduce_members
from riskadj.engine.inputs import INTEGER_TYPES, Source, View, attach, count, quoted, reading
from riskadj.engine.members import Asked, matching_id
from riskadj.engine.words import Lane
from riskadj.errors import InputError
from riskadj.features.rulebook import Rulebook
from riskadj.training.statistics import BATCH_ROWS, MOST_CENTS

YEAR, MONTHS, PAID = ("year",), ("months",), ("paid_cents", "paid")


@dataclass(frozen=True, slots=True)
class Sources:
    """One period's tables, as paths or frames, and how they are read.

    Attributes
    ----------
    cost_year
        The year whose costs are predicted; ``members`` describes its 1 February.
    diagnosis_year
        The year before for a prospective model, the same year for a concurrent one.
    columns
        Columns of the members table to carry along for reports, as text.
    truth
        Synthetic data only: ``member_id, year, mean_cents``, carried as ``true_cents``.
    """

    members: Source
    diagnoses: Source
    costs: Source
    cost_year: int
    diagnosis_year: int
    columns: tuple[str, ...] = ()
    truth: Source | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """How members are divided by a hash of their id, the same on any machine, and ordered.

    Attributes
    ----------
    blocks
        How many blocks for the bootstrap.
    test_share
        Share of members set aside for testing.
    ordered
        Rows come in the order of the ids. Statistics do not need it; trees do.
    """

    blocks: int
    test_share: float
    ordered: bool = True


@dataclass(slots=True)
class Counts:
    """What was read and what was set aside on the way to the prepared rows."""

    scoring: Quality
    prepared: int = 0
    cost_rows: int = 0
    costs_set_aside: dict[str, int] = field(default_factory=dict)
    costs_of_unknown_members: int = 0
    members_without_costs: int = 0


def prepared_batches(
    connection: duckdb.DuckDBPyConnection,
    book: Rulebook,
    sources: Sources,
    split: Split,
    quarantine: bool = False,
) -> tuple[Iterator[pa.RecordBatch], Counts]:
    """Join a period's tables into one row a member with status and exposure.

    Returns
    -------
    batches
        ``profile, w0, ..., months, paid_cents, prior_cents, block, test`` and the carried
        columns; no member id. ``prior_cents`` is null without a row for the year before.
    counts
        Every row read is in one of them.

    Raises
    ------
    InputError
        A table cannot be read, or breaks its contract; counts and row numbers, never values.
    """
    month, day = map(int, book.model.facts.age_reference.split("-"))
    request = Request(
        lanes=(Lane(book),),
        asked=Asked(book.profiles, dt.date(sources.cost_year, month, day)),
        service_year=sources.diagnosis_year, quarantine=quarantine,
    )  # fmt: skip
    reduced = reduce_members(connection, sources.members, sources.diagnoses, request)
    counts = Counts(reduced.quality)
    _need_dates(connection)
    view = _described(connection, "members")
    _read_costs(connection, view, sources, quarantine, counts)
    names = [n for block in reduced.words for n in block]
    truth = _truth(connection, view, sources)
    query = _query(view, names, sources.columns, split, truth)
    _count_matches(connection, counts)
    if counts.prepared == 0:
        raise InputError(_no_match(connection, sources.cost_year))
    _refuse_unmapped(counts.scoring, sources.diagnosis_year)
    _check_truth(connection, truth, counts.prepared)
    return _stream(connection, query), counts


def _no_match(connection: duckdb.DuckDBPyConnection, year: int) -> str:
    found = connection.execute(
        "select string_agg(distinct year, ', ' order by year) from costs_checked where why is null"
    ).fetchall()[0][0]
    ids = count(
        connection,
        "select count(distinct c.member_id) from costs_checked c "
        "semi join members_coded m using (member_id)",
    )
    return (
        f"costs: no member of the members table has a row for {year}; years there: "
        f"{found or 'none'}; {ids:,} members of the members table have a row in any year"
    )


def _refuse_unmapped(scoring: Quality, year: int) -> None:
    """Refuse diagnoses of which none counts: a model without conditions would be fitted."""
    if scoring.diagnoses_mapped == 0:
        aside = "; ".join(f"{n:,} {why}" for why, n in scoring.diagnoses_set_aside.items())
        raise InputError(
            f"diagnoses: of {scoring.diagnoses:,} rows none is a payment condition of {year}: "
            f"{aside or 'the table is empty'}"
        )


def _check_truth(connection: duckdb.DuckDBPyConnection, truth: str, prepared: int) -> None:
    """Refuse a truth that would lose or repeat members."""
    if not truth:
        return
    joined = count(
        connection,
        "select count(*) from members_coded m join costs_now c on c.member_id = m.member_id "
        f"{truth}where m.why is null",
    )
    if joined != prepared:
        raise InputError(f"truth: {joined:,} rows for {prepared:,} members: one each is needed")


def _stream(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    with reading("members"):
        yield from connection.sql(query).to_arrow_reader(BATCH_ROWS)


def _described(connection: duckdb.DuckDBPyConnection, name: str) -> View:
    described = connection.execute(f"describe {quoted(name)}").fetchall()
    return View(name, {r[0].strip().lower(): (r[0], r[1]) for r in described}, untyped=False)


def _need_dates(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse diagnoses without dates: which year they predict could not be known."""
    _described(connection, "diagnoses").need(THRU_DATE)


def _read_costs(
    connection: duckdb.DuckDBPyConnection,
    members: View,
    sources: Sources,
    quarantine: bool,
    counts: Counts,
) -> None:
    """Create ``costs_checked (member_id, year, months, paid, why)`` and judge its rows."""
    view = attach(connection, "costs", sources.costs, quarantine)
    year, months, paid = (_whole(view, names) for names in (YEAR, MONTHS, PAID))
    member_id = matching_id(members, view)
    cases = " ".join(f"when {test} then '{why}'" for test, why in _faults())
    with reading("costs"):
        connection.execute(
            "create temp table costs_checked as "
            f"select *, case {cases} end as why from (select row_number() over () as row, "
            f"{member_id} as member_id, {year} as year, {months} as months, {paid} as paid "
            f"from {quoted(view.name)})"
        )
        connection.execute(
            "update costs_checked set why = 'member_id and year stand more than once' "
            "from (select member_id, year from costs_checked where why is null "
            "group by all having count(*) > 1) twice "
            "where costs_checked.member_id = twice.member_id and costs_checked.year = twice.year"
        )
        found = connection.execute(
            "select why, count(*), min(row) from costs_checked where why is not null "
            "group by 1 order by 3"
        ).fetchall()
        counts.cost_rows = count(connection, "select count(*) from costs_checked")
        _split_years(connection, sources.cost_year)
    if found and not quarantine:
        lines = "\n".join(f"  {n:,} rows: {why} (first at row {row:,})" for why, n, row in found)
        raise InputError(
            f"costs: of {counts.cost_rows:,} rows,\n{lines}\n"
            "Correct them, or go on without them: --on-error quarantine"
        )
    counts.costs_set_aside = {why: n for why, n, _ in found}


def _whole(view: View, names: tuple[str, ...]) -> str:
    """Return SQL for a whole number: null for what is not one, NaN and infinity among them."""
    column, kind = view.need(names), view.type_of(names)
    if kind in INTEGER_TYPES:
        return f"{column}::bigint"
    number = f"try_cast({column}::varchar as double)"
    whole = f"isfinite({number}) and {number} = floor({number}) and abs({number}) < 9e15"
    return f"case when {whole} then {number}::bigint end"


def _faults() -> Sequence[tuple[str, str]]:
    return (
        ("member_id is null", "member_id is empty"),
        ("year is null", "year is not a whole number"),
        ("months = 0", "no exposure: months is 0"),
        ("months is null or months not between 1 and 12", "months is not a whole number 1-12"),
        ("paid is null", "paid_cents is not a whole number of cents"),
        ("paid < 0", "paid_cents is negative"),
        (f"paid > {MOST_CENTS}", f"paid_cents is over {MOST_CENTS // 100:,} dollars"),
    )


def _split_years(connection: duckdb.DuckDBPyConnection, year: int) -> None:
    for name, wanted in (("costs_now", year), ("costs_before", year - 1)):
        connection.execute(
            f"create temp table {name} as select member_id, months::tinyint as months, paid "
            "from costs_checked where why is null and year = ?",
            [wanted],
        )


def _count_matches(connection: duckdb.DuckDBPyConnection, counts: Counts) -> None:
    good = "(select member_id from members_coded where why is null)"
    matched = f"select count(*) from costs_now c semi join {good} m using (member_id)"
    counts.prepared = count(connection, matched)
    rows = count(connection, "select count(*) from costs_now")
    counts.costs_of_unknown_members = rows - counts.prepared
    counts.members_without_costs = counts.scoring.members_scored - counts.prepared


def _truth(connection: duckdb.DuckDBPyConnection, members: View, sources: Sources) -> str:
    """Return a join that brings the true mean of the cost year as ``t.true_cents``, if there is."""
    if sources.truth is None:
        return ""
    view = attach(connection, "truth", sources.truth, skip_bad_rows=False)
    cents, year = view.need(("mean_cents",)), _whole(view, YEAR)
    return (
        f"join (select {matching_id(members, view)} as member_id, {cents}::double as true_cents "
        f"from {quoted(view.name)} where {year} = {sources.cost_year}) t "
        "on t.member_id = m.member_id "
    )


def carried_name(column: str) -> str:
    """Return a report column's name in the prepared rows, apart from all others."""
    return f"by {column}"


def _label(view: View, column: str) -> str:
    """Return SQL for a report column as text: 9.0 is 9, blank is unknown."""
    name = view.need((column.lower(),))
    if view.type_of((column.lower(),)) in ("DOUBLE", "FLOAT"):
        whole = f"{name} = floor({name}) and abs({name}) < 9e15"
        name = f"case when {whole} then {name}::bigint::varchar else {name}::varchar end"
    return f"coalesce(nullif(trim({name}::varchar), ''), 'unknown')"


def _query(
    view: View, words: Sequence[str], columns: Sequence[str], split: Split, truth: str
) -> str:
    """Return the SELECT of the prepared rows."""
    coded = ", ".join(f"coalesce(w.{n}, 0) as {n}" for n in words)
    carried = "".join(f", {_label(view, c)} as {quoted(carried_name(c))}" for c in columns)
    text = "m.member_id::varchar"
    drawn = f"md5_number_upper({text}) % 1000000 < {round(split.test_share * 1e6)}"
    inside = "".join(f", a.{quoted(carried_name(c))}" for c in columns)
    attributes = (
        f"join (select {view.member_id()} as member_id{carried} from {quoted(view.name)}) a "
        "on a.member_id = m.member_id "
        if columns
        else ""
    )
    return (
        f"select m.profile, {coded}, c.months, c.paid as paid_cents, b.paid as prior_cents, "
        f"(md5_number_lower({text}) % {split.blocks})::smallint as block, "
        f"{drawn if split.test_share else 'false'} as test{inside}"
        f"{', t.true_cents' if truth else ''} "
        "from members_coded m join costs_now c on c.member_id = m.member_id "
        f"{attributes}{truth}left join member_words w on w.member_id = m.member_id "
        "left join costs_before b on b.member_id = m.member_id "
        f"where m.why is null{' order by m.member_id' if split.ordered else ''}"
    )
