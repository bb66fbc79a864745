"""A seeded population to try things on: invented members with realistic ages, status and codes.

Nobody in it exists. Conditions cluster in the same people and grow with age, as they do in life;
the shares are plausible, not measured on any population.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskadj.model import RiskModel

DISABLED_SHARE = 0.13
UNMAPPED = (
    "I10", "E785", "Z0000", "M545", "R0602", "K219", "E559", "Z7901", "H2513", "J069",
    "N390", "R5383", "M1711", "G4733", "F419", "E039", "I2510", "Z8673", "L570", "H9190",
)  # fmt: skip
"""Everyday codes that no CMS-HCC model pays for."""
COMMON = {
    "E1122": 6, "E119": 9, "E1165": 5, "I5022": 3, "I509": 4, "I4891": 6, "J449": 6, "N1831": 4,
    "N1832": 3, "N184": 1, "F331": 4, "C61": 2, "C50911": 2, "I739": 3, "E6601": 4, "M0579": 2,
    "G20A1": 1, "G309": 2, "F0390": 2, "I639": 2, "K7460": 1, "D696": 1, "G40909": 1, "F209": 1,
    "I214": 1, "J9611": 1, "L97519": 1, "Z89511": 1, "B20": 1, "C3490": 1,
}  # fmt: skip
"""Chronic conditions by how common they are, relative to each other."""


@dataclass(frozen=True, slots=True)
class Population:
    """Invented members and their diagnoses, as the canonical tables."""

    members: pa.Table
    diagnoses: pa.Table


def synthetic_population(n_members: int, seed: int, model: RiskModel) -> Population:
    """Invent a population; the same arguments give the same tables.

    Parameters
    ----------
    n_members
        How many members.
    seed
        Of the random generator.
    model
        Whose codes the rarer diagnoses are drawn from, and whose payment year it is.
    """
    rng = np.random.default_rng(seed)
    disabled = rng.random(n_members) < DISABLED_SHARE
    age = np.where(disabled, rng.triangular(22, 58, 65, n_members),
                   65 + rng.gamma(2.4, 4.4, n_members)).astype(np.int16).clip(0, 104)  # fmt: skip
    ids = pa.array([f"M{i:07d}" for i in range(1, n_members + 1)])
    members = pa.table({
        "member_id": ids, "age": age, "sex": _choice(rng, n_members, {"F": 0.55, "M": 0.45}),
        "original_reason_entitlement_code": np.where(
            disabled, 1, rng.choice([0, 1], n_members, p=[0.91, 0.09])).astype(np.int8),
        "dual_status_code": np.where(
            disabled, _choice(rng, n_members, {"02": 0.4, "01": 0.08, "00": 0.52}),
            _choice(rng, n_members, {"02": 0.09, "08": 0.03, "03": 0.05, "00": 0.83})),
        "long_term_institutional": rng.random(n_members) < np.where(age > 84, 0.08, 0.005),
        "new_enrollee": rng.random(n_members) < np.where(age == 65, 0.8, 0.02),
        "chronic_snp": rng.random(n_members) < 0.04,
    })  # fmt: skip
    who, codes = _diagnoses(rng, age, disabled, model)
    year = model.facts.payment_year - 1
    days = np.datetime64(f"{year}-01-01") + rng.integers(0, 365, len(who))
    return Population(members, pa.table({
        "member_id": ids.take(pa.array(who)), "diagnosis_code": codes, "thru_date": days,
    }))  # fmt: skip


def _diagnoses(
    rng: np.random.Generator, age: NDArray[np.int16], disabled: NDArray[np.bool_], model: RiskModel
) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Draw each member's codes: a frailty of one's own makes them cluster."""
    frailty = rng.gamma(0.7, 1 / 0.7, len(age))
    burden = frailty * (0.5 + np.clip(age - 60, 0, 40) / 18 + 1.2 * disabled)
    chronic = rng.poisson(burden)
    pools = (
        (chronic, COMMON),
        (rng.poisson(burden * 0.15), dict.fromkeys(sorted({r.code for r in model.code_map}), 1)),
        (rng.poisson(2.0 + burden), dict.fromkeys(UNMAPPED, 1)),
    )
    who, codes = [], []
    for number, pool in pools:
        owners = np.repeat(np.arange(len(age)), number)
        drawn = _choice(rng, len(owners), pool)
        again = rng.integers(1, 4, len(owners))
        who.append(np.repeat(owners, again))
        codes.append(np.repeat(drawn, again))
    return np.concatenate(who), np.concatenate(codes)


def _choice(rng: np.random.Generator, n: int, shares: Mapping[str, float]) -> NDArray[np.str_]:
    weight = np.array(list(shares.values()), dtype=np.float64)
    return rng.choice(np.array(list(shares)), n, p=weight / weight.sum())
