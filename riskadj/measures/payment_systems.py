"""How well a whole payment system fits: risk adjustment together with reinsurance.

Fit and power are those of Geruso and McGuire (2016). The formulas are in the functions.
"""

from dataclasses import dataclass

import numpy as np

from riskadj.errors import OptionError
from riskadj.measures.metrics import Floats, check_members, mean_of, r2


@dataclass(frozen=True, slots=True)
class Revenue:
    """What a plan is paid for each member.

    Attributes
    ----------
    revenue_usd : float, shape (n_members,)
        Prediction + reinsurance - charge, dollars a year.
    marginal : float, shape (n_members,)
        Revenue for one more dollar of the member's own cost; the charge is spread over all members
        and does not count.
    charge_usd
        Of a member year. It pays for the reinsurance exactly, so balanced predictions leave
        revenue equal to cost.
    """

    revenue_usd: Floats
    marginal: Floats
    charge_usd: float


@dataclass(frozen=True, slots=True)
class PaymentFit:
    """Fit and incentives of a payment system.

    Attributes
    ----------
    fit
        1 - sum w(y - revenue)^2 / sum w(y - mean)^2; R2 when there is no reinsurance.
    power
        Mean of 1 - marginal revenue: 1 when the plan keeps every dollar it saves.
    charge_usd
        Of a member year.
    """

    fit: float
    power: float
    charge_usd: float


def high_cost_pool(y: Floats, p: Floats, w: Floats, *, attachment: float, share: float) -> Revenue:
    """Reimburse ``share * max(y - attachment, 0)``, as the HHS pool does (60 % above $1M).

    Raises
    ------
    OptionError
        The attachment point is below 0, or the share is not between 0 and 1.
    """
    check_members(y, p, w)
    _check_terms(attachment, share)
    return _charged(
        p, w, share * np.maximum(y - attachment, 0.0), share * (y > attachment).astype(np.float64)
    )


def residual_reinsurance(y: Floats, p: Floats, w: Floats, *, loss: float) -> Revenue:
    """Reimburse every dollar by which cost exceeds the prediction by more than ``loss``.

    Raises
    ------
    OptionError
        The loss is below 0.
    """
    check_members(y, p, w)
    _check_terms(loss, 1.0)
    return _charged(p, w, np.maximum(y - p - loss, 0.0), (y - p > loss).astype(np.float64))


def no_reinsurance(p: Floats) -> Revenue:
    """Pay the prediction and nothing else."""
    return Revenue(p.copy(), np.zeros(len(p)), 0.0)


def payment_fit(y: Floats, paid: Revenue, w: Floats) -> PaymentFit:
    """Measure the fit and the power of a payment system."""
    fit = r2(y, paid.revenue_usd, w)
    return PaymentFit(fit, 1 - mean_of(paid.marginal, w), paid.charge_usd)


def _charged(p: Floats, w: Floats, reinsurance: Floats, marginal: Floats) -> Revenue:
    charge = mean_of(reinsurance, w)
    return Revenue(p + reinsurance - charge, marginal, charge)


def _check_terms(attachment: float, share: float) -> None:
    if not attachment >= 0:
        raise OptionError(f"Reinsurance starts at 0 dollars or more, got {attachment}")
    if not 0 <= share <= 1:
        raise OptionError(f"Reinsurance pays a share between 0 and 1, got {share}")
