"""The constrained fit as a scikit-learn estimator, for pipelines and cross-validation."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from riskadj.training.constrained import Constraints, solve


class ConstrainedRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Weighted least squares with non-negative, ordered and equal coefficients, no intercept.

    A risk-adjustment design has no intercept: age-sex cells partition the members. It is the same
    solver that ``riskadj train`` uses, on floats instead of exact sums.

    Parameters
    ----------
    nonnegative
        No coefficient is below 0.
    order
        Pairs of columns (higher, lower): the first coefficient is at least the second.
    equal
        Groups of columns with one coefficient.

    Attributes
    ----------
    coef_ : float, shape (n_features,)
    kkt_ : float
        How far the solution is from satisfying the optimality conditions, in coefficient units.
    n_features_in_
        Number of columns.
    """

    def __init__(
        self,
        *,
        nonnegative: bool = True,
        order: Sequence[tuple[int, int]] = (),
        equal: Sequence[Sequence[int]] = (),
    ) -> None:
        self.nonnegative = nonnegative
        self.order = order
        self.equal = equal

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the coefficients.

        Parameters
        ----------
        X : float or scipy CSR, shape (n_members, n_features)
        y : float, shape (n_members,)
            Annualised cost.
        sample_weight : float, shape (n_members,), optional
            Eligible months / 12; 1 when left out.

        Raises
        ------
        OptionError
            The constraints contradict each other.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64, y_numeric=True)
        w = _check_sample_weight(sample_weight, X, dtype=np.float64)
        weighted = X.multiply(w[:, None]).tocsr() if sparse.issparse(X) else X * w[:, None]
        gram = weighted.T @ X
        dense = gram.toarray() if sparse.issparse(gram) else np.asarray(gram)
        found = solve(dense, np.asarray(weighted.T @ y), self._constraints(X.shape[1]))
        self.coef_ = found.coefficients
        self.kkt_ = found.stationarity
        return self

    def _constraints(self, n: int) -> Constraints:
        rows = [*np.eye(n)] if self.nonnegative else []
        rows += [_difference(n, higher, lower) for higher, lower in self.order]
        same = [_difference(n, group[0], k) for group in self.equal for k in group[1:]]
        return Constraints(
            np.array(rows).reshape(-1, n), np.zeros(len(rows)),
            np.array(same).reshape(-1, n), np.zeros(len(same)),
        )  # fmt: skip

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return predicted annual cost, float, shape (n_members,)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        return np.asarray(X @ self.coef_)

    def __sklearn_tags__(self) -> Tags:
        """Say that sparse rows are accepted, and that no intercept makes a poor fit on any data."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.regressor_tags.poor_score = True
        return tags


def _difference(n: int, higher: int, lower: int) -> NDArray[np.float64]:
    row = np.zeros(n)
    row[higher], row[lower] = 1.0, -1.0
    return row
