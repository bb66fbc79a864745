"""Risk scores: their mean made 1, and how much of their growth a program pays for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CappedGrowth:
    """Risk ratios as a program allows them.

    Attributes
    ----------
    ratio : float, shape (..., n_strata)
    capped : bool, shape (..., n_strata)
    """

    ratio: Floats
    capped: NDArray[np.bool_]


def renormalized(scores: Floats, exposure: Floats) -> Floats:
    """Divide scores by their exposure-weighted mean.

    Parameters
    ----------
    scores, exposure : float, shape (n,)
        Of one stratum and year.

    Raises
    ------
    InputError
        Exposure is below zero, or not above zero in total, or the mean is not above zero.

    References
    ----------
    42 CFR 425.605(a)(1): scores renormalized by enrollment type.

    >>> renormalized(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    array([0.5, 1.5])
    """
    if (exposure < 0).any():
        raise InputError("exposure is 0 or more")
    total = float(exposure.sum())
    if not total > 0:
        raise InputError("scores cannot be renormalized without exposure above zero")
    mean = float((scores * exposure).sum()) / total
    if not mean > 0:
        raise InputError("scores cannot be renormalized: their mean is not above zero")
    return np.asarray(scores / mean)


def renormalized_by_stratum(scores: Floats, exposure: Floats) -> Floats:
    """Divide each stratum's scores by their exposure-weighted mean over entities.

    Parameters
    ----------
    scores, exposure : float, shape (n_entities, n_strata)
        A score without exposure is not read.

    Returns
    -------
    float, shape (n_entities, n_strata)
        nan in a stratum without exposure, or in which somebody with exposure has no score.

    Raises
    ------
    InputError
        Exposure is below zero, or a stratum's mean is not above zero.
    """
    if (exposure < 0).any():
        raise InputError("exposure is 0 or more")
    mean = _mean(scores, exposure, 0)
    if (mean <= 0).any():
        raise InputError("scores cannot be renormalized: their mean is not above zero")
    return np.asarray(scores / mean)


def risk_ratio(score: Floats, base: Floats) -> Floats:
    """Return the growth of scores as a ratio; nan where the base is not above zero.

    >>> risk_ratio(np.array([1.05, 1.0]), np.array([1.0, 0.0]))
    array([1.05,  nan])
    """
    return np.asarray(score / np.where(base > 0, base, np.nan))


def flat_cap(ratio: Floats, highest: float, lowest: float = -np.inf) -> CappedGrowth:
    """Cap each stratum's ratio: 1.03 upward only, or both ways (REACH: 0.97 to 1.03).

    Missing (nan) stays missing, and is not capped.

    Raises
    ------
    OptionError
        The highest ratio is below the lowest.

    References
    ----------
    42 CFR 425.605(a)(1) and 425.610(a)(2), agreements before 2024; ACO REACH risk score growth cap.

    >>> flat_cap(np.array([1.05, 0.9]), 1.03).ratio
    array([1.03, 0.9 ])
    """
    if not lowest <= highest:
        raise OptionError(f"a cap's highest ratio is not below its lowest: {highest}, {lowest}")
    found = np.clip(ratio, lowest, highest)
    return CappedGrowth(found, (ratio > highest) | (ratio < lowest))


def symmetric_cap(ratio: Floats, points: float) -> CappedGrowth:
    """Cap growth and fall alike: 0.03 for a ratio from 0.97 to 1.03.

    >>> symmetric_cap(np.array([1.05, 0.9]), 0.03).ratio
    array([1.03, 0.97])
    """
    if not points >= 0:
        raise OptionError("a symmetric cap is 0 or more")
    return flat_cap(ratio, 1 + points, 1 - points)


def aggregate_cap(
    ratio: Floats, demographic: Floats, dollars: Floats, margin: float, by_type: bool
) -> CappedGrowth:
    """Cap growth only where the entity's strata together grew beyond their demographics.

    A stratum over the bound keeps its ratio while the aggregate is within it, and a falling ratio
    is never raised. So the cap is a cliff: a little more growth in one stratum can cut another's.

    Parameters
    ----------
    ratio, demographic, dollars : float, shape (..., n_strata)
        Growth of HCC scores and of demographic scores as ratios, and the weights: historical
        benchmark expenditure x performance year person years. A stratum without weight does not
        count, and may be missing.
    margin
        Points that HCC growth may exceed demographic growth by: 0.03.
    by_type
        When the aggregate exceeds: False clips every stratum at the aggregate's bound, which is how
        a secondary source (Tuva cms_mssp_connector, citing (a)(1)(ii)(B) and 87 FR 69935, step 7)
        reads the rule; True clips each at its own demographic growth and the margin.

    Returns
    -------
    nan in every stratum of an entity that has no weight, or of which a stratum that has weight
    lacks a ratio: whether its aggregate exceeds cannot be told.

    Raises
    ------
    InputError
        A weight is below zero.

    References
    ----------
    42 CFR 425.605(a)(1)(ii), agreements from 2024.
    """
    if (dollars < 0).any():
        raise InputError("weights of risk scores are 0 or more")
    grown = _mean(ratio, dollars, -1)
    bound = _mean(demographic, dollars, -1) + margin
    untold = np.isnan(grown) | np.isnan(bound)
    highest = demographic + margin if by_type else np.broadcast_to(bound, ratio.shape)
    capped = (grown > bound) & (ratio > highest)
    allowed = np.where(capped, highest, ratio)
    return CappedGrowth(np.where(untold, np.nan, allowed), capped)


def _mean(values: Floats, weights: Floats, axis: int) -> Floats:
    """Return weighted means along an axis, which stays; nan where there is no weight."""
    counted = np.where(weights == 0, 0.0, values * weights).sum(axis, keepdims=True)
    total = weights.sum(axis, keepdims=True)
    return np.asarray(counted / np.where(total > 0, total, np.nan))
