"""Reduce members and diagnoses to words in DuckDB, counting everything that does not map."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.engine.diagnoses import (
    Counting,
    all_sources,
    code_column,
    count_unknown_members,
    keep_counting,
    register_code_words,
    source_test,
    tests_of,
)
from riskadj.engine.inputs import Source, View, attach, count, quoted, reading
from riskadj.engine.members import Asked, Fault, encode_members, faults, matching_id
from riskadj.engine.months import (
    MASKS,
    REFUSED_STATUSES,
    MonthCounts,
    Months,
    gather_months,
    status_faults,
)
from riskadj.engine.words import Lane, word_names, words_sql
from riskadj.errors import InputError
from riskadj.tables import MEMBER_ID

BATCH_ROWS = 1 << 17
_REFUSED = "select rowid as place, why from {} where why is not null"
MEMBER_TABLES = {"members": _REFUSED.format("members_coded")}
MONTH_TABLES = {
    "members": f"{_REFUSED.format('people_coded')} union all "
    f"select place, why || ' (' || n || ' months)' from ({REFUSED_STATUSES})",
    "member_months": _REFUSED.format("months_coded"),
}
"""Input tables whose rows may be refused, each with SQL of ``place, why``."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to reduce.

    Attributes
    ----------
    lanes
        Rulebooks whose words are wanted, side by side.
    asked
        What the lanes, and what decides between them, ask for of the members' status.
    service_year
        The data-collection year: the calendar year before the payment year.
    refused
        Why members of some profiles cannot be scored: ``(why, bool of shape (n_profiles,))``.
    quarantine
        Score the good rows and keep the bad ones with reasons, instead of raising.
    """

    lanes: tuple[Lane, ...]
    asked: Asked
    service_year: int
    refused: tuple[tuple[str, NDArray[np.bool_]], ...] = ()
    quarantine: bool = False


@dataclass(slots=True)
class Quality:
    """What was read, set aside and assumed; every row is in one of the counts.

    Attributes
    ----------
    members_rejected
        Rows set aside in quarantine, by reason.
    diagnoses_set_aside
        Rows that cannot count, by reason: not mapped, or not of an accepted claim or year.
    diagnoses_of_unknown_members
        Mapped rows whose member is not in the members table, or is blank; known once all members
        are scored.
    unread_rows
        CSV rows that could not be parsed, by reason (quarantine only).
    without_cell
        Members (times segments, if all are priced) whose age and sex the segment does not price.
    unpaid
        Members whom no model of a program pays though another program does, by program.
    notes
        What was assumed.
    caveats
        What of the models that scored somebody rests on less than a primary document.
    """

    members: int = 0
    members_scored: int = 0
    members_rejected: dict[str, int] = field(default_factory=dict)
    diagnoses: int = 0
    diagnoses_mapped: int = 0
    diagnoses_set_aside: dict[str, int] = field(default_factory=dict)
    diagnoses_of_unknown_members: int = 0
    unread_rows: dict[str, int] = field(default_factory=dict)
    without_cell: int = 0
    unpaid: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)


def none_left(table: str, rejected: Mapping[str, int]) -> InputError:
    """Return the error of a table of which quarantine leaves nothing, with the reasons."""
    why = "".join(f"\n  {n:,} rows: {reason}" for reason, n in rejected.items())
    return InputError(f"{table}: no row is left to score{why}")


@dataclass(frozen=True, slots=True)
class Reduced:
    """Members as ``member_id, profile, w0, ...`` in the order of the input.

    Attributes
    ----------
    words
        The word columns of each lane; none for a lane that no member takes.
    rejected
        ``table, row, why`` of the rows set aside in quarantine; rows count from 1 after the header.
    count_unknown
        Counts mapped diagnosis rows of members that are not in the table.
    rows
        How many rows ``batches`` must yield.
    extra
        What else a row has: with months, ``place`` among the members and the masks of months.
    """

    connection: duckdb.DuckDBPyConnection
    words: list[list[str]]
    quality: Quality
    rejected: pa.Table
    count_unknown: Callable[[], int]
    rows: int
    extra: tuple[str, ...] = ()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the members in input order; all of them, exactly once.

        Words that no member took are of members that are not in the table: then, and only then,
        their rows are counted.
        """
        columns = "".join(f"coalesce(w.{n}, 0) as {n}, " for names in self.words for n in names)
        columns += "".join(f"m.{n}, " for n in self.extra)
        query = (
            f"select m.member_id, m.profile, {columns}w.member_id is not null as found "
            "from members_coded m left join member_words w on m.member_id = w.member_id "
            "where m.why is null order by "
            f"{'m.place, m.months & -m.months' if self.extra else 'm.rowid'}"
        )
        out, found, last = 0, 0, -1
        with reading("members"):
            for batch in self.connection.sql(query).to_arrow_reader(BATCH_ROWS):
                out += batch.num_rows
                number, last = _with_words_found(batch, last)
                found += number
                yield batch
            with_words = count(self.connection, "select count(*) from member_words")
        if out != self.rows:
            raise AssertionError(f"{self.rows} members in, {out} out")
        if found != with_words:
            self.quality.diagnoses_of_unknown_members = self.count_unknown()
        if with_words and not found:
            self.quality.notes.append(
                "NO diagnosis is of a member of the table: is member_id spelt the same in both?"
            )


def _with_words_found(batch: pa.RecordBatch, last: int) -> tuple[int, int]:
    """Count a batch's members with words, each once; ``last`` is the last one of the batch before.

    Returns
    -------
    the number, and the place of the batch's last member
    """
    if "place" not in batch.schema.names:
        return int(batch.column("found").true_count), last
    place = batch.column("place").to_numpy()
    new = np.diff(place, prepend=last) != 0
    found = batch.column("found").to_numpy(zero_copy_only=False)
    return int((found & new).sum()), int(place[-1])


def reduce_members(
    connection: duckdb.DuckDBPyConnection, members: Source, diagnoses: Source, request: Request
) -> Reduced:
    """Reduce both tables to one row of words a member.

    Raises
    ------
    InputError
        A table cannot be read or, unless in quarantine, members break the contract; the message
        has counts and row numbers, never values.
    """
    quality = Quality()
    view = attach(connection, "members", members, request.quarantine)
    quality.notes += encode_members(connection, view, request.asked)
    _refuse_profiles(connection, request)
    _settle_members(connection, request, quality)
    return _with_words(connection, view, diagnoses, request, quality)


def reduce_months(
    connection: duckdb.DuckDBPyConnection,
    members: Source,
    months: Source,
    diagnoses: Source,
    request: Request,
    rule: Months,
) -> tuple[Reduced, MonthCounts]:
    """Reduce all three tables to one row of words a member and monthly status.

    Raises
    ------
    InputError
        As ``reduce_members``; rows of the months are refused like those of the members.
    """
    quality = Quality()
    people = attach(connection, "members", members, request.quarantine)
    view = attach(connection, "member_months", months, request.quarantine)
    counts, quality.notes = gather_months(connection, people, view, request.asked, rule)
    _refuse_profiles(connection, request)
    _settle_months(connection, request, quality, counts)
    extra = ("place", *MASKS)
    return _with_words(connection, people, diagnoses, request, quality, extra), counts


def _both_statuses(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Count statuses of long-term institutional new enrollees, where a model knows only one."""
    profiles = request.asked.profiles
    names = ("long_term_institutional", "new_enrollee")
    stride = dict(zip(profiles.axes, profiles.strides, strict=True))
    models = [lane.book.model for lane in request.lanes]
    both_known = all(any(all(n in s.when for n in names) for s in m.segments) for m in models)
    if both_known or not stride.keys() >= set(names):
        return []
    both = " and ".join(f"(profile // {stride[name]}) % 2 = 1" for name in names)
    n = count(connection, f"select count(*) from members_coded where why is null and {both}")
    said = "long-term institutional and new enrollee together: a model without a segment for both"
    return [f"{n:,} statuses are {said} prices the new enrollee"] if n else []


def _with_words(
    connection: duckdb.DuckDBPyConnection,
    members: View,
    diagnoses: Source,
    request: Request,
    quality: Quality,
    extra: tuple[str, ...] = (),
) -> Reduced:
    """Read the diagnoses of coded members."""
    quality.notes += _both_statuses(connection, request)
    words = word_names(request.lanes, _needed(connection, request))
    count_unknown = _reduce_diagnoses(connection, members, diagnoses, request, words, quality)
    rejected = _rejected(connection, MONTH_TABLES if extra else MEMBER_TABLES)
    unread = [why for why in rejected["why"].to_pylist() if why.startswith("CSV row: ")]
    quality.unread_rows = dict(sorted(Counter(unread).items()))
    rows = count(connection, "select count(*) from members_coded where why is null")
    return Reduced(connection, words, quality, rejected, count_unknown, rows, extra)


def _settle_months(
    connection: duckdb.DuckDBPyConnection, request: Request, quality: Quality, counts: MonthCounts
) -> None:
    """Count members and months; raise if some are bad and quarantine was not asked for."""
    quality.members = count(connection, "select count(*) from people_coded")
    if quality.members == 0 or counts.read == 0:
        raise InputError("members or member_months: the table has no rows")
    of_statuses = status_faults(connection)
    tables = {
        "members": (faults(connection, "people_coded"), quality.members),
        "member_months": ([*faults(connection, "months_coded"), *of_statuses], counts.read),
    }
    if not request.quarantine:
        for name, (found, total) in tables.items():
            if found:
                raise InputError(_message(found, total, name))
    quality.members_rejected = {f.what: f.rows for f in tables["members"][0]}
    counts.rejected = {f.what: f.rows for f in tables["member_months"][0]}
    counts.scored = count(
        connection, "select coalesce(sum(n), 0) from members_coded where why is null"
    )
    with_months = quality.members - sum(quality.members_rejected.values())
    with_months -= counts.members_without_months
    quality.members_scored = with_months
    if of_statuses:  # a member may have lost some statuses, or all
        left = "select count(distinct place) from members_coded where why is null"
        quality.members_scored = count(connection, left)
    if lost := with_months - quality.members_scored:
        quality.members_rejected["no month is left of them"] = lost


def _refuse_profiles(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    """Mark the members whose profile no model can score."""
    for why, odd in request.refused:
        numbers = pa.table({"profile": pa.array(np.flatnonzero(odd).astype(np.int32))})
        connection.register("refused_profiles", numbers)
        connection.execute(
            "update members_coded set why = ? where why is null "
            "and profile in (select profile from refused_profiles)",
            [why],
        )
        connection.unregister("refused_profiles")


def _needed(connection: duckdb.DuckDBPyConnection, request: Request) -> list[bool]:
    """Say which lanes some member takes: the others' codes are not looked for."""
    if all(lane.takes is None for lane in request.lanes):
        return [True] * len(request.lanes)
    found = connection.execute(
        "select distinct profile from members_coded where why is null"
    ).fetchnumpy()["profile"]
    needed = [lane.takes is None or bool(lane.takes[found].any()) for lane in request.lanes]
    return needed if any(needed) else [True] * len(needed)


def _reduce_diagnoses(
    connection: duckdb.DuckDBPyConnection,
    members: View,
    diagnoses: Source,
    request: Request,
    words: list[list[str]],
    quality: Quality,
) -> Callable[[], int]:
    """Create ``member_words`` and count the rows; return the count of unknown members' rows."""
    view = attach(connection, "diagnoses", diagnoses, request.quarantine)
    view.need(MEMBER_ID)
    code = code_column(view)
    empty = count(connection, f"select count(*) from {quoted(view.name)}") == 0
    member_id = "null" if empty else matching_id(members, view)
    used = [lane for lane, names in zip(request.lanes, words, strict=True) if names]
    counting = Counting(request.service_year, all_sources(used))
    source, aside = keep_counting(connection, view, counting)
    codes = register_code_words(connection, source, code, request.lanes, words)
    quality.diagnoses_mapped = codes.mapped
    quality.diagnoses_set_aside = aside | codes.unmapped
    quality.diagnoses = codes.mapped + sum(quality.diagnoses_set_aside.values())
    if view.find(("data_source",)):
        quality.notes += _sources_left_out(connection, view, source, used)
    else:
        quality.notes += _sources_assumed(used)
    if quality.diagnoses and not quality.diagnoses_mapped:
        quality.notes.append(
            f"NONE of {quality.diagnoses:,} diagnosis rows counts: scores are demographic only"
        )
    tests = tests_of(view, used, [names for names in words if names])
    with reading("diagnoses"):
        connection.execute(
            f"create temp table member_words as {words_sql(source, member_id, code, tests)}"
        )
    return partial(count_unknown_members, connection, source, member_id, code)


def _sources_left_out(
    connection: duckdb.DuckDBPyConnection, view: View, source: str, lanes: Sequence[Lane]
) -> list[str]:
    """Count the rows that count for some model and not for another, by whose sources those take."""
    models: dict[tuple[str, ...], list[str]] = {}
    for lane in lanes:
        models.setdefault(lane.data_sources, []).append(lane.book.model.key)
    found = []
    for sources, keys in models.items() if len(models) > 1 else ():
        if test := source_test(view, sources):
            n = count(connection, f"select count(*) from {source} where not {test}")
            said = f"{n:,} diagnosis rows are not of {', '.join(sources)}"
            found += [f"{said}: not counted for {', '.join(keys)}"] if n else []
    return found


def _sources_assumed(lanes: Sequence[Lane]) -> list[str]:
    """Say what a table without ``data_source`` is taken for, by every model that asks."""
    kept: dict[str, list[str]] = {}
    for lane in lanes:
        if lane.data_sources:
            kept.setdefault(", ".join(lane.data_sources), []).append(lane.book.model.key)
    if len(kept) < 2:
        return [f"no column data_source: all diagnoses taken as from {said}" for said in kept]
    return [
        f"no column data_source: for {', '.join(models)} all diagnoses are taken as from {said}"
        for said, models in kept.items()
    ]


def _settle_members(
    connection: duckdb.DuckDBPyConnection, request: Request, quality: Quality
) -> None:
    """Count the members; raise if some are bad and quarantine was not asked for."""
    quality.members = count(connection, "select count(*) from members_coded")
    if quality.members == 0:
        raise InputError("members: the table has no rows")
    found = faults(connection, "members_coded")
    if found and not request.quarantine:
        raise InputError(_message(found, quality.members, "members"))
    quality.members_rejected = {f.what: f.rows for f in found}
    quality.members_scored = quality.members - sum(f.rows for f in found)


def _message(found: Sequence[Fault], total: int, table: str) -> str:
    lines = "\n".join(f"  {fault}" for fault in found)
    return (
        f"{table}: of {total:,} rows,\n{lines}\n"
        "Correct them, or score the rest: --on-error quarantine"
    )


def _rejected(connection: duckdb.DuckDBPyConnection, coded: Mapping[str, str]) -> pa.Table:
    """Return ``table, row, why`` of rows set aside and of CSV rows that cannot be read.

    A row's number is its place in the file: unread rows before it count too.

    Parameters
    ----------
    coded
        The input tables whose rows may be refused, each with SQL of ``place, why``.
    """
    selects = []
    for name in (*coded, "diagnoses"):
        unread = _unread(connection, name)
        selects.append(f"select '{name}', row, 'CSV row: ' || lower(kind) from ({unread})")
        if name in coded:
            places = (
                "select row - row_number() over (order by row) as good "
                f"from (select distinct row from ({unread}))"
            )
            selects.append(
                f"select '{name}', place + 1 + (select count(*) from ({places}) "
                f"where good < place + 1), why from ({coded[name]})"
            )
    return connection.sql(
        'select t as "table", row::bigint as row, why '
        f"from ({' union all '.join(selects)}) u(t, row, why) order by 1, 2, 3"
    ).to_arrow_table()


def _unread(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return SQL of the CSV rows of a table that cannot be read: ``row, kind``."""
    there = f"select count(*) from duckdb_tables() where table_name = '{name}_unread'"
    if not count(connection, there):
        return "select null::bigint as row, '' as kind where false"
    return f"select distinct line - 1 as row, error_type::varchar as kind from {name}_unread"
