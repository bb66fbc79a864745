"""Risk scores: their mean made 1, and how much of their growth a program pays for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError

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
        Exposure is not above zero in total, or the mean is not above zero.

    References
    ----------
    42 CFR 425.605(a)(1): scores renormalized by enrollment type.

    >>> renormalized(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    array([0.5, 1.5])
    """
    total = float(exposure.sum())
    if not total > 0:
        raise InputError("scores cannot be renormalized without exposure above zero")
    mean = float((scores * exposure).sum()) / total
    if not mean > 0:
        raise InputError("scores cannot be renormalized: their mean is not above zero")
    return np.asarray(scores / mean)


def flat_cap(ratio: Floats, highest: float, lowest: float = -np.inf) -> CappedGrowth:
    """Cap each stratum's ratio: 1.03 upward only, or both ways (REACH: 0.97 to 1.03).

    References
    ----------
    42 CFR 425.605(a)(1)(ii), agreements before 2024; ACO REACH risk score growth cap.

    >>> flat_cap(np.array([1.05, 0.9]), 1.03).ratio
    array([1.03, 0.9 ])
    """
    found = np.clip(ratio, lowest, highest)
    return CappedGrowth(found, found != ratio)


def aggregate_cap(
    ratio: Floats, demographic: Floats, dollars: Floats, margin: float, by_type: bool
) -> CappedGrowth:
    """Cap growth only where the entity's strata together grew beyond their demographics.

    Parameters
    ----------
    ratio, demographic, dollars : float, shape (..., n_strata)
        Growth of HCC scores and of demographic scores as ratios, and the weights.
    margin
        Points that HCC growth may exceed demographic growth by: 0.03.
    by_type
        When the cap binds: True caps each stratum at its own demographic growth and the margin,
        False every stratum at the aggregate's. Which one the rule means was not found in its text.

    References
    ----------
    42 CFR 425.605(a)(1)(ii), agreements from 2024.
    """
    weight = dollars / dollars.sum(-1, keepdims=True)
    grown = (ratio * weight).sum(-1, keepdims=True)
    allowed = (demographic * weight).sum(-1, keepdims=True) + margin
    highest = demographic + margin if by_type else np.broadcast_to(allowed, ratio.shape)
    capped = (grown > allowed) & (ratio > highest)
    return CappedGrowth(np.where(capped, highest, ratio), capped)
