"""Gradient boosted trees beside the linear model: what they see, and how they are grown."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from riskadj.features.rulebook import Rulebook
from riskadj.scoring.batches import word_columns, words_of
from riskadj.scoring.raw import live_rows, places, with_codes
from riskadj.training.spec import Trees
from riskadj.training.trees import TreeRegressor

STATUS = ("age", "sex", "orec", "dual", "long_term_institutional", "new_enrollee", "chronic_snp")
"""A profile's axes, the first columns that trees see; then conditions and their number."""


def tree_design(batch: pa.RecordBatch, book: Rulebook) -> sparse.csr_array:
    """Return what trees see of prepared rows: status, live conditions, how many.

    Race, ethnicity and social vulnerability are never among them.

    Returns
    -------
    csr_array of float64, shape (n_members, n_axes + n_categories + 1)
    """
    profile = batch.column("profile").to_numpy()
    axes = np.array([*book.profiles.values(profile).values()], dtype=np.float64)
    axis, row = np.nonzero(axes)
    rows: list[NDArray[Any]] = [row]
    cols: list[NDArray[Any]] = [axis]
    data = [axes[axis, row]]
    words = words_of(batch, word_columns(batch))
    for who in with_codes(words):
        live = live_rows(words.take(who, axis=1), profile[who], book)
        place, bit = places(live, range(book.n_categories))
        number = np.bincount(place, minlength=len(who))
        some = np.flatnonzero(number)
        rows += [who[place], who[some]]
        cols += [len(axes) + bit.astype(np.int64), np.full(len(some), n_columns(book) - 1)]
        data += [np.ones(len(place)), number[some].astype(np.float64)]
    index = np.concatenate(rows), np.concatenate(cols)
    return sparse.csr_array((np.concatenate(data), index), shape=(len(profile), n_columns(book)))


def live_conditions(seen: sparse.csr_array, book: Rulebook) -> sparse.csr_array:
    """Return the conditions among what trees see: shape (n_members, n_categories)."""
    return seen[:, len(book.profiles.axes) : len(book.profiles.axes) + book.n_categories]


def n_columns(book: Rulebook) -> int:
    """Return how many columns trees see."""
    return len(book.profiles.axes) + book.n_categories + 1


def grow(
    designs: Iterable[sparse.csr_array],
    outcome: NDArray[np.float64],
    months: NDArray[np.int64],
    how: Trees,
    seed: int,
    n_axes: int,
) -> TreeRegressor:
    """Grow a challenger's trees; members must stand in the order of their ids.

    Parameters
    ----------
    outcome : float, shape (n_members,)
        Dollars a year: cost, or what the linear model leaves of it.
    n_axes
        How many columns of the designs are status; what follows are conditions.
    """
    design = sparse.vstack(list(designs), format="csr")
    conditions = design.shape[1] - n_axes
    monotone = [0] * n_axes + [1] * conditions if how.monotone else None
    trees = TreeRegressor(
        how.objective, rounds=how.rounds, learning_rate=how.learning_rate, leaves=how.leaves,
        min_members_in_leaf=how.min_members_in_leaf, monotone=monotone, seed=seed,
    )  # fmt: skip
    return trees.fit(design, outcome, sample_weight=months / 12)
