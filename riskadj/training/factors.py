"""From dollars to relative factors, and what keeps their average at 1.000 in a later year."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import OptionError
from riskadj.scoring.payment import round_half_up
from riskadj.training.segment_fit import SegmentFit, predicted_cents
from riskadj.training.statistics import SegmentStatistics


@dataclass(frozen=True, slots=True)
class Factors:
    """Relative factors of a fit.

    Attributes
    ----------
    denominator_cents
        Mean predicted cost a year of the members of all fitted segments: a score of 1.
    thousandths
        By segment, for every variable: int64, shape (n_variables,).
    mean_score
        Average score of the same members with the rounded factors; dividing by it makes 1.000.
    """

    denominator_cents: int
    thousandths: tuple[NDArray[np.int64], ...]
    mean_score: Fraction


def relative_factors(
    fits: Sequence[SegmentFit], statistics: Sequence[SegmentStatistics]
) -> Factors:
    """Divide every coefficient by the mean predicted cost; round to three decimals.

    The mean is over the members of fitted segments: a segment that took the base model's factors
    has too few to matter, and its sums would tell of them. Halves are rounded away from zero, as
    SAS does. One denominator serves all segments (CMS Announcement of CY2024 rates, the relative
    factor tables' notes).

    Raises
    ------
    OptionError
        The mean predicted cost is zero.
    """
    mine = [(i, s.term_months.astype(np.int64)) for i, s in enumerate(statistics) if fits[i].solved]
    months = sum(statistics[i].total_months for i, _ in mine)
    predicted = sum(
        predicted_cents(f.reduction, f.solved.solution.coefficients, f.solved.statistics)
        for f in fits if f.solved
    )  # fmt: skip
    denominator = denominator_of(predicted, months)
    factors = tuple(thousandths(f.cents, denominator) for f in fits)
    scored = sum(int(factors[i] @ e) for i, e in mine)
    return Factors(denominator, factors, Fraction(scored, 1000 * months))


def denominator_of(predicted: float, months: int) -> int:
    """Return the mean predicted cost in whole cents, from the sum of cents x months.

    Raises
    ------
    OptionError
        It is not positive.
    """
    if predicted <= 0:
        raise OptionError("the mean predicted cost is 0: there are no relative factors")
    return math.floor(predicted / months + 0.5)


def thousandths(cents: NDArray[np.int64], denominator: int) -> NDArray[np.int64]:
    """Return relative factors in integer thousandths, halves rounded away from zero."""
    return round_half_up(cents * 1000, denominator)


def project_normalization(
    mean_scores: Mapping[int, float], year: int, method: Literal["linear", "geometric"]
) -> float:
    """Project the factor by which scores of a later year are divided.

    Parameters
    ----------
    mean_scores
        Average raw score of the population by year, all with the same model; two years at least.
    year
        Payment year.
    method
        ``linear``: the least-squares line through the averages; ``geometric``: through their
        logarithms, a constant yearly rate.

    Returns
    -------
    float
        The line's value in ``year``.

    Raises
    ------
    OptionError
        Fewer than two years, or an average that is not positive.

    >>> round(project_normalization({2022: 1.0, 2023: 1.02, 2024: 1.04}, 2026, "linear"), 6)
    1.08
    """
    if len(mean_scores) < 2 or min(mean_scores.values()) <= 0:
        raise OptionError("normalization: give positive mean scores of at least two years")
    years = np.array(sorted(mean_scores), dtype=np.float64)
    scores = np.array([mean_scores[int(y)] for y in years])
    values = np.log(scores) if method == "geometric" else scores
    slope, level = np.polyfit(years - years.mean(), values, 1)
    projected = level + slope * (year - years.mean())
    return float(np.exp(projected) if method == "geometric" else projected)
