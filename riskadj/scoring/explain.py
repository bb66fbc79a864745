"""Why: every score as a sum of factors, every diagnosis with a status and a reason."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskadj.catalog import published_years, resolve_model
from riskadj.connection import connect
from riskadj.engine.diagnoses import Counting, reason_sql
from riskadj.engine.inputs import Source, attach, reading
from riskadj.features.conditions import (
    Rows,
    apply_requires_any,
    apply_variants,
    keep_most_severe,
    unpack_words,
)
from riskadj.features.rulebook import Rulebook
from riskadj.features.terms import add_variables
from riskadj.scoring.plan import Options, Plan
from riskadj.scoring.raw import CHUNK, divided, live_rows
from riskadj.tables import DIAGNOSIS_CODE, code_fault, normalized_sql

COUNTED, SUPERSEDED, INVALID_AGE, INVALID_SEX, UNMAPPED, NOT_VALID = (
    "counted", "superseded", "invalid_age", "invalid_sex", "unmapped", "not_valid_in_year",
)  # fmt: skip

STATUS_CHUNK = 1 << 18
"""Members at a time where the loop is over distinct codes: the more, the fewer loops."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some members of a population, as the kernel takes them.

    Attributes
    ----------
    place : int64, shape (n_members,)
        Their rows in the population, ascending.
    profile
        Their profiles as the lane's rulebook sees them.
    """

    place: NDArray[np.int64]
    ids: pa.Array
    profile: NDArray[np.int32]
    words: NDArray[np.int64]
    segment: NDArray[np.int8]


def chunks_of(
    plan: Plan, lane: int, population: pa.Table, words: Sequence[str], size: int = CHUNK
) -> Iterator[Chunk]:
    """Yield the members that a lane takes, in chunks, once for each segment to price."""
    book, takes = plan.lanes[lane].book, plan.lanes[lane].takes
    segments = book.segments if plan.all_segments else (plan.segment,)
    for segment in segments if words else ():
        for start in range(0, population.num_rows, size):
            part = population.slice(start, size).combine_chunks()
            profile = part["profile"].to_numpy()
            if takes is not None:
                who = np.flatnonzero(takes[profile])
                part, profile = part.take(pa.array(who)).combine_chunks(), profile[who]
            else:
                who = np.arange(len(profile))
            if len(who):
                yield _chunk(part, plan.seen[lane][profile], start + who, words, (book, segment))


def _chunk(
    part: pa.Table, profile: NDArray[np.int32], place: NDArray[np.int64], words: Sequence[str],
    priced: tuple[Rulebook, str | None],
) -> Chunk:  # fmt: skip
    book, segment = priced
    own = book.segment_of[profile] if segment is None else np.full(
        len(profile), book.segments.index(segment), np.int8
    )  # fmt: skip
    block = np.stack([part[w].to_numpy() for w in words])
    return Chunk(place, part["member_id"].combine_chunks(), profile, block, own)


def factor_table(plan: Plan, population: pa.Table, words: Sequence[Sequence[str]]) -> pa.Table:
    """Return ``member_id, model, segment, term, label, coefficient`` for every model of a plan."""
    return pa.concat_tables([
        _factors(chunk, plan, lane)
        for lane, names in enumerate(words)
        for chunk in chunks_of(plan, lane, population, names)
    ])  # fmt: skip


def _factors(chunk: Chunk, plan: Plan, lane: int) -> pa.Table:
    """Return a chunk's factors, ordered by member: demographic ones first, a divisor last."""
    book = plan.lanes[lane].book
    rows = live_rows(chunk.words, chunk.profile, book)
    cell_member, cell = np.nonzero(
        (book.cells[:, chunk.profile] & book.cell_priced[:, chunk.segment]).T
    )
    member, bit = np.nonzero((rows & book.priced[:, chunk.segment]).T)
    who = np.concatenate((cell_member, member))
    term = np.concatenate((cell, bit + len(book.cell_names)))
    worth = np.concatenate((
        book.cell_worth[cell, chunk.segment[cell_member]],
        book.worth[bit, chunk.segment[member]],
    ))  # fmt: skip
    names = [*book.cell_names, *(book.names.get(b, "") for b in range(book.n_bits)),
             *(d.name for d in book.model.divisors)]  # fmt: skip
    divided_who, divisor, change = _divided(chunk, book, who, worth)
    who = np.concatenate((who, divided_who))
    term = np.concatenate((term, divisor + len(book.cell_names) + book.n_bits))
    worth = np.concatenate((worth, change))
    order = np.argsort(who, kind="stable")
    labels = book.model.labels
    term_names = pa.array(names, pa.string())
    term_labels = pa.array([labels.get(n, "") for n in names], pa.string())
    return pa.table({
        "member_id": chunk.ids.take(pa.array(who[order])),
        "model": pa.array([plan.names[lane]]).take(pa.array(np.zeros(len(who), np.int8))),
        "segment": pa.array(book.segments).take(pa.array(chunk.segment[who[order]])),
        "term": term_names.take(pa.array(term[order])),
        "label": term_labels.take(pa.array(term[order])),
        "coefficient": pa.array(worth[order] / 1000),
    })  # fmt: skip


def _divided(
    chunk: Chunk, book: Rulebook, who: NDArray[np.int64], worth: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return who has a divisor, which one, and what dividing adds to the sum of the others."""
    number = np.full(len(book.segments), -1)
    for i, divisor in enumerate(book.model.divisors):
        number[book.segments.index(divisor.segment)] = i
    these = np.flatnonzero(number[chunk.segment] >= 0)
    total = np.bincount(who, worth, minlength=len(chunk.segment)).astype(np.int32)[these]
    change = divided(total, chunk.segment[these], book).astype(np.int64) - total
    return these, number[chunk.segment[these]], change


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened to the conditions of some members.

    Attributes
    ----------
    rows : bool, shape (n_bits, n_members)
        What holds at the end.
    dropped_by : int16, shape (n_categories, n_members)
        The category that outranked a condition, -1 if none, -2 if a rule before them did.
    """

    rows: Rows
    dropped_by: NDArray[np.int16]


def trace_of(chunk: Chunk, book: Rulebook) -> Trace:
    """Run the rulebook, noting which rule dropped what."""
    rows = unpack_words(chunk.words, book.n_code_bits, book.n_bits)
    apply_variants(rows, chunk.profile, book)
    dropped_by = np.full((book.n_categories, len(chunk.profile)), -1, dtype=np.int16)
    before = rows[: book.n_categories].copy()
    apply_requires_any(rows, book)
    dropped_by[before & ~rows[: book.n_categories]] = -2
    for parent, child in book.hierarchy:
        dropped_by[child][rows[parent] & rows[child]] = parent
        keep_most_severe(rows, ((parent, child),))
    add_variables(rows, chunk.profile, book)
    return Trace(rows, dropped_by)


def status_table(
    plan: Plan,
    population: pa.Table,
    words: Sequence[Sequence[str]],
    diagnoses: Source,
    options: Options,
) -> pa.Table:
    """Return ``member_id, diagnosis_code, model, condition, status, because``.

    One row for each distinct (member, normalized code) and condition that the code means; every
    diagnosis of a scored member is there.
    """
    plan = replace(plan, all_segments=False)  # a status does not depend on the segment
    known: dict[tuple[str, ...], pa.Table] = {}
    parts = []
    for lane, names in enumerate(words):
        sources = plan.lanes[lane].data_sources
        if sources not in known:
            counting = Counting(plan.service_year, sources)
            known[sources] = distinct_diagnoses(population, diagnoses, counting, options)
        pairs, reader = known[sources], CodeReader(plan.lanes[lane].book)
        place = pairs["place"].to_numpy()
        for chunk in chunks_of(plan, lane, population, names, STATUS_CHUNK):
            first, end = np.searchsorted(place, (chunk.place[0], chunk.place[-1] + 1))
            own = _of_members(pairs.slice(first, end - first), chunk.place)
            parts.append(_statuses(chunk, own, plan.names[lane], reader))
    return pa.concat_tables(parts)


def _of_members(pairs: pa.Table, places: NDArray[np.int64]) -> pa.Table:
    """Keep the pairs of some members, their places counted among those."""
    place = pairs["place"].to_numpy()
    row = np.searchsorted(places, place)
    mine = places[np.minimum(row, len(places) - 1)] == place
    kept = pairs.filter(pa.array(mine))
    return kept.set_column(0, "place", pa.array(row[mine]))


def distinct_diagnoses(
    population: pa.Table, diagnoses: Source, counting: Counting, options: Options
) -> pa.Table:
    """Return ``place, code, why``: each member's distinct codes, by place in the population.

    ``why`` is null where the code counts on at least one row, else ``status: reason``.
    """
    with connect(options.memory_limit, options.threads) as connection:
        view = attach(connection, "diagnoses", diagnoses, skip_bad_rows=True)
        places = pa.array(np.arange(population.num_rows))
        connection.register("places", pa.table({"id": population["member_id"], "place": places}))
        reason = reason_sql(view, counting) or "null"
        one = (
            f"select {view.member_id()} as id, {reason} as why, "
            f"{normalized_sql(view.need(DIAGNOSIS_CODE))} as code from diagnoses"
        )
        with reading("diagnoses"):
            return connection.sql(
                "select p.place, d.code, "
                "case when count(*) > count(d.why) then null else min(d.why) end as why "
                f"from ({one}) d join places p on p.id = d.id group by 1, 2 order by 1, 2"
            ).to_arrow_table()


class CodeReader:
    """What each code can mean in a model: conditional bits, and reasons when none applies."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.headers = frozenset(c[:n] for c in book.codes for n in range(3, len(c)))
        self.variants = {v.bit: v for v in book.variants}
        self._other_years: frozenset[str] | None = None

    def meanings(self, code: str) -> list[int]:
        """Return the code bits that a normalized code sets."""
        mask, bits = self.book.codes.get(code, 0), []
        while mask:
            low = mask & -mask
            bits.append(low.bit_length() - 1)
            mask ^= low
        return bits

    def no_meaning(self, code: str) -> tuple[str, str]:
        """Return status and reason of a code that the model does not map."""
        if code in self.other_years():
            return NOT_VALID, "the model maps this code in another payment year only"
        why = {
            "blank": "no code", "header_only": "not a complete code: longer codes are mapped",
            "icd9_like": "looks like ICD-9", "malformed": "not an ICD-10-CM code",
        }  # fmt: skip
        fault = code_fault(code, is_header=code in self.headers)
        return UNMAPPED, why.get(fault, "no payment condition")

    def other_years(self) -> frozenset[str]:
        """Return codes that only other years of the same model map (read when first needed)."""
        if self._other_years is None:
            keys = published_years(self.book.model.facts.model)
            found = {r.code for key in keys for r in resolve_model(key).code_map}
            self._other_years = frozenset(found - set(self.book.codes))
        return self._other_years


def _statuses(chunk: Chunk, pairs: pa.Table, model: str, reader: CodeReader) -> pa.Table:
    """Give a chunk's diagnoses their status; loops over distinct codes and reasons, not members."""
    book = reader.book
    trace = trace_of(chunk, book)
    unpriced = {i: s.key for i, s in enumerate(book.model.segments) if not s.uses_diagnoses}
    place = pairs["place"].to_numpy()
    found: list[tuple[NDArray[np.int64], str, str | None, str, str]] = []
    for (code, why), who in _groups(pairs):
        if why is None:
            at = place[who]
            found += [
                (at[rows], *said) for rows, *said in _one_code(code, at, chunk, trace, reader)
            ]
        else:
            status, _, because = why.partition(": ")
            found.append((place[who], code, None, status, because))
    at = np.concatenate([f[0] for f in found] or [np.empty(0, np.int64)])
    order = np.argsort(at, kind="stable")
    which = np.repeat(np.arange(len(found)), [len(f[0]) for f in found])[order]
    code, condition, status, because = (
        pa.array([f[i] for f in found], pa.string()).take(pa.array(which)) for i in (1, 2, 3, 4)
    )
    segment = chunk.segment[at[order]]
    for number, key in unpriced.items():
        here = pc.and_(pc.equal(status, COUNTED), pa.array(segment == number))
        because = pc.if_else(here, f"segment {key} does not price diagnoses", because)
    for key, name in book.model.unpriced:
        number = book.segments.index(key)
        here = pc.and_(pc.equal(condition, name), pa.array(segment == number))
        here = pc.fill_null(pc.and_(here, pc.equal(status, COUNTED)), False)
        because = pc.if_else(here, f"segment {key} gives {name} no price", because)
    return pa.table({
        "member_id": chunk.ids.take(pa.array(at[order])),
        "diagnosis_code": code,
        "model": pa.array([model], pa.string()).take(pa.array(which * 0)),
        "condition": condition, "status": status, "because": because,
    })  # fmt: skip


def _groups(pairs: pa.Table) -> Iterator[tuple[tuple[str, str | None], NDArray[np.int64]]]:
    """Yield each distinct (code, why) with its rows."""
    code = pairs["code"].combine_chunks().dictionary_encode()
    why = pairs["why"].combine_chunks().cast(pa.string()).dictionary_encode(null_encoding="encode")
    n = max(len(why.dictionary), 1)
    key = code.indices.fill_null(-1).to_numpy().astype(np.int64) * n + why.indices.to_numpy()
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-(n + 1)))
    codes, reasons = code.dictionary.to_pylist(), why.dictionary.to_pylist()
    for rows in np.split(order, starts[1:]) if len(order) else ():
        place, reason = divmod(int(key[rows[0]]), n)
        yield ("" if place < 0 else codes[place], reasons[reason]), rows


Found = tuple[NDArray[np.int64], str, str | None, str, str]


def _one_code(
    code: str, place: NDArray[np.int64], chunk: Chunk, trace: Trace, reader: CodeReader
) -> Iterator[Found]:
    """Yield ``(rows, code, condition, status, because)`` of one code's members."""
    everyone = np.arange(len(place))
    meanings = reader.meanings(code)
    if not meanings:
        yield everyone, code, None, *reader.no_meaning(code)
        return
    valid_anywhere = np.zeros(len(place), dtype=np.bool_)
    for bit in meanings:
        variant = reader.variants.get(bit)
        valid = np.ones(len(place), np.bool_) if variant is None else variant.valid[
            chunk.profile[place]
        ]  # fmt: skip
        category = bit if variant is None else variant.category
        valid_anywhere |= valid
        yield from _live(code, category, everyone[valid], place, trace, reader.book)
    if not valid_anywhere.all():
        yield from _invalid(code, meanings, everyone[~valid_anywhere], place, chunk, reader)


def _live(
    code: str, category: int, rows: NDArray[np.int64], place: NDArray[np.int64], trace: Trace,
    book: Rulebook,
) -> Iterator[Found]:  # fmt: skip
    """Split members whose code means a category by what became of the category."""
    name = book.names[category]
    fate = trace.dropped_by[category, place[rows]]
    for by in np.unique(fate):
        if by == -1:
            status, because = COUNTED, ""
            if not trace.rows[category, place[rows[fate == by]]].all():
                raise AssertionError(f"{name} is said to count where it does not hold")
        elif by == -2:
            rule = next(s for t, s in book.requires_any if t == category)
            needs = ", ".join(book.names[b] for b in rule)
            because = f"{name} counts only together with one of {needs}" if needs else (
                f"{book.model.facts.title} never counts {name}"
            )  # fmt: skip
            status = SUPERSEDED
        else:
            status, because = SUPERSEDED, f"{book.names[int(by)]} outranks {name}"
        yield rows[fate == by], code, name, status, because


def _invalid(
    code: str, meanings: list[int], rows: NDArray[np.int64], place: NDArray[np.int64],
    chunk: Chunk, reader: CodeReader,
) -> Iterator[Found]:  # fmt: skip
    """Say which edit a code fails: sex if no row allows the member's sex, else age."""
    variants = [reader.variants[bit] for bit in meanings]
    name = reader.book.names[variants[0].category]
    male = reader.book.male[chunk.profile[place[rows]]]
    for is_male, sex in ((False, "F"), (True, "M")):
        these = rows[male == is_male]
        if len(these):
            allowed = [v.condition for v in variants if v.condition.sex in ("", sex)]
            if not allowed:
                yield these, code, name, INVALID_SEX, f"not valid for sex {sex}"
            else:
                ages = " or ".join(f"{c.age_min}-{c.age_max}" for c in allowed)
                yield these, code, name, INVALID_AGE, f"valid for ages {ages} only"
