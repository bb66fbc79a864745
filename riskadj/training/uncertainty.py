"""How sure: robust standard errors, bootstrap refits from block statistics, credibility.

Classical standard errors of least squares are wrong here by a factor of about two (costs of the
ill vary far more); only robust ones and the bootstrap are offered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import null_space
from threadpoolctl import threadpool_limits

from riskadj.training.constrained import Constraints, Solution, solve, unconstrained
from riskadj.training.reduction import Reduction
from riskadj.training.segment_fit import Errors, SegmentFit, normal_equations, solve_terms
from riskadj.training.spec import Fit
from riskadj.training.statistics import Rows, SegmentStatistics, Statistics

Array = NDArray[np.float64]
LEAST_OWN = 30
"""Members below which a variance is that of all terms' members pooled, not the term's own."""
NORMAL_90, TOLERANCE = 1.645, 0.05
"""Limited fluctuation: within 5 % with probability 90 % (Longley-Cook 1962)."""


def block_errors(statistics: Statistics) -> Errors:
    """Return a function that gives a segment's free coefficients and block-robust errors."""

    def errors(reduction: Reduction, small: SegmentStatistics, segment: str) -> tuple[Array, Array]:
        place = statistics.segments.index(segment)
        free = solve(small.gram, small.cost, unconstrained(len(small.cost)))
        scores = block_scores(statistics, place, reduction, free.coefficients)
        spread = scores.T @ scores * (len(scores) / (len(scores) - 1))
        found = sandwich(small.gram, spread, free, unconstrained(len(small.cost)))
        return free.coefficients, np.sqrt(np.diag(found).clip(0))

    return errors


def block_scores(
    statistics: Statistics, segment: int, reduction: Reduction, coefficients: Array
) -> Array:
    """Return X't - X'MX b of each block, for the terms: shape (n_blocks, n_terms)."""
    full = reduction.spread(coefficients) + reduction.fixed_usd * 100
    pairs, columns = statistics.pairs_of(segment), statistics.columns_of(segment)
    p = len(full)
    grams = statistics.months[:, pairs].tocoo().reshape((statistics.n_blocks * p, p)).tocsr()
    fitted = (grams @ full).reshape(statistics.n_blocks, p)
    made: Array = (statistics.cost[:, columns] - fitted) @ reduction.matrix
    return made


def sandwich(gram: Array, spread: Array, solution: Solution, constraints: Constraints) -> Array:
    """Return the robust covariance of coefficients; binding constraints are taken as equalities.

    Parameters
    ----------
    gram : float, shape (p, p)
    spread : float, shape (p, p)
        Sum over members (or blocks) of score times score'.

    Returns
    -------
    float, shape (p, p)
        N (N'GN)^-1 N'SN (N'GN)^-1 N', N a basis of what the binding constraints leave free.
    """
    if len(solution.binding) != len(constraints.at_least):
        raise AssertionError("the solution is not of these constraints")
    tight = np.vstack([constraints.equal, constraints.at_least[solution.binding]])
    basis = null_space(tight) if len(tight) else np.eye(len(gram))
    if basis.shape[1] == 0:
        return np.zeros_like(gram)
    inner = np.linalg.inv(basis.T @ gram @ basis)
    bread = basis @ inner @ basis.T
    made: Array = bread @ spread @ bread
    return made


@dataclass(frozen=True, slots=True)
class SecondPass:
    """What a second pass over members adds to the statistics of a fit.

    Attributes
    ----------
    spread
        For each segment, sum of x x' (t - M x'b)², in (cents/12)²: the meat of HC0.
    squares
        For each segment, X'(t²/months): second moments of cost among the members of a term.
    """

    spread: tuple[Array, ...]
    squares: tuple[Array, ...]


def second_pass(batches: Iterable[Rows], statistics: Statistics, cents: Array) -> SecondPass:
    """Go through the members once more with the fitted coefficients of all columns.

    Parameters
    ----------
    cents : float, shape (n_columns,)
        Coefficients in cents a year.
    """
    spread: Any = 0
    squares: Any = 0
    for rows in batches:
        left = rows.cost - rows.months * (rows.design @ cents)
        spread = spread + (rows.design.T @ sparse.diags_array(left**2) @ rows.design)
        squares = squares + rows.design.T @ (rows.cost.astype(np.float64) ** 2 / rows.months)
    places = [statistics.columns_of(s) for s in range(len(statistics.segments))]
    whole = sparse.csr_array(spread)
    return SecondPass(
        tuple(whole[place, :][:, place].toarray() for place in places),
        tuple(squares[place] for place in places),
    )


def robust_errors(fit: SegmentFit, spread: Array) -> Array:
    """Return HC0 standard errors of every variable, in cents; 0 where nothing was free."""
    if (solved := fit.solved) is None:
        return np.zeros(len(fit.cents))
    t = fit.reduction.matrix
    gram, _ = normal_equations(solved.statistics, solved.prior)
    found = sandwich(gram, t.T @ spread @ t, solved.solution, solved.constraints)
    return fit.reduction.spread(np.sqrt(np.diag(found).clip(0)))


def bootstrap_coefficients(
    statistics: Statistics, fit: SegmentFit, how: Fit, counts: NDArray[np.int64]
) -> Array:
    """Refit a segment on resampled blocks.

    Parameters
    ----------
    counts : int, shape (n_boot, n_blocks)
        How often each block is drawn.

    Returns
    -------
    float, shape (n_boot, n_variables)
        Coefficients in cents. Terms, constraints and credibility stay those of the fit.
    """
    if (solved := fit.solved) is None:
        return np.repeat(fit.cents[None, :].astype(np.float64), len(counts), axis=0)
    drawn_each = _resampled(statistics, fit, counts)

    def refit(i: int) -> Array:
        drawn = replace(solved.statistics, **{n: v[i] for n, v in drawn_each.items()})
        return solve_terms(drawn, solved.constraints, how, solved.prior).coefficients

    with threadpool_limits(1):
        found = np.array([refit(i) for i in range(len(counts))])
    spread = found @ fit.reduction.matrix.T
    return spread + fit.reduction.fixed_usd * 100


def _resampled(
    statistics: Statistics, fit: SegmentFit, counts: NDArray[np.int64]
) -> dict[str, Array]:
    """Return each replicate's G and c for the terms, and what its budget row needs."""
    place = statistics.segments.index(fit.segment)
    pairs, columns = statistics.pairs_of(place), statistics.columns_of(place)
    t = fit.reduction.matrix
    onto = sparse.csr_array(t)
    by_block = statistics.months[:, pairs] @ sparse.kron(onto, onto, format="csr")
    drawn = counts.astype(np.float64)
    grams = np.asarray((sparse.csr_array(by_block).T @ drawn.T).T)
    p = len(t)
    fixed = statistics.months[:, pairs].tocoo().reshape((statistics.n_blocks * p, p)).tocsr()
    explained = (fixed @ (fit.reduction.fixed_usd * 100)).reshape(statistics.n_blocks, p)
    moments = drawn @ ((statistics.cost[:, columns] - explained) @ t)
    q = t.shape[1]
    each = statistics.months[:, pairs][:, np.arange(p) * (p + 1)].toarray().astype(np.float64)
    return {
        "gram": grams.reshape(len(counts), q, q), "cost": moments,
        "term_months": drawn @ (each @ t),
        "explained": drawn @ (each @ (fit.reduction.fixed_usd * 100)),
        "total_months": drawn @ statistics.total_months[:, place].astype(np.float64),
        "total_cost": drawn @ statistics.total_cost[:, place].astype(np.float64),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credibility:
    """How far a condition's own members can be believed.

    Attributes
    ----------
    full_members : float, shape (n,)
        Members for full credibility: (1.645/0.05)² times the squared coefficient of variation.
    limited_fluctuation : float, shape (n,)
        min(1, sqrt(members / full_members)).
    buhlmann : float, shape (n,)
        n/(n + within/between): within a variable's members, between the variables' means.
    """

    full_members: Array
    limited_fluctuation: Array
    buhlmann: Array


def credibility(statistics: SegmentStatistics, squares: Array) -> Credibility:
    """Return the credibility of each variable's mean cost.

    Parameters
    ----------
    squares : float, shape (n_variables,)
        X'(t²/months) of the second pass.
    """
    months, n = statistics.term_months, statistics.term_members.astype(np.float64)
    there = n > 0
    if not there.any():
        return Credibility(*(np.zeros(len(n)) for _ in range(3)))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = statistics.cost / months
        variance = np.maximum(squares / months - mean**2, 0.0)
    within = float((n @ np.where(there, variance, 0.0)) / n.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(n < LEAST_OWN, within, variance)
        full = (NORMAL_90 / TOLERANCE) ** 2 * own / mean**2
        limited = np.minimum(1.0, np.sqrt(n / full))
    center = float(n @ np.where(there, mean, 0.0) / n.sum())
    noise = within / np.maximum(n, 1)
    between = float(n @ np.where(there, (mean - center) ** 2 - noise, 0.0) / n.sum())
    z = n / (n + within / between) if between > 0 else np.zeros_like(n)
    return Credibility(np.nan_to_num(full), np.nan_to_num(limited), z)


def interval(values: Array, level: float = 0.95) -> tuple[Array, Array]:
    """Return the percentile interval of bootstrap values along the first axis."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high


def in_sample_r2(statistics: Sequence[SegmentStatistics], cents: Sequence[Array]) -> float:
    """Return R² over several segments from (G, c, t'M^-1 t) alone."""
    months = sum(s.total_months for s in statistics)
    mean = sum(s.total_cost for s in statistics) / months
    left = sum(
        float(s.squares) - 2 * float(s.cost @ b) + float(b @ s.gram @ b)
        for s, b in zip(statistics, cents, strict=True)
    )
    around = sum(float(s.squares) for s in statistics) - months * mean**2
    return 1 - left / around
