"""Intervals cover, robust errors agree with the bootstrap, credibility is by hand."""

import numpy as np
import pytest

from riskadj.errors import OptionError
from riskadj.measures.intervals import bootstrap_counts
from riskadj.training.factors import project_normalization, relative_factors
from riskadj.training.segment_fit import SegmentFit
from riskadj.training.spec import Fit
from riskadj.training.statistics import Rows, summed
from riskadj.training.uncertainty import (
    SecondPass,
    block_errors,
    bootstrap_coefficients,
    credibility,
    interval,
    robust_errors,
    second_pass,
)
from tests.training.cohorts import NAMES, count, draw_cohort, fit_of

TRUTH = np.array([2000, 3000, 4500, 9000, 3000, 6000, 5000, 20000])
WLS = Fit(method="wls", order=True, small_members=0)


def measured(rows: Rows) -> tuple[SegmentFit, SecondPass]:
    statistics = count(rows)
    fit = fit_of(statistics)
    return fit, second_pass([rows], statistics, fit.cents.astype(float))


def test_robust_errors_are_hc0() -> None:
    cohort = draw_cohort(3000, 1)
    rows = cohort.rows()
    fit, second = measured(rows)

    found = robust_errors(fit, second.spread[0])

    x, w = cohort.design.astype(float), cohort.months / 12
    left = 12 * cohort.paid / cohort.months - x @ fit.cents
    bread = np.linalg.inv(x.T * w @ x)
    meat = (x * (w * left)[:, None]).T @ (x * (w * left)[:, None])
    np.testing.assert_allclose(found, np.sqrt(np.diag(bread @ meat @ bread)), rtol=1e-8)


def test_a_coefficient_on_its_bound_has_no_error() -> None:
    truth = TRUTH.copy()
    truth[6] = -4000
    fit, second = measured(draw_cohort(3000, 2, truth).rows())

    errors = robust_errors(fit, second.spread[0])

    assert fit.status[6] == "at_zero"
    assert errors[6] == pytest.approx(0, abs=1e-9)
    assert (np.delete(errors, 6) > 0).all()


def test_what_stepwise_joined_and_dropped_has_no_error_of_its_own() -> None:
    truth = np.array([2000, 3000, 4500, 3000, 5000, 6000, -4000, 20000])
    rows = draw_cohort(3000, 2, truth).rows()
    statistics = count(rows)
    errors = {}
    for method in ("wls", "cms-stepwise"):
        fit = fit_of(statistics, method=method)
        second = second_pass([rows], statistics, fit.cents.astype(float))
        errors[method] = robust_errors(fit, second.spread[0])

    assert errors["cms-stepwise"][6] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(errors["cms-stepwise"], errors["wls"], rtol=1e-6, atol=1e-6)


def test_bootstrap_and_block_errors_agree_with_robust_ones() -> None:
    ratios = []
    for seed in range(8):
        rows = draw_cohort(20_000, seed).rows()
        statistics = count(rows)
        fit, second = measured(rows)
        hc0 = robust_errors(fit, second.spread[0])
        drawn = bootstrap_coefficients(statistics, fit, WLS, bootstrap_counts(50, 200, seed))
        _, blocks = block_errors(statistics)(fit.reduction, fit.solved.statistics, "all")
        ratios.append([np.median(drawn.std(axis=0) / hc0), np.median(blocks / hc0)])

    assert 0.9 < np.median(ratios, axis=0)[0] < 1.1
    assert 0.9 < np.median(ratios, axis=0)[1] < 1.1


def test_intervals_cover_a_linear_truth() -> None:
    """95 % intervals of terms with at least 500 members, 200 replicates: 93 to 97 %."""
    inside = []
    for seed in range(200):
        rows = draw_cohort(12_000, 1000 + seed).rows()
        fit, second = measured(rows)
        error = robust_errors(fit, second.spread[0])
        enough = fit.solved.statistics.term_members >= 500
        off = np.abs(fit.solved.solution.coefficients - 100 * TRUTH)
        inside.append((off <= 1.96 * error)[enough])

    assert 0.93 <= np.concatenate(inside).mean() <= 0.97


def test_a_replicate_is_a_refit_of_its_blocks() -> None:
    cohort = draw_cohort(4000, 7)
    statistics = count(cohort.rows())
    counts = np.zeros((1, 50), np.int64)
    counts[0, :10] = 5

    drawn = bootstrap_coefficients(statistics, fit_of(statistics), WLS, counts)

    part = cohort.take(cohort.block < 10).rows()
    np.testing.assert_allclose(drawn[0], fit_of(part).solved.solution.coefficients, rtol=1e-9)


def test_percentile_interval() -> None:
    low, high = interval(np.arange(1001.0)[:, None], 0.9)

    assert (low[0], high[0]) == pytest.approx((50, 950))


def test_credibility_by_hand() -> None:
    """Full credibility: (1.645/0.05)² = 1,082.41 times the squared coefficient of variation."""
    cohort = draw_cohort(3000, 4)
    rows = cohort.rows()
    own = summed(count(rows))[0]
    _, second = measured(rows)

    found = credibility(own, second.squares[0])

    who = cohort.design[:, 5] == 1
    w, y = cohort.months[who], 12 * cohort.paid[who] / cohort.months[who]
    mean = np.average(y, weights=w)
    full = 1082.41 * (np.average(y**2, weights=w) / mean**2 - 1)
    assert found.full_members[5] == pytest.approx(full, rel=1e-6)
    assert found.limited_fluctuation[5] == pytest.approx(min(1, (who.sum() / full) ** 0.5))
    assert ((found.buhlmann > 0) & (found.buhlmann < 1)).all()


def test_the_denominator_population_averages_one() -> None:
    statistics = summed(count(draw_cohort(5000, 9).rows()))[0]
    fit = fit_of(count(draw_cohort(5000, 9).rows()))

    found = relative_factors([fit], [statistics])

    unrounded = fit.cents / found.denominator_cents @ statistics.term_months
    assert unrounded / statistics.total_months == pytest.approx(1, abs=1e-6)
    assert float(found.mean_score) == pytest.approx(1, abs=5e-4)
    assert len(found.thousandths[0]) == len(NAMES)


def test_factors_do_not_change_with_the_scale_of_cost() -> None:
    cohort = draw_cohort(5000, 9)
    both = [
        relative_factors([fit_of(s)], [summed(s)[0]]).thousandths[0]
        for s in (count(cohort.rows()), count(cohort.rows(cost=36 * cohort.paid)))
    ]

    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize(
    ("method", "expected"), [("linear", 1.06), ("geometric", 1.02 ** 3)]
)  # fmt: skip
def test_normalization_is_projected(method: str, expected: float) -> None:
    scores = {2021: 1.0, 2022: 1.02, 2023: 1.04} if method == "linear" else {
        2021: 1.0, 2022: 1.02, 2023: 1.0404}  # fmt: skip

    assert project_normalization(scores, 2024, method) == pytest.approx(expected)


def test_one_year_projects_nothing() -> None:
    with pytest.raises(OptionError, match="two years"):
        project_normalization({2023: 1.0}, 2026, "linear")
