"""Boosted trees as a scikit-learn estimator that is nothing but text once fitted."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from riskadj.errors import InputError, ModelFolderError, OptionError
from riskadj.training.tree_text import (
    OBJECTIVES,
    check_tree_text,
    number_of_features,
    parameters_of,
)

Objective = Literal["l2", "tweedie"]


class TreeRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """LightGBM trees for annual cost.

    The same rows in the same order, parameters and seed give the same text to the byte. **The order
    of rows changes the model**: sort members by id before fitting. A row of weight 2 is not a row
    twice: leaves count rows, not weights. LightGBM keeps costs and weights in 32-bit floats.

    Parameters
    ----------
    objective
        ``"l2"`` predicts by least squares; ``"tweedie"`` by a log link, for costs of 0 or more.
    tweedie_power
        Variance power, at least 1 and below 2; only for ``"tweedie"``.
    rounds, learning_rate
        Number of trees, and the share of each that is added.
    leaves, min_members_in_leaf
        Most leaves of a tree, and fewest rows of a leaf. The text names the rows of every leaf and
        the range of every column: mind small leaves before publishing it.
    monotone
        -1, 0 or 1 a column: predictions fall, do as they like, or rise with it.
    seed
        Draws the rows that set the bins, above 200,000 rows.
    threads
        LightGBM's threads; 1 is the fastest on a busy machine.

    Attributes
    ----------
    model_text_
        The trees in LightGBM's text form.
    n_features_in_
        Number of columns.
    """

    def __init__(
        self,
        objective: Objective = "l2",
        *,
        tweedie_power: float = 1.5,
        rounds: int = 100,
        learning_rate: float = 0.1,
        leaves: int = 31,
        min_members_in_leaf: int = 20,
        monotone: Sequence[int] | None = None,
        seed: int = 0,
        threads: int = 1,
    ) -> None:  # fmt: skip
        self.objective = objective
        self.tweedie_power = tweedie_power
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.min_members_in_leaf = min_members_in_leaf
        self.monotone = monotone
        self.seed = seed
        self.threads = threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Grow the trees.

        Parameters
        ----------
        X : float or scipy CSR, shape (n_members, n_features)
            CSR is about twice as fast as dense.
        y : float, shape (n_members,)
            Annualised cost, dollars.
        sample_weight : float, shape (n_members,), optional
            Eligible months / 12; 1 when left out.

        Raises
        ------
        OptionError
            A parameter cannot be used.
        InputError
            A cost is below 0 although the objective is ``"tweedie"``.
        ValueError
            The arrays cannot be used (scikit-learn's own checks).
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64, y_numeric=True)
        w = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        params = self._lightgbm_parameters()
        if self.objective == "tweedie" and (below := int((y < 0).sum())):
            raise InputError(f"tweedie trees need costs of 0 or more: {below:,} rows are below")
        rows = lgb.Dataset(_readable(X), y, weight=w, params=params)
        self.model_text_ = lgb.train(params, rows, self.rounds).model_to_string()
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return annual dollars, float, shape (n_members,)."""
        found = _booster(self._fitted_text()).predict(self._rows(X), num_threads=self.threads)
        return np.asarray(found, dtype=np.float64)

    def contributions(self, X: Any) -> NDArray[np.float64]:
        """Return what each column adds to each prediction (exact TreeSHAP values).

        Returns
        -------
        float, shape (n_members, n_features + 1)
            The last column is the mean; rows add up to the prediction, or to its logarithm when
            the objective is ``"tweedie"``. Dense: give it some thousand rows at a time.
        """
        found = _booster(self._fitted_text()).predict(
            self._rows(X), pred_contrib=True, num_threads=self.threads
        )
        dense = found.toarray() if sparse.issparse(found) else found  # type: ignore[union-attr]
        return np.asarray(dense, dtype=np.float64)

    def __sklearn_tags__(self) -> Tags:
        """Say that sparse rows are welcome, and that tweedie needs costs of 0 or more."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = self.objective == "tweedie"
        return tags

    def _fitted_text(self) -> str:
        check_is_fitted(self, "model_text_")
        return self.model_text_

    def _rows(self, X: Any) -> Any:
        rows = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        return _readable(rows)

    def _lightgbm_parameters(self) -> dict[str, Any]:
        """Translate the parameters.

        Raises
        ------
        OptionError
            One of them cannot be used.
        """
        self._check_parameters()
        params: dict[str, Any] = {
            "objective": self.objective, "num_leaves": self.leaves,
            "learning_rate": self.learning_rate, "min_data_in_leaf": self.min_members_in_leaf,
            "seed": self.seed, "num_threads": self.threads, "verbosity": -1,
            "deterministic": True, "force_row_wise": True, "feature_pre_filter": False,
            "bagging_freq": 0, "bagging_fraction": 1.0, "feature_fraction": 1.0,
        }  # fmt: skip
        if self.objective == "tweedie":
            params["tweedie_variance_power"] = self.tweedie_power
        if self.monotone is not None:
            params["monotone_constraints"] = [int(sign) for sign in self.monotone]
        return params

    def _check_parameters(self) -> None:
        if self.objective not in OBJECTIVES.values():
            raise OptionError(f"No objective {self.objective!r}: there are l2 and tweedie")
        if not 1 <= self.tweedie_power < 2:
            raise OptionError(f"tweedie_power is at least 1 and below 2, got {self.tweedie_power}")
        if min(self.rounds, self.min_members_in_leaf, self.threads) < 1 or self.leaves < 2:
            raise OptionError("rounds, min_members_in_leaf and threads are at least 1, leaves 2")
        if not self.learning_rate > 0:
            raise OptionError(f"learning_rate is above 0, got {self.learning_rate}")
        if self.monotone is not None and (
            len(self.monotone) != self.n_features_in_ or not {*self.monotone} <= {-1, 0, 1}
        ):
            raise OptionError(f"monotone is -1, 0 or 1 for each of {self.n_features_in_} columns")


def load_trees(path: Path) -> TreeRegressor:
    """Read a fitted model from its text; columns are known by their place only.

    Returns
    -------
    TreeRegressor
        With the same text and predictions; parameters are those LightGBM noted, to six digits.

    Raises
    ------
    ModelFolderError
        The file is missing, or is not the text of whole trees.
    """
    try:
        text = path.read_bytes().decode()
        check_tree_text(text)
        model = TreeRegressor(**_parameters(parameters_of(text)))
        model.model_text_ = text
        model.n_features_in_ = number_of_features(text)
        _booster(text)
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ModelFolderError(f"{path}: this is not text") from None
    except (ModelFolderError, lgb.basic.LightGBMError) as error:
        raise ModelFolderError(f"{path}: {error}") from error
    return model


def _parameters(noted: dict[str, str]) -> dict[str, Any]:
    """Turn LightGBM's parameters into a TreeRegressor's.

    Raises
    ------
    ModelFolderError
        One is missing or cannot be used.
    """
    signs = noted.get("monotone_constraints", "")
    try:
        return {
            "objective": OBJECTIVES[noted["objective"]],
            "tweedie_power": float(noted["tweedie_variance_power"]),
            "rounds": int(noted["num_iterations"]),
            "learning_rate": float(noted["learning_rate"]),
            "leaves": int(noted["num_leaves"]),
            "min_members_in_leaf": int(noted["min_data_in_leaf"]),
            "monotone": tuple(int(sign) for sign in signs.split(",")) if signs else None,
            "seed": int(noted["seed"]),
            "threads": int(noted["num_threads"]),
        }
    except (KeyError, ValueError) as error:
        raise ModelFolderError(f"the parameters at its end cannot be used: {error}") from None


def _readable(rows: Any) -> Any:
    """LightGBM reads scipy's sparse matrices, but not its sparse arrays."""
    return sparse.csr_matrix(rows) if sparse.issparse(rows) else rows


@lru_cache(maxsize=4)
def _booster(text: str) -> lgb.Booster:
    """Rebuild the trees; estimators hold the text only, so that they copy and pickle as text."""
    return lgb.Booster(model_str=text)
