"""Profiles: all that a model knows of a member besides the diagnoses, as one integer.

A model's rules ask for few facts, each with few values (age in years, sex, dual class, ...), so
every rule about them is evaluated once per combination, a profile, and never per member. Each
model has the axes that its own rules ask for; several models are scored over the axes of all.
"""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import ModelFolderError
from riskadj.model import AGE_LIMIT, FACTS, RiskModel, guard_atoms
from riskadj.tables import ESRD_STAGES, FULL_DUAL, NOT_DUAL, PARTIAL_DUAL

AXES = {
    "age": AGE_LIMIT + 1, "sex": 2, "orec": 4, "dual": 3, "long_term_institutional": 2,
    "new_enrollee": 2, "chronic_snp": 2, "esrd_stage": len(ESRD_STAGES), "low_income": 2,
}  # fmt: skip
"""Every axis that a profile may have, in order, and how many values it takes."""
AXIS_OF = {
    "full_dual": "dual", "partial_dual": "dual", "medicaid": "dual", "esrd": "esrd_stage",
    "dialysis": "esrd_stage", "months_since_transplant": "esrd_stage",
}  # fmt: skip
"""The axis behind a fact whose name is not its axis'."""

_COMPARE = {"=": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le,
            "<": operator.lt, ">": operator.gt}  # fmt: skip

Facts = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Profiles:
    """Numbers of the combinations of some axes, the last axis running fastest."""

    axes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis takes."""
        return tuple(AXES[a] for a in self.axes)

    @property
    def size(self) -> int:
        """How many profiles there are."""
        return int(np.prod(self.shape))

    @property
    def strides(self) -> tuple[int, ...]:
        """How far apart in a profile's number two neighbouring values of each axis stand."""
        return tuple(int(np.prod(self.shape[i + 1 :])) for i in range(len(self.axes)))

    def number(self, values: Mapping[str, int]) -> int:
        """Return one member's profile; values of other axes are not looked at.

        >>> Profiles(("age", "sex")).number({"age": 70, "sex": 1, "orec": 0})
        141
        """
        profile = 0
        for axis in self.axes:
            profile = profile * AXES[axis] + values[axis]
        return profile

    def values(self, profile: NDArray[Any] | None = None) -> dict[str, NDArray[np.int64]]:
        """Return each axis' value of some profiles, or of all in order."""
        profile = np.arange(self.size) if profile is None else profile
        return dict(zip(self.axes, np.unravel_index(profile, self.shape), strict=True))

    def as_seen_by(self, narrower: "Profiles") -> NDArray[np.int32]:
        """Return the profile that another set of axes, all among ours, makes of each of ours."""
        values = self.values()
        seen = np.ravel_multi_index([values[a] for a in narrower.axes], narrower.shape)
        return seen.astype(np.int32)


def profiles_of(model: RiskModel) -> Profiles:
    """Return the axes that a model's rules ask for."""
    guards = [*(s.when for s in model.segments), *(f.when for f in model.flags),
              *(c.when for c in model.cells)]  # fmt: skip
    entitlement = ["orec"] if model.facts.age_64_rule == "all_cells" else []
    return Profiles(_in_order([*axes_asked(guards), "age", "sex", *entitlement]))


def axes_asked(guards: Iterable[str]) -> set[str]:
    """Return the axes behind the facts of some guards (flags are not facts)."""
    names = {name for when in guards for _, name, _, _ in guard_atoms(when)}
    return {AXIS_OF.get(n, n) for n in names} & AXES.keys()


def union_of(profiles: Iterable[Profiles], guards: Iterable[str] = ()) -> Profiles:
    """Return the axes that any of some models, or guards, ask for."""
    return Profiles(_in_order({a for p in profiles for a in p.axes} | axes_asked(guards)))


def _in_order(axes: Iterable[str]) -> tuple[str, ...]:
    asked = set(axes)
    return tuple(a for a in AXES if a in asked)


def status_facts(profiles: Profiles) -> dict[str, NDArray[Any]]:
    """Return every fact that the axes tell, each of shape (size,)."""
    values = profiles.values()
    facts: dict[str, NDArray[Any]] = {"age": values["age"].astype(np.int16)}
    facts["male"] = values["sex"] == 1
    if "orec" in values:
        facts["orec"] = values["orec"].astype(np.int8)
    if "dual" in values:
        facts["full_dual"] = values["dual"] == FULL_DUAL
        facts["partial_dual"] = values["dual"] == PARTIAL_DUAL
        facts["medicaid"] = values["dual"] != NOT_DUAL
    if "esrd_stage" in values:
        months = np.array([stage.months for stage in ESRD_STAGES], dtype=np.int8)
        facts["esrd"] = values["esrd_stage"] > 0
        facts["dialysis"] = values["esrd_stage"] == 1
        facts["months_since_transplant"] = months[values["esrd_stage"]]
    yes_no = ("long_term_institutional", "new_enrollee", "chronic_snp", "low_income")
    return facts | {name: values[name] == 1 for name in yes_no if name in values}


def facts_of(model: RiskModel, profiles: Profiles) -> dict[str, NDArray[Any]]:
    """Return every fact and flag that a model's rules may ask for, each of shape (size,).

    ``age`` follows the model's age-64 rule: under ``all_cells`` a member of 64 who is entitled by
    age (OREC 0) counts as 65 everywhere (V2419P1M, step 3.4).
    """
    facts = status_facts(profiles)
    if model.facts.age_64_rule == "all_cells":
        turning = (facts["age"] == 64) & (facts["orec"] == 0)
        facts["age"] = np.where(turning, 65, facts["age"]).astype(np.int16)
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
    result = np.ones(len(facts["age"]), dtype=np.bool_)
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
