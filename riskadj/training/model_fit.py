"""Fit all segments of a model on prepared rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from riskadj.connection import connect
from riskadj.errors import InputError
from riskadj.features.rulebook import Rulebook
from riskadj.scoring.batches import word_columns, words_of
from riskadj.training.design import Columns, design_columns, design_matrix
from riskadj.training.disclosure import shown_count
from riskadj.training.factors import Factors, relative_factors
from riskadj.training.prepare import Sources, Split, carried_name, prepared_batches
from riskadj.training.reduction import Reduction
from riskadj.training.segment_fit import PriorSource, SegmentFit, fit_segment
from riskadj.training.spec import Equity, Fit, Group
from riskadj.training.statistics import (
    Rows,
    SegmentStatistics,
    Statistics,
    accumulate,
    capped_cost,
    summed,
)
from riskadj.training.uncertainty import block_errors


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model: its segments, factors and the statistics they come from.

    ``cents_per_thousandth`` is what a thousandth of the base model's score costs here.
    """

    book: Rulebook
    columns: Columns
    statistics: Statistics
    segments: tuple[SegmentFit, ...]
    factors: Factors
    cents_per_thousandth: float

    @property
    def cents(self) -> NDArray[np.float64]:
        """Coefficients of all columns, in whole cents a year."""
        return np.concatenate([f.cents for f in self.segments]).astype(np.float64)

    @property
    def lines(self) -> tuple[str, ...]:
        """What was merged, dropped or taken over, by segment and name."""
        return tuple(
            f"{f.segment}: {line}" for f in self.segments for line in (*f.reduction.lines, *f.notes)
        )


def rows_of(
    batches: Iterable[pa.RecordBatch],
    book: Rulebook,
    columns: Columns,
    cap_usd: int,
    groups: Sequence[Group] = (),
) -> Iterator[Rows]:
    """Turn prepared batches into rows to be counted."""
    for batch in batches:
        profile = batch.column("profile").to_numpy()
        months = batch.column("months").to_numpy().astype(np.int64)
        paid = batch.column("paid_cents").to_numpy()
        yield Rows(
            design=design_matrix(words_of(batch, word_columns(batch)), profile, book, columns),
            segment=book.segment_of[profile],
            months=months,
            cost=capped_cost(paid, months, cap_usd),
            block=batch.column("block").to_numpy().astype(np.int64),
            groups=group_masks(batch, groups),
        )


def group_masks(batch: pa.RecordBatch, groups: Sequence[Group]) -> NDArray[np.bool_]:
    """Return which members belong to each named group: bool, shape (n_groups, n_members)."""
    masks = np.zeros((len(groups), batch.num_rows), dtype=np.bool_)
    for i, group in enumerate(groups):
        values = batch.column(carried_name(group.column)).to_numpy(zero_copy_only=False)
        masks[i] = np.isin(values, [str(v) for v in group.values])
    return masks


def count_statistics(
    batches: Iterable[pa.RecordBatch],
    book: Rulebook,
    cap_usd: int,
    blocks: int,
    groups: Sequence[Group] = (),
    jobs: int = 1,
) -> Statistics:
    """Count prepared batches in one pass."""
    columns = design_columns(book)
    rows = rows_of(batches, book, columns, cap_usd, groups)
    return accumulate(rows, columns, blocks, [g.name for g in groups], jobs)


def fit_tables(
    book: Rulebook,
    sources: Sources,
    fit: Fit,
    cap_usd: int,
    blocks: int = 500,
    jobs: int = 2,
    memory_limit: str | None = None,
) -> Fitted:
    """Fit a model on a period's tables in memory: no files, no intervals, for what-ifs.

    Parameters
    ----------
    sources
        Members, diagnoses and costs, as paths or frames.
    cap_usd
        Ceiling on a member's annual cost; 0 for none.
    memory_limit
        For the engine, such as ``"1GB"``; members beyond it spill to disk.

    Raises
    ------
    InputError
        A table breaks its contract, or a segment is too small.
    """
    with connect(memory_limit) as connection:
        split = Split(blocks, test_share=0.0, ordered=False)
        batches, _ = prepared_batches(connection, book, sources, split)
        statistics = count_statistics(batches, book, cap_usd, blocks, jobs=jobs)
    return fit_model(statistics, book, fit)


def fit_model(
    statistics: Statistics, book: Rulebook, fit: Fit, equity: Sequence[Equity] = ()
) -> Fitted:
    """Fit every segment and divide by the population's mean.

    Raises
    ------
    InputError
        A segment has too few members and the spec does not let it take published factors.
    """
    by_segment = summed(statistics)
    prior = _prior(statistics, book, fit, by_segment)
    wishes = [(statistics.group_names.index(e.group), e) for e in equity]
    _refuse_small(statistics.segments, by_segment, fit)
    fits = []
    with threadpool_limits(1):
        for segment, found in zip(statistics.segments, by_segment, strict=True):
            if found.total_members < max(1, fit.small_members):
                fits.append(_published(segment, found, prior))
            else:
                fits.append(fit_segment(segment, found, book.model, fit, wishes, prior))
    for wish in equity:
        if all(any(wish.group in note for note in f.notes) or not f.solved for f in fits):
            raise InputError(f"equity: group {wish.group} is too small in every segment")
    return Fitted(book, design_columns(book), statistics, tuple(fits),
                  relative_factors(fits, by_segment), prior.cents_per_thousandth)  # fmt: skip


def _refuse_small(
    segments: Sequence[str], statistics: Sequence[SegmentStatistics], fit: Fit
) -> None:
    small = [
        s
        for s, found in zip(segments, statistics, strict=True)
        if found.total_members < max(1, fit.small_members)
    ]
    if small and fit.small_segments == "refuse":
        raise InputError(
            f"segments with fewer than {fit.small_members} members: {', '.join(small)}. "
            "Bring more members, or let them take the base model's factors: small_segments = "
            '"published"'
        )


def _prior(
    statistics: Statistics, book: Rulebook, fit: Fit, by_segment: Sequence[SegmentStatistics]
) -> PriorSource:
    """Price the base model's scores in this population's dollars."""
    published = book.model.coefficients
    scores = sum(
        int(np.array([published[s, v] for v in found.names]) @ found.term_months.astype(np.int64))
        for s, found in zip(statistics.segments, by_segment, strict=True)
    )
    cost = sum(s.total_cost for s in by_segment)
    return PriorSource(
        published, cost / scores if scores else 0.0, fit.shrinkage_members, block_errors(statistics)
    )


def _published(segment: str, found: SegmentStatistics, prior: PriorSource) -> SegmentFit:
    """Take a segment's coefficients from the base model."""
    n = len(found.names)
    n_members = shown_count(found.total_members)
    line = f"all factors are the base model's: {n_members} members are too few to fit"
    reduction = Reduction(
        found.names,
        np.full(n, -1, np.int64),
        (),
        ("published",) * n,
        np.zeros(n),
        np.ones(n),
        (line,),
    )
    cents = np.rint(prior.cents(segment, found.names)).astype(np.int64)
    return SegmentFit(segment, reduction, None, (), cents)
