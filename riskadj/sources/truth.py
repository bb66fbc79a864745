"""The true mean cost of an invented member-year, and the draw around it.

The mean of a full year, in dollars, is::

    M = trend^y G [ cell(age, sex) + dual + disabled + institutional
                    + price sum_c usd_c m_c(age) has_c(y-1)
                    + sum_pairs price usd + count_usd (conditions(y-1) - count_from)+ ^ count_power
                    + incident_share price sum_c usd_c m_c(age) new_c(y) ]

``has(y-1)`` are the true conditions of the year before, coded or not, with the most severe kept;
``new(y)`` those of this year that are not among them; ``m_c = 1 + younger_c (75 - age) / 10``
between 0.5 and 2; G the member's unobserved multiplier with mean 1, which also drives conditions a
little. Race is nowhere in it.

A year of t months is expected to cost ``E = M t / 12 + L``, where L is what dying adds:
``end_of_life_usd trend^y (0.4 + 0.1 min(t, 6))`` in the year of death, else 0. The truth that is
written, in cents a year, is ``100 E 12 / t``, so that t / 12 times it is what was to be paid.

The draw has E as its exact mean::

    paid = Z body + B tail
    Z     1 with chance 1 - p,  p = zero exp(-E / zero_usd)
    body  (1 - tail_share) E / (1 - p)  times a lognormal and a gamma with mean 1 each
    B     1 with chance q = tail_share E / tail_usd  (at most 1)
    tail  tail_share E / q  times a lognormal with mean 1

for the two terms have means (1 - tail_share) E and tail_share E. Dollars become whole cents by
rounding up with a chance equal to the fraction, which keeps the mean as well.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.sources.conditions import Conditions
from riskadj.sources.people import FULL, PARTIAL, Exposure, People
from riskadj.sources.preset import CostRules


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of the member-years of one year; arrays of shape (n,), 0 where there is no exposure.

    Attributes
    ----------
    mean_cents
        The truth, a year.
    paid_cents
        What was drawn for the months of exposure.
    """

    mean_cents: NDArray[np.float64]
    paid_cents: NDArray[np.int64]


def draw_cost(
    people: People,
    before: NDArray[np.bool_],
    now: NDArray[np.bool_],
    conditions: Conditions,
    rules: CostRules,
    when: tuple[int, Exposure],
    rng: np.random.Generator,
) -> Cost:
    """Compute the mean of a year's cost and draw around it.

    Parameters
    ----------
    before, now
        True conditions of the year before and of the year, most severe kept, shape
        (n_conditions, n).
    when
        The year (0, 1 or 2) and its exposure.
    """
    year, exposed = when
    mean = full_year_mean(people, before, now, conditions, rules, year)
    months = exposed.months
    last = rules.end_of_life_usd * rules.trend**year * (0.4 + 0.1 * np.minimum(months, 6))
    expected = mean * months / 12 + np.where(exposed.dies, last, 0.0)
    return Cost(100 * expected * 12 / np.maximum(months, 1), _draw(expected, rules, rng))


def full_year_mean(
    people: People,
    before: NDArray[np.bool_],
    now: NDArray[np.bool_],
    conditions: Conditions,
    rules: CostRules,
    year: int,
) -> NDArray[np.float64]:
    """Return M of the module's text, dollars, shape (n,)."""
    age = people.age(year)
    cell = np.searchsorted(rules.age_from, age, side="right") - 1
    cells = np.array([rules.female_usd, rules.male_usd], dtype=np.float64)
    mean = cells[people.male.astype(np.intp), cell]
    mean += rules.full_dual_usd * (people.dual >= FULL.start)
    mean += rules.partial_dual_usd * ((people.dual >= PARTIAL.start) & (people.dual < PARTIAL.stop))
    mean += rules.disabled_usd * ((people.reason != 0) & (age < 65))
    mean += rules.institutional_usd * people.institutional
    mean += _prices(age, before, now, conditions, rules.incident_share)
    for ones, others, usd in conditions.pairs:
        mean += (
            rules.price * usd * (before[list(ones)].any(axis=0) & before[list(others)].any(axis=0))
        )
    beyond = (before.sum(axis=0) - rules.count_from).clip(0)
    mean += rules.count_usd * beyond**rules.count_power
    return mean * people.multiplier * rules.trend**year


def _prices(
    age: NDArray[np.int16],
    before: NDArray[np.bool_],
    now: NDArray[np.bool_],
    conditions: Conditions,
    incident_share: float,
) -> NDArray[np.float64]:
    """Add up what conditions cost in members of that age."""
    decades = (75 - age) / 10
    total = np.zeros(len(age))
    for had, has, usd, younger in zip(before, now, conditions.usd, conditions.younger, strict=True):
        who = np.flatnonzero(had | has)
        share = np.where(had[who], 1.0, incident_share)
        total[who] += usd * share * (1 + younger * decades[who]).clip(0.5, 2.0)
    return total


def _draw(
    expected: NDArray[np.float64], rules: CostRules, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw whole cents with the expected dollars as their mean; nothing where they are 0."""
    n = len(expected)
    nothing = rules.zero * np.exp(-expected / rules.zero_usd)
    body = (1 - rules.tail_share) * expected / (1 - nothing) * _lognormal(rules.body_sigma, n, rng)
    body *= rng.standard_gamma(rules.body_shape, n) / rules.body_shape
    chance = (rules.tail_share * expected / rules.tail_usd).clip(1e-300, 1)
    tail = rules.tail_share * expected / chance * _lognormal(rules.tail_sigma, n, rng)
    paid = np.where(rng.random(n) < nothing, 0.0, body)
    paid += np.where(rng.random(n) < chance, tail, 0.0)
    return np.floor(100 * paid + rng.random(n)).astype(np.int64)


def _lognormal(sigma: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a lognormal with mean 1."""
    return np.exp(sigma * rng.standard_normal(n) - sigma**2 / 2)
