"""Invented members: who they are, when they join and die, and their status in a year.

Months are whole numbers from January of the first year (0); a year y has months 12 y to 12 y + 11.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.model import AGE_LIMIT
from riskadj.sources.preset import Kind, PeopleRules, Preset

YEARS = 3
ALWAYS, NEVER = -9999, 9999
"""Months of joining and of death that lie outside every year."""
DUAL_CODES = ("00", "01", "03", "05", "06", "02", "04", "08")
PARTIAL, FULL = slice(1, 5), slice(5, 8)
CODE_WEIGHTS = np.array([1.0, 0.4, 0.3, 0.2, 0.1, 0.78, 0.06, 0.16])
"""Which codes the partial and the full duals have, relative to each other."""


@dataclass(frozen=True, slots=True)
class People:
    """Members of a chunk; every array has shape (n,).

    Attributes
    ----------
    numbers
        From 1; the member's id is made of it.
    birth, join
        Months; ``join`` is ALWAYS for who was there before.
    reason
        Original reason for entitlement: 0 age, 1 disability, 2 ESRD, 3 both.
    dual
        Index into ``DUAL_CODES``.
    race, svi, state
        Index into the preset's races; decile 1-10; index into the preset's states.
    frailty
        Drives conditions; mean 1.
    multiplier
        Of the mean cost, unobserved; mean 1.
    """

    numbers: NDArray[np.int64]
    birth: NDArray[np.int32]
    join: NDArray[np.int32]
    male: NDArray[np.bool_]
    reason: NDArray[np.int8]
    dual: NDArray[np.int8]
    institutional: NDArray[np.bool_]
    chronic_snp: NDArray[np.bool_]
    race: NDArray[np.int8]
    svi: NDArray[np.int8]
    state: NDArray[np.int8]
    frailty: NDArray[np.float32]
    multiplier: NDArray[np.float64]

    @property
    def ids(self) -> pa.Array:
        """Member ids as text."""
        return pa.array([f"M{number:07d}" for number in self.numbers.tolist()])

    def age(self, year: int) -> NDArray[np.int16]:
        """Return whole years on 1 February of year 0, 1 or 2."""
        return ((12 * year + 1 - self.birth) // 12).clip(0, AGE_LIMIT - 1).astype(np.int16)

    def new_enrollee(self, year: int) -> NDArray[np.bool_]:
        """Return who lacks 12 months in the year before."""
        return self.join > 12 * (year - 1)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Months of one year; arrays of shape (n,).

    Attributes
    ----------
    start, months
        First month in the plan, and how many (0: not a member in the year).
    dies
        Whether the last of them is the month of death.
    """

    start: NDArray[np.int32]
    months: NDArray[np.int32]
    dies: NDArray[np.bool_]


def draw_people(preset: Preset, first: int, n: int, rng: np.random.Generator) -> People:
    """Draw members numbered from ``first``."""
    rules = preset.people
    birth, join, disabled = _kinds(rules.kind, n, rng)
    race = choose(rules.race, n, rng)
    power = np.array([rules.svi_power[name] for name in rules.race])[race]
    svi = (1 + np.floor(10 * rng.random(n) ** power)).clip(1, 10).astype(np.int8)
    age = (1 - birth) / 12
    institutional = rules.institutional * np.exp(
        rules.institutional_per_decade * ((age - 75) / 10).clip(-3, 2)
    )
    frailty = rng.standard_gamma(preset.illness.frailty_shape, n) / preset.illness.frailty_shape
    own = rng.standard_gamma(preset.cost.frailty_shape, n) / preset.cost.frailty_shape
    known = preset.cost.frailty_known
    return People(
        numbers=np.arange(first, first + n), birth=birth, join=join,
        male=rng.random(n) < rules.male,
        reason=_reason(rules, disabled, birth, rng), dual=_dual(rules, svi, disabled, rng),
        institutional=rng.random(n) < institutional, chronic_snp=rng.random(n) < rules.chronic_snp,
        race=race, svi=svi, state=choose(rules.state, n, rng),
        frailty=frailty.astype(np.float32), multiplier=(1 - known) * own + known * frailty,
    )  # fmt: skip


def draw_deaths(
    people: People,
    conditions: NDArray[np.int16],
    rules: PeopleRules,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """Draw the month of death, NEVER for who survives all years.

    Parameters
    ----------
    conditions
        How many each member has, shape (YEARS, n).
    """
    death = np.full(len(people.birth), NEVER, np.int32)
    for year in range(YEARS):
        decades = ((people.age(year) - 75) / 10).clip(-4, 2.5)
        log = rules.death_per_decade * decades + rules.death_per_condition * conditions[year]
        dies = rng.random(len(death)) < (rules.death * np.exp(log)).clip(0, 0.6)
        month = 12 * year + rng.integers(0, 12, len(death), dtype=np.int32)
        death = np.where(dies & (death == NEVER) & (month >= people.join), month, death)
    return death


def exposure(people: People, death: NDArray[np.int32], year: int) -> Exposure:
    """Return the months of a year in which members are there and alive."""
    start = np.maximum(people.join, 12 * year)
    end = np.minimum(death + 1, 12 * (year + 1))
    months = (end - start).clip(0, 12)
    return Exposure(start, months, (death // 12 == year) & (months > 0))


def members_table(people: People, preset: Preset, year: int, who: NDArray[np.intp]) -> pa.Table:
    """Return the canonical members table of some members, as of 1 February of the year."""
    rules = preset.people
    columns = {
        "member_id": people.ids.take(pa.array(who)), "age": people.age(year)[who],
        "sex": np.where(people.male[who], "M", "F"),
        "original_reason_entitlement_code": people.reason[who],
        "dual_status_code": np.array(DUAL_CODES)[people.dual[who]],
        "long_term_institutional": people.institutional[who],
        "new_enrollee": people.new_enrollee(year)[who],
        "chronic_snp": people.chronic_snp[who],
        "race_ethnicity": np.array(list(rules.race))[people.race[who]],
        "svi_decile": people.svi[who],
        "state": np.array(list(rules.state))[people.state[who]],
    }  # fmt: skip
    return pa.table(columns)


def choose(shares: Mapping[str, float], n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw indexes into a table of shares, which need not add up to one."""
    return _pick(np.array(list(shares.values())), n, rng)


def _pick(weights: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    edges = np.cumsum(weights) / weights.sum()
    return np.searchsorted(edges[:-1], rng.random(n), side="right").astype(np.int8)


def _kinds(
    kinds: tuple[Kind, ...], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """Return months of birth and joining, and who is entitled by disability."""
    kind = _pick(np.array([k.share for k in kinds]), n, rng)
    joins = rng.integers(1 - 12, 12 * YEARS, n, dtype=np.int32)
    birth, join = np.zeros(n, np.int32), np.full(n, ALWAYS, np.int32)
    for number, rules in enumerate(kinds):
        who = np.flatnonzero(kind == number)
        if rules.joins:
            join[who] = joins[who]
        from_month = joins[who] if rules.joins else np.ones(len(who), np.int32)
        birth[who] = from_month - _age_months(rules, len(who), rng)
    return birth, join, np.array([k.disabled for k in kinds])[kind]


def _age_months(kind: Kind, n: int, rng: np.random.Generator) -> NDArray[np.int32]:
    if not kind.ages:
        return np.full(n, 65 * 12, np.int32)
    low, below, share = np.array(kind.ages).T
    band = _pick(share, n, rng)
    years = low[band] + rng.random(n) * (below - low)[band]
    months: NDArray[np.int32] = (12 * years).astype(np.int32)
    return months


def _reason(
    rules: PeopleRules,
    disabled: NDArray[np.bool_],
    birth: NDArray[np.int32],
    rng: np.random.Generator,
) -> NDArray[np.int8]:
    """Some of the aged were entitled by disability before; some of the disabled by ESRD."""
    before = (rng.random(len(disabled)) < rules.originally_disabled) & (birth < -12 * 65)
    by_esrd = disabled & (rng.random(len(disabled)) < rules.esrd_reason)
    esrd = np.where(rng.random(len(disabled)) < 0.5, 2, 3)
    return np.where(by_esrd, esrd, np.where(disabled | before, 1, 0)).astype(np.int8)


def _dual(
    rules: PeopleRules,
    svi: NDArray[np.int8],
    disabled: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int8]:
    """Draw codes: full, partial or no Medicaid, likelier in a vulnerable area."""
    odds = np.exp(rules.dual_per_decile * (svi - 5.0) + rules.dual_if_disabled * disabled)
    full, partial = rules.dual_full * odds, rules.dual_partial * odds
    share = rng.random(len(svi)) * np.maximum(1, 1.2 * (full + partial))
    code = np.zeros(len(svi), np.int8)
    for who, codes in ((share < full, FULL), ((share >= full) & (share < full + partial), PARTIAL)):
        drawn = _pick(CODE_WEIGHTS[codes], len(svi), rng) + np.int8(codes.start)
        code = np.where(who, drawn, code)
    return code
