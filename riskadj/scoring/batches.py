"""From a plan and a reduced population to score tables, batch by batch."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.engine.duck import Quality, Reduced, Request, reduce_members
from riskadj.engine.inputs import Source
from riskadj.engine.members import Asked
from riskadj.features.rulebook import Rulebook
from riskadj.scoring.payment import PaymentYear, component_score, round_half_up
from riskadj.scoring.plan import Options, Plan, Program
from riskadj.scoring.raw import RawScores, raw_scores

Made = TypeVar("Made")


def reduced(
    plan: Plan, connection: Any, members: Source, diagnoses: Source, options: Options
) -> Reduced:
    """Reduce the input tables for a plan."""
    found = reduce_members(connection, members, diagnoses, request_of(plan, options))
    found.quality.caveats += plan.caveats_of(found.words)
    return found


def request_of(plan: Plan, options: Options) -> Request:
    """Say what a plan needs of the input tables."""
    return Request(
        lanes=plan.lanes,
        asked=Asked(plan.profiles, dt.date.fromisoformat(plan.age_reference), plan.refuse_esrd),
        service_year=plan.service_year,
        refused=plan.refused,
        quarantine=options.on_error == "quarantine",
    )


def score_batches(plan: Plan, population: Reduced) -> Iterator[tuple[pa.Table, pa.RecordBatch]]:
    """Score the population batch by batch: yields the scores and the batch they are of."""
    return in_turn(
        population.batches(),
        lambda batch: score_batch(plan, batch, population.words, population.quality),
    )


def in_turn(
    batches: Iterable[pa.RecordBatch], work: Callable[[pa.RecordBatch], Made]
) -> Iterator[tuple[Made, pa.RecordBatch]]:
    """Work on batches in a thread, one ahead of the caller.

    While one batch is worked on, the caller writes the last one and the engine makes the next;
    order is kept, and no more than two batches are held.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        running: tuple[Future[Made], pa.RecordBatch] | None = None
        for batch in batches:
            last, running = running, (pool.submit(work, batch), batch)
            if last is not None:
                yield last[0].result(), last[1]
        if running is not None:
            yield running[0].result(), running[1]


@dataclass(frozen=True, slots=True)
class LaneScores:
    """What one lane made of a batch.

    Attributes
    ----------
    who : int32, shape (n_taken,)
        The rows of the batch that the lane takes.
    raw
        Their scores; places count within ``who``.
    """

    who: NDArray[np.int32]
    raw: RawScores


def score_batch(
    plan: Plan, batch: pa.RecordBatch, words: Sequence[Sequence[str]], quality: Quality
) -> pa.Table:
    """Score one batch of reduced members.

    Returns
    -------
    pyarrow.Table
        ``member_id, model, payment_year, segment, raw_score, payment_score, conditions``: a row
        for each member and model (and segment, if all are asked for), and for a blend a last one
        with the payment year's key as model.
    """
    ids, profile = batch.column("member_id"), batch.column("profile").to_numpy()
    scored = [score_lane(plan, i, batch, names) for i, names in enumerate(words)]
    paid, tables = component_scores(plan, profile, scored), []
    for i, lanes in enumerate(scored):
        for lane in lanes:
            _count_without_cell(plan, i, profile, lane, quality)
            tables.append(_score_table(ids, plan, i, lane, paid.get(i)))
    for program in plan.programs:
        tables += _blended(ids, profile, program, scored, paid, quality)
    return pa.concat_tables(tables)


def score_lane(
    plan: Plan, lane: int, batch: pa.RecordBatch, names: Sequence[str]
) -> list[LaneScores]:
    """Score the members that a lane takes: once, or once for every segment."""
    profile, takes = batch.column("profile").to_numpy(), plan.lanes[lane].takes
    who = np.arange(len(profile), dtype=np.int32)
    if takes is not None:
        who = np.flatnonzero(takes[profile]).astype(np.int32)
    if not names or not len(who):
        return []
    book, block = plan.lanes[lane].book, words_of(batch, names)
    own = plan.seen[lane][profile if takes is None else profile[who]]
    if takes is not None:
        block = block.take(who, axis=1)
    return [LaneScores(who, raw_scores(block, own, book, segment))
            for segment in _segments(plan, book, own)]  # fmt: skip


def component_scores(
    plan: Plan, profile: NDArray[np.int32], scored: Sequence[Sequence[LaneScores]]
) -> dict[int, NDArray[np.int64]]:
    """Return each lane's payment scores (thousandths), for the members it takes."""
    paid: dict[int, NDArray[np.int64]] = {}
    for program in plan.programs:
        for share in program.shares:
            for lane in scored[share.lane]:
                raw = lane.raw.score.astype(np.int64)
                score = component_score(raw, share.component, program.year)
                pays = share.pays[profile[lane.who]]
                paid[share.lane] = np.where(pays, score, paid.get(share.lane, 0))
    return paid


def program_scores(
    profile: NDArray[np.int32],
    program: Program,
    scored: Sequence[Sequence[LaneScores]],
    paid: Mapping[int, NDArray[np.int64]],
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Add each member's shares by weight and round; add a contract's frailty factor, if supplied.

    Returns
    -------
    score : int64, shape (n_members,)
        Thousandths.
    shares : int8, shape (n_members,)
        How many models pay for the member; 0 has no score.
    """
    total = np.zeros(len(profile), dtype=np.int64)
    shares = np.zeros(len(profile), dtype=np.int8)
    for share in program.shares:
        for lane in scored[share.lane]:
            pays = share.pays[profile[lane.who]]
            total[lane.who] += np.where(pays, paid[share.lane] * share.weight, 0)
            shares[lane.who] += pays
    frail = program.frail[profile] & (shares > 0)
    return round_half_up(total, program.common) + np.where(frail, program.frailty, 0), shares


def _blended(
    ids: pa.Array, profile: NDArray[np.int32], program: Program,
    scored: Sequence[Sequence[LaneScores]], paid: Mapping[int, NDArray[np.int64]],
    quality: Quality,
) -> list[pa.Table]:  # fmt: skip
    """Return the program's own rows: members of more than one model, or all if frailty counts."""
    score, shares = program_scores(profile, program, scored, paid)
    if n := int((shares == 0).sum()):
        quality.unpaid[program.unpaid] = quality.unpaid.get(program.unpaid, 0) + n
    who = np.flatnonzero(shares > (0 if program.frailty else 1))
    return [_blend_table(ids.take(pa.array(who)), program.year, score[who])] if len(who) else []


def words_of(batch: pa.RecordBatch, names: Sequence[str]) -> NDArray[np.int64]:
    """Return word columns as an array of shape (n_words, n_members)."""
    return np.stack([batch.column(name).to_numpy() for name in names])


def word_columns(batch: pa.RecordBatch) -> list[str]:
    """Return the names of the word columns of one rulebook's rows."""
    return [name for name in batch.schema.names if re.fullmatch(r"w\d+", name)]


def _segments(
    plan: Plan, book: Rulebook, profile: NDArray[np.int32]
) -> Iterator[NDArray[np.int8] | None]:
    """Yield the segments to price: the member's own (None), a forced one, or each."""
    if plan.all_segments:
        for s in range(len(book.segments)):
            yield np.full(len(profile), s, dtype=np.int8)
    elif plan.segment is not None:
        yield np.full(len(profile), book.segments.index(plan.segment), dtype=np.int8)
    else:
        yield None


def _count_without_cell(
    plan: Plan, lane: int, profile: NDArray[np.int32], scores: LaneScores, quality: Quality
) -> None:
    """Count members whose age and sex a forced segment does not price."""
    own = plan.seen[lane][profile[scores.who]]
    without = int((~plan.lanes[lane].book.has_cell[own, scores.raw.segment]).sum())
    if without:
        quality.without_cell += without


def _score_table(
    ids: pa.Array, plan: Plan, lane: int, scores: LaneScores, paid: NDArray[np.int64] | None
) -> pa.Table:
    book, n = plan.lanes[lane].book, len(scores.who)
    segment = pa.DictionaryArray.from_arrays(
        pa.array(scores.raw.segment), pa.array(book.segments, pa.string())
    )
    payment = pa.nulls(n, pa.float64()) if paid is None else pa.array(paid / 1000)
    return pa.table({
        "member_id": ids if n == len(ids) else ids.take(pa.array(scores.who)),
        "model": _constant(plan.names[lane], n),
        "payment_year": pa.array(np.full(n, book.model.facts.payment_year, np.int16)),
        "segment": segment,
        "raw_score": pa.array(scores.raw.score / 1000),
        "payment_score": payment,
        "conditions": _conditions(book, scores.raw, n),
    })  # fmt: skip


def _blend_table(ids: pa.Array, year: PaymentYear, paid: NDArray[np.int64]) -> pa.Table:
    n = len(ids)
    none = pa.array([], pa.string())
    lists = pa.ListArray.from_arrays(
        pa.array(np.zeros(n + 1, np.int32)),
        pa.DictionaryArray.from_arrays(pa.array([], pa.int16()), none),
    )
    return pa.table({
        "member_id": ids,
        "model": _constant(year.key, n),
        "payment_year": pa.array(np.full(n, year.payment_year, np.int16)),
        "segment": pa.DictionaryArray.from_arrays(pa.nulls(n, pa.int8()), none),
        "raw_score": pa.nulls(n, pa.float64()),
        "payment_score": pa.array(paid / 1000),
        "conditions": lists,
    })  # fmt: skip


def _constant(value: str, n: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int8)), pa.array([value]))


def _conditions(book: Rulebook, scores: RawScores, n: int) -> pa.Array:
    """Return each member's live conditions as a list."""
    counts = np.bincount(scores.condition_member, minlength=n)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    names = pa.array([book.names[b] for b in range(book.n_categories)], pa.string())
    values = pa.DictionaryArray.from_arrays(pa.array(scores.condition), names)
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def as_kind(table: pa.Table, like: Source) -> Any:
    """Return an Arrow table as the kind of frame that ``like`` is, with plain text columns."""
    plain = table.cast(pa.schema([(f.name, _plain(f.type)) for f in table.schema]))
    if isinstance(like, (str, Path, pa.Table, pa.RecordBatch)):
        return plain
    import narwhals.stable.v2 as nw

    backend = nw.from_native(like, eager_only=True).implementation
    return nw.from_arrow(plain, backend=backend).to_native()


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return pa.list_(_plain(kind.value_type)) if pa.types.is_list(kind) else kind
