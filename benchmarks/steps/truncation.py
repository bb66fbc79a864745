"""High-cost members: truncated at a point, or pooled above it.

References
----------
42 CFR 425.652(a)(4): truncation at the 99th percentile of national assignable expenditure.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Truncated:
    """Members' cost below a point, and what was cut.

    Attributes
    ----------
    kept, cut : float, shape (n_members,)
        Dollars; together they are the cost.
    """

    kept: Floats
    cut: Floats

    @property
    def members_cut(self) -> int:
        """How many members cost more than the point."""
        return int((self.cut > 0).sum())

    @property
    def cut_share(self) -> float:
        """Share of all dollars that was cut; nan without dollars."""
        total = float((self.kept + self.cut).sum())
        return float(self.cut.sum()) / total if total > 0 else float("nan")


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
        There is nobody, or somebody without months or cost.
    OptionError
        The share is not above 0 and at most 1.

    >>> truncation_points(np.array([100.0, 300.0]), np.array([12.0, 6.0]), 0.5)
    100.0
    """
    if not 0 < share <= 1:
        raise OptionError(f"a truncation point is a share above 0 and at most 1, got {share}")
    if not len(spent) or not (months > 0).all() or not np.isfinite(spent).all():
        raise InputError("truncation needs members with months above zero and costs")
    annual = spent * MONTHS / months
    order = np.argsort(annual, kind="stable")
    reached = np.cumsum(months[order])
    first = int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-12)))
    return float(annual[order][min(first, len(annual) - 1)])


def points_by_stratum(
    spent: Floats, months: Floats, stratum: NDArray[np.integer], n_strata: int, share: float
) -> Floats:
    """Return the truncation point of each stratum of the reference population.

    Parameters
    ----------
    spent, months : float, shape (n_members,)
    stratum : int, shape (n_members,)
        Row of the stratum, from 0.

    Returns
    -------
    float, shape (n_strata,)
        Dollars a year; nan for a stratum that nobody of the reference population is in.
    """
    found = np.full(n_strata, np.nan)
    for row in np.unique(stratum):
        who = stratum == row
        found[row] = truncation_points(spent[who], months[who], share)
    return found


def truncate(spent: Floats, months: Floats, point: float | Floats) -> Floats:
    """Cut each member's cost at the point of a full year, for its months.

    Parameters
    ----------
    spent, months : float, shape (n_members,)
    point
        Dollars a year; one for all, or one a member (``points[stratum]``).

    Raises
    ------
    InputError
        A member with cost has no months: its cost would be cut whole.
    OptionError
        A point is below zero.

    >>> truncate(np.array([100.0, 300.0]), np.array([12.0, 6.0]), 120.0)
    array([100.,  60.])
    """
    if (np.asarray(point) < 0).any():
        raise OptionError("a truncation point is 0 or more")
    without = int((~(months > 0) & (spent != 0)).sum())
    if without:
        raise InputError(f"{without:,} members have cost and no months of exposure")
    return np.minimum(spent, point * months / MONTHS)


def truncated(spent: Floats, months: Floats, point: float | Floats) -> Truncated:
    """Return members' cost below the point together with what was cut; see ``truncate``.

    >>> truncated(np.array([100.0, 300.0]), np.array([12.0, 6.0]), 120.0).cut_share
    0.6
    """
    kept = truncate(spent, months, point)
    return Truncated(kept, spent - kept)


def summed(amount: Floats, entity: NDArray[Any], stratum: NDArray[Any], shape: Any) -> Floats:
    """Return members' dollars, such as those kept or cut, by entity and stratum.

    Parameters
    ----------
    amount : float, shape (n_members,)
    entity, stratum : int, shape (n_members,)
        Rows, from 0.
    shape
        Number of entities and of strata.

    >>> summed(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 1]), np.array([0, 1, 1]), (2, 2))
    array([[1., 0.],
           [0., 6.]])
    """
    place = np.ravel_multi_index((entity, stratum), shape)
    return np.bincount(place, amount, minlength=shape[0] * shape[1]).reshape(shape)


def pooling_charge(spent: Floats, months: Floats, point: float | Floats) -> float:
    """Return what everybody pays into the pool, as a share of cost below the point.

    Budget neutral on the reference population: truncated cost x (1 + charge) is its cost.

    >>> pooling_charge(np.array([100.0, 300.0]), np.array([12.0, 12.0]), 100.0)
    1.0
    """
    below = float(truncate(spent, months, point).sum())
    if below <= 0:
        raise InputError("there is no cost below the pooling point")
    return float(spent.sum()) / below - 1


def pooling_share(spent: Floats, months: Floats, point: float | Floats) -> float:
    """Return the share of the reference population's cost that lies above the point.

    The same pool as ``pooling_charge``, as a share of all cost: charge = share / (1 - share).

    >>> pooling_share(np.array([100.0, 300.0]), np.array([12.0, 12.0]), 100.0)
    0.5
    """
    charge = pooling_charge(spent, months, point)
    return charge / (1 + charge)


def pooled(spent: Floats, months: Floats, point: float | Floats, charge: float) -> Floats:
    """Replace members' cost above the point by the charge on their cost below it.

    Parameters
    ----------
    charge
        Of the reference population, at the same point; see ``pooling_charge``.

    Raises
    ------
    OptionError
        The charge is below zero.

    >>> pooled(np.array([100.0, 300.0]), np.array([12.0, 12.0]), 100.0, 1.0)
    array([200., 200.])
    """
    if not charge >= 0:
        raise OptionError("a pooling charge is 0 or more")
    return truncate(spent, months, point) * (1 + charge)
