"""High-cost members: truncated at a point, or pooled above it.

References
----------
42 CFR 425.652(a)(4): truncation at the 99th percentile of national assignable expenditure.
"""

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]
MONTHS = 12


def truncation_points(spent: Floats, months: Floats, share: float) -> float:
    """Return the annualized cost that a share of the exposure does not exceed.

    Parameters
    ----------
    spent, months : float, shape (n_members,)
        Dollars and months of exposure, of the reference population.
    share
        Such as 0.99.

    Raises
    ------
    InputError
        There is nobody.
    OptionError
        The share is not above 0 and at most 1.

    >>> truncation_points(np.array([100.0, 300.0]), np.array([12.0, 6.0]), 0.5)
    100.0
    """
    if not 0 < share <= 1:
        raise OptionError(f"a truncation point is a share above 0 and at most 1, got {share}")
    if not len(spent) or not (months > 0).all():
        raise InputError("truncation needs members with months above zero")
    annual = spent * MONTHS / months
    order = np.argsort(annual, kind="stable")
    reached = np.cumsum(months[order])
    first = int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-12)))
    return float(annual[order][min(first, len(annual) - 1)])


def truncate(spent: Floats, months: Floats, point: float) -> Floats:
    """Cut each member's cost at the point of a full year, for its months.

    >>> truncate(np.array([100.0, 300.0]), np.array([12.0, 6.0]), 120.0)
    array([100.,  60.])
    """
    return np.minimum(spent, point * months / MONTHS)


def pooling_charge(spent: Floats, months: Floats, point: float) -> float:
    """Return what everybody pays into the pool, as a share of cost below the point.

    Budget neutral on the reference population: truncated cost x (1 + charge) is its cost.

    >>> pooling_charge(np.array([100.0, 300.0]), np.array([12.0, 12.0]), 100.0)
    1.0
    """
    below = float(truncate(spent, months, point).sum())
    if below <= 0:
        raise InputError("there is no cost below the pooling point")
    return float(spent.sum()) / below - 1
