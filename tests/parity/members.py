"""Seeded random members: a realistic mix, and the corners where scorers part ways."""

from random import Random
from typing import NamedTuple

from riskadj.catalog import list_models, resolve_model
from riskadj.features.profiles import profiles_of
from riskadj.model import AGE_LIMIT, RiskModel

DUALS = ("", "00", "01", "02", "03", "04", "05", "06", "08", "09", "10", "99")
CORNER_AGES = (0, 1, 2, 5, 6, 8, 9, 14, 15, 17, 18, 19, 49, 50, 63, 64, 65, 66, 69, 95, 110)
RARE = ("J4481", "J4489", "C50A0", "C50A1", "C50A2", "D66")
UNMAPPED = ("Z0000", "I10", "E1199X", "A00", "QQQ", "R05")
TRAPS = (
    ("HCC62", "HCC63", "HCC202"), ("HCC62", "HCC202"), ("HCC223", "HCC227"), ("HCC223",),
    ("HCC191", "HCC180"), ("HCC222", "HCC226"), ("HCC188", "HCC158"), ("HCC114", "HCC157"),
    ("HCC134", "HCC138"), ("HCC136", "HCC85"), ("RXHCC82", "RXHCC84", "RXHCC317"),
    ("RXHCC82", "RXHCC317"), ("RXHCC84", "RXHCC317"),
)  # fmt: skip
"""Categories that must be seen together; drawn for the models that have them."""


class Member(NamedTuple):
    """What every scorer is asked about; ``spelled`` is ``codes`` with dots and lower case."""

    age: int
    sex: str
    orec: int
    dual: str
    lti: bool
    new_enrollee: bool
    chronic_snp: bool
    codes: tuple[str, ...]
    spelled: tuple[str, ...]
    esrd: str = "none"
    months: int = 0
    low_income: bool = False


class Codes(NamedTuple):
    """A model's codes in the heaps that members draw from."""

    by_category: dict[str, list[str]]
    mandatory: list[str]
    mce: list[str]
    double: list[str]
    families: list[list[str]]
    traps: list[tuple[str, ...]]
    rare: list[str]
    strange: list[str]


def heaps(model: RiskModel) -> Codes:
    """Sort a model's codes: by category, condition, number of categories, hierarchy family."""
    by_category: dict[str, list[str]] = {c: [] for c in model.categories}
    of_code: dict[str, set[str]] = {}
    mandatory, mce = set(), set()
    for row in model.code_map:
        by_category[row.category].append(row.code)
        of_code.setdefault(row.code, set()).add(row.category)
        if row[2:5] != (0, AGE_LIMIT, ""):
            mandatory.add(row.code)
        if row[5:7] != (0, AGE_LIMIT):
            mce.add(row.code)
    known = {c: codes for c, codes in by_category.items() if codes}
    families = [[p, *(c for q, c in model.hierarchy if q == p)] for p, _ in model.hierarchy]
    families = [[c for c in f if c in known] for f in (*families, *model.groups.values())]
    return Codes(
        by_category=known, mandatory=sorted(mandatory), mce=sorted(mce),
        double=sorted(c for c, k in of_code.items() if len(k) > 1),
        families=[f for f in families if f], traps=[t for t in TRAPS if known.keys() >= set(t)],
        rare=[c for c in RARE if c in of_code],
        strange=[*UNMAPPED, *sorted(_codes_of_other_years(model.key) - of_code.keys())],
    )  # fmt: skip


def _codes_of_other_years(key: str) -> set[str]:
    family = key.rpartition("/")[0]
    keys = [e.key for e in list_models() if e.key.rpartition("/")[0] == family]
    return {row.code for other in keys for row in resolve_model(other).code_map}


def draw_members(model: RiskModel, number: int, seed: str) -> list[Member]:
    """Draw members; the same model, number and seed always give the same ones."""
    rng, codes = Random(f"{model.key} {seed}"), heaps(model)
    asked = profiles_of(model).axes
    return [_with_status(_member(rng, codes), rng, asked) for _ in range(number)]


def _with_status(member: Member, rng: Random, asked: tuple[str, ...]) -> Member:
    """Give a member the ESRD status and low income that some models ask for."""
    if "low_income" in asked:
        member = member._replace(low_income=rng.random() < 0.4)
    if "esrd_stage" not in asked:
        return member
    esrd = rng.choice(("dialysis", "dialysis", "transplant", "graft", "graft", "graft"))
    months = {"dialysis": (0, 0), "transplant": (1, 3), "graft": (4, rng.choice((9, 60)))}[esrd]
    if "low_income" in asked and rng.random() < 0.6:  # Part D pays everyone, not ESRD alone
        return member
    return member._replace(esrd=esrd, months=rng.randint(*months))


def _member(rng: Random, heap: Codes) -> Member:
    together = rng.choice(heap.traps) if rng.random() < 0.08 else ()
    codes = tuple(rng.choice(heap.by_category[c]) for c in together)
    codes += tuple(_code(rng, heap) for _ in range(_how_many(rng)))
    status = rng.random()
    return Member(
        age=_age(rng), sex=rng.choice("FM"), orec=rng.choice((0, 0, 0, 1, 1, 2, 3)),
        dual=rng.choice(DUALS), lti=status < 0.17, new_enrollee=0.15 < status < 0.28,
        chronic_snp=rng.random() < 0.35, codes=codes,
        spelled=tuple(_spelled(rng, c) for c in codes),
    )  # fmt: skip


def _how_many(rng: Random) -> int:
    least, most = rng.choices(((0, 0), (1, 4), (5, 12), (13, 25)), (6, 34, 30, 30))[0]
    return rng.randint(least, most)


def _age(rng: Random) -> int:
    kind = rng.random()
    if kind < 0.06:
        return 64
    if kind < 0.2:
        return rng.choice(CORNER_AGES)
    return rng.randint(0, 64) if kind < 0.45 else rng.randint(65, 110 if kind > 0.9 else 94)


def _code(rng: Random, heap: Codes) -> str:
    kind = rng.random()
    if kind < 0.02:
        return rng.choice(heap.rare)
    if kind < 0.06:
        return rng.choice(heap.mandatory or heap.mce)
    if kind < 0.12:
        return rng.choice(heap.mce)
    if kind < 0.17:
        return rng.choice(heap.double)
    if kind < 0.21:
        return rng.choice(heap.strange)
    if kind < 0.55:
        return rng.choice(heap.by_category[rng.choice(rng.choice(heap.families))])
    return rng.choice(heap.by_category[rng.choice(list(heap.by_category))])


def _spelled(rng: Random, code: str) -> str:
    dotted = f"{code[:3]}.{code[3:]}" if len(code) > 3 and rng.random() < 0.3 else code
    return dotted.lower() if rng.random() < 0.2 else dotted
