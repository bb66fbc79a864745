"""An entity exceeds a target only when chance cannot explain it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.steps.entity_test import (
    DELTA_METHOD,
    NORMAL_95,
    Growth,
    growth_interval,
    persistently,
    verdicts,
)
from riskadj.errors import InputError, OptionError

NAN = np.nan
SIZE = st.floats(1, 1e4)


@given(SIZE, SIZE, st.floats(0, 1e6), st.floats(0, 1e6), st.integers(1, 9999), st.integers(1, 9999))
def test_any_interval_is_the_textbooks_two_relative_variances(a, b, va, vb, na, nb) -> None:
    found = growth_interval(np.array([[a], [b]]), np.array([[va], [vb]]), np.array([[na], [nb]]))

    error = b / a * math.sqrt(va / (na * a * a) + vb / (nb * b * b))
    assert found.growth[0] == pytest.approx(b / a - 1, abs=1e-12)
    assert found.high[0] == pytest.approx(b / a - 1 + NORMAL_95 * error, rel=1e-9, abs=1e-9)
    assert found.low[0] == pytest.approx(b / a - 1 - NORMAL_95 * error, rel=1e-9, abs=1e-9)
    assert found.variance == DELTA_METHOD


def test_more_members_narrow_the_interval_by_their_square_root() -> None:
    mean, variance = np.array([[100.0] * 2, [104.0] * 2]), np.full((2, 2), 5e4)
    found = growth_interval(mean, variance, np.array([[1e3, 4e3]] * 2))

    width = found.high - found.low
    assert width[0] == pytest.approx(2 * width[1])


def test_a_bound_on_the_target_is_met_above_and_indeterminate_below() -> None:
    """Intervals 3 to 5, 1 to 3, 2 to 4 and 4 to 6 percent against 3 percent."""
    middle = np.array([0.04, 0.02, 0.03, 0.05])
    found = Growth(middle, np.array([0.03, 0.01, 0.02, 0.04]), np.array([0.05, 0.03, 0.04, 0.06]))

    said = verdicts(found, 0.03, np.full(4, 1.0), 1.0)

    assert said.tolist() == ["indeterminate", "met", "indeterminate", "exceeded"]


def test_each_entity_can_have_its_target_and_too_few_months_are_not_tested() -> None:
    found = Growth(np.full(3, 0.05), np.full(3, 0.04), np.full(3, 0.06))

    said = verdicts(found, np.array([0.03, 0.06, NAN]), np.array([119.0, 120.0, 120.0]), 120)

    assert said.tolist() == ["not tested", "met", "not tested"]


@pytest.mark.parametrize(
    ("mean", "variance", "members"),
    [([0, 5], [1, 1], [9, 9]), ([5, 5], [1, NAN], [9, 9]), ([5, 5], [1, 1], [9, 0]),
     ([NAN, 5], [1, 1], [9, 9]), ([5, NAN], [1, 1], [9, 9])],
)  # fmt: skip
def test_what_cannot_be_calculated_is_not_tested(mean, variance, members) -> None:
    found = growth_interval(*(np.array(x, float)[:, None] for x in (mean, variance, members)))

    assert np.isnan([found.growth, found.low, found.high]).all()
    assert verdicts(found, 0.03, np.array([9.0]), 0).tolist() == ["not tested"]


def test_an_entity_that_spent_nothing_afterwards_still_has_an_interval() -> None:
    found = growth_interval(np.array([[10.0], [0.0]]), np.array([[1.0], [4.0]]), np.full((2, 1), 4))

    assert found.growth.tolist() == [-1]
    assert found.high[0] + 1 == pytest.approx(NORMAL_95 * math.sqrt(4 / 4) / 10)


@pytest.mark.parametrize(("variance", "members"), [(-1.0, 1.0), (1.0, -1.0)])
def test_variances_and_members_below_zero_are_refused(variance, members) -> None:
    with pytest.raises(InputError, match="0 or more"):
        growth_interval(np.ones((2, 1)), np.full((2, 1), variance), np.full((2, 1), members))


def test_only_the_last_years_count_and_untested_ones_do_not() -> None:
    said = np.array([["exceeded"] * 2, ["exceeded", "not tested"], ["met", "indeterminate"],
                     ["exceeded"] * 2, ["exceeded"] * 2, ["met"] * 2])  # fmt: skip

    assert persistently(said == "exceeded", 3, 5).tolist() == [True, False]
    assert persistently(said[:2] == "exceeded", 2, 5).tolist() == [True, False]
    for n, of in ((0, 5), (6, 5)):
        with pytest.raises(OptionError, match="n of m years"):
            persistently(said == "exceeded", n, of)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=8),
       st.integers(1, 5), st.integers(1, 5))  # fmt: skip
def test_fewer_years_needed_never_spares_an_entity(years, n, m) -> None:
    low, high = sorted((n, m))
    fewer, more = (persistently(np.array(years), k, 5) for k in (low, high))

    assert (fewer | ~more).all()
