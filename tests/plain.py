"""The slow, plain twin: a model scored the way CMS's macros read, one member, no bits.

It shares nothing with the engine, the rulebook or the person path but the records of the model.
"""

from dataclasses import dataclass
from fractions import Fraction

from riskadj.model import RiskModel

FULL, PARTIAL = {"02", "04", "08"}, {"01", "03", "05", "06"}


@dataclass(frozen=True)
class Member:
    age: int
    sex: str
    orec: int
    dual: str | None = None
    lti: bool = False
    ne: bool = False
    snp: bool = False
    diagnoses: tuple[str, ...] = ()
    esrd: str = "none"
    months: int | None = None
    low_income: bool = False


def plain_score(member: Member, model: RiskModel) -> tuple[str, Fraction, list[str]]:
    """Return segment, raw score and live conditions."""
    facts = facts_of(member, model)
    segment = next(s for s in model.segments if true(s.when, facts))
    present = conditions(member, facts["age"], model)
    for rule in model.rules:
        if rule.kind == "drop" or not present & set(rule.sources):
            present.discard(rule.target)
    for parent, child in model.hierarchy:
        if parent in present:
            present.discard(child)
    variables = set(present)
    variables |= {g for g, members in model.groups.items() if present & set(members)}
    variables |= {f.name for f in model.flags if facts[f.name]}
    variables |= {t.name for t in model.terms if set(t.parts) <= variables}
    if present:
        variables |= {
            c.name for c in model.counts
            if c.least <= len(present) and (c.most is None or len(present) <= c.most)
        }  # fmt: skip
    cells = {
        c.variable for c in model.cells
        if segment.key in c.segments
        and c.age_min <= facts["age"] <= c.age_max and c.sex in ("", member.sex)
        and true(c.when, facts)
    }  # fmt: skip
    worth = (
        Fraction(model.coefficients.get((segment.key, v), 0), 1000)
        for v in (cells | variables if segment.uses_diagnoses else cells)
    )
    order = list(model.categories)
    score = sum(worth, Fraction(0))
    for divisor in model.divisors:
        if divisor.segment == segment.key:
            score = half_up(score / Fraction(divisor.thousandths, 1000))
    return segment.key, score, sorted(present, key=order.index)


def half_up(score: Fraction) -> Fraction:
    return Fraction((score * 1000 + Fraction(1, 2)).__floor__(), 1000)


def facts_of(member: Member, model: RiskModel) -> dict[str, int | bool]:
    age = member.age
    if model.facts.age_64_rule == "all_cells" and age == 64 and member.orec == 0:
        age = 65
    facts: dict[str, int | bool] = {
        "age": age, "orec": member.orec,
        "full_dual": member.dual in FULL, "partial_dual": member.dual in PARTIAL,
        "medicaid": member.dual in FULL | PARTIAL, "long_term_institutional": member.lti,
        "new_enrollee": member.ne, "chronic_snp": member.snp, "low_income": member.low_income,
        "esrd": member.esrd != "none", "dialysis": member.esrd == "dialysis",
        "months_since_transplant": member.months or 0,
    }  # fmt: skip
    for flag in model.flags:
        facts[flag.name] = true(flag.when, facts)
    return facts


def true(when: str, facts: dict[str, int | bool]) -> bool:
    return all(_atom(part.strip(), facts) for part in when.split("&") if part.strip())


def _atom(part: str, facts: dict[str, int | bool]) -> bool:
    for sign in (">=", "<=", "!=", "=", "<", ">"):
        name, found, value = part.partition(sign)
        if found:
            left, right = facts[name], int(value)
            return {">=": left >= right, "<=": left <= right, "!=": left != right,
                    "=": left == right, "<": left < right, ">": left > right}[sign]  # fmt: skip
    return not facts[part[1:]] if part.startswith("!") else bool(facts[part])


def conditions(member: Member, age: int | bool, model: RiskModel) -> set[str]:
    codes = {c.replace(".", "").strip().upper() for c in member.diagnoses}
    return {
        row.category for row in model.code_map
        if row.code in codes
        and row.age_min <= age <= row.age_max
        and row.mce_age_min <= age <= row.mce_age_max
        and row.sex in ("", member.sex)
    }  # fmt: skip
