"""Score whole populations: a model, or all the models of a payment year."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.catalog import resolve_model
from riskadj.connection import connect
from riskadj.engine.diagnoses import Counting
from riskadj.engine.duck import Quality, Reduced, Request, reduce_members
from riskadj.engine.inputs import Source
from riskadj.engine.members import AgeReference
from riskadj.errors import InputError, OptionError
from riskadj.features.rulebook import Rulebook, compile_rulebook
from riskadj.model import RiskModel
from riskadj.scoring.payment import (
    PaymentYear,
    blend,
    component_score,
    load_payment_year,
)
from riskadj.scoring.raw import RawScores, raw_scores

OnError = Literal["raise", "quarantine"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to score: rulebooks, and how the payment year turns their scores into one.

    Attributes
    ----------
    books
        One rulebook a component.
    payment
        The payment year's chain, or None for raw scores only.
    segment
        Forces this segment; ``all_segments`` prices every one instead.
    """

    books: tuple[Rulebook, ...]
    payment: PaymentYear | None = None
    segment: str | None = None
    all_segments: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """The keys of the models."""
        return tuple(b.model.key for b in self.books)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What every output must say of the models and the chain."""
        own = [f"{b.model.key}: {c}" for b in self.books for c in b.model.facts.caveats]
        chain = (
            [f"payment chain {self.payment.key}: {self.payment.evidence}"] if self.payment else []
        )
        return (*own, *chain)


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: errors, memory, threads.

    Attributes
    ----------
    on_error
        ``raise`` stops at bad members; ``quarantine`` scores the rest and lists them.
    memory_limit, threads
        For the engine; such as ``"1GB"``.
    """

    on_error: OnError = "raise"
    memory_limit: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.on_error not in ("raise", "quarantine"):
            raise OptionError(f"on_error is {self.on_error!r}; expected 'raise' or 'quarantine'")


def plan_model(model: RiskModel, segment: str | None = None, all_segments: bool = False) -> Plan:
    """Plan raw scores of one model."""
    book = compile_rulebook(model)
    if segment is not None and (all_segments or segment not in book.segments):
        raise OptionError(
            f"segment {segment!r}: expected one of {', '.join(book.segments)}, "
            "and not together with all_segments"
        )
    return Plan((book,), None, segment, all_segments)


def plan_payment_year(
    payer: str, payment_year: int, models: Mapping[str, str | Path] | None = None
) -> Plan:
    """Plan the payment scores of a year.

    Parameters
    ----------
    models
        Models to take instead of the published ones, by the key they replace.
    """
    year = load_payment_year(payer, payment_year)
    instead = dict(models or {})
    if odd := sorted(set(instead) - {c.model for c in year.components}):
        wanted = ", ".join(c.model for c in year.components)
        raise OptionError(f"{year.key} does not use {', '.join(odd)}; it uses {wanted}")
    chosen = [resolve_model(instead.get(c.model, c.model)) for c in year.components]
    return Plan(tuple(compile_rulebook(m) for m in chosen), year)


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
        age_reference=AgeReference(references.pop()),
        counting=counting_of(plan),
        forced=plan.segment is not None or plan.all_segments,
        quarantine=options.on_error == "quarantine",
    )


def counting_of(plan: Plan) -> Counting:
    """Say which diagnoses the plan's payment year counts."""
    components = plan.payment.components if plan.payment else ()
    sources = {tuple(c.diagnosis_sources.value) for c in components}
    years = {b.model.facts.payment_year for b in plan.books}
    if len(sources) > 1 or len(years) > 1:
        raise InputError("the year's models differ in payment year or diagnosis sources")
    return Counting(years.pop() - 1, sources.pop() if sources else ())


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


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of a population.

    Attributes
    ----------
    table
        A frame of the kind the members came in (pyarrow for a path), columns as in
        ``score_batch``.
    quality
        What was read, set aside and assumed.
    caveats
        What rests on a single source or on less than a primary document.
    rejected
        ``table, row, why`` of rows set aside in quarantine (pyarrow).
    """

    table: Any
    quality: Quality
    caveats: tuple[str, ...]
    rejected: pa.Table
    plan: Plan = field(repr=False)
    population: pa.Table = field(repr=False)
    words: list[list[str]] = field(repr=False)
    sources: tuple[Source, Source] = field(repr=False)

    def factors(self) -> Any:
        """Return ``member_id, model, segment, term, label, coefficient``: scores are its sums."""
        from riskadj.scoring.explain import factor_table

        return as_kind(factor_table(self.plan, self.population, self.words), self.sources[0])

    def diagnosis_status(self) -> Any:
        """Return every distinct diagnosis of every member, with its status and the reason."""
        from riskadj.scoring.explain import status_table

        table = status_table(
            self.plan, self.population, self.words, self.sources[1], counting_of(self.plan)
        )
        return as_kind(table, self.sources[0])


def run(plan: Plan, members: Source, diagnoses: Source, options: Options) -> Scores:
    """Score a population in memory."""
    with connect(options.memory_limit, options.threads) as connection:
        population = reduced(plan, connection, members, diagnoses, options)
        scored = list(score_batches(plan, population))
    batches = [batch for _, batch in scored]
    if not scored:
        raise InputError("members: no row is left to score")
    return Scores(
        table=as_kind(pa.concat_tables([t for t, _ in scored]), members),
        quality=population.quality,
        caveats=plan.caveats,
        rejected=population.rejected,
        plan=plan,
        population=pa.Table.from_batches(batches),
        words=population.words,
        sources=(members, diagnoses),
    )


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


class Scorer:
    """A model ready to score."""

    def __init__(self, model: RiskModel) -> None:
        self.model = model

    def __repr__(self) -> str:
        return f"<Scorer {self.model.key}>"

    def score(
        self,
        members: Source,
        diagnoses: Source,
        *,
        segment: str | None = None,
        all_segments: bool = False,
        options: Options = Options(),
    ) -> Scores:
        """Score members with this model; see the README for the columns.

        Parameters
        ----------
        members, diagnoses
            A path (Parquet, CSV, NDJSON) or a pandas, polars or pyarrow frame.
        segment
            Price this segment, whatever the member's status.
        all_segments
            Price every segment, as CMS's software does: one row a member and segment.

        Raises
        ------
        InputError
            A table cannot be read or breaks the contract.
        """
        return run(plan_model(self.model, segment, all_segments), members, diagnoses, options)


def load_model(model: str | Path) -> Scorer:
    """Load a published model by key, or any sealed model folder by ``Path``.

    Raises
    ------
    NotPublishedError
        No such key; the message lists the keys there are.
    ModelFolderError
        The folder is not whole, or changed after it was sealed.
    """
    return Scorer(resolve_model(model))


def score(
    members: Source,
    diagnoses: Source,
    *,
    payment_year: int,
    payer: str = "ma",
    models: Mapping[str, str | Path] | None = None,
    options: Options = Options(),
) -> Scores:
    """Score members with the models, segments and blend of a payment year.

    Parameters
    ----------
    members, diagnoses
        A path (Parquet, CSV, NDJSON) or a pandas, polars or pyarrow frame.
    payment_year
        Such as 2026.
    models
        Your own model folders, by the published key that each replaces.

    Returns
    -------
    Scores
        One row a member and model; a blend adds a row whose model is ``ma/<year>``.

    Raises
    ------
    NotPublishedError
        The year, or a model that it blends, is not published.
    InputError
        A table cannot be read or breaks the contract.
    """
    return run(plan_payment_year(payer, payment_year, models), members, diagnoses, options)
