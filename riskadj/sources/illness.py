"""Invented illness: conditions that persist, cluster and get coded.

A member i has condition c in a year with chance ``1 - exp(-rate_c F_i H_ik a_c(age, sex))``:
the frailty F and the cluster factors H (heart, lung, mind, ...) are gamma with mean 1. Having it,
the member has it again the next year with the condition's own chance; the chance of a new case
keeps the share of the ill where it is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.sources.conditions import ADULT, UNMAPPED, Conditions
from riskadj.sources.people import Exposure, People
from riskadj.sources.preset import IllnessRules


@dataclass(frozen=True, slots=True)
class Coded:
    """Diagnoses of a year, in no order; arrays of shape (n_rows,).

    Attributes
    ----------
    member
        Index into the chunk's members.
    code
        Index into ``Conditions.codes``.
    day
        Days since 1970.
    """

    member: NDArray[np.int64]
    code: NDArray[np.int64]
    day: NDArray[np.int32]


def draw_illness(
    people: People,
    conditions: Conditions,
    rules: IllnessRules,
    years: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Draw who has what: shape (years, n_conditions, n), the first year in the steady state."""
    n, shape = len(people.birth), rules.cluster_shape
    has = np.empty((years, len(conditions.categories), n), np.bool_)
    factor = rng.standard_gamma(shape, (conditions.n_clusters, n), np.float32) / np.float32(shape)
    factor *= people.frailty
    traits = _traits(people)
    for c, only in enumerate(conditions.only):
        log = sum(np.float32(getattr(conditions, k)[c]) * trait for k, trait in traits.items())
        hazard = np.float32(conditions.rate[c]) * np.exp(log) * factor[conditions.cluster[c]]
        chance = (-np.expm1(-hazard)).clip(0, 0.98)
        if only:
            chance *= people.male == (only == "M")
        again = np.maximum(chance, np.float32(conditions.stays[c]))
        new = chance * (1 - again) / (1 - chance)
        has[0, c] = rng.random(n, np.float32) < chance
        for year in range(1, years):
            has[year, c] = rng.random(n, np.float32) < np.where(has[year - 1, c], again, new)
    return has


def _traits(people: People) -> dict[str, NDArray[np.float32]]:
    """Return what rates depend on, by the name of the column of log changes; shape (n,)."""
    age = people.age(1).astype(np.float32)
    return {
        "young": (age.clip(ADULT, 65) - 65) / 10,
        "old": (age.clip(65, 95) - 65) / 10,
        "male": people.male.astype(np.float32),
        "disabled": ((people.reason != 0) & (age < 65)).astype(np.float32),
    }


def keep_most_severe(
    has: NDArray[np.bool_], outranks: tuple[tuple[int, int], ...]
) -> NDArray[np.bool_]:
    """Drop each condition that a more severe one of the same member outranks.

    Parameters
    ----------
    has
        Shape (n_conditions, n).
    """
    kept = has.copy()
    for higher, lower in outranks:
        kept[lower] &= ~has[higher]
    return kept


def code_year(
    people: People,
    has: NDArray[np.bool_],
    conditions: Conditions,
    rules: IllnessRules,
    when: tuple[Exposure, int],
    rng: np.random.Generator,
) -> Coded:
    """Code what members have, 1 to 3 times each, and everyday complaints, while they are members.

    Members of the under-coded group lose a share of their conditions; they go uncoded all year.

    Parameters
    ----------
    has
        True conditions of the year, shape (n_conditions, n).
    when
        The year's exposure, and the day of 1 January of the first year, since 1970.
    """
    there, n = when[0].months > 0, len(people.birth)
    condition, member = np.divmod(np.flatnonzero(has & there), n)
    loses = people.svi[member] >= rules.undercoded_decile
    coded = ~loses | (rng.random(len(member)) >= rules.undercoded_share)
    condition, member = condition[coded], member[coded]
    times = 1 + rng.binomial(2, rules.more_codes, len(member))
    condition, member = np.repeat(condition, times), np.repeat(member, times)
    rank = (conditions.code_count[condition] * rng.random(len(member)) ** 2).astype(np.int64)
    everyday = rng.poisson(rules.everyday + rules.everyday_frailty * people.frailty) * there
    others = np.repeat(np.arange(n), everyday)
    plain = len(conditions.codes) - len(UNMAPPED) + rng.integers(0, len(UNMAPPED), len(others))
    who = np.concatenate([member, others])
    return Coded(
        member=who,
        code=np.concatenate([conditions.code_start[condition] + rank, plain]),
        day=_days(who, *when, rng),
    )


def _days(
    who: NDArray[np.int64], year: Exposure, origin: int, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Draw days of the members' months; ``origin`` is the day of month 0."""
    january = np.datetime64(origin, "D").astype("datetime64[M]")
    begin = (january + year.start).astype("datetime64[D]").astype(np.int64)
    end = (january + (year.start + year.months)).astype("datetime64[D]").astype(np.int64)
    drawn = begin[who] + (rng.random(len(who)) * (end - begin)[who]).astype(np.int64)
    day: NDArray[np.int32] = drawn.astype(np.int32)
    return day
