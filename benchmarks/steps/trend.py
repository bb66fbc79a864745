"""Trend: how far it runs, what it is made of.

References
----------
Midpoint trend: the middle of the period projected to less the middle of the period projected from.
Log-mean Divisia index: Ang (2004), Energy Policy 32, exact decomposition of a product.
"""

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]
MONTHS = 12
SMALL_CHANGE = 0.5
"""Below it the logarithm is taken of the change, above it of the ratio: each keeps its digits."""


def midpoint_years(from_start: int, from_months: int, to_start: int, to_months: int) -> float:
    """Return the years between two periods' middles.

    Parameters
    ----------
    from_start, to_start
        First months of the periods, counted from any one month.
    from_months, to_months
        Their lengths.

    Raises
    ------
    OptionError
        A period has no length.

    >>> midpoint_years(0, 12, 24, 12)
    2.0
    """
    if from_months <= 0 or to_months <= 0:
        raise OptionError("a period is one month or longer")
    middle = to_start + to_months / 2 - (from_start + from_months / 2)
    return middle / MONTHS


def trended(amount: Floats, trend: Floats, years: float) -> Floats:
    """Return amounts after some years of a yearly trend: amount x (1 + trend)^years.

    Raises
    ------
    InputError
        A trend is -1 or less: nothing would be left to grow.

    >>> trended(np.array([100.0]), np.array([0.21]), 0.5)
    array([110.])
    """
    _check(trend)
    return np.asarray(amount * (1 + trend) ** years)


def composed(unit_cost: Floats, utilization: Floats, mix: Floats) -> Floats:
    """Return the trend that three trends make together.

    Raises
    ------
    InputError
        A trend is -1 or less.

    >>> composed(np.array(0.03), np.array(0.02), np.array(0.01)).round(6)
    np.float64(0.061106)
    """
    for part in (unit_cost, utilization, mix):
        _check(part)
    return np.asarray((1 + unit_cost) * (1 + utilization) * (1 + mix) - 1)


def decomposed(units: Floats, prices: Floats, exposure: Floats) -> dict[str, Floats]:
    """Split a change of cost per exposure into utilization, mix and unit cost, exactly.

    Each service's change is weighted by the log-mean of its cost before and after, so nothing is
    left over. Mix is that of the services given: what is finer than they are is in the unit cost.

    Parameters
    ----------
    units, prices : float, shape (2, ..., n_services)
        Units of service and cost of a unit, before and after.
    exposure : float, shape (2, ...)
        Member months; ``...`` is nothing, or such as entities and strata.

    Returns
    -------
    Dollars per member month, shape (...); they add up to the change.

    Raises
    ------
    InputError
        A number is not above zero: put services that one period lacks together with others.
    """
    if not ((units > 0).all() and (prices > 0).all() and (exposure > 0).all()):
        raise InputError("units, prices and exposure are above zero in both periods")
    rate = units / exposure[..., None]
    cost, total = rate * prices, rate.sum(-1)
    share = rate / total[..., None]
    weight = _log_mean(cost[0], cost[1])
    return {
        "utilization": weight.sum(-1) * np.log(total[1] / total[0]),
        "mix": (weight * np.log(share[1] / share[0])).sum(-1),
        "unit_cost": (weight * np.log(prices[1] / prices[0])).sum(-1),
    }


def _check(trend: Floats) -> None:
    if (np.asarray(trend) <= -1).any():
        raise InputError("a trend is a growth rate above -1 (0.03 for 3 percent)")


def _log_mean(a: Floats, b: Floats) -> Floats:
    """Return (b - a) / ln(b / a), and a where they are equal."""
    grown = (b - a) / a
    small = np.abs(grown) < SMALL_CHANGE
    logarithm = np.where(small, np.log1p(np.where(small, grown, 0)), np.log(b / a))
    same = grown == 0
    return np.where(same, a, (b - a) / np.where(same, 1.0, logarithm))
