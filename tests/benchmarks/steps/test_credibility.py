"""Credibility: textbook numbers, blends, and what cannot be believed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.steps.credibility import (
    blend,
    buhlmann,
    buhlmann_straub,
    limited_fluctuation,
    weighted,
)
from riskadj.errors import InputError, OptionError

CLAIMS = np.array([100155.0, 19895, 13735, 4152, 36110])
MEANS = np.array([2060.921, 1511.224, 1805.843, 1352.976, 1599.829])
WITHIN = 139120026.0
"""Hachemeister's five states (1975): claims, mean amounts and variance within states, as R's actuar
prints them."""


def test_the_states_of_hachemeister_have_the_structure_that_actuar_finds() -> None:
    """Two quarters a state that have its mean and variance: a = 89,639 and m = 1,684."""
    off = np.sqrt(WITHIN / CLAIMS)
    values = np.stack([MEANS - off, MEANS + off], axis=1)

    found = buhlmann_straub(values, np.stack([CLAIMS / 2] * 2, axis=1))

    assert found.within == pytest.approx(WITHIN)
    assert round(found.between) == 89639
    assert round(found.mean) == 1684
    assert found.z.tolist() == pytest.approx(
        (CLAIMS / (CLAIMS + WITHIN / 89639)).tolist(), rel=1e-5
    )
    assert buhlmann(CLAIMS, found.k).tolist() == pytest.approx(found.z.tolist())
    assert found.note == ""


def test_a_negative_variance_between_groups_gives_nobody_credibility_and_says_so() -> None:
    """Groups alike to the mean: the estimate is -(g - 1) x 50 / (4 - 8 / 4) by hand."""
    found = buhlmann_straub(np.array([[10.0, 20.0], [20.0, 10.0]]), np.ones((2, 2)))

    assert found.between_estimate == pytest.approx(-50 / 2)
    assert (found.between, found.k, found.z.tolist()) == (0, np.inf, [0, 0])
    assert "estimated at -25, so Z is 0 for all" in found.note


def test_a_period_without_exposure_is_not_read() -> None:
    """By hand: 2 values + 3 values, so 1 + 2 degrees of freedom within."""
    values = np.array([[10.0, 12.0, np.nan], [20.0, 23.0, 26.0]])

    found = buhlmann_straub(values, np.array([[1.0, 1, 0], [1, 1, 1]]))

    within = (1 + 1 + 9 + 0 + 9) / 3
    overall = (22 + 69) / 5
    spread = 2 * (11 - overall) ** 2 + 3 * (23 - overall) ** 2
    assert found.within == pytest.approx(within)
    assert found.between == pytest.approx((spread - within) / (5 - (4 + 9) / 5))


@pytest.mark.parametrize(
    ("values", "weights"),
    [([[1.0, 2]], [[1.0, 1]]), ([[1.0], [2]], [[1.0], [1]]), ([[1.0, 2]] * 2, [[1.0, -1]] * 2),
     ([[1.0, 2]] * 2, [[0.0, 0], [1, 1]]), ([[1.0, 2]] * 2, [[1.0, 0]] * 2),
     ([[1.0, np.nan]] * 2, [[1.0, 1]] * 2), ([[1.0, 2]] * 2, [[1.0, np.nan]] * 2)],
)  # fmt: skip
def test_groups_that_say_nothing_of_variance_are_refused(values, weights) -> None:
    with pytest.raises(InputError, match="Bühlmann-Straub needs"):
        buhlmann_straub(np.array(values), np.array(weights))


OBSERVED = st.tuples(st.floats(0, 1000), st.integers(1, 500))


@given(st.lists(st.lists(OBSERVED, min_size=3, max_size=3), min_size=2, max_size=6))
def test_any_structure_is_that_of_a_plain_loop(groups) -> None:
    values, weights = (np.array([[p[i] for p in g] for g in groups], float) for i in (0, 1))

    found = buhlmann_straub(values, weights)

    totals = [sum(w for _, w in g) for g in groups]
    own = [sum(x * w for x, w in g) / t for g, t in zip(groups, totals, strict=True)]
    all_ = sum(totals)
    mean = sum(m * t for m, t in zip(own, totals, strict=True)) / all_
    within = sum(w * (x - m) ** 2 for g, m in zip(groups, own, strict=True) for x, w in g)
    within /= len(groups) * 2
    spread = sum(t * (m - mean) ** 2 for m, t in zip(own, totals, strict=True))
    scale = all_ - sum(t * t for t in totals) / all_
    between = (spread - (len(groups) - 1) * within) / scale
    assert found.within == pytest.approx(within, abs=1e-6)
    assert found.between_estimate == pytest.approx(between, rel=1e-6, abs=1e-4)
    assert ((found.z >= 0) & (found.z <= 1)).all()


def test_limited_fluctuation_is_a_square_root_up_to_one() -> None:
    """1,082 claims are the classic standard: within 5 % in 90 % of years, (1.645 / 0.05)^2."""
    full = (1.645 / 0.05) ** 2

    found = limited_fluctuation(np.array([0, full / 4, full, 2 * full, np.nan]), full)

    assert round(full) == 1082
    np.testing.assert_allclose(found, [0, 0.5, 1, 1, np.nan], rtol=1e-15)


@pytest.mark.parametrize("credibility", [limited_fluctuation, buhlmann])
def test_counts_below_zero_and_standards_of_zero_are_refused(credibility) -> None:
    with pytest.raises(InputError, match="0 or more"):
        credibility(np.array([-1.0]), 100.0)
    with pytest.raises(OptionError, match="above zero"):
        credibility(np.array([1.0]), 0.0)


@given(st.floats(0, 1), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_blend_lies_between_what_is_blended(z, own, manual) -> None:
    found = float(blend(np.array(z), np.array(own), np.array(manual)))

    slack = 1e-9 * max(abs(own), abs(manual))
    assert min(own, manual) - slack <= found <= max(own, manual) + slack


def test_what_a_blend_does_not_use_may_be_missing() -> None:
    nan = np.nan
    found = blend(np.array([0, 1, 0.5, nan]), np.array([nan, 5, nan, 5]), np.array([3, nan, 3, 3]))

    np.testing.assert_array_equal(found, [3, 5, nan, nan])


@pytest.mark.parametrize("z", [-0.01, 1.01])
def test_a_credibility_outside_zero_to_one_is_refused(z: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        blend(np.array([z]), np.ones(1), np.ones(1))


def test_base_years_are_weighted_for_each_entity_and_stratum() -> None:
    years = np.array([[[100.0, 50.0]], [[110.0, 60.0]], [[120.0, 70.0]]])
    found = weighted(years, np.array([0.1, 0.3, 0.6]))

    np.testing.assert_allclose(found, [[115, 65]])
    by_stratum = weighted(years, np.array([[[0, 1]], [[0, 0]], [[1, 0]]]))
    assert by_stratum.tolist() == [[120, 50]]


@given(st.floats(-1e3, 1e3), st.integers(1, 5))
def test_weighted_equals_are_what_they_are(x, n) -> None:
    assert weighted(np.full(n, x), np.full(n, 1 / n)) == pytest.approx(x, abs=1e-9)


@pytest.mark.parametrize("weights", [[0.5, 0.4], [1.2, -0.2], [0.5, np.nan]])
def test_weights_that_do_not_add_up_to_one_are_refused(weights) -> None:
    with pytest.raises(InputError, match="add up to 1"):
        weighted(np.ones(2), np.array(weights))


def test_a_missing_part_is_missing_unless_it_has_no_weight() -> None:
    parts = np.array([np.nan, 7.0])

    assert np.isnan(weighted(parts, np.array([0.5, 0.5])))
    assert weighted(parts, np.array([0.0, 1.0])) == 7
