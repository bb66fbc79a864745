"""Random members for tests: ordinary and adversarial ones, from a seed."""

import random

import pyarrow as pa

from riskadj.model import RiskModel
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
    return [
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


def tables(members: list[Member]) -> tuple[pa.Table, pa.Table]:
    """Return members and diagnoses as the canonical tables; ids are places in the list."""
    people = pa.table({
        "member_id": pa.array(range(len(members)), pa.int64()),
        "age": [m.age for m in members], "sex": [m.sex for m in members],
        "original_reason_entitlement_code": [m.orec for m in members],
        "dual_status_code": pa.array([m.dual for m in members], pa.string()),
        "long_term_institutional": [m.lti for m in members],
        "new_enrollee": [m.ne for m in members], "chronic_snp": [m.snp for m in members],
    })  # fmt: skip
    pairs = [(i, code) for i, m in enumerate(members) for code in m.diagnoses]
    return people, pa.table({
        "member_id": pa.array([i for i, _ in pairs], pa.int64()),
        "diagnosis_code": pa.array([c for _, c in pairs], pa.string()),
    })  # fmt: skip
