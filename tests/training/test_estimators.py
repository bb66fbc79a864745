"""The constrained fit keeps scikit-learn's contract."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from riskadj.errors import OptionError
from riskadj.training.constrained import Constraints, solve
from riskadj.training.estimators import ConstrainedRegressor


@parametrize_with_checks([ConstrainedRegressor(), ConstrainedRegressor(nonnegative=False)])
def test_estimator_contract(estimator, check) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def cohort() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    design = (rng.random((3000, 6)) < [0.5, 0.3, 0.3, 0.2, 0.2, 0.1]).astype(float)
    return design, design @ [900.0, 400.0, 500.0, 0.0, 50.0, 2000.0] + rng.normal(0, 800, 3000)


def test_order_and_equality_hold(cohort) -> None:
    fit = ConstrainedRegressor(order=[(1, 2)], equal=[(3, 4)]).fit(*cohort)

    assert fit.coef_[1] >= fit.coef_[2] - 1e-9
    assert fit.coef_[3] == pytest.approx(fit.coef_[4], abs=1e-9)
    assert fit.coef_.min() >= -1e-9
    assert fit.kkt_ < 1e-6


def test_sparse_is_dense(cohort) -> None:
    design, cost = cohort

    dense = ConstrainedRegressor().fit(design, cost)
    thin = ConstrainedRegressor().fit(sparse.csr_array(design), cost)

    np.testing.assert_allclose(thin.coef_, dense.coef_, rtol=1e-10, atol=1e-9)


def test_pipeline_and_cross_validation(cohort) -> None:
    scores = cross_val_score(make_pipeline(MaxAbsScaler(), ConstrainedRegressor()), *cohort, cv=5)

    assert scores.min() > 0.3


def test_contradicting_constraints_are_refused() -> None:
    both_ways = Constraints(
        np.array([[1.0, 0], [-1, 0]]), np.ones(2), np.zeros((0, 2)), np.zeros(0)
    )

    with pytest.raises(OptionError, match="contradict"):
        solve(np.eye(2), np.ones(2), both_ways)
