"""Random members for tests: ordinary and adversarial ones, from a seed."""

import random
from dataclasses import replace

import pyarrow as pa

from riskadj.features.profiles import profiles_of
from riskadj.features.rulebook import Rulebook
from riskadj.model import RiskModel
from riskadj.tables import (
    DUAL,
    ESRD,
    ESRD_STAGES,
    MONTHS_SINCE_TRANSPLANT,
    EsrdStage,
    plain,
)
from tests.plain import Member

DUALS = (None, "00", "01", "02", "03", "04", "05", "06", "08", "09", "10", "99")
NOT_MAPPED = ("I10", "Z0000", "E11", "25000", "ZZZ", "")


def random_members(n: int, seed: int, model: RiskModel) -> list[Member]:
    rng = random.Random(seed)
    codes = sorted({row.code for row in model.code_map})
    conditional = sorted({r.code for r in model.code_map if r.sex or r.age_min or r.mce_age_min
                          or r.age_max < 120 or r.mce_age_max < 120})  # fmt: skip
    heads = {parent for parent, _ in model.hierarchy}
    outranking = [r.code for r in model.code_map if r.category in heads]
    people = [
        Member(
            age=rng.choice((rng.randint(0, 110), 64, 65, rng.randint(60, 70), rng.randint(0, 20))),
            sex=rng.choice("FM"), orec=rng.randint(0, 3), dual=rng.choice(DUALS),
            lti=rng.random() < 0.2, ne=rng.random() < 0.2, snp=rng.random() < 0.3,
            diagnoses=tuple(
                rng.choice(rng.choice((codes, codes, conditional, outranking, NOT_MAPPED)))
                for _ in range(rng.choice((0, 1, 2, 4, 8, 25)))
            ),
        )
        for _ in range(n)
    ]  # fmt: skip
    asked = profiles_of(model).axes
    return [with_status(m, model, asked, random.Random(seed * n + i))
            for i, m in enumerate(people)]  # fmt: skip


def with_status(m: Member, model: RiskModel, asked: tuple[str, ...], rng: random.Random) -> Member:
    """Give a member the ESRD status and low income that only some models ask for."""
    income = "low_income" in asked and rng.random() < 0.4
    if "esrd_stage" not in asked:
        return replace(m, low_income=income)
    kinds = [("dialysis", None), ("transplant", rng.randint(1, 3)), ("graft", rng.randint(4, 9)),
             ("graft", rng.randint(10, 90))]  # fmt: skip
    if all("dialysis" not in s.when and "months" not in s.when for s in model.segments):
        kinds += [("none", None)] * 8
    esrd, months = rng.choice(kinds)
    return replace(m, low_income=income, esrd=esrd, months=months)


def profile(m: Member, book: Rulebook) -> int:
    months = MONTHS_SINCE_TRANSPLANT.read(str(m.months)) if m.months else 0
    stage = EsrdStage(ESRD.read(m.esrd.upper()), months)
    return book.profiles.number({
        "age": m.age, "sex": "FM".index(m.sex), "orec": m.orec,
        "dual": DUAL.read(plain(m.dual)) if m.dual else 0,
        "long_term_institutional": m.lti, "new_enrollee": m.ne, "chronic_snp": m.snp,
        "esrd_stage": ESRD_STAGES.index(stage), "low_income": m.low_income,
    })  # fmt: skip


def tables(members: list[Member]) -> tuple[pa.Table, pa.Table]:
    """Return members and diagnoses as the canonical tables; ids are places in the list."""
    people = pa.table({
        "member_id": pa.array(range(len(members)), pa.int64()),
        "age": [m.age for m in members], "sex": [m.sex for m in members],
        "original_reason_entitlement_code": [m.orec for m in members],
        "dual_status_code": pa.array([m.dual for m in members], pa.string()),
        "long_term_institutional": [m.lti for m in members],
        "new_enrollee": [m.ne for m in members], "chronic_snp": [m.snp for m in members],
        "esrd_status": [m.esrd for m in members], "low_income": [m.low_income for m in members],
        "months_since_transplant": pa.array([m.months for m in members], pa.int16()),
    })  # fmt: skip
    pairs = [(i, code) for i, m in enumerate(members) for code in m.diagnoses]
    return people, pa.table({
        "member_id": pa.array([i for i, _ in pairs], pa.int64()),
        "diagnosis_code": pa.array([c for _, c in pairs], pa.string()),
    })  # fmt: skip
