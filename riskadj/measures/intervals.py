"""Bootstrap intervals that never copy a member: blocks are resampled, and sums of blocks suffice.

Members fall into blocks (a hash of the id, a household, a sampling unit). A replicate draws as many
blocks as there are, with replacement; most measures are ratios of sums over members, so a replicate
is a product of how often each block was drawn with sums made once. Predictions stay as given:
balance them on all members first, they are not balanced again in a replicate.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError
from riskadj.measures.groups import Groups, Labels, as_groups
from riskadj.measures.metrics import Floats, check_members, cpm, mae, mean_of, r2, ratio

Blocks = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval.

    Attributes
    ----------
    estimate
        On all members.
    low, high
        nan when the measure is defined in no replicate.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FitReplicates:
    """Measures of fit in every replicate.

    Attributes
    ----------
    r2, cpm, mae_usd : float, shape (n_boot,)
        Around the mean cost of the replicate itself; nan where undefined.
    """

    r2: Floats
    cpm: Floats
    mae_usd: Floats


@dataclass(frozen=True, slots=True)
class FitIntervals:
    """Intervals of measures of fit, or of their differences between two models.

    Attributes
    ----------
    r2, cpm, mae_usd
    """

    r2: Interval
    cpm: Interval
    mae_usd: Interval


@dataclass(frozen=True, slots=True)
class GroupInterval:
    """Intervals of how one group is paid.

    Attributes
    ----------
    group
        Its name.
    predictive_ratio
    net_compensation_usd
        Of a member year.
    """

    group: str
    predictive_ratio: Interval
    net_compensation_usd: Interval


def bootstrap_counts(n_blocks: int, n_boot: int, seed: int) -> NDArray[np.int64]:
    """Draw how often each block is in each replicate.

    Returns
    -------
    int64, shape (n_boot, n_blocks)
        Rows add up to ``n_blocks``.

    Raises
    ------
    OptionError
        There are fewer than two blocks, or no replicates.
    """
    if n_blocks < 2 or n_boot < 1:
        raise OptionError(f"A bootstrap needs 2 blocks and a replicate: got {n_blocks}, {n_boot}")
    drawn = np.random.default_rng(seed).multinomial(
        n_blocks, np.full(n_blocks, 1 / n_blocks), size=n_boot
    )
    return drawn.astype(np.int64)


def fit_replicates(
    y: Floats, p: Floats, w: Floats, block: Blocks, counts: NDArray[np.int64]
) -> FitReplicates:
    """Measure the fit in every replicate, exactly.

    Parameters
    ----------
    block : int, shape (n_members,)
        Number of the member's block, from 0.
    counts : int64, shape (n_boot, n_blocks)
        From ``bootstrap_counts``; the same for models to be compared.

    Raises
    ------
    InputError
        The arrays cannot be measured, or a block has no column in ``counts``.
    """
    check_members(y, p, w)
    _check_blocks(block, len(y), counts)
    centre = mean_of(y, w)
    around, n = y - centre, counts.shape[1]
    sums = (w, w * around, w * around**2, w * (y - p) ** 2, w * np.abs(y - p))
    years, shift, squares, error2, error = (_drawn(counts, _block_sums(v, block, n)) for v in sums)
    mean = _ratios(shift, years)
    spread = squares - shift * np.nan_to_num(mean)
    deviation = _deviations(around, w, block, counts, mean)
    real = spread > 1e-12 * squares
    return FitReplicates(
        1 - _ratios(error2, np.where(real, spread, 0.0)),
        1 - _ratios(error, np.where(real, deviation, 0.0)),
        _ratios(error, years),
    )


def fit_intervals(
    y: Floats, p: Floats, w: Floats, block: Blocks, counts: NDArray[np.int64], level: float
) -> FitIntervals:
    """Return intervals of R2, CPM and the mean absolute error.

    Parameters
    ----------
    level
        Coverage, such as 0.95; the other parameters are those of ``fit_replicates``.
    """
    found = fit_replicates(y, p, w, block, counts)
    return FitIntervals(
        interval(r2(y, p, w), found.r2, level),
        interval(cpm(y, p, w), found.cpm, level),
        interval(mae(y, p, w), found.mae_usd, level),
    )


def paired_difference(
    y: Floats, p: tuple[Floats, Floats], w: Floats, block: Blocks, counts: NDArray[np.int64],
    level: float,
) -> FitIntervals:  # fmt: skip
    """Return intervals of the second model's measures minus the first's, on the same replicates.

    Parameters
    ----------
    p : two of float, shape (n_members,)
        Predictions of the first and the second model.
    """
    first, second = (fit_intervals(y, each, w, block, counts, level) for each in p)
    drawn = [fit_replicates(y, each, w, block, counts) for each in p]
    return FitIntervals(
        *(
            interval(
                getattr(second, f.name).estimate - getattr(first, f.name).estimate,
                getattr(drawn[1], f.name) - getattr(drawn[0], f.name),
                level,
            )
            for f in fields(FitIntervals)
        )
    )


def group_intervals(
    y: Floats, p: Floats, w: Floats, labels: Labels | Groups, block: Blocks,
    counts: NDArray[np.int64], level: float,
) -> list[GroupInterval]:  # fmt: skip
    """Return intervals of the predictive ratio and net compensation of every group with a member.

    A replicate that draws no member of a group says nothing about it and is left out.
    """
    check_members(y, p, w)
    groups = as_groups(labels, len(y))
    _check_blocks(block, len(y), counts)
    sums = [_cell_sums(v, groups, block, counts.shape[1]) for v in (w, w * y, w * p)]
    full = [s.sum(axis=0) for s in sums]
    years, cost, paid = (np.array([_drawn(counts, s) for s in each.T]) for each in sums)
    pr, net = _ratios(paid, cost), _ratios(paid - cost, years)
    return [
        GroupInterval(
            groups.names[g],
            interval(ratio(float(full[2][g]), float(full[1][g])), pr[g], level),
            interval(float((full[2][g] - full[1][g]) / full[0][g]), net[g], level),
        )
        for g in np.unique(groups.group)
    ]


def interval(estimate: float, replicates: Floats, level: float) -> Interval:
    """Return the percentile interval of the replicates in which a measure is defined.

    Raises
    ------
    OptionError
        The level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise OptionError(f"The level of an interval lies between 0 and 1, got {level}")
    defined = replicates[np.isfinite(replicates)]
    if not len(defined):
        return Interval(estimate, np.nan, np.nan)
    low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2))
    return Interval(estimate, float(low), float(high))


def _block_sums(values: Floats, block: Blocks, n_blocks: int) -> Floats:
    return np.bincount(block, values, minlength=n_blocks).astype(np.float64)


def _drawn(counts: NDArray[np.int64], sums: Floats) -> Floats:
    """Add blocks up as often as drawn: float, shape (n_boot,).

    Not a matrix product, whose last bits depend on where BLAS finds its arrays in memory.
    """
    return np.asarray(np.sum(counts * sums, axis=1))


def _cell_sums(values: Floats, groups: Groups, block: Blocks, n_blocks: int) -> Floats:
    """Add values up by block and group: float, shape (n_blocks, n_groups)."""
    n_groups = len(groups.names)
    cell = block[groups.member].astype(np.intp) * n_groups + groups.group
    sums = np.bincount(cell, values[groups.member], minlength=n_blocks * n_groups)
    return sums.reshape(n_blocks, n_groups).astype(np.float64)


def _deviations(
    around: Floats, w: Floats, block: Blocks, counts: NDArray[np.int64], mean: Floats
) -> Floats:
    """Return sum w |y - mean| of every replicate, shape (n_boot,), around its own mean.

    Replicate means lie close together. A member above them all adds w(y - mean), one below them all
    w(mean - y): block sums do. Only the few members between are looked at in every replicate.
    """
    mean = np.nan_to_num(mean)  # of a replicate without members: 0 adds nothing to nothing
    low, high = float(mean.min()), float(mean.max())
    side = (around > high).astype(np.float64) - (around < low)
    n = counts.shape[1]
    outer = _drawn(counts, _block_sums(side * w * around, block, n))
    outer -= mean * _drawn(counts, _block_sums(side * w, block, n))
    between = np.flatnonzero(side == 0)
    value, weight, of = around[between], w[between], block[between]
    inner = [
        float(np.sum(row[of] * weight * np.abs(value - m)))
        for row, m in zip(counts, mean, strict=True)
    ]
    return np.asarray(outer + inner)


def _ratios(part: Floats, whole: Floats) -> Floats:
    """Divide; nan where there is nothing to divide by."""
    found = np.full(part.shape, np.nan)
    np.divide(part, whole, out=found, where=whole != 0)
    return found


def _check_blocks(block: Blocks, n_members: int, counts: NDArray[np.int64]) -> None:
    if block.dtype.kind not in "iu" or block.shape != (n_members,):
        raise InputError(f"Blocks are {n_members:,} whole numbers: got {block.dtype} {block.shape}")
    if block.min() < 0 or block.max() >= counts.shape[1]:
        raise InputError(
            f"Blocks run from {block.min()} to {block.max()}, but {counts.shape[1]} are drawn from"
        )
