"""Halves go up at every rounding of a payment score, on a thousand ties each."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from riskadj.scoring.batches import program_scores
from riskadj.scoring.payment import component_score, load_payment_year, round_half_up
from riskadj.scoring.programs import plan_payment_year

STEP = Decimal("0.001")
MA_2026 = load_payment_year("ma", 2026)
GRAFT = MA_2026.components[2]


def half_up(value: Decimal) -> Decimal:
    return value.quantize(STEP, ROUND_HALF_UP)


def by_decimal(raw: int, factor: str) -> tuple[Decimal, bool]:
    """Return the payment score by decimals, and whether its normalization is a tie."""
    exact = Decimal(raw) / 1000 / Decimal(factor)
    tie = (exact * 10_000) % 10 == 5
    return half_up(half_up(exact) * Decimal("0.941")), tie


def test_normalization_by_1_104_has_a_tie_at_every_odd_multiple_of_0_069() -> None:
    assert GRAFT.values["normalization_factor"].value == "1.104"
    raws = 69 * (2 * np.arange(1000) + 1)

    paid = component_score(raws, GRAFT, MA_2026)

    for raw, got in zip(raws.tolist(), paid.tolist(), strict=True):
        expected, tie = by_decimal(raw, "1.104")
        assert tie
        assert Decimal(got) / 1000 == expected


def test_a_normalized_score_ending_in_500_is_a_tie_of_the_coding_adjustment() -> None:
    normal = 500 + 1000 * np.arange(1000)

    paid = round_half_up(normal * 941, 1000)

    even = 0
    for n, got in zip(normal.tolist(), paid.tolist(), strict=True):
        exact = Decimal(n) / 1000 * Decimal("0.941")
        assert exact % STEP == Decimal("0.0005")
        assert Decimal(got) / 1000 == half_up(exact)
        even += half_up(exact) != exact.quantize(STEP, ROUND_HALF_EVEN)
    assert even == 500  # half to even would be wrong on every second one


def blended(year: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Blend payment scores as ``riskadj.score`` does, of members whom both models pay."""
    (program,) = plan_payment_year("ma", year).programs
    both = np.flatnonzero(np.logical_and.reduce([s.pays for s in program.shares]))[0]
    profile = np.full(len(first), both, dtype=np.int32)
    scored = [[SimpleNamespace(who=np.arange(len(first)))]] * 2
    paid = {s.lane: scores for s, scores in zip(program.shares, (first, second), strict=True)}

    score, shares = program_scores(profile, program, scored, paid)  # type: ignore[arg-type]

    assert (shares == 2).all()
    return score


def test_a_blend_ending_in_5_at_the_fourth_decimal_goes_up() -> None:
    pairs = [(a, b) for a in range(100, 5000, 7) for b in range(100, 5000, 11)
             if (67 * a + 33 * b) % 100 == 50][:1000]  # fmt: skip
    first, second = (np.array(side) for side in zip(*pairs, strict=True))

    whole = blended(2024, first, second)

    assert len(pairs) == 1000
    for (a, b), got in zip(pairs, whole.tolist(), strict=True):
        exact = (Decimal("0.67") * a + Decimal("0.33") * b) / 1000
        assert exact % STEP == Decimal("0.0005")
        assert Decimal(got) / 1000 == half_up(exact)


def test_a_blend_of_equal_scores_is_that_score() -> None:
    same = np.arange(100, 9000, 13)

    assert blended(2025, same, same).tolist() == same.tolist()
