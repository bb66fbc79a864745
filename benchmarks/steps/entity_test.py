"""Whether an entity exceeded a target, beyond what chance explains."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]
Verdict = Literal["exceeded", "met", "indeterminate", "not tested"]
NORMAL_95 = 1.959963984540054
DELTA_METHOD = "ratio of two independent means, delta method, members as units"
"""The variance formula. A member seen in both years makes the means dependent, commonly so that the
true interval is narrower: states name their own formulas, and this one is only a stand-in."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth of mean cost with its 95 % interval; nan where it cannot be calculated.

    Attributes
    ----------
    growth, low, high : float, shape (n_entities,)
    variance
        Name of the variance formula.
    """

    growth: Floats
    low: Floats
    high: Floats
    variance: str = DELTA_METHOD


def growth_interval(mean: Floats, variance: Floats, members: Floats) -> Growth:
    """Return growth between two years as a ratio of two independent means.

    Parameters
    ----------
    mean, variance : float, shape (2, n_entities)
        Of a member's cost, before and after.
    members : float, shape (2, n_entities)

    Returns
    -------
    nan for an entity without members or a mean cost above zero before, and where something is
    missing.

    Raises
    ------
    InputError
        A variance or a number of members is below zero.

    References
    ----------
    Delta method, members as units: var(b / a) = (b / a)^2 (vb / (nb b^2) + va / (na a^2)), here as
    (vb / nb + (b / a)^2 va / na) / a^2, which holds for b = 0 too.
    """
    if (variance < 0).any() or (members < 0).any():
        raise InputError("variances and numbers of members are 0 or more")
    before, after = np.where(mean[0] > 0, mean[0], np.nan), mean[1]
    of_mean = variance / np.where(members > 0, members, np.nan)
    ratio = after / before
    error = np.sqrt(of_mean[1] + ratio**2 * of_mean[0]) / before
    growth = np.where(np.isfinite(error), ratio - 1, np.nan)
    return Growth(growth, growth - NORMAL_95 * error, growth + NORMAL_95 * error)


def verdicts(
    found: Growth, target: float | Floats, members: Floats, minimum: float
) -> NDArray[np.str_]:
    """Tell which entities exceeded a target: only those whose whole interval lies above it.

    Parameters
    ----------
    target
        Growth rate; one for all, or one an entity.
    members : float, shape (n_entities,)
        Member months, or members; the smaller of both years.
    minimum
        Below it an entity is not tested.

    Returns
    -------
    str, shape (n_entities,)
        ``exceeded``, ``met`` (whole interval at or below), ``indeterminate``, ``not tested`` (too
        few member months, or no interval or target).
    """
    said = np.where(found.low > target, "exceeded",
                    np.where(found.high <= target, "met", "indeterminate"))  # fmt: skip
    known = np.isfinite(found.low) & np.isfinite(found.high) & np.isfinite(target)
    return np.where(known & (members >= minimum), said, "not tested")


def persistently(exceeded: NDArray[np.bool_], n: int, of: int) -> NDArray[np.bool_]:
    """Tell which entities exceeded in ``n`` of their last ``of`` years (Oregon: 3 of 5).

    Parameters
    ----------
    exceeded : bool, shape (n_years, n_entities)
        Oldest year first; a year that was not tested, or indeterminate, is no year exceeded.

    Raises
    ------
    OptionError
        ``n`` is not from 1 to ``of``.
    """
    if not 1 <= n <= of:
        raise OptionError(f"n of m years needs 1 <= n <= m, got {n} of {of}")
    return np.asarray(exceeded[-of:].sum(0) >= n)
