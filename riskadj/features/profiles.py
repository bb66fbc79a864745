"""Profiles: all that a model knows of a member besides the diagnoses, as one integer.

Age in years, sex, original reason for entitlement, dual class and three yes/no facts have 23,232
combinations, so every rule about them is evaluated once per profile, never per member.
"""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import ModelFolderError
from riskadj.model import AGE_LIMIT, FACTS, RiskModel, guard_atoms
from riskadj.tables import FULL_DUAL, NOT_DUAL, PARTIAL_DUAL

AXES = (AGE_LIMIT + 1, 2, 4, 3, 2, 2, 2)
"""Age, sex (F, M), OREC (0-3), dual class, LTI, new enrollee, chronic SNP."""
N_PROFILES = int(np.prod(AXES))
SEXES = ("F", "M")

_COMPARE = {"=": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le,
            "<": operator.lt, ">": operator.gt}  # fmt: skip

Facts = Mapping[str, NDArray[Any]]


def profile_of(age: int, sex: int, orec: int, dual: int, lti: int, ne: int, snp: int) -> int:
    """Return the profile number of one member.

    >>> profile_of(0, 0, 0, 0, 0, 0, 1)
    1
    """
    return (((((age * 2 + sex) * 4 + orec) * 3 + dual) * 2 + lti) * 2 + ne) * 2 + snp


def facts_of(model: RiskModel) -> dict[str, NDArray[Any]]:
    """Return every fact and flag a rule may ask for, each of shape (N_PROFILES,).

    ``age`` follows the model's age-64 rule: under ``all_cells`` a member of 64 who is entitled by
    age (OREC 0) counts as 65 everywhere (V2419P1M, step 3.4).
    """
    age, sex, orec, dual, lti, ne, snp = np.unravel_index(np.arange(N_PROFILES), AXES)
    if model.facts.age_64_rule == "all_cells":
        age = np.where((age == 64) & (orec == 0), 65, age)
    facts: dict[str, NDArray[Any]] = {
        "age": age.astype(np.int16), "male": sex == 1, "orec": orec.astype(np.int8),
        "full_dual": dual == FULL_DUAL, "partial_dual": dual == PARTIAL_DUAL,
        "medicaid": dual != NOT_DUAL, "long_term_institutional": lti == 1,
        "new_enrollee": ne == 1, "chronic_snp": snp == 1,
    }  # fmt: skip
    for flag in model.flags:
        facts[flag.name] = holds(flag.when, facts)
    return facts


def holds(when: str, facts: Facts) -> NDArray[np.bool_]:
    """Say for which profiles a guard holds; an empty guard always does.

    Raises
    ------
    ModelFolderError
        The guard asks for a fact that is neither known nor a flag defined before it.
    """
    result = np.ones(N_PROFILES, dtype=np.bool_)
    for negated, name, comparison, value in guard_atoms(when):
        if name not in facts:
            raise ModelFolderError(f"guard {when!r}: no fact {name!r}; known: {', '.join(FACTS)}")
        fact = facts[name]
        truth = _COMPARE[comparison](fact, int(value)) if comparison else fact
        result &= ~truth if negated else truth
    return result


def in_range(facts: Facts, age_min: int, age_max: int, sex: str) -> NDArray[np.bool_]:
    """Say which profiles lie in the age bounds (inclusive) and, if given, are of this sex."""
    inside = (facts["age"] >= age_min) & (facts["age"] <= age_max)
    return inside & (facts["male"] == (sex == "M")) if sex else inside
