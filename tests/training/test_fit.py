"""What R² cannot see: optimality, money, constraints; each with a second way to the number."""

from fractions import Fraction

import clarabel
import numpy as np
import pytest
from scipy import sparse

from riskadj.errors import InputError, OptionError
from riskadj.training.constrained import Constraints, solve
from riskadj.training.segment_fit import constraints_of, normal_equations
from riskadj.training.spec import Equity, Fit
from riskadj.training.statistics import summed
from riskadj.training.uncertainty import block_errors
from tests.training.cohorts import NAMES, Cohort, count, draw_cohort, fit_of, tiny_model

COHORT = draw_cohort(6000, 3)
# The hierarchy is broken and one coefficient is negative, so that constraints bind.
HARD = draw_cohort(6000, 4, np.array([2000, 3000, 4500, 3000, 5000, 6000, -1500, 20000]))


def plain(cohort: Cohort):
    """Weights, annual cost in cents, and design, as floats."""
    return cohort.months / 12, 12 * cohort.paid / cohort.months, cohort.design.astype(float)


@pytest.mark.parametrize("cohort", [COHORT, HARD])
def test_kkt_conditions(cohort: Cohort) -> None:
    fit = fit_of(cohort.rows())
    w, y, x = plain(cohort)
    b = fit.solved.solution.coefficients

    slope = x.T @ (w * (x @ b - y)) / np.diag(x.T * w @ x)
    pushed = fit.solved.constraints.at_least.T @ fit.solved.solution.multipliers

    np.testing.assert_allclose(slope, pushed / (12 * np.diag(x.T * w @ x)), atol=1e-3)
    assert (fit.solved.solution.multipliers >= 0).all()
    assert b.min() >= -1e-6
    assert b[3] >= b[4] - 1e-6
    assert fit.solved.solution.stationarity < 0.01


def test_constraints_bind_where_they_should() -> None:
    b = fit_of(HARD.rows()).solved.solution.coefficients

    assert b[6] == pytest.approx(0, abs=1e-6)
    assert b[3] == pytest.approx(b[4], abs=1e-6)


def test_predictive_ratio_is_one_for_every_free_term() -> None:
    w, y, x = plain(COHORT)
    p = x @ fit_of(COHORT.rows()).solved.solution.coefficients

    for column in x.T:
        assert (w * p) @ column / ((w * y) @ column) == pytest.approx(1, abs=1e-9)


def test_scale_of_cost_scales_coefficients() -> None:
    once = fit_of(HARD.rows()).solved.solution.coefficients
    times = fit_of(HARD.rows(cost=84 * HARD.paid)).solved.solution.coefficients

    np.testing.assert_allclose(times, 7 * once, rtol=1e-9, atol=1e-6)


def test_equality_is_a_merged_column() -> None:
    fit = fit_of(COHORT.rows(), equal=(("heart", "lung"),))
    w, y, x = plain(COHORT)
    merged = np.column_stack([x[:, :5], x[:, 5] + x[:, 6], x[:, 7]])

    alone = np.linalg.solve(merged.T * w @ merged, merged.T @ (w * y))

    np.testing.assert_allclose(fit.solved.solution.coefficients, alone, rtol=1e-9)
    assert fit.cents[5] == fit.cents[6]
    assert fit.status[5:7] == ("equal", "equal")


def test_weight_two_is_a_row_twice() -> None:
    half = Cohort(COHORT.design, np.full(6000, 6), COHORT.paid, COHORT.block)
    full = Cohort(COHORT.design, np.full(6000, 12), 2 * COHORT.paid, COHORT.block)
    first = np.arange(6000) < 3000
    doubled = [full.take(first).rows(), half.take(~first).rows()]
    repeated = [half.take(first).rows(), half.take(first).rows(), half.take(~first).rows()]

    one, other = (fit_of(count(*r)).solved.solution.coefficients for r in (doubled, repeated))

    np.testing.assert_array_equal(one, other)


def test_permuted_members_and_terms_change_nothing() -> None:
    order = np.random.default_rng(0).permutation(6000)

    assert fit_of(HARD.take(order).rows()).cents.tolist() == fit_of(HARD.rows()).cents.tolist()


def test_the_order_of_terms_changes_nothing() -> None:
    order = np.random.default_rng(4).permutation(len(NAMES))
    statistics = summed(count(HARD.rows()))[0]
    same = fit_of(HARD.rows()).solved
    gram, moment = same.statistics.gram, same.statistics.cost
    assert statistics.names == NAMES
    given = same.constraints
    mixed = Constraints(given.at_least[:, order], given.bound, given.equal[:, order], given.level)

    found = solve(gram[np.ix_(order, order)], moment[order], mixed)

    np.testing.assert_allclose(found.coefficients, same.solution.coefficients[order], atol=1e-4)


def test_six_members_by_hand() -> None:
    """Two cells and a condition; the normal equations solved in exact fractions.

    young: 100 for 12 months, 50 for 6; old: 300 and 500 for 12; with heart: young 200 for 12 and
    old 350 for 6 (cents). G in months: young 30, old 30, heart 18, young&heart 12, old&heart 6.
    """
    design = np.zeros((6, len(NAMES)), np.int64)
    design[[0, 1, 4], 0] = design[[2, 3, 5], 2] = design[[4, 5], 5] = 1
    months, paid = np.array([12, 6, 12, 12, 12, 6]), np.array([100, 50, 300, 500, 200, 350])

    b = fit_of(Cohort(design, months, paid, np.zeros(6, np.int64)).rows(), drop=(
        "middle", "severe", "mild", "lung", "rare")).solved.solution.coefficients  # fmt: skip

    # G b = 12 x paid:  30y + 12h = 4200,  30o + 6h = 13800,  12y + 6o + 18h = 6600
    h = Fraction(6600 * 30 - 12 * 4200 - 6 * 13800, 18 * 30 - 12 * 12 - 6 * 6)
    y, o = Fraction(4200 - 12 * h, 30), Fraction(13800 - 6 * h, 30)
    assert (y, o, h) == (68, 424, 180)
    np.testing.assert_allclose(b, [68, 424, 180], rtol=1e-12)


def clarabel_solution(gram, moment, given: Constraints):
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
    scale = np.diag(gram).max()
    rows = sparse.csc_matrix(np.vstack([given.equal, -given.at_least]))
    bound = np.concatenate([given.level, -given.bound])
    cones = [clarabel.ZeroConeT(len(given.equal)), clarabel.NonnegativeConeT(len(given.at_least))]
    upper = sparse.csc_matrix(np.triu(gram / scale))
    solver = clarabel.DefaultSolver(upper, -moment / scale, rows, bound, cones, settings)
    return np.array(solver.solve().x)


@pytest.mark.parametrize("cohort", [COHORT, HARD])
def test_two_solvers_agree_to_the_cent(cohort: Cohort) -> None:
    fit = fit_of(cohort.rows())
    gram, moment = normal_equations(fit.solved.statistics, None)

    other = clarabel_solution(gram, moment, fit.solved.constraints)

    assert np.abs(other - fit.solved.solution.coefficients).max() < 1.0  # one cent


def test_two_solvers_agree_on_random_problems() -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        x = (rng.random((400, 12)) < 0.3).astype(float)
        y = x @ rng.normal(300, 900, 12) + rng.normal(0, 500, 400)
        pairs = rng.choice(12, (6, 2), replace=True)
        rows = [np.eye(12)[a] - np.eye(12)[b] for a, b in pairs if a != b]
        given = Constraints(np.vstack([np.eye(12), *rows]), np.zeros(12 + len(rows)),
                            x.mean(axis=0)[None, :], np.array([abs(y.mean())]))  # fmt: skip

        found = solve(x.T @ x, x.T @ y, given)

        assert found.violation < 1e-6
        np.testing.assert_allclose(
            found.coefficients, clarabel_solution(x.T @ x, x.T @ y, given), atol=1e-3
        )


def test_fixed_and_dropped_terms() -> None:
    fit = fit_of(COHORT.rows(), fixed_usd={"heart": 1234.56}, drop=("lung",))

    assert dict(zip(NAMES, fit.cents, strict=True))["heart"] == 123456
    assert dict(zip(NAMES, fit.cents, strict=True))["lung"] == 0
    w, y, x = plain(COHORT)
    y = y - 123456 * x[:, 5]
    free = np.delete(x, [5, 6], axis=1)
    expected = np.linalg.solve(free.T * w @ free, free.T @ (w * y))
    np.testing.assert_allclose(fit.solved.solution.coefficients, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("policy", "line", "cents"),
    [("merge", "rare keeps its published factor: no member has it", 500_000),
     ("drop", "rare dropped: no member has it", 0)],
)  # fmt: skip
def test_a_term_nobody_has_is_said_and_never_a_silent_zero(policy, line, cents) -> None:
    design = COHORT.design.copy()
    design[:, 7] = 0
    rows = Cohort(design, COHORT.months, COHORT.paid, COHORT.block).rows()

    fit = fit_of(rows, small_terms=policy)

    assert line in fit.reduction.lines
    assert fit.cents[7] == cents


def test_collinear_terms_are_named() -> None:
    design = COHORT.design.copy()
    design[:, 7] = design[:, 6]

    fit = fit_of(Cohort(design, COHORT.months, COHORT.paid, COHORT.block).rows())

    assert "rare dropped: collinear: determined by lung" in fit.reduction.lines


def test_small_terms_are_merged_with_a_relative_or_keep_the_published_factor() -> None:
    few = COHORT.take(np.arange(1500))
    fit = fit_of(few.rows(), small_members=160)

    lines = "\n".join(fit.reduction.lines)
    assert "severe = mild: one term" in lines
    assert "rare keeps its published factor" in lines
    assert fit.cents[7] == 500_000
    assert min(fit.solved.statistics.term_members) >= 160


def test_small_terms_without_a_relative_are_pooled_as_published() -> None:
    published = {"lung": 500, "rare": 2000}
    fit = fit_of(COHORT.rows(), small_members=650, published=published)
    w, y, x = plain(COHORT)
    pool = 500 * x[:, 6] + 2000 * x[:, 7]
    merged = np.column_stack([x[:, :3], x[:, 3] + x[:, 4], x[:, 5], pool])

    alone = np.linalg.solve(merged.T * w @ merged, merged.T @ (w * y))

    assert fit.status[6:] == ("pooled", "pooled")
    assert fit.cents[6:].tolist() == [round(500 * alone[-1]), round(2000 * alone[-1])]
    assert "lung, rare: one term, in proportion to their published factors" in fit.reduction.lines
    assert fit.reduction.pooled.tolist() == [False] * 5 + [True]


def test_small_cells_are_never_dropped() -> None:
    fit = fit_of(COHORT.take(np.arange(60)).rows(), small_members=50, small_terms="drop")

    assert set(fit.status[:3]) <= {"merged", "fitted"}
    assert (fit.cents[:3] > 0).all()


def test_small_terms_can_keep_published_factors() -> None:
    fit = fit_of(COHORT.rows(), small_members=300, small_terms="published")

    assert fit.status[7] == "published"
    assert fit.cents[7] == 500_000  # 1.000 at 500 cents a thousandth


def test_unknown_variables_are_refused() -> None:
    with pytest.raises(OptionError, match="nonsense"):
        fit_of(COHORT.rows(), drop=("nonsense",))


def test_stepwise_obeys_and_says_so() -> None:
    fit = fit_of(HARD.rows(), method="cms-stepwise")
    b = fit.solved.solution.coefficients

    assert b.min() >= -1e-6
    assert b[3] == pytest.approx(b[4])
    assert b[6] == pytest.approx(0, abs=1e-6)


def test_stepwise_is_never_better_than_the_minimum() -> None:
    rng = np.random.default_rng(2)
    for seed in range(10):
        truth = rng.normal(1500, 3000, len(NAMES))
        truth[:3] = np.abs(truth[:3]) + 4000
        statistics = count(draw_cohort(2000, seed, truth).rows())
        best = fit_of(statistics).solved
        other = fit_of(statistics, method="cms-stepwise").solved

        def loss(b, g=best.statistics.gram, c=best.statistics.cost):
            return b @ g @ b / 2 - c @ b

        least = loss(best.solution.coefficients)
        assert loss(other.solution.coefficients) >= least - 1e-12 * abs(least)


def test_shrinkage_between_data_and_published() -> None:
    statistics = count(COHORT.rows())
    alone = fit_of(statistics).solved.solution.coefficients

    weak = fit_of(statistics, method="shrinkage", shrinkage_members=1e-9)
    strong = fit_of(statistics, method="shrinkage", shrinkage_members=1e12)
    middle = fit_of(statistics, method="shrinkage", shrinkage_members=500)

    np.testing.assert_allclose(weak.solved.solution.coefficients, alone, rtol=1e-6)
    ratios = strong.solved.solution.coefficients / strong.solved.solution.coefficients[0]
    np.testing.assert_allclose(ratios[:3], 1, rtol=0.5)
    for fit in (weak, strong, middle):  # whatever pulls, the budget is kept
        own = fit.solved.statistics
        paid = fit.solved.solution.coefficients @ own.term_months
        assert paid == pytest.approx(own.total_cost, rel=1e-9)
    n = summed(statistics)[0].term_members
    np.testing.assert_allclose(middle.solved.prior.credibility, n / (n + 500), atol=1e-6)


def test_shrinkage_estimates_credibility_from_the_data() -> None:
    statistics = count(COHORT.rows())

    fit = fit_of(statistics, method="shrinkage", errors=block_errors(statistics))

    z = fit.solved.prior.credibility
    assert ((z > 0) & (z < 1)).all()
    assert z[0] > z[7]  # three thousand members are believed more than a hundred


def test_group_mean_is_closed_and_budget_kept() -> None:
    masks = (COHORT.design[:, 6] == 1) & (COHORT.block % 2 == 0)
    statistics = count(COHORT.rows(groups=masks[None, :]), groups=("some",))
    w, y, x = plain(COHORT)

    def gap(fit):
        p = x @ fit.solved.solution.coefficients
        return (w * (p - y))[masks].sum() / w[masks].sum(), (w * p).sum() / (w * y).sum()

    before, _ = gap(fit_of(statistics))
    after, ratio = gap(fit_of(statistics, [(0, Equity(group="some", close=0.5))]))

    assert after == pytest.approx(before / 2, rel=1e-6)
    assert ratio == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "options", [{"fixed_usd": {"heart": 1500.0}}, {"small_members": 300}]
)  # fmt: skip
def test_equity_and_budget_count_what_is_not_fitted(options) -> None:
    masks = (COHORT.design[:, 6] == 1) & (COHORT.block % 2 == 0)
    statistics = count(COHORT.rows(groups=masks[None, :]), groups=("some",))
    w, y, x = plain(COHORT)

    def gap(fit):
        p = x @ fit.cents
        return (w * (p - y))[masks].sum() / w[masks].sum(), (w * p).sum() / (w * y).sum()

    before, _ = gap(fit_of(statistics, **options))
    after, ratio = gap(fit_of(statistics, [(0, Equity(group="some", close=0.5))], **options))

    assert after == pytest.approx(before / 2, abs=2)  # coefficients are whole cents
    assert ratio == pytest.approx(1, abs=1e-5)


def test_a_group_of_three_is_not_constrained_and_said() -> None:
    masks = np.arange(6000) < 3
    statistics = count(COHORT.rows(groups=masks[None, :]), groups=("some",))

    fit = fit_of(statistics, [(0, Equity(group="some", close=1))])

    assert fit.notes == ("equity not asked for group some: <11 members",)
    assert fit.cents.tolist() == fit_of(statistics).cents.tolist()


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(InputError, match="segment all: no members"):
        fit_of(COHORT.take(np.zeros(6000, bool)).rows())


def test_order_is_bounded_by_a_fixed_coefficient() -> None:
    fit = fit_of(COHORT.rows(), fixed_usd={"severe": 100.0})

    assert dict(zip(NAMES, fit.cents, strict=True))["mild"] <= 10_000


def test_order_rows_follow_the_hierarchy() -> None:
    fit = fit_of(COHORT.rows())
    given = constraints_of(fit.reduction, tiny_model(), Fit(method="wls", order=True))

    assert given.at_least[-1].tolist() == [0, 0, 0, 1, -1, 0, 0, 0]
    assert len(given.at_least) == len(NAMES) + 1
