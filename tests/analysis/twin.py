"""Slow, plain twins of the two analyses: one member, sets and dicts, on ``tests.plain``."""

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from riskadj.catalog import resolve_model
from riskadj.model import CodeRow, RiskModel
from tests.plain import Member, facts_of, half_up, true

PARTS = ("mapping", "hierarchy", "coefficients", "demographics", "interactions_and_counts",
         "divisor")  # fmt: skip


@dataclass(frozen=True)
class Told:
    """One model's score of one member, told apart; thousandths."""

    segment: str
    parts: dict[str, int]
    unshared: dict[str, int]
    shared: dict[str, int]
    dropped: dict[str, int]
    live: dict[str, int]

    @property
    def score(self) -> int:
        return sum(self.parts.values())


@cache
def rows_by_code(key: str) -> dict[str, list[CodeRow]]:
    found = defaultdict(list)
    for row in resolve_model(key).code_map:
        found[row.code].append(row)
    return dict(found)


def meant(member: Member, age: int | bool, key: str, among: str) -> set[str]:
    """The categories of a model by those of the member's codes that another model maps."""
    codes = {c.replace(".", "").strip().upper() for c in member.diagnoses}
    return {
        row.category for code in codes & rows_by_code(among).keys()
        for row in rows_by_code(key).get(code, ())
        if max(row.age_min, row.mce_age_min) <= age <= min(row.age_max, row.mce_age_max)
        and row.sex in ("", member.sex)
    }  # fmt: skip


def tell(member: Member, model: RiskModel, other: RiskModel) -> Told:
    facts = facts_of(member, model)
    segment = next(s for s in model.segments if true(s.when, facts))
    worth = {v: n for (s, v), n in model.coefficients.items() if s == segment.key}
    before = meant(member, facts["age"], model.key, model.key)
    for rule in model.rules:
        if rule.kind == "drop" or not before & set(rule.sources):
            before.discard(rule.target)
    after = set(before)
    for parent, child in model.hierarchy:
        if parent in after:
            after.discard(child)
    shared = before & meant(member, facts["age"], model.key, other.key)
    cells = {
        c.variable for c in model.cells
        if segment.key in c.segments
        and c.age_min <= facts["age"] <= c.age_max and c.sex in ("", member.sex)
        and true(c.when, facts)
    }  # fmt: skip
    priced = {k: {c: worth.get(c, 0) for c in these} for k, these in (
        ("unshared", before - shared), ("shared", shared), ("dropped", before - after),
        ("live", after))}  # fmt: skip
    sums = {k: sum(v.values()) for k, v in priced.items()}
    base, later = sum(worth.get(c, 0) for c in cells), _later(after, facts, model, worth)
    total = base + sums["live"] + later
    parts = dict(zip(PARTS, (
        sums["unshared"], -sums["dropped"], sums["shared"], base, later,
        _divided(total, segment.key, model) - total), strict=True))  # fmt: skip
    return Told(segment.key, parts, **priced)


def _later(
    present: set[str], facts: dict[str, int | bool], model: RiskModel, worth: dict[str, int]
) -> int:
    known = present | {g for g, of in model.groups.items() if present & set(of)}
    known |= {f.name for f in model.flags if facts[f.name]}
    names = [t.name for t in model.terms if set(t.parts) <= known]
    n = len(present)
    names += [c.name for c in model.counts if n and c.least <= n <= (c.most or n)]
    return sum(worth.get(name, 0) for name in names)


def _divided(total: int, segment: str, model: RiskModel) -> int:
    for divisor in model.divisors:
        if divisor.segment == segment:
            return int(half_up(Fraction(total, divisor.thousandths)) * 1000)
    return total
