"""The headline numbers of a model, with and without a cap on cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskadj.errors import OptionError
from riskadj.measures.groups import (
    Labels,
    calibration_error,
    deciles,
    group_r2,
    pseudo_groups,
)
from riskadj.measures.metrics import (
    Floats,
    balanced,
    bias,
    calibration,
    check_members,
    concentration,
    cpm,
    mae,
    mean_of,
    negative_predictions,
    normalized_gini,
    predictive_ratio,
    r2,
    ratio,
    top_capture,
)

LIVES = (500, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Fit:
    """How predictions fit one target; they are balanced to it first, except for the bias.

    Attributes
    ----------
    predictive_ratio, bias_usd
        Before balancing: predicted over actual cost, and the overpayment of a member year.
    r2, cpm, mae_usd, mae_share
        Shares of variance and of absolute deviation explained; mean absolute error in dollars a
        year and as a fraction of the mean cost.
    calibration_slope, calibration_intercept_usd, calibration_error_usd
        The line of cost on prediction; the mean absolute error of decile means.
    top_1_capture, top_5_capture
        Share of cost held by the 1 % and 5 % of member years predicted highest.
    gini
        Of cost ranked by prediction, over that of cost ranked by itself.
    group_r2_500, group_r2_1000, group_r2_10000
        Share of variance explained between random groups of so many lives; nan for fewer than two.
    """

    predictive_ratio: float
    bias_usd: float
    r2: float
    cpm: float
    mae_usd: float
    mae_share: float
    calibration_slope: float
    calibration_intercept_usd: float
    calibration_error_usd: float
    top_1_capture: float
    top_5_capture: float
    gini: float
    group_r2_500: float
    group_r2_1000: float
    group_r2_10000: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The headline numbers of a model on some members.

    Attributes
    ----------
    n_members, member_years
        Rows, and their weights together.
    cap_usd
        Ceiling on a member's annualised cost, for ``capped``.
    negative_predictions
        Members predicted below 0.
    uncapped, capped
        The fit to cost, and to min(cost, cap).
    """

    n_members: int
    member_years: float
    cap_usd: float
    negative_predictions: int
    uncapped: Fit
    capped: Fit


def summary(y: Floats, p: Floats, w: Floats, cap: float, *, seed: int) -> Summary:
    """Measure a model with and without a cap.

    Parameters
    ----------
    y, p, w : float, shape (n_members,)
        Uncapped annualised cost and prediction, dollars a year; eligible months / 12.
    cap
        Dollars a year.
    seed
        Deals members into the random groups, by row.

    Raises
    ------
    InputError
        The arrays cannot be measured, or cost or predictions add up to 0 or less.
    OptionError
        The cap is not above 0.
    """
    if not cap > 0:
        raise OptionError(f"A cap on cost is above 0 dollars, got {cap}")
    check_members(y, p, w)
    bins = deciles(p, w)
    plans = [pseudo_groups(len(y), lives, seed) for lives in LIVES]
    return Summary(
        n_members=len(y),
        member_years=float(w.sum()),
        cap_usd=cap,
        negative_predictions=negative_predictions(p),
        uncapped=_fit(y, p, w, bins, plans),
        capped=_fit(np.minimum(y, cap), p, w, bins, plans),
    )


def _fit(y: Floats, raw: Floats, w: Floats, bins: Labels, plans: Sequence[Labels]) -> Fit:
    p = balanced(raw, y, w)
    line = calibration(y, p, w)
    ranked = concentration(y, p, w)
    error = mae(y, p, w)
    return Fit(
        predictive_ratio(y, raw, w), bias(y, raw, w),
        r2(y, p, w), cpm(y, p, w), error, ratio(error, mean_of(y, w)),
        line.slope, line.intercept_usd, calibration_error(y, p, w, bins),
        top_capture(ranked, 0.01), top_capture(ranked, 0.05), normalized_gini(y, p, w),
        *(group_r2(y, p, w, plan) for plan in plans),
    )  # fmt: skip
