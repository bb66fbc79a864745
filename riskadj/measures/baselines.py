"""Baselines every model is shown against: mean cost by age and sex, or by last year's cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskadj.errors import InputError, OptionError
from riskadj.measures.groups import Labels, groups_labelled
from riskadj.measures.metrics import Floats, check_members, mean_of

BANDS = ("none", "0", "0-1k", "1k-2.5k", "2.5k-5k", "5k-10k", "10k-25k", "25k-50k", "50k-100k",
         "100k+")  # fmt: skip
"""Names of the bands of ``prior_cost_bands``."""

_STARTS = np.array([1_000.0, 2_500.0, 5_000.0, 10_000.0, 25_000.0, 50_000.0, 100_000.0])


@dataclass(frozen=True, slots=True)
class CellMeans:
    """Mean cost of the members with each label.

    Attributes
    ----------
    labels : int, bool or str, shape (n_cells,)
        In order; only labels of enough members.
    mean_usd : float, shape (n_cells,)
        Weighted mean of annualised cost.
    overall_usd
        That of everybody, for labels without a cell.
    """

    labels: Labels
    mean_usd: Floats
    overall_usd: float

    def predict(self, labels: Labels) -> Floats:
        """Return the mean of each member's cell; that of everybody for a label without one.

        Raises
        ------
        InputError
            Labels are not of the kind they were fitted on, and would match none.
        """
        if (labels.dtype.kind == "U") != (self.labels.dtype.kind == "U"):
            raise InputError(f"Cells are of {self.labels.dtype} labels, got {labels.dtype}")
        if not len(self.labels):
            return np.full(len(labels), self.overall_usd)
        place = np.minimum(np.searchsorted(self.labels, labels), len(self.labels) - 1)
        known = self.labels[place] == labels
        return np.where(known, self.mean_usd[place], self.overall_usd)


def prior_cost_bands(prior_dollars: Floats) -> NDArray[np.int8]:
    """Band members by last year's cost.

    Parameters
    ----------
    prior_dollars : float, shape (n_members,)
        Dollars; nan for a member without a prior year.

    Returns
    -------
    int8, shape (n_members,)
        Place in ``BANDS``: 0 without a prior year, 1 for 0 dollars or less; a band starts at its
        lower bound.
    """
    bands = np.searchsorted(_STARTS, prior_dollars, side="right") + 2
    bands[prior_dollars <= 0] = 1
    bands[np.isnan(prior_dollars)] = 0
    return bands.astype(np.int8)


def cell_means(labels: Labels, y: Floats, w: Floats, min_members: int = 1) -> CellMeans:
    """Average the cost of the members with each label.

    Parameters
    ----------
    labels : int, bool or str, shape (n_members,)
    y, w : float, shape (n_members,)
        Annualised cost, dollars; eligible months / 12.
    min_members
        Labels of fewer members get no cell of their own.

    Raises
    ------
    InputError
        The arrays cannot be measured.
    OptionError
        ``min_members`` is below 1.
    """
    if min_members < 1:
        raise OptionError(f"A cell has at least 1 member, got {min_members}")
    check_members(y, y, w)
    if labels.shape != y.shape:
        raise InputError(f"There are {len(labels):,} labels for {len(y):,} members")
    cell = groups_labelled(labels).group
    found: Labels = np.unique(labels)  # type: ignore[assignment]
    enough = np.bincount(cell) >= min_members
    means = np.bincount(cell, w * y) / np.bincount(cell, w)
    return CellMeans(found[enough], means[enough], mean_of(y, w))
