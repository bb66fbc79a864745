"""Whether an entity exceeded a target, beyond what chance explains."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import OptionError

Floats = NDArray[np.float64]
Verdict = Literal["exceeded", "met", "indeterminate", "not tested"]
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth of mean cost with its 95 % interval.

    Attributes
    ----------
    growth, low, high : float, shape (n_entities,)
    """

    growth: Floats
    low: Floats
    high: Floats


def growth_interval(mean: Floats, variance: Floats, members: Floats) -> Growth:
    """Return growth between two years as a ratio of two independent means.

    Parameters
    ----------
    mean, variance : float, shape (2, n_entities)
        Of a member's cost, before and after.
    members : float, shape (2, n_entities)

    References
    ----------
    Delta method, members as units: var(b / a) = (b / a)^2 (vb / (nb b^2) + va / (na a^2)).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mean[1] / mean[0]
        error = np.abs(ratio) * np.sqrt((variance / (members * mean**2)).sum(0))
    return Growth(ratio - 1, ratio - 1 - NORMAL_95 * error, ratio - 1 + NORMAL_95 * error)


def verdicts(found: Growth, target: float, members: Floats, minimum: float) -> NDArray[np.str_]:
    """Tell which entities exceeded a target: only those whose whole interval lies above it.

    Parameters
    ----------
    members : float, shape (n_entities,)
        The smaller of both years.
    minimum
        Below it an entity is not tested.

    Returns
    -------
    str, shape (n_entities,)
        ``exceeded``, ``met`` (whole interval at or below), ``indeterminate``, ``not tested``.
    """
    said = np.where(found.low > target, "exceeded",
                    np.where(found.high <= target, "met", "indeterminate"))  # fmt: skip
    untested = (members < minimum) | ~np.isfinite(found.growth)
    return np.where(untested, "not tested", said)


def persistently(exceeded: NDArray[np.bool_], n: int, of: int) -> NDArray[np.bool_]:
    """Tell which entities exceeded in ``n`` of their last ``of`` years (Oregon: 3 of 5).

    Parameters
    ----------
    exceeded : bool, shape (n_years, n_entities)

    Raises
    ------
    OptionError
        ``n`` is not from 1 to ``of``.
    """
    if not 1 <= n <= of:
        raise OptionError(f"n of m years needs 1 <= n <= m, got {n} of {of}")
    return np.asarray(exceeded[-of:].sum(0) >= n)
