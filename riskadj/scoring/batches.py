"""From a plan and a reduced population to score tables, batch by batch."""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.engine.duck import Quality, Reduced, Request, reduce_members
from riskadj.engine.inputs import Source
from riskadj.errors import InputError
from riskadj.features.rulebook import Rulebook
from riskadj.model import RiskModel
from riskadj.scoring.payment import PaymentYear, blend, component_score
from riskadj.scoring.plan import Options, Plan, counting_of
from riskadj.scoring.raw import RawScores, raw_scores


def reduced(
    plan: Plan, connection: Any, members: Source, diagnoses: Source, options: Options
) -> Reduced:
    """Reduce the input tables for a plan."""
    return reduce_members(connection, members, diagnoses, _request(plan, options))


def _request(plan: Plan, options: Options) -> Request:
    references = {_reference(b.model) for b in plan.books}
    if len(references) > 1:
        raise InputError("the year's models differ in the date at which age counts")
    return Request(
        books=plan.books,
        age_on=references.pop(),
        counting=counting_of(plan),
        forced=plan.segment is not None or plan.all_segments,
        quarantine=options.on_error == "quarantine",
    )


def _reference(model: RiskModel) -> dt.date:
    return dt.date.fromisoformat(f"{model.facts.payment_year}-{model.facts.age_reference}")


def score_batches(plan: Plan, population: Reduced) -> Iterator[tuple[pa.Table, pa.RecordBatch]]:
    """Score the population batch by batch: yields the scores and the batch they are of.

    While one batch is scored in a thread, the caller writes the last one and the engine makes
    the next; order is kept, and no more than two batches are held.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        scoring: tuple[Future[pa.Table], pa.RecordBatch] | None = None
        for batch in population.batches():
            last = scoring
            task = pool.submit(score_batch, plan, batch, population.words, population.quality)
            scoring = (task, batch)
            if last is not None:
                yield last[0].result(), last[1]
        if scoring is not None:
            yield scoring[0].result(), scoring[1]


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
    tables, payable = [], []
    for i, book in enumerate(plan.books):
        block = words_of(batch, words[i])
        for segment in _segments(plan, book, profile):
            scores = raw_scores(block, profile, book, segment)
            paid = None
            if plan.payment:
                paid = component_score(
                    scores.score.astype(np.int64), plan.payment.components[i], plan.payment
                )
                payable.append(paid)
            _count_without_cell(book, profile, scores, quality)
            tables.append(_score_table(ids, book, scores, paid))
    if plan.payment and len(plan.books) > 1:
        tables.append(_blend_table(ids, plan.payment, blend(payable, plan.payment)))
    return pa.concat_tables(tables)


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
    book: Rulebook, profile: NDArray[np.int32], scores: RawScores, quality: Quality
) -> None:
    """Count members whose age and sex a forced segment does not price."""
    without = int((~book.has_cell[profile, scores.segment]).sum())
    if without:
        quality.without_cell += without


def _score_table(
    ids: pa.Array, book: Rulebook, scores: RawScores, paid: NDArray[np.int64] | None
) -> pa.Table:
    n = len(ids)
    segment = pa.DictionaryArray.from_arrays(
        pa.array(scores.segment), pa.array(book.segments, pa.string())
    )
    payment = pa.nulls(n, pa.float64()) if paid is None else pa.array(paid / 1000)
    return pa.table({
        "member_id": ids,
        "model": _constant(book.model.key, n),
        "payment_year": pa.array(np.full(n, book.model.facts.payment_year, np.int16)),
        "segment": segment,
        "raw_score": pa.array(scores.score / 1000),
        "payment_score": payment,
        "conditions": _conditions(book, scores, n),
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
