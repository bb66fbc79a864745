"""From raw to payment scores by the written chain."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

import riskadj
from riskadj.errors import NotPublishedError
from riskadj.scoring.payment import (
    chain_of,
    component_score,
    load_payment_year,
    round_half_up,
)

MEMBER = pa.table({"member_id": ["a"], "age": [70], "sex": ["F"], "orec": [0]})
DIAGNOSES = pa.table({"member_id": ["a", "a"], "diagnosis_code": ["E1121", "I281"]})


def half_up(value: Fraction) -> Fraction:
    return Fraction((value * 1000 + Fraction(1, 2)).__floor__(), 1000)


def test_halves_go_up_where_round_goes_to_even() -> None:
    assert round_half_up(np.array([2500, 1500, -2500]), 1000).tolist() == [3, 2, -3]
    assert round(2.5) == 2


def test_2026_divides_by_1_067_rounds_takes_5_9_percent_and_rounds() -> None:
    year = load_payment_year("ma", 2026)
    raws = np.arange(0, 40_000, 7)

    paid = component_score(raws, year.components[0], year)

    for raw, got in zip(raws.tolist(), paid.tolist(), strict=True):
        normal = half_up(Fraction(raw, 1000) / Fraction("1.067"))
        assert Fraction(got, 1000) == half_up(normal * Fraction("0.941"))
        assert chain_of(raw, year.components[0], year)[-1].value == Fraction(got, 1000)


@pytest.mark.parametrize(
    ("payment_year", "weights", "factors"),
    [(2024, ("0.67", "0.33"), ("1.146", "1.015")), (2025, ("0.33", "0.67"), ("1.153", "1.045"))],
)
def test_blends_add_rounded_components_by_weight(
    payment_year: int, weights: tuple[str, str], factors: tuple[str, str]
) -> None:
    rows = riskadj.score(MEMBER, DIAGNOSES, payment_year=payment_year).table.to_pylist()

    parts = []
    for row, factor in zip(rows[:2], factors, strict=True):
        normal = half_up(Fraction(round(row["raw_score"] * 1000), 1000) / Fraction(factor))
        parts.append(half_up(normal * Fraction("0.941")))
        assert Fraction(round(row["payment_score"] * 1000), 1000) == parts[-1]
    whole = half_up(sum(Fraction(w) * p for w, p in zip(weights, parts, strict=True)))
    assert [r["model"] for r in rows] == [
        f"cms-hcc-v24/{payment_year}", f"cms-hcc-v28/{payment_year}", f"ma/{payment_year}"
    ]  # fmt: skip
    assert Fraction(round(rows[2]["payment_score"] * 1000), 1000) == whole


def test_2024_blend_of_a_worked_member() -> None:
    # V24: .386 + HCC18 .302 + HCC85 .331 + DIABETES_CHF .121 = 1.140 -> .995 -> .936
    # V28: .395 + HCC37 .166 + HCC226 .360 + DIABETES_HF .112 = 1.033 -> 1.018 -> .958
    # .67 x .936 + .33 x .958 = .94326
    rows = riskadj.score(MEMBER, DIAGNOSES, payment_year=2024).table.to_pylist()

    assert [r["raw_score"] for r in rows] == [1.14, 1.033, None]
    assert [r["payment_score"] for r in rows] == [0.936, 0.958, 0.943]


def test_a_year_without_rules_says_which_years_there_are() -> None:
    with pytest.raises(
        NotPublishedError, match="2017, 2018, 2019, 2020, 2021, 2022, 2023, 2024, 2025, 2026"
    ):
        load_payment_year("ma", 2031)
