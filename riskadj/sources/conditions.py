"""The conditions of an invented population: a preset's rates and a model's categories and codes."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskadj.model import AGE_LIMIT, CodeRow, RiskModel
from riskadj.sources.preset import Preset

ADULT = 18
UNMAPPED = (
    "I10", "E785", "Z0000", "M545", "R0602", "K219", "E559", "Z7901", "H2513", "J069",
    "N390", "R5383", "M1711", "G4733", "F419", "E039", "I2510", "Z8673", "L570", "H9190",
)  # fmt: skip
"""Everyday codes that no CMS-HCC model pays for."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a population, one a payment category of the model.

    Attributes
    ----------
    categories
        Their names, in the model's order; arrays below have shape (n_conditions,).
    rate, stays
        Chance of having it (women of 65), and of having it again.
    young, old, male, disabled
        Log changes of the rate: per decade of age below and above 65, for men, for the disabled.
    only
        The one sex that has it, F or M; empty for both.
    cluster
        Index of its cluster, of ``n_clusters``.
    usd, younger
        Price of next year, and its relative rise per decade of age below 75.
    outranks
        ``(higher, lower)``: the lower does not count beside the higher.
    pairs
        ``(conditions, conditions, dollars)`` of any of the one with any of the other.
    codes, code_start, code_count
        Diagnosis codes of condition c: ``codes[start[c] : start[c] + count[c]]``; everyday codes
        come last.
    """

    categories: tuple[str, ...]
    rate: NDArray[np.float64]
    stays: NDArray[np.float64]
    young: NDArray[np.float64]
    old: NDArray[np.float64]
    male: NDArray[np.float64]
    disabled: NDArray[np.float64]
    only: tuple[str, ...]
    cluster: NDArray[np.int64]
    n_clusters: int
    usd: NDArray[np.float64]
    younger: NDArray[np.float64]
    outranks: tuple[tuple[int, int], ...]
    pairs: tuple[tuple[tuple[int, ...], tuple[int, ...], float], ...]
    codes: tuple[str, ...]
    code_start: NDArray[np.int64]
    code_count: NDArray[np.int64]


def read_conditions(preset: Preset, model: RiskModel) -> Conditions:
    """Join the preset's conditions and a model's payment categories and codes."""
    codes, sexes = _codes(model)
    names = tuple(c for c in model.categories if codes.get(c))
    rows = [_row(preset, model, name, codes[name]) for name in names]
    clusters = sorted({row["cluster"] for row in rows})
    counts = np.array([len(row["codes"]) for row in rows])
    place = {name: i for i, name in enumerate(names)}

    def column(name: str, absent: float = 0.0) -> NDArray[np.float64]:
        return np.array([row.get(name, absent) for row in rows], dtype=np.float64)

    return Conditions(
        categories=names, rate=column("rate") * preset.illness.scale, stays=column("stays"),
        young=column("young"), old=column("old"), younger=column("younger"),
        usd=column("usd") * preset.cost.price, male=column("male"),
        only=tuple(sexes[name] for name in names),
        disabled=column("disabled", preset.illness.disabled),
        cluster=np.array([clusters.index(row["cluster"]) for row in rows]),
        n_clusters=len(clusters), pairs=_pairs(preset, rows),
        outranks=tuple((place[high], place[low]) for high, low in model.hierarchy
                       if high in place and low in place),
        codes=(*(code for row in rows for code in row["codes"]), *UNMAPPED),
        code_start=np.cumsum(counts) - counts, code_count=counts,
    )  # fmt: skip


def _codes(model: RiskModel) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return each category's codes, and the only sex that they are for, if there is one.

    A code serves when it means this category, and no other, at every age of an adult: a code map
    splits rows by age that end in the same category.
    """
    rows: dict[str, list[CodeRow]] = defaultdict(list)
    for row in model.code_map:
        if _adult_years(row) > 0:
            rows[row.code].append(row)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for code, of_code in rows.items():
        means = {sex: _meaning(of_code, sex) for sex in "FM"}
        both = means["F"] == means["M"]
        for sex, category in [("", means["F"])] if both else means.items():
            found[category, sex].append(code)
    sexes = {c: next((s for s in ("", "F", "M") if (c, s) in found), "") for c in model.categories}
    return {c: sorted(found[c, sex]) for c, sex in sexes.items() if (c, sex) in found}, sexes


def _meaning(rows: list[CodeRow], sex: str) -> str:
    """Return the one category of a code for adults of a sex; empty when there is not one."""
    own = [row for row in rows if row.sex in ("", sex)]
    whole = sum(map(_adult_years, own)) == AGE_LIMIT - ADULT + 1
    return own[0].category if whole and len({row.category for row in own}) == 1 else ""


def _adult_years(row: CodeRow) -> int:
    last = min(row.age_max, row.mce_age_max)
    return max(0, last - max(row.age_min, row.mce_age_min, ADULT) + 1)


def _row(preset: Preset, model: RiskModel, category: str, codes: list[str]) -> dict[str, Any]:
    """Return a category's line of ``conditions.toml``, completed."""
    table = preset.conditions
    listed = next((row for row in table["condition"] if row["code"] in set(codes)), None)
    unlisted = table["unlisted"]
    spread = _digest(category, "rate")
    row = {"rate": unlisted["rate_from"] + spread * (unlisted["rate_to"] - unlisted["rate_from"]),
           "stays": unlisted["stays"], "cluster": unlisted["cluster"]} | (listed or {})  # fmt: skip
    first = [row["code"]] if listed else []
    row.setdefault("usd", _price(preset, model, category))
    return row | {"codes": first + [code for code in codes if code not in first]}


def _price(preset: Preset, model: RiskModel, category: str) -> float:
    """Price a category near what the model says, but not at it: 0.7 to 1.4 times."""
    points = [model.coefficients.get((s.key, category), 0) for s in model.segments]
    usual = median([p for p in points if p > 0] or [300]) / 1000
    return usual * preset.cost.per_point_usd * (0.7 + 0.7 * _digest(category, "price"))


def _digest(*words: str) -> float:
    """Return a number from 0 to 1 that depends on the words alone."""
    return int.from_bytes(hashlib.sha256(" ".join(words).encode()).digest()[:4]) / 2**32


def _pairs(
    preset: Preset, rows: list[dict[str, Any]]
) -> tuple[tuple[tuple[int, ...], tuple[int, ...], float], ...]:
    family: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        family[row.get("family", "")].append(number)
    pairs = ((*pair["families"], pair["usd"]) for pair in preset.conditions["pair"])
    return tuple(
        (tuple(family[a]), tuple(family[b]), usd) for a, b, usd in pairs if family[a] and family[b]
    )
