"""A real layout at full size: CMS's DE-SynPUF, from raw files to R² and predictive ratios."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from riskadj.measures.groups import GroupRow, decile_curve, group_table, groups_flagged
from riskadj.sources.synpuf import Synpuf
from riskadj.training.archive import arrays_hash
from riskadj.training.constrained import solve, unconstrained
from riskadj.training.design import Columns
from riskadj.training.statistics import Rows, Statistics, accumulate, batches_of, summed
from riskadj.training.uncertainty import in_sample_r2


@dataclass(frozen=True, slots=True)
class SynpufFit:
    """Ordinary least squares on DE-SynPUF.

    Attributes
    ----------
    usd
        Coefficient of each term, dollars a year.
    r2
        In sample.
    r2_left_out
        Each sample predicted from the other samples.
    sample_r2 : float, shape (n_samples,)
        Of each sample so predicted.
    deciles, terms
        Predictive ratios out of sample, by decile of prediction and by term.
    statistics_sha256
        Of the exact sums that all of it comes from.
    """

    usd: dict[str, float]
    r2: float
    r2_left_out: float
    sample_r2: NDArray[np.float64]
    deciles: list[GroupRow]
    terms: list[GroupRow]
    statistics_sha256: str


def fit_synpuf(data: Synpuf) -> SynpufFit:
    """Fit once on all samples and once without each, from the same sums.

    Raises
    ------
    InputError
        The data hold no person (from the reader).
    """
    samples, block = np.unique(data.sample, return_inverse=True)
    statistics = _count(data, block, len(samples))
    whole = summed(statistics)[0]
    cents = solve(whole.gram, whole.cost, unconstrained(len(data.terms))).coefficients
    without = np.array([_left_out(statistics, s) for s in range(len(samples))])
    predicted = (data.design * without[block]).sum(axis=1) / 100
    cost, weight = data.paid_cents / 100, np.ones(len(block))
    squares = np.bincount(block, (cost - predicted) ** 2)
    own = [cost[block == s] for s in range(len(samples))]
    around = np.array([((y - y.mean()) ** 2).sum() for y in own])
    flags = {name: data.design[:, j] == 1 for j, name in enumerate(data.terms)}
    return SynpufFit(
        usd=dict(zip(data.terms, (cents / 100).tolist(), strict=True)),
        r2=in_sample_r2([whole], [cents]),
        r2_left_out=float(1 - squares.sum() / ((cost - cost.mean()) ** 2).sum()),
        sample_r2=1 - squares / around,
        deciles=decile_curve(cost, predicted, weight),
        terms=group_table(cost, predicted, weight, groups_flagged(flags)),
        statistics_sha256=arrays_hash(statistics.arrays()),
    )


def _count(data: Synpuf, block: NDArray[np.int64], n_samples: int) -> Statistics:
    """Count everybody for twelve months; samples are the blocks."""
    offsets = np.array([0, len(data.terms)])
    none = np.zeros((0, 0), np.int32)
    columns = Columns(("all",), (data.terms,), offsets, none, none, ())
    batches = (
        Rows(
            design=sparse.csr_array(data.design[part].astype(np.float64)),
            segment=np.zeros(part.stop - part.start, np.int8),
            months=np.full(part.stop - part.start, 12),
            cost=12 * data.paid_cents[part],
            block=block[part],
            groups=np.zeros((0, part.stop - part.start), np.bool_),
        )
        for part in batches_of(len(block))
    )
    return accumulate(batches, columns, n_samples, [])


def _left_out(statistics: Statistics, sample: int) -> NDArray[np.float64]:
    """Return the coefficients without one sample: its sums are taken off the total."""
    p = len(statistics.names[0])
    kept = np.arange(statistics.n_blocks) != sample
    gram = np.asarray(statistics.months[kept].sum(axis=0)).reshape(p, p).astype(np.float64)
    moment = statistics.cost[kept].sum(axis=0).astype(np.float64)
    return solve(gram, moment, unconstrained(p)).coefficients
