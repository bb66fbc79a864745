"""Least squares with inequalities and equalities, from its sufficient statistics alone.

Minimize b'Gb/2 - c'b subject to A b >= h and E b = e. With an eigen root R'R = G the problem is
the least distance from R b to a point, which non-negative least squares solves exactly (Lawson and
Hanson, Solving Least Squares Problems, 1974, chapter 23: LSI and LDP). Equalities are eliminated
first by an orthonormal basis of their null space. The solution is unique when G is positive
definite, and does not depend on the order of terms or rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space
from scipy.optimize import nnls

from riskadj.errors import OptionError

Array = NDArray[np.float64]
FLAT = 1e-10
"""Eigenvalues below this share of the largest are flat directions: no data speak of them."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a solution must obey.

    Attributes
    ----------
    at_least : float, shape (m, p), and bound : float, shape (m,)
        at_least @ b >= bound.
    equal : float, shape (k, p), and level : float, shape (k,)
        equal @ b == level.
    """

    at_least: Array
    bound: Array
    equal: Array
    level: Array


@dataclass(frozen=True, slots=True)
class Solution:
    """A minimum and the proof that it is one.

    Attributes
    ----------
    coefficients : float, shape (p,)
    multipliers : float, shape (m,)
        Of the inequalities, not negative; positive only where one binds.
    binding : bool, shape (m,)
    stationarity
        Largest absolute entry of G b - c - A'mu - E'nu, divided by the diagonal of G: in the units
        of the coefficients.
    violation
        Largest amount by which a constraint fails, in its own units.
    """

    coefficients: Array
    multipliers: Array
    binding: NDArray[np.bool_]
    stationarity: float
    violation: float


def unconstrained(p: int) -> Constraints:
    """Return no constraints on ``p`` coefficients."""
    return Constraints(np.zeros((0, p)), np.zeros(0), np.zeros((0, p)), np.zeros(0))


def solve(gram: Array, moment: Array, constraints: Constraints) -> Solution:
    """Minimize b'Gb/2 - c'b under constraints.

    Parameters
    ----------
    gram : float, shape (p, p)
        Symmetric, positive semidefinite.
    moment : float, shape (p,)
    constraints
        Flat directions of G are allowed; the solution then stays near the origin along them.

    Raises
    ------
    OptionError
        The constraints contradict each other.
    """
    scale = _scale(gram)
    scaled = Constraints(
        constraints.at_least / scale, constraints.bound, constraints.equal / scale,
        constraints.level,
    )  # fmt: skip
    z, multipliers = _solve_scaled(gram / np.outer(scale, scale), moment / scale, scaled)
    b = z / scale
    return _proved(gram, moment, constraints, b, multipliers)


def _scale(gram: Array) -> Array:
    """Return the roots of the diagonal, so that every scaled term has unit size."""
    diagonal = np.sqrt(np.diag(gram).clip(0))
    return np.where(diagonal > 0, diagonal, 1.0)


def _solve_scaled(gram: Array, moment: Array, given: Constraints) -> tuple[Array, Array]:
    """Eliminate the equalities, then solve the inequalities as a least distance problem."""
    start: Array = np.zeros(len(moment))
    basis: Array = np.eye(len(moment))
    if len(given.equal):
        start = np.asarray(np.linalg.lstsq(given.equal, given.level, rcond=None)[0], np.float64)
        if not np.allclose(given.equal @ start, given.level, rtol=1e-9, atol=1e-9):
            raise OptionError("the equality constraints contradict each other")
        basis = null_space(given.equal)
    inner = basis.T @ gram @ basis
    slope = basis.T @ (moment - gram @ start)
    rows = given.at_least @ basis
    z, multipliers = _least_distance(inner, slope, rows, given.bound - given.at_least @ start)
    return start + basis @ z, multipliers


def _least_distance(gram: Array, moment: Array, rows: Array, bound: Array) -> tuple[Array, Array]:
    """Solve min z'Gz/2 - c'z, rows z >= bound; return z and the multipliers of the rows."""
    values, vectors = np.linalg.eigh(gram)
    floor = FLAT * max(float(values[-1]), 1e-300) if len(values) else 0.0
    root = np.sqrt(np.maximum(values, floor))
    free = np.where(values > floor, vectors.T @ moment / root, 0.0)
    inverse = vectors / root
    if not len(rows):
        return inverse @ free, np.zeros(0)
    slanted = rows @ inverse
    short = bound - slanted @ free
    if short.max(initial=-np.inf) <= 0:
        return inverse @ free, np.zeros(len(rows))
    size = max(float(np.abs(short).max()), 1e-300)
    y = _nnls(np.vstack([slanted.T, short / size]))
    left = 1.0 - y @ (short / size)
    if left <= 1e-12:
        raise OptionError("the constraints contradict each other: no coefficients obey them all")
    multipliers = y * size / left
    return inverse @ (free + slanted.T @ multipliers), multipliers


def _nnls(matrix: Array) -> Array:
    """Return y >= 0 nearest to the unit vector of the last row, ``matrix @ y``."""
    target = np.zeros(len(matrix))
    target[-1] = 1.0
    found: Array = nnls(matrix, target, maxiter=50 * matrix.shape[1])[0]
    return found


def _proved(
    gram: Array, moment: Array, given: Constraints, b: Array, multipliers: Array
) -> Solution:
    """Set coefficients on their binding bounds exactly, and measure the KKT conditions."""
    slope = gram @ b - moment - given.at_least.T @ multipliers
    if len(given.equal):
        slope = slope - given.equal.T @ np.linalg.lstsq(given.equal.T, slope, rcond=None)[0]
    diagonal = np.diag(gram)
    shown = np.abs(slope[diagonal > 0] / diagonal[diagonal > 0])
    gaps = np.concatenate([given.bound - given.at_least @ b, np.abs(given.equal @ b - given.level)])
    return Solution(
        coefficients=b,
        multipliers=multipliers,
        binding=multipliers > 0,
        stationarity=float(shown.max(initial=0.0)),
        violation=float(gaps.max(initial=0.0)),
    )
