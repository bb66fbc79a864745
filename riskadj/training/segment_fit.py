"""Fit a segment's coefficients from its statistics: constrained, shrunk, or CMS's stepwise way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError
from riskadj.model import RiskModel
from riskadj.training.constrained import Constraints, Solution, solve
from riskadj.training.disclosure import shown_count
from riskadj.training.reduction import Reduction, reduce_terms, reduced
from riskadj.training.spec import Equity, Fit
from riskadj.training.statistics import SegmentStatistics

Array = NDArray[np.float64]
LEAST_GROUP = 200
"""Members of a group in a segment whose mean can be constrained."""
Errors = Callable[[Reduction, SegmentStatistics, str], tuple[Array, Array]]
"""Gives a segment's unconstrained coefficients and their robust standard errors, in cents."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What coefficients are shrunk to, and how much the data count against it.

    Attributes
    ----------
    cents : float, shape (n_terms,)
        The base model's coefficients in this population's cents a year.
    credibility : float, shape (n_terms,)
        Z: 1 takes the data alone, 0 the prior alone.
    """

    cents: Array
    credibility: Array


@dataclass(frozen=True, slots=True)
class Solved:
    """A regression that was solved, in cents a year.

    Attributes
    ----------
    statistics
        Of the reduced regression.
    prior
        For shrinkage, else None.
    """

    statistics: SegmentStatistics
    constraints: Constraints
    solution: Solution
    prior: Prior | None


@dataclass(frozen=True, slots=True)
class SegmentFit:
    """One segment's fitted coefficients.

    Attributes
    ----------
    segment
        Its key.
    reduction
        Which variables are which terms.
    solved
        The regression; None where the base model's factors were taken.
    notes
        What could not be done, for people.
    cents : int64, shape (n_variables,)
        Coefficients in whole cents a year, for every variable.
    """

    segment: str
    reduction: Reduction
    solved: Solved | None
    notes: tuple[str, ...]
    cents: NDArray[np.int64]

    @property
    def status(self) -> tuple[str, ...]:
        """What became of each variable: as the reduction says, or ``at_zero``."""
        found = zip(self.reduction.status, self.cents, strict=True)
        return tuple("at_zero" if s == "fitted" and c == 0 else s for s, c in found)


def fit_segment(
    segment: str,
    statistics: SegmentStatistics,
    model: RiskModel,
    fit: Fit,
    equity: Sequence[tuple[int, Equity]],
    prior: "PriorSource",
) -> SegmentFit:
    """Fit one segment.

    Parameters
    ----------
    statistics
        Over all variables of the segment.
    equity
        Constraints on groups: the group's place in the statistics and the share to close.
    prior
        The published coefficients in cents, and for shrinkage what Z is made of.

    Raises
    ------
    InputError
        Nobody is in the segment.
    OptionError
        The constraints contradict each other.
    """
    if statistics.total_members == 0:
        raise InputError(f"segment {segment}: no members to fit it on")
    published = prior.thousandths(segment, statistics.names)
    reduction = reduce_terms(statistics, model, fit, published, prior.cents_per_thousandth)
    small = reduced(statistics, reduction)
    constraints = constraints_of(reduction, model, fit)
    shrunk = prior.for_terms(reduction, small, segment) if fit.method == "shrinkage" else None
    solution = solve_terms(small, constraints, fit, shrunk)
    wishes, notes = possible(equity, small)
    if wishes:
        constraints = with_equity(constraints, solution, small, wishes)
        solution = _solve_equity(segment, small, constraints, fit, shrunk)
    cents = whole_cents(reduction, solution.coefficients)
    return SegmentFit(
        segment, reduction, Solved(small, constraints, solution, shrunk), notes, cents
    )


def _solve_equity(
    segment: str,
    statistics: SegmentStatistics,
    constraints: Constraints,
    fit: Fit,
    prior: Prior | None,
) -> Solution:
    try:
        return solve_terms(statistics, constraints, fit, prior)
    except OptionError as error:
        raise OptionError(f"equity in segment {segment}: {error}; close less of the gap") from None


def possible(
    equity: Sequence[tuple[int, Equity]], statistics: SegmentStatistics
) -> tuple[list[tuple[int, Equity]], tuple[str, ...]]:
    """Return the equity constraints that a segment can carry, and why not the others.

    A group needs ``LEAST_GROUP`` members in the segment, and the segment more terms than
    constraints, the balance of the budget among them.
    """
    wishes: list[tuple[int, Equity]] = []
    notes: list[str] = []
    for g, wish in equity:
        n = int(statistics.group_members[g])
        if n < LEAST_GROUP:
            notes.append(f"equity not asked for group {wish.group}: {shown_count(n)} members")
        elif len(statistics.names) < len(wishes) + 3:
            notes.append(f"equity not asked for group {wish.group}: too few terms")
        else:
            wishes.append((g, wish))
    return wishes, tuple(notes)


def whole_cents(reduction: Reduction, coefficients: Array) -> NDArray[np.int64]:
    """Round terms' coefficients to cents and give each variable its own."""
    cents = np.rint(reduction.spread(coefficients)).astype(np.int64)
    fixed = np.rint(reduction.fixed_usd * 100).astype(np.int64)
    return np.where(reduction.term_of >= 0, cents, fixed)


def predicted_cents(
    reduction: Reduction, coefficients: Array, statistics: SegmentStatistics
) -> float:
    """Return what a segment is predicted to cost: sum of cents x months, terms in whole cents.

    A pooled term's own coefficient is not rounded: its variables' months are not published.
    """
    cents = np.where(reduction.pooled, coefficients, np.rint(coefficients))
    return float(cents @ statistics.term_months) + statistics.explained


def solve_terms(
    statistics: SegmentStatistics, constraints: Constraints, fit: Fit, prior: Prior | None
) -> Solution:
    """Solve a reduced regression: constrained least squares, shrunk, or stepwise."""
    gram, moment = normal_equations(statistics, prior)
    if fit.method == "cms-stepwise":
        return stepwise(gram, moment, constraints)
    if prior is not None and not len(constraints.equal):
        constraints = balanced(constraints, statistics)
    return solve(gram, moment, constraints)


def normal_equations(statistics: SegmentStatistics, prior: Prior | None) -> tuple[Array, Array]:
    """Return G and c; with a prior, G + D and c + D b0 where D makes G/(G + D) = Z."""
    if prior is None:
        return statistics.gram, statistics.cost
    weight = np.diag(statistics.gram) * (1 - prior.credibility) / prior.credibility
    return statistics.gram + np.diag(weight), statistics.cost + weight * prior.cents


def constraints_of(reduction: Reduction, model: RiskModel, fit: Fit) -> Constraints:
    """No coefficient below zero; a condition costs at least as much as one it outranks.

    Order rows stand for the pairs of ``hierarchy.csv`` of which both are fitted; against a
    coefficient that the spec fixes the pair is a bound.
    """
    n = len(reduction.terms)
    rows = [*np.eye(n)]
    bound = [0.0] * n
    place = {name: i for i, name in enumerate(reduction.variables)}
    pairs = [(place[p], place[c]) for p, c in model.hierarchy if p in place and c in place]
    for parent, child in pairs if fit.order else []:
        row, level = np.zeros(n), 0.0
        for variable, sign in ((parent, 1.0), (child, -1.0)):
            if (term := reduction.term_of[variable]) >= 0:
                row[term] += sign
            level -= sign * reduction.fixed_usd[variable] * 100
        if row.any() and _both_priced(reduction, parent, child):
            rows.append(row)
            bound.append(level)
    none = np.zeros((0, n))
    return Constraints(np.array(rows).reshape(-1, n), np.array(bound), none, np.zeros(0))


def _both_priced(reduction: Reduction, parent: int, child: int) -> bool:
    """Say whether the fit or the spec decides both; published factors may break the order."""
    apart = ("dropped", "published", "pooled")
    return all(reduction.status[i] not in apart for i in (parent, child))


def balanced(constraints: Constraints, statistics: SegmentStatistics) -> Constraints:
    """Add the balance row: the budget is the segment's cost, whatever pulls at coefficients.

    What coefficients that are not fitted predict is taken off first.
    """
    row = statistics.term_months / statistics.total_months
    level = (statistics.total_cost - statistics.explained) / statistics.total_months
    return Constraints(constraints.at_least, constraints.bound,
                       np.vstack([constraints.equal, row]),
                       np.append(constraints.level, level))  # fmt: skip


def with_equity(
    constraints: Constraints,
    free: Solution,
    statistics: SegmentStatistics,
    equity: Sequence[tuple[int, Equity]],
) -> Constraints:
    """Add a row for each group's mean and the balance row, without which money appears."""
    rows, levels = [], []
    for g, wish in equity:
        row = statistics.group_months[g] / statistics.group_total_months[g]
        mean = statistics.group_cost[g] / statistics.group_total_months[g]
        rows.append(row)
        levels.append(mean + (1 - wish.close) * (row @ free.coefficients - mean))
    return balanced(
        Constraints(constraints.at_least, constraints.bound, np.array(rows), np.array(levels)),
        statistics,
    )


def stepwise(gram: Array, moment: Array, constraints: Constraints) -> Solution:
    """Drop negative coefficients and refit; join a pair out of order and refit; until none is.

    The heuristic that CMS describes for its recalibrations. It is no minimum of anything, so
    ``stationarity`` speaks of the joined and dropped problem.
    """
    rows: list[Array] = [*constraints.equal]
    levels: list[float] = [*constraints.level]
    n, taken = len(moment), list[int]()
    for _ in range(len(constraints.at_least) + 1):
        given = Constraints(np.zeros((0, n)), np.zeros(0), np.array(rows).reshape(-1, n),
                            np.array(levels))  # fmt: skip
        found = solve(gram, moment, given)
        short = constraints.bound - constraints.at_least @ found.coefficients
        broken = np.flatnonzero(short > 1e-6)
        if not len(broken):
            tied = np.zeros(len(constraints.at_least), dtype=np.bool_)
            tied[taken] = True
            return replace(found, binding=tied, multipliers=np.zeros(len(tied)))
        negative = [i for i in broken if np.count_nonzero(constraints.at_least[i]) == 1]
        for i in negative or broken[:1]:
            taken.append(int(i))
            rows.append(constraints.at_least[i])
            levels.append(float(constraints.bound[i]))
    raise OptionError("cms-stepwise: dropping and joining did not come to an end")


@dataclass(frozen=True, slots=True)
class PriorSource:
    """The base model's coefficients, and how Z is found.

    Attributes
    ----------
    published
        By segment and variable, in thousandths.
    cents_per_thousandth
        What a thousandth costs in this population.
    members
        k of Z = n/(n + k); 0 for Bühlmann's k from the data.
    errors
        Robust standard errors of the terms by segment, in cents, from the blocks; asked only when
        k comes from the data.
    """

    published: Mapping[tuple[str, str], int]
    cents_per_thousandth: float
    members: float
    errors: Errors

    def thousandths(self, segment: str, variables: Sequence[str]) -> NDArray[np.int64]:
        """Return the published coefficients of some variables."""
        return np.array([self.published[segment, v] for v in variables], dtype=np.int64)

    def cents(self, segment: str, variables: Sequence[str]) -> Array:
        """Return them in cents a year."""
        own = self.thousandths(segment, variables).astype(np.float64)
        return own * self.cents_per_thousandth

    def for_terms(self, reduction: Reduction, statistics: SegmentStatistics, segment: str) -> Prior:
        """Return the prior of a segment's terms: means over the variables of a merged term."""
        cents = reduction.mean_of(self.cents(segment, reduction.variables))
        if self.members:
            n = statistics.term_members
            return Prior(cents, printed(n / (n + self.members)))
        free, error = self.errors(reduction, statistics, segment)
        return Prior(cents, printed(buhlmann(free - cents, error, statistics)))


def printed(credibility: Array) -> Array:
    """Round Z to the six decimals that are published, so that a reader solves the same problem."""
    return np.maximum(np.round(credibility, 6), 1e-6)


def buhlmann(distance: Array, error: Array, statistics: SegmentStatistics) -> Array:
    """Return Z = t²/(t² + se²): t² the variance of true distances from the prior.

    Estimated by moments: the mean squared distance beyond what sampling errors alone give,
    weighted by members (Bühlmann and Straub 1970).
    """
    n = statistics.term_members.astype(np.float64)
    between = max(0.0, float(n @ (distance**2 - error**2) / n.sum()))
    return between / (between + error**2) if between > 0 else np.zeros_like(error)
