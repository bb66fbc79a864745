"""High-cost members: cut at a point of the reference population, or pooled; nothing is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.steps.truncation import (
    points_by_stratum,
    pooled,
    pooling_charge,
    pooling_share,
    summed,
    truncate,
    truncated,
    truncation_points,
)
from riskadj.errors import InputError, OptionError

MEMBERS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 12)), min_size=1, max_size=30)


def _arrays(members):
    return (np.array(x, dtype=float) for x in zip(*members, strict=True))


def test_a_percentile_is_weighted_by_exposure_and_of_annualized_cost() -> None:
    """Annual costs 100, 400, 1200 over 12, 6 and 2 months: 60, 90 and 100 % of the exposure."""
    spent, months = np.array([100.0, 200.0, 200.0]), np.array([12.0, 6.0, 2.0])
    points = [truncation_points(spent, months, s) for s in (0.6, 0.61, 0.9, 0.901, 1.0)]

    assert points == [100, 400, 400, 1200, 1200]


@given(MEMBERS, st.floats(0.01, 1))
def test_any_percentile_is_that_of_a_plain_loop(members, share) -> None:
    spent, months = _arrays(members)

    costs = [s * 12 / m for s, m in members]
    enough = share * sum(m for _, m in members) * (1 - 1e-12)
    within = {point: sum(m for c, (_, m) in zip(costs, members, strict=True) if c <= point)
              for point in costs}  # fmt: skip
    assert truncation_points(spent, months, share) == min(
        p for p, m in within.items() if m >= enough
    )


def test_each_stratum_has_its_point_and_an_empty_one_none() -> None:
    spent, months = np.array([10.0, 20.0, 500.0]), np.full(3, 12.0)

    found = points_by_stratum(spent, months, np.array([0, 0, 2]), 3, 1.0)

    np.testing.assert_array_equal(found, [20, np.nan, 500])


@given(MEMBERS, st.floats(0, 1e6))
def test_what_is_kept_and_what_is_cut_are_the_cost(members, point) -> None:
    spent, months = _arrays(members)
    found = truncated(spent, months, point)

    plain = [min(s, point * m / 12) for s, m in members]
    np.testing.assert_array_equal(found.kept, plain)
    np.testing.assert_allclose(found.kept + found.cut, spent)
    assert (found.cut >= 0).all()
    assert found.members_cut == sum(s > k for s, k in zip(spent, plain, strict=True))
    np.testing.assert_array_equal(truncate(found.kept, months, point), found.kept)


def test_what_was_cut_is_told_by_entity_and_stratum() -> None:
    points = np.array([120.0, 1200.0])
    entity, stratum = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found = truncated(np.array([100.0, 1500.0, 200.0, 300.0]), np.full(4, 12.0), points[stratum])

    assert summed(found.cut, entity, stratum, (2, 2)).tolist() == [[0, 300], [80, 0]]
    assert (found.members_cut, found.cut_share) == (2, 380 / 2100)
    assert summed(found.kept, entity, stratum, (2, 2)).sum() == 2100 - 380
    assert np.isnan(truncated(np.zeros(1), np.ones(1), 1.0).cut_share)


def test_a_pool_takes_the_share_above_the_point_and_gives_it_back_in_charges() -> None:
    """$800 of $1,400 lie above $300: 4/7 of all, 800 / 600 of what is below."""
    spent, months = np.array([300.0, 1100.0]), np.array([12.0, 12.0])

    assert pooling_share(spent, months, 300.0) == pytest.approx(4 / 7)
    assert pooling_charge(spent, months, 300.0) == pytest.approx(8 / 6)
    assert pooled(spent, months, 300.0, 8 / 6).tolist() == pytest.approx([700, 700])


@given(MEMBERS, st.floats(1, 1e6))
def test_pooling_moves_cost_between_members_and_makes_none(members, point) -> None:
    spent, months = _arrays(members)
    if not spent.sum():
        return

    charge = pooling_charge(spent, months, point)

    assert pooled(spent, months, point, charge).sum() == pytest.approx(spent.sum())
    assert charge * (1 - pooling_share(spent, months, point)) == pytest.approx(
        pooling_share(spent, months, point)
    )


def test_members_without_months_points_and_charges_below_zero_are_refused() -> None:
    spent, months = np.array([5.0, 0.0]), np.array([0.0, 0.0])

    with pytest.raises(InputError, match="1 members have cost and no months"):
        truncate(spent, months, 100.0)
    with pytest.raises(OptionError, match="point is 0 or more"):
        truncate(spent, months, -1.0)
    with pytest.raises(OptionError, match="charge is 0 or more"):
        pooled(spent, months, 1.0, -0.1)
    with pytest.raises(InputError, match="no cost below"):
        pooling_charge(np.ones(1), np.ones(1), 0.0)


@pytest.mark.parametrize(("spent", "months"), [([], []), ([1.0], [0.0]), ([np.nan], [12.0])])
def test_a_reference_population_has_members_with_months_and_costs(spent, months) -> None:
    with pytest.raises(InputError, match="months above zero and costs"):
        truncation_points(np.array(spent), np.array(months), 0.99)


@pytest.mark.parametrize("share", [0.0, 1.1, 99, np.nan])
def test_a_percentile_is_a_share(share: float) -> None:
    with pytest.raises(OptionError, match="share above 0 and at most 1"):
        truncation_points(np.ones(1), np.ones(1), share)
