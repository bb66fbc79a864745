"""Single numbers: worked by hand, and what must or must not change them."""

import math
from fractions import Fraction

import numpy as np
import pytest

from riskadj.errors import InputError, OptionError
from riskadj.measures.headline import summary
from riskadj.measures.metrics import (
    balanced,
    bias,
    calibration,
    concentration,
    cpm,
    far_off_share,
    gini,
    mae,
    mae_share,
    negative_predictions,
    normalized_gini,
    predictive_ratio,
    r2,
    top_capture,
)
from riskadj.measures.payment_systems import (
    high_cost_pool,
    no_reinsurance,
    payment_fit,
    residual_reinsurance,
)
from riskadj.measures.stability import (
    change_in_errors,
    factor_change,
    population_stability,
    spearman,
)

# Four members: mean cost (0 + 1000 + 4000/2 + 10000/2) / 3 = 8000/3.
Y = np.array([0.0, 1_000.0, 4_000.0, 10_000.0])
P = np.array([1_000.0, 2_000.0, 4_000.0, 6_000.0])
W = np.array([1.0, 1.0, 0.5, 0.5])
FITS = (bias, predictive_ratio, r2, cpm, mae, mae_share, normalized_gini)


def exactly(fraction: Fraction) -> object:
    return pytest.approx(float(fraction), rel=1e-14)


def cohort(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Costs, predictions with many ties, and months / 12."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.lognormal(8.5, 0.7, n), -3) + 500
    y = np.where(rng.random(n) < 0.15, 0.0, p * rng.lognormal(-0.5, 1.0, n))
    return y, p, rng.integers(1, 13, n) / 12


def test_worked_by_hand() -> None:
    y, p, w = ([Fraction(v) for v in a] for a in (Y, P, W))
    mean = Fraction(8_000, 3)
    squared = sum(u * (a - b) ** 2 for a, b, u in zip(y, p, w, strict=True))
    around = sum(u * (a - mean) ** 2 for a, u in zip(y, w, strict=True))
    assert (squared, around) == (10_000_000, Fraction(113_000_000, 3))

    assert bias(Y, P, W) == 0
    assert predictive_ratio(Y, P, W) == 1
    assert r2(Y, P, W) == exactly(1 - squared / around)
    assert mae(Y, P, W) == exactly(Fraction(4_000, 3))
    assert mae_share(Y, P, W) == exactly(Fraction(1, 2))
    assert cpm(Y, P, W) == exactly(
        1 - Fraction(4_000) / Fraction(26_000, 3)
    )  # 8000/3 + 5000/3 + 2000/3 + 11000/3
    assert far_off_share(Y, P, W, 0.375) == exactly(Fraction(1, 6))  # 1000 / mean is not above 3/8
    assert far_off_share(Y, P, W, 0.374) == exactly(Fraction(5, 6))


def test_calibration_line_by_hand() -> None:
    p, y = np.array([1.0, 2.0, 3.0]), np.array([5.0, 7.0, 9.0])

    line = calibration(y, p, np.array([0.25, 1.0, 0.5]))

    assert line.slope == pytest.approx(2, rel=1e-14)
    assert line.intercept_usd == pytest.approx(3, rel=1e-14)


def test_gini_and_capture_by_hand() -> None:
    y, w = np.array([0.0, 1.0, 3.0]), np.ones(3)

    own = concentration(y, y, w)
    wrong = concentration(y, np.array([3.0, 2.0, 1.0]), w)

    np.testing.assert_allclose(own.cost, [0, 0, 0.25, 1])
    assert gini(own) == exactly(Fraction(1, 2))  # area under: (0 + 1/8 + 5/8) / 3 = 1/4
    assert gini(wrong) == exactly(Fraction(-1, 2))
    assert normalized_gini(y, np.array([3.0, 2.0, 1.0]), w) == exactly(Fraction(-1))
    assert top_capture(own, 1 / 3) == exactly(Fraction(3, 4))
    assert top_capture(own, 1 / 6) == exactly(Fraction(3, 8))  # half of the dearest member
    assert top_capture(concentration(y, np.ones(3), w), 0.05) == exactly(Fraction(1, 20))


def test_r2_is_not_the_squared_correlation() -> None:
    doubled = 2 * Y

    assert np.corrcoef(Y, doubled)[0, 1] ** 2 == pytest.approx(1)
    assert r2(Y, doubled, W) == exactly(
        1 - Fraction(66_000_000 - 7_000_000) / Fraction(113_000_000, 3)
    )
    assert r2(Y, balanced(doubled, Y, W), W) == 1


def test_balanced_predictions_add_up_to_the_cost() -> None:
    y, p, w = cohort(1_000, 1)

    assert w @ balanced(3 * p, y, w) == pytest.approx(w @ y, rel=1e-13)
    np.testing.assert_allclose(balanced(3 * p, y, w), balanced(p, y, w), rtol=1e-13)


@pytest.mark.parametrize("measure", FITS)
@pytest.mark.parametrize("seed", range(3))
def test_row_order_changes_nothing(measure, seed: int) -> None:
    y, p, w = cohort(500, seed)
    turned = np.random.default_rng(seed).permutation(500)

    assert measure(y[turned], p[turned], w[turned]) == pytest.approx(measure(y, p, w), rel=1e-11)


@pytest.mark.parametrize("measure", FITS)
def test_weight_two_is_row_twice(measure) -> None:
    y, p, w = cohort(500, 4)
    twice = np.r_[np.arange(500), np.arange(0, 500, 3)]
    heavy = w.copy()
    heavy[::3] *= 2

    assert measure(y[twice], p[twice], w[twice]) == pytest.approx(measure(y, p, heavy), rel=1e-11)


@pytest.mark.parametrize("measure", [predictive_ratio, r2, cpm, mae_share, normalized_gini])
def test_currency_changes_no_share(measure) -> None:
    y, p, w = cohort(500, 4)

    assert measure(100 * y, 100 * p, w) == pytest.approx(measure(y, p, w), rel=1e-11)
    assert measure(y, p, 12 * w) == pytest.approx(measure(y, p, w), rel=1e-11)


def test_the_weighted_mean_explains_nothing() -> None:
    y, _, w = cohort(500, 4)
    mean = np.full(500, w @ y / w.sum())

    assert r2(y, mean, w) == pytest.approx(0, abs=1e-12)
    assert cpm(y, mean, w) == pytest.approx(0, abs=1e-12)
    assert r2(y, np.full(500, y.mean()), w) < -1e-6
    assert math.isnan(calibration(y, np.full(500, 0.1), w).slope)


def test_constant_cost_has_no_fit() -> None:
    y, w = np.full(7, 0.1), np.arange(1, 8) / 12

    for measure in (r2, cpm, normalized_gini):
        assert math.isnan(measure(y, np.arange(7.0), w))
    assert mae(y, y, w) == 0


@pytest.mark.parametrize("measure", [*FITS, calibration, concentration])
@pytest.mark.parametrize(
    ("y", "p", "w", "message"),
    [
        ([1, np.nan], [1, 1], [1, 1], "y is missing or infinite in 1 of 2 rows"),
        ([1, 1], [np.inf, 1], [1, 1], "p is missing or infinite in 1 of 2 rows"),
        ([1, 1], [1, 1], [0, 0], "w is not above 0 in 2 of 2 rows"),
        ([1, 1], [1, 1], [1, -1], "w is not above 0 in 1 of 2 rows"),
        ([1, 1], [1], [1, 1], "one value a member"),
        ([], [], [], "There are no members"),
    ],
)
def test_what_cannot_be_measured_is_refused(measure, y, p, w, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure(*(np.array(v, dtype=float) for v in (y, p, w)))


def test_sums_of_zero_are_refused() -> None:
    with pytest.raises(InputError, match="no factor balances them"):
        balanced(np.zeros(4), Y, W)
    with pytest.raises(InputError, match="cannot be shared out"):
        concentration(np.zeros(4), P, W)
    with pytest.raises(InputError, match="no fraction of it"):
        far_off_share(np.zeros(4), P, W, 0.5)
    assert math.isnan(predictive_ratio(np.zeros(4), P, W))
    with pytest.raises(OptionError, match="between 0 and 1"):
        top_capture(concentration(Y, P, W), 1.0)


def test_negative_predictions_are_counted() -> None:
    assert negative_predictions(np.array([-1.0, -0.0, 0.0, 2.0, -3.0])) == 2


# The whole summary


def test_summary_holds_the_single_numbers() -> None:
    y, raw, w = cohort(3_000, 7)
    capped = np.minimum(y, 20_000)
    p = balanced(raw, capped, w)

    found = summary(y, raw, w, 20_000, seed=3)

    fit = found.capped
    assert (found.n_members, found.cap_usd, found.negative_predictions) == (3_000, 20_000, 0)
    assert (fit.r2, fit.cpm) == (r2(capped, p, w), cpm(capped, p, w))
    assert (fit.mae_usd, fit.mae_share) == (mae(capped, p, w), mae_share(capped, p, w))
    assert fit.bias_usd == bias(capped, raw, w)
    assert fit.calibration_slope == calibration(capped, p, w).slope
    assert fit.gini == normalized_gini(capped, p, w)
    assert fit.top_5_capture > fit.top_1_capture > 0.01
    assert found.uncapped.bias_usd == bias(y, raw, w)
    assert found.uncapped.r2 < fit.r2
    assert math.isnan(fit.group_r2_10000)
    assert not math.isnan(fit.group_r2_1000)


def test_summary_is_the_same_twice_and_another_seed_moves_only_random_groups() -> None:
    y, p, w = cohort(3_000, 7)

    first, again, other = (summary(y, p, w, 2e4, seed=seed) for seed in (3, 3, 4))

    assert repr(first) == repr(again)
    assert first.capped.group_r2_500 != other.capped.group_r2_500
    assert first.capped.r2 == other.capped.r2


def test_summary_refuses_a_cap_of_zero() -> None:
    with pytest.raises(OptionError, match="above 0 dollars"):
        summary(Y, P, W, 0, seed=1)


# Payment systems


def test_without_reinsurance_the_payment_fits_as_the_formula() -> None:
    paid = payment_fit(Y, no_reinsurance(P), W)

    assert (paid.fit, paid.power, paid.charge_usd) == (r2(Y, P, W), 1, 0)


def test_high_cost_pool_by_hand() -> None:
    paid = high_cost_pool(Y, P, W, attachment=5_000, share=0.6)

    # 3,000 for half a year, over three years: 500
    assert paid.charge_usd == exactly(Fraction(500))
    np.testing.assert_allclose(paid.revenue_usd, [500, 1_500, 3_500, 8_500], rtol=1e-14)
    assert W @ paid.revenue_usd == pytest.approx(W @ Y, rel=1e-14)
    assert payment_fit(Y, paid, W).power == exactly(1 - Fraction(6, 10) * Fraction(1, 6))


def test_residual_reinsurance_by_hand() -> None:
    paid = residual_reinsurance(Y, P, W, loss=1_000)

    np.testing.assert_allclose(paid.revenue_usd, [500, 1_500, 3_500, 8_500], rtol=1e-14)
    assert payment_fit(Y, paid, W).power == exactly(Fraction(5, 6))


def test_reimbursing_every_dollar_fits_fully_and_has_no_power() -> None:
    y, p, w = cohort(400, 2)
    p = np.zeros(400)
    paid = high_cost_pool(y + 1, p, w, attachment=0, share=1)

    found = payment_fit(y + 1, paid, w)

    assert found.power == pytest.approx(0, abs=1e-12)
    assert r2(y + 1, paid.revenue_usd + paid.charge_usd, w) == pytest.approx(1, rel=1e-12)


def test_reinsurance_terms_are_checked() -> None:
    with pytest.raises(OptionError, match="share between 0 and 1"):
        high_cost_pool(Y, P, W, attachment=1e6, share=60)
    with pytest.raises(OptionError, match="0 dollars or more"):
        residual_reinsurance(Y, P, W, loss=-1)


# Stability


def test_factor_change_by_hand() -> None:
    before, after = np.array([0.1, 0.2, 0.4, 0.8]), np.array([0.1, 0.4, 0.3, 0.8])

    found = factor_change(before, after, np.array([1.0, 1.0, 2.0, 4.0]))

    assert found.largest == pytest.approx(0.2)
    assert found.mean == pytest.approx((0.2 + 2 * 0.1) / 8)
    assert found.spearman == exactly(Fraction(4, 5))  # 1 - 6 * (1 + 1) / (4 * 15)


def test_equal_factors_share_a_rank() -> None:
    # ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: sum of products 4.5, of squares 4.5 and 5
    found = spearman(np.array([1.0, 2.0, 2.0, 9.0]), np.arange(4.0))

    assert found == pytest.approx(4.5 / math.sqrt(4.5 * 5), rel=1e-14)
    assert math.isnan(spearman(np.ones(3), np.arange(3.0)))


def test_change_in_standard_errors() -> None:
    z = change_in_errors(np.array([1.0, 2.0]), np.array([2.0, 2.0]), np.array([3.0, 0.0]),
                         np.array([4.0, 0.0]))  # fmt: skip

    np.testing.assert_array_equal(z, [0.2, np.nan])
    with pytest.raises(InputError, match="1 standard errors are below 0"):
        change_in_errors(*(np.array([v]) for v in (1.0, 2.0, -1.0, 1.0)))


def test_population_stability_by_hand() -> None:
    first, second, one = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 2.0, 2.0, 9.0]), np.ones(4)

    # two bins: up to 2, above: 1/2 1/2 and 3/4 1/4
    found = population_stability(first, second, one, one, n=2)

    assert found == pytest.approx(0.25 * math.log(1.5) - 0.25 * math.log(0.5))
    assert population_stability(first, first, one, one) == 0
    assert population_stability(np.ones(4), np.ones(4), one, one) == 0


def test_an_empty_bin_counts_as_one_in_ten_thousand() -> None:
    first, one = np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4)

    found = population_stability(first, first + 10, one, one, n=2)

    expected = (1e-4 - 0.5) * math.log(1e-4 / 0.5) + 0.5 * math.log(1 / 0.5)
    assert found == pytest.approx(expected)
