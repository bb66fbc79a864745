"""The diagnoses table: which rows count, what their codes mean, and a count of all the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from riskadj.engine.inputs import View, count, quoted, reading
from riskadj.engine.members import day_of
from riskadj.engine.words import Lane, split_words
from riskadj.errors import InputError
from riskadj.tables import DIAGNOSIS_CODE, ICD10, NOT_OF_A_CODE, code_fault

NOT_ACCEPTED, OUTSIDE_DATES = "not_accepted_claim", "outside_dates"


THRU_DATE = ("thru_date", "claim_end_date")


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
    if view.find(THRU_DATE):
        year = f"year({day_of(view, THRU_DATE)})"
        column = view.need(THRU_DATE)
        blank = f"{column} is null"
        if view.type_of(THRU_DATE) != "DATE":
            blank += f" or trim({column}::varchar) = ''"
        cases.append(f"when {blank} then '{OUTSIDE_DATES}: no date of service'")
        cases.append(f"when {year} is null then '{OUTSIDE_DATES}: thru_date is not a date'")
        cases.append(
            f"when {year} <> {counting.service_year} "
            f"then '{OUTSIDE_DATES}: service is not of {counting.service_year}'"
        )
    if accepted := view.find(("accepted",)):
        because = view.find(("because",)) or "null"
        cases.append(
            f"when try_cast({accepted} as boolean) is not true "
            f"or isnan(try_cast({accepted} as double)) "
            f"then '{NOT_ACCEPTED}: ' || coalesce({because}::varchar, 'not accepted')"
        )
    if test := source_test(view, counting.data_sources):
        said = ", ".join(counting.data_sources).replace("'", "''")
        cases.append(f"when not {test} then '{NOT_ACCEPTED}: data_source is not {said}'")
    return f"case {' '.join(cases)} end" if cases else None


def source_test(view: View, data_sources: Sequence[str]) -> str | None:
    """Return SQL that says whether a row is from one of some sources; None if all rows are."""
    source = view.find(("data_source",))
    if source is None or not data_sources:
        return None
    kept = ", ".join("'" + s.replace("'", "''") + "'" for s in data_sources)
    return f"coalesce(lower(trim({source}::varchar)) in ({kept}), false)"


def all_sources(lanes: Sequence[Lane]) -> tuple[str, ...]:
    """Return the sources that any lane accepts; none if one of them accepts all."""
    accepted = [lane.data_sources for lane in lanes]
    return () if () in accepted else tuple(dict.fromkeys(s for of in accepted for s in of))


def tests_of(
    view: View, lanes: Sequence[Lane], words: Sequence[Sequence[str]]
) -> dict[str, str | None]:
    """Return each word column with the test of the rows that count for its lane."""
    together = set(all_sources(lanes))
    return {
        name: None if set(lane.data_sources) == together else source_test(view, lane.data_sources)
        for lane, names in zip(lanes, words, strict=True)
        for name in names
    }


def keep_counting(
    connection: duckdb.DuckDBPyConnection, view: View, counting: Counting
) -> tuple[str, dict[str, int]]:
    """Return the relation of rows that count, and how many were set aside by reason.

    Why a claim was not accepted is the caller's own text: it stays in the statuses, not here.
    """
    reason = reason_sql(view, counting)
    if reason is None:
        return quoted(view.name), {}
    with reading(view.name):
        ours = f"starts_with(why, '{NOT_ACCEPTED}: data_source ')"
        said = f"case when starts_with(why, '{NOT_ACCEPTED}') and not {ours} " \
               f"then '{NOT_ACCEPTED}' else why end"  # fmt: skip
        rows = connection.execute(
            f"select {said}, count(*) from (select {reason} as why from {quoted(view.name)}) "
            "where why is not null group by 1 order by 1"
        ).fetchall()
        connection.execute(
            f"create temp view diagnoses_kept as select * from {quoted(view.name)} "
            f"where ({reason}) is null"
        )
    return "diagnoses_kept", dict(rows)


def code_column(view: View) -> str:
    """Return the diagnosis code column.

    Raises
    ------
    InputError
        Its values are not one code each.
    """
    column, kind = view.need(DIAGNOSIS_CODE), view.type_of(DIAGNOSIS_CODE)
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "BLOB", "UNION")):
        raise InputError(f"{view.name}: diagnosis_code is {kind}; expected one code a row, as text")
    return column


def register_code_words(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    code: str,
    lanes: Sequence[Lane],
    words: Sequence[Sequence[str]],
) -> CodeCounts:
    """Register ``code_words``: each distinct raw spelling of a mapped code, with its words."""
    with reading("diagnoses"):
        spellings = connection.sql(
            f"select {code} as raw, {code}::varchar as text, count(*)::bigint as n "
            f"from {source} group by 1"
        ).to_arrow_table()
    normal = normalized_codes(spellings["text"])
    known = sorted({c for lane, names in zip(lanes, words, strict=True) if names
                    for c in lane.book.codes})  # fmt: skip
    place = pc.index_in(normal, pa.array(known, pa.string()))
    mapped, rows = pc.is_valid(place), spellings["n"]
    of_code = _words_of(known, lanes, words)
    columns = {name: values.take(place.filter(mapped)) for name, values in of_code.items()}
    connection.register("code_words", pa.table({"raw": spellings["raw"].filter(mapped), **columns}))
    other = pc.invert(mapped)
    faults = _faults(normal.filter(other), rows.filter(other), known)
    return CodeCounts(pc.sum(rows.filter(mapped)).as_py() or 0, faults)


def normalized_codes(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return codes as the tables spell them; ``tables.normalized_code`` does it one by one."""
    plain = pc.replace_substring_regex(pc.fill_null(raw, ""), NOT_OF_A_CODE, "")
    return pc.utf8_upper(plain)


def _words_of(
    known: Sequence[str], lanes: Sequence[Lane], words: Sequence[Sequence[str]]
) -> dict[str, pa.Array]:
    """Return the word columns of all known codes, every lane's side by side."""
    columns: dict[str, pa.Array] = {}
    for lane, names in zip(lanes, words, strict=True):
        masks = [split_words(lane.book.codes.get(c, 0), len(names)) for c in known]
        columns |= {n: pa.array([m[i] for m in masks], pa.int64()) for i, n in enumerate(names)}
    return columns


def _faults(codes: pa.ChunkedArray, rows: pa.ChunkedArray, known: Sequence[str]) -> dict[str, int]:
    """Count the rows of unmapped codes by what may be wrong with them (``tables.code_fault``)."""
    headers = pa.array(sorted({c[:n] for c in known for n in range(3, len(c))}), pa.string())
    is_icd10 = pc.match_substring_regex(codes, f"^(?:{ICD10.pattern})$")
    plain = pc.and_(is_icd10, pc.invert(pc.is_in(codes, headers)))
    found = {"unmapped": pc.sum(rows.filter(plain)).as_py() or 0}
    odd = pc.invert(plain)
    for code, n in zip(codes.filter(odd).to_pylist(), rows.filter(odd).to_pylist(), strict=True):
        why = code_fault(code, is_header=ICD10.fullmatch(code) is not None)
        found[why] = found.get(why, 0) + n
    return {why: n for why, n in sorted(found.items()) if n}


def count_unknown_members(
    connection: duckdb.DuckDBPyConnection, source: str, member_id: str, code: str
) -> int:
    """Count mapped diagnosis rows whose member is not in the members table, or is blank."""
    with reading("diagnoses"):
        return count(
            connection,
            f"select count(*) from (select {member_id} as id, {code} as code from {source}) d "
            "join code_words c on d.code = c.raw where not exists "
            "(select 1 from members_coded m where m.member_id = d.id)",
        )
