"""Trend: how far it runs, what it is made of.

References
----------
Midpoint trend: the middle of the period projected to less the middle of the period projected from.
Log-mean Divisia index: Ang (2004), Energy Policy 32, exact decomposition of a product.
"""

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError

Floats = NDArray[np.float64]
MONTHS = 12


def midpoint_years(from_start: int, from_months: int, to_start: int, to_months: int) -> float:
    """Return the years between two periods' middles.

    Parameters
    ----------
    from_start, to_start
        First months of the periods, counted from any one month.
    from_months, to_months
        Their lengths.

    >>> midpoint_years(0, 12, 24, 12)
    2.0
    """
    middle = to_start + to_months / 2 - (from_start + from_months / 2)
    return middle / MONTHS


def composed(unit_cost: Floats, utilization: Floats, mix: Floats) -> Floats:
    """Return the trend that three trends make together.

    >>> composed(np.array(0.03), np.array(0.02), np.array(0.01)).round(6)
    np.float64(0.061106)
    """
    return np.asarray((1 + unit_cost) * (1 + utilization) * (1 + mix) - 1)


def decomposed(units: Floats, prices: Floats, exposure: Floats) -> dict[str, float]:
    """Split a change of cost per exposure into utilization, mix and unit cost, exactly.

    Parameters
    ----------
    units, prices : float, shape (2, n_services)
        Units of service and cost of a unit, before and after.
    exposure : float, shape (2,)
        Member months.

    Returns
    -------
    Dollars per member month; they add up to the change.

    Raises
    ------
    InputError
        A number is not above zero.
    """
    if not ((units > 0).all() and (prices > 0).all() and (exposure > 0).all()):
        raise InputError("units, prices and exposure are above zero in both periods")
    rate = units / exposure[:, None]
    cost = rate * prices
    total = rate.sum(1)
    weight = _log_mean(cost[0], cost[1])
    return {
        "utilization": float(weight.sum() * np.log(total[1] / total[0])),
        "mix": float((weight * np.log((rate[1] / total[1]) / (rate[0] / total[0]))).sum()),
        "unit_cost": float((weight * np.log(prices[1] / prices[0])).sum()),
    }


def _log_mean(a: Floats, b: Floats) -> Floats:
    """Return (b - a) / ln(b / a), and a where they are equal."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (b - a) / np.log(b / a)
    return np.where(np.isclose(a, b, rtol=1e-12), a, found)
