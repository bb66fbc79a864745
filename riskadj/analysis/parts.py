"""A score taken apart: what one model's scores of some members are the sum of."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskadj.features.conditions import (
    Rows,
    apply_variants,
    before_hierarchies,
    keep_most_severe,
    unpack_words,
)
from riskadj.features.rulebook import Rulebook
from riskadj.features.terms import add_variables

Points = NDArray[np.int64]
"""Thousandths."""


class PartSum(NamedTuple):
    """How many members a part concerns, and its sum over them in thousandths."""

    members: int
    points: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """The rulebook run on some members, with a stop before the hierarchies.

    Attributes
    ----------
    before : bool, shape (n_categories, n_members)
        Categories after conditional rows and the rules before the hierarchies.
    rows : bool, shape (n_bits, n_members)
        Everything that holds at the end, as in ``scoring.raw.live_rows``.
    """

    before: Rows
    rows: Rows

    @property
    def after(self) -> Rows:
        """The categories that the hierarchies leave."""
        return self.rows[: len(self.before)]


def conditions_of(
    words: NDArray[np.int64], profile: NDArray[np.int32], book: Rulebook
) -> Conditions:
    """Run the rulebook on words of shape (n_words, n_members)."""
    rows = before_hierarchies(words, profile, book)
    before = rows[: book.n_categories].copy()
    keep_most_severe(rows, book.hierarchy)
    add_variables(rows, profile, book)
    return Conditions(before, rows)


def meant_by_codes(
    words: NDArray[np.int64], profile: NDArray[np.int32], book: Rulebook
) -> Rows:  # fmt: skip
    """Return the categories that some code means at the member's age and sex, before any rule.

    Returns
    -------
    bool, shape (n_categories, n_members)
    """
    rows = unpack_words(words, book.n_code_bits, book.n_bits)
    apply_variants(rows, profile, book)
    return rows[: book.n_categories]


def category_worth(segment: NDArray[np.int8], book: Rulebook) -> NDArray[np.int32]:
    """Return what each category costs in each member's segment, shape (n_categories, n_members)."""
    worth: NDArray[np.int32] = book.worth[: book.n_categories].take(segment, axis=1)
    return worth


def sum_of(rows: Rows, worth: NDArray[np.int32]) -> Points:
    """Add up each member's coefficients of the categories that hold."""
    points: Points = np.where(rows, worth, 0).sum(axis=0, dtype=np.int64)
    return points


def later_sum(rows: Rows, segment: NDArray[np.int8], book: Rulebook) -> Points:
    """Add up each member's coefficients of interactions and counts."""
    bits = book.later_priced
    return sum_of(rows.take(bits, axis=0), book.worth[bits].take(segment, axis=1))


def by_category(rows: Rows, worth: NDArray[np.int32]) -> tuple[Points, Points]:
    """Return the members of each category and the sum of their coefficients of it."""
    return rows.sum(axis=1, dtype=np.int64), np.where(rows, worth, 0).sum(axis=1, dtype=np.int64)
