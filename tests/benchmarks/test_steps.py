"""The steps that make a program's inputs: exact numbers, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.steps.bands import band, corridor, interpolate
from benchmarks.steps.completion import (
    chain_ladder,
    completed,
    override_recent,
    seasonality,
    triangle,
    with_margin,
)
from benchmarks.steps.credibility import blend, buhlmann, buhlmann_straub, limited_fluctuation
from benchmarks.steps.entity_test import growth_interval, persistently, verdicts
from benchmarks.steps.exposure import member_months
from benchmarks.steps.normalize import aggregate_cap, flat_cap, renormalized
from benchmarks.steps.trend import composed, decomposed, midpoint_years
from benchmarks.steps.truncation import pooling_charge, truncate, truncation_points
from riskadj.errors import InputError, OptionError

NAN = np.nan
SMALL = np.array([[100.0, 180.0, 200.0], [110.0, 190.0, NAN], [120.0, NAN, NAN]])
"""Cumulative dollars by month incurred and age; worked by hand below."""


def test_a_triangle_is_completed_by_hand() -> None:
    found = chain_ladder(SMALL)

    first, second = (180 + 190) / (100 + 110), 200 / 180
    assert found.links.tolist() == pytest.approx([first, second])
    assert found.ultimate.tolist() == pytest.approx([200, 190 * second, 120 * first * second])
    assert found.ibnr == pytest.approx(190 * (second - 1) + 120 * (first * second - 1))
    assert found.completion.tolist() == pytest.approx([1 / first / second, 1 / second, 1])


def test_claims_rows_make_the_triangle_and_months_not_yet_reached_stay_open() -> None:
    incurred, age = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 0, 1, 0])
    paid = np.array([100.0, 80.0, 20.0, 110.0, 80.0, 120.0])

    np.testing.assert_array_equal(triangle(incurred, age, paid), SMALL)
    assert completed(incurred, age, paid).factor == pytest.approx(
        chain_ladder(SMALL).ultimate.sum() / (200 + 190 + 120)
    )


CHAINLADDER = {
    "links": [1.7619047619047619, 1.1111111111111112],
    "ultimate": [200.0, 211.1111111111111, 234.92063492063494],
}
"""What chainladder 0.10.1 gives for SMALL: Development(average="volume"), then Chainladder."""


def test_chain_ladder_is_that_of_the_casualty_actuaries_package() -> None:
    found = chain_ladder(SMALL)

    np.testing.assert_allclose(found.links, CHAINLADDER["links"], rtol=1e-9)
    np.testing.assert_allclose(found.ultimate, CHAINLADDER["ultimate"], rtol=1e-9)


def test_any_triangle_completes_as_a_plain_loop_does() -> None:
    draw = np.random.default_rng(7)
    for _ in range(20):
        n = int(draw.integers(2, 14))
        full = draw.uniform(0, 100, (n, n)).cumsum(1)
        open_ = np.arange(n)[None, :] > n - 1 - np.arange(n)[:, None]
        cumulative = np.where(open_, NAN, full)
        ultimate = []
        links = []
        for j in range(n - 1):
            rows = [i for i in range(n) if not np.isnan(cumulative[i, j + 1])]
            links.append(
                sum(cumulative[i, j + 1] for i in rows) / sum(cumulative[i, j] for i in rows)
            )
        for i in range(n):
            value = cumulative[i, n - 1 - i]
            for j in range(n - 1 - i, n - 1):
                value *= links[j]
            ultimate.append(value)

        np.testing.assert_allclose(chain_ladder(cumulative).ultimate, ultimate, rtol=1e-12)


def test_the_newest_months_can_be_those_of_the_others_trended() -> None:
    found = chain_ladder(SMALL)

    replaced = override_recent(found, np.array([10.0, 10.0, 10.0]), 1, 0.0)

    assert replaced.ultimate[2] == pytest.approx((found.ultimate[0] + found.ultimate[1]) / 2)
    with pytest.raises(OptionError, match="newest months are from 0 to 2"):
        override_recent(found, np.ones(3), 3, 0.0)


def test_a_margin_raises_only_what_is_unpaid() -> None:
    found = chain_ladder(SMALL)

    assert with_margin(found, 0.1).ibnr == pytest.approx(1.1 * found.ibnr)
    with pytest.raises(OptionError):
        with_margin(found, -0.1)


def test_seasonality_has_mean_one_and_needs_every_month() -> None:
    month = np.tile(np.arange(1, 13), 2)
    factors = seasonality(np.where(month == 12, 200.0, 100.0), month)

    assert factors.mean() == pytest.approx(1)
    assert factors[11] == pytest.approx(2 * factors[0])
    with pytest.raises(InputError, match="every calendar month"):
        seasonality(np.ones(3), np.array([1, 2, 3]))


def test_claims_paid_before_they_were_incurred_are_refused_and_counted() -> None:
    with pytest.raises(InputError, match="1 claims are paid before"):
        completed(np.array([0, 1]), np.array([0, -1]), np.ones(2))
    with pytest.raises(InputError, match="nothing to complete"):
        completed(np.zeros(0), np.zeros(0), np.zeros(0))


def test_truncation_is_by_exposure_and_cuts_part_years_in_proportion() -> None:
    spent, months = np.array([100.0, 200.0, 900.0, 900.0]), np.array([12.0, 12.0, 12.0, 6.0])
    point = truncation_points(spent, months, 0.85)

    assert point == 900.0
    assert truncate(spent, months, point).tolist() == [100, 200, 900, 450]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 12)), min_size=2, max_size=40),
       st.floats(1, 1e6))  # fmt: skip
def test_pooling_is_budget_neutral(members, point) -> None:
    spent, months = (np.array(x, dtype=float) for x in zip(*members, strict=True))
    if truncate(spent, months, point).sum() == 0:
        return

    below = truncate(spent, months, point).sum()

    assert below * (1 + pooling_charge(spent, months, point)) == pytest.approx(spent.sum())


def test_bands_of_the_minimum_savings_rate_meet_at_their_ends() -> None:
    from benchmarks.policy import load_parameter

    bands = load_parameter("mssp_minimum_savings_rate").values[0].value
    sizes = np.array([5000.0, 5999, 6000, 12_500, 59_999, 60_000, 1e6, 499])
    rates = interpolate(bands, sizes)

    expected = [0.039, 0.036, 0.036, 0.03 - 0.003 * 2500 / 4999, 0.02, 0.02, 0.02]
    assert rates[:-1].tolist() == pytest.approx(expected)
    assert np.isnan(rates[-1])


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_a_corridor_is_marginal_odd_and_never_falls(x, y) -> None:
    bands = [[0.25, 1.0], [0.35, 0.5], [0.5, 0.25], [np.inf, 0.1]]
    one, other = corridor(bands, np.array([x, y]))

    assert corridor(bands, np.array([-x]))[0] == -one
    assert (one <= other) == (x <= y) or one == other
    assert abs(one - other) <= abs(x - y) + 1e-12
    if abs(x) <= 0.25:
        assert one == pytest.approx(x)


def test_a_band_holds_up_to_and_with_its_bound() -> None:
    assert band([[0.5, -6.0], [1, 30.0]], np.array([0.5, 0.51, 2])).tolist()[:2] == [-6, 30]


@given(st.floats(0.5, 2), st.floats(0.5, 2))
def test_a_flat_cap_is_monotone_and_idempotent(a, b) -> None:
    once = flat_cap(np.array([a, b]), 1.03, 0.97)

    np.testing.assert_array_equal(flat_cap(once.ratio, 1.03, 0.97).ratio, once.ratio)
    assert (once.ratio[0] <= once.ratio[1]) == (a <= b) or once.ratio[0] == once.ratio[1]


def test_no_type_is_capped_unless_the_aggregate_exceeds() -> None:
    demographic, dollars = np.ones(2), np.array([0.9, 0.1])
    under = aggregate_cap(np.array([1.01, 1.20]), demographic, dollars, 0.03, by_type=True)
    over = aggregate_cap(np.array([1.03, 1.20]), demographic, dollars, 0.03, by_type=True)

    assert under.ratio.tolist() == [1.01, 1.20]
    assert over.ratio.tolist() == [1.03, 1.03]
    assert over.capped.tolist() == [False, True]


def test_renormalized_scores_have_mean_one_and_need_exposure() -> None:
    scores, months = np.array([0.8, 1.4, 2.0]), np.array([12.0, 6.0, 1.0])

    assert np.average(renormalized(scores, months), weights=months) == pytest.approx(1)
    with pytest.raises(InputError, match="without exposure"):
        renormalized(scores, np.zeros(3))


def test_credibility_by_hand() -> None:
    values = np.array([[10.0, 12.0], [20.0, 22.0]])
    found = buhlmann_straub(values, np.ones((2, 2)))

    within = (1 + 1 + 1 + 1) / 2  # each group's sum of squares 2, over n - 1 = 1, over 2 groups
    between = (2 * (25 + 25) - within) / (4 - 8 / 4)
    assert (found.within, found.between) == pytest.approx((within, between))
    assert found.z.tolist() == pytest.approx([2 / (2 + within / between)] * 2)
    assert buhlmann(np.array([100.0]), 300.0).tolist() == [0.25]
    assert limited_fluctuation(np.array([250.0, 4000.0]), 1000).tolist() == [0.5, 1.0]


def test_groups_alike_have_no_credibility_of_their_own() -> None:
    found = buhlmann_straub(np.array([[10.0, 20.0], [20.0, 10.0]]), np.ones((2, 2)))

    assert (found.between, found.z.tolist(), found.mean) == (0.0, [0.0, 0.0], 15.0)


@given(st.floats(0, 1), st.floats(-1e3, 1e3))
def test_a_blend_of_equals_is_what_was_blended(z, x) -> None:
    assert blend(np.array([z]), np.array([x]), np.array([x]))[0] == pytest.approx(x, abs=1e-9)


def test_only_a_whole_interval_above_the_target_exceeds_it() -> None:
    """Growth of 10 % on 1,000 members: error 1.1 sqrt(v (1 / m0^2 + 1 / m1^2) / n) by hand."""
    mean = np.array([[100.0] * 3, [110.0] * 3])
    variance = np.array([[100.0, 10_000.0, 100.0], [100.0, 10_000.0, 100.0]])
    members = np.full((2, 3), 1000.0)
    found = growth_interval(mean, variance, members)
    half = 1.959963984540054 * 1.1 * np.sqrt(100 / 1000 * (1 / 100**2 + 1 / 110**2))

    assert found.growth.tolist() == pytest.approx([0.1] * 3)
    assert found.high[0] - 0.1 == pytest.approx(half)
    said = verdicts(found, 0.08, np.array([1000.0, 1000.0, 50.0]), 100)
    assert said.tolist() == ["exceeded", "indeterminate", "not tested"]
    assert verdicts(found, 0.2, members[0], 0).tolist() == ["met", "met", "met"]


def test_the_interval_covers_the_true_growth_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    n, trials = 400, 2000
    before, after = draw.gamma(0.8, 1000, (trials, n)), draw.gamma(0.8, 1050, (trials, n))
    mean = np.stack([before.mean(1), after.mean(1)])
    variance = np.stack([before.var(1, ddof=1), after.var(1, ddof=1)])
    found = growth_interval(mean, variance, np.full((2, trials), n))

    covered = ((found.low <= 0.05) & (found.high >= 0.05)).mean()

    assert covered == pytest.approx(0.95, abs=0.015)


def test_three_of_five_years() -> None:
    exceeded = np.array([[1, 1], [0, 1], [1, 0], [1, 0], [0, 0], [1, 1]], dtype=bool)

    assert persistently(exceeded, 3, 5).tolist() == [True, False]
    with pytest.raises(OptionError):
        persistently(exceeded, 6, 5)


def test_months_are_counted_once_where_spans_overlap() -> None:
    start = np.array(["2024-01-01", "2024-02-15", "2024-06-01"], dtype="datetime64[D]")
    end = np.array(["2024-03-31", "2024-05-15", "NaT"], dtype="datetime64[D]")

    found = member_months(np.array([0, 0, 1]), start, end, 2024, 3)

    assert found.tolist() == [5, 7, 0]
    with pytest.raises(InputError, match="1 spans end before they start"):
        member_months(np.array([0]), end[:1], start[:1], 2024, 1)


def test_trend_runs_from_middle_to_middle_and_its_parts_make_the_whole() -> None:
    assert midpoint_years(0, 12, 18, 12) == 1.5
    assert composed(np.array(0.03), np.array(0.02), np.array(0.01)) == pytest.approx(0.061106)
    units = np.array([[100.0, 50.0], [120.0, 80.0]])
    prices = np.array([[10.0, 40.0], [11.0, 41.0]])
    months = np.array([1000.0, 1100.0])

    parts = decomposed(units, prices, months)

    change = (units[1] * prices[1]).sum() / 1100 - (units[0] * prices[0]).sum() / 1000
    assert sum(parts.values()) == pytest.approx(change, rel=1e-12)
    assert parts["unit_cost"] > 0
    with pytest.raises(InputError):
        decomposed(units * 0, prices, months)


def test_a_change_of_prices_alone_is_unit_cost_alone() -> None:
    units, months = np.array([[100.0, 50.0]] * 2), np.array([1000.0, 1000.0])
    parts = decomposed(units, np.array([[10.0, 40.0], [10.5, 42.0]]), months)

    assert (parts["utilization"], parts["mix"]) == pytest.approx((0, 0), abs=1e-12)
