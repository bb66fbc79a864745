"""The diagnoses table: which rows count, what their codes mean, and a count of all the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from riskadj.engine.inputs import View, count, quoted, reading
from riskadj.engine.members import id_expression
from riskadj.engine.words import split_words, word_names
from riskadj.errors import InputError
from riskadj.features.rulebook import Rulebook
from riskadj.tables import MEMBER_ID, code_fault, normalized_code

NOT_ACCEPTED, OUTSIDE_DATES = "not_accepted_claim", "outside_dates"


@dataclass(frozen=True, slots=True)
class Counting:
    """Which diagnoses a payment year counts.

    Attributes
    ----------
    service_year
        The data-collection year: the calendar year before the payment year.
    data_sources
        Kept values of ``data_source``; empty keeps all.
    """

    service_year: int
    data_sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeCounts:
    """How many diagnosis rows mapped, and why the others did not."""

    mapped: int
    unmapped: dict[str, int]


def reason_sql(view: View, counting: Counting) -> str | None:
    """Return SQL that is null for a row that counts, else ``status: reason``.

    Asked only of columns that are there: ``accepted`` and ``because`` (from claims),
    ``data_source``, ``thru_date``.
    """
    cases = []
    if accepted := view.find(("accepted",)):
        because = view.find(("because",)) or "null"
        cases.append(
            f"when not {accepted} then '{NOT_ACCEPTED}: ' || coalesce({because}, 'not accepted')"
        )
    if (source := view.find(("data_source",))) and counting.data_sources:
        kept = ", ".join("'" + s.replace("'", "''") + "'" for s in counting.data_sources)
        said = ", ".join(counting.data_sources).replace("'", "''")
        cases.append(
            f"when lower(trim({source}::varchar)) not in ({kept}) or {source} is null "
            f"then '{NOT_ACCEPTED}: data_source is not {said}'"
        )
    if thru := view.find(("thru_date", "claim_end_date")):
        year = f"year(try_cast({thru} as date))"
        cases.append(f"when {year} is null then '{OUTSIDE_DATES}: no date of service'")
        cases.append(
            f"when {year} <> {counting.service_year} "
            f"then '{OUTSIDE_DATES}: service is not of {counting.service_year}'"
        )
    return f"case {' '.join(cases)} end" if cases else None


def keep_counting(
    connection: duckdb.DuckDBPyConnection, view: View, counting: Counting
) -> tuple[str, dict[str, int]]:
    """Return the relation of rows that count, and how many were set aside by reason."""
    reason = reason_sql(view, counting)
    if reason is None:
        return quoted(view.name), {}
    with reading(view.name):
        rows = connection.execute(
            f"select why, count(*) from (select {reason} as why from {quoted(view.name)}) "
            "where why is not null group by 1 order by 1"
        ).fetchall()
        connection.execute(
            f"create temp view diagnoses_kept as select * from {quoted(view.name)} "
            f"where ({reason}) is null"
        )
    return "diagnoses_kept", dict(rows)


def matching_id(members: View, diagnoses: View) -> str:
    """Return the diagnoses' id column, comparable with the members' ids.

    Raises
    ------
    InputError
        One table has whole-number ids and the other has text.
    """
    number = [id_expression(v).endswith("::bigint") for v in (members, diagnoses)]
    if number[0] == number[1]:
        return diagnoses.need(MEMBER_ID)
    kinds = ["whole numbers" if n else "text" for n in number]
    raise InputError(
        f"member_id is {kinds[0]} in members and {kinds[1]} in diagnoses: store both the same way "
        "(ids in CSV files are read as text; leading zeros are lost in whole numbers)"
    )


def register_code_words(
    connection: duckdb.DuckDBPyConnection, source: str, code: str, books: Sequence[Rulebook]
) -> CodeCounts:
    """Register ``code_words``: each distinct raw spelling of a mapped code, with its words."""
    with reading("diagnoses"):
        raw = connection.execute(f"select {code}, count(*) from {source} group by 1").fetchall()
    headers = frozenset(c[:n] for book in books for c in book.codes for n in range(3, len(c)))
    spelled: list[object] = []
    words: list[list[int]] = []
    mapped, unmapped = 0, dict[str, int]()
    for value, rows in raw:
        normal = normalized_code(value)
        masks = [book.codes.get(normal, 0) for book in books]
        if any(masks):
            mapped += rows
            spelled.append(value)
            pieces = zip(masks, books, strict=True)
            words.append([w for mask, book in pieces for w in split_words(mask, book.n_words)])
        else:
            why = code_fault(normal, headers) or "unmapped"
            unmapped[why] = unmapped.get(why, 0) + rows
    names = [n for block in word_names(books) for n in block]
    columns = {n: pa.array([w[i] for w in words], pa.int64()) for i, n in enumerate(names)}
    connection.register("code_words", pa.table({"raw": pa.array(spelled, pa.string()), **columns}))
    return CodeCounts(mapped, dict(sorted(unmapped.items())))


def count_unknown_members(
    connection: duckdb.DuckDBPyConnection, source: str, member_id: str
) -> int:
    """Count diagnosis rows whose member is not in the members table."""
    with reading("diagnoses"):
        return count(
            connection,
            f"select count(*) from {source} d where not exists "
            f"(select 1 from members_coded m where m.member_id = d.{member_id})",
        )
