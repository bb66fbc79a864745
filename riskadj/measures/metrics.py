"""How well predictions fit costs: single numbers, weighted by member years.

Every function takes ``y`` (annualised cost, dollars), ``p`` (predicted annual cost, dollars) and
``w`` (eligible months / 12), each float, shape (n_members,), and refuses lengths that differ,
values that are not finite and weights that are not above 0 with an ``InputError``. A measure whose
denominator is 0 (a constant cost, a constant prediction) is nan.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The weighted least-squares line of cost on prediction.

    Attributes
    ----------
    slope
        1 when a predicted dollar is a dollar of cost.
    intercept_usd
        Cost where the prediction is 0, dollars a year.
    """

    slope: float
    intercept_usd: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A concentration curve: the share of cost held by the members ranked lowest.

    Attributes
    ----------
    members : float, shape (n_points,)
        Cumulative share of member years, from 0 to 1, lowest rank first.
    cost : float, shape (n_points,)
        Cumulative share of cost at the same points; members of equal rank share one straight piece.
    """

    members: Floats
    cost: Floats


def check_members(y: Floats, p: Floats, w: Floats) -> None:
    """Refuse arrays that cannot be measured.

    Raises
    ------
    InputError
        No members, lengths that differ, a value that is not finite, a weight that is not above 0.
    """
    if y.ndim != 1 or y.shape != p.shape or y.shape != w.shape:
        raise InputError(f"y, p and w need one value a member: got {y.shape}, {p.shape}, {w.shape}")
    if not len(y):
        raise InputError("There are no members to measure")
    for name, values in (("y", y), ("p", p), ("w", w)):
        if bad := len(values) - int(np.isfinite(values).sum()):
            raise InputError(f"{name} is missing or infinite in {bad:,} of {len(values):,} rows")
    if none := int((w <= 0).sum()):
        raise InputError(
            f"w is not above 0 in {none:,} of {len(w):,} rows: a member without an eligible month "
            "has no annualised cost. Leave these rows out"
        )


def balanced(p: Floats, y: Floats, w: Floats) -> Floats:
    """Rescale predictions so that they add up to the cost: sum(w p) = sum(w y).

    Returns
    -------
    float, shape (n_members,)
        Dollars a year.

    Raises
    ------
    InputError
        The predictions add up to 0 or less.
    """
    check_members(y, p, w)
    if (predicted := weighted_sum(p, w)) <= 0:
        raise InputError(f"Predictions add up to {predicted:,.2f}: no factor balances them")
    return np.asarray(p * (weighted_sum(y, w) / predicted))


def bias(y: Floats, p: Floats, w: Floats) -> float:
    """Return how much a member year is overpaid, in dollars; negative when underpaid."""
    check_members(y, p, w)
    return mean_of(p - y, w)


def predictive_ratio(y: Floats, p: Floats, w: Floats) -> float:
    """Return predicted over actual cost, sum(w p) / sum(w y); nan without cost."""
    check_members(y, p, w)
    return ratio(weighted_sum(p, w), weighted_sum(y, w))


def r2(y: Floats, p: Floats, w: Floats) -> float:
    """Return the share of the variance of cost explained, 1 - sum w(y-p)^2 / sum w(y-mean)^2.

    The mean is the weighted one. This is not the squared correlation, which hides bias.
    """
    check_members(y, p, w)
    return 1 - ratio(weighted_sum((y - p) ** 2, w), spread(y, w))


def cpm(y: Floats, p: Floats, w: Floats) -> float:
    """Return Cumming's prediction measure, 1 - sum w|y-p| / sum w|y-mean|.

    Medians maximise it, so a model of means scores low.
    """
    check_members(y, p, w)
    if _is_constant(y):
        return np.nan
    from_mean = np.abs(y - mean_of(y, w))
    return 1 - ratio(weighted_sum(np.abs(y - p), w), weighted_sum(from_mean, w))


def mae(y: Floats, p: Floats, w: Floats) -> float:
    """Return the mean absolute error of a member year, in dollars."""
    check_members(y, p, w)
    return mean_of(np.abs(y - p), w)


def mae_share(y: Floats, p: Floats, w: Floats) -> float:
    """Return the mean absolute error as a fraction of the mean cost; nan without cost."""
    return ratio(mae(y, p, w), mean_of(y, w))


def far_off_share(y: Floats, p: Floats, w: Floats, threshold: float) -> float:
    """Return the share of member years with |p - y| / mean cost above a threshold (a fraction).

    Raises
    ------
    InputError
        The mean cost is not above 0.
    """
    check_members(y, p, w)
    if (mean := mean_of(y, w)) <= 0:
        raise InputError(f"The mean cost is {mean:,.2f}: errors are no fraction of it")
    return mean_of((np.abs(p - y) > threshold * mean).astype(np.float64), w)


def calibration(y: Floats, p: Floats, w: Floats) -> Calibration:
    """Fit cost on prediction by weighted least squares; nan when all predictions are equal."""
    check_members(y, p, w)
    y_mean, p_mean = mean_of(y, w), mean_of(p, w)
    slope = ratio(weighted_sum((p - p_mean) * (y - y_mean), w), spread(p, w))
    return Calibration(slope, y_mean - slope * p_mean)


def concentration(y: Floats, by: Floats, w: Floats) -> Curve:
    """Rank members by ``by`` and accumulate their cost.

    Members of equal rank make one straight piece, so the order of rows changes nothing.

    Raises
    ------
    InputError
        The cost adds up to 0 or less.
    """
    check_members(y, by, w)
    if (cost := weighted_sum(y, w)) <= 0:
        raise InputError(f"Cost adds up to {cost:,.2f}: it cannot be shared out")
    order = np.argsort(by, kind="stable")
    ranked = by[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    years = np.cumsum(w[order])[last]
    costs = np.cumsum((w * y)[order])[last]
    return Curve(np.append(0.0, years / years[-1]), np.append(0.0, costs / costs[-1]))


def gini(curve: Curve) -> float:
    """Return twice the area between the diagonal and a concentration curve."""
    steps = np.diff(curve.members)
    return float(1 - np.sum(steps * (curve.cost[1:] + curve.cost[:-1])))


def normalized_gini(y: Floats, p: Floats, w: Floats) -> float:
    """Return the Gini index of cost ranked by prediction over that of cost ranked by itself.

    1 is a perfect ranking, 0 a useless one; nan when every member costs the same.
    """
    by_p = gini(concentration(y, p, w))
    return np.nan if _is_constant(y) else ratio(by_p, gini(concentration(y, y, w)))


def top_capture(curve: Curve, share: float) -> float:
    """Return the share of cost held by the ``share`` of member years ranked highest.

    Members of equal rank at the border count in part.

    Raises
    ------
    OptionError
        The share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise OptionError(f"A top share lies between 0 and 1, got {share}")
    return float(1 - np.interp(1 - share, curve.members, curve.cost))


def negative_predictions(p: Floats) -> int:
    """Count predictions below 0; a payment model must have none."""
    return int((p < 0).sum())


def ratio(part: float, whole: float) -> float:
    """Divide; nan when there is nothing to divide by.

    >>> ratio(1.0, 4.0), ratio(1.0, 0.0)
    (0.25, nan)
    """
    return part / whole if whole else np.nan


def weighted_sum(values: Floats, w: Floats) -> float:
    """Return sum w value, added pairwise: a BLAS product may differ between machines."""
    return float(np.sum(w * values))


def mean_of(values: Floats, w: Floats) -> float:
    """Return the weighted mean."""
    return weighted_sum(values, w) / float(w.sum())


def spread(values: Floats, w: Floats) -> float:
    """Return sum w (value - weighted mean)^2, exactly 0 for constant values."""
    if _is_constant(values):
        return 0.0
    return weighted_sum((values - mean_of(values, w)) ** 2, w)


def _is_constant(values: Floats) -> bool:
    """Tell a constant before rounding in its mean hides it."""
    return bool(values.min() == values.max())
