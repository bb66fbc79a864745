"""Nine wrong trainers; R² hardly moves, and each is caught by an invariant."""

import numpy as np
import pytest

from tests.training.cohorts import CELLS, draw_cohort, fit_of

# One condition truly lowers cost: the constrained fit must hold it at zero.
COHORT = draw_cohort(8000, 6, np.array([2000, 3000, 4500, 9000, 3000, 6000, -1500, 20000]))
X, MONTHS, PAID = COHORT.design.astype(float), COHORT.months, COHORT.paid
W, Y = MONTHS / 12, 12 * PAID / MONTHS


def wls(w, y, x=X):
    return np.linalg.lstsq(x.T * w @ x, x.T @ (w * y), rcond=None)[0]


def right():
    return fit_of(COHORT.rows()).solved.solution.coefficients


def swapped():
    b = right().copy()
    b[[3, 5]] = b[[5, 3]]
    return b


def partial_dropped():
    full = MONTHS == 12
    return fit_of(COHORT.take(full).rows()).solved.solution.coefficients


def log_target():
    return np.exp(wls(W, np.log1p(Y)))


MUTANTS = {
    "annualised, unweighted": lambda: wls(np.ones_like(W), Y).clip(0),
    "weighted, not annualised": lambda: wls(W, PAID).clip(0),
    "weights squared": lambda: wls(W**2, Y).clip(0),
    "partial years dropped": partial_dropped,
    "negatives left in": lambda: wls(W, Y),
    "least squares, then clipped": lambda: wls(W, Y).clip(0),
    "log target": log_target,
    "silent cap": lambda: wls(W, np.minimum(Y, 2_000_000)).clip(0),
    "two coefficients swapped": swapped,
}


def invariants(b) -> dict[str, bool]:
    """What a right fit holds: optimality, money in total and by cell, no negative coefficient."""
    p = X @ b
    slope = X.T @ (W * (p - Y)) / (X.T @ W)
    free = b > 1e-6
    ratios = [(W * p) @ X[:, j] / ((W * Y) @ X[:, j]) for j in range(len(CELLS))]
    return {
        "free slopes are zero": bool(np.abs(slope[free]).max() < 1.0),
        "bound slopes push down": bool((slope[~free] >= -1.0).all()),
        "money by cell": bool(np.abs(np.array(ratios) - 1).max() < 1e-6),
        "no coefficient below zero": bool(b.min() > -1e-6),
    }


def test_the_right_fit_holds_every_invariant() -> None:
    assert all(invariants(right()).values())


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_trainer_is_caught(name: str) -> None:
    assert not all(invariants(MUTANTS[name]()).values())
