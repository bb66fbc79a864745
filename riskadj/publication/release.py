"""Statistics that may leave the house: small counts suppressed, imputed, and raked to totals.

A reader who re-solves from them gets nearly the published coefficients, and learns no count of
members from 1 to 10. Setting small counts to zero would be simpler and wrong: it moved
coefficients by more than half a standard error. Block statistics and groups never leave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskadj.model import AGE_LIMIT, RiskModel
from riskadj.training.disclosure import SMALL, is_small
from riskadj.training.reduction import Reduction, without_pooled
from riskadj.training.segment_fit import Prior, SegmentFit, Solved, constraints_of, solve_terms
from riskadj.training.spec import Fit
from riskadj.training.statistics import SegmentStatistics

Array = NDArray[np.float64]
MEDIAN_MOVE, LARGEST_MOVE, RATIO_MOVE = 0.1, 3.0, 0.002
"""Released only if the median coefficient moves by at most 0.1 standard errors and no one by more
than 3, and the total predictive ratio by at most 0.002."""
TYPICAL = 5.5
"""Members imputed for a count of 1 to 10."""


@dataclass(frozen=True, slots=True)
class Release:
    """What may be released, or why not.

    Attributes
    ----------
    segments
        Public statistics by segment; empty when not released.
    why
        Blank when released.
    median_move, largest_move
        Of the fitted terms, in standard errors; nan when nothing could be solved.
    predictive_ratio
        Predicted cost from the released statistics over that from the full ones.
    suppressed, pairs
        Pairs of terms that are suppressed, and all pairs.
    """

    segments: Mapping[str, SegmentStatistics]
    why: str
    median_move: float
    largest_move: float
    predictive_ratio: float
    suppressed: int
    pairs: int


def release(
    fits: Sequence[SegmentFit], errors: Mapping[str, Array], model: RiskModel, fit: Fit
) -> Release:
    """Make public statistics and hold them to the bounds.

    Parameters
    ----------
    errors
        Robust standard errors of each segment's terms, in cents.
    """
    made, moves, suppressed, pairs = {}, [], 0, 0
    was = now = 0.0
    for found in fits:
        if (solved := found.solved) is None:
            continue
        left = _Left.of(found.reduction, solved)
        public, hidden = public_statistics(left.reduction, left.statistics, model)
        if not positive_definite(public.gram):
            return Release({}, f"segment {found.segment}: not positive definite", *_NOTHING)
        constraints = constraints_of(left.reduction, model, fit)
        again = solve_terms(public, constraints, fit, left.prior).coefficients
        error = errors[found.segment][left.kept]
        moves.append(np.abs(again - left.coefficients)[error > 0] / error[error > 0])
        was += float(left.coefficients @ public.term_months)
        now += float(again @ public.term_months)
        made[found.segment] = public
        suppressed += int(hidden.sum()) // 2
        pairs += len(hidden) * (len(hidden) - 1) // 2
    move, ratio = np.concatenate(moves or [np.zeros(1)]), now / was
    why = _why_not(move, ratio)
    median, largest = float(np.median(move)), float(move.max())
    return Release({} if why else made, why, median, largest, ratio, suppressed, pairs)


@dataclass(frozen=True, slots=True)
class _Left:
    """A segment's fit without its pooled terms, which are given."""

    reduction: Reduction
    statistics: SegmentStatistics
    coefficients: Array
    prior: Prior | None
    kept: NDArray[np.int64]

    @classmethod
    def of(cls, reduction: Reduction, solved: Solved) -> "_Left":
        b, prior = solved.solution.coefficients, solved.prior
        statistics, left = without_pooled(solved.statistics, reduction, b)
        kept = np.array([reduction.names.index(n) for n in left.names], dtype=np.int64)
        own = prior and Prior(prior.cents[kept], prior.credibility[kept])
        return cls(left, statistics, b[kept], own, kept)


_NOTHING = (float("nan"), float("nan"), float("nan"), 0, 0)


def _why_not(move: Array, ratio: float) -> str:
    if (median := float(np.median(move))) > MEDIAN_MOVE:
        return f"the median coefficient would move by {median:.3f} standard errors"
    if (largest := float(move.max())) > LARGEST_MOVE:
        return f"a coefficient would move by {largest:.2f} standard errors"
    if abs(ratio - 1) > RATIO_MOVE:
        return f"the total predictive ratio would be {ratio:.4f}"
    return ""


def public_statistics(
    reduction: Reduction, own: SegmentStatistics, model: RiskModel
) -> tuple[SegmentStatistics, NDArray[np.bool_]]:
    """Suppress, impute and rake one segment's statistics.

    Returns
    -------
    statistics
        Months of pairs as released; no groups.
    hidden : bool, shape (n_terms, n_terms)
        The suppressed pairs.
    """
    parts = _partitions(reduction, model)
    hidden = suppressed_pairs(own.members, parts)
    gram = _imputed(own, hidden)
    for part, complete in parts:
        if complete:
            gram = _raked(gram, own.gram, hidden, part)
    none = np.zeros((0, len(own.cost)))
    empty = np.zeros(0)
    public = replace(
        own, gram=np.rint(gram), members=np.zeros_like(own.members), group_months=none,
        group_total_months=empty, group_cost=empty, group_members=np.zeros(0, np.int64),
    )  # fmt: skip
    return public, hidden


def _partitions(reduction: Reduction, model: RiskModel) -> list[tuple[NDArray[np.int64], bool]]:
    """Return sets of terms of which a member has at most one, and whether everybody has one."""
    cells = {c.variable for c in model.cells if c.sex and (c.age_min, c.age_max) != (0, AGE_LIMIT)}
    counts = {c.name for c in model.counts}
    terms = reduction.terms
    made = []
    for names, complete in ((cells, True), (counts, False)):
        part = np.array([j for j, group in enumerate(terms) if set(group) <= names], dtype=np.int64)
        if len(part) > 1:
            made.append((part, complete))
    return made


def suppressed_pairs(
    members: NDArray[np.int64], parts: Sequence[tuple[NDArray[np.int64], bool]]
) -> NDArray[np.bool_]:
    """Say which pair counts are not shown.

    A pair is hidden if 1 to 10 members have both terms, or 1 to 10 have one without the other. In
    a partition the hidden ones among a term's pairs must be at least two and hold at least 11
    members, or subtraction would give them away; more are hidden, smallest first, until they do.
    """
    n = np.diag(members)
    hidden = is_small(members) | is_small(n[:, None] - members) | is_small(n[None, :] - members)
    hidden &= members > 0
    np.fill_diagonal(hidden, False)
    for part, complete in parts:
        for j in np.setdiff1d(np.arange(len(n)), part):
            left = 0 if complete else int(n[j] - members[part, j].sum())
            _hide_more(hidden, members[:, j], part, j, 0 < left < SMALL)
    return hidden


def _hide_more(
    hidden: NDArray[np.bool_],
    counts: NDArray[np.int64],
    part: NDArray[np.int64],
    j: np.int64,
    open_end: bool,
) -> None:
    """Hide pairs of term ``j`` with a partition until what is hidden cannot be subtracted."""
    shown = [i for i in part[np.argsort(counts[part], kind="stable")]
             if counts[i] > 0 and not hidden[i, j]]  # fmt: skip
    gone = [i for i in part if hidden[i, j]]
    while (gone or open_end) and shown and (len(gone) < 2 or counts[gone].sum() < SMALL):
        i = shown.pop(0)
        hidden[i, j] = hidden[j, i] = True
        gone.append(i)


def _imputed(own: SegmentStatistics, hidden: NDArray[np.bool_]) -> Array:
    """Put in each hidden place what independence expects, within what is known of it.

    A pair of 1 to 10 members, and all but 1 to 10 members of a term, are taken as 5.5 of them.
    """
    n = own.term_members.astype(np.float64)
    months_each = own.total_months / own.total_members
    expected = np.outer(own.term_months, own.term_months) / own.total_months
    few = is_small(own.members)
    expected = np.where(few, TYPICAL * months_each, expected)
    lacking = np.minimum(n[:, None], n[None, :]) - own.members
    nearly = is_small(lacking.astype(np.int64)) & ~few
    most = np.minimum(own.term_months[:, None], own.term_months[None, :])
    expected = np.where(nearly, most - TYPICAL * months_each, expected)
    return np.where(hidden, np.minimum(expected, most), own.gram)


def _raked(gram: Array, true: Array, hidden: NDArray[np.bool_], part: NDArray[np.int64]) -> Array:
    """Scale the hidden pairs of each term with a complete partition to their known total."""
    made = gram.copy()
    for j in np.setdiff1d(np.arange(len(gram)), part):
        where = part[hidden[part, j]]
        if len(where):
            total = true[where, j].sum()
            made[where, j] *= total / made[where, j].sum()
            made[j, where] = made[where, j]
    return made


def positive_definite(gram: Array) -> bool:
    """Say whether all eigenvalues of the scaled matrix are clearly positive."""
    root = np.sqrt(np.diag(gram))
    return bool(np.linalg.eigvalsh(gram / np.outer(root, root))[0] > 1e-9)
