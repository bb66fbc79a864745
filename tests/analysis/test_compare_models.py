"""The parts of a change between two models add up, and a plain twin finds the same ones."""

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pyarrow as pa
import pytest

import riskadj
from riskadj.analysis.compare_models import Comparison, PaidBy, compare_models
from riskadj.analysis.rows import decimal
from riskadj.catalog import resolve_model
from riskadj.cited import Cited
from riskadj.errors import InputError, NotPublishedError, OptionError
from riskadj.scoring.plan import Options, Terms
from tests.analysis.twin import PARTS, Told, tell
from tests.people import random_members, tables
from tests.plain import Member

V24, V28 = "cms-hcc-v24/2025", "cms-hcc-v28/2025"
MA_2025 = {V24: "1.153", V28: "1.045"}
"""Normalization factors of models/payment/ma/2025.toml; coding adjustment 5.9 %."""
PAIRS = {
    (V24, V28): set(),
    ("cms-hcc-v28/2024", "cms-hcc-v28/2026"): {
        "coefficients",
        "demographics",
        "interactions_and_counts",
    },
    ("cms-hcc-v22/2020", "cms-hcc-v24/2020"): set(),
    ("esrd-v21/2026", "esrd-v24/2026"): set(),
    ("rxhcc-v08-t/2026", "rxhcc-v08-x/2026"): {"mapping"},
}
"""Pairs, and the parts that move none of the members: V28 kept its prices, RxHCC its codes."""


def population(a: str, b: str, n: int = 150, seed: int = 11) -> list[Member]:
    """Members half with codes of the one model, half with codes of the other."""
    return [m for key in (a, b) for m in random_members(n, seed, resolve_model(key))]


def told(members: list[Member], a: str, b: str) -> list[tuple[Told, Told]]:
    first, second = resolve_model(a), resolve_model(b)
    return [(tell(m, first, second), tell(m, second, first)) for m in members]


def plain(parts: dict) -> dict[str, tuple[int, int]]:
    return {name: tuple(part) for name, part in parts.items()}


def changes(pairs: list[tuple[Told, Told]], names: list[str]) -> dict[str, tuple[int, int]]:
    """Members moved and points of each part, from the twin."""
    found = {n: [b.parts[n] - a.parts[n] for a, b in pairs] for n in names}
    return {n: (sum(c != 0 for c in of), sum(of)) for n, of in found.items()}


def conditions_of(pairs: list[tuple[Told, Told]]) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Members and points by model, condition and part, from the twin."""
    members, points = Counter(), Counter()
    kinds = (
        ("mapping", "unshared", 1),
        ("hierarchy", "dropped", -1),
        ("coefficients", "shared", 1),
    )
    for pair in pairs:
        for side, one, sign in zip(("first", "second"), pair, (-1, 1), strict=True):
            for part, kind, way in kinds:
                for condition, worth in getattr(one, kind).items():
                    members[side, condition, part] += 1
                    points[side, condition, part] += sign * way * worth
    return {key: (n, points[key]) for key, n in members.items()}


def assert_adds_up(c: Comparison) -> None:
    assert c.change == sum(p.points for p in c.parts.values())
    for part in c.parts:
        assert c.parts[part].points == sum(s.parts[part].points for s in c.segments)
    for part in ("mapping", "hierarchy", "coefficients"):
        assert c.parts[part].points == sum(k.parts[part].points for k in c.conditions)
    assert sum(s.members for s in c.segments) == c.members
    assert c.mean(c.change) == c.mean(c.second_points) - c.mean(c.first_points)
    rows = [r for r in c.rows() if r.level == "total"]
    assert rows[0].points == sum(r.points for r in rows[1:]) == c.change


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=[" to ".join(p) for p in PAIRS])
def test_the_twin_finds_the_same_parts_segments_and_conditions(a: str, b: str) -> None:
    members = population(a, b)

    found = compare_models(a, b, *tables(members))

    pairs = told(members, a, b)
    assert_adds_up(found)
    assert found.members == len(members)
    assert {name for name, part in found.parts.items() if not part.members} == PAIRS[a, b]
    assert found.first_points == sum(one.score for one, _ in pairs)
    assert found.second_points == sum(two.score for _, two in pairs)
    names = [p for p in PARTS if p != "divisor" or "esrd" in a]
    assert plain(found.parts) == changes(pairs, names)
    by_segment = {}
    for pair in pairs:
        by_segment.setdefault((pair[0].segment, pair[1].segment), []).append(pair)
    assert {(s.first, s.second): (s.members, plain(s.parts)) for s in found.segments} == {
        key: (len(of), changes(of, names)) for key, of in by_segment.items()
    }
    assert {(c.model, c.condition, p): tuple(part) for c in found.conditions
            for p, part in c.parts.items() if part.members} == conditions_of(pairs)  # fmt: skip
    live = Counter((side, c) for pair in pairs
                   for side, one in zip(("first", "second"), pair, strict=True)
                   for c in one.live)  # fmt: skip
    assert {(c.model, c.condition): c.members for c in found.conditions if c.members} == live


@pytest.mark.parametrize("key", ["cms-hcc-v28/2026", "esrd-v24/2026"])
def test_a_model_with_itself_gives_zeros(key: str) -> None:
    found = compare_models(key, key, *tables(random_members(200, 3, resolve_model(key))))

    assert found.change == 0
    assert {tuple(p) for p in found.parts.values()} == {(0, 0)}
    assert all(s.first == s.second and s.points == 0 for s in found.segments)
    net = Counter()
    for c in found.conditions:
        net[c.condition] += c.points
    assert net
    assert not any(net.values())


def one_member(*codes: str, **changed) -> tuple[pa.Table, pa.Table]:
    return tables([Member(**{"age": 70, "sex": "F", "orec": 0, "diagnoses": codes, **changed})])


def test_one_member_by_hand() -> None:
    """V24: 386 + HCC18 302 + HCC108 288 + HCC85 331 + diabetes x CHF 121, HCC19 105 outranked.

    V28: 395 + HCC37 166 + HCC226 360 + diabetes x HF 112, HCC38 166 outranked; no row for I73.9.
    Payment 2025: 1428 / 1.153 -> 1239, x 0.941 -> 1166; 1033 / 1.045 -> 989, x 0.941 -> 931.
    """
    people = one_member("E11.21", "E11.9", "I73.9", "I50.9")

    found = compare_models(V24, V28, *people, PaidBy("ma", 2025))

    assert (found.first_points, found.second_points, found.change) == (1166, 931, -235)
    assert {name: part.points for name, part in found.parts.items()} == {
        "mapping": -288, "coefficients": 166 + 166 + 360 - 302 - 105 - 331, "hierarchy": 105 - 166,
        "demographics": 9, "interactions_and_counts": -9, "normalization": (931 - 1033) + 262,
    }  # fmt: skip
    assert {(c.model, c.condition): (c.members, c.points) for c in found.conditions} == {
        ("first", "HCC18"): (1, -302), ("first", "HCC19"): (0, 0), ("first", "HCC85"): (1, -331),
        ("first", "HCC108"): (1, -288), ("second", "HCC37"): (1, 166), ("second", "HCC38"): (0, 0),
        ("second", "HCC226"): (1, 360),
    }  # fmt: skip
    assert found.payment == ("ma/2025", "ma/2025")


def test_one_shared_code_makes_a_category_shared() -> None:
    """E11.51 means HCC18 and HCC108 in V24, and V28 maps it: I73.9 beside it takes nothing away."""
    alone = compare_models(V24, V28, *one_member("I73.9")).parts
    beside = compare_models(V24, V28, *one_member("I73.9", "E11.51")).parts

    assert (alone["mapping"].points, alone["coefficients"].points) == (-288, 0)
    assert (beside["mapping"].points, beside["coefficients"].points) == (0, 166 - 302 - 288)


def test_segments_that_differ_are_told_apart() -> None:
    """No published pair of one family differs in its segments; ESRD V21 and V24 do."""
    found = compare_models("esrd-v21/2026", "esrd-v24/2026",
                           *one_member(esrd="graft", months=12))  # fmt: skip

    assert [(s.name, s.members) for s in found.segments] == [("GC -> GNPA", 1)]


def chained(raw: int, factor: str) -> int:
    """MA's chain, in decimals: normalize, round, adjust for coding, round."""
    score = Decimal(raw) / 1000
    for factored in (lambda s: s / Decimal(factor), lambda s: s * Decimal("0.941")):
        score = factored(score).quantize(Decimal("0.001"), ROUND_HALF_UP)
    return int(score * 1000)


def test_normalization_is_the_chain_of_each_component() -> None:
    members = population(V24, V28, 80)

    found = compare_models(V24, V28, *tables(members), PaidBy("ma", 2025))

    pairs = told(members, V24, V28)
    assert_adds_up(found)
    assert found.first_points == sum(chained(a.score, MA_2025[V24]) for a, _ in pairs)
    assert found.second_points == sum(chained(b.score, MA_2025[V28]) for _, b in pairs)
    assert changes(pairs, list(PARTS)[:5]).items() <= plain(found.parts).items()


MEANS = {f"national_mean_{who}": Cited(value, "invented for a test", "supplied") for who, value in (
    ("disabled", "1.1"), ("aged_dual", "1.04"), ("aged_non_dual", "0.97"))}  # fmt: skip


@pytest.mark.parametrize(("payer", "year", "a", "b", "supplied"), [
    ("ma", 2024, "cms-hcc-v24/2024", "cms-hcc-v28/2024", None),
    ("pace", 2026, "cms-hcc-v22/2026", "cms-hcc-v28/2026", None),
    ("mssp", 2025, V24, V28, MEANS),
])  # fmt: skip
def test_the_sums_are_those_of_the_scores(payer: str, year: int, a: str, b: str, supplied) -> None:
    """Means by status (MSSP), guards on ESRD (PACE) and sources of diagnoses are kept."""
    from riskadj.scoring.programs import plan_payment_year
    from riskadj.scoring.scorer import run

    people, diagnoses = tables(population(a, b, 100))
    of = ("encounter", "ffs", "raps", "pharmacy")
    sources = pa.array([of[i % len(of)] for i in range(diagnoses.num_rows)])
    sources = (people, diagnoses.append_column("data_source", sources))
    plan = plan_payment_year(payer, year, terms=Terms(True, supplied or {}))
    scored = run(plan, *sources, Options()).table.to_pylist()

    found = compare_models(a, b, *sources, PaidBy(payer, year, Terms(True, supplied or {})))

    assert_adds_up(found)
    sums = Counter()
    for row in scored:
        if row["segment"]:  # the blend has none
            sums[row["model"].partition(" (")[0]] += round(row["payment_score"] * 1000)
    assert (found.first_points, found.second_points) == (sums[a], sums[b])
    assert found.payment == (f"{payer}/{year}",) * 2


def test_a_payer_alone_pays_each_model_in_its_own_year() -> None:
    """2024: / 1.015; 2026: / 1.067 (models/payment/ma); coding adjustment 5.9 % in both."""
    a, b = "cms-hcc-v28/2024", "cms-hcc-v28/2026"
    members = population(a, b, 60)

    found = compare_models(a, b, *tables(members), PaidBy("ma"))

    pairs = told(members, a, b)
    assert found.payment == ("ma/2024", "ma/2026")
    assert found.first_points == sum(chained(one.score, "1.015") for one, _ in pairs)
    assert found.second_points == sum(chained(two.score, "1.067") for _, two in pairs)


@pytest.mark.parametrize(("pair", "paid_by", "why"), [
    ((V24, V28), None, "no payment year was given"),
    ((V24, "cms-hcc-v28/2026"), PaidBy("ma", 2026), f"ma/2026 does not pay by {V24}"),
    (("cms-hcc-v22/2017", "cms-hcc-v22/2018"), PaidBy("ma"), "ma/2017 pays by cms-hcc-v22/2017 "
     "twice, with diagnoses of different sources"),
    ((V24, V28), PaidBy("pace"), "No payment rules for 'pace' 2025. Known: 2026"),
])  # fmt: skip
def test_raw_scores_are_compared_where_no_payment_fits_and_a_note_says_why(
    pair, paid_by, why
) -> None:
    found = compare_models(*pair, *one_member("E11.21"), paid_by)

    assert found.payment == ()
    assert "normalization" not in found.parts
    assert f"raw scores are compared: {why}" in found.notes


@pytest.mark.parametrize(("paid_by", "error"), [
    (PaidBy("nobody"), NotPublishedError), (PaidBy("ma", 1999), NotPublishedError),
    (PaidBy("mssp", 2025), OptionError),
])  # fmt: skip
def test_a_payment_that_cannot_be_is_refused(paid_by: PaidBy, error: type[Exception]) -> None:
    with pytest.raises(error):
        compare_models(V24, V28, *one_member(), paid_by)


def test_members_whom_one_model_takes_are_counted_and_left_out() -> None:
    """RxHCC pays everybody's drugs, CMS-HCC no ESRD month."""
    a, b = "cms-hcc-v28/2026", "rxhcc-v08-x/2026"
    kinds = (("none", None), ("none", None), ("dialysis", None), ("graft", 5), ("transplant", 1))
    members = [Member(70, "F", 0, esrd=e, months=m, diagnoses=("E11.21",)) for e, m in kinds]

    found = compare_models(a, b, *tables(members))
    turned = compare_models(b, a, *tables(members))

    assert (found.members, found.only_first, found.only_second) == (2, 0, 3)
    assert (turned.members, turned.only_first, turned.only_second) == (2, 3, 0)
    assert found.first_points == 2 * 561
    assert turned.change == -found.change
    with pytest.raises(InputError, match="none is left that both models score"):
        compare_models(a, b, *tables(members[2:]))


def test_esrd_members_are_refused_when_neither_model_pays_them() -> None:
    people = tables([Member(70, "F", 0), Member(70, "F", 0, esrd="dialysis")])

    with pytest.raises(InputError, match="esrd_status is not none"):
        compare_models(V24, V28, *people)
    found = compare_models(V24, V28, *people, options=Options("quarantine"))
    assert (found.members, found.only_first, found.quality.members_rejected) == (
        1, 0, {"esrd_status is not none: no model asked for here pays ESRD months": 1})  # fmt: skip


def test_age_and_dates_are_of_the_second_model() -> None:
    """69 on 1 February 2024, 71 on that of 2026; V28: women of 70 to 74 395; HCC37 166."""
    people = pa.table({"member_id": ["a"], "birth_date": ["1955-01-15"], "sex": ["F"],
                       "original_reason_entitlement_code": [0]})  # fmt: skip
    dated = pa.table({"member_id": ["a", "a"], "diagnosis_code": ["E11.21", "I50.9"],
                      "thru_date": ["2025-03-01", "2023-03-01"]})  # fmt: skip

    found = compare_models("cms-hcc-v28/2024", "cms-hcc-v28/2026", people, dated)

    assert (found.first_points, found.second_points) == (395 + 166, 395 + 166)
    assert any(note.startswith("age at 2026-02-01 and, where they are dated, diagnoses of 2025")
               for note in found.notes)  # fmt: skip
    assert found.quality.diagnoses_set_aside == {"outside_dates: service is not of 2025": 1}


def test_raw_sums_are_those_of_each_model_alone() -> None:
    people = tables(population(V24, V28, 100))

    found = compare_models(V24, V28, *people)

    for key, points in ((V24, found.first_points), (V28, found.second_points)):
        table = riskadj.load_model(key).score(*people).table
        assert points == sum(round(s * 1000) for s in table["raw_score"].to_pylist())


def test_means_are_fractions_and_points_three_decimals() -> None:
    found = compare_models(V24, V28, *tables([Member(70, "F", 0), Member(70, "M", 0)] * 2
                                            + [Member(66, "F", 0)]))  # fmt: skip

    assert found.mean(found.change) == Fraction(2 * (9 + 2) + 7, 5000)
    assert [decimal(n) for n in (0, 5, -5, 12_345, -100_000)] == [
        "0.000", "0.005", "-0.005", "12.345", "-100.000",
    ]  # fmt: skip


@pytest.mark.parametrize(("payer", "year", "a", "b"), [
    ("pace", 2026, "cms-hcc-v22/2026", "cms-hcc-v28/2026"),
    ("ma", 2021, "cms-hcc-v24/2021", "cms-hcc-v24/2021"),
])  # fmt: skip
def test_caveats_are_of_the_models_compared_only(payer: str, year: int, a: str, b: str) -> None:
    found = compare_models(a, b, *tables(population(a, b, 20)), PaidBy(payer, year))

    assert found.payment == (f"{payer}/{year}",) * 2
    assert not [c for c in found.caveats if "was accepted" in c]


@pytest.mark.parametrize("name", ["frailty_factor", "medicare_secondary_payer_factor", "fraility"])
def test_a_supplied_value_that_no_model_takes_is_refused(name: str) -> None:
    terms = Terms(supplied={name: Cited("0.1", "a letter", "supplied")})

    with pytest.raises(OptionError, match=f"ma 2025 has no use for {name} here; it takes nothing"):
        compare_models(V24, V28, *tables(population(V24, V28, 20)), PaidBy("ma", 2025, terms))
