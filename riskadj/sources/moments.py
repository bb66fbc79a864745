"""The moments a population is tuned to, measured on what was drawn."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

CAP_USD = 250_000

Dollars = NDArray[np.float64]


def achieved_moments(
    mean: Dollars, paid: Dollars, conditions: NDArray[np.int16]
) -> dict[str, float]:
    """Return every moment by name.

    Parameters
    ----------
    mean, paid
        True mean and cost of the full member-years, dollars, shape (n_full,).
    conditions
        True conditions of all member-years, most severe kept, shape (n_all,).
    """
    of_cost: dict[str, Callable[[Dollars], float]] = {
        "mean_usd": lambda usd: float(usd.mean()),
        "zero_share": lambda usd: float((usd == 0).mean()),
        "p50_usd": lambda usd: float(np.quantile(usd, 0.5)),
        "p90_usd": lambda usd: float(np.quantile(usd, 0.9)),
        "p99_usd": lambda usd: float(np.quantile(usd, 0.99)),
        "top_1_share": lambda usd: _top_share(usd, 0.01),
        "top_5_share": lambda usd: _top_share(usd, 0.05),
    }
    return {name: moment(paid) for name, moment in of_cost.items()} | {
        "oracle_r2": _r2(paid, mean),
        "oracle_r2_capped": _r2(np.minimum(paid, CAP_USD), mean),
        "no_condition_share": float((conditions == 0).mean()),
        "mean_conditions": float(conditions.mean()),
    }


def _top_share(usd: Dollars, share: float) -> float:
    """Return the part of all cost that the costliest share of member-years has."""
    ordered = np.sort(usd)[::-1]
    return float(ordered[: max(1, round(share * len(usd)))].sum() / ordered.sum())


def _r2(usd: Dollars, mean: Dollars) -> float:
    """Return the share of variance that the true mean, rescaled to the total, explains."""
    balanced = mean * (usd.sum() / mean.sum())
    return float(1 - np.square(usd - balanced).sum() / np.square(usd - usd.mean()).sum())
