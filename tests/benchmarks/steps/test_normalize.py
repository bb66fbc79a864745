"""Scores average one; their growth is paid for up to a cap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.steps.normalize import (
    aggregate_cap,
    flat_cap,
    renormalized,
    renormalized_by_stratum,
    risk_ratio,
    symmetric_cap,
)
from riskadj.errors import InputError, OptionError

NAN = np.nan
RATIO = st.floats(0.5, 1.5)
STRATA = st.lists(st.tuples(RATIO, RATIO, st.integers(0, 100)), min_size=1, max_size=4)


@given(st.lists(st.tuples(st.floats(0.1, 9), st.integers(0, 900)), min_size=2, max_size=9))
def test_a_stratums_scores_average_one_over_its_exposure(rows) -> None:
    scores, months = np.array(rows).T
    if not months.sum():
        return

    found = renormalized_by_stratum(scores[:, None], months[:, None])

    assert np.average(found[:, 0], weights=months) == pytest.approx(1)
    np.testing.assert_allclose(found[:, 0], renormalized(scores, months))
    mean = sum(s * m for s, m in rows) / sum(m for _, m in rows)
    assert found[0, 0] == pytest.approx(rows[0][0] / mean)


def test_strata_are_renormalized_apart_and_a_score_without_exposure_is_not_read() -> None:
    """Means by hand: (1 x 1 + 3 x 3) / 4 = 2.5, and 2 of the one with exposure."""
    scores, months = np.array([[1.0, NAN, 1], [3, 2, 1]]), np.array([[1.0, 0, 0], [3, 5, 0]])

    found = renormalized_by_stratum(scores, months)

    np.testing.assert_allclose(found, [[0.4, NAN, NAN], [1.2, 1, NAN]])


def test_a_score_missing_where_there_is_exposure_makes_its_stratum_missing() -> None:
    found = renormalized_by_stratum(np.array([[1.0, NAN], [1, 1]]), np.ones((2, 2)))

    np.testing.assert_array_equal(found, [[1, NAN], [1, NAN]])


@pytest.mark.parametrize("renormalize", [renormalized, renormalized_by_stratum])
def test_negative_exposure_and_means_of_zero_are_refused(renormalize) -> None:
    with pytest.raises(InputError, match="exposure is 0 or more"):
        renormalize(np.ones((2, 1)), np.array([[3.0], [-1.0]]))
    with pytest.raises(InputError, match="mean is not above zero"):
        renormalize(np.zeros((2, 1)), np.ones((2, 1)))


def test_a_ratio_to_no_score_is_missing() -> None:
    found = risk_ratio(np.array([1.1, 1, 1, NAN]), np.array([1.0, 0, NAN, 1]))

    np.testing.assert_array_equal(found, [1.1, NAN, NAN, NAN])


def test_the_flat_cap_of_2019_to_2023_has_no_floor_and_the_symmetric_one_has() -> None:
    ratio = np.array([1.05, 1.03, 0.90, NAN])

    flat, both = flat_cap(ratio, 1.03), symmetric_cap(ratio, 0.03)

    np.testing.assert_array_equal(flat.ratio, [1.03, 1.03, 0.90, NAN])
    np.testing.assert_array_equal(both.ratio, [1.03, 1.03, 0.97, NAN])
    assert flat.capped.tolist() == [True, False, False, False]
    assert both.capped.tolist() == [True, False, True, False]


@given(RATIO, RATIO, st.floats(0, 0.5))
def test_a_symmetric_cap_is_monotone_and_idempotent(a, b, points) -> None:
    once = symmetric_cap(np.sort(np.array([a, b])), points).ratio
    again = symmetric_cap(once, points)

    assert once[0] <= once[1]
    np.testing.assert_array_equal(again.ratio, once)
    assert not again.capped.any()


def test_caps_that_cannot_hold_are_refused() -> None:
    with pytest.raises(OptionError, match="not below its lowest"):
        flat_cap(np.ones(1), 0.97, 1.03)
    with pytest.raises(OptionError, match="0 or more"):
        symmetric_cap(np.ones(1), -0.03)
    with pytest.raises(InputError, match="weights of risk scores"):
        aggregate_cap(np.ones(2), np.ones(2), np.array([2.0, -1]), 0.03, by_type=False)


def test_when_the_aggregate_exceeds_both_readings_are_at_hand() -> None:
    """Half each: growth (1.02 + 1.16) / 2 = 1.09 against (0.99 + 1.05) / 2 + 0.03 = 1.05."""
    ratio, demographic = np.array([1.02, 1.16]), np.array([0.99, 1.05])

    bound = aggregate_cap(ratio, demographic, np.ones(2), 0.03, by_type=False)
    own = aggregate_cap(ratio, demographic, np.ones(2), 0.03, by_type=True)

    assert bound.ratio.tolist() == pytest.approx([1.02, 1.05])
    assert own.ratio.tolist() == pytest.approx([1.02, 1.08])
    assert bound.capped.tolist() == own.capped.tolist() == [False, True]


def test_the_aggregate_cap_is_a_cliff() -> None:
    """A hundredth more growth in the large stratum cuts 17 points from the small one."""
    dollars, demographic = np.array([0.9, 0.1]), np.ones(2)
    under, over = (aggregate_cap(np.array([x, 1.2]), demographic, dollars, 0.03, by_type=False)
                   for x in (1.01, 1.02))  # fmt: skip

    assert under.ratio.tolist() == [1.01, 1.2]
    assert over.ratio.tolist() == [1.02, 1.03]


@pytest.mark.parametrize("by_type", [False, True])
@given(strata=STRATA)
def test_the_aggregate_cap_only_lowers_is_idempotent_and_a_plain_loop_agrees(
    strata, by_type
) -> None:
    ratio, demographic, dollars = np.array(strata, float).T
    if not dollars.sum():
        return

    found = aggregate_cap(ratio, demographic, dollars, 0.03, by_type)

    total = sum(w for *_, w in strata)
    grown = sum(r * w for r, _, w in strata) / total
    bound = sum(d * w for _, d, w in strata) / total + 0.03
    plain = [min(r, d + 0.03 if by_type else bound) if grown > bound else r for r, d, _ in strata]
    if abs(grown - bound) > 1e-12:
        np.testing.assert_allclose(found.ratio, plain, rtol=1e-14)
        again = aggregate_cap(found.ratio, demographic, dollars, 0.03, by_type)
        np.testing.assert_allclose(again.ratio, found.ratio, rtol=1e-14)
    assert (found.ratio <= ratio).all()


def test_a_stratum_without_weight_may_be_missing_and_any_other_makes_all_missing() -> None:
    ratio = np.array([[1.2, NAN], [1.2, NAN], [1.0, 1.0]])
    dollars = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])

    found = aggregate_cap(ratio, np.ones((3, 2)), dollars, 0.03, by_type=False)

    np.testing.assert_array_equal(found.ratio, [[1.03, NAN], [NAN, NAN], [NAN, NAN]])
    assert found.capped.tolist() == [[True, False], [False, False], [False, False]]
