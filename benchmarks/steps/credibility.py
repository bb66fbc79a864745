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
SUMS_TO_ONE = 1e-9
"""How far weights may be from 1 in total."""


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
    between_estimate
        The unbiased estimate of ``between``, as it came out.
    """

    mean: float
    within: float
    between: float
    z: Floats
    between_estimate: float

    @property
    def k(self) -> float:
        """Exposure at which Z is one half; infinite when nobody has credibility."""
        return self.within / self.between if self.between > 0 else float("inf")

    @property
    def note(self) -> str:
        """Why nobody has credibility, or nothing."""
        if self.between > 0:
            return ""
        return (f"the groups differ no more than chance explains: the variance between them is "
                f"estimated at {self.between_estimate:.6g}, so Z is 0 for all")  # fmt: skip


def limited_fluctuation(n: Floats, full: float) -> Floats:
    """Return min(1, sqrt(n / full)).

    Parameters
    ----------
    n : float
        Claims, members or member months; ``full`` counts the same. Missing (nan) stays missing.

    Raises
    ------
    InputError
        A number is below zero.
    OptionError
        ``full`` is not above zero.

    >>> limited_fluctuation(np.array([250.0, 4000.0]), 1000.0)
    array([0.5, 1. ])
    """
    if not full > 0:
        raise OptionError("full credibility needs a number above zero")
    return np.minimum(1.0, np.sqrt(_counted(n) / full))


def buhlmann(n: Floats, k: float) -> Floats:
    """Return n / (n + k).

    Raises
    ------
    InputError
        A number is below zero.
    OptionError
        ``k`` is not above zero.

    >>> buhlmann(np.array([100.0]), 300.0)
    array([0.25])
    """
    if not k > 0:
        raise OptionError("k is above zero")
    n = _counted(n)
    return np.asarray(n / (n + k))


def buhlmann_straub(values: Floats, weights: Floats) -> BuhlmannStraub:
    """Estimate credibility from groups observed over periods.

    Parameters
    ----------
    values, weights : float, shape (n_groups, n_periods)
        Such as cost per member month, and member months. A weight of 0 is a period in which the
        group was not observed; its value is not read.

    Raises
    ------
    InputError
        There are fewer than two groups or periods, a weight is below zero, a group is never
        observed or none twice, or an observed value is missing.
    """
    seen = weights > 0
    if min(values.shape) < 2 or not (weights >= 0).all() or not seen.any(1).all():
        raise InputError("Bühlmann-Straub needs two groups, two periods and weights above zero")
    values = np.where(seen, values, 0.0)
    spare = int((seen.sum(1) - 1).sum())
    if not np.isfinite(values).all() or not spare:
        raise InputError("Bühlmann-Straub needs a value wherever the weight is above zero, and a "
                         "group seen twice")  # fmt: skip
    of_group = weights.sum(1)
    own = (values * weights).sum(1) / of_group
    total = of_group.sum()
    overall = float((own * of_group).sum() / total)
    within = float((weights * (values - own[:, None]) ** 2).sum() / spare)
    spread = float((of_group * (own - overall) ** 2).sum()) - (len(own) - 1) * within
    estimate = spread / float(total - (of_group**2).sum() / total)
    between = max(estimate, 0.0)
    z = of_group / (of_group + within / between) if between > 0 else np.zeros(len(own))
    mean = float((z * own).sum() / z.sum()) if between > 0 else overall
    return BuhlmannStraub(mean, within, between, np.asarray(z), estimate)


def blend(z: Floats, own: Floats, manual: Floats) -> Floats:
    """Return z x own + (1 - z) x manual.

    Where z is 0 the own experience is not read, and where it is 1 the manual rate is not: either
    may be missing then. Missing (nan) otherwise stays missing.

    Raises
    ------
    InputError
        A z is not from 0 to 1.

    >>> blend(np.array([0.25]), np.array([400.0]), np.array([300.0]))
    array([325.])
    """
    z, own, manual = np.broadcast_arrays(z, own, manual)
    if ((z < 0) | (z > 1)).any():
        raise InputError("a credibility is from 0 to 1")
    mixed = z * own + (1 - z) * manual
    return np.where(z == 0, manual, np.where(z == 1, own, mixed))


def weighted(values: Floats, weights: Floats) -> Floats:
    """Return the blend of several, along the first axis.

    Parameters
    ----------
    values : float, shape (n_parts, ...)
        Such as a baseline of three years; a part whose weight is 0 may be missing.
    weights : float, shape (n_parts,) or (n_parts, ...)

    Raises
    ------
    InputError
        Weights are below zero, or do not add up to 1.

    >>> weighted(np.array([100.0, 110.0, 120.0]), np.array([0.1, 0.3, 0.6])).round(9)
    np.float64(115.0)
    """
    total = weights.sum(0)
    if (weights < 0).any() or not (np.abs(total - 1) <= SUMS_TO_ONE).all():
        raise InputError(f"weights are 0 or more and add up to 1, not {np.ravel(total)[0]:g}")
    shape = (*weights.shape, *[1] * (values.ndim - weights.ndim))
    wide = np.broadcast_to(weights.reshape(shape), values.shape)
    return np.asarray(np.where(wide == 0, 0.0, values * wide).sum(0))


def _counted(n: Floats) -> Floats:
    n = np.asarray(n, np.float64)
    if (n < 0).any():
        raise InputError("claims, members or member months are 0 or more")
    return n
