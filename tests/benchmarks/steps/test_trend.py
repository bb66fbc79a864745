"""Trend runs from middle to middle, and its parts make the whole exactly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.steps.trend import composed, decomposed, midpoint_years, trended
from riskadj.errors import InputError, OptionError

POSITIVE = st.floats(0.01, 1000)


def test_trend_of_a_calendar_year_two_years_on_runs_two_years() -> None:
    """Middle of 2023 is month 6, of 2025 month 30: t = (30 - 6) / 12."""
    assert midpoint_years(0, 12, 24, 12) == 2
    assert midpoint_years(0, 12, 18, 6) == (18 + 3 - 6) / 12
    assert trended(np.array([400.0]), np.array([0.05]), 2).tolist() == pytest.approx([441])
    with pytest.raises(OptionError, match="one month or longer"):
        midpoint_years(0, 0, 24, 12)


@pytest.mark.parametrize("trend", [-1.0, -3.0])
def test_a_trend_leaves_something_to_grow(trend: float) -> None:
    with pytest.raises(InputError, match="above -1"):
        trended(np.ones(1), np.array([trend]), 1)
    with pytest.raises(InputError, match="above -1"):
        composed(np.array(0.0), np.array(trend), np.array(0.0))


def test_a_missing_trend_stays_missing() -> None:
    assert np.isnan(trended(np.ones(1), np.array([np.nan]), 1)).all()


def test_more_of_everything_is_utilization_and_a_shift_alone_is_mix() -> None:
    """Prices 10 and 40. Twice the units: $50 to $100. Shift of one unit: $50 to $80."""
    prices, months = np.array([[10.0, 40.0]] * 2), np.array([1.0, 1.0])
    more = decomposed(np.array([[1.0, 1.0], [2.0, 2.0]]), prices, months)
    shift = decomposed(np.array([[3.0, 1.0], [2.0, 2.0]]), prices, months)

    assert more["utilization"] == pytest.approx(50)
    assert (more["mix"], more["unit_cost"]) == pytest.approx((0, 0), abs=1e-12)
    assert shift["mix"] == pytest.approx(100 - 70)
    assert (shift["utilization"], shift["unit_cost"]) == pytest.approx((0, 0), abs=1e-12)


@given(st.lists(st.tuples(POSITIVE, POSITIVE, POSITIVE, POSITIVE), min_size=1, max_size=6),
       POSITIVE, POSITIVE)  # fmt: skip
def test_the_parts_add_up_to_the_change_and_are_those_of_a_plain_loop(rows, before, after) -> None:
    table = np.array(rows).T
    units, prices, months = table[:2], table[2:], np.array([before, after])

    parts = decomposed(units, prices, months)

    q = [[u / m for u in us] for us, m in zip(units, months, strict=True)]
    cost = [[r * p for r, p in zip(rs, ps, strict=True)] for rs, ps in zip(q, prices, strict=True)]
    whole = [sum(r) for r in q]
    plain = {"utilization": 0.0, "mix": 0.0, "unit_cost": 0.0}
    for a, b, p0, p1, q0, q1 in zip(*cost, *prices, *q, strict=True):
        w = a if math.isclose(a, b, rel_tol=1e-7) else (b - a) / math.log(b / a)
        plain["utilization"] += w * math.log(whole[1] / whole[0])
        plain["mix"] += w * (math.log(q1 / q0) - math.log(whole[1] / whole[0]))
        plain["unit_cost"] += w * math.log(p1 / p0)
    size = sum(map(sum, cost))
    for name, value in plain.items():
        assert parts[name] == pytest.approx(value, rel=1e-6, abs=1e-6 * size)
    change = sum(cost[1]) - sum(cost[0])
    assert sum(parts.values()) == pytest.approx(change, abs=1e-11 * size)


def test_parts_stay_right_where_price_and_volume_nearly_cancel() -> None:
    """Units double and prices halve but for 2e-10: each part is cost x ln 2."""
    units, prices = np.array([[1.0], [2.0]]), np.array([[97.3], [48.65 * (1 + 2e-10)]])

    parts = decomposed(units, prices, np.ones(2))

    assert parts["utilization"] == pytest.approx(97.3 * math.log(2), rel=2e-10)
    assert sum(parts.values()) == pytest.approx(97.3 * 2e-10, rel=1e-5)


def test_entities_and_strata_are_split_at_once_as_one_by_one() -> None:
    draw = np.random.default_rng(3)
    units, prices = draw.uniform(1, 9, (2, 3, 4, 5)), draw.uniform(1, 9, (2, 3, 4, 5))
    months = draw.uniform(1, 9, (2, 3, 4))

    found = decomposed(units, prices, months)

    one = decomposed(units[:, 2, 1], prices[:, 2, 1], months[:, 2, 1])
    assert {k: v[2, 1] for k, v in found.items()} == pytest.approx(one)
    assert found["mix"].shape == (3, 4)
