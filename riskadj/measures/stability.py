"""How much a model changes from one calibration, or one population, to the next."""

from dataclasses import dataclass

import numpy as np

from riskadj.errors import InputError
from riskadj.measures.metrics import Floats, check_members, mean_of, ratio, spread, weighted_sum

LEAST_SHARE = 1e-4
"""Shares of a distribution count as at least this, so that an empty bin has a logarithm."""


@dataclass(frozen=True, slots=True)
class FactorChange:
    """How far two vectors of relative factors lie apart.

    Attributes
    ----------
    largest, mean
        Of the absolute changes; the mean is weighted.
    spearman
        Rank correlation, unweighted, equal factors sharing the mean rank; nan when all of either
        vector are equal.
    """

    largest: float
    mean: float
    spearman: float


def factor_change(before: Floats, after: Floats, w: Floats) -> FactorChange:
    """Compare the factors of two models, term by term.

    Parameters
    ----------
    before, after : float, shape (n_terms,)
        Factors of the same terms in the same order.
    w : float, shape (n_terms,)
        Weights above 0: how many member years have the term.

    Raises
    ------
    InputError
        Lengths differ, or a value cannot be used.
    """
    check_members(before, after, w)
    change = np.abs(after - before)
    return FactorChange(float(change.max()), mean_of(change, w), spearman(before, after))


def change_in_errors(before: Floats, after: Floats, se_before: Floats, se_after: Floats) -> Floats:
    """Return z = (after - before) / sqrt(se_before^2 + se_after^2), term by term.

    Returns
    -------
    float, shape (n_terms,)
        nan where both standard errors are 0.

    Raises
    ------
    InputError
        Lengths differ, or a standard error is below 0.
    """
    if len({v.shape for v in (before, after, se_before, se_after)}) != 1:
        raise InputError("Factors and their standard errors need one value a term each")
    if below := int((se_before < 0).sum() + (se_after < 0).sum()):
        raise InputError(f"{below:,} standard errors are below 0")
    error = np.hypot(se_before, se_after)
    z = np.full(len(error), np.nan)
    np.divide(after - before, error, out=z, where=error > 0)
    return z


def spearman(first: Floats, second: Floats) -> float:
    """Return the rank correlation; nan when all values of either are equal."""
    a, b, one = _ranks(first), _ranks(second), np.ones(len(first))
    together = weighted_sum((a - a.mean()) * (b - b.mean()), one)
    return ratio(together, float(np.sqrt(spread(a, one) * spread(b, one))))


def population_stability(
    first: Floats, second: Floats, w_first: Floats, w_second: Floats, n: int = 10
) -> float:
    """Return PSI = sum (q - e) ln(q / e) over bins cut at the quantiles of the first predictions.

    ``e`` and ``q`` are shares of member years of the first and the second population; predictions
    that are equal fall into one bin, so there may be fewer than ``n``.

    Raises
    ------
    InputError
        No members, lengths that differ, or a value that cannot be used.
    """
    check_members(first, first, w_first)
    check_members(second, second, w_second)
    cuts = _quantiles(first, w_first, n)
    e, q = (_shares(p, w, cuts) for p, w in ((first, w_first), (second, w_second)))
    return float(np.sum((q - e) * np.log(q / e)))


def _quantiles(p: Floats, w: Floats, n: int) -> Floats:
    """Return the distinct predictions at which 1/n, 2/n, ... of the member years are reached."""
    order = np.argsort(p, kind="stable")
    years = np.cumsum(w[order])
    at = np.searchsorted(years, years[-1] * np.arange(1, n) / n)
    return np.asarray(np.unique(p[order][at]))


def _shares(p: Floats, w: Floats, cuts: Floats) -> Floats:
    """Return the share of member years up to each cut and beyond the last, floored."""
    years = np.bincount(np.searchsorted(cuts, p), w, minlength=len(cuts) + 1)
    return np.asarray(np.maximum(years / years.sum(), LEAST_SHARE))


def _ranks(values: Floats) -> Floats:
    """Rank values from 1, equal ones sharing the mean of their places."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])
