"""How much of an entity's own experience to believe.

References
----------
ASOP No. 25, Credibility Procedures. Limited fluctuation: Longley-Cook (1962). Bühlmann and Straub
(1970).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BuhlmannStraub:
    """Structure of a collective, estimated from its groups.

    Attributes
    ----------
    mean
        Of the collective, credibility-weighted.
    within, between
        Expected process variance, and variance of the hypothetical means (0 when its estimate is
        negative: then nobody has credibility).
    z : float, shape (n_groups,)
    """

    mean: float
    within: float
    between: float
    z: Floats


def limited_fluctuation(n: Floats, full: float) -> Floats:
    """Return min(1, sqrt(n / full)).

    >>> limited_fluctuation(np.array([250.0, 4000.0]), 1000.0)
    array([0.5, 1. ])
    """
    if not full > 0:
        raise OptionError("full credibility needs a number above zero")
    return np.minimum(1.0, np.sqrt(np.asarray(n, np.float64) / full))


def buhlmann(n: Floats, k: float) -> Floats:
    """Return n / (n + k).

    >>> buhlmann(np.array([100.0]), 300.0)
    array([0.25])
    """
    if not k > 0:
        raise OptionError("k is above zero")
    return np.asarray(n / (n + k))


def buhlmann_straub(values: Floats, weights: Floats) -> BuhlmannStraub:
    """Estimate credibility from groups observed over periods.

    Parameters
    ----------
    values, weights : float, shape (n_groups, n_periods)
        Such as cost per member month, and member months.

    Raises
    ------
    InputError
        There are fewer than two groups or periods, or a weight is not above zero.
    """
    if min(values.shape) < 2 or not (weights > 0).all():
        raise InputError("Bühlmann-Straub needs two groups, two periods and weights above zero")
    groups, periods = values.shape
    of_group = weights.sum(1)
    own = (values * weights).sum(1) / of_group
    total = of_group.sum()
    overall = float((own * of_group).sum() / total)
    within = float((weights * (values - own[:, None]) ** 2).sum() / (groups * (periods - 1)))
    spread = float((of_group * (own - overall) ** 2).sum()) - (groups - 1) * within
    between = max(spread / float(total - (of_group**2).sum() / total), 0.0)
    z = of_group / (of_group + within / between) if between > 0 else np.zeros(groups)
    mean = float((z * own).sum() / z.sum()) if between > 0 else overall
    return BuhlmannStraub(mean, within, between, np.asarray(z))


def blend(z: Floats, own: Floats, manual: Floats) -> Floats:
    """Return z x own + (1 - z) x manual.

    >>> blend(np.array([0.25]), np.array([400.0]), np.array([300.0]))
    array([325.])
    """
    return np.asarray(z * own + (1 - z) * manual)
